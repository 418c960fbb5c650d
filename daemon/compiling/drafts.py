"""A protocol's steps laid flat with their currents in ampere: what is left to do is to fit them to an instrument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from daemon.compiling.limits_in_plan import (
    CURRENT_STEP_KEYS,
    POWER_STEP_KEYS,
    TIME_KEYS,
    VOLTAGE_STEP_KEYS,
    Place,
    Scale,
    host_limits,
    resolved,
    until_charge_ampere_hour,
)
from daemon.plan import CYCLE_QUANTITIES, Equilibration, Limit
from daemon.rows.readings import AIR_TEMPERATURE, BATH_TEMPERATURE, JIG_TEMPERATURE
from drivers.roles import LEAST_POWER_VOLT
from protocols import units
from protocols.branches import FIRST_BLOCK, tags_of
from protocols.ends import ends_of
from protocols.errors import Path
from protocols.protocol import ProtocolFile, step_path
from protocols.settings import CRateBasis
from protocols.steps import (
    AdvanceCycle,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CycleStep,
    Equilibrate,
    Loop,
    Mill,
    OpenCircuitVoltage,
    Pause,
    Rest,
    SetTemperature,
    Step,
    Tag,
    VoltageScan,
    WaitFor,
)

_AWAITED = {"thermometer": JIG_TEMPERATURE, "chamber": AIR_TEMPERATURE, "chiller": BATH_TEMPERATURE}
"""Whose temperature a `wait_for` means, by its role."""


@dataclass(frozen=True, kw_only=True)
class CurrentDraft:
    """A current to come. `index` is the step in the file, from 0; `path` leads to what sets its current."""

    index: int
    path: Path
    step: ConstantCurrent | ConstantPower | CycleStep
    step_id: str
    block: str
    half: str
    rate_C: float | None
    current_ampere: float
    until_voltage_volt: float | None
    until_time_second: float | None
    until_charge_ampere_hour: float | None = None
    basis: CRateBasis | None = None
    limits: tuple[Limit, ...] = ()

    @property
    def least_ampere(self) -> float:
        """The smallest size of the current."""
        return abs(self.current_ampere)


@dataclass(frozen=True, kw_only=True)
class PowerDraft(CurrentDraft):
    """A power to come. `current_ampere` is its largest current, `smallest_ampere` its smallest, in size."""

    power_watt: float
    smallest_ampere: float

    @property
    def least_ampere(self) -> float:
        """The smallest size of the current."""
        return self.smallest_ampere


@dataclass(frozen=True, kw_only=True)
class RestDraft:
    """A rest to come; without a time only `limits` end it."""

    index: int
    step: Rest
    step_id: str
    block: str
    until_time_second: float | None
    until_equilibrated: Equilibration | None = None
    limits: tuple[Limit, ...] = ()
    on_timeout: str = "hold"


@dataclass(frozen=True, kw_only=True)
class VoltageDraft:
    """A voltage to be held. With `extends` it goes on with the half-cycle before it, of `half`."""

    index: int
    step: ConstantVoltage
    step_id: str
    block: str
    half: str | None
    extends: bool
    until_current_ampere: float | None
    basis: CRateBasis | None = None
    limits: tuple[Limit, ...] = ()

    @property
    def until_time_second(self) -> float | None:
        """The time that ends it."""
        return self.step.until_time_second


@dataclass(frozen=True, kw_only=True)
class ScanDraft:
    """A scan to come."""

    index: int
    step: VoltageScan
    step_id: str
    block: str
    limits: tuple[Limit, ...] = ()

    @property
    def until_time_second(self) -> float:
        """How long it takes."""
        span_volt = abs(self.step.end_voltage_V - self.step.start_voltage_V)
        return span_volt / units.volt(self.step.scan_rate_mV_per_s)


@dataclass(frozen=True, kw_only=True)
class PauseDraft:
    """A person to be asked."""

    index: int
    step: Pause
    step_id: str
    block: str


@dataclass(frozen=True, kw_only=True)
class WaitDraft:
    """A wait with the cell left alone; without a time only the rest ends it."""

    index: int
    step: WaitFor
    step_id: str
    block: str
    until_time_second: float | None
    is_timed_out: bool
    until_equilibrated: Equilibration | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MillDraft:
    """A blade to be turned."""

    index: int
    step: Mill
    step_id: str
    block: str


@dataclass(frozen=True, kw_only=True)
class SetDraft:
    """A setpoint to come, of the chamber or the chiller."""

    index: int
    step: Rest | SetTemperature
    step_id: str
    block: str
    temperature_celsius: float
    role: str = "chamber"


@dataclass(frozen=True, kw_only=True)
class AdvanceDraft:
    """A cycle to be counted."""

    index: int
    step: AdvanceCycle
    step_id: str
    block: str


@dataclass(frozen=True, kw_only=True)
class LoopDraft:
    """A loop to come. `first` counts drafts from 0; `begins` is the step of the file, from 0, with which it begins."""

    index: int
    step: Loop | CycleStep
    step_id: str
    block: str
    first: int
    begins: int
    passes: int
    limits: tuple[Limit, ...] = ()


HeldDraft = VoltageDraft | ScanDraft
MeasuredDraft = CurrentDraft | HeldDraft | RestDraft
LimitedDraft = MeasuredDraft | WaitDraft | LoopDraft
Draft = MeasuredDraft | WaitDraft | MillDraft | SetDraft | PauseDraft | AdvanceDraft | LoopDraft


def lay_flat(file: ProtocolFile, loop_starts: dict[int, int], scale: Scale) -> list[Draft]:
    """Expand the short forms and number the steps. Tags vanish; steps that cannot be laid are left out.

    Args:
        file: the protocol; steps with an error are left out.
        loop_starts: see `protocols.structure.Structure`.
        scale: without a current of 1 C every step whose current is a C-rate is left out.
    """
    drafts: list[Draft] = []
    first_draft: dict[int, int] = {}
    position_by_tag: dict[str, int] = {}
    block = FIRST_BLOCK
    for index, step in enumerate(file.steps):
        first_draft[index] = len(drafts)
        position_by_tag[_before(index)] = len(drafts)
        if isinstance(step, Tag):
            block = step.tag
            position_by_tag.setdefault(step.tag, len(drafts))
        else:
            first = first_draft.get(loop_starts.get(index, -1), 0)
            drafts += _laid(file, index, block, scale, first=first, is_loop=index in loop_starts, position=len(drafts))
    position_by_tag[_before(len(file.steps))] = len(drafts)
    places = _places(drafts, position_by_tag, tags_of(file))
    return [
        replace(draft, limits=resolved(draft.limits, places)) if isinstance(draft, LimitedDraft) else draft
        for draft in drafts
    ]


def _laid(
    file: ProtocolFile, index: int, block: str, scale: Scale, *, first: int, is_loop: bool, position: int
) -> Iterator[Draft]:
    """The drafts of one step. `first` is where a loop goes back to, `position` the number of the step's first draft."""
    step = file.steps[index]
    if isinstance(step, ConstantCurrent):
        yield from _current(file, index, step, block, scale)
    elif isinstance(step, SetTemperature):
        said = _setpoint(index, step, step.id or f"{index + 1}-set", block, step.temperature_C)
        yield replace(said, role=step.role)
    elif isinstance(step, ConstantPower | ConstantVoltage):
        yield _power_or_voltage(file, index, step, block, scale)
    elif isinstance(step, VoltageScan):
        limits = host_limits(ends_of(step, step_path(index)), frozenset(), scale)
        yield ScanDraft(index=index, step=step, step_id=step.id or f"{index + 1}-scan", block=block, limits=limits)
    elif isinstance(step, Pause):
        yield PauseDraft(index=index, step=step, step_id=step.id or f"{index + 1}-pause", block=block)
    elif isinstance(step, OpenCircuitVoltage):
        yield from _rest(index, step, block, scale)
    elif isinstance(step, Equilibrate):
        yield from _equilibration(index, step, block, scale)
    elif isinstance(step, AdvanceCycle):
        yield AdvanceDraft(index=index, step=step, step_id=step.id or f"{index + 1}-advance", block=block)
    elif isinstance(step, Mill):
        yield MillDraft(index=index, step=step, step_id=step.id or f"{index + 1}-mill", block=block)
    elif isinstance(step, WaitFor):
        yield _wait(index, step, block, scale)
    elif isinstance(step, CycleStep):
        yield from _cycle(file, index, step, scale, position)
    elif isinstance(step, Loop) and is_loop:
        yield LoopDraft(
            index=index,
            step=step,
            step_id=step.id or f"{index + 1}-loop",
            block=block,
            first=first,
            begins=step.loop_to - 1 if isinstance(step.loop_to, int) else tags_of(file)[step.loop_to],
            passes=step.cycle_count,
            limits=host_limits(ends_of(step, step_path(index)), frozenset(), scale),
        )


def _before(index: int) -> str:
    """A name for the place before a step of the file, which no tag can have."""
    return f"\n{index}"


def _places(drafts: list[Draft], position_by_name: dict[str, int], index_by_tag: dict[str, int]) -> dict[str, Place]:
    """Where each name leads; a loop that begins at a tag or above it goes on when a limit leads there."""
    loops = [(at, draft) for at, draft in enumerate(drafts) if isinstance(draft, LoopDraft)]
    return {
        name: Place(
            position,
            tuple(at for at, loop in loops if loop.first == position and loop.begins > index_by_tag.get(name, -1)),
        )
        for name, position in position_by_name.items()
    }


def needs_rate(step: Step) -> bool:
    """Whether a step's current, or an end of it, is a C-rate."""
    if isinstance(step, CycleStep) or (isinstance(step, ConstantCurrent) and step.rate_C is not None):
        return True
    return any(test.variable.name == "rate_C" for end in ends_of(step, ()) for test in end.when)


def _setpoint(
    index: int, step: Rest | SetTemperature, step_id: str, block: str, temperature_celsius: float
) -> SetDraft:
    return SetDraft(index=index, step=step, step_id=step_id, block=block, temperature_celsius=temperature_celsius)


def _rest(index: int, step: OpenCircuitVoltage, block: str, scale: Scale) -> Iterator[Draft]:
    step_id = step.id or f"{index + 1}-rest"
    if step.temperature_C is not None:
        yield _setpoint(index, step, f"{step_id}/set", block, step.temperature_C)
    yield RestDraft(
        index=index,
        step=step,
        step_id=step_id,
        block=block,
        until_time_second=step.until_time_second,
        limits=host_limits(ends_of(step, step_path(index)), TIME_KEYS, scale),
    )


def _equilibration(index: int, step: Equilibrate, block: str, scale: Scale) -> Iterator[Draft]:
    step_id = step.id or f"{index + 1}-equilibrate"
    yield _setpoint(index, step, f"{step_id}/set", block, step.temperature_C)
    yield RestDraft(
        index=index,
        step=step,
        step_id=step_id,
        block=block,
        until_time_second=step.timeout_second,
        until_equilibrated=Equilibration(
            temperature_celsius=step.temperature_C, within_kelvin=step.within_C, for_second=step.for_second
        ),
        limits=host_limits(ends_of(step, step_path(index)), frozenset(), scale),
        on_timeout=step.on_timeout,
    )


def _wait(index: int, step: WaitFor, block: str, scale: Scale) -> WaitDraft:
    written, timeout = step.until_time_second, step.timeout_second
    known = [second for second in (written, timeout) if second is not None]
    waits_for = None
    if step.temperature_C is not None:
        waits_for = Equilibration(
            temperature_celsius=step.temperature_C,
            within_kelvin=step.within_C,
            for_second=step.for_second,
            quantity=_AWAITED[step.role],
        )
    return WaitDraft(
        index=index,
        step=step,
        step_id=step.id or f"{index + 1}-wait",
        block=block,
        until_time_second=min(known, default=None),
        is_timed_out=written is None or (timeout is not None and timeout < written),
        until_equilibrated=waits_for,
        limits=host_limits(ends_of(step, step_path(index)), TIME_KEYS, scale),
    )


def _basis(file: ProtocolFile, step: ConstantCurrent | ConstantVoltage | CycleStep) -> CRateBasis | None:
    """Whose measured capacity the rates of a step are of; None for what the cell file says."""
    said = step.c_rate_basis or (file.top.c_rate_basis if file.top else None)
    return None if said is None or said.block is None or not needs_rate(step) else said


def _current(file: ProtocolFile, index: int, step: ConstantCurrent, block: str, scale: Scale) -> Iterator[CurrentDraft]:
    if step.rate_C is not None and scale.one_C_ampere is not None:
        key, current_ampere = "rate_C", units.current_of_rate(step.rate_C, scale.one_C_ampere)
    elif step.rate_C is None and step.current_mA is not None:
        key, current_ampere = "current_mA", units.ampere(step.current_mA)
    elif step.rate_C is None and step.current_density_mA_cm2 is not None and scale.diameter_mm is not None:
        key = "current_density_mA_cm2"
        current_ampere = units.current_by_area(step.current_density_mA_cm2, scale.diameter_mm)
    else:
        return
    ends = ends_of(step, step_path(index))
    yield CurrentDraft(
        index=index,
        path=step_path(index, key),
        step=step,
        step_id=step.id or f"{index + 1}-{step.half}",
        block=block,
        half=step.half,
        rate_C=None if step.rate_C is None else abs(step.rate_C),
        current_ampere=current_ampere,
        until_voltage_volt=step.until_voltage_V,
        until_time_second=step.until_time_second,
        until_charge_ampere_hour=until_charge_ampere_hour(ends, scale),
        basis=_basis(file, step),
        limits=host_limits(ends, CURRENT_STEP_KEYS, scale),
    )


def _power_or_voltage(
    file: ProtocolFile, index: int, step: ConstantPower | ConstantVoltage, block: str, scale: Scale
) -> PowerDraft | VoltageDraft:
    if isinstance(step, ConstantPower):
        return _power(index, step, block, scale)
    return _voltage(file, index, step, block, scale)


def _power(index: int, step: ConstantPower, block: str, scale: Scale) -> PowerDraft:
    watt, lowest_volt = units.watt(step.power_mW), scale.lowest_volt
    if step.half == "discharge" and step.until_voltage_V is not None:
        lowest_volt = step.until_voltage_V
    largest_ampere = watt / max(lowest_volt, LEAST_POWER_VOLT)
    return PowerDraft(
        index=index,
        path=step_path(index, "power_mW"),
        step=step,
        step_id=step.id or f"{index + 1}-{step.half}",
        block=block,
        half=step.half,
        rate_C=None,
        current_ampere=largest_ampere,
        power_watt=watt,
        smallest_ampere=abs(largest_ampere),
        until_voltage_volt=step.until_voltage_V,
        until_time_second=step.until_time_second,
        limits=host_limits(ends_of(step, step_path(index)), POWER_STEP_KEYS, scale),
    )


def _voltage(file: ProtocolFile, index: int, step: ConstantVoltage, block: str, scale: Scale) -> VoltageDraft:
    ends = ends_of(step, step_path(index))
    until_ampere = None if step.until_current_mA is None else abs(units.ampere(step.until_current_mA))
    if step.until_rate_C is not None:
        until_ampere = abs(step.until_rate_C) * (scale.one_C_ampere or 0.0)
    before = next((other for other in reversed(file.steps[:index]) if not isinstance(other, Tag)), None)
    extends = isinstance(before, ConstantCurrent | ConstantPower) and before.until_voltage_V == step.voltage_V
    return VoltageDraft(
        index=index,
        step=step,
        step_id=step.id or f"{index + 1}-hold",
        block=block,
        half=before.half if isinstance(before, ConstantCurrent | ConstantPower) and extends else None,
        extends=extends,
        until_current_ampere=until_ampere,
        basis=_basis(file, step),
        limits=host_limits(ends, VOLTAGE_STEP_KEYS, scale),
    )


def _cycle(file: ProtocolFile, index: int, step: CycleStep, scale: Scale, first: int) -> Iterator[Draft]:
    window = step.window or (file.top.window if file.top else None)
    if window is None or file.top is None or scale.one_C_ampere is None:
        return
    in_halves, in_loop = _limits_of_cycle(index, step, scale)
    name = step.id or f"cycle_{index + 1}"
    halves = [("charge", 1, window.upper_voltage_V), ("discharge", -1, window.lower_voltage_V)]
    if file.top.cycle_starts_with == "discharge":
        halves.reverse()
    for item, rate in enumerate(step.rate_C):
        prefix, block = _labels(name, step.rate_C, item)
        for half, sign, until_volt in halves:
            yield CurrentDraft(
                index=index,
                path=step_path(index, "rate_C", *([item] if len(step.rate_C) > 1 else [])),
                step=step,
                step_id=f"{prefix}/{half}",
                block=block,
                half=half,
                rate_C=rate,
                current_ampere=units.current_of_rate(sign * rate, scale.one_C_ampere),
                until_voltage_volt=until_volt,
                until_time_second=None,
                basis=_basis(file, step),
                limits=in_halves,
            )
        start = first + 3 * item
        yield LoopDraft(
            index=index,
            step=step,
            step_id=f"{prefix}/loop",
            block=block,
            first=start,
            begins=index,
            passes=step.cycle_count,
            limits=in_loop,
        )


def _limits_of_cycle(index: int, step: CycleStep, scale: Scale) -> tuple[tuple[Limit, ...], tuple[Limit, ...]]:
    """The limits of each half, and those of complete cycles; next is the step after all its rates."""
    limits = host_limits(ends_of(step, step_path(index)), frozenset(), scale, then=_before(index + 1))
    of_cycles = [any(condition.quantity in CYCLE_QUANTITIES for condition in limit.when) for limit in limits]
    pairs = list(zip(limits, of_cycles, strict=True))
    return tuple(limit for limit, is_so in pairs if not is_so), tuple(limit for limit, is_so in pairs if is_so)


def _labels(name: str, rates: list[float], item: int) -> tuple[str, str]:
    """The beginning of the step ids of one rate of a cycle, and its block; a rate that comes again is numbered."""
    if len(rates) == 1:
        return name, name
    rate = rates[item]
    again = rates[: item + 1].count(rate)
    if again > 1:
        return f"{name}/{rate:g}C-{again}", f"{name} {rate:g} C ({again})"
    return f"{name}/{rate:g}C", f"{name} {rate:g} C"

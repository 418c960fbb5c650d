"""A protocol's steps laid flat with their currents in ampere: what is left to do is to fit them to an instrument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from daemon.plan import Equilibration
from protocols import units
from protocols.errors import Path
from protocols.protocol import (
    ConstantCurrent,
    CycleStep,
    Equilibrate,
    Loop,
    OpenCircuitVoltage,
    ProtocolFile,
    Rest,
    SetTemperature,
    Step,
    Tag,
    step_path,
)

FIRST_BLOCK = "main"
"""The block of steps before any tag."""


@dataclass(frozen=True, kw_only=True)
class CurrentDraft:
    """A current to come. `index` is the step in the file, from 0; `path` leads to what sets its current."""

    index: int
    path: Path
    step: ConstantCurrent | CycleStep
    step_id: str
    block: str
    half: str
    rate_C: float | None
    current_ampere: float
    until_voltage_volt: float | None
    until_time_second: float | None


@dataclass(frozen=True, kw_only=True)
class RestDraft:
    """A rest to come."""

    index: int
    step: Rest
    step_id: str
    block: str
    until_time_second: float
    until_equilibrated: Equilibration | None = None
    on_timeout: str = "hold"


@dataclass(frozen=True, kw_only=True)
class SetDraft:
    """A setpoint to come."""

    index: int
    step: Rest | SetTemperature
    step_id: str
    block: str
    temperature_celsius: float


@dataclass(frozen=True, kw_only=True)
class LoopDraft:
    """A loop to come. `first` counts drafts from 0."""

    index: int
    step: Loop | CycleStep
    step_id: str
    block: str
    first: int
    passes: int


MeasuredDraft = CurrentDraft | RestDraft
Draft = MeasuredDraft | SetDraft | LoopDraft


def lay_flat(file: ProtocolFile, loop_starts: dict[int, int], one_C_ampere: float | None) -> list[Draft]:
    """Expand the short forms and number the steps. Tags vanish; steps that cannot be laid are left out.

    Args:
        file: the protocol; steps with an error are left out.
        loop_starts: see `protocols.structure.Structure`.
        one_C_ampere: None leaves out every step whose current is a C-rate.
    """
    drafts: list[Draft] = []
    first_draft: dict[int, int] = {}
    block = FIRST_BLOCK
    for index, step in enumerate(file.steps):
        first_draft[index] = len(drafts)
        if isinstance(step, Tag):
            block = step.tag
        elif isinstance(step, ConstantCurrent):
            drafts += _current(index, step, block, one_C_ampere)
        elif isinstance(step, SetTemperature):
            drafts.append(_setpoint(index, step, step.id or f"{index + 1}-set", block, step.temperature_C))
        elif isinstance(step, OpenCircuitVoltage):
            drafts += _rest(index, step, block)
        elif isinstance(step, Equilibrate):
            drafts += _equilibration(index, step, block)
        elif isinstance(step, CycleStep) and one_C_ampere is not None:
            drafts += _cycle(file, index, step, one_C_ampere, len(drafts))
        elif isinstance(step, Loop) and index in loop_starts:
            step_id = step.id or f"{index + 1}-loop"
            first = first_draft[loop_starts[index]]
            drafts.append(
                LoopDraft(index=index, step=step, step_id=step_id, block=block, first=first, passes=step.cycle_count)
            )
    return drafts


def needs_rate(step: Step) -> bool:
    """Whether a step's current is a C-rate."""
    return isinstance(step, CycleStep) or (isinstance(step, ConstantCurrent) and step.rate_C is not None)


def _setpoint(
    index: int, step: Rest | SetTemperature, step_id: str, block: str, temperature_celsius: float
) -> SetDraft:
    return SetDraft(index=index, step=step, step_id=step_id, block=block, temperature_celsius=temperature_celsius)


def _rest(index: int, step: OpenCircuitVoltage, block: str) -> Iterator[Draft]:
    if step.until_time_second is None:
        return
    step_id = step.id or f"{index + 1}-rest"
    if step.temperature_C is not None:
        yield _setpoint(index, step, f"{step_id}/set", block, step.temperature_C)
    yield RestDraft(index=index, step=step, step_id=step_id, block=block, until_time_second=step.until_time_second)


def _equilibration(index: int, step: Equilibrate, block: str) -> Iterator[Draft]:
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
        on_timeout=step.on_timeout,
    )


def _current(index: int, step: ConstantCurrent, block: str, one_C_ampere: float | None) -> Iterator[CurrentDraft]:
    if step.rate_C is not None and one_C_ampere is not None:
        key, current_ampere = "rate_C", units.current_of_rate(step.rate_C, one_C_ampere)
    elif step.rate_C is None and step.current_mA is not None:
        key, current_ampere = "current_mA", units.ampere(step.current_mA)
    else:
        return
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
    )


def _cycle(file: ProtocolFile, index: int, step: CycleStep, one_C_ampere: float, first: int) -> Iterator[Draft]:
    window = file.top.window if file.top else None
    if window is None or file.top is None:
        return
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
                current_ampere=units.current_of_rate(sign * rate, one_C_ampere),
                until_voltage_volt=until_volt,
                until_time_second=None,
            )
        start = first + 3 * item
        yield LoopDraft(
            index=index, step=step, step_id=f"{prefix}/loop", block=block, first=start, passes=step.cycle_count
        )


def _labels(name: str, rates: list[float], item: int) -> tuple[str, str]:
    """The beginning of the step ids of one rate of a cycle, and its block; a rate that comes again is numbered."""
    if len(rates) == 1:
        return name, name
    rate = rates[item]
    again = rates[: item + 1].count(rate)
    if again > 1:
        return f"{name}/{rate:g}C-{again}", f"{name} {rate:g} C ({again})"
    return f"{name}/{rate:g}C", f"{name} {rate:g} C"

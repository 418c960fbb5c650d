"""Whether each step can end where it says: windows and bounds, and where one step's voltage leaves the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.ends import ends_of
from protocols.errors import Path
from protocols.protocol import ProtocolFile, step_path
from protocols.settings import Safety, Window
from protocols.source import Findings
from protocols.steps import (
    BrokenStep,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CycleStep,
    Directed,
    Measured,
    Step,
    Tag,
    VoltageScan,
)
from protocols.units import SECOND_PER_HOUR


@dataclass(frozen=True)
class _Leg:
    """A half that a step begins or ends with. `ends_there` when it surely ends on its voltage."""

    half: str
    until_volt: float | None
    rate_C: float | None
    ends_there: bool


def check_directions(file: ProtocolFile, loop_starts: dict[int, int], findings: Findings) -> None:
    """Note every step that ends outside its window or bounds, on the wrong side of its start, or at another voltage."""
    for index, step in enumerate(file.steps):
        _check_window(file, findings, index, step)
        if isinstance(step, Measured):
            _check_bounds(file, findings, index, step)
    _check_holds(file, findings)
    arrivals = _arrivals(file, loop_starts)
    for index, step in enumerate(file.steps):
        _check_start(file, findings, index, step, arrivals[index])


def window_of(file: ProtocolFile, step: Step) -> Window | None:
    """The window that holds for a step: its own, else that of the top."""
    own = step.window if isinstance(step, Measured) else None
    return own or (file.top.window if file.top else None)


def _voltages(step: Step) -> Iterator[tuple[str, float]]:
    """The voltages a step says it will bring the cell to, and where."""
    for key in ("until_voltage_V", "voltage_V", "start_voltage_V", "end_voltage_V", "bias_voltage_V"):
        value = getattr(step, key, None)
        if value is not None:
            yield key, value


def _check_window(file: ProtocolFile, findings: Findings, index: int, step: Step) -> None:
    window = window_of(file, step)
    if isinstance(step, CycleStep) and window is None and not _window_was_bad(file):
        hint = "write window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In} at the top"
        findings.error(step_path(index), "a cycle needs a window", hint)
    for key, volt in _voltages(step):
        if window is not None and not window.lower_voltage_V <= volt <= window.upper_voltage_V:
            what = f"{volt:g} V is outside the window, {window.lower_voltage_V:g} to {window.upper_voltage_V:g} V"
            findings.error(step_path(index, key), what, "write a voltage inside it, or widen the window")


def _window_was_bad(file: ProtocolFile) -> bool:
    places = [problem.path for problem in file.problems] + list(file.waiting)
    return any(place.startswith("window") for place in places)


_BOUNDS = {
    "pressure_MPa": ("min_pressure_MPa", "max_pressure_MPa", "MPa"),
    "temperature_C": (None, "max_temperature_C", "°C"),
    "voltage_V": ("min_voltage_V", "max_voltage_V", "V"),
    "step_capacity_mAh": (None, "max_capacity_mAh", "mAh"),
}
"""Variable to the keys of `safety` that bound it."""


def _check_bounds(file: ProtocolFile, findings: Findings, index: int, step: Measured) -> None:
    """An end beyond a bound of safety is never met: the run trips first."""
    safety = step.safety or (file.top.safety if file.top else None)
    if safety is None:
        return
    for end in ends_of(step, step_path(index)):
        for at, test in enumerate(end.when):
            bounds = _BOUNDS.get(test.variable.name)
            if bounds is None or end.key == "until_voltage_V":
                continue
            place: Path = (*end.path, "when", at, "value") if end.key == "limits" else end.path
            _check_bound(findings, place, test.value, safety, bounds)


def _check_bound(
    findings: Findings, place: Path, value: float, safety: Safety, bounds: tuple[str | None, str, str]
) -> None:
    low_key, high_key, unit = bounds
    low = getattr(safety, low_key) if low_key else None
    high = getattr(safety, high_key)
    if high is not None and value >= high:
        what = f"{value:g} {unit} is not below {high:g} {unit}, where the run trips"
        findings.error(place, what, f"write less, or a higher {high_key} in safety")
    elif low is not None and value <= low:
        what = f"{value:g} {unit} is not above {low:g} {unit}, where the run trips"
        findings.error(place, what, f"write more, or a lower {low_key} in safety")


def _check_holds(file: ProtocolFile, findings: Findings) -> None:
    """A hold right after a current is meant to go on where that ended."""
    before: tuple[int, float] | None = None
    for index, step in enumerate(file.steps):
        if isinstance(step, Tag):
            continue
        if isinstance(step, ConstantVoltage) and before is not None and before[1] != step.voltage_V:
            line = file.source.value_at(step_path(before[0])).line
            what = f"holds {step.voltage_V:g} V, and the current on line {line} ends at {before[1]:g} V"
            findings.warning(step_path(index, "voltage_V"), what, "write the same voltage in both, if that is meant")
        volt = step.until_voltage_V if isinstance(step, ConstantCurrent | ConstantPower) else None
        before = None if volt is None else (index, volt)


def _first_and_last_leg(file: ProtocolFile, step: Step) -> tuple[_Leg, _Leg] | None:
    if isinstance(step, ConstantCurrent | ConstantPower):
        if step.signed is None:
            return None
        rate = step.rate_C if isinstance(step, ConstantCurrent) else None
        leg = _Leg(step.half, step.until_voltage_V, rate, _ends_on_voltage(step, rate))
        return leg, leg
    window = window_of(file, step)
    if isinstance(step, CycleStep) and window is not None and file.top is not None:
        surely = step.limits is None
        charge = _Leg("charge", window.upper_voltage_V, step.rate_C[0], ends_there=surely)
        discharge = _Leg("discharge", window.lower_voltage_V, step.rate_C[-1], ends_there=surely)
        return (charge, discharge) if file.top.cycle_starts_with == "charge" else (discharge, charge)
    return None


def _ends_on_voltage(step: ConstantCurrent | ConstantPower, rate_C: float | None) -> bool:
    time_second = step.until_time_second
    whole_second = SECOND_PER_HOUR / abs(rate_C) if rate_C is not None else None
    guard_only = time_second is None or (whole_second is not None and time_second >= whole_second)
    others = {end.key for end in ends_of(step, ())} - {"until_voltage_V", "until_time", "until_time_s"}
    return guard_only and not others and step.until_voltage_V is not None


def _check_start(file: ProtocolFile, findings: Findings, index: int, step: Step, arrivals: set[int]) -> None:
    legs = _first_and_last_leg(file, step)
    if legs is None or legs[0].until_volt is None:
        return
    leg, volt, window = legs[0], legs[0].until_volt, window_of(file, step)
    if window and isinstance(step, Directed):
        edge = window.lower_voltage_V if leg.half == "charge" else window.upper_voltage_V
        if volt == edge:
            _note_wrong_way(file, findings, (index, leg, volt), f"{edge:g} V, where the window begins for it")
            return
    for origin in sorted(arrivals):
        if _is_against(file, findings, (index, leg, volt), origin):
            return


def _arrivals(file: ProtocolFile, loop_starts: dict[int, int]) -> list[set[int]]:
    """For each step the steps with a known end that may have been the last current before it, loops included."""
    arrivals: list[set[int]] = [set() for _ in file.steps]
    settled = False
    while not settled:
        settled = True
        for index, step in enumerate(file.steps):
            leaving = _leaving(file, index, step, arrivals[index])
            nexts = [index + 1, loop_starts.get(index, index + 1)]
            for after in nexts:
                if after < len(arrivals) and not leaving <= arrivals[after]:
                    arrivals[after] |= leaving
                    settled = False
    return arrivals


def _leaving(file: ProtocolFile, index: int, step: Step, arriving: set[int]) -> set[int]:
    if isinstance(step, ConstantVoltage | VoltageScan):
        return {index}
    if isinstance(step, Directed | CycleStep | BrokenStep):
        legs = _first_and_last_leg(file, step)
        return {index} if legs and legs[1].ends_there else set()
    return arriving


def _left_at(file: ProtocolFile, step: Step) -> tuple[float, _Leg | None, str] | None:
    """Where a step leaves the voltage, by which half, and what it is called; None when nobody knows."""
    if isinstance(step, ConstantVoltage):
        return step.voltage_V, None, "hold"
    if isinstance(step, VoltageScan):
        return step.end_voltage_V, None, "scan"
    legs = _first_and_last_leg(file, step)
    if legs is None or legs[1].until_volt is None:
        return None
    return legs[1].until_volt, legs[1], legs[1].half


def _is_against(file: ProtocolFile, findings: Findings, coming: tuple[int, _Leg, float], origin: int) -> bool:
    index, leg, volt = coming
    before = _left_at(file, file.steps[origin])
    if before is None:
        return False
    before_volt, before_leg, name = before
    way = 1 if leg.half == "charge" else -1
    rise_volt = way * (volt - before_volt)
    line = file.source.value_at(step_path(origin)).line
    start = f"{before_volt:g} V, where the {name} on line {line} ends"
    same_half = before_leg is None or leg.half == before_leg.half
    if rise_volt < 0 or (rise_volt == 0 and not same_half):
        _note_wrong_way(file, findings, (index, leg, volt), start)
        return True
    slower = before_leg and before_leg.rate_C and leg.rate_C and abs(leg.rate_C) < abs(before_leg.rate_C)
    if rise_volt == 0 and not slower and index != origin:
        what = f"this {leg.half} begins at {start}, and ends there too: it may end at once"
        findings.warning(step_path(index), what, "leave it out, or write a lower rate")
        return True
    return False


def _note_wrong_way(file: ProtocolFile, findings: Findings, coming: tuple[int, _Leg, float], start: str) -> None:
    index, leg, volt = coming
    side = "above" if leg.half == "charge" else "below"
    step = file.steps[index]
    what = f"a {leg.half} must end {side} its start; this one begins at {start}, and would end at {volt:g} V"
    if not isinstance(step, Directed):
        findings.error(step_path(index), what, "change the step before, or the window")
        return
    sign = "below 0 for a discharge" if leg.half == "charge" else "above 0 for a charge"
    keys = ("rate_C", "current_mA", "current_density_mA_cm2", "power_mW")
    key = next(key for key in keys if getattr(step, key, None) is not None)
    findings.error(step_path(index, "until_voltage_V"), what, f"write a voltage {side} it, or {key} {sign}")

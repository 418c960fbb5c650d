"""What binds the steps of a protocol together: tags, loops, and where one step's voltage leaves the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.errors import Problem, Severity, in_reading_order
from protocols.fields import did_you_mean
from protocols.protocol import (
    BrokenStep,
    ConstantCurrent,
    CycleStep,
    Loop,
    ProtocolFile,
    Rest,
    SetTemperature,
    Step,
    Tag,
    read_protocol,
    step_path,
)
from protocols.units import SECOND_PER_HOUR


@dataclass(frozen=True)
class Structure:
    """Where each sound loop goes back to: position of the loop to that of its first step that is no tag, from 0."""

    loop_starts: dict[int, int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Leg:
    """A half that a step begins or ends with. `ends_there` when it surely ends on its voltage."""

    half: str
    until_volt: float | None
    rate_C: float | None
    ends_there: bool


def read_structure(file: ProtocolFile) -> Structure:
    """Check tags, loops, the window and the direction of every current; steps with an error are passed over."""
    loop_starts, problems = _loops(file)
    problems += _tags(file)
    problems += _crossings(file, loop_starts)
    problems += _windows(file)
    problems += _directions(file, loop_starts)
    return Structure(loop_starts, tuple(problems))


def check_protocol(text: str, file: str) -> list[Problem]:
    """All that can be said against a protocol without a cell or an instrument, in reading order. Raises nothing."""
    read = read_protocol(text, file)
    return in_reading_order([*read.problems, *read_structure(read).problems])


def _is_executed(step: Step) -> bool:
    return isinstance(step, ConstantCurrent | Rest | SetTemperature | CycleStep | BrokenStep)


def _tags(file: ProtocolFile) -> Iterator[Problem]:
    first_seen: dict[str, int] = {}
    for index, step in enumerate(file.steps):
        if not isinstance(step, Tag):
            continue
        here = step_path(index, "tag")
        if step.tag in first_seen:
            line = file.source.value_at(step_path(first_seen[step.tag], "tag")).line
            yield file.source.problem(here, f"the tag {step.tag} is also on line {line}", "give it another name")
        first_seen.setdefault(step.tag, index)


def _loops(file: ProtocolFile) -> tuple[dict[int, int], list[Problem]]:
    starts: dict[int, int] = {}
    problems: list[Problem] = []
    for index, step in enumerate(file.steps):
        if not isinstance(step, Loop):
            continue
        target = _target(file, index, step)
        if isinstance(target, Problem):
            problems.append(target)
        elif target is not None:
            starts[index] = target
    return starts, problems


def _target(file: ProtocolFile, index: int, loop: Loop) -> int | Problem | None:
    """Where a loop goes back to; None when a broken step may be the tag it looks for."""
    here = step_path(index, "loop_to")
    if isinstance(loop.loop_to, int):
        if not 1 <= loop.loop_to <= index:
            what = f"step {loop.loop_to} is not above this loop, which is step {index + 1}"
            return file.source.problem(here, what, f"write the number of a step from 1 to {index}, or a tag")
        target = loop.loop_to - 1
    else:
        tags = {step.tag: at for at, step in reversed(list(enumerate(file.steps))) if isinstance(step, Tag)}
        if loop.loop_to not in tags:
            if any(isinstance(step, BrokenStep) and step.step in ("tag", None) for step in file.steps):
                return None
            close = did_you_mean(str(loop.loop_to), list(tags))
            hint = f"did you mean {close}?" if close else f"write {{step: tag, tag: {loop.loop_to}}} where it begins"
            return file.source.problem(here, f"there is no tag {loop.loop_to}", hint)
        target = tags[loop.loop_to]
        if target > index:
            line = file.source.value_at(step_path(target)).line
            what = f"the tag {loop.loop_to} is below this loop, on line {line}"
            return file.source.problem(here, what, "a loop goes back: move the tag above the steps to repeat")
    if isinstance(file.steps[target], Loop):
        return file.source.problem(
            here, f"step {target + 1} is itself a loop", "write the step that its body begins with"
        )
    if not any(_is_executed(step) for step in file.steps[target:index]):
        return file.source.problem(
            here, "nothing stands between this loop and its start", "move it below the steps to repeat"
        )
    while isinstance(file.steps[target], Tag):
        target += 1
    return target


def _crossings(file: ProtocolFile, loop_starts: dict[int, int]) -> Iterator[Problem]:
    for end, start in loop_starts.items():
        for inner_end, inner_start in loop_starts.items():
            if inner_start < start <= inner_end < end:
                line = file.source.value_at(step_path(inner_end)).line
                what = f"this loop begins inside the loop that ends on line {line}, and ends outside it"
                yield file.source.problem(step_path(end, "loop_to"), what, "let one loop lie wholly inside the other")


def _windows(file: ProtocolFile) -> Iterator[Problem]:
    window = file.top.window if file.top else None
    for index, step in enumerate(file.steps):
        if isinstance(step, CycleStep) and window is None and not _window_was_bad(file):
            hint = "write window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In} at the top"
            yield file.source.problem(step_path(index), "a cycle needs a window", hint)
        voltage = step.until_voltage_V if isinstance(step, ConstantCurrent) else None
        if window is None or voltage is None or window.lower_voltage_V <= voltage <= window.upper_voltage_V:
            continue
        what = f"{voltage:g} V is outside the window, {window.lower_voltage_V:g} to {window.upper_voltage_V:g} V"
        yield file.source.problem(
            step_path(index, "until_voltage_V"), what, "write a voltage inside it, or widen the window"
        )


def _window_was_bad(file: ProtocolFile) -> bool:
    return any(problem.path.startswith("window") for problem in file.problems)


def _first_and_last_leg(file: ProtocolFile, step: Step) -> tuple[_Leg, _Leg] | None:
    if isinstance(step, ConstantCurrent):
        time_second = step.until_time_second
        whole_second = SECOND_PER_HOUR / abs(step.rate_C) if step.rate_C is not None else None
        guard_only = time_second is None or (whole_second is not None and time_second >= whole_second)
        leg = _Leg(step.half, step.until_voltage_V, step.rate_C, guard_only and step.until_voltage_V is not None)
        return leg, leg
    if isinstance(step, CycleStep) and file.top and file.top.window:
        window = file.top.window
        charge = _Leg("charge", window.upper_voltage_V, step.rate_C[0], ends_there=True)
        discharge = _Leg("discharge", window.lower_voltage_V, step.rate_C[-1], ends_there=True)
        return (charge, discharge) if file.top.cycle_starts_with == "charge" else (discharge, charge)
    return None


def _directions(file: ProtocolFile, loop_starts: dict[int, int]) -> Iterator[Problem]:
    arrivals = _arrivals(file, loop_starts)
    window = file.top.window if file.top else None
    for index, step in enumerate(file.steps):
        legs = _first_and_last_leg(file, step)
        if legs is None or legs[0].until_volt is None:
            continue
        leg, volt = legs[0], legs[0].until_volt
        if window and isinstance(step, ConstantCurrent):
            edge = window.lower_voltage_V if leg.half == "charge" else window.upper_voltage_V
            if volt == edge:
                yield _wrong_way(file, index, leg, f"{edge:g} V, where the window begins for it")
                continue
        for origin in sorted(arrivals[index]):
            before = _first_and_last_leg(file, file.steps[origin])
            problem = _against(file, index, leg, origin, before[1]) if before else None
            if problem is not None:
                yield problem
                break


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
    if isinstance(step, Rest | SetTemperature | Tag | Loop):
        return arriving
    legs = _first_and_last_leg(file, step)
    return {index} if legs and legs[1].ends_there else set()


def _against(file: ProtocolFile, index: int, leg: _Leg, origin: int, before: _Leg) -> Problem | None:
    """A leg that begins at or past its own end, because of where the current before it ended."""
    if leg.until_volt is None or before.until_volt is None:
        return None
    way = 1 if leg.half == "charge" else -1
    rise_volt = way * (leg.until_volt - before.until_volt)
    line = file.source.value_at(step_path(origin)).line
    start = f"{before.until_volt:g} V, where the {before.half} on line {line} ends"
    if rise_volt < 0 or (rise_volt == 0 and leg.half != before.half):
        return _wrong_way(file, index, leg, start)
    faster = leg.rate_C is None or before.rate_C is None or abs(leg.rate_C) >= abs(before.rate_C)
    if rise_volt == 0 and faster and index != origin:
        what = f"this {leg.half} begins at {start}, and ends there too: it may end at once"
        hint = "leave it out, or write a lower rate"
        return file.source.problem(step_path(index), what, hint, severity=Severity.WARNING)
    return None


def _wrong_way(file: ProtocolFile, index: int, leg: _Leg, start: str) -> Problem:
    if leg.until_volt is None:
        raise ValueError("a leg without a voltage cannot end on the wrong side of it")
    side = "above" if leg.half == "charge" else "below"
    step = file.steps[index]
    key = "rate_C" if isinstance(step, ConstantCurrent) and step.rate_C is not None else "current_mA"
    sign = "below 0 for a discharge" if leg.half == "charge" else "above 0 for a charge"
    what = f"a {leg.half} must end {side} its start; this one begins at {start}, and would end at {leg.until_volt:g} V"
    if not isinstance(step, ConstantCurrent):
        return file.source.problem(step_path(index), what, "change the step before, or the window")
    return file.source.problem(step_path(index, "until_voltage_V"), what, f"write a voltage {side} it, or {key} {sign}")

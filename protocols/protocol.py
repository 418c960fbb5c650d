"""The cycling protocol as people write it: what may stand in the file, checked step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from protocols.errors import Path, Problem, ProblemsFound, Severity, errors_in, path_text
from protocols.fields import (
    Count,
    Current,
    Duration,
    Name,
    NotNegative,
    Number,
    Positive,
    Rate,
    Rates,
    Seconds,
    Strict,
    Text,
    did_you_mean,
    read_model,
)
from protocols.source import Source, read_source

NOT_YET = "is not supported yet"
IN_CELL_FILE = "belongs in the cell file"
IN_STATION = "belongs in the station file"
ELSEWHERE = {
    **dict.fromkeys(
        (
            *("until_capacity_mAh", "until_capacity_mAh_g", "until_energy_mWh", "until_rate_C", "until_current_mA"),
            *("until_dVdt_mV_h", "until_pressure_MPa", "limits", "temperature_C", "stop_if", "inputs", "on_resume"),
            *("on_link_loss", "start_with", "stop_with", "max_pressure_MPa", "min_pressure_MPa", "max_temperature_C"),
            *("max_violations", "comm_loss_s", "on_trip", "pressure_MPa", "wait_within_C", "cycle"),
        ),
        NOT_YET,
    ),
    **dict.fromkeys(
        ("c_rate", "reference", "composite", "mass_mg", "active_mass_mg", "fixture", "specific_capacity_mAh_g"),
        IN_CELL_FILE,
    ),
    **dict.fromkeys(("roles", "role", "instrument"), IN_STATION),
}
"""Fields of the language that are no fields of these models, and why."""
LATER_STEPS = frozenset(
    {
        *("constant_voltage", "impedance_spectroscopy", "voltage_scan", "constant_power", "constant_resistance"),
        *("equilibrate", "set", "wait_for", "pause", "mill", "advance_cycle"),
    }
)


class Window(Strict):
    """The voltages a cell is cycled between, measured against `vs`."""

    lower_voltage_V: Number
    upper_voltage_V: Number
    vs: Text | None = None


class Record(Strict):
    """A published or exported row when any of these has passed or changed since the last."""

    time_s: Positive | None = None
    voltage_V: Positive | None = None
    current_mA: Positive | None = None


class Safety(Strict):
    """Bounds that trip the run: tighter than the defaults, or knowingly looser."""

    max_voltage_V: Number | None = None
    min_voltage_V: Number | None = None
    max_current_mA: Number | None = None
    min_current_mA: Number | None = None
    max_capacity_mAh: Positive | None = None
    delay_s: NotNegative | None = None


class Sample(Strict):
    """What a unicycler file says of its cell: defaults, where the cell file is silent."""

    name: Text | None = None
    capacity_mAh: Positive | None = None


class Unicycler(Strict):
    """The version of the program that wrote the file; it changes nothing."""

    version: Any = None


class _Executed(Strict):
    id: Text | None = None
    sampling_s: Positive | None = None
    cutoff_s: Positive | None = None
    record: Record | None = None


class ConstantCurrent(_Executed):
    """A current, above 0 for charge, until a voltage or a time, whichever is first. `rate_C` wins over `current_mA`."""

    step: Literal["constant_current"]
    rate_C: Rate | None = None
    current_mA: Current | None = None
    until_voltage_V: Number | None = None
    until_time_s: Seconds | None = None
    until_time: Duration | None = None

    @property
    def half(self) -> str:
        """Which way the current flows: "charge" or "discharge"."""
        signed = self.rate_C if self.rate_C is not None else self.current_mA
        return "charge" if signed is not None and signed > 0 else "discharge"

    @property
    def until_time_second(self) -> float | None:
        """The time that ends the step."""
        return self.until_time_s if self.until_time_s is not None else self.until_time


class OpenCircuitVoltage(_Executed):
    """No current, for a time."""

    step: Literal["open_circuit_voltage"]
    until_time_s: Seconds | None = None
    until_time: Duration | None = None

    @property
    def until_time_second(self) -> float | None:
        """The time that ends the step."""
        return self.until_time_s if self.until_time_s is not None else self.until_time


class CycleStep(_Executed):
    """Charge and discharge between the window's voltages, `cycle_count` times at each rate."""

    step: Literal["cycle"]
    rate_C: Rates
    cycle_count: Count = 1


class Tag(Strict):
    """A place to loop to."""

    step: Literal["tag"]
    tag: Name
    id: Text | None = None


class Loop(Strict):
    """Go back to `loop_to`, a tag or a step counted from 1, until its body was passed `cycle_count` times in all."""

    step: Literal["loop"]
    loop_to: Any
    cycle_count: Count
    id: Text | None = None


class BrokenStep(Strict):
    """A step with an error, kept so that the others can be checked. `step` is None when not even that was said."""

    step: str | None = None


Step = ConstantCurrent | OpenCircuitVoltage | CycleStep | Tag | Loop | BrokenStep
STEP_MODELS: dict[str, type[Strict]] = {
    "constant_current": ConstantCurrent,
    "open_circuit_voltage": OpenCircuitVoltage,
    "cycle": CycleStep,
    "tag": Tag,
    "loop": Loop,
}


class CyclingProtocol(Strict):
    """The top of the file. `method` holds the steps as read, unchecked."""

    schema_name: Literal["presscell/1"] | None = Field(default=None, alias="schema")
    name: Text | None = None
    title: Text | None = None
    description: Text | None = None
    unicycler: Unicycler | None = None
    sample: Sample | None = None
    window: Window | None = None
    sampling_s: Positive | None = None
    cutoff_s: Positive | None = None
    record: Record | None = None
    safety: Safety | None = None
    cycle_starts_with: Literal["charge", "discharge"] = "charge"
    method: list[Any]


@dataclass(frozen=True)
class ProtocolFile:
    """A protocol as far as it could be read: `top` is None when the file is no protocol at all.

    `steps` stand where they stand in the file; a step with an error is a `BrokenStep`.
    """

    source: Source
    top: CyclingProtocol | None
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]


def read_protocol(text: str, file: str) -> ProtocolFile:
    """Read a protocol; what is wrong with it is in `problems`, all at once. Raises nothing.

    Only what needs neither cell nor instrument is checked here, and not what binds steps together:
    see `protocols.structure` and `daemon.compile`.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return ProtocolFile(Source(file), None, (), found.problems)
    top, problems = read_model(CyclingProtocol, source, (), source.value, ELSEWHERE)
    problems = source.problems + problems
    if top is None:
        return ProtocolFile(source, None, (), tuple(problems))
    if not top.method:
        problems.append(source.problem(("method",), "has no steps", "write at least one step"))
    steps = [_read_step(source, index, value, problems) for index, value in enumerate(top.method)]
    problems += _window_problems(source, top)
    return ProtocolFile(source, top, tuple(steps), tuple(problems))


def step_path(index: int, *keys: str | int) -> Path:
    """The path of a step, counted from 0, or of one of its fields."""
    return ("method", index, *keys)


def _read_step(source: Source, index: int, value: object, problems: list[Problem]) -> Step:
    path = step_path(index)
    if not isinstance(value, dict):
        problems.append(source.problem(path, "a step is a mapping", "write {step: constant_current, …}"))
        return BrokenStep()
    name = value.get("step")
    if not isinstance(name, str) or name not in STEP_MODELS:
        problems.append(_unknown_step(source, path, value))
        return BrokenStep(step=name if isinstance(name, str) else None)
    step, found = read_model(STEP_MODELS[name], source, path, value, ELSEWHERE)
    here = path_text(path)
    bad = {problem.path for problem in found} | {
        problem.path for problem in source.problems if problem.path.startswith(f"{here}.")
    }
    found += _step_problems(source, path, step, bad)
    problems += found
    if step is None or errors_in(found):
        return BrokenStep(step=name)
    if not isinstance(step, ConstantCurrent | OpenCircuitVoltage | CycleStep | Tag | Loop):
        raise TypeError(f"{name} has no model of a step")
    return step


def _unknown_step(source: Source, path: Path, value: dict[str, object]) -> Problem:
    known = list(STEP_MODELS)
    if "step" not in value:
        close = did_you_mean("step", list(value))
        hint = f"write step in place of {close}" if close else f"write step: one of {', '.join(known)}"
        return source.problem(path, "step is missing", hint)
    name = str(value["step"])
    here = (*path, "step")
    if name in LATER_STEPS:
        return source.problem(here, f"{name} {NOT_YET}", f"supported: {', '.join(known)}")
    close = did_you_mean(name, [*known, *LATER_STEPS])
    hint = f"did you mean {close}?" if close else f"write one of {', '.join(known)}"
    return source.problem(here, f"{name} is not a step", hint)


def _step_problems(source: Source, path: Path, step: Strict | None, bad: set[str]) -> list[Problem]:
    """What is wrong between the fields of one step; `bad` are the paths already complained of."""
    problems = []
    if isinstance(step, ConstantCurrent | OpenCircuitVoltage):
        if step.until_time_s is not None and step.until_time is not None:
            here = (*path, "until_time")
            problems.append(
                source.problem(here, "the time is said twice", "keep until_time or until_time_s", at_key=True)
            )
        problems += _stop_problems(source, path, step, bad)
    if isinstance(step, ConstantCurrent):
        problems += _current_problems(source, path, step, bad)
    if isinstance(step, Loop) and (not isinstance(step.loop_to, int | str) or isinstance(step.loop_to, bool)):
        here = (*path, "loop_to")
        problems.append(source.problem(here, f"{step.loop_to!r} is no place", "write a tag, or the number of a step"))
    return problems


def _stop_problems(
    source: Source, path: Path, step: ConstantCurrent | OpenCircuitVoltage, bad: set[str]
) -> list[Problem]:
    voltage = step.until_voltage_V if isinstance(step, ConstantCurrent) else None
    complained = any(".until_" in place for place in bad)
    if voltage is not None or step.until_time_second is not None or complained:
        return []
    if isinstance(step, ConstantCurrent):
        hint = "write until_voltage_V: 3.7, or until_time: 10 h, or both"
        return [source.problem(path, "no stop condition: the current would never end", hint)]
    return [source.problem(path, "no stop condition: the rest would never end", "write until_time: 10 h")]


def _current_problems(source: Source, path: Path, step: ConstantCurrent, bad: set[str]) -> list[Problem]:
    if step.rate_C is not None and step.current_mA is not None:
        here = (*path, "current_mA")
        what = "rate_C and current_mA are both given: rate_C wins"
        return [source.problem(here, what, "keep one of the two", at_key=True, severity=Severity.WARNING)]
    complained = any(place.endswith((".rate_C", ".current_mA")) for place in bad)
    if step.rate_C is None and step.current_mA is None and not complained:
        return [source.problem(path, "no current", "write rate_C: 0.1 (discharge: -0.1) or current_mA: 0.15")]
    return []


def _window_problems(source: Source, top: CyclingProtocol) -> list[Problem]:
    window = top.window
    if window is None or window.lower_voltage_V < window.upper_voltage_V:
        return []
    low, high = window.lower_voltage_V, window.upper_voltage_V
    what = f"the window is upside down: lower {low:g} V, upper {high:g} V"
    hint = (
        f"write lower_voltage_V: {high:g}, upper_voltage_V: {low:g}" if high < low else "write two different voltages"
    )
    return [source.problem(("window",), what, hint, at_key=True)]

"""The cycling protocol as people write it: what may stand in the file, checked step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from protocols.errors import Path, Problem, ProblemsFound, Severity, errors_in, path_text
from protocols.fields import (
    Celsius,
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
from protocols.units import SECOND_PER_HOUR, time_text

NOT_YET = "is not supported yet"
IN_CELL_FILE = "belongs in the cell file"
IN_STATION = "belongs in the station file"
IN_SAFETY = "belongs in safety, at the top of the file"
IN_EQUILIBRATE = "is a field of the step equilibrate"
ELSEWHERE = {
    **dict.fromkeys(
        (
            *("until_capacity_mAh", "until_capacity_mAh_g", "until_energy_mWh", "until_rate_C", "until_current_mA"),
            *("until_dVdt_mV_h", "until_pressure_MPa", "limits", "stop_if", "inputs", "on_resume"),
            *("on_link_loss", "start_with", "stop_with", "max_violations", "comm_loss_s", "on_trip", "pressure_MPa"),
            "cycle",
        ),
        NOT_YET,
    ),
    **dict.fromkeys(("max_pressure_MPa", "min_pressure_MPa", "max_temperature_C"), IN_SAFETY),
    **dict.fromkeys(("within_C", "for", "for_s", "timeout", "timeout_s", "on_timeout"), IN_EQUILIBRATE),
    "wait_within_C": "is said by a step of its own: equilibrate, with within_C",
    "temperature_C": "is a field of the steps set, equilibrate and open_circuit_voltage",
    **dict.fromkeys(
        ("c_rate", "reference", "composite", "mass_mg", "active_mass_mg", "fixture", "specific_capacity_mAh_g"),
        IN_CELL_FILE,
    ),
    **dict.fromkeys(("roles", "role", "instrument"), IN_STATION),
}
"""Fields of the language that are no fields of these models, and why."""
DEFAULT_EQUILIBRATION_SECOND, DEFAULT_TIMEOUT_SECOND = 2 * SECOND_PER_HOUR, 6 * SECOND_PER_HOUR
SAID_TWICE = {"until_time": "until_time_s", "for": "for_s", "timeout": "timeout_s"}
"""Fields with their unit in the value, and the same with it in the key."""

LATER_STEPS = frozenset(
    {
        *("constant_voltage", "impedance_spectroscopy", "voltage_scan", "constant_power", "constant_resistance"),
        *("wait_for", "pause", "mill", "advance_cycle"),
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
    max_pressure_MPa: Positive | None = None
    min_pressure_MPa: NotNegative | None = None
    max_temperature_C: Celsius | None = None
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
    """No current, for a time. `temperature_C` is given to the chamber when it begins."""

    step: Literal["open_circuit_voltage"]
    temperature_C: Celsius | None = None
    until_time_s: Seconds | None = None
    until_time: Duration | None = None

    @property
    def until_time_second(self) -> float | None:
        """The time that ends the step."""
        return self.until_time_s if self.until_time_s is not None else self.until_time


class SetTemperature(Strict):
    """Give the chamber a setpoint, and go on at once."""

    step: Literal["set"]
    role: Literal["chamber"] = "chamber"
    temperature_C: Celsius
    id: Text | None = None


class Equilibrate(_Executed):
    """Give the chamber a setpoint and rest until the jig has been within `within_C` of it for some time on end."""

    step: Literal["equilibrate"]
    temperature_C: Celsius
    within_C: Positive = 0.5
    for_s: Seconds | None = None
    for_: Duration | None = Field(default=None, alias="for")
    timeout_s: Seconds | None = None
    timeout: Duration | None = None
    on_timeout: Literal["hold", "continue"] = "hold"

    @property
    def for_second(self) -> float:
        """How long the jig must have been at temperature."""
        return self.for_s or self.for_ or DEFAULT_EQUILIBRATION_SECOND

    @property
    def timeout_second(self) -> float:
        """After which the step ends even so."""
        return self.timeout_s or self.timeout or DEFAULT_TIMEOUT_SECOND


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


Rest = OpenCircuitVoltage | Equilibrate
Step = ConstantCurrent | Rest | SetTemperature | CycleStep | Tag | Loop | BrokenStep
STEP_MODELS: dict[str, type[Strict]] = {
    "constant_current": ConstantCurrent,
    "open_circuit_voltage": OpenCircuitVoltage,
    "equilibrate": Equilibrate,
    "set": SetTemperature,
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
    if not isinstance(step, ConstantCurrent | Rest | SetTemperature | CycleStep | Tag | Loop):
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
    problems = _said_twice(source, path, step)
    if isinstance(step, ConstantCurrent | OpenCircuitVoltage):
        problems += _stop_problems(source, path, step, bad)
    if isinstance(step, Equilibrate):
        problems += _timeout_problems(source, path, step, bad)
    if isinstance(step, ConstantCurrent):
        problems += _current_problems(source, path, step, bad)
    if isinstance(step, Loop) and (not isinstance(step.loop_to, int | str) or isinstance(step.loop_to, bool)):
        here = (*path, "loop_to")
        problems.append(source.problem(here, f"{step.loop_to!r} is no place", "write a tag, or the number of a step"))
    return problems


def _said_twice(source: Source, path: Path, step: Strict | None) -> list[Problem]:
    said = step.model_dump(by_alias=True, exclude_none=True) if step else {}
    return [
        source.problem((*path, key), "the time is said twice", f"keep {key} or {other}", at_key=True)
        for key, other in SAID_TWICE.items()
        if key in said and other in said
    ]


def _timeout_problems(source: Source, path: Path, step: Equilibrate, bad: set[str]) -> list[Problem]:
    complained = any(place.rpartition(".")[2].removesuffix("_s") in {"for", "timeout"} for place in bad)
    if complained or step.for_second <= step.timeout_second:
        return []
    needs, ends = time_text(step.for_second), time_text(step.timeout_second)
    written = step.timeout_s is not None or step.timeout is not None
    key = "timeout" if step.timeout is not None else "timeout_s" if written else "for" if step.for_ else "for_s"
    what = f"{needs} at temperature do not fit into the time-out of {ends}"
    return [source.problem((*path, key), what, "write a longer timeout, or a shorter for")]


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

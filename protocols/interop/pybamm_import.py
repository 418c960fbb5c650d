"""Experiments of PyBaMM in our writing: strings, `to_config`, or the script they stand in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from protocols import units
from protocols.errors import BadValueError, Path, ProblemsFound, errors_in
from protocols.fields import shown
from protocols.interop.converted import Converted, Report
from protocols.interop.house import protocol_text
from protocols.interop.pybamm_steps import (
    ZERO_CELSIUS_KELVIN,
    PybammEnd,
    PybammStep,
    kelvin,
    read_config_step,
    read_end,
    read_string,
    seconds,
)
from protocols.interop.python_source import looks_like_python, read_python
from protocols.protocol import read_protocol
from protocols.source import Position, Source, read_source

FIRST_WORDS = ("Charge ", "Discharge ", "Hold ", "Rest ", "#")
"""How the lines begin of a file that is one string a line."""
LONGEST_PATTERN = 20
"""Cycles that may repeat as one group."""
TOP_KEYS = frozenset({"cycles", "steps", "period", "temperature", "termination"})
NATURAL = {("charge", ">"), ("charge", None), ("discharge", "<"), ("discharge", None)}
"""Half and operator of a voltage that ends it."""
OURS = {"voltage": "voltage_V", "current": "current_mA", "c-rate": "rate_C"}


def from_pybamm(text: str, file: str) -> Converted:
    """An experiment in our writing.

    What PyBaMM assumes, such as how long a step without a time may last, is written out and told. Signs are turned:
    discharge is positive there. A cycle that repeats becomes a loop. Nothing is guessed: a sign, a parameter of a model
    or a profile over time is an error.

    Args:
        text: a Python script with one `Experiment`, or a list of its strings; the JSON of `Experiment.to_config`;
            YAML; or one string a line.
        file: its name, for messages.
    """
    try:
        source = _source(text, file)
    except ProblemsFound as found:
        return Converted("", found.problems)
    report = Report(source, errors=errors_in(source.problems))
    if not isinstance(source.value, dict):
        report.cannot((), "is no experiment", "write a list of steps, or what Experiment.to_config gives")
        return report.converted("")
    writer = _Writer(report)
    writer.write(source.value)
    if report.errors:
        return report.converted("")
    converted = protocol_text(writer.top | {"method": writer.method}, writer.comments)
    report.errors += errors_in(read_protocol(converted, f"{file}, converted").problems)
    return report.converted(converted)


def _source(text: str, file: str) -> Source:
    """The file as `to_config` would have it."""
    if looks_like_python(text):
        return read_python(text, file)
    lines = [line.strip() for line in text.splitlines()]
    if any(lines) and all(line.startswith(FIRST_WORDS) for line in lines if line):
        return _lines(text, file)
    source = read_source(text, file)
    value: Any = source.value
    if isinstance(value, list):
        cycles = [cycle if isinstance(cycle, list) else [cycle] for cycle in value]
        source.value = {"cycles": cycles}  # type: ignore[dict-item]  # a list of lists is a value
        for at, cycle in enumerate(value):
            for place in range(len(cycles[at])):
                old: Path = (at, place) if isinstance(cycle, list) else (at,)
                source.value_positions["cycles", at, place] = source.value_at(old)
    elif isinstance(value, dict) and "cycles" not in value and isinstance(value.get("steps"), list):
        source.value = {**{key: child for key, child in value.items() if key != "steps"}, "cycles": []}
        source.value["cycles"] = [[step] for step in value["steps"]]
        for at in range(len(value["steps"])):
            source.value_positions["cycles", at, 0] = source.value_at(("steps", at))
    return source


def _lines(text: str, file: str) -> Source:
    source = Source(file)
    steps = [(at, line.strip()) for at, line in enumerate(text.splitlines(), start=1)]
    steps = [(at, line) for at, line in steps if line and not line.startswith("#")]
    source.value = {"cycles": [[line] for _, line in steps]}
    for index, (at, _) in enumerate(steps):
        source.value_positions["cycles", index, 0] = Position(at, 1)
    return source


@dataclass
class _Writer:
    """Writes cycles as steps of ours."""

    report: Report
    top: dict[str, Any] = field(default_factory=lambda: {"schema": "presscell/1"})
    method: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    _kelvin: float | None = None
    _tags: int = 0

    def write(self, config: dict[str, Any]) -> None:
        self._write_top(config)
        cycles = config.get("cycles")
        if not isinstance(cycles, list) or not cycles or not all(isinstance(cycle, list) for cycle in cycles):
            self.report.cannot(("cycles",), "has no steps", "write at least one")
            return
        for start, length, times in _repeats(cycles):
            if times > 1:
                self._tags += 1
                self._add({"step": "tag", "tag": f"loop_{self._tags}"})
                self._kelvin = None
            for at in range(start, start + length):
                for place, step in enumerate(cycles[at]):
                    self._write_step(step, ("cycles", at, place))
            if times > 1:
                self._add({"step": "loop", "loop_to": f"loop_{self._tags}", "cycle_count": times})

    def _add(self, step: dict[str, Any], comment: str = "") -> None:
        self.method.append(step)
        self.comments.append(comment)

    def _write_top(self, config: dict[str, Any]) -> None:
        for key in config.keys() - TOP_KEYS:
            self.report.cannot((key,), "is no key of an experiment", "remove it")
        if config.get("termination") is not None:
            what = f"the end of the experiment, {shown(config['termination'])}: write it as a limit of a loop"
            self.report.lost(("termination",), what)
        try:
            if config.get("period") is not None:
                self.top["record"] = {"time_s": seconds(config["period"])}
            if config.get("temperature") is not None:
                self._set_temperature(kelvin(config["temperature"]))
        except BadValueError as error:
            self.report.cannot((), error.what, error.what_to_write)

    def _set_temperature(self, temperature_kelvin: float) -> None:
        if temperature_kelvin != self._kelvin:
            celsius = round(temperature_kelvin - ZERO_CELSIUS_KELVIN, 6)
            self._add({"step": "set", "temperature_C": celsius})
        self._kelvin = temperature_kelvin

    def _write_step(self, written: object, path: Path) -> None:
        try:
            step = _read_step(written)
        except BadValueError as error:
            self.report.cannot(path, error.what, error.what_to_write)
            return
        for key in step.lost:
            self.report.lost(path, key)
        if step.temperature_kelvin is not None:
            self._set_temperature(step.temperature_kelvin)
        values = _control(step)
        if values is None:
            self.report.cannot(path, "a resistance has no step here", "write a current, a voltage or a power")
            return
        duration = step.duration_second
        if duration is None:
            duration = step.default_duration_second
            self.report.note(
                path, f"no time is written: PyBaMM ends it after {units.time_text(duration)}, so does this"
            )
        values["until_time_s"] = duration
        for end in step.ends:
            self._write_end(step, end, values, path)
        if step.period_second is not None:
            values["record"] = {"time_s": step.period_second}
        self._add(values, step.description)

    def _write_end(self, step: PybammStep, end: PybammEnd, values: dict[str, Any], path: Path) -> None:
        half = _half(step)
        if end.kind == "voltage":
            if half is not None and (half, end.operator) in NATURAL and "until_voltage_V" not in values:
                values["until_voltage_V"] = end.value
            elif end.operator is None and half is None:
                self.report.note(path, f"PyBaMM never tests {end.value:g} V here: left out")
            else:
                self._limit(values, "voltage_V", end.operator or (">" if half == "charge" else "<"), end.value)
            return
        if end.operator is not None and end.kind == "current":
            what = f"a current {end.operator} {end.value:g} A has a sign, and the step may have either"
            self.report.cannot(path, what, "write it without < or >")
            return
        if end.value <= 0:
            self.report.cannot(path, f"{end.value:g} is never reached", "write a value above 0")
            return
        value = _tidy(units.milliampere(end.value)) if end.kind == "current" else end.value
        key = "until_current_mA" if end.kind == "current" else "until_rate_C"
        if step.kind == "voltage" and not {"until_current_mA", "until_rate_C"} & values.keys():
            values[key] = value
        else:
            self._limit(values, OURS[end.kind], "<", value)

    def _limit(self, values: dict[str, Any], var: str, operator: str, value: float) -> None:
        limit = {"when": [{"var": var, "op": operator, "value": value}], "goto": "next"}
        values.setdefault("limits", []).append(limit)


def _read_step(written: object) -> PybammStep:
    if isinstance(written, str):
        return read_string(written)
    if not isinstance(written, dict):
        raise BadValueError(f"{shown(written)} is no step of PyBaMM", "write a text, or what to_config gives")
    ends = written.get("terminations")
    if isinstance(ends, list) and any(isinstance(end, str) for end in ends):
        parsed = [read_end(end) if isinstance(end, str) else end for end in ends]
        as_config = [
            {"type": end.kind, "value": end.value, "operator": end.operator} if isinstance(end, PybammEnd) else end
            for end in parsed
        ]
        written = {**written, "terminations": as_config}
    if "text" not in written:
        return read_config_step(written)
    beside = read_config_step({**written, "type": "rest"})
    said = read_string(str(written["text"]))
    return PybammStep(
        kind=said.kind,
        value=said.value,
        duration_second=said.duration_second,
        ends=said.ends,
        period_second=said.period_second or beside.period_second,
        temperature_kelvin=beside.temperature_kelvin,
        description=said.description,
        lost=beside.lost,
    )


def _half(step: PybammStep) -> str | None:
    if step.kind not in ("current", "c-rate", "power") or not step.value:
        return None
    return "discharge" if step.value > 0 else "charge"


def _tidy(value: float) -> float:
    return float(f"{value:.12g}")


def _control(step: PybammStep) -> dict[str, Any] | None:
    """What our step does, its sign turned; None for what has no step here."""
    value = step.value or 0.0
    match step.kind:
        case "rest":
            return {"step": "open_circuit_voltage"}
        case "c-rate":
            return {"step": "constant_current", "rate_C": -value}
        case "current":
            return {"step": "constant_current", "current_mA": _tidy(-units.milliampere(value))}
        case "voltage":
            return {"step": "constant_voltage", "voltage_V": value}
        case "power":
            return {"step": "constant_power", "power_mW": _tidy(-1000 * value)}
    return None


def _repeats(cycles: Sequence[Any]) -> list[tuple[int, int, int]]:
    """Runs of cycles that repeat: where the first begins, how many make the group, how often it comes."""
    keys = [json.dumps(cycle, sort_keys=True, default=str) for cycle in cycles]
    found = []
    at = 0
    while at < len(keys):
        best = (1, 1)
        for length in range(1, min(LONGEST_PATTERN, (len(keys) - at) // 2) + 1):
            times = 1
            while keys[at + times * length : at + (times + 1) * length] == keys[at : at + length]:
                times += 1
            if times > 1 and length * times > best[0] * best[1]:
                best = (length, times)
        found.append((at, *best))
        at += best[0] * best[1]
    return found

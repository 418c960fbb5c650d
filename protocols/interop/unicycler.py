"""Files of aurora-unicycler 0.4: read as they are, and written."""

from __future__ import annotations

import json
from typing import Any

from protocols.errors import Path, ProblemsFound, errors_in
from protocols.interop.converted import Converted, Report
from protocols.interop.cyclers import Target, fit
from protocols.interop.flat import Core, lay_out
from protocols.interop.house import protocol_text
from protocols.protocol import ProtocolFile, read_protocol, read_source_as_protocol
from protocols.settings import Record, Safety, Sample
from protocols.source import read_source

VERSION = "0.4.6"
KNOWN_STEPS = frozenset(
    {
        *("constant_current", "constant_voltage", "open_circuit_voltage", "impedance_spectroscopy", "voltage_scan"),
        *("tag", "loop"),
    }
)
DEFAULT_RECORD_SECOND = 10.0
"""Unicycler needs a time between rows; ours has a default for each step."""
NUMBERS = frozenset(
    {
        *("time_s", "voltage_V", "current_mA", "capacity_mAh", "max_voltage_V", "min_voltage_V", "max_current_mA"),
        *("min_current_mA", "max_capacity_mAh", "delay_s", "until_time_s", "until_voltage_V", "until_current_mA"),
        *("amplitude_V", "amplitude_mA", "start_frequency_Hz", "end_frequency_Hz", "points_per_decade"),
        *("measures_per_point", "start_voltage_V", "end_voltage_V", "scan_rate_mV_per_s", "cycle_count"),
    }
)
"""Keys whose value unicycler also takes as text."""
RATES = frozenset({"rate_C", "until_rate_C"})
ZERO_IS_NONE = RATES | {"current_mA", "until_time_s", "until_current_mA"}
"""Keys of a step for which unicycler says that 0 is not set."""


def from_unicycler(text: str, file: str) -> Converted:
    """A unicycler file, JSON or YAML, in our writing. The other way is `to_unicycler`.

    What unicycler takes for not set (empty text; 0 for a current or a time) is left out, numbers in quotes are numbers.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return Converted("", found.problems)
    report = Report(source)
    value = _as_meant(source.value, (), report)
    source.value = value
    read = read_source_as_protocol(source)
    report.errors += errors_in(read.problems)
    if not isinstance(value, dict) or report.errors:
        return report.converted("")
    return report.converted(protocol_text({"schema": "presscell/1", **value}))


def to_unicycler(
    text: str,
    file: str,
    *,
    target: Target = Target.UNICYCLER,
    sample_name: str | None = None,
    capacity_mAh: float | None = None,
    diameter_mm: float | None = None,
) -> Converted:
    """A protocol of ours as the JSON of a unicycler file.

    Args:
        text: of the protocol.
        file: its name, for messages.
        target: what their package is to make of it; for what it would leave out.
        sample_name: in place of what the file says.
        capacity_mAh: what 1 C delivers in an hour, in place of what the file says.
        diameter_mm: of the jig, for currents by area.
    """
    read = read_protocol(text, file)
    report = Report(read.source)
    report.errors += errors_in(read.problems)
    for name in read.missing_inputs:
        report.cannot(("inputs", name), "has no value", f"give one with --input {name}=…")
    if read.top is None or report.errors:
        return report.converted("")
    cores = fit(target, read.top, lay_out(read, report, diameter_mm=diameter_mm), report)
    method = _method(cores, report)
    sample = read.top.sample or Sample()
    whole = {
        "unicycler": {"version": _version(read)},
        "sample": _present(name=sample_name or sample.name, capacity_mAh=capacity_mAh or sample.capacity_mAh),
        "record": _record(read.top.record, report),
        "safety": _safety(read.top.safety, report),
        "method": method,
    }
    if not method and not report.errors:
        report.cannot(("method",), "nothing is left that unicycler knows", "write a step with a current, or a rest")
    return report.converted(json.dumps(whole, indent=4, ensure_ascii=False) + "\n")


def _version(read: ProtocolFile) -> str:
    said = read.top.unicycler if read.top else None
    return str(said.version) if said is not None and said.version is not None else VERSION


def _present(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _record(record: Record | None, report: Report) -> dict[str, object]:
    said = record or Record()
    for key in ("pressure_MPa", "temperature_C"):
        if getattr(said, key) is not None:
            report.lost(("record", key), f"rows when {key} has changed")
    every = said.time_s
    if said.time is not None:
        every = said.time[-1].every_second
        if len(said.time) > 1:
            report.lost(("record", "time"), f"all but the last time between rows, {every:g} s")
    if every is None:
        every = DEFAULT_RECORD_SECOND
        report.note(("record",), f"unicycler needs a time between rows: {every:g} s")
    return {"time_s": every, **_present(voltage_V=said.voltage_V, current_mA=said.current_mA)}


def _safety(safety: Safety | None, report: Report) -> dict[str, object]:
    known = {
        *("max_voltage_V", "min_voltage_V", "max_current_mA", "min_current_mA", "max_capacity_mAh", "delay_s"),
    }
    said = (
        {}
        if safety is None
        else {key: value for key in type(safety).model_fields if (value := getattr(safety, key)) is not None}
    )
    for key in said.keys() - known:
        report.lost(("safety", key), key)
    return {key: value for key, value in said.items() if key in known}


def _method(cores: list[Core], report: Report) -> list[dict[str, Any]]:
    kept = []
    for core in cores:
        if core.kind in KNOWN_STEPS:
            kept.append(core)
        else:
            report.lost((*core.path, "step"), f"the step {core.kind}")
        if core.values.pop("temperature_C", None) is not None and core.kind == "open_circuit_voltage":
            report.lost((*core.path, "temperature_C"), "the temperature")
    places = _places(cores, kept)
    method = []
    for at, core in enumerate(kept):
        values = {"step": core.kind, **core.values}
        if core.kind == "loop":
            _say_loop(core, at, places, values, report)
        if core.kind == "constant_current" and core.values.get("until_voltage_V") == 0:
            _check_zero(core, report)
        method.append(values)
    return method


def _places(cores: list[Core], kept: list[Core]) -> dict[int, int]:
    """Where each step that is kept stands, from 1; one that is not, where the next that is kept stands."""
    numbers = {id(core): number for number, core in enumerate(kept, start=1)}
    places: dict[int, int] = {}
    following = len(kept) + 1
    for core in reversed(cores):
        following = numbers.get(id(core), following)
        places[id(core)] = following
    return places


def _say_loop(core: Core, at: int, places: dict[int, int], values: dict[str, Any], report: Report) -> None:
    written = values.get("loop_to")
    if isinstance(written, str):
        return
    place = places[id(core.to)] if core.to is not None else written
    values["loop_to"] = place
    if not isinstance(place, int) or place >= at:
        hint = "write a tag above the step, and loop_to: that tag" if place == at else "leave the loop out"
        report.cannot((*core.path, "loop_to"), "unicycler takes no loop by number over one step", hint)


def _check_zero(core: Core, report: Report) -> None:
    if "until_time_s" not in core.values:
        what = "unicycler takes 0 V for no limit, and wants another"
        report.cannot((*core.path, "until_voltage_V"), what, "write until_time beside it")


def _as_meant(value: Any, path: Path, report: Report) -> Any:  # noqa: ANN401
    """The file's values as unicycler takes them."""
    if isinstance(value, list):
        return [_as_meant(child, (*path, index), report) for index, child in enumerate(value)]
    if not isinstance(value, dict):
        return value
    meant: dict[str, Any] = {}
    for key, child in value.items():
        here = (*path, key)
        said = _one(key, child, path) if not isinstance(child, dict | list) else _as_meant(child, here, report)
        if said is None and child not in (None, ""):
            report.note(here, f"{child} is not set, to unicycler: left out")
        if said is not None:
            meant[key] = said
    return meant


def _one(key: str, value: Any, path: Path) -> Any:  # noqa: ANN401
    in_step = len(path) == 2 and path[0] == "method"
    if isinstance(value, str) and not value.strip() and key not in ("tag", "loop_to", "step"):
        return None
    if isinstance(value, str) and key in NUMBERS | RATES:
        value = _number(value)
    zero = isinstance(value, int | float) and not isinstance(value, bool) and value == 0
    none = (in_step and key in ZERO_IS_NONE) or key == "max_capacity_mAh"
    return None if zero and none else value


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text

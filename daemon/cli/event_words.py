"""The events of a run in words, one sentence each, out of the objects that the daemon answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from daemon.cli.console import duration_text, warning_text
from protocols import units

QUANTITIES = {
    "surface_pressure_pa": "pressure",
    "jig_temperature_celsius": "the jig's temperature",
    "displayed_load": "the load cell",
}
ENDED_BY = {
    "voltage": "at its voltage",
    "current": "at its current",
    "power": "at its power",
    "time": "after its time",
    "run_time": "at a time of the run",
    "capacity": "at its capacity",
    "energy": "at its energy",
    "equilibrated": "equilibrated",
    "timeout": "by its time-out",
    "guard_time": "by the longest time it may take",
    "guard_voltage": "at the voltage that guards it",
    "interlock": "by an interlock",
    "stopped": "because it was stopped",
    "paused": "because it was paused",
    "power_lost": "with the power of its instrument",
    "buffer_lost": "with its rows lost in the instrument",
    "interruption": "because its drive was not spoken to",
    "drive_stopped": "because its drive stopped",
}
"""How a segment ended, by `ended_by` of its record; other words are said as they are."""


def step_ids(events: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """The steps of the segments that have ended, by number."""
    records = (event["event"]["record"] for event in events if event["kind"] == "segment_ended")
    return {record["segment"]: record["step_id"] for record in records}


def clock_text(second: float) -> str:
    """Run time as a clock shows it, hours first: `0:00:05`, `213:40:00`."""
    minutes, seconds = divmod(int(second), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def event_words(kind: str, said: Mapping[str, Any], steps: Mapping[int, str]) -> str:
    """One event in words; `steps` as of `step_ids`. A kind that is not known here is shown as it is stored."""
    match kind:
        case "segment_started" | "segment_not_started" | "segment_ended":
            return _of_segment(kind, said, steps)
        case "stop_requested" | "pause_requested" | "resume_requested" | "skip_requested" | "plan_changed":
            return _asked(kind, said)
        case "run_started":
            return "run begun"
        case "chamber_set":
            return f"{said['role']} set to {said['temperature_celsius']:g} °C"
        case "silent":
            quantity = QUANTITIES.get(said["quantity"], said["quantity"])
            return f"{quantity} not read for {duration_text(said['age_second'])}"
        case "warned":
            return f"warning: {warning_text(said['text'])}"
        case "cleared":
            return f"over: {warning_text(said['text'])}"
        case "resumed":
            return f"the daemon took the run up again after {duration_text(said['away_second'])}: {said['cause']}"
        case "link_changed":
            return (
                str(said["text"]) if said["state"] == "connected" else f"{said['role']} {said['state']}: {said['text']}"
            )
        case "instrument_failed":
            return f"{said['role']} failed: {said['text']}"
        case "made_safe":
            return _made_safe(said)
        case "noticed":
            return str(said["text"])
    values = {name: value for name, value in said.items() if name != "event"}
    return f"{kind.replace('_', ' ')} {json.dumps(values)}"


def _of_segment(kind: str, said: Mapping[str, Any], steps: Mapping[int, str]) -> str:
    if kind == "segment_ended":
        return _ended(said["record"])
    number = said["segment"]
    step = steps.get(number, "a step")
    if kind == "segment_started":
        return f"{step} began, segment {number}"
    why = ": it was switched off meanwhile" if said["power_was_cycled"] else ""
    return f"the instrument knows nothing of segment {number}, {step}{why}"


def _ended(record: Mapping[str, Any]) -> str:
    how = ENDED_BY.get(record["ended_by"], f"by {record['ended_by'].replace('_', ' ')}")
    if record["ended_by"] in {"voltage", "guard_voltage"} and record["reached"]:
        how += f" of {record['reached']['limit_value']:g} V"
    lasted_second = record["end_run_time_second"] - record["start_run_time_second"]
    facts = [f"{duration_text(lasted_second)}", f"{record['rows']:,} rows"]
    if record["last_voltage_volt"] is not None:
        facts.insert(0, f"{record['last_voltage_volt']:.4f} V")
    if record["half"]:
        facts.insert(1, f"{units.milliampere_hour(record['charge_ampere_hour']):+.4f} mAh")
    marks = "; NOT as written" if record["abnormal"] else ""
    return f"{record['step_id']} ended {how}{marks} ({', '.join(facts)})"


def _asked(kind: str, said: Mapping[str, Any]) -> str:
    by, after = said["by"], f" after this {said['after']}" if said.get("after") else ""
    match kind:
        case "stop_requested":
            return f"{by} wants the run to end{after or ' now'}"
        case "pause_requested":
            return f"{by} wants the run to be held{after or ' now'}"
        case "resume_requested":
            return f"{by} lets the run go on{', unchecked' if said['unchecked'] else ''}"
        case "skip_requested":
            return f"{by} skips to the next step"
    loosened = f"; agreed to {', '.join(said['loosened'])}" if said["loosened"] else ""
    changed = f"{by} gave it another protocol, {said['protocol_name']}, from after segment {said['segment']} on"
    return f"{changed}: {said['text']}{loosened}"


def _made_safe(said: Mapping[str, Any]) -> str:
    if not said["verified"]:
        return f"NOT verified safe: {said['text']}"
    rows = "" if said["drained"] else "; rows may still be in the instrument"
    return f"made safe, read back: {said['text']}{rows}"

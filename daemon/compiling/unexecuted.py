"""What a protocol may say and no run does yet: refused before anything is switched on, field by field."""

from __future__ import annotations

from protocols.ends import BesideEnds, ChargeEnds, CurrentEnds, VoltageEnd
from protocols.errors import Path
from protocols.fields import Strict
from protocols.protocol import ProtocolFile, step_path
from protocols.source import Findings
from protocols.steps import (
    AdvanceCycle,
    BrokenStep,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CycleStep,
    Equilibrate,
    ImpedanceSpectroscopy,
    Loop,
    Mill,
    OpenCircuitVoltage,
    Pause,
    SetTemperature,
    Tag,
    VoltageScan,
    WaitFor,
)

NOT_YET = "is read but not executed yet"

_MEASURED = ("id", "sampling_s", "cutoff_s", "record", "limits", "window", "safety", "on_resume", "on_link_loss")
_WAITS = ("temperature_C", "within_C", "for", "for_s", "timeout", "timeout_s", "on_timeout")
_ENDS = frozenset({*ChargeEnds.model_fields, *VoltageEnd.model_fields})
EXECUTED_FIELDS: dict[type[Strict], frozenset[str]] = {
    ConstantCurrent: frozenset({*_MEASURED, *_ENDS, "c_rate_basis", "rate_C", "current_mA", "current_density_mA_cm2"}),
    ConstantVoltage: frozenset({*_MEASURED, *_ENDS, *CurrentEnds.model_fields, "voltage_V", "c_rate_basis"}),
    ConstantPower: frozenset({*_MEASURED, *_ENDS, "power_mW"}),
    VoltageScan: frozenset({*_MEASURED, "start_voltage_V", "end_voltage_V", "scan_rate_mV_per_s"}),
    Pause: frozenset({"id", "text", "timeout", "timeout_s", "on_timeout"}),
    OpenCircuitVoltage: frozenset({*_MEASURED, *_ENDS, "temperature_C", "unbounded"}),
    SetTemperature: frozenset({"id", "role", "temperature_C"}),
    Equilibrate: frozenset({*_MEASURED, *_WAITS}),
    WaitFor: frozenset({"id", "limits", *BesideEnds.model_fields, *_WAITS, "role", "unbounded"}),
    AdvanceCycle: frozenset({"id"}),
    CycleStep: frozenset({*_MEASURED, "rate_C", "cycle_count", "stop_if", "c_rate_basis"}),
    Tag: frozenset({"id", "tag"}),
    Mill: frozenset({"id", "speed_rpm", "until_time", "until_time_s"}),
    Loop: frozenset({"id", "loop_to", "cycle_count", "limits"}),
}
"""The steps that are executed, and which of their fields."""
WHY_NOT: dict[type[Strict], str] = {
    ImpedanceSpectroscopy: "no rig has an impedance analyser",
}
"""The others, and why not."""
EXECUTED_AT_THE_TOP = frozenset(
    {
        *("schema", "name", "title", "description", "inputs", "window", "cycle_starts_with", "cycle"),
        *("sampling_s", "cutoff_s", "record", "safety", "sample", "unicycler", "method"),
        *("on_resume", "on_link_loss", "c_rate_basis"),
    }
)
UNEXECUTED_BELOW: dict[str, frozenset[str]] = {}
"""Fields of an executed mapping that are not."""
EXECUTED_VALUES: dict[tuple[type[Strict], str], tuple[str, ...]] = {
    (SetTemperature, "role"): ("chamber", "chiller"),
}
"""Of these fields, only so."""


def note_unexecuted(file: ProtocolFile, findings: Findings) -> None:
    """Note each step, field and value that would change nothing in a run, and each input without a value."""
    for name in file.missing_inputs:
        findings.error(("inputs", name), "has no value", f"give one with --input {name}=…")
    if file.top is not None:
        _note_fields(findings, (), file.top, EXECUTED_AT_THE_TOP)
    for index, step in enumerate(file.steps):
        if isinstance(step, BrokenStep):
            continue
        executed = EXECUTED_FIELDS.get(type(step))
        if executed is None:
            what = f"{getattr(step, 'step', '')} {NOT_YET}: {WHY_NOT[type(step)]}"
            findings.error(step_path(index, "step"), what, "leave it out for now")
        else:
            _note_fields(findings, step_path(index), step, executed | {"step"})


def _note_fields(findings: Findings, path: Path, model: Strict, executed: frozenset[str]) -> None:
    for key, value in _said(model).items():
        here = (*path, key)
        if key not in executed:
            findings.error(here, NOT_YET, "leave it out for now", at_key=True)
        elif value not in EXECUTED_VALUES.get((type(model), key), (value,)):
            findings.error(here, f"{value} {NOT_YET}", f"write {' or '.join(EXECUTED_VALUES[type(model), key])}")
        elif isinstance(value, Strict):
            for below in _said(value).keys() & UNEXECUTED_BELOW.get(key, frozenset()):
                findings.error((*here, below), NOT_YET, "leave it out for now", at_key=True)


def _said(model: Strict) -> dict[str, object]:
    """What was written, by key."""
    fields = type(model).model_fields.items()
    said = {field.alias or name: getattr(model, name) for name, field in fields if name in model.model_fields_set}
    return {key: value for key, value in said.items() if value is not None}

"""A protocol as the steps that other programs know: short forms expanded, the rest told as lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from protocols import units
from protocols.directions import window_of
from protocols.errors import Path
from protocols.fields import Strict
from protocols.interop.converted import Report
from protocols.protocol import ProtocolFile, step_path
from protocols.settings import CRateBasis, Record
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
    Measured,
    Mill,
    OpenCircuitVoltage,
    Pause,
    SetTemperature,
    Step,
    Tag,
    VoltageScan,
    WaitFor,
)

TIMES = ("until_time_s", "until_time")
KEPT: dict[type[Strict], frozenset[str]] = {
    ConstantCurrent: frozenset({"rate_C", "current_mA", "current_density_mA_cm2", "until_voltage_V", *TIMES}),
    ConstantVoltage: frozenset({"voltage_V", "until_rate_C", "until_current_mA", *TIMES}),
    ConstantPower: frozenset({"power_mW", "until_voltage_V", *TIMES}),
    OpenCircuitVoltage: frozenset({"temperature_C", "unbounded", *TIMES}),
    ImpedanceSpectroscopy: frozenset(
        {
            *("amplitude_V", "amplitude_mA", "start_frequency_Hz", "end_frequency_Hz"),
            *("points_per_decade", "measures_per_point", "drift_correction"),
        }
    ),
    VoltageScan: frozenset({"start_voltage_V", "end_voltage_V", "scan_rate_mV_per_s"}),
    SetTemperature: frozenset({"temperature_C", "role"}),
    CycleStep: frozenset({"rate_C", "cycle_count", "window"}),
    Tag: frozenset({"tag"}),
    Loop: frozenset({"loop_to", "cycle_count"}),
}
"""Fields that a step here takes from one of ours, beside `id` and `step`. Of others the whole step is told."""
KEPT_AT_THE_TOP = frozenset(
    {
        *("schema", "name", "title", "description", "inputs", "window", "cycle_starts_with", "cycle"),
        *("sample", "unicycler", "record", "safety", "method"),
    }
)
LEFT_OUT = {
    Mill: "a step of the mill",
    Pause: "a pause for a person",
    AdvanceCycle: "where a cycle is counted",
}


@dataclass(eq=False)
class Core:
    """One step as other programs know it. `index` is that of ours, from 0; a loop goes back to `to`."""

    kind: str
    index: int
    values: dict[str, Any] = field(default_factory=dict)
    to: Core | None = None

    @property
    def path(self) -> Path:
        """Where it is written."""
        return step_path(self.index)


def lay_out(
    file: ProtocolFile, report: Report, *, diameter_mm: float | None = None, periods: bool = False
) -> list[Core]:
    """The steps of a protocol without errors, in order.

    Args:
        file: the protocol.
        report: is told what is lost, and what cannot be said.
        diameter_mm: of the jig, for currents by area.
        periods: keep the time between rows of a step, as `period_s`.
    """
    _tell_lost(file, report, {"record"} if periods else set())
    cores: list[Core] = []
    first: dict[int, Core] = {}
    waiting: list[int] = []
    for index, step in enumerate(file.steps):
        made = list(_cores(file, index, step, report, diameter_mm))
        waiting.append(index)
        if made:
            first |= dict.fromkeys(waiting, made[0])
            waiting = []
        for core in made:
            if isinstance(step, Loop):
                core.to = _target(file, step, first)
            if periods and isinstance(step, Measured) and step.record is not None:
                _keep_period(core, step.record, report)
        cores += made
    return cores


def _target(file: ProtocolFile, loop: Loop, first: dict[int, Core]) -> Core | None:
    if isinstance(loop.loop_to, int):
        return first.get(loop.loop_to - 1)
    tags = {step.tag: at for at, step in reversed(list(enumerate(file.steps))) if isinstance(step, Tag)}
    return first.get(tags.get(loop.loop_to, -1))


def _keep_period(core: Core, record: Record, report: Report) -> None:
    if record.time_s is not None:
        core.values["period_s"] = record.time_s
    for key in _said(record) - {"time_s"}:
        report.lost((*core.path, "record", key), key)


def _tell_lost(file: ProtocolFile, report: Report, kept_besides: set[str]) -> None:
    if file.top is not None:
        for key in _said(file.top) - KEPT_AT_THE_TOP:
            report.lost((key,), key)
    for index, step in enumerate(file.steps):
        kept = KEPT.get(type(step))
        for key in _said(step) - kept - kept_besides if kept is not None else ():
            report.lost(step_path(index, key), key)


def _said(model: Strict) -> set[str]:
    """What was written, but for what is said by default."""
    fields = type(model).model_fields
    return {
        fields[name].alias or name
        for name in model.model_fields_set
        if getattr(model, name) not in (None, fields[name].default, CRateBasis())
    } - {"id", "step"}


def _cores(file: ProtocolFile, index: int, step: Step, report: Report, diameter_mm: float | None) -> Iterator[Core]:
    named = {} if isinstance(step, BrokenStep) or step.id is None else {"id": step.id}
    if isinstance(step, ConstantCurrent):
        yield Core("constant_current", index, named | _current(index, step, report, diameter_mm))
    elif isinstance(step, CycleStep):
        yield from _cycle(file, index, step)
    elif isinstance(step, SetTemperature):
        if step.role == "chamber":
            yield Core("set", index, named | {"temperature_C": step.temperature_C})
        else:
            report.lost(step_path(index), f"the setpoint of the {step.role}")
    elif isinstance(step, Equilibrate | WaitFor):
        yield from _wait(index, step, report, named)
    elif isinstance(step, Mill | Pause | AdvanceCycle):
        report.lost(step_path(index), LEFT_OUT[type(step)])
    else:
        yield Core(str(getattr(step, "step", "")), index, named | _plain(index, step, report))


def _plain(index: int, step: Step, report: Report) -> dict[str, Any]:
    """The fields of a step that have the same name elsewhere; a time in seconds, whichever way it was written."""
    kept = KEPT[type(step)] - {*TIMES, "role", "unbounded"}
    values = {
        key: value for key in type(step).model_fields if key in kept and (value := getattr(step, key)) is not None
    }
    if isinstance(step, ConstantVoltage | ConstantPower | OpenCircuitVoltage):
        if step.until_time_second is not None:
            values["until_time_s"] = step.until_time_second
        ends = {key for key in values if key.startswith("until_")}
        if not ends:
            report.cannot(step_path(index), "has no end that other programs know", "write until_time: 12 h")
    return values


def _current(index: int, step: ConstantCurrent, report: Report, diameter_mm: float | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in ("rate_C", "current_mA", "until_voltage_V"):
        if (value := getattr(step, key)) is not None:
            values[key] = value
    if step.current_density_mA_cm2 is not None:
        if diameter_mm is None:
            hint = "name a cell file that says it, with --cell"
            report.cannot(step_path(index, "current_density_mA_cm2"), "the area is not known", hint)
        else:
            ampere = units.current_by_area(step.current_density_mA_cm2, diameter_mm)
            values["current_mA"] = units.milliampere(ampere)
    if step.until_time_second is not None:
        values["until_time_s"] = step.until_time_second
    if "until_voltage_V" not in values and "until_time_s" not in values:
        report.cannot(step_path(index), "has no end that other programs know", "write until_voltage_V, or until_time")
    return values


def _wait(index: int, step: Equilibrate | WaitFor, report: Report, named: dict[str, Any]) -> Iterator[Core]:
    longest = step.timeout_second
    if isinstance(step, WaitFor):
        pure = step.until_time_second is not None and longest is None and step.temperature_C is None
        longest = step.until_time_second if longest is None else longest
        if longest is None:
            report.cannot(step_path(index), "a wait without an end", "write timeout: 6 h")
            return
        if not pure:
            report.lost(step_path(index), f"what is waited for; a rest of {units.time_text(longest)} takes its place")
        for key in sorted(_said(step) & {"limits"}):
            report.lost(step_path(index, key), key)
        yield Core("open_circuit_voltage", index, named | {"until_time_s": longest})
        return
    what = f"waiting for the temperature; a rest of {units.time_text(step.timeout_second)} takes its place"
    report.lost(step_path(index), what)
    values = {"temperature_C": step.temperature_C, "until_time_s": step.timeout_second}
    yield Core("open_circuit_voltage", index, named | values)


def _cycle(file: ProtocolFile, index: int, step: CycleStep) -> Iterator[Core]:
    window = window_of(file, step)
    if window is None or file.top is None:
        return
    name = step.id or f"cycle_{index + 1}"
    halves = [("charge", 1, window.upper_voltage_V), ("discharge", -1, window.lower_voltage_V)]
    if file.top.cycle_starts_with == "discharge":
        halves.reverse()
    for item, rate in enumerate(step.rate_C):
        prefix = name if len(step.rate_C) == 1 else f"{name}/{item + 1}"
        pair = [
            Core("constant_current", index, {"id": f"{prefix}/{half}", "rate_C": sign * rate, "until_voltage_V": volt})
            for half, sign, volt in halves
        ]
        yield from pair
        if step.cycle_count > 1:
            yield Core("loop", index, {"id": f"{prefix}/loop", "cycle_count": step.cycle_count}, to=pair[0])

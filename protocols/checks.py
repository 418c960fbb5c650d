"""What is wrong between the fields of one step, or of the top of a protocol, whatever stands around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.ends import SETTLING, BesideEnds, CurrentEnds, VoltageEnd, ends_of
from protocols.errors import Path, Problem
from protocols.fields import Strict
from protocols.limits import RETENTION, Limit
from protocols.settings import OnLinkLoss, OnResume, Window
from protocols.source import Findings, Source
from protocols.steps import (
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CycleStep,
    Equilibrate,
    ImpedanceSpectroscopy,
    Limited,
    Loop,
    Measured,
    Mill,
    OpenCircuitVoltage,
    VoltageScan,
    WaitFor,
)
from protocols.units import time_text

BESIDE_THE_CELL = frozenset(
    {"time_s", "run_time_s", "pressure_MPa", "pressure_change_MPa", "dPdt_MPa_h", "temperature_C"}
)
"""Variables that are known while nothing measures the cell."""


@dataclass(frozen=True)
class StepCheck:
    """A step to be checked: `step` is None when no model could be made of it, `bad` are paths already complained of."""

    source: Source
    path: Path
    step: Strict | None
    bad: frozenset[str]

    def complained_of(self, *keys: str) -> bool:
        """Whether a field of the step is wrong already; a key that ends in `*` stands for all that begin so."""
        names = [place.rpartition(".")[2].partition("[")[0] for place in self.bad]
        return any(name.startswith(key[:-1]) if key.endswith("*") else name == key for name in names for key in keys)


def check_step(check: StepCheck) -> list[Problem]:
    """What is wrong between the fields of one step."""
    if check.step is None:
        return []
    findings = Findings(check.source)
    _said_twice(findings, check.path, check.step)
    _check_settings(findings, check.path, check.step)
    _check_stop(findings, check)
    _check_current(findings, check)
    _check_kind(findings, check)
    _check_limits(findings, check)
    return findings.problems


def check_top(source: Source, top: Strict) -> list[Problem]:
    """What is wrong between the fields of the top of the file."""
    findings = Findings(source)
    _said_twice(findings, (), top)
    _check_settings(findings, (), top)
    return findings.problems


def _said_twice(findings: Findings, path: Path, model: Strict) -> None:
    """`until_time` and `until_time_s` are one field, and so is every such pair."""
    said = {field.alias or name: getattr(model, name) for name, field in type(model).model_fields.items()}
    for key, value in said.items():
        other = f"{key}_s"
        if other in said and value is not None and said[other] is not None:
            findings.error((*path, key), "the time is said twice", f"keep {key} or {other}", at_key=True)
        if isinstance(value, Strict):
            _said_twice(findings, (*path, key), value)


def _check_settings(findings: Findings, path: Path, model: Strict) -> None:
    for key in ("window", "record", "on_resume", "on_link_loss"):
        value, here = getattr(model, key, None), (*path, key)
        if isinstance(value, Window):
            _check_window(findings, here, value)
        elif isinstance(value, OnResume) and value.verify is not None and value.rest_before_second is None:
            if value.verify.max_dV_mV is not None:
                what = "a voltage can be compared only after a rest"
                findings.error((*here, "verify", "max_dV_mV"), what, "write rest_before: 10 min in on_resume")
        elif isinstance(value, OnLinkLoss):
            mask, fail = value.mask_second, value.fail_second
            if mask is not None and fail is not None and mask >= fail:
                what = f"{time_text(mask)} of silence are hidden, and {time_text(fail)} are a failure"
                findings.error(here, what, "write a shorter mask, or a longer fail", at_key=True)


def _check_window(findings: Findings, path: Path, window: Window) -> None:
    low, high = window.lower_voltage_V, window.upper_voltage_V
    if low < high:
        return
    what = f"the window is upside down: lower {low:g} V, upper {high:g} V"
    swapped = f"write lower_voltage_V: {high:g}, upper_voltage_V: {low:g}"
    findings.error(path, what, swapped if high < low else "write two different voltages", at_key=True)


def _check_stop(findings: Findings, check: StepCheck) -> None:
    """A current needs an end, and a wait that may last for ever must say so."""
    step, path = check.step, check.path
    if check.complained_of("until_*", "limits", "timeout*", "temperature_C"):
        return
    ends = [end for end in ends_of(step, path) if end.key != "limits"] if step is not None else []
    if isinstance(step, ConstantCurrent | ConstantPower) and not ends:
        hint = "write until_voltage_V: 3.7, or until_time: 10 h, or both"
        findings.error(path, "no stop condition: the current would never end", hint)
    elif isinstance(step, ConstantVoltage) and not ends:
        findings.error(path, "no stop condition: the hold would never end", "write until_rate_C: C/20, until_time: 2 h")
    elif isinstance(step, Mill) and step.until_time_second is None:
        findings.error(path, "no stop condition: the mill would never stop", "write until_time: 60 s")
    elif isinstance(step, OpenCircuitVoltage | WaitFor):
        _check_wait(findings, path, step)


def _check_wait(findings: Findings, path: Path, step: OpenCircuitVoltage | WaitFor) -> None:
    bounded = step.until_time_second is not None
    ends = ends_of(step, path)
    word = "rest"
    if isinstance(step, WaitFor):
        word = "wait"
        bounded = bounded or step.timeout_second is not None
        if step.temperature_C is None and not ends:
            hint = "write until_time: 90 s, or temperature_C: 15 with a timeout"
            findings.error(path, "nothing is waited for", hint)
            return
    if bounded and step.unbounded:
        findings.warning((*path, "unbounded"), f"this {word} ends after a time, so it is bounded", "remove it")
    if bounded or step.unbounded:
        return
    if not ends and not isinstance(step, WaitFor):
        findings.error(path, "no stop condition: the rest would never end", "write until_time: 10 h")
        return
    how = "timeout: 6 h" if isinstance(step, WaitFor) else "until_time: 12 h"
    what = f"this {word} may never end"
    findings.error(path, what, f"write {how}, or unbounded: true if that is meant")


def _check_current(findings: Findings, check: StepCheck) -> None:
    step, path = check.step, check.path
    if not isinstance(step, ConstantCurrent):
        return
    keys = ("rate_C", "current_mA", "current_density_mA_cm2")
    said = [key for key in keys if getattr(step, key) is not None]
    if said == ["rate_C", "current_mA"]:
        what = "rate_C and current_mA are both given: rate_C wins"
        findings.warning((*path, "current_mA"), what, "keep one of the two")
    elif len(said) > 1:
        findings.error((*path, said[-1]), f"{' and '.join(said)} are both given", "keep one of them", at_key=True)
    elif not said and not check.complained_of(*keys):
        findings.error(path, "no current", "write rate_C: 0.1 (discharge: -0.1) or current_mA: 0.15")


def _check_kind(findings: Findings, check: StepCheck) -> None:
    step, path = check.step, check.path
    if isinstance(step, Equilibrate | WaitFor):
        _check_timeout(findings, check, step)
    if isinstance(step, ImpedanceSpectroscopy):
        _check_impedance(findings, check, step)
    if isinstance(step, VoltageScan) and step.start_voltage_V == step.end_voltage_V:
        findings.error((*path, "end_voltage_V"), "the scan ends where it starts", "write two different voltages")
    if isinstance(step, Loop) and (not isinstance(step.loop_to, int | str) or isinstance(step.loop_to, bool)):
        here = (*path, "loop_to")
        findings.error(here, f"{step.loop_to!r} is no place", "write a tag, or the number of a step")
    if isinstance(step, CurrentEnds) and step.until_rate_C is not None and step.until_current_mA is not None:
        what = "until_rate_C and until_current_mA are both given: until_rate_C wins"
        findings.warning((*path, "until_current_mA"), what, "keep one of the two")
    if isinstance(step, BesideEnds):
        _check_bands(findings, path, step)


def _check_timeout(findings: Findings, check: StepCheck, step: Equilibrate | WaitFor) -> None:
    if check.complained_of("for", "for_s", "timeout", "timeout_s"):
        return
    needs, ends = step.for_second, step.timeout_second
    if ends is None or needs <= ends:
        return
    written = step.timeout_s is not None or step.timeout is not None
    key = "timeout" if step.timeout is not None else "timeout_s" if written else "for" if step.for_ else "for_s"
    what = f"{time_text(needs)} at temperature do not fit into the time-out of {time_text(ends)}"
    findings.error((*check.path, key), what, "write a longer timeout, or a shorter for")


def _check_impedance(findings: Findings, check: StepCheck, step: ImpedanceSpectroscopy) -> None:
    path = check.path
    if step.amplitude_V is not None and step.amplitude_mA is not None:
        findings.error((*path, "amplitude_mA"), "two amplitudes", "keep amplitude_V or amplitude_mA", at_key=True)
    elif step.amplitude_V is None and step.amplitude_mA is None and not check.complained_of("amplitude*"):
        findings.error(path, "no amplitude", "write amplitude_V: 0.01")
    if step.bias_voltage_V is not None and step.bias_current_mA is not None:
        what = "two biases"
        findings.error((*path, "bias_current_mA"), what, "keep bias_voltage_V or bias_current_mA", at_key=True)
    if step.settle is not None and (step.bias_voltage_V is not None or step.bias_current_mA is not None):
        findings.error(
            (*path, "settle"), "the open-circuit voltage cannot settle under a bias", "remove it", at_key=True
        )


def _check_bands(findings: Findings, path: Path, step: BesideEnds) -> None:
    bands = (("pressure_MPa", "MPa"), ("temperature_C", "°C"))
    for quantity, unit in bands:
        low, high = getattr(step, f"until_min_{quantity}"), getattr(step, f"until_max_{quantity}")
        if low is not None and high is not None and low >= high:
            what = f"at or below {low:g} {unit}, or at or above {high:g} {unit}: the step would end at once"
            findings.error((*path, f"until_max_{quantity}"), what, f"write one above {low:g}")
    settling = next((key for key in sorted(SETTLING) if getattr(step, key, None) is not None), None)
    if settling is not None and isinstance(step, VoltageEnd):
        what = "under a current this ends the step on its first flat stretch"
        findings.warning((*path, settling), what, "keep it only if meant")


def _check_limits(findings: Findings, check: StepCheck) -> None:
    step, path = check.step, check.path
    if isinstance(step, Limited):
        for index, limit in enumerate(step.limits or ()):
            _check_limit(findings, step, limit, (*path, "limits", index))
    if not isinstance(step, CycleStep) or step.stop_if is None:
        return
    stop, here = step.stop_if, (*path, "stop_if")
    if not stop.compared:
        findings.error(here, "compares nothing", 'write {retention_percent: "< 60", relative_to: first}', at_key=True)
        return
    for problem in _basis_problems(stop.limit, {RETENTION: "retention_percent"}):
        findings.error(here, *problem, at_key=True)
    if stop.relative_to is not None and stop.retention_percent is None:
        findings.error((*here, "relative_to"), "only retention is relative to a cycle", "remove it", at_key=True)


def _check_limit(findings: Findings, step: Strict, limit: Limit, here: Path) -> None:
    for problem in _basis_problems(limit, {}):
        findings.error((*here, "when"), *problem)
    of_cycles = [one.var for one in limit.when if one.variable.of_cycles]
    of_rows = [one.var for one in limit.when if not one.variable.of_cycles]
    for index, one in enumerate(limit.when):
        if one.relative_to is not None and one.var != RETENTION:
            place = (*here, "when", index, "relative_to")
            findings.error(place, "only retention is relative to a cycle", "remove it", at_key=True)
    if of_cycles and of_rows:
        what = f"{of_cycles[0]} is known when a cycle is complete, {of_rows[0]} at every row: never at once"
        findings.error((*here, "when"), what, "write two limits")
    elif of_cycles and not isinstance(step, Loop | CycleStep):
        what = f"{of_cycles[0]} is known only when a cycle is complete"
        findings.error((*here, "when"), what, "write the limit into the loop, or the cycle, that counts it")
    elif of_rows and isinstance(step, Loop):
        what = f"{of_rows[0]} is told by rows, and a loop measures none"
        findings.error((*here, "when"), what, "write the limit into a step of its body")
    elif of_rows and limit.consecutive is not None:
        findings.error((*here, "consecutive"), "counts cycles, and this limit is on rows", "remove it", at_key=True)
    elif of_rows and not isinstance(step, Measured):
        blind = [name for name in of_rows if name not in BESIDE_THE_CELL]
        if blind:
            what = f"{blind[0]} is not measured in this step"
            findings.error((*here, "when"), what, "write time, pressure or temperature")


def _basis_problems(limit: Limit, key_of: dict[str, str]) -> Iterator[tuple[str, str]]:
    for one in limit.when:
        if one.var == RETENTION and one.relative_to is None:
            name = key_of.get(one.var, one.var)
            hint = "write relative_to: first, or relative_to: {block: formation, cycle: 1}"
            yield f"{name} does not say of which cycle", hint

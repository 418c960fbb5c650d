"""Fits drafted steps to one model of potentiostat: ranges, timing, guards, and what of a protocol it cannot do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from daemon.compiling.bounds import CURRENT_FACTOR, Bounds
from daemon.compiling.buffer_rows import ROWS_BESIDE, buffer_rows, measured_next, measures, rows_of
from daemon.compiling.drafts import (
    AdvanceDraft,
    CurrentDraft,
    Draft,
    HeldDraft,
    LoopDraft,
    MeasuredDraft,
    MillDraft,
    PauseDraft,
    PowerDraft,
    RestDraft,
    ScanDraft,
    SetDraft,
    VoltageDraft,
    WaitDraft,
)
from daemon.compiling.mill_fitting import mill_step
from daemon.compiling.power_fitting import fitted, power_step, power_text
from daemon.compiling.resume_policy import link_loss, overridden, resume_policy
from daemon.plan import (
    AdvanceStep,
    CapacityBasis,
    CurrentStep,
    Interlock,
    Limit,
    LinkLoss,
    LoopStep,
    PauseStep,
    PlanStep,
    RestStep,
    ResumePolicy,
    ScanStep,
    SetStep,
    VoltageStep,
    WaitStep,
)
from daemon.rows.readings import JIG_TEMPERATURE, PRESSURE
from drivers.roles import CurrentRange, PotentiostatLimits, SegmentMode
from protocols import units
from protocols.errors import Path
from protocols.protocol import CyclingProtocol, step_path
from protocols.settings import Record
from protocols.source import Findings
from protocols.steps import CycleStep, Equilibrate, VoltageScan

DEFAULT_SAMPLING_SECOND = 1.0
FAST_RATE_C, SLOW_RATE_C = 1.0, 0.2
"""From the one upwards limits are tested at `FAST_CUTOFF_SECOND`; up to the other records are thinned more."""
FAST_CUTOFF_SECOND, SLOW_CUTOFF_SECOND = 0.2, 1.0
GUARD_FACTOR = 1.5
"""Guard time of a current, over the time in which it passes the capacity of 1 C."""
GUARD_WITHOUT_CAPACITY_SECOND = 86400.0
LONGEST_REST_SECOND = 30 * 86400.0
"""Of a rest that only a limit ends."""
LARGEST_SETPOINT_ERROR = 0.005
LEAST_MEASURED_SHARE = 0.1
"""Of what the cell file says 1 C is: a cell that has measured less is none to go on with by itself."""
TOLERANCE = 1e-6
"""Relative, for what should be equal or a whole number."""

RECORD_FAST = {"time_second": 1.0, "voltage_volt": 0.005}
RECORD_SLOW = {"time_second": 10.0, "voltage_volt": 0.002}
RECORD_REST = {"time_second": 10.0, "voltage_volt": 0.001}


def sampling_second(draft: MeasuredDraft, top: CyclingProtocol) -> float:
    """How often a step's rows are stored, as written or by default."""
    return draft.step.sampling_s or top.sampling_s or DEFAULT_SAMPLING_SECOND


def record_in_si(record: Record | None) -> dict[str, float] | None:
    """A record as written, with names and units of the inside; None when nothing was written."""
    if record is None:
        return None
    said = {
        "time_second": record.time[-1].every_second if record.time else record.time_s,
        "voltage_volt": record.voltage_V,
        "current_ampere": None if record.current_mA is None else units.ampere(record.current_mA),
        PRESSURE: None if record.pressure_MPa is None else units.pascal(record.pressure_MPa),
        JIG_TEMPERATURE: record.temperature_C,
    }
    return {name: value for name, value in said.items() if value is not None} or None


def record_first(record: Record | None) -> tuple[tuple[float, float], ...]:
    """The times of a record that hold only at first: each with the second of the step up to which it holds."""
    first, until_second = list[tuple[float, float]](), 0.0
    for interval in (record.time if record else None) or ():
        if interval.for_second is not None:
            until_second += interval.for_second
            first.append((interval.every_second, until_second))
    return tuple(first)


class SharedFields(TypedDict):
    """What every step that is measured holds, as `daemon.plan` names it."""

    step_id: str
    block: str
    line: int
    limits: tuple[Limit, ...]
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float]
    record_first: tuple[tuple[float, float], ...]
    interlocks: tuple[Interlock, ...]
    resume: ResumePolicy | None
    link: LinkLoss | None


@dataclass(frozen=True)
class Fitting:
    """Makes steps of drafts. What does not fit is noted in `findings`, and the numbers of such a step mean nothing.

    `largest_ampere` is the largest of the protocol's currents, in size, which a held voltage may cause too; 1 C without
    any. `own_bounds` are those of the steps of the file that are held to tighter ones, with the interlocks that makes.
    `limits` is None on a rig without a potentiostat: its rests are only time, and currents were refused before.
    """

    top: CyclingProtocol
    limits: PotentiostatLimits | None
    bounds: Bounds
    one_C_ampere: float | None
    largest_ampere: float
    findings: Findings
    own_bounds: Mapping[int, tuple[Bounds, tuple[Interlock, ...]]] = field(default_factory=dict)

    def step(self, draft: Draft) -> PlanStep:
        """A draft as a step of the plan."""
        line = self.findings.source.value_at(step_path(draft.index)).line
        if isinstance(draft, LoopDraft):
            return LoopStep(
                step_id=draft.step_id,
                block=draft.block,
                line=line,
                first=draft.first,
                passes=draft.passes,
                limits=draft.limits,
            )
        if isinstance(draft, SetDraft):
            self._check_setpoint(draft)
            return SetStep(
                step_id=draft.step_id,
                block=draft.block,
                line=line,
                temperature_celsius=draft.temperature_celsius,
                role=draft.role,
            )
        if isinstance(draft, MillDraft):
            return mill_step(draft, line, self.bounds)
        if isinstance(draft, AdvanceDraft):
            return AdvanceStep(step_id=draft.step_id, block=draft.block, line=line)
        if isinstance(draft, PauseDraft):
            return PauseStep(
                step_id=draft.step_id,
                block=draft.block,
                line=line,
                text=draft.step.text,
                timeout_second=draft.step.timeout_second,
                on_timeout=draft.step.on_timeout,
            )
        if isinstance(draft, WaitDraft):
            return self._wait(draft, line)
        if isinstance(draft, RestDraft):
            return self._rest(draft, line)
        if isinstance(draft, VoltageDraft):
            return self._voltage(draft, line)
        if isinstance(draft, ScanDraft):
            return self._scan(draft, line)
        if isinstance(draft, PowerDraft):
            draft = fitted(draft, self._bounds_of(draft), self.limits, self.findings)
            return power_step(draft, self._current(draft, line))
        return self._current(draft, line)

    def _rest(self, draft: RestDraft, line: int) -> RestStep:
        sampling, cutoff = self._timing(draft, SLOW_CUTOFF_SECOND)
        until_time_second = draft.until_time_second
        if until_time_second is None:
            until_time_second = self._longest_rest_second(sampling)
        self._check_length(draft, until_time_second, sampling)
        self._check_shortness(self._time_place(draft), until_time_second, sampling)
        return RestStep(
            until_time_second=until_time_second,
            until_equilibrated=draft.until_equilibrated,
            is_timed_out=draft.until_time_second is None,
            on_timeout=draft.on_timeout,
            lower_guard_volt=self._bounds_of(draft).rest_low_volt,
            **self._shared(draft, line, (sampling, cutoff), RECORD_REST),
        )

    def _wait(self, draft: WaitDraft, line: int) -> WaitStep:
        until_time_second = draft.until_time_second
        return WaitStep(
            step_id=draft.step_id,
            block=draft.block,
            line=line,
            until_time_second=LONGEST_REST_SECOND if until_time_second is None else until_time_second,
            until_equilibrated=draft.until_equilibrated,
            limits=draft.limits,
            is_timed_out=draft.is_timed_out,
            on_timeout=draft.step.on_timeout,
            lower_guard_volt=self._bounds_of(draft).rest_low_volt,
            upper_guard_volt=self._bounds_of(draft).high_volt.value,
            sampling_second=DEFAULT_SAMPLING_SECOND,
            cutoff_second=DEFAULT_SAMPLING_SECOND,
        )

    def _voltage(self, draft: VoltageDraft, line: int) -> VoltageStep:
        sampling, cutoff = self._timing(draft, SLOW_CUTOFF_SECOND)
        guard = draft.until_time_second or GUARD_WITHOUT_CAPACITY_SECOND
        self._check_length(draft, guard, sampling)
        self._check_shortness(self._time_place(draft), guard, sampling)
        self._check_held(draft, SegmentMode.VOLTAGE, {"voltage_V": draft.step.voltage_V})
        return VoltageStep(
            half=draft.half,
            extends=draft.extends,
            voltage_volt=draft.step.voltage_V,
            current_limit_ampere=self.largest_ampere,
            current_range_ampere=self._limit_range(draft),
            until_current_ampere=draft.until_current_ampere,
            until_time_second=draft.until_time_second,
            basis=self._basis(draft),
            guard_time_second=guard,
            lower_guard_volt=self._bounds_of(draft).low_volt.value,
            **self._shared(draft, line, (sampling, cutoff), RECORD_FAST),
        )

    def _scan(self, draft: ScanDraft, line: int) -> ScanStep:
        sampling, cutoff = self._timing(draft, SLOW_CUTOFF_SECOND)
        step = draft.step
        self._check_length(draft, draft.until_time_second, sampling)
        ends = {"start_voltage_V": step.start_voltage_V, "end_voltage_V": step.end_voltage_V}
        self._check_held(draft, SegmentMode.SCAN, ends)
        self._check_levels(draft, sampling)
        return ScanStep(
            start_voltage_volt=step.start_voltage_V,
            end_voltage_volt=step.end_voltage_V,
            scan_rate_volt_per_second=units.volt(step.scan_rate_mV_per_s),
            current_limit_ampere=self.largest_ampere,
            current_range_ampere=self._limit_range(draft),
            lower_guard_volt=self._bounds_of(draft).low_volt.value,
            **self._shared(draft, line, (sampling, cutoff), RECORD_FAST),
        )

    def _check_held(self, draft: HeldDraft, mode: SegmentMode, volts: Mapping[str, float]) -> None:
        """Whether the instrument can hold voltages, and these lie inside the safety bounds."""
        if self.limits is not None and mode not in self.limits.modes:
            what = f"the {self.limits.model} can't do it by itself"
            self.findings.error(step_path(draft.index, "step"), what, "use another instrument, or constant currents")
        low, high = self._bounds_of(draft).low_volt, self._bounds_of(draft).high_volt
        for key, volt in volts.items():
            if not low.value < volt < high.value:
                what = f"{volt:g} V is not inside the safety bounds, {low.value:g} to {high.value:g} V ({low.origin})"
                self.findings.error(step_path(draft.index, key), what, "write a voltage inside them, or widen safety")
        if not self.largest_ampere:
            what = "nothing says which current this may cause: there is no other current, and 1 C is not known"
            self.findings.error(step_path(draft.index), what, "write c_rate in the cell file")

    def _check_levels(self, draft: ScanDraft, sampling_second: float) -> None:
        if self.limits is None:
            return
        rate = units.volt(draft.step.scan_rate_mV_per_s)
        levels = draft.until_time_second / sampling_second + 1
        least = max(draft.until_time_second / max(1, self.limits.level_count - 1), self.limits.voltage_step_volt / rate)
        if levels > self.limits.level_count or rate * sampling_second < self.limits.voltage_step_volt * (1 - TOLERANCE):
            what = f"{levels:.0f} levels of {1000 * rate * sampling_second:.3g} mV are too fine"
            hint = f"write sampling_s: {least:.3g} or more"
            self.findings.error(self._place(draft, "sampling_s"), f"{what} for the {self.limits.model}", hint)

    def _limit_range(self, draft: HeldDraft) -> float:
        """The range that holds the largest current a held voltage may cause."""
        found = self.limits.range_for(self.largest_ampere) if self.limits else None
        if found is None and self.limits is not None:
            shown = units.current_text(self.largest_ampere)
            what = f"{shown} is too much for the {self.limits.model}"
            self.findings.error(step_path(draft.index), what, "use another instrument")
        return math.nan if found is None else found.full_scale_ampere

    def _longest_rest_second(self, sampling_second: float) -> float:
        """How long a rest may last that only a limit ends: half of what fits into the instrument."""
        if self.limits is None or not self.limits.rows_per_segment:
            return LONGEST_REST_SECOND
        return min(LONGEST_REST_SECOND, sampling_second * (self.limits.rows_per_segment // 2 - ROWS_BESIDE))

    def _current(self, draft: CurrentDraft, line: int) -> CurrentStep:
        rate = None if self.one_C_ampere is None else abs(draft.current_ampere) / self.one_C_ampere
        is_fast = rate is None or rate >= FAST_RATE_C * (1 - TOLERANCE)
        is_slow = rate is not None and rate <= SLOW_RATE_C * (1 + TOLERANCE)
        sampling, cutoff = self._timing(draft, FAST_CUTOFF_SECOND if is_fast else SLOW_CUTOFF_SECOND)
        guard = self._guard_second(draft, rate and draft.least_ampere / abs(draft.current_ampere) * rate)
        length = min(guard, draft.until_time_second or guard)
        self._check_length(draft, length, sampling)
        self._check_shortness(
            draft.path if draft.until_time_second is None else self._time_place(draft), length, sampling
        )
        self._check_voltage(draft)
        self._check_safety_current(draft)
        current_range = self._current_range(draft)
        return CurrentStep(
            half=draft.half,
            rate_C=draft.rate_C,
            current_ampere=draft.current_ampere,
            current_range_ampere=current_range.full_scale_ampere if current_range else math.nan,
            until_voltage_volt=draft.until_voltage_volt,
            until_time_second=draft.until_time_second,
            until_charge_ampere_hour=draft.until_charge_ampere_hour,
            basis=self._basis(draft),
            guard_time_second=guard,
            lower_guard_volt=self._bounds_of(draft).low_volt.value,
            **self._shared(draft, line, (sampling, cutoff), RECORD_SLOW if is_slow else RECORD_FAST),
        )

    def _shared(
        self, draft: MeasuredDraft, line: int, timing_second: tuple[float, float], record: dict[str, float]
    ) -> SharedFields:
        """What no kind of step says in a way of its own; `record` holds where the protocol says none."""
        sampling_second, cutoff_second = timing_second
        return {
            "step_id": draft.step_id,
            "block": draft.block,
            "line": line,
            "limits": draft.limits,
            "upper_guard_volt": self._bounds_of(draft).high_volt.value,
            "sampling_second": sampling_second,
            "cutoff_second": cutoff_second,
            "record": self._record(draft, record),
            "record_first": self._record_first(draft),
            "interlocks": self._interlocks(draft),
            "resume": self._resume(draft),
            "link": self._link(draft),
        }

    def _basis(self, draft: CurrentDraft | VoltageDraft) -> CapacityBasis | None:
        said = draft.basis
        if said is None or said.block is None or self.one_C_ampere is None or self.limits is None:
            return None
        if any(condition.quantity == "current_ampere" for limit in draft.limits for condition in limit.when):
            what = "a limit on the current can't follow a capacity that is measured only later"
            self.findings.error(step_path(draft.index, "limits"), what, "write c_rate_basis: cell_file in this step")
        return CapacityBasis(
            block=said.block,
            cycle=said.cycle,
            measured=said.measured,
            instead_of_ampere=self.one_C_ampere,
            least_share=LEAST_MEASURED_SHARE,
            most_share=CURRENT_FACTOR,
            ranges_ampere=tuple(one.full_scale_ampere for one in self.limits.current_ranges),
        )

    def _bounds_of(self, draft: Draft) -> Bounds:
        own = self.own_bounds.get(draft.index)
        return self.bounds if own is None else own[0]

    def _interlocks(self, draft: Draft) -> tuple[Interlock, ...]:
        own = self.own_bounds.get(draft.index)
        return () if own is None else own[1]

    def _record(self, draft: MeasuredDraft, default: dict[str, float]) -> dict[str, float]:
        return record_in_si(draft.step.record) or record_in_si(self.top.record) or default

    def _resume(self, draft: MeasuredDraft) -> ResumePolicy | None:
        own, bounds = draft.step.on_resume, self._bounds_of(draft)
        if own is None:
            return None
        return resume_policy(
            overridden(self.top.on_resume, own),
            lower_guard_volt=bounds.rest_low_volt,
            upper_guard_volt=bounds.high_volt.value,
        )

    def _link(self, draft: MeasuredDraft) -> LinkLoss | None:
        own = draft.step.on_link_loss
        return None if own is None else link_loss(overridden(self.top.on_link_loss, own))

    def _record_first(self, draft: MeasuredDraft) -> tuple[tuple[float, float], ...]:
        own = record_in_si(draft.step.record)
        return record_first(draft.step.record if own is not None else self.top.record)

    def _place(self, draft: MeasuredDraft, key: str) -> Path:
        """Where a setting of a step is written: in the step, or at the top."""
        own = getattr(draft.step, key) is not None
        return step_path(draft.index, key) if own or getattr(self.top, key) is None else (key,)

    def _time_place(self, draft: MeasuredDraft) -> Path:
        step = draft.step
        if isinstance(step, CycleStep | VoltageScan):
            return step_path(draft.index)
        if isinstance(step, Equilibrate):
            said = [key for key in ("timeout", "timeout_s") if getattr(step, key) is not None]
            return step_path(draft.index, *said[:1])
        return step_path(draft.index, "until_time" if step.until_time_s is None else "until_time_s")

    def _timing(self, draft: MeasuredDraft, wanted_cutoff_second: float) -> tuple[float, float]:
        """Sampling and cut-off interval; a default one divides the sampling evenly and is not above the wanted one."""
        sampling = sampling_second(draft, self.top)
        cutoff = draft.step.cutoff_s or self.top.cutoff_s
        limits = self.limits
        if limits is None:
            return sampling, cutoff or sampling
        shortest = limits.shortest_cutoff_second
        if min(sampling, cutoff or sampling) < shortest:
            key = "sampling_s" if sampling < shortest else "cutoff_s"
            given = min(sampling, cutoff or sampling)
            what = f"{given:g} s is too short for the {limits.model}: {shortest:g} s at least"
            self.findings.error(self._place(draft, key), what, f"write {key}: {shortest:g} or more")
            return sampling, cutoff or sampling
        if sampling > limits.longest_timer_second:
            what = f"{sampling:g} s is too long for the {limits.model}: {limits.longest_timer_second:g} s at most"
            self.findings.error(
                self._place(draft, "sampling_s"), what, f"write {limits.longest_timer_second:g} or less"
            )
        if cutoff is None:
            tests = math.ceil(sampling / wanted_cutoff_second - TOLERANCE)
            most_tests = math.floor(sampling / shortest + TOLERANCE)
            return sampling, sampling / max(1, min(tests, most_tests))
        tests = round(sampling / cutoff)
        if tests < 1 or abs(sampling / cutoff - tests) > TOLERANCE * tests:
            what = f"sampling_s {sampling:g} is not a whole multiple of cutoff_s {cutoff:g}"
            hint = f"write cutoff_s: {sampling / max(1, math.ceil(sampling / cutoff)):.6g}"
            self.findings.error(self._place(draft, "cutoff_s"), what, hint)
        return sampling, cutoff

    def _guard_second(self, draft: CurrentDraft, rate: float | None) -> float:
        """The time after which a current is stopped whatever happens."""
        written = draft.until_time_second
        if rate is None:
            if written is None:
                hold = units.time_text(GUARD_WITHOUT_CAPACITY_SECOND)
                what = f"the capacity is not known, so this step is held only after {hold}"
                self.findings.warning(draft.path, what, "write until_time beside until_voltage_V")
            return written or GUARD_WITHOUT_CAPACITY_SECOND
        guard = GUARD_FACTOR * units.hour_in_seconds(1 / rate)
        if written is not None and written > guard * (1 + TOLERANCE):
            what = f"the step is held after {units.time_text(guard)}, before the time written here"
            self.findings.warning(self._time_place(draft), what, f"write {units.time_text(guard)} or less")
        return guard

    def _check_length(self, draft: MeasuredDraft, length_second: float, sampling_second: float) -> None:
        limits = self.limits
        if limits is None:
            return
        rows = buffer_rows(length_second, sampling_second)
        if rows > limits.rows_per_segment:
            what = f"{rows} rows in one step are too many for the {limits.model}: {limits.rows_per_segment} at most"
            least = length_second / max(1, limits.rows_per_segment - ROWS_BESIDE)
            self.findings.error(self._place(draft, "sampling_s"), what, f"write sampling_s: {least:.3g} or more")

    def _check_shortness(self, place: Path, length_second: float, sampling_second: float) -> None:
        if self.limits is not None and length_second < sampling_second * (1 - TOLERANCE):
            what = f"the step ends after {length_second:g} s, before its second row: sampling_s is {sampling_second:g}"
            hint = f"write {sampling_second:g} s or more, or sampling_s: {length_second:g} or less"
            self.findings.error(place, what, hint)

    def check_neighbours(self, drafts: Sequence[Draft], steps: Sequence[PlanStep]) -> None:
        """Note what would not fit into the instrument beside the rows of the segment before, which are still there.

        Args:
            drafts: of the whole protocol.
            steps: what `step` made of each.
        """
        if self.limits is None:
            return
        most, told = self.limits.rows_per_segment, set[int]()
        for before, step in enumerate(steps):
            for after in measured_next(steps, before) if measures(step) else ():
                here, there = rows_of(steps[after]), rows_of(step)
                if max(here, there) <= most < here + there and drafts[after].index not in told:
                    told.add(drafts[after].index)
                    self._tell_neighbours(drafts[after], here, there, f"the step of line {step.line}")

    def _tell_neighbours(self, draft: Draft, here: int, there: int, before: str) -> None:
        if self.limits is None or not isinstance(draft, MeasuredDraft):
            return
        most, sampling = self.limits.rows_per_segment, sampling_second(draft, self.top)
        what = (
            f"{here} rows, and {there} of {before} before it, do not fit into the {self.limits.model}: {most} at most"
        )
        least = sampling * (here + there) / most
        self.findings.error(self._place(draft, "sampling_s"), what, f"write sampling_s: {least:.3g} or more in both")

    def _check_setpoint(self, draft: SetDraft) -> None:
        hot = self.bounds.high_celsius
        if draft.temperature_celsius >= hot.value:
            what = f"{draft.temperature_celsius:g} °C is not below the interlock at {hot.value:g} °C ({hot.origin})"
            hint = "write a lower temperature, or safety: {max_temperature_C: …} above it"
            self.findings.error(step_path(draft.index, "temperature_C"), what, hint)

    def _check_voltage(self, draft: CurrentDraft) -> None:
        volt, low, high = draft.until_voltage_volt, self._bounds_of(draft).low_volt, self._bounds_of(draft).high_volt
        if volt is None or low.value < volt < high.value:
            return
        too_low = volt <= low.value
        bound, key, side = (low, "min_voltage_V", "below") if too_low else (high, "max_voltage_V", "above")
        path = step_path(draft.index, "until_voltage_V")
        if isinstance(draft.step, CycleStep):
            path = ("window", "lower_voltage_V" if draft.half == "discharge" else "upper_voltage_V")
        what = f"{volt:g} V is not inside the safety bounds, {low.value:g} to {high.value:g} V ({bound.origin})"
        self.findings.error(path, what, f"write a voltage inside them, or safety: {{{key}: …}} {side} {volt:g}")

    def _check_safety_current(self, draft: CurrentDraft) -> None:
        low, high = self._bounds_of(draft).low_ampere.value, self._bounds_of(draft).high_ampere.value
        if not low <= draft.current_ampere <= high:
            shown = units.current_text(abs(draft.current_ampere))
            what = f"a {draft.half} of {shown} is outside the safety bounds of the current"
            self.findings.error(draft.path, what, "write a smaller current, or widen safety", at_key=True)

    def _current_range(self, draft: CurrentDraft) -> CurrentRange | None:
        limits, shown = self.limits, units.current_text(abs(draft.current_ampere))
        if limits is None:
            return None
        current_range = limits.range_for(draft.current_ampere)
        if current_range is None:
            most_ampere = limits.largest_current_ampere
            what = f"{shown} is too much for the {limits.model}: {units.current_text(most_ampere)} at most"
            most = self._as_written(draft, most_ampere, draft.current_ampere)
            hint = f"write {most} at most, or use another instrument"
            self.findings.error(draft.path, what, hint, at_key=True)
            return None
        error, shown = current_range.setpoint_error(draft.least_ampere), units.current_text(draft.least_ampere)
        if error > LARGEST_SETPOINT_ERROR:
            where = f"the {units.current_text(current_range.full_scale_ampere)} range of the {limits.model}"
            what = f"{shown} on {where} may be {error:.2%} off; {LARGEST_SETPOINT_ERROR:.1%} is allowed"
            self.findings.error(draft.path, what, self._enough_current(draft, current_range), at_key=True)
        return current_range

    def _enough_current(self, draft: CurrentDraft, current_range: CurrentRange) -> str:
        room = LARGEST_SETPOINT_ERROR - current_range.gain_error
        if room <= 0:
            return "use another instrument"
        least = self._as_written(draft, current_range.offset_ampere / room, draft.least_ampere)
        return f"write {least} at least, or use another instrument"

    def _as_written(self, draft: CurrentDraft, current_ampere: float, instead_of_ampere: float) -> str:
        if isinstance(draft, PowerDraft):
            return power_text(draft, current_ampere, instead_of_ampere)
        sign = 1 if isinstance(draft.step, CycleStep) or draft.half == "charge" else -1
        if draft.rate_C is not None and self.one_C_ampere is not None:
            return f"rate_C: {sign * current_ampere / self.one_C_ampere:.4g}"
        return f"current_mA: {sign * units.milliampere(current_ampere):.4g}"

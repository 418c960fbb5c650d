"""Fits drafted steps to one model of potentiostat: ranges, timing, guards, and what of a protocol it cannot do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.drafts import CurrentDraft, Draft, LoopDraft, MeasuredDraft, RestDraft, SetDraft
from daemon.interlock_table import Bounds
from daemon.plan import CurrentStep, LoopStep, PlanStep, RestStep, SetStep
from drivers.roles import CurrentRange, PotentiostatLimits
from protocols import units
from protocols.errors import Path
from protocols.protocol import CycleStep, CyclingProtocol, Equilibrate, Record, step_path
from protocols.source import Findings

DEFAULT_SAMPLING_SECOND = 1.0
FAST_RATE_C, SLOW_RATE_C = 1.0, 0.2
"""From the one upwards limits are tested at `FAST_CUTOFF_SECOND`; up to the other records are thinned more."""
FAST_CUTOFF_SECOND, SLOW_CUTOFF_SECOND = 0.2, 1.0
GUARD_FACTOR = 1.5
"""Guard time of a current, over the time in which it passes the capacity of 1 C."""
GUARD_WITHOUT_CAPACITY_SECOND = 86400.0
LARGEST_SETPOINT_ERROR = 0.005
TOLERANCE = 1e-6
"""Relative, for what should be equal or a whole number."""
ROWS_BESIDE = 3
"""Rows that a segment's buffer must hold beside those of its sampling: at the start, at the end, and one in reserve."""

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
        "time_second": record.time_s,
        "voltage_volt": record.voltage_V,
        "current_ampere": None if record.current_mA is None else units.ampere(record.current_mA),
    }
    return {name: value for name, value in said.items() if value is not None} or None


@dataclass(frozen=True)
class Fitting:
    """Makes steps of drafts. What does not fit is noted in `findings`, and the numbers of such a step mean nothing.

    `limits` is None on a rig without a potentiostat: its rests are only time, and currents were refused before.
    """

    top: CyclingProtocol
    limits: PotentiostatLimits | None
    bounds: Bounds
    one_C_ampere: float | None
    findings: Findings

    def step(self, draft: Draft) -> PlanStep:
        """A draft as a step of the plan."""
        line = self.findings.source.value_at(step_path(draft.index)).line
        if isinstance(draft, LoopDraft):
            return LoopStep(step_id=draft.step_id, block=draft.block, line=line, first=draft.first, passes=draft.passes)
        if isinstance(draft, SetDraft):
            self._check_setpoint(draft)
            return SetStep(
                step_id=draft.step_id,
                block=draft.block,
                line=line,
                temperature_celsius=draft.temperature_celsius,
            )
        if isinstance(draft, RestDraft):
            return self._rest(draft, line)
        return self._current(draft, line)

    def _rest(self, draft: RestDraft, line: int) -> RestStep:
        sampling, cutoff = self._timing(draft, SLOW_CUTOFF_SECOND)
        self._check_length(draft, draft.until_time_second, sampling)
        self._check_shortness(self._time_place(draft), draft.until_time_second, sampling)
        return RestStep(
            step_id=draft.step_id,
            block=draft.block,
            line=line,
            until_time_second=draft.until_time_second,
            until_equilibrated=draft.until_equilibrated,
            on_timeout=draft.on_timeout,
            lower_guard_volt=self.bounds.rest_low_volt,
            upper_guard_volt=self.bounds.high_volt.value,
            sampling_second=sampling,
            cutoff_second=cutoff,
            record=self._record(draft, RECORD_REST),
        )

    def _current(self, draft: CurrentDraft, line: int) -> CurrentStep:
        rate = None if self.one_C_ampere is None else abs(draft.current_ampere) / self.one_C_ampere
        is_fast = rate is None or rate >= FAST_RATE_C * (1 - TOLERANCE)
        is_slow = rate is not None and rate <= SLOW_RATE_C * (1 + TOLERANCE)
        sampling, cutoff = self._timing(draft, FAST_CUTOFF_SECOND if is_fast else SLOW_CUTOFF_SECOND)
        guard = self._guard_second(draft, rate)
        length = min(guard, draft.until_time_second or guard)
        self._check_length(draft, length, sampling)
        self._check_shortness(
            draft.path if draft.until_time_second is None else self._time_place(draft), length, sampling
        )
        self._check_voltage(draft)
        self._check_safety_current(draft)
        current_range = self._current_range(draft)
        return CurrentStep(
            step_id=draft.step_id,
            block=draft.block,
            line=line,
            half=draft.half,
            rate_C=draft.rate_C,
            current_ampere=draft.current_ampere,
            current_range_ampere=current_range.full_scale_ampere if current_range else math.nan,
            until_voltage_volt=draft.until_voltage_volt,
            until_time_second=draft.until_time_second,
            guard_time_second=guard,
            lower_guard_volt=self.bounds.low_volt.value,
            upper_guard_volt=self.bounds.high_volt.value,
            sampling_second=sampling,
            cutoff_second=cutoff,
            record=self._record(draft, RECORD_SLOW if is_slow else RECORD_FAST),
        )

    def _record(self, draft: MeasuredDraft, default: dict[str, float]) -> dict[str, float]:
        return record_in_si(draft.step.record) or record_in_si(self.top.record) or default

    def _place(self, draft: MeasuredDraft, key: str) -> Path:
        """Where a setting of a step is written: in the step, or at the top."""
        own = getattr(draft.step, key) is not None
        return step_path(draft.index, key) if own or getattr(self.top, key) is None else (key,)

    def _time_place(self, draft: MeasuredDraft) -> Path:
        step = draft.step
        if isinstance(step, CycleStep):
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
        rows = _rows(length_second, sampling_second)
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
            for after in _measured_next(steps, before) if _measures(step) else ():
                here, there = _rows_of(steps[after]), _rows_of(step)
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
        volt, low, high = draft.until_voltage_volt, self.bounds.low_volt, self.bounds.high_volt
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
        low, high = self.bounds.low_ampere.value, self.bounds.high_ampere.value
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
            hint = f"write {self._as_written(draft, most_ampere)} at most, or use another instrument"
            self.findings.error(draft.path, what, hint, at_key=True)
            return None
        error = current_range.setpoint_error(draft.current_ampere)
        if error > LARGEST_SETPOINT_ERROR:
            where = f"the {units.current_text(current_range.full_scale_ampere)} range of the {limits.model}"
            what = f"{shown} on {where} may be {error:.2%} off; {LARGEST_SETPOINT_ERROR:.1%} is allowed"
            self.findings.error(draft.path, what, self._enough_current(draft, current_range), at_key=True)
        return current_range

    def _enough_current(self, draft: CurrentDraft, current_range: CurrentRange) -> str:
        room = LARGEST_SETPOINT_ERROR - current_range.gain_error
        if room <= 0:
            return "use another instrument"
        least = self._as_written(draft, current_range.offset_ampere / room)
        return f"write {least} at least, or use another instrument"

    def _as_written(self, draft: CurrentDraft, current_ampere: float) -> str:
        sign = 1 if isinstance(draft.step, CycleStep) or draft.half == "charge" else -1
        if draft.rate_C is not None and self.one_C_ampere is not None:
            return f"rate_C: {sign * current_ampere / self.one_C_ampere:.4g}"
        return f"current_mA: {sign * units.milliampere(current_ampere):.4g}"


def _rows(length_second: float, sampling_second: float) -> int:
    """How many rows the buffer of a segment must hold."""
    return math.ceil(length_second / sampling_second - TOLERANCE) + ROWS_BESIDE


def _rows_of(step: PlanStep) -> int:
    if isinstance(step, RestStep):
        return _rows(step.until_time_second, step.sampling_second)
    if isinstance(step, CurrentStep):
        return _rows(min(step.guard_time_second, step.until_time_second or math.inf), step.sampling_second)
    return 0


def _measures(step: PlanStep) -> bool:
    return isinstance(step, CurrentStep | RestStep)


def _measured_next(steps: Sequence[PlanStep], position: int) -> set[int]:
    """The measuring steps that may be executed right after one, by position: a loop may go back or on."""
    found, seen, ahead = set[int](), set[int](), [position + 1]
    while ahead:
        at = ahead.pop()
        if at in seen or at >= len(steps):
            continue
        seen.add(at)
        step = steps[at]
        if _measures(step):
            found.add(at)
            continue
        ahead.append(at + 1)
        if isinstance(step, LoopStep) and step.passes > 1:
            ahead.append(step.first)
    return found

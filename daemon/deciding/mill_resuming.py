"""What a blade may do after an interruption: never mill twice what was milled, never alone after long. Pure."""

from __future__ import annotations

import msgspec

from daemon.deciding.resuming import LEAST_MILLING_SECOND, RECOVERY, WHAT_TO_DO, Ask, Go, Recover
from daemon.deciding.run_state import Phase, Run
from daemon.events import SegmentRecord
from daemon.mill.milling import Broken, Milling
from daemon.plan import MillStep, RestStep, WaitStep
from daemon.rows.readings import BATH_TEMPERATURE, MILLED
from protocols.units import time_text

INTERRUPTION, DRIVE_STOPPED = Broken.SILENCE.value, "drive_stopped"
"""How a segment of the mill may end, beside what any may end by."""


def with_milling(record: SegmentRecord, milling: Milling | None, zero_second: float) -> SegmentRecord:
    """The record of a segment with what its blade did; `zero_second` is the clock's second at which run time is 0."""
    if milling is None:
        return record
    why, is_abnormal = record.ended_by, record.abnormal
    if is_abnormal and milling.left_second < LEAST_MILLING_SECOND:
        why, is_abnormal = "time", False
    if why == "unknown" and milling.broken is not Broken.NOT:
        why = INTERRUPTION if milling.broken is Broken.SILENCE else DRIVE_STOPPED
    ended_second = milling.seen_second if milling.ended_second is None else milling.ended_second
    return msgspec.structs.replace(
        record,
        ended_by=why,
        abnormal=is_abnormal,
        end_run_time_second=ended_second - zero_second,
        milled_second=milling.counted_second,
    )


def known_of(run: Run) -> tuple[float, float]:
    """The run time at which anything was last known of the present blade, and how long it had milled by then."""
    started_second = run.start_due_second if run.segment_started_second is None else run.segment_started_second
    last = run.readings.get(MILLED)
    if last is None or last.second < started_second:
        return started_second, 0.0
    return last.second, last.value


def goes_on_alone(run: Run, record: SegmentRecord) -> bool:
    """Whether a blade whose daemon died may mill the rest of its time without a person."""
    is_so = record.ended_by == INTERRUPTION and run.phase is Phase.MEASURING and run.idle.blade_off_second is not None
    return is_so and run.recovery is None


def milled_beyond(run: Run, record: SegmentRecord) -> float:
    """How much longer than its protocol asks a blade may have turned once a segment has ended."""
    step, before_second = run.plan.steps[run.position], run.idle.milled_beyond_second
    if record.milled_second is None or record.abnormal or not isinstance(step, MillStep):
        return before_second
    cut_second = run.cut.elapsed_second if run.cut is not None else 0.0
    return max(0.0, before_second + cut_second + record.milled_second - step.until_time_second)


def left_alone(run: Run, second: float) -> Run:
    """The run after so long without a daemon; what mills is then cold again before it turns."""
    if not any(isinstance(step, MillStep) for step in run.plan.steps):
        return run
    off_second = max(second, run.idle.blade_off_second or 0.0)
    return msgspec.structs.replace(run, idle=msgspec.structs.replace(run.idle, blade_off_second=off_second))


def verdict_before_milling(run: Run, step: MillStep, *, asked: bool) -> Go | Recover | Ask:
    """What comes before a blade turns: after an interruption a stable chiller, after a long one a person."""
    off_second, policy = run.idle.blade_off_second, run.resume
    if off_second is None:
        return Go()
    if not asked and (policy.action == "hold" or off_second > policy.at_once_second):
        what = f"nobody watched the mill for {time_text(round(off_second))}"
        return Ask(f"{what}; look at it, then {WHAT_TO_DO.partition('; then ')[2]}")
    waits = [
        other
        for other in run.plan.steps[: run.position]
        if isinstance(other, WaitStep) and other.until_equilibrated and _is_of_bath(other)
    ]
    if not waits:
        return Go()
    wait = waits[-1]
    return Recover(
        RestStep(
            step_id=step.step_id + RECOVERY,
            block=step.block,
            line=step.line,
            until_time_second=wait.until_time_second,
            until_equilibrated=wait.until_equilibrated,
            on_timeout="hold",
            lower_guard_volt=wait.lower_guard_volt,
            upper_guard_volt=wait.upper_guard_volt,
            sampling_second=wait.sampling_second,
            cutoff_second=wait.cutoff_second,
        )
    )


def _is_of_bath(wait: WaitStep) -> bool:
    return wait.until_equilibrated is not None and wait.until_equilibrated.quantity == BATH_TEMPERATURE

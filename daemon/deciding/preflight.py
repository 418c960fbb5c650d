"""Whether a cell may see its first current: what its voltage at open circuit says right before it. Pure."""

from __future__ import annotations

import msgspec
import numpy as np

from daemon.compiling.interlock_table import NEAR_ZERO_VOLT, VOLTAGE_BEFORE_CURRENT
from daemon.deciding.resuming import TURNAROUND_SECOND, WHAT_TO_DO, Ask, Go, Recover
from daemon.deciding.run_state import Run
from daemon.interlocks import observe, tripped
from daemon.plan import DrivenStep, Interlock, RestStep

PREFLIGHT = "/preflight"
"""Ends the id of the rest that comes before a step when the cell's voltage is not known."""
PREFLIGHT_SECOND = 10.0


def before_current(run: Run, now_second: float, *, asked: bool) -> Go | Recover | Ask:
    """What comes before the segment of the step at the run's position, for the sake of the run's first current.

    A plan without an interlock on it asks for nothing. `asked`: a person lets the run go on, who may have changed a
    lead: what was measured before tells nothing.
    """
    step, bound = run.plan.steps[run.position], _bound(run)
    if run.has_driven or bound is None or not isinstance(step, DrivenStep):
        return Go()
    since_second, last = run.idle.since_second, run.idle.last
    if asked or since_second is None or now_second - since_second > TURNAROUND_SECOND:
        return Recover(_rest_before(run, step))
    if last is None or last.voltage_volt is None:
        # A segment without rows has measured nothing; one with rows could not.
        unread = Ask(f"no voltage could be read before the first current. Nothing was driven; {WHAT_TO_DO}")
        return unread if run.fold.rows else Recover(_rest_before(run, step))
    values = {bound.quantity: np.array([last.voltage_volt])}
    return Ask(_why(last.voltage_volt, bound)) if tripped((bound,), observe((bound,), values, {})) else Go()


def has_looked(run: Run) -> Run:
    """The run when its next segment begins: once that may drive a current, nobody looks again."""
    drives = run.recovery is None and isinstance(run.plan.steps[run.position], DrivenStep)
    return msgspec.structs.replace(run, has_driven=True) if drives and not run.has_driven else run


def is_preflight(step: RestStep) -> bool:
    """Whether a rest is one that was put in to look at the cell."""
    return step.step_id.endswith(PREFLIGHT)


def what_it_points_at(voltage_volt: float, low_volt: float | None) -> str:
    """What is probably wrong with a cell at open circuit, or with its leads, at a voltage that it should not have."""
    if voltage_volt < -NEAR_ZERO_VOLT:
        return "the wrong sign, so all leads are exchanged at the cell, or a lead is off"
    if voltage_volt <= NEAR_ZERO_VOLT:
        return "next to nothing, so the cell is shorted, or a lead is off"
    if low_volt is not None and voltage_volt < low_volt:
        return "too little, so the cell is shorted softly or emptied, or is another one than its file says"
    return "too much, so a lead is off, or the cell is another one than its file says"


def _bound(run: Run) -> Interlock | None:
    return next((row for row in run.plan.interlocks if row.quantity == VOLTAGE_BEFORE_CURRENT), None)


def _why(voltage_volt: float, bound: Interlock) -> str:
    low, high = bound.low, bound.high
    within = " to ".join(f"{volt:g} V" for volt in (low, high) if volt is not None)
    points_at = what_it_points_at(voltage_volt, low)
    shown = f"{bound.name}: {voltage_volt:.3f} V at open circuit before the first current, outside {within}"
    return f"{shown}: {points_at}. Nothing was driven; {WHAT_TO_DO}"


def _rest_before(run: Run, step: DrivenStep) -> RestStep:
    """A short rest, guarded alike to either side: what is connected the wrong way round is to be seen."""
    most_volt = max(abs(step.lower_guard_volt), abs(step.upper_guard_volt))
    return RestStep(
        step_id=step.step_id + PREFLIGHT,
        block=step.block,
        line=step.line,
        until_time_second=PREFLIGHT_SECOND,
        lower_guard_volt=-most_volt,
        upper_guard_volt=most_volt,
        sampling_second=1.0,
        cutoff_second=1.0,
        record=run.plan.record,
    )

"""How a segment ended: its record, made of what its rows and its instrument say. Pure."""

from __future__ import annotations

from daemon.events import SegmentRecord
from daemon.plan import CurrentStep, RestStep
from daemon.run_state import Outcome, Phase, Run

TIME_TOLERANCE_SECOND = 0.05
"""How much earlier than asked an instrument's own timer may end a step and the step still count as ended by time."""
LIMIT_TOLERANCE_VOLT = 0.002
"""How much short of the limit a segment's last row may read: it is a reading later than the one that ended it, and the
readings' noise and the maker's accuracy (0.015 % + 1 mV on the 20 V range) lie between them."""


def end_of_segment(run: Run, *, power_was_cycled: bool, host_elapsed_second: float | None = None) -> SegmentRecord:
    """The record of the present segment, once its instrument is idle and all its rows are in `run`.

    `host_elapsed_second` is how long it lasted on a rig without a potentiostat, where no row of the cell can say so.
    """
    step, fold = run.step, run.fold
    elapsed_second = fold.last.elapsed_second if fold.last else host_elapsed_second or 0.0
    ended_by = _what_ended(run, elapsed_second, power_was_cycled=power_was_cycled)
    last_volt = fold.last.voltage_volt if fold.last else None
    overshoot_volt = None
    if ended_by == "voltage" and isinstance(step, CurrentStep) and last_volt is not None:
        overshoot_volt = _overshoot_volt(step, last_volt)
    started = run.segment_started_second or 0.0
    return SegmentRecord(
        segment=run.segment,
        step_id=step.step_id,
        step_type=str(step.__struct_config__.tag),
        block=step.block,
        half=step.half if isinstance(step, CurrentStep) else None,
        rate_C=step.rate_C if isinstance(step, CurrentStep) else None,
        ended_by=ended_by,
        abnormal=not _as_written(step, ended_by),
        start_run_time_second=started,
        end_run_time_second=started + elapsed_second,
        rows=fold.rows,
        charge_ampere_hour=fold.charge_ampere_hour,
        energy_watt_hour=fold.energy_watt_hour,
        first_voltage_volt=fold.first.voltage_volt if fold.first else None,
        last_voltage_volt=last_volt,
        overshoot_volt=overshoot_volt,
    )


def _what_ended(run: Run, elapsed_second: float, *, power_was_cycled: bool) -> str:
    if power_was_cycled:
        return "power_lost"
    step = run.step
    voltage = run.fold.last.voltage_volt if run.fold.last else None
    if voltage is not None and isinstance(step, CurrentStep) and _reached(step, voltage):
        return "voltage"
    if run.phase == Phase.STOPPING:
        if run.outcome == Outcome.STOPPED:
            return "stopped"
        return "interlock" if run.outcome in (Outcome.TRIPPED, Outcome.HELD) else "unknown"
    if run.fold.equilibrated:
        return "equilibrated"
    elapsed_second += TIME_TOLERANCE_SECOND
    if step.until_time_second is not None and elapsed_second >= step.until_time_second:
        return "timeout" if isinstance(step, RestStep) and step.until_equilibrated else "time"
    if voltage is None:
        return "unknown"
    if not step.lower_guard_volt <= voltage <= step.upper_guard_volt:
        return "guard_voltage"
    if isinstance(step, CurrentStep) and elapsed_second >= step.guard_time_second:
        return "guard_time"
    return "unknown"


def _overshoot_volt(step: CurrentStep, voltage_volt: float) -> float | None:
    """How far a voltage lies beyond the step's limit, negative before it; None without a limit."""
    if step.until_voltage_volt is None:
        return None
    beyond_volt = voltage_volt - step.until_voltage_volt
    return beyond_volt if step.half == "charge" else -beyond_volt


def _reached(step: CurrentStep, voltage_volt: float) -> bool:
    overshoot_volt = _overshoot_volt(step, voltage_volt)
    return overshoot_volt is not None and overshoot_volt >= -LIMIT_TOLERANCE_VOLT


def _as_written(step: CurrentStep | RestStep, ended_by: str) -> bool:
    if isinstance(step, RestStep):
        goes_on = ("time", "equilibrated", *(("timeout",) if step.on_timeout == "continue" else ()))
        return ended_by in goes_on
    if step.until_voltage_volt is None:
        return ended_by == "time"
    return ended_by == "voltage"

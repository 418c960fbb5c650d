"""How a segment ended: its record, made of what its rows and its instrument say. Pure."""

from __future__ import annotations

import math

import msgspec

from daemon.deciding.branching import ENDED_BY, VOLTAGE, limits_of, reached, values_of
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import Reached, SegmentRecord
from daemon.plan import CurrentStep, DrivenStep, MeasuredStep, PlanStep, RestStep, ScanStep, VoltageStep, WaitStep

TIME_TOLERANCE_SECOND = 0.05
"""How much earlier than asked an instrument's own timer may end a step and the step still count as ended by time."""
CURRENT_TOLERANCE = 0.02
"""How much more than the current that ends a held voltage its last row may read."""
LIMIT_TOLERANCE_VOLT = 0.002
"""How much short of the limit a segment's last row may read: it is a reading later than the one that ended it, and the
readings' noise and the maker's accuracy (0.015 % + 1 mV on the 20 V range) lie between them."""


def end_of_segment(
    run: Run, *, power_was_cycled: bool, is_absent: bool = False, host_elapsed_second: float | None = None
) -> SegmentRecord:
    """The record of the present segment, once its instrument is idle and all its rows are in `run`.

    `is_absent`: the instrument does not know it any more. `host_elapsed_second` is how long it lasted on a rig without
    a potentiostat, where no row of the cell can say so.
    """
    step, fold = run.step, run.fold
    elapsed_second = fold.last.elapsed_second if fold.last else host_elapsed_second or 0.0
    lost = "power_lost" if power_was_cycled else "buffer_lost" if is_absent else None
    ended_by = lost or _what_ended(run, elapsed_second)
    last_volt = fold.last.voltage_volt if fold.last else None
    started = run.segment_started_second or 0.0
    reached = _reached_limit(run, ended_by, started + elapsed_second)
    overshoot_volt = None
    if ended_by == "voltage" and isinstance(step, CurrentStep) and last_volt is not None:
        overshoot_volt = _overshoot_volt(step, last_volt)
    return SegmentRecord(
        segment=run.segment,
        step_id=step.step_id,
        step_type=str(step.__struct_config__.tag),
        block=step.block,
        half=_half(run, step),
        rate_C=step.rate_C if isinstance(step, CurrentStep) else None,
        ended_by=ended_by,
        abnormal=not (reached is not None and reached.limit is not None) and not _as_written(step, ended_by),
        start_run_time_second=started,
        end_run_time_second=started + elapsed_second,
        rows=fold.rows,
        charge_ampere_hour=fold.charge_ampere_hour,
        energy_watt_hour=fold.energy_watt_hour,
        first_voltage_volt=fold.first.voltage_volt if fold.first else None,
        last_voltage_volt=last_volt,
        overshoot_volt=overshoot_volt,
        continues=run.cut is not None and run.recovery is None,
        interrupted=run.idle.was_interrupted and isinstance(step, DrivenStep),
        extends=isinstance(step, VoltageStep) and step.extends,
        reached=reached,
        cycle=max(1, run.memory.number) if run.plan.counts_explicitly else None,
    )


def _half(run: Run, step: MeasuredStep) -> str | None:
    """Which half-cycle a segment is of; a held voltage may go either way, as the charge it has passed tells."""
    if isinstance(step, CurrentStep):
        return step.half
    if not isinstance(step, VoltageStep) or step.half is not None or not run.fold.charge_ampere_hour:
        return step.half if isinstance(step, VoltageStep) else None
    return "charge" if run.fold.charge_ampere_hour > 0 else "discharge"


def _reached_limit(run: Run, ended_by: str, at_second: float) -> Reached | None:
    """The end of the protocol that the segment met; None when something else ended it."""
    if run.recovery is not None:
        return None
    if run.fold.met is not None:
        found = reached(run, run.fold.met, at_second)
        if found.ended_by == ended_by:
            return found
    asked = _asked_of_instrument(run.whole_step, ended_by)
    if asked is None:
        return None
    quantity, limit_value, falls = asked
    last = run.fold.last
    measured = values_of(run, at_second).get(quantity)
    if quantity == VOLTAGE:
        measured = last.voltage_volt if last else None
    beyond = None if measured is None else (limit_value - measured if falls else measured - limit_value)
    return Reached(
        ended_by=ended_by, quantity=quantity, limit_value=limit_value, measured_value=measured, overshoot=beyond
    )


def _asked_of_instrument(step: PlanStep, ended_by: str) -> tuple[str, float, bool] | None:
    """Quantity and value of the end that an instrument has met, and whether it is met from above."""
    match step, ended_by:
        case CurrentStep(until_voltage_volt=float(volt)), "voltage":
            return VOLTAGE, volt, step.half == "discharge"
        case ScanStep(), "voltage":
            return VOLTAGE, step.end_voltage_volt, step.end_voltage_volt < step.start_voltage_volt
        case CurrentStep(until_charge_ampere_hour=float(charge)), "capacity":
            return "charge_ampere_hour", charge, False
        case VoltageStep(until_current_ampere=float(ampere)), "current":
            return "current_ampere", ampere, True
        case ((CurrentStep() | VoltageStep() | RestStep()), "time" | "timeout"):
            second = step.until_time_second
            return None if second is None else ("step_time_second", second, False)
    return None


def _what_ended(run: Run, elapsed_second: float) -> str:
    step = run.step
    voltage = run.fold.last.voltage_volt if run.fold.last else None
    # What the host has seen met explains the end, unless the cell is truly at its voltage.
    short_volt = 0.0 if run.fold.is_over else LIMIT_TOLERANCE_VOLT
    if voltage is not None and isinstance(step, CurrentStep) and _reached(step, voltage, short_volt):
        return "voltage"
    if run.fold.equilibrated:
        return "equilibrated"
    if run.fold.met is not None:
        return ENDED_BY[limits_of(run)[run.fold.met].when[0].quantity]
    if isinstance(step, VoltageStep | ScanStep):
        held = _what_ended_held(run, step, elapsed_second)
        if held is not None:
            return held
    elapsed_second += TIME_TOLERANCE_SECOND
    if isinstance(step, CurrentStep) and _charge_was_first(step) and elapsed_second >= step.longest_second:
        return "capacity"
    is_timed = step.until_time_second is not None and not isinstance(step, ScanStep)
    if is_timed and elapsed_second >= (step.until_time_second or 0.0):
        return "timeout" if isinstance(step, RestStep) and _is_timed_out(step) else "time"
    if run.phase in (Phase.HALTING, Phase.STOPPING):
        return _what_broke_off(run)
    if voltage is None:
        return "unknown"
    if not step.lower_guard_volt <= voltage <= step.upper_guard_volt:
        return "guard_voltage"
    if isinstance(step, CurrentStep | VoltageStep) and elapsed_second >= step.guard_time_second:
        return "guard_time"
    return "unknown"


def _is_timed_out(step: RestStep) -> bool:
    """Whether the time of a rest is none that ends it as written."""
    return step.is_timed_out or (step.until_equilibrated is not None and not isinstance(step, WaitStep))


def _what_ended_held(run: Run, step: VoltageStep | ScanStep, elapsed_second: float) -> str | None:
    """What ended a voltage that was held or scanned, as far as its last row tells."""
    if isinstance(step, ScanStep):
        is_there = run.fold.rows >= math.ceil(step.until_time_second / step.sampling_second - 1e-9) + 1
        return "voltage" if is_there else None
    last, until_ampere = run.fold.last_reading, step.until_current_ampere
    if last is None or last.current_ampere is None or until_ampere is None:
        return None
    is_before_time = step.until_time_second is None or elapsed_second < step.until_time_second
    small = abs(last.current_ampere) <= until_ampere * (1 + CURRENT_TOLERANCE)
    return "current" if small and is_before_time else None


def _what_broke_off(run: Run) -> str:
    outcome = run.outcome if run.phase is Phase.STOPPING else run.held_as
    if outcome is Outcome.STOPPED:
        return "stopped" if run.phase is Phase.STOPPING else "paused"
    return "interlock" if outcome in (Outcome.TRIPPED, Outcome.HELD) else "unknown"


def _overshoot_volt(step: CurrentStep, voltage_volt: float) -> float | None:
    """How far a voltage lies beyond the step's limit, negative before it; None without a limit."""
    if step.until_voltage_volt is None:
        return None
    beyond_volt = voltage_volt - step.until_voltage_volt
    return beyond_volt if step.half == "charge" else -beyond_volt


def _reached(step: CurrentStep, voltage_volt: float, short_volt: float) -> bool:
    overshoot_volt = _overshoot_volt(step, voltage_volt)
    return overshoot_volt is not None and overshoot_volt >= -short_volt


def _as_written(step: MeasuredStep, ended_by: str) -> bool:
    if isinstance(step, RestStep):
        goes_on = ("time", "equilibrated", *(("timeout",) if step.on_timeout == "continue" else ()))
        return ended_by in goes_on
    if isinstance(step, ScanStep):
        return ended_by == "voltage"
    if isinstance(step, VoltageStep):
        return ended_by in {"current", "time"}
    ends = {"capacity"} if step.until_charge_ampere_hour is not None else set()
    return ended_by in ends | ({"time"} if step.until_voltage_volt is None else {"voltage"})


def _charge_was_first(step: CurrentStep) -> bool:
    """Whether the charge is what ends the step when the instrument's time is over."""
    without = msgspec.structs.replace(step, until_charge_ampere_hour=None)
    return step.longest_second < without.longest_second

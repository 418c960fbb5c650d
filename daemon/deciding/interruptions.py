"""What a run remembers for the case that it is interrupted, and what it then finds. Pure."""

from __future__ import annotations

import msgspec

from daemon.deciding.mill_resuming import milled_beyond, verdict_before_milling
from daemon.deciding.preflight import before_current, has_looked, is_preflight
from daemon.deciding.resuming import (
    FRESH_SECOND,
    RECOVERY,
    TURNAROUND_SECOND,
    Ask,
    Compared,
    Cut,
    Go,
    Interruption,
    Reading,
    Recover,
    compare,
    expected_voltage,
    judge,
    resistance_ohm,
)
from daemon.deciding.run_state import Run
from daemon.events import ReadingsSummary, SegmentRecord
from daemon.plan import DrivenStep, MillStep, RestStep
from daemon.rows.readings import JIG_TEMPERATURE, PRESSURE


def verdict_before(run: Run, now_second: float, *, asked: bool) -> Go | Recover | Ask:
    """What comes before the segment of the step at the run's position.

    For an interruption see `daemon.deciding.resuming.judge`, for the first current `daemon.deciding.preflight`. A run
    that never drives a current can't be interrupted, and an equilibration is what a recovery would be.
    """
    step, since_second = run.plan.steps[run.position], run.idle.since_second
    if isinstance(step, MillStep):
        return verdict_before_milling(run, step, asked=asked)
    drives = any(isinstance(other, DrivenStep) for other in run.plan.steps)
    waits_anyway = isinstance(step, RestStep) and step.until_equilibrated is not None
    if since_second is None or not drives or waits_anyway:
        return before_current(run, now_second, asked=asked)
    jig = _fresh(run, JIG_TEMPERATURE, now_second)
    found = Interruption(
        off_second=now_second - since_second,
        wanted=_wanted(run),
        jig_celsius=None if jig is None else jig.value,
        left_band=run.idle.left_band,
        was_unseen=run.idle.was_unseen,
    )
    verdict = judge(run.resume, found, asked=asked)
    if isinstance(verdict, Go):
        return before_current(run, now_second, asked=asked)
    if isinstance(verdict, Ask):
        return verdict
    named = msgspec.structs.replace(
        verdict.rest, step_id=step.step_id + RECOVERY, block=step.block, line=step.line, record=run.plan.record
    )
    return Recover(named)


def compared(run: Run, record: SegmentRecord, now_second: float) -> Compared:
    """The cell after the recovery rest of this record, held against what it was before the interruption.

    After a rest that was put in for the first current alone there is nothing to compare, and nothing to say.
    """
    if run.recovery is not None and is_preflight(run.recovery):
        return Compared(failures=(), said="")
    if isinstance(run.plan.steps[run.position], MillStep):
        return Compared(failures=(), said="the chiller is stable again, and the blade goes on")
    pressure, jig = (_fresh(run, name, now_second) for name in (PRESSURE, JIG_TEMPERATURE))
    return compare(run.resume, run.idle, record.last_voltage_volt, pressure, jig)


def noted(run: Run, now_second: float) -> Run:
    """The run with what was known last before an interruption that has begun, or may have, kept apart."""
    idle, jig = run.idle, run.readings.get(JIG_TEMPERATURE)
    if not idle.is_noted:
        idle = msgspec.structs.replace(idle, is_noted=True, pressure=run.readings.get(PRESSURE), jig=jig)
    was_unseen = idle.was_unseen or jig is None or now_second - jig.second > run.resume.at_once_second
    left_band = idle.left_band or _is_out(run, jig.value if jig else None)
    return msgspec.structs.replace(run, idle=msgspec.structs.replace(idle, left_band=left_band, was_unseen=was_unseen))


def with_readings(run: Run, summary: ReadingsSummary) -> Run:
    """The run with the last readings of a stream, and whether the jig has left its band since an interruption began."""
    second = summary.last_second
    readings = {name: Reading(second=second, value=value) for name, value in summary.last.items()}
    run = msgspec.structs.replace(run, readings={**run.readings, **readings})
    extremes = (summary.lowest.get(JIG_TEMPERATURE), summary.highest.get(JIG_TEMPERATURE))
    if not run.idle.is_noted or not any(_is_out(run, celsius) for celsius in extremes):
        return run
    return msgspec.structs.replace(run, idle=msgspec.structs.replace(run.idle, left_band=True))


def begun(run: Run, now_second: float) -> Run:
    """The run when its next segment begins: an interruption is over unless a recovery comes first."""
    idle = run.idle
    was_off = idle.since_second is not None and now_second - idle.since_second > TURNAROUND_SECOND
    idle = msgspec.structs.replace(idle, was_interrupted=idle.was_interrupted or was_off)
    if run.recovery is None:
        idle = msgspec.structs.replace(
            idle,
            is_noted=False,
            pressure=None,
            jig=None,
            left_band=False,
            was_unseen=False,
            blade_off_second=None if isinstance(run.plan.steps[run.position], MillStep) else idle.blade_off_second,
        )
    return has_looked(msgspec.structs.replace(run, idle=idle))


def after_segment(run: Run, record: SegmentRecord) -> Run:
    """The run with what its segment, which has ended, says of the cell at rest."""
    idle, fold, is_recovery = run.idle, run.fold, run.recovery is not None
    resistance = idle.resistance_ohm
    if record.half == "discharge":
        gap_second = record.start_run_time_second - (idle.since_second or 0.0)
        resistance = resistance_ohm(idle.last, fold.after_ten_second, gap_second) or resistance
    expected = expected_voltage(record, fold.last_reading, resistance)
    beyond_second = milled_beyond(run, record)
    was_interrupted = idle.was_interrupted and (record.half is None or record.abnormal)
    idle = msgspec.structs.replace(
        idle,
        since_second=record.end_run_time_second,
        last=fold.last_reading,
        resistance_ohm=resistance,
        expected=idle.expected if is_recovery else expected,
        was_interrupted=was_interrupted,
        left_band=idle.left_band and (record.abnormal or not is_recovery),
        was_unseen=idle.was_unseen and (record.abnormal or not is_recovery),
        milled_beyond_second=beyond_second,
        blade_off_second=None if is_recovery and not record.abnormal else idle.blade_off_second,
    )
    return msgspec.structs.replace(run, idle=idle)


def cut_short(run: Run, record: SegmentRecord) -> Run:
    """The run with what its segment has done of a step that it did not finish."""
    before = run.cut or Cut(elapsed_second=0.0, charge_ampere_hour=0.0)
    elapsed_second = record.end_run_time_second - record.start_run_time_second
    if record.milled_second is not None:
        elapsed_second = record.milled_second
    cut = Cut(
        elapsed_second=before.elapsed_second + elapsed_second,
        charge_ampere_hour=before.charge_ampere_hour + record.charge_ampere_hour,
        energy_watt_hour=before.energy_watt_hour + record.energy_watt_hour,
        began={**run.fold.began, **before.began},
    )
    return msgspec.structs.replace(run, cut=cut)


def wanting(run: Run, position: int | None) -> Run:
    """The run from now on held to the equilibration at a position; None to none."""
    return msgspec.structs.replace(run, idle=msgspec.structs.replace(run.idle, wanted=position))


def _wanted(run: Run) -> RestStep | None:
    step = None if run.idle.wanted is None else run.plan.steps[run.idle.wanted]
    return step if isinstance(step, RestStep) else None


def _is_out(run: Run, jig_celsius: float | None) -> bool:
    wanted = _wanted(run)
    if wanted is None or wanted.until_equilibrated is None or jig_celsius is None:
        return False
    return abs(jig_celsius - wanted.until_equilibrated.temperature_celsius) > run.resume.band_kelvin


def _fresh(run: Run, name: str, now_second: float) -> Reading | None:
    reading = run.readings.get(name)
    return reading if reading is not None and now_second - reading.second <= FRESH_SECOND else None

"""What broken interlocks mean for a run: what is only told, what holds it after its half-cycle, what ends it. Pure."""

from __future__ import annotations

import msgspec
import numpy as np

from daemon.efficiency import Half, after_half
from daemon.events import Breach, SegmentRecord
from daemon.interlocks import observe, tripped
from daemon.plan import CurrentStep, DrivenStep, Interlock, RestStep
from daemon.readings import AGES, PRESSURE, PRESSURE_CHANGE, TEMPERATURE_DEVIATION
from daemon.run_state import Outcome, Phase, Run
from daemon.settling import RESTED_SECOND, Settled, after_segment

Verdict = tuple[Outcome, str]


def judged(run: Run, breaches: tuple[Breach, ...]) -> tuple[Run, Verdict | None]:
    """The run with what it is to remember of broken interlocks; and what it must do, for the gravest of them.

    A jig that is being brought back to its temperature is not held for being away from it.
    """
    warnings, gravest, after_half_text = list(run.warnings), None, ""
    for interlock, breach in tripped(run.interlocks, breaches):
        if interlock.quantity == TEMPERATURE_DEVIATION and run.recovery is not None:
            continue
        text = _text(interlock, breach)
        if interlock.action == "warn":
            warnings += [] if is_told(run, interlock) else [text]
        elif interlock.action == "hold_after_half":
            after_half_text = after_half_text or text
        elif interlock.action != "flag" and gravest is None:
            gravest = (Outcome.TRIPPED if interlock.action == "trip" else Outcome.HELD, text)
    run = msgspec.structs.replace(run, warnings=tuple(warnings))
    if gravest is None and after_half_text and not _is_in_half(run):
        gravest = (Outcome.HELD, after_half_text)
    elif after_half_text and not run.fold.hold_after_half:
        run = msgspec.structs.replace(run, fold=msgspec.structs.replace(run.fold, hold_after_half=after_half_text))
    return run, gravest


def is_told(run: Run, interlock: Interlock) -> bool:
    """Whether the run has already warned of an interlock."""
    return any(warning.startswith(f"{interlock.name}: ") for warning in run.warnings)


def silence(run: Run, quantity: str, age_second: float) -> tuple[Breach, ...]:
    """The interlocks on the age of a watched quantity that are broken when it has not been read for so long."""
    return observe(run.interlocks, {AGES[quantity]: np.array([age_second])}, {})


def after_record(run: Run, record: SegmentRecord) -> tuple[Run, Verdict | None]:
    """The run after a segment that ended as written, and how it must end: what its half-cycle says of the cell."""
    step, watch, lasted_second = run.step, run.watch, record.end_run_time_second - record.start_run_time_second
    is_rested = isinstance(step, RestStep) and lasted_second >= RESTED_SECOND
    last_volt = run.fold.last_reading.voltage_volt if run.fold.last_reading else None
    run = with_watch(
        run,
        settled=after_segment(watch.settled, step, record.ended_by, lasted_second),
        rested=(record.segment, last_volt) if is_rested and last_volt is not None else None,
    )
    run, verdict = _after_half(run, step, record) if isinstance(step, CurrentStep) else (run, None)
    if verdict is None and run.fold.hold_after_half:
        verdict = (Outcome.HELD, run.fold.hold_after_half)
    return run, verdict


def _after_half(run: Run, step: CurrentStep, record: SegmentRecord) -> tuple[Run, Verdict | None]:
    """What the charge of a half-cycle says of the cell, once its cycle is complete."""
    half = Half(
        half=step.half,
        current_ampere=abs(step.current_ampere),
        rate_C=abs(step.current_ampere) / run.plan.cell.one_C_ampere if run.plan.cell.one_C_ampere else None,
        charge_ampere_hour=abs(record.charge_ampere_hour),
        ended_by="interruption" if record.continues or record.interrupted else record.ended_by,
    )
    cycling, efficiency = after_half(run.watch.cycling, half, run.plan.cycle_starts_with)
    values = {name: np.array([percent]) for name, percent in efficiency.items()}
    return judged(with_watch(run, cycling=cycling), observe(run.interlocks, values, {}))


def unsettled(run: Run) -> Run:
    """The run once the jig is on its way to another temperature: nothing is left that deviations could count from."""
    return msgspec.structs.replace(with_watch(run, settled=Settled()), stream_carried_rows={})


def accepted(run: Run) -> Run:
    """The run when a person lets it go on: a pressure for which it would be held at once becomes the new baseline."""
    settled, last = run.watch.settled, run.readings.get(PRESSURE)
    if settled.pascal is None or last is None:
        return run
    change = {PRESSURE_CHANGE: np.array([100 * (last.value / settled.pascal - 1)])}
    broken = {breach.interlock for breach in observe(run.interlocks, change, {})}
    if not any(row.action == "hold" and row.name in broken for row in run.interlocks):
        return run
    return with_watch(run, settled=Settled(celsius=settled.celsius, is_due=True))


def listening_from(run: Run, now_second: float) -> Run:
    """The run from a moment on before which nobody listened: no silence is older than that."""
    tails = {
        quantity: msgspec.structs.replace(tail, read_second=now_second) for quantity, tail in run.watch.tails.items()
    }
    return with_watch(run, tails=tails)


def with_watch(run: Run, **changed: object) -> Run:
    """The run with changed fields of its watch."""
    return msgspec.structs.replace(run, watch=msgspec.structs.replace(run.watch, **changed))


def _text(interlock: Interlock, breach: Breach) -> str:
    return f"{interlock.name}: {interlock.quantity} {breach.worst_value:.6g}"


def _is_in_half(run: Run) -> bool:
    """Whether a half-cycle is under way, which is better finished than broken off."""
    return run.phase is Phase.MEASURING and isinstance(run.step, DrivenStep)

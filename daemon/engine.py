"""What to do next: the run as a pure state machine. No loop, no clock, no socket, no file."""

from __future__ import annotations

from typing import assert_never

import msgspec

from daemon.events import (
    BlockStored,
    BlockSummary,
    Breach,
    ChamberSet,
    CompactSegment,
    Effect,
    EndSegment,
    Event,
    ForgetSegment,
    InstrumentFailed,
    MadeSafe,
    MakeSafe,
    ReadingsStored,
    ReadingsSummary,
    Resumed,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    SetChamber,
    StartSegment,
    StopRequested,
)
from daemon.interlocks import carry, tripped
from daemon.plan import TEMPERATURE_STREAM, RestStep, SetStep
from daemon.run_state import Outcome, Phase, Run, SegmentFold
from daemon.walk import next_step

ENGINE_VERSION = 1
JIG_TEMPERATURE = "jig_temperature_celsius"


def advance(run: Run, event: Event, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """The run after an event, and what must then be done. Pure; `now_second` is the run time of the event."""
    after, effects = _reacted(run, event)
    if any(isinstance(effect, StartSegment) for effect in effects) and not isinstance(event, Resumed):
        after = msgspec.structs.replace(after, start_due_second=now_second)
    return after, effects


def effects_due(run: Run) -> tuple[Effect, ...]:
    """What may not have been carried out when the daemon died with this state. All of it may be repeated."""
    match run.phase:
        case Phase.SETTING:
            step = run.plan.steps[run.position]
            setpoint = (SetChamber(temperature_celsius=step.temperature_celsius),) if isinstance(step, SetStep) else ()
            return (*setpoint, *((CompactSegment(segment=run.segment),) if run.segment else ()))
        case Phase.STARTING:
            compact = (CompactSegment(segment=run.segment - 1),) if run.segment > 1 else ()
            return (StartSegment(segment=run.segment, position=run.position, again=True), *compact)
        case Phase.MEASURING:
            before = run.segment - 1
            settle = (ForgetSegment(segment=before), CompactSegment(segment=before)) if before else ()
            return (*settle, *((EndSegment(segment=run.segment),) if run.fold.equilibrated else ()))
        case Phase.STOPPING:
            ended = run.segment if run.segment_ended else run.segment - 1
            return (MakeSafe(why=run.reason), *((CompactSegment(segment=ended),) if ended > 0 else ()))
        case Phase.NEW | Phase.FINISHED:
            return ()
        case _:
            assert_never(run.phase)


def _reacted(run: Run, event: Event) -> tuple[Run, tuple[Effect, ...]]:
    match event:
        case RunStarted():
            return _enter(run, 0, ())
        case Resumed():
            resumed = msgspec.structs.replace(run, resume_count=run.resume_count + 1)
            return resumed, effects_due(resumed)
        case SegmentStarted():
            return _segment_started(run, event)
        case BlockStored():
            return _block_stored(run, event)
        case ReadingsStored():
            return _readings_stored(run, event)
        case ChamberSet():
            return _chamber_set(run)
        case SegmentEnded():
            return _segment_ended(run, event)
        case StopRequested():
            return _stop(run, Outcome.STOPPED, f"stopped by {event.by}")
        case InstrumentFailed():
            return _stop(run, Outcome.FAILED, event.text)
        case MadeSafe():
            return _made_safe(run, event)
        case _:
            assert_never(event)


def _enter(run: Run, position: int, effects: tuple[Effect, ...]) -> tuple[Run, tuple[Effect, ...]]:
    """Start the first step at or after `position` that is executed, or end the run."""
    entered, passes = next_step(run.plan, position, run.passes)
    if entered is None:
        return _stop(msgspec.structs.replace(run, passes=passes), Outcome.COMPLETED, "all steps done", effects)
    step = run.plan.steps[entered]
    if isinstance(step, SetStep):
        setting = msgspec.structs.replace(run, phase=Phase.SETTING, position=entered, passes=passes)
        return setting, (SetChamber(temperature_celsius=step.temperature_celsius), *effects)
    segment = run.segment + 1
    starting = msgspec.structs.replace(
        run,
        phase=Phase.STARTING,
        position=entered,
        passes=passes,
        segment=segment,
        segment_started_second=None,
        segment_ended=False,
        fold=SegmentFold(),
        in_band_since_second=None,
    )
    return starting, (StartSegment(segment=segment, position=entered), *effects)


def _segment_started(run: Run, event: SegmentStarted) -> tuple[Run, tuple[Effect, ...]]:
    phase = Phase.STOPPING if run.phase == Phase.STOPPING else Phase.MEASURING
    started = msgspec.structs.replace(run, phase=phase, segment_started_second=event.started_second)
    effects = (ForgetSegment(segment=event.segment - 1),) if event.segment > 1 else ()
    return started, effects


def _block_stored(run: Run, event: BlockStored) -> tuple[Run, tuple[Effect, ...]]:
    summary = event.summary
    run = msgspec.structs.replace(run, rows=summary.last_seq, fold=_folded(run.fold, summary))
    return _tripped(run, summary.breaches)


def _tripped(run: Run, breaches: tuple[Breach, ...]) -> tuple[Run, tuple[Effect, ...]]:
    """Note what only warns; stop for the gravest of the rest."""
    warnings, gravest = list(run.warnings), None
    for interlock, breach in tripped(run.plan.interlocks, breaches):
        name = f"{interlock.name}: "
        text = f"{name}{interlock.quantity} {breach.worst_value:.6g}"
        if interlock.action == "warn":
            warnings += [text] if not any(warning.startswith(name) for warning in warnings) else []
        elif gravest is None:
            gravest = (Outcome.TRIPPED if interlock.action == "trip" else Outcome.HELD, text)
    run = msgspec.structs.replace(run, warnings=tuple(warnings))
    return (run, ()) if gravest is None else _stop(run, *gravest)


def _folded(fold: SegmentFold, summary: BlockSummary) -> SegmentFold:
    return SegmentFold(
        equilibrated=fold.equilibrated,
        rows=fold.rows + summary.last_seq - summary.first_seq + 1,
        first=fold.first or summary.first,
        last=summary.last,
        last_reading=summary.last_reading,
        charge_ampere_hour=fold.charge_ampere_hour + summary.charge_in_ampere_hour - summary.charge_out_ampere_hour,
        energy_watt_hour=fold.energy_watt_hour + summary.energy_in_watt_hour - summary.energy_out_watt_hour,
        carried_rows=carry(summary.breaches),
    )


def _chamber_set(run: Run) -> tuple[Run, tuple[Effect, ...]]:
    if run.phase is not Phase.SETTING:
        return run, ()
    return _enter(run, run.position + 1, ())


def _readings_stored(run: Run, event: ReadingsStored) -> tuple[Run, tuple[Effect, ...]]:
    summary = event.summary
    run = msgspec.structs.replace(
        run,
        stream_rows={**run.stream_rows, summary.stream: summary.last_seq},
        stream_carried_rows={**run.stream_carried_rows, summary.stream: carry(summary.breaches)},
    )
    run, effects = _tripped(run, summary.breaches)
    return (run, effects) if effects else _equilibrating(run, summary)


def _equilibrating(run: Run, summary: ReadingsSummary) -> tuple[Run, tuple[Effect, ...]]:
    """Follow the jig's temperature while a step waits for it, and end the step when it has waited long enough."""
    if run.phase is not Phase.MEASURING or summary.stream != TEMPERATURE_STREAM:
        return run, ()
    if summary.rows_without_reading or JIG_TEMPERATURE not in summary.last:
        # What was not measured was not within the band: the time begins anew.
        return msgspec.structs.replace(run, in_band_since_second=None), ()
    wanted = run.step.until_equilibrated if isinstance(run.step, RestStep) else None
    if wanted is None:
        return run, ()
    low = wanted.temperature_celsius - wanted.within_kelvin
    high = wanted.temperature_celsius + wanted.within_kelvin
    since_second = run.in_band_since_second
    if summary.lowest[JIG_TEMPERATURE] < low or summary.highest[JIG_TEMPERATURE] > high:
        since_second = summary.last_second if low <= summary.last[JIG_TEMPERATURE] <= high else None
    elif since_second is None:
        since_second = summary.first_second
    run = msgspec.structs.replace(run, in_band_since_second=since_second)
    if since_second is None or summary.last_second - since_second < wanted.for_second or run.fold.equilibrated:
        return run, ()
    fold = msgspec.structs.replace(run.fold, equilibrated=True)
    return msgspec.structs.replace(run, fold=fold), (EndSegment(segment=run.segment),)


def _segment_ended(run: Run, event: SegmentEnded) -> tuple[Run, tuple[Effect, ...]]:
    compact = (CompactSegment(segment=event.record.segment),)
    run = msgspec.structs.replace(run, segment_ended=True)
    if run.phase == Phase.STOPPING:
        return run, compact
    if event.record.abnormal:
        why = f"{event.record.step_id} ended by {event.record.ended_by}, not as written"
        return _stop(run, Outcome.HELD, why, compact)
    return _enter(run, run.position + 1, compact)


def _stop(run: Run, outcome: Outcome, reason: str, effects: tuple[Effect, ...] = ()) -> tuple[Run, tuple[Effect, ...]]:
    """Bring the cell to open circuit and end; the first reason to stop is the one that is kept."""
    if run.phase in (Phase.STOPPING, Phase.FINISHED):
        return run, effects
    stopping = msgspec.structs.replace(run, phase=Phase.STOPPING, outcome=outcome, reason=reason)
    return stopping, (MakeSafe(why=reason), *effects)


def _made_safe(run: Run, event: MadeSafe) -> tuple[Run, tuple[Effect, ...]]:
    """End when the cell is known to be safe and its rows are stored; else the next daemon must see to it."""
    if event.verified and event.drained:
        forget = (ForgetSegment(segment=run.segment),) if run.segment and run.segment_ended else ()
        return msgspec.structs.replace(run, phase=Phase.FINISHED), forget
    wrong = "rows may still be in the instrument" if event.verified else "NOT verified safe"
    reason = run.reason if wrong in run.reason else f"{run.reason}; {wrong}: {event.text}"
    outcome = run.outcome if event.verified else Outcome.FAILED
    return msgspec.structs.replace(run, outcome=outcome, reason=reason), ()

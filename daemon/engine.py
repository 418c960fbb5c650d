"""What to do next: the run as a pure state machine. No loop, no clock, no socket, no file."""

from __future__ import annotations

from typing import assert_never

import msgspec

from daemon.cycles.measured_rates import lacking
from daemon.deciding.branching import after_limit, begun_again, entered, leads_to, limit_met, remembered, watched
from daemon.deciding.editing import edited
from daemon.deciding.interruptions import (
    after_segment,
    begun,
    compared,
    cut_short,
    noted,
    verdict_before,
    wanting,
    with_readings,
)
from daemon.deciding.mill_resuming import goes_on_alone, left_alone
from daemon.deciding.resuming import WHAT_TO_DO, Ask, Compared, Cut, Go, Recover, rest_of
from daemon.deciding.run_state import Outcome, Phase, Run, SegmentFold
from daemon.deciding.telling import eased, with_disk, with_noticed, without
from daemon.deciding.verdicts import accepted, after_record, judged, listening_from, silence, unsettled, with_watch
from daemon.events import (
    BRANCHED,
    DISK_LOW,
    DISK_ROOM,
    PAUSE_TIMED_OUT,
    BlockStored,
    BlockSummary,
    Breach,
    ChamberSet,
    Cleared,
    CompactSegment,
    Effect,
    EndSegment,
    Event,
    ForgetSegment,
    InstrumentFailed,
    LinkChanged,
    MadeSafe,
    MakeSafe,
    Noticed,
    PauseRequested,
    PlanChanged,
    ReadingsStored,
    ReadingsSummary,
    Resumed,
    ResumeRequested,
    RunStarted,
    SeekSegment,
    SegmentEnded,
    SegmentNotStarted,
    SegmentRecord,
    SegmentStarted,
    SetChamber,
    Silent,
    SkipRequested,
    StartSegment,
    StopRequested,
    Tell,
    Warned,
)
from daemon.interlocks import carry
from daemon.plan import END, CurrentStep, MeasuredStep, PauseStep, RestStep, SetStep, WaitStep
from daemon.plans.walk import steps_to_come
from protocols.units import time_text

ENGINE_VERSION = 2
GRAVE = (Outcome.HELD, Outcome.FAILED)
"""What a hold for a fault would end as, unlike one that somebody asked for."""
LOST = ("power_lost", "buffer_lost")
AWAY = "away"
"""What a `Noticed` calls it when the daemon stood still: nobody listened."""


def advance(run: Run, event: Event, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """The run after an event, and what must then be done. Pure; `now_second` is the run time of the event."""
    after, effects = _reacted(run, event, now_second)
    if isinstance(event, Resumed) or (isinstance(event, Noticed) and event.what == AWAY):
        after = noted(listening_from(after, now_second), now_second)
    if any(isinstance(effect, StartSegment) for effect in effects):
        after = msgspec.structs.replace(after, start_due_second=now_second)
    return after, effects


def effects_due(run: Run) -> tuple[Effect, ...]:
    """What may not have been carried out when the daemon died with this state. All of it may be repeated."""
    match run.phase:
        case Phase.SETTING:
            step = run.plan.steps[run.position]
            setpoint = (_setting(step),) if isinstance(step, SetStep) else ()
            return (*setpoint, *((CompactSegment(segment=run.segment),) if run.segment else ()))
        case Phase.STARTING:
            compact = (CompactSegment(segment=run.segment - 1),) if run.segment > 1 else ()
            return (SeekSegment(segment=run.segment), *compact)
        case Phase.MEASURING:
            before = run.segment - 1
            settle = (ForgetSegment(segment=before), CompactSegment(segment=before)) if before else ()
            return (*settle, *((EndSegment(segment=run.segment),) if run.fold.is_over else ()))
        case Phase.HALTING | Phase.STOPPING:
            ended = run.segment if run.segment_ended else run.segment - 1
            return (MakeSafe(why=run.reason), *((CompactSegment(segment=ended),) if ended > 0 else ()))
        case Phase.NEW | Phase.HOLDING | Phase.FINISHED:
            return ()
        case _:
            assert_never(run.phase)


def _setting(step: SetStep) -> SetChamber:
    return SetChamber(temperature_celsius=step.temperature_celsius, role=step.role)


def _reacted(run: Run, event: Event, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    match event:
        case RunStarted():
            return _enter(msgspec.structs.replace(run, holds_wait=event.holds_wait), 0, (), now_second)
        case Resumed():
            return _resumed(left_alone(run, event.away_second))
        case SegmentStarted() | SegmentNotStarted():
            return _segment_began(run, event, now_second)
        case BlockStored():
            return _block_stored(run, event, now_second)
        case ReadingsStored() | Silent():
            return _heard(run, event, now_second)
        case ChamberSet():
            return _chamber_set(run, now_second)
        case SegmentEnded():
            return _segment_ended(run, event.record, now_second)
        case StopRequested() | PauseRequested() | ResumeRequested() | SkipRequested() | PlanChanged():
            return _asked(run, event, now_second)
        case InstrumentFailed() | LinkChanged():
            return _troubled(run, event, now_second)
        case MadeSafe():
            return _made_safe(run, event, now_second)
        case Noticed() | Warned() | Cleared():
            return _noticed(run, event), ()
        case _:
            assert_never(event)


def _asked(
    run: Run,
    event: StopRequested | PauseRequested | ResumeRequested | SkipRequested | PlanChanged,
    now_second: float,
) -> tuple[Run, tuple[Effect, ...]]:
    """What a person wants."""
    match event:
        case StopRequested():
            reason = f"stopped by {event.by}"
            if event.after:
                return _waiting(run, event.after, f"{reason} after this {event.after}", ends=True), ()
            if run.held_as is not None:
                return _stop(run, run.held_as, f"{run.reason}; {reason}")
            return _stop(run, Outcome.STOPPED, reason)
        case PauseRequested():
            reason = f"paused by {event.by}"
            if not event.after:
                return _halt(run, Outcome.STOPPED, reason, now_second)
            return _waiting(run, event.after, reason), ()
        case ResumeRequested():
            return _go_on(run, event, now_second)
        case PlanChanged():
            return edited(run, event), ()
        case SkipRequested():
            if run.phase is not Phase.HOLDING:
                return run, ()
            released = _released(accepted(run), cut=None)
            if run.step_done:
                return _leave(released, (), now_second, asked=True)
            return _enter(released, run.position + 1, (), now_second, asked=True)


def _waiting(run: Run, after: str, reason: str, *, ends: bool = False) -> Run:
    """The run with a hold, or an end, that waits for the end of a step or cycle; "" takes it back."""
    return msgspec.structs.replace(run, pause_after=after, pause_reason=reason, pause_ends=ends)


def _resumed(run: Run) -> tuple[Run, tuple[Effect, ...]]:
    """A daemon is back. A run that is held must be at open circuit still: that is verified anew."""
    phase = Phase.HALTING if run.phase is Phase.HOLDING else run.phase
    resumed = msgspec.structs.replace(run, phase=phase, resume_count=run.resume_count + 1, links={})
    return resumed, effects_due(resumed)


def _go_on(run: Run, event: ResumeRequested, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """Go on where the run was held; a pause that has not begun yet is taken back."""
    if run.phase is not Phase.HOLDING:
        return _waiting(run, "", ""), ()
    run = run if event.nobody_looked else accepted(run)
    unchecked, cut, action = event.unchecked, run.cut, run.resume.action
    step = run.plan.steps[run.position] if run.plan.steps else None
    is_done = run.step_done
    if cut is not None and isinstance(step, MeasuredStep):
        is_done = action == "next" or (action != "restart_step" and rest_of(step, cut) is None)
    if is_done:
        return _leave(_released(run, cut=None), (), now_second, asked=True, unchecked=unchecked)
    released = _released(run, cut=None if action == "restart_step" else cut)
    return _begin(released, (), now_second, asked=True, unchecked=unchecked)


def _released(run: Run, cut: Cut | None) -> Run:
    run = without(run, PAUSE_TIMED_OUT)
    return msgspec.structs.replace(_waiting(run, "", ""), held_as=None, reason="", pause_due_second=None, cut=cut)


def _enter(
    run: Run,
    position: int,
    effects: tuple[Effect, ...],
    now_second: float,
    *,
    asked: bool = False,
    unchecked: bool = False,
) -> tuple[Run, tuple[Effect, ...]]:
    """Begin the first step at or after `position` that is executed, or end the run."""
    run, to, branches = entered(run, position)
    effects = (*effects, *(Tell(what=BRANCHED, text=text) for text in branches))
    if to is None:
        return _stop(run, Outcome.COMPLETED, "all steps done", effects)
    if isinstance(to, str):
        return _at_end_or_pause(run, to, effects, now_second)
    run = msgspec.structs.replace(run, position=to, step_done=False)
    return _begin(run, effects, now_second, asked=asked, unchecked=unchecked)


def _leave(
    run: Run, effects: tuple[Effect, ...], now_second: float, *, asked: bool = False, unchecked: bool = False
) -> tuple[Run, tuple[Effect, ...]]:
    """On from a step that is done: to the next, or where the limit that ended it leads."""
    to, run = run.goto, msgspec.structs.replace(run, goto=None)
    if isinstance(to, str):
        after = after_limit(run.plan, run.position, run.fold.met)
        return _at_end_or_pause(msgspec.structs.replace(run, goto=after), to, effects, now_second)
    return _enter(run, run.position + 1 if to is None else to, effects, now_second, asked=asked, unchecked=unchecked)


def _at_end_or_pause(
    run: Run, to: str, effects: tuple[Effect, ...], now_second: float
) -> tuple[Run, tuple[Effect, ...]]:
    """What a limit says that leads to no step; after a pause the run goes on at `run.goto`."""
    if to == END:
        return _stop(run, Outcome.COMPLETED, "a limit of the protocol ends the run", effects)
    done = msgspec.structs.replace(run, step_done=True)
    return _halt(done, Outcome.STOPPED, "a limit of the protocol asks for a person", now_second, effects)


def _begin(
    run: Run, effects: tuple[Effect, ...], now_second: float, *, asked: bool = False, unchecked: bool = False
) -> tuple[Run, tuple[Effect, ...]]:
    """Begin the step at the run's position, or what is left of it; after an interruption first what that asks for."""
    step = run.plan.steps[run.position]
    if isinstance(step, SetStep):
        setting = msgspec.structs.replace(unsettled(run), phase=Phase.SETTING)
        return setting, (_setting(step), *effects)
    if isinstance(step, PauseStep):
        return _paused(run, step, effects, now_second)
    if unknown := lacking(step, run.memory):
        return _halt(run, Outcome.HELD, unknown, now_second, effects)
    verdict = Go() if unchecked else verdict_before(run, now_second, asked=asked)
    if isinstance(verdict, Ask):
        return _halt(run, Outcome.HELD, verdict.reason, now_second, effects)
    run = msgspec.structs.replace(run, recovery=verdict.rest if isinstance(verdict, Recover) else None)
    segment = run.segment + 1
    starting = msgspec.structs.replace(
        begun(run, now_second),
        phase=Phase.STARTING,
        segment=segment,
        segment_started_second=None,
        segment_ended=False,
        fold=begun_again(run),
        in_band_since_second=None,
    )
    return starting, (StartSegment(segment=segment, position=run.position), *effects)


def _paused(
    run: Run, step: PauseStep, effects: tuple[Effect, ...], now_second: float
) -> tuple[Run, tuple[Effect, ...]]:
    """Wait for a person; where nobody is to be asked, go on and say so."""
    done = msgspec.structs.replace(run, step_done=True)
    if run.holds_wait:
        due_second = None if step.timeout_second is None else now_second + step.timeout_second
        done = msgspec.structs.replace(done, pause_due_second=due_second)
        return _halt(done, Outcome.STOPPED, step.text, now_second, effects)
    told = Tell(what="pause", text=f"nobody is asked here: {step.text}")
    return _step_done(done, (told, *effects), now_second)


def _segment_began(
    run: Run, event: SegmentStarted | SegmentNotStarted, now_second: float
) -> tuple[Run, tuple[Effect, ...]]:
    if isinstance(event, SegmentNotStarted):
        return _not_started(run, event, now_second)
    is_ending = run.phase in (Phase.HALTING, Phase.STOPPING)
    phase = run.phase if is_ending else Phase.MEASURING
    started = msgspec.structs.replace(run, phase=phase, segment_started_second=event.started_second)
    started = watched(started, now_second)
    effects = (ForgetSegment(segment=event.segment - 1),) if event.segment > 1 else ()
    return started, effects


def _not_started(run: Run, event: SegmentNotStarted, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """Begin the step again whose segment was decided and never started."""
    if run.phase is not Phase.STARTING:
        return run, ()
    segment = event.segment - 1
    run = msgspec.structs.replace(run, segment=segment, segment_ended=segment > 0, recovery=None)
    if event.power_was_cycled:
        what = f"the potentiostat's power was cycled when {run.step_id} was to start: nobody knows whether it did"
        return _halt(run, Outcome.FAILED, f"{what}; {WHAT_TO_DO}", now_second)
    return _begin(run, (), now_second)


def _block_stored(run: Run, event: BlockStored, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    summary = event.summary
    run = msgspec.structs.replace(run, rows=summary.last_seq, fold=_folded(run.fold, summary))
    run, effects = _tripped(run, summary.breaches, now_second)
    run = eased(run, summary.intact, summary.breaches, now_second)
    return (run, effects) if effects else _limited(run, now_second)


def _limited(run: Run, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """End the step when one of its limits is met that only the host can see."""
    if run.phase is not Phase.MEASURING or run.fold.is_over:
        return run, ()
    run = watched(run, now_second)
    met = limit_met(run, now_second)
    if met is None:
        return run, ()
    fold = msgspec.structs.replace(run.fold, met=met)
    return msgspec.structs.replace(run, fold=fold), (EndSegment(segment=run.segment),)


def _tripped(run: Run, breaches: tuple[Breach, ...], now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """Note what only warns; stop for the gravest of the rest."""
    run, verdict = judged(run, breaches)
    return (run, ()) if verdict is None else _obeyed(run, verdict, now_second)


def _folded(fold: SegmentFold, summary: BlockSummary) -> SegmentFold:
    return msgspec.structs.replace(
        fold,
        rows=fold.rows + summary.last_seq - summary.first_seq + 1,
        first=fold.first or summary.first,
        last=summary.last,
        last_reading=summary.last_reading,
        charge_ampere_hour=fold.charge_ampere_hour + summary.charge_in_ampere_hour - summary.charge_out_ampere_hour,
        energy_watt_hour=fold.energy_watt_hour + summary.energy_in_watt_hour - summary.energy_out_watt_hour,
        carried_rows=carry(summary.breaches),
        tail=summary.tail,
        after_ten_second=fold.after_ten_second or summary.after_ten_second,
    )


def _noticed(run: Run, event: Noticed | Warned | Cleared) -> Run:
    """Warn of each kind of it once; every one is in the journal."""
    if isinstance(event, Noticed) and event.what in (DISK_LOW, DISK_ROOM):
        return with_disk(run, event)
    if isinstance(event, Noticed) and event.what == PAUSE_TIMED_OUT:
        return with_noticed(msgspec.structs.replace(run, pause_due_second=None), event)
    if (
        isinstance(event, Warned | Cleared)
        or event.what == BRANCHED
        or any(warning.startswith(f"{event.what}: ") for warning in run.warnings)
    ):
        return run
    return msgspec.structs.replace(run, warnings=(*run.warnings, f"{event.what}: {event.text}"))


def _chamber_set(run: Run, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    if run.phase is not Phase.SETTING:
        return run, ()
    return _step_done(wanting(run, None), (), now_second)


def _heard(run: Run, event: ReadingsStored | Silent, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """What the sensors beside the cell have said, or have not."""
    if isinstance(event, Silent):
        return _tripped(run, silence(run, event.quantity, event.age_second), now_second)
    summary = event.summary
    run = msgspec.structs.replace(
        run,
        stream_rows={**run.stream_rows, summary.stream: summary.last_seq},
        stream_carried_rows={**run.stream_carried_rows, summary.stream: carry(summary.breaches)},
    )
    run = with_watch(run, tails={**run.watch.tails, **summary.tails}, settled=summary.settled or run.watch.settled)
    run, effects = _tripped(with_readings(run, summary), summary.breaches, now_second)
    run = eased(run, summary.intact, summary.breaches, now_second)
    run, effects = (run, effects) if effects else _equilibrating(run, summary)
    return (run, effects) if effects else _limited(run, now_second)


def _equilibrating(run: Run, summary: ReadingsSummary) -> tuple[Run, tuple[Effect, ...]]:
    """Follow a temperature while a step waits for it, and end the step when it has waited long enough."""
    wanted = run.step.until_equilibrated if run.phase is Phase.MEASURING and isinstance(run.step, RestStep) else None
    if wanted is None or wanted.quantity not in (*summary.last, *summary.unread):
        return run, ()
    if summary.unread.get(wanted.quantity):
        # What was not measured was not within the band: the time begins anew.
        return msgspec.structs.replace(run, in_band_since_second=None), ()
    low = wanted.temperature_celsius - wanted.within_kelvin
    high = wanted.temperature_celsius + wanted.within_kelvin
    since_second = run.in_band_since_second
    if summary.lowest[wanted.quantity] < low or summary.highest[wanted.quantity] > high:
        since_second = summary.last_second if low <= summary.last[wanted.quantity] <= high else None
    elif since_second is None:
        since_second = summary.first_second
    run = msgspec.structs.replace(run, in_band_since_second=since_second)
    if since_second is None or summary.last_second - since_second < wanted.for_second or run.fold.equilibrated:
        return run, ()
    fold = msgspec.structs.replace(run.fold, equilibrated=True)
    return msgspec.structs.replace(run, fold=fold), (EndSegment(segment=run.segment),)


def _segment_ended(run: Run, record: SegmentRecord, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    if run.segment_ended or record.segment != run.segment:
        return run, ()
    compact = (CompactSegment(segment=record.segment),)
    before, run = run, after_segment(msgspec.structs.replace(run, segment_ended=True), record)
    if run.phase is Phase.STOPPING:
        return run, compact
    if run.recovery is not None:
        return _recovered(run, record, compared(before, record, now_second), compact, now_second)
    run = remembered(run, record)
    if goes_on_alone(run, record):
        return _begin(cut_short(run, record), compact, now_second)
    if record.abnormal:
        was_ended_by_us = run.phase is Phase.HALTING and record.ended_by not in LOST
        held_as = Outcome.STOPPED if was_ended_by_us else Outcome.HELD
        return _halt(cut_short(run, record), held_as, _why(record), now_second, compact)
    if record.reached is not None and record.reached.limit is not None:
        run, to = leads_to(run, run.position, record.reached.limit)
        run = msgspec.structs.replace(run, goto=to)
    run, verdict = after_record(run, record)
    if isinstance(run.step, RestStep) and not isinstance(run.step, WaitStep) and run.step.until_equilibrated:
        run = wanting(run, run.position)
    run = msgspec.structs.replace(run, cut=None)
    if verdict is not None:
        return _obeyed(msgspec.structs.replace(run, step_done=True), verdict, now_second, compact)
    return _step_done(run, compact, now_second)


def _why(record: SegmentRecord) -> str:
    why = f"{record.step_id} ended by {record.ended_by}, not as written"
    return f"{why}: rows that had not been fetched are lost; {WHAT_TO_DO}" if record.ended_by in LOST else why


def _recovered(
    run: Run, record: SegmentRecord, found: Compared, effects: tuple[Effect, ...], now_second: float
) -> tuple[Run, tuple[Effect, ...]]:
    """After a rest that was put in: go on if the cell is as it was before an interruption."""
    run = msgspec.structs.replace(run, recovery=None)
    if run.phase is Phase.HALTING:
        return run, effects
    if record.abnormal:
        return _halt(run, Outcome.HELD, f"{_why(record)}; {WHAT_TO_DO}", now_second, effects)
    told = (
        (*effects, Tell(what="went_on", text=f"went on after an interruption; {found.said}")) if found.said else effects
    )
    if found.failures:
        reason = f"not as before the interruption: {', '.join(found.failures)}; {WHAT_TO_DO}"
        return _halt(run, Outcome.HELD, reason, now_second, effects)
    return _begin(run, told, now_second)


def _step_done(run: Run, effects: tuple[Effect, ...], now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """After a step that ended as written: the next, unless the run is to be held, or to end, here."""
    if run.phase is Phase.HALTING:
        return msgspec.structs.replace(run, step_done=True), effects
    if _pause_is_due(run):
        done = msgspec.structs.replace(run, step_done=True)
        if run.pause_ends:
            return _stop(done, Outcome.STOPPED, run.pause_reason, effects)
        return _halt(done, Outcome.STOPPED, run.pause_reason, now_second, effects)
    return _leave(run, effects, now_second)


def _pause_is_due(run: Run) -> bool:
    coming = list(steps_to_come(run.plan, run.position + 1, run.passes)) if run.pause_after else []
    if run.pause_after != "cycle":
        return bool(coming)
    halves = [step.half for step in coming if isinstance(step, CurrentStep)]
    return halves[:1] == [run.plan.cycle_starts_with]


def _obeyed(
    run: Run, verdict: tuple[Outcome, str], now_second: float, effects: tuple[Effect, ...] = ()
) -> tuple[Run, tuple[Effect, ...]]:
    """What the interlocks want: a trip ends the run, anything else holds it."""
    outcome, reason = verdict
    if outcome is Outcome.HELD:
        return _halt(run, outcome, reason, now_second, effects)
    return _stop(run, outcome, reason, effects)


def _troubled(run: Run, event: InstrumentFailed | LinkChanged, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """An instrument refused, or does not answer; or answers again."""
    if isinstance(event, InstrumentFailed):
        return _halt(run, Outcome.FAILED, event.text, now_second)
    links = {role: text for role, text in run.links.items() if role != event.role}
    if event.state == "connected":
        return msgspec.structs.replace(run, links=links), ()
    run = noted(msgspec.structs.replace(run, links={**links, event.role: event.text}), now_second)
    if event.state != "failed" or run.link.action == "continue":
        return run, ()
    if run.link.action == "end":
        return _stop(run, Outcome.FAILED, event.text)
    return _halt(run, Outcome.FAILED, event.text, now_second)


def _halt(
    run: Run, held_as: Outcome, reason: str, now_second: float, effects: tuple[Effect, ...] = ()
) -> tuple[Run, tuple[Effect, ...]]:
    """Bring the cell to open circuit and wait for a person; where nobody is to be asked, end as `held_as`."""
    is_pause = run.phase in (Phase.HALTING, Phase.HOLDING) and run.held_as not in GRAVE
    if is_pause and held_as in GRAVE and (run.phase is Phase.HALTING or run.pause_due_second is not None):
        # What is found while it is brought to a pause counts; and one that would go on by itself must not over this.
        reason = f"{run.reason}; {reason}"
        return msgspec.structs.replace(run, pause_due_second=None, held_as=held_as, reason=reason), effects
    if run.phase in (Phase.HALTING, Phase.HOLDING, Phase.STOPPING, Phase.FINISHED):
        return run, effects
    if not run.holds_wait:
        return _stop(run, held_as, reason, effects)
    run = noted(left_alone(run, 0.0), now_second)
    halting = msgspec.structs.replace(
        _waiting(run, "", ""),
        phase=Phase.HALTING,
        held_as=held_as,
        reason=reason,
        idle=msgspec.structs.replace(run.idle, was_interrupted=True),
    )
    return halting, (MakeSafe(why=reason), *effects)


def _stop(run: Run, outcome: Outcome, reason: str, effects: tuple[Effect, ...] = ()) -> tuple[Run, tuple[Effect, ...]]:
    """Bring the cell to open circuit and end; the first reason to stop is the one that is kept."""
    if run.phase in (Phase.STOPPING, Phase.FINISHED):
        return run, effects
    # While the run is halting, the cell is being brought to open circuit already.
    safe = () if run.phase is Phase.HALTING else (MakeSafe(why=reason),)
    stopping = msgspec.structs.replace(run, phase=Phase.STOPPING, outcome=outcome, reason=reason)
    return stopping, (*safe, *effects)


def _made_safe(run: Run, event: MadeSafe, now_second: float) -> tuple[Run, tuple[Effect, ...]]:
    """Hold or end when the cell is known to be safe and its rows are stored; until then it is to be tried again."""
    if run.phase is Phase.HOLDING and not event.verified:
        run = msgspec.structs.replace(run, phase=Phase.HALTING)
    if run.phase not in (Phase.HALTING, Phase.STOPPING):
        return run, ()
    if not (event.verified and event.drained):
        wrong = "rows may still be in the instrument" if event.verified else "NOT verified safe"
        since_second = run.unsafe_since_second if run.unsafe else now_second
        unsafe = f"{wrong}: {event.text}"
        return msgspec.structs.replace(run, unsafe=unsafe, unsafe_since_second=since_second), ()
    reason = run.reason
    if run.unsafe:
        reason += f"; verified safe {time_text(round(now_second - run.unsafe_since_second))} later"
    phase = Phase.HOLDING if run.phase is Phase.HALTING else Phase.FINISHED
    forget = (ForgetSegment(segment=run.segment),) if run.segment and run.segment_ended else ()
    return msgspec.structs.replace(run, phase=phase, reason=reason, unsafe=""), forget

"""The engine when somebody is there to ask: holds, pauses, how it goes on, and what an interruption asks for."""

from typing import Any

import msgspec
import pytest

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Outcome, Phase, Run, decode_run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    ChamberSet,
    CompactSegment,
    Effect,
    Event,
    ForgetSegment,
    InstrumentFailed,
    LinkChanged,
    MadeSafe,
    MakeSafe,
    PauseRequested,
    ReadingsStored,
    Resumed,
    ResumeRequested,
    Row,
    RunStarted,
    SegmentEnded,
    SegmentNotStarted,
    SegmentRecord,
    SegmentStarted,
    SetChamber,
    SkipRequested,
    StartSegment,
    StopRequested,
    Tell,
)
from daemon.plan import LinkLoss, Plan, ResumePolicy
from tests.support.plans import block, charge, discharge, equilibrate, jig_readings, loop, plan, rest, row, setting

SAFE = MadeSafe(verified=True, text="")
NOT_SAFE = MadeSafe(verified=False, drained=False, text="smu: no reply")
PAUSE, RESUME, SKIP = PauseRequested(by="ada"), ResumeRequested(by="bob"), SkipRequested(by="bob")
STOP = StopRequested(by="ada")
HOUR = 3600.0
CYCLE = (charge(), discharge(), loop(0, 3))


class Played:
    """A run, what is to be done after its last event, and what was to be done after all of them."""

    def __init__(self, of: Plan, first: Event | None = None) -> None:
        self.run = Run(plan=of)
        self.effects: tuple[Effect, ...] = ()
        self.done: list[Effect] = []
        self.records: list[SegmentRecord] = []
        self.second = 0.0
        self.happen(first or RunStarted())

    def happen(self, *events: Event, after_second: float = 1.0) -> "Played":
        for event in events:
            self.second += after_second
            self.run, self.effects = advance(decode_run(encode_run(self.run)), event, self.second)
            self.done += self.effects
        return self

    def measure(self, last_second: float, last_volt: float, *, first_volt: float = 3.0, **changed: Any) -> "Played":
        """The segment starts, and rows of it are stored."""
        self.happen(SegmentStarted(segment=self.run.segment, started_second=self.second), after_second=0.0)
        ampere = getattr(self.run.step, "current_ampere", 0.0)
        early = Row(elapsed_second=10.0, voltage_volt=first_volt, current_ampere=ampere)
        summary = block(self.run.rows + 1, 10, row(last_second, last_volt, ampere), after_ten_second=early, **changed)
        return self.happen(BlockStored(segment=self.run.segment, summary=summary), after_second=last_second)

    def end(self, *, late_second: float = 0.0, **how: bool) -> "Played":
        """The segment's end is seen, so much later than it was."""
        record = end_of_segment(self.run, power_was_cycled=False, **how)
        self.records.append(record)
        return self.happen(SegmentEnded(record=record), after_second=late_second)

    def half(self, first_volt: float = 3.0) -> "Played":
        """A half-cycle to its limit."""
        limit_volt = self.run.step.until_voltage_volt  # type: ignore[union-attr]
        return self.measure(900.0, limit_volt, first_volt=first_volt, charge_in_ampere_hour=1e-4).end()

    def close(self) -> "Played":
        """What the runner does while it halts: the segment is closed, the cell is safe."""
        if self.run.segment_started_second is not None and not self.run.segment_ended:
            self.end()
        return self.happen(SAFE)

    @property
    def started(self) -> list[int]:
        return [effect.position for effect in self.done if isinstance(effect, StartSegment)]

    def jig(self, *celsius: float, lasts_second: float = 10.0) -> "Played":
        """Readings of the last seconds."""
        first = self.second - lasts_second
        readings = jig_readings(first, self.second, *celsius, first_seq=self.run.stream_rows.get("temperature", 0) + 1)
        return self.happen(ReadingsStored(summary=readings), after_second=0.0)


def played(*steps: Any, **named: Any) -> Played:
    return Played(plan(*steps, **named))


def state(of: Played) -> tuple[Phase, Outcome | None]:
    return of.run.phase, of.run.outcome


def test_pause_brings_to_open_circuit_then_waits() -> None:
    paused = played(*CYCLE).measure(300.0, 3.2).happen(PAUSE)
    assert (state(paused), paused.run.why) == ((Phase.HALTING, None), "paused by ada")
    assert paused.effects == (MakeSafe(why="paused by ada"),)
    paused.end()
    assert (paused.records[-1].ended_by, paused.effects) == ("paused", (CompactSegment(segment=1),))
    paused.happen(SAFE)
    assert state(paused) == (Phase.HOLDING, None)
    assert paused.effects == (ForgetSegment(segment=1),)


def test_held_run_goes_on_with_the_rest_of_its_step() -> None:
    going = played(*CYCLE).measure(300.0, 3.2, charge_in_ampere_hour=1e-4).happen(PAUSE).close().happen(RESUME)
    assert (going.run.phase, going.run.reason) == (Phase.STARTING, "")
    assert going.effects == (StartSegment(segment=2, position=0),)
    assert going.run.step == charge(guard_time_second=53700.0)
    going.half()
    first, second = going.records
    assert (first.continues, first.abnormal, second.continues, second.interrupted) == (False, True, True, True)
    assert going.started == [0, 0, 1]
    going.half()
    assert (going.records[-1].continues, going.records[-1].interrupted) == (False, False)


def test_held_run_that_is_cut_short_twice_counts_both_parts() -> None:
    twice = played(charge()).measure(300.0, 3.2, charge_in_ampere_hour=1e-4).happen(PAUSE).close().happen(RESUME)
    twice.measure(200.0, 3.3, charge_in_ampere_hour=2e-4).happen(PAUSE).close()
    assert twice.run.cut is not None
    assert (twice.run.cut.elapsed_second, twice.run.cut.charge_ampere_hour) == (500.0, pytest.approx(3e-4))


def test_rest_that_was_paused_rests_the_rest_of_its_time() -> None:
    going = played(rest(), charge()).measure(600.0, 3.0).happen(PAUSE).close().happen(RESUME)
    assert going.run.step == rest(until_time_second=3000.0)
    going.measure(3000.0, 3.0).end()
    assert (going.records[-1].ended_by, going.started) == ("time", [0, 0, 1])


def test_rest_that_was_over_when_it_was_paused_is_not_begun_again() -> None:
    over = played(rest(), charge()).measure(3599.0, 3.0).happen(PAUSE).close().happen(RESUME)
    assert over.started == [0, 1]


def test_segment_that_ended_as_written_while_it_was_paused_is_done() -> None:
    done = played(*CYCLE).measure(900.0, 3.7).happen(PAUSE).close()
    assert (done.run.phase, done.run.step_done, done.records[-1].abnormal) == (Phase.HOLDING, True, False)
    assert done.happen(RESUME).effects == (StartSegment(segment=2, position=1),)


def test_skip_leaves_what_is_left_of_a_step() -> None:
    skipped = played(charge(), rest(), discharge()).measure(300.0, 3.2).happen(PAUSE).close().happen(SKIP)
    assert (skipped.started, skipped.run.cut) == ([0, 1], None)


@pytest.mark.parametrize(("action", "started", "step"), [("restart_step", [0, 0], charge()), ("next", [0, 1], rest())])
def test_protocol_decides_what_becomes_of_a_step_that_was_cut_short(action: str, started: list[int], step: Any) -> None:
    going = played(charge(), rest(), resume=ResumePolicy(action=action)).measure(300.0, 3.2).happen(PAUSE).close()
    going.happen(RESUME)
    assert (going.started, going.run.step, going.run.cut) == (started, step, None)


@pytest.mark.parametrize(
    ("hold", "outcome", "reason"),
    [
        (PAUSE, Outcome.STOPPED, "paused by ada; stopped by ada"),
        (InstrumentFailed(role="r", error="E", text="smu: refused"), Outcome.FAILED, "smu: refused; stopped by ada"),
    ],
)
def test_held_run_is_stopped_as_what_held_it(hold: Event, outcome: Outcome, reason: str) -> None:
    held = played(*CYCLE).measure(300.0, 3.2).happen(hold).close()
    held.happen(STOP)
    assert (state(held), held.effects) == ((Phase.STOPPING, outcome), (MakeSafe(why=reason),))
    held.happen(SAFE)
    assert (state(held), held.run.reason) == ((Phase.FINISHED, outcome), reason)


def test_segment_that_did_not_end_as_written_is_held_and_its_outcome_would_be_held() -> None:
    held = played(*CYCLE).measure(54000.0, 3.2).end().close()
    assert (state(held), held.run.reason) == ((Phase.HOLDING, None), "charge ended by guard_time, not as written")
    held.happen(STOP, SAFE)
    assert state(held) == (Phase.FINISHED, Outcome.HELD)


@pytest.mark.parametrize(("how", "ended_by"), [({"is_absent": True}, "buffer_lost")])
def test_lost_rows_hold_with_what_to_do(how: dict[str, bool], ended_by: str) -> None:
    lost = played(*CYCLE).measure(300.0, 3.2).end(**how)
    assert (lost.run.phase, lost.records[-1].ended_by) == (Phase.HALTING, ended_by)
    assert "presscell resume" in lost.run.reason


def test_cell_that_can_not_be_verified_keeps_the_run_from_holding() -> None:
    halting = played(*CYCLE).measure(300.0, 3.2).happen(PAUSE, NOT_SAFE)
    assert (halting.run.phase, halting.run.why) == (Phase.HALTING, "paused by ada; NOT verified safe: smu: no reply")
    for event in (RESUME, SKIP, PAUSE):
        before = halting.run
        halting.happen(event)
        assert (halting.run, halting.effects) == (before, ())
    halting.end().happen(SAFE, after_second=2 * HOUR - 3)
    assert (halting.run.phase, halting.run.unsafe) == (Phase.HOLDING, "")
    assert halting.run.why == "paused by ada; verified safe 2 h later"


def test_stop_of_a_halting_run_does_not_make_safe_a_second_time() -> None:
    halting = played(*CYCLE).measure(300.0, 3.2).happen(PAUSE, NOT_SAFE, STOP)
    assert (state(halting), halting.effects) == ((Phase.STOPPING, Outcome.STOPPED), ())
    assert halting.run.why == "paused by ada; stopped by ada; NOT verified safe: smu: no reply"


@pytest.mark.parametrize(
    ("after", "halves_before", "position"), [("step", 1, 0), ("cycle", 2, 1), ("step", 2, 1), ("cycle", 3, 1)]
)
def test_pause_after_a_step_or_a_cycle(after: str, halves_before: int, position: int) -> None:
    """Asked for in the last half-cycle of those before the hold."""
    pausing = played(*CYCLE)
    for _ in range(halves_before - (after == "cycle" and halves_before == 3) - 1):
        pausing.half()
    pausing.happen(PauseRequested(by="ada", after=after))
    while pausing.run.phase is Phase.STARTING:
        pausing.half()
    assert (state(pausing), pausing.run.reason) == ((Phase.HALTING, None), "paused by ada")
    assert (pausing.run.position, pausing.run.step_done) == (position, True)
    pausing.happen(SAFE, RESUME)
    assert pausing.run.phase is Phase.STARTING
    assert pausing.run.pause_after == ""


def test_pause_after_the_last_step_is_the_end() -> None:
    last = played(charge()).happen(PauseRequested(by="ada", after="step")).half()
    assert state(last) == (Phase.STOPPING, Outcome.COMPLETED)


def test_pause_that_has_not_begun_is_taken_back() -> None:
    back = played(*CYCLE).happen(PauseRequested(by="ada", after="step"), RESUME).half()
    assert (back.run.phase, back.run.pause_after) == (Phase.STARTING, "")


def test_pause_while_the_chamber_is_set_sets_it_again() -> None:
    paused = played(setting(), charge()).happen(PAUSE, SAFE)
    assert paused.run.phase is Phase.HOLDING
    paused.happen(RESUME)
    assert paused.effects == (SetChamber(temperature_celsius=55.0),)
    assert paused.happen(ChamberSet(temperature_celsius=55.0)).effects == (StartSegment(segment=1, position=1),)


def test_held_run_survives_a_restart_and_is_verified_anew() -> None:
    held = played(*CYCLE).measure(300.0, 3.2).happen(PAUSE).close()
    held.happen(Resumed(cause="kill -9", away_second=5.0))
    assert (held.run.phase, held.run.reason, held.run.resume_count) == (Phase.HALTING, "paused by ada", 1)
    assert held.effects[0] == MakeSafe(why="paused by ada")
    held.happen(SAFE)
    assert (held.run.phase, held.run.cut is not None) == (Phase.HOLDING, True)


def test_instrument_that_fails_while_it_is_held_changes_nothing() -> None:
    held = played(charge()).measure(300.0, 3.2).happen(PAUSE).close()
    before = held.run
    held.happen(InstrumentFailed(role="r", error="E", text="what holds, is held already"))
    assert (held.run, held.effects) == (before, ())


WARM = (setting(), equilibrate(), rest(), charge(), discharge(), loop(3, 3))


def warm(**named: Any) -> Played:
    """A run whose jig is equilibrated, in its first charge."""
    of = played(*WARM, **named).happen(ChamberSet(temperature_celsius=55.0))
    of.measure(7310.0, 3.0).jig(55.0, lasts_second=7300.0).end()
    return of.measure(3600.0, 3.0).jig(55.0).end()


def ended_unseen(of: Played, away_second: float, *celsius: float) -> Played:
    """The charge under way ends at its limit while nobody is there for so long."""
    of.measure(100.0, 3.2)
    of.second += away_second
    of.happen(Resumed(cause="kill -9", away_second=away_second), after_second=0.0)
    of.jig(*celsius)
    summary = block(of.run.rows + 1, 10, row(900.0, 3.7))
    return of.happen(BlockStored(segment=of.run.segment, summary=summary), after_second=0.0).end()


def test_host_that_was_away_while_the_segment_ran_interrupted_nothing() -> None:
    of = warm().measure(100.0, 3.2).happen(Resumed(cause="kill -9", away_second=700.0), after_second=700.0)
    summary = block(of.run.rows + 1, 10, row(900.0, 3.7))
    of.happen(BlockStored(segment=of.run.segment, summary=summary), after_second=100.0).end()
    assert (of.run.phase, of.run.recovery) == (Phase.STARTING, None)
    assert of.half().records[-1].interrupted is False


@pytest.mark.parametrize(
    ("away_second", "celsius", "recovery"),
    [
        (900.0, 55.0, None),
        (1501.0, 55.0, "equilibration"),
        (1501.0, 30.0, "equilibration"),
        (10 * HOUR, 55.0, "equilibration"),
        (13 * HOUR, 55.0, "hold"),
    ],
)
def test_segment_that_ended_while_nobody_watched(away_second: float, celsius: float, recovery: str | None) -> None:
    """It ends at 900 s, of which 100 s were seen; over 10 min without a look, nobody knows where the jig has been."""
    of = ended_unseen(warm(), away_second, celsius)
    if recovery == "hold":
        assert (of.run.phase, of.effects[0]) == (Phase.HALTING, MakeSafe(why=of.run.reason))
        assert "longer than 12 h" in of.run.reason
        return
    assert of.run.phase is Phase.STARTING
    assert of.effects[0] == StartSegment(segment=4, position=4)
    assert (of.run.recovery is not None) == (recovery is not None)
    if recovery:
        assert of.run.step == msgspec.structs.replace(
            of.run.plan.resume.rest,
            step_id="discharge/recovery",
            block="formation",
            until_equilibrated=equilibrate().until_equilibrated,
            until_time_second=21600.0,
            line=1,
        )


def recovering(rested_volt: float) -> Played:
    """After a recovery at whose end the cell shows this. It follows a charge at 0.4 mA, and the cell has 100 ohm."""
    of = ended_unseen(warm().half().half(first_volt=3.62), 2 * HOUR, 30.0)
    return of.measure(7310.0, rested_volt).jig(55.0, lasts_second=7300.0).end()


def test_recovered_cell_goes_on_and_says_what_was_compared() -> None:
    of = recovering(3.5)
    assert (of.run.phase, of.run.recovery, of.started[-2:]) == (Phase.STARTING, None, [4, 4])
    (told,) = (effect for effect in of.effects if isinstance(effect, Tell))
    assert "pressure not compared" in told.text
    assert of.half().records[-1].interrupted is True


def test_cell_that_is_not_as_it_was_is_held_with_numbers() -> None:
    of = recovering(3.9)
    assert of.run.phase is Phase.HALTING
    assert "rested voltage 3.900 V" in of.run.reason
    assert "--unchecked" in of.run.reason
    of.happen(SAFE, ResumeRequested(by="bob", unchecked=True), after_second=HOUR)
    assert (of.run.phase, of.run.recovery) == (Phase.STARTING, None)


def test_person_who_resumes_after_long_has_the_cell_checked_first() -> None:
    of = played(*CYCLE).measure(300.0, 3.2).happen(PAUSE).close().happen(RESUME, after_second=20 * HOUR)
    assert (of.run.phase, of.run.step_id) == (Phase.STARTING, "charge/recovery")
    of.measure(60.0, 3.1).end()
    assert (of.run.recovery, of.run.step_id, of.run.cut is not None) == (None, "charge", True)
    assert [record.continues for record in of.half().records] == [False, False, True]


def test_recovery_that_is_paused_is_judged_again() -> None:
    of = ended_unseen(warm(), 2 * HOUR, 30.0).measure(60.0, 3.5).happen(PAUSE).close()
    assert (of.run.phase, of.run.recovery, of.run.cut, of.run.step_done) == (Phase.HOLDING, None, None, False)
    of.happen(RESUME, after_second=HOUR)
    assert of.run.step_id == "discharge/recovery"


def test_segment_that_was_never_started_is_judged_too() -> None:
    of = played(*CYCLE).half()
    of.happen(Resumed(cause="kill -9", away_second=HOUR), after_second=HOUR)
    of.happen(SegmentNotStarted(segment=2, power_was_cycled=False))
    assert of.run.step_id == "discharge/recovery"
    assert of.effects[0] == StartSegment(segment=2, position=1)


def test_run_that_never_drives_a_current_can_not_be_interrupted() -> None:
    of = played(rest(), rest("again")).measure(3600.0, 3.0).end(late_second=40 * HOUR)
    assert (of.run.recovery, of.started) == (None, [0, 1])


def lost(state_: str, role: str = "potentiostat") -> LinkChanged:
    return LinkChanged(role=role, state=state_, since_second=5.0, text=f"no answer: {state_}")


def test_lost_link_is_told_and_changes_nothing() -> None:
    of = played(*CYCLE).measure(100.0, 3.2).happen(lost("lost"))
    assert (of.run.phase, of.effects, of.run.links) == (
        Phase.MEASURING,
        (),
        {"potentiostat": "no answer: lost"},
    )
    of.happen(lost("connected"))
    assert (of.run.phase, of.run.links) == (Phase.MEASURING, {})


@pytest.mark.parametrize(
    ("action", "phase", "outcome"),
    [
        ("hold", Phase.HALTING, None),
        ("end", Phase.STOPPING, Outcome.FAILED),
        ("continue", Phase.MEASURING, None),
    ],
)
def test_failed_link(action: str, phase: Phase, outcome: Outcome | None) -> None:
    of = played(*CYCLE, link=LinkLoss(action=action)).measure(100.0, 3.2).happen(lost("failed"))
    assert state(of) == (phase, outcome)


@pytest.mark.parametrize(("celsius", "recovery"), [(55.0, None), (50.0, "discharge/recovery")])
def test_jig_that_left_its_band_and_came_back_is_equilibrated_again(celsius: float, recovery: str | None) -> None:
    """The charge ends at 900 s while its instrument is silent, and goes on within ten minutes."""
    of = warm().measure(100.0, 3.2).happen(lost("lost"))
    for value in (celsius, 55.0):
        of.second += 600.0
        of.jig(value)
    summary = block(of.run.rows + 1, 10, row(900.0, 3.7))
    of.happen(BlockStored(segment=of.run.segment, summary=summary), after_second=0.0).end()
    assert of.run.phase is Phase.STARTING
    assert (of.run.step_id if of.run.recovery else None) == recovery


def test_new_daemon_begins_with_links_that_answer() -> None:
    of = played(*CYCLE).measure(100.0, 3.2).happen(lost("lost"), Resumed(cause="kill -9", away_second=1.0))
    assert of.run.links == {}


def test_segment_that_has_ended_does_not_end_again():
    """Its last rows may have broken an interlock, and that has closed it: nothing may start after a trip."""
    tripped = advance_through_trip()
    record = end_of_segment(tripped, power_was_cycled=False)
    run, effects = advance(msgspec.structs.replace(tripped, phase=Phase.FINISHED), SegmentEnded(record=record), 70.0)
    assert (run.phase, effects) == (Phase.FINISHED, ())


def advance_through_trip() -> Run:
    run, _ = advance(Run(plan=plan(charge(), charge("again"))), RunStarted(), 0.0)
    run, _ = advance(run, SegmentStarted(segment=1, started_second=0.0), 0.0)
    run, _ = advance(run, InstrumentFailed(role="potentiostat", error="x", text="x"), 60.0)
    record = end_of_segment(run, power_was_cycled=False)
    run, _ = advance(run, SegmentEnded(record=record), 61.0)
    return run


def test_skip_after_a_limit_goes_where_the_limit_leads():
    held = msgspec.structs.replace(
        Run(plan=plan(charge(), charge("again"))),
        phase=Phase.HOLDING,
        position=1,
        segment=2,
        segment_ended=True,
        step_done=True,
        goto=0,
    )
    run, _ = advance(held, SkipRequested(by="me"), 100.0)
    assert run.position == 0

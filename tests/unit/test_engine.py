"""The engine, event by event."""

from typing import Any

import pytest

from daemon.deciding.endings import LIMIT_TOLERANCE_VOLT, TIME_TOLERANCE_SECOND, end_of_segment
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
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
    Reached,
    ReadingsStored,
    Resumed,
    Row,
    RunStarted,
    SeekSegment,
    SegmentEnded,
    SegmentNotStarted,
    SegmentRecord,
    SegmentStarted,
    SetChamber,
    StartSegment,
    StopRequested,
)
from daemon.plan import CurrentStep, Interlock, Plan, RestStep
from tests.support.plans import (
    block,
    charge,
    discharge,
    equilibrate,
    interlock,
    jig_readings,
    loop,
    plan,
    rest,
    row,
    setting,
)

MICROVOLT = 1e-6
START = RunStarted(holds_wait=False)
"""Nobody is there to ask: what would hold a run ends it. The runs that wait are in test_engine_holding.py."""
FAILED = InstrumentFailed(role="potentiostat", error="NoReplyError", text="smu: no reply")
STOP = StopRequested(by="ada")


def after(of: Plan, *events: Event) -> tuple[Run, tuple[Effect, ...]]:
    """The run after these events, and the last one's effects."""
    run, effects = Run(plan=of), ()
    for event in events:
        run, effects = advance(run, event, 0.0)
    return run, effects


def started(segment: int = 1, second: float = 0.0) -> SegmentStarted:
    return SegmentStarted(segment=segment, started_second=second)


def stored(first_seq: int = 1, rows: int = 10, last: Row | None = None, **changed: Any) -> BlockStored:
    return BlockStored(segment=1, summary=block(first_seq, rows, last or row(9.0), **changed))


def ended(run: Run, *, power_was_cycled: bool = False) -> SegmentEnded:
    return SegmentEnded(record=end_of_segment(run, power_was_cycled=power_was_cycled))


def measuring(step: CurrentStep | RestStep, *events: Event) -> Run:
    """A run of one step whose segment was started at 100 s, after these events."""
    return after(plan(step), START, started(second=100.0), *events)[0]


def record_of(step: CurrentStep | RestStep, last: Row, **changed: Any) -> SegmentRecord:
    return end_of_segment(measuring(step, stored(last=last, **changed)), power_was_cycled=False)


def breach(name: str, longest_rows: int = 1) -> Breach:
    return Breach(interlock=name, worst_value=4.25, longest_rows=longest_rows, trailing_rows=longest_rows)


AT_LIMIT = stored(last=row(900.0, 3.7))
BEFORE_LIMIT = stored(last=row(900.0, 3.2))


def test_start_starts_the_first_step() -> None:
    run, effects = after(plan(charge(), rest()), START)
    assert (run.phase, run.position, run.segment, run.outcome) == (Phase.STARTING, 0, 1, None)
    assert effects == (StartSegment(segment=1, position=0),)


def test_plan_without_steps_ends_safely_at_once() -> None:
    run, effects = after(plan(), START)
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.COMPLETED)
    assert effects == (MakeSafe(why="all steps done"),)


def test_started_segment_is_measured() -> None:
    run, effects = after(plan(charge()), START, started(second=12.5))
    assert (run.phase, run.segment_started_second) == (Phase.MEASURING, 12.5)
    assert effects == ()


def test_started_segment_lets_the_one_before_be_forgotten() -> None:
    run = measuring(charge(), AT_LIMIT)
    events = (START, started(), AT_LIMIT, ended(run))
    _, effects = after(plan(charge(), rest()), *events, started(2))
    assert effects == (ForgetSegment(segment=1),)


def test_blocks_fold_into_the_segment() -> None:
    first = stored(1, 10, row(9.0, 3.1), charge_in_ampere_hour=0.003, charge_out_ampere_hour=0.001)
    second = stored(11, 5, row(14.0, 3.2), charge_in_ampere_hour=0.004, energy_in_watt_hour=0.02)
    run, effects = after(plan(charge()), START, started(), first, second)
    assert (run.rows, run.fold.rows) == (15, 15)
    assert (run.fold.first, run.fold.last) == (first.summary.first, second.summary.last)
    assert run.fold.charge_ampere_hour == pytest.approx(0.006, rel=1e-12)
    assert run.fold.energy_watt_hour == pytest.approx(0.02, rel=1e-12)
    assert effects == ()


def test_discharge_counts_negative() -> None:
    run = measuring(discharge(), stored(charge_out_ampere_hour=0.002, energy_out_watt_hour=0.006))
    assert (run.fold.charge_ampere_hour, run.fold.energy_watt_hour) == (-0.002, -0.006)


def test_segment_that_ended_as_written_is_followed_by_the_next() -> None:
    run = measuring(charge(), AT_LIMIT)
    run, effects = after(plan(charge(), rest()), START, started(), AT_LIMIT, ended(run))
    assert (run.phase, run.position, run.segment, run.fold.rows) == (Phase.STARTING, 1, 2, 0)
    assert (run.segment_started_second, run.segment_ended) == (None, False)
    assert effects == (StartSegment(segment=2, position=1), CompactSegment(segment=1))


def test_segment_that_did_not_end_as_written_holds_the_run() -> None:
    run = measuring(charge(), stored(last=row(54000.0, 3.2)))
    run, effects = advance(run, ended(run), 0.0)
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.HELD)
    assert run.reason == "charge ended by guard_time, not as written"
    assert effects == (MakeSafe(why=run.reason), CompactSegment(segment=1))


def test_last_step_completes_the_run_only_once_it_is_safe() -> None:
    run = measuring(charge(), AT_LIMIT)
    run, effects = advance(run, ended(run), 0.0)
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.COMPLETED)
    assert effects == (MakeSafe(why="all steps done"), CompactSegment(segment=1))
    run, effects = advance(run, MadeSafe(verified=True, text=""), 0.0)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)
    assert effects == (ForgetSegment(segment=1),)


def stopping(*events: Event) -> Run:
    """A run whose only segment ended as written, and that is being made safe, after these events."""
    run = measuring(charge(), AT_LIMIT)
    return after(plan(charge()), START, started(second=100.0), AT_LIMIT, ended(run), *events)[0]


NOT_SAFE = MadeSafe(verified=False, drained=False, text="smu: no reply")
NOT_DRAINED = MadeSafe(verified=True, drained=False, text="smu: rows are gone")
SAFE = MadeSafe(verified=True, text="")


def test_run_whose_cell_is_not_known_to_be_safe_has_not_ended() -> None:
    run, effects = advance(stopping(), NOT_SAFE, 0.0)
    assert (run.phase, effects) == (Phase.STOPPING, ())
    assert run.why == "all steps done; NOT verified safe: smu: no reply"


def test_rows_that_may_still_be_in_the_instrument_keep_the_run_from_ending() -> None:
    run, effects = advance(stopping(), NOT_DRAINED, 0.0)
    assert (run.phase, run.outcome, effects) == (Phase.STOPPING, Outcome.COMPLETED, ())
    assert run.why == "all steps done; rows may still be in the instrument: smu: rows are gone"


@pytest.mark.parametrize("unsafe", [(NOT_SAFE,), (NOT_DRAINED,), (NOT_SAFE, NOT_SAFE), (NOT_SAFE, NOT_DRAINED)])
def test_run_ends_when_it_is_verified_later_and_says_how_late(unsafe: tuple[MadeSafe, ...]) -> None:
    run = stopping()
    for hour, event in enumerate(unsafe):
        run, _ = advance(run, event, 3600.0 * hour)
    run, effects = advance(run, SAFE, 10800.0)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)
    assert run.why == "all steps done; verified safe 3 h later"
    assert effects == (ForgetSegment(segment=1),)


def test_rows_of_a_segment_that_was_not_closed_are_not_forgotten() -> None:
    run, effects = advance(measuring(charge(), STOP), SAFE, 0.0)
    assert (run.phase, effects) == (Phase.FINISHED, ())


RESUMED = Resumed(cause="kill -9", away_second=5.0)
TWO = (charge(), rest())


def second_segment(*events: Event) -> tuple[Event, ...]:
    """The events of a plan of two steps up to the end of the first, and these."""
    run, _ = after(plan(*TWO), START, started(), AT_LIMIT)
    return (START, started(), AT_LIMIT, ended(run), *events)


@pytest.mark.parametrize(
    ("steps", "events", "due"),
    [
        (TWO, (START,), (SeekSegment(segment=1),)),
        (TWO, (START, started()), ()),
        (TWO, second_segment(), (SeekSegment(segment=2), CompactSegment(segment=1))),
        (TWO, second_segment(started(2)), (ForgetSegment(segment=1), CompactSegment(segment=1))),
        (TWO, (START, STOP), (MakeSafe(why="stopped by ada"),)),
        (TWO, second_segment(STOP), (MakeSafe(why="stopped by ada"), CompactSegment(segment=1))),
        (TWO, (START, started(), STOP, SAFE), ()),
        ((setting(),), (START,), (SetChamber(temperature_celsius=55.0),)),
    ],
)
def test_what_may_not_have_been_done_is_done_again(
    steps: tuple[Any, ...], events: tuple[Event, ...], due: tuple[Effect, ...]
) -> None:
    before, _ = after(plan(*steps), *events)
    run, effects = advance(before, RESUMED, 0.0)
    assert effects == due
    assert (run.resume_count, run.phase, run.segment, run.fold) == (1, before.phase, before.segment, before.fold)


def test_segment_that_was_decided_and_never_started_is_started_now() -> None:
    run, _ = after(plan(*TWO), *second_segment(RESUMED))
    run, effects = advance(run, SegmentNotStarted(segment=2, power_was_cycled=False), 30.0)
    assert (run.phase, run.segment, run.start_due_second) == (Phase.STARTING, 2, 30.0)
    assert effects == (StartSegment(segment=2, position=1),)


def test_segment_that_may_have_lost_its_power_is_not_started_again() -> None:
    run, _ = after(plan(*TWO), *second_segment(RESUMED))
    run, effects = advance(run, SegmentNotStarted(segment=2, power_was_cycled=True), 30.0)
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.FAILED)
    assert "power was cycled when rest was to start" in run.reason
    assert effects == (MakeSafe(why=run.reason),)


def test_equilibration_that_was_complete_is_ended_when_the_daemon_is_back() -> None:
    run, _ = after(plan(equilibrate(), rest()), START, started(), EQUILIBRATED)
    assert advance(run, RESUMED, 0.0)[1] == (EndSegment(segment=1),)


def test_segment_before_a_setpoint_is_compacted_when_the_daemon_is_back() -> None:
    run, _ = after(plan(charge(), setting()), START, started(), AT_LIMIT)
    run, effects = advance(run, ended(run), 0.0)
    assert advance(run, RESUMED, 0.0)[1] == effects
    assert CompactSegment(segment=1) in effects


def test_segment_is_due_when_its_start_was_decided_and_stays_so() -> None:
    run, _ = advance(Run(plan=plan(*TWO)), START, 7.5)
    assert run.start_due_second == 7.5
    run, _ = advance(run, RESUMED, 90.0)
    assert run.start_due_second == 7.5, "it may have been started then"
    for event, at_second in ((started(second=8.0), 91.0), (AT_LIMIT, 900.0)):
        run, _ = advance(run, event, at_second)
    run, _ = advance(run, ended(run), 901.25)
    assert (run.segment, run.start_due_second) == (2, 901.25)


@pytest.mark.parametrize("before", [(START,), (START, started()), (START, started(), stored())])
@pytest.mark.parametrize(("event", "outcome"), [(STOP, Outcome.STOPPED), (FAILED, Outcome.FAILED)])
def test_stop_and_failure_make_safe_first(before: tuple[Event, ...], event: Event, outcome: Outcome) -> None:
    run, effects = after(plan(charge(), rest()), *before, event)
    assert (run.phase, run.outcome) == (Phase.STOPPING, outcome)
    assert effects == (MakeSafe(why=run.reason),)


def test_first_reason_to_stop_is_kept() -> None:
    stopping, _ = after(plan(charge(), interlocks=(interlock("high"),)), START, started(), STOP)
    for event in (FAILED, STOP, stored(breaches=(breach("high"),))):
        run, effects = advance(stopping, event, 0.0)
        assert (run.outcome, run.reason, effects) == (Outcome.STOPPED, "stopped by ada", ())


def test_segment_that_starts_after_the_stop_is_not_measured_on() -> None:
    run, _ = after(plan(charge(), rest()), START, STOP, started(second=3.0))
    assert (run.phase, run.segment_started_second) == (Phase.STOPPING, 3.0)


def test_nothing_follows_a_segment_that_was_stopped() -> None:
    run, _ = after(plan(charge(), rest()), START, started(), STOP, AT_LIMIT)
    run, effects = advance(run, ended(run), 0.0)
    assert (run.phase, run.segment, run.segment_ended) == (Phase.STOPPING, 1, True)
    assert effects == (CompactSegment(segment=1),)


def test_finished_run_stays_so() -> None:
    finished = measuring(charge(), STOP, MadeSafe(verified=True, text=""))
    assert finished.phase == Phase.FINISHED
    for event in (STOP, FAILED):
        assert advance(finished, event, 0.0) == (finished, ())


HIGH, HOT, ODD = interlock("high"), interlock("hot", "hold", rows_needed=3), interlock("odd", "warn")


@pytest.mark.parametrize(
    ("breaches", "outcome", "reason"),
    [
        ((breach("high"),), Outcome.TRIPPED, "high: voltage_under_current_volt 4.25"),
        ((breach("hot", 3),), Outcome.HELD, "hot: voltage_under_current_volt 4.25"),
        ((breach("hot", 3), breach("high"), breach("odd")), Outcome.TRIPPED, "high: voltage_under_current_volt 4.25"),
        ((breach("hot", 2),), None, ""),
        ((breach("odd"),), None, ""),
        ((), None, ""),
    ],
)
def test_interlocks_end_the_run(breaches: tuple[Breach, ...], outcome: Outcome | None, reason: str) -> None:
    table: tuple[Interlock, ...] = (ODD, HOT, HIGH)
    events = (START, started(), stored(breaches=breaches))
    run, effects = after(plan(charge(), interlocks=table), *events)
    assert (run.outcome, run.reason) == (outcome, reason)
    assert effects == (() if outcome is None else (MakeSafe(why=reason),))


def test_warning_is_kept_once() -> None:
    worse = Breach(interlock="odd", worst_value=4.5, longest_rows=1, trailing_rows=0)
    blocks = (stored(breaches=(breach("odd"),)), stored(11, breaches=(worse,)))
    run, effects = after(plan(charge(), interlocks=(ODD,)), START, started(), *blocks)
    assert (run.phase, effects) == (Phase.MEASURING, ())
    assert run.warnings == ("odd: voltage_under_current_volt 4.25",)


def test_rows_that_break_an_interlock_are_carried_within_a_segment_only() -> None:
    events = (START, started(), stored(last=row(900.0, 3.7), breaches=(breach("hot", 2),)))
    run, _ = after(plan(charge(), rest(), interlocks=(HOT,)), *events)
    assert run.fold.carried_rows == {"hot": 2}
    assert advance(run, ended(run), 0.0)[0].fold.carried_rows == {}


@pytest.mark.parametrize(
    ("steps", "executed"),
    [
        ((charge(), loop(0, 1), rest()), [0, 2]),
        ((charge(), loop(0, 3), rest()), [0, 0, 0, 2]),
        ((charge(), rest(), loop(1, 2), loop(0, 2)), [0, 1, 1, 0, 1, 1]),
        ((charge(), loop(0, 2), loop(0, 2)), [0, 0, 0, 0]),
    ],
)
def test_loops_are_passed_as_often_as_written(steps: tuple[Any, ...], executed: list[int]) -> None:
    run, effects = after(plan(*steps), START)
    positions = []
    while run.phase == Phase.STARTING:
        positions += [effect.position for effect in effects if isinstance(effect, StartSegment)]
        last = row(3600.0, 3.7)
        for event in (started(run.segment), stored(run.rows + 1, last=last)):
            run = advance(run, event, 0.0)[0]
        run, effects = advance(run, ended(run), 0.0)
    assert positions == executed
    assert (run.outcome, run.passes) == (Outcome.COMPLETED, {})


@pytest.mark.parametrize("step", [loop(0, 2), setting()])
def test_loop_and_setpoint_have_no_segment(step: Any) -> None:
    with pytest.raises(TypeError, match="no segment"):
        _ = Run(plan=plan(step)).step


SET = ChamberSet(temperature_celsius=55.0)


def test_setpoint_is_given_before_the_next_step_starts() -> None:
    run, effects = after(plan(setting(), rest()), START)
    assert (run.phase, run.position, run.segment) == (Phase.SETTING, 0, 0)
    assert effects == (SetChamber(temperature_celsius=55.0),)
    run, effects = advance(run, SET, 0.0)
    assert (run.phase, run.position, run.segment) == (Phase.STARTING, 1, 1)
    assert effects == (StartSegment(segment=1, position=1),)


def test_setpoint_that_reads_back_after_the_stop_starts_nothing() -> None:
    stopping, _ = after(plan(setting(), rest()), START, STOP)
    assert advance(stopping, SET, 0.0) == (stopping, ())


def readings(*arguments: Any, **named: Any) -> ReadingsStored:
    return ReadingsStored(summary=jig_readings(*arguments, **named))


EQUILIBRATED = readings(100.0, 7300.0, 54.5, 55.5)


@pytest.mark.parametrize(
    ("stored_readings", "since_second", "complete"),
    [
        ([EQUILIBRATED], 100.0, True),
        ([readings(100.0, 7299.0, 55.0)], 100.0, False),
        ([readings(100.0, 7300.0, 54.4, 55.0)], 7300.0, False),
        ([readings(100.0, 7300.0, 55.0, 55.6)], None, False),
        ([readings(100.0, 200.0, 55.0), readings(260.0, 7300.0, 55.2)], 100.0, True),
        (
            [readings(100.0, 200.0, 55.0), readings(260.0, 7299.0, 54.0, 55.0), readings(7300.0, 9000.0, 55.0)],
            7299.0,
            False,
        ),
        ([readings(100.0, 7300.0)], None, False),
        ([readings(100.0, 7300.0, 55.0, rows_without_reading=1)], None, False),
        ([readings(100.0, 7000.0, 55.0), readings(7001.0, 7002.0), readings(7003.0, 9000.0, 55.0)], 7003.0, False),
        (
            [
                readings(100.0, 7000.0, 55.0),
                readings(7001.0, 7300.0, 55.0, rows_without_reading=1),
                readings(7310.0, 14510.0, 55.0),
            ],
            7310.0,
            True,
        ),
    ],
)
def test_jig_has_to_stay_in_its_band(
    stored_readings: list[ReadingsStored], since_second: float | None, complete: bool
) -> None:
    run, effects = after(plan(equilibrate(), rest()), START, started(), *stored_readings)
    assert (run.in_band_since_second, run.fold.equilibrated) == (since_second, complete)
    assert effects == ((EndSegment(segment=1),) if complete else ())


def test_segment_is_told_to_end_once_and_ends_as_written() -> None:
    again = readings(7301.0, 7302.0, 55.0)
    run, effects = after(plan(equilibrate(), rest()), START, started(), EQUILIBRATED, stored(), again)
    assert effects == ()
    record = end_of_segment(run, power_was_cycled=False)
    assert (record.ended_by, record.abnormal) == ("equilibrated", False)
    assert advance(run, SegmentEnded(record=record), 0.0)[0].in_band_since_second is None


@pytest.mark.parametrize(("on_timeout", "abnormal"), [("hold", True), ("continue", False)])
def test_equilibration_that_takes_too_long(on_timeout: str, abnormal: bool) -> None:
    record = record_of(equilibrate(on_timeout=on_timeout), row(21600.0, 3.0))
    assert (record.ended_by, record.abnormal) == ("timeout", abnormal)


def test_only_an_equilibration_follows_the_jig() -> None:
    for before in ((START,), (START, started())):
        assert after(plan(rest()), *before, EQUILIBRATED)[0].in_band_since_second is None
    assert after(plan(equilibrate()), START, EQUILIBRATED)[0].in_band_since_second is None


def test_other_streams_trip_too_and_count_rows_of_their_own() -> None:
    hot = interlock("hot", quantity="jig_temperature_celsius", high=70.0, rows_needed=3)
    once = Breach(interlock="hot", worst_value=71.0, longest_rows=2, trailing_rows=2)
    two = readings(0.0, 1.0, 71.0, 71.0, breaches=(once,))
    run, effects = after(plan(rest(), interlocks=(hot,)), START, started(), two)
    assert (run.stream_rows, run.stream_carried_rows, effects) == ({"temperature": 2}, {"temperature": {"hot": 2}}, ())
    assert advance(run, stored(), 0.0)[0].stream_carried_rows == {"temperature": {"hot": 2}}
    run, _ = advance(run, readings(2.0, 3.0, 60.0, first_seq=3), 0.0)
    assert run.stream_carried_rows == {"temperature": {}}
    tripping = Breach(interlock="hot", worst_value=71.5, longest_rows=3, trailing_rows=3)
    run, effects = advance(run, readings(4.0, 5.0, 71.5, first_seq=4, breaches=(tripping,)), 0.0)
    assert (run.outcome, run.reason) == (Outcome.TRIPPED, "hot: jig_temperature_celsius 71.5")
    assert effects == (MakeSafe(why=run.reason),)


TIMED = {"until_voltage_volt": None, "until_time_second": 1800.0}
BOTH = {"until_time_second": 1800.0}
AFTER_TOLERANCE = TIME_TOLERANCE_SECOND + 0.001
JUST_REACHED_VOLT = 3.7 - LIMIT_TOLERANCE_VOLT + MICROVOLT
WITHIN_TOLERANCE = TIME_TOLERANCE_SECOND - 0.001


@pytest.mark.parametrize(
    ("step", "elapsed_second", "voltage_volt", "ended_by", "abnormal"),
    [
        (charge(), 900.0, 3.7, "voltage", False),
        (charge(), 900.0, 3.7021, "voltage", False),
        (charge(), 900.0, JUST_REACHED_VOLT, "voltage", False),
        (charge(), 900.0, JUST_REACHED_VOLT - 2 * MICROVOLT, "unknown", True),
        (charge(), 900.0, 3.695, "unknown", True),
        (charge(), 900.0, 1.9, "unknown", True),
        (charge(), 900.0, 1.9 - MICROVOLT, "guard_voltage", True),
        (charge(), 900.0, None, "unknown", True),
        (charge(), 54000.0, 3.7, "voltage", False),
        (charge(), 54000.0, JUST_REACHED_VOLT - 2 * MICROVOLT, "guard_time", True),
        (charge(), 54000.0 - WITHIN_TOLERANCE, 3.2, "guard_time", True),
        (charge(), 54000.0 - AFTER_TOLERANCE, 3.2, "unknown", True),
        (discharge(), 900.0, 2.0, "voltage", False),
        (discharge(), 900.0, 2.0 - 0.002, "voltage", False),
        (discharge(), 900.0, 2.0 + LIMIT_TOLERANCE_VOLT - MICROVOLT, "voltage", False),
        (discharge(), 900.0, 2.0 + LIMIT_TOLERANCE_VOLT + MICROVOLT, "unknown", True),
        (discharge(), 900.0, 3.8 + MICROVOLT, "guard_voltage", True),
        (charge(**TIMED), 1800.0, 3.9, "time", False),
        (charge(**TIMED), 1800.0 - WITHIN_TOLERANCE, 3.2, "time", False),
        (charge(**TIMED), 1800.0 - AFTER_TOLERANCE, 3.2, "unknown", True),
        (charge(**TIMED), 1700.0, 3.8 + MICROVOLT, "guard_voltage", True),
        (charge(**TIMED), 1700.0, 3.7, "unknown", True),
        (charge(**BOTH), 1800.0, 3.7, "voltage", False),
        (charge(**BOTH), 1800.0, 3.2, "time", True),
        (rest(), 3600.0, 3.0, "time", False),
        (rest(), 3600.0 - WITHIN_TOLERANCE, 3.0, "time", False),
        (rest(), 3600.0 - AFTER_TOLERANCE, 3.0, "unknown", True),
        (rest(), 100.0, 3.7, "unknown", True),
        (rest(), 100.0, 0.9, "guard_voltage", True),
        (rest(), 100.0, None, "unknown", True),
    ],
)
def test_what_ended_a_segment(
    step: CurrentStep | RestStep, elapsed_second: float, voltage_volt: float | None, ended_by: str, abnormal: bool
) -> None:
    record = record_of(step, row(elapsed_second, voltage_volt))
    assert (record.ended_by, record.abnormal) == (ended_by, abnormal)


@pytest.mark.parametrize("last", [row(900.0, 3.7), row(900.0, 3.2)])
def test_lost_power_ended_it_whatever_the_rows_say(last: Row) -> None:
    record = end_of_segment(measuring(charge(), stored(last=last)), power_was_cycled=True)
    assert (record.ended_by, record.abnormal) == ("power_lost", True)


def test_segment_without_rows_ended_by_nobody_knows_what() -> None:
    record = end_of_segment(measuring(charge()), power_was_cycled=False)
    assert (record.ended_by, record.abnormal, record.rows) == ("unknown", True, 0)
    assert record.start_run_time_second == record.end_run_time_second == 100.0


@pytest.mark.parametrize(
    ("events", "ended_by"),
    [
        ((STOP, BEFORE_LIMIT), "stopped"),
        ((FAILED, BEFORE_LIMIT), "unknown"),
        ((STOP,), "stopped"),
        ((stored(breaches=(breach("high"),)),), "interlock"),
        ((stored(breaches=(breach("hot", 3),)),), "interlock"),
    ],
)
def test_what_ended_a_segment_that_was_stopped(events: tuple[Event, ...], ended_by: str) -> None:
    run, _ = after(plan(charge(), interlocks=(HIGH, HOT)), START, started(), *events)
    record = end_of_segment(run, power_was_cycled=False)
    assert (record.ended_by, record.abnormal) == (ended_by, True)


@pytest.mark.parametrize("why", [STOP, FAILED, stored(first_seq=1, breaches=(breach("high"),))])
def test_segment_that_had_reached_its_limit_before_it_was_stopped_ended_by_it(why: Event) -> None:
    at_limit = stored(11, last=row(900.0, 3.7)) if isinstance(why, BlockStored) else AT_LIMIT
    run, _ = after(plan(charge(), interlocks=(HIGH,)), START, started(), why, at_limit)
    record = end_of_segment(run, power_was_cycled=False)
    assert (run.phase, record.ended_by, record.abnormal) == (Phase.STOPPING, "voltage", False)
    assert end_of_segment(run, power_was_cycled=True).ended_by == "power_lost"


@pytest.mark.parametrize(
    ("step", "voltage_volt", "overshoot_volt"),
    [
        (charge(), 3.7, 0.0),
        (charge(), 3.7021, 0.0021),
        (charge(), 3.6995, -0.0005),
        (discharge(), 1.9985, 0.0015),
        (discharge(), 2.0005, -0.0005),
        (charge(), 3.6, None),
        (rest(), 3.0, None),
    ],
)
def test_overshoot(step: CurrentStep | RestStep, voltage_volt: float, overshoot_volt: float | None) -> None:
    assert record_of(step, row(3600.0, voltage_volt)).overshoot_volt == pytest.approx(overshoot_volt, abs=1e-12)


def test_record_says_what_was_asked_and_measured() -> None:
    blocks = (
        stored(1, 10, row(9.0, 3.1), first=row(0.0, 2.5), charge_in_ampere_hour=0.003, energy_in_watt_hour=0.01),
        stored(11, 5, row(14.5, 3.7), charge_in_ampere_hour=0.001, charge_out_ampere_hour=0.0005),
    )
    record = end_of_segment(measuring(charge(), *blocks), power_was_cycled=False)
    assert record == SegmentRecord(
        segment=1,
        step_id="charge",
        step_type="constant_current",
        block="formation",
        half="charge",
        rate_C=0.1,
        ended_by="voltage",
        abnormal=False,
        start_run_time_second=100.0,
        end_run_time_second=114.5,
        rows=15,
        charge_ampere_hour=pytest.approx(0.0035, rel=1e-12),
        energy_watt_hour=pytest.approx(0.01, rel=1e-12),
        first_voltage_volt=2.5,
        last_voltage_volt=3.7,
        overshoot_volt=0.0,
        reached=Reached(
            ended_by="voltage", quantity="voltage_volt", limit_value=3.7, measured_value=3.7, overshoot=0.0
        ),
    )


def test_record_of_a_rest_has_no_half() -> None:
    record = record_of(rest(), row(3600.0, 3.0))
    assert (record.step_type, record.half, record.rate_C) == ("open_circuit_voltage", None, None)

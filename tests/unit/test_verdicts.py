"""What a broken interlock means for a run: told, held after the half-cycle, held at once; what a cycle says."""

import msgspec
import pytest

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Outcome, Phase, Reading, Run
from daemon.deciding.silence import flag_texts, flagged, fresh, newly_silent
from daemon.deciding.verdicts import accepted, with_watch
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    ChamberSet,
    Effect,
    Event,
    MadeSafe,
    MakeSafe,
    Noticed,
    PauseRequested,
    ReadingsStored,
    Resumed,
    ResumeRequested,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    Silent,
    Warned,
)
from daemon.plan import PlanStep
from daemon.settling import Settled
from daemon.watching import Tail
from tests.support.plans import block, charge, discharge, equilibrate, hold, jig_readings, plan, rest, row, setting
from tests.support.watched_run import WatchedRun, table

JIG, PRESSURE = "jig_temperature_celsius", "surface_pressure_pa"
SETTLED = Settled(celsius=55.0, pascal=13e6)


def after(run: Run, *events: Event) -> tuple[Run, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    for event in events:
        run, effects = advance(run, event, 0.0)
    return run, effects


def begun(*steps: PlanStep) -> Run:
    """A run under way in its first step, with the whole safety table; its cell has been looked at."""
    return after(Run(plan=plan(*steps, interlocks=table()), has_driven=True), RunStarted(), started(1))[0]


def started(segment: int) -> SegmentStarted:
    return SegmentStarted(segment=segment, started_second=0.0)


def ended(run: Run, last_volt: float, elapsed_second: float, charge_ampere_hour: float = 0.0) -> Run:
    """The run after its segment has ended with such a row, having passed so much charge."""
    step = run.step
    way = "charge_in_ampere_hour" if getattr(step, "half", "charge") == "charge" else "charge_out_ampere_hour"
    summary = block(run.rows + 1, 10, row(elapsed_second, last_volt), **{way: charge_ampere_hour})
    run, _ = after(run, BlockStored(segment=run.segment, summary=summary))
    record = end_of_segment(run, power_was_cycled=False)
    run, _ = after(run, SegmentEnded(record=record))
    if run.phase is Phase.STARTING:
        run, _ = after(run, started(run.segment))
    return run


def cycled(*milliampere_hours: float) -> Run:
    """Charges and discharges in turn, each to its limit."""
    steps = [charge("c") if half % 2 == 0 else discharge("d") for half in range(len(milliampere_hours) + 1)]
    steps = [msgspec.structs.replace(step, step_id=f"{at}") for at, step in enumerate(steps)]
    run = begun(*steps)
    for half, charge_mAh in enumerate(milliampere_hours):
        run = ended(run, 3.7 if half % 2 == 0 else 2.0, 3600.0, charge_mAh / 1000)
    return run


@pytest.mark.parametrize(
    ("charges", "held_by"),
    [
        ((2.0, 1.41), None),
        ((2.0, 1.39), "first_efficiency_low: first_coulombic_efficiency_percent 69.5"),
        ((2.0, 1.41, 2.0, 1.61), None),
        ((2.0, 1.41, 2.0, 1.59), "efficiency_low: coulombic_efficiency_percent 79.5"),
    ],
)
def test_a_cycle_that_gives_too_little_back_holds_the_run_after_it(
    charges: tuple[float, ...], held_by: str | None
) -> None:
    run = cycled(*charges)
    if held_by is None:
        assert (run.phase, run.position) == (Phase.MEASURING, len(charges))
    else:
        assert (run.phase, run.held_as, run.reason) == (Phase.HALTING, Outcome.HELD, held_by)


def test_a_half_that_was_interrupted_is_not_judged() -> None:
    run = cycled(2.0)
    record = end_of_segment(run, power_was_cycled=False)
    record = msgspec.structs.replace(
        record, ended_by="voltage", abnormal=False, charge_ampere_hour=-0.0001, continues=True
    )
    run, _ = after(run, SegmentEnded(record=record))
    assert run.phase is not Phase.HALTING


UNKNOWN = Silent(quantity=JIG, age_second=601.0)


def test_unknown_temperature_lets_the_half_cycle_finish_and_then_holds() -> None:
    run, effects = after(begun(charge(), rest()), UNKNOWN)
    assert (run.phase, effects) == (Phase.MEASURING, ())
    assert run.fold.hold_after_half.startswith("jig_temperature_unknown: ")
    run = ended(run, 3.7, 3600.0, 0.002)
    assert (run.phase, run.held_as) == (Phase.HALTING, Outcome.HELD)
    assert run.reason == "jig_temperature_unknown: jig_temperature_age_second 601"
    assert run.step_done


PAUSE = PauseRequested(by="ada")
SAFE = MadeSafe(verified=True, drained=True, text="")


def aborted(run: Run, elapsed_second: float, last_volt: float) -> Run:
    """The run once its segment was ended by us, at such a row."""
    summary = block(run.rows + 1, 10, row(elapsed_second, last_volt))
    run, _ = after(run, BlockStored(segment=run.segment, summary=summary))
    return after(run, SegmentEnded(record=end_of_segment(run, power_was_cycled=False)), SAFE)[0]


def test_half_whose_voltage_is_held_is_over_after_that() -> None:
    run, _ = after(begun(charge(), hold(), rest()), UNKNOWN)
    run = ended(run, 3.7, 3600.0, 0.002)
    assert (run.phase, run.position) == (Phase.MEASURING, 1)
    summary = block(run.rows + 1, 10, row(600.0, 3.7, 9e-6), charge_in_ampere_hour=1e-4)
    run, _ = after(run, BlockStored(segment=run.segment, summary=summary))
    run, _ = after(run, SegmentEnded(record=end_of_segment(run, power_was_cycled=False)))
    assert (run.phase, run.held_as) == (Phase.HALTING, Outcome.HELD)
    assert run.reason.startswith("jig_temperature_unknown: ")
    (half,) = run.watch.cycling.halves
    assert half.charge_ampere_hour == pytest.approx(0.0021)


def test_half_that_ends_in_a_pause_holds_for_what_it_showed() -> None:
    """The limit was met in the moment in which somebody paused."""
    run, _ = after(begun(charge(), rest()), UNKNOWN, PAUSE)
    assert run.held_as is Outcome.STOPPED
    run = ended(run, 3.7, 3600.0, 0.002)
    assert (run.phase, run.held_as) == (Phase.HALTING, Outcome.HELD)
    assert run.reason == "paused by ada; jig_temperature_unknown: jig_temperature_age_second 601"


def test_hold_after_the_half_outlives_a_pause_in_it() -> None:
    run = aborted(after(begun(charge(), rest()), UNKNOWN, PAUSE)[0], 100.0, 3.0)
    assert (run.phase, run.held_as, run.reason) == (Phase.HOLDING, Outcome.STOPPED, "paused by ada")
    run, _ = after(run, ResumeRequested(by="ada", unchecked=True))
    run, _ = after(run, started(run.segment))
    assert run.phase is Phase.MEASURING
    run = ended(run, 3.7, 3600.0, 0.002)
    assert (run.phase, run.held_as) == (Phase.HALTING, Outcome.HELD)
    assert run.reason == "jig_temperature_unknown: jig_temperature_age_second 601"


def test_interlock_that_trips_ends_a_held_run() -> None:
    held = aborted(after(begun(charge()), PAUSE)[0], 100.0, 3.0)
    assert WatchedRun(held).temperature([66.0] * 3).run.outcome is Outcome.TRIPPED


@pytest.mark.parametrize("run", [begun(rest()), begun(equilibrate())], ids=["rest", "equilibration"])
def test_unknown_temperature_holds_at_once_where_there_is_no_half_cycle(run: Run) -> None:
    run, effects = after(run, UNKNOWN)
    assert (run.phase, run.held_as) == (Phase.HALTING, Outcome.HELD)
    assert isinstance(effects[0], MakeSafe)


def test_lost_load_cell_only_warns() -> None:
    run, effects = after(begun(charge()), Silent(quantity=PRESSURE, age_second=1e6))
    assert (run.phase, effects) == (Phase.MEASURING, ())
    assert run.warnings == ("pressure_silent: surface_pressure_age_second 1e+06",)
    assert after(run, Warned(text=run.warnings[0])) == (run, ())


def equilibrated(*later: PlanStep) -> Run:
    """The run after its equilibration, in the step that follows."""
    run, _ = after(Run(plan=plan(setting(), equilibrate(), *later, interlocks=table())), RunStarted())
    run, _ = after(run, ChamberSet(temperature_celsius=55.0), started(1))
    assert run.watch.settled == Settled()
    run, _ = after(run, ReadingsStored(summary=jig_readings(0.0, 7200.0, 55.0, 55.1)))
    return ended(run, 2.2, 7201.0)


def test_an_equilibration_settles_and_the_next_setpoint_unsettles() -> None:
    run = equilibrated(charge(), setting("cool", 25.0), rest())
    assert run.watch.settled == Settled(celsius=55.0, is_due=True)
    watched = WatchedRun(run).temperature([57.5, 57.6])
    assert watched.run.stream_carried_rows["temperature"] == {"jig_temperature_drifts": 2}
    run = ended(watched.run, 3.7, 3600.0, 0.001)
    assert (run.phase, run.watch.settled, run.stream_carried_rows) == (Phase.SETTING, Settled(), {})


def test_a_rest_settles_pressure_where_nothing_was_equilibrated() -> None:
    run = ended(begun(rest(), charge()), 2.2, 3600.0)
    assert run.watch.settled == Settled(is_due=True)
    assert run.rested_volt == 2.2
    assert msgspec.structs.replace(run, segment=run.segment + 1).rested_volt is None
    run = ended(run, 3.7, 3600.0, 0.001)
    assert (run.rested_volt, run.watch.rested) == (None, None)


def test_a_short_rest_says_nothing_of_a_rested_cell() -> None:
    run = ended(begun(rest(until_time_second=599.0), charge()), 2.2, 599.0)
    assert (run.watch.settled, run.watch.rested) == (Settled(), None)


def test_a_jig_on_its_way_back_is_not_held_for_being_away() -> None:
    run = with_watch(begun(charge()), settled=SETTLED)
    recovering = msgspec.structs.replace(run, recovery=equilibrate("back"))
    assert WatchedRun(run).temperature([40.0] * 3).run.phase is Phase.HALTING
    assert WatchedRun(recovering).temperature([40.0] * 3).run.phase is Phase.MEASURING
    assert WatchedRun(recovering).temperature([66.0] * 3).run.outcome is Outcome.TRIPPED


@pytest.mark.parametrize(("last_pascal", "is_new"), [(12e6, False), (9e6, True)])
def test_a_person_who_lets_a_run_go_on_accepts_its_pressure(last_pascal: float, is_new: bool) -> None:
    run = with_watch(begun(charge()), settled=SETTLED)
    run = msgspec.structs.replace(run, readings={PRESSURE: Reading(second=0.0, value=last_pascal)})
    assert accepted(run).watch.settled == (Settled(celsius=55.0, is_due=True) if is_new else SETTLED)
    held = msgspec.structs.replace(run, phase=Phase.HOLDING, held_as=Outcome.HELD, segment_ended=True)
    went_on, _ = after(held, ResumeRequested(by="ada", unchecked=True))
    assert went_on.watch.settled.is_due == is_new
    by_itself, _ = after(held, ResumeRequested(by="the time-out of ask", unchecked=True, nobody_looked=True))
    assert by_itself.watch.settled == SETTLED


HEARD = {JIG: Tail(read_second=100.0), PRESSURE: Tail(read_second=100.0)}


@pytest.mark.parametrize(
    "event", [Resumed(cause="kill -9", away_second=9e3), Noticed(what="away", text="the daemon did not run for 9000 s")]
)
def test_silence_counts_anew_when_nobody_had_listened(event: Event) -> None:
    run = with_watch(begun(charge()), tails=HEARD)
    run, _ = advance(run, event, 9100.0)
    assert {tail.read_second for tail in run.watch.tails.values()} == {9100.0}
    assert list(newly_silent(run, ("pressure", "temperature"), 9160.0)) == []
    assert [silent.quantity for silent in newly_silent(run, ("pressure",), 9161.0)] == [PRESSURE]


def test_each_silence_is_told_once() -> None:
    run = with_watch(begun(charge()), tails=HEARD)
    told = []
    for second in range(100, 1000):
        for silent in newly_silent(run, ("pressure", "temperature"), float(second)):
            told.append((second, silent.quantity))
            run, _ = after(run, silent)
    assert told == [(161, JIG), (161, PRESSURE), (701, JIG)]
    assert run.phase is Phase.MEASURING
    assert list(newly_silent(begun(charge()), (), 1e6)) == []


def test_a_run_that_is_held_is_told_of_silence_and_not_held_again() -> None:
    held = msgspec.structs.replace(with_watch(begun(rest()), tails=HEARD), phase=Phase.HOLDING)
    assert [silent.quantity for silent in newly_silent(held, ("pressure", "temperature"), 1e3)] == [JIG, PRESSURE]
    for silent in newly_silent(held, ("pressure", "temperature"), 1e3):
        held, _ = after(held, silent)
    assert held.phase is Phase.HOLDING
    assert list(newly_silent(held, ("pressure", "temperature"), 2e3)) == []
    finished = msgspec.structs.replace(held, phase=Phase.FINISHED, warnings=())
    assert list(newly_silent(finished, ("pressure", "temperature"), 2e3)) == []


def test_what_is_stale_is_not_shown() -> None:
    run = msgspec.structs.replace(with_watch(begun(charge()), tails=HEARD), stream_rows={"pressure": 9})
    readings = {JIG: 55.0, PRESSURE: 13e6, "displayed_load": 104.0}
    assert fresh(run, readings, 105.0) == readings
    assert fresh(run, readings, 105.1) == {JIG: 55.0}
    assert flagged(run, 105.5) == {PRESSURE: 5.5}
    assert flag_texts(run, 112.0) == ["no surface_pressure_pa for 12 s"]
    run, _ = after(run, UNKNOWN)
    assert flag_texts(run, 105.0) == [f"to be held after this half-cycle: {run.fold.hold_after_half}"]

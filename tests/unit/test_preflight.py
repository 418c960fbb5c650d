"""The look at a cell before its first current: what holds a run, what a rest is put in for, and when nobody looks."""

import msgspec
import numpy as np
import pytest

from daemon.compiling.bounds import bounds_for
from daemon.compiling.interlock_table import interlock_table
from daemon.deciding.endings import end_of_segment
from daemon.deciding.preflight import PREFLIGHT_SECOND
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.engine import advance
from daemon.events import (
    ChamberSet,
    Effect,
    Event,
    MadeSafe,
    ResumeRequested,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    SkipRequested,
    StartSegment,
    Tell,
)
from daemon.plan import Interlock, PlanStep
from daemon.rig import program_for
from daemon.running.intake import cell_rows
from drivers.roles import ReadingBlock
from protocols.settings import Safety
from tests.support.plans import charge, discharge, equilibrate, plan, rest, setting, wait

GOOD_VOLT = 2.6
UNREAD = float("nan")


def table(*, symmetric: bool = False, **safety: float) -> tuple[Interlock, ...]:
    bounds = bounds_for(Safety(**safety), largest_ampere=0.0004, active_mass_gram=0.0075, slowest_sampling_second=1.0)
    return interlock_table(bounds, is_symmetric=symmetric)


class Story:
    """A run whose segments are lived through, each at one voltage. `asked` is what was to be started, in order."""

    def __init__(self, *steps: PlanStep, interlocks: tuple[Interlock, ...] | None = None) -> None:
        self.run = Run(plan=plan(*steps, interlocks=table() if interlocks is None else interlocks))
        self.now_second = 0.0
        self.asked: list[str] = []
        self.told: list[str] = []
        self.happen(RunStarted())

    def happen(self, event: Event, after_second: float = 0.0) -> tuple[Effect, ...]:
        self.now_second += after_second
        self.run, effects = advance(self.run, event, self.now_second)
        self.asked += [self.run.step_id for effect in effects if isinstance(effect, StartSegment)]
        self.told += [effect.what for effect in effects if isinstance(effect, Tell)]
        return effects

    def live(self, volt: float) -> "Story":
        """The present segment, from its start to the end of its time."""
        program, segment = program_for(self.run.step), self.run.segment
        self.happen(SegmentStarted(segment=segment, started_second=self.now_second))
        second = np.array([0.0, program.duration_second / 2, program.duration_second])
        status = np.zeros(3, np.int64)
        volts, amperes = np.full(3, volt), np.full(3, program.current_ampere)
        event, _ = cell_rows(self.run, ReadingBlock(1, second, volts, amperes, status, status))
        self.happen(event, program.duration_second)
        if self.run.phase is Phase.MEASURING:
            self.happen(SegmentEnded(record=end_of_segment(self.run, power_was_cycled=False)))
        return self

    def hold(self) -> "Story":
        """Its instrument is at open circuit, as was asked."""
        self.happen(MadeSafe(verified=True, text=""))
        assert self.run.phase is Phase.HOLDING
        return self


def timed(**changed: object) -> PlanStep:
    return charge("push", until_voltage_volt=None, until_time_second=60.0, **changed)


def test_a_run_that_rests_first_is_judged_by_its_last_row_and_gets_no_other_rest() -> None:
    story = Story(rest(), timed(), discharge()).live(GOOD_VOLT).live(GOOD_VOLT)
    assert story.asked == ["rest", "push", "discharge"]
    assert story.told == []


def test_a_run_that_begins_with_a_current_is_looked_at_first() -> None:
    story = Story(timed(), discharge())
    assert story.asked == ["push/preflight"]
    program = program_for(story.run.step)
    assert (program.current_ampere, program.duration_second) == (0.0, PREFLIGHT_SECOND)
    assert program.lower_guard_volt == -program.upper_guard_volt
    story.live(GOOD_VOLT).live(GOOD_VOLT)
    assert story.asked == ["push/preflight", "push", "discharge"]
    assert story.told == []
    assert story.run.warnings == ()


@pytest.mark.parametrize(
    ("volt", "points_at"),
    [
        (-GOOD_VOLT, "leads are exchanged"),
        (-0.051, "leads are exchanged"),
        (0.0, "shorted, or a lead is off"),
        (0.05, "shorted, or a lead is off"),
        (1.4, "shorted softly or emptied"),
        (3.61, "a lead is off, or the cell is another"),
    ],
)
def test_what_cannot_be_the_cell_holds_the_run_before_anything_is_driven(volt: float, points_at: str) -> None:
    story = Story(timed()).live(volt).hold()
    assert story.asked == ["push/preflight"]
    assert not story.run.has_driven
    assert story.run.held_as is Outcome.HELD
    assert f"{volt:.3f} V at open circuit before the first current, outside 1.5 V to 3.6 V" in story.run.reason
    assert points_at in story.run.reason
    assert "Nothing was driven" in story.run.reason


@pytest.mark.parametrize("volt", [1.5, 3.6])
def test_the_bounds_themselves_are_plausible(volt: float) -> None:
    assert Story(timed()).live(volt).asked == ["push/preflight", "push"]


def test_a_cell_that_fell_during_its_rest_is_held() -> None:
    story = Story(rest("soak"), rest(), timed()).live(GOOD_VOLT).live(1.2).hold()
    assert story.asked == ["soak", "rest"]


def test_the_first_row_of_a_run_that_rests_first_still_trips_and_says_what_it_points_at() -> None:
    story = Story(rest(lower_guard_volt=-3.0), timed()).live(-GOOD_VOLT)
    assert story.run.outcome is Outcome.TRIPPED
    assert "start_voltage" in story.run.reason
    assert "leads are exchanged" in story.run.reason


def test_a_voltage_that_was_not_read_is_none() -> None:
    story = Story(timed()).live(UNREAD)
    assert "no voltage could be read" in story.run.reason
    assert story.run.phase is Phase.HALTING
    assert story.asked == ["push/preflight"]


def test_a_wait_with_the_relay_open_tells_nothing() -> None:
    story = Story(wait(), timed())
    record = msgspec.structs.replace(end_of_segment(story.run, power_was_cycled=False), ended_by="time", abnormal=False)
    story.happen(SegmentStarted(segment=1, started_second=0.0))
    story.happen(SegmentEnded(record=record), 600.0)
    assert story.asked == ["wait", "push/preflight"]


@pytest.mark.parametrize(("second", "next_asked"), [(59.0, "push"), (61.0, "push/preflight")])
def test_a_rest_that_ended_long_ago_tells_nothing(second: float, next_asked: str) -> None:
    story = Story(rest(), setting(), timed()).live(GOOD_VOLT)
    story.happen(ChamberSet(temperature_celsius=55.0), second)
    assert story.asked == ["rest", next_asked]


@pytest.mark.parametrize("after_second", [1.0, 300.0])
def test_who_resumes_is_looked_after_again(after_second: float) -> None:
    story = Story(timed()).live(0.0).hold()
    story.happen(ResumeRequested(by="someone"), after_second)
    assert story.asked == ["push/preflight", "push/preflight"]
    story.live(GOOD_VOLT)
    assert story.asked == ["push/preflight", "push/preflight", "push"]


def test_who_skips_the_step_is_looked_after_before_the_next() -> None:
    story = Story(timed(), discharge()).live(0.0).hold()
    story.happen(SkipRequested(by="someone"), 300.0)
    assert story.asked == ["push/preflight", "discharge/preflight"]


def test_who_has_looked_may_say_so() -> None:
    story = Story(timed()).live(0.0).hold()
    story.happen(ResumeRequested(by="someone", unchecked=True), 300.0)
    assert story.asked == ["push/preflight", "push"]


def test_nobody_looks_a_second_time() -> None:
    story = Story(rest(), timed(), rest("pause"), discharge()).live(GOOD_VOLT).live(GOOD_VOLT).live(1.2)
    assert story.asked == ["rest", "push", "pause", "discharge"]


def test_a_plan_without_the_interlock_asks_for_nothing() -> None:
    assert Story(timed(), interlocks=()).asked == ["push"]


def test_an_equilibration_counts_as_a_rest() -> None:
    assert Story(equilibrate(on_timeout="continue"), timed()).live(GOOD_VOLT).asked == ["equilibrate", "push"]


@pytest.mark.parametrize(
    ("interlocks", "is_held"),
    [
        (table(symmetric=True, min_start_voltage_V=-0.1, max_start_voltage_V=0.1), False),
        (table(min_start_voltage_V=-0.1), True),
        (table(min_start_voltage_V=0.0), True),
        (table(min_start_voltage_V=-0.1, min_voltage_V=0.0), False),
    ],
)
def test_who_may_be_at_nothing(interlocks: tuple[Interlock, ...], is_held: bool) -> None:
    story = Story(timed(), interlocks=interlocks).live(0.001)
    assert story.asked == (["push/preflight"] if is_held else ["push/preflight", "push"])

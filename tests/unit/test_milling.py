"""The time of a blade at speed is never counted short, whoever dies when."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.mill.milling import Broken, Milling, Stage, after_look, begun, spoken_to, standing, stopped, taken_up
from drivers.roles import MillLook

LOSS_SECOND, RAMP_SECOND = 3.0, 4.8
UNTIL_SECOND, RUNS = 60.0, 15
RAMP_EVERY_SECOND, POLL_SECOND = 0.2, 1.0
LEAST_SECOND = 0.5


@dataclass
class Blade:
    """A drive by its own clock: it stops by itself `LOSS_SECOND` after the last word to it."""

    started_second: float | None = None
    stopped_second: float | None = None
    word_second: float = 0.0
    true_second: float = 0.0

    def start(self, second: float) -> None:
        self._settle()
        self.started_second, self.stopped_second, self.word_second = second, None, second

    def stop(self, second: float) -> None:
        if self.is_running(second):
            self.stopped_second = second

    def is_running(self, second: float) -> bool:
        return self.started_second is not None and second < self._off_second()

    def look(self, second: float) -> MillLook:
        running = self.is_running(second)
        at_speed = running and second >= (self.started_second or 0.0) + RAMP_SECOND
        if running:
            self.word_second = second
        return look_of(running=running, at_speed=at_speed)

    def total_second(self) -> float:
        self._settle()
        return self.true_second

    def _off_second(self) -> float:
        alone_second = self.word_second + LOSS_SECOND
        return alone_second if self.stopped_second is None else min(alone_second, self.stopped_second)

    def _settle(self) -> None:
        if self.started_second is not None:
            self.true_second += max(0.0, self._off_second() - self.started_second - RAMP_SECOND)
        self.started_second = None


def look_of(*, running: bool = True, at_speed: bool = True, fault: int = 0) -> MillLook:
    return MillLook(
        is_running=running,
        is_at_speed=at_speed,
        is_standing=not running,
        rpm=4000.0 if at_speed else 0.0,
        setpoint_rpm=4000.0,
        fault_code=fault,
        fault="EXT-A" if fault else "",
    )


def turned(blade: Blade, until_second: float, now_second: float, dies_second: float) -> tuple[Milling, float, bool]:
    """One pass as the daemon makes it: what it knew of it, the time, and whether it died.

    What it knew is what was stored: the look before its last one, at worst.
    """
    blade.start(now_second)
    milling = known = begun(until_second, LOSS_SECOND, now_second)
    while True:
        if milling.is_due:
            if now_second >= dies_second:
                return known, now_second, True
            blade.stop(now_second)
            milling = stopped(milling, now_second)
        if milling.stage is Stage.ENDED:
            return milling, now_second, False
        known = milling
        quick = not milling.was_at_speed
        now_second += RAMP_EVERY_SECOND if quick else min(POLL_SECOND, max(milling.left_second, 0.01))
        if now_second - RAMP_EVERY_SECOND > dies_second:
            return known, now_second, True
        milling = after_look(milling, blade.look(now_second), now_second)


def carried_out(lives: list[tuple[float, float]]) -> tuple[float, float]:
    """A recipe whose daemon lives for so long and is away for so long, again and again: true and counted seconds."""
    blade, now_second, beyond_second, counted_second = Blade(), 0.0, 0.0, 0.0
    remaining = [*lives, (1e9, 0.0)]
    dies_second, away_second = remaining[0][0], remaining.pop(0)[1]
    for _ in range(RUNS):
        done_second = 0.0
        asked_second = max(0.0, UNTIL_SECOND - beyond_second)
        while asked_second - done_second >= LEAST_SECOND:
            milling, now_second, died = turned(blade, asked_second - done_second, now_second, dies_second)
            if died:
                now_second += away_second
                milling = taken_up(milling.until_second, LOSS_SECOND, milling.seen_second, milling.counted_second)
                milling = after_look(milling, blade.look(now_second), now_second)
                blade.stop(now_second)
                milling = standing(milling, now_second)
                life_second, away_second = remaining.pop(0)
                dies_second = now_second + life_second
            done_second += milling.counted_second
            if milling.left_second < LEAST_SECOND:
                break
            now_second += 90.0
        counted_second += done_second
        beyond_second = max(0.0, beyond_second + done_second - UNTIL_SECOND)
        now_second += 90.0
    return blade.total_second(), counted_second


def test_undisturbed_each_run_is_a_minute_within_half_a_second():
    true_second, counted_second = carried_out([])
    assert counted_second == pytest.approx(RUNS * 59.75, abs=1e-6)
    assert RUNS * 59.5 <= true_second <= counted_second


lives = st.lists(
    st.tuples(st.floats(0.0, 500.0), st.one_of(st.floats(0.0, 4.0), st.floats(4.0, 1e5))), min_size=1, max_size=12
)


@given(lives)
def test_whenever_the_daemon_dies_the_recipe_is_never_exceeded(died):
    true_second, counted_second = carried_out(died)
    assert true_second <= RUNS * UNTIL_SECOND
    assert true_second <= counted_second + 1e-6


@given(st.floats(0.0, 40.0), st.floats(0.0, 1e5))
def test_death_in_the_last_seconds_of_the_last_run_adds_less_than_the_others_have_saved(before_end, away):
    undisturbed_second = RUNS * (RAMP_SECOND + 60.0) + (RUNS - 1) * 90.0
    true_second, _ = carried_out([(undisturbed_second - before_end, away)])
    assert true_second <= RUNS * UNTIL_SECOND


@given(st.lists(st.tuples(st.floats(0.01, 2.9), st.booleans()), min_size=1, max_size=60))
def test_counted_time_only_rises_and_is_at_least_what_was_seen(looks):
    milling, now_second = begun(UNTIL_SECOND, LOSS_SECOND, 0.0), 0.0
    seen = [milling]
    sure_second = 0.0
    for gap_second, at_speed in looks:
        now_second += gap_second
        if at_speed and milling.was_at_speed:
            sure_second += gap_second
        milling = after_look(milling, look_of(at_speed=at_speed), now_second)
        seen.append(milling)
    assert all(before.counted_second <= after.counted_second for before, after in pairwise(seen))
    assert milling.counted_second >= sure_second - 1e-9


def test_blade_that_stops_though_it_was_spoken_to_needs_a_person():
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(), 5.0 / 10)
    milling = after_look(milling, look_of(running=False, at_speed=False), 1.5)
    assert (milling.stage, milling.broken) == (Stage.ENDED, Broken.STOPPED)


def test_blade_that_stops_after_a_silence_was_interrupted():
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(), 0.5)
    milling = after_look(milling, look_of(running=False, at_speed=False), 0.5 + LOSS_SECOND)
    assert (milling.stage, milling.broken) == (Stage.ENDED, Broken.SILENCE)
    assert milling.counted_second == 0.5 + LOSS_SECOND


def test_blade_that_slows_down_after_a_silence_was_interrupted_though_it_still_turns():
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(), 0.5)
    milling = after_look(milling, look_of(at_speed=False), 0.5 + LOSS_SECOND + 2.0)
    assert milling.broken is Broken.SILENCE
    assert milling.is_due
    assert milling.counted_second == 0.5 + LOSS_SECOND


def test_fault_is_a_person_s_even_after_a_silence():
    milling = taken_up(60.0, LOSS_SECOND, 10.0, 20.0)
    milling = after_look(milling, look_of(running=False, at_speed=False, fault=3), 100.0)
    assert milling.broken is Broken.STOPPED
    assert milling.counted_second == 20.0 + 2 * LOSS_SECOND


def test_blade_that_still_turns_when_a_daemon_comes_back_counts_all_of_it_and_is_to_stop():
    milling = after_look(taken_up(60.0, LOSS_SECOND, 10.0, 20.0), look_of(), 12.0)
    assert milling.is_due
    assert milling.counted_second == 22.0
    assert stopped(milling, 12.5).counted_second == 22.5


def test_blade_that_slows_down_when_a_daemon_comes_back_was_at_speed_no_longer_than_its_drive_allows():
    milling = after_look(taken_up(60.0, LOSS_SECOND, 10.0, 20.0), look_of(at_speed=False), 19.0)
    assert milling.is_due
    assert milling.counted_second == 20.0 + 2 * LOSS_SECOND


@pytest.mark.parametrize(("was_at_speed", "running"), [(True, True), (True, False), (False, True), (False, False)])
def test_each_word_without_an_answer_may_have_kept_the_blade_turning(was_at_speed, running):
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(at_speed=was_at_speed), 1.0)
    counted_second = milling.counted_second
    for word_second in (2.0, 4.5):
        milling = spoken_to(milling, word_second)
    milling = after_look(milling, look_of(running=running, at_speed=False), 20.0)
    assert milling.counted_second == counted_second + (4.5 - 1.0) + LOSS_SECOND
    assert milling.broken is Broken.SILENCE


def test_word_to_a_drive_that_has_stopped_by_itself_starts_nothing():
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(), 1.0)
    assert spoken_to(milling, 1.0 + LOSS_SECOND) is milling
    unseen = taken_up(60.0, LOSS_SECOND, 10.0, 20.0)
    assert spoken_to(unseen, 10.0 + 2 * LOSS_SECOND) is unseen


def test_stop_that_is_heard_after_a_silence_counts_no_more_than_the_drive_allows():
    milling = after_look(begun(60.0, LOSS_SECOND, 0.0), look_of(), 1.0)
    assert stopped(milling, 30.0).counted_second == 1.0 + LOSS_SECOND


def test_what_goes_on_after_its_end_changes_nothing():
    milling = standing(begun(60.0, LOSS_SECOND, 0.0), 10.0)
    assert after_look(milling, look_of(), 20.0) is milling
    assert standing(milling, 30.0) is milling
    assert stopped(milling, 30.0) is milling

"""A host that stands still, or whose UTC is moved: what is noticed, what becomes of rows, and what is not decided."""

from pathlib import Path

import numpy as np
import pytest

from daemon.clock import AWAY_SECOND, MonotonicClock
from daemon.deciding.run_state import Outcome
from daemon.events import Noticed
from daemon.store.rows import read_rows
from drivers.roles import LoadStatus
from tests.support.instruments import JumpingClock, ScriptedLoadCell, ScriptedThermometer
from tests.support.plans import plan, rest
from tests.support.rigs import ZERO_SECOND, Scripted, events_of

BEGAN_SECOND, ENDED_SECOND = 45.5, 49.5
"""Run times between which the process of these tests did not run."""


class ToldClock(MonotonicClock):
    """Tells the time it is told."""

    at_second = 100.0

    def now_second(self) -> float:
        return self.at_second


async def test_a_process_was_away_when_its_pulse_was_late() -> None:
    clock = ToldClock()
    clock.join()
    try:
        clock.at_second += AWAY_SECOND
        assert clock.away_until_after(0.0) == []
        clock.at_second += AWAY_SECOND + 0.1
        assert clock.away_until_after(0.0) == [(102.0, pytest.approx(104.1))]
        clock.at_second += 30.0
        assert clock.away_until_after(104.2) == [(pytest.approx(104.1), pytest.approx(134.1))]
        assert len(clock.away_until_after(0.0)) == 2
        assert clock.away_until_after(134.2) == []
    finally:
        clock.leave()


async def test_nobody_is_missed_who_does_not_take_part() -> None:
    clock = ToldClock()
    clock.at_second += 1000.0
    clock.join()
    assert clock.away_until_after(0.0) == []
    clock.leave()
    clock.at_second += 1000.0
    assert clock.away_until_after(0.0) == []


@pytest.fixture
def scripted(tmp_path: Path) -> Scripted:
    """A rest of 100 s, with pressure each second and temperature each five."""
    return Scripted(
        tmp_path,
        plan(rest(until_time_second=100.0, sampling_second=1.0)),
        load_cell=ScriptedLoadCell,
        thermometer=lambda clock: ScriptedThermometer(clock, lambda _: 55.0),
    )


def noticed(scripted: Scripted) -> list[Noticed]:
    return [event for event in events_of(scripted.path) if isinstance(event, Noticed)]


def stand_still(clock: JumpingClock) -> None:
    clock.aways = ((ZERO_SECOND + BEGAN_SECOND, ZERO_SECOND + ENDED_SECOND),)


async def test_one_row_without_a_reading_stands_for_what_came_while_nobody_ran(scripted: Scripted) -> None:
    scripted.at(ENDED_SECOND, lambda: stand_still(scripted.clock))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED, run.reason
    pressure = read_rows(scripted.path, "pressure")
    second, read = pressure["test_time_second"], pressure["surface_pressure_pa"].notna()
    assert (~read).sum() == 1, pressure[~read].to_string()
    (gap,) = np.flatnonzero(~read)
    assert second[gap] == BEGAN_SECOND
    assert pressure["load_status"][gap] == LoadStatus.LOST
    assert (np.diff(second) > 0).all()
    assert not ((second > BEGAN_SECOND) & (second < ENDED_SECOND)).any()
    assert read.sum() == 100 - (ENDED_SECOND - BEGAN_SECOND)
    temperature = read_rows(scripted.path, "temperature")
    (gap,) = np.flatnonzero(temperature["jig_temperature_celsius"].isna())
    assert (np.diff(temperature["test_time_second"]) > 0).all()
    assert [(event.what, event.text) for event in noticed(scripted)] == [("away", "the daemon did not run for 4 s")]
    assert "away: the daemon did not run for 4 s" in run.warnings


async def test_utc_that_is_moved_is_noticed_and_decides_nothing(scripted: Scripted) -> None:
    def move_utc(second: float) -> None:
        scripted.clock.utc_offset_second += second

    scripted.at(20.5, lambda: move_utc(1.0))
    scripted.at(40.5, lambda: move_utc(3600.0))
    scripted.at(60.5, lambda: move_utc(-7200.0))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED, run.reason
    assert [event.text for event in noticed(scripted)] == [
        "UTC was moved by +3600 s; the times of rows are not",
        "UTC was moved by -7200 s; the times of rows are not",
    ]
    assert [warning for warning in run.warnings if "utc" in warning] == [f"utc_moved: {noticed(scripted)[0].text}"]
    for stream in ("cell", "pressure", "temperature"):
        second = read_rows(scripted.path, stream)["test_time_second"]
        assert (np.diff(second) > 0).all()
        assert second.iloc[-1] <= 101

"""Runs that are to be put back on their rigs: what holds them, and what was asked of one before it could be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.clock import MonotonicClock
from daemon.events import ResumeRequested
from daemon.recover import UnfinishedRuns
from daemon.runner import Runner
from daemon.service.left_runs import LeftRuns
from daemon.service.preparing import RefusedRequestError
from daemon.service.rig_use import HeldRun
from daemon.store.records import RunHeader
from drivers.errors import RefusedError
from tests.support.plans import plan, rest
from tests.support.rigs import Scripted, kinds_of

RIG = "rig1"
RESUME = ResumeRequested(by="ada")


class Station:
    """A rig whose instrument refuses as often as it is told to."""

    def __init__(self, folder: Path, refusals: int) -> None:
        self.scripted = Scripted(folder, plan(rest(until_time_second=20.0, sampling_second=1.0)))
        self.refusals = refusals
        self.left = LeftRuns(MonotonicClock(), put=self.put, is_busy=lambda _: self.is_busy, tell=lambda: None)
        self.is_busy = False

    async def put(self, _directory: Path, header: RunHeader) -> Runner:
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("keithley", "*IDN?", 0, "not now")
        self.is_busy = header.rig == RIG
        return self.scripted.runner


@pytest.fixture
def station_of(tmp_path: Path) -> Callable[[int], Station]:
    return lambda refusals: Station(tmp_path, refusals)


@pytest.mark.parametrize(("takes_back", "resumed"), [(False, 1), (True, 0)])
async def test_what_was_asked_of_a_held_run_is_done_once_it_is_taken_up_unless_it_was_taken_back(
    station_of: Callable[[int], Station], takes_back: bool, resumed: int
) -> None:
    station = station_of(2)
    await station.left.take_up_all(UnfinishedRuns([station.scripted.directory], {}))
    station.left.ask(RIG, RESUME)
    with pytest.raises(RefusedRequestError, match=r"still holds .*not now; it goes on by itself once it is taken up"):
        await station.left.take_up_now(RIG)
    if takes_back:
        station.left.ask(RIG, None)
        assert "goes on by itself" not in str(station.left.at(RIG))
    assert await station.left.take_up_now(RIG) == station.scripted.directory.name
    assert station.left.at(RIG) is None
    await station.scripted.carry_out()
    assert kinds_of(station.scripted.path).count("resume_requested") == resumed


async def test_nothing_is_asked_of_a_rig_that_holds_no_run(station_of: Callable[[int], Station]) -> None:
    station = station_of(0)
    station.left.ask(RIG, RESUME)
    assert station.left.at(RIG) is None


async def test_a_rig_with_a_run_on_it_is_left_alone(station_of: Callable[[int], Station]) -> None:
    station = station_of(1)
    station.is_busy = True
    await station.left.take_up(station.scripted.directory)
    assert (station.refusals, station.left.at(RIG)) == (1, None)


async def test_a_file_that_cannot_be_read_holds_its_rig_or_is_told_of(
    station_of: Callable[[int], Station], tmp_path: Path
) -> None:
    station = station_of(0)
    found = UnfinishedRuns([], {station.scripted.directory: "torn", tmp_path / "nowhere": "no file"})
    await station.left.take_up_all(found)
    assert station.left.at(RIG) == HeldRun(
        station.scripted.directory.name, "torn; move its folder away to free the rig"
    )
    assert station.left.unknown == "nowhere, of a rig it does not say: no file"
    with pytest.raises(RefusedRequestError, match=r"holds .*torn"):
        await station.left.take_up_now(RIG)

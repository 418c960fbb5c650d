"""A run that was left at any commit, before or after its effects, is carried on as if nothing had happened."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import SegmentRecord
from daemon.plan import Equilibration, Plan
from daemon.store.rows import read_rows
from tests.support.instruments import NO_REPLY, REFUSED, JumpingClock, ScriptedDevice, ScriptedThermometer
from tests.support.plans import charge, discharge, equilibrate, interlock, loop, plan, rest
from tests.support.rigs import (
    EVERY_SECOND,
    ZERO_SECOND,
    Scripted,
    assert_every_row_is_stored,
    cell_rows,
    kinds_of,
    records_of,
    resumed_in,
    stored_run,
    take_up,
)

REST = rest(until_time_second=25.0, sampling_second=1.0)
COMPLETED = plan(charge(), REST, loop(1, 2), discharge())
TRIPPED = plan(charge(), REST, interlocks=(interlock("high", high=3.5),))
HELD = plan(REST, charge(until_voltage_volt=None, until_time_second=200.0))
"""Its charge reaches the guard voltage before its time is over."""
WANTED = Equilibration(temperature_celsius=55.0, within_kelvin=0.5, for_second=40.0)
EQUILIBRATED = plan(equilibrate(until_equilibrated=WANTED, until_time_second=900.0, sampling_second=1.0), REST)


@dataclass
class Left:
    """What a daemon that died would leave: the file after some commits, the instrument, and what time it was."""

    directory: Path
    commits: int
    device: ScriptedDevice
    at_second: float

    def __str__(self) -> str:
        return f"after {self.commits} commits at {self.at_second:g} s"


class Leaving:
    """Copies file and instrument after each commit, and again before the next: with its effects carried out."""

    def __init__(self, scripted: Scripted, folder: Path) -> None:
        self._scripted = scripted
        self._folder = folder
        self._commits = 0
        self.left: list[Left] = []
        scripted.file.before_commit = lambda _: self._leave()
        scripted.file.after_commit = self._leave_after

    def _leave_after(self, commits: int) -> None:
        self._commits = commits
        self._leave()

    def _leave(self) -> None:
        directory = self._folder / f"{len(self.left):03d}" / self._scripted.directory.name
        directory.mkdir(parents=True)
        for path in self._scripted.directory.glob("run.sqlite*"):
            if path.suffix not in (".lock", ".sqlite-shm"):
                shutil.copy(path, directory)
        device, now_second = copy.deepcopy(self._scripted.device), self._scripted.clock.now_second()
        self.left.append(Left(directory, self._commits, device, now_second))


def shape_of(records: list[SegmentRecord]) -> list[SegmentRecord]:
    """Records without what depends on how long nobody was there: run times, and the last digits of sums over blocks."""
    return [
        msgspec.structs.replace(
            record,
            start_run_time_second=0.0,
            end_run_time_second=0.0,
            charge_ampere_hour=round(record.charge_ampere_hour, 15),
            energy_watt_hour=round(record.energy_watt_hour, 15),
            interrupted=False,
        )
        for record in records
    ]


def measured(path: Path) -> pd.DataFrame:
    return cell_rows(path).drop(columns="test_time_second")


WARM: dict[str, Callable[[JumpingClock], Any]] = {
    "thermometer": lambda clock: ScriptedThermometer(clock, lambda _: 55.0)
}


async def undisturbed(folder: Path, of: Plan, **beside: Any) -> tuple[Run, Path, list[Left]]:
    scripted = Scripted(folder / "undisturbed", of, **beside)
    leaving = Leaving(scripted, folder / "left")
    run = await scripted.carry_out()
    return run, scripted.path, leaving.left


@pytest.mark.parametrize("away_second", [0.0, 27.0, 560.0])
@pytest.mark.parametrize(
    ("of", "outcome"), [(COMPLETED, Outcome.COMPLETED), (TRIPPED, Outcome.TRIPPED), (HELD, Outcome.HELD)]
)
async def test_run_left_anywhere_comes_to_the_same_end(
    tmp_path: Path, of: Plan, outcome: Outcome, away_second: float
) -> None:
    expected, path, places = await undisturbed(tmp_path, of)
    assert (expected.phase, expected.outcome) == (Phase.FINISHED, outcome)
    assert len(places) == 2 * len(kinds_of(path))
    for left in places[:-1]:
        run = await take_up(left.directory, left.device, left.at_second + away_second)
        file = left.directory / path.name
        assert (run.phase, run.outcome) == (Phase.FINISHED, outcome), f"{left}: {run.reason}"
        assert_every_row_is_stored(file, left.device)
        assert len(resumed_in(file)) == (left.commits > 0)
        assert left.device.output_on is False
        started = [execution.started_second - ZERO_SECOND for execution in left.device.executed.values()]
        assert [record.start_run_time_second for record in records_of(file)] == started, str(left)
        if outcome is Outcome.TRIPPED and away_second:
            continue  # The longer nobody is there, the more rows there are.
        assert run.reason == expected.reason, str(left)
        pd.testing.assert_frame_equal(measured(file), measured(path), check_exact=True, obj=str(left))
        assert shape_of(records_of(file)) == shape_of(records_of(path)), str(left)
        if not away_second:
            assert records_of(file) == records_of(path), str(left)


@pytest.mark.parametrize("away_second", [0.0, 300.0])
async def test_equilibration_left_anywhere_is_equilibrated(tmp_path: Path, away_second: float) -> None:
    expected, path, places = await undisturbed(tmp_path, EQUILIBRATED, **WARM)
    assert (expected.outcome, records_of(path)[0].ended_by) == (Outcome.COMPLETED, "equilibrated")
    for left in places[:-1]:
        run = await take_up(left.directory, left.device, left.at_second + away_second, **WARM)
        file = left.directory / path.name
        assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED), f"{left}: {run.reason}"
        assert [record.ended_by for record in records_of(file)] == ["equilibrated", "time"]
        assert_every_row_is_stored(file, left.device)
        temperature = read_rows(file, "temperature")
        assert (np.diff(temperature["seq"]) == 1).all()
        assert (np.diff(temperature["test_time_second"]) >= 0).all()
        assert temperature["jig_temperature_celsius"].isna().sum() == len(resumed_in(file))


@pytest.mark.parametrize("part", [0.1, 0.9])
async def test_run_left_between_two_looks_is_looked_at_when_it_would_have_been(tmp_path: Path, part: float) -> None:
    """Nobody was missed: even the times are those of a run that was never left."""
    _, path, places = await undisturbed(tmp_path, COMPLETED)
    idle = [left for left, following in pairwise(places) if following.at_second > left.at_second]
    assert len(idle) >= 5
    for left in idle:
        run = await take_up(left.directory, left.device, left.at_second + part * EVERY_SECOND)
        file = left.directory / path.name
        assert run.outcome is Outcome.COMPLETED
        assert records_of(file) == records_of(path), str(left)
        pd.testing.assert_frame_equal(cell_rows(file), cell_rows(path), check_exact=True, obj=str(left))


async def test_run_that_was_being_stopped_is_stopped_by_the_next_daemon(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path / "undisturbed", COMPLETED)
    leaving = Leaving(scripted, tmp_path / "left")
    scripted.at(55.5, lambda: scripted.runner.request_stop("ada"))
    await scripted.carry_out()
    asked = kinds_of(scripted.path).index("stop_requested") + 1
    places = [left for left in leaving.left[:-1] if left.commits >= asked]
    assert len(places) >= 6
    for left in places:
        run = await take_up(left.directory, left.device, left.at_second + 60)
        file = left.directory / scripted.path.name
        assert (run.phase, run.outcome, run.reason) == (Phase.FINISHED, Outcome.STOPPED, "stopped by ada"), str(left)
        assert_every_row_is_stored(file, left.device)
        assert shape_of(records_of(file)) == shape_of(records_of(scripted.path)), str(left)


async def test_run_is_left_again_and_again(tmp_path: Path) -> None:
    """Each daemon makes one commit beyond its first, then is gone."""
    scripted = Scripted(tmp_path / "first", COMPLETED)
    leaving = Leaving(scripted, tmp_path / "left")
    expected = await scripted.carry_out()
    left, device = leaving.left[1].directory, leaving.left[1].device
    now_second, resumed = ZERO_SECOND, 0
    while stored_run(left / "run.sqlite").phase is not Phase.FINISHED:
        resumed += 1
        now_second += 7.0
        await take_up_and_leave(left, device, now_second)
    assert resumed > 10
    run = stored_run(left / "run.sqlite")
    assert (run.outcome, run.resume_count) == (expected.outcome, resumed)
    assert_every_row_is_stored(left / "run.sqlite", device)
    pd.testing.assert_frame_equal(measured(left / "run.sqlite"), measured(scripted.path), check_exact=True)


async def take_up_and_leave(directory: Path, device: ScriptedDevice, now_second: float) -> None:
    """Carry a run on for 5 s, and let it go."""
    await take_up(directory, device, now_second, lets_go_after_second=5.0)


async def test_segment_that_lost_its_power_while_nobody_was_there_is_not_started_again(tmp_path: Path) -> None:
    _, _, places = await undisturbed(tmp_path, COMPLETED)
    starting = [left for left in places[:-1] if left.commits and is_starting(left)]
    assert len(starting) >= 6
    for left in starting:
        was_started = len(left.device.executed)
        left.device.power_cycle(left.at_second + 1)
        run = await take_up(left.directory, left.device, left.at_second + 60)
        assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED), f"{left}: {run.reason}"
        assert "power was cycled" in run.reason
        assert len(left.device.executed) == was_started


def is_starting(left: Left) -> bool:
    return stored_run(left.directory / "run.sqlite").phase is Phase.STARTING


@pytest.mark.parametrize("verb", ["look", "start_segment", "read_rows"])
async def test_instrument_that_is_away_when_the_daemon_is_back_is_waited_for(tmp_path: Path, verb: str) -> None:
    _, path, places = await undisturbed(tmp_path, plan(charge(), REST))
    for left in places[:-1]:
        calls = left.device.calls
        left.device.fail(verb, NO_REPLY, at=calls[verb] + 1, times=6, carried_out=True)
        run = await take_up(left.directory, left.device, left.at_second)
        stopping = left.commits and run.outcome is Outcome.COMPLETED and run.phase is Phase.STOPPING
        assert run.phase is Phase.FINISHED or stopping, str(left)
        assert run.outcome is Outcome.COMPLETED, f"{left}: {run.reason}"
        if stopping:
            left.device.faults.clear()
            await take_up(left.directory, left.device, left.at_second + 60)
        assert_every_row_is_stored(left.directory / path.name, left.device)
        assert shape_of(records_of(left.directory / path.name)) == shape_of(records_of(path)), str(left)


async def test_run_that_can_not_be_drained_is_left_to_the_next_daemon_each_time(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(charge()))
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    scripted.device.fail("read_rows", REFUSED, at=3, times=3)
    run = await scripted.carry_out()
    reasons = [run.why]
    for hour in (1, 2):
        run = await take_up(scripted.directory, scripted.device, ZERO_SECOND + 3600 * hour)
        assert run.phase is Phase.STOPPING
        reasons.append(run.why)
    run = await take_up(scripted.directory, scripted.device, ZERO_SECOND + 3600 * 3)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert set(reasons) == {f"stopped by ada; rows may still be in the instrument: {REFUSED}"}
    assert run.why == "stopped by ada; verified safe 2.993 h later"
    assert_every_row_is_stored(scripted.path, scripted.device)

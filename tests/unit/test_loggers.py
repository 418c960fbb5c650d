"""Pressure and temperature when an instrument falls silent, or one beside it is lost, or somebody has read before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from daemon.deciding.run_state import Outcome
from daemon.rows.pressure import is_beyond_calibration, surface_pressure_pa, with_calibration
from daemon.running.loggers import RECONNECT_EVERY_SECOND, SILENT_AFTER_SECOND
from daemon.store.rows import read_rows
from drivers.errors import LinkLostError
from drivers.roles import ChamberLook, LoadBlock, LoadStatus
from tests.support.instruments import ScriptedChamber, ScriptedLoadCell, ScriptedThermometer
from tests.support.plans import plan, rest
from tests.support.rigs import CALIBRATION, ZERO_SECOND, Scripted, take_up

MINUTE = plan(rest(until_time_second=60.0, sampling_second=1.0))


class SilentLoadCell(ScriptedLoadCell):
    """Sends nothing at some times, and tells nobody."""

    silences: tuple[tuple[float, float], ...] = ()

    async def read(self) -> LoadBlock:
        block = await super().read()
        heard = np.ones(len(block.second), dtype=np.bool_)
        for begin, end in self.silences:
            heard &= (block.second < ZERO_SECOND + begin) | (block.second > ZERO_SECOND + end)
        columns = {name: getattr(block, name)[heard] for name in ("second", "displayed", "status")}
        return replace(block, **columns)


class StrictChamber(ScriptedChamber):
    """Once lost it must be connected anew, as over a real cable."""

    is_lost = False

    async def connect(self) -> Any:
        identity = await super().connect()
        self.is_lost = False
        return identity

    async def look(self) -> ChamberLook:
        if self.is_lost:
            raise LinkLostError(self.name, "a cable", "connect first")
        self.is_lost = True
        look = await super().look()
        self.is_lost = False
        return look


async def pressure_with(folder: Path, *silences: tuple[float, float]) -> Any:
    def load_cell(clock: Any) -> SilentLoadCell:
        made = SilentLoadCell(clock)
        made.silences = silences
        return made

    scripted = Scripted(folder, MINUTE, load_cell=load_cell)
    await scripted.carry_out()
    return read_rows(scripted.path, "pressure")


async def test_silence_of_the_load_cell_is_one_row_without_a_reading(tmp_path: Path) -> None:
    rows = await pressure_with(tmp_path, (10.0, 30.0), (41.0, 43.0))
    gaps = rows[rows["displayed_load"].isna()]
    assert gaps["test_time_second"].round(3).tolist() == [9.4]
    assert gaps["load_status"].tolist() == [int(LoadStatus.LOST)]
    assert len(rows) == 60 - 20 - 2 + 1
    read = rows[rows["displayed_load"].notna()]
    assert (np.diff(read["test_time_second"]) > 0).all()


async def test_silence_to_the_end_is_one_row_too(tmp_path: Path) -> None:
    rows = await pressure_with(tmp_path, (20.0, 1e9))
    assert rows["displayed_load"].isna().sum() == 1
    assert rows["test_time_second"].round(3).tolist()[-2:] == [19.4, 19.4]


async def test_silence_from_the_start_is_told(tmp_path: Path) -> None:
    rows = await pressure_with(tmp_path, (-1.0, 1e9))
    assert rows["test_time_second"].tolist() == [0.0]
    assert SILENT_AFTER_SECOND < 60


async def test_a_lost_chamber_costs_no_temperature_of_the_jig_and_is_found_again(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path,
        MINUTE,
        thermometer=lambda clock: ScriptedThermometer(clock, lambda _: 55.0),
        chamber=lambda clock: StrictChamber(clock, (ZERO_SECOND + 12, ZERO_SECOND + 28)),
    )
    await scripted.carry_out()
    rows = read_rows(scripted.path, "temperature")
    assert (rows["jig_temperature_celsius"] == 55.0).all()
    unknown = rows[rows["setpoint_temperature_celsius"].isna()]["test_time_second"]
    assert unknown.min() >= 12
    assert unknown.max() <= 28 + RECONNECT_EVERY_SECOND
    assert len(unknown) >= 3


async def test_the_next_daemon_does_not_measure_the_present_moment_twice(tmp_path: Path) -> None:
    beside = {"thermometer": lambda clock: ScriptedThermometer(clock, lambda _: 55.0)}
    scripted = Scripted(tmp_path, MINUTE, **beside)
    scripted.at(30.0, scripted.runner.let_go)
    await scripted.carry_out()
    await take_up(scripted.directory, scripted.device, ZERO_SECOND + 30.0, **beside)
    rows = read_rows(scripted.path, "temperature")
    read = rows[rows["jig_temperature_celsius"].notna()]
    assert (np.diff(read["test_time_second"]) > 0).all()
    assert rows["jig_temperature_celsius"].isna().sum() == 1


class SlowThermometer(ScriptedThermometer):
    """From some second on each answer takes its time."""

    slow_from_second, takes_second = ZERO_SECOND + 20.0, 100.0

    async def read_celsius(self) -> dict[str, float]:
        if self._clock.now_second() >= self.slow_from_second:
            await self._clock.wait_until(self._clock.now_second() + self.takes_second)
        return await super().read_celsius()


async def test_a_thermometer_that_takes_its_time_keeps_nobody_from_looking_at_the_cell(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path,
        plan(rest(until_time_second=300.0, sampling_second=1.0)),
        thermometer=lambda clock: SlowThermometer(clock, lambda _: 55.0),
    )
    scripted.clock.stands_still = False
    rows: list[int] = []
    scripted.at(95.0, lambda: rows.append(scripted.runner.run.rows))
    await scripted.carry_out()
    assert rows[0] >= 80
    assert len(read_rows(scripted.path, "temperature")) >= 4


async def test_a_load_cell_that_is_lost_as_the_run_begins_is_a_gap_and_stops_nothing(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path,
        MINUTE,
        load_cell=lambda clock: ScriptedLoadCell(clock, (ZERO_SECOND - 1, ZERO_SECOND + 12)),
        thermometer=lambda clock: ScriptedThermometer(clock, lambda _: 55.0),
    )
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    rows = read_rows(scripted.path, "pressure")
    assert rows["load_status"].tolist()[0] == int(LoadStatus.LOST)
    assert rows["displayed_load"].notna().sum() > 30


async def test_a_row_says_that_its_force_lies_beyond_the_calibration(tmp_path: Path) -> None:
    """The scripted display begins at 100 kg and rises by 0.01 kg each second; the calibration ends with 100.3 kg."""
    scripted = Scripted(tmp_path, MINUTE, load_cell=ScriptedLoadCell)
    known = msgspec.structs.replace(CALIBRATION, calibrated_up_to_newton=100.3 * 9.80665 + 1e-6)
    scripted.rig.pressure_calibration = known
    await scripted.carry_out()
    rows = read_rows(scripted.path, "pressure")
    beyond = (rows["load_status"] & int(LoadStatus.BEYOND_CALIBRATION)) > 0
    assert beyond.tolist() == (rows["displayed_load"] > 100.3).tolist()
    assert 0 < beyond.sum() < len(rows)
    assert (rows["load_status"] & int(LoadStatus.STABLE)).all(), "what the indicator said stays"


@pytest.mark.parametrize(
    ("displayed", "up_to_newton", "says"),
    [
        (10.0, 98.07, False),
        (10.1, 98.07, True),
        (-10.1, 98.07, True),
        (float("nan"), 98.07, False),
        (1e9, None, False),
    ],
)
def test_beyond_the_calibration_is_a_force_that_was_never_compared(
    displayed: float, up_to_newton: float | None, says: bool
) -> None:
    calibration = msgspec.structs.replace(CALIBRATION, calibrated_up_to_newton=up_to_newton)
    pascal = surface_pressure_pa(np.array([displayed]), np.array([25.0]), calibration)
    assert is_beyond_calibration(pascal, calibration).tolist() == [says]


@pytest.mark.parametrize(
    ("drifts", "celsius", "displayed", "says"),
    [
        ({"gain_drift_per_kelvin": 3e-4}, float("nan"), 10.0, True),
        ({"zero_drift_newton_per_kelvin": 0.5}, float("nan"), 10.0, True),
        ({"gain_drift_per_kelvin": 3e-4}, 55.0, 10.0, False),
        ({"gain_drift_per_kelvin": 3e-4}, float("nan"), float("nan"), False),
        ({}, float("nan"), 10.0, False),
    ],
)
def test_a_pressure_without_the_temperature_terms_of_its_calibration_says_so(
    drifts: dict[str, float], celsius: float, displayed: float, says: bool
) -> None:
    none = {"gain_drift_per_kelvin": 0.0, "zero_drift_newton_per_kelvin": 0.0}
    calibration = msgspec.structs.replace(CALIBRATION, **(none | drifts))
    sensor_celsius, stable = np.array([celsius]), np.array([int(LoadStatus.STABLE)])
    pascal = surface_pressure_pa(np.array([displayed]), sensor_celsius, calibration)
    expected = LoadStatus.STABLE | LoadStatus.UNCOMPENSATED if says else LoadStatus.STABLE
    assert with_calibration(stable, pascal, sensor_celsius, calibration).tolist() == [int(expected)]


class BrokenLoadCell(ScriptedLoadCell):
    """Its driver has a fault."""

    async def read(self) -> LoadBlock:
        raise ZeroDivisionError


async def test_a_logger_that_cannot_be_made_leaves_none_of_the_others_at_work(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path,
        MINUTE,
        load_cell=BrokenLoadCell,
        thermometer=lambda clock: ScriptedThermometer(clock, lambda _: 55.0),
    )
    with pytest.raises(ZeroDivisionError):
        await scripted.carry_out()

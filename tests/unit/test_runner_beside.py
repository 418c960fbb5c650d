"""The runner with a load cell, a thermometer and a chamber beside the cell, and without a potentiostat."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.deciding.run_state import Outcome, Phase
from daemon.events import ChamberSet, InstrumentFailed
from daemon.plan import Equilibration
from daemon.rows.pressure import surface_pressure_pa
from daemon.running.link import PATIENT_WAITS_SECOND
from daemon.store.rows import read_rows
from drivers.roles import LoadStatus
from tests.support.instruments import (
    LINK_LOST,
    NO_REPLY,
    REFUSED,
    JumpingClock,
    ScriptedChamber,
    ScriptedDevice,
    ScriptedLoadCell,
    ScriptedThermometer,
)
from tests.support.plans import PATIENT, charge, equilibrate, interlock, plan, rest, setting
from tests.support.rigs import (
    CALIBRATION,
    ZERO_SECOND,
    Scripted,
    assert_every_row_is_stored,
    cell_rows,
    events_of,
    kinds_of,
    records_of,
    resumed_in,
    stored_run,
    take_up,
)

MINUTE = plan(rest(until_time_second=60.0, sampling_second=1.0))


QUESTIONS_A_TRY = 2


def clock_second(*run_time_second: float) -> tuple[float, ...]:
    return tuple(ZERO_SECOND + second for second in run_time_second)


def load_cell(*outages: tuple[float, float]) -> Any:
    return lambda clock: ScriptedLoadCell(clock, *(clock_second(*outage) for outage in outages))


def thermometer(*outages: tuple[float, float], jig_celsius: Any = lambda second: 20.0 + second / 100) -> Any:
    """`jig_celsius` tells the temperature at a run time."""
    return lambda clock: ScriptedThermometer(
        clock, lambda second: jig_celsius(second - ZERO_SECOND), *(clock_second(*outage) for outage in outages)
    )


def warming(clock: JumpingClock) -> Any:
    return thermometer()(clock)


async def test_rows_beside_the_cell_are_stored_with_the_times_they_were_measured_at(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, MINUTE, load_cell=load_cell(), thermometer=thermometer())
    run = await scripted.carry_out()
    pressure, temperature = (read_rows(scripted.path, stream) for stream in ("pressure", "temperature"))
    assert pressure["test_time_second"].to_numpy() == pytest.approx(np.arange(60) + 0.4, abs=1e-9)
    displayed = 100 + 0.01 * np.arange(60)
    assert pressure["displayed_load"].to_numpy() == pytest.approx(displayed)
    assert (pressure["load_status"] == int(LoadStatus.STABLE)).all()
    assert temperature["test_time_second"].tolist() == list(range(0, 61, 5))
    assert temperature["jig_temperature_celsius"].to_numpy() == pytest.approx(20 + np.arange(0, 61, 5) / 100)
    assert temperature["ambient_temperature_celsius"].to_numpy() == pytest.approx(20.5 + np.arange(0, 61, 5) / 100)
    jig_before = 20 + 5 * (np.arange(60) // 5) / 100
    assert pressure["sensor_temperature_celsius"].to_numpy() == pytest.approx(jig_before)
    pascal = surface_pressure_pa(displayed, jig_before, CALIBRATION)
    assert pressure["surface_pressure_pa"].to_numpy() == pytest.approx(pascal)
    assert run.stream_rows == {"pressure": 60, "temperature": 13}
    assert_every_row_is_stored(scripted.path, scripted.device)


async def test_outage_of_the_load_cell_is_one_row_without_a_reading(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, MINUTE, load_cell=load_cell((15, 33), (49, 50)))
    run = await scripted.carry_out()
    rows = read_rows(scripted.path, "pressure")
    gaps = rows[rows["displayed_load"].isna()]
    assert (gaps["load_status"] == int(LoadStatus.LOST)).all()
    assert gaps["test_time_second"].tolist() == [20.0]
    heard = [*np.arange(10) + 0.4, *np.arange(35, 60) + 0.4]
    read = rows[rows["displayed_load"].notna()]
    assert read["test_time_second"].to_numpy() == pytest.approx(heard, abs=1e-9)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)


async def test_outages_of_the_thermometer_are_one_row_each_and_then_it_goes_on(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, MINUTE, thermometer=thermometer((12, 28), (44, 46)))
    run = await scripted.carry_out()
    rows = read_rows(scripted.path, "temperature")
    assert rows["test_time_second"].tolist() == [0, 5, 10, 15, 30, 35, 40, 45, 50, 55, 60]
    gaps = rows["jig_temperature_celsius"].isna()
    assert rows["test_time_second"][gaps].tolist() == [15, 45]
    assert run.outcome is Outcome.COMPLETED


async def test_rows_beside_go_on_while_the_potentiostat_is_away(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, MINUTE, load_cell=load_cell(), thermometer=thermometer())
    scripted.device.outages = [clock_second(15, 300)]
    await scripted.carry_out()
    times = read_rows(scripted.path, "temperature")["test_time_second"].tolist()
    assert times == list(range(0, int(times[-1]) + 1, 5))
    assert times[-1] >= 300
    assert np.diff(read_rows(scripted.path, "pressure")["test_time_second"]) == pytest.approx(1.0)


async def test_heat_trips_and_is_safe_before_it_is_written(tmp_path: Path) -> None:
    hot = interlock("hot", quantity="jig_temperature_celsius", high=20.25, rows_needed=3)
    scripted = Scripted(tmp_path, plan(charge(), interlocks=(hot,)), load_cell=load_cell(), thermometer=warming)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.TRIPPED)
    assert scripted.runner.run_time_second == 40.0
    assert scripted.device.output_on is False
    safe = scripted.diary.index(("make_safe",))
    assert scripted.diary[safe + 1] == ("commit", "readings_stored")
    assert_every_row_is_stored(scripted.path, scripted.device)
    assert [record.ended_by for record in records_of(scripted.path)] == ["interlock"]
    assert read_rows(scripted.path, "pressure")["test_time_second"].iloc[-1] == pytest.approx(39.4)


WANTED = Equilibration(temperature_celsius=25.0, within_kelvin=0.5, for_second=60.0)
EQUILIBRATION = plan(
    equilibrate(until_equilibrated=WANTED, until_time_second=3600.0, sampling_second=1.0),
    rest(until_time_second=20.0, sampling_second=1.0),
)


def warm_after_a_minute(second: float) -> float:
    return 20.0 if second < 60 else 25.0


@pytest.fixture
def equilibrating(tmp_path: Path) -> Scripted:
    """A jig that is within its band from 60 s on, and is to stay in it for 60 s."""
    return Scripted(tmp_path, EQUILIBRATION, thermometer=thermometer(jig_celsius=warm_after_a_minute))


def assert_equilibrated(scripted: Scripted, at_second: float) -> None:
    run = stored_run(scripted.path)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED), run.reason
    first, second = records_of(scripted.path)
    assert (first.ended_by, second.ended_by) == ("equilibrated", "time")
    assert first.end_run_time_second == pytest.approx(at_second)
    assert_every_row_is_stored(scripted.path, scripted.device)


async def test_equilibration_ends_when_the_jig_has_been_warm_for_long_enough(equilibrating: Scripted) -> None:
    await equilibrating.carry_out()
    assert_equilibrated(equilibrating, at_second=120.0)
    # It is stored that the jig is warm before its segment is ended.
    safe = equilibrating.diary.index(("make_safe",))
    assert equilibrating.diary[safe - 1] == ("commit", "readings_stored")


async def test_equilibration_begins_anew_after_an_outage(tmp_path: Path) -> None:
    warm = thermometer((100, 102), jig_celsius=warm_after_a_minute)
    scripted = Scripted(tmp_path, EQUILIBRATION, thermometer=warm)
    await scripted.carry_out()
    assert_equilibrated(scripted, at_second=170.0)


async def test_refusal_to_end_an_equilibration_is_noted_and_fails_the_run(equilibrating: Scripted) -> None:
    equilibrating.device.fail("make_safe", REFUSED)
    run = await equilibrating.carry_out()
    assert (run.phase, run.outcome, equilibrating.device.output_on) == (Phase.FINISHED, Outcome.FAILED, False)
    failures = [event for event in events_of(equilibrating.path) if isinstance(event, InstrumentFailed)]
    assert [(failure.role, failure.error) for failure in failures] == [("potentiostat", "RefusedError")]
    assert_every_row_is_stored(equilibrating.path, equilibrating.device)


async def test_refusal_to_end_an_equilibration_is_noted_by_the_next_daemon_too(equilibrating: Scripted) -> None:
    device = equilibrating.device
    device.fail("make_safe", LINK_LOST, times=QUESTIONS_A_TRY)
    equilibrating.at(120.5, equilibrating.runner.let_go)
    run = await equilibrating.carry_out()
    assert (run.phase, run.fold.equilibrated) == (Phase.MEASURING, True)
    device.fail("make_safe", REFUSED, at=device.calls["make_safe"] + 1)
    run = await take_up(equilibrating.directory, device, equilibrating.clock.now_second(), thermometer=thermometer())
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert kinds_of(equilibrating.path).count("instrument_failed") == 1


TRIES = 10
MENDED_SECOND = sum(PATIENT_WAITS_SECOND) + (TRIES - len(PATIENT_WAITS_SECOND)) * PATIENT_WAITS_SECOND[-1]


@pytest.mark.parametrize(("verb", "lasts_second"), [("make_safe", 120.0 + MENDED_SECOND), ("look", 120.0)])
async def test_equilibration_ends_also_through_an_outage(
    equilibrating: Scripted, verb: str, lasts_second: float
) -> None:
    device = equilibrating.device
    times = TRIES * QUESTIONS_A_TRY
    equilibrating.at(119.9, lambda: device.fail(verb, NO_REPLY, at=device.calls[verb] + 1, times=times))
    await equilibrating.carry_out()
    assert_equilibrated(equilibrating, lasts_second)
    assert device.calls["connect"] == times


async def test_equilibration_that_the_daemon_did_not_watch_begins_anew(equilibrating: Scripted) -> None:
    equilibrating.at(95, equilibrating.runner.let_go)
    await equilibrating.carry_out()
    left_second = equilibrating.clock.now_second()
    warm = thermometer(jig_celsius=warm_after_a_minute)
    await take_up(equilibrating.directory, equilibrating.device, left_second + 200, thermometer=warm)
    assert_equilibrated(equilibrating, at_second=360.0)


async def test_gaps_of_every_stream_are_noted_before_the_run_goes_on(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, MINUTE, load_cell=load_cell(), thermometer=thermometer())
    scripted.at(33, scripted.runner.let_go)
    await scripted.carry_out()
    left = kinds_of(scripted.path)
    beside = {"load_cell": load_cell(), "thermometer": thermometer()}
    await take_up(scripted.directory, scripted.device, ZERO_SECOND + 47.2, **beside)
    assert kinds_of(scripted.path)[len(left) : len(left) + 3] == ["readings_stored", "readings_stored", "resumed"]
    (resumed,) = resumed_in(scripted.path)
    assert resumed.away_second == pytest.approx(17.2)
    for stream, before, after in (
        ("temperature", np.arange(0.0, 31, 5), np.arange(50.0, 61, 5)),
        ("pressure", np.arange(30) + 0.4, np.arange(47, 60) + 0.4),
    ):
        rows = read_rows(scripted.path, stream)
        assert rows["test_time_second"].to_numpy() == pytest.approx([*before, 30.0, *after], abs=1e-9)
        unread = rows[{"temperature": "jig_temperature_celsius", "pressure": "displayed_load"}[stream]].isna()
        assert rows.index[unread].tolist() == [len(before)]
    assert_every_row_is_stored(scripted.path, scripted.device)


LOG_ONLY = plan(rest(until_time_second=25.0), setting(), rest("rest 2", until_time_second=40.0), link=PATIENT)


def log_only(folder: Path, **beside: Any) -> Scripted:
    warm = {"thermometer": thermometer(), "load_cell": load_cell(), "chamber": ScriptedChamber}
    return Scripted(folder, LOG_ONLY, log_only=True, **{**warm, **beside})


async def test_rig_without_a_potentiostat_times_its_rests_and_logs(tmp_path: Path) -> None:
    scripted = log_only(tmp_path)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome, run.rows) == (Phase.FINISHED, Outcome.COMPLETED, 0)
    records = records_of(scripted.path)
    assert [(record.ended_by, record.rows) for record in records] == [("time", 0), ("time", 0)]
    assert [(r.start_run_time_second, r.end_run_time_second) for r in records] == [(0.0, 25.0), (25.0, 65.0)]
    assert scripted.rig.chamber.setpoint_celsius == 55.0
    assert len(cell_rows(scripted.path)) == 0
    temperature = read_rows(scripted.path, "temperature")
    assert temperature["test_time_second"].tolist() == list(range(0, 66, 5))
    assert temperature["setpoint_temperature_celsius"].tolist() == [25.0] * 6 + [55.0] * 8
    assert read_rows(scripted.path, "pressure")["test_time_second"].to_numpy() == pytest.approx(np.arange(65) + 0.4)


async def test_rig_without_a_potentiostat_is_stopped_too(tmp_path: Path) -> None:
    scripted = log_only(tmp_path)
    scripted.at(12, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    (record,) = records_of(scripted.path)
    assert (record.ended_by, record.end_run_time_second) == ("stopped", 12.0)


@pytest.mark.parametrize(("back_second", "second_rest"), [(20.0, (25.0, 65.0)), (100.0, (100.0, 140.0))])
async def test_rest_without_a_potentiostat_goes_on_when_the_daemon_is_back(
    tmp_path: Path, back_second: float, second_rest: tuple[float, float]
) -> None:
    scripted = log_only(tmp_path)
    scripted.at(12, scripted.runner.let_go)
    await scripted.carry_out()
    beside = {"thermometer": thermometer(), "load_cell": load_cell(), "chamber": ScriptedChamber}
    run = await take_up(scripted.directory, ScriptedDevice(), ZERO_SECOND + back_second, log_only=True, **beside)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED), run.reason
    records = records_of(scripted.path)
    assert [record.ended_by for record in records] == ["time", "time"]
    assert [(r.start_run_time_second, r.end_run_time_second) for r in records] == [(0.0, 25.0), second_rest]


async def test_chamber_that_is_away_is_waited_for(tmp_path: Path) -> None:
    scripted = log_only(tmp_path, chamber=lambda clock: ScriptedChamber(clock, clock_second(20, 4000)))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)
    assert scripted.rig.chamber.setpoint_celsius == 55.0
    assert 4000 <= records_of(scripted.path)[1].start_run_time_second <= 4030


@pytest.mark.parametrize(
    ("chamber", "text"),
    [(lambda clock: ScriptedChamber(clock, refuses=True), "door open"), (lambda clock: None, "this rig has none")],
)
async def test_setpoint_that_can_not_be_given_ends_the_run(tmp_path: Path, chamber: Any, text: str) -> None:
    steps = (rest(until_time_second=25.0, sampling_second=1.0), setting(), charge())
    scripted = Scripted(tmp_path, plan(*steps), chamber=chamber)
    if "none" in text:
        scripted.at(1e5, lambda: scripted.runner.request_stop("nobody"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert text in run.reason
    assert [event for event in events_of(scripted.path) if isinstance(event, ChamberSet)] == []
    assert len(scripted.device.executed) == 1

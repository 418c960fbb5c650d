"""What a data directory says of runs that were left: which can be taken up, which can't be read, and why."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from daemon.deciding.run_state import Run
from daemon.engine import ENGINE_VERSION
from daemon.recover import LeftRun, check_same_instruments, left_run, rig_of, unfinished_runs
from daemon.results.result import read_result
from daemon.rig import Rig
from daemon.rows.pressure import PressureCalibration
from daemon.service.placing import Placement, place_left, place_new
from daemon.service.sources import Sources
from daemon.store.errors import StoreError
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, RunHeader, checksum
from daemon.store.run_file import RunFile
from drivers.errors import WrongInstrumentError
from drivers.roles import Identity
from tests.support.instruments import JumpingClock
from tests.support.plans import charge, plan
from tests.support.stand_in_run import StandInRun

CALIBRATION = PressureCalibration(newton_per_unit=9.80665, area_square_metre=7.854e-5, nominal_newton=5000.0)
SMU = Identity("KEITHLEY INSTRUMENTS", "2450", "04451117", "1.7.12b")


def left(folder: Path, name: str, *, finished: bool = False) -> Path:
    """A run of one step, as it is left in the middle of it, or ended."""
    run = StandInRun(folder, name, plan(charge()))
    with closing(run):
        run.commit(20)
        if finished:
            run.end_segment()
            run.finish()
    return run.directory


def change_state(directory: Path, *, engine_version: str = str(ENGINE_VERSION), **said: object) -> None:
    """Store another state, in good order, as another version may have done."""
    with RunFile.open(directory / RUN_FILE_NAME) as run_file:
        query = "SELECT journal_seq, schema_version, body FROM snapshot"
        journal_seq, schema_version, body = run_file.connection.execute(query).fetchone()
        body = json.dumps({**json.loads(body), **said}).encode()
        facts = (engine_version, body, checksum(body, journal_seq, schema_version, engine_version))
        run_file.connection.execute("UPDATE snapshot SET engine_version = ?, body = ?, checksum = ?", facts)


def spoil(directory: Path) -> None:
    with RunFile.open(directory / RUN_FILE_NAME) as run_file:
        run_file.connection.execute("UPDATE snapshot SET body = CAST('{' AS BLOB)")


def test_a_run_that_ended_is_not_left(tmp_path: Path) -> None:
    left(tmp_path, "a-1", finished=True)
    running = left(tmp_path, "b-2")
    found = unfinished_runs(tmp_path)
    assert (found.left, found.unreadable) == ([running], {})


def test_one_file_that_cannot_be_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    spoilt, no_file, running = left(tmp_path, "a-1"), tmp_path / "b-2", left(tmp_path, "c-3")
    spoil(spoilt)
    no_file.mkdir()
    (no_file / RUN_FILE_NAME).write_text("no run at all")
    found = unfinished_runs(tmp_path)
    assert found.left == [running]
    assert list(found.unreadable) == [spoilt, no_file]
    assert "the snapshot fails its checksum; keep a copy" in found.unreadable[spoilt]
    assert (rig_of(spoilt), rig_of(no_file)) == ("rig1", None)


def test_an_ended_run_of_an_engine_to_come_has_ended_all_the_same(tmp_path: Path) -> None:
    directory = left(tmp_path, "a-1", finished=True)
    change_state(directory, engine_version="99", segment="nine")
    assert unfinished_runs(tmp_path).left == []
    with pytest.raises(
        StoreError, match=r"its state, of schema 2 and engine 99, can't be understood: .*; use the pres"
    ):
        read_result(directory)


def test_a_state_that_cannot_be_understood_is_left_and_refused(tmp_path: Path) -> None:
    directory = left(tmp_path, "a-1")
    change_state(directory, phase="paused")
    assert unfinished_runs(tmp_path).left == [directory]
    for read in (left_run_of, read_result):
        with pytest.raises(StoreError, match=r"can't be understood: Invalid enum value 'paused'.*; use the presscell"):
            read(directory)


def test_a_run_goes_on_with_the_engine_that_left_it_only(tmp_path: Path) -> None:
    directory = left(tmp_path, "a-1")
    change_state(directory, engine_version="99")
    assert read_result(directory).run is not None, "it can still be looked at"
    ours = f"this presscell only goes on with one of schema 2 and engine {ENGINE_VERSION}"
    with pytest.raises(StoreError, match=f"of schema 2 and engine 99; {ours}; use the presscell that wrote it"):
        left_run_of(directory)


def left_run_of(directory: Path) -> Run:
    with RunFile.open(directory / RUN_FILE_NAME) as run_file:
        return left_run(run_file).run


def test_a_plan_or_an_event_of_another_version_is_said_by_name(tmp_path: Path) -> None:
    directory = left(tmp_path, "a-1", finished=True)
    with RunFile.open(directory / RUN_FILE_NAME) as run_file:
        query = "SELECT seq, run_time_second, utc_second FROM journal WHERE kind = 'segment_ended'"
        seq, *times = run_file.connection.execute(query).fetchone()
        body = b'{"event": "segment_ended", "record": 7}'
        facts = (body, checksum(body, seq, *times, "segment_ended"), seq)
        run_file.connection.execute("UPDATE journal SET body = ?, checksum = ? WHERE seq = ?", facts)
    with pytest.raises(StoreError, match=rf"journal row {seq} can't be understood: Expected `object`"):
        read_result(directory)
    with RunFile.open(directory / RUN_FILE_NAME) as run_file:
        body = msgspec.json.encode(msgspec.structs.replace(run_file.header, plan_json=b'{"steps": 1}'))
        run_file.connection.execute("UPDATE header SET body = ?, checksum = ?", (body, checksum(body)))
        run_file.connection.execute("DELETE FROM snapshot")
    for read in (left_run_of, lambda path: read_result(path, with_streams=False)):
        with pytest.raises(StoreError, match=r"(its plan|journal row [0-9]+) can't be understood"):
            read(directory)


def placed(folder: Path, calibration: PressureCalibration | None) -> RunHeader:
    """The header of a run that was placed on a rig, as it is read from its file."""
    placement = Placement(
        station="lab", data_directory=folder, supervise_every_second=1.0, simulated=True, station_sha256="ab12"
    )
    sources = Sources(protocol_name="p", protocol_text="", cell_name="c", cell_text="")
    with closing(
        place_new(
            *("lab-1", plan(charge()), sources),
            placement=placement,
            rig=rig(calibration),
            clock=JumpingClock(0.0),
            tell=lambda _: None,
        )
    ):
        return read_header(folder / "lab-1" / RUN_FILE_NAME)


def rig(calibration: PressureCalibration | None) -> Rig:
    return Rig("rig1", potentiostat=None, identities={"potentiostat": SMU}, pressure_calibration=calibration)


@pytest.mark.parametrize("calibration", [CALIBRATION, None])
def test_the_same_instruments_and_calibration_go_on(tmp_path: Path, calibration: PressureCalibration | None) -> None:
    header = placed(tmp_path, calibration)
    assert header.station_sha256 == "ab12"
    check_same_instruments(header, {"potentiostat": SMU}, calibration)
    place_left(tmp_path / "lab-1", rig(calibration), JumpingClock(0.0), "a test", lambda _: None).close()


@pytest.mark.parametrize(
    ("began", "now", "found"),
    [
        (
            CALIBRATION,
            msgspec.structs.replace(CALIBRATION, zero_displayed=0.5),
            r"load_cell: expected the calibration the run began with, zero_displayed 0\.0, found zero_displayed 0\.5",
        ),
        (CALIBRATION, None, r"newton_per_unit 9\.80665.*found newton_per_unit None"),
        (None, CALIBRATION, r"newton_per_unit None.*found newton_per_unit 9\.80665"),
    ],
)
def test_a_run_does_not_go_on_with_another_calibration(
    tmp_path: Path, began: PressureCalibration | None, now: PressureCalibration | None, found: str
) -> None:
    placed(tmp_path, began)
    with pytest.raises(WrongInstrumentError, match=found):
        place_left(tmp_path / "lab-1", rig(now), JumpingClock(0.0), "a test", lambda _: None)


@pytest.mark.parametrize(
    ("epoch", "utc_moved_second", "run_time_second"),
    [("scripted", 0.0, 400.0), ("scripted", 9e9, 400.0), ("another", 30.0, 50.0 + 30.0), ("another", -9e9, 50.0)],
    ids=["the clock goes on", "UTC decides nothing then", "after a restart of the machine", "never back"],
)
def test_run_time_goes_on_from_utc_after_a_restart_of_the_machine(
    tmp_path: Path, epoch: str, utc_moved_second: float, run_time_second: float
) -> None:
    clock = JumpingClock(1000.0)
    header = msgspec.structs.replace(placed(tmp_path, None), clock_epoch=epoch, zero_second=600.0)
    was = LeftRun(Run(plan=plan(charge())), 50.0, clock.utc_second() - utc_moved_second, began=True)
    assert clock.now_second() - was.zero_second(header, clock) == pytest.approx(run_time_second)


def test_a_run_does_not_go_on_with_another_instrument(tmp_path: Path) -> None:
    header = placed(tmp_path, None)
    with pytest.raises(WrongInstrumentError, match="expected KEITHLEY INSTRUMENTS 2450 04451117, found nothing"):
        check_same_instruments(header, {}, None)
    another = replace(SMU, serial_number="1")
    with pytest.raises(WrongInstrumentError, match="2450 1"):
        check_same_instruments(header, {"potentiostat": another}, None)

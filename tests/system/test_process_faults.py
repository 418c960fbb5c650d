"""Daemons that are ended, doubled, starved, or started where they cannot be: refused in words, and no run is harmed."""

import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.host import Host
from tests.support.small_disk import SmallDisk
from tests.support.station import CELL

PACE = 400.0
HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
CYCLING = (
    HEAD
    + "  - {step: open_circuit_voltage, id: rest, until_time: 60 s}\n"
    + "  - {step: cycle, id: fast, rate_C: 2, cycle_count: 1}\n"
)
RESTING = HEAD + "  - {step: open_circuit_voltage, id: rest, until_time: 10 h}\n"
STEPS = ["rest", "fast/charge", "fast/discharge"]
DEAD_SECOND = 600.0


@pytest.fixture
def make_host(tmp_path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(**settings) -> Host:
        host = Host(tmp_path, **{"pace": PACE, **settings})
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()


def refused(host: Host, *before: str, stations: Sequence[str] = ("station.yaml",)) -> list[str]:
    """What daemons say that may not begin, a daemon a station file; they must say it in words."""
    started = [
        subprocess.Popen(
            [*before, *host.command_line.arguments("serve", str(host.folder / station))],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for station in stations
    ]
    said = [daemon.communicate(timeout=60)[1] for daemon in started]
    assert [daemon.returncode for daemon in started] == [1] * len(stations), said
    assert "Traceback" not in "".join(said)
    return [" ".join(words.split()) for words in said]


def run_to_its_end(host: Host) -> None:
    """The next daemon does it, as fast as it goes."""
    host.pace = None
    host.write_station()
    assert host.ended(host.serve("--until-idle")) == 0
    result = host.result()
    assert result.outcome == "completed", result.run.reason
    steps = [segment.step_id for segment in result.segments]
    assert [step for step in steps if not step.endswith(("/recovery", "/preflight"))] == STEPS
    assert_no_row_is_missing(host)
    assert host.bench_log("excursion_begin") == []
    assert "Traceback" not in host.words


def assert_no_row_is_missing(host: Host) -> None:
    rows = read_rows(host.run_path, "cell")
    assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
    for _, segment in rows.groupby("segment"):
        elapsed = segment["elapsed_second"].to_numpy()
        assert elapsed[0] == 0
        assert np.diff(elapsed[:-1]) == pytest.approx(1.0, abs=1e-6)


def test_signals_end_the_daemon_and_not_its_run(make_host):
    host = make_host(on_owner_lost="freeze")
    for count, signals in enumerate(((signal.SIGINT, signal.SIGINT), (signal.SIGHUP,)), start=1):
        daemon = host.serve()
        if count == 1:
            host.run(CYCLING)
        host.wait_for(lambda least=150 * count: host.rows("cell") > least)
        for number in signals:
            daemon.send_signal(number)
        assert host.ended(daemon) == 0
        assert host.bench_log("output")[-1]["relay"] == "closed", "the charge was cut short"
    run_to_its_end(host)
    assert host.result().run.resume_count == 2


def test_a_second_daemon_is_refused(make_host):
    """On the same data directory, and on the same bench from another one."""
    host = make_host()
    first = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 100)
    host.command_line.write("other.yaml", (host.folder / "station.yaml").read_text().replace("/data", "/other"))
    on_its_data, on_its_bench = refused(host, stations=("station.yaml", "other.yaml"))
    assert f"process {first.pid} is writing it; stop that daemon first" in on_its_data
    assert "the bench refused 'own'" in on_its_bench
    rows = host.rows("cell")
    host.wait_for(lambda: host.rows("cell") > rows + 100)
    assert "reconnecting" not in host.words
    first.send_signal(signal.SIGTERM)
    assert host.ended(first) == 0


def read_only_volume(host: Host) -> tuple[str, ...]:
    disk = SmallDisk.mount(host.data, read_only=True)
    host.disk = disk
    return disk.within


def nobodys_folder(host: Host) -> tuple[str, ...]:
    """May not be written by its owner either, and a user without rights of his own respects that."""
    host.data.mkdir(mode=0o500)
    return ("unshare", "--user")


def a_file_in_its_place(host: Host) -> tuple[str, ...]:
    host.data.write_text("not a folder")
    return ()


def a_file_above_it(host: Host) -> tuple[str, ...]:
    (host.folder / "taken").write_text("not a folder")
    station = host.folder / "station.yaml"
    station.write_text(station.read_text().replace("/data", "/taken/data"))
    return ()


UNUSABLE = {
    read_only_volume: "its lock can't be made: Read-only file system; check that the folder exists and who may write",
    nobodys_folder: "its lock can't be made: Permission denied; check that the folder exists and who may write to it",
    a_file_in_its_place: "this folder can't be made: File exists; name a data directory that may be written",
    a_file_above_it: "this folder can't be made: Not a directory; name a data directory that may be written",
}


@pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__)
def test_a_data_directory_that_is_none_is_refused_before_anything_is_asked(tmp_path, spoil):
    nobody = {"control": "127.0.0.1:9", "cables": {"potentiostat": {"address": "127.0.0.1:9"}}}
    host = Host(tmp_path, hello=nobody)
    host.write_station()
    try:
        assert UNUSABLE[spoil] in refused(host, *spoil(host))[0]
    finally:
        if host.disk is not None:
            host.disk.unmount()


def test_descriptors_run_out_and_none_leak(make_host):
    """Again and again the cable is pulled; when no descriptor is left to reconnect with, it waits for one."""
    host = make_host(pace=60.0)
    daemon = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 20)
    opened = Path(f"/proc/{daemon.pid}/fd")
    used = len(list(opened.iterdir()))
    for starved in (False, True, False, True):
        rows, tries = host.rows("cell"), host.words.count("(opening: ")
        if starved:
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, 64))
        host.ask_bench("fault", cable="potentiostat", kind="cut")
        host.wait_for(lambda before=tries: host.words.count("(opening: ") > before)
        host.ask_bench("fault", cable="potentiostat", kind="heal")
        if starved:
            tries = host.words.count("(opening: ")
            host.wait_for(lambda before=tries: host.words.count("(opening: ") > before + 1)
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (64, 64))
        host.wait_for(lambda before=rows: host.rows("cell") > before + 20)
    assert len(list(opened.iterdir())) <= used + 1
    daemon.send_signal(signal.SIGTERM)
    assert host.ended(daemon) == 0
    run_to_its_end(host)


def test_files_that_change_under_a_run_change_nothing_in_it(make_host):
    """Protocol, cell and station file are edited, the data directory is moved away and back; the daemon is killed."""
    host = make_host(on_owner_lost="freeze")
    cell = Path(shutil.copy(CELL, host.folder / "cell.yaml"))
    daemon = host.serve()
    host.run(CYCLING)
    began_with = host.result().header
    host.wait_for(lambda: host.rows("cell") > 100)
    (host.folder / "protocol.yaml").write_text(RESTING)
    cell.write_text("cell: {name: another}\n")
    away = host.folder / "away"
    host.data.rename(away)
    host.wait_for(lambda: read_rows(next(away.glob("*/run.sqlite")), "cell")["seq"].iloc[-1] > 300)
    away.rename(host.data)
    daemon.kill()
    daemon.wait()
    station = host.folder / "station.yaml"
    good = station.read_text()
    station.write_text(good.replace("serial_number", "serial_nummer"))
    assert "did you mean serial_number? " in refused(host)[0]
    station.write_text(good.replace("supervise_every_s: 10", "supervise_every_s: 7"))
    run_to_its_end(host)
    header = host.result().header
    assert header == began_with
    assert (header.protocol_text, header.supervise_every_second) == (CYCLING, 10)
    assert len(header.station_sha256) == 64


def spoil_state(path: Path) -> None:
    """One bit of the stored state."""
    content = bytearray(path.read_bytes())
    content[content.rindex(b'"phase":"measuring"') + 9] ^= 1
    path.write_bytes(content)


def age_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")


def spoil_first_page(path: Path) -> None:
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])


UNREADABLE = {
    spoil_state: ("held", "the snapshot fails its checksum; keep a copy"),
    age_schema: ("held", "it has schema version 1, this presscell reads 2; use the presscell that wrote it"),
    spoil_first_page: ("free", "it is no run file, or its first page is damaged"),
}


def test_a_run_that_cannot_be_read_holds_its_rig_and_no_other(make_host):
    """Three times from the same moment; where not even the rig can be read, it is said at every one that is free."""
    host = make_host(
        bench_file="warm.yaml", rigs={"rig1": ("potentiostat",), "rig2": ("thermometer",)}, on_owner_lost="freeze"
    )
    daemon = host.serve()
    left = host.run(CYCLING)
    host.run(RESTING, rig="rig2")
    path = host.data / left / "run.sqlite"
    host.wait_for(lambda: len(read_rows(path, "cell")) > 150)
    daemon.kill()
    daemon.wait()
    RunFile.open(path).close()
    kept = host.folder / "kept"
    host.data.rename(kept)
    for spoil, (state, says) in UNREADABLE.items():
        shutil.copytree(kept, host.data, ignore=shutil.ignore_patterns("*.sock"))
        spoil(path)
        before = path.read_bytes()
        daemon = host.serve()
        rig1, rig2 = host.status()
        assert (rig1["state"], rig2["state"]) == (state, "running")
        assert left in rig1["reason"]
        assert says in rig1["reason"]
        assert path.read_bytes() == before, "evidence was changed"
        daemon.kill()
        daemon.wait()
        shutil.rmtree(host.data)


def test_a_daemon_dead_for_ten_minutes_of_a_charge(make_host):
    """Nobody is there when the charge meets its limit: the instrument ends it, and keeps every row."""
    host = make_host(on_owner_lost="run_on")
    daemon = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 900)
    daemon.kill()
    daemon.wait()
    stored = host.rows("cell")
    host.wait_beside(lambda: host.bench_log("owner_lost"))
    died = host.bench_log("owner_lost")[-1]["bench_second"]
    host.wait_on_bench(died + DEAD_SECOND)
    closed, opened = host.bench_log("output")[-2:]
    assert (closed["relay"], opened["relay"]) == ("closed", "open")
    assert opened["max_voltage_volt"] == pytest.approx(3.7, abs=0.006)
    assert died < opened["bench_second"] < died + DEAD_SECOND
    assert host.rows("cell") == stored

    run_to_its_end(host)
    charge = read_rows(host.run_path, "cell").query("segment == 2")
    lasted_second = opened["bench_second"] - closed["bench_second"]
    assert charge["elapsed_second"].iloc[-1] == pytest.approx(lasted_second, abs=0.3)
    assert len(charge) - 1 == pytest.approx(lasted_second, abs=1.3)
    assert host.result().segments[1].ended_by == "voltage"

"""UTC that jumps, daylight saving, a host that stands still: times of rows stay true, and what happened is told."""

import math
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from daemon.events import Noticed
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from daemon.stored import stored_event
from tests.support.host import Host, stopped

METHOD = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: REST s}
  - {step: constant_current, id: push, rate_C: 0.5, until_time: 1 s}
"""
ALL = ("potentiostat", "load_cell", "thermometer", "chamber")
LOST_STATUS = 16


@pytest.fixture
def host(tmp_path) -> Iterator[Host]:
    """Instruments in real time, and a daemon that takes the machine's clock for the truth."""
    host = Host(tmp_path, bench_file="single.yaml", rigs={"rig1": ALL}, own_clock=True, supervise_every_s=0.5)
    host.start_bench()
    yield host
    host.close()


def libfaketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "these tests need libfaketime: sh tests/support/need_tools.sh"
    return found[0]


def stream(host: Host, name: str):
    return read_rows(host.run_path, name)


def noticed(host: Host) -> list[Noticed]:
    events = [stored_event(host.run_path, entry) for entry in read_journal(host.run_path)]
    return [event for event in events if isinstance(event, Noticed)]


def moves(host: Host) -> list[float]:
    return [float(said) for said in re.findall(r"UTC was moved by (\S+) s", host.words)]


def assert_every_row_of_the_cell_is_there(host: Host, *lasted_second: float) -> None:
    """One a second on the instrument's own clock, to the end of each step."""
    for (_, rows), last in zip(stream(host, "cell").groupby("segment"), lasted_second, strict=True):
        assert rows["elapsed_second"].to_numpy() == pytest.approx(np.arange(last + 1), abs=1e-3)
    assert [segment.ended_by for segment in host.result().segments] == ["time"] * len(lasted_second)


def test_utc_jumps_in_a_run_and_summer_time_begins(host, tmp_path):
    """The clock of the host is faked, all but the monotonic one: it goes on like any other process's."""
    said = tmp_path / "utc"

    def set_utc(text: str) -> None:
        said.with_suffix(".new").write_text(text + "\n")
        said.with_suffix(".new").replace(said)

    set_utc("@2026-03-29 01:59:54")
    host.more = {
        "LD_PRELOAD": str(libfaketime()),
        "FAKETIME_TIMESTAMP_FILE": str(said),
        "FAKETIME_CACHE_DURATION": "0",
        # When two threads ask at once, as SQLite and the loop do, it reads its file anew: that must not begin it anew.
        "FAKETIME_DONT_RESET": "1",
        "NO_FAKE_STAT": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "TZ": "Europe/Berlin",
    }
    daemon = host.serve()
    host.run(METHOD.replace("REST", "8"))
    host.wait_for(lambda: host.rows("cell") >= 1)
    assert host.result().header.started_utc_second == pytest.approx(1774745994, abs=30)
    set_utc("@2026-03-29 03:59:54")
    host.wait_for(lambda: len(moves(host)) == 1)
    set_utc("@2026-03-29 00:59:54")
    host.wait_for(lambda: len(moves(host)) == 2)
    host.wait_for(lambda: host.is_over)
    daemon.send_signal(signal.SIGTERM)
    assert host.ended(daemon) == 0

    result = host.result()
    assert result.outcome == "completed", result.run.reason
    assert_every_row_of_the_cell_is_there(host, 8, 1)
    for name in ("cell", "pressure", "temperature"):
        assert (np.diff(stream(host, name)["test_time_second"]) >= 0).all(), name
    run_times = [entry.run_time_second for entry in read_journal(host.run_path)]
    assert run_times == sorted(run_times)
    assert run_times[-1] < 60
    assert moves(host) == pytest.approx([3600, -7200], abs=60)
    assert [event.what for event in noticed(host)] == ["utc_moved", "utc_moved"]
    (warning,) = result.run.warnings
    assert warning.startswith("utc_moved: UTC was moved by +3")


def test_a_host_that_stands_still_leaves_one_honest_gap(host):
    """What the load cell sent meanwhile waits in the kernel; when it was sent, nobody can tell any more."""
    daemon = host.serve()
    host.run(METHOD.replace("REST", "6"))
    host.wait_for(lambda: host.rows("cell") >= 2 and host.rows("pressure") >= 2)
    stopped(daemon)
    since = host.ask_bench("hello")["now_second"]
    host.wait_for(lambda: host.ask_bench("hello")["now_second"] > since + 4)
    daemon.send_signal(signal.SIGCONT)
    host.wait_for(lambda: host.is_over)
    daemon.send_signal(signal.SIGTERM)
    assert host.ended(daemon) == 0

    result = host.result()
    assert result.outcome == "completed", result.run.reason
    assert_every_row_of_the_cell_is_there(host, 6, 1)
    (away,) = noticed(host)
    assert away.what == "away"
    assert f"away: {away.text}" in result.run.warnings
    for name, column in (("pressure", "surface_pressure_pa"), ("temperature", "jig_temperature_celsius")):
        rows = stream(host, name)
        (gap,) = np.flatnonzero(rows[column].isna())
        second = rows["test_time_second"].to_numpy()
        assert (np.diff(second) >= 0).all()
        assert second[gap + 1] - second[gap] > 3.5, "rows of the time nobody listened"
    pressure = stream(host, "pressure")
    listened_second = pressure["test_time_second"].iloc[-1] - float(re.search(r"[0-9]+", away.text)[0])
    assert pressure["surface_pressure_pa"].notna().sum() <= listened_second + 2, "what waited became rows"
    assert pressure["load_status"][pressure["surface_pressure_pa"].isna()].tolist() == [LOST_STATUS]
    assert math.isfinite(pressure["surface_pressure_pa"].iloc[-1])

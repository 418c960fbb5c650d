"""kill -9 at any moment: the run goes on with every row, in the right step, and the cell never leaves its window."""

import random
import signal
import subprocess

import numpy as np
import pandas as pd
import pytest

from daemon.preflight import PREFLIGHT
from daemon.resuming import RECOVERY
from daemon.store.reading import read_rows
from tests.support.station import Station, kill_after

CYCLING = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 3}
"""
PACE = 900.0
END_WITHIN_SECOND = 60.0


@pytest.fixture
def stations(tmp_path):
    made: list[Station] = []

    def make(name: str, **settings) -> Station:
        folder = tmp_path / name
        folder.mkdir()
        station = Station(folder, **settings)
        made.append(station)
        station.start_bench()
        return station

    yield make
    for station in made:
        station.close()


def cell_rows(station: Station) -> pd.DataFrame:
    return read_rows(station.result().directory / "run.sqlite", "cell")


def run_killing(station: Station, moments: list[float]) -> int:
    """Carry the protocol out, killing the daemon after each of these real times; answers how often it was killed."""
    daemon = station.serve()
    station.run(CYCLING)
    killed = 0
    for moment in moments:
        if not kill_after(daemon, moment):
            break
        killed += 1
        daemon = station.serve("--until-idle")
    if not moments:
        station.command_line.run("stop", "--rig", "nobody", "--data", str(station.data))
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(END_WITHIN_SECOND)
        daemon = station.serve("--until-idle")
    assert daemon.wait(END_WITHIN_SECOND) == 0
    return killed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The rows of a run that nobody killed."""
    station = Station(tmp_path_factory.mktemp("undisturbed"))
    station.start_bench()
    try:
        daemon = station.serve("--until-idle")
        daemon.wait(END_WITHIN_SECOND)
        daemon = station.serve()
        station.run(CYCLING)
        wait_until_idle(station, daemon)
        yield cell_rows(station), [segment.step_id for segment in station.result().segments]
    finally:
        station.close()


def wait_until_idle(station: Station, daemon: subprocess.Popen[str]) -> None:
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(END_WITHIN_SECOND)
    assert station.serve("--until-idle").wait(END_WITHIN_SECOND) == 0


@pytest.mark.parametrize("seed", range(1))
def test_with_the_bench_frozen_while_the_daemon_is_dead_nothing_shows_in_the_rows(stations, undisturbed, seed):
    station = stations("killed", pace=PACE)
    rng = random.Random(seed)
    killed = run_killing(station, [rng.uniform(0.2, 1.2) for _ in range(4)])
    assert killed >= 2
    rows, steps = undisturbed
    result = station.result()
    assert result.outcome == "completed"
    assert result.run.resume_count >= 1
    assert [segment.step_id for segment in result.segments] == steps
    pd.testing.assert_frame_equal(cell_rows(station), rows, check_exact=True)
    assert station.bench_log("excursion_begin") == []


@pytest.mark.parametrize("seed", range(1))
def test_with_the_bench_running_on_no_row_is_lost_and_the_segment_ends_by_itself(stations, undisturbed, seed):
    station = stations("killed", pace=PACE, on_owner_lost="run_on")
    rng = random.Random(100 + seed)
    run_killing(station, [rng.uniform(0.3, 1.0) for _ in range(2)])
    rows, steps = undisturbed
    result, kept = station.result(), cell_rows(station)
    assert result.outcome == "completed", result.run.reason
    # The longer nobody was there, the more often the cell rested before it went on.
    executed = [segment.step_id for segment in result.segments]
    assert [step_id for step_id in executed if not step_id.endswith((RECOVERY, PREFLIGHT))] == steps
    assert (np.diff(kept["seq"]) == 1).all()
    for _, part in kept.groupby("segment"):
        elapsed = part["elapsed_second"].to_numpy()
        assert elapsed[0] == 0
        assert np.diff(elapsed[:-1]) == pytest.approx(1.0, abs=1e-6)
    assert station.bench_log("excursion_begin") == []
    first = kept[kept["segment"] == 1]
    pd.testing.assert_frame_equal(first, rows[rows["segment"] == 1], check_exact=True)

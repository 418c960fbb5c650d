"""A constant power through the whole daemon: held within its tolerance, ended at its voltage, adopted after a kill."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daemon.deciding.preflight import PREFLIGHT
from daemon.deciding.resuming import RECOVERY
from daemon.reader import RunData, read_run
from daemon.store.rows import read_rows
from drivers.roles import POWER_TOLERANCE
from tests.support.command_line import CommandLine
from tests.support.station import Station, kill_after

PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: constant_power, id: charge, power_mW: 6, until_voltage_V: 3.7}
  - {step: constant_power, id: discharge, power_mW: -6, until_voltage_V: 2.0}
  - {step: constant_power, id: dose, power_mW: 4, until_energy_mWh: 0.5, until_voltage_V: 3.7}
  - {step: constant_power, id: timed, power_mW: -4, until_time: 2 min}
"""
FAST_WATT = 10e-3
TWO_HALVES = "".join(PROTOCOL.splitlines(keepends=True)[:5]).replace("6,", f"{1000 * FAST_WATT:g},")
WATT = {"charge": 6e-3, "discharge": -6e-3, "dose": 4e-3, "timed": -4e-3}
CLIMB_SECOND = 5.0
"""Of the current, at the start of a segment."""
NOISE_SHARE = 1e-3
END_WITHIN_SECOND = 60.0


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], RunData, list[dict[str, Any]]]:
    """The object of `--json`, the run read back, and what the bench itself saw."""
    folder = tmp_path_factory.mktemp("power")
    result = CommandLine(folder).simulate(PROTOCOL)
    directory = Path(result["run_directory"])
    log = [json.loads(line) for line in (directory / "bench.jsonl").read_text().splitlines()]
    return result, read_run(directory), log


def test_each_segment_ended_as_it_was_asked_to(simulated) -> None:
    result, _, _ = simulated
    assert result["outcome"] == "completed"
    segments = {segment["step_id"]: segment for segment in result["segments"]}
    ended_by = {step_id: segment["ended_by"] for step_id, segment in segments.items()}
    assert ended_by == {"rest": "time", "charge": "voltage", "discharge": "voltage", "dose": "energy", "timed": "time"}
    assert {segment["step_type"] for step_id, segment in segments.items() if step_id in WATT} == {"constant_power"}
    assert all(abs(segments[step_id]["overshoot_volt"]) < 5e-3 for step_id in ("charge", "discharge"))
    assert segments["dose"]["reached"]["measured_value"] >= 0.5e-3
    assert not any(segment["abnormal"] for segment in segments.values())


def test_the_power_is_held_within_its_tolerance(simulated) -> None:
    _, run, _ = simulated
    for step_id, watt in WATT.items():
        rows = run.rows[run.rows["step_id"] == step_id]
        share = (rows["voltage_volt"] * rows["current_ampere"] / watt).to_numpy()
        risen = rows["step_time_second"].to_numpy() > CLIMB_SECOND
        assert risen.sum() > 100
        volt = rows["voltage_volt"].to_numpy()
        # At the end of a discharge the voltage falls by itself between two tests, five of which lie between two rows.
        falls = np.abs(np.diff(volt, prepend=volt[0])) / volt / 4
        assert (np.abs(share - 1) < POWER_TOLERANCE + NOISE_SHARE + falls)[risen].all()
        assert np.mean(np.abs(share[risen] - 1) < POWER_TOLERANCE + NOISE_SHARE) > 0.99
        assert share[~risen].max() < 1.01, "it is approached from below"
        assert np.diff(rows["step_time_second"])[1:-1] == pytest.approx(1.0, abs=1e-3)
    charge = run.rows.loc[run.rows["step_id"] == "charge", "current_ampere"]
    assert charge.max() > 1.2 * charge.iloc[-1], "it falls while the voltage rises"


def test_the_cell_saw_one_closing_of_the_relay_a_segment_and_no_excursion(simulated) -> None:
    _, _, log = simulated
    assert [line for line in log if line["event"] == "excursion_begin"] == []
    switched = [line["relay"] for line in log if line["event"] == "output"][2:]
    assert switched == ["closed", "open"] * 5


def test_halves_by_power_make_cycles_and_have_names_of_their_own(simulated) -> None:
    result, run, _ = simulated
    first = result["cycles"][0]
    assert (first["rate_C"], len(result["cycles"])) == (None, 2)
    assert 50 < first["discharge_capacity_mAh_g"] < first["charge_capacity_mAh_g"]
    kinds = run.rows.groupby("step_id")["step_type"].first().to_dict()
    assert kinds == {"rest": "OCV", "charge": "CP_CHG", "discharge": "CP_DCH", "dose": "CP_CHG", "timed": "CP_DCH"}


def cell_rows(station: Station) -> pd.DataFrame:
    return read_rows(station.result().directory / "run.sqlite", "cell")


@pytest.fixture
def stations(tmp_path):
    made: list[Station] = []

    def make(name: str, **settings: Any) -> Station:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Station(folder, pace=300.0, **settings))
        made[-1].start_bench()
        return made[-1]

    yield make
    for station in made:
        station.close()


def carry_out(station: Station, *, kills: list[float]) -> int:
    """Carry the two halves out, with `kill -9` after each of these real times; answers how often it was killed.

    The daemon after that goes as fast as it can.
    """
    daemon, killed = station.serve(), 0
    station.run(TWO_HALVES)
    for moment in kills:
        if not kill_after(daemon, moment):
            break
        killed += 1
        station.as_fast_as_it_goes()
        daemon = station.serve("--until-idle")
    if not kills:
        daemon.terminate()
        daemon.wait(END_WITHIN_SECOND)
        station.as_fast_as_it_goes()
        daemon = station.serve("--until-idle")
    assert daemon.wait(END_WITHIN_SECOND) == 0
    return killed


def test_a_segment_by_power_is_adopted_and_its_rows_are_the_same(stations) -> None:
    calm, killed = stations("calm"), stations("killed")
    carry_out(calm, kills=[])
    assert carry_out(killed, kills=[random.Random(7).uniform(0.6, 1.5)]) == 1
    result = killed.result()
    assert (result.outcome, [segment.ended_by for segment in result.segments]) == (
        "completed",
        ["time", "voltage", "voltage"],
    )
    assert result.run.resume_count >= 1
    pd.testing.assert_frame_equal(cell_rows(killed), cell_rows(calm), check_exact=True)
    assert killed.bench_log("excursion_begin") == []


def test_with_the_host_dead_it_ends_at_its_voltage_and_its_rows_wait(stations) -> None:
    station = stations("dead", on_owner_lost="run_on")
    assert carry_out(station, kills=[1.5]) == 1
    result, rows = station.result(), cell_rows(station)
    executed = [segment for segment in result.segments if not segment.step_id.endswith((RECOVERY, PREFLIGHT))]
    assert [segment.ended_by for segment in executed] == ["time", "voltage", "voltage"]
    assert (np.diff(rows["seq"]) == 1).all()
    for segment in executed[1:]:
        part = rows[rows["segment"] == segment.segment]
        watt = part["voltage_volt"] * part["current_ampere"]
        late = part["elapsed_second"] > CLIMB_SECOND
        assert np.mean(np.abs(np.abs(watt[late]) / FAST_WATT - 1) < POWER_TOLERANCE + NOISE_SHARE) > 0.9
    assert station.bench_log("excursion_begin") == []

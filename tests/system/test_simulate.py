"""A press cell cycles end to end: real processes, real sockets, the bench's own log as witness."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daemon.store.rows import read_rows
from tests.support.command_line import SHORT_PROTOCOL, CommandLine

LIBRARY = Path(__file__).parents[2] / "protocols" / "library"
PAPER_MAH_G = {0.1: 197.0, 0.3: 176.0, 0.5: 167.0, 1.0: 144.0, 2.0: 112.0}
LARGEST_OVERSHOOT_VOLT = 0.005


def rows_of(result: dict) -> pd.DataFrame:
    return read_rows(Path(result["run_directory"]) / "run.sqlite", "cell")


def charges_ampere_hour(rows: pd.DataFrame) -> dict[int, float]:
    """Net charge a segment, by a formula of our own."""
    return {
        segment: float(np.trapezoid(part["current_ampere"], part["elapsed_second"])) / 3600
        for segment, part in rows.groupby("segment")
    }


def closings(outputs: list[dict]) -> list[tuple[dict, dict]]:
    """Each time the relay was closed to drive or measure the cell, and when it opened again."""
    first_on = next(index for index, line in enumerate(outputs) if line["output"] == "on")
    return list(zip(outputs[first_on::2], outputs[first_on + 1 :: 2], strict=True))


def net_coulomb(line: dict) -> float:
    return line["charge_in_coulomb"] - line["charge_out_coulomb"]


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    return CommandLine(tmp_path_factory.mktemp("short")).simulate()


def test_the_object_has_what_the_architecture_promises(short_run):
    assert short_run["outcome"] == "completed"
    assert short_run["simulated"] is True
    names = ["cycle_count", "block", "rate_C", "charge_capacity_mAh_g", "discharge_capacity_mAh_g"]
    names += ["coulombic_efficiency_percent", "pressure_end_of_charge_MPa", "pressure_end_of_discharge_MPa"]
    assert all(set(names) <= set(cycle) for cycle in short_run["cycles"])
    names = ["step_id", "step_type", "ended_by", "start_run_time_second", "end_run_time_second", "rows"]
    assert all(set(names) <= set(segment) for segment in short_run["segments"])
    assert short_run["spectra"] == []
    assert short_run["rows"] == sum(segment["rows"] for segment in short_run["segments"])
    assert short_run["wall_second"] > 0
    assert short_run["simulated_second"] > 1000


def test_segments_end_as_written(short_run):
    assert [segment["ended_by"] for segment in short_run["segments"]] == ["time"] + 4 * ["voltage"]
    assert all(not segment["abnormal"] for segment in short_run["segments"])


def test_rows_are_whole_and_in_order(short_run):
    rows = rows_of(short_run)
    assert rows["seq"].tolist() == list(range(1, short_run["rows"] + 1))
    assert (np.diff(rows["test_time_second"]) >= 0).all()
    assert np.isfinite(rows[["voltage_volt", "current_ampere"]].to_numpy()).all()
    for segment, part in rows.groupby("segment"):
        assert part["elapsed_second"].iloc[0] == 0, segment
        assert np.diff(part["elapsed_second"])[:-1] == pytest.approx(1.0, abs=1e-6)


def test_charge_from_the_rows_agrees_with_the_cycle_table_and_with_the_cell(short_run, bench_log):
    from_rows = charges_ampere_hour(rows_of(short_run))
    for segment in short_run["segments"]:
        assert segment["charge_ampere_hour"] == pytest.approx(from_rows[segment["segment"]], rel=1e-4, abs=1e-12)
    truth = {
        segment: (net_coulomb(opened) - net_coulomb(closed)) / 3600
        for segment, (closed, opened) in enumerate(closings(bench_log(Path(short_run["run_directory"]), "output")), 1)
    }
    for segment in short_run["segments"]:
        if segment["half"] is not None:
            assert from_rows[segment["segment"]] == pytest.approx(truth[segment["segment"]], rel=5e-4)


def test_no_half_cycle_overshoots_and_the_relay_opens_after_each(short_run, bench_log):
    overshoots = [segment["overshoot_volt"] for segment in short_run["segments"] if segment["half"]]
    assert max(overshoots) < LARGEST_OVERSHOOT_VOLT
    directory = Path(short_run["run_directory"])
    pairs = closings(bench_log(directory, "output"))
    assert len(pairs) == len(short_run["segments"])
    assert all(closed["relay"] == "closed" and opened["relay"] == "open" for closed, opened in pairs)
    assert all(opened["min_voltage_volt"] > 2.0 - LARGEST_OVERSHOOT_VOLT for _, opened in pairs)
    assert all(opened["max_voltage_volt"] < 3.7 + LARGEST_OVERSHOOT_VOLT for _, opened in pairs)
    assert bench_log(directory, "excursion_begin") == []


def test_the_same_seed_gives_the_same_rows_twice_and_at_a_pace(command_line, short_run):
    fast, again = rows_of(short_run), rows_of(command_line.simulate())
    pd.testing.assert_frame_equal(fast, again, check_exact=True)
    paced = rows_of(command_line.simulate(SHORT_PROTOCOL, "--speed", "1500"))
    pd.testing.assert_frame_equal(fast, paced, check_exact=True)


def test_another_seed_gives_other_rows(command_line, short_run):
    other = rows_of(command_line.simulate(SHORT_PROTOCOL, "--seed", "2"))
    assert not rows_of(short_run)["voltage_volt"].equals(other["voltage_volt"])


def test_rate_capability_gives_the_papers_capacities(command_line):
    """By one cycle at each rate; by all five, as it is written: `make library`."""
    text = (LIBRARY / "rate_capability.yaml").read_text(encoding="utf-8")
    assert text.count("cycle_count: 5") == 1
    cycles = command_line.simulate(text.replace("cycle_count: 5", "cycle_count: 1"))["cycles"]
    assert len(cycles) == 6
    for rate_C, published in PAPER_MAH_G.items():
        (measured,) = (cycle["discharge_capacity_mAh_g"] for cycle in cycles if cycle["rate_C"] == rate_C)
        assert measured == pytest.approx(published, rel=0.03)

"""A run as pandas tables."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daemon.export.bdf import COLUMNS
from daemon.reader import RunData, read_run
from daemon.results.result import read_result
from daemon.store.errors import StoreError
from tests.support.measured_run import (
    EMPTY_PASCAL,
    NOISE_PASCAL,
    PASCAL_PER_AMPERE_HOUR,
    PRESSURE_OFFSET_SECOND,
    STARTED_UTC_SECOND,
    Change,
    without_reading,
)


def integral_mAh(rows: pd.DataFrame) -> pd.Series:
    """Net charge of each step, by a formula of our own."""
    return pd.Series(
        {
            step: np.trapezoid(part["current_ampere"], part["test_time_second"]) / 3.6
            for step, part in rows.groupby("step_count")
        }
    )


def test_rows_have_the_names_of_the_format(run: RunData) -> None:
    assert set(run.rows) == {column.in_reader for column in COLUMNS} | {"step_id"}
    assert not run.rows.drop(columns=["surface_pressure_pa"]).isna().any(axis=None)


def test_every_row_is_there_and_every_step_begins_and_ends_with_one(run: RunData) -> None:
    assert run.rows["record_index"].tolist() == list(range(1, run.result.run.rows + 1))
    for segment in run.result.segments:
        part = run.rows[run.rows["step_count"] == segment.segment]
        assert len(part) == segment.rows
        assert part["test_time_second"].iloc[0] == segment.start_run_time_second
        assert part["test_time_second"].iloc[-1] == segment.end_run_time_second
        assert part["step_time_second"].iloc[0] == 0.0
        assert part["voltage_volt"].iloc[-1] == segment.last_voltage_volt


def test_charge_agrees_with_the_cycle_table_and_with_an_integral(run: RunData) -> None:
    rows, grams = run.rows, run.result.plan.cell.active_mass_gram
    by_step = integral_mAh(rows)
    for segment in run.result.segments:
        assert by_step[segment.segment] == pytest.approx(1000 * segment.charge_ampere_hour, rel=1e-9, abs=1e-12)
    last = rows.groupby("cycle_count").last().loc[1:]
    charged = 1000 * last["cycle_charging_capacity_ah"] / grams
    discharged = 1000 * last["cycle_discharging_capacity_ah"] / grams
    assert charged.tolist() == pytest.approx(run.cycles["charge_capacity_mAh_g"].tolist(), rel=1e-9)
    assert discharged.tolist() == pytest.approx(run.cycles["discharge_capacity_mAh_g"].tolist(), rel=1e-9)


def test_totals_never_fall_and_parts_restart(run: RunData) -> None:
    rows = run.rows
    for name in ("charging_capacity_ah", "discharging_capacity_ah", "charging_energy_wh", "discharging_energy_wh"):
        assert (np.diff(rows[name]) >= 0).all()
    firsts = rows.groupby("step_count").first()
    assert (firsts[["step_charging_capacity_ah", "step_discharging_capacity_ah"]] == 0).all(axis=None)
    lasts = rows.groupby("step_count").last()
    assert lasts["step_charging_capacity_ah"].sum() == pytest.approx(rows["charging_capacity_ah"].iloc[-1])


def test_steps_and_cycles_are_named(run: RunData) -> None:
    steps = run.rows.groupby("step_count").first()
    assert steps["step_id"].tolist() == [
        "rest",
        "slow/charge",
        "slow/discharge",
        *2 * ["fast/charge", "fast/discharge"],
    ]
    assert steps["step_type"].tolist() == ["OCV", *3 * ["CC_CHG", "CC_DCH"]]
    assert steps["cycle_count"].tolist() == [0, 1, 1, 2, 2, 3, 3]
    by_number = {entry["step_number"]: entry["step_id"] for entry in run.metadata["steps"]}
    assert [by_number[number] for number in steps["step_number"]] == steps["step_id"].tolist()


def test_time_is_also_utc(run: RunData) -> None:
    assert (run.rows["unix_time_second"] - STARTED_UTC_SECOND).to_numpy() == pytest.approx(
        run.rows["test_time_second"].to_numpy(), abs=1e-6
    )
    assert run.pressure is not None
    assert run.pressure["unix_time_second"].iloc[0] == STARTED_UTC_SECOND + PRESSURE_OFFSET_SECOND


def test_pressure_beside_a_row_is_the_one_measured_before_it(run: RunData) -> None:
    assert run.pressure is not None
    by_time = dict(zip(run.pressure["test_time_second"], run.pressure["surface_pressure_pa"], strict=True))
    for row in run.rows.iloc[[1, 500, 5000, -1]].itertuples():
        before = np.floor(row.test_time_second - PRESSURE_OFFSET_SECOND) + PRESSURE_OFFSET_SECOND
        assert row.surface_pressure_pa == by_time[before]
    assert np.isnan(run.rows["surface_pressure_pa"].iloc[0])


def test_old_readings_are_left_out(finished: Path) -> None:
    rows = read_run(finished, max_age_s=0.5).rows
    assert rows["surface_pressure_pa"].isna().all()
    assert not read_run(finished, max_age_s=1.5).rows["surface_pressure_pa"].iloc[1:].isna().any()


def test_a_stream_that_is_slow_by_nature_is_not_old(new_run) -> None:
    run = read_run(new_run(beside_every_second=60.0).measure(segments=3))
    assert run.rows["temperature_t1_celsius"].notna().all()
    rows = read_run(run.directory, max_age_s=20).rows
    assert 0.3 < rows["temperature_t1_celsius"].notna().mean() < 0.4


def test_cycles_know_their_pressure(run: RunData) -> None:
    for cycle in run.result.cycles:
        full = run.rows.loc[run.rows["cycle_count"] == cycle.cycle_count, "net_capacity_ah"].max()
        expected_MPa = (EMPTY_PASCAL + PASCAL_PER_AMPERE_HOUR * full) / 1e6
        assert cycle.pressure_end_of_charge_MPa == pytest.approx(expected_MPa, abs=2 * NOISE_PASCAL / 1e6)
        assert cycle.charge_pressure_slope_MPa_mAh == pytest.approx(PASCAL_PER_AMPERE_HOUR / 1e9, rel=5e-3)
    assert run.cycles["pressure_end_of_charge_MPa"].dtype == np.float64


def test_the_result_of_a_run_has_the_same_cycles(run: RunData, finished: Path) -> None:
    result = read_result(finished.parent)
    assert result.cycles == run.result.cycles
    (first, *_) = result.as_object()["cycles"]
    assert first["pressure_end_of_discharge_MPa"] == pytest.approx(EMPTY_PASCAL / 1e6, abs=0.05)
    without = read_result(finished.parent, with_streams=False).cycles
    assert [cycle.pressure_end_of_charge_MPa for cycle in without] == [None] * 3
    assert [cycle.charge_capacity_mAh_g for cycle in without] == run.cycles["charge_capacity_mAh_g"].tolist()


def test_a_run_that_is_being_measured(new_run) -> None:
    made = new_run()
    path = made.measure(segments=2, last_rows=700)
    run = read_run(path)
    assert run.result.outcome == "unfinished"
    assert run.segments["ended_by"].tolist() == ["time", "voltage", ""]
    assert run.rows["step_count"].iloc[-1] == 3
    assert run.rows["cycle_count"].iloc[-1] == 1
    assert run.rows["step_type"].iloc[-1] == "CC_DCH"
    assert len(run.cycles) == 1
    last = run.segments.iloc[-1]
    assert last["end_run_time_second"] == run.rows["test_time_second"].iloc[-1]
    assert 1000 * last["charge_ampere_hour"] == pytest.approx(integral_mAh(run.rows)[3], rel=1e-9)
    assert read_run(path).rows.equals(run.rows)


def test_a_run_in_which_nothing_was_measured_yet(new_run) -> None:
    run = read_run(new_run().path)
    assert len(run.rows) == len(run.cycles) == len(run.segments) == 0
    assert run.pressure is None
    assert set(run.rows) >= {"test_time_second", "voltage_volt", "charging_capacity_ah"}


def test_rows_that_are_no_reading_stay_in_and_count_for_nothing(new_run) -> None:
    made = new_run(change=without_reading)
    run = read_run(made.measure(segments=3))
    missing = run.rows["voltage_volt"].isna()
    assert missing.sum() == 3
    read = run.rows[~missing]
    assert integral_mAh(read)[2] == pytest.approx(1000 * run.result.segments[1].charge_ampere_hour, rel=1e-9)
    assert run.rows["charging_capacity_ah"].notna().all()


def test_a_run_without_pressure_or_temperature(new_run) -> None:
    run = read_run(new_run(beside=False).measure(segments=3))
    assert run.pressure is None
    assert run.temperature is None
    assert "surface_pressure_pa" not in run.rows
    assert run.cycles["pressure_start_MPa"].isna().all()


def test_a_rig_without_a_potentiostat(log_only: RunData) -> None:
    assert len(log_only.rows) == 0
    assert log_only.pressure is not None
    assert len(log_only.pressure) > 100
    assert log_only.result.outcome == "completed"
    assert log_only.segments["end_run_time_second"].tolist() == pytest.approx([120.0], abs=1e-3)


def test_metadata_tells_what_a_reader_must_know(run: RunData) -> None:
    metadata = run.metadata
    assert metadata["simulated"] is True
    assert metadata["sample"]["active_mass_gram"] == pytest.approx(0.0075)
    assert metadata["sample"]["active_mass_basis"] == "bare_nmc"
    assert metadata["sample"]["one_C_ampere"] == pytest.approx(0.0015)
    assert metadata["reference_electrode"]["offset_volt"] == 0.62
    assert metadata["fixture"]["area_square_metre"] == pytest.approx(7.853982e-5)
    assert metadata["fixture"]["applied_pressure_pa"] == 12.7e6
    assert metadata["instruments"]["potentiostat"]["serial_number"] == "0445"
    assert metadata["protocol"]["name"] == "protocol.yaml"
    assert len(metadata["protocol"]["sha256"]) == 64
    assert metadata["run"]["resume_count"] == 0
    assert metadata["gaps"] == []


def test_gaps_are_named(new_run) -> None:
    def with_gap(columns: dict[str, np.ndarray], segment: int) -> None:
        if segment == 2:
            columns |= {name: np.delete(column, slice(50, 90)) for name, column in columns.items()}

    change: Change = with_gap
    gaps = read_run(new_run(change=change, beside=False).measure(segments=2)).metadata["gaps"]
    assert [(gap["where"], round(float(gap["gap_second"]))) for gap in gaps] == [("in step 2", 41)]


def test_a_damaged_file_is_told(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(finished, copy)
    assert len(read_run(copy).rows) > 0
    copy.write_bytes(copy.read_bytes()[:5000])
    with pytest.raises(StoreError):
        read_run(copy)

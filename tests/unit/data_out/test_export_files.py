"""Files for other programs."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daemon.export.bdf import BY_LABEL, COLUMNS, Labels
from daemon.export.files import ExportError, WouldOverwriteError, export_name, export_run, write_csv
from daemon.export.tables import Rows
from daemon.reader import RunData, read_run
from tests.support.measured_run import without_reading

NAME = "bench__BM-05__20261122_a1b2c3__SIMULATED"
LARGEST_DIFFERENCE = 1e-4


def sidecar(folder: Path) -> dict:
    [file] = folder.glob("*.metadata.json")
    return json.loads(file.read_text())["extras"]["presscell"]


def capacities_mAh(table: pd.DataFrame) -> dict[int, float]:
    """Of each step, from time and current alone."""
    return {
        int(step): abs(np.trapezoid(part["Current / A"], part["Test Time / s"])) / 3.6
        for step, part in table.groupby("Step Count / 1")
    }


@pytest.fixture(scope="module", params=[Rows.RECORD, Rows.ALL])
def exported(request: pytest.FixtureRequest, run: RunData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    done = export_run(run, folder, rows=request.param)
    assert done.rows_stored == len(run.rows)
    assert sorted(done.files) == sorted(folder.iterdir())
    return folder


def test_files_are_named_after_the_cell_and_say_simulated(exported: Path) -> None:
    names = ["bdf.csv", "bdf.parquet", "cycles.csv", "cycles.parquet", "pressure.csv", "pressure.parquet"]
    names += ["temperature.csv", "temperature.parquet", "bdf.metadata.json"]
    assert {path.name for path in exported.iterdir()} == {f"{NAME}.{name}" for name in names}


def test_capacities_by_an_integration_of_ones_own(exported: Path, run: RunData) -> None:
    for table in (pd.read_csv(exported / f"{NAME}.bdf.csv"), pd.read_parquet(exported / f"{NAME}.bdf.parquet")):
        found = capacities_mAh(table)
        for segment in run.result.segments[1:]:
            ours = 1000 * abs(segment.charge_ampere_hour)
            assert found[segment.segment] == pytest.approx(ours, rel=LARGEST_DIFFERENCE)
        cycles = table.groupby("Cycle Count / 1").last().loc[1:]
        grams = run.result.plan.cell.active_mass_gram
        for label, column in (("Charging", "charge_capacity_mAh_g"), ("Discharging", "discharge_capacity_mAh_g")):
            by_column = 1000 * cycles[f"Cycle {label} Capacity / Ah"] / grams
            assert by_column.tolist() == pytest.approx(run.cycles[column].tolist(), rel=1e-6)


def test_labels_are_the_formats_own(exported: Path) -> None:
    with (exported / f"{NAME}.bdf.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert header == [column.label for column in COLUMNS]
    assert pq.read_schema(exported / f"{NAME}.bdf.parquet").names == header
    assert set(sidecar(exported)["columns"]) == set(header)


def test_numbers_are_the_measured_ones(exported: Path, run: RunData) -> None:
    table = pd.read_csv(exported / f"{NAME}.bdf.csv")
    rows = run.rows.set_index("record_index").loc[table["Record Index / 1"]]
    assert table["Voltage / V"].tolist() == rows["voltage_volt"].tolist()
    assert table["Current / A"].tolist() == rows["current_ampere"].tolist()
    assert table["Surface Pressure / Pa"].to_numpy()[1:].tolist() == rows["surface_pressure_pa"].tolist()[1:]
    assert np.isnan(table["Surface Pressure / Pa"][0])
    assert pd.read_parquet(exported / f"{NAME}.bdf.parquet").equals(
        table.astype(pd.read_parquet(exported / f"{NAME}.bdf.parquet").dtypes)
    )


def test_steps_begin_and_end_with_their_rows(exported: Path, run: RunData) -> None:
    table = pd.read_csv(exported / f"{NAME}.bdf.csv").groupby("Step Count / 1")["Record Index / 1"]
    rows = run.rows.groupby("step_count")["record_index"]
    assert table.first().tolist() == rows.first().tolist()
    assert table.last().tolist() == rows.last().tolist()


def test_the_sidecar_tells_the_rest(exported: Path, run: RunData) -> None:
    found = sidecar(exported)
    assert found["simulated"] is True
    assert found["run"]["run_id"] == run.run_id
    assert found["rows"]["stored"] == len(run.rows)
    table = pd.read_csv(exported / f"{NAME}.bdf.csv")
    assert found["rows"]["exported"] == len(table)
    assert {entry["file"] for entry in found["files"]} == {
        path.name for path in exported.iterdir() if path.suffix != ".json"
    }
    embedded = pq.read_schema(exported / f"{NAME}.cycles.parquet").metadata
    assert embedded[b"simulated"] == b"true"
    assert json.loads(embedded[b"presscell"])["sample"] == found["sample"]


def test_streams_are_there_at_their_own_times_with_what_was_displayed(exported: Path, run: RunData) -> None:
    table = pd.read_csv(exported / f"{NAME}.pressure.csv")
    assert run.pressure is not None
    assert table["displayed_load"].tolist() == run.pressure["displayed_load"].tolist()
    assert table["load_status"].tolist() == run.pressure["load_status"].tolist()
    assert table["test_time_second"].tolist() == pytest.approx(run.pressure["test_time_second"].tolist(), abs=1e-6)
    table = pd.read_parquet(exported / f"{NAME}.temperature.parquet")
    assert len(table) == len(run.temperature)


def test_the_cycle_table_says_simulated(exported: Path, run: RunData) -> None:
    table = pd.read_csv(exported / f"{NAME}.cycles.csv")
    assert table["simulated"].all()
    assert table["flags"].fillna("").tolist() == ["", "rate_changed", ""]
    assert table["pressure_breathing_MPa"].tolist() == pytest.approx(run.cycles["pressure_breathing_MPa"].tolist())


def test_recorded_rows_are_fewer(run: RunData, tmp_path: Path) -> None:
    done = export_run(run, tmp_path, formats=("parquet",), rows=Rows.RECORD)
    assert done.rows_exported < done.rows_stored
    assert export_run(run, tmp_path, formats=("csv",), rows=Rows.ALL, overwrite=True).rows_exported == len(run.rows)


def test_older_labels_only(run: RunData, tmp_path: Path) -> None:
    export_run(run, tmp_path, labels=Labels.OLDER, formats=("csv",))
    header = (tmp_path / f"{NAME}.bdf.csv").read_text().splitlines()[0].split(",")
    assert all(BY_LABEL[label].known_to_older for label in header)
    assert "Surface Pressure / Pa" not in header
    assert (tmp_path / f"{NAME}.pressure.csv").exists()


def test_nothing_is_overwritten_unless_asked(run: RunData, tmp_path: Path) -> None:
    export_run(run, tmp_path, formats=("csv",))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(WouldOverwriteError, match="is there already"):
        export_run(run, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    export_run(run, tmp_path, overwrite=True)


def test_a_table_that_is_wrong_does_not_appear(run: RunData, tmp_path: Path) -> None:
    in_millivolt = replace(run, rows=run.rows.assign(voltage_volt=1000 * run.rows["voltage_volt"]))
    with pytest.raises(ExportError, match="Voltage / V goes from"):
        export_run(in_millivolt, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_without_reading_are_left_out_and_named(new_run, tmp_path: Path) -> None:
    run = read_run(new_run(change=without_reading).measure(segments=3))
    export_run(run, tmp_path, rows=Rows.ALL, formats=("csv",))
    missing = run.rows.loc[run.rows["voltage_volt"].isna(), "record_index"].tolist()
    assert sidecar(tmp_path)["rows"]["without_reading"] == missing
    table = pd.read_csv(tmp_path / f"{NAME}.bdf.csv")
    assert set(table["Record Index / 1"]) == set(run.rows["record_index"]) - set(missing)


def test_a_running_run_and_one_without_rows(new_run, tmp_path: Path) -> None:
    export_run(read_run(new_run().measure(segments=2, last_rows=100)), tmp_path / "running")
    assert sidecar(tmp_path / "running")["run"]["outcome"] == "unfinished"
    done = export_run(read_run(new_run().path), tmp_path / "empty")
    assert done.rows_exported == 0
    assert not list((tmp_path / "empty").glob("*.bdf.csv"))


def test_a_rig_without_a_potentiostat_has_its_streams(log_only: RunData, tmp_path: Path) -> None:
    done = export_run(log_only, tmp_path, formats=("csv",))
    names = ["cycles.csv", "pressure.csv", "temperature.csv", "bdf.metadata.json"]
    assert [file.name for file in done.files] == [f"{NAME}.{name}" for name in names]
    assert len(pd.read_csv(tmp_path / f"{NAME}.pressure.csv")) == len(log_only.pressure)


def test_a_real_run_is_not_called_simulated(new_run, tmp_path: Path) -> None:
    run = read_run(new_run(simulated=False, beside=False).measure(segments=1))
    assert export_name(run) == NAME.removesuffix("__SIMULATED")
    done = export_run(run, tmp_path)
    assert not any("SIMULATED" in file.name for file in done.files)
    assert "note" not in sidecar(tmp_path)
    assert pq.read_schema(next(tmp_path.glob("*.bdf.parquet"))).metadata[b"simulated"] == b"false"


def test_text_that_needs_quotes_gets_them(tmp_path: Path) -> None:
    table = pa.table({"a": ['x,"y"', "z"], "b": [1.5, None]})
    write_csv(table, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], ['x,"y"', "1.5"], ["z", ""]]

"""A simulated run written to files and drawn, over the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from daemon.reader import read_run
from tests.support.command_line import CommandLine

REFUSED, FOUND_A_PROBLEM = 4, 1


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def result(command_line: CommandLine) -> dict:
    return command_line.simulate()


def exported(command_line: CommandLine, result: dict, *words: str) -> list[Path]:
    done = command_line.run("export", result["run_id"][-6:], "--data", str(command_line.data), "--json", *words)
    assert done.returncode == 0, done.stderr
    return [Path(file) for file in json.loads(done.stdout)["files"]]


@pytest.mark.parametrize("rows", ["record", "all"])
def test_exported_capacities_are_those_of_the_cycle_table(command_line: CommandLine, result: dict, rows: str) -> None:
    files = exported(command_line, result, "--to", rows, "--rows", rows)
    assert all("SIMULATED" in file.name for file in files)
    [csv_file, parquet_file] = [command_line.folder / file for file in files if file.suffix != ".json"][:2]
    grams = read_run(result["run_directory"]).result.plan.cell.active_mass_gram
    for table in (pd.read_csv(csv_file), pq.read_table(parquet_file).to_pandas()):
        by_step = {
            (int(cycle), str(kind)): abs(np.trapezoid(part["Current / A"], part["Test Time / s"])) / 3.6 / grams
            for (cycle, kind), part in table.groupby(["Cycle Count / 1", "Step Type"])
        }
        for cycle in result["cycles"]:
            count = cycle["cycle_count"]
            assert by_step[count, "CC_CHG"] == pytest.approx(cycle["charge_capacity_mAh_g"], rel=1e-4)
            assert by_step[count, "CC_DCH"] == pytest.approx(cycle["discharge_capacity_mAh_g"], rel=1e-4)


def test_an_export_is_not_written_over(command_line: CommandLine, result: dict) -> None:
    files = exported(command_line, result, "--to", "twice", "--format", "csv")
    words = ("export", result["run_directory"], "--to", "twice", "--format", "csv")
    done = command_line.run(*words)
    assert done.returncode == REFUSED
    assert "--force" in done.stderr
    done = command_line.run(*words, "--force")
    assert done.returncode == 0
    assert done.stdout.split() == [str(file) for file in files]
    assert "SIMULATED" in done.stderr


def test_a_run_that_is_not_there(command_line: CommandLine, result: dict) -> None:
    for verb in (["export", "nothing", "--to", "x"], ["report", "nothing"]):
        done = command_line.run(*verb, "--data", str(command_line.data))
        assert done.returncode == FOUND_A_PROBLEM
        assert "`presscell runs`" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_report_is_saved_and_named(command_line: CommandLine, result: dict) -> None:
    done = command_line.run("report", result["run_directory"])
    assert done.returncode == 0, done.stderr
    picture = Path(done.stdout.strip())
    assert picture == Path(result["run_directory"]) / "picture.png"
    assert picture.stat().st_size > 50_000
    done = command_line.run("report", result["run_directory"], "--to", "p.svg", "--json")
    assert json.loads(done.stdout)["picture"] == "p.svg"
    assert "SIMULATED" in (command_line.folder / "p.svg").read_text(encoding="utf-8")


def test_the_run_folder_is_read_in_one_line(result: dict) -> None:
    run = read_run(result["run_directory"])
    assert len(run.rows) == result["rows"]
    assert run.cycles["discharge_capacity_mAh_g"].tolist() == [
        cycle["discharge_capacity_mAh_g"] for cycle in result["cycles"]
    ]
    assert run.is_simulated
    if run.pressure is not None:
        assert run.cycles["pressure_end_of_charge_MPa"].notna().all()
        assert [cycle["pressure_end_of_charge_MPa"] for cycle in result["cycles"]] == run.cycles[
            "pressure_end_of_charge_MPa"
        ].tolist()

"""Wrong files, most of which the format's own validators let pass, and what our check says of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from daemon.export.bdf import Labels
from daemon.export.check import Bounds, check_export, check_table
from daemon.export.files import write_csv, write_parquet
from daemon.export.tables import Rows, bdf_table
from daemon.reader import RunData

BOUNDS = Bounds(lower_voltage_volt=2.0, upper_voltage_volt=3.7)
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def table(run: RunData) -> pa.Table:
    return bdf_table(run, Rows.RECORD, Labels.ONTOLOGY).table


def with_values(table: pa.Table, label: str, change: Callable[[np.ndarray], np.ndarray]) -> pa.Table:
    values = change(table[label].to_numpy().copy())
    return table.set_column(table.column_names.index(label), label, pa.array(values))


def changed(label: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda table: with_values(table, label, change)


def at(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(values: np.ndarray) -> np.ndarray:
        values[index] = value
        return values

    return put


def swapped_signs(table: pa.Table) -> pa.Table:
    """Current, and everything that follows from it, with the wrong sign: consistent, and still wrong."""
    names = table.column_names
    for kind in ("Capacity / Ah", "Energy / Wh"):
        for prefix in ("", "Cycle ", "Step "):
            first, second = f"{prefix}Charging {kind}", f"{prefix}Discharging {kind}"
            if first in names:
                charging, discharging = table[first], table[second]
                table = table.set_column(names.index(first), first, discharging)
                table = table.set_column(names.index(second), second, charging)
    table = with_values(table, "Net Capacity / Ah", np.negative)
    return with_values(table, "Current / A", np.negative)


def reset_each_cycle(table: pa.Table) -> pa.Table:
    per_cycle = table["Cycle Charging Capacity / Ah"]
    return table.set_column(table.column_names.index("Charging Capacity / Ah"), "Charging Capacity / Ah", per_cycle)


def renamed(label: str, to: str) -> Change:
    return lambda table: table.rename_columns([to if name == label else name for name in table.column_names])


def doubled(table: pa.Table) -> pa.Table:
    return table.take(pa.array(np.sort(np.concatenate([np.arange(len(table)), [100]]))))


def backwards(table: pa.Table) -> pa.Table:
    return table.take(pa.array(np.arange(len(table))[::-1].copy()))


WRONG: dict[str, tuple[Change, str]] = {
    "mV under V": (changed("Voltage / V", lambda volt: 1000 * volt), "Voltage / V goes from"),
    "one voltage far out": (changed("Voltage / V", at(50, 9.9)), "Voltage / V goes from"),
    "flipped current": (changed("Current / A", np.negative), "charge of step"),
    "all signs flipped": (swapped_signs, "wrong sign"),
    "mA under A": (changed("Current / A", lambda ampere: 1000 * ampere), "charge of step"),
    "NaN": (changed("Voltage / V", at(7, np.nan)), "Voltage / V is"),
    "infinite": (changed("Current / A", at(7, np.inf)), "infinite"),
    "infinite pressure": (changed("Surface Pressure / Pa", at(7, np.inf)), "infinite"),
    "rows twice": (doubled, "twice"),
    "time running back": (changed("Test Time / s", at(300, 0.0)), "runs back within a step"),
    "all backwards": (backwards, "runs back"),
    "time in ms": (changed("Test Time / s", lambda second: 1000 * second), "different speeds"),
    "cycles falling": (changed("Cycle Count / 1", at(-1, 0)), "Cycle Count / 1 falls"),
    "steps falling": (changed("Step Count / 1", at(-1, 1)), "Step Count / 1 falls"),
    "net is something else": (changed("Net Capacity / Ah", lambda net: net * 1.001), "net capacity"),
    "capacity restarts": (reset_each_cycle, "falls"),
    "mAh under Ah": (changed("Charging Capacity / Ah", lambda charge: 1000 * charge), "net capacity"),
    "cycle capacity restarts late": (
        changed("Cycle Charging Capacity / Ah", lambda charge: charge + 1e-4 * (np.arange(len(charge)) > 5000)),
        "does not follow",
    ),
    "energy of another cell": (changed("Charging Energy / Wh", lambda energy: 1.01 * energy), "energy of step"),
    "MPa under Pa": (changed("Surface Pressure / Pa", lambda pascal: pascal / 1e6), "no pascals"),
    "kelvin under °C": (changed("Temperature T1 / degC", lambda celsius: celsius + 273.15), "leaves"),
    "empty": (lambda table: table.slice(0, 0), "no rows"),
    "label missing": (lambda table: table.drop_columns(["Voltage / V"]), "Voltage / V is missing"),
    "another unit's label": (renamed("Voltage / V", "Voltage / mV"), "no label we write"),
    "text under a number's label": (
        lambda table: table.set_column(2, "Voltage / V", pa.array(["3,7"] * len(table))),
        "holds text",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_tables_are_found(table: pa.Table, wrong: str) -> None:
    change, said = WRONG[wrong]
    problems = check_table(change(table), BOUNDS)
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize("wrong", ["mV under V", "NaN", "empty", "flipped current", "rows twice"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_wrong_files_are_found(table: pa.Table, wrong: str, form: str, tmp_path: Path) -> None:
    change, said = WRONG[wrong]
    path = tmp_path / f"t.{form}"
    (write_csv if form == "csv" else write_parquet)(change(table), path)
    assert any(said in problem for problem in check_export(path, form, BOUNDS))


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("rows", list(Rows))
@pytest.mark.parametrize("labels", list(Labels))
def test_right_files_are_in_order(run: RunData, rows: Rows, labels: Labels, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{form}"
    (write_csv if form == "csv" else write_parquet)(bdf_table(run, rows, labels).table, path)
    assert check_export(path, form, BOUNDS) == []


def test_a_clock_that_is_a_little_fast_is_no_mistake(table: pa.Table) -> None:
    """An instrument's own clock may be ahead of ours by the end of a step; the next step begins by ours."""
    step = table["Step Count / 1"].to_numpy()

    def ahead_by(share: float) -> list[str]:
        second = table["Test Time / s"].to_numpy()
        start = second[step == 2][0]
        moved = np.where(step == 2, start + (second - start) * (1 + share), second)
        changed_time = with_values(table, "Test Time / s", lambda _: moved)
        offset = table["Unix Time / s"].to_numpy()[0] - second[0]
        return check_table(with_values(changed_time, "Unix Time / s", lambda _: moved + offset), BOUNDS)

    def runs_back(share: float) -> bool:
        return any("runs back from one step" in problem for problem in ahead_by(share))

    assert ahead_by(5e-5) == []
    assert not runs_back(3.5e-4)
    assert runs_back(6e-4)

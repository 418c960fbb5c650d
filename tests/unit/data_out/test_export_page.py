"""The reference page of the export names every column there is."""

from pathlib import Path

import pytest

from daemon.cycles.table import Cycle
from daemon.export.bdf import COLUMNS, Column
from daemon.reader import RunData
from daemon.rows.streams import PRESSURE_SCHEMA, TEMPERATURE_SCHEMA
from drivers.roles import LoadStatus

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "export.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.machine_name)
def test_every_column_is_explained(column: Column) -> None:
    [line] = [
        line
        for line in PAGE.splitlines()
        if line.startswith("|") and column.label in line.split("|")[1].strip().split(", ")
    ]
    assert f"`{column.machine_name}`" in line
    assert line.rstrip(" |").endswith("yes" if column.known_to_older else "no")


def test_every_column_of_cycles_and_streams_is_explained() -> None:
    streams = (set(PRESSURE_SCHEMA.columns) | set(TEMPERATURE_SCHEMA.columns)) - {"elapsed_second"}
    assert [name for name in {*Cycle.__struct_fields__, *streams} if f"`{name}`" not in PAGE] == []


def test_every_status_is_explained() -> None:
    assert [status for status in LoadStatus if f"{status.value} {status.name.lower()}" not in PAGE] == []


def test_every_key_of_the_sidecar_is_explained(run: RunData) -> None:
    assert [key for key in run.metadata if f"`{key}`" not in PAGE] == []

"""Writes the files of an export: each whole or not at all, checked before it appears."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from daemon.export.bdf import BY_LABEL, Labels
from daemon.export.check import Bounds, check_export
from daemon.export.tables import BdfTable, Rows, bdf_table, cycle_table, sidecar, stream_table, with_metadata
from daemon.reader import RunData

COMPRESSION_LEVEL = 1
SIMULATED_SUFFIX = "__SIMULATED"
UNFINISHED_SUFFIX = ".part"
BY_DICTIONARY = {
    "voltage_volt",
    "current_ampere",
    "step_type",
    "ambient_temperature_celsius",
    "temperature_t1_celsius",
    "displayed_load",
    "sensor_temperature_celsius",
    "jig_temperature_celsius",
    "setpoint_temperature_celsius",
}
"""Columns with few different values, by machine name."""


@dataclass(eq=False)
class ExportError(Exception):
    """Nothing was exported. `problems` are sentences."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.problems)


class WouldOverwriteError(ExportError):
    """Files of these names are there already."""


@dataclass(frozen=True)
class Exported:
    """The files of an export in the order they were named, and how many of the cell's rows are in them."""

    files: tuple[Path, ...]
    rows_stored: int
    rows_exported: int


@dataclass(frozen=True)
class _Table:
    """One table to write: `name` is added to the export's name, before what the format adds."""

    name: str
    table: pa.Table
    is_bdf: bool = False


def export_name(run: RunData) -> str:
    """How an export's file names begin: station, cell, day and the run's last characters; SIMULATED if it was."""
    header = run.result.header
    day = datetime.fromtimestamp(header.started_utc_second, UTC).strftime("%Y%m%d")
    cell = re.sub(r"[^A-Za-z0-9.-]+", "-", run.result.plan.cell.name).strip("-")
    return f"{header.station}__{cell}__{day}_{header.run_id[-6:]}{SIMULATED_SUFFIX if header.simulated else ''}"


def export_run(
    run: RunData,
    to: Path,
    *,
    formats: tuple[str, ...] = ("csv", "parquet"),
    rows: Rows = Rows.RECORD,
    labels: Labels = Labels.ONTOLOGY,
    overwrite: bool = False,
) -> Exported:
    """Write a run's files into a folder, which is made if need be.

    A table with the cell's rows is read back and checked before any file appears under its name.

    Args:
        run: what to write.
        to: the folder.
        formats: "csv", "parquet" or both.
        rows: which of the cell's rows.
        labels: which columns.
        overwrite: files of the same names are replaced.

    Raises:
        WouldOverwriteError: without `overwrite`.
        ExportError: a written table is not what it should be.
        OSError: the folder or the disk refuses.
    """
    bdf = bdf_table(run, rows, labels) if len(run.rows) else None
    name = export_name(run)
    tables = _tables(run, bdf)
    beside = sidecar(run, bdf)
    names = [_file_name(name, table, form) for table in tables for form in formats]
    metadata_name = f"{name}.bdf.metadata.json"
    taken = [str(to / file) for file in (*names, metadata_name) if (to / file).exists()]
    if taken and not overwrite:
        raise WouldOverwriteError(tuple(f"{file} is there already" for file in taken))
    to.mkdir(parents=True, exist_ok=True)
    with _appearing_together(to) as unfinished:
        described = []
        for table in tables:
            for form in formats:
                path = unfinished(_file_name(name, table, form))
                _write(table, form, path, beside)
                described.append({"file": _file_name(name, table, form), **_file_facts(path, table.table.num_rows)})
                if table.is_bdf:
                    _refuse_wrong(path, form, run)
        text = json.dumps({"extras": {"presscell": {**beside, "files": described}}}, indent=2, ensure_ascii=False)
        unfinished(metadata_name).write_text(text + "\n", encoding="utf-8")
    return Exported(
        files=tuple(to / file for file in (*names, metadata_name)),
        rows_stored=len(run.rows),
        rows_exported=bdf.table.num_rows if bdf else 0,
    )


def write_csv(table: pa.Table, path: Path) -> None:
    """UTF-8, a header line, comma, newline, a point in numbers; what is none is empty."""
    texts = [table[field.name] for field in table.schema if pa.types.is_string(field.type)]
    quoted = any(re.search(r'[",\r\n]', str(value)) for column in texts for value in column.unique().to_pylist())
    with path.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed" if quoted else "none")
        pa_csv.write_csv(table, file, options)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Zstandard; whole numbers as differences, few different values by dictionary, others split by bytes."""
    by_dictionary = [name for name in table.column_names if _machine_name(name) in BY_DICTIONARY]
    encodings = {
        field.name: "DELTA_BINARY_PACKED" if pa.types.is_integer(field.type) else "BYTE_STREAM_SPLIT"
        for field in table.schema
        if field.name not in by_dictionary and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    }
    pa_parquet.write_table(
        table,
        path,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=by_dictionary,
        column_encoding=encodings,
        write_statistics=True,
    )


def _tables(run: RunData, bdf: BdfTable | None) -> list[_Table]:
    tables = [] if bdf is None else [_Table("bdf", bdf.table, is_bdf=True)]
    tables.append(_Table("cycles", cycle_table(run)))
    for name, stream in (("pressure", run.pressure), ("temperature", run.temperature), ("mill", run.mill)):
        if stream is not None:
            tables.append(_Table(name, stream_table(stream)))
    return tables


def _file_name(name: str, table: _Table, form: str) -> str:
    return f"{name}.{table.name}.{form}"


def _machine_name(column_name: str) -> str:
    return BY_LABEL[column_name].machine_name if column_name in BY_LABEL else column_name


def _write(table: _Table, form: str, path: Path, beside: dict[str, Any]) -> None:
    if form == "csv":
        write_csv(table.table, path)
    else:
        write_parquet(with_metadata(table.table, beside), path)


def _file_facts(path: Path, rows: int) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"rows": rows, "bytes": path.stat().st_size, "sha256": digest}


def _refuse_wrong(path: Path, form: str, run: RunData) -> None:
    plans = [run.result.plan, *(version.plan for version in run.result.versions)]
    bounds = Bounds(
        lower_voltage_volt=min(plan.lower_voltage_volt for plan in plans),
        upper_voltage_volt=max(plan.upper_voltage_volt for plan in plans),
    )
    problems = check_export(path, form, bounds)
    if problems:
        raise ExportError(tuple(f"the {form} table: {problem}" for problem in problems))


@contextmanager
def _appearing_together(folder: Path) -> Iterator[Callable[[str], Path]]:
    """Answers paths to write to; at the end all files appear under their names, or, after an error, none."""
    written: list[str] = []

    def unfinished(name: str) -> Path:
        written.append(name)
        return folder / (name + UNFINISHED_SUFFIX)

    try:
        yield unfinished
        for name in written:
            _sync(folder / (name + UNFINISHED_SUFFIX))
        for name in written:
            (folder / (name + UNFINISHED_SUFFIX)).replace(folder / name)
        _sync(folder)
    finally:
        for name in written:
            (folder / (name + UNFINISHED_SUFFIX)).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

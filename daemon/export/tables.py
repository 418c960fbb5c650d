"""What the files of an export hold, as Arrow tables. Touches no file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daemon.export.bdf import BY_MACHINE_NAME, ONTOLOGY_VERSION, TIME_DECIMALS, Column, Labels, columns_of
from daemon.export.thinning import kept_rows
from daemon.plan import MeasuredStep
from daemon.reader import RunData
from daemon.rows.readings import JIG_TEMPERATURE, PRESSURE

SCHEMA = "presscell-export/1"
METADATA_KEY = b"presscell"


class Rows(StrEnum):
    """Which rows of the cell are exported."""

    RECORD = "record"
    """Those that the protocol's `record` asks for, and the first and last of each step."""
    ALL = "all"


@dataclass(frozen=True)
class BdfTable:
    """The cell's rows under their labels, and what the sidecar says of them."""

    table: pa.Table
    columns: tuple[Column, ...]
    facts: dict[str, Any]


def bdf_table(run: RunData, rows: Rows, labels: Labels) -> BdfTable:
    """The rows of the cell that have both a voltage and a current; the others are named in the facts.

    Charge and energy were counted over all rows before any was left out.
    """
    measured = run.rows
    read = np.isfinite(measured["voltage_volt"].to_numpy()) & np.isfinite(measured["current_ampere"].to_numpy())
    kept = np.flatnonzero(read)
    if rows is Rows.RECORD:
        kept = kept[_recorded(run, measured.iloc[kept])]
    columns = tuple(column for column in columns_of(labels) if column.in_reader in measured)
    arrays = [_array(measured[column.in_reader], kept, column) for column in columns]
    fields = [
        pa.field(column.label, array.type, metadata={"iri": column.iri})
        for column, array in zip(columns, arrays, strict=True)
    ]
    facts = {
        "stored": len(measured),
        "exported": len(kept),
        "which": rows.value,
        "without_reading": measured["record_index"].to_numpy()[~read].tolist(),
    }
    return BdfTable(pa.table(arrays, schema=pa.schema(fields)), columns, facts)


def cycle_table(run: RunData) -> pa.Table:
    """The cycle table, flags as one text, and whether a simulated laboratory measured it."""
    cycles = run.cycles.assign(flags=[" ".join(flags) for flags in run.cycles["flags"]], simulated=run.is_simulated)
    return pa.Table.from_pandas(cycles, preserve_index=False).replace_schema_metadata(None)


def stream_table(stream: pd.DataFrame) -> pa.Table:
    """A stream at its own times, by the store's own names; a value that is none is null."""
    arrays = {}
    for name in stream.columns:
        values = stream[name].to_numpy()
        is_time = name in BY_MACHINE_NAME and BY_MACHINE_NAME[name].decimals == TIME_DECIMALS
        arrays[name] = pa.array(np.round(values, TIME_DECIMALS) if is_time else values, from_pandas=True)
    return pa.table(arrays)


def sidecar(run: RunData, bdf: BdfTable | None) -> dict[str, Any]:
    """What stands beside the tables: the run's metadata, and what the columns are."""
    described = {
        column.label: {"machine_name": column.machine_name, "iri": column.iri, "meaning": column.meaning}
        for column in (bdf.columns if bdf else ())
    }
    return {
        "schema": SCHEMA,
        "bdf_ontology_version": ONTOLOGY_VERSION,
        **run.metadata,
        "rows": bdf.facts if bdf else {"stored": 0, "exported": 0},
        "columns": described,
    }


def with_metadata(table: pa.Table, values: dict[str, Any]) -> pa.Table:
    """The table with the sidecar's content in its schema, for formats that can hold it."""
    metadata = {METADATA_KEY: json.dumps(values).encode(), b"simulated": str(values["simulated"]).lower().encode()}
    return table.replace_schema_metadata(metadata)


def _recorded(run: RunData, rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    beside = {name: rows[name].to_numpy() for name in (PRESSURE, JIG_TEMPERATURE) if name in rows}
    step_count = rows["step_count"].to_numpy()
    elapsed, volt, ampere = (rows[name].to_numpy() for name in ("step_time_second", "voltage_volt", "current_ampere"))
    kept = np.ones(len(rows), np.bool_)
    for segment, step_id in zip(run.segments["segment"], run.segments["step_id"], strict=True):
        of_step = slice(*(int(np.searchsorted(step_count, segment, side=side)) for side in ("left", "right")))
        plan = run.result.plan_of(segment)
        step = next((one for one in plan.steps if one.step_id == step_id and isinstance(one, MeasuredStep)), None)
        kept[of_step] = kept_rows(
            *(elapsed[of_step], volt[of_step], ampere[of_step]),
            plan.record if step is None else step.record,
            first=() if step is None else step.record_first,
            beside={name: values[of_step] for name, values in beside.items()},
        )
    return kept


def _array(values: pd.Series[Any], kept: np.ndarray[Any, np.dtype[np.int64]], column: Column) -> pa.Array:
    if column.kind == "text":
        texts = values.array
        if not isinstance(texts, pd.Categorical):
            raise TypeError(f"{column.machine_name} is no categorical")
        codes = texts.codes[kept].astype(np.int32)
        return pa.DictionaryArray.from_arrays(codes, pa.array(texts.categories.tolist(), pa.string())).cast(pa.string())
    numbers = values.to_numpy()[kept]
    if column.decimals is not None:
        numbers = np.round(numbers, column.decimals)
    return pa.array(numbers + 0 if column.kind == "float" else numbers, from_pandas=True)  # -0.0 becomes 0.0

"""For researchers: a run, finished or being measured, as pandas tables in one line.

from daemon.reader import read_run
run = read_run("data/<run>")
run.rows.plot("test_time_second", "voltage_volt")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from daemon.cycles.table import Cycle, numbers_of
from daemon.deciding.endings import end_of_segment
from daemon.deciding.preflight import PREFLIGHT
from daemon.deciding.resuming import RECOVERY
from daemon.events import SegmentRecord
from daemon.mill.runs import mill_runs
from daemon.plan import CELL_STREAM, MILL_STREAM, PRESSURE_STREAM, TEMPERATURE_STREAM, MeasuredStep, Plan
from daemon.results.result import Result, measured_cycles, result_of
from daemon.results.run_files import DATA_DIRECTORY, find_run_file
from daemon.results.run_metadata import run_metadata
from daemon.rows.cell_rows import Integers, last_value_before, passed, since, starts_of
from daemon.rows.gaps import Gap, cell_gaps, stream_gaps
from daemon.store.blocks import ELAPSED
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile

FRESH_SECOND = 5.0
INTERVALS_FRESH = 1.5
HALVES = {"charge": "CHG", "discharge": "DCH"}
SCAN, OPEN_CIRCUIT = "LSV", "OCV"
TIME = "test_time_second"
PRESSURE_COLUMNS = {"surface_pressure_pa": "surface_pressure_pa"}
TEMPERATURE_COLUMNS = {
    "ambient_temperature_celsius": "ambient_temperature_celsius",
    "temperature_t1_celsius": "jig_temperature_celsius",
}
"""Columns of the cell's rows, and where they come from in the other stream."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunData:
    """A run as it stood at one moment. Times in seconds, SI units, current positive when it charges the cell.

    - `rows`: one a measured row of the cell, columns by the machine names of `daemon.export.bdf.COLUMNS`, but `step_id`
      is the protocol's and `step_number` its number. NaN is no reading.
      A row at every step's start and end is there as measured; nothing is interpolated. Pressure and temperatures are
      the last readings up to a row, if they are recent, else NaN; a stream without any reading has no column.
    - `cycles`: the cycle table (`daemon.cycles.table.Cycle`), one row a cycle.
    - `segments`: the executed passes through steps (`daemon.events.SegmentRecord`), each with `cycle_count` and
      `step_number`. The last may still be running: `ended_by` is then "" and it ends at its last row.
    - `pressure`, `temperature`, `mill`: those streams at their own times (`daemon.rows.streams`), with
      `unix_time_second`; None when the run has no such stream or no row of it. `displayed_load` is what the load
      cell's indicator showed, unchanged.
    - `metadata`: sample, masses, instruments, protocol and more: see docs/reference/export.md.
    - `result`: outcome, plan and segments as objects.
    """

    directory: Path
    rows: pd.DataFrame
    cycles: pd.DataFrame
    segments: pd.DataFrame
    pressure: pd.DataFrame | None
    temperature: pd.DataFrame | None
    metadata: dict[str, Any]
    result: Result
    mill: pd.DataFrame | None = None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.result.header.run_id

    @property
    def is_simulated(self) -> bool:
        """Whether a simulated laboratory measured it."""
        return self.result.header.simulated


def read_run(
    run: str | Path,
    *,
    data: str | Path = DATA_DIRECTORY,
    max_age_s: float | None = None,
) -> RunData:
    """Read a run, finished or being measured; about 1 s for two million rows.

    Args:
        run: its folder, its run file, or the end of its id.
        data: the folder of runs, when `run` is the end of an id.
        max_age_s: how old a pressure or temperature may be to stand beside a row of the cell. None: 5 s, or one and a
            half of that stream's usual interval when that is longer.

    Raises:
        NoSuchRunError: no run, or several, fit.
        StoreError: the file is damaged or of another version.
    """
    path = find_run_file(run, data)
    with RunFile.read_only(path) as run_file, run_file.reading():
        result = result_of(run_file, path.parent)
        started_utc_second = result.header.started_utc_second
        cell = read_rows(run_file, CELL_STREAM)
        pressure = _stream(run_file, PRESSURE_STREAM, started_utc_second)
        temperature = _stream(run_file, TEMPERATURE_STREAM, started_utc_second)
        mill = _stream(run_file, MILL_STREAM, started_utc_second)
    runs_of_mill = mill_runs(result.segments, mill)
    result = replace(result, cycles=measured_cycles(result, cell, pressure), mill_runs=runs_of_mill)
    executed = executed_segments(result)
    counted = numbers_of(executed, result.plan.cycle_starts_with)
    segments = _table_of(executed, SegmentRecord)
    segments.insert(1, "cycle_count", np.array(counted, np.int64))
    numbers = [step_number(result.plan_of(segment.segment), segment.step_id) for segment in executed]
    segments.insert(2, "step_number", numbers)
    rows = _rows(segments, cell, started_utc_second)
    _join(rows, pressure, PRESSURE_COLUMNS, max_age_s)
    _join(rows, temperature, TEMPERATURE_COLUMNS, max_age_s)
    return RunData(
        directory=path.parent,
        rows=rows,
        cycles=_table_of(result.cycles, Cycle),
        segments=segments,
        pressure=pressure,
        temperature=temperature,
        mill=mill,
        metadata=run_metadata(result, _gaps(result, cell, pressure, temperature)),
        result=result,
    )


def step_number(plan: Plan, step_id: str) -> int:
    """The number of a step in the expanded protocol, from 1; of a rest that was put in, that of the step after it."""
    wanted = step_id.removesuffix(RECOVERY).removesuffix(PREFLIGHT)
    return 1 + next(index for index, step in enumerate(plan.steps) if step.step_id == wanted)


def executed_segments(result: Result) -> list[SegmentRecord]:
    """The executed segments, and last the one that is being executed, or was when the file was left.

    The latter has `ended_by` "" and ends at its last row.
    """
    run = result.run
    if run is None or run.segment_started_second is None or run.segment_ended:
        return result.segments
    present = end_of_segment(run, power_was_cycled=False)
    return [*result.segments, msgspec.structs.replace(present, ended_by="", abnormal=False)]


def _stream(run_file: RunFile, stream: str, started_utc_second: float) -> pd.DataFrame | None:
    if stream not in run_file.schemas:
        return None
    rows = read_rows(run_file, stream)
    if rows.empty:
        return None
    unix_second = started_utc_second + rows[TIME]
    rows = rows.drop(columns=["segment", ELAPSED])
    rows.insert(2, "unix_time_second", unix_second)
    return rows


def _table_of(records: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> pd.DataFrame:
    """Records as a table, their fields as columns; an absent number is NaN, whatever the others are."""
    table = pd.DataFrame([msgspec.structs.asdict(record) for record in records], columns=list(kind.__struct_fields__))
    numbers = [field.name for field in msgspec.structs.fields(kind) if field.type in (float, float | None)]
    return table.astype(dict.fromkeys(numbers, np.float64))


def _rows(segments: pd.DataFrame, cell: pd.DataFrame, started_utc_second: float) -> pd.DataFrame:
    """The cell's rows with all that follows from them and from the segments they lie in."""
    segment, second = cell["segment"].to_numpy(), cell[TIME].to_numpy()
    volt, ampere = cell["voltage_volt"].to_numpy(), cell["current_ampere"].to_numpy()
    starts = starts_of(segment)
    counts = np.diff(starts, append=len(segment))
    of_segment = segments.set_index("segment").reindex(segment[starts])
    cycle = of_segment["cycle_count"].to_numpy(np.int64)
    charge, energy = passed(segment, second, volt, ampere)
    cycle_starts = starts[starts_of(cycle)] if len(starts) else starts
    return pd.DataFrame(
        {
            TIME: second,
            "unix_time_second": started_utc_second + second,
            "voltage_volt": volt,
            "current_ampere": ampere,
            "cycle_count": np.repeat(cycle, counts),
            "step_count": segment,
            "step_number": np.repeat(of_segment["step_number"].to_numpy(np.int64), counts),
            "step_id": _repeated(of_segment["step_id"], counts),
            "step_type": _repeated(_step_types(of_segment), counts),
            "step_time_second": cell[ELAPSED].to_numpy(),
            "record_index": cell["seq"].to_numpy(),
            "charging_capacity_ah": charge.charging,
            "discharging_capacity_ah": charge.discharging,
            "net_capacity_ah": charge.net,
            "cycle_charging_capacity_ah": since(charge.charging, cycle_starts),
            "cycle_discharging_capacity_ah": since(charge.discharging, cycle_starts),
            "step_charging_capacity_ah": since(charge.charging, starts),
            "step_discharging_capacity_ah": since(charge.discharging, starts),
            "charging_energy_wh": energy.charging,
            "discharging_energy_wh": energy.discharging,
        },
        copy=False,
    )


def _step_types(segments: pd.DataFrame) -> pd.Series[str]:
    """What BDF calls each segment; a voltage held without a charge either way is one after a charge."""

    def named(step_type: str, half: object) -> str:
        match step_type:
            case "constant_voltage":
                return f"CV_{HALVES.get(str(half), 'CHG')}"
            case "voltage_scan":
                return SCAN
            case "constant_power":
                return f"CP_{HALVES[str(half)]}"
        return f"CC_{HALVES[half]}" if isinstance(half, str) else OPEN_CIRCUIT

    pairs = zip(segments["step_type"], segments["half"], strict=True)
    return pd.Series([named(step_type, half) for step_type, half in pairs], segments.index, dtype=object)


def _repeated(texts: pd.Series[str], counts: Integers) -> pd.Categorical:
    codes, names = pd.factorize(texts)
    return pd.Categorical.from_codes(np.repeat(codes, counts), categories=names)


def _join(rows: pd.DataFrame, stream: pd.DataFrame | None, columns: Mapping[str, str], max_age_s: float | None) -> None:
    """Put a stream's last readings beside the cell's rows, in place; a stream without any is left out."""
    if stream is None:
        return
    second = stream[TIME].to_numpy()
    if max_age_s is None:
        usual_second = float(np.median(np.diff(second))) if len(second) > 1 else 0.0
        max_age_s = max(FRESH_SECOND, INTERVALS_FRESH * usual_second)
    for name, source in columns.items():
        value = stream[source].to_numpy()
        if np.isfinite(value).any():
            rows[name] = last_value_before(rows[TIME].to_numpy(), second, value, max_age_s)


def _sampling_second(plan: Plan, step_id: str) -> float:
    """How often a step has a row; what is no step of the plan is a recovery."""
    steps = (step for step in plan.steps if step.step_id == step_id and isinstance(step, MeasuredStep))
    return next((step.sampling_second for step in steps), plan.resume.rest.sampling_second)


def _gaps(
    result: Result, cell: pd.DataFrame, pressure: pd.DataFrame | None, temperature: pd.DataFrame | None
) -> list[Gap]:
    read = np.isfinite(cell["voltage_volt"].to_numpy()) & np.isfinite(cell["current_ampere"].to_numpy())
    segment = cell["segment"].to_numpy()[read]
    of_segment = {
        record.segment: _sampling_second(result.plan_of(record.segment), record.step_id)
        for record in executed_segments(result)
    }
    starts = starts_of(segment)
    sampling_second = np.repeat(
        [of_segment[number] for number in segment[starts].tolist()], np.diff(starts, append=len(segment))
    )
    gaps = cell_gaps(segment, cell[TIME].to_numpy()[read], sampling_second)
    for name, stream, column in (
        (PRESSURE_STREAM, pressure, "surface_pressure_pa"),
        (TEMPERATURE_STREAM, temperature, "jig_temperature_celsius"),
    ):
        if stream is not None:
            gaps += stream_gaps(name, stream[TIME].to_numpy(), stream[column].to_numpy())
    return gaps

"""What a run came to: its segments and cycles, read from its file. The object that `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from daemon.cycles.pressure import Pressure, with_pressures
from daemon.cycles.resistance import CellRows, with_resistances
from daemon.cycles.table import Cycle, cycle_table, halves_of_cycles
from daemon.deciding.run_state import Phase, Run
from daemon.events import BRANCHED, Noticed, PlanChanged, SegmentEnded, SegmentRecord
from daemon.mill.runs import MillRun, mill_runs
from daemon.plan import CELL_STREAM, MILL_STREAM, PRESSURE_STREAM, Plan
from daemon.plans.versions import PlanVersion, plan_of, version_of
from daemon.rows.cell_rows import passed
from daemon.store.blocks import ELAPSED
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import RUN_FILE_NAME, RunHeader
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from daemon.stored import stored_event, stored_plan, stored_run

UNFINISHED = "unfinished"

_MILLI = 1000.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run as it stands in its file, finished or not. `plan` is the one it has last, `versions` are all in order."""

    directory: Path
    header: RunHeader
    plan: Plan
    run: Run | None
    segments: list[SegmentRecord]
    cycles: list[Cycle]
    run_time_second: float
    mill_runs: list[MillRun] = field(default_factory=list)
    branches: list[tuple[float, str]] = field(default_factory=list)
    """Which limits of loops were met, in words, and the run time of each."""
    versions: list[PlanVersion] = field(default_factory=list)

    def plan_of(self, segment: int) -> Plan:
        """The plan that a segment was of, by its number."""
        return plan_of(self.versions, segment) if self.versions else self.plan

    @property
    def outcome(self) -> str:
        """How it ended; "unfinished" when nothing in the file says that it did."""
        run = self.run
        return UNFINISHED if run is None or run.phase is not Phase.FINISHED else str(run.outcome)

    def as_object(self) -> dict[str, Any]:
        """The run as one object of plain values."""
        return {
            "outcome": self.outcome,
            "reason": self.run.why if self.run else "",
            "simulated": self.header.simulated,
            "without_acceptance": self.header.without_acceptance,
            "run_id": self.header.run_id,
            "run_directory": str(self.directory),
            "protocol": self.versions[-1].protocol_name if self.versions else self.header.protocol_name,
            "edits": [version.as_object() for version in self.versions[1:]],
            "cell": self.plan.cell.name,
            "started_utc_second": self.header.started_utc_second,
            "cycles": [msgspec.to_builtins(cycle) for cycle in self.cycles],
            "segments": [segment_object(segment) for segment in self.segments],
            **({"mill_runs": [msgspec.to_builtins(run) for run in self.mill_runs]} if self.mill_runs else {}),
            "branches": [{"run_time_second": second, "text": text} for second, text in self.branches],
            "spectra": [],
            "warnings": list(self.run.warnings) if self.run else [],
            "rows": self.run.rows if self.run else 0,
            "simulated_second" if self.header.simulated else "run_time_second": self.run_time_second,
        }


def segment_object(segment: SegmentRecord) -> dict[str, Any]:
    """A segment as plain values, charge also in mAh."""
    values: dict[str, Any] = msgspec.to_builtins(segment)
    values["charge_mAh"] = segment.charge_ampere_hour * _MILLI
    return values


def read_result(directory: Path, *, with_streams: bool = True) -> Result:
    """Read a run's file, finished or being written.

    `with_streams` also reads all rows, for what the cycle table says of pressure and resistance (about 0.3 s a million
    rows); without, those columns are None.

    Raises:
        StoreError: the file is missing, damaged or of another version.
    """
    with RunFile.read_only(directory / RUN_FILE_NAME) as run_file, run_file.reading():
        result = result_of(run_file, directory)
        if not with_streams:
            return result
        pressure = read_rows(run_file, PRESSURE_STREAM) if PRESSURE_STREAM in run_file.schemas else None
        if result.mill_runs:
            result = replace(result, mill_runs=mill_runs(result.segments, read_rows(run_file, MILL_STREAM)))
        return replace(result, cycles=measured_cycles(result, read_rows(run_file, CELL_STREAM), pressure))


def result_of(run_file: RunFile, directory: Path) -> Result:
    """What an open file says without its rows: no pressure and no resistance. Raises `StoreError`."""
    header = run_file.header
    snapshot = read_snapshot(run_file)
    last_second = 0.0
    segments: list[SegmentRecord] = []
    branches: list[tuple[float, str]] = []
    plan = stored_plan(run_file.path, header)
    versions = [PlanVersion(plan=plan, protocol_name=header.protocol_name, protocol_text=header.protocol_text)]
    for entry in read_journal(run_file):
        last_second = entry.run_time_second
        if entry.kind not in ("segment_ended", "noticed", "plan_changed"):
            continue
        event = stored_event(run_file.path, entry)
        if isinstance(event, SegmentEnded):
            segments.append(event.record)
        elif isinstance(event, Noticed) and event.what == BRANCHED:
            branches.append((entry.run_time_second, event.text))
        elif isinstance(event, PlanChanged):
            versions.append(version_of(event, entry.run_time_second))
    plan = versions[-1].plan
    return Result(
        directory=directory,
        header=header,
        plan=plan,
        run=stored_run(run_file.path, snapshot) if snapshot else None,
        segments=segments,
        cycles=cycle_table(segments, plan.cell, plan.cycle_starts_with),
        run_time_second=last_second,
        mill_runs=mill_runs(segments, None),
        branches=branches,
        versions=versions,
    )


def measured_cycles(result: Result, cell: pd.DataFrame, pressure: pd.DataFrame | None) -> list[Cycle]:
    """The cycles with what their rows say of pressure and resistance.

    Args:
        result: of the run.
        cell: all its rows of the cell, as from `read_rows`.
        pressure: all its rows of pressure; None when it has no such stream.
    """
    halves = halves_of_cycles(result.segments, result.plan.cycle_starts_with)
    volt, ampere = cell["voltage_volt"].to_numpy(), cell["current_ampere"].to_numpy()
    read = np.isfinite(volt) & np.isfinite(ampere)
    segment, second = cell["segment"].to_numpy()[read], cell["test_time_second"].to_numpy()[read]
    volt, ampere = volt[read], ampere[read]
    rows = CellRows(segment, second, cell[ELAPSED].to_numpy()[read], volt, ampere)
    cycles = with_resistances(result.cycles, halves, rows)
    if pressure is None or pressure.empty:
        return cycles
    pressure_second = pressure["test_time_second"].to_numpy()
    if len(second):
        charge, _ = passed(segment, second, volt, ampere)
        charge_ampere_hour = np.interp(pressure_second, second, charge.net)
    else:
        charge_ampere_hour = np.full(len(pressure_second), np.nan)
    pascal = pressure["surface_pressure_pa"].to_numpy()
    return with_pressures(cycles, halves, Pressure(pressure_second, pascal, charge_ampere_hour))

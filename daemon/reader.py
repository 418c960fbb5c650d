"""For researchers: a run, finished or being measured, as pandas tables in one line.

    from daemon.reader import read_run
    run = read_run("data/<run>")
    run.rows.plot("test_time_second", "voltage_volt")
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from daemon.bdf import COLUMNS
from daemon.cell_rows import last_value_before, passed, since, starts_of
from daemon.cycles import Cycle, cycle_numbers
from daemon.plan import CELL_STREAM, CurrentStep, PlanStep
from daemon.result import Result, measured_cycles, result_of
from daemon.run_files import DATA_DIRECTORY, find_run
from daemon.run_metadata import run_metadata
from daemon.store.blocks import ELAPSED
from daemon.store.reading import read_rows
from daemon.store.run_file import RunFile
from daemon.streams import PRESSURE_STREAM, TEMPERATURE_STREAM

DEFAULT_MAX_AGE_SECOND = 5.0
STEP_TYPES = {"charge": "CC_CHG", "discharge": "CC_DCH", None: "OCV"}
TIME_COLUMN = "test_time_second"


@dataclass(frozen=True, eq=False, kw_only=True)
class RunData:
    """A run as it stood at one moment. Times in seconds, SI units, current positive when it charges the cell.

    - `rows`: one a measured row of the cell, columns by the machine names of `daemon.bdf.COLUMNS`. NaN is no reading.
      A row at every step's start and end is there as measured; nothing is interpolated. Pressure and temperatures are
      the last readings up to a row that are not older than asked for, else NaN.
    - `cycles`: the cycle table (`daemon.cycles.Cycle`), one row a cycle.
    - `segments`: the executed passes through steps (`daemon.events.SegmentRecord`) with `cycle_count`; the last one may
      still be running, its end is then absent.
    - `pressure`, `temperature`: those streams at their own times (`daemon.streams`), with `unix_time_second`; None when
      the run has no such stream or no row of it. `displayed_load` is what the load cell's indicator showed, unchanged.
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
    max_age_s: float = DEFAULT_MAX_AGE_SECOND,
) -> RunData:
    """Read a run, finished or being measured; about 1 s for two million rows.

    Args:
        run: its folder, its run file, or the end of its id.
        data: the folder of runs, when `run` is the end of an id.
        max_age_s: how old a pressure or temperature may be to stand beside a row of the cell.

    Raises:
        NoSuchRunError: no run, or several, fit.
        StoreError: the file is damaged or of another version.
    """
    directory, path = _run_file(run, data)
    with RunFile.read_only(path) as run_file, run_file.reading():
        result = result_of(run_file, directory)
        cell = read_rows(run_file, CELL_STREAM)
        pressure = _stream(run_file, PRESSURE_STREAM)
        temperature = _stream(run_file, TEMPERATURE_STREAM)
    cycles = measured_cycles(result, cell, pressure)
    segments = segment_table(result, cell)
    rows = joined_rows(result, segments, cell, pressure, temperature, max_age_s)
    gaps = gaps_in(result, cell)
    return RunData(
        directory=directory,
        rows=rows,
        cycles=pd.DataFrame([msgspec.structs.asdict(cycle) for cycle in cycles], columns=list(Cycle.__struct_fields__)),
        segments=segments,
        pressure=pressure,
        temperature=temperature,
        metadata=run_metadata(result, gaps),
        result=result,
    )

"""What a run came to: its segments and cycles, read from its file. The object that `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from daemon.cycles import Cycle, cycle_table
from daemon.engine import Run, decode_run
from daemon.events import SegmentEnded, SegmentRecord, decode_event
from daemon.plan import Plan
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import RunHeader
from daemon.store.run_file import RunFile

RUN_FILE_NAME = "run.sqlite"
UNFINISHED = "unfinished"

_MILLI = 1000.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run as it stands in its file, finished or not."""

    directory: Path
    header: RunHeader
    plan: Plan
    run: Run | None
    segments: list[SegmentRecord]
    cycles: list[Cycle]
    run_time_second: float

    @property
    def outcome(self) -> str:
        """How it ended; "unfinished" when nothing in the file says that it did."""
        return UNFINISHED if self.run is None or self.run.outcome is None else str(self.run.outcome)

    def as_object(self) -> dict[str, Any]:
        """The run as one object of plain values."""
        return {
            "outcome": self.outcome,
            "reason": self.run.reason if self.run else "",
            "simulated": self.header.simulated,
            "run_id": self.header.run_id,
            "run_directory": str(self.directory),
            "protocol": self.header.protocol_name,
            "cell": self.plan.cell.name,
            "started_utc_second": self.header.started_utc_second,
            "cycles": [msgspec.to_builtins(cycle) for cycle in self.cycles],
            "segments": [segment_object(segment) for segment in self.segments],
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


def read_result(directory: Path) -> Result:
    """Read a run's file, finished or being written.

    Raises:
        StoreError: the file is missing, damaged or of another version.
    """
    with RunFile.read_only(directory / RUN_FILE_NAME) as run_file:
        header = run_file.header
        snapshot = read_snapshot(run_file)
        last_second, segments = 0.0, []
        for entry in read_journal(run_file):
            last_second = entry.run_time_second
            if entry.kind != "segment_ended":
                continue
            event = decode_event(entry.body)
            if isinstance(event, SegmentEnded):
                segments.append(event.record)
    plan = msgspec.json.decode(header.plan_json, type=Plan)
    return Result(
        directory=directory,
        header=header,
        plan=plan,
        run=decode_run(snapshot.body) if snapshot else None,
        segments=segments,
        cycles=cycle_table(segments, plan.cell, plan.cycle_starts_with),
        run_time_second=last_second,
    )

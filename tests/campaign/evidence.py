"""What is left when it is over: the run's file, and the log of the bench that is nobody's of ours. Plain data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from daemon.deciding.preflight import PREFLIGHT
from daemon.deciding.resuming import RECOVERY
from daemon.deciding.run_state import Run
from daemon.events import SegmentEnded, SegmentRecord
from daemon.rig import segment_token
from daemon.store.reading import read_header, read_journal, read_snapshot
from daemon.store.records import RUN_FILE_NAME
from daemon.store.rows import read_rows
from daemon.stored import stored_event, stored_plan, stored_run

MOST_SEGMENTS = 1000


@dataclass(frozen=True)
class Entry:
    """One entry of the journal."""

    run_time_second: float
    event: Any

    @property
    def kind(self) -> str:
        return str(self.event.__struct_config__.tag)


@dataclass(frozen=True)
class Evidence:
    """`bench` is the bench's log; `tokens` name the instrument's buffer of each segment, from segment 1 on."""

    run: Run | None
    plan: Any
    journal: tuple[Entry, ...]
    streams: dict[str, pd.DataFrame]
    tokens: tuple[str, ...]
    zero_second: float
    bench: tuple[dict[str, Any], ...]

    @property
    def outcome(self) -> str:
        """How it ended; "held" also while a person must decide, "unfinished" when it did not end."""
        phase = "" if self.run is None else str(self.run.phase)
        if phase == "holding":
            return "held"
        return str(self.run.outcome) if self.run is not None and phase == "finished" else "unfinished"

    @property
    def reason(self) -> str:
        """Why it ended, or is held."""
        return self.run.why if self.run is not None else ""

    @property
    def done(self) -> tuple[str, ...]:
        """The steps that were executed, in order: a step that went on after a break once, rests to recover left out."""
        records = [record for record in self.segments if not record.continues]
        return tuple(record.step_id for record in records if not record.step_id.endswith((RECOVERY, PREFLIGHT)))

    @property
    def segments(self) -> list[SegmentRecord]:
        return [entry.event.record for entry in self.journal if isinstance(entry.event, SegmentEnded)]

    def lines(self, event: str, instrument: str | None = None) -> list[dict[str, Any]]:
        """The lines of the bench's log of one kind."""
        found = [line for line in self.bench if line["event"] == event]
        return [line for line in found if instrument is None or line.get("instrument") == instrument]

    def events(self, kind: str) -> list[Entry]:
        return [entry for entry in self.journal if entry.kind == kind]


def read_bench_log(path: Path) -> tuple[dict[str, Any], ...]:
    # Not `splitlines`: the bytes of a drive's frames are in it as characters, and some of those would end a line there.
    with path.open(encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


STREAMS = ("cell", "pressure", "temperature")


def read_evidence(run_folder: Path, bench_log: Path, streams: tuple[str, ...] = STREAMS) -> Evidence:
    """Read it all back. Raises `StoreError` for a file that is damaged: a violation by itself."""
    path = run_folder / RUN_FILE_NAME
    header, snapshot = read_header(path), read_snapshot(path)
    entries = [Entry(entry.run_time_second, stored_event(path, entry)) for entry in read_journal(path)]
    return Evidence(
        run=None if snapshot is None else stored_run(path, snapshot),
        plan=stored_plan(path, header),
        journal=tuple(entries),
        streams={name: read_rows(path, name) for name in streams},
        tokens=tuple(segment_token(header.run_id, number) for number in range(1, MOST_SEGMENTS)),
        zero_second=header.zero_second,
        bench=read_bench_log(bench_log),
    )

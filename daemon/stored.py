"""What a run file holds as bytes, as the objects it stands for; what cannot be understood is said like damage."""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemon.deciding.run_state import Run, decode_run
from daemon.engine import ENGINE_VERSION
from daemon.events import Event, decode_event
from daemon.plan import Plan
from daemon.store.errors import StoreError
from daemon.store.reading import read_snapshot
from daemon.store.records import SCHEMA_VERSION, WHOSE_ADVICE, JournalEntry, RunHeader, Snapshot, decoded

_decode_plan = msgspec.json.Decoder(Plan).decode


def stored_plan(path: Path, header: RunHeader) -> Plan:
    """The plan of a run. Raises `StoreError` when it can't be understood."""
    return decoded(path, "its plan", _decode_plan, header.plan_json)


def plan_in_force(path: Path, header: RunHeader) -> Plan:
    """The plan a run has now: that of its header until it is edited. Raises `StoreError` as `stored_plan`."""
    snapshot = read_snapshot(path)
    return stored_plan(path, header) if snapshot is None else stored_run(path, snapshot).plan


def stored_event(path: Path, entry: JournalEntry) -> Event:
    """The event of a journal entry. Raises `StoreError` when it can't be understood."""
    event: Event = decoded(path, f"journal row {entry.seq}", decode_event, entry.body)
    return event


def stored_run(path: Path, snapshot: Snapshot) -> Run:
    """The state of a run, for showing it. Raises `StoreError` when it can't be understood."""
    return decoded(path, f"its state, {_versions(snapshot)},", decode_run, snapshot.body)


def run_to_go_on(path: Path, snapshot: Snapshot) -> Run:
    """The state of a run, for carrying it on. Raises `StoreError` also when other versions than these stored it."""
    if (snapshot.schema_version, snapshot.engine_version) != (SCHEMA_VERSION, str(ENGINE_VERSION)):
        what = f"its state is {_versions(snapshot)}; this presscell only goes on with one {_versions()}"
        raise StoreError(path, what, f"{WHOSE_ADVICE}, or bring the cell to open circuit by hand")
    return stored_run(path, snapshot)


def _versions(snapshot: Snapshot | None = None) -> str:
    schema, engine = (
        (snapshot.schema_version, snapshot.engine_version) if snapshot else (SCHEMA_VERSION, ENGINE_VERSION)
    )
    return f"of schema {schema} and engine {engine}"

"""Leases and the queue of a station, kept in its file: what was granted or promised outlives the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from daemon.sharing import Lease, Waiting
from daemon.store.errors import sqlite_told_as_store_error
from daemon.store.records import decoded
from daemon.store.station_tables import open_station, writing

_decode_lease = msgspec.json.Decoder(Lease).decode
_decode_waiting = msgspec.json.Decoder(Waiting).decode


class SharingStore:
    """Every method raises `StoreError`. Use it from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the station's file, or make it."""
        self._path = path
        self._connection = open_station(path, is_durable=True)

    def leases(self) -> list[Lease]:
        """All that were granted and not released."""
        rows = self._read("SELECT body FROM lease ORDER BY run_id")
        return [decoded(self._path, "a lease", _decode_lease, body) for (body,) in rows]

    def waiting(self) -> list[Waiting]:
        """The queue, in its order."""
        rows = self._read("SELECT place, body FROM waiting ORDER BY place")
        return [
            msgspec.structs.replace(decoded(self._path, "the queue", _decode_waiting, body), place=place)
            for place, body in rows
        ]

    def why_left(self) -> dict[str, str]:
        """Why the last run of each rig that left the queue without having begun did so, by rig."""
        return dict(self._read("SELECT rig, why FROM left_queue"))

    def grant(self, lease: Lease) -> None:
        """Keep a lease; the same again changes nothing."""
        with writing(self._connection, self._path, "a lease") as connection:
            body = msgspec.json.encode(lease)
            connection.execute("INSERT OR REPLACE INTO lease VALUES (?, ?)", (lease.run_id, body))

    def release(self, run_id: str) -> None:
        """Give up a run's lease; none is no error."""
        with writing(self._connection, self._path, "a lease") as connection:
            connection.execute("DELETE FROM lease WHERE run_id = ?", (run_id,))

    def enqueue(self, waiting: Waiting) -> Waiting:
        """Put a run at the end of the queue; answers it with its place."""
        with writing(self._connection, self._path, "the queue") as connection:
            insert = "INSERT INTO waiting (run_id, body) VALUES (?, ?)"
            place = connection.execute(insert, (waiting.run_id, msgspec.json.encode(waiting))).lastrowid
            connection.execute("DELETE FROM left_queue WHERE rig = ?", (waiting.rig,))
        return msgspec.structs.replace(waiting, place=place or 0)

    def begun(self, run_id: str, rig: str) -> None:
        """Note that a run is in a file of its own: it waits no more, and why another one left is of no interest now."""
        with writing(self._connection, self._path, "the queue") as connection:
            connection.execute("DELETE FROM waiting WHERE run_id = ?", (run_id,))
            connection.execute("DELETE FROM left_queue WHERE rig = ?", (rig,))

    def leave(self, waiting: Waiting, why: str, utc_second: float) -> None:
        """Take a run out of the queue that has not begun, with the lease it may have been granted; keep why."""
        with writing(self._connection, self._path, "the queue") as connection:
            connection.execute("DELETE FROM waiting WHERE run_id = ?", (waiting.run_id,))
            connection.execute("DELETE FROM lease WHERE run_id = ?", (waiting.run_id,))
            row = (waiting.rig, waiting.run_id, why, utc_second)
            connection.execute("INSERT OR REPLACE INTO left_queue VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, query: str) -> list[Any]:
        with sqlite_told_as_store_error(self._path, "reading leases and queue"):
            return self._connection.execute(query).fetchall()

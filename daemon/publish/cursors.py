"""How far each sink has got, in the station's own file: what a sink was sent before that may be sent again, no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from daemon.store.errors import sqlite_told_as_store_error
from daemon.store.station_tables import open_station, writing


class Cursors:
    """The last row a sink has acknowledged, by run and stream; which runs it still waits for; which alarms it shows.

    Use it from one thread at a time. Several processes may share the file. Every method raises `StoreError`.
    """

    def __init__(self, path: Path | None, sink: str) -> None:
        """Open the station's file, or make it. None: remember nothing, for a sink that forgets everything too."""
        self._path = path or Path(":memory:")
        self._sink = sink
        # A cursor lost with the power means rows sent twice, which every subscriber must bear anyway.
        self._connection = open_station(path, is_durable=False)

    def read(self, run_id: str) -> dict[str, int]:
        """The last acknowledged row number of each stream of a run; a stream may be absent."""
        query = "SELECT stream, seq FROM publish_cursor WHERE sink = ? AND run_id = ?"
        with sqlite_told_as_store_error(self._path, "reading cursors"):
            return dict(self._connection.execute(query, (self._sink, run_id)).fetchall())

    def advance(self, run_id: str, cursors: Mapping[str, int]) -> None:
        """Note what was acknowledged; a cursor never goes back."""
        rows = [(self._sink, run_id, stream, seq) for stream, seq in cursors.items()]
        statement = (
            "INSERT INTO publish_cursor VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"
        )
        self._write(statement, rows)

    def follow(self, run_id: str, directory: Path) -> None:
        """Note that the sink shall get this run, also one that had ended and goes on."""
        self._write(
            "INSERT INTO publish_run VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET done = 0",
            [(self._sink, run_id, str(directory.absolute()))],
        )

    def done(self, run_id: str) -> None:
        """Note that the sink has all of a run that has ended."""
        self._write("UPDATE publish_run SET done = 1 WHERE sink = ? AND run_id = ?", [(self._sink, run_id)])

    def waiting(self) -> list[Path]:
        """The directories of the runs the sink hasn't got all of, oldest first as their ids sort."""
        query = "SELECT directory FROM publish_run WHERE sink = ? AND NOT done ORDER BY run_id"
        with sqlite_told_as_store_error(self._path, "reading cursors"):
            return [Path(directory) for (directory,) in self._connection.execute(query, (self._sink,))]

    def alarms(self) -> list[str]:
        """The topics of the alarms the sink shows."""
        query = "SELECT topic FROM publish_alarm WHERE sink = ? ORDER BY topic"
        with sqlite_told_as_store_error(self._path, "reading alarms"):
            return [topic for (topic,) in self._connection.execute(query, (self._sink,))]

    def shows(self, raised: Iterable[str], cleared: Iterable[str]) -> None:
        """Note the topics of alarms that were raised and cleared."""
        self._write("INSERT OR IGNORE INTO publish_alarm VALUES (?, ?)", [(self._sink, topic) for topic in raised])
        self._write(
            "DELETE FROM publish_alarm WHERE sink = ? AND topic = ?", [(self._sink, topic) for topic in cleared]
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _write(self, statement: str, rows: Sequence[tuple[str | int, ...]]) -> None:
        if not rows:
            return
        with writing(self._connection, self._path, "cursors") as connection:
            connection.executemany(statement, rows)

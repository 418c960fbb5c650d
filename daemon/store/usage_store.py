"""Usage counters in the station's file: what was counted stays when the runs it was counted from are moved away."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from daemon.store.errors import sqlite_told_as_store_error
from daemon.store.station_tables import open_station, writing
from daemon.usage import Total, Use


class UsageStore:
    """Every method raises `StoreError`. Use it from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the station's file, or make it."""
        self._path = path
        # What a loss of power takes of the counts is counted again from the runs.
        self._connection = open_station(path, is_durable=False)

    def counted(self, run_id: str) -> tuple[int, bool]:
        """Up to which entry of a run's journal all was counted, 0 for none, and whether the run had ended by then."""
        query = "SELECT journal_seq, is_done FROM usage_run WHERE run_id = ?"
        with sqlite_told_as_store_error(self._path, "reading usage"):
            row = self._connection.execute(query, (run_id,)).fetchone()
        return (int(row[0]), bool(row[1])) if row else (0, False)

    def add(self, run_id: str, rig: str, uses: Iterable[Use], *, up_to: int, is_done: bool) -> None:
        """Count what a run has used up to an entry of its journal. What was counted before is not counted twice."""
        rows = [(use.subject, use.counter, use.part, use.amount) for use in uses]
        with writing(self._connection, self._path, "usage") as connection:
            connection.executemany(
                "INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)",
                rows,
            )
            places = [(subject, rig) for subject in {row[0] for row in rows}]
            connection.executemany("INSERT OR REPLACE INTO usage_place VALUES (?, ?)", places)
            connection.execute("INSERT OR REPLACE INTO usage_run VALUES (?, ?, ?)", (run_id, up_to, is_done))

    def reopened(self, run_id: str) -> None:
        """A run that had ended goes on: what it uses from now on is counted, too."""
        with writing(self._connection, self._path, "usage") as connection:
            connection.execute("UPDATE usage_run SET is_done = 0 WHERE run_id = ?", (run_id,))

    def totals(self) -> list[Total]:
        """Every counter, by subject and name."""
        query = (
            "SELECT subject, counter, sum(amount), rig FROM usage JOIN usage_place USING (subject)"
            " GROUP BY subject, counter ORDER BY subject, counter"
        )
        with sqlite_told_as_store_error(self._path, "reading usage"):
            rows = self._connection.execute(query).fetchall()
        return [
            Total(subject=subject, counter=counter, amount=amount, rig=rig) for subject, counter, amount, rig in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

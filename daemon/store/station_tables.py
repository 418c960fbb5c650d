"""The tables of `station.sqlite`, which holds what outlives a run, and how an older file becomes one of today's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.store.errors import StoreError, sqlite_told_as_store_error
from daemon.store.records import WHOSE_ADVICE

STATION_FILE_NAME = "station.sqlite"
BUSY_TIMEOUT_SECOND = 5.0

_PUBLISHING = """
CREATE TABLE IF NOT EXISTS publish_cursor (
    sink TEXT, run_id TEXT, stream TEXT, seq INTEGER NOT NULL, PRIMARY KEY (sink, run_id, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS publish_run (
    sink TEXT, run_id TEXT, directory TEXT NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (sink, run_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS publish_alarm (sink TEXT, topic TEXT, PRIMARY KEY (sink, topic)) WITHOUT ROWID;
"""

_SHARING_AND_USAGE = """
CREATE TABLE lease (run_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE waiting (place INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE left_queue (rig TEXT PRIMARY KEY, run_id TEXT NOT NULL, why TEXT NOT NULL, utc_second REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE usage (
    subject TEXT, counter TEXT, part TEXT, amount REAL NOT NULL, PRIMARY KEY (subject, counter, part)
) WITHOUT ROWID;
CREATE TABLE usage_place (subject TEXT PRIMARY KEY, rig TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE usage_run (run_id TEXT PRIMARY KEY, journal_seq INTEGER NOT NULL, is_done INTEGER NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS = (_PUBLISHING, _SHARING_AND_USAGE)
"""Each makes the next version of the file; version 0 is a new file, or one of before versions were counted."""


def open_station(path: Path | None, *, is_durable: bool) -> sqlite3.Connection:
    """Open a station's file, or make it, and bring its tables up to date. Several processes may share it.

    Args:
        path: of the file; None is one in memory, which is forgotten when it is closed.
        is_durable: whether what is committed must outlive a loss of power.

    Raises:
        StoreError: it can't be opened or written, or a later presscell has changed it.
    """
    told = path or Path(":memory:")
    with sqlite_told_as_store_error(told, "opening it"):
        connection = sqlite3.connect(told, isolation_level=None, timeout=BUSY_TIMEOUT_SECOND, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            _migrate(connection, told)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def writing(connection: sqlite3.Connection, path: Path, what: str) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it is stored, or nothing. Raises `StoreError`, which says `what` could not be written."""
    with sqlite_told_as_store_error(path, f"writing {what}"):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with writing(connection, path, "its tables"):
        version = _version(connection)
        if version > len(MIGRATIONS):
            what = f"it is of version {version}, and this presscell knows none after {len(MIGRATIONS)}"
            raise StoreError(path, what, WHOSE_ADVICE)
        for migration in MIGRATIONS[version:]:
            for statement in migration.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection) -> int:
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    return int(version)

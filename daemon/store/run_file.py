"""The run file: journal, row blocks and snapshot of one run in one SQLite file, written by one owner."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from daemon.crash_points import reach
from daemon.store.blocks import CELL_SCHEMA, Block, StreamSchema, check_block, decode_block, encode_block
from daemon.store.compaction import Compaction, compact_segment
from daemon.store.errors import StoreError, damaged, sqlite_told_as_store_error
from daemon.store.lock import OwnerLock
from daemon.store.records import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    TABLES,
    WHOSE_ADVICE,
    Ends,
    JournalEntry,
    RunHeader,
    StreamEnd,
    checksum,
    decoded,
    journal_row,
    verify,
)

BUSY_TIMEOUT_SECOND = 5.0
CHECKED_TABLES = ("header", "stream", "ends", "snapshot", "journal", "block")
"""Before a file is written on. The packs of journal entries are by far the most of a long run, and each has its own
checksum: they are checked when they are read, so that taking a run up takes no longer the longer it is.
"""

_decode_header = msgspec.json.Decoder(RunHeader).decode
_decode_schema = msgspec.json.Decoder(StreamSchema).decode
_decode_ends = msgspec.json.Decoder(Ends).decode
_INSERT_JOURNAL = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_BLOCK = "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)"
_REPLACE_SNAPSHOT = "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?, ?)"
_REPLACE_ENDS = "INSERT OR REPLACE INTO ends VALUES (1, ?, ?)"


class RunFile:
    """One open run file. Use it from one thread at a time; every call is synchronous and may touch the disk.

    `engine_version` is what snapshots are stamped with.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: OwnerLock | None) -> None:
        """Not for callers: use `create`, `open` or `read_only`."""
        self.path = path
        self.connection = connection
        self._lock = lock
        with sqlite_told_as_store_error(path, "reading its header"):
            self.header = _read_header(path, connection)
            self.schemas = _read_schemas(path, connection)
            self._ends = self.read_ends()
        self.engine_version = self.header.engine_version

    @classmethod
    def create(
        cls,
        path: Path,
        header: RunHeader,
        streams: Sequence[StreamSchema] = (CELL_SCHEMA,),
        *,
        busy_timeout_second: float = BUSY_TIMEOUT_SECOND,
    ) -> Self:
        """A new run file, durable with its header, open for writing. It appears whole or not at all.

        Raises:
            StoreError: the path is taken or owned, or the disk refuses.
        """
        lock = OwnerLock(path)
        try:
            _refuse_taken(path)
            unfinished = path.with_name(path.name + ".new")
            unfinished.unlink(missing_ok=True)
            with sqlite_told_as_store_error(path, "creating it"):
                _write_empty(unfinished, header, streams)
            _rename_durably(unfinished, path)
        except BaseException:
            lock.release()
            raise
        try:
            return cls._open_writable(path, lock, busy_timeout_second)
        except BaseException:
            # Nothing is in it yet, and who asked for the run is told no: the next daemon must not begin it.
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def open(
        cls, path: Path, *, engine_version: str | None = None, busy_timeout_second: float = BUSY_TIMEOUT_SECOND
    ) -> Self:
        """An existing run file, checked and open for writing; `engine_version` is the header's when None.

        Raises:
            StoreError: missing, owned by another process, damaged, or of another schema version.
        """
        if not path.exists():
            raise StoreError(path, "there is no such file", "see `presscell runs` for the runs there are")
        run_file = cls._open_writable(path, OwnerLock(path), busy_timeout_second)
        run_file.engine_version = engine_version or run_file.engine_version
        return run_file

    @classmethod
    def read_only(cls, path: Path, *, busy_timeout_second: float = BUSY_TIMEOUT_SECOND) -> Self:
        """A run file for reading, also while its owner writes. Raises `StoreError`."""
        if not path.exists():
            raise StoreError(path, "there is no such file", "see `presscell runs` for the runs there are")
        # A write-ahead log needs shared memory in a file beside it; where none can be made, nobody writes either.
        frozen = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        with sqlite_told_as_store_error(path, "opening it for reading"):
            connection = _connect(path, "mode=ro&immutable=1" if frozen else "mode=ro", busy_timeout_second)
        return cls._checked(path, connection, None)

    @classmethod
    def _open_writable(cls, path: Path, lock: OwnerLock, busy_timeout_second: float) -> Self:
        try:
            with sqlite_told_as_store_error(path, "opening it for writing"):
                connection = _connect(path, "mode=rw", busy_timeout_second)
            run_file = cls._checked(path, connection, lock)
        except BaseException:
            lock.release()
            raise
        try:
            with sqlite_told_as_store_error(path, "checking it"):
                _prepare_for_writing(path, connection)
        except BaseException:
            run_file.close()
            raise
        return run_file

    @classmethod
    def _checked(cls, path: Path, connection: sqlite3.Connection, lock: OwnerLock | None) -> Self:
        try:
            return cls(path, connection, lock)
        except BaseException:
            connection.close()
            raise

    def read_ends(self) -> Ends:
        """Where journal and streams end now, by what is in the file. Raises `StoreError`."""
        row = self.connection.execute("SELECT body, checksum FROM ends").fetchone()
        if row is None:
            raise damaged(self.path, "it doesn't say where it ends")
        verify(self.path, "the record of where it ends", row[1], row[0])
        return decoded(self.path, "the record of where it ends", _decode_ends, row[0])

    def checked_block(self, stream: str, row: tuple[int, int, int, int, int, bytes] | None) -> Block:
        """The block of a row (first_seq, last_seq, segment, compacted, checksum, data). Raises `StoreError`."""
        if row is None:
            raise damaged(self.path, f"a block of {stream} that is listed isn't there")
        first_seq, last_seq, segment, compacted, stored, data = row
        what = f"the block of {stream} with rows {first_seq} to {last_seq}"
        verify(self.path, what, stored, data, stream, first_seq, last_seq, segment, compacted)
        try:
            block = decode_block(data, self.schemas[stream])
        except ValueError as error:
            raise damaged(self.path, f"{what} can't be read: {error}") from error
        if (block.first_seq, block.last_seq, block.segment) != (first_seq, last_seq, segment):
            raise damaged(
                self.path, f"{what} holds rows {block.first_seq} to {block.last_seq} of segment {block.segment}"
            )
        return block

    @property
    def last_journal_seq(self) -> int:
        """The number of the last durable journal entry, 0 when there is none. For the owner."""
        return self._ends.journal_seq

    def last_seq(self, stream: str) -> int:
        """The number of the last durable row of a stream, 0 when there is none. For the owner; readers have theirs."""
        return self._ends.last_seq(stream)

    def commit(self, entries: Sequence[JournalEntry], blocks: Sequence[Block], snapshot: bytes | None) -> int:
        """Make entries, blocks and the snapshot after them durable together; answer the last journal entry's number.

        Entries are numbered on from the last one. A stream's blocks continue its rows without a gap.

        Raises:
            StoreError: the disk refused. Nothing was stored; the same commit may be repeated.
            ValueError: rows with a gap, of an earlier segment, or of another shape than their stream's.
        """
        first = self._ends.journal_seq + 1
        last = self._ends.journal_seq + len(entries)
        ends = Ends(journal_seq=last, streams=self._stream_ends_after(blocks))
        ends_body = msgspec.json.encode(ends)
        journal_rows = [journal_row(entry, seq) for seq, entry in enumerate(entries, start=first)]
        block_rows = [self._block_row(block) for block in blocks]
        with self.writing("storing rows"):
            self.connection.executemany(_INSERT_JOURNAL, journal_rows)
            self.connection.executemany(_INSERT_BLOCK, block_rows)
            self.connection.execute(_REPLACE_ENDS, (ends_body, checksum(ends_body)))
            if snapshot is not None:
                facts = (last, SCHEMA_VERSION, self.engine_version)
                self.connection.execute(_REPLACE_SNAPSHOT, (*facts, snapshot, checksum(snapshot, *facts)))
        self._ends = ends
        return last

    def _stream_ends_after(self, blocks: Sequence[Block]) -> dict[str, StreamEnd]:
        ends = dict(self._ends.streams)
        for block in blocks:
            if block.stream not in self.schemas:
                raise ValueError(f"{self.path} has no stream {block.stream}, but {sorted(self.schemas)}")
            check_block(block, self.schemas[block.stream])
            end = ends.get(block.stream)
            due = end.last_seq + 1 if end else 1
            if block.first_seq != due:
                raise ValueError(f"row {due} of {block.stream} is due, not {block.first_seq}")
            if end and block.segment < end.segment:
                raise ValueError(f"segment {block.segment} of {block.stream} comes after segment {end.segment}")
            origin = block.origin_run_time_second
            if end and block.segment == end.segment and origin != end.origin_run_time_second:
                raise ValueError(f"segment {block.segment} of {block.stream} has two origins of time")
            ends[block.stream] = StreamEnd(block.last_seq, block.segment, origin)
        return ends

    def _block_row(self, block: Block) -> tuple[str, int, int, int, int, int, bytes]:
        data = encode_block(block, self.schemas[block.stream])
        facts = (block.stream, block.first_seq, block.last_seq, block.segment, 0)
        return (*facts, checksum(data, *facts), data)

    def compact_segment(self, stream: str, segment: int) -> Compaction:
        """Replace the blocks of a segment by packed ones of the same rows, bit for bit, in one durable transaction.

        A segment of up to 131,072 rows becomes one block. May be repeated, and called while the segment still grows
        (every few thousand blocks: readers then stay fast). What doesn't come back the same when read is left as it
        was and named in the answer. Raises `StoreError`; then nothing has changed.
        """
        return compact_segment(self, stream, segment)

    @contextmanager
    def writing(self, doing: str) -> Iterator[None]:
        """One durable transaction: all of it, or nothing and `StoreError`."""
        with sqlite_told_as_store_error(self.path, doing):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                reach("before_commit")
                self.connection.execute("COMMIT")
                reach("after_commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Everything read inside is of one moment; may be nested. Keep it short: the log can't be emptied meanwhile."""
        with sqlite_told_as_store_error(self.path, "reading it"):
            nested = self.connection.in_transaction
            if nested:
                yield self.connection
                return
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def seal(self) -> None:
        """After a run's last commit: give unused space back, and leave one plain file unless a reader has it open."""
        with sqlite_told_as_store_error(self.path, "shrinking it"):
            # `execute` would step it once, which frees one page.
            self.connection.executescript("PRAGMA incremental_vacuum")
            try:
                self.connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise

    def close(self) -> None:
        """Close the file and let the next owner in; what was committed stays so. May be repeated."""
        self.connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _refuse_taken(path: Path) -> None:
    if path.exists():
        raise StoreError(path, "there is a file of that name already", "choose another run id or folder")


def _connect(path: Path, how: str, busy_timeout_second: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        timeout=busy_timeout_second,
        check_same_thread=False,
    )


def _write_empty(path: Path, header: RunHeader, streams: Sequence[StreamSchema]) -> None:
    connection = _connect(path, "mode=rwc", 0.0)
    try:
        for pragma in ("auto_vacuum = INCREMENTAL", "synchronous = FULL", f"application_id = {APPLICATION_ID}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.executescript(f"BEGIN; {TABLES}")
        body = msgspec.json.encode(header)
        connection.execute("INSERT INTO header VALUES (1, ?, ?)", (body, checksum(body)))
        schemas = [(schema.name, msgspec.json.encode(schema)) for schema in streams]
        rows = [(name, schema_body, checksum(schema_body, name)) for name, schema_body in schemas]
        connection.executemany("INSERT INTO stream VALUES (?, ?, ?)", rows)
        ends_body = msgspec.json.encode(Ends())
        connection.execute(_REPLACE_ENDS, (ends_body, checksum(ends_body)))
        connection.execute("COMMIT")
    finally:
        connection.close()


def _rename_durably(source: Path, target: Path) -> None:
    try:
        source.rename(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(target, f"it can't be created: {error.strerror}", "check the volume, then repeat") from error


def _prepare_for_writing(path: Path, connection: sqlite3.Connection) -> None:
    for table in CHECKED_TABLES:
        complaint = connection.execute(f"PRAGMA quick_check({table})").fetchone()[0]
        if complaint != "ok":
            raise damaged(path, f"it is damaged: {table}: " + " ".join(str(complaint).split()))
    [(mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise StoreError(path, f"it can't be switched to write-ahead logging, only {mode}", "put it on a local disk")
    connection.execute("PRAGMA synchronous = FULL")


def _read_header(path: Path, connection: sqlite3.Connection) -> RunHeader:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(path, "it is no run file of presscell", "check the path")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        what = f"it has schema version {version}, this presscell reads {SCHEMA_VERSION}"
        raise StoreError(path, what, WHOSE_ADVICE)
    row: tuple[Any, ...] | None = connection.execute("SELECT body, checksum FROM header").fetchone()
    if row is None:
        raise damaged(path, "it has no header")
    verify(path, "the header", row[1], row[0])
    return decoded(path, "the header", _decode_header, row[0])


def _read_schemas(path: Path, connection: sqlite3.Connection) -> dict[str, StreamSchema]:
    schemas = {}
    for name, body, stored in connection.execute("SELECT name, body, checksum FROM stream ORDER BY name").fetchall():
        what = f"the description of stream {name}"
        verify(path, what, stored, body, name)
        schemas[str(name)] = decoded(path, what, _decode_schema, body)
    return schemas

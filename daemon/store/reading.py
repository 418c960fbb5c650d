"""Reads a run back, finished or being written: rows as a table, the journal in order, the snapshot, the segments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from daemon.store.blocks import ELAPSED, Block, StreamSchema
from daemon.store.errors import damaged
from daemon.store.packing import Floats, Integers
from daemon.store.records import JournalEntry, RunHeader, Snapshot, decode_pack, journal_entry, verify
from daemon.store.run_file import RunFile

JOURNAL_PAGE_ENTRIES = 4096

Source = RunFile | Path
"""An open run file, or the path of one."""

_NONE = np.empty(0, np.int64)


class SegmentRows(msgspec.Struct, frozen=True, kw_only=True):
    """Where one segment of a stream lies."""

    segment: int
    first_seq: int
    last_seq: int


def read_rows(
    source: Source,
    stream: str,
    *,
    first_seq: int | None = None,
    last_seq: int | None = None,
    segment: int | None = None,
) -> pd.DataFrame:
    """Rows of a stream in the order of their numbers, of one moment; a selection may be empty.

    Columns: `seq`, `segment`, `test_time_second` (run time: the segment's origin plus `elapsed_second`), then the
    stream's own; NaN is no reading. `first_seq` and `last_seq` are inclusive.

    Raises:
        StoreError: no such file, or a damaged one.
        ValueError: no such stream.
    """
    with _opened(source) as run_file:
        if stream not in run_file.schemas:
            raise ValueError(f"{run_file.path} has no stream {stream}, but {sorted(run_file.schemas)}")
        blocks = _read_blocks(run_file, stream, first_seq, last_seq, segment)
        return _table([_cut(block, first_seq, last_seq) for block in blocks], run_file.schemas[stream])


def read_journal(source: Source, *, after_seq: int = 0) -> Iterator[JournalEntry]:
    """Every entry after number `after_seq`, in order, wherever it is kept; entries added meanwhile may be left out.

    Raises:
        StoreError: no such file, or an entry that is damaged or missing, by its number.
    """
    with _opened(source) as run_file:
        with run_file.reading():
            last = run_file.read_ends().journal_seq
        packs: dict[int, list[JournalEntry]] = {}
        for before in range(after_seq, last, JOURNAL_PAGE_ENTRIES):
            yield from _journal_page(run_file, packs, before, min(before + JOURNAL_PAGE_ENTRIES, last))


def read_snapshot(source: Source) -> Snapshot | None:
    """The last snapshot, or None when none was stored. Raises `StoreError`."""
    with _opened(source) as run_file, run_file.reading() as connection:
        query = "SELECT body, checksum, journal_seq, schema_version, engine_version FROM snapshot"
        row = connection.execute(query).fetchone()
        if row is None:
            return None
        body, stored, *facts = row
        verify(run_file.path, "the snapshot", stored, body, *facts)
        journal_seq, schema_version, engine_version = facts
        return Snapshot(
            journal_seq=journal_seq, schema_version=schema_version, engine_version=engine_version, body=body
        )


def read_header(source: Source) -> RunHeader:
    """What the run is. Raises `StoreError`."""
    with _opened(source) as run_file:
        return run_file.header


def last_seq(source: Source, stream: str) -> int:
    """The number of the last durable row of a stream, 0 when there is none. Raises `StoreError`."""
    with _opened(source) as run_file, run_file.reading():
        return run_file.read_ends().last_seq(stream)


def read_segments(source: Source, stream: str) -> list[SegmentRows]:
    """The segments that have rows in a stream, in order. Raises `StoreError`."""
    with _opened(source) as run_file, run_file.reading():
        spans = _spans(run_file, stream)
    found: dict[int, SegmentRows] = {}
    for segment, first, last in spans:
        begun = found.get(segment)
        found[segment] = SegmentRows(segment=segment, first_seq=begun.first_seq if begun else first, last_seq=last)
    return list(found.values())


@contextmanager
def _opened(source: Source) -> Iterator[RunFile]:
    if isinstance(source, RunFile):
        yield source
        return
    with RunFile.read_only(source) as run_file:
        yield run_file


def _read_blocks(
    run_file: RunFile, stream: str, first_seq: int | None, last_seq: int | None, segment: int | None
) -> list[Block]:
    query = (
        "SELECT first_seq, last_seq, segment, compacted, checksum, data FROM block WHERE stream = ? AND first_seq = ?"
    )
    with run_file.reading() as connection:
        wanted = [
            first
            for of_segment, first, last in _spans(run_file, stream)
            if segment in {None, of_segment}
            and (first_seq is None or last >= first_seq)
            and (last_seq is None or first <= last_seq)
        ]
        rows = (connection.execute(query, (stream, first)).fetchone() for first in wanted)
        return [run_file.checked_block(stream, row) for row in rows]


def _spans(run_file: RunFile, stream: str) -> list[tuple[int, int, int]]:
    """Segment, first and last row of every block in order. Raises `StoreError` when a row is missing."""
    query = (
        "SELECT CAST(segment AS INTEGER), first_seq, CAST(last_seq AS INTEGER) FROM block WHERE stream = ?"
        " ORDER BY first_seq"
    )
    spans = run_file.connection.execute(query, (stream,)).fetchall()
    due, end = 1, run_file.read_ends().last_seq(stream)
    for _, first, last in [*spans, (0, end + 1, end)]:
        if first != due:
            raise damaged(run_file.path, f"rows of {stream} are missing from {due} on")
        due = last + 1
    return spans


def _cut(block: Block, first_seq: int | None, last_seq: int | None) -> Block:
    start = 0 if first_seq is None else max(0, first_seq - block.first_seq)
    stop = block.row_count if last_seq is None else min(block.row_count, last_seq - block.first_seq + 1)
    if (start, stop) == (0, block.row_count):
        return block
    return Block(
        stream=block.stream,
        segment=block.segment,
        first_seq=block.first_seq + start,
        origin_run_time_second=block.origin_run_time_second,
        columns={name: column[start:stop] for name, column in block.columns.items()},
    )


def _table(blocks: list[Block], schema: StreamSchema) -> pd.DataFrame:
    counts = [block.row_count for block in blocks]
    columns = {name: _joined(blocks, name, np.float64) for name in schema.floats}
    columns |= {name: _joined(blocks, name, np.int64) for name in schema.integers}
    origin_second = np.repeat(np.array([block.origin_run_time_second for block in blocks], np.float64), counts)
    table = {
        "seq": np.concatenate([_NONE, *(np.arange(block.first_seq, block.last_seq + 1) for block in blocks)]),
        "segment": np.repeat(np.array([block.segment for block in blocks], np.int64), counts),
        "test_time_second": origin_second + columns[ELAPSED],
        **columns,
    }
    return pd.DataFrame(table, copy=False)


def _joined(blocks: list[Block], name: str, kind: type[np.float64 | np.int64]) -> Floats | Integers:
    return np.concatenate([np.empty(0, kind), *(block.columns[name] for block in blocks)])


def _journal_page(
    run_file: RunFile, packs: dict[int, list[JournalEntry]], after_seq: int, last: int
) -> list[JournalEntry]:
    """Entries after_seq + 1 … last; `packs` keeps what was unpacked for the page before."""
    path, bounds = run_file.path, (after_seq, last)
    query = "SELECT seq, run_time_second, utc_second, kind, body, checksum FROM journal WHERE seq > ? AND seq <= ?"
    with run_file.reading() as connection:
        entries = [journal_entry(path, row) for row in connection.execute(query, bounds)]
        touched = connection.execute("SELECT first_seq FROM journal_pack WHERE last_seq > ? AND first_seq <= ?", bounds)
        needed = {first: packs.get(first) or _unpacked(run_file, first) for (first,) in touched.fetchall()}
    packs.clear()
    packs.update(needed)
    entries += [entry for pack in needed.values() for entry in pack if after_seq < entry.seq <= last]
    entries.sort(key=lambda entry: entry.seq)
    for due, entry in enumerate(entries, start=after_seq + 1):
        if entry.seq != due:
            raise damaged(path, f"journal row {due} is missing")
    if len(entries) != last - after_seq:
        raise damaged(path, f"journal row {after_seq + len(entries) + 1} is missing")
    return entries


def _unpacked(run_file: RunFile, first_seq: int) -> list[JournalEntry]:
    query = "SELECT last_seq, data, checksum FROM journal_pack WHERE first_seq = ?"
    [(last, data, stored)] = run_file.connection.execute(query, (first_seq,)).fetchall()
    verify(run_file.path, f"the pack of journal rows {first_seq} to {last}", stored, data, first_seq, last)
    return decode_pack(data)

"""Reads the rows of a run back as a pandas table, of a run that is finished or being written."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from daemon.store.blocks import ELAPSED, Block, StreamSchema
from daemon.store.errors import damaged
from daemon.store.packing import Floats, Integers
from daemon.store.reading import Source, opened
from daemon.store.run_file import RunFile

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
    with opened(source) as run_file:
        if stream not in run_file.schemas:
            raise ValueError(f"{run_file.path} has no stream {stream}, but {sorted(run_file.schemas)}")
        blocks = _read_blocks(run_file, stream, first_seq, last_seq, segment)
        return _table([_cut(block, first_seq, last_seq) for block in blocks], run_file.schemas[stream])


def read_segments(source: Source, stream: str) -> list[SegmentRows]:
    """The segments that have rows in a stream, in order. Raises `StoreError`."""
    with opened(source) as run_file, run_file.reading():
        spans = _spans(run_file, stream)
    found: dict[int, SegmentRows] = {}
    for segment, first, last in spans:
        begun = found.get(segment)
        found[segment] = SegmentRows(segment=segment, first_seq=begun.first_seq if begun else first, last_seq=last)
    return list(found.values())


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

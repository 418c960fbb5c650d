"""Replaces the many blocks of a segment by few packed ones, in one transaction, only after reading them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from daemon.events import BlockStored, ReadingsStored
from daemon.store.blocks import Block, decode_block, encode_packed, join_blocks, same_rows
from daemon.store.records import checksum, decode_pack, encode_pack, journal_entry

if TYPE_CHECKING:
    from daemon.store.run_file import RunFile

FULL_BATCH_ROWS = 131_072
"""A packed block of so many rows is never touched again."""

FULL_PACK_ENTRIES = 64
"""Journal entries that say that rows were stored are packed when there are so many."""

ROWS_STORED_KINDS = tuple(str(event.__struct_config__.tag) for event in (BlockStored, ReadingsStored))


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a compaction did to the rows of one segment. `refused` says why blocks were left alone; empty is good."""

    rows: int = 0
    blocks_before: int = 0
    blocks_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    journal_entries_packed: int = 0
    refused: tuple[str, ...] = ()

    def plus(self, other: Compaction) -> Compaction:
        """Both together."""
        return Compaction(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def compact_segment(run_file: RunFile, stream: str, segment: int) -> Compaction:
    """What `RunFile.compact_segment` does; the journal's entries of stored rows are packed along with them."""
    done = Compaction()
    with run_file.writing(f"compacting segment {segment} of {stream}"):
        for blocks in _groups(_unfinished(run_file, stream, segment)):
            done = done.plus(_replace(run_file, blocks))
        return done.plus(_pack_journal(run_file))


def _unfinished(run_file: RunFile, stream: str, segment: int) -> Iterator[tuple[Block, int, int]]:
    """Each block that is not full yet, whether it is packed, and its bytes."""
    query = (
        "SELECT first_seq, last_seq, segment, compacted, checksum, data FROM block WHERE stream = ? AND segment = ?"
        " AND NOT (compacted AND last_seq - first_seq + 1 >= ?) ORDER BY first_seq"
    )
    numbers = [row[0] for row in run_file.connection.execute(query, (stream, segment, FULL_BATCH_ROWS))]
    one = "SELECT first_seq, last_seq, segment, compacted, checksum, data FROM block WHERE stream = ? AND first_seq = ?"
    for first_seq in numbers:
        row = run_file.connection.execute(one, (stream, first_seq)).fetchone()
        yield run_file.checked_block(stream, row), row[3], len(row[5])


def _groups(blocks: Iterator[tuple[Block, int, int]]) -> Iterator[list[tuple[Block, int, int]]]:
    """Consecutive blocks, as many as make one full batch; one that is packed and alone is left out."""
    group: list[tuple[Block, int, int]] = []
    rows = 0
    for entry in blocks:
        if group and (rows >= FULL_BATCH_ROWS or entry[0].first_seq != group[-1][0].last_seq + 1):
            yield group
            group, rows = [], 0
        group.append(entry)
        rows += entry[0].row_count
    if len(group) > 1 or (group and not group[0][1]):
        yield group


def _replace(run_file: RunFile, group: list[tuple[Block, int, int]]) -> Compaction:
    schema = run_file.schemas[group[0][0].stream]
    whole = join_blocks([block for block, _, _ in group], schema)
    data = encode_packed(whole, schema)
    size = sum(size for _, _, size in group)
    left = Compaction(
        rows=whole.row_count, blocks_before=len(group), blocks_after=len(group), bytes_before=size, bytes_after=size
    )
    if not same_rows(decode_block(data, schema), whole, schema):
        why = f"rows {whole.first_seq} to {whole.last_seq} of {whole.stream} come back changed"
        return msgspec.structs.replace(left, refused=(why,))
    facts = (whole.stream, whole.first_seq, whole.last_seq, whole.segment, 1)
    run_file.connection.execute(
        "DELETE FROM block WHERE stream = ? AND first_seq BETWEEN ? AND ?",
        (whole.stream, whole.first_seq, whole.last_seq),
    )
    run_file.connection.execute(
        "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)", (*facts, checksum(data, *facts), data)
    )
    return msgspec.structs.replace(left, blocks_after=1, bytes_after=len(data))


def _pack_journal(run_file: RunFile) -> Compaction:
    query = (
        "SELECT seq, run_time_second, utc_second, kind, body, checksum FROM journal WHERE kind IN (?, ?) ORDER BY seq"
    )
    rows = run_file.connection.execute(query, ROWS_STORED_KINDS).fetchall()
    if len(rows) < FULL_PACK_ENTRIES:
        return Compaction()
    entries = [journal_entry(run_file.path, row) for row in rows]
    data = encode_pack(entries)
    if decode_pack(data) != entries:
        return Compaction(refused=("journal entries come back changed",))
    first, last = entries[0].seq, entries[-1].seq
    run_file.connection.execute("DELETE FROM journal WHERE kind IN (?, ?) AND seq <= ?", (*ROWS_STORED_KINDS, last))
    run_file.connection.execute(
        "INSERT INTO journal_pack VALUES (?, ?, ?, ?)", (first, last, data, checksum(data, first, last))
    )
    return Compaction(journal_entries_packed=len(entries))

"""Reads a run back, finished or being written: the journal in order, the snapshot, the header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.store.errors import damaged
from daemon.store.records import JournalEntry, RunHeader, Snapshot, decode_pack, journal_entry, verify
from daemon.store.run_file import RunFile

JOURNAL_PAGE_ENTRIES = 4096

Source = RunFile | Path
"""An open run file, or the path of one."""


def read_journal(source: Source, *, after_seq: int = 0) -> Iterator[JournalEntry]:
    """Every entry after number `after_seq`, in order, wherever it is kept; entries added meanwhile may be left out.

    Raises:
        StoreError: no such file, or an entry that is damaged or missing, by its number.
    """
    with opened(source) as run_file:
        with run_file.reading():
            last = run_file.read_ends().journal_seq
        packs: dict[int, list[JournalEntry]] = {}
        for before in range(after_seq, last, JOURNAL_PAGE_ENTRIES):
            yield from _journal_page(run_file, packs, before, min(before + JOURNAL_PAGE_ENTRIES, last))


def read_snapshot(source: Source) -> Snapshot | None:
    """The last snapshot, or None when none was stored. Raises `StoreError`."""
    with opened(source) as run_file, run_file.reading() as connection:
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
    with opened(source) as run_file:
        return run_file.header


def last_seq(source: Source, stream: str) -> int:
    """The number of the last durable row of a stream, 0 when there is none. Raises `StoreError`."""
    with opened(source) as run_file, run_file.reading():
        return run_file.read_ends().last_seq(stream)


@contextmanager
def opened(source: Source) -> Iterator[RunFile]:
    """The file of a source, closed afterwards if it was opened for this. Raises `StoreError`."""
    if isinstance(source, RunFile):
        yield source
        return
    with RunFile.read_only(source) as run_file:
        yield run_file


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

"""What a run file holds beside its rows, how each is checked for damage, and the tables they lie in. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from daemon.store.errors import StoreError, damaged

RUN_FILE_NAME = "run.sqlite"
"""Of every run's file, in the run's own folder."""

SCHEMA_VERSION = 2
APPLICATION_ID = int.from_bytes(b"PCel", "big")

TABLES = """
CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE stream (name TEXT PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE ends (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, run_time_second REAL NOT NULL, utc_second REAL NOT NULL,
    kind TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE journal_pack (
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, data BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE block (
    stream TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, segment INTEGER NOT NULL,
    compacted INTEGER NOT NULL, checksum INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stream, first_seq)
);
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1), journal_seq INTEGER NOT NULL, schema_version INTEGER NOT NULL,
    engine_version TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL
);
"""

WHOSE_ADVICE = "use the presscell that wrote it"

Decoded = TypeVar("Decoded")


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is, frozen when it starts.

    Its run time is 0 at `zero_second` of the clock of `clock_epoch`. `instruments` is role → maker, model,
    serial_number, firmware; `pressure_calibration` is how displayed loads became pressure, empty without a load cell.
    `station_sha256` is of the station file, empty where there is none; `without_acceptance` is why somebody let it run
    for days on a potentiostat that was not accepted, empty where that was not asked.
    """

    run_id: str
    schema_version: int = SCHEMA_VERSION
    engine_version: str
    simulated: bool
    station: str
    rig: str
    started_utc_second: float
    clock_epoch: str = ""
    zero_second: float = 0.0
    protocol_name: str
    protocol_text: str
    cell_name: str
    cell_text: str
    plan_json: bytes
    seed: int | None
    supervise_every_second: float
    instruments: dict[str, dict[str, str]]
    pressure_calibration: dict[str, float | str | None] = {}
    station_sha256: str = ""
    without_acceptance: str = ""


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event, durable before its effects; `body` is JSON. The store numbers entries from 1 (0: not yet)."""

    run_time_second: float
    utc_second: float
    kind: str
    body: bytes
    seq: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The run as it was after journal entry `journal_seq`, and by which versions of schema and engine."""

    journal_seq: int
    schema_version: int
    engine_version: str
    body: bytes


class StreamEnd(msgspec.Struct, frozen=True):
    """The last durable row of a stream, its segment, and the run time of that segment's first row."""

    last_seq: int
    segment: int
    origin_run_time_second: float


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """Where journal and streams end: written with every commit, so that a lost tail is noticed."""

    journal_seq: int = 0
    streams: dict[str, StreamEnd] = {}

    def last_seq(self, stream: str) -> int:
        """The number of a stream's last row, 0 when there is none."""
        end = self.streams.get(stream)
        return end.last_seq if end else 0


_PACK_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("run_time_second", pa.float64()),
        ("utc_second", pa.float64()),
        ("kind", pa.string()),
        ("body", pa.binary()),
    ]
)


def checksum(body: bytes, *facts: float | str) -> int:
    """CRC-32 of a row's body and of the facts beside it."""
    seed = 0
    for fact in facts:
        seed = zlib.crc32(fact.encode() if isinstance(fact, str) else struct.pack("<d", fact), seed)
    return zlib.crc32(body, seed)


def verify(path: Path, what: str, stored: int, body: bytes, *facts: float | str) -> None:
    """Raise `StoreError`, naming `what`, unless the stored checksum is that of the content."""
    try:
        agree = stored == checksum(body, *facts)
    except (TypeError, struct.error):
        agree = False
    if not agree:
        raise damaged(path, f"{what} fails its checksum")


def decoded(path: Path, what: str, decode: Callable[[bytes], Decoded], body: bytes) -> Decoded:
    """What a whole body says; `StoreError`, naming `what`, when another version wrote it that meant something else."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(path, f"{what} can't be understood: {error}", WHOSE_ADVICE) from error


def journal_row(entry: JournalEntry, seq: int) -> tuple[int, float, float, str, bytes, int]:
    """The entry as a row of table `journal`, under the number `seq`."""
    facts = (entry.run_time_second, entry.utc_second, entry.kind)
    return (seq, *facts, entry.body, checksum(entry.body, seq, *facts))


def journal_entry(path: Path, row: tuple[Any, ...]) -> JournalEntry:
    """Undo `journal_row`. Raises `StoreError` naming the row when it is damaged."""
    seq, run_time_second, utc_second, kind, body, stored = row
    verify(path, f"journal row {seq}", stored, body, seq, run_time_second, utc_second, kind)
    return JournalEntry(seq=seq, run_time_second=run_time_second, utc_second=utc_second, kind=kind, body=body)


def encode_pack(entries: list[JournalEntry]) -> bytes:
    """Many entries as one zstd-compressed Arrow record batch."""
    columns = [[getattr(entry, name) for entry in entries] for name in _PACK_SCHEMA.names]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _PACK_SCHEMA, strict=True)], schema=_PACK_SCHEMA
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _PACK_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def decode_pack(data: bytes) -> list[JournalEntry]:
    """Undo `encode_pack`."""
    with pa.ipc.open_stream(data) as stream:
        rows = stream.read_next_batch().to_pylist()
    return [JournalEntry(**row) for row in rows]

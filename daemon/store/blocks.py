"""Rows of one stream as one Arrow record batch: as they are when they come, packed when their segment is over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from daemon.plan import CELL_STREAM
from daemon.store.packing import (
    Coding,
    Floats,
    Integers,
    PackedColumn,
    pack_floats,
    pack_integers,
    same_floats,
    unpack_floats,
    unpack_integers,
)

ELAPSED = "elapsed_second"
FACTS_KEY = b"presscell"
COMPRESSION_LEVEL = 3


class StreamSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a stream, units in their names. `floats` begin with `elapsed_second`; NaN is no reading."""

    name: str
    floats: tuple[str, ...]
    integers: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, floats first."""
        return self.floats + self.integers


CELL_SCHEMA = StreamSchema(
    name=CELL_STREAM,
    floats=(ELAPSED, "voltage_volt", "current_ampere"),
    integers=("source_status", "reading_status"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """Consecutive rows of one stream and one segment; every column has shape (n,), n ≥ 1.

    Rows of a stream are numbered from 1 over the whole run. `elapsed_second` is the instrument's own clock since the
    segment's first row, whose run time is `origin_run_time_second`: the run time of a row is their sum.
    """

    stream: str
    segment: int
    first_seq: int
    origin_run_time_second: float
    columns: Mapping[str, Floats | Integers]

    @cached_property
    def row_count(self) -> int:
        """How many rows."""
        return len(self.columns[ELAPSED])

    @property
    def last_seq(self) -> int:
        """The number of the last row."""
        return self.first_seq + self.row_count - 1


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the batch's schema says beside the columns. `codings` is None while rows are stored as they came."""

    stream: str
    segment: int
    first_seq: int
    rows: int
    origin_run_time_second: float
    codings: dict[str, Coding] | None = None


_decode_facts = msgspec.json.Decoder(_Facts).decode


def check_block(block: Block, schema: StreamSchema) -> None:
    """Raise ValueError unless the block has its stream's columns, equally long and of the right type."""
    if set(block.columns) != set(schema.columns):
        raise ValueError(f"a block of {block.stream} has columns {sorted(block.columns)}, not {sorted(schema.columns)}")
    for name in schema.columns:
        column, wanted = block.columns[name], np.float64 if name in schema.floats else np.int64
        if column.dtype != wanted or column.shape != (block.row_count,):
            raise ValueError(
                f"{block.stream}.{name} is {column.dtype}{column.shape}, not {wanted.__name__}({block.row_count},)"
            )
    if block.row_count == 0:
        raise ValueError(f"a block of {block.stream} has no rows")
    if not (np.isfinite(block.columns[ELAPSED]).all() and np.isfinite(block.origin_run_time_second)):
        raise ValueError(f"a block of {block.stream} has rows without a time")


def encode_block(block: Block, schema: StreamSchema) -> bytes:
    """One record batch in an Arrow IPC stream, the columns as they are; NaN becomes null."""
    arrays = {name: pa.array(block.columns[name], from_pandas=True) for name in schema.columns}
    return _stream_bytes(arrays, _facts(block, None), None)


def encode_packed(block: Block, schema: StreamSchema) -> bytes:
    """One zstd-compressed record batch whose columns are byte planes of whole numbers; see `daemon.store.packing`."""
    arrays: dict[str, Any] = {}
    codings: dict[str, Coding] = {}
    for name in schema.columns:
        packed = _pack(block.columns[name], is_float=name in schema.floats)
        codings[name] = packed.coding
        arrays.update(_packed_arrays(name, packed))
    return _stream_bytes(arrays, _facts(block, codings), pa.Codec("zstd", compression_level=COMPRESSION_LEVEL))


def decode_block(data: bytes, schema: StreamSchema) -> Block:
    """Undo `encode_block` or `encode_packed`. Columns may be read-only. Raises ValueError for other bytes."""
    try:
        with pa.ipc.open_stream(data) as stream:
            batch = stream.read_next_batch()
        facts = _decode_facts(batch.schema.metadata[FACTS_KEY])
        columns = {name: _column(batch, name, facts, is_float=name in schema.floats) for name in schema.columns}
    except (pa.ArrowException, OSError, KeyError, TypeError, StopIteration, msgspec.MsgspecError) as error:
        raise ValueError(f"not a block of {schema.name}: {error}") from error
    return Block(
        stream=facts.stream,
        segment=facts.segment,
        first_seq=facts.first_seq,
        origin_run_time_second=facts.origin_run_time_second,
        columns=columns,
    )


def join_blocks(blocks: list[Block], schema: StreamSchema) -> Block:
    """Consecutive blocks of one segment as one. Raises ValueError when they aren't."""
    first = blocks[0]
    for before, after in pairwise(blocks):
        same = (before.segment, before.origin_run_time_second) == (after.segment, after.origin_run_time_second)
        if not same or after.first_seq != before.last_seq + 1:
            raise ValueError(f"rows {after.first_seq} on don't continue the rows up to {before.last_seq}")
    columns = {name: np.concatenate([block.columns[name] for block in blocks]) for name in schema.columns}
    return Block(
        stream=first.stream,
        segment=first.segment,
        first_seq=first.first_seq,
        origin_run_time_second=first.origin_run_time_second,
        columns=columns,
    )


def same_rows(left: Block, right: Block, schema: StreamSchema) -> bool:
    """Whether two blocks hold the same rows, bit for bit, under the same numbers and times."""
    facts_agree = _facts(left, None) == _facts(right, None)
    return facts_agree and all(_same(left.columns[name], right.columns[name]) for name in schema.columns)


def _same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    if left.dtype != right.dtype:
        return False
    return same_floats(left, right) if left.dtype == np.float64 else np.array_equal(left, right)


def _facts(block: Block, codings: dict[str, Coding] | None) -> _Facts:
    return _Facts(
        stream=block.stream,
        segment=block.segment,
        first_seq=block.first_seq,
        rows=block.row_count,
        origin_run_time_second=block.origin_run_time_second,
        codings=codings,
    )


def _pack(column: Floats | Integers, *, is_float: bool) -> PackedColumn:
    if is_float:
        return pack_floats(np.ascontiguousarray(column, np.float64))
    return pack_integers(np.ascontiguousarray(column, np.int64))


def _packed_arrays(name: str, packed: PackedColumn) -> Iterator[tuple[str, Any]]:
    for index, plane in enumerate(packed.planes):
        yield f"{name}.{index}", pa.array(plane)
    if packed.present is not None:
        yield f"{name}.present", pa.array(packed.present)
    if packed.patches is not None:
        yield f"{name}.exact", pa.array(packed.patches, from_pandas=True)


def _stream_bytes(arrays: dict[str, Any], facts: _Facts, codec: pa.Codec | None) -> bytes:
    fields = [pa.field(name, array.type) for name, array in arrays.items()]
    schema = pa.schema(fields, metadata={FACTS_KEY: msgspec.json.encode(facts)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(list(arrays.values()), schema=schema))
    taken: bytes = sink.getvalue().to_pybytes()
    return taken


def _column(batch: pa.RecordBatch, name: str, facts: _Facts, *, is_float: bool) -> Floats | Integers:
    if facts.codings is None:
        column: Floats | Integers = batch.column(name).to_numpy(zero_copy_only=False)
        return column
    coding = facts.codings[name]
    if not is_float:
        return unpack_integers(PackedColumn(coding, _planes(batch, name, coding)), facts.rows)
    names = batch.schema.names
    present, exact = f"{name}.present", f"{name}.exact"
    packed = PackedColumn(
        coding,
        _planes(batch, name, coding),
        batch.column(present).to_numpy(zero_copy_only=False) if present in names else None,
        batch.column(exact).to_numpy(zero_copy_only=False) if exact in names else None,
    )
    return unpack_floats(packed, facts.rows)


def _planes(batch: pa.RecordBatch, name: str, coding: Coding) -> tuple[NDArray[np.uint8], ...]:
    return tuple(batch.column(f"{name}.{index}").to_numpy() for index in range(coding.planes))

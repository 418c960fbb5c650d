"""Blocks as bytes: what goes in comes out, and nothing else is taken for one."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.store.blocks import (
    CELL_SCHEMA,
    check_block,
    decode_block,
    encode_block,
    encode_packed,
    join_blocks,
    same_rows,
)


@pytest.mark.parametrize("encode", [encode_block, encode_packed])
@pytest.mark.parametrize("rows", [1, 2, 3, 600])
def test_a_block_comes_back(make_block, encode, rows):
    block = make_block(13, rows, segment=3)
    assert same_rows(decode_block(encode(block, CELL_SCHEMA), CELL_SCHEMA), block, CELL_SCHEMA)


def test_a_fresh_block_is_plain_arrow(make_block):
    block = make_block(1, 20)
    with pa.ipc.open_stream(encode_block(block, CELL_SCHEMA)) as stream:
        batch = stream.read_next_batch()
    assert batch.schema.names == list(CELL_SCHEMA.columns)
    assert batch.column("voltage_volt").null_count == 1
    assert batch.column("voltage_volt")[13].as_py() is None


def test_realistic_rows_become_small(make_block):
    block = make_block(1, 36_000)
    assert len(encode_packed(block, CELL_SCHEMA)) / block.row_count < 4


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("voltage_volt", np.zeros(4), "voltage_volt"),
        ("voltage_volt", np.zeros(5, np.float32), "voltage_volt"),
        ("source_status", np.zeros(5), "source_status"),
        ("elapsed_second", np.array([0, 1, np.nan, 3, 4]), "without a time"),
        ("pressure_pa", np.zeros(5), "columns"),
    ],
)
def test_a_block_of_another_shape_is_refused(make_block, column, values, complaint):
    block = make_block(1, 5)
    with pytest.raises(ValueError, match=complaint):
        check_block(replace(block, columns={**block.columns, column: values}), CELL_SCHEMA)


def test_a_block_without_rows_is_refused(make_block):
    with pytest.raises(ValueError, match="no rows"):
        check_block(make_block(1, 0), CELL_SCHEMA)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2000))
def test_garbage_is_no_block(garbage, at):
    whole = bytes(900)
    with pytest.raises(ValueError, match="not a block"):
        decode_block(whole[:at] + garbage, CELL_SCHEMA)


def test_joining_needs_consecutive_rows_of_one_segment(make_block):
    first = make_block(1, 5)
    assert join_blocks([first, make_block(6, 5)], CELL_SCHEMA).last_seq == 10
    for wrong in (make_block(7, 5), make_block(6, 5, segment=2)):
        with pytest.raises(ValueError, match="continue"):
            join_blocks([first, wrong], CELL_SCHEMA)


@pytest.mark.parametrize(
    "change", [{"first_seq": 2}, {"segment": 2}, {"origin_run_time_second": 1.0}, {"stream": "pressure"}]
)
def test_same_rows_looks_at_numbers_and_times(make_block, change):
    block = make_block(1, 5)
    assert not same_rows(block, replace(block, **change), CELL_SCHEMA)

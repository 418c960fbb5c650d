"""The reader on the run file's page reads what we wrote, with nothing of ours."""

import re
from pathlib import Path

import numpy as np
import pytest

from daemon.events import Event
from daemon.store.blocks import CELL_SCHEMA
from daemon.store.records import SCHEMA_VERSION, TABLES
from daemon.store.rows import read_rows

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "run-file.md").read_text(encoding="utf-8")


@pytest.fixture
def read_stream():
    [listing] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shown: dict = {}
    exec(compile(listing, "run-file.md", "exec"), shown)
    return shown["read_stream"]


def test_the_reader_shown_reads_plain_and_compacted_blocks_bit_for_bit(read_stream, run_file, make_block, make_entry):
    blocks = [make_block(1, 300), make_block(301, 1), make_block(302, 400, segment=2, first_elapsed=0)]
    blocks[0].columns["current_ampere"][7] = np.pi
    blocks[0].columns["current_ampere"][9] = -0.0
    blocks[1].columns["voltage_volt"][:] = np.nan
    for block in blocks:
        run_file.commit([make_entry()], [block], None)
    assert run_file.compact_segment("cell", 1).blocks_after == 1
    ours, theirs = read_rows(run_file, "cell"), read_stream(run_file.path, "cell")
    assert len(ours) == 701
    for name in ("test_time_second", *CELL_SCHEMA.columns):
        np.testing.assert_array_equal(theirs[name], ours[name].to_numpy())
    assert np.signbit(theirs["current_ampere"][9])


def test_a_column_of_bits_is_read_too(read_stream, run_file, make_block, make_entry):
    block = make_block(1, 200)
    block.columns["current_ampere"][:] = np.random.default_rng(1).normal(0, 1e3, 200) / 3
    run_file.commit([make_entry()], [block], None)
    run_file.compact_segment("cell", 1)
    np.testing.assert_array_equal(read_stream(run_file.path, "cell")["current_ampere"], block.columns["current_ampere"])


def test_every_table_and_every_kind_of_event_is_explained():
    tables = re.findall(r"CREATE TABLE (\w+)", TABLES)
    kinds = [str(event.__struct_config__.tag) for event in Event.__args__]
    assert [name for name in (*tables, *kinds) if f"`{name}`" not in PAGE] == []
    assert f"`PCel`, {SCHEMA_VERSION} " in PAGE

"""Rows and journal as a reader sees them."""

import os
from itertools import product

import numpy as np
import pandas as pd
import pytest

from daemon.store import reading
from daemon.store.errors import StoreError
from daemon.store.reading import last_seq, read_journal, read_snapshot
from daemon.store.rows import read_rows


@pytest.fixture
def stored(run_path, run_file, make_block, make_entry):
    """Forty rows: segment 1 packed (1-20), segment 2 in blocks of 7, 7 and 6."""
    spans = [(1, 10, 1), (11, 10, 1), (21, 7, 2), (28, 7, 2), (35, 6, 2)]
    made = [make_block(first, rows, segment=segment) for first, rows, segment in spans]
    for block in made:
        run_file.commit([make_entry(block.first_seq)], [block], b"{}")
    run_file.compact_segment("cell", 1)
    return run_path, made


def test_rows_are_what_was_stored_and_time_is_origin_plus_elapsed(stored):
    run_path, made = stored
    rows = read_rows(run_path, "cell")
    assert rows["seq"].tolist() == list(range(1, 41))
    assert rows["segment"].tolist() == [1] * 20 + [2] * 20
    for name in made[0].columns:
        assert np.array_equal(rows[name], np.concatenate([block.columns[name] for block in made]), equal_nan=True)
    assert rows["voltage_volt"].isna().tolist() == [index == 13 for index in range(40)]
    assert np.array_equal(rows["test_time_second"], rows["segment"] * 100.25 + rows["elapsed_second"])


@pytest.mark.parametrize("segment", [None, 1, 2, 3])
def test_a_selection_is_a_slice_of_all(stored, run_file, segment):
    rows = read_rows(run_file, "cell")
    for first, last in product([None, 1, 5, 20, 21, 28, 40, 41, 99], [None, 0, 1, 5, 20, 30, 40, 99]):
        chosen = rows[rows["seq"].between(first or 1, 40 if last is None else last)]
        if segment is not None:
            chosen = chosen[chosen["segment"] == segment]
        found = read_rows(run_file, "cell", first_seq=first, last_seq=last, segment=segment)
        pd.testing.assert_frame_equal(found, chosen.reset_index(drop=True))


def test_a_run_without_rows_has_columns(run_path, run_file):
    rows = read_rows(run_path, "cell")
    assert rows.shape == (0, 8)
    assert rows.dtypes["voltage_volt"] == np.float64
    assert (last_seq(run_path, "cell"), read_snapshot(run_path), list(read_journal(run_path))) == (0, None, [])
    with pytest.raises(ValueError, match="no stream pressure"):
        read_rows(run_path, "pressure")


@pytest.mark.parametrize("gone", [1, 21, 35])
def test_missing_rows_are_an_error_not_a_shorter_table(stored, run_file, gone):
    run_path, _ = stored
    run_file.connection.execute("DELETE FROM block WHERE first_seq = ?", (gone,))
    with pytest.raises(StoreError, match=f"rows of cell are missing from {gone} on"):
        read_rows(run_path, "cell")


@pytest.mark.parametrize("page", [1, 3, 7, 4096])
def test_the_journal_is_in_order_across_packs_and_pages(run_file, make_block, make_entry, monkeypatch, page):
    monkeypatch.setattr(reading, "JOURNAL_PAGE_ENTRIES", page)
    number = 0
    for _ in range(2):
        for _ in range(70):
            number += 1
            events = [make_entry(number), make_entry(number, "note")] if number % 20 == 0 else [make_entry(number)]
            run_file.commit(events, [make_block(number, 1)], None)
        run_file.compact_segment("cell", 1)
    assert run_file.connection.execute("SELECT count(*) FROM journal_pack").fetchone() == (2,)
    whole = list(read_journal(run_file))
    assert [entry.seq for entry in whole] == list(range(1, 148))
    assert [entry.kind for entry in whole].count("note") == 7
    for after in (0, 1, 74, 75, 146, 147, 200):
        assert list(read_journal(run_file, after_seq=after)) == whole[after:]


@pytest.mark.parametrize("gone", [1, 3, 6])
def test_a_missing_entry_is_named(run_file, make_entry, gone):
    run_file.commit([make_entry(number) for number in range(1, 6)] + [make_entry(6)], [], None)
    run_file.connection.execute("DELETE FROM journal WHERE seq = ?", (gone,))
    with pytest.raises(StoreError, match=f"journal row {gone} is missing"):
        list(read_journal(run_file))


def test_a_folder_nobody_may_write_to_can_be_read(stored, run_file, monkeypatch):
    run_path, _ = stored
    run_file.close()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(read_rows(run_path, "cell")) == 40
    assert not run_path.with_name(run_path.name + "-wal").exists()

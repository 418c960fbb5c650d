"""Compaction changes bytes, never a row or an entry."""

import numpy as np
import pandas as pd
import pytest

from daemon.store import blocks, compaction
from daemon.store.errors import StoreError
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows, read_segments
from daemon.store.run_file import RunFile


@pytest.fixture
def three_segments(run_file, make_block, make_entry):
    """Segments of 300, 1 and 99 rows in blocks of 1 and 50, with other events between."""
    seq = 1
    for segment, row_count, step in ((1, 300, 50), (2, 1, 50), (3, 99, 1)):
        run_file.commit([make_entry(seq, "segment_started")], [], b"{}")
        for first in range(seq, seq + row_count, step):
            rows = min(step, seq + row_count - first)
            block = make_block(first, rows, segment=segment, first_elapsed=first - seq)
            run_file.commit([make_entry(first)], [block], b"{}")
        seq += row_count
    return run_file


def block_spans(run_file):
    return run_file.connection.execute("SELECT first_seq, last_seq, compacted FROM block ORDER BY first_seq").fetchall()


def test_rows_and_journal_stay_as_they_were(three_segments):
    rows, journal = read_rows(three_segments, "cell"), list(read_journal(three_segments))
    done = [three_segments.compact_segment("cell", segment) for segment in (1, 2, 3)]
    assert block_spans(three_segments) == [(1, 300, 1), (301, 301, 1), (302, 400, 1)]
    assert [(one.rows, one.blocks_before, one.blocks_after, one.refused) for one in done] == [
        (300, 6, 1, ()),
        (1, 1, 1, ()),
        (99, 99, 1, ()),
    ]
    assert sum(one.journal_entries_packed for one in done) == 106
    assert three_segments.connection.execute("SELECT count(*) FROM journal").fetchone() == (3,)
    pd.testing.assert_frame_equal(read_rows(three_segments, "cell"), rows, check_exact=True)
    assert list(read_journal(three_segments)) == journal
    assert [entry.seq for entry in journal] == list(range(1, 110))


def test_a_second_time_does_nothing(three_segments):
    three_segments.compact_segment("cell", 3)
    before = three_segments.connection.execute("SELECT * FROM block").fetchall()
    again = three_segments.compact_segment("cell", 3)
    assert (again.rows, again.blocks_after, again.journal_entries_packed) == (0, 0, 0)
    assert three_segments.connection.execute("SELECT * FROM block").fetchall() == before


def test_only_the_segment_asked_for(three_segments):
    three_segments.compact_segment("cell", 1)
    assert [packed for _, _, packed in block_spans(three_segments)] == [1] + [0] * 100
    assert three_segments.compact_segment("cell", 7).rows == 0


def test_a_segment_may_be_compacted_while_it_grows(three_segments, make_block, make_entry):
    three_segments.compact_segment("cell", 3)
    for first in range(401, 411):
        block = make_block(first, 1, segment=3, first_elapsed=first - 302)
        three_segments.commit([make_entry(first)], [block], b"{}")
    rows = read_rows(three_segments, "cell")
    assert three_segments.compact_segment("cell", 3).blocks_before == 11
    assert block_spans(three_segments)[-1] == (302, 410, 1)
    pd.testing.assert_frame_equal(read_rows(three_segments, "cell"), rows, check_exact=True)


def test_long_segments_become_full_batches_that_are_left_alone(run_file, make_block):
    for first in range(1, 300_001, 50_000):
        run_file.commit([], [make_block(first, 50_000)], None)
    assert run_file.compact_segment("cell", 1).blocks_after == 2
    assert block_spans(run_file) == [(1, 150_000, 1), (150_001, 300_000, 1)]
    run_file.commit([], [make_block(300_001, 10)], None)
    assert run_file.compact_segment("cell", 1).rows == 10
    assert block_spans(run_file)[-1] == (300_001, 300_010, 1)
    assert read_rows(run_file, "cell")["seq"].tolist() == list(range(1, 300_011))


def test_bytes_a_row(run_file, make_block):
    for first in range(1, 36_001, 600):
        run_file.commit([], [make_block(first, 600)], None)
    done = run_file.compact_segment("cell", 1)
    assert done.bytes_before / done.rows > 40
    assert done.bytes_after / done.rows < 4


def test_a_codec_that_loses_a_digit_is_found_out(three_segments, monkeypatch):
    right = blocks.unpack_floats

    def planted(packed, row_count):
        values = right(packed, row_count)
        values[-1] = np.nextafter(values[-1], np.inf)
        return values

    rows, spans = read_rows(three_segments, "cell"), block_spans(three_segments)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "unpack_floats", planted)
        done = three_segments.compact_segment("cell", 3)
    assert done.refused == ("rows 302 to 400 of cell come back changed",)
    assert block_spans(three_segments) == spans
    pd.testing.assert_frame_equal(read_rows(three_segments, "cell"), rows, check_exact=True)
    assert three_segments.compact_segment("cell", 3).refused == ()


def test_a_damaged_block_is_not_compacted_away(three_segments):
    three_segments.connection.execute("UPDATE block SET data = zeroblob(length(data)) WHERE first_seq = 350")
    spans = block_spans(three_segments)
    with pytest.raises(StoreError, match="block of cell with rows 350 to 350 fails its checksum"):
        three_segments.compact_segment("cell", 3)
    assert block_spans(three_segments) == spans


def test_entries_of_all_streams_are_packed_and_others_stay(run_file, make_block, make_entry):
    kinds = ["block_stored", "readings_stored", "segment_ended"] * 40
    for number, kind in enumerate(kinds, start=1):
        run_file.commit([make_entry(number, kind)], [make_block(number, 1)], None)
    before = list(read_journal(run_file))
    assert run_file.compact_segment("cell", 1).journal_entries_packed == 80
    assert list(read_journal(run_file)) == before
    left = run_file.connection.execute("SELECT DISTINCT kind FROM journal").fetchall()
    assert left == [("segment_ended",)]


def test_few_entries_wait_for_more(run_path, run_file, make_block, make_entry):
    for first in range(1, compaction.FULL_PACK_ENTRIES):
        run_file.commit([make_entry(first)], [make_block(first, 1)], None)
    assert run_file.compact_segment("cell", 1).journal_entries_packed == 0
    run_file.commit([make_entry(64)], [make_block(64, 1)], None)
    assert run_file.compact_segment("cell", 1).journal_entries_packed == compaction.FULL_PACK_ENTRIES
    run_file.close()
    with RunFile.open(run_path) as again:
        assert again.last_journal_seq == 64
        assert again.commit([make_entry(65)], [], None) == 65
        assert [entry.seq for entry in read_journal(again, after_seq=62)] == [63, 64, 65]


def test_segments_are_found_again(three_segments):
    for _ in range(2):
        found = [(one.segment, one.first_seq, one.last_seq) for one in read_segments(three_segments, "cell")]
        assert found == [(1, 1, 300), (2, 301, 301), (3, 302, 400)]
        three_segments.compact_segment("cell", 3)

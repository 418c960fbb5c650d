"""One owner, one file, one transaction a commit; every refusal says what happened and what to do."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from daemon.store.blocks import Block, StreamSchema
from daemon.store.errors import StoreError
from daemon.store.reading import last_seq, read_header, read_journal, read_snapshot
from daemon.store.records import SCHEMA_VERSION, Snapshot, checksum
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile


def test_a_commit_is_there_for_the_next_owner(run_path, run_file, header, make_block, make_entry):
    assert run_file.commit([make_entry(1, "run_started")], [], None) == 1
    assert run_file.commit([make_entry(2), make_entry(3)], [make_block(1, 7)], b"{}") == 3
    run_file.close()
    with RunFile.open(run_path) as again:
        assert again.header == header
        assert (again.last_journal_seq, again.last_seq("cell")) == (3, 7)
        assert read_snapshot(again) == Snapshot(
            journal_seq=3, schema_version=SCHEMA_VERSION, engine_version="1", body=b"{}"
        )
        assert again.commit([make_entry(4)], [make_block(8, 1)], None) == 4
        assert [(entry.seq, entry.kind) for entry in read_journal(again)] == [
            (1, "run_started"),
            (2, "block_stored"),
            (3, "block_stored"),
            (4, "block_stored"),
        ]
        assert read_rows(again, "cell")["seq"].tolist() == list(range(1, 9))


def test_the_file_is_as_durable_as_it_says(run_file):
    def pragma(name):
        return run_file.connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert (pragma("journal_mode"), pragma("synchronous"), pragma("user_version")) == ("wal", 2, SCHEMA_VERSION)


def test_two_owners_are_one_too_many(run_path, run_file, header):
    with pytest.raises(StoreError, match="is writing it; stop that daemon first"):
        RunFile.open(run_path)
    run_file.close()
    with RunFile.open(run_path):
        pass
    with pytest.raises(StoreError, match="a file of that name already"):
        RunFile.create(run_path, header)
    RunFile.open(run_path).close()


def test_a_folder_that_is_not_there_is_named(tmp_path, header):
    with pytest.raises(StoreError, match="No such file or directory; check that the folder exists"):
        RunFile.create(tmp_path / "nowhere" / "run.presscell", header)


@pytest.mark.parametrize("opening", [RunFile.open, RunFile.read_only])
def test_what_is_no_run_is_refused(tmp_path, opening):
    with pytest.raises(StoreError, match="no such file"):
        opening(tmp_path / "missing")
    (tmp_path / "text").write_text("not a database, but long enough to be looked at" * 30)
    with pytest.raises(StoreError, match="no run file"):
        opening(tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="no run file"):
        opening(tmp_path / "other")


def test_a_later_schema_is_refused(run_path, run_file):
    run_file.connection.execute("PRAGMA user_version = 3")
    run_file.close()
    with pytest.raises(StoreError, match="schema version 3, this presscell reads 2"):
        RunFile.open(run_path)
    with pytest.raises(StoreError, match="schema version 3"):
        read_header(run_path)


def test_an_unfinished_creation_is_no_obstacle(run_path, header):
    run_path.with_name(run_path.name + ".new").write_bytes(b"half a file")
    with RunFile.create(run_path, header) as run_file:
        assert run_file.header == header


def test_a_file_that_cannot_be_written_once_it_is_made_is_not_left_behind(run_path, header):
    """Whoever asked for the run was told no: the next daemon must not find it and begin it."""
    in_the_way = run_path.with_name(run_path.name + "-wal")
    in_the_way.mkdir()
    with pytest.raises(StoreError):
        RunFile.create(run_path, header)
    assert not run_path.exists()
    in_the_way.rmdir()
    RunFile.create(run_path, header).close()


@pytest.mark.parametrize(
    ("place", "complaint"),
    [((6, 2), "row 11 of cell is due"), ((12, 2), "row 11 of cell is due"), ((11, 1), "comes after segment 2")],
)
def test_rows_without_their_place_are_refused(run_file, make_block, make_entry, place, complaint):
    first_seq, segment = place
    run_file.commit([make_entry()], [make_block(1, 5), make_block(6, 5, segment=2)], None)
    with pytest.raises(ValueError, match=complaint):
        run_file.commit([make_entry()], [make_block(first_seq, 5, segment=segment)], None)
    assert (run_file.last_journal_seq, last_seq(run_file, "cell")) == (1, 10)


def test_a_segment_has_one_origin_of_time_also_for_the_next_owner(run_path, run_file, make_block):
    run_file.commit([], [make_block(1, 5)], None)
    late = make_block(6, 5)
    late = Block(stream="cell", segment=1, first_seq=6, origin_run_time_second=99.0, columns=late.columns)
    run_file.close()
    with RunFile.open(run_path) as again, pytest.raises(ValueError, match="two origins"):
        again.commit([], [late], None)


def test_unknown_streams_are_refused_and_known_ones_apart(tmp_path, header, make_block):
    pressure = StreamSchema(name="pressure", floats=("elapsed_second", "surface_pressure_pa"))
    with RunFile.create(tmp_path / "run", header, [pressure]) as run_file:
        columns = {"elapsed_second": np.arange(3.0), "surface_pressure_pa": np.array([12.7e6, np.nan, 12.8e6])}
        run_file.commit(
            [], [Block(stream="pressure", segment=1, first_seq=1, origin_run_time_second=4.5, columns=columns)], None
        )
        run_file.compact_segment("pressure", 1)
        rows = read_rows(run_file, "pressure")
        assert list(rows) == ["seq", "segment", "test_time_second", "elapsed_second", "surface_pressure_pa"]
        assert rows["test_time_second"].tolist() == [4.5, 5.5, 6.5]
        with pytest.raises(ValueError, match="no stream cell"):
            run_file.commit([], [make_block(1, 1)], None)


def test_a_refused_commit_changes_nothing_and_may_be_repeated(run_path, header, make_block, make_entry):
    with RunFile.create(run_path, header, busy_timeout_second=0) as run_file:
        run_file.commit([make_entry()], [make_block(1, 5)], b"before")
        with closing(sqlite3.connect(run_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another program holds it locked while storing rows"):
                run_file.commit([make_entry()], [make_block(6, 5)], b"after")
            assert (run_file.last_journal_seq, run_file.last_seq("cell")) == (1, 5)
            assert read_snapshot(run_path).body == b"before"
        assert run_file.commit([make_entry()], [make_block(6, 5)], b"after") == 2
        assert len(read_rows(run_path, "cell")) == 10


def test_half_a_commit_is_none(run_file, make_block, make_entry):
    run_file.connection.execute("DROP TABLE snapshot")
    with pytest.raises(StoreError, match="no such table: snapshot while storing rows"):
        run_file.commit([make_entry()], [make_block(1, 5)], b"{}")
    assert last_seq(run_file, "cell") == 0
    assert list(read_journal(run_file)) == []


def test_a_reader_cannot_write(run_path, run_file, make_entry):
    with (
        RunFile.read_only(run_path) as reader,
        pytest.raises(StoreError, match="may not be written"),
        reader.writing("trying"),
    ):
        reader.connection.execute("DELETE FROM journal")


def test_a_reader_sees_one_moment(run_path, run_file, make_block, make_entry):
    run_file.commit([make_entry()], [make_block(1, 5)], b"one")
    with RunFile.read_only(run_path) as reader, reader.reading():
        assert len(read_rows(reader, "cell")) == 5
        run_file.commit([make_entry()], [make_block(6, 5)], b"two")
        run_file.compact_segment("cell", 1)
        assert len(read_rows(reader, "cell")) == last_seq(reader, "cell") == 5
        assert read_snapshot(reader).body == b"one"
        assert len(list(read_journal(reader))) == 1
    assert len(read_rows(run_path, "cell")) == 10


def test_a_sealed_run_is_one_small_plain_file(run_path, run_file, make_block, make_entry):
    for start in range(1, 6001, 600):
        run_file.commit([make_entry()], [make_block(start, 600)], b"{}")
    run_file.compact_segment("cell", 1)
    run_file.seal()
    run_file.close()
    assert sorted(path.name for path in run_path.parent.iterdir()) == [run_path.name, run_path.name + ".lock"]
    assert run_path.stat().st_size < 100_000
    assert len(read_rows(run_path, "cell")) == 6000
    assert len(list(run_path.parent.iterdir())) == 2
    with RunFile.open(run_path) as again:
        again.commit([make_entry()], [make_block(6001, 1, segment=2)], None)
        assert last_seq(run_path, "cell") == 6001


def test_sealing_yields_to_a_reader(run_path, header, make_block, make_entry):
    with RunFile.create(run_path, header, busy_timeout_second=0) as run_file:
        run_file.commit([make_entry()], [make_block(1, 5)], b"{}")
        with RunFile.read_only(run_path) as reader, reader.reading():
            assert len(read_rows(reader, "cell")) == 5
            run_file.seal()
        assert len(read_rows(run_path, "cell")) == 5


def test_a_snapshot_says_which_engine_made_it(run_path, run_file, make_entry):
    run_file.commit([make_entry(1)], [], b"{}")
    assert read_snapshot(run_file).engine_version == "1"
    run_file.close()
    with RunFile.open(run_path, engine_version="7") as newer:
        newer.commit([make_entry(2)], [], b"{}")
        assert (newer.header.engine_version, read_snapshot(newer).engine_version) == ("1", "7")
        newer.connection.execute("UPDATE snapshot SET engine_version = '8'")
        with pytest.raises(StoreError, match="snapshot fails its checksum"):
            read_snapshot(newer)


def test_a_header_of_another_meaning_is_said_like_damage(run_path, run_file):
    body = b'{"run_id": 7}'
    run_file.connection.execute("UPDATE header SET body = ?, checksum = ?", (body, checksum(body)))
    run_file.close()
    with pytest.raises(StoreError, match=r"the header can't be understood: .*; use the presscell that wrote it"):
        read_header(run_path)

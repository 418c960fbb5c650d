"""What a lost tail, a flipped bit or a foreign hand did to a file is noticed; what was whole before stays readable."""

import shutil

import numpy as np
import pytest

from daemon.store.errors import StoreError
from daemon.store.reading import last_seq, read_header, read_journal, read_snapshot
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile

COMMITS = 30
ROWS_A_COMMIT = 4


@pytest.fixture
def unfinished(run_path, run_file, make_block, make_entry):
    """Thirty commits of four rows, each snapshot naming its rows, all in the log; half of them compacted."""
    run_file.connection.execute("PRAGMA wal_autocheckpoint = 0")
    for number in range(COMMITS):
        last = (number + 1) * ROWS_A_COMMIT
        block = make_block(last - ROWS_A_COMMIT + 1, ROWS_A_COMMIT)
        run_file.commit([make_entry(number + 1)], [block], b"%d" % last)
        if number == COMMITS // 2:
            run_file.compact_segment("cell", 1)
    return run_path


def copy_with_log(run_path, folder, log):
    folder.mkdir()
    copy = folder / run_path.name
    shutil.copy(run_path, copy)
    copy.with_name(copy.name + "-wal").write_bytes(log)
    return copy


def committed(run_file):
    """How many commits a file holds, after looking that journal, rows and snapshot are of one moment."""
    rows = last_seq(run_file, "cell")
    assert read_rows(run_file, "cell")["seq"].tolist() == list(range(1, rows + 1))
    assert [entry.seq for entry in read_journal(run_file)] == list(range(1, rows // ROWS_A_COMMIT + 1))
    snapshot = read_snapshot(run_file)
    assert rows == (0 if snapshot is None else int(snapshot.body))
    assert snapshot is None or snapshot.journal_seq == rows // ROWS_A_COMMIT
    return rows // ROWS_A_COMMIT


def test_a_torn_log_keeps_a_prefix_of_whole_commits(unfinished, tmp_path, make_block, make_entry):
    log = unfinished.with_name(unfinished.name + "-wal").read_bytes()
    frame = 24 + 4096
    edges = [32 + frame * number + near for number in (0, 1, 7, 40) for near in (-1, 0, 1)]
    lengths = {0, 10, len(log), *edges, *np.random.default_rng(1).integers(0, len(log), 40).tolist()}
    held = []
    for number, length in enumerate(sorted(lengths)):
        copy = copy_with_log(unfinished, tmp_path / str(number), log[:length])
        with RunFile.open(copy) as run_file:
            held.append(committed(run_file))
            run_file.commit(
                [make_entry()],
                [make_block(run_file.last_seq("cell") + 1, ROWS_A_COMMIT)],
                b"%d" % (run_file.last_seq("cell") + ROWS_A_COMMIT),
            )
            assert committed(run_file) == held[-1] + 1
    assert held == sorted(held)
    assert (held[0], held[-1]) == (0, COMMITS)
    assert len(set(held)) > 10


def test_a_torn_log_keeps_every_commit_that_is_whole(run_path, run_file, tmp_path, make_block, make_entry):
    """As power that fails leaves it: the disk has so many bytes of the log, and no more."""
    run_file.connection.execute("PRAGMA wal_autocheckpoint = 0")
    path, whole = run_path.with_name(run_path.name + "-wal"), []
    for number in range(6):
        block = make_block(number * ROWS_A_COMMIT + 1, ROWS_A_COMMIT)
        run_file.commit([make_entry(number + 1)], [block], b"%d" % block.last_seq)
        whole.append(path.stat().st_size)
    log = path.read_bytes()
    lengths = {*whole, *(end - 1 for end in whole), *np.random.default_rng(2).integers(0, len(log), 60).tolist()}
    for number, length in enumerate(sorted(lengths)):
        copy = copy_with_log(run_path, tmp_path / str(number), log[:length])
        with RunFile.open(copy) as left:
            assert committed(left) == sum(end <= length for end in whole)


def test_a_scribbled_log_keeps_a_prefix_of_whole_commits(unfinished, tmp_path):
    log = unfinished.with_name(unfinished.name + "-wal").read_bytes()
    random = np.random.default_rng(2)
    for number in range(20):
        at = int(random.integers(0, len(log)))
        copy = copy_with_log(unfinished, tmp_path / str(number), log[:at] + random.bytes(600) + log[at + 600 :])
        with RunFile.open(copy) as run_file:
            assert committed(run_file) <= COMMITS


@pytest.mark.parametrize(
    ("change", "read", "complaint"),
    [
        (
            "UPDATE journal SET body = CAST(replace(body, '7', '8') AS BLOB) WHERE seq = 7",
            read_journal,
            "journal row 7 fails",
        ),
        ("UPDATE journal SET run_time_second = 1 WHERE seq = 7", read_journal, "journal row 7 fails"),
        ("UPDATE journal SET kind = 'run_ended' WHERE seq = 7", read_journal, "journal row 7 fails"),
        ("UPDATE journal SET body = 'text' WHERE seq = 7", read_journal, "journal row 7 fails"),
        ("DELETE FROM journal WHERE seq = 30", read_journal, "journal row 30 is missing"),
        ("DELETE FROM block WHERE last_seq = 120", read_rows, "rows of cell are missing from 117 on"),
        ("UPDATE block SET segment = 2 WHERE first_seq = 65", read_rows, "block of cell with rows 65 to 68 fails"),
        ("UPDATE block SET data = zeroblob(9) WHERE first_seq = 1", read_rows, "block of cell with rows 1 to 64 fails"),
        ("UPDATE snapshot SET journal_seq = 9", read_snapshot, "snapshot fails its checksum"),
        (
            "UPDATE header SET body = CAST(replace(body, '2.0', '1.0') AS BLOB)",
            read_header,
            "header fails its checksum",
        ),
    ],
)
def test_changed_content_is_named(unfinished, run_file, change, read, complaint):
    run_file.connection.execute(change)
    arguments = ("cell",) if read is read_rows else ()
    with pytest.raises(StoreError, match=f"{complaint}.*; keep a copy"):
        list(read(unfinished, *arguments))


def test_a_damaged_pack_is_named(run_file, make_block, make_entry):
    for first in range(1, 65):
        run_file.commit([make_entry(first)], [make_block(first, 1)], None)
    assert run_file.compact_segment("cell", 1).journal_entries_packed == 64
    run_file.connection.execute("UPDATE journal_pack SET last_seq = 63")
    with pytest.raises(StoreError, match="the pack of journal rows 1 to 63 fails its checksum"):
        list(read_journal(run_file))


def test_flipped_bits_never_become_rows(unfinished, run_file, tmp_path):
    """Every byte of the closed file may be wrong: the rows read are the rows stored, or there is an error."""
    whole, journal = read_rows(unfinished, "cell"), list(read_journal(unfinished))
    run_file.close()
    content = unfinished.read_bytes()
    damaged = tmp_path / "damaged"
    random = np.random.default_rng(3)
    refusals = 0
    for at in random.integers(0, len(content), 200).tolist():
        damaged.write_bytes(content[:at] + bytes([content[at] ^ int(random.integers(1, 256))]) + content[at + 1 :])
        try:
            rows, entries = read_rows(damaged, "cell"), list(read_journal(damaged))
        except StoreError:
            refusals += 1
            continue
        assert rows.equals(whole)
        assert entries == journal
    assert refusals > 10


def test_an_owner_refuses_a_damaged_file(unfinished, run_file):
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_block_1'"
    start = (run_file.connection.execute(query).fetchone()[0] - 1) * 4096
    run_file.close()
    content = unfinished.read_bytes()
    damaged = content[:start] + b"\xff" * 8 + content[start + 8 :]
    unfinished.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"it is damaged.*keep a copy"):
        RunFile.open(unfinished)
    assert unfinished.read_bytes() == damaged
    unfinished.write_bytes(content)
    RunFile.open(unfinished).close()

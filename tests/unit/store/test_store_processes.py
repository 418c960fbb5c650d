"""The store under kill -9 and under a file size limit: what was said to be durable is, and nothing twice."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from daemon.store.reading import read_journal, read_snapshot
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile

WRITER = Path(__file__).with_name("store_writer.py")


def look(run_path):
    """The number of rows, after looking that rows, journal and snapshot agree and every value is right."""
    with RunFile.read_only(run_path) as reader, reader.reading():
        rows, journal, snapshot = read_rows(reader, "cell"), list(read_journal(reader)), read_snapshot(reader)
    index = np.arange(1, len(rows) + 1)
    assert np.array_equal(rows["seq"], index)
    assert np.array_equal(rows["voltage_volt"], np.sqrt(index))
    assert np.array_equal(rows["reading_status"], -index)
    assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))
    assert int(journal[-1].body) == int(snapshot.body) == len(rows)
    assert snapshot.journal_seq == len(journal)
    return len(rows)


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_kill_9(run_path, seed):
    acknowledged = 0
    for reports in np.random.default_rng(seed).integers(1, 60, size=3).tolist():
        with subprocess.Popen(
            [sys.executable, str(WRITER), str(run_path), "endless"], stdout=subprocess.PIPE, text=True
        ) as writer:
            for _ in range(reports):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().splitlines())])
        found = look(run_path)
        assert acknowledged <= found <= acknowledged + 7
    RunFile.open(run_path).close()


def test_a_size_limit_refuses_commits_and_spoils_nothing(run_path):
    done = subprocess.run(
        [sys.executable, str(WRITER), str(run_path), "limited"], capture_output=True, text=True, check=True
    )
    reports = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    refused = [text for word, text in reports if word == "refused"]
    assert len(refused) == 3
    assert all("size limit was met while storing rows" in text and "then repeat" in text for text in refused)
    stored = [int(text) for word, text in reports if word == "stored"]
    assert stored == list(range(100, 100 * len(stored) + 1, 100))
    assert len(stored) > 5
    assert reports[-1][0] == "stored"
    assert look(run_path) == stored[-1]


def test_a_reader_sees_the_earlier_rows_while_commits_are_refused(run_path):
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(run_path), "limited"], stdout=subprocess.PIPE, text=True
    ) as writer:
        stored = 0
        for line in writer.stdout:
            word, text = line.split(maxsplit=1)
            if word == "refused":
                break
            stored = int(text)
        assert look(run_path) >= stored
        writer.stdout.read()

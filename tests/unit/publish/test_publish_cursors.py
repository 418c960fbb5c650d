"""Cursors go forward, belong to a sink, and outlive the process."""

import pytest

from daemon.publish.cursors import Cursors
from daemon.store.errors import StoreError
from daemon.store.station_tables import STATION_FILE_NAME


@pytest.fixture
def opened(tmp_path):
    every = []

    def open_for(sink, path=tmp_path / STATION_FILE_NAME):
        every.append(Cursors(path, sink))
        return every[-1]

    yield open_for
    for cursors in every:
        cursors.close()


def test_a_cursor_never_goes_back_and_is_found_again(opened):
    cursors = opened("a")
    cursors.advance("run", {"cell": 600, "pressure": 60})
    cursors.advance("run", {"cell": 500, "temperature": 1})
    assert opened("a").read("run") == {"cell": 600, "pressure": 60, "temperature": 1}
    assert opened("b").read("run") == {}
    assert cursors.read("another run") == {}


def test_runs_wait_until_they_are_done(opened, tmp_path):
    cursors = opened("a")
    for run_id in ("bench-2", "bench-1"):
        cursors.follow(run_id, tmp_path / run_id)
    assert cursors.waiting() == [tmp_path / "bench-1", tmp_path / "bench-2"]
    cursors.done("bench-1")
    assert opened("a").waiting() == [tmp_path / "bench-2"]
    assert opened("b").waiting() == []
    cursors.follow("bench-1", tmp_path / "bench-1")
    assert opened("a").waiting() == [tmp_path / "bench-1", tmp_path / "bench-2"], "steps were appended to it"


def test_alarms_that_are_shown(opened):
    cursors = opened("a")
    cursors.shows(["x", "y"], [])
    cursors.shows(["x"], ["y"])
    assert opened("a").alarms() == ["x"]


def test_a_sink_that_forgets_leaves_no_file(opened, tmp_path):
    cursors = opened("embedded", None)
    cursors.advance("run", {"cell": 1})
    assert cursors.read("run") == {"cell": 1}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / STATION_FILE_NAME
    path.write_bytes(b"this is no database, and long enough to be seen as none by anybody who looks" * 20)
    with pytest.raises(StoreError, match=STATION_FILE_NAME):
        Cursors(path, "a")

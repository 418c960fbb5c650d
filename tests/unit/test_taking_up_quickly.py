"""Taking a run up takes no longer the longer it is: what lies behind it is not read."""

from contextlib import closing
from pathlib import Path

import pytest

from daemon.engine import ENGINE_VERSION
from daemon.recover import left_run
from daemon.store.errors import StoreError
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.stand_in_run import StandInRun

SEGMENTS = 70


def test_a_run_is_taken_up_without_reading_its_history(tmp_path: Path) -> None:
    """All that is older than the last commit is spoilt; who read it would say so."""
    with closing(StandInRun(tmp_path)) as run:
        run.file.engine_version = str(ENGINE_VERSION)
        for _ in range(SEGMENTS):
            run.commit(30)
            run.end_segment()
        run.commit(20)
        expected = run.run
    with RunFile.open(run.path) as file:
        last = file.last_journal_seq
        spoilt = [
            file.connection.execute("UPDATE journal_pack SET data = zeroblob(length(data))").rowcount,
            file.connection.execute("UPDATE journal SET body = x'00' WHERE seq < ?", (last,)).rowcount,
            file.connection.execute(
                "UPDATE block SET data = zeroblob(length(data)) WHERE segment != ?", (expected.segment,)
            ).rowcount,
        ]
    assert min(spoilt) > 0
    with RunFile.open(run.path) as file:
        left = left_run(file)
        assert left.run == expected
        assert left.last_run_time_second == run.now_second
    for read in (lambda: list(read_journal(run.path)), lambda: read_rows(run.path, "cell")):
        with pytest.raises(StoreError, match="checksum"):
            read()

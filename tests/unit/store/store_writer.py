"""Writes a run until it is stopped, saying on stdout what is durable. Run as a process by test_store_processes.py.

Usage: store_writer.py RUN_FILE (endless | limited)
"""

import resource
import sys
from pathlib import Path

import numpy as np

from daemon.store.blocks import Block
from daemon.store.errors import StoreError
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile

HEADER = RunHeader(
    run_id="r",
    engine_version="1",
    simulated=True,
    station="s",
    rig="r",
    started_utc_second=0.0,
    protocol_name="p",
    protocol_text="",
    cell_name="c",
    cell_text="",
    plan_json=b"{}",
    seed=None,
    supervise_every_second=1.0,
    instruments={},
)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def commit(run_file: RunFile, rows: int) -> int:
    first = run_file.last_seq("cell") + 1
    index = np.arange(first, first + rows)
    columns = {
        "elapsed_second": index * 1.0,
        "voltage_volt": np.sqrt(index),
        "current_ampere": -np.sqrt(index),
        "source_status": index,
        "reading_status": -index,
    }
    block = Block(stream="cell", segment=1, first_seq=first, origin_run_time_second=0.0, columns=columns)
    entry = JournalEntry(run_time_second=0.0, utc_second=0.0, kind="block_stored", body=b"%d" % block.last_seq)
    run_file.commit([entry], [block], b"%d" % block.last_seq)
    return block.last_seq


def write_endlessly(run_file: RunFile) -> None:
    number = 0
    while True:
        number += 1
        say(commit(run_file, rows=1 + number % 7))
        if number % 5 == 0:
            run_file.compact_segment("cell", 1)


def meet_the_limit(run_file: RunFile) -> None:
    """Commit until files may not grow any more, try thrice in vain, lift the limit, commit once more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    failures = 0
    for _ in range(1000):
        try:
            say("stored", commit(run_file, rows=100))
        except StoreError as error:
            say("refused", error)
            failures += 1
        if failures == 3:
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    say("stored", commit(run_file, rows=100))


if __name__ == "__main__":
    path, how = Path(sys.argv[1]), sys.argv[2]
    with RunFile.open(path) if path.exists() else RunFile.create(path, HEADER) as opened:
        {"endless": write_endlessly, "limited": meet_the_limit}[how](opened)

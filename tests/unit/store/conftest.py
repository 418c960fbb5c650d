"""Runs, blocks and journal entries to store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from daemon.store.blocks import Block
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile

MakeBlock = Callable[..., Block]
MakeEntry = Callable[..., JournalEntry]


@pytest.fixture
def header() -> RunHeader:
    return RunHeader(
        run_id="bench-20261101T120000Z-a1b2c3",
        engine_version="1",
        simulated=True,
        station="bench",
        rig="press1",
        started_utc_second=1.7e9,
        protocol_name="formation.yaml",
        protocol_text="window: {lower_voltage_V: 2.0}\n# µ\n",
        cell_name="bm05.yaml",
        cell_text="sample: BM-05\n",
        plan_json=b'{"steps": []}',
        seed=None,
        supervise_every_second=1.0,
        instruments={"potentiostat": {"maker": "KEITHLEY", "model": "2450", "serial_number": "1"}},
    )


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return tmp_path / "a run.presscell"


@pytest.fixture
def run_file(run_path: Path, header: RunHeader) -> Iterator[RunFile]:
    with RunFile.create(run_path, header) as opened:
        yield opened


@pytest.fixture
def make_block() -> MakeBlock:
    """Rows as a 2450 sends them: 10 µV and 1 nA digits under noise, some readings missing, timestamps a bit uneven."""

    def make(first_seq: int, rows: int, *, segment: int = 1, first_elapsed: int | None = None) -> Block:
        random = np.random.default_rng([first_seq, rows, segment])
        start = first_seq - 1 if first_elapsed is None else first_elapsed
        index = np.arange(start, start + rows)
        voltage_volt = np.round(2.6 + index * 1e-5 + random.normal(0, 60e-6, rows), 5)
        voltage_volt[index % 97 == 13] = np.nan
        return Block(
            stream="cell",
            segment=segment,
            first_seq=first_seq,
            origin_run_time_second=100.25 * segment,
            columns={
                "elapsed_second": np.round(index + np.where(index > 0, random.normal(0, 20e-6, rows), 0.0), 6),
                "voltage_volt": voltage_volt,
                "current_ampere": np.round(1.5e-3 + random.normal(0, 15e-9, rows), 9),
                "source_status": np.full(rows, 4),
                "reading_status": (index % 97 == 13).astype(np.int64),
            },
        )

    return make


@pytest.fixture
def make_entry() -> MakeEntry:
    def make(number: int = 1, kind: str = "block_stored") -> JournalEntry:
        body = b'{"event": "%s", "number": %d}' % (kind.encode(), number)
        return JournalEntry(run_time_second=number / 3, utc_second=1.7e9 + number / 3, kind=kind, body=body)

    return make

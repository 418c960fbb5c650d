"""A run that is written block by block, as a runner would: rows, journal and snapshot together, by the real engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    Breach,
    Event,
    MadeSafe,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    StopRequested,
    encode_event,
    kind_of,
)
from daemon.plan import PRESSURE_STREAM, Plan
from daemon.rows.streams import STREAMS
from daemon.store.blocks import Block
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.plans import CHARGE_LIMIT_VOLT, DISCHARGE_LIMIT_VOLT, block, charge, discharge, loop, plan, row

STARTED_UTC_SECOND = 1_795_350_000.5
PRESSURE_EVERY_ROWS = 10
PLAN = plan(charge(), discharge(), loop(0, 50))


def header_of(run_id: str, made: Plan) -> RunHeader:
    return RunHeader(
        run_id=run_id,
        engine_version="1",
        simulated=True,
        station="bench",
        rig="rig1",
        started_utc_second=STARTED_UTC_SECOND,
        protocol_name="p.yaml",
        protocol_text="window: {}\n",
        cell_name="c.yaml",
        cell_text="",
        plan_json=msgspec.json.encode(made),
        seed=1,
        supervise_every_second=1.0,
        instruments={},
    )


class StandInRun:
    """Its file, open for writing; every call is one commit, or a few."""

    def __init__(
        self, folder: Path, run_id: str = "bench-20261122T120000Z-a1b2c3", made: Plan = PLAN, **header: object
    ) -> None:
        self.directory = folder / run_id
        self.directory.mkdir(parents=True)
        self.header = msgspec.structs.replace(header_of(run_id, made), **header)
        self.run = Run(plan=made)
        self.now_second = 0.0
        self.file = RunFile.create(self.path, self.header, STREAMS)
        self.submit(RunStarted())
        self._start_segment()

    @property
    def path(self) -> Path:
        return self.directory / "run.sqlite"

    @property
    def over(self) -> bool:
        return self.run.outcome is not None

    def submit(self, event: Event, *blocks: Block) -> None:
        self.run, _ = advance(self.run, event, self.now_second)
        entry = JournalEntry(
            run_time_second=self.now_second,
            utc_second=STARTED_UTC_SECOND + self.now_second,
            kind=kind_of(event),
            body=encode_event(event),
        )
        self.file.commit([entry], blocks, encode_run(self.run))

    def commit(self, rows: int, last_volt: float = 3.0, breaches: tuple[Breach, ...] = ()) -> None:
        """Rows of the cell at 1 Hz, some of them no readings, and a tenth as many of the pressure."""
        first_seq, elapsed = self.run.rows + 1, self.run.fold.rows + np.arange(rows, dtype=float)
        self.now_second += rows
        cell = self._cell_rows(first_seq, elapsed, last_volt)
        last = row(elapsed_second=float(elapsed[-1]), voltage_volt=last_volt, current_ampere=0.0004)
        summary = block(first_seq, rows, last, breaches, charge_in_ampere_hour=rows * 1e-6)
        pressure = self._pressure_rows(rows // PRESSURE_EVERY_ROWS)
        self.submit(BlockStored(segment=self.run.segment, summary=summary), cell, *pressure)

    def end_segment(self) -> None:
        """The step's limit is met; its rows are compacted; the next segment starts, if there is one."""
        half = self.run.step.half
        self.commit(5, CHARGE_LIMIT_VOLT if half == "charge" else DISCHARGE_LIMIT_VOLT)
        segment = self.run.segment
        self.submit(SegmentEnded(record=end_of_segment(self.run, power_was_cycled=False)))
        self.file.compact_segment("cell", segment)
        self.file.compact_segment(PRESSURE_STREAM, 0)
        if not self.over:
            self._start_segment()

    def finish(self) -> None:
        """The cell is at open circuit; nothing comes after this."""
        if not self.over:
            self.submit(StopRequested(by="somebody"))
        self.submit(MadeSafe(verified=True, text="all steps done"))

    def close(self) -> None:
        self.file.close()

    def stored(self) -> dict[tuple[str, str, str, int], dict[str, Any]]:
        """Every stored row as a subscriber must end up with it, by its key."""
        return dict(self._stored())

    def _stored(self) -> Iterator[tuple[tuple[str, str, str, int], dict[str, Any]]]:
        for stream in self.file.schemas:
            for values in read_rows(self.path, stream).to_dict("records"):
                kept = {name: value for name, value in values.items() if not np.isnan(value)}
                kept["unix_time_second"] = STARTED_UTC_SECOND + values["test_time_second"]
                yield (self.header.station, self.header.run_id, stream, values["seq"]), kept

    def _start_segment(self) -> None:
        self.submit(SegmentStarted(segment=self.run.segment, started_second=self.now_second))

    def _cell_rows(self, first_seq: int, elapsed: np.ndarray, last_volt: float) -> Block:
        random = np.random.default_rng(first_seq)
        voltage_volt = np.round(3.0 + random.normal(0, 60e-6, len(elapsed)), 5)
        voltage_volt[random.random(len(elapsed)) < 0.01] = np.nan
        voltage_volt[-1] = last_volt
        return Block(
            stream="cell",
            segment=self.run.segment,
            first_seq=first_seq,
            origin_run_time_second=self.run.segment_started_second or 0.0,
            columns={
                "elapsed_second": elapsed,
                "voltage_volt": voltage_volt,
                "current_ampere": np.round(4e-4 + random.normal(0, 15e-9, len(elapsed)), 9),
                "source_status": np.full(len(elapsed), 4),
                "reading_status": np.isnan(voltage_volt).astype(np.int64),
            },
        )

    def _pressure_rows(self, rows: int) -> list[Block]:
        if not rows:
            return []
        first_seq = self.file.last_seq(PRESSURE_STREAM) + 1
        index = np.arange(first_seq, first_seq + rows, dtype=float)
        columns = {
            "elapsed_second": index * PRESSURE_EVERY_ROWS,
            "displayed_load": np.round(997.5 + np.sin(index), 1),
            "surface_pressure_pa": 12.7e6 + 1e4 * np.sin(index),
            "sensor_temperature_celsius": np.full(rows, np.nan),
            "load_status": np.zeros(rows, np.int64),
        }
        return [
            Block(stream=PRESSURE_STREAM, segment=0, first_seq=first_seq, origin_run_time_second=0.0, columns=columns)
        ]

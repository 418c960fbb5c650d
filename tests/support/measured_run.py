"""A run of a small cell with a known answer, stored as a runner would: by the real summaries and the real engine.

The cell: open-circuit voltage 2.2 V to 3.5 V over 1.5 mAh, steep at the ends; 50 ohm; a pressure that follows charge.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

import daemon.plan
from daemon.compile import load_plan
from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Phase, Run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    Event,
    MadeSafe,
    ReadingsStored,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    encode_event,
    kind_of,
)
from daemon.plan import PRESSURE_STREAM, TEMPERATURE_STREAM, CurrentStep
from daemon.rows.readings import summarise_readings
from daemon.rows.streams import STREAMS
from daemon.rows.summary import summarise
from daemon.store.blocks import Block
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile
from drivers.registry import potentiostat
from drivers.roles import ReadingBlock

REPOSITORY = Path(__file__).parents[2]
STARTED_UTC_SECOND = 1_795_350_000.5
RUN_ID = "bench-20261122T120000Z-a1b2c3"
PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: slow, rate_C: 1, cycle_count: 1}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 2}
"""
CAPACITY_AMPERE_HOUR = 1.5e-3
RESISTANCE_OHM = 50.0
TURNAROUND_SECOND = 1.0
EMPTY_PASCAL = 12.7e6
PASCAL_PER_AMPERE_HOUR = 0.9e9
NOISE_PASCAL = 9e3
PRESSURE_OFFSET_SECOND = 0.4
"""The load cell's rows lie so long after the cell's."""

Change = Callable[[dict[str, np.ndarray], int], None]
"""Changes the columns of a segment's rows before they are stored."""


def without_reading(columns: dict[str, np.ndarray], segment: int) -> None:
    """A `Change`: three rows of the second segment, its first and last among them, have no voltage."""
    if segment == 2:
        columns["voltage_volt"][[0, 100, -1]] = np.nan


def plan_of(protocol: str, *, driven: bool) -> daemon.plan.Plan:
    cell = REPOSITORY / "config/cells/bm05.yaml"
    limits = potentiostat("keithley.2450").limits if driven else None
    return load_plan(protocol, "protocol.yaml", cell.read_text(), "bm05.yaml", limits)[0]


def header_of(made: daemon.plan.Plan, protocol: str, *, simulated: bool) -> RunHeader:
    return RunHeader(
        run_id=RUN_ID,
        engine_version="1",
        simulated=simulated,
        station="bench",
        rig="rig1",
        started_utc_second=STARTED_UTC_SECOND,
        protocol_name="somewhere/protocol.yaml",
        protocol_text=protocol,
        cell_name="bm05.yaml",
        cell_text=(REPOSITORY / "config/cells/bm05.yaml").read_text(),
        plan_json=msgspec.json.encode(made),
        seed=1,
        supervise_every_second=1.0,
        instruments={"potentiostat": {"maker": "K", "model": "2450", "serial_number": "0445", "firmware": "1.7"}},
    )


class MeasuredRun:
    """Its file, open for writing until `close`."""

    def __init__(
        self,
        folder: Path,
        protocol: str = PROTOCOL,
        *,
        simulated: bool = True,
        driven: bool = True,
        beside: bool = True,
        beside_every_second: float = 1.0,
        change: Change | None = None,
    ) -> None:
        """`driven`: with a potentiostat. `beside`: with pressure and temperature. `change`: of each segment's rows."""
        self.path = folder / RUN_ID / "run.sqlite"
        self.path.parent.mkdir(parents=True)
        made = plan_of(protocol, driven=driven)
        self._driven = driven
        self.run = Run(plan=made)
        self._beside, self._beside_every_second, self._change = beside, beside_every_second, change
        self._now_second, self._charge, self._beside_second = 0.0, 0.0, 0.0
        self._random = np.random.default_rng(7)
        self.file = RunFile.create(self.path, header_of(made, protocol, simulated=simulated), STREAMS)
        self._submit(RunStarted())

    def measure(self, *, segments: int | None = None, last_rows: int | None = None) -> Path:
        """Carry out the plan, or so many segments of it; `last_rows` leaves the one after them running."""
        done = 0
        while self.run.phase is Phase.STARTING and (segments is None or done < segments):
            self._segment()
            done += 1
        if last_rows is not None:
            self._segment(last_rows)
        if self.run.outcome is not None:
            self._submit(MadeSafe(verified=True, text="all steps done"))
        return self.path

    def close(self) -> None:
        self.file.close()

    def _submit(self, event: Event, *blocks: Block) -> None:
        self.run, _ = advance(self.run, event, self._now_second)
        utc_second = STARTED_UTC_SECOND + self._now_second
        entry = JournalEntry(
            run_time_second=self._now_second, utc_second=utc_second, kind=kind_of(event), body=encode_event(event)
        )
        self.file.commit([entry], blocks, encode_run(self.run))

    def _segment(self, rows_only: int | None = None) -> None:
        started = self._now_second
        self._submit(SegmentStarted(segment=self.run.segment, started_second=started))
        columns = self._measured()
        if self._change is not None:
            self._change(columns, self.run.segment)
        if rows_only is not None:
            columns = {name: column[:rows_only] for name, column in columns.items()}
        if self._driven:
            self._store(columns, started)
        if self._beside:
            self._store_beside(columns, started)
        self._charge += float(np.trapezoid(columns["true_ampere"], columns["elapsed_second"])) / 3600
        self._now_second = started + float(columns["elapsed_second"][-1])
        if rows_only is None:
            segment = self.run.segment
            lasted_second = float(columns["elapsed_second"][-1])
            record = end_of_segment(self.run, power_was_cycled=False, host_elapsed_second=lasted_second)
            self._submit(SegmentEnded(record=record))
            self.file.compact_segment("cell", segment)
            self._now_second += TURNAROUND_SECOND

    def _measured(self) -> dict[str, np.ndarray]:
        step = self.run.step
        is_driven = isinstance(step, CurrentStep)
        ampere = step.current_ampere if is_driven else 0.0
        second = np.arange(0.0, 1.0 + (8000.0 if is_driven else step.until_time_second))
        full = (self._charge + ampere * second / 3600) / CAPACITY_AMPERE_HOUR
        volt = 2.2 + 1.3 * full + 0.3 * np.exp((full - 1) * 40) - 0.3 * np.exp(-full * 40) + RESISTANCE_OHM * ampere
        if is_driven and step.until_voltage_volt is not None:
            ended = int(np.argmax(np.sign(ampere) * (volt - step.until_voltage_volt) >= 0))
            second, volt = second[: ended + 1], volt[: ended + 1]
        rows = len(second)
        return {
            "elapsed_second": np.round(second + np.where(second > 0, self._random.normal(0, 20e-6, rows), 0.0), 6),
            "voltage_volt": np.round(volt + self._random.normal(0, 30e-6, rows), 5),
            "current_ampere": np.round(ampere + self._random.normal(0, 1e-9 if is_driven else 1e-12, rows), 12),
            "true_ampere": np.full(rows, ampere),
        }

    def _store(self, columns: dict[str, np.ndarray], started: float) -> None:
        rows = len(columns["elapsed_second"])
        for first in range(0, rows, 600):
            part = {name: column[first : first + 600] for name, column in columns.items()}
            status = np.zeros(len(part["elapsed_second"]), np.int64)
            block = ReadingBlock(
                first + 1, part["elapsed_second"], part["voltage_volt"], part["current_ampere"], status, status
            )
            fold = self.run.fold
            summary = summarise(
                block,
                self.run.rows + 1,
                driven=isinstance(self.run.step, CurrentStep),
                is_first_segment=self.run.segment == 1,
                before=fold.last_reading,
                charge_before_ampere_hour=fold.charge_ampere_hour,
                table=(),
                carried_rows={},
            )
            kept = {name: part[name] for name in ("elapsed_second", "voltage_volt", "current_ampere")}
            stored = Block(
                stream="cell",
                segment=self.run.segment,
                first_seq=summary.first_seq,
                origin_run_time_second=started,
                columns={**kept, "source_status": status, "reading_status": status},
            )
            self._submit(BlockStored(segment=self.run.segment, summary=summary), stored)

    def _store_beside(self, columns: dict[str, np.ndarray], started: float) -> None:
        until = started + float(columns["elapsed_second"][-1])
        second = np.arange(self._beside_second, until + 1, self._beside_every_second)
        if not len(second):
            return
        self._beside_second = float(second[-1]) + self._beside_every_second
        ampere = columns["true_ampere"][0]
        charge = self._charge + ampere * np.clip(second + PRESSURE_OFFSET_SECOND - started, 0, None) / 3600
        for stream, rows in self._rows_beside(second, charge):
            first_seq = self.file.last_seq(stream) + 1
            quantities = {
                name: column for name, column in rows.items() if column.dtype == np.float64 and name != "elapsed_second"
            }
            summary = summarise_readings(
                stream, first_seq, rows["elapsed_second"], quantities, table=(), carried_rows={}
            )
            block = Block(stream=stream, segment=0, first_seq=first_seq, origin_run_time_second=0.0, columns=rows)
            self._submit(ReadingsStored(summary=summary), block)

    def _rows_beside(self, second: np.ndarray, charge: np.ndarray) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        jig = np.round(55 + self._random.normal(0, 0.02, len(second)), 2)
        pascal = EMPTY_PASCAL + PASCAL_PER_AMPERE_HOUR * charge + self._random.normal(0, NOISE_PASCAL, len(second))
        yield (
            TEMPERATURE_STREAM,
            {
                "elapsed_second": second,
                "jig_temperature_celsius": jig,
                "ambient_temperature_celsius": np.round(jig + 0.4, 2),
                "setpoint_temperature_celsius": np.full(len(second), 55.0),
            },
        )
        yield (
            PRESSURE_STREAM,
            {
                "elapsed_second": second + PRESSURE_OFFSET_SECOND,
                "displayed_load": np.round(pascal * 7.854e-5 / 9.80665, 1),
                "surface_pressure_pa": np.round(pascal),
                "sensor_temperature_celsius": jig,
                "load_status": np.ones(len(second), np.int64),
            },
        )

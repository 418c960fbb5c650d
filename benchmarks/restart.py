"""How long a killed daemon's run is without one: from the start of `presscell serve` to the first block drained again.

Usage: python benchmarks/restart.py [--cycles N] [--rounds N] [--finished N]. Three data directories, one after the
other in each round: a run with 10 cycles behind it, one with many (1,000 unless told), and one with 10 beside finished
runs. Each is a 2 C cycling run with pressure and temperature whose history was written by the real engine, block by
block; the segment now running is one that a daemon really started on a simulated rig and was killed in (kill -9). The
simulated laboratory goes on meanwhile. Rounds alternate; ratios are taken round by round and their median is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Phase, Run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    ChamberSet,
    Event,
    MadeSafe,
    ReadingsStored,
    RunStarted,
    SegmentEnded,
    SegmentStarted,
    encode_event,
    kind_of,
)
from daemon.plan import CELL_STREAM, PRESSURE_STREAM, TEMPERATURE_STREAM, CurrentStep, Plan
from daemon.recover import unfinished_runs
from daemon.rows.readings import summarise_readings
from daemon.rows.streams import STREAMS
from daemon.rows.summary import summarise
from daemon.store.blocks import Block
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, JournalEntry, RunHeader
from daemon.store.run_file import RunFile
from drivers.roles import ReadingBlock

REPOSITORY = Path(__file__).parents[1]
BENCH, CELL = REPOSITORY / "config/bench/warm.yaml", REPOSITORY / "config/cells/bm05.yaml"
FEW = 10
ROWS_A_LOOK, HALF_CYCLE_ROWS = 270, 1080
PACK_BESIDE_EVERY_SEGMENTS = 50
"""A runner does so after each; it comes to the same packs."""
PACE = 20.0
LOOK_EVERY_SECOND, LOOKS = 0.002, 20_000
PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: cycle, id: life, rate_C: 2, cycle_count: 2000}
"""
STATION = """\
site: lab
station: restart
data: %(data)s
supervise_every_s: 1
bench: {control: "%(control)s", on_owner_lost: run_on, pace: %(pace)g}
rigs:
  rig1:
    potentiostat: {driver: keithley.2450, address: "%(potentiostat)s", serial_number: "04451117"}
    load_cell:
      driver: and.indicator
      address: %(load_cell)s
      unit: kg
      nominal_newton: 5000
      calibration: {gain: 1, certificate: C-1, calibrated_on: 2026-03-02}
    thermometer: {driver: advantech.adam_4015, address: "%(thermometer)s", channels: {jig: 0, air: 1}}
    chamber: {driver: espec.chamber, address: "%(chamber)s"}
"""


class History:
    """A run that is written as a runner would have written it, with rows that are made up."""

    def __init__(self, folder: Path, header: RunHeader) -> None:
        (folder / header.run_id).mkdir()
        self.run = Run(plan=msgspec.json.decode(header.plan_json, type=Plan))
        self.now_second = 0.0
        self.file = RunFile.create(folder / header.run_id / RUN_FILE_NAME, header, STREAMS)
        self.file.connection.execute("PRAGMA synchronous = OFF")
        self._utc_second = header.started_utc_second
        self._random = np.random.default_rng(1)
        self.submit(RunStarted())

    def submit(self, event: Event, *blocks: Block) -> None:
        self.run, _ = advance(self.run, event, self.now_second)
        entry = JournalEntry(
            run_time_second=self.now_second,
            utc_second=self._utc_second + self.now_second,
            kind=kind_of(event),
            body=encode_event(event),
        )
        self.file.commit([entry], blocks, encode_run(self.run))

    def pass_segments(self, count: int) -> None:
        for _ in range(count):
            while self.run.phase is Phase.SETTING:
                self.submit(ChamberSet(temperature_celsius=55.0))
            self._pass_segment()

    def finish(self) -> None:
        self.run = msgspec.structs.replace(self.run, phase=Phase.STOPPING, outcome="completed")
        self.submit(MadeSafe(verified=True, text="all steps done"))
        self.file.seal()

    def _pass_segment(self) -> None:
        segment, started = self.run.segment, self.now_second
        self.submit(SegmentStarted(segment=segment, started_second=started))
        step = self.run.step
        ampere = step.current_ampere if isinstance(step, CurrentStep) else 0.0
        for first in range(0, HALF_CYCLE_ROWS, ROWS_A_LOOK):
            elapsed = np.arange(first, first + ROWS_A_LOOK, dtype=float)
            part = elapsed / HALF_CYCLE_ROWS
            volt = 2.3 + 1.2 * part if ampere > 0 else 3.4 - 1.2 * part
            if first + ROWS_A_LOOK == HALF_CYCLE_ROWS:
                volt[-1] = 3.7005 if ampere > 0 else 1.9995
            self.now_second = started + float(elapsed[-1])
            self._look(elapsed, np.round(volt + self._random.normal(0, 3e-5, ROWS_A_LOOK), 5), ampere, started)
        self.submit(SegmentEnded(record=end_of_segment(self.run, power_was_cycled=False)))
        self.file.compact_segment(CELL_STREAM, segment)
        for stream in self.run.stream_rows if segment % PACK_BESIDE_EVERY_SEGMENTS == 0 else ():
            self.file.compact_segment(stream, 0)
        self.now_second += 1.0

    def _look(self, elapsed: np.ndarray, volt: np.ndarray, ampere: float, started: float) -> None:
        jig = np.round(55 + self._random.normal(0, 0.02, len(elapsed)), 2)
        second = started + elapsed
        self._beside(TEMPERATURE_STREAM, second, jig_temperature_celsius=jig)
        self._beside(PRESSURE_STREAM, second + 0.3, displayed_load=1000 + jig, surface_pressure_pa=12.7e6 + 1e4 * jig)
        status, fold = np.zeros(len(elapsed), np.int64), self.run.fold
        current = np.round(ampere + self._random.normal(0, 1e-9, len(elapsed)), 12)
        rows = ReadingBlock(int(elapsed[0]) + 1, elapsed, volt, current, status, status)
        summary = summarise(
            rows,
            self.run.rows + 1,
            driven=True,
            is_first_segment=self.run.segment == 1,
            before=fold.last_reading,
            charge_before_ampere_hour=fold.charge_ampere_hour,
            table=(),
            carried_rows={},
        )
        block = Block(
            stream=CELL_STREAM,
            segment=self.run.segment,
            first_seq=summary.first_seq,
            origin_run_time_second=started,
            columns={
                "elapsed_second": elapsed,
                "voltage_volt": volt,
                "current_ampere": current,
                "source_status": status,
                "reading_status": status,
            },
        )
        self.submit(BlockStored(segment=self.run.segment, summary=summary), block)

    def _beside(self, stream: str, second: np.ndarray, **quantities: np.ndarray) -> None:
        schema, first_seq = self.file.schemas[stream], self.file.last_seq(stream) + 1
        summary = summarise_readings(stream, first_seq, second, quantities, table=(), carried_rows={})
        nothing = np.full(len(second), np.nan)
        floats = {name: quantities.get(name, nothing) for name in schema.floats}
        integers = {name: np.ones(len(second), np.int64) for name in schema.integers}
        block = Block(
            stream=stream,
            segment=0,
            first_seq=first_seq,
            origin_run_time_second=0.0,
            columns={**floats, **integers, "elapsed_second": second},
        )
        self.submit(ReadingsStored(summary=summary), block)


@dataclass
class Place:
    """A data directory with a run that is going on, its bench, and what was measured there."""

    folder: Path
    bench: subprocess.Popen[str]
    hello: dict[str, Any]
    run_id: str = ""
    ready_second: list[float] = field(default_factory=list)
    drained_second: list[float] = field(default_factory=list)
    cpu_second: list[float] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path) -> Place:
        folder.mkdir()
        command = [sys.executable, "-m", "simulators", str(BENCH), "--speed", "0"]
        bench = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        assert bench.stdout is not None
        hello = json.loads(bench.stdout.readline())
        cables = {name: cable["address"] for name, cable in hello["cables"].items()}
        said = {"data": folder / "data", "control": hello["control"], "pace": PACE, **cables}
        (folder / "station.yaml").write_text(STATION % said)
        (folder / "protocol.yaml").write_text(PROTOCOL)
        return cls(folder, bench, hello)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def serve(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "daemon", "serve", str(self.folder / "station.yaml")]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def begin(self, cycles: int) -> None:
        """A run that a daemon has begun here, put aside for one with so many cycles behind it, taken up and killed."""
        daemon = self.serve()
        until_ready(daemon)
        self.run_id = self.ask("run", "protocol.yaml", "--rig", "rig1", "--cell", str(CELL))
        self.ask("stop", "--rig", "rig1")
        self.until(lambda: not unfinished_runs(self.data).left)
        kill(daemon)
        header = read_header(self.data / self.run_id / RUN_FILE_NAME)
        shutil.rmtree(self.data / self.run_id)
        length = 2 * cycles * (HALF_CYCLE_ROWS + 1.0)
        header = msgspec.structs.replace(
            header, zero_second=header.zero_second - length, started_utc_second=header.started_utc_second - length
        )
        history = History(self.data, header)
        history.pass_segments(2 * cycles)
        history.file.close()
        daemon = self.serve()
        until_ready(daemon)
        self.until_drained(blocks=20)
        kill(daemon)

    def finish_others(self, count: int) -> None:
        header = read_header(self.data / self.run_id / RUN_FILE_NAME)
        for number in range(count):
            done = History(self.data, msgspec.structs.replace(header, run_id=f"restart-done-{number:06d}"))
            done.pass_segments(2)
            done.finish()
            done.file.close()

    def measure(self) -> None:
        began = perf_counter()
        daemon = self.serve()
        until_ready(daemon)
        self.ready_second.append(perf_counter() - began)
        self.until_drained(blocks=1)
        self.drained_second.append(perf_counter() - began)
        self.cpu_second.append(cpu_second(daemon.pid))
        self.wait(0.5)
        kill(daemon)

    def until_drained(self, *, blocks: int) -> None:
        """Until so many blocks of rows of the cell are durable that were not."""
        with RunFile.read_only(self.data / self.run_id / RUN_FILE_NAME) as run_file:
            for _ in range(blocks):
                known = run_file.read_ends().last_seq(CELL_STREAM)
                self.until(lambda known=known: run_file.read_ends().last_seq(CELL_STREAM) != known)

    def wait(self, second: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise SystemExit(f"the bench ended with {self.bench.wait(second)}")

    def until(self, seen: Callable[[], bool]) -> None:
        for _ in range(LOOKS):
            if seen():
                return
            self.wait(LOOK_EVERY_SECOND)
        raise SystemExit(f"{self.folder.name}: what is waited for does not come")

    def ask(self, *words: str) -> str:
        command = [sys.executable, "-m", "daemon", *words, "--data", str(self.data)]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def close(self) -> None:
        self.bench.send_signal(signal.SIGKILL)
        self.bench.communicate()


def cpu_second(pid: int) -> float:
    """What a process has computed so far, whatever else the machine did."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def until_ready(daemon: subprocess.Popen[str]) -> None:
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if " serves " in line:
            return
    raise SystemExit(f"the daemon ended with {daemon.wait()}")


def kill(daemon: subprocess.Popen[str]) -> None:
    daemon.kill()
    daemon.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--finished", type=int, default=200)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        few, many, beside = (Place.make(Path(name) / part) for part in ("few", "many", "beside"))
        try:
            for place, cycles in ((few, FEW), (many, said.cycles), (beside, FEW)):
                place.begin(cycles)
            beside.finish_others(said.finished)
            for _ in range(said.rounds):
                for place in (few, many, beside):
                    place.measure()
            size = (many.data / many.run_id / RUN_FILE_NAME).stat().st_size
        finally:
            for place in (few, many, beside):
                place.close()
    print(f"{said.rounds} rounds, {os.cpu_count()} cores; medians of seconds from the start of `presscell serve`")
    print("                                            serves   first block drained   ratio   CPU-second   ratio")
    for what, place in (
        (f"{FEW} cycles of history", few),
        (f"{said.cycles:,} cycles of history ({size / 1e6:.0f} MB)", many),
        (f"{FEW} cycles, beside {said.finished} finished runs", beside),
    ):
        ready, drained, cpu = map(median, (place.ready_second, place.drained_second, place.cpu_second))
        drained_ratio, cpu_ratio = (
            median(a / b for a, b in zip(ours, floor, strict=True))
            for ours, floor in ((place.drained_second, few.drained_second), (place.cpu_second, few.cpu_second))
        )
        print(f"  {what:40}  {ready:6.2f}   {drained:19.2f}   {drained_ratio:5.2f}   {cpu:10.2f}   {cpu_ratio:5.2f}")


if __name__ == "__main__":
    main()

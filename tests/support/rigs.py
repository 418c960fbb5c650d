"""A rig of scripted instruments, and the real runner, engine and run file on it."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from daemon.deciding.run_state import Run, decode_run
from daemon.events import Event, Resumed, RunStarted, SegmentEnded, SegmentRecord, decode_event
from daemon.host_timer import HostTimer
from daemon.plan import Plan
from daemon.recover import RUN_FILE_NAME
from daemon.rig import Rig
from daemon.rows.pressure import PressureCalibration
from daemon.runner import Runner, Wish
from daemon.running.progress import Progress
from daemon.service.placing import Placement, place_left, place_new
from daemon.service.sources import Sources
from daemon.store.blocks import Block
from daemon.store.compaction import Compaction
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import JournalEntry
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.instruments import Diary, JumpingClock, ScriptedDevice, ScriptedPotentiostat

RUN_ID = "tested-20261122T120000Z-a1b2c3"
ZERO_SECOND = 1000.0
"""The clock's second at which the runs begin."""
EVERY_SECOND = 10.0
SOURCES = Sources(protocol_name="p.yaml", protocol_text="", cell_name="c.yaml", cell_text="")
CALIBRATION = PressureCalibration(newton_per_unit=9.80665, area_square_metre=7.854e-5)


class WatchedRunFile(RunFile):
    """A run file that notes in a diary what was written, and lets a test at the disk before and after."""

    def watch(self, diary: Diary) -> Self:
        self.diary = diary
        self.before_commit: Callable[[int], object] = lambda _: None
        self.after_commit: Callable[[int], object] = lambda _: None
        self.before_packing: Callable[[], object] = lambda: None
        return self

    def commit(self, entries: list[JournalEntry], blocks: list[Block], snapshot: bytes | None) -> int:
        self.before_commit(self.last_journal_seq + 1)
        last = super().commit(entries, blocks, snapshot)
        self.diary.append(("commit", *(entry.kind for entry in entries)))
        self.after_commit(last)
        return last

    def compact_segment(self, stream: str, segment: int) -> Compaction:
        self.before_packing()
        packed = super().compact_segment(stream, segment)
        self.diary.append(("pack", stream, str(segment)))
        return packed


class Scripted:
    """A new run in a folder, on instruments that do as they are told."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        *,
        device: ScriptedDevice | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
        log_only: bool = False,
        holds_wait: bool = False,
        **beside: Callable[[JumpingClock], Any],
    ) -> None:
        """`beside` makes the load cell, thermometer and chamber, by role; `holds_wait` as in `RunStarted`."""
        self.first = RunStarted(holds_wait=holds_wait)
        self.directory = folder / RUN_ID
        self.diary: Diary = []
        self.clock = JumpingClock(ZERO_SECOND)
        self.device = device or ScriptedDevice()
        self.rig = rig_of(self.device, self.clock, self.diary, log_only=log_only, **beside)
        place_new(
            RUN_ID, plan, SOURCES, placement=placement_in(folder), rig=self.rig, clock=self.clock, tell=tell
        ).close()
        self.file = WatchedRunFile.open(self.path, busy_timeout_second=0.0).watch(self.diary)
        self.runner = Runner(
            Run(plan=plan),
            self.rig,
            self.clock,
            self.file,
            run_id=RUN_ID,
            supervise_every_second=EVERY_SECOND,
            zero_second=ZERO_SECOND,
            tell=tell,
        )

    @property
    def path(self) -> Path:
        return self.directory / RUN_FILE_NAME

    def at(self, run_time_second: float, act: Callable[[], object]) -> None:
        self.clock.at(ZERO_SECOND + run_time_second, act)

    async def carry_out(self) -> Run:
        with self.file:
            return await self.runner.run_to_end(self.first)

    def verbs(self, *of_interest: str) -> Diary:
        """The diary without what is not of interest."""
        return [entry for entry in self.diary if entry[0] in of_interest]


def placement_in(folder: Path) -> Placement:
    return Placement(station="tested", data_directory=folder, supervise_every_second=EVERY_SECOND, simulated=True)


def rig_of(
    device: ScriptedDevice,
    clock: JumpingClock,
    diary: Diary,
    *,
    log_only: bool = False,
    **beside: Callable[[JumpingClock], Any],
) -> Rig:
    potentiostat = HostTimer(clock.now_second) if log_only else ScriptedPotentiostat(device, clock, diary)
    made = {role: make(clock) for role, make in beside.items()}
    identities = {} if log_only else {"potentiostat": ScriptedPotentiostat.identity}
    return Rig("rig1", potentiostat, identities, pressure_calibration=CALIBRATION, temperature_every_second=5.0, **made)


async def take_up(
    directory: Path,
    device: ScriptedDevice,
    now_second: float,
    *,
    log_only: bool = False,
    holds_wait: bool = False,
    lets_go_after_second: float | None = None,
    wishes: Iterable[tuple[float, Wish]] = (),
    **beside: Callable[[JumpingClock], Any],
) -> Run:
    """Carry a run on that was left, as the next daemon does, with drivers of its own on the same instruments."""
    clock = JumpingClock(now_second)
    placed = place_left(
        directory, rig_of(device, clock, [], log_only=log_only, **beside), clock, "kill -9", lambda _: None
    )
    if isinstance(placed._first, RunStarted):
        placed._first = RunStarted(holds_wait=holds_wait)
    for after_second, wish in wishes:
        clock.at(now_second + after_second, partial(placed.runner.wish, wish))
    if lets_go_after_second is not None:
        clock.at(now_second + lets_go_after_second, placed.runner.let_go)
    try:
        return await placed.carry_out()
    finally:
        placed.close()


def events_of(path: Path) -> list[Event]:
    return [decode_event(entry.body) for entry in read_journal(path)]


def kinds_of(path: Path) -> list[str]:
    return [entry.kind for entry in read_journal(path)]


def records_of(path: Path) -> list[SegmentRecord]:
    return [event.record for event in events_of(path) if isinstance(event, SegmentEnded)]


def stored_run(path: Path) -> Run:
    snapshot = read_snapshot(path)
    assert snapshot is not None
    return decode_run(snapshot.body)


def resumed_in(path: Path) -> list[Resumed]:
    return [event for event in events_of(path) if isinstance(event, Resumed)]


def cell_rows(path: Path) -> pd.DataFrame:
    return read_rows(path, "cell")


def assert_every_row_is_stored(path: Path, device: ScriptedDevice) -> None:
    """What the instrument ever measured is in the file, once and in order."""
    rows = cell_rows(path)
    measured = {int(token[-6:]): device.rows_of(token) for token in device.executed}
    assert rows["seq"].tolist() == list(range(1, sum(map(len, measured.values())) + 1))
    assert rows["segment"].tolist() == [segment for segment, part in measured.items() for _ in part]
    columns = rows[["elapsed_second", "voltage_volt", "current_ampere"]].to_numpy()
    np.testing.assert_array_equal(columns, np.concatenate([*measured.values(), np.empty((0, 3))]))

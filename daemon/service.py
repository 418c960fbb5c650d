"""The long-running daemon of one station: its rigs, the runs on them, and those a dead daemon left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.clock import BenchClock, Clock, ControlPort, MonotonicClock
from daemon.compile import compile_protocol
from daemon.placing import PlacedRun, Placement, Sources, new_run_id, place_left, place_new
from daemon.publish.publisher import Publisher
from daemon.recover import rig_of, unfinished_runs
from daemon.rig import Rig
from daemon.run_state import Phase
from daemon.runner import Progress
from daemon.station import rig_wiring
from daemon.station_file import RigSettings, StationFile, StationSettings
from daemon.store.errors import StoreError
from daemon.store.lock import OwnerLock
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME
from daemon.wiring import check_needs, connect_rig, plan_on_rig
from drivers.errors import DriverError
from drivers.registry import potentiostat
from protocols.cell import CellFile, read_cell
from protocols.protocol import read_protocol

LOCK_NAME = "station"
CAUSE = "the daemon was not running"

log = logging.getLogger(__name__)


class RefusedRequestError(Exception):
    """What was asked cannot be done now; the text says why and what to do."""


@dataclass
class Busy:
    """A rig with a run on it."""

    rig: Rig
    placed: PlacedRun
    progress: Progress | None = None
    task: asyncio.Task[None] | None = None


class Daemon:
    """Carries runs out on the rigs of a station, several at once, from `async with` to its end.

    Leaving it leaves the runs: their segments go on in the instruments, and the next daemon takes them up.
    """

    def __init__(
        self,
        station: StationSettings,
        rigs: Mapping[str, RigSettings],
        clock: Clock,
        publisher: Publisher | None = None,
    ) -> None:
        """Owns nothing yet. `publisher` is one that is running; None publishes nothing."""
        self.station = station
        self._publisher = publisher
        self._rigs = rigs
        self._clock = clock
        self._data = Path(station.data)
        self._busy: dict[str, Busy] = {}
        self._held: dict[str, str] = {}
        self._lock: OwnerLock | None = None

    async def __aenter__(self) -> Daemon:
        """Own the station's data directory, and take up what was left.

        Raises:
            StoreError: another daemon owns it, or it cannot be written.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        self._lock = OwnerLock(self._data / LOCK_NAME)
        found = unfinished_runs(self._data)
        for directory, why in found.unreadable.items():
            log.error("%s cannot be taken up: %s", directory.name, why)
            if (rig_name := rig_of(directory)) is not None:
                self._held[rig_name] = f"{directory.name}: {why}; move its folder away to free the rig"
        for directory in found.left:
            await self._take_up(directory)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all rigs; nothing is switched."""
        tasks = [busy.task for busy in self._busy.values() if busy.task is not None]
        for busy in self._busy.values():
            busy.placed.runner.let_go()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock is not None:
            self._lock.release()

    async def start(self, rig_name: str, sources: Sources) -> str:
        """Begin a run on a rig that is free; answers its id.

        Raises:
            RefusedRequestError: no such rig, or it is not free.
            MissingRoleError: it has not what the protocol needs.
            ProblemsFound: something is wrong with a file.
            DriverError: an instrument does not answer as it should.
            StoreError: the run's file cannot be made.
        """
        said = self._free_rig(rig_name)
        cell = read_cell(sources.cell_text, sources.cell_name)
        limits = potentiostat(said.potentiostat.driver).limits if said.potentiostat else None
        plan, _ = compile_protocol(read_protocol(sources.protocol_text, sources.protocol_name), cell, limits)
        wiring = rig_wiring(rig_name, said, _diameter_mm(cell))
        check_needs(plan, wiring)
        plan = plan_on_rig(plan, wiring)
        rig = await connect_rig(wiring, self._clock)
        try:
            run_id = new_run_id(self.station.station, self._clock.utc_second())
            placed = place_new(
                run_id,
                plan,
                sources,
                placement=self._placement,
                rig=rig,
                clock=self._clock,
                tell=lambda progress: self._told(rig_name, progress),
            )
        except BaseException:
            await rig.close()
            raise
        self._carry(rig_name, rig, placed)
        return run_id

    def stop(self, rig_name: str, by: str) -> str:
        """Ask a rig's run to end with the cell at open circuit; answers its id. Raises `RefusedRequestError`."""
        if rig_name not in self._busy:
            raise RefusedRequestError(f"no run is going on at {rig_name}")
        busy = self._busy[rig_name]
        busy.placed.runner.request_stop(by)
        return busy.placed.header.run_id

    def status(self) -> list[dict[str, Any]]:
        """Every rig, what runs on it, and why a run on it is held."""
        return [self._status_of(name) for name in self._rigs]

    async def idle(self) -> None:
        """Wait until no run is going on."""
        while self._busy:
            # Not gather: who gives up waiting must not cancel what carries runs out.
            await asyncio.wait([busy.task for busy in self._busy.values() if busy.task is not None])

    def directory_of(self, run_id: str) -> Path:
        """Where a run is. Raises `RefusedRequestError` when there is none whose id ends so."""
        found = [path for path in self._data.glob("*/") if path.name.endswith(run_id)]
        if len(found) != 1:
            raise RefusedRequestError(f"{len(found)} runs end in {run_id!r}; see `presscell runs`")
        return found[0]

    @property
    def _placement(self) -> Placement:
        return Placement(
            station=self.station.station,
            data_directory=self._data,
            supervise_every_second=self.station.supervise_every_s,
            simulated=self.station.bench is not None,
        )

    def _known_rig(self, rig_name: str) -> RigSettings:
        if rig_name not in self._rigs:
            raise RefusedRequestError(f"there is no rig {rig_name!r}; there are {', '.join(self._rigs)}")
        return self._rigs[rig_name]

    def _free_rig(self, rig_name: str) -> RigSettings:
        said = self._known_rig(rig_name)
        if rig_name in self._busy:
            raise RefusedRequestError(f"{rig_name} is busy with {self._busy[rig_name].placed.header.run_id}")
        if rig_name in self._held:
            raise RefusedRequestError(f"{rig_name} holds an unfinished run: {self._held[rig_name]}")
        return said

    async def _take_up(self, directory: Path) -> None:
        """Put a run that was left back on its rig; what forbids it is told in the status, and nothing is touched."""
        header = read_header(directory / RUN_FILE_NAME)
        rig_name, rig = header.rig, None
        cell = read_cell(header.cell_text, header.cell_name)
        try:
            rig = await connect_rig(rig_wiring(rig_name, self._known_rig(rig_name), _diameter_mm(cell)), self._clock)
            placed = place_left(directory, rig, self._clock, CAUSE, lambda progress: self._told(rig_name, progress))
        except (DriverError, StoreError, RefusedRequestError, ValueError) as error:
            log.warning("%s is held: %s", header.run_id, error)
            self._held[rig_name] = f"{header.run_id}: {error}"
            if rig is not None:
                await rig.close()
            return
        self._carry(rig_name, rig, placed)

    def _carry(self, rig_name: str, rig: Rig, placed: PlacedRun) -> None:
        busy = Busy(rig, placed)
        self._busy[rig_name] = busy
        if self._publisher is not None:
            self._publisher.follow(placed.directory, placed.header)
        busy.task = asyncio.create_task(self._carry_out(rig_name, busy), name=placed.header.run_id)

    async def _carry_out(self, rig_name: str, busy: Busy) -> None:
        try:
            run = await busy.placed.carry_out()
            if run.phase is Phase.STOPPING:
                self._held[rig_name] = f"{busy.placed.header.run_id}: {run.reason}; mend it, then restart the daemon"
        except Exception as error:
            # One rig's failure must not end the others; the cell of this one is at open circuit already.
            log.exception("%s ended by an error", busy.placed.header.run_id)
            self._held[rig_name] = f"{busy.placed.header.run_id}: {error}"
        finally:
            busy.placed.close()
            del self._busy[rig_name]
            await busy.rig.close()

    def _told(self, rig_name: str, progress: Progress) -> None:
        if self._publisher is not None:
            self._publisher.nudge()
        if rig_name in self._busy:
            self._busy[rig_name].progress = progress

    def _status_of(self, rig_name: str) -> dict[str, Any]:
        busy = self._busy.get(rig_name)
        if busy is None:
            held = self._held.get(rig_name)
            return {"rig": rig_name, "state": "held" if held else "free", "reason": held or ""}
        run, progress = busy.placed.runner.run, busy.progress
        last = progress.last if progress else None
        return {
            "rig": rig_name,
            "state": "running" if run.phase is not Phase.FINISHED else "ending",
            "run_id": busy.placed.header.run_id,
            "phase": str(run.phase),
            "step_id": run.plan.steps[run.position].step_id if run.plan.steps else "",
            "segment": run.segment,
            "rows": run.rows,
            "resume_count": run.resume_count,
            "run_time_second": busy.placed.runner.run_time_second,
            "voltage_volt": last.voltage_volt if last else None,
            "current_ampere": last.current_ampere if last else None,
            **(dict(progress.readings) if progress else {}),
            "warnings": list(run.warnings),
        }


async def clock_of(station: StationSettings) -> Clock:
    """The clock a station runs on. Raises `BenchGoneError` when its bench does not answer."""
    if station.bench is None:
        return MonotonicClock()
    control = await ControlPort.connect(station.bench.control)
    return await BenchClock.own(control, pace=station.bench.pace, on_owner_lost=station.bench.on_owner_lost)


def checked(file: StationFile) -> tuple[StationSettings, Mapping[str, RigSettings]]:
    """A station file that was read without errors. Raises `RefusedRequestError` when its top is missing."""
    if file.station is None:
        raise RefusedRequestError("the station file cannot be read")
    return file.station, file.rigs


def _diameter_mm(cell: CellFile) -> float | None:
    fixture = cell.cell.fixture if cell.cell else None
    return fixture.diameter_mm if fixture else None

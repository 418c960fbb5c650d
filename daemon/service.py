"""The long-running daemon of one station: its rigs, the runs on them, and those a dead daemon left."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.acceptance import why_not_unattended
from daemon.clock import BenchClock, Clock, ControlPort, MonotonicClock
from daemon.compile import compile_protocol
from daemon.events import PauseRequested, ResumeRequested, SkipRequested
from daemon.link import PATIENT_WAITS_SECOND, SILENT
from daemon.placing import PlacedRun, Placement, Sources, make_directory, new_run_id, place_left, place_new
from daemon.publish.publisher import Publisher
from daemon.recover import rig_of, unfinished_runs
from daemon.rig import Rig
from daemon.run_state import Phase, Run
from daemon.runner import Progress
from daemon.silence import flag_texts, fresh
from daemon.station import rig_wiring
from daemon.station_file import RigSettings, StationFile, StationSettings, safety_of
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
IS_HELD = (Phase.HALTING, Phase.HOLDING)
IS_ENDING = (Phase.HALTING, Phase.STOPPING)

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


@dataclass(frozen=True)
class HeldRun:
    """A run that could not be taken up; `directory` is where it is, None when trying again is of no use."""

    name: str
    why: str
    directory: Path | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


@contextlib.contextmanager
def owned(data_directory: Path) -> Iterator[None]:
    """Own a station's data directory while this lasts, and make it if it is missing: one daemon a directory.

    Raises:
        StoreError: another daemon owns it, or it cannot be made or written.
    """
    make_directory(data_directory)
    lock = OwnerLock(data_directory / LOCK_NAME)
    try:
        yield
    finally:
        lock.release()


class Daemon:
    """Carries runs out on the rigs of a station, several at once, from `async with` to its end.

    It must be inside `owned` of the station's data directory.

    Leaving it leaves the runs: their segments go on in the instruments, and the next daemon takes them up.
    """

    def __init__(
        self,
        station: StationSettings,
        rigs: Mapping[str, RigSettings],
        clock: Clock,
        publisher: Publisher | None = None,
        station_sha256: str = "",
    ) -> None:
        """Owns nothing yet. `publisher` is one that is running; None publishes nothing."""
        self.station = station
        self._station_sha256 = station_sha256
        self._publisher = publisher
        self._rigs = rigs
        self._clock = clock
        self._data = Path(station.data)
        self._busy: dict[str, Busy] = {}
        self._starting: set[str] = set()
        self._held: dict[str, HeldRun] = {}
        self._retrying: dict[str, asyncio.Task[None]] = {}
        self._changed, self._taking_up = asyncio.Event(), asyncio.Lock()
        self._unknown: list[str] = []

    async def __aenter__(self) -> Daemon:
        """Take up what was left."""
        found = unfinished_runs(self._data)
        for directory, why in found.unreadable.items():
            log.error("%s cannot be taken up: %s", directory.name, why)
            if (rig_name := rig_of(directory)) is not None:
                self._held[rig_name] = HeldRun(directory.name, f"{why}; move its folder away to free the rig")
            else:
                self._unknown.append(f"{directory.name}, of a rig it does not say: {why}")
        for directory in found.left:
            await self._take_up(directory)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all rigs; nothing is switched."""
        tasks = [busy.task for busy in self._busy.values() if busy.task is not None]
        for retrying in self._retrying.values():
            retrying.cancel()
        for busy in self._busy.values():
            busy.placed.runner.let_go()
        await asyncio.gather(*tasks, *self._retrying.values(), return_exceptions=True)

    async def start(self, rig_name: str, sources: Sources, *, without_acceptance: str = "") -> str:
        """Begin a run on a rig that is free; answers its id.

        `without_acceptance` is somebody's reason to run for days on a potentiostat that was not accepted.

        Raises:
            RefusedRequestError: no such rig, or it is not free; or it was not accepted, and there is no reason.
            MissingRoleError: it has not what the protocol needs.
            ProblemsFound: something is wrong with a file.
            DriverError: an instrument does not answer as it should.
            StoreError: the run's file cannot be made.
        """
        said = self._free_rig(rig_name)
        self._starting.add(rig_name)
        try:
            return await self._start(rig_name, said, sources, without_acceptance)
        finally:
            self._starting.discard(rig_name)

    async def _start(self, rig_name: str, said: RigSettings, sources: Sources, without_acceptance: str) -> str:
        """Begin a run on a rig that is reserved for it."""
        cell = read_cell(sources.cell_text, sources.cell_name)
        limits = potentiostat(said.potentiostat.driver).limits if said.potentiostat else None
        protocol = read_protocol(sources.protocol_text, sources.protocol_name)
        plan, odd = compile_protocol(protocol, cell, limits, station_safety=safety_of(self.station, said))
        for problem in odd:
            log.warning("%s", problem)
        wiring = rig_wiring(rig_name, said, _diameter_mm(cell))
        check_needs(plan, wiring)
        plan = plan_on_rig(plan, wiring)
        not_accepted = why_not_unattended(plan, said.potentiostat) if self.station.bench is None else None
        if not_accepted and not without_acceptance.strip():
            raise RefusedRequestError(not_accepted)
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
                without_acceptance=without_acceptance.strip() if not_accepted else "",
            )
        except BaseException:
            await rig.close()
            raise
        self._carry(rig_name, rig, placed)
        return run_id

    def stop(self, rig_name: str, by: str) -> str:
        """Ask a rig's run to end with the cell at open circuit; answers its id. Raises `RefusedRequestError`."""
        busy = self._run_on(rig_name)
        busy.placed.runner.request_stop(by)
        return busy.placed.header.run_id

    def pause(self, rig_name: str, by: str, after: str = "") -> str:
        """Ask for a hold: now, or `after` "step" or "cycle"; answers the run's id. Raises `RefusedRequestError`."""
        busy = self._run_on(rig_name)
        if busy.placed.runner.run.phase in IS_HELD:
            raise RefusedRequestError(f"{rig_name} is held already: {busy.placed.runner.run.why}")
        busy.placed.runner.wish(PauseRequested(by=by, after=after))
        return busy.placed.header.run_id

    async def resume(self, rig_name: str, by: str, *, unchecked: bool = False) -> str:
        """Let a held run go on, or try again to take one up; answers its id. Raises `RefusedRequestError`."""
        held = self._held.get(rig_name)
        if held is not None:
            return await self._take_up_now(rig_name, held)
        busy = self._run_on(rig_name)
        run = busy.placed.runner.run
        if run.phase is Phase.HALTING:
            raise RefusedRequestError(f"the cell of {rig_name} is not known to be at open circuit yet: {run.why}")
        if run.phase is not Phase.HOLDING and not run.pause_after:
            raise RefusedRequestError(f"{rig_name} is not held")
        busy.placed.runner.wish(ResumeRequested(by=by, unchecked=unchecked))
        return busy.placed.header.run_id

    def skip(self, rig_name: str, by: str) -> str:
        """Let a held run go on with its next step; answers its id. Raises `RefusedRequestError`."""
        busy = self._run_on(rig_name)
        if busy.placed.runner.run.phase is not Phase.HOLDING:
            raise RefusedRequestError(f"{rig_name} is not held; pause it first: presscell pause {rig_name}")
        busy.placed.runner.wish(SkipRequested(by=by))
        return busy.placed.header.run_id

    def status(self) -> list[dict[str, Any]]:
        """Every rig, what runs on it, and why a run on it is held."""
        return [self._status_of(name) for name in self._rigs]

    async def idle(self) -> None:
        """Wait until no run is going on: all have ended, or wait for a person."""
        while any(busy.placed.runner.run.phase is not Phase.HOLDING for busy in self._busy.values()):
            self._changed.clear()
            await self._changed.wait()

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
            station_sha256=self._station_sha256,
        )

    def _run_on(self, rig_name: str) -> Busy:
        if rig_name in self._busy:
            return self._busy[rig_name]
        self._known_rig(rig_name)
        held = self._held.get(rig_name)
        raise RefusedRequestError(f"no run is going on at {rig_name}" + (f"; it holds {held}" if held else ""))

    def _known_rig(self, rig_name: str) -> RigSettings:
        if rig_name not in self._rigs:
            raise RefusedRequestError(f"there is no rig {rig_name!r}; there are {', '.join(self._rigs)}")
        return self._rigs[rig_name]

    def _free_rig(self, rig_name: str) -> RigSettings:
        said = self._known_rig(rig_name)
        if rig_name in self._busy:
            raise RefusedRequestError(f"{rig_name} is busy with {self._busy[rig_name].placed.header.run_id}")
        if rig_name in self._starting:
            raise RefusedRequestError(f"a run is being started on {rig_name}; look at `presscell status`")
        if rig_name in self._held:
            raise RefusedRequestError(f"{rig_name} holds an unfinished run: {self._held[rig_name]}")
        return said

    async def _take_up(self, directory: Path) -> None:
        """Put a run that was left back on its rig; what forbids it is told in the status, and nothing is touched."""
        async with self._taking_up:
            await self._take_up_alone(directory)

    async def _take_up_alone(self, directory: Path) -> None:
        header = read_header(directory / RUN_FILE_NAME)
        rig_name, rig = header.rig, None
        if rig_name in self._busy:
            return
        cell = read_cell(header.cell_text, header.cell_name)
        try:
            rig = await connect_rig(rig_wiring(rig_name, self._known_rig(rig_name), _diameter_mm(cell)), self._clock)
            placed = await self._placed_left(rig_name, directory, rig)
        except (DriverError, StoreError, RefusedRequestError, ValueError) as error:
            log.warning("%s is held: %s", header.run_id, error)
            self._held[rig_name] = HeldRun(header.run_id, str(error), directory)
            if rig is not None:
                await rig.close()
            if isinstance(error, SILENT) and rig_name not in self._retrying:
                # After a power failure the PC is often there before its instruments.
                self._retrying[rig_name] = asyncio.create_task(self._take_up_later(rig_name, directory))
            return
        self._held.pop(rig_name, None)
        self._carry(rig_name, rig, placed)

    async def _placed_left(self, rig_name: str, directory: Path, rig: Rig) -> PlacedRun:
        """Raises as `place_left`. Simulated time stands still meanwhile, as at all work."""
        self._clock.join()
        try:
            return await asyncio.to_thread(
                place_left, directory, rig, self._clock, CAUSE, lambda progress: self._told(rig_name, progress)
            )
        finally:
            self._clock.leave()

    async def _take_up_later(self, rig_name: str, directory: Path) -> None:
        self._clock.join()
        try:
            for wait_second in itertools.chain(PATIENT_WAITS_SECOND, itertools.repeat(PATIENT_WAITS_SECOND[-1])):
                until_second = self._clock.now_second() + wait_second
                while self._clock.now_second() < until_second:
                    await self._clock.wait_until(until_second)
                if rig_name in self._held:
                    await self._take_up(directory)
                if rig_name not in self._held:
                    return
        finally:
            del self._retrying[rig_name]
            self._clock.leave()

    async def _take_up_now(self, rig_name: str, held: HeldRun) -> str:
        if held.directory is None:
            raise RefusedRequestError(f"{rig_name} holds {held}")
        await self._take_up(held.directory)
        if rig_name in self._held:
            raise RefusedRequestError(f"{rig_name} still holds {self._held[rig_name]}")
        return held.name

    def _carry(self, rig_name: str, rig: Rig, placed: PlacedRun) -> None:
        busy = Busy(rig, placed)
        self._busy[rig_name] = busy
        if self._publisher is not None:
            self._publisher.follow(placed.directory, placed.header)
        busy.task = asyncio.create_task(self._carry_out(rig_name, busy), name=placed.header.run_id)

    async def _carry_out(self, rig_name: str, busy: Busy) -> None:
        try:
            run = await busy.placed.carry_out()
            if run.phase in IS_ENDING:
                name = busy.placed.header.run_id
                self._held[rig_name] = HeldRun(name, f"{run.why}; mend it, then resume", busy.placed.directory)
        except Exception as error:
            # One rig's failure must not end the others; the cell of this one is at open circuit already.
            log.exception("%s ended by an error", busy.placed.header.run_id)
            self._held[rig_name] = HeldRun(busy.placed.header.run_id, str(error), busy.placed.directory)
        finally:
            try:
                await asyncio.to_thread(busy.placed.close)
            except StoreError as error:
                log.warning("%s could not be tidied up, which harms nothing: %s", busy.placed.header.run_id, error)
            del self._busy[rig_name]
            await busy.rig.close()
            self._changed.set()

    def _told(self, rig_name: str, progress: Progress) -> None:
        if self._publisher is not None:
            self._publisher.nudge()
        if rig_name in self._busy:
            self._busy[rig_name].progress = progress
        self._changed.set()

    def _status_of(self, rig_name: str) -> dict[str, Any]:
        busy = self._busy.get(rig_name)
        if busy is None:
            held = self._held.get(rig_name)
            reason = str(held) if held else "; ".join(self._unknown)
            return {"rig": rig_name, "state": "held" if held else "free", "reason": reason}
        run, progress = busy.placed.runner.run, busy.progress
        last = progress.last if progress else None
        return {
            "rig": rig_name,
            "state": _state_of(run),
            "reason": run.why,
            "run_id": busy.placed.header.run_id,
            "phase": str(run.phase),
            "step_id": run.step_id,
            "pause_after": run.pause_after,
            "links": list(run.links.values()),
            "segment": run.segment,
            "rows": run.rows,
            "resume_count": run.resume_count,
            "run_time_second": busy.placed.runner.run_time_second,
            "voltage_volt": last.voltage_volt if last else None,
            "current_ampere": last.current_ampere if last else None,
            **(fresh(run, progress.readings, busy.placed.runner.listened_second) if progress else {}),
            "flags": flag_texts(run, busy.placed.runner.listened_second),
            "warnings": list(run.warnings),
        }


def _state_of(run: Run) -> str:
    if run.phase in IS_HELD:
        return "holding"
    return "ending" if run.phase is Phase.FINISHED else "running"


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

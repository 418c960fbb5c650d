"""The long-running daemon of one station: its rigs, the runs on them, and those a dead daemon left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from daemon.clock import BenchClock, Clock, ControlPort, MonotonicClock
from daemon.deciding.run_state import Phase
from daemon.events import PauseRequested, PlanChanged, ResumeRequested, SkipRequested, StopRequested
from daemon.publish.publisher import Publisher
from daemon.recover import has_ended, unfinished_runs
from daemon.rig import Rig
from daemon.runner import Runner
from daemon.running.asked_edit import AskedEdit
from daemon.running.link import SILENT
from daemon.running.progress import Progress
from daemon.running.shared_chamber import SharedChambers
from daemon.service.disk_room import DiskRoom
from daemon.service.left_runs import LeftRuns
from daemon.service.placing import PlacedRun, Placement, make_directory, new_run_id, place_left, place_new
from daemon.service.plan_lease import PlanLeases
from daemon.service.preparing import (
    PreparedRun,
    RefusedRequestError,
    diameter_mm,
    lease_of,
    prepare,
    sources_for,
    sources_of,
    waiting_of,
)
from daemon.service.proposing import Proposal, proposal
from daemon.service.reopening import ended_run, reopen
from daemon.service.rig_use import Busy, HeldRun
from daemon.service.run_queue import CannotBeginError, RunQueue
from daemon.service.run_status import run_status
from daemon.service.shared_use import SharedUse
from daemon.service.sources import Sources
from daemon.service.usage_book import UsageBook
from daemon.sharing import Waiting
from daemon.station.file import StationFile
from daemon.station.instruments import rig_wiring
from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from daemon.station.wiring import MissingRoleError, bring_to_open_circuit, connect_rig
from daemon.store.errors import StoreError
from daemon.store.lock import OwnerLock
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, RunHeader
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import STATION_FILE_NAME
from daemon.store.usage_store import UsageStore
from daemon.stored import plan_in_force
from daemon.usage import Total
from drivers.errors import DriverError
from protocols.cell import read_cell
from protocols.errors import ProblemsFound

LOCK_NAME = "station"
CAUSE = "the daemon was not running"
IS_HELD = (Phase.HALTING, Phase.HOLDING)
IS_ENDING = (Phase.HALTING, Phase.STOPPING)

log = logging.getLogger(__name__)


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
        *,
        station_sha256: str = "",
        shared: Mapping[str, SharedSettings] = MappingProxyType({}),
    ) -> None:
        """Opens the station's own file alone. `publisher` is one that is running; None publishes nothing.

        `shared` are the instruments of several rigs, by name. Raises `StoreError`.
        """
        self.station = station
        self._station_sha256 = station_sha256
        self._publisher = publisher
        self._rigs = rigs
        self._clock = clock
        self._data = Path(station.data)
        self._busy: dict[str, Busy] = {}
        self._starting: set[str] = set()
        self._changed = asyncio.Event()
        self._left = LeftRuns(clock, put=self._put_back, is_busy=self._busy.__contains__, tell=self._changed.set)
        self._shared = shared
        self._use = SharedUse(SharingStore(self._data / STATION_FILE_NAME), clock)
        self._usage = UsageBook(UsageStore(self._data / STATION_FILE_NAME), self._data, rigs)
        self._chambers = SharedChambers(clock.now_second, self._use.why_not_set)
        self._queue = RunQueue(
            self._use,
            clock,
            begin=self._begin_waiting,
            bring_to_open_circuit=self._open_waiting,
            tell=self._changed.set,
        )
        self._leases = PlanLeases(self._use, clock, self._queue.look)
        self._room = DiskRoom(self._data)
        self._works: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Daemon:
        """Take up what was left."""
        found = unfinished_runs(self._data)
        unfinished = {directory.name for directory in (*found.left, *found.unreadable)}
        await self._use.settle(unfinished, lambda run_id: (self._data / run_id / RUN_FILE_NAME).exists())
        await self._left.take_up_all(found)
        self._queue.look()
        self._count_usage()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all rigs; nothing is switched, and who waits goes on waiting."""
        await self._queue.close()
        await self._left.close()
        tasks = [busy.task for busy in self._busy.values() if busy.task is not None]
        for busy in self._busy.values():
            busy.placed.runner.let_go()
        await asyncio.gather(*tasks, *self._works, return_exceptions=True)
        await self._use.close()
        await self._usage.close()

    async def start(
        self,
        rig_name: str,
        sources: Sources,
        *,
        without_acceptance: str = "",
        longest_wait_second: float | None = None,
        by: str = "somebody",
    ) -> str:
        """Begin a run on a rig that is free, or put it into the queue; answers its id.

        `without_acceptance` is somebody's reason to run for days on a potentiostat that was not accepted. For a shared
        instrument that other runs need otherwise it waits up to `longest_wait_second`, with its cell at open circuit;
        None refuses it.

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
            prepared = self._prepared(rig_name, said, sources, without_acceptance)
            run_id = new_run_id(self.station.station, self._clock.utc_second())
            obstacle = self._use.obstacle(prepared.wish, run_id)
            if obstacle is None:
                await self._begin(run_id, prepared)
            elif longest_wait_second is None:
                raise RefusedRequestError(f"{obstacle}. To wait for it: presscell run … --queue")
            else:
                await self._enqueue(run_id, prepared, longest_wait_second, by)
            return run_id
        finally:
            self._starting.discard(rig_name)

    def _prepared(self, rig_name: str, said: RigSettings, sources: Sources, without_acceptance: str) -> PreparedRun:
        return prepare(
            rig_name,
            said,
            sources,
            station=self.station,
            shared=self._shared,
            without_acceptance=without_acceptance,
        )

    async def _begin(self, run_id: str, prepared: PreparedRun) -> None:
        """Begin a run on a rig that is reserved for it, and that nothing stands in the way of."""
        if prepared.wish is not None:
            utc_second = self._clock.utc_second()
            await self._use.grant(lease_of(run_id, prepared.rig_name, prepared.plan, prepared.wish, utc_second))
        try:
            rig = await connect_rig(prepared.wiring, self._clock, self._chambers)
            try:
                placed = place_new(
                    run_id,
                    prepared.plan,
                    prepared.sources,
                    placement=self._placement,
                    rig=rig,
                    clock=self._clock,
                    tell=lambda progress: self._told(prepared.rig_name, progress),
                    without_acceptance=prepared.without_acceptance,
                )
            except BaseException:
                await rig.close()
                raise
        except BaseException:
            await self._use.release(run_id)
            raise
        self._carry(prepared.rig_name, rig, placed)
        await self._use.begun(run_id, prepared.rig_name)

    async def _enqueue(self, run_id: str, prepared: PreparedRun, longest_wait_second: float, by: str) -> None:
        """Let a run wait. Raises `DriverError` when its cell can't be brought to open circuit: then it does not."""
        await bring_to_open_circuit(prepared.wiring, self._clock)
        self._queue.is_at_open_circuit(run_id)
        await self._use.enqueue(waiting_of(run_id, prepared, self._clock, longest_wait_second, by))
        self._queue.look()

    async def _begin_waiting(self, one: Waiting) -> None:
        """Begin a run that waited. Raises `CannotBeginError`, of an instrument that is silent its own error."""
        try:
            said = self._free_rig(one.rig, one.run_id)
            self._starting.add(one.rig)
            await self._begin(one.run_id, self._prepared(one.rig, said, sources_of(one), one.without_acceptance))
        except SILENT:
            raise
        except (RefusedRequestError, MissingRoleError, ProblemsFound, DriverError, ValueError) as error:
            raise CannotBeginError(str(error)) from error
        finally:
            self._starting.discard(one.rig)

    async def _open_waiting(self, one: Waiting) -> None:
        """Bring the cell of a run that waits to open circuit. Raises `DriverError`."""
        cell = read_cell(one.cell_text, one.cell_name)
        wiring = rig_wiring(one.rig, self._known_rig(one.rig), diameter_mm(cell), self._shared)
        await bring_to_open_circuit(wiring, self._clock)

    async def stop(self, rig_name: str, by: str, after: str = "") -> str:
        """Ask a rig's run to end with the cell at open circuit, or take it out of the queue; answers its id.

        With `after` "cycle" it ends when the present cycle is complete.

        Raises:
            RefusedRequestError: there is none.
            StoreError: it can't be taken out of the queue.
        """
        waiting = self._use.waits_at(rig_name)
        if waiting is not None and rig_name not in self._starting:
            await self._use.leave(waiting, f"{by} stopped it")
            self._queue.look()
            return waiting.run_id
        self._left.ask(rig_name, None)
        busy = self._run_on(rig_name)
        if after and busy.placed.runner.run.phase in IS_HELD:
            raise RefusedRequestError(f"{rig_name} is held: end its run now, or resume it first")
        busy.placed.runner.wish(StopRequested(by=by, after=after))
        return busy.placed.header.run_id

    def pause(self, rig_name: str, by: str, after: str = "") -> str:
        """Ask for a hold: now, or `after` "step" or "cycle"; answers the run's id. Raises `RefusedRequestError`."""
        self._left.ask(rig_name, None)
        busy = self._run_on(rig_name)
        if busy.placed.runner.run.phase in IS_HELD:
            raise RefusedRequestError(f"{rig_name} is held already: {busy.placed.runner.run.why}")
        busy.placed.runner.wish(PauseRequested(by=by, after=after))
        return busy.placed.header.run_id

    async def resume(self, rig_name: str, by: str, *, unchecked: bool = False) -> str:
        """Let a held run go on, or try again to take one up; answers its id. Raises `RefusedRequestError`."""
        if self._left.at(rig_name) is not None:
            return await self._left.take_up_now(rig_name)
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

    async def edit(self, run_id: str, protocol: tuple[str, str], by: str, *, agreement: str, limits: bool) -> Proposal:
        """What another protocol, its name and text, would mean for a run; with an agreement to just that it is done.

        `limits`: also what bounds the cell less tightly. A run that has ended goes on by it on its rig.

        Raises:
            RefusedRequestError, EditRefusedError: no such run, or it may not have it.
            MissingRoleError, ProblemsFound, DriverError, StoreError: as `start`.
        """
        directory = self.directory_of(run_id)
        header = await asyncio.to_thread(read_header, directory / RUN_FILE_NAME)
        said, busy = self._known_rig(header.rig), self._busy.get(header.rig)
        sources = sources_for(header, *protocol)
        prepared = self._prepared(header.rig, said, sources, header.without_acceptance)
        carries = busy is not None and busy.placed.header.run_id == header.run_id
        self._clock.join()
        try:
            run = busy.placed.runner.run if busy and carries else await asyncio.to_thread(ended_run, directory)
            made = await asyncio.to_thread(proposal, directory / RUN_FILE_NAME, run, prepared.plan, sources, by)
        finally:
            self._clock.leave()
        if not agreement:
            return made
        made.check(agreement, limits=limits)
        lease = header.run_id, header.rig, said.shared.get("chamber"), prepared.plan
        if busy and carries:
            placed, asked = busy.placed, AskedEdit(made.change, made.run.plan)
            async with self._leases.for_edit(*lease, lambda: placed.plan_in_force):
                placed.runner.wish(asked)
                await asked.answered(busy.task)
        else:
            path = directory / RUN_FILE_NAME
            async with self._leases.for_edit(*lease, lambda: None if has_ended(path) else prepared.plan):
                await self._reopen(directory, prepared, made.change)
        return made

    async def _reopen(self, directory: Path, prepared: PreparedRun, change: PlanChanged) -> None:
        rig_name = prepared.rig_name
        self._free_rig(rig_name)
        self._starting.add(rig_name)
        try:
            rig = await connect_rig(prepared.wiring, self._clock, self._chambers)
            try:
                await self._usage.reopened(directory.name)
                await asyncio.to_thread(reopen, directory, rig, self._clock, change)
            finally:
                await rig.close()
            await self._left.take_up(directory)
        finally:
            self._starting.discard(rig_name)
        going_on = ResumeRequested(by=change.by)
        self._left.ask(rig_name, going_on)
        if (held := self._left.at(rig_name)) is not None:
            raise RefusedRequestError(f"the steps are appended; {rig_name} holds {held}")
        self._busy[rig_name].placed.runner.wish(going_on)

    def status(self) -> list[dict[str, Any]]:
        """Every rig, what runs on it, and why a run on it is held."""
        return [self._status_of(name) for name in self._rigs]

    async def idle(self) -> None:
        """Wait until no run is going on, waits for its turn or for its instruments: all ended, or wait for a person."""
        while (
            self._use.waiting
            or self._left.is_trying
            or any(busy.placed.runner.run.phase is not Phase.HOLDING for busy in self._busy.values())
        ):
            self._changed.clear()
            await self._changed.wait()

    def waits(self, rig_name: str) -> str:
        """Where the run of a rig stands in the queue, as a text; empty when none waits there."""
        waiting = self._use.waits_at(rig_name)
        if waiting is None:
            return ""
        trouble = self._queue.trouble_of(waiting.run_id)
        return self._use.place_text(waiting) + (f". {trouble}" if trouble else "")

    async def usage(self) -> list[Total]:
        """What potentiostats and jigs have been used, also by runs that are going on. Raises `StoreError`."""
        return await self._usage.catch_up()

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
        held, waits = self._left.at(rig_name), self.waits(rig_name)
        more = f"; it holds {held}" if held else f"; one waits, {waits}" if waits else ""
        raise RefusedRequestError(f"no run is going on at {rig_name}{more}")

    def _known_rig(self, rig_name: str) -> RigSettings:
        if rig_name not in self._rigs:
            raise RefusedRequestError(f"there is no rig {rig_name!r}; there are {', '.join(self._rigs)}")
        return self._rigs[rig_name]

    def _free_rig(self, rig_name: str, run_id: str = "") -> RigSettings:
        """What is said of a rig that is free for a run, or for any. Raises `RefusedRequestError`."""
        said, waiting = self._known_rig(rig_name), self._use.waits_at(rig_name)
        if waiting is not None and waiting.run_id != run_id:
            where = self._use.place_text(waiting)
            raise RefusedRequestError(
                f"{waiting.run_id} waits on {rig_name}, {where}. To take it out: presscell stop {rig_name}"
            )
        if rig_name in self._busy:
            raise RefusedRequestError(f"{rig_name} is busy with {self._busy[rig_name].placed.header.run_id}")
        if rig_name in self._starting or self._queue.is_opening(rig_name):
            raise RefusedRequestError(f"a run is being started on {rig_name}; look at `presscell status`")
        if (held := self._left.at(rig_name)) is not None:
            raise RefusedRequestError(f"{rig_name} holds an unfinished run: {held}")
        return said

    async def _put_back(self, directory: Path, header: RunHeader) -> Runner:
        """Carry a run that was left on, on its rig. Raises one of `HOLDS`, and nothing was touched."""
        rig_name, cell = header.rig, read_cell(header.cell_text, header.cell_name)
        said = self._known_rig(rig_name)
        oven = said.shared.get("chamber")
        if oven is not None or self._use.has_lease(header.run_id):
            plan = plan_in_force(directory / RUN_FILE_NAME, header)
            await self._leases.renew(header.run_id, rig_name, oven, plan)
        rig = await connect_rig(
            rig_wiring(rig_name, said, diameter_mm(cell), self._shared), self._clock, self._chambers
        )
        try:
            placed = await self._placed_left(rig_name, directory, rig)
        except BaseException:
            await rig.close()
            raise
        self._carry(rig_name, rig, placed)
        return placed.runner

    async def _placed_left(self, rig_name: str, directory: Path, rig: Rig) -> PlacedRun:
        """Raises as `place_left`. Simulated time stands still meanwhile, as at all work."""
        self._clock.join()
        try:
            return await asyncio.to_thread(
                place_left, directory, rig, self._clock, CAUSE, lambda progress: self._told(rig_name, progress)
            )
        finally:
            self._clock.leave()

    def _count_usage(self) -> None:
        """Count, off the loop, what the runs that are not going on have used."""
        self._beside(self._counted(), "usage")

    def _beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _counted(self) -> None:
        try:
            await self._usage.catch_up({busy.placed.header.run_id for busy in self._busy.values()})
        except StoreError as error:
            log.warning("usage is not counted, which the next count makes good: %s", error)

    def _carry(self, rig_name: str, rig: Rig, placed: PlacedRun) -> None:
        busy = Busy(rig, placed)
        self._busy[rig_name] = busy
        if self._publisher is not None:
            try:
                self._publisher.follow(placed.directory, placed.header)
            except Exception:
                # Who listens is no reason for a run not to go on, and its file is there already.
                log.exception("%s is not published", placed.header.run_id)
        busy.task = asyncio.create_task(self._carry_out(rig_name, busy), name=placed.header.run_id)

    async def _carry_out(self, rig_name: str, busy: Busy) -> None:
        try:
            run = await busy.placed.carry_out()
            if run.phase in IS_ENDING:
                name = busy.placed.header.run_id
                self._left.hold(rig_name, HeldRun(name, f"{run.why}; mend it, then resume", busy.placed.directory))
        except Exception as error:
            # One rig's failure must not end the others; the cell of this one is at open circuit already.
            log.exception("%s ended by an error", busy.placed.header.run_id)
            self._left.hold(rig_name, HeldRun(busy.placed.header.run_id, str(error), busy.placed.directory))
        finally:
            try:
                await asyncio.to_thread(busy.placed.close)
            except StoreError as error:
                log.warning("%s could not be tidied up, which harms nothing: %s", busy.placed.header.run_id, error)
            del self._busy[rig_name]
            await busy.rig.close()
            if busy.placed.runner.run.phase is Phase.FINISHED:
                await self._use.release(busy.placed.header.run_id)
            self._queue.look()
            self._count_usage()
            self._changed.set()

    def _told(self, rig_name: str, progress: Progress) -> None:
        if self._publisher is not None:
            self._publisher.nudge()
        if rig_name in self._busy:
            self._busy[rig_name].progress = progress
        if self._room.is_due():
            self._beside(self._room.tell(self._busy), "disk")
        self._changed.set()

    def _status_of(self, rig_name: str) -> dict[str, Any]:
        busy, usage = self._busy.get(rig_name), self._usage.warnings(rig_name)
        if busy is None:
            held, waiting = self._left.at(rig_name), self._use.waits_at(rig_name)
            if waiting is not None and held is None:
                said = {"run_id": waiting.run_id, "reason": self.waits(rig_name)}
                return {"rig": rig_name, "state": "waiting", **said, "usage": usage}
            reason = str(held) if held else self._left.unknown or self._use.why_left(rig_name)
            is_tried_again = self._left.is_tried_again(rig_name)
            if is_tried_again:
                reason += "; it is tried again by itself"
            state = "held" if held else "free"
            return {"rig": rig_name, "state": state, "is_tried_again": is_tried_again, "reason": reason, "usage": usage}
        said = run_status(busy.placed.runner, busy.progress)
        return {"rig": rig_name, "run_id": busy.placed.header.run_id, **said, "usage": usage}


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

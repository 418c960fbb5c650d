"""The long-running daemon of one station: its rigs, the runs on them, and those a dead daemon left."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from daemon.clock import BenchClock, Clock, ControlPort, MonotonicClock, wait_out
from daemon.deciding.run_state import Phase
from daemon.events import PauseRequested, PlanChanged, ResumeRequested, SkipRequested, StopRequested
from daemon.publish.publisher import Publisher
from daemon.recover import has_ended, rig_of, unfinished_runs
from daemon.rig import Rig
from daemon.running.asked_edit import AskedEdit
from daemon.running.link import PATIENT_WAITS_SECOND, SILENT
from daemon.running.progress import Progress
from daemon.running.shared_chamber import SharedChambers
from daemon.service.placing import PlacedRun, Placement, make_directory, new_run_id, place_left, place_new
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
from daemon.sharing import Waiting, wish_of
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
        self._held: dict[str, HeldRun] = {}
        self._retrying: dict[str, asyncio.Task[None]] = {}
        self._changed, self._taking_up = asyncio.Event(), asyncio.Lock()
        self._unknown: list[str] = []
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
        self._counting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Daemon:
        """Take up what was left."""
        found = unfinished_runs(self._data)
        unfinished = {directory.name for directory in (*found.left, *found.unreadable)}
        await self._use.settle(unfinished, lambda run_id: (self._data / run_id / RUN_FILE_NAME).exists())
        for directory, why in found.unreadable.items():
            log.error("%s cannot be taken up: %s", directory.name, why)
            if (rig_name := rig_of(directory)) is not None:
                self._held[rig_name] = HeldRun(directory.name, f"{why}; move its folder away to free the rig")
            else:
                self._unknown.append(f"{directory.name}, of a rig it does not say: {why}")
        for directory in found.left:
            await self._take_up(directory)
        self._queue.look()
        self._count_usage()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all rigs; nothing is switched, and who waits goes on waiting."""
        await self._queue.close()
        tasks = [busy.task for busy in self._busy.values() if busy.task is not None]
        for retrying in self._retrying.values():
            retrying.cancel()
        for busy in self._busy.values():
            busy.placed.runner.let_go()
        await asyncio.gather(*tasks, *self._retrying.values(), *self._counting, return_exceptions=True)
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
        busy = self._run_on(rig_name)
        if after and busy.placed.runner.run.phase in IS_HELD:
            raise RefusedRequestError(f"{rig_name} is held: end its run now, or resume it first")
        busy.placed.runner.wish(StopRequested(by=by, after=after))
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
        await self._change_lease(header.run_id, prepared)
        if busy and carries:
            asked = AskedEdit(made.change, made.run.plan)
            busy.placed.runner.wish(asked)
            await asked.answered(busy.task)
            return made
        try:
            await self._reopen(directory, prepared, made.change)
        except BaseException:
            if has_ended(directory / RUN_FILE_NAME):
                await self._use.release(header.run_id)
            raise
        return made

    async def _change_lease(self, run_id: str, prepared: PreparedRun) -> None:
        """Have what the plan wants of a shared instrument. Raises `RefusedRequestError`."""
        why = self._use.obstacle(prepared.wish, run_id)
        if why is not None:
            raise RefusedRequestError(why)
        if prepared.wish is not None:
            lease = lease_of(run_id, prepared.rig_name, prepared.plan, prepared.wish, self._clock.utc_second())
            await self._use.grant(lease)

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
            await self._take_up(directory)
        finally:
            self._starting.discard(rig_name)
        if rig_name in self._held:
            raise RefusedRequestError(f"the steps are appended; {rig_name} holds {self._held[rig_name]}")
        self._busy[rig_name].placed.runner.wish(ResumeRequested(by=change.by))

    def status(self) -> list[dict[str, Any]]:
        """Every rig, what runs on it, and why a run on it is held."""
        return [self._status_of(name) for name in self._rigs]

    async def idle(self) -> None:
        """Wait until no run is going on, waits for its turn or for its instruments: all ended, or wait for a person."""
        while (
            self._use.waiting
            or self._retrying
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
        held, waits = self._held.get(rig_name), self.waits(rig_name)
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
            said = self._known_rig(rig_name)
            await self._renew_lease(directory, header, said)
            wiring = rig_wiring(rig_name, said, diameter_mm(cell), self._shared)
            rig = await connect_rig(wiring, self._clock, self._chambers)
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

    async def _renew_lease(self, directory: Path, header: RunHeader, said: RigSettings) -> None:
        """A run from before its instrument was shared gets its lease, if it can; without one it may set nothing."""
        if self._use.has_lease(header.run_id):
            return
        plan = plan_in_force(directory / RUN_FILE_NAME, header)
        wish = wish_of(plan, said.shared.get("chamber"))
        why = self._use.obstacle(wish, header.run_id)
        if why is not None:
            log.warning("%s gets no lease: %s", header.run_id, why)
        elif wish is not None:
            await self._use.grant(lease_of(header.run_id, header.rig, plan, wish, self._clock.utc_second()))

    async def _take_up_later(self, rig_name: str, directory: Path) -> None:
        self._clock.join()
        try:
            for wait_second in itertools.chain(PATIENT_WAITS_SECOND, itertools.repeat(PATIENT_WAITS_SECOND[-1])):
                await wait_out(self._clock, self._clock.now_second() + wait_second)
                if rig_name in self._held:
                    await self._take_up(directory)
                if rig_name not in self._held:
                    return
        finally:
            del self._retrying[rig_name]
            self._changed.set()
            self._clock.leave()

    async def _take_up_now(self, rig_name: str, held: HeldRun) -> str:
        if held.directory is None:
            raise RefusedRequestError(f"{rig_name} holds {held}")
        await self._take_up(held.directory)
        if rig_name in self._held:
            raise RefusedRequestError(f"{rig_name} still holds {self._held[rig_name]}")
        return held.name

    def _count_usage(self) -> None:
        """Count, off the loop, what the runs that are not going on have used."""
        counting = asyncio.create_task(self._counted(), name="usage")
        self._counting.add(counting)
        counting.add_done_callback(self._counting.discard)

    async def _counted(self) -> None:
        try:
            await self._usage.catch_up({busy.placed.header.run_id for busy in self._busy.values()})
        except StoreError as error:
            log.warning("usage is not counted, which the next count makes good: %s", error)

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
        self._changed.set()

    def _status_of(self, rig_name: str) -> dict[str, Any]:
        busy, usage = self._busy.get(rig_name), self._usage.warnings(rig_name)
        if busy is None:
            held, waiting = self._held.get(rig_name), self._use.waits_at(rig_name)
            if waiting is not None and held is None:
                said = {"run_id": waiting.run_id, "reason": self.waits(rig_name)}
                return {"rig": rig_name, "state": "waiting", **said, "usage": usage}
            reason = str(held) if held else "; ".join(self._unknown) or self._use.why_left(rig_name)
            is_tried_again = rig_name in self._retrying
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

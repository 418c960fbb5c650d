"""Runs that are to be put back on their rigs: why one is held, what is tried again, what was already asked of it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from daemon.clock import Clock, wait_out
from daemon.events import ResumeRequested
from daemon.recover import UnfinishedRuns, rig_of
from daemon.runner import Runner
from daemon.running.link import PATIENT_WAITS_SECOND, SILENT
from daemon.service.preparing import RefusedRequestError
from daemon.service.rig_use import HeldRun
from daemon.store.errors import StoreError
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, RunHeader
from drivers.errors import DriverError

HOLDS = (DriverError, StoreError, RefusedRequestError, ValueError)
"""What forbids that a run is put back on its rig."""

Put = Callable[[Path, RunHeader], Awaitable[Runner]]

log = logging.getLogger(__name__)


class LeftRuns:
    """Takes up runs that somebody has left, and holds, by rig, those that it cannot."""

    def __init__(self, clock: Clock, *, put: Put, is_busy: Callable[[str], bool], tell: Callable[[], None]) -> None:
        """Nothing happens yet.

        Args:
            clock: of the station.
            put: puts the run of a folder back on its rig and carries it on; raises one of `HOLDS`, nothing touched.
            is_busy: whether a run is carried out on a rig.
            tell: is called when a run is tried again no more.
        """
        self._clock = clock
        self._put = put
        self._is_busy = is_busy
        self._tell = tell
        self._held: dict[str, HeldRun] = {}
        self._unknown: list[str] = []
        self._retrying: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    @property
    def unknown(self) -> str:
        """The runs that can't be read, and do not say on which rig they were; empty when there are none."""
        return "; ".join(self._unknown)

    @property
    def is_trying(self) -> bool:
        """Whether some run is tried again by itself."""
        return bool(self._retrying)

    def at(self, rig_name: str) -> HeldRun | None:
        """The run that is held for a rig."""
        return self._held.get(rig_name)

    def is_tried_again(self, rig_name: str) -> bool:
        """Whether the run of a rig is taken up by itself, once its instruments answer."""
        return rig_name in self._retrying

    def hold(self, rig_name: str, held: HeldRun) -> None:
        """A run can't go on at a rig, until somebody lets it be taken up again."""
        self._held[rig_name] = held

    def ask(self, rig_name: str, then: ResumeRequested | None) -> None:
        """What the run that is held for a rig is to do once it is taken up; None takes back what was asked before.

        It is not stored: a run that the next daemon takes up waits to be asked again.
        """
        if rig_name in self._held:
            self._held[rig_name] = dataclasses.replace(self._held[rig_name], then=then)

    async def take_up_all(self, found: UnfinishedRuns) -> None:
        """Take up what a dead daemon left."""
        for directory, why in found.unreadable.items():
            log.error("%s cannot be taken up: %s", directory.name, why)
            if (rig_name := rig_of(directory)) is not None:
                self.hold(rig_name, HeldRun(directory.name, f"{why}; move its folder away to free the rig"))
            else:
                self._unknown.append(f"{directory.name}, of a rig it does not say: {why}")
        for directory in found.left:
            await self.take_up(directory)

    async def take_up(self, directory: Path) -> None:
        """Put a run that was left back on its rig; what forbids it is told in the status, and nothing is touched."""
        async with self._turn:
            header = read_header(directory / RUN_FILE_NAME)
            if self._is_busy(header.rig):
                return
            try:
                runner = await self._put(directory, header)
            except HOLDS as error:
                self._not_taken_up(directory, header, error)
                return
            held = self._held.pop(header.rig, None)
            if held is not None and held.then is not None:
                runner.wish(held.then)

    async def take_up_now(self, rig_name: str) -> str:
        """Try again because somebody asks for it; answers the run's id. Raises `RefusedRequestError`."""
        held = self._held[rig_name]
        if held.directory is None:
            raise RefusedRequestError(f"{rig_name} holds {held}")
        await self.take_up(held.directory)
        if rig_name in self._held:
            raise RefusedRequestError(f"{rig_name} still holds {self._held[rig_name]}")
        return held.name

    async def close(self) -> None:
        """Try no more."""
        tasks = [*self._retrying.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _not_taken_up(self, directory: Path, header: RunHeader, error: Exception) -> None:
        log.warning("%s is held: %s", header.run_id, error)
        before = self._held.get(header.rig)
        self._held[header.rig] = HeldRun(header.run_id, str(error), directory, before.then if before else None)
        if isinstance(error, SILENT) and header.rig not in self._retrying:
            # After a power failure the PC is often there before its instruments.
            self._retrying[header.rig] = asyncio.create_task(self._take_up_later(header.rig, directory))

    async def _take_up_later(self, rig_name: str, directory: Path) -> None:
        self._clock.join()
        try:
            for wait_second in itertools.chain(PATIENT_WAITS_SECOND, itertools.repeat(PATIENT_WAITS_SECOND[-1])):
                await wait_out(self._clock, self._clock.now_second() + wait_second)
                if rig_name in self._held:
                    await self.take_up(directory)
                if rig_name not in self._held:
                    return
        finally:
            del self._retrying[rig_name]
            self._tell()
            self._clock.leave()

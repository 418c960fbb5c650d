"""Publishes what the stores hold, run after run: one task owns the connection, one thread reads the files.

Nothing here is awaited by what measures: it calls `nudge`, which sets a flag.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from daemon.clock import Clock, real_second
from daemon.publish import payloads
from daemon.publish.cursors import STATION_FILE_NAME, Cursors
from daemon.publish.outbox import Batch, Glance, Outbox
from daemon.publish.outlet import Outlet, OutletLostError, Sender
from daemon.publish.payloads import Message
from daemon.publish.retained import Retained
from daemon.publish.topics import StationTopics
from daemon.store.errors import StoreError
from daemon.store.records import RunHeader
from daemon.store.run_file import RunFile

RUN_FILE_NAME = "run.sqlite"
GLANCE_EVERY_REAL_SECOND = 1.0
POLL_EVERY_REAL_SECOND = 5.0
"""How long a forgotten nudge goes unnoticed, and a file that could not be read stays unread."""
RECONNECT_AFTER_SECOND = (1.0, 60.0)
"""The first and the longest wait between tries to connect, of real time; each is up to half shorter by chance."""
LEAVE_WITHIN_SECOND = 3.0

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Feed:
    """One run on its way to the sink; `unsent` was taken from the outbox and isn't acknowledged yet."""

    outbox: Outbox
    unsent: Batch = field(default_factory=Batch)
    state: str = "init"


class Publisher:
    """One station's messages to one broker, from `async with` to its end.

    A broker that is absent, restarts, freezes or forgets delays messages and loses none: every row goes out from the
    store, after the last one this sink acknowledged, and again if that is in doubt.
    """

    def __init__(
        self,
        outlet: Outlet,
        topics: StationTopics,
        data_directory: Path,
        clock: Clock,
        *,
        reconnect_after_second: tuple[float, float] = RECONNECT_AFTER_SECOND,
        poll_every_second: float = POLL_EVERY_REAL_SECOND,
    ) -> None:
        self.connected = asyncio.Event()
        self._outlet = outlet
        self._topics = topics
        self._data_directory = data_directory
        self._clock = clock
        self._first_wait_second, self._longest_wait_second = reconnect_after_second
        self._poll_every_second = poll_every_second
        self._rest = {"boot_id": secrets.token_hex(4), "version": version("presscell")}
        self._feeds: list[_Feed] = []
        self._retained = Retained()
        self._glanced_second = float("-inf")
        self._glance_due = False
        self._wake, self._idle, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publish")

    async def __aenter__(self) -> Self:
        """Begin to publish. Raises `StoreError` when the station's file can't be opened."""
        try:
            self._cursors = await self._in_thread(self._open_cursors)
        except BaseException:
            self._thread.shutdown()
            raise
        self._task = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye if the broker listens, and stop; what isn't published stays for the next time."""
        self._closing.set()
        self._wake.set()
        _, late = await asyncio.wait([self._task], timeout=LEAVE_WITHIN_SECOND)
        if late:
            self._task.cancel()
        outcome = (await asyncio.gather(self._task, return_exceptions=True))[0]
        if isinstance(outcome, Exception):
            log.error("publishing ended early", exc_info=outcome)
        await self._in_thread(self._close_files)
        self._thread.shutdown()

    def follow(self, run_directory: Path, header: RunHeader) -> None:
        """Publish a run from its first row the sink hasn't got, while it grows and after it.

        Raises:
            ValueError: the rig's name can't be a level of a topic.
        """
        outbox = Outbox(run_directory / RUN_FILE_NAME, header, self._topics.rig(header.rig), {})
        self._feeds.append(_Feed(outbox))
        self.nudge()

    async def resume(self) -> list[str]:
        """Follow the runs this sink hasn't got all of, from earlier times; answers their ids. Raises `StoreError`."""
        known = {feed.outbox.run_id for feed in self._feeds}
        found = []
        for directory in await self._in_thread(self._cursors.waiting):
            with suppress(StoreError, ValueError):
                header = await self._in_thread(lambda at=directory: _header(at))
                if header.run_id not in known:
                    self.follow(directory, header)
                    found.append(header.run_id)
        return found

    def nudge(self) -> None:
        """Something was stored: publish it soon. Costs nothing; call it from the loop's thread."""
        self._idle.clear()
        self._wake.set()

    async def drained(self, within_real_second: float) -> bool:
        """Whether the broker has acknowledged all that is stored by now, before a time is up.

        Afterwards no run's file is open here until something new is stored, so that its owner can seal it.
        """
        self.nudge()
        try:
            async with asyncio.timeout(within_real_second):
                await self._idle.wait()
        except TimeoutError:
            return False
        finally:
            await self._in_thread(self._rest_files)
        return True

    async def lag_rows(self) -> int:
        """Rows of all runs that are stored and not acknowledged. Raises `StoreError`."""
        lags = [await self._in_thread(feed.outbox.lag_rows) for feed in self._feeds]
        return sum(lags)

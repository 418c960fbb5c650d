"""Publishes what the stores hold, run after run: one task owns the connection, one thread reads the files.

Nothing here is awaited by what measures: it calls `nudge`, which sets a flag.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from daemon.clock import Clock, real_second
from daemon.publish import payloads
from daemon.publish.cursors import Cursors
from daemon.publish.outbox import MESSAGES_A_BATCH, Batch, Outbox
from daemon.publish.outlet import Outlet, OutletLostError, Sender
from daemon.publish.payloads import Message
from daemon.publish.retained import Retained
from daemon.publish.topics import StationTopics
from daemon.store.errors import StoreError
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, RunHeader
from daemon.store.station_tables import STATION_FILE_NAME

TURN_EVERY_REAL_SECOND = 0.1
"""What is stored at a faster beat goes out together, so that a fast simulation isn't slowed by who listens."""
GLANCE_EVERY_REAL_SECOND = 1.0
POLL_EVERY_REAL_SECOND = 5.0
"""How long a forgotten nudge goes unnoticed, and a file that could not be read stays unread."""
RECONNECT_AFTER_SECOND = (1.0, 60.0)
"""The first and the longest wait between tries to connect, of real time; each is up to half shorter by chance."""
STEADY_AFTER_REAL_SECOND = 10.0
"""A connection that lasted so long was a good one: the next wait is the first again."""
LEAVE_WITHIN_SECOND = 3.0

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Feed:
    """One run on its way to the sink."""

    outbox: Outbox
    sent: Batch | None = None
    """What the sink has acknowledged and the outbox doesn't know yet."""
    state: str = "init"
    done: bool = False
    """The sink has all there was when this was last looked at, and the run is over."""


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
        self._followed: set[Path] = set()
        self._retained = Retained()
        self._glanced_second = float("-inf")
        self._glance_wanted = False
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._hurried, self._closing = asyncio.Event(), asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publish")

    async def __aenter__(self) -> Self:
        """Begin to publish. Raises `StoreError` when the station's file can't be opened."""
        try:
            await self._in_thread(self._open_cursors)
        except BaseException:
            self._thread.shutdown()
            raise
        self._task = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye if the broker listens, and stop; what isn't published stays for the next time."""
        for event in (self._closing, self._hurried, self._wake):
            event.set()
        _, late = await asyncio.wait([self._task], timeout=LEAVE_WITHIN_SECOND)
        while late:
            self._task.cancel()
            _, late = await asyncio.wait([self._task], timeout=LEAVE_WITHIN_SECOND)
        [outcome] = await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.error("publishing ended early", exc_info=outcome)
        await self._in_thread(self._close_files)
        self._thread.shutdown()

    def follow(self, run_directory: Path, header: RunHeader) -> None:
        """Publish a run from its first row the sink hasn't got, while it grows and after it. Twice is once.

        Raises:
            ValueError: the rig's name can't be a level of a topic.
        """
        if run_directory in self._followed:
            for feed in self._feeds:
                if feed.outbox.header.run_id == header.run_id:
                    self._thread.submit(_begin, feed.outbox)
            self.nudge()
            return
        self._followed.add(run_directory)
        topics = self._topics.rig(header.rig)
        feed = _Feed(Outbox(run_directory / RUN_FILE_NAME, header, topics, self._cursors))
        self._feeds.append(feed)
        self._thread.submit(_begin, feed.outbox)
        self.nudge()

    async def resume(self) -> list[str]:
        """Follow the runs this sink hasn't got all of, from earlier times; answers their ids. Raises `StoreError`."""
        known = {feed.outbox.header.run_id for feed in self._feeds}
        found = []
        for directory in await self._in_thread(self._cursors.waiting):
            try:
                header = await self._in_thread(partial(read_header, directory / RUN_FILE_NAME))
                if header.run_id not in known:
                    self.follow(directory, header)
                    found.append(header.run_id)
            except (StoreError, ValueError) as error:
                log.warning("an earlier run is not published: %s", error)
        return found

    def nudge(self) -> None:
        """Something was stored: publish it soon. Costs nothing; call it from the loop's thread."""
        for feed in self._feeds:
            feed.done = False
        self._idle.clear()
        self._wake.set()

    async def drained(self, within_real_second: float) -> bool:
        """Whether the broker has acknowledged all that is stored by now, before a time is up.

        Afterwards no run's file is open here until something new is stored, so that its owner can seal it.
        """
        self._hurried.set()
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
        return sum([await self._in_thread(feed.outbox.lag_rows) for feed in self._feeds])

    async def _run(self) -> None:
        wait_second = self._first_wait_second
        while not self._closing.is_set():
            began_second = real_second()
            try:
                will = Message(self._topics.availability, payloads.OFFLINE, retain=True)
                async with self._outlet.connect(will) as sender:
                    await self._serve_until_lost(sender)
            except OutletLostError as error:
                if real_second() - began_second > STEADY_AFTER_REAL_SECOND:
                    wait_second = self._first_wait_second
                log.warning("%s; trying again in %.1f s at most", error, wait_second)
            finally:
                self.connected.clear()
            await self._unless_closing(random.uniform(0.5, 1.0) * wait_second)  # noqa: S311
            wait_second = min(2 * wait_second, self._longest_wait_second)

    async def _serve_until_lost(self, sender: Sender) -> None:
        """Publish until there is no reason to (closing), or no way. Raises `OutletLostError`."""
        lost, served = asyncio.create_task(sender.lost()), asyncio.create_task(self._serve(sender))
        try:
            await asyncio.wait([lost, served], return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            served.cancel()
            reason, outcome = await asyncio.gather(lost, served, return_exceptions=True)
        for error in (reason, outcome):
            if isinstance(error, Exception):
                raise error

    async def _serve(self, sender: Sender) -> None:
        self._retained.forget_broker()
        for feed in self._feeds:
            await self._in_thread(feed.outbox.repeat)
            feed.done = False
        self._retained.want(*self._of_the_station())
        await self._send_due(sender)
        self.connected.set()
        while not self._closing.is_set():
            self._wake.clear()
            turn_second, hurry = real_second(), self._hurried.is_set()
            sent = [await self._forward(feed, sender) for feed in list(self._feeds)]
            moved = any(sent)
            self._glance_wanted |= moved or hurry
            if self._glance_wanted and (self._glance_in_second() <= 0 or (hurry and not moved)):
                await self._glance(sender)
            if not moved and not self._wake.is_set():
                if None not in sent:
                    self._hurried.clear()
                    self._idle.set()
                await self._wait()
            if max((count or 0 for count in sent), default=0) < MESSAGES_A_BATCH:
                await self._unless_hurried(turn_second + TURN_EVERY_REAL_SECOND - real_second())
        self._retained.want(*self._of_the_station(leaving=True))
        await self._send_due(sender)

    async def _wait(self) -> None:
        second = self._poll_every_second
        if self._glance_wanted:
            second = min(second, max(0.0, self._glance_in_second()))
        with suppress(TimeoutError):
            async with asyncio.timeout(second):
                await self._wake.wait()

    async def _forward(self, feed: _Feed, sender: Sender) -> int | None:
        """Publish a batch of a run; how many messages that were (1 for none but progress), None for a file unread."""
        if feed.done:
            return 0
        sent, feed.sent = feed.sent, None
        try:
            batch = await self._in_thread(partial(feed.outbox.exchange, sent, sender.wanted))
            if not batch and feed.outbox.over:
                await self._in_thread(feed.outbox.finish)
                feed.done = True
        except StoreError as error:
            log.error("not published for now: %s", error)
            return None
        if batch:
            await self._send(sender, batch.messages)
            feed.sent = batch
        return len(batch.messages) or bool(batch)

    async def _glance(self, sender: Sender) -> None:
        """Publish how things stand now, of each rig's latest run."""
        self._glance_wanted, self._glanced_second = False, real_second()
        latest = {feed.outbox.topics: feed for feed in self._feeds}
        self._feeds = [feed for feed in self._feeds if not feed.done or feed in latest.values()]
        alarms_before = self._retained.alarm_topics
        lives: list[Message] = []
        for topics, feed in latest.items():
            try:
                glance = await self._in_thread(partial(feed.outbox.glance, self._clock.utc_second(), self._rest))
                if feed.done:
                    await self._in_thread(feed.outbox.rest)
            except StoreError as error:
                log.error("not shown for now: %s", error)
                continue
            feed.state = glance.state
            self._retained.want(*glance.retained)
            self._retained.want_alarms(topics.alarms, glance.alarms)
            lives += [glance.live] if glance.live else []
        self._retained.want(*self._of_the_station())
        # Noted before the broker has it: who dies in between must know of it, to clear it one day.
        await self._note_alarms(alarms_before)
        alarms_noted = self._retained.alarm_topics
        await self._send_due(sender)
        await self._send(sender, lives)
        await self._note_alarms(alarms_noted)

    async def _note_alarms(self, before: frozenset[str]) -> None:
        now = self._retained.alarm_topics
        if now != before:
            with suppress(StoreError):
                await self._in_thread(partial(self._cursors.shows, now - before, before - now))

    async def _send_due(self, sender: Sender) -> None:
        await self._send(sender, self._retained.due())

    async def _send(self, sender: Sender, messages: Iterable[Message]) -> None:
        """Publish in order, several in flight; answers when all are acknowledged. Raises `OutletLostError`."""
        messages = tuple(messages)
        await _all_or_none(*(sender.send(message) for message in messages))
        for message in messages:
            if message.retain:
                self._retained.want(message)
                self._retained.confirm(message)

    def _of_the_station(self, *, leaving: bool = False) -> tuple[Message, ...]:
        running = any(feed.state == "running" for feed in self._feeds)
        state = "disconnected" if leaving else "running" if running else "ready"
        described = payloads.station_description(self._topics.site, self._topics.station, self._rest["version"])
        return (
            Message(self._topics.description, described, retain=True),
            Message(self._topics.state, payloads.station_state(state, self._rest), retain=True),
            Message(self._topics.availability, payloads.OFFLINE if leaving else payloads.ONLINE, retain=True),
        )

    def _glance_in_second(self) -> float:
        return self._glanced_second + GLANCE_EVERY_REAL_SECOND - real_second()

    async def _unless_hurried(self, second: float) -> None:
        if second > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(second):
                    await self._hurried.wait()

    async def _unless_closing(self, second: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(second):
                await self._closing.wait()

    def _open_cursors(self) -> None:
        sink = self._outlet.sink
        path = None if sink is None else self._data_directory / STATION_FILE_NAME
        self._data_directory.mkdir(parents=True, exist_ok=True)
        self._cursors = Cursors(path, sink or "embedded")
        self._retained = Retained(self._cursors.alarms())

    def _rest_files(self) -> None:
        for feed in self._feeds:
            feed.outbox.rest()

    def _close_files(self) -> None:
        self._rest_files()
        self._cursors.close()

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _begin(outbox: Outbox) -> None:
    try:
        outbox.begin()
    except StoreError as error:
        log.error("an unfinished run may not be published after a restart: %s", error)


async def _all_or_none(*works: Coroutine[Any, Any, None]) -> None:
    """All at once; when one fails or the whole is cancelled, none is left behind."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except* OutletLostError as errors:
        raise errors.exceptions[0] from None

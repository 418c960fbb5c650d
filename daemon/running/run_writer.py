"""Writes a run's file off the loop, again and again while another program holds it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from daemon.clock import Clock
from daemon.crash_points import reach
from daemon.deciding.run_state import Run, encode_run
from daemon.deciding.telling import words
from daemon.events import Event, encode_event, kind_of
from daemon.plan import CELL_STREAM
from daemon.store.blocks import Block
from daemon.store.errors import StoreError
from daemon.store.records import JournalEntry
from daemon.store.run_file import RunFile

WRITES_WHILE_LOCKED = 60
"""How often a write is repeated while another program holds the file locked; each try waits some seconds itself."""

log = logging.getLogger(__name__)


class RunWriter:
    """The one who writes a run's file."""

    def __init__(self, run_file: RunFile, clock: Clock, while_locked: Callable[[], Awaitable[None]]) -> None:
        """`while_locked` is awaited before each further try."""
        self._file = run_file
        self._clock = clock
        self._while_locked = while_locked
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def close(self) -> None:
        """End the thread; the file stays open."""
        self._thread.shutdown()

    async def commit(
        self,
        before: Run,
        run: Run,
        event: Event,
        at_second: float,
        blocks: tuple[Block, ...] = (),
        *,
        tries: int = WRITES_WHILE_LOCKED + 1,
    ) -> None:
        """Make an event, its rows and the run after it durable. Raises `StoreError`."""
        utc_second = self._clock.utc_second()
        entries = [
            JournalEntry(run_time_second=at_second, utc_second=utc_second, kind=kind_of(told), body=encode_event(told))
            for told in (event, *words(before, run))
        ]
        snapshot = encode_run(run)
        await self._store(lambda: self._file.commit(entries, blocks, snapshot), tries)

    async def compact(self, segment: int, streams: Iterable[str]) -> None:
        """Pack a finished segment, and what the other streams have gathered by then. Raises `StoreError`."""
        reach("before_compaction")
        await self._store(lambda: self._file.compact_segment(CELL_STREAM, segment))
        for stream in streams:
            await self._store(partial(self._file.compact_segment, stream, 0))
        reach("after_compaction")

    async def _store(self, work: Callable[[], object], tries: int = WRITES_WHILE_LOCKED + 1) -> None:
        for left in range(tries - 1, -1, -1):
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except StoreError as error:
                if not left or not error.is_locked:
                    raise
                log.warning("%s; nothing is lost, trying again", error)
                await self._while_locked()
            else:
                return

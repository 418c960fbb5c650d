"""Tends the runs that wait for a shared instrument: begins them in turn, keeps their cells at open circuit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from daemon.clock import Clock, is_due
from daemon.running.link import SILENT
from daemon.service.shared_use import SharedUse
from daemon.sharing import Waiting
from daemon.store.errors import StoreError
from drivers.errors import DriverError
from protocols.units import time_text

CHECK_SECOND = 60.0
"""So often each waiting cell is brought to open circuit anew, and what could not be done is tried again."""

_FAULT = "by a fault that nobody foresaw, to be tried again"

log = logging.getLogger(__name__)
Act = Callable[[Waiting], Awaitable[None]]


class CannotBeginError(Exception):
    """A run that waited is refused now; the text says why."""


class RunQueue:
    """At work while somebody waits."""

    def __init__(
        self, use: SharedUse, clock: Clock, *, begin: Act, bring_to_open_circuit: Act, tell: Callable[[], None]
    ) -> None:
        """Nothing happens before `look`.

        Args:
            use: leases and queue.
            clock: of the station.
            begin: carries a run out whose turn it is. `CannotBeginError` ends the wait, a silent instrument does not.
            bring_to_open_circuit: of a waiting run's cell, verified; raises `DriverError`.
            tell: is called after each look, when the queue may be another one.
        """
        self._use = use
        self._clock = clock
        self._begin = begin
        self._bring_to_open_circuit = bring_to_open_circuit
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._is_to_look = False
        self._opening = ""
        self._opened_second: dict[str, float] = {}
        self._not_begun: dict[str, str] = {}
        self._not_open: dict[str, str] = {}
        self._not_tended = ""

    def look(self) -> None:
        """Something has changed: see soon whether somebody may begin."""
        self._is_to_look = True
        if self._use.waiting and (self._task is None or self._task.done()):
            # It takes part from now on: simulated time must not pass before it has begun.
            self._clock.join()
            self._task = asyncio.create_task(self._tend(), name="queue")
            self._task.add_done_callback(self._no_more_tended)
        self._clock.nudge()

    def is_at_open_circuit(self, run_id: str) -> None:
        """The cell of a waiting run was just brought to open circuit."""
        self._opened_second[run_id] = self._clock.now_second()

    def is_opening(self, rig: str) -> bool:
        """Whether a rig's cell is just being brought to open circuit: who began a run now would have it cut off."""
        return rig == self._opening

    def trouble_of(self, run_id: str) -> str:
        """What could not be done for a waiting run; empty when all is well."""
        troubles = (self._not_begun.get(run_id, ""), self._not_open.get(run_id, ""), self._not_tended)
        return "; ".join(trouble for trouble in troubles if trouble)

    async def close(self) -> None:
        """Tend no more; who waits goes on waiting, and the next daemon tends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _no_more_tended(self, task: asyncio.Task[None]) -> None:
        self._clock.leave()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The clock itself: whoever has something to say lets the queue be looked at again.
            log.error("the queue is not tended: %s", error, exc_info=error)
            self._not_tended = f"the queue is not tended: {error}"
            self._tell()

    async def _tend(self) -> None:
        self._not_tended = ""
        while self._use.waiting:
            self._is_to_look = False
            for one in self._use.waiting:
                await self._take_turn_or_say_why(one)
            await self._open_all()
            self._tell()
            if self._use.waiting and not self._is_to_look:
                await self._clock.wait_until(self._next_second())

    async def _take_turn_or_say_why(self, one: Waiting) -> None:
        """One run's trouble, whatever it is, keeps no other from its turn; its own comes again with the next look."""
        try:
            await self._take_turn(one)
        except StoreError as error:
            log.error("the queue cannot be written, to be tried again: %s", error)
            self._not_begun[one.run_id] = f"the disk refuses, to be tried again: {error}"
        except Exception as error:
            log.exception("the turn of %s was not taken", one.run_id)
            self._not_begun[one.run_id] = f"{_FAULT}: {_said(error)}"

    async def _take_turn(self, one: Waiting) -> None:
        if not self._use.may_begin(one):
            # Somebody stopped it while another began.
            return
        if self._use.waited_second(one) >= one.longest_wait_second:
            obstacle = self._use.obstacle(one.wish, one.run_id) or self.trouble_of(one.run_id)
            waited = time_text(one.longest_wait_second)
            await self._use.leave(one, f"it waited {waited}, which was its longest: {obstacle}")
        else:
            self._not_begun.pop(one.run_id, None)
            if self._use.obstacle(one.wish, one.run_id) is None:
                await self._begin_or_wait(one)

    async def _open_all(self) -> None:
        for one in self._use.waiting:
            last_second = self._opened_second.get(one.run_id)
            is_opened = last_second is not None and not is_due(self._clock, last_second + CHECK_SECOND)
            if not is_opened and self._use.may_begin(one):
                await self._open(one)

    async def _begin_or_wait(self, one: Waiting) -> None:
        try:
            await self._begin(one)
        except SILENT as error:
            log.warning("%s cannot begin yet: %s", one.run_id, error)
            self._not_begun[one.run_id] = f"it could not begin yet: {error}"
        except CannotBeginError as error:
            await self._use.leave(one, f"it could not begin: {error}")

    async def _open(self, one: Waiting) -> None:
        self.is_at_open_circuit(one.run_id)
        self._opening = one.rig
        try:
            await self._bring_to_open_circuit(one)
        except DriverError as error:
            log.error("the cell of %s, which waits, may be driven: %s", one.run_id, error)
            self._not_open[one.run_id] = f"not known to be at open circuit: {error}"
        except Exception as error:
            log.exception("the cell of %s, which waits, may be driven", one.run_id)
            self._not_open[one.run_id] = f"not known to be at open circuit, {_FAULT}: {_said(error)}"
        else:
            self._not_open.pop(one.run_id, None)
        finally:
            self._opening = ""

    def _next_second(self) -> float:
        now_second = self._clock.now_second()
        ends = [now_second + one.longest_wait_second - self._use.waited_second(one) for one in self._use.waiting]
        opens = [self._opened_second.get(one.run_id, now_second) + CHECK_SECOND for one in self._use.waiting]
        # One that is over already could not be taken out: that is tried again with the next check, not at once.
        return min([*(due for due in (*ends, *opens) if not is_due(self._clock, due)), now_second + CHECK_SECOND])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

"""Looks at a chiller every second, for as long as a run lasts."""

from __future__ import annotations

import asyncio

from daemon.clock import Clock, wait_out
from daemon.mill.cooling import Cooling

LOOK_EVERY_SECOND = 1.0
RECONNECT_EVERY_SECOND = 5.0


class ChillerWatch:
    """A task of its own: a chiller that answers slowly must not keep anyone from speaking to the drive."""

    def __init__(self, cooling: Cooling, clock: Clock) -> None:
        self._cooling = cooling
        self._clock = clock
        clock.join()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Look no more, and let it cool on alone."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._clock.leave()
        await self._cooling.disarm()

    async def _watch(self) -> None:
        while True:
            await self._cooling.keep_up()
            is_patient = self._cooling.is_lost and not self._cooling.is_wanted
            due_second = self._clock.now_second() + (RECONNECT_EVERY_SECOND if is_patient else LOOK_EVERY_SECOND)
            await wait_out(self._clock, due_second)

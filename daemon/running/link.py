"""The way to one instrument: asks, mends the way when it fails, and knows when it is worth trying again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from daemon.clock import Clock
from daemon.plan import LinkLoss
from daemon.running.link_states import LinkWatch, after_silence, after_time
from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError

PATIENT_WAITS_SECOND = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Between tries; then the last again and again: a segment runs by itself, and its rows wait in the instrument."""
HASTY_WAITS_SECOND = (0.0, 0.5, 1.0, 2.0, 5.0)
"""For what must be known soon: whether the cell is at open circuit."""
SILENT = (LinkLostError, NoReplyError, BadReplyError)
"""After these the way is closed: what was asked may have happened, and what comes late is thrown away."""

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Instrument(Protocol):
    """What can be connected anew."""

    async def connect(self) -> object:
        """Open (or reopen) the link and identify."""
        ...


class Backoff:
    """When to try again: later and later."""

    def __init__(self) -> None:
        self.next_second = 0.0
        self._failures = 0

    def failed(self, now_second: float) -> None:
        """A try has failed."""
        last = len(PATIENT_WAITS_SECOND) - 1
        self.next_second = now_second + PATIENT_WAITS_SECOND[min(self._failures, last)]
        self._failures += 1

    def reset(self) -> None:
        """It has worked, or is to be tried at once."""
        self.next_second, self._failures = 0.0, 0


class Link:
    """The way to one instrument. Only for questions that may be repeated."""

    def __init__(self, instrument: Instrument, clock: Clock, times: LinkLoss) -> None:
        self.last_error: DriverError | None = None
        self.times = times
        """After which its silence means what; may be changed at any time."""
        self._instrument = instrument
        self._clock = clock
        self._watch = LinkWatch()
        self._backoff = Backoff()
        self._is_down = False

    @property
    def next_try_second(self) -> float:
        """The clock's second before which asking is not worth while; 0 when the way is up."""
        return self._backoff.next_second

    def watch(self) -> LinkWatch:
        """What the instrument's silence means by now."""
        self._watch = after_time(self._watch, self._clock.now_second(), self.times)
        return self._watch

    async def ask(self, question: Callable[[], Awaitable[Answer]], *, heals: bool = True) -> Answer:
        """The answer; a way that fails is mended at once, and once.

        `heals`: an answer ends the silence. One to a question that only leads up to another does not.

        Raises:
            LinkLostError, NoReplyError, BadReplyError: the way is down. It is mended at the next question.
            DriverError: any other, at once.
        """
        try:
            if self._is_down:
                await self._instrument.connect()
            try:
                answer = await question()
            except SILENT as error:
                log.warning("%s; reconnecting", error)
                await self._instrument.connect()
                answer = await question()
        except DriverError as error:
            if isinstance(error, SILENT):
                self._broke(error)
            raise
        self._is_down = False
        if heals:
            self.last_error = None
            self._backoff.reset()
            self._watch = LinkWatch()
        return answer

    async def insist(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer within some seconds. Raises as `ask`, the last of its errors."""
        *waits_second, last_second = HASTY_WAITS_SECOND
        for wait_second in waits_second:
            await self._clock.wait_until(self._clock.now_second() + wait_second)
            try:
                return await self.ask(question)
            except SILENT as error:
                log.info("%s; trying again", error)
        await self._clock.wait_until(self._clock.now_second() + last_second)
        return await self.ask(question)

    def _broke(self, error: DriverError) -> None:
        now_second = self._clock.now_second()
        self._is_down, self.last_error = True, error
        self._backoff.failed(now_second)
        self._watch = after_silence(self._watch, now_second, self.times)

"""Keeping the way to an instrument up: ask, and when it fails reconnect and ask again, with growing waits between."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from daemon.clock import Clock
from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError

PATIENT_WAITS_SECOND = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Then the last again and again: a segment runs by itself, and its rows wait in the instrument."""
HASTY_WAITS_SECOND = (0.0, 0.5, 1.0, 2.0, 5.0)
"""For what must be known soon: whether the cell is at open circuit."""

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Instrument(Protocol):
    """What can be connected anew."""

    async def connect(self) -> object:
        """Open (or reopen) the link and identify."""
        ...


class Link:
    """The way to one instrument. Only for questions that may be repeated."""

    def __init__(self, instrument: Instrument, clock: Clock, is_given_up: Callable[[], bool]) -> None:
        """`is_given_up` tells a patient wait that nobody wants the answer any more."""
        self._instrument = instrument
        self._clock = clock
        self._is_given_up = is_given_up

    async def ask(self, question: Callable[[], Awaitable[Answer]], *, patiently: bool = True) -> Answer:
        """The answer, however long it takes when asked patiently, else within some seconds.

        Raises:
            LinkLostError, NoReplyError, BadReplyError: the last of them, given up.
            DriverError: any other, at once.
        """
        waits_second = _waits() if patiently else iter(HASTY_WAITS_SECOND)
        while True:
            try:
                return await question()
            except (LinkLostError, NoReplyError, BadReplyError) as error:
                log.warning("%s; reconnecting", error)
                await self._reconnect(waits_second, error, patiently=patiently)

    async def _reconnect(self, waits_second: Iterator[float], cause: DriverError, *, patiently: bool) -> None:
        for wait_second in waits_second:
            if patiently and self._is_given_up():
                break
            await self._clock.wait_until(self._clock.now_second() + wait_second)
            try:
                await self._instrument.connect()
            except (LinkLostError, NoReplyError, BadReplyError) as error:
                log.info("%s; trying again", error)
                cause = error
            else:
                return
        raise cause


def _waits() -> Iterator[float]:
    return itertools.chain(PATIENT_WAITS_SECOND, itertools.repeat(PATIENT_WAITS_SECOND[-1]))

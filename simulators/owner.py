"""Who owns the bench's time, and what becomes of it when nobody does."""

import asyncio
from collections.abc import Callable
from typing import Literal

from simulators.bench import Bench
from simulators.device import SECOND_NS
from simulators.pace import Timekeeper

NEVER_OWNED_SECOND = 30.0
"""Real time within which somebody must own a bench that is to end with its owner."""

GRACE_SECOND = 10.0
"""Real time a new owner has, before a bench that is to end with its owner ends."""

RUN_ON_SECOND = 60.0
"""Real time a bench that is to end may take to run its busy instruments to their ends."""

LONGEST_RUN_ON_NS = 100 * 86_400 * SECOND_NS
ASK_AGAIN_SECOND = 0.1

OnOwnerLost = Literal["run_on", "freeze"]


class OwnedError(Exception):
    """Somebody else owns the time."""


class Ownership:
    """At most one owner at a time; between owners time runs by the clock, runs on, or stands.

    Args:
        speed: simulated seconds per real second before the first owner comes; 0 lets time stand.
        end_when_lost: end some time after the owner vanished; time stands until the first one comes.
        stop: called with the reason when the bench is to end.
    """

    def __init__(
        self, bench: Bench, keeper: Timekeeper, *, speed: float, end_when_lost: bool, stop: Callable[[str], None]
    ) -> None:
        self._bench = bench
        self._keeper = keeper
        self._end_when_lost = end_when_lost
        self._stop = stop
        self._owner: object | None = None
        self._at_pace = False
        self._on_lost: OnOwnerLost = "run_on"
        self._ending: asyncio.TimerHandle | None = None
        self._lost_real_second = 0.0
        if end_when_lost:
            self._ending = asyncio.get_running_loop().call_later(NEVER_OWNED_SECOND, stop, "no_owner")
        elif speed:
            keeper.set_pace(speed)
            keeper.run_with_the_clock()

    def owned_by(self, who: object) -> bool:
        """Whether time moves only when `who` says so."""
        return self._owner is who

    @property
    def at_pace(self) -> bool:
        """Whether the owner wants time paced."""
        return self._at_pace

    def take(self, who: object, speed: float | Literal["max"], on_lost: OnOwnerLost) -> None:
        """Make `who` the owner, or change what the owner wants. Time stands from here on, outside advances.

        Raises:
            OwnedError: somebody else owns it.
        """
        if self._owner not in {None, who}:
            raise OwnedError("the time of this bench has an owner already, and can have only one")
        if self._ending is not None:
            self._ending.cancel()
        self._owner = who
        self._at_pace = speed != "max"
        self._on_lost = on_lost
        self._keeper.stand()
        if speed != "max":
            self._keeper.set_pace(speed)
        self._bench.write("owner", speed=speed, on_owner_lost=on_lost)

    def lose(self, who: object) -> None:
        """A connection has closed; if it was the owner's, do what it wanted for this case."""
        if self._owner is not who:
            return
        self._owner = None
        busy = [name for name, device in self._bench.devices.items() if device.busy]
        self._bench.write("owner_lost", on_owner_lost=self._on_lost, busy=busy)
        if self._on_lost == "freeze":
            self._keeper.stand()
        elif self._at_pace:
            self._keeper.run_with_the_clock()
        else:
            self._keeper.run_until_idle(LONGEST_RUN_ON_NS, self._has_run_on)
        if self._end_when_lost:
            loop = asyncio.get_running_loop()
            self._lost_real_second = loop.time()
            self._ending = loop.call_later(GRACE_SECOND, self._end_if_idle)

    def close(self) -> None:
        """The bench ends: ask for nothing more."""
        if self._ending is not None:
            self._ending.cancel()

    def _has_run_on(self, stopped_by: str | None) -> None:  # noqa: ARG002
        self._bench.write("ran_on", busy=self._bench.busy)

    def _end_if_idle(self) -> None:
        loop = asyncio.get_running_loop()
        waited_second = loop.time() - self._lost_real_second
        if self._bench.busy and self._on_lost == "run_on" and waited_second < RUN_ON_SECOND:
            self._ending = loop.call_later(ASK_AGAIN_SECOND, self._end_if_idle)
        else:
            self._stop("owner_lost")

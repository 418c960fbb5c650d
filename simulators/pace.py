"""Moves the bench's time along with the real clock, or as fast as it goes, in slices that let the cables be served."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from simulators.appointments import NEVER_NS, Appointments
from simulators.bench import Bench
from simulators.device import SECOND_NS

TICK_SECOND = 0.02
"""Real time between two slices at a pace."""

LAG_FORGIVEN_SECOND = 1.0
"""Real time a pace may be behind and still be caught up with; a longer pause is not made good."""

QUICK_SECOND, SLOW_SECOND = 0.02, 0.04
"""Real time a slice should take to compute: below, the next one is longer; above, shorter."""

FIRST_CHUNK_NS = 60 * SECOND_NS
LONGEST_CHUNK_NS = 3600 * SECOND_NS
SHORTEST_CHUNK_NS = SECOND_NS // 1000

SHORTEST_WAIT_SECOND = 1e-6
"""Above the resolution of the event loop's timers, so that each wait lets real time pass."""

CABLE = "cable"
"""What an advance says that stopped because a cable is full."""

ENDLESS_NS = NEVER_NS

Done = Callable[[str | None], None]
"""Called when a movement is over, with the name of the instrument that ended it early, or None."""


@dataclass
class _Movement:
    goal_ns: int
    at_pace: bool
    stop_every_ns: int | None
    done: Done
    until_idle: bool = False
    stops_for_cables: bool = False
    is_cable_full: bool = False


def _nothing(stopped_by: str | None) -> None:
    """Nobody waits for the end of this movement."""


class Timekeeper:
    """The only one who moves the bench's time; one movement at a time, a new one replaces the old.

    `appointments` are kept whoever moves it: what happens then comes before anything the instruments do at that time.

    Real time comes from the event loop. At a pace, time is anchored: no drift adds up over many advances.

    Args:
        bench: whose time it is.
        loop: of the process.
        deliver: puts what was sent unasked on the cables, each time time has moved.
        reach_ns: how far time may move until a host must read; an advance goes no farther, and says `CABLE`.
    """

    def __init__(
        self,
        bench: Bench,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[], None] = lambda: None,
        reach_ns: Callable[[], int] = lambda: ENDLESS_NS,
    ) -> None:
        self._bench = bench
        self._deliver = deliver
        self._cables_reach_ns = reach_ns
        self._loop = loop
        self._pace = 1.0
        self._anchor_ns = bench.now_ns
        self._anchor_real_second = loop.time()
        self._chunk_ns = FIRST_CHUNK_NS
        self._movement: _Movement | None = None
        self._next: asyncio.Handle | None = None
        self._endings: list[tuple[int, str]] = []
        self.appointments = Appointments()
        self._hold_ns = ENDLESS_NS
        self._held: list[Callable[[], None]] = []

    @property
    def moving(self) -> bool:
        """Whether a movement is under way."""
        return self._movement is not None

    def set_pace(self, pace: float) -> None:
        """From now on, so many simulated seconds pass in a real one, where time is paced."""
        self._pace = pace
        self._anchor()

    def hold_at(self, at_ns: int, held: Callable[[], None]) -> None:
        """Let no advance go on beyond a time, until `release`; `held` is called when one has come there.

        The advance is not answered meanwhile. Holds add up to the earliest.
        """
        self._hold_ns = min(self._hold_ns, at_ns)
        self._held.append(held)

    def release(self) -> None:
        """Let time go on where it is held, and forget what was asked of `hold_at`."""
        self._hold_ns = ENDLESS_NS
        self._held.clear()
        if self._movement is not None and self._next is None:
            self._next = self._loop.call_soon(self._slice, self._movement)

    def stand(self) -> None:
        """Let time stand; whoever waited for the movement's end is not told. A time that is held is released."""
        if self._movement is not None and self._next is None:
            self._hold_ns = ENDLESS_NS
        self._movement = None
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def run_with_the_clock(self) -> None:
        """Let time run at the pace until something else is asked for."""
        self._anchor()
        self._start(_Movement(ENDLESS_NS, at_pace=True, stop_every_ns=None, done=_nothing))

    def run_until_idle(self, longest_ns: int, done: Done) -> None:
        """Run as fast as it goes until no instrument is busy, at most for so much bench time."""
        goal_ns = self._bench.now_ns + longest_ns
        self._start(_Movement(goal_ns, at_pace=False, stop_every_ns=None, done=done, until_idle=True))

    def advance(self, to_ns: int, *, at_pace: bool, stop_every_ns: int | None, done: Done) -> None:
        """Move time to `to_ns`; `done` is called then, perhaps before this returns.

        With `stop_every_ns` time stops early, at the first multiple of it at or after the moment an instrument stopped
        being busy. What stopped in an earlier advance that ended before its multiple counts in this one, and so does
        what was stopped between the two (from the next multiple on).
        """
        now_ns = self._bench.now_ns
        self._endings += [(now_ns + 1, name) for name in self._bench.finished()]
        devices = self._bench.devices
        self._endings = [(at_ns, name) for at_ns, name in self._endings if not devices[name].busy]
        if stop_every_ns is not None:
            self._endings = [entry for entry in self._endings if _grid(entry[0], stop_every_ns) > now_ns]
        self._start(_Movement(to_ns, at_pace, stop_every_ns, done, stops_for_cables=True))

    def _start(self, movement: _Movement) -> None:
        self.stand()
        self._movement = movement
        if movement.at_pace and self._behind_second() > LAG_FORGIVEN_SECOND:
            self._anchor()
        self._slice(movement)

    def _slice(self, movement: _Movement) -> None:
        """Move on by what is due, and come back for the rest."""
        began_second, began_ns = self._loop.time(), self._bench.now_ns
        self._keep_appointments()
        stopped_by = self._stop_early(movement)
        target_ns = min(movement.goal_ns, self._reach_ns(movement), self._limit_ns(movement))
        while self._bench.now_ns < target_ns and not (movement.until_idle and not self._bench.busy):
            reach_ns = self._cables_reach_ns() if movement.stops_for_cables else ENDLESS_NS
            if reach_ns <= 0:
                movement.goal_ns = self._bench.now_ns
                movement.is_cable_full = True
                break
            piece_ns = min(target_ns, self._bench.now_ns + reach_ns, self.appointments.next_ns)
            every_ns = SECOND_NS if movement.until_idle else movement.stop_every_ns
            self._endings += self._bench.conduct(piece_ns, every_ns)
            self._deliver()
            self._keep_appointments()
            stopped_by = self._stop_early(movement)
            target_ns = min(target_ns, movement.goal_ns)
        self._adapt(self._bench.now_ns - began_ns, self._loop.time() - began_second)
        if self._is_held(movement):
            self._next = None
            held, self._held = self._held, []
            for tell in held:
                tell()
        elif self._bench.now_ns >= movement.goal_ns or (movement.until_idle and not self._bench.busy):
            self._finish(movement, CABLE if movement.is_cable_full else stopped_by)
        elif movement.at_pace:
            self._next = self._loop.call_later(self._wait_second(movement), self._slice, movement)
        else:
            self._next = self._loop.call_soon(self._slice, movement)

    def _finish(self, movement: _Movement, stopped_by: str | None) -> None:
        self._movement = self._next = None
        if stopped_by not in {None, CABLE}:
            self._endings = [entry for entry in self._endings if entry[0] > self._bench.now_ns]
        movement.done(stopped_by)

    def _keep_appointments(self) -> None:
        if self.appointments.keep(self._bench.now_ns):
            self._endings += [(self._bench.now_ns, name) for name in self._bench.finished()]

    def _limit_ns(self, movement: _Movement) -> int:
        """How far an advance may go before it is held."""
        return self._hold_ns if movement.stops_for_cables else ENDLESS_NS

    def _is_held(self, movement: _Movement) -> bool:
        return self._bench.now_ns >= self._limit_ns(movement)

    def _stop_early(self, movement: _Movement) -> str | None:
        """Shorten a movement that must stop for an instrument; answers whose name it then ends with."""
        if movement.stop_every_ns is None or not self._endings:
            return None
        at_ns, name = min(self._endings)
        stop_ns = _grid(at_ns, movement.stop_every_ns)
        if stop_ns > movement.goal_ns:
            return None
        movement.goal_ns = stop_ns
        return name

    def _reach_ns(self, movement: _Movement) -> int:
        """How far this slice may go."""
        reach_ns = self._bench.now_ns + self._chunk_ns
        if not movement.at_pace:
            return reach_ns
        if self._behind_second() > LAG_FORGIVEN_SECOND:
            self._anchor()
        real_second = self._loop.time() - self._anchor_real_second
        return min(reach_ns, self._anchor_ns + int(real_second * self._pace * SECOND_NS))

    def _wait_second(self, movement: _Movement) -> float:
        """Real time until the next slice: a tick, or less when the goal or work left over is nearer."""
        goal_second = (movement.goal_ns - self._bench.now_ns) / (self._pace * SECOND_NS) - self._behind_second()
        left_over = self._behind_second() > TICK_SECOND
        return 0.0 if left_over else max(SHORTEST_WAIT_SECOND, min(TICK_SECOND, goal_second))

    def _behind_second(self) -> float:
        """Real time by which the bench is behind its pace."""
        paced_second = (self._bench.now_ns - self._anchor_ns) / (self._pace * SECOND_NS)
        return self._loop.time() - self._anchor_real_second - paced_second

    def _anchor(self) -> None:
        self._anchor_ns = self._bench.now_ns
        self._anchor_real_second = self._loop.time()

    def _adapt(self, moved_ns: int, took_second: float) -> None:
        if took_second > SLOW_SECOND:
            self._chunk_ns = max(SHORTEST_CHUNK_NS, moved_ns // 2)
        elif took_second < QUICK_SECOND and moved_ns >= self._chunk_ns:
            self._chunk_ns = min(LONGEST_CHUNK_NS, self._chunk_ns * 2)


def _grid(at_ns: int, every_ns: int) -> int:
    """The first multiple of `every_ns` at or after a time."""
    return -(-at_ns // every_ns) * every_ns

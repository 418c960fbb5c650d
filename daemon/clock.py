"""The one source of time: the machine's monotonic clock at real instruments, the bench's own time at simulated ones."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

REAL_SLICE_SECOND = 0.2
"""The longest real time a paced bench is asked to move in one go, so that a request to stop is heard in between."""
LONGEST_ANSWER_BYTES = 2**24
"""An answer to `advance` holds a mark for every frame that was streamed in it."""

CABLE_REAL_SECOND = 5.0
"""How long streamed bytes may be on their way from the bench to us."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux: the monotonic clock counts from the machine's start, of which this is the name."""

TICK_SECOND = 2e-9
"""A bench counts whole nanoseconds: the time it answers may lie one of them before the time it was asked for."""

PULSE_REAL_SECOND = 0.5
AWAY_SECOND = 2.0
"""A process whose pulse is later than this did not run: it was stopped, the machine slept, or something blocked it."""
AWAYS_KEPT = 32

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux: goes on while the machine sleeps, as instruments do."""

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Seconds that only rise, the UTC that goes with them, and a way to wait.

    Two clocks of the same `epoch`, also in different processes, tell the same second at the same moment.
    """

    epoch: str
    stands_still: bool
    """Whether time waits while anyone is at work: simulated time does."""

    def now_second(self) -> float:
        """The present time; its origin means nothing."""
        ...

    def utc_second(self) -> float:
        """UTC as seconds since 1970. For stamping; nothing is decided by it."""
        ...

    async def wait_until(self, second: float) -> float:
        """Wait for a time, for `nudge`, or for what a look at the bench would now see. Answers the time."""
        ...

    def away_until_after(self, second: float) -> list[tuple[float, float]]:
        """When this process did not run: from and to, of all stretches that ended after a second.

        What came in one is only seen at its end. Simulated time stands still meanwhile: there is none.
        """
        ...

    def nudge(self) -> None:
        """Let everyone who waits look around now."""
        ...

    def join(self) -> None:
        """From now on there is one participant more; simulated time moves only while all of them wait."""
        ...

    def leave(self) -> None:
        """There is one participant fewer."""
        ...

    async def close(self) -> None:
        """Give the clock up."""
        ...


def is_due(clock: Clock, second: float) -> bool:
    """Whether it is so late that `Clock.wait_until` waits no more: a hair before a second counts as that second."""
    return second <= clock.now_second() + TICK_SECOND


async def wait_out(clock: Clock, second: float) -> None:
    """Wait until it is due, whatever else wakes on the way. Raises as `Clock.wait_until`."""
    while not is_due(clock, second):
        await clock.wait_until(second)


def real_second() -> float:
    """Real seconds that only rise, whatever clock a station runs on: for measuring our own work and real-time I/O."""
    return time.monotonic()


def real_utc_second() -> float:
    """The real UTC, as seconds since 1970."""
    return time.time()


class MonotonicClock:
    """The machine's clock, for real instruments."""

    stands_still = False

    def __init__(self) -> None:
        self.epoch = BOOT_ID.read_text(encoding="ascii").strip() if BOOT_ID.exists() else secrets.token_hex(8)
        self._nudged = asyncio.Event()
        self._participants = 0
        self._pulse: asyncio.TimerHandle | None = None
        self._pulsed_second = 0.0
        self._away: deque[tuple[float, float]] = deque(maxlen=AWAYS_KEPT)

    def now_second(self) -> float:
        """See `Clock`."""
        return time.clock_gettime(_SINCE_BOOT)

    def utc_second(self) -> float:
        """See `Clock`."""
        return time.time()

    async def wait_until(self, second: float) -> float:
        """See `Clock`."""
        try:
            async with asyncio.timeout(max(0.0, second - self.now_second())):
                await self._nudged.wait()
        except TimeoutError:
            pass
        self._nudged.clear()
        return self.now_second()

    def away_until_after(self, second: float) -> list[tuple[float, float]]:
        """See `Clock`. Known while somebody takes part."""
        if self._pulse is not None:
            self._note_pulse()
        return [stretch for stretch in self._away if stretch[1] > second]

    def nudge(self) -> None:
        """See `Clock`."""
        self._nudged.set()

    def join(self) -> None:
        """See `Clock`: real time waits for nobody."""
        self._participants += 1
        if self._pulse is None:
            self._pulsed_second = self.now_second()
            self._beat()

    def leave(self) -> None:
        """See `Clock`."""
        self._participants -= 1
        if self._pulse is not None and not self._participants:
            self._pulse.cancel()
            self._pulse = None

    async def close(self) -> None:
        """See `Clock`."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    def _beat(self) -> None:
        self._note_pulse()
        self._pulse = asyncio.get_running_loop().call_later(PULSE_REAL_SECOND, self._beat)

    def _note_pulse(self) -> None:
        began_second, self._pulsed_second = self._pulsed_second, self.now_second()
        if self._pulsed_second - began_second > AWAY_SECOND:
            self._away.append((began_second, self._pulsed_second))


class BenchGoneError(Exception):
    """The bench's control port closed, or said no."""


@dataclass
class ControlPort:
    """One connection to a bench's control port: one question at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: int = 0

    @classmethod
    async def connect(cls, address: str) -> ControlPort:
        """Connect to `host:port`. Raises `BenchGoneError`."""
        host, _, port = address.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port), limit=LONGEST_ANSWER_BYTES)
        except OSError as error:
            raise BenchGoneError(f"no bench answers at {address}: {error}") from error
        return cls(reader, writer)

    async def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask one question. Raises `BenchGoneError` when there is no answer or the answer is no."""
        async with self._lock:
            self._asked += 1
            question = {"id": self._asked, "do": verb, **arguments}
            try:
                self.writer.write(json.dumps(question).encode() + b"\n")
                await self.writer.drain()
                answer = await self._answer_to(self._asked)
            except (OSError, EOFError) as error:
                raise BenchGoneError(f"the bench went away during {verb!r}: {error}") from error
            except (ValueError, asyncio.LimitOverrunError) as error:
                raise BenchGoneError(f"the bench answered {verb!r} with what is no answer: {error}") from error
        if not answer.get("ok"):
            raise BenchGoneError(f"the bench refused {verb!r}: {answer.get('error')}")
        return answer

    async def _answer_to(self, asked: int) -> dict[str, Any]:
        """The answer with this number; those before it belong to questions whose asker was cancelled."""
        while True:
            answer: dict[str, Any] = json.loads(await self.reader.readuntil())
            if answer.get("id") == asked:
                return answer

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


class StreamedCable(Protocol):
    """A cable on which an instrument talks unasked, as far as a simulated clock must know it."""

    async def wait_received(self, total: int, within_real_second: float) -> bool:
        """Wait until so many bytes have come since it was opened; false when they do not in time."""
        ...

    def count_from(self, total: int) -> None:
        """Take the next byte for the one after `total`."""
        ...

    def stamp(self, marks: Sequence[tuple[int, float]]) -> None:
        """Say when bytes came: running offset after each frame, and the clock's second."""
        ...


class BenchClock:
    """A bench's time. It stands still while anyone on this clock is at work, and moves when all of them wait.

    The earliest deadline of all is what the bench is asked for. The bench stops early, on a grid of
    `stop_every_second`, where a look at an instrument would show that it has ended. What instruments sent unasked
    meanwhile has arrived, with the bench's times, before anyone goes on.
    """

    stands_still = True

    def __init__(
        self, control: ControlPort, now_second: float, utc_second: float, pace: float | None, epoch: str = ""
    ) -> None:
        self._control = control
        self.epoch = epoch
        self._now_second = now_second
        self._utc_second = utc_second
        self._pace = pace
        self._participants = 0
        self._waiters: list[tuple[float, asyncio.Future[None]]] = []
        self._moving: asyncio.Task[None] | None = None
        self._cables: dict[str, StreamedCable] = {}
        self._names: dict[str, str] = {}
        self._missed: set[str] = set()
        self.stop_every_second: float | None = 1.0

    @classmethod
    async def own(cls, control: ControlPort, *, pace: float | None, on_owner_lost: str) -> BenchClock:
        """Become the owner of the bench's time; `pace` is simulated seconds a real second, None as fast as it goes."""
        await control.ask("own", speed="max" if pace is None else pace, on_owner_lost=on_owner_lost)
        hello = await control.ask("hello")
        began_second = round(hello["utc_second"] - hello["now_second"])
        epoch = f"bench {hello['name']} {hello['seed']} {began_second}"
        clock = cls(control, hello["now_second"], hello["utc_second"], pace, epoch)
        clock._names = {cable["address"]: name for name, cable in hello.get("cables", {}).items()}
        return clock

    def cable_at(self, address: str) -> str:
        """What the bench calls the cable at an address. Raises `BenchGoneError` when it has none there."""
        if address not in self._names:
            raise BenchGoneError(f"the bench has no cable at {address}; it has {', '.join(self._names)}")
        return self._names[address]

    def watch(self, name: str, cable: StreamedCable) -> None:
        """From now on time moves on only when what the bench has sent on this cable is there."""
        self._cables[name] = cable

    async def sent_total(self, address: str) -> int | None:
        """How many bytes the instrument at an address has sent; None when the bench knows of none, or is gone."""
        try:
            # A first answer may overtake what waits at the bench to be heard on another cable; a second doesn't.
            await self._control.ask("hello")
            hello = await self._control.ask("hello")
        except BenchGoneError:
            return None
        plain = address.removeprefix("socket://")
        return next((int(said["sent_total"]) for said in hello["cables"].values() if said["address"] == plain), None)

    async def count_from_now(self) -> None:
        """What was sent on watched cables before they were opened here is not waited for. Raises `BenchGoneError`."""
        if self._cables:
            sent = (await self._control.ask("cables"))["cables"]
            for name, cable in self._cables.items():
                cable.count_from(sent[name]["sent_total"])

    def join(self) -> None:
        """See `Clock`."""
        self._participants += 1

    def leave(self) -> None:
        """See `Clock`."""
        self._participants -= 1
        self._move_if_all_wait()

    def now_second(self) -> float:
        """See `Clock`."""
        return self._now_second

    def utc_second(self) -> float:
        """See `Clock`."""
        return self._utc_second

    async def wait_until(self, second: float) -> float:
        """See `Clock`. Raises `BenchGoneError`."""
        if second > self._now_second + TICK_SECOND:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((second, waiter))
            self._move_if_all_wait()
            try:
                await waiter
            finally:
                self._waiters = [entry for entry in self._waiters if entry[1] is not waiter]
        return self._now_second

    def away_until_after(self, second: float) -> list[tuple[float, float]]:  # noqa: ARG002
        """See `Clock`."""
        return []

    def nudge(self) -> None:
        """See `Clock`."""
        self._wake(up_to_second=float("inf"))

    async def close(self) -> None:
        """See `Clock`; the bench's time has no owner then, and the bench goes on as it was told to."""
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.gather(self._moving, return_exceptions=True)
        await self._control.close()

    def _move_if_all_wait(self) -> None:
        all_wait = bool(self._waiters) and len(self._waiters) >= self._participants
        if all_wait and (self._moving is None or self._moving.done()):
            self._moving = asyncio.create_task(self._move())
            self._moving.add_done_callback(self._moved)

    async def _move(self) -> None:
        while self._waiters and len(self._waiters) >= self._participants:
            await self._advance(min(second for second, _ in self._waiters))

    def _moved(self, moving: asyncio.Task[None]) -> None:
        error = BenchGoneError("the clock was given up") if moving.cancelled() else moving.exception()
        if error is None:
            return
        waiters, self._waiters = self._waiters, []
        for _, waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)

    async def _advance(self, deadline_second: float) -> None:
        to_second = deadline_second
        if self._pace is not None:
            to_second = min(to_second, self._now_second + REAL_SLICE_SECOND * self._pace)
        answer = await self._control.ask("advance", to_second=to_second, stop_every_second=self.stop_every_second)
        await self._await_cables(answer["cables"])
        self._now_second = answer["now_second"]
        self._utc_second = answer["utc_second"]
        match answer["stopped_by"]:
            case None:
                # The bench counts whole nanoseconds: reached, its time may be a hair below what was asked for.
                self._wake(up_to_second=max(self._now_second, to_second))
            case "cable":
                # It only let us read what was sent: for those who wait, nothing has happened.
                self._wake(up_to_second=self._now_second)
            case _:
                self._wake(up_to_second=float("inf"))

    async def _await_cables(self, sent: dict[str, dict[str, Any]]) -> None:
        for name, cable in self._cables.items():
            if await cable.wait_received(sent[name]["sent_total"], CABLE_REAL_SECOND):
                self._missed.discard(name)
            elif name not in self._missed:
                self._missed.add(name)
                log.warning("what the bench sent on %s has not come: waited %g s, or closed", name, CABLE_REAL_SECOND)
            cable.stamp([(offset, second) for offset, second in sent[name]["marks"]])

    def _wake(self, up_to_second: float) -> None:
        due = [entry for entry in self._waiters if entry[0] <= up_to_second + TICK_SECOND]
        self._waiters = [entry for entry in self._waiters if entry[0] > up_to_second + TICK_SECOND]
        for _, waiter in due:
            if not waiter.done():
                waiter.set_result(None)

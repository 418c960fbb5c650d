"""An instrument with its driver, simulated or on a real bench, and what may be asked of it without harm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from daemon.clock import Clock, MonotonicClock
from daemon.station.instruments import make_driver
from drivers.roles import Identity, SegmentState
from simulators.keithley import KeithleySMU
from simulators.keithley.dummy import DummyResistor
from tests.support.desks import BY_ROLE, ENTRIES, Desk, PotentiostatDesk

LISTENED_SECOND, LISTENINGS = 0.25, 40
DUMMY_OHM = 1000.0
NOBODYS_TOKEN = "p0c0ffee_999999"
COLDEST, HOTTEST = -100.0, 300.0


@dataclass
class AtHand:
    """`live` lets so many seconds pass at the instrument; `clock` counts them. `connect` is the driver's."""

    role: str
    driver: Any
    connect: Callable[[], Awaitable[Identity]]
    live: Callable[[float], Awaitable[None]]
    clock: Clock

    async def read(self) -> Any:
        """One reading of the kind its role has; of a load cell the first weight that comes, None for none."""
        match self.role:
            case "potentiostat":
                return await self.driver.look(NOBODYS_TOKEN)
            case "thermometer":
                return await self.driver.read_celsius()
            case "load_cell":
                for _ in range(LISTENINGS):
                    await self.live(LISTENED_SECOND)
                    block = await self.driver.read()
                    if np.isfinite(block.displayed).any():
                        return block
                return None
            case _:
                return await self.driver.look()

    def can_be(self, read: Any) -> bool:
        """Whether an instrument that is as it should be can have read this."""
        match self.role:
            case "potentiostat":
                return read.state is SegmentState.ABSENT and read.row_count == 0 and not read.output_on
            case "thermometer":
                return any(isfinite(celsius) for celsius in read.values()) and all(
                    COLDEST < celsius < HOTTEST for celsius in read.values() if isfinite(celsius)
                )
            case "load_cell":
                return read is not None and bool(read.unit) and bool((np.diff(read.second) >= 0).all())
            case "chamber":
                return COLDEST < read.air_celsius < HOTTEST and COLDEST < read.setpoint_celsius < HOTTEST
            case "chiller":
                return COLDEST < read.bath_celsius < HOTTEST and COLDEST < read.setpoint_celsius < HOTTEST
            case _:
                return 0 <= read.rpm <= self.driver.highest_rpm and not (read.is_running and read.is_standing)


class DeskClock:
    """Fits `Clock`: who waits moves the desk's time."""

    epoch = "desk"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def now_second(self) -> float:
        return self._desk.now_ns * 1e-9

    def utc_second(self) -> float:
        return self.now_second()

    async def wait_until(self, second: float) -> float:
        self._desk.pass_second(max(0.0, second - self.now_second()))
        return self.now_second()

    def away_until_after(self, second: float) -> list[tuple[float, float]]:
        return []

    def nudge(self) -> None:
        """Nobody waits."""

    def join(self) -> None:
        """There is no other."""

    def leave(self) -> None:
        """There is no other."""

    async def close(self) -> None:
        """Nothing is open."""


class DummyDesk(PotentiostatDesk):
    """A resistor on its leads."""

    def simulator(self) -> KeithleySMU:
        wired = DummyResistor(DUMMY_OHM, self.cell)
        return KeithleySMU("smu", self.name.rpartition(".")[2], "04451117", "1.7.12b", wired, 1)


@asynccontextmanager
async def simulated(name: str, transport: str, *, on_dummy: bool = False) -> AsyncIterator[AtHand]:
    """A driver of the registry and its simulator, on a cable."""
    desk = DummyDesk(name, transport) if on_dummy else BY_ROLE[ENTRIES[name].role](name, transport)
    async with desk.far_end.laid(transport):
        desk.make()
        try:
            yield AtHand(ENTRIES[name].role, desk.driver, desk.connect, desk.live, DeskClock(desk))
        finally:
            await desk.driver.close()


@asynccontextmanager
async def of_station(subject: str, role: str, said: Any) -> AsyncIterator[AtHand]:
    """An instrument of a station, in real time."""
    clock = MonotonicClock()
    driver = make_driver(subject, said, clock.now_second, asyncio.sleep)
    try:
        yield AtHand(role, driver, driver.connect, asyncio.sleep, clock)
    finally:
        await driver.close()
        await clock.close()

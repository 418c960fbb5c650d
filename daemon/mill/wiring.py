"""From what a station, or a bench, says of a mill and its chiller to the connected ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from daemon.clock import BenchClock, Clock, wait_out
from daemon.mill.bay import MillBay
from daemon.mill.cooling import Cooling
from drivers.registry import CHILLERS, MILL_DRIVES, ChillerConnection, MillDriveConnection
from drivers.roles import HostLossWatchdog
from drivers.session import SentTotal


@dataclass(frozen=True, kw_only=True)
class MillDriveWiring:
    """Which driver, where, and after how much silence the drive stops by itself."""

    driver: str
    connection: MillDriveConnection
    loss_stop_second: float


@dataclass(frozen=True, kw_only=True)
class ChillerWiring:
    """Which driver, where, and what the chiller is to do without us; None when it has no such watchdog."""

    driver: str
    connection: ChillerConnection
    host_loss: HostLossWatchdog | None = None


def mill_bay_of(wiring: MillDriveWiring, clock: Clock) -> MillBay:
    """The mill, not connected yet."""
    drive = MILL_DRIVES[wiring.driver](wiring.connection, waiting(clock), _sent_total(clock, wiring.connection.address))
    return MillBay(drive, clock.now_second, wiring.loss_stop_second)


def cooling_of(wiring: ChillerWiring, clock: Clock) -> Cooling:
    """The chiller, not connected yet."""
    chiller = CHILLERS[wiring.driver](wiring.connection, waiting(clock), _sent_total(clock, wiring.connection.address))
    return Cooling(chiller, clock.now_second, wiring.host_loss)


def waiting(clock: Clock) -> Callable[[float], Awaitable[None]]:
    """How a driver lets some of the clock's seconds pass."""

    async def wait(second: float) -> None:
        await wait_out(clock, clock.now_second() + second)

    return wait


def _sent_total(clock: Clock, address: str) -> SentTotal | None:
    return partial(clock.sent_total, address) if isinstance(clock, BenchClock) else None

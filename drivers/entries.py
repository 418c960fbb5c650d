"""A driver as the registry holds it: words for people, and what makes one of it, by role."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from drivers.about import About
from drivers.connections import (
    ChamberConnection,
    ChillerConnection,
    Connection,
    LoadCellConnection,
    MillDriveConnection,
    ThermometerConnection,
)
from drivers.roles import Chamber, Chiller, LoadCell, MillDrive, Potentiostat, PotentiostatLimits, Thermometer
from drivers.serial_stream import SerialStream
from drivers.session import SentTotal

Now = Callable[[], float]
"""The clock's second."""
Wait = Callable[[float], Awaitable[None]]
"""Lets so many seconds of the clock pass."""


@dataclass(frozen=True)
class StreamedLoadCell:
    """A load cell, and the stream it reads from, which a simulated clock waits for and stamps; None if it is asked."""

    load_cell: LoadCell
    stream: SerialStream | None


class MakeLoadCell(Protocol):
    """Makes a load cell of what a station says, the clock's second, and what a bench's clock knows of sent bytes."""

    def __call__(
        self, connection: LoadCellConnection, now: Now, sent_total: SentTotal | None = None, /
    ) -> StreamedLoadCell:
        """Raises `ValueError` for a wrong setting."""
        ...


MakePotentiostat = Callable[[Connection, Now, SentTotal | None], Potentiostat]
MakeThermometer = Callable[[ThermometerConnection, SentTotal | None], Thermometer]
MakeChamber = Callable[[ChamberConnection, Wait, SentTotal | None], Chamber]
MakeChiller = Callable[[ChillerConnection, Wait, SentTotal | None], Chiller]
MakeMillDrive = Callable[[MillDriveConnection, Wait, SentTotal | None], MillDrive]
"""What they make is not connected yet; a wrong setting raises `ValueError`, whose words stand beside the setting."""


@dataclass(frozen=True)
class PotentiostatDriver:
    """Of one model: what it can do, known before it is connected, and what makes a driver of one."""

    role: ClassVar[str] = "potentiostat"
    about: About
    limits: PotentiostatLimits
    make: MakePotentiostat


@dataclass(frozen=True)
class LoadCellDriver:
    """Of the indicators or transmitters that speak one dialect in one way."""

    role: ClassVar[str] = "load_cell"
    about: About
    make: MakeLoadCell


@dataclass(frozen=True)
class ThermometerDriver:
    """Of what measures the temperature of the jig."""

    role: ClassVar[str] = "thermometer"
    about: About
    make: MakeThermometer


@dataclass(frozen=True)
class ChamberDriver:
    """Of what holds the air around the jig at a temperature."""

    role: ClassVar[str] = "chamber"
    about: About
    make: MakeChamber


@dataclass(frozen=True)
class ChillerDriver:
    """Of what holds a bath at a temperature."""

    role: ClassVar[str] = "chiller"
    about: About
    make: MakeChiller


@dataclass(frozen=True)
class MillDriveDriver:
    """Of what turns the blade of a mill."""

    role: ClassVar[str] = "mill_drive"
    about: About
    make: MakeMillDrive


Driver = PotentiostatDriver | LoadCellDriver | ThermometerDriver | ChamberDriver | ChillerDriver | MillDriveDriver
ROLE_PROTOCOLS: dict[str, type] = {
    PotentiostatDriver.role: Potentiostat,
    LoadCellDriver.role: LoadCell,
    ThermometerDriver.role: Thermometer,
    ChamberDriver.role: Chamber,
    ChillerDriver.role: Chiller,
    MillDriveDriver.role: MillDrive,
}
"""What a driver of a role must fit, in the order of the station file."""

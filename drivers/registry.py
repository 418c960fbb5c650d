"""Which drivers there are, by the name a station writes: their limits, and how to make one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from drivers.advantech.adam_4015 import Adam4015
from drivers.and_weighing.codec import AndFormat
from drivers.and_weighing.indicator import MAKER, AndIndicator
from drivers.espec.chamber import EspecChamber
from drivers.keithley.limits import LIMITS_BY_MODEL
from drivers.keithley.smu import KeithleySMU
from drivers.roles import Chamber, Identity, LoadCell, Potentiostat, PotentiostatLimits, Thermometer
from drivers.serial_link import SerialLink
from drivers.serial_port import SerialLine, host_and_port
from drivers.serial_stream import SerialStream
from drivers.session import SentTotal, Session, Transport
from drivers.tcp_link import TcpLink
from drivers.visa import VisaLink

DEFAULT_TIMEOUT_SECOND = 2.0


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What a station says of one instrument: its name, where it is, and the only serial number that may answer.

    `address` is `host:port` or a VISA name. `terminals` is "FRON" or "REAR".
    """

    name: str
    address: str
    serial_number: str | None = None
    terminals: str = "REAR"
    timeout_second: float = DEFAULT_TIMEOUT_SECOND


@dataclass(frozen=True)
class PotentiostatEntry:
    """One potentiostat model: what it can do, and a driver for one of its kind, not connected yet."""

    limits: PotentiostatLimits
    make: Callable[[Connection, Callable[[], float], SentTotal | None], Potentiostat]


def _keithley(model: str) -> PotentiostatEntry:
    limits = LIMITS_BY_MODEL[model]

    def make(connection: Connection, now: Callable[[], float], sent_total: SentTotal | None) -> Potentiostat:
        link = VisaLink(connection.address, timeout_second=connection.timeout_second)
        return KeithleySMU(
            connection.name,
            limits,
            Session(connection.name, link, sent_total=sent_total),
            now=now,
            serial_number=connection.serial_number,
            terminals=connection.terminals,
        )

    return PotentiostatEntry(limits, make)


POTENTIOSTATS: dict[str, PotentiostatEntry] = {f"keithley.{model}": _keithley(model) for model in LIMITS_BY_MODEL}
"""By the name a station writes, such as `keithley.2450`."""


class UnknownDriverError(ValueError):
    """A station names a driver that does not exist."""


def potentiostat(driver: str) -> PotentiostatEntry:
    """The entry of a driver name. Raises `UnknownDriverError`, which names those there are."""
    entry = POTENTIOSTATS.get(driver)
    if entry is None:
        raise UnknownDriverError(f"no driver {driver!r}; there are {', '.join(sorted(POTENTIOSTATS))}")
    return entry


@dataclass(frozen=True, kw_only=True)
class LoadCellConnection:
    """What a station says of a load cell's indicator. `model` and `serial_number` are its word: they can't be asked.

    `address` is a device's path or `socket://host:port`; `character` is `8N1`, `7E1` or `7O1`, see `SerialLine`.
    """

    name: str
    address: str
    frame_format: AndFormat
    baud: int
    character: str = "8N1"
    model: str = ""
    serial_number: str = ""


@dataclass(frozen=True, kw_only=True)
class ThermometerConnection:
    """What a station says of a thermometer. `address` is a device's path, `host:port` or `socket://host:port`."""

    name: str
    address: str
    channel_by_place: Mapping[str, int]
    bus_address: int = 1
    baud: int = 9600
    has_checksum: bool = False
    range_code: str | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND


@dataclass(frozen=True, kw_only=True)
class ChamberConnection:
    """What a station says of a chamber. `address` is `host:port`."""

    name: str
    address: str
    controller: str | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND


@dataclass(frozen=True)
class StreamedLoadCell:
    """A load cell, and the stream it reads from, which a simulated clock waits for and stamps."""

    load_cell: LoadCell
    stream: SerialStream


MakeLoadCell = Callable[[LoadCellConnection, Callable[[], float]], StreamedLoadCell]
MakeThermometer = Callable[[ThermometerConnection, SentTotal | None], Thermometer]
MakeChamber = Callable[[ChamberConnection, Callable[[float], Awaitable[None]], SentTotal | None], Chamber]


def _and_indicator(connection: LoadCellConnection, now: Callable[[], float]) -> StreamedLoadCell:
    line = SerialLine(connection.baud, connection.character)
    stream = SerialStream(connection.name, connection.address, line, now=now)
    identity = Identity(MAKER, connection.model, connection.serial_number, "")
    indicator = AndIndicator(connection.name, stream, connection.frame_format, parity=line.parity, identity=identity)
    return StreamedLoadCell(indicator, stream)


def _adam_4015(connection: ThermometerConnection, sent_total: SentTotal | None) -> Thermometer:
    timeout_second = connection.timeout_second
    link: Transport
    if host_and_port(connection.address) is None:
        link = SerialLink(connection.address, SerialLine(connection.baud), timeout_second=timeout_second)
    else:
        link = TcpLink(connection.address, line_end=b"\r", timeout_second=timeout_second)
    return Adam4015(
        connection.name,
        Session(connection.name, link, sent_total=sent_total),
        connection.channel_by_place,
        address=connection.bus_address,
        has_checksum=connection.has_checksum,
        range_code=connection.range_code,
    )


def _espec(
    connection: ChamberConnection, wait: Callable[[float], Awaitable[None]], sent_total: SentTotal | None
) -> Chamber:
    link = TcpLink(connection.address, timeout_second=connection.timeout_second)
    session = Session(connection.name, link, sent_total=sent_total)
    return EspecChamber(connection.name, session, wait=wait, controller=connection.controller)


LOAD_CELLS: dict[str, MakeLoadCell] = {"and.indicator": _and_indicator}
THERMOMETERS: dict[str, MakeThermometer] = {"advantech.adam_4015": _adam_4015}
CHAMBERS: dict[str, MakeChamber] = {"espec.chamber": _espec}
"""Makers by the name a station writes. What they make is not connected yet; a wrong setting raises `ValueError`."""

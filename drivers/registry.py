"""Which drivers there are, by the name a station writes: their limits, and how to make one."""

from collections.abc import Awaitable, Callable

from drivers.advantech.about import ADAM_4015
from drivers.advantech.adam_4015 import Adam4015
from drivers.and_weighing import about as about_and
from drivers.and_weighing.asked import AskedIndicator
from drivers.and_weighing.indicator import MAKER, AndIndicator
from drivers.cas import about as about_cas
from drivers.cas.codec import CasFormat
from drivers.cas.indicator import MAKER as CAS
from drivers.cas.indicator import CasIndicator
from drivers.connections import (
    ChamberConnection,
    ChillerConnection,
    Connection,
    LoadCellConnection,
    MillDriveConnection,
    ThermometerConnection,
)
from drivers.delta.about import VFD
from drivers.delta.drive import DeltaDialect
from drivers.entries import (
    ChamberDriver,
    ChillerDriver,
    Driver,
    LoadCellDriver,
    MakeLoadCell,
    MakeMillDrive,
    MillDriveDriver,
    PotentiostatDriver,
    StreamedLoadCell,
    ThermometerDriver,
)
from drivers.espec import about as about_espec
from drivers.espec.chamber import EspecChamber
from drivers.frequency_drive import Dialect, FrequencyDrive
from drivers.huber import about as about_huber
from drivers.huber.chiller import HuberChiller
from drivers.julabo import about as about_julabo
from drivers.julabo.chiller import JulaboChiller
from drivers.keithley.about import KEITHLEY
from drivers.keithley.limits import LIMITS_BY_MODEL
from drivers.keithley.smu import KeithleySMU
from drivers.lakeshore.about import MODEL_218
from drivers.lakeshore.model_218 import LakeShore218
from drivers.lauda import about as about_lauda
from drivers.lauda.chiller import LaudaChiller
from drivers.laumas.about import TRANSMITTER
from drivers.laumas.transmitter import LaumasTransmitter
from drivers.line_link import LineLink
from drivers.ls import about as about_ls
from drivers.ls.codec import FAMILIES
from drivers.ls.drive import LsDialect
from drivers.mettler.about import SICS
from drivers.mettler.balance import MettlerBalance
from drivers.modbus_link import ModbusLine, ModbusLink
from drivers.plugins import find_drivers
from drivers.roles import Chamber, Chiller, Identity, MillDrive, Potentiostat, Thermometer
from drivers.serial_link import SerialLink
from drivers.serial_port import SerialLine, host_and_port
from drivers.serial_stream import SerialStream
from drivers.session import SentTotal, Session
from drivers.tcp_link import TcpLink
from drivers.visa import VisaLink
from drivers.votsch import about as about_votsch
from drivers.votsch.chamber import VotschChamber

__all__ = [
    "ABOUT",
    "CHAMBERS",
    "CHILLERS",
    "DRIVERS",
    "FOUND",
    "LOAD_CELLS",
    "MILL_DRIVES",
    "OURS",
    "POTENTIOSTATS",
    "THERMOMETERS",
    "ChamberConnection",
    "ChillerConnection",
    "Connection",
    "LoadCellConnection",
    "MillDriveConnection",
    "ThermometerConnection",
    "UnknownDriverError",
    "potentiostat",
]


def _keithley(model: str) -> PotentiostatDriver:
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

    return PotentiostatDriver(KEITHLEY[model], limits, make)


def _and_indicator(
    connection: LoadCellConnection, now: Callable[[], float], _sent_total: SentTotal | None = None, /
) -> StreamedLoadCell:
    line, stream = _stream(connection, now)
    indicator = AndIndicator(
        connection.name, stream, connection.frame_format, parity=line.parity, identity=_said_identity(MAKER, connection)
    )
    return StreamedLoadCell(indicator, stream)


def _cas_indicator(
    connection: LoadCellConnection, now: Callable[[], float], _sent_total: SentTotal | None = None, /
) -> StreamedLoadCell:
    said = connection.frame_format
    cas_format = CasFormat(unit=said.unit, weight=said.weight, device=connection.bus_address)
    if connection.character != "8N1":
        raise ValueError("22-byte frames need 8N1: a byte of them has all eight bits")
    _, stream = _stream(connection, now)
    identity = _said_identity(CAS, connection)
    return StreamedLoadCell(CasIndicator(connection.name, stream, cas_format, identity=identity), stream)


def _mettler(
    connection: LoadCellConnection, now: Callable[[], float], _sent_total: SentTotal | None = None, /
) -> StreamedLoadCell:
    line, stream = _stream(connection, now)
    balance = MettlerBalance(
        connection.name,
        stream,
        connection.frame_format.unit,
        timeout_second=connection.timeout_second,
        parity=line.parity,
        serial_number=connection.serial_number or None,
    )
    return StreamedLoadCell(balance, stream)


def _laumas(
    connection: LoadCellConnection, now: Callable[[], float], sent_total: SentTotal | None = None, /
) -> StreamedLoadCell:
    link = ModbusLink(
        connection.name,
        connection.address,
        unit=connection.bus_address or 1,
        line=ModbusLine(connection.baud, connection.character),
        timeout_second=connection.timeout_second,
        sent_total=sent_total,
    )
    said = connection.frame_format
    transmitter = LaumasTransmitter(
        connection.name,
        link,
        said.unit,
        now=now,
        weight=said.weight,
        serial_number=connection.serial_number or None,
    )
    return StreamedLoadCell(transmitter, None)


def _asked(address_form: str, maker: str) -> MakeLoadCell:
    """Makes indicators in command mode, whose commands begin with an address of this form."""

    def make(
        connection: LoadCellConnection, now: Callable[[], float], sent_total: SentTotal | None = None, /
    ) -> StreamedLoadCell:
        line = SerialLine(connection.baud, connection.character)
        end = connection.frame_format.line_end
        timeout_second = connection.timeout_second
        link = LineLink(connection.address, line, line_end=end, reply_end=None, timeout_second=timeout_second)
        address = connection.bus_address
        indicator = AskedIndicator(
            connection.name,
            Session(connection.name, link, sent_total=sent_total),
            connection.frame_format,
            now=now,
            command_address="" if address is None else address_form.format(address),
            identity=_said_identity(maker, connection),
        )
        return StreamedLoadCell(indicator, None)

    return make


def _stream(connection: LoadCellConnection, now: Callable[[], float]) -> tuple[SerialLine, SerialStream]:
    line = SerialLine(connection.baud, connection.character)
    return line, SerialStream(connection.name, connection.address, line, now=now)


def _said_identity(maker: str, connection: LoadCellConnection) -> Identity:
    return Identity(maker, connection.model, connection.serial_number, "")


def _thermometer_session(
    connection: ThermometerConnection, sent_total: SentTotal | None, line_end: bytes, character: str
) -> Session:
    line = SerialLine(connection.baud, connection.character or character)
    link = _line_link(connection.address, line, line_end, line_end, connection.timeout_second)
    return Session(connection.name, link, sent_total=sent_total)


def _adam_4015(connection: ThermometerConnection, sent_total: SentTotal | None) -> Thermometer:
    if connection.serial_number is not None:
        raise ValueError("an ADAM-4015 has no serial number to ask for; leave serial_number out")
    return Adam4015(
        connection.name,
        _thermometer_session(connection, sent_total, b"\r", "8N1"),
        connection.channel_by_place,
        address=connection.bus_address,
        has_checksum=connection.has_checksum,
        range_code=connection.range_code,
    )


def _lakeshore_218(connection: ThermometerConnection, sent_total: SentTotal | None) -> Thermometer:
    if connection.has_checksum or connection.range_code is not None:
        raise ValueError("checksum and range_code mean nothing to a Lake Shore 218; leave them out")
    return LakeShore218(
        connection.name,
        _thermometer_session(connection, sent_total, b"\r\n", "7O1"),
        connection.channel_by_place,
        serial_number=connection.serial_number,
    )


def _espec(
    connection: ChamberConnection, wait: Callable[[float], Awaitable[None]], sent_total: SentTotal | None
) -> Chamber:
    if (connection.bus_address, connection.lowest_celsius, connection.highest_celsius) != (None, None, None):
        raise ValueError("bus_address and limits mean nothing to an ESPEC, which tells them; leave them out")
    link = TcpLink(connection.address, timeout_second=connection.timeout_second)
    session = Session(connection.name, link, sent_total=sent_total)
    return EspecChamber(connection.name, session, wait=wait, controller=connection.controller)


def _votsch(
    connection: ChamberConnection, wait: Callable[[float], Awaitable[None]], sent_total: SentTotal | None
) -> Chamber:
    if connection.controller is not None:
        raise ValueError("controller means nothing to a Vötsch; leave it out")
    link = TcpLink(connection.address, line_end=b"\r", timeout_second=connection.timeout_second)
    return VotschChamber(
        connection.name,
        Session(connection.name, link, sent_total=sent_total),
        wait=wait,
        bus_address=1 if connection.bus_address is None else connection.bus_address,
        lowest_celsius=connection.lowest_celsius,
        highest_celsius=connection.highest_celsius,
    )


def _line_link(
    address: str, line: SerialLine, line_end: bytes, reply_end: bytes, timeout_second: float
) -> SerialLink | TcpLink:
    """Lines over a serial port of this machine, or over TCP, whichever an address is of."""
    if host_and_port(address) is None:
        return SerialLink(address, line, line_end=line_end, reply_end=reply_end, timeout_second=timeout_second)
    return TcpLink(address, line_end=line_end, reply_end=reply_end, timeout_second=timeout_second)


def _chiller_session(
    connection: ChillerConnection, sent_total: SentTotal | None, factory: SerialLine, line_end: bytes, reply_end: bytes
) -> Session:
    """The way to a chiller, `factory` being how its port is set where the station does not say it."""
    line = SerialLine(connection.baud or factory.baud, connection.character or factory.character)
    link = _line_link(connection.address, line, line_end, reply_end, connection.timeout_second)
    return Session(connection.name, link, sent_total=sent_total)


def _refuse(connection: ChillerConnection, *fields: str) -> None:
    """Raise `ValueError` for a field that is said and means nothing to the driver."""
    unsaid = ChillerConnection(name=connection.name, address=connection.address)
    said = [field for field in fields if getattr(connection, field) != getattr(unsaid, field)]
    if said:
        raise ValueError(f"{said[0]} means nothing to this chiller; leave it out")


def _lauda(
    connection: ChillerConnection,
    wait: Callable[[float], Awaitable[None]],  # noqa: ARG001
    sent_total: SentTotal | None,
) -> Chiller:
    _refuse(connection, "family", "external_probe")
    is_on_network = host_and_port(connection.address) is not None and connection.bus_address is None
    line_end = b"\r\n" if is_on_network else b"\r"
    return LaudaChiller(
        connection.name,
        _chiller_session(connection, sent_total, SerialLine(9600), line_end, b"\r\n"),
        model=connection.model,
        bus_address=connection.bus_address,
        safe_mode_is_activated=connection.safe_mode,
    )


def _julabo(
    connection: ChillerConnection, wait: Callable[[float], Awaitable[None]], sent_total: SentTotal | None
) -> Chiller:
    _refuse(connection, "safe_mode")
    return JulaboChiller(
        connection.name,
        _chiller_session(connection, sent_total, SerialLine(4800, "7E1"), b"\r", b"\n"),
        wait=wait,
        model=connection.model,
        family=connection.family or "basic",
        has_external_probe=connection.external_probe,
        bus_address=connection.bus_address,
    )


def _huber(
    connection: ChillerConnection,
    wait: Callable[[float], Awaitable[None]],  # noqa: ARG001
    sent_total: SentTotal | None,
) -> Chiller:
    _refuse(connection, "model", "bus_address", "family", "external_probe", "safe_mode")
    session = _chiller_session(connection, sent_total, SerialLine(9600), b"\r\n", b"\r\n")
    return HuberChiller(connection.name, session)


def _mill_drive(make_dialect: Callable[[int | None], Dialect]) -> MakeMillDrive:
    def make(
        connection: MillDriveConnection, wait: Callable[[float], Awaitable[None]], sent_total: SentTotal | None
    ) -> MillDrive:
        link = ModbusLink(
            connection.name,
            connection.address,
            unit=connection.bus_address,
            line=ModbusLine(connection.baud, connection.character),
            timeout_second=connection.timeout_second,
            sent_total=sent_total,
        )
        return FrequencyDrive(
            connection.name,
            link,
            make_dialect(connection.model_code),
            wait=wait,
            highest_rpm=connection.highest_rpm,
            rpm_per_hertz=connection.rpm_per_hertz,
            stands_within_second=connection.stands_within_second,
        )

    return make


OURS: tuple[Driver, ...] = (
    *(_keithley(model) for model in LIMITS_BY_MODEL),
    LoadCellDriver(about_and.LISTENING, _and_indicator),
    LoadCellDriver(about_and.ASKED, _asked("@{:02d}", MAKER)),
    LoadCellDriver(about_cas.LISTENING, _cas_indicator),
    LoadCellDriver(about_cas.ASKED, _asked("{:02d}", CAS)),
    LoadCellDriver(TRANSMITTER, _laumas),
    LoadCellDriver(SICS, _mettler),
    ThermometerDriver(ADAM_4015, _adam_4015),
    ThermometerDriver(MODEL_218, _lakeshore_218),
    ChamberDriver(about_espec.CHAMBER, _espec),
    ChamberDriver(about_votsch.CHAMBER, _votsch),
    ChillerDriver(about_huber.CHILLER, _huber),
    ChillerDriver(about_julabo.CHILLER, _julabo),
    ChillerDriver(about_lauda.CHILLER, _lauda),
    MillDriveDriver(VFD, _mill_drive(DeltaDialect)),
    MillDriveDriver(about_ls.IG5A, _mill_drive(lambda model_code: LsDialect(FAMILIES["ig5a"], model_code))),
    MillDriveDriver(about_ls.S100, _mill_drive(lambda model_code: LsDialect(FAMILIES["s100"], model_code))),
)
"""The drivers that come with presscell."""

FOUND = find_drivers({driver.about.name.partition(".")[0] for driver in OURS})
"""Those of other packages, and what is wrong with them."""

DRIVERS: tuple[Driver, ...] = (*OURS, *FOUND.drivers)
"""All that a station may name."""

POTENTIOSTATS = {driver.about.name: driver for driver in DRIVERS if isinstance(driver, PotentiostatDriver)}
LOAD_CELLS = {driver.about.name: driver.make for driver in DRIVERS if isinstance(driver, LoadCellDriver)}
THERMOMETERS = {driver.about.name: driver.make for driver in DRIVERS if isinstance(driver, ThermometerDriver)}
CHAMBERS = {driver.about.name: driver.make for driver in DRIVERS if isinstance(driver, ChamberDriver)}
CHILLERS = {driver.about.name: driver.make for driver in DRIVERS if isinstance(driver, ChillerDriver)}
MILL_DRIVES = {driver.about.name: driver.make for driver in DRIVERS if isinstance(driver, MillDriveDriver)}
"""Makers by the name a station writes, such as `keithley.2450`."""

ABOUT = {driver.about.name: driver.about for driver in DRIVERS}
"""What people must know of each."""


class UnknownDriverError(ValueError):
    """A station names a driver that does not exist."""


def potentiostat(driver: str) -> PotentiostatDriver:
    """The entry of a driver name. Raises `UnknownDriverError`, which names those there are."""
    entry = POTENTIOSTATS.get(driver)
    if entry is None:
        raise UnknownDriverError(f"no driver {driver!r}; there are {', '.join(sorted(POTENTIOSTATS))}")
    return entry

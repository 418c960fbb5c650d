"""The station file as people write it: which instruments a laboratory's PC has, by rig and role. Pure."""

from __future__ import annotations

import calendar
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from daemon.bounds import weaker_than_default
from protocols import units
from protocols.errors import BadValueError, Path, Problem, ProblemsFound, in_reading_order
from protocols.fields import Celsius, NotNegative, Number, Positive, Strict, Text, did_you_mean, read_model
from protocols.settings import Safety
from protocols.source import Findings, Source, read_source

LONGEST_IDENTIFIER = 32
BAUDS = (600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
LATE_SUPERVISION_SECOND = 10.0
"""Supervising real instruments less often than this is odd: a trip is safe within one interval and 3 s."""
ODD_FACTOR = 1.25
"""A calibration that is farther from what its unit means than this is odd."""

ACCEPTED_DUMMY_HOURS, ACCEPTED_CYCLES, ACCEPTED_DEVIATION_PERCENT = 48.0, 20, 0.1
"""What an acceptance of a potentiostat must have shown at least, and at most."""

ROLES_TO_COME = dict.fromkeys(("impedance_analyzer",), "is not supported yet")

_IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST_AND_PORT = re.compile(r"(?:socket://)?([A-Za-z0-9_.-]+):([0-9]{1,5})")
_VISA = re.compile(r"(?:TCPIP[0-9]*::([^:]+)|(?:USB|GPIB|ASRL)[0-9]*)::.+::(?:SOCKET|INSTR)", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


def _identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value) or len(value) > LONGEST_IDENTIFIER:
        slug = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:LONGEST_IDENTIFIER].strip("-")
        what = f"{value!r} is no identifier: a-z, 0-9 and - between them, {LONGEST_IDENTIFIER} at most"
        raise BadValueError(what, f"write {slug or 'station-1'}")
    return value


def _serial_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValueError(f"{value} is a number, not text", "write it in quotes, with all zeros of the label")
    return value


def _character(value: object) -> object:
    if not isinstance(value, str):
        raise BadValueError(f"{value} is a number: YAML reads 7E1 as 70", 'write "7E1" in quotes')
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise BadValueError(f"{value!r} depends on where the daemon is started", "write a path that begins with /")
    return value


def _is_host_and_port(value: str) -> bool:
    parts = _HOST_AND_PORT.fullmatch(value)
    return parts is not None and 1 <= int(parts[2]) <= 65535


def _network(value: str) -> str:
    if value.startswith("socket://") or not _is_host_and_port(value):
        raise BadValueError(f"{value!r} is not host:port", "write it as in 192.168.1.20:5025")
    return value


def _visa(value: str) -> str:
    if not _VISA.fullmatch(value) and (value.startswith("socket://") or not _is_host_and_port(value)):
        raise BadValueError(f"{value!r} is neither host:port nor a VISA name", "write it as in 192.168.1.20:5025")
    return value


SIMULATED_FOLDERS = ("/dev/pts/", "/tmp/")  # noqa: S108  (a bench links its ports there; nothing is written)
"""Where the ports of a simulated laboratory are."""
SERIAL_FOLDERS = ("/dev/", *SIMULATED_FOLDERS)


def _serial(value: str) -> str:
    if not value.startswith(SERIAL_FOLDERS) and not _is_host_and_port(value):
        hint = "write /dev/serial/by-id/… or, of a serial device server, host:port"
        raise BadValueError(f"{value!r} is no serial port", hint)
    return value


def _whole(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        number = units.number(value)
        if number != int(number) or not low <= number <= high:
            raise BadValueError(f"{number:g} is no whole number from {low} to {high}", "write one")
        return int(number)

    return check


def _baud(value: object) -> int:
    number = units.number(value)
    if number not in BAUDS:
        raise BadValueError(f"{number:g} is no baud rate", f"write one of {', '.join(map(str, BAUDS))}")
    return int(number)


def _date(value: str) -> str:
    parts = _DATE.fullmatch(value)
    year, month, day = map(int, parts.groups()) if parts else (0, 0, 0)
    if not (year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise BadValueError(f"{value!r} is no day", "write it as in 2026-03-31")
    return value


Identifier = Annotated[Text, AfterValidator(_identifier)]
SerialNumber = Annotated[Text, BeforeValidator(_serial_number)]
AbsolutePath = Annotated[Text, AfterValidator(_absolute)]
NetworkAddress = Annotated[Text, AfterValidator(_network)]
VisaAddress = Annotated[Text, AfterValidator(_visa)]
SerialAddress = Annotated[Text, AfterValidator(_serial)]
Channel = Annotated[int, BeforeValidator(_whole(0, 255))]
Baud = Annotated[int, BeforeValidator(_baud)]
Date = Annotated[Text, AfterValidator(_date)]


class Acceptance(Strict):
    """What came of the hardware acceptance list: hours on a dummy, cycles of a cell beside a cycler that is trusted.

    `worst_deviation_percent` is of a capacity of those cycles between the two.
    """

    accepted_on: Date
    by: Text
    report: Text | None = None
    dummy_hours: NotNegative
    cycles_compared: Annotated[int, BeforeValidator(_whole(0, 1_000_000))]
    worst_deviation_percent: NotNegative

    @property
    def shortfalls(self) -> dict[str, tuple[str, str]]:
        """Which fields say too little to leave a cell alone: what is wrong and what to write, by field."""
        found = {}
        if self.dummy_hours < ACCEPTED_DUMMY_HOURS:
            what = f"{self.dummy_hours:g} h on a dummy are less than {ACCEPTED_DUMMY_HOURS:g}"
            found["dummy_hours"] = (what, "run them to the end, then write them")
        if self.cycles_compared < ACCEPTED_CYCLES:
            what = f"{self.cycles_compared} cycles beside another cycler are less than {ACCEPTED_CYCLES}"
            found["cycles_compared"] = (what, "run them to the end, then write them")
        if self.worst_deviation_percent > ACCEPTED_DEVIATION_PERCENT:
            what = f"capacities {self.worst_deviation_percent:g} % apart are more than {ACCEPTED_DEVIATION_PERCENT:g} %"
            found["worst_deviation_percent"] = (what, "find out which of the two is wrong")
        return found


class PotentiostatSettings(Strict):
    """What drives and measures the cell. Only the instrument of this serial number may answer.

    `acceptance` is the record that its driver was accepted on it; without, no run takes more than a day.
    """

    driver: Text
    address: VisaAddress
    serial_number: SerialNumber
    terminals: Literal["front", "rear"] = "rear"
    timeout_s: Positive = 2.0
    acceptance: Acceptance | None = None


class Calibration(Strict):
    """From what the indicator shows to newtons; the temperature terms count from `reference_temperature_C`.

    `zero` is what it shows with nothing on the sensor, in its own unit. `gain` is newtons per newton shown.
    """

    zero: Number = 0.0
    newton_per_unit: Positive | None = None
    gain: Positive | None = None
    certificate: Text
    calibrated_on: Date
    valid_until: Date | None = None
    zero_drift_newton_per_K: Number = 0.0
    gain_drift_per_K: Number = 0.0
    reference_temperature_C: Celsius = 25.0


class LoadCellSettings(Strict):
    """What feels the force on the stack. `model` is the station's word, and of A&D and CAS `serial_number` too."""

    driver: Text
    address: SerialAddress
    unit: Text
    nominal_newton: Positive
    calibration: Calibration
    weight: Literal["gross", "net"] = "gross"
    decimal_mark: Literal[".", ","] = "."
    line_end: Literal["CR LF", "CR"] = "CR LF"
    bus_address: Annotated[int, BeforeValidator(_whole(1, 247))] | None = None
    wide: bool = False
    baud: Baud = 9600
    character: Annotated[Literal["8N1", "7E1", "7O1", "8N2", "8E1", "8O1"], BeforeValidator(_character)] = "8N1"
    model: Text | None = None
    serial_number: SerialNumber | None = None
    timeout_s: Positive = 2.0

    @property
    def newton_per_unit(self) -> float | None:
        """Newtons per unit shown; None when the file does not say."""
        known = units.NEWTON_PER_UNIT.get(self.unit.casefold())
        if self.calibration.newton_per_unit is not None:
            return self.calibration.newton_per_unit
        return None if self.calibration.gain is None or known is None else self.calibration.gain * known


class Channels(Strict):
    """Which channel measures which place."""

    jig: Channel
    air: Channel | None = None


class ThermometerSettings(Strict):
    """What measures the jig's own temperature."""

    driver: Text
    address: SerialAddress
    channels: Channels
    every_s: Positive = 1.0
    bus_address: Annotated[int, BeforeValidator(_whole(0, 255))] = 1
    baud: Baud = 9600
    checksum: bool = False
    range_code: SerialNumber | None = None
    character: Annotated[Literal["8N1", "7E1", "7O1"], BeforeValidator(_character)] | None = None
    serial_number: SerialNumber | None = None
    timeout_s: Positive = 2.0


class ChamberSettings(Strict):
    """What holds the air around the jig at a temperature."""

    driver: Text
    address: NetworkAddress
    controller: Text | None = None
    bus_address: Annotated[int, BeforeValidator(_whole(0, 31))] | None = None
    lowest_temperature_C: Celsius | None = None
    highest_temperature_C: Celsius | None = None
    timeout_s: Positive = 2.0


class HostLoss(Strict):
    """How a chiller with a watchdog of its own is to see to itself when the daemon is gone.

    `safe_mode`: it was activated at the unit's menu, which can't be asked; it then goes on at `safe_temperature_C`,
    else it stops.
    """

    timeout_s: Positive
    safe_temperature_C: Celsius
    safe_mode: bool


class ChillerSettings(Strict):
    """What holds a bath at a temperature. Line settings are the make's own where they are not said."""

    driver: Text
    address: SerialAddress
    model: Text | None = None
    bus_address: Annotated[int, BeforeValidator(_whole(0, 127))] | None = None
    baud: Baud | None = None
    character: Annotated[Literal["8N1", "7E1", "7O1"], BeforeValidator(_character)] | None = None
    family: Literal["basic", "circulator", "fp50"] | None = None
    external_probe: bool = False
    host_loss: HostLoss | None = None
    timeout_s: Positive = 2.0


class MillDriveSettings(Strict):
    """What turns the blade of a mill. `loss_stop_s` is after how much silence the drive itself stops it."""

    driver: Text
    address: SerialAddress
    highest_rpm: Positive
    rpm_per_Hz: Positive = 60.0
    loss_stop_s: Positive = 3.0
    stands_within_s: Positive = 30.0
    bus_address: Annotated[int, BeforeValidator(_whole(1, 247))] = 1
    baud: Baud = 9600
    character: Annotated[Literal["8N1", "8N2", "8E1", "8O1"], BeforeValidator(_character)] = "8N1"
    model_code: Annotated[int, BeforeValidator(_whole(0, 65535))] | None = None
    timeout_s: Positive = 2.0


class FixtureSettings(Strict):
    """The jig of a rig: where the cell file says nothing of it."""

    jig: Text | None = None
    diameter_mm: Positive


Instrument = (
    PotentiostatSettings
    | LoadCellSettings
    | ThermometerSettings
    | ChamberSettings
    | ChillerSettings
    | MillDriveSettings
)


class LinkSettings(Strict):
    """What an instrument that does not answer means: shorter silences are not told of, longer ones hold the run."""

    mask_s: NotNegative = 10.0
    fail_s: Positive = 1800.0


class RigSettings(Strict):
    """The instruments that act on one cell at a time. Without a potentiostat it only records."""

    potentiostat: PotentiostatSettings | None = None
    load_cell: LoadCellSettings | None = None
    thermometer: ThermometerSettings | None = None
    chamber: ChamberSettings | None = None
    mill_drive: MillDriveSettings | None = None
    chiller: ChillerSettings | None = None
    fixture: FixtureSettings | None = None
    safety: Safety | None = None
    link: LinkSettings | None = None

    @property
    def instruments(self) -> dict[str, Instrument]:
        """What there is, by role."""
        by_role: dict[str, Instrument | None] = {
            "potentiostat": self.potentiostat,
            "load_cell": self.load_cell,
            "thermometer": self.thermometer,
            "chamber": self.chamber,
            "mill_drive": self.mill_drive,
            "chiller": self.chiller,
        }
        return {role: instrument for role, instrument in by_role.items() if instrument is not None}


class BenchSettings(Strict):
    """The simulated laboratory whose control port owns time.

    `pace` is simulated seconds a real second, as fast as it goes without one; `on_owner_lost` is what its time does
    while no daemon is there.
    """

    control: NetworkAddress
    pace: Positive | None = None
    on_owner_lost: Literal["run_on", "freeze"] = "run_on"


class BrokerSettings(Strict):
    """Where rows are published by MQTT. The password is the first line of a file that only the daemon may read."""

    broker: NetworkAddress
    username: Text | None = None
    password_file: AbsolutePath | None = None


class StationSettings(Strict):
    """The top of the file. `rigs` as read, unchecked: see `StationFile.rigs`.

    `safety`, here and of a rig, holds for every run: a protocol can tighten it, and cannot loosen it.
    """

    schema_name: Literal["presscell-station/1"] | None = Field(default=None, alias="schema")
    site: Identifier
    station: Identifier
    data: AbsolutePath
    supervise_every_s: Positive = 1.0
    clock: Literal["monotonic"] | None = None
    bench: BenchSettings | None = None
    mqtt: BrokerSettings | None = None
    safety: Safety | None = None
    rigs: dict[str, Any]


@dataclass(frozen=True)
class StationFile:
    """A station file as far as it could be read.

    `station` is None when its top is wrong. `rigs` are by name; an instrument with an error is left out of its rig.
    """

    source: Source
    station: StationSettings | None
    rigs: dict[str, RigSettings]
    problems: tuple[Problem, ...]


def read_station(text: str, file: str, known_drivers: Mapping[str, Collection[str]]) -> StationFile:
    """Read a station file; what is wrong with it is in `problems`, all at once. Raises nothing.

    Args:
        text: the file's.
        file: its name, for messages.
        known_drivers: role to the names of its drivers.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return StationFile(Source(file), None, {}, found.problems)
    station, problems = read_model(StationSettings, source, (), source.value)
    written = source.value.get("rigs") if isinstance(source.value, dict) else None
    rigs: dict[str, RigSettings] = {}
    for name, value in written.items() if isinstance(written, dict) else ():
        rig, found_in_rig = read_model(RigSettings, source, ("rigs", name), value, ROLES_TO_COME)
        problems += found_in_rig
        if rig is not None:
            rigs[name] = rig
    findings = Findings(source)
    if written == {}:
        findings.error(("rigs",), "has no rigs", "write rigs: {rig1: {potentiostat: {…}}}", at_key=True)
    _check_rigs(findings, rigs, known_drivers)
    if station is not None:
        _check_safety(findings, ("safety",), station.safety)
        _check_clock(findings, station, rigs)
        _check_silence(findings, station, rigs)
    problems = in_reading_order([*source.problems, *problems, *findings.problems])
    return StationFile(source, station, rigs, tuple(problems))


def safety_of(station: StationSettings, rig: RigSettings) -> tuple[Safety, ...]:
    """What a station says of the safety of every run on one of its rigs; the tighter number holds."""
    return tuple(said for said in (station.safety, rig.safety) if said is not None)


def is_on_this_machine(address: str) -> bool:
    """Whether an address is one at which a simulated instrument can be: the loopback, or a pseudo-terminal."""
    parts = _VISA.fullmatch(address) or _HOST_AND_PORT.fullmatch(address)
    if parts is None or parts[1] is None:
        return address.startswith(SIMULATED_FOLDERS)
    try:
        return ipaddress.ip_address(parts[1]).is_loopback
    except ValueError:
        return parts[1].casefold() == "localhost"


def _instruments(rigs: Mapping[str, RigSettings]) -> Iterator[tuple[Path, str, Instrument]]:
    for name, rig in rigs.items():
        for role, instrument in rig.instruments.items():
            yield ("rigs", name, role), role, instrument


def _check_rigs(
    findings: Findings, rigs: Mapping[str, RigSettings], known_drivers: Mapping[str, Collection[str]]
) -> None:
    first_at: dict[str, Path] = {}
    for path, role, instrument in _instruments(rigs):
        _check_driver(findings, path, role, instrument.driver, known_drivers)
        address = instrument.address.casefold().removeprefix("socket://")
        if address in first_at:
            line = findings.source.value_at(first_at[address]).line
            what = f"{instrument.address} is also on line {line}"
            findings.error((*path, "address"), what, "give each instrument its own")
        first_at.setdefault(address, (*path, "address"))
    for name, rig in rigs.items():
        try:
            _identifier(name)
        except BadValueError as error:
            findings.error(("rigs", name), error.what, error.what_to_write, at_key=True)
        _check_rig(findings, ("rigs", name), rig)
        _check_safety(findings, ("rigs", name, "safety"), rig.safety)


def _check_driver(
    findings: Findings, path: Path, role: str, driver: str, known_drivers: Mapping[str, Collection[str]]
) -> None:
    known = sorted(known_drivers.get(role, ()))
    if driver in known:
        return
    what = f"there is no driver {driver} of a {role.replace('_', ' ')}"
    owners = [other for other, names in known_drivers.items() if driver in names]
    if owners:
        what = f"{driver} drives a {owners[0].replace('_', ' ')}, not a {role.replace('_', ' ')}"
    close = did_you_mean(driver, known)
    hint = f"did you mean {close}? " if close else ""
    findings.error((*path, "driver"), what, f"{hint}there are {', '.join(known)}")


def _check_rig(findings: Findings, path: Path, rig: RigSettings) -> None:
    written = findings.source.value_positions
    measuring = ("potentiostat", "load_cell", "thermometer")
    if not any((*path, role) in written for role in (*measuring, "mill_drive")):
        what = "nothing of this rig measures"
        findings.error(path, what, f"write at least one of {', '.join(measuring)}", at_key=True)
    if rig.load_cell is not None:
        _check_calibration(findings, (*path, "load_cell"), rig.load_cell)
        drifts = (rig.load_cell.calibration.zero_drift_newton_per_K, rig.load_cell.calibration.gain_drift_per_K)
        if any(drifts) and (*path, "thermometer") not in written:
            what = "the temperature terms can't be applied: this rig has no thermometer"
            findings.warning((*path, "load_cell", "calibration"), what, "write thermometer, or remove them")
    acceptance = rig.potentiostat.acceptance if rig.potentiostat else None
    for field, (what, what_to_write) in acceptance.shortfalls.items() if acceptance else ():
        where = (*path, "potentiostat", "acceptance", field)
        findings.warning(where, f"{what}: no run of more than a day", what_to_write)
    if rig.link is not None and rig.link.mask_s >= rig.link.fail_s:
        what = f"{rig.link.mask_s:g} s of silence are not told of, and {rig.link.fail_s:g} s hold the run"
        findings.error((*path, "link"), what, "write a shorter mask_s, or a longer fail_s", at_key=True)
    channels = rig.thermometer.channels if rig.thermometer else None
    if channels is not None and channels.jig == channels.air:
        where = (*path, "thermometer", "channels", "air")
        findings.error(where, f"channel {channels.air} is the jig's already", "write another channel")


def _check_calibration(findings: Findings, path: Path, load_cell: LoadCellSettings) -> None:
    said, here = load_cell.calibration, (*path, "calibration")
    known = units.NEWTON_PER_UNIT.get(load_cell.unit.casefold())
    if said.newton_per_unit is not None and said.gain is not None:
        findings.error((*here, "gain"), "the gain is said twice", "keep gain or newton_per_unit", at_key=True)
    elif said.newton_per_unit is None and said.gain is None:
        what = "how many newtons a unit shown stands for is missing"
        findings.error(here, what, "write gain: 1.000 or newton_per_unit: …, from the certificate", at_key=True)
    elif load_cell.newton_per_unit is None:
        what = f"how many newtons 1 {load_cell.unit} is, is not known here"
        findings.error((*here, "gain"), what, "write newton_per_unit in its place", at_key=True)
    elif known is not None and not 1 / ODD_FACTOR <= load_cell.newton_per_unit / known <= ODD_FACTOR:
        key = "gain" if said.gain is not None else "newton_per_unit"
        what = f"{load_cell.newton_per_unit:g} N for 1 {load_cell.unit}, which is {known:g} N"
        findings.warning((*here, key), what, "keep it only if the indicator shows another unit than it says")
    if said.valid_until is not None and said.valid_until < said.calibrated_on:
        what = f"{said.valid_until} is before the day of the calibration, {said.calibrated_on}"
        findings.error((*here, "valid_until"), what, "exchange the two, or correct one")


def _check_silence(findings: Findings, station: StationSettings, rigs: Mapping[str, RigSettings]) -> None:
    """A watchdog must be spoken to three times before it ends."""
    for name, rig in rigs.items():
        host_loss = rig.chiller.host_loss if rig.chiller else None
        if host_loss is not None and host_loss.timeout_s < 3 * station.supervise_every_s:
            what = f"instruments are looked at every {station.supervise_every_s:g} s: it would end while all is well"
            hint = f"write {3 * station.supervise_every_s:g} or more"
            findings.error(("rigs", name, "chiller", "host_loss", "timeout_s"), what, hint)


def _check_safety(findings: Findings, path: Path, safety: Safety | None) -> None:
    for key, default in weaker_than_default(safety or Safety()):
        what = f"looser than the default, {default}, for every protocol"
        findings.warning((*path, key), what, "keep it only if meant")


def _check_clock(findings: Findings, station: StationSettings, rigs: Mapping[str, RigSettings]) -> None:
    if station.bench is None:
        _check_real(findings, station, rigs)
        return
    if station.clock is not None:
        what = "the clock is said twice: the bench's control port owns time"
        findings.error(("clock",), what, "remove clock, or remove bench", at_key=True)
    if not is_on_this_machine(station.bench.control):
        what = f"{station.bench.control} is not on this machine, where benches are"
        findings.error(("bench", "control"), what, "write 127.0.0.1 and the port that the bench printed")
    for path, _, instrument in _instruments(rigs):
        if not is_on_this_machine(instrument.address):
            what = f"{instrument.address} is a real instrument: it can't live in a bench's time"
            hint = "write 127.0.0.1:port or /dev/pts/n of the bench, or remove bench"
            findings.error((*path, "address"), what, hint)


def _check_real(findings: Findings, station: StationSettings, rigs: Mapping[str, RigSettings]) -> None:
    if station.supervise_every_s > LATE_SUPERVISION_SECOND:
        what = f"an interlock would act only after up to {station.supervise_every_s:g} s"
        findings.warning(("supervise_every_s",), what, "write 1")
    for path, _, instrument in _instruments(rigs):
        if is_on_this_machine(instrument.address):
            what = f"{instrument.address} is on this machine: rows of a simulated instrument would count as measured"
            hint = "write bench: {control: 127.0.0.1:port} if it is simulated"
            findings.warning((*path, "address"), what, hint)

"""What a station says of an instrument, by role: what its driver is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.and_weighing.codec import AndFormat

Settings = Mapping[str, object]
"""What a station says to a driver of another package alone: numbers, texts, lists and mappings, as they are written."""

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
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LoadCellConnection:
    """What a station says of a load cell's indicator. `model` is its word, and `serial_number` of A&D and CAS too.

    `address` is a device's path or `socket://host:port`; `character` is `8N1`, `7E1` or `7O1`, see `SerialLine`, and on
    Modbus as in `ModbusLine`. Of `frame_format` other makes than A&D have the unit and the weight alone.
    """

    name: str
    address: str
    frame_format: AndFormat
    baud: int
    character: str = "8N1"
    model: str = ""
    serial_number: str = ""
    bus_address: int | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ThermometerConnection:
    """What a station says of a thermometer. `address` is a device's path, `host:port` or `socket://host:port`.

    `character` is as the maker delivers it when None. Bus address, checksum and range code are of the ADAM-4015, the
    serial number of the Lake Shore 218.
    """

    name: str
    address: str
    channel_by_place: Mapping[str, int]
    bus_address: int = 1
    baud: int = 9600
    has_checksum: bool = False
    range_code: str | None = None
    character: str | None = None
    serial_number: str | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ChamberConnection:
    """What a station says of a chamber. `address` is `host:port`.

    `controller` is of ESPEC; `bus_address` and the limits are of Vötsch, which does not tell them.
    """

    name: str
    address: str
    controller: str | None = None
    bus_address: int | None = None
    lowest_celsius: float | None = None
    highest_celsius: float | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ChillerConnection:
    """What a station says of a chiller. `address` is a device's path, `host:port` or `socket://host:port`.

    `baud` and `character` are as the make has them from the factory when None. `model` is the only one that may answer,
    `bus_address` is of RS-485. `family` and `external_probe` are of `JulaboChiller`; `safe_mode` of `LaudaChiller`.
    """

    name: str
    address: str
    model: str | None = None
    bus_address: int | None = None
    baud: int | None = None
    character: str | None = None
    family: str | None = None
    external_probe: bool = False
    safe_mode: bool = False
    timeout_second: float = DEFAULT_TIMEOUT_SECOND
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MillDriveConnection:
    """What a station says of a mill's drive. `address` is a device's path, or `host:port` that passes RTU frames on.

    `character` is `8N1`, `8N2`, `8E1` or `8O1`; `model_code` what the drive's model register must hold, where it is
    not what the driver expects. The rest is of `FrequencyDrive`.
    """

    name: str
    address: str
    highest_rpm: float
    rpm_per_hertz: float = 60.0
    stands_within_second: float = 30.0
    bus_address: int = 1
    baud: int = 9600
    character: str = "8N1"
    model_code: int | None = None
    timeout_second: float = DEFAULT_TIMEOUT_SECOND
    settings: Settings = field(default_factory=dict)

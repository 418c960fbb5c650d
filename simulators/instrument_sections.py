"""What a bench file says of each instrument, and the settings of the simulated ones that come of it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.adam_4015 import CHANNELS
from simulators.bath import BathBuild
from simulators.chamber_air import ChamberBuild
from simulators.espec import HIGHEST_CELSIUS, LOWEST_CELSIUS
from simulators.force_display import ForceSensor, IndicatorSetup
from simulators.inverter import InverterSettings
from simulators.lakeshore import INPUTS
from simulators.laumas import UNITS as LAUMAS_UNITS
from simulators.mill import MillBuild
from simulators.modbus_rtu import HIGHEST_UNIT

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Celsius = Annotated[float, Field(ge=-40, le=150)]
ChamberCelsius = Annotated[float, Field(ge=LOWEST_CELSIUS, le=HIGHEST_CELSIUS)]
BathCelsius = Annotated[float, Field(ge=-90, le=300)]
BusAddress = Annotated[int, Field(ge=0, le=127)]
Word = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,20}$")]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """A part of the file: nothing unknown, nothing guessed, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class TcpTransport(Strict):
    """A loopback TCP server; port 0 takes a free one.

    Of a potentiostat, `dst_port` adds a dead-socket-termination port and `vxi11_port` one for VXI-11.
    """

    kind: Literal["tcp"]
    port: Port = 0
    dst_port: Port | None = None
    vxi11_port: Port | None = None


class PtyTransport(Strict):
    """A pseudo-terminal, at a path that stays; without a `link`, one in a folder for temporary files."""

    kind: Literal["pty"]
    link: Annotated[str, Field(min_length=1)] | None = None


Transport = Annotated[TcpTransport | PtyTransport, Field(discriminator="kind")]


class PotentiostatSection(Strict):
    """A source-measure unit on the cell."""

    name: Name
    model: Literal["2450", "2460", "2461"]
    role: Literal["potentiostat"]
    serial_number: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,20}$")]
    firmware: Annotated[str, Field(pattern=r"^[0-9A-Za-z.]{1,20}$")]
    power_on_off_state: Literal["NORM", "HIMP"] = "NORM"
    line_frequency_Hz: Literal[50, 60] = 60
    dummy_ohm: Positive | None = None
    transport: TcpTransport


_SENSOR, _SETUP, _BUILD, _BATH = ForceSensor(), IndicatorSetup(), ChamberBuild(), BathBuild()
_MILL, _INVERTER = MillBuild(), InverterSettings()


class SensorSection(Strict):
    """The force sensor below the cell, and the die."""

    nominal_N: Positive = _SENSOR.nominal_newton
    die_diameter_mm: Positive = _SENSOR.die_diameter_millimetre
    zero_N: float = _SENSOR.zero_newton
    gain_error: float = _SENSOR.gain_error
    zero_drift_per_K: float = _SENSOR.zero_drift_per_kelvin
    span_drift_per_K: float = _SENSOR.span_drift_per_kelvin
    reference_temperature_C: Celsius = _SENSOR.reference_celsius
    noise_kPa: NotNegative = _SENSOR.noise_kilopascal

    def make(self, *, noise: bool) -> ForceSensor:
        """The sensor, perhaps without its noise."""
        return ForceSensor(
            nominal_newton=self.nominal_N,
            die_diameter_millimetre=self.die_diameter_mm,
            zero_newton=self.zero_N,
            gain_error=self.gain_error,
            zero_drift_per_kelvin=self.zero_drift_per_K,
            span_drift_per_kelvin=self.span_drift_per_K,
            reference_celsius=self.reference_temperature_C,
            noise_kilopascal=self.noise_kPa if noise else 0.0,
        )


class SetupSection(Strict):
    """How the indicator was set up; `capacity` is in its unit."""

    unit: str = _SETUP.unit
    decimals: int = _SETUP.decimals
    division: int = _SETUP.division
    capacity: Positive = _SETUP.capacity
    display_Hz: Positive = _SETUP.display_hertz
    baud: int = _SETUP.baud
    streaming: bool = _SETUP.streaming
    over_word: Literal["OL", "LO"] = "OL"
    motion_divisions: int = _SETUP.motion_divisions
    motion_displays: int = _SETUP.motion_displays
    zero_range_fraction: NotNegative = _SETUP.zero_range_fraction
    form: Literal["and", "cas", "cas_and"] = "and"
    bus_address: int | None = None

    @model_validator(mode="after")
    def _can_be(self) -> "SetupSection":
        self.make()
        return self

    def make(self) -> IndicatorSetup:
        """The set-up. Raises ValueError for one that can't be."""
        return IndicatorSetup(
            unit=self.unit,
            decimals=self.decimals,
            division=self.division,
            capacity=self.capacity,
            display_hertz=self.display_Hz,
            baud=self.baud,
            streaming=self.streaming,
            over_word=self.over_word,
            motion_divisions=self.motion_divisions,
            motion_displays=self.motion_displays,
            zero_range_fraction=self.zero_range_fraction,
            form=self.form,
            bus_address=self.bus_address,
        )


class LoadCellSection(Strict):
    """A weighing indicator with the force sensor below the cell."""

    name: Name
    model: Literal["and_indicator", "mettler_sics", "laumas"]
    role: Literal["load_cell"]
    sensor: SensorSection = SensorSection()
    setup: SetupSection = SetupSection()
    transport: Transport

    @model_validator(mode="after")
    def _has_the_unit(self) -> "LoadCellSection":
        if self.model == "laumas" and self.setup.unit not in LAUMAS_UNITS:
            raise ValueError(f"a laumas has no unit {self.setup.unit}; write one of {', '.join(LAUMAS_UNITS)}")
        return self


class ProbeSection(Strict):
    """A Pt100: its channel, where it is, and by how much it is wrong."""

    channel: Annotated[int, Field(ge=0, le=8)]
    place: Literal["jig", "air"]
    offset_K: float = 0.0

    @property
    def cell_name(self) -> str:
        """The cell whose jig it is in, where that must be said."""
        return ""


class ThermometerSection(Strict):
    """A module with Pt100s in the jig and in the air around it."""

    name: Name
    model: Literal["adam_4015", "lakeshore_218"]
    role: Literal["thermometer"]
    bus_address: Annotated[int, Field(ge=0, le=0xFF)] = 0x01
    range_code: Annotated[int, Field(ge=0x20, le=0x24)] = 0x20
    checksum: bool = False
    firmware: Annotated[str, Field(pattern=r"^[0-9A-Za-z.]{1,20}$")] = "A1.06"
    noise_K: NotNegative = 0.01
    serial_number: Word = "21EA4F"
    character: Literal["8N1", "7O1"] = "8N1"
    probes: list[ProbeSection] = [ProbeSection(channel=0, place="jig"), ProbeSection(channel=1, place="air")]
    transport: Transport

    @model_validator(mode="after")
    def _wires_are_apart(self) -> "ThermometerSection":
        channels = [probe.channel for probe in self.probes]
        twice = sorted({channel for channel in channels if channels.count(channel) > 1})
        if twice:
            raise ValueError(f"channel {twice[0]} has two probes; give each a channel of its own")
        first, last = (0, CHANNELS - 1) if self.model == "adam_4015" else (1, INPUTS)
        if not all(first <= channel <= last for channel in channels):
            raise ValueError(f"the channels of this model are {first} to {last}")
        return self


class BuildSection(Strict):
    """How fast a chamber is, and how well it controls."""

    room_temperature_C: Celsius = _BUILD.room_celsius
    heating_K_per_min: Positive = _BUILD.heating_kelvin_per_minute
    cooling_K_per_min: Positive = _BUILD.cooling_kelvin_per_minute
    approach_s: Positive = _BUILD.approach_second
    idle_s: Positive = _BUILD.idle_second
    ripple_K: NotNegative = _BUILD.ripple_kelvin
    ripple_s: Positive = _BUILD.ripple_second

    def make(self, *, noise: bool) -> ChamberBuild:
        """The build, perhaps without the swing of its control."""
        return ChamberBuild(
            room_celsius=self.room_temperature_C,
            heating_kelvin_per_minute=self.heating_K_per_min,
            cooling_kelvin_per_minute=self.cooling_K_per_min,
            approach_second=self.approach_s,
            idle_second=self.idle_s,
            ripple_kelvin=self.ripple_K if noise else 0.0,
            ripple_second=self.ripple_s,
        )


class ChamberSection(Strict):
    """A temperature chamber around the jig. It starts at the cell's `chamber_temperature_C`, and set to that."""

    name: Name
    model: Literal["espec", "votsch"]
    role: Literal["chamber"]
    setpoint_temperature_C: ChamberCelsius | None = None
    low_limit_temperature_C: ChamberCelsius = -50.0
    high_limit_temperature_C: ChamberCelsius = 140.0
    mode: Literal["OFF", "STANDBY", "CONSTANT"] = "CONSTANT"
    bus_address: Annotated[int, Field(ge=0, le=31)] = 1
    build: BuildSection = BuildSection()
    transport: Transport

    @model_validator(mode="after")
    def _limits_are_around(self) -> "ChamberSection":
        low_celsius, high_celsius = self.low_limit_temperature_C, self.high_limit_temperature_C
        setpoint_celsius = low_celsius if self.setpoint_temperature_C is None else self.setpoint_temperature_C
        if not low_celsius <= setpoint_celsius <= high_celsius:
            raise ValueError("the setpoint is not between low_limit_temperature_C and high_limit_temperature_C")
        return self


class CoolingSection(Strict):
    """How much heat a refrigeration takes away at a bath temperature."""

    temperature_C: BathCelsius
    power_W: NotNegative


class BathSection(Strict):
    """How large and how strong a bath is."""

    heat_capacity_J_per_K: Positive = _BATH.heat_capacity_joule_per_kelvin
    heating_W: NotNegative = _BATH.heating_watt
    cooling: list[CoolingSection] = [
        CoolingSection(temperature_C=celsius, power_W=watt) for celsius, watt in _BATH.cooling_watt_by_celsius
    ]
    pump_W: NotNegative = _BATH.pump_watt
    loss_W_per_K: NotNegative = _BATH.loss_watt_per_kelvin
    room_temperature_C: Celsius = _BATH.room_celsius
    approach_s: Positive = _BATH.approach_second
    settle_s: Positive = _BATH.settle_second

    @model_validator(mode="after")
    def _can_be(self) -> "BathSection":
        self.make()
        return self

    def make(self) -> BathBuild:
        """The build. Raises ValueError for one that can't be."""
        return BathBuild(
            heat_capacity_joule_per_kelvin=self.heat_capacity_J_per_K,
            heating_watt=self.heating_W,
            cooling_watt_by_celsius=tuple((point.temperature_C, point.power_W) for point in self.cooling),
            pump_watt=self.pump_W,
            loss_watt_per_kelvin=self.loss_W_per_K,
            room_celsius=self.room_temperature_C,
            approach_second=self.approach_s,
            settle_second=self.settle_s,
        )


class ChillerSection(Strict):
    """A circulator. Its bath starts as warm as the room; an external probe feels the bath while nothing is cooled."""

    name: Name
    role: Literal["chiller"]
    bath_temperature_C: BathCelsius | None = None
    setpoint_temperature_C: BathCelsius = 20.0
    running: bool = False
    external_probe: bool = False
    low_limit_temperature_C: BathCelsius = -30.0
    high_limit_temperature_C: BathCelsius = 100.0
    bath: BathSection = BathSection()
    transport: Transport

    @model_validator(mode="after")
    def _limits_are_around(self) -> "ChillerSection":
        if not self.low_limit_temperature_C <= self.setpoint_temperature_C <= self.high_limit_temperature_C:
            raise ValueError("the setpoint is not between low_limit_temperature_C and high_limit_temperature_C")
        return self


class LaudaSection(ChillerSection):
    """A LAUDA; `safe_mode` is whether it was activated at its menu."""

    model: Literal["lauda"]
    device_type: Word = "ECO"
    firmware: Word = "1.36"
    bus_address: BusAddress | None = None
    safe_mode: bool = False


class JulaboSection(ChillerSection):
    """A JULABO in remote control."""

    model: Literal["julabo"]
    family: Literal["basic", "circulator", "fp50"] = "circulator"
    device_type: Word = "CF41"
    firmware: Word = "1.30"
    bus_address: BusAddress | None = None
    character: Literal["8N1", "7E1"] = "8N1"


class HuberSection(ChillerSection):
    """A Huber with PB commands."""

    model: Literal["huber"]


class MillSection(Strict):
    """The motor, the blade and the vessel of a mill."""

    rpm_per_Hz: Positive = _MILL.rpm_per_hertz
    rated_rpm: Positive = _MILL.rated_rpm
    blade_W: NotNegative = _MILL.blade_watt
    coast_rpm_per_s: Positive = _MILL.coast_rpm_per_second
    vessel_J_per_K: Positive = _MILL.vessel_joule_per_kelvin
    jacket_W_per_K: Positive = _MILL.jacket_watt_per_kelvin
    air_W_per_K: Positive = _MILL.air_watt_per_kelvin
    room_temperature_C: Celsius = _MILL.room_celsius

    def make(self) -> MillBuild:
        """The mill's figures."""
        return MillBuild(
            rpm_per_hertz=self.rpm_per_Hz,
            rated_rpm=self.rated_rpm,
            blade_watt=self.blade_W,
            coast_rpm_per_second=self.coast_rpm_per_s,
            vessel_joule_per_kelvin=self.vessel_J_per_K,
            jacket_watt_per_kelvin=self.jacket_W_per_K,
            air_watt_per_kelvin=self.air_W_per_K,
            room_celsius=self.room_temperature_C,
        )


class MillDriveSection(Strict):
    """A variable-frequency drive that turns the blade of a mill, whose vessel a chiller of the bench cools."""

    name: Name
    model: Literal["ls_ig5a", "ls_s100", "delta_vfd"]
    role: Literal["mill_drive"]
    bus_address: Annotated[int, Field(ge=1, le=HIGHEST_UNIT)] = 1
    baud: Annotated[int, Field(gt=0)] = 9600
    highest_Hz: Annotated[float, Field(gt=0, le=400)] = _INVERTER.highest_hertz
    accel_s: Positive = _INVERTER.accel_second
    decel_s: Positive = _INVERTER.decel_second
    build: MillSection = MillSection()
    transport: Transport

    def make(self) -> InverterSettings:
        """What the drive is set to."""
        return InverterSettings(highest_hertz=self.highest_Hz, accel_second=self.accel_s, decel_second=self.decel_s)


InstrumentSection = Annotated[
    PotentiostatSection
    | LoadCellSection
    | ThermometerSection
    | ChamberSection
    | LaudaSection
    | JulaboSection
    | HuberSection
    | MillDriveSection,
    Field(discriminator="model"),
]
AnySection = (
    PotentiostatSection
    | LoadCellSection
    | ThermometerSection
    | ChamberSection
    | LaudaSection
    | JulaboSection
    | HuberSection
    | MillDriveSection
)

SECTIONS_BY_TAG: dict[str, type[Strict]] = {
    **dict.fromkeys(("2450", "2460", "2461"), PotentiostatSection),
    **dict.fromkeys(("and_indicator", "mettler_sics", "laumas"), LoadCellSection),
    **dict.fromkeys(("adam_4015", "lakeshore_218"), ThermometerSection),
    **dict.fromkeys(("espec", "votsch"), ChamberSection),
    "lauda": LaudaSection,
    "julabo": JulaboSection,
    "huber": HuberSection,
    **dict.fromkeys(("ls_ig5a", "ls_s100", "delta_vfd"), MillDriveSection),
    "tcp": TcpTransport,
    "pty": PtyTransport,
}
"""What is chosen by a `model` or a transport's `kind`."""

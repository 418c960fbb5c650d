"""What a bench file says of each instrument, and the settings of the simulated ones that come of it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.adam_4015 import CHANNELS
from simulators.and_indicator import ForceSensor, IndicatorSetup
from simulators.chamber_air import ChamberBuild
from simulators.espec import HIGHEST_CELSIUS, LOWEST_CELSIUS

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Celsius = Annotated[float, Field(ge=-40, le=150)]
ChamberCelsius = Annotated[float, Field(ge=LOWEST_CELSIUS, le=HIGHEST_CELSIUS)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """A part of the file: nothing unknown, nothing guessed, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class TcpTransport(Strict):
    """A loopback TCP server; port 0 takes a free one. `dst_port` adds a dead-socket-termination port."""

    kind: Literal["tcp"]
    port: Port = 0
    dst_port: Port | None = None


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
    transport: TcpTransport


_SENSOR, _SETUP, _BUILD = ForceSensor(), IndicatorSetup(), ChamberBuild()


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
        )


class LoadCellSection(Strict):
    """A weighing indicator with the force sensor below the cell."""

    name: Name
    model: Literal["and_indicator"]
    role: Literal["load_cell"]
    sensor: SensorSection = SensorSection()
    setup: SetupSection = SetupSection()
    transport: Transport


class ProbeSection(Strict):
    """A Pt100: its channel, where it is, and by how much it is wrong."""

    channel: Annotated[int, Field(ge=0, lt=CHANNELS)]
    place: Literal["jig", "air"]
    offset_K: float = 0.0


class ThermometerSection(Strict):
    """A module with Pt100s in the jig and in the air around it."""

    name: Name
    model: Literal["adam_4015"]
    role: Literal["thermometer"]
    bus_address: Annotated[int, Field(ge=0, le=0xFF)] = 0x01
    range_code: Annotated[int, Field(ge=0x20, le=0x24)] = 0x20
    checksum: bool = False
    firmware: Annotated[str, Field(pattern=r"^[0-9A-Za-z.]{1,20}$")] = "A1.06"
    noise_K: NotNegative = 0.01
    probes: list[ProbeSection] = [ProbeSection(channel=0, place="jig"), ProbeSection(channel=1, place="air")]
    transport: Transport

    @model_validator(mode="after")
    def _wires_are_apart(self) -> "ThermometerSection":
        channels = [probe.channel for probe in self.probes]
        twice = sorted({channel for channel in channels if channels.count(channel) > 1})
        if twice:
            raise ValueError(f"channel {twice[0]} has two probes; give each a channel of its own")
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
    model: Literal["espec"]
    role: Literal["chamber"]
    setpoint_temperature_C: ChamberCelsius | None = None
    low_limit_temperature_C: ChamberCelsius = -50.0
    high_limit_temperature_C: ChamberCelsius = 140.0
    mode: Literal["OFF", "STANDBY", "CONSTANT"] = "CONSTANT"
    build: BuildSection = BuildSection()
    transport: Transport

    @model_validator(mode="after")
    def _limits_are_around(self) -> "ChamberSection":
        low_celsius, high_celsius = self.low_limit_temperature_C, self.high_limit_temperature_C
        setpoint_celsius = low_celsius if self.setpoint_temperature_C is None else self.setpoint_temperature_C
        if not low_celsius <= setpoint_celsius <= high_celsius:
            raise ValueError("the setpoint is not between low_limit_temperature_C and high_limit_temperature_C")
        return self


InstrumentSection = Annotated[
    PotentiostatSection | LoadCellSection | ThermometerSection | ChamberSection, Field(discriminator="model")
]
AnySection = PotentiostatSection | LoadCellSection | ThermometerSection | ChamberSection

SECTIONS_BY_TAG: dict[str, type[Strict]] = {
    **dict.fromkeys(("2450", "2460", "2461"), PotentiostatSection),
    "and_indicator": LoadCellSection,
    "adam_4015": ThermometerSection,
    "espec": ChamberSection,
    "tcp": TcpTransport,
    "pty": PtyTransport,
}
"""What is chosen by a `model` or a transport's `kind`."""

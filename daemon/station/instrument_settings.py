"""What a station file may say of each kind of instrument. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PrivateAttr

from daemon.station.fields import (
    AbsolutePath,
    Baud,
    Channel,
    NetworkAddress,
    SerialAddress,
    SerialNumber,
    VisaAddress,
    line_character,
    whole,
)
from protocols import units
from protocols.calibration import CalibrationRead
from protocols.fields import Celsius, Date, NotNegative, Number, Positive, Strict, Text

ACCEPTED_DUMMY_HOURS, ACCEPTED_CYCLES, ACCEPTED_DEVIATION_PERCENT = 48.0, 20, 0.1
"""What an acceptance of a potentiostat must have shown at least, and at most."""


class Acceptance(Strict):
    """What came of the hardware acceptance list: hours on a dummy, cycles of a cell beside a cycler that is trusted.

    `worst_deviation_percent` is of a capacity of those cycles between the two.
    """

    accepted_on: Date
    by: Text
    report: Text | None = None
    dummy_hours: NotNegative
    cycles_compared: Annotated[int, BeforeValidator(whole(0, 1_000_000))]
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


OwnSettings = dict[str, Any] | None
"""What a driver of another package wants to know besides; it is the driver that checks it."""


class PotentiostatSettings(Strict):
    """What drives and measures the cell. Only the instrument of this serial number may answer.

    `acceptance` is the record that its driver was accepted on it; without, no run takes more than a day.
    """

    driver: Text
    address: VisaAddress
    serial_number: SerialNumber
    terminals: Literal["front", "rear"] = "rear"
    timeout_s: Positive = 2.0
    settings: OwnSettings = None
    acceptance: Acceptance | None = None


class Calibration(Strict):
    """From what the indicator shows to newtons; the temperature terms count from `reference_temperature_C`.

    `zero` is what it shows with nothing on the sensor, in its own unit. `gain` is newtons per newton shown. `file` is a
    calibration file, and then nothing else is said here: whoever reads the station file takes the numbers from it.
    """

    file: AbsolutePath | None = None
    zero: Number = 0.0
    newton_per_unit: Positive | None = None
    gain: Positive | None = None
    certificate: Text | None = None
    calibrated_on: Date | None = None
    valid_until: Date | None = None
    standard_uncertainty_newton: NotNegative | None = None
    calibrated_up_to_newton: Positive | None = None
    zero_drift_newton_per_K: Number = 0.0
    gain_drift_per_K: Number = 0.0
    reference_temperature_C: Celsius = 25.0
    _file_text: str = PrivateAttr("")

    @property
    def file_text(self) -> str:
        """The text of the calibration file the numbers are from; empty where they stand in the station file."""
        return self._file_text

    def taken_from(self, read: CalibrationRead) -> Calibration:
        """The same with the numbers of a calibration file that was read without errors."""
        written, fit = read.calibration, read.fit
        if written is None or fit is None:
            raise TypeError("a calibration file with errors has no numbers")
        made = Calibration(
            file=self.file,
            zero=read.zero,
            newton_per_unit=fit.newton_per_unit,
            certificate=written.certificate,
            calibrated_on=written.calibrated_on,
            valid_until=written.valid_until,
            standard_uncertainty_newton=fit.standard_uncertainty_newton,
            calibrated_up_to_newton=fit.largest_force_newton,
            zero_drift_newton_per_K=fit.zero_drift_newton_per_kelvin,
            gain_drift_per_K=fit.gain_drift_per_kelvin,
            reference_temperature_C=fit.reference_celsius,
        )
        made._file_text = read.text
        return made


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
    bus_address: Annotated[int, BeforeValidator(whole(1, 247))] | None = None
    wide: bool = False
    baud: Baud = 9600
    character: Annotated[Literal["8N1", "7E1", "7O1", "8N2", "8E1", "8O1"], BeforeValidator(line_character)] = "8N1"
    model: Text | None = None
    serial_number: SerialNumber | None = None
    timeout_s: Positive = 2.0
    settings: OwnSettings = None

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
    bus_address: Annotated[int, BeforeValidator(whole(0, 255))] = 1
    baud: Baud = 9600
    checksum: bool = False
    range_code: SerialNumber | None = None
    character: Annotated[Literal["8N1", "7E1", "7O1"], BeforeValidator(line_character)] | None = None
    serial_number: SerialNumber | None = None
    timeout_s: Positive = 2.0
    settings: OwnSettings = None


class ChamberSettings(Strict):
    """What holds the air around the jig at a temperature."""

    driver: Text
    address: NetworkAddress
    controller: Text | None = None
    bus_address: Annotated[int, BeforeValidator(whole(0, 31))] | None = None
    lowest_temperature_C: Celsius | None = None
    highest_temperature_C: Celsius | None = None
    timeout_s: Positive = 2.0
    settings: OwnSettings = None


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
    bus_address: Annotated[int, BeforeValidator(whole(0, 127))] | None = None
    baud: Baud | None = None
    character: Annotated[Literal["8N1", "7E1", "7O1"], BeforeValidator(line_character)] | None = None
    family: Literal["basic", "circulator", "fp50"] | None = None
    external_probe: bool = False
    host_loss: HostLoss | None = None
    timeout_s: Positive = 2.0
    settings: OwnSettings = None


class MillDriveSettings(Strict):
    """What turns the blade of a mill. `loss_stop_s` is after how much silence the drive itself stops it."""

    driver: Text
    address: SerialAddress
    highest_rpm: Positive
    rpm_per_Hz: Positive = 60.0
    loss_stop_s: Positive = 3.0
    stands_within_s: Positive = 30.0
    bus_address: Annotated[int, BeforeValidator(whole(1, 247))] = 1
    baud: Baud = 9600
    character: Annotated[Literal["8N1", "8N2", "8E1", "8O1"], BeforeValidator(line_character)] = "8N1"
    model_code: Annotated[int, BeforeValidator(whole(0, 65535))] | None = None
    timeout_s: Positive = 2.0
    settings: OwnSettings = None


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

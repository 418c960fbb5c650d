"""What a rig may use an instrument as: one `typing.Protocol` a role, and the values that pass between.

A driver fits a role by shape and inherits nothing. Signs: current is positive when it charges the cell.
"""

import math
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Identity:
    """Who answers at an address."""

    maker: str
    model: str
    serial_number: str
    firmware: str


@dataclass(frozen=True)
class CurrentRange:
    """One fixed source range and its one-year setpoint accuracy: `gain_error` of the setpoint plus `offset_ampere`."""

    full_scale_ampere: float
    gain_error: float
    offset_ampere: float

    def setpoint_error(self, current_ampere: float) -> float:
        """Largest relative error of a setpoint on this range."""
        return self.gain_error + self.offset_ampere / abs(current_ampere)


@dataclass(frozen=True)
class PotentiostatLimits:
    """What a model can do, known before it is connected; `plan` and `check` read it.

    `current_ranges` rise; a range may be used up to `range_overreach` times its full scale.
    `rows_per_segment` is how many rows the instrument holds of all segments in it together.
    `segment_runs_in` is "instrument" when a half-cycle ends by itself with the host dead, else "host".
    `modes` are the `SegmentMode`s it can run; what is not in it must be refused before a run.
    A current limit must be at least `least_limit_fraction` of its range. `level_count` is how many levels a scan may
    have, the smallest step between two `voltage_step_volt`. A held voltage is off by no more than
    `voltage_gain_error` of itself plus `voltage_offset_volt`.
    """

    model: str
    current_ranges: tuple[CurrentRange, ...]
    range_overreach: float
    voltage_volt: float
    shortest_cutoff_second: float
    longest_timer_second: float
    rows_per_segment: int
    segment_runs_in: str
    modes: frozenset[str] = frozenset({"current"})
    least_limit_fraction: float = 0.0
    level_count: int = 0
    voltage_step_volt: float = 0.0
    voltage_gain_error: float = 0.0
    voltage_offset_volt: float = 0.0

    @property
    def largest_current_ampere(self) -> float:
        """The largest current of either sign."""
        return self.current_ranges[-1].full_scale_ampere * self.range_overreach

    def range_for(self, current_ampere: float) -> CurrentRange | None:
        """The smallest fixed range that holds a current, or None when none does."""
        for candidate in self.current_ranges:
            if abs(current_ampere) <= candidate.full_scale_ampere * self.range_overreach:
                return candidate
        return None


class SegmentMode(StrEnum):
    """What a segment holds."""

    CURRENT = "current"
    """A constant current, 0 to measure the open-circuit voltage."""
    CLAMPED_CURRENT = "clamped_current"
    """The same, and the hardware never lets the cell pass the voltage at which it ends."""
    VOLTAGE = "voltage"
    """A voltage, with the current limited."""
    SCAN = "scan"
    """A voltage that goes from one value to another in equal steps, one a row, with the current limited."""
    POWER = "power"
    """A constant power: a current that follows the measured voltage, in steps."""


CLAMPED_FRACTION = 0.99
"""A clamped current ends when it has fallen below this part of itself: the cell has reached the voltage."""
LEAST_POWER_VOLT = 0.1
"""A constant power is held above this voltage only: towards 0 V its current has no end."""
POWER_TOLERANCE = 0.005
"""How far a constant power may be off, as a share of itself, before its current takes another step."""


@dataclass(frozen=True, kw_only=True)
class SegmentProgram:
    """One segment as a potentiostat must run it on its own, to its end, with nobody connected.

    The segment ends with the cell disconnected when the first of these is met: the measured voltage reaches
    `until_voltage_volt` (from below when it charges, from above when it discharges; None: no such end); it leaves
    `lower_guard_volt` … `upper_guard_volt`; `duration_second` have passed. Current 0 measures open-circuit voltage.
    A row is kept at the start, every `sampling_second`, and at the end; limits are tested every `cutoff_second`,
    of which `sampling_second` is a whole multiple. A charge at a constant current is a duration.

    `mode` says what is held. Beside the above:

    - current, clamped_current: `current_ampere`, positive when it charges. A clamped one needs `until_voltage_volt`,
      which it reaches but never passes; it ends when the current falls (`CLAMPED_FRACTION`), from the second test on.
    - voltage: `voltage_volt`, with no more than `current_limit_ampere` in either direction; ends as well when the
      current has fallen to `until_current_ampere` in size (None: no such end), tested from the second row or test on.
    - scan: from `voltage_volt` to `end_voltage_volt`, `scan_rate_volt_per_second` (above 0) times `sampling_second`
      from row to row, with no more than `current_limit_ampere`; ends with the row at `end_voltage_volt`.
    - power: `power_watt`, of the sign of `current_ampere`, which is the largest of its currents: the one at the lowest
      voltage the segment may come to (`lowest_volt`, `LEAST_POWER_VOLT` or more). At each test the current steps on to
      what keeps the power within `POWER_TOLERANCE`; at the start it rises from the smallest, within seconds, and the
      rows that follow may be late by that.

    In voltage and scan `current_ampere` is 0 and `current_range_ampere` the range that holds the limit. A segment that
    holds a voltage tests its guards by the current it measures: it ends when that is 10 % beyond the limit; the held
    voltages themselves lie within the guards.
    """

    current_ampere: float
    current_range_ampere: float
    until_voltage_volt: float | None
    lower_guard_volt: float
    upper_guard_volt: float
    duration_second: float
    sampling_second: float
    cutoff_second: float
    mode: SegmentMode = SegmentMode.CURRENT
    voltage_volt: float | None = None
    end_voltage_volt: float | None = None
    scan_rate_volt_per_second: float | None = None
    current_limit_ampere: float | None = None
    until_current_ampere: float | None = None
    power_watt: float | None = None

    @property
    def lowest_volt(self) -> float:
        """The lowest voltage it goes on at: where a discharge ends, else the lower guard."""
        until_volt = self.until_voltage_volt
        return self.lower_guard_volt if until_volt is None or self.current_ampere > 0 else until_volt

    @property
    def highest_volt(self) -> float:
        """The highest voltage it goes on at: where a charge ends, else the upper guard."""
        until_volt = self.until_voltage_volt
        return self.upper_guard_volt if until_volt is None or self.current_ampere < 0 else until_volt

    @property
    def scan_row_count(self) -> int:
        """How many rows a scan has that comes to its end; 0 for what is none."""
        if self.voltage_volt is None or self.end_voltage_volt is None or not self.scan_rate_volt_per_second:
            return 0
        step_volt = self.scan_rate_volt_per_second * self.sampling_second
        return math.ceil(abs(self.end_voltage_volt - self.voltage_volt) / step_volt - 1e-9) + 1


class SegmentState(StrEnum):
    """What the instrument knows of a segment's token."""

    ABSENT = "absent"
    """No such token: never created, or power was cycled."""
    NOT_STARTED = "not_started"
    """The token exists, the instrument is idle, no row was taken."""
    RUNNING = "running"
    FINISHED = "finished"
    """The instrument is idle and rows wait."""


@dataclass(frozen=True)
class SegmentLook:
    """One look at a segment: rows `1 … row_count` can be read now. `output_on` is read back, not assumed."""

    state: SegmentState
    output_on: bool
    row_count: int
    power_was_cycled: bool


@dataclass(frozen=True)
class ReadingBlock:
    """Rows of one segment, all arrays of shape (n,). `first_index` counts from 1 within the segment.

    `elapsed_second` counts from the segment's first row, by the instrument's own clock. A reading that is none
    (overflow, questionable) is NaN in `voltage_volt` or `current_ampere`, never a number; the status words say why.
    """

    first_index: int
    elapsed_second: Floats
    voltage_volt: Floats
    current_ampere: Floats
    source_status: Integers
    reading_status: Integers


class Potentiostat(Protocol):
    """Drives one cell and measures its voltage and current.

    Every verb may raise `LinkLostError`, `NoReplyError` or `BadReplyError`; writes also `RefusedError` and
    `OutOfRangeError`.
    """

    name: str
    limits: PotentiostatLimits

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing in the instrument. Raises `WrongInstrumentError`."""
        ...

    async def start_segment(self, token: str, program: SegmentProgram, *, again: bool = False) -> float:
        """Create the token, program, verify by read-back, start; answer the clock's second at which it was started.

        May be repeated: a token that runs or holds rows already is left alone. Its start is the one known here, NaN
        when it was not started through this object. What lost its token by a power cycle is not run a second time:
        `RefusedError` for a token that was started through this object and is absent now.

        Args:
            token: of the segment.
            program: of the segment.
            again: this start may have been carried out before by a daemon that died. An absent token is then refused
                too when power was cycled since anybody last looked.
        """
        ...

    async def look(self, token: str) -> SegmentLook:
        """What the instrument knows of the token now. Changes nothing, never waits for the segment."""
        ...

    async def read_rows(self, token: str, first_index: int, last_index: int) -> ReadingBlock:
        """Rows `first_index … last_index`, from 1, inclusive. Repeatable, and possible while the segment runs.

        Raises `RefusedError` when they are gone.
        """
        ...

    async def forget_segment(self, token: str) -> None:
        """Delete the token and its rows; an absent token is no error."""
        ...

    async def make_safe(self) -> None:
        """Open circuit, verified by read-back; from any state, and twice.

        Raises `RefusedError` when the output stays on.
        """
        ...

    async def close(self) -> None:
        """Close the link. The instrument goes on with what it does."""
        ...


class LoadStatus(IntFlag):
    """What a load cell's indicator said of a frame, or what was wrong with it."""

    STABLE = 1
    OVERLOAD = 2
    """Outside the indicator's range: there is no number in it."""
    HELD = 4
    """The display is held: the number is an old one and is not taken."""
    UNREADABLE = 8
    """Bytes that were no frame: half of one, two glued, or spoilt on the way."""
    LOST = 16
    """The way to the indicator was lost: this row stands for the gap that begins here."""
    BEYOND_CALIBRATION = 32
    """The force is larger than any it was calibrated with. No indicator says so: who knows the calibration does."""
    UNCOMPENSATED = 64
    """The sensor's temperature is not known, and its calibration asks for it: the pressure lacks those terms."""


@dataclass(frozen=True)
class LoadBlock:
    """Frames of a load cell's indicator, arrays of shape (n,), in the order they came; n may be 0.

    `second` is the clock's second at which a frame's first byte came; `displayed` the value as shown, in `unit`, gross
    or net as the indicator is set; NaN is no reading and `status` (`LoadStatus`) says why.
    """

    second: Floats
    displayed: Floats
    status: Integers
    unit: str


class LoadCell(Protocol):
    """Feels the force on the stack. It talks unasked, or is asked at each read; it is never zeroed by itself."""

    name: str

    async def connect(self) -> Identity:
        """Open (or reopen) the link, and identify what can say who it is; else the identity is the station's word.

        Raises `LinkLostError`, and where it is asked what a question may raise, and `WrongInstrumentError`.
        """
        ...

    async def read(self) -> LoadBlock:
        """All that has come since this was last asked, at once, perhaps nothing; one row of what must be asked.

        Raises `LinkLostError`, and of what must be asked `NoReplyError`, `BadReplyError`, `RefusedError`.
        """
        ...

    async def close(self) -> None:
        """Close the link."""
        ...


class Thermometer(Protocol):
    """Measures temperatures at named places, such as `jig` and `air`."""

    name: str
    places: tuple[str, ...]

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify."""
        ...

    async def read_celsius(self) -> dict[str, float]:
        """Every place's temperature now; NaN where a sensor is broken or not connected."""
        ...

    async def close(self) -> None:
        """Close the link."""
        ...


@dataclass(frozen=True)
class ChamberLook:
    """What a chamber says of itself."""

    air_celsius: float
    setpoint_celsius: float
    is_controlling: bool
    alarms: tuple[int, ...]


class Chamber(Protocol):
    """Holds the air around the jig at a temperature. Nobody's make-safe touches it: it keeps its setpoint."""

    name: str

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing."""
        ...

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint and control to it; read back. Raises `OutOfRangeError`, `RefusedError`."""
        ...

    async def look(self) -> ChamberLook:
        """What it measures and does now."""
        ...

    async def close(self) -> None:
        """Close the link. The chamber holds its setpoint."""
        ...


@dataclass(frozen=True)
class MillLook:
    """What a mill's drive says of the blade: all of one moment.

    `is_running`: the drive turns it, at whatever speed. `is_at_speed`: and it has reached `setpoint_rpm`.
    `is_standing`: the drive has stopped and its output is at zero: standstill, unless the blade coasts after a trip.
    `fault_code` is the maker's, 0 for none; with a fault the drive does not turn the blade.
    """

    is_running: bool
    is_at_speed: bool
    is_standing: bool
    rpm: float
    setpoint_rpm: float
    fault_code: int
    fault: str


class MillDrive(Protocol):
    """Turns the blade of a mill. Its safe state is standstill.

    Every verb may raise `LinkLostError`, `NoReplyError` or `BadReplyError`; writes also `RefusedError`. What was asked
    and not answered may have happened: connect and look, never ask it twice.
    """

    name: str
    highest_rpm: float

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        ...

    async def arm_loss_stop(self, within_second: float) -> None:
        """Let the drive stop by itself when nobody has spoken to it for so long; read back.

        From then on it must be spoken to three times as often. Raises `OutOfRangeError` for a time it can't be set to.
        """
        ...

    async def set_rpm(self, rpm: float) -> None:
        """Set the speed of the next start, or of a blade that turns; read back. Raises `OutOfRangeError`."""
        ...

    async def start(self) -> None:
        """Let the blade turn, and see that it begins to.

        Raises `RefusedError` when the stop on loss is not armed, no speed is set, the drive has a fault, or a stop came
        in between.
        """
        ...

    async def stop(self) -> None:
        """Ramp down, and see that it begins to; it may take long to stand."""
        ...

    async def look(self) -> MillLook:
        """What the drive does now. Changes nothing, but counts as speaking to it."""
        ...

    async def reset_fault(self) -> None:
        """Take back a fault whose cause is gone, without starting. Raises `RefusedError` when it stays."""
        ...

    async def make_safe(self) -> None:
        """Standstill, verified by looking; from any state, and twice. Reconnects if it must.

        Raises `RefusedError` when the drive does not stop, or its blade does not stand in the time it should.
        """
        ...

    async def close(self) -> None:
        """Close the link. The drive stops by itself if that was armed, and else goes on."""
        ...


@dataclass(frozen=True)
class ChillerTrouble:
    """What a chiller says is wrong with it. `code` is the maker's; a fault, unlike a warning, keeps it from cooling."""

    code: int
    text: str
    is_warning: bool


@dataclass(frozen=True)
class ChillerLook:
    """What a chiller says of itself. NaN is no reading: no probe is connected, or its wire is broken.

    `is_running`: its pump circulates and it controls to the setpoint.
    """

    bath_celsius: float
    external_celsius: float
    setpoint_celsius: float
    is_running: bool
    troubles: tuple[ChillerTrouble, ...]

    @property
    def has_fault(self) -> bool:
        """Whether anything is wrong that is more than a warning."""
        return any(not trouble.is_warning for trouble in self.troubles)


@dataclass(frozen=True)
class HostLossWatchdog:
    """What a chiller does when nobody has spoken to it for `timeout_second`: speak three times as often.

    `keeps_cooling`: it then goes on at `safe_celsius`; else pump and cooling stop.
    """

    timeout_second: float
    safe_celsius: float
    keeps_cooling: bool


@dataclass(frozen=True)
class ChillerLimits:
    """What a make can do, known before it is connected.

    `longest_watchdog_second` is None when it has no host-loss watchdog that can be set from here: it cools on alone.
    """

    setpoint_step_kelvin: float
    longest_watchdog_second: float | None


class Chiller(Protocol):
    """Holds a bath, and what is cooled by it, at a temperature. Its safe state is to go on cooling.

    Every verb may raise `LinkLostError`, `NoReplyError` or `BadReplyError`; writes also `RefusedError`. What was asked
    and not answered may have happened: connect and look. Setting, starting and stopping may be repeated.
    """

    name: str
    limits: ChillerLimits

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        ...

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint, read back. Starts nothing. Raises `OutOfRangeError` before anything is sent."""
        ...

    async def start(self) -> None:
        """Circulate and control to the setpoint, read back."""
        ...

    async def stop(self) -> None:
        """Let pump and cooling stand, read back."""
        ...

    async def look(self) -> ChillerLook:
        """What it measures and does now. Changes nothing, but counts as speaking to it."""
        ...

    async def arm_watchdog(self, timeout_second: float, safe_celsius: float) -> HostLossWatchdog:
        """Let it see to itself when nobody has spoken to it for so long; every value read back.

        Raises `OutOfRangeError`, and `RefusedError` when it has no such watchdog.
        """
        ...

    async def disarm_watchdog(self) -> None:
        """Switch it off, read back: it goes on alone. One that can't be set from here is left alone."""
        ...

    async def read_watchdog(self) -> HostLossWatchdog | None:
        """The watchdog as it is set now; None when it is off or there is none."""
        ...

    async def make_safe(self) -> None:
        """Let it go on cooling alone, at the setpoint it has; from any state, and twice. Reconnects if it must.

        A watchdog that would stop it is switched off, read back. Starts and stops nothing.
        """
        ...

    async def close(self) -> None:
        """Close the link. The chiller goes on, or does what its watchdog says."""
        ...

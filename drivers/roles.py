"""What a rig may use an instrument as: one `typing.Protocol` a role, and the values that pass between.

A driver fits a role by shape and inherits nothing. Signs: current is positive when it charges the cell.
"""

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
    """

    model: str
    current_ranges: tuple[CurrentRange, ...]
    range_overreach: float
    voltage_volt: float
    shortest_cutoff_second: float
    longest_timer_second: float
    rows_per_segment: int
    segment_runs_in: str

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


@dataclass(frozen=True, kw_only=True)
class SegmentProgram:
    """One segment as a potentiostat must run it on its own, to its end, with nobody connected.

    The segment ends with the cell disconnected when the first of these is met: the measured voltage reaches
    `until_voltage_volt` (from below when `current_ampere` > 0, from above when < 0; None: no such end); it leaves
    `lower_guard_volt` … `upper_guard_volt`; `duration_second` have passed. Current 0 measures open-circuit voltage.
    A row is kept at the start, every `sampling_second`, and at the end; limits are tested every `cutoff_second`,
    of which `sampling_second` is a whole multiple.
    """

    current_ampere: float
    current_range_ampere: float
    until_voltage_volt: float | None
    lower_guard_volt: float
    upper_guard_volt: float
    duration_second: float
    sampling_second: float
    cutoff_second: float


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


@dataclass(frozen=True)
class LoadBlock:
    """Frames of a load cell's indicator, arrays of shape (n,), in the order they came; n may be 0.

    `second` is the clock's second at which a frame's last byte came; `displayed` the value as shown, in `unit`, gross
    or net as the indicator is set; NaN is no reading and `status` (`LoadStatus`) says why.
    """

    second: Floats
    displayed: Floats
    status: Integers
    unit: str


class LoadCell(Protocol):
    """Feels the force on the stack. It talks unasked and is never zeroed by us while a cell is loaded."""

    name: str

    async def connect(self) -> Identity:
        """Open (or reopen) the link. What talks unasked can't be asked who it is: the identity is the station's word.

        Raises `LinkLostError`.
        """
        ...

    async def read(self) -> LoadBlock:
        """All that has come since this was last asked, at once, perhaps nothing. Raises `LinkLostError`."""
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

"""The force sensor below the press cell, and the display of an indicator that shows it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.and_frames import digits_for
from simulators.device import SECOND_NS, CellUnderTest
from simulators.noise import key_of, normal

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEWTON_PER_UNIT = {"kg": 9.80665, "g": 9.80665e-3, "t": 9806.65, "lb": 4.4482216152605, "N": 1.0, "kN": 1000.0}
"""Force units are not on every model [unverified]; the mass units stand for the weight of that mass."""

OVER_RANGE_DIVISIONS = 9
START_UP_NS = 3 * SECOND_NS
"""From power on to the first display [unverified]."""


@dataclass(frozen=True, kw_only=True)
class ForceSensor:
    """The force sensor below the cell, and the die that turns the cell's pressure into a force.

    What it shows is F (1 + gain error) (1 + span drift ΔT) + zero + nominal force · zero drift ΔT + noise, with ΔT the
    jig's temperature over `reference_celsius`. `zero_drift_per_kelvin` is a part of the nominal force,
    `span_drift_per_kelvin` one of the reading.

    Source: stack-pressure.md §5.2, §5.3; 0.05 % / 10 K is a typical maker's bound of the zero drift [page], the same of
    the span drift and the noise are assumptions [unverified].
    """

    nominal_newton: float = 5000.0
    die_diameter_millimetre: float = 10.0
    zero_newton: float = 0.0
    gain_error: float = 0.0
    zero_drift_per_kelvin: float = 5e-5
    span_drift_per_kelvin: float = 5e-5
    reference_celsius: float = 25.0
    noise_kilopascal: float = 4.0

    @property
    def area_square_millimetre(self) -> float:
        """Area of the die."""
        return math.pi / 4 * self.die_diameter_millimetre**2

    def newton(
        self,
        pressure_megapascal: Floats,
        jig_celsius: Floats,
        deviations: Floats,
        added_newton: Floats | float = 0.0,
    ) -> Floats:
        """The force it shows; all shape (n,), `deviations` the noise in units of its own deviation.

        `added_newton` is a force on it that is not the cell's.
        """
        area = self.area_square_millimetre
        warmer_kelvin = jig_celsius - self.reference_celsius
        span = (1 + self.gain_error) * (1 + self.span_drift_per_kelvin * warmer_kelvin)
        zero_newton = self.zero_newton + self.nominal_newton * self.zero_drift_per_kelvin * warmer_kelvin
        shown: Floats = (pressure_megapascal * area + added_newton) * span + zero_newton
        return shown + deviations * (self.noise_kilopascal * 1e-3 * area)


@dataclass(frozen=True, kw_only=True)
class IndicatorSetup:
    """What the indicator was set up for. A division is the step of its display, `division` of its last digits.

    A change of more than `motion_divisions` between two displays makes it unstable for `motion_displays` displays.
    A zero is accepted up to `zero_range_fraction` of the capacity. `form` is "and" or "cas" for what is said
    and sent, or "cas_and" for a CAS set to 18-byte frames; with a `bus_address`, 1 to 99, it hears and sends that.

    Raises:
        ValueError: the display can't show the capacity, the unit is unknown, or a number is not above zero.
    """

    unit: str = "kg"
    decimals: int = 2
    division: int = 2
    capacity: float = 500.0
    display_hertz: float = 10.0
    baud: int = 9600
    character_bits: int = 10
    streaming: bool = True
    over_word: str = "OL"
    motion_divisions: int = 15
    motion_displays: int = 10
    zero_range_fraction: float = 0.02
    form: str = "and"
    bus_address: int | None = None

    def __post_init__(self) -> None:
        if self.unit not in NEWTON_PER_UNIT:
            raise ValueError(f"unit {self.unit!r} is unknown; write one of {', '.join(NEWTON_PER_UNIT)}")
        if not 0 <= self.decimals <= 5:
            raise ValueError(f"decimals is {self.decimals}, and must be 0 to 5")
        if self.form not in {"and", "cas", "cas_and"} or not 1 <= (self.bus_address or 1) <= 99:
            raise ValueError("form is and, cas or cas_and, bus_address 1 to 99")
        if min(self.division, self.capacity, self.display_hertz, self.baud, self.character_bits) <= 0:
            raise ValueError("division, capacity, display_hertz, baud and character_bits must be above 0")
        if (self.capacity_divisions + OVER_RANGE_DIVISIONS) * self.division >= 10 ** digits_for(self.decimals):
            raise ValueError(f"a capacity of {self.capacity} {self.unit} has more digits than the display")

    @property
    def division_newton(self) -> float:
        """Force of one division."""
        return self.division * 10.0**-self.decimals * NEWTON_PER_UNIT[self.unit]

    @property
    def capacity_divisions(self) -> int:
        """The capacity in divisions."""
        return round(self.capacity * 10.0**self.decimals / self.division)

    @property
    def display_ns(self) -> int:
        """Time from one display to the next."""
        return round(SECOND_NS / self.display_hertz)

    def sending_ns(self, byte_count: int) -> int:
        """Time so many bytes take on the line."""
        return byte_count * self.character_bits * SECOND_NS // self.baud


@dataclass(frozen=True, kw_only=True)
class Upset:
    """What is wrong with an indicator or its sensor: a switch for tests.

    `stuck`: the sensor shows one force for ever; `held`: the display is on hold (`HD`); `silent`: no frames leave;
    `added_newton`: a force that is not the cell's, to which `drift_newton_per_second` adds since `drift_from_ns`;
    `unit`: what is in the unit field in place of the truth.
    """

    stuck: bool = False
    held: bool = False
    silent: bool = False
    added_newton: float = 0.0
    drift_newton_per_second: float = 0.0
    drift_from_ns: int = 0
    unit: str | None = None


@dataclass(frozen=True)
class Displays:
    """Displays one after another, all of shape (n,): number k is of time k · `display_ns`.

    `divisions` are before zero and tare.
    """

    numbers: Integers
    divisions: Integers
    unstable: Flags

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def last(self) -> "Displays":
        """The last one, or none."""
        return Displays(self.numbers[-1:], self.divisions[-1:], self.unstable[-1:])


@dataclass
class Scale:
    """Zero and tare, in divisions, and whether net is shown."""

    zero: int = 0
    tare: int = 0
    net: bool = False


class ForceDisplay:
    """Measures and shows the cell's force `display_hertz` times a second; time goes on by `advance` alone.

    Zero and tare are lost with the power [unverified].
    """

    def __init__(self, name: str, cell: CellUnderTest, sensor: ForceSensor, setup: IndicatorSetup, seed: int) -> None:
        self.sensor = sensor
        self.setup = setup
        self.upset = Upset()
        self.scale = Scale()
        self.latest: Displays | None = None
        self._cell = cell
        self._noise_key = key_of(seed, name, "force")
        self._next_number = 0
        self._sensed_divisions: int | None = None
        self._moved_number = -setup.motion_displays

    def advance(self, limit_ns: int) -> Displays:
        """Show all that is due before a time."""
        after_last = max(-(-limit_ns // self.setup.display_ns), self._next_number)
        numbers = np.arange(self._next_number, after_last)
        self._next_number = after_last
        if not len(numbers):
            return Displays(numbers, numbers, numbers.astype(np.bool_))
        shown = self._show(numbers)
        self.latest = shown.last
        return shown

    def lose_power(self, now_ns: int) -> None:
        """The display comes back after `START_UP_NS`, stable no sooner than it can be."""
        self.scale = Scale()
        self.latest = None
        self._sensed_divisions = None
        self._next_number = -(-(now_ns + START_UP_NS) // self.setup.display_ns)
        self._moved_number = self._next_number

    def gross(self, displays: Displays) -> Integers:
        """What is shown gross, in divisions, shape (n,)."""
        return displays.divisions - self.scale.zero

    def over(self, displays: Displays) -> Flags:
        """Which are beyond the capacity, either way, shape (n,)."""
        beyond: Flags = np.abs(self.gross(displays)) > self.setup.capacity_divisions + OVER_RANGE_DIVISIONS
        return beyond

    def zero(self, display: Displays) -> bool:
        """Zero at a display; False when that can't be now."""
        divisions = int(display.divisions[0])
        allowed = self.setup.zero_range_fraction * self.setup.capacity_divisions
        if display.unstable[0] or abs(divisions) > allowed:
            return False
        self.scale.zero = divisions
        return True

    def tare(self, display: Displays) -> bool:
        """Tare at a display, and show net; False when that can't be now."""
        gross = int(self.gross(display)[0])
        if display.unstable[0] or not 0 < gross <= self.setup.capacity_divisions:
            return False
        self.scale.tare, self.scale.net = gross, True
        return True

    def clear_tare(self) -> bool:
        """Show gross again."""
        self.scale.tare, self.scale.net = 0, False
        return True

    def _show(self, numbers: Integers) -> Displays:
        divisions = self._sense(numbers)
        before = divisions[0] if self._sensed_divisions is None else self._sensed_divisions
        moved = np.abs(np.diff(divisions, prepend=before)) > self.setup.motion_divisions
        moved_numbers = np.maximum.accumulate(np.where(moved, numbers, self._moved_number))
        unstable = numbers - moved_numbers < self.setup.motion_displays
        self._moved_number = int(moved_numbers[-1])
        self._sensed_divisions = int(divisions[-1])
        if self.upset.held:
            held = self.latest or Displays(numbers, divisions, unstable)
            divisions = np.full_like(divisions, held.divisions[0])
            unstable = np.full_like(unstable, held.unstable[0])
        return Displays(numbers, divisions, unstable)

    def _sense(self, numbers: Integers) -> Integers:
        if not self.upset.stuck:
            return self._measure(numbers)
        if self._sensed_divisions is None:
            self._sensed_divisions = int(self._measure(numbers[:1])[0])
        return np.full_like(numbers, self._sensed_divisions)

    def _measure(self, numbers: Integers) -> Integers:
        shown = self._cell.forecast(numbers * self.setup.display_ns)
        deviations = normal(self._noise_key, numbers.astype(np.uint64))
        drifted_second = (numbers * self.setup.display_ns - self.upset.drift_from_ns) / SECOND_NS
        added = self.upset.added_newton + self.upset.drift_newton_per_second * drifted_second
        newton = self.sensor.newton(shown.pressure_megapascal, shown.temperature_celsius, deviations, added)
        return np.rint(newton / self.setup.division_newton).astype(np.int64)

"""What the output does to the cell: the demand the settings make, and the regulator that meets it within its limits."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from simulators.device import CellUnderTest
from simulators.keithley.analog import Calibration, source_range
from simulators.keithley.models import RANGE_OVERREACH, smallest_range
from simulators.keithley.settings import Settings
from simulators.keithley.timers import FAR_NS

LOOK_NS = 5_000_000_000
FINE_LOOK_NS = 10_000_000
_LOOKS_AT_ONCE = 512


class Drive(Enum):
    """What the output is, seen from the cell."""

    OPEN = "open"
    CURRENT = "current"
    VOLTAGE = "voltage"


@dataclass(frozen=True)
class Demand:
    """What the output should do, in true values.

    A current is held while the voltage stays between `low` and `high` (volt); a voltage, while the current does.
    No current exceeds `most_ampere`. `protected` says that an overvoltage protection set `low` and `high`.
    """

    drive: Drive
    target: float = 0.0
    low: float = 0.0
    high: float = 0.0
    most_ampere: float = 0.0
    protected: bool = False


OPEN = Demand(Drive.OPEN)


def demand_of(settings: Settings, calibration: Calibration, *, output_on: bool) -> Demand:
    """What the output does under some settings.

    Off: NORM is a 0 V source limited to 10 % of the current range, HIMP an open relay, ZERO a 0 V source with the set
    limit, GUAR a 0 A source [manual 2461A; GUAR and ZERO in this simplified form unverified].
    """
    function = settings.word("SOUR:FUNC")
    if not output_on:
        return _off_demand(settings, calibration, settings.word(f"OUTP:{function}:SMOD"))
    if function == "CURR":
        return _current_demand(settings, calibration, settings.number("SOUR:CURR:LEV"))
    limit = settings.number("SOUR:VOLT:ILIM")
    return _voltage_demand(settings, calibration, settings.number("SOUR:VOLT:LEV"), limit)


def _off_demand(settings: Settings, calibration: Calibration, state: str) -> Demand:
    if state == "HIMP":
        return OPEN
    if state == "GUAR":
        return _current_demand(settings, calibration, 0.0)
    limit = 0.1 * current_range(settings, calibration) if state == "NORM" else settings.number("SOUR:VOLT:ILIM")
    return Demand(Drive.VOLTAGE, 0.0, -limit, limit, limit)


def current_range(settings: Settings, calibration: Calibration) -> float:
    """The present current range: the source's; of a voltage source the one it measures on, or that the limit needs."""
    ranges = calibration.model.current_ranges_ampere
    if settings.word("SOUR:FUNC") == "CURR":
        return source_range(settings, "CURR", ranges)
    if not settings.flag("SENS:CURR:RANG:AUTO"):
        return settings.number("SENS:CURR:RANG")
    return smallest_range(ranges, settings.number("SOUR:VOLT:ILIM")) or ranges[-1]


def _protection_volt(settings: Settings, calibration: Calibration) -> float:
    name = settings.word("SOUR:PROT")
    return float("inf") if name == "NONE" else calibration.protection_volt(float(name.removeprefix("PROT")))


def _current_demand(settings: Settings, calibration: Calibration, level: float) -> Demand:
    ranges = calibration.model.current_ranges_ampere
    full_scale = source_range(settings, "CURR", ranges)
    set_limit = settings.number("SOUR:CURR:VLIM")
    volt_ranges = calibration.model.voltage_ranges_volt
    volt_range = smallest_range(volt_ranges, set_limit) or volt_ranges[-1]
    limit, protection = calibration.true_volt(set_limit, volt_range), _protection_volt(settings, calibration)
    bound = min(limit, protection)
    return Demand(
        Drive.CURRENT,
        calibration.true_ampere(level, full_scale),
        -bound,
        bound,
        RANGE_OVERREACH * full_scale,
        protection < limit,
    )


def _voltage_demand(settings: Settings, calibration: Calibration, level: float, set_limit: float) -> Demand:
    full_scale = source_range(settings, "VOLT", calibration.model.voltage_ranges_volt)
    volt, protection = calibration.true_volt(level, full_scale), _protection_volt(settings, calibration)
    limit = calibration.true_ampere(set_limit, current_range(settings, calibration))
    held = min(max(volt, -protection), protection)
    return Demand(Drive.VOLTAGE, held, -limit, limit, limit, held != volt)


class Regulator:
    """Meets a demand on the cell; it looks at what the cell will do on its own to find out when it must act.

    While `drive` is CURRENT the current is constant: a programmed one within its voltage limits, or the limiting one of
    a voltage source. While it is VOLTAGE the cell is held at a voltage, within limits of its current. When a voltage
    limit is reached is found to the nanosecond, a current limit on a grid of FINE_LOOK_NS.
    """

    def __init__(self, cell: CellUnderTest) -> None:
        self._cell = cell
        self.demand = OPEN
        self.drive = Drive.OPEN
        self.limited = False
        self._bounds = (-np.inf, np.inf)
        self._acted_ns = -1
        self._clear_to_ns = -1
        self._crossing_ns = FAR_NS

    @property
    def protecting(self) -> bool:
        """Whether the overvoltage protection is what limits."""
        return self.demand.protected and (self.limited or self.demand.drive is Drive.VOLTAGE)

    @property
    def connected(self) -> bool:
        """Whether the output relay is closed."""
        return self.demand.drive is not Drive.OPEN

    def regulate(self, demand: Demand, now_ns: int) -> None:
        """Drive the cell as a demand makes it now; the cell has been brought to now."""
        self.demand = demand
        self._acted_ns = now_ns
        self.forget_looks()
        match demand.drive:
            case Drive.OPEN:
                self._steady(0.0, -np.inf, np.inf, limited=False)
                self.drive = Drive.OPEN
            case Drive.CURRENT:
                self._hold_current(demand)
            case Drive.VOLTAGE:
                self._hold_voltage(demand.target, demand.low, demand.high, limited=False)

    def forget_looks(self) -> None:
        """Look ahead anew: something else may have changed what the cell will do."""
        self._clear_to_ns = -1
        self._crossing_ns = FAR_NS

    def _hold_current(self, demand: Demand) -> None:
        if self._cell.current_at_voltage(demand.high) < demand.target:
            self._hold_voltage(demand.high, -demand.most_ampere, demand.target, limited=True)
        elif self._cell.current_at_voltage(demand.low) > demand.target:
            self._hold_voltage(demand.low, demand.target, demand.most_ampere, limited=True)
        else:
            self._steady(demand.target, demand.low, demand.high, limited=False)

    def _hold_voltage(self, volt: float, low_ampere: float, high_ampere: float, *, limited: bool) -> None:
        needed = self._cell.current_at_voltage(volt)
        if needed > high_ampere:
            self._steady(high_ampere, -np.inf, volt, limited=True)
        elif needed < low_ampere:
            self._steady(low_ampere, volt, np.inf, limited=True)
        else:
            self.drive, self.limited, self._bounds = Drive.VOLTAGE, limited, (low_ampere, high_ampere)
            self._cell.set_voltage(volt)

    def _steady(self, ampere: float, low_volt: float, high_volt: float, *, limited: bool) -> None:
        self.drive, self.limited, self._bounds = Drive.CURRENT, limited, (low_volt, high_volt)
        self._cell.set_current(ampere)

    def next_change_ns(self, now_ns: int, until_ns: int, limit_ns: int) -> int:
        """When it must act next, from now on; later than `until_ns` or FAR_NS when not before.

        It looks ahead no further than the first look at or after `limit_ns`; of a held voltage, whose future is dear,
        at or after `until_ns`.
        """
        if self.drive is Drive.OPEN:
            return FAR_NS
        if self.drive is Drive.VOLTAGE:
            limit_ns = until_ns
        while self._crossing_ns >= FAR_NS and self._clear_to_ns < until_ns:
            self._look_ahead(now_ns, limit_ns)
        return self._crossing_ns

    def _look_ahead(self, now_ns: int, limit_ns: int) -> None:
        start_ns = max(now_ns, self._clear_to_ns + 1, self._acted_ns + 1)
        first, last = -(-start_ns // LOOK_NS), -(-max(limit_ns, start_ns) // LOOK_NS)
        looks_ns = np.arange(first, min(last, first + _LOOKS_AT_ONCE) + 1, dtype=np.int64) * LOOK_NS
        beyond = np.flatnonzero(self._is_beyond(looks_ns))
        if not len(beyond):
            self._clear_to_ns = int(looks_ns[-1])
            return
        found_ns = int(looks_ns[beyond[0]])
        fine_ns = np.arange(found_ns - LOOK_NS + FINE_LOOK_NS, found_ns + 1, FINE_LOOK_NS, dtype=np.int64)
        fine_ns = fine_ns[fine_ns >= start_ns]
        crossing_ns = int(fine_ns[np.argmax(self._is_beyond(fine_ns))])
        if self.drive is Drive.CURRENT:
            crossing_ns = self._first_beyond(max(start_ns, crossing_ns - FINE_LOOK_NS), crossing_ns)
        self._crossing_ns = crossing_ns
        self._clear_to_ns = self._crossing_ns - 1

    def _first_beyond(self, low_ns: int, high_ns: int) -> int:
        """The first time beyond the bounds, between two of which the later one is."""
        while low_ns < high_ns:
            middle_ns = (low_ns + high_ns) // 2
            if self._is_beyond(np.array([middle_ns], dtype=np.int64))[0]:
                high_ns = middle_ns
            else:
                low_ns = middle_ns + 1
        return high_ns

    def _is_beyond(self, times_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self.drive is Drive.VOLTAGE:
            bounded = self._cell.forecast_current(times_ns)
        else:
            bounded = self._cell.forecast(times_ns).voltage_volt
        beyond: NDArray[np.bool_] = (bounded < self._bounds[0]) | (bounded > self._bounds[1])
        return beyond

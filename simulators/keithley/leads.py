"""The four leads between an instrument and the cell; the two that carry current, or all, can be exchanged."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from simulators.device import CellUnderTest, Forecast


class Leads:
    """The cell as the instrument meets it; it fits `CellUnderTest`."""

    def __init__(self, cell: CellUnderTest) -> None:
        self._cell = cell
        self._sign = 1.0
        self._sense_sign = 1.0

    @property
    def exchanged(self) -> bool:
        """Whether what the instrument takes for charging discharges the cell."""
        return self._sign < 0

    @exchanged.setter
    def exchanged(self, is_exchanged: bool) -> None:
        if is_exchanged != self.exchanged:
            self._sign = -self._sign
            self._cell.set_current(-self._cell.current_ampere)

    @property
    def sense_exchanged(self) -> bool:
        """Whether the instrument sees the cell's voltage with the other sign."""
        return self._sense_sign < 0

    @sense_exchanged.setter
    def sense_exchanged(self, is_exchanged: bool) -> None:
        self._sense_sign = -1.0 if is_exchanged else 1.0

    @property
    def now_ns(self) -> int:
        """See `CellUnderTest`."""
        return self._cell.now_ns

    @property
    def current_ampere(self) -> float:
        """See `CellUnderTest`; as the instrument has it."""
        return self._sign * self._cell.current_ampere

    @property
    def charge_in_coulomb(self) -> float:
        """See `CellUnderTest`; truly."""
        return self._cell.charge_in_coulomb

    @property
    def charge_out_coulomb(self) -> float:
        """See `CellUnderTest`; truly."""
        return self._cell.charge_out_coulomb

    def set_current(self, current_ampere: float) -> None:
        """See `CellUnderTest`."""
        self._cell.set_current(self._sign * current_ampere)

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        """See `CellUnderTest`; the voltage as the instrument has it."""
        true = self._cell.forecast(times_ns)
        return dataclasses.replace(true, voltage_volt=-true.voltage_volt) if self.sense_exchanged else true

    def set_voltage(self, voltage_volt: float) -> None:
        """See `CellUnderTest`; as the instrument has it."""
        self._cell.set_voltage(self._sense_sign * voltage_volt)

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `CellUnderTest`; as the instrument has it."""
        return self._sign * self._cell.forecast_current(times_ns)

    def current_at_voltage(self, voltage_volt: float) -> float:
        """See `CellUnderTest`; as the instrument has it.

        With force against sense no current holds a voltage: whatever is tried makes it worse, so it is without bound.
        """
        needed_ampere = self._cell.current_at_voltage(self._sense_sign * voltage_volt)
        if self.exchanged == self.sense_exchanged:
            return self._sign * needed_ampere
        return math.copysign(math.inf, needed_ampere - self._cell.current_ampere)

    def advance_to(self, time_ns: int) -> None:
        """See `CellUnderTest`."""
        self._cell.advance_to(time_ns)

"""The four leads between an instrument and the cell; the two that carry current can be exchanged."""

import math

import numpy as np
from numpy.typing import NDArray

from simulators.device import CellUnderTest, Forecast


class Leads:
    """The cell as the instrument meets it. Its sense leads are always right; it fits `CellUnderTest`."""

    def __init__(self, cell: CellUnderTest) -> None:
        self._cell = cell
        self._sign = 1.0

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
        """See `CellUnderTest`."""
        return self._cell.forecast(times_ns)

    def set_voltage(self, voltage_volt: float) -> None:
        """See `CellUnderTest`."""
        self._cell.set_voltage(voltage_volt)

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `CellUnderTest`; as the instrument has it."""
        return self._sign * self._cell.forecast_current(times_ns)

    def current_at_voltage(self, voltage_volt: float) -> float:
        """See `CellUnderTest`; as the instrument has it.

        With exchanged leads no current holds a voltage: whatever is tried makes it worse, so it is without bound.
        """
        needed_ampere = self._cell.current_at_voltage(voltage_volt)
        if not self.exchanged:
            return needed_ampere
        return math.copysign(math.inf, needed_ampere - self._cell.current_ampere)

    def advance_to(self, time_ns: int) -> None:
        """See `CellUnderTest`."""
        self._cell.advance_to(time_ns)

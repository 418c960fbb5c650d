"""A resistor in place of the cell, as the instrument meets it."""

import numpy as np
from numpy.typing import NDArray

from simulators.device import SECOND_NS, CellUnderTest, Forecast


class DummyResistor:
    """It fits `CellUnderTest`. The cell lies beside it unconnected, and keeps the time."""

    def __init__(self, resistance_ohm: float, cell: CellUnderTest) -> None:
        self._resistance_ohm = resistance_ohm
        self._cell = cell
        self._current_ampere = 0.0
        self._since_ns = cell.now_ns
        self._in_coulomb = 0.0
        self._out_coulomb = 0.0

    @property
    def now_ns(self) -> int:
        """See `CellUnderTest`."""
        return self._cell.now_ns

    @property
    def current_ampere(self) -> float:
        """See `CellUnderTest`."""
        return self._current_ampere

    @property
    def charge_in_coulomb(self) -> float:
        """See `CellUnderTest`; through the resistor."""
        return self._in_coulomb + max(0.0, self._lately_coulomb)

    @property
    def charge_out_coulomb(self) -> float:
        """See `CellUnderTest`; through the resistor."""
        return self._out_coulomb + max(0.0, -self._lately_coulomb)

    @property
    def _lately_coulomb(self) -> float:
        return self._current_ampere * (self.now_ns - self._since_ns) / SECOND_NS

    def set_current(self, current_ampere: float) -> None:
        """See `CellUnderTest`."""
        self._in_coulomb, self._out_coulomb = self.charge_in_coulomb, self.charge_out_coulomb
        self._since_ns, self._current_ampere = self.now_ns, current_ampere

    def set_voltage(self, voltage_volt: float) -> None:
        """See `CellUnderTest`."""
        self.set_current(self.current_at_voltage(voltage_volt))

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        """See `CellUnderTest`; pressure and temperature are the cell's."""
        beside = self._cell.forecast(times_ns)
        volt = np.full(len(times_ns), self._current_ampere * self._resistance_ohm)
        return Forecast(volt, beside.pressure_megapascal, beside.temperature_celsius)

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `CellUnderTest`."""
        return np.full(len(times_ns), self._current_ampere)

    def current_at_voltage(self, voltage_volt: float) -> float:
        """See `CellUnderTest`."""
        return voltage_volt / self._resistance_ohm

    def advance_to(self, time_ns: int) -> None:
        """See `CellUnderTest`."""
        self._cell.advance_to(time_ns)

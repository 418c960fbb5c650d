"""Watches the true voltage of the cell: its extremes while a relay is closed, and its excursions out of a window."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.device import SECOND_NS, CellUnderTest
from simulators.log import LogLines

LOOK_EVERY_NS = SECOND_NS


@dataclass(frozen=True)
class Window:
    """The voltages a cell may see while current flows."""

    lower_volt: float
    upper_volt: float


@dataclass
class Extremes:
    """The lowest and the highest voltage so far."""

    min_volt: float
    max_volt: float

    def take(self, low_volt: float, high_volt: float) -> None:
        """Widen them."""
        self.min_volt = min(self.min_volt, low_volt)
        self.max_volt = max(self.max_volt, high_volt)


@dataclass
class Excursion:
    """One stay outside the window."""

    began_ns: int
    extreme_volt: float


class Witness:
    """Looks at the cell while a relay is closed or current flows, whatever the instruments look at or do.

    It looks at every whole second of bench time and on both sides of every change of the current, so what it says
    doesn't depend on how time was cut. Between two looks the current is constant and the voltage smooth: at 2 C one
    second moves it by less than 1 mV, except on the knee at the end of a discharge.
    """

    def __init__(self, cell: CellUnderTest, log: LogLines, window: Window | None) -> None:
        self._cell = cell
        self._log = log
        self._window = window
        self._closed: dict[str, Extremes] = {}
        self._current_ampere = cell.current_ampere
        self._arrival_volt: float | None = None
        self._excursion: Excursion | None = None

    def pass_over(self, to_ns: int) -> None:
        """Look at the time from the cell's present up to `to_ns`, which the cell is about to be brought to."""
        self._arrival_volt = None
        now_ns = self._cell.now_ns
        if to_ns <= now_ns or not (self._closed or self._current_ampere):
            return
        first_ns = (now_ns // LOOK_EVERY_NS + 1) * LOOK_EVERY_NS
        times_ns = np.append(np.arange(first_ns, to_ns + 1, LOOK_EVERY_NS), to_ns)
        volts = self._cell.forecast(times_ns).voltage_volt
        self._arrival_volt = float(volts[-1])
        self._take(times_ns[:-1], volts[:-1])

    def look(self) -> None:
        """Something may have changed the current at the cell's present time."""
        current_ampere = self._cell.current_ampere
        if current_ampere == self._current_ampere:
            return
        self._take_arrival()
        self._current_ampere = current_ampere
        if not current_ampere:
            self._back(self.voltage_volt)
        elif self._closed or self._window:
            self._take(np.array([self._cell.now_ns]), np.array([self.voltage_volt]))

    def relay_closed(self, instrument: str) -> None:
        """An instrument has connected itself to the cell."""
        volt = self.voltage_volt
        self._closed.setdefault(instrument, Extremes(volt, volt))

    def relay_opened(self, instrument: str) -> Extremes | None:
        """An instrument has left the cell. Answers the extremes since it came, None if it wasn't there."""
        self._take_arrival()
        return self._closed.pop(instrument, None)

    def end(self) -> None:
        """Nothing more will be seen: end an excursion that still lasts."""
        self._take_arrival()
        self._back(self.voltage_volt)

    @property
    def voltage_volt(self) -> float:
        """The true voltage of the cell now, with the current that flows from now on."""
        return float(self._cell.forecast(np.array([self._cell.now_ns])).voltage_volt[0])

    def _take_arrival(self) -> None:
        """Count the voltage the cell arrived with, just before the present time's changes."""
        if self._arrival_volt is not None:
            self._take(np.array([self._cell.now_ns]), np.array([self._arrival_volt]))
            self._arrival_volt = None

    def _take(self, times_ns: NDArray[np.int64], volts: NDArray[np.float64]) -> None:
        if not volts.size:
            return
        low_volt, high_volt = float(volts.min()), float(volts.max())
        for extremes in self._closed.values():
            extremes.take(low_volt, high_volt)
        if self._window is None or not self._current_ampere:
            return
        if self._excursion or low_volt < self._window.lower_volt or high_volt > self._window.upper_volt:
            self._judge(self._window, times_ns, volts)

    def _judge(self, window: Window, times_ns: NDArray[np.int64], volts: NDArray[np.float64]) -> None:
        beyond_volt = np.maximum(window.lower_volt - volts, volts - window.upper_volt)
        outside = beyond_volt > 0
        edges = np.flatnonzero(np.diff(outside)) + 1
        for part in np.split(np.arange(volts.size), edges):
            if not outside[part[0]]:
                self._back(float(volts[part[0]]), int(times_ns[part[0]]))
                continue
            worst_volt = float(volts[part[np.argmax(beyond_volt[part])]])
            excursion = self._excursion or self._begin(int(times_ns[part[0]]), float(volts[part[0]]))
            excursion.extreme_volt = _farther(window, excursion.extreme_volt, worst_volt)

    def _begin(self, at_ns: int, volt: float) -> Excursion:
        self._log.write(at_ns, "excursion_begin", voltage_volt=volt, current_ampere=self._current_ampere)
        self._excursion = Excursion(at_ns, volt)
        return self._excursion

    def _back(self, volt: float, at_ns: int | None = None) -> None:
        if self._excursion is None:
            return
        excursion, self._excursion = self._excursion, None
        end_ns = self._cell.now_ns if at_ns is None else at_ns
        self._log.write(
            end_ns,
            "excursion_end",
            voltage_volt=volt,
            extreme_voltage_volt=excursion.extreme_volt,
            lasted_second=(end_ns - excursion.began_ns) / SECOND_NS,
        )


def _farther(window: Window, one_volt: float, other_volt: float) -> float:
    middle_volt = (window.lower_volt + window.upper_volt) / 2
    return max(one_volt, other_volt, key=lambda volt: abs(volt - middle_volt))

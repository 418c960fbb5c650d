"""The cell under test of the simulated bench: one press cell in its jig, noise-free and deterministic."""

import math

import numpy as np
from numpy.typing import NDArray

from simulators.cell_hold import HeldSegment, current_at_once, hold
from simulators.cell_impedance import impedance_ohm
from simulators.cell_parameters import BARE, BM_05, CellParameters, vary
from simulators.cell_potential import potential_of
from simulators.cell_segment import Segment
from simulators.cell_state import (
    CellState,
    Clamping,
    Drive,
    displacement_micrometre,
    exchange_factor,
)
from simulators.device import SECOND_NS, Forecast

__all__ = ["BARE", "BM_05", "PRESETS", "CellParameters", "PressCell", "vary"]

PRESETS = {"BM-05": BM_05, "bare": BARE}

LOWEST_CELSIUS = -100.0
HIGHEST_CELSIUS = 300.0


class PressCell:
    """An LPSCl-coated NMC811 | Li6PS5Cl | Li-In press cell, as assembled, at time 0 and at open circuit.

    It fits `CellUnderTest`: it is driven by a current, or its terminals are held at a voltage, until the other is set.
    Changes act at `now_ns`; setting the current, voltage or chamber it has already changes nothing at all.
    """

    def __init__(
        self,
        parameters: CellParameters = BM_05,
        *,
        chamber_celsius: float = 55.0,
        start_celsius: float | None = None,
        torque_newton_metre: float = 5.0,
        assembly_celsius: float = 25.0,
    ) -> None:
        """Put a cell into its chamber.

        Args:
            parameters: the cell.
            chamber_celsius: temperature of the chamber.
            start_celsius: temperature of the cell; None starts it at the chamber's.
            torque_newton_metre: with which the jig was closed, at time 0.
            assembly_celsius: temperature at which it was closed; thermal pressure counts from there.

        Raises:
            ValueError: a temperature no cell is used at, or a negative torque.
        """
        celsius = _temperature(chamber_celsius if start_celsius is None else start_celsius)
        start = CellState(0, parameters.initial_lithium, (0.0,) * 5, 0.0, celsius, 0.0, 0.0, 0.0, 0.0)
        clamping = Clamping(
            _torque(torque_newton_metre),
            0,
            _temperature(assembly_celsius),
            displacement_micrometre(parameters, start),
            0.0,
        )
        self._parameters = parameters
        self._segment: Segment = Segment(parameters, start, Drive(0.0, _temperature(chamber_celsius), clamping))
        self._ahead = self._segment
        self._now_ns = 0
        self._current_since_ns = 0
        self._in_coulomb = 0.0
        self._out_coulomb = 0.0

    @property
    def parameters(self) -> CellParameters:
        """What the cell is made of."""
        return self._parameters

    @property
    def now_ns(self) -> int:
        """The time the cell has been brought to."""
        return self._now_ns

    @property
    def state(self) -> CellState:
        """The cell now: Li content, temperature, age, losses."""
        return self._segment.state_at(self._now_ns)

    @property
    def current_ampere(self) -> float:
        """The current that flows from now on, positive when it charges; while a voltage is held, that of now."""
        return self._segment.drive.current_ampere

    @property
    def held_volt(self) -> float | None:
        """The voltage its terminals are held at; None when a current drives it."""
        return self._segment.voltage_volt if isinstance(self._segment, HeldSegment) else None

    @property
    def chamber_celsius(self) -> float:
        """Temperature around the cell."""
        return self._segment.drive.chamber_celsius

    @property
    def torque_newton_metre(self) -> float:
        """Torque with which the jig was last closed."""
        return self._segment.drive.clamping.newton_metre

    @property
    def charge_in_coulomb(self) -> float:
        """Charge put in so far."""
        return self._in_coulomb + max(self._charge_since_coulomb(), 0.0)

    @property
    def charge_out_coulomb(self) -> float:
        """Charge taken out so far, as a positive number."""
        return self._out_coulomb + max(-self._charge_since_coulomb(), 0.0)

    @property
    def active_loss_fraction(self) -> float:
        """Part of the active material that ageing has cut off so far."""
        return 1 - self._segment.slow.capacity_coulomb / self._parameters.fresh_capacity_coulomb

    @property
    def interface_ohm(self) -> float:
        """Interfacial resistance R_i at the present temperature and age."""
        return self._segment.slow.interface_ohm

    @property
    def charge_transfer_ohm(self) -> float:
        """Charge-transfer resistance R_ct at the present temperature, age and Li content."""
        return self._segment.slow.charge_transfer_ohm / exchange_factor(self.state.surface_lithium)

    def set_current(self, current_ampere: float) -> None:
        """Let this current flow from now on. Raises ValueError if it isn't finite."""
        if not math.isfinite(current_ampere):
            raise ValueError(f"current_ampere is {current_ampere}")
        if current_ampere == self.current_ampere and self.held_volt is None:
            return
        self._count_charge()
        drive = self._segment.drive._replace(current_ampere=float(current_ampere))
        self._begin(Segment(self._parameters, self.state, drive))

    def set_voltage(self, voltage_volt: float) -> None:
        """Hold the terminals at a voltage from now on. Raises ValueError if it isn't finite."""
        if not math.isfinite(voltage_volt):
            raise ValueError(f"voltage_volt is {voltage_volt}")
        if voltage_volt == self.held_volt:
            return
        self._count_charge()
        self._begin(hold(self._parameters, self.state, self._segment.drive, float(voltage_volt)))

    def set_chamber_celsius(self, temperature_celsius: float) -> None:
        """Let the cell drift towards this temperature from now on. Raises ValueError if it isn't one for a cell."""
        if temperature_celsius != self.chamber_celsius:
            self._go_on(self.state, self._segment.drive._replace(chamber_celsius=_temperature(temperature_celsius)))

    def set_torque_newton_metre(self, newton_metre: float) -> None:
        """Close the jig anew with this torque, or open it with 0; the stack relaxes from there.

        Raises ValueError if it is negative. An open jig shows no pressure; the resistances don't follow it.
        """
        state = self.state._replace(viscous_megapascal=0.0)
        displacement = displacement_micrometre(self._parameters, state)
        clamping = Clamping(_torque(newton_metre), self._now_ns, state.celsius, displacement, state.full_cycles)
        self._go_on(state, self._segment.drive._replace(clamping=clamping))

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        """What the cell will show at these times if nothing is set anew. Changes nothing.

        Raises ValueError if the first time is before now.
        """
        count = len(times_ns)
        if count and times_ns[0] < self._now_ns:
            raise ValueError(f"forecast from {times_ns[0]} ns, but it is {self._now_ns} ns")
        segment = self._segment if self.held_volt is None or not count else self._held_at(int(times_ns[0]))
        if not count or times_ns[-1] < segment.end_ns:
            return segment.forecast(times_ns)
        shown = Forecast(np.empty(count), np.empty(count), np.empty(count))
        done = 0
        while done < count:
            upto = int(np.searchsorted(times_ns, segment.end_ns))
            if upto > done:
                piece = segment.forecast(times_ns[done:upto])
                shown.voltage_volt[done:upto] = piece.voltage_volt
                shown.pressure_megapascal[done:upto] = piece.pressure_megapascal
                shown.temperature_celsius[done:upto] = piece.temperature_celsius
                done = upto
            segment = segment.successor
        return shown

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The current in ampere that will flow at these times if nothing is set anew. Changes nothing."""
        shown = np.full(len(times_ns), self.current_ampere)
        if self.held_volt is None or not len(times_ns):
            return shown
        segment, done = self._held_at(int(times_ns[0])), 0
        while done < len(times_ns):
            upto = int(np.searchsorted(times_ns, segment.end_ns))
            shown[done:upto] = segment.drive.current_ampere
            segment, done = segment.successor, upto
        return shown

    def current_at_voltage(self, voltage_volt: float) -> float:
        """The current with which the terminals would be at a voltage at once: the double layer keeps its charge."""
        return current_at_once(self._parameters, self.state, voltage_volt)

    def advance_to(self, time_ns: int) -> None:
        """Bring the cell to a later time. Raises ValueError if it is an earlier one."""
        if time_ns < self._now_ns:
            raise ValueError(f"advance to {time_ns} ns, but it is {self._now_ns} ns")
        while self._segment.end_ns <= time_ns:
            following = self._segment.successor
            if following.drive.current_ampere != self.current_ampere:
                self._now_ns = self._segment.end_ns
                self._count_charge()
            self._segment = following
        self._now_ns = time_ns

    def impedance(
        self, frequency_hertz: NDArray[np.float64], *, transmission_line: bool = False
    ) -> NDArray[np.complex128]:
        """Impedance of the cell as it is now, in ohm, at frequencies above zero; raises ValueError at others."""
        if not (np.isfinite(frequency_hertz) & (frequency_hertz > 0)).all():
            raise ValueError("frequency_hertz must be above zero")
        surface_lithium = self.state.surface_lithium
        return impedance_ohm(
            self._parameters,
            self._segment.slow,
            surface_lithium,
            potential_of(self._parameters).slope_at(surface_lithium),
            frequency_hertz,
            transmission_line=transmission_line,
        )

    def _charge_since_coulomb(self) -> float:
        return self.current_ampere * ((self._now_ns - self._current_since_ns) / SECOND_NS)

    def _held_at(self, time_ns: int) -> Segment:
        """The stretch of a held cell that a time is in; where it was last looked for is remembered."""
        is_known = isinstance(self._ahead, HeldSegment) and self._ahead.state.time_ns <= time_ns
        segment = self._ahead if is_known else self._segment
        while segment.end_ns <= time_ns:
            segment = segment.successor
        self._ahead = segment
        return segment

    def _count_charge(self) -> None:
        """Put down what has passed, before the current changes."""
        self._in_coulomb = self.charge_in_coulomb
        self._out_coulomb = self.charge_out_coulomb
        self._current_since_ns = self._now_ns

    def _go_on(self, state: CellState, drive: Drive) -> None:
        """Be driven as before, in other surroundings."""
        if isinstance(self._segment, HeldSegment):
            self._count_charge()
            held = self._segment
            self._begin(hold(self._parameters, state, drive, held.voltage_volt, held.next_second))
        else:
            self._begin(Segment(self._parameters, state, drive))

    def _begin(self, segment: Segment) -> None:
        self._segment = self._ahead = segment


def _temperature(celsius: float) -> float:
    if not LOWEST_CELSIUS <= celsius <= HIGHEST_CELSIUS:
        raise ValueError(f"{celsius} °C is outside {LOWEST_CELSIUS} to {HIGHEST_CELSIUS} °C")
    return float(celsius)


def _torque(newton_metre: float) -> float:
    if not (math.isfinite(newton_metre) and newton_metre >= 0):
        raise ValueError(f"{newton_metre} N m is no torque")
    return float(newton_metre)

"""A stretch of a cell's life in which nothing is changed and slow parameters stand still: closed forms in time."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.cell_parameters import CellParameters
from simulators.cell_potential import potential_of
from simulators.cell_state import (
    LOWEST_LITHIUM,
    CellState,
    Drive,
    Slow,
    charge_transfer_volt,
    displacement_micrometre,
    exchange_factor,
    slow_of,
)
from simulators.device import SECOND_NS, Forecast

Floats = NDArray[np.float64]

LONGEST_SECOND = 600.0
LARGEST_STEP_KELVIN = 0.02
LARGEST_FORMATION_FALL = 0.05
_SHORTEST_SECOND = 1e-3

_EIGENVALUES = (4.493409457909064, 7.725251836937707, 10.904121659428899)
"""First roots of tan l = l, the diffusion modes of a sphere."""
_REST_GAIN = 1 / 10 - sum(root**-2 for root in _EIGENVALUES)
_REST_MOMENT = 1 / 350 - sum(root**-4 for root in _EIGENVALUES)
_SPHERE_RATES = (*(root**2 for root in _EIGENVALUES), _REST_GAIN / _REST_MOMENT)
"""Rate of each mode times the diffusion time; the last mode stands for all that follow."""
_SPHERE_GAINS = (2 / 3, 2 / 3, 2 / 3, 2 / 3 * _REST_GAIN**2 / _REST_MOMENT)
_MODES = len(_SPHERE_RATES) + 1
_HEAT = _MODES + 2
_ENTROPY_CELSIUS = 25.0


class Curves(NamedTuple):
    """Voltage, pressure and temperature of a segment as sums of exponentials and polynomials."""

    minus_rates: Floats
    """Shape (12, 1): five diffusion modes, charge transfer, assembly, heat, viscous, two relaxations, ageing."""
    amplitudes: Floats
    """Shape (12, 1): lithium, volt, volt, kelvin and megapascal."""
    lithium: float
    volt: float
    pressure: tuple[float, float, float, float]
    """Polynomial in seconds, rising powers."""


class Segment:
    """A cell from a state on, under one drive, until its slow parameters must be taken anew at `end_ns`.

    `slow` are the slow parameters of the state, if they are known already.
    """

    def __init__(self, parameters: CellParameters, state: CellState, drive: Drive, slow: Slow | None = None) -> None:
        self.state = state
        self.drive = drive
        self.slow = slow = slow_of(parameters, state) if slow is None else slow
        self._parameters = parameters
        self._potential = potential_of(parameters)
        current_ampere = drive.current_ampere
        self._lost_ampere = current_ampere * loss_fraction(parameters, slow, current_ampere)
        self._lithium_per_second = -(current_ampere - self._lost_ampere) / slow.capacity_coulomb
        self.ohmic_ohm = slow.ohmic_ohm + parameters.contact_ohm
        self._set_modes()
        self._set_charge_transfer()
        self._set_heat()
        self._set_jig()
        self.end_ns = state.time_ns + self._length_ns()
        self._successor: Segment | None = None
        self._curves: Curves | None = None

    def _set_modes(self) -> None:
        modes = mode_rates(self._parameters, self.slow)
        self._mode_rates = tuple(rate for rate, _ in modes)
        self._mode_ends = tuple(gain / rate * self._lithium_per_second for rate, gain in modes)
        self._mode_rests = tuple(lag - end for lag, end in zip(self.state.lag_lithium, self._mode_ends, strict=True))

    def _set_charge_transfer(self) -> None:
        surface_lithium = self.state.surface_lithium
        steady_volt = charge_transfer_volt(self.slow, self.drive.current_ampere, surface_lithium)
        self._transfer_rest_volt = self.state.charge_transfer_volt - steady_volt
        resistance_ohm = self.slow.charge_transfer_ohm / exchange_factor(surface_lithium)
        self._transfer_per_second = 1 / (resistance_ohm * self._parameters.double_layer_farad)

    def _set_heat(self) -> None:
        resistance_ohm = self.ohmic_ohm + self.slow.charge_transfer_ohm
        heat_watt = self.drive.current_ampere**2 * resistance_ohm
        self._end_celsius = self.drive.chamber_celsius + self._parameters.thermal_kelvin_per_watt * heat_watt
        self._rest_kelvin = self.state.celsius - self._end_celsius

    def _set_jig(self) -> None:
        """The stack's displacement as a cubic in time, and the viscous answer to it."""
        parameters, state = self._parameters, self.state
        closed = 1.0 if self.drive.clamping.newton_metre > 0 else 0.0
        self._stiffness_megapascal = parameters.jig_stiffness_megapascal * closed
        self._thermal_megapascal = parameters.thermal_megapascal_per_kelvin * closed
        self._anode_ampere = self.drive.current_ampere - (1 - parameters.parasitic_volume_fraction) * self._lost_ampere
        u, y = self._lithium_per_second, 1 - min(max(state.lithium, 0.0), 1.0)
        cathode = parameters.cathode_micrometre
        if not 0 <= state.lithium + u * _SHORTEST_SECOND <= 1:
            u = 0.0  # the cathode's volume stands still where x has run out
        linear = parameters.anode_micrometre_per_coulomb * self._anode_ampere + 3 * cathode * y * y * u
        self._swelling = (displacement_micrometre(parameters, state), linear, -3 * cathode * y * u * u, cathode * u**3)
        tau, gain = parameters.viscous_second, self._stiffness_megapascal * parameters.viscous_fraction
        second = tau * gain * 3 * self._swelling[3]
        first = tau * (gain * 2 * self._swelling[2] - 2 * second)
        zeroth = tau * (gain * linear - first)
        self._viscous = (zeroth, first, second)

    def _length_ns(self) -> int:
        length_second = LONGEST_SECOND
        if abs(self._rest_kelvin) > LARGEST_STEP_KELVIN:
            warming = -math.log1p(-LARGEST_STEP_KELVIN / abs(self._rest_kelvin))
            length_second = min(length_second, warming * self._parameters.thermal_second)
        if self._lost_ampere > 0:
            fall = -math.log1p(-LARGEST_FORMATION_FALL)
            formation_second = fall * self._parameters.formation_span_coulomb / self._lost_ampere
            length_second = min(length_second, formation_second)
        if self._lithium_per_second != 0:
            for bound in (0.0, 1.0):
                there_second = (bound - self.state.lithium) / self._lithium_per_second
                if there_second > _SHORTEST_SECOND:
                    length_second = min(length_second, there_second)
        return int(max(length_second, _SHORTEST_SECOND) * SECOND_NS)

    @property
    def successor(self) -> "Segment":
        """The same cell under the same drive from `end_ns` on."""
        if self._successor is None:
            self._successor = self._make_successor()
        return self._successor

    def _make_successor(self) -> "Segment":
        return Segment(self._parameters, self.state_at(self.end_ns), self.drive)

    @property
    def parameters(self) -> CellParameters:
        """What the cell is made of."""
        return self._parameters

    def state_at(self, time_ns: int) -> CellState:
        """The cell at a time from the start of the segment to its end."""
        state = self.state
        if time_ns == state.time_ns:
            return state
        second = (time_ns - state.time_ns) / SECOND_NS
        moved = state._replace(
            time_ns=time_ns,
            lithium=state.lithium + self._lithium_per_second * second,
            lag_lithium=self._lags_after(second),
            celsius=self._end_celsius + self._rest_kelvin * math.exp(-second / self._parameters.thermal_second),
            full_cycles=state.full_cycles + self._full_cycles_per_second * second,
            parasitic_coulomb=state.parasitic_coulomb + self._lost_ampere * second,
            anode_coulomb=state.anode_coulomb + self._anode_ampere * second,
            viscous_megapascal=self._viscous_after(second),
        )
        steady_volt = charge_transfer_volt(self.slow, self.drive.current_ampere, moved.surface_lithium)
        rest_volt = self._transfer_rest_volt * math.exp(-second * self._transfer_per_second)
        return moved._replace(charge_transfer_volt=steady_volt + rest_volt)

    @property
    def _full_cycles_per_second(self) -> float:
        return abs(self.drive.current_ampere) / self._parameters.full_cycle_coulomb * self.slow.ageing_speed

    def _lags_after(self, second: float) -> tuple[float, ...]:
        return tuple(
            end + rest * math.exp(-rate * second)
            for end, rest, rate in zip(self._mode_ends, self._mode_rests, self._mode_rates, strict=True)
        )

    def _viscous_after(self, second: float) -> float:
        zeroth, first, square = self._viscous
        fading = math.exp(-second / self._parameters.viscous_second)
        steady = zeroth + second * (first + second * square)
        return steady + (self.state.viscous_megapascal - zeroth) * fading

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        """What the cell shows at times between the start of the segment and its end."""
        if self._curves is None:
            self._curves = self._draw()
        curves = self._curves
        second = (times_ns - self.state.time_ns) / SECOND_NS
        terms = np.exp(curves.minus_rates * second)
        terms *= curves.amplitudes
        celsius = terms[_HEAT] + self._end_celsius
        cubic = curves.pressure
        pressure = second * cubic[3]
        pressure += cubic[2]
        pressure *= second
        pressure += cubic[1]
        pressure *= second
        pressure += cubic[0]
        for row in terms[_HEAT + 1 :]:
            pressure += row
        if self._thermal_megapascal:
            pressure += celsius * self._thermal_megapascal
        np.maximum(pressure, 0.0, out=pressure)
        return Forecast(self._voltage(curves, second, terms), pressure, celsius)

    def _voltage(self, curves: Curves, second: Floats, terms: Floats) -> Floats:
        surface = second * self._lithium_per_second
        surface += curves.lithium
        for row in terms[:_MODES]:
            surface += row
        volt = self._potential.of(surface)
        volt += curves.volt
        volt += terms[_MODES]
        volt += terms[_MODES + 1]
        current_ampere = self.drive.current_ampere
        if current_ampere != 0:
            np.minimum(surface, 1 - LOWEST_LITHIUM, out=surface)
            np.maximum(surface, LOWEST_LITHIUM, out=surface)
            surface *= 1 - surface
            np.sqrt(surface, out=surface)
            over = current_ampere * self.slow.charge_transfer_ohm / (4 * self.slow.thermal_volt) / surface
            np.arcsinh(over, out=over)
            over *= 2 * self.slow.thermal_volt
            volt += over
        return volt

    def _draw(self) -> Curves:
        parameters, state, clamping = self._parameters, self.state, self.drive.clamping
        start_second = state.time_ns / SECOND_NS
        clamped_second = (state.time_ns - clamping.time_ns) / SECOND_NS
        clamped_megapascal = parameters.torque_to_pressure_megapascal * clamping.newton_metre
        fast, slow = parameters.fast_relaxation_fraction, parameters.slow_relaxation_fraction
        aged = (state.full_cycles - clamping.full_cycles) / parameters.irreversible_full_cycles
        by_row = (
            *zip(self._mode_rates, self._mode_rests, strict=True),
            (self._transfer_per_second, self._transfer_rest_volt),
            (
                1 / parameters.assembly_decay_second,
                parameters.assembly_volt * math.exp(-start_second / parameters.assembly_decay_second),
            ),
            (1 / parameters.thermal_second, self._rest_kelvin),
            (1 / parameters.viscous_second, state.viscous_megapascal - self._viscous[0]),
            _fading(clamped_megapascal * fast, clamped_second, parameters.fast_relaxation_second),
            _fading(clamped_megapascal * slow, clamped_second, parameters.slow_relaxation_second),
            (
                self._full_cycles_per_second / parameters.irreversible_full_cycles,
                clamped_megapascal * parameters.irreversible_fraction * math.exp(-aged),
            ),
        )
        elastic = self._stiffness_megapascal * (1 - parameters.viscous_fraction)
        zeroth, first, second = self._viscous
        settled = clamped_megapascal * (1 - fast - slow - parameters.irreversible_fraction)
        pushed = elastic * (self._swelling[0] - clamping.displacement_micrometre)
        warmth_volt = parameters.entropy_volt_per_kelvin * (state.celsius - _ENTROPY_CELSIUS)
        return Curves(
            minus_rates=np.array([[-rate] for rate, _ in by_row]),
            amplitudes=np.array([[amplitude] for _, amplitude in by_row]),
            lithium=state.lithium + math.fsum(self._mode_ends),
            volt=warmth_volt + self.drive.current_ampere * self.ohmic_ohm,
            pressure=(
                settled + pushed + zeroth - self._thermal_megapascal * clamping.celsius,
                elastic * self._swelling[1] + first,
                elastic * self._swelling[2] + second,
                elastic * self._swelling[3],
            ),
        )


def loss_fraction(parameters: CellParameters, slow: Slow, current_ampere: float) -> float:
    """The part of a current that is lost to side reactions."""
    return slow.formation_fraction + parameters.lasting_loss_fraction if current_ampere > 0 else 0.0


def mode_rates(parameters: CellParameters, slow: Slow) -> tuple[tuple[float, float], ...]:
    """Rate and gain of each diffusion mode."""
    rates = (*(rate / slow.diffusion_second for rate in _SPHERE_RATES), 1 / slow.slow_second)
    return tuple(zip(rates, (*_SPHERE_GAINS, parameters.slow_weight), strict=True))


def still_volt(parameters: CellParameters, state: CellState) -> float:
    """The terminals' voltage in a state if no current flowed and charge transfer had come to rest."""
    warmth_volt = parameters.entropy_volt_per_kelvin * (state.celsius - _ENTROPY_CELSIUS)
    assembly_volt = parameters.assembly_volt * math.exp(-state.time_ns / SECOND_NS / parameters.assembly_decay_second)
    return potential_of(parameters).at(state.surface_lithium) + warmth_volt + assembly_volt


def _fading(amplitude: float, elapsed_second: float, decay_second: float) -> tuple[float, float]:
    """Rate and present amplitude of what has been fading for a time."""
    return 1 / decay_second, amplitude * math.exp(-elapsed_second / decay_second)

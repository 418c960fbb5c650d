"""A cell whose terminals are held at a voltage: a chain of short stretches of constant current, each solved for."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulators.cell_parameters import CellParameters
from simulators.cell_potential import potential_of
from simulators.cell_segment import LONGEST_SECOND, Curves, Segment, loss_fraction, mode_rates, still_volt
from simulators.cell_state import CellState, Drive, Slow, charge_transfer_volt, exchange_factor, slow_of
from simulators.device import SECOND_NS

Floats = NDArray[np.float64]

FIRST_SECOND = 0.1
"""Length that is tried first after a voltage was set."""
SHORTEST_SECOND = 1e-7
LARGEST_DRIFT_VOLT = 50e-6
"""Of what a cell is used at; with more than 0.25 V over its ohmic resistance, LARGEST_DRIFT of that."""
LARGEST_DRIFT = 2e-4
SMALLEST_DRIFT_VOLT = 2e-6
DRIFT_OF_CURRENT = 2e-3
"""From one stretch to the next the current changes by about this part of itself, within the bounds above."""
_SOLVED_VOLT = 1e-9
_MOST_STEPS = 60


class HeldSegment(Segment):
    """A stretch of constant current at whose end the terminals are at `voltage_volt` once more.

    In it they would drift by no more than LARGEST_DRIFT_VOLT; what is shown is the held voltage. Charge, heat and
    state are those of the stretches' own currents, exactly.
    """

    def __init__(
        self,
        parameters: CellParameters,
        state: CellState,
        drive: Drive,
        slow: Slow,
        *,
        voltage_volt: float,
        length_second: float,
        next_second: float,
    ) -> None:
        super().__init__(parameters, state, drive, slow)
        self.voltage_volt = voltage_volt
        self.next_second = next_second
        self.end_ns = min(self.end_ns, state.time_ns + round(length_second * SECOND_NS))

    def _make_successor(self) -> Segment:
        return hold(self.parameters, self.state_at(self.end_ns), self.drive, self.voltage_volt, self.next_second)

    def _voltage(self, curves: Curves, second: Floats, terms: Floats) -> Floats:  # noqa: ARG002
        return np.full(len(second), self.voltage_volt)


def hold(
    parameters: CellParameters,
    state: CellState,
    drive: Drive,
    voltage_volt: float,
    length_second: float = FIRST_SECOND,
) -> HeldSegment:
    """The next stretch of a held cell.

    Args:
        parameters: the cell.
        state: where it is.
        drive: what is done to it; its current is where the search begins.
        voltage_volt: at which its terminals are held.
        length_second: of the stretch, if the voltage drifts little enough.
    """
    slow = slow_of(parameters, state)
    length_second = min(length_second, LONGEST_SECOND)
    while True:
        volt_of = _volt_after(parameters, state, slow, length_second)
        ampere = _solve(volt_of, voltage_volt, drive.current_ampere)
        ohmic_ohm = slow.ohmic_ohm + parameters.contact_ohm
        drift_volt = abs(_volt_at_once(parameters, state, slow, ampere) - voltage_volt)
        allowed_volt = _allowed_drift_volt(abs(ampere) * ohmic_ohm)
        stretching = 0.9 * allowed_volt / max(drift_volt, 1e-12)
        if drift_volt <= allowed_volt or length_second <= SHORTEST_SECOND:
            break
        length_second = max(length_second * max(stretching, 0.05), SHORTEST_SECOND)
    return HeldSegment(
        parameters,
        state,
        drive._replace(current_ampere=ampere),
        slow,
        voltage_volt=voltage_volt,
        length_second=length_second,
        next_second=length_second * min(stretching, 2.0),
    )


def current_at_once(parameters: CellParameters, state: CellState, voltage_volt: float) -> float:
    """The current with which a cell's terminals are at a voltage at once: the double layer keeps its charge."""
    slow = slow_of(parameters, state)
    missing_volt = voltage_volt - still_volt(parameters, state) - state.charge_transfer_volt
    return missing_volt / (slow.ohmic_ohm + parameters.contact_ohm)


def _allowed_drift_volt(ohmic_volt: float) -> float:
    most_volt = max(LARGEST_DRIFT_VOLT, LARGEST_DRIFT * ohmic_volt)
    return min(max(DRIFT_OF_CURRENT * ohmic_volt, SMALLEST_DRIFT_VOLT), most_volt)


def _volt_at_once(parameters: CellParameters, state: CellState, slow: Slow, ampere: float) -> float:
    ohmic_volt = ampere * (slow.ohmic_ohm + parameters.contact_ohm)
    return still_volt(parameters, state) + state.charge_transfer_volt + ohmic_volt


def _volt_after(parameters: CellParameters, state: CellState, slow: Slow, second: float) -> Callable[[float], float]:
    """The voltage after a time of constant current, as a function of that current; it rises with it."""
    modes = [(gain / rate, math.exp(-rate * second)) for rate, gain in mode_rates(parameters, slow)]
    base = state.lithium + math.fsum(lag * kept for lag, (_, kept) in zip(state.lag_lithium, modes, strict=True))
    growth_second = second + math.fsum(reach * (1 - kept) for reach, kept in modes)
    surface_before = state.surface_lithium
    transfer_ohm = slow.charge_transfer_ohm / exchange_factor(surface_before)
    transfer_kept = math.exp(-second / (transfer_ohm * parameters.double_layer_farad))
    ohmic_ohm = slow.ohmic_ohm + parameters.contact_ohm
    potential = potential_of(parameters)
    later = state._replace(time_ns=state.time_ns + round(second * SECOND_NS))
    other_volt = still_volt(parameters, later) - potential.at(surface_before)

    def volt_of(ampere: float) -> float:
        stored_ampere = ampere * (1 - loss_fraction(parameters, slow, ampere))
        surface = base - stored_ampere / slow.capacity_coulomb * growth_second
        over_volt = charge_transfer_volt(slow, ampere, surface)
        rest_volt = state.charge_transfer_volt - charge_transfer_volt(slow, ampere, surface_before)
        return potential.at(surface) + other_volt + ampere * ohmic_ohm + over_volt + rest_volt * transfer_kept

    return volt_of


def _solve(volt_of: Callable[[float], float], volt: float, guess_ampere: float) -> float:
    """The current at which a rising function has a value: secants, kept between bounds once there are some."""
    low, high = -math.inf, math.inf
    ampere, missing = guess_ampere, volt_of(guess_ampere) - volt
    before_ampere = ampere + max(abs(ampere) * 1e-3, 1e-8)
    before_missing = volt_of(before_ampere) - volt
    for _ in range(_MOST_STEPS):
        if abs(missing) <= _SOLVED_VOLT:
            break
        low, high = (max(low, ampere), high) if missing < 0 else (low, min(high, ampere))
        slope_ohm = (missing - before_missing) / (ampere - before_ampere) if ampere != before_ampere else 0.0
        following = ampere - missing / slope_ohm if slope_ohm > 0 else math.nan
        if not low < following < high:
            following = ampere - missing if math.isinf(high - low) else (low + high) / 2
        before_ampere, before_missing = ampere, missing
        ampere, missing = following, volt_of(following) - volt
    return ampere

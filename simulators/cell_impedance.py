"""The impedance of the simulated cell, from the same resistances and times as its answer in time."""

import numpy as np
from numpy.typing import NDArray

from simulators.cell_parameters import CellParameters
from simulators.cell_state import Slow, exchange_factor

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def impedance_ohm(
    parameters: CellParameters,
    slow: Slow,
    surface_lithium: float,
    potential_slope_volt: float,
    frequency_hertz: Floats,
    *,
    transmission_line: bool = False,
) -> Complexes:
    """Impedance at each frequency; negative imaginary part when capacitive.

    Args:
        parameters: the cell.
        slow: its slow parameters now.
        surface_lithium: Li content at the particles' surface now.
        potential_slope_volt: change of the open-circuit potential for each unit of it there.
        frequency_hertz: above zero.
        transmission_line: spread the interface over the composite's ionic resistance, instead of a third of that
            resistance in series with it.
    """
    s: Complexes = np.asarray(2j * np.pi * frequency_hertz, dtype=np.complex128)
    series = slow.separator_ohm + parameters.contact_ohm + s * parameters.inductance_henry
    interface = 1 / (1 / slow.interface_ohm + _interface_admittance_siemens(parameters, s))
    transfer_ohm = slow.charge_transfer_ohm / exchange_factor(surface_lithium)
    particles = transfer_ohm + _diffusion_ohm(parameters, slow, potential_slope_volt, s)
    surface = 1 / (1 / particles + _double_layer_siemens(parameters, transfer_ohm, s))
    if not transmission_line:
        plain: Complexes = series + interface + slow.composite_ohm / 3 + surface
        return plain
    root = np.sqrt(slow.composite_ohm / surface)
    spread: Complexes = series + interface + np.sqrt(slow.composite_ohm * surface) / np.tanh(root)
    return spread


def _interface_admittance_siemens(parameters: CellParameters, s: Complexes) -> Complexes:
    """A constant-phase element that puts the apex of the fresh arc at 25 °C where the parameters say."""
    exponent = parameters.interface_exponent
    admittance: Complexes = (
        s / (2 * np.pi * parameters.interface_apex_hertz)
    ) ** exponent / parameters.interface_25c_ohm
    return admittance


def _double_layer_siemens(parameters: CellParameters, transfer_ohm: float, s: Complexes) -> Complexes:
    """A constant-phase element with the time constant of the double layer's capacitance."""
    transfer_second = transfer_ohm * parameters.double_layer_farad
    admittance: Complexes = (s * transfer_second) ** parameters.double_layer_exponent / transfer_ohm
    return admittance


def _diffusion_ohm(parameters: CellParameters, slow: Slow, potential_slope_volt: float, s: Complexes) -> Complexes:
    """Filling of the spheres, the total content included, and of the poorly connected ones."""
    b = np.sqrt(s * slow.diffusion_second)
    sphere = slow.diffusion_second / 3 * np.tanh(b) / (b - np.tanh(b))
    poorly_connected = parameters.slow_weight / (s + 1 / slow.slow_second)
    diffusion: Complexes = -potential_slope_volt / slow.capacity_coulomb * (sphere + poorly_connected)
    return diffusion

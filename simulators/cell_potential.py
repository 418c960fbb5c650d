"""The open-circuit potential of the NMC811 cathode against Li-In, as a table that is read linearly."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.cell_parameters import CellParameters

Floats = NDArray[np.float64]

RUNAWAY_VOLT = 40.0
"""Rise of the potential for each unit of x below 0, and its fall above 1: a cycler always trips."""

_CELLS = 4000


class Potential:
    """The potential over the lithium content of the particles' surface, at 25 °C."""

    def __init__(self, parameters: CellParameters) -> None:
        node_volt = _node_volt(np.linspace(0.0, 1.0, _CELLS + 1), parameters)
        step_volt = RUNAWAY_VOLT / _CELLS
        self._left_volt = np.concatenate(([node_volt[0] + step_volt], node_volt))
        self._rise_volt = np.concatenate(([-step_volt], np.diff(node_volt), [-step_volt]))
        self._left_list: list[float] = self._left_volt.tolist()
        self._rise_list: list[float] = self._rise_volt.tolist()

    def of(self, lithium: Floats) -> Floats:
        """The potential at each lithium content, in volt."""
        position = lithium * _CELLS
        position += 1.0
        index = np.minimum(np.maximum(position, 0.0), _CELLS + 1.0).astype(np.intp)
        position -= index
        position *= self._rise_volt[index]
        position += self._left_volt[index]
        return position

    def at(self, lithium: float) -> float:
        """The potential at one lithium content, in volt."""
        index, rest = self._place(lithium)
        return self._left_list[index] + self._rise_list[index] * rest

    def slope_at(self, lithium: float) -> float:
        """The change of the potential for each unit of x, in volt; negative."""
        index, _ = self._place(lithium)
        return self._rise_list[index] * _CELLS

    @staticmethod
    def _place(lithium: float) -> tuple[int, float]:
        position = lithium * _CELLS + 1.0
        index = int(min(max(position, 0.0), _CELLS + 1.0))
        return index, position - index


@lru_cache(maxsize=64)
def potential_of(parameters: CellParameters) -> Potential:
    """The potential of a cell; cells of the same parameters share one table."""
    return Potential(parameters)


def _node_volt(lithium: Floats, parameters: CellParameters) -> Floats:
    """NMC811 of Chen et al., J. Electrochem. Soc. 167 (2020) 080534, with the fall at the end of discharge."""
    y = parameters.stoichiometry_offset + parameters.stoichiometry_scale * lithium
    against_lithium_volt = (
        4.4875
        - 0.8090 * y
        - 0.0428 * np.tanh(18.5138 * (y - 0.5542))
        - 17.7326 * np.tanh(15.7890 * (y - 0.3117))
        + 17.5842 * np.tanh(15.9308 * (y - 0.3120))
    )
    steepness = (lithium - parameters.discharge_drop_lithium) / parameters.discharge_drop_width_lithium
    drop_volt = parameters.discharge_drop_volt / (1 + np.exp(-steepness))
    potential_volt: Floats = against_lithium_volt - drop_volt - parameters.reference_electrode_volt
    return potential_volt

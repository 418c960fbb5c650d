"""The simulated cell at one moment, what is done to it, and the slow parameters that follow from both."""

import math
from typing import NamedTuple

from simulators.cell_parameters import (
    BOLTZMANN_ELECTRONVOLT_PER_KELVIN,
    ZERO_CELSIUS_KELVIN,
    CellParameters,
    arrhenius,
)

_AGEING_CELSIUS = 55.0
_RESISTANCE_CELSIUS = 25.0
_DIFFUSION_CELSIUS = 55.0
LOWEST_LITHIUM = 1e-3
"""Where the exchange current stops falling, at either end of x."""


class CellState(NamedTuple):
    """All of a cell that its future depends on, besides what is done to it."""

    time_ns: int
    lithium: float
    """Mean Li content x of the NMC."""
    lag_lithium: tuple[float, ...]
    """By how much each diffusion mode takes the surface's x away from the mean."""
    charge_transfer_volt: float
    celsius: float
    full_cycles: float
    """Equivalent full cycles, weighted by how fast the cell ages at its temperature."""
    parasitic_coulomb: float
    anode_coulomb: float
    """Charge that swells the anode, the parasitic part reduced by what the electrolyte loses to it."""
    viscous_megapascal: float

    @property
    def surface_lithium(self) -> float:
        """Li content x at the surface of the NMC, which the potential follows."""
        return self.lithium + math.fsum(self.lag_lithium)


class Clamping(NamedTuple):
    """How the jig was closed, and where the cell stood then."""

    newton_metre: float
    time_ns: int
    celsius: float
    displacement_micrometre: float
    full_cycles: float


class Drive(NamedTuple):
    """What is done to the cell from now on."""

    current_ampere: float
    chamber_celsius: float
    clamping: Clamping


class Slow(NamedTuple):
    """What is held constant over a segment: it follows temperature and age."""

    thermal_volt: float
    separator_ohm: float
    composite_ohm: float
    interface_ohm: float
    charge_transfer_ohm: float
    """At x = 0.5."""
    diffusion_second: float
    slow_second: float
    capacity_coulomb: float
    ageing_speed: float
    formation_fraction: float
    """Part of a charging current lost to the formation of interphases."""

    @property
    def ohmic_ohm(self) -> float:
        """All that follows the current at once, besides the contacts."""
        return self.separator_ohm + self.interface_ohm + self.composite_ohm / 3


def slow_of(parameters: CellParameters, state: CellState) -> Slow:
    """The slow parameters of a cell in a state."""
    celsius = state.celsius
    root_cycles = math.sqrt(state.full_cycles)
    electrolyte = arrhenius(parameters.electrolyte_activation_electronvolt, celsius, _RESISTANCE_CELSIUS)
    interface = arrhenius(parameters.interface_activation_electronvolt, celsius, _RESISTANCE_CELSIUS)
    transfer = arrhenius(parameters.charge_transfer_activation_electronvolt, celsius, _RESISTANCE_CELSIUS)
    diffusion = arrhenius(parameters.diffusion_activation_electronvolt, celsius, _DIFFUSION_CELSIUS)
    growth = 1 + parameters.charge_transfer_growth_fraction * root_cycles
    alive = max(1 - parameters.active_loss_per_full_cycle * state.full_cycles, 1e-3)
    return Slow(
        thermal_volt=BOLTZMANN_ELECTRONVOLT_PER_KELVIN * (celsius + ZERO_CELSIUS_KELVIN),
        separator_ohm=parameters.separator_25c_ohm / electrolyte,
        composite_ohm=parameters.composite_25c_ohm / electrolyte,
        interface_ohm=(parameters.interface_25c_ohm + parameters.interface_growth_25c_ohm * root_cycles) / interface,
        charge_transfer_ohm=parameters.charge_transfer_25c_ohm * growth / transfer,
        diffusion_second=parameters.diffusion_55c_second / diffusion,
        slow_second=parameters.slow_55c_second / diffusion,
        capacity_coulomb=parameters.fresh_capacity_coulomb * alive,
        ageing_speed=arrhenius(parameters.ageing_activation_electronvolt, celsius, _AGEING_CELSIUS),
        formation_fraction=parameters.formation_loss_fraction
        * math.exp(-state.parasitic_coulomb / parameters.formation_span_coulomb),
    )


def exchange_factor(surface_lithium: float) -> float:
    """The exchange current over that at x = 0.5; held above zero where x runs out."""
    lithium = min(max(surface_lithium, LOWEST_LITHIUM), 1 - LOWEST_LITHIUM)
    return 2 * math.sqrt(lithium * (1 - lithium))


def charge_transfer_volt(slow: Slow, current_ampere: float, surface_lithium: float) -> float:
    """Steady charge-transfer overpotential at a current."""
    exchange_ampere = slow.thermal_volt / slow.charge_transfer_ohm * exchange_factor(surface_lithium)
    return 2 * slow.thermal_volt * math.asinh(current_ampere / (2 * exchange_ampere))


def displacement_micrometre(parameters: CellParameters, state: CellState) -> float:
    """How much thicker the stack is than a fully discharged, fresh one."""
    anode_micrometre = parameters.anode_micrometre_per_coulomb * state.anode_coulomb
    lithium = min(max(state.lithium, 0.0), 1.0)
    return anode_micrometre - parameters.cathode_micrometre * (1 - lithium) ** 3

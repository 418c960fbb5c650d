"""What the simulated press cells are made of: one frozen set of numbers a cell."""

import math
from dataclasses import dataclass, replace

import numpy as np

BOLTZMANN_ELECTRONVOLT_PER_KELVIN = 8.617333262e-5
FARADAY_COULOMB_PER_MOLE = 96485.33212
ZERO_CELSIUS_KELVIN = 273.15
COULOMB_PER_MAH = 3.6

FULL_CYCLE_MAH_PER_GRAM = 200.0
"""One way of an equivalent full cycle; 1 C is 200 mA/g."""


@dataclass(frozen=True)
class CellParameters:
    """One press cell, NMC811 | Li6PS5Cl | Li-In, fresh.

    `_25c` and `_55c` tell at which temperature a value is quoted. Voltages are against Li-In, `lithium` is the Li
    content x of the NMC, a full cycle is 2 x 200 mAh/g. Only the resistances, the densities and the masses are
    measured (Han et al. 2024, SI); what is fitted is named below, the rest is assumed.

    Source: the equations and the table of the cell model in the project's reference, §1.
    """

    active_mass_gram: float = 7.5e-3
    area_square_centimetre: float = math.pi / 4
    theoretical_mah_per_gram: float = 275.5
    utilised_fraction: float = 1.0

    reference_electrode_volt: float = 0.62
    stoichiometry_offset: float = 0.05802  # fitted
    stoichiometry_scale: float = 0.889
    discharge_drop_volt: float = 1.20
    discharge_drop_lithium: float = 0.970
    discharge_drop_width_lithium: float = 0.012
    entropy_volt_per_kelvin: float = -5e-5
    initial_lithium: float = 0.975
    assembly_volt: float = 0.060
    assembly_decay_second: float = 9000.0

    separator_25c_ohm: float = 81.8
    composite_25c_ohm: float = 33.0
    electrolyte_activation_electronvolt: float = 0.22
    contact_ohm: float = 1.0
    inductance_henry: float = 0.2e-6
    interface_25c_ohm: float = 36.7
    interface_growth_25c_ohm: float = 3.231  # per square root of a full cycle; fitted to 109 ohm after 1000 cycles
    interface_activation_electronvolt: float = 0.35
    interface_apex_hertz: float = 6000.0
    interface_exponent: float = 0.90
    charge_transfer_25c_ohm: float = 95.0  # at x = 0.5
    charge_transfer_growth_fraction: float = 0.01919  # per square root of a full cycle; fitted to 236 ohm
    charge_transfer_activation_electronvolt: float = 0.30
    double_layer_farad: float = 0.30e-3
    double_layer_exponent: float = 0.92

    diffusion_55c_second: float = 1294.0  # fitted
    slow_weight: float = 0.200  # fitted
    slow_55c_second: float = 4723.0  # fitted
    diffusion_activation_electronvolt: float = 0.30

    active_loss_per_full_cycle: float = 1.416e-4  # set by 80 % after 1000 cycles, itself assumed
    ageing_activation_electronvolt: float = 0.50
    formation_loss_fraction: float = 0.35
    formation_span_mah_per_gram: float = 8.0
    lasting_loss_fraction: float = 4e-4

    torque_to_pressure_megapascal: float = 2.54  # for each N m; 12.7 MPa at 5 N m
    anode_molar_volume_cubic_centimetre: float = 7.77  # In to LiIn, for each mol Li
    cathode_strain_fraction: float = 0.0996
    cathode_transmitted_fraction: float = 0.6
    active_density_gram_per_cubic_centimetre: float = 4.8
    parasitic_volume_fraction: float = 0.23
    jig_stiffness_megapascal: float = 0.25  # for each micrometre
    viscous_fraction: float = 0.20
    viscous_second: float = 7200.0
    fast_relaxation_fraction: float = 0.012
    fast_relaxation_second: float = 900.0
    slow_relaxation_fraction: float = 0.018
    slow_relaxation_second: float = 14400.0
    thermal_megapascal_per_kelvin: float = 0.030
    irreversible_fraction: float = 0.03
    irreversible_full_cycles: float = 40.0

    thermal_second: float = 1500.0
    thermal_kelvin_per_watt: float = 8.0

    @property
    def full_cycle_coulomb(self) -> float:
        """Charge of an equivalent full cycle, in and out."""
        return 2 * FULL_CYCLE_MAH_PER_GRAM * self.active_mass_gram * COULOMB_PER_MAH

    @property
    def fresh_capacity_coulomb(self) -> float:
        """Charge that moves x by one in the fresh cell."""
        return self.theoretical_mah_per_gram * self.active_mass_gram * self.utilised_fraction * COULOMB_PER_MAH

    @property
    def formation_span_coulomb(self) -> float:
        """Parasitic charge over which the formation loss falls to 1/e."""
        return self.formation_span_mah_per_gram * self.active_mass_gram * COULOMB_PER_MAH

    @property
    def anode_micrometre_per_coulomb(self) -> float:
        """How far the anode pushes for each coulomb put into it."""
        cubic_centimetre = self.anode_molar_volume_cubic_centimetre / FARADAY_COULOMB_PER_MOLE
        return cubic_centimetre / self.area_square_centimetre * 1e4

    @property
    def cathode_micrometre(self) -> float:
        """Shrinkage that reaches the jig if all lithium left the NMC; it goes with (1 - x) cubed."""
        volume_cubic_centimetre = self.active_mass_gram / self.active_density_gram_per_cubic_centimetre
        height_micrometre = volume_cubic_centimetre / self.area_square_centimetre * 1e4
        return self.cathode_transmitted_fraction * self.cathode_strain_fraction * height_micrometre


BM_05 = CellParameters()
"""LNO@NMC811 with 5 wt% LPSCl blade-milled on to it."""

BARE = CellParameters(
    utilised_fraction=0.95,
    composite_25c_ohm=124.0,
    interface_25c_ohm=31.1,
    interface_growth_25c_ohm=6.268,
    charge_transfer_25c_ohm=117.0,
    charge_transfer_growth_fraction=0.02685,
    slow_weight=0.260,
    active_loss_per_full_cycle=5.445e-4,
    fast_relaxation_fraction=0.020,
    slow_relaxation_fraction=0.032,
    irreversible_fraction=0.06,
)
"""LNO@NMC811 mixed by hand with the electrolyte."""

_SPREAD_FRACTION = {
    "separator_25c_ohm": 0.03,
    "composite_25c_ohm": 0.05,
    "interface_25c_ohm": 0.05,
    "charge_transfer_25c_ohm": 0.05,
    "diffusion_55c_second": 0.035,
    "slow_weight": 0.035,
    "utilised_fraction": 0.004,
}


def vary(parameters: CellParameters, seed: int) -> CellParameters:
    """Another cell of the same kind, as differs from one pellet to the next; the same seed gives the same cell.

    The spread is assumed: it moves the capacity at 2 C with a standard deviation of 1.3 mAh/g.
    """
    draws = np.random.default_rng(seed).standard_normal(len(_SPREAD_FRACTION))
    changes = {
        name: getattr(parameters, name) * math.exp(fraction * draw)
        for (name, fraction), draw in zip(_SPREAD_FRACTION.items(), draws.tolist(), strict=True)
    }
    return replace(parameters, **changes)


def arrhenius(activation_electronvolt: float, celsius: float, reference_celsius: float) -> float:
    """How many times faster a thermally activated process runs at a temperature than at its reference."""
    difference_per_kelvin = 1 / (reference_celsius + ZERO_CELSIUS_KELVIN) - 1 / (celsius + ZERO_CELSIUS_KELVIN)
    return math.exp(activation_electronvolt / BOLTZMANN_ELECTRONVOLT_PER_KELVIN * difference_per_kelvin)

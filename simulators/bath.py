"""The bath of a circulator: a liquid that is heated, cooled and pumped, and takes up the heat of what it cools."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulators.device import SECOND_NS

STEP_NS = SECOND_NS
"""The bath's temperature changes at every whole multiple of this of bench time."""


@dataclass(frozen=True, kw_only=True)
class BathBuild:
    """How large and how strong a bath is; figures of a small laboratory circulator with 5 l of water [unverified].

    `cooling_watt_by_celsius` is what its refrigeration takes away at most, at bath temperatures that rise; between them
    it is interpolated, beyond them as at the nearest. `approach_second` and `settle_second` are the proportional and
    the integral action of its control: how fast a difference is answered, and how fast the answer becomes exact.

    Raises:
        ValueError: a capacity, power or time that can't be.
    """

    heat_capacity_joule_per_kelvin: float = 21_000.0
    heating_watt: float = 1500.0
    cooling_watt_by_celsius: tuple[tuple[float, float], ...] = ((-20.0, 150.0), (0.0, 380.0), (20.0, 600.0))
    pump_watt: float = 30.0
    loss_watt_per_kelvin: float = 2.0
    room_celsius: float = 23.0
    approach_second: float = 20.0
    settle_second: float = 120.0

    def __post_init__(self) -> None:
        if min(self.heat_capacity_joule_per_kelvin, self.approach_second, self.settle_second) <= 0:
            raise ValueError("heat capacity and times of a bath must be above 0")
        powers = [watt for _, watt in self.cooling_watt_by_celsius]
        if min(self.heating_watt, self.pump_watt, self.loss_watt_per_kelvin, *powers) < 0:
            raise ValueError("the powers of a bath can't be below 0")
        if not powers or any(low[0] >= high[0] for low, high in pairwise(self.cooling_watt_by_celsius)):
            raise ValueError("the cooling powers of a bath need temperatures that rise")

    def cooling_watt(self, bath_celsius: float) -> float:
        """The most heat it can take away at a bath temperature."""
        celsius, watt = zip(*self.cooling_watt_by_celsius, strict=True)
        return float(np.interp(bath_celsius, celsius, watt))


class Bath:
    """A bath and its control, in steps of `STEP_NS` at times that depend on nothing.

    `heat_load_watt` is the heat that what it cools gives it from now on; none of it arrives while nothing circulates.
    """

    def __init__(self, build: BathBuild, celsius: float) -> None:
        self.heat_load_watt = 0.0
        self._build = build
        self._celsius = celsius
        self._circulates = False
        self._power_watt = 0.0
        self._integral_watt = 0.0
        self._now_ns = 0

    @property
    def now_ns(self) -> int:
        """Bench time up to which it has gone."""
        return self._now_ns

    @property
    def bath_celsius(self) -> float:
        """The temperature of the liquid."""
        return self._celsius

    @property
    def circulates(self) -> bool:
        """Whether its pump ran in the last step, and so carried heat."""
        return self._circulates

    @property
    def power_watt(self) -> float:
        """What its control adds, in the last step; below 0 it cools."""
        return self._power_watt

    @property
    def power_fraction(self) -> float:
        """The same as a part of the most it can, -1 to 1."""
        most_watt = self._build.heating_watt if self._power_watt > 0 else self._build.cooling_watt(self._celsius)
        return self._power_watt / most_watt if most_watt else 0.0

    def run_to(self, limit_ns: int, goal_celsius: float | None) -> None:
        """Let time go on: pumping and controlling to a goal, or with None left to itself."""
        while (next_ns := (self._now_ns // STEP_NS + 1) * STEP_NS) <= limit_ns:
            self._now_ns = next_ns
            self._step(goal_celsius)
        self._now_ns = max(self._now_ns, limit_ns)

    def _step(self, goal_celsius: float | None) -> None:
        build, step_second = self._build, STEP_NS / SECOND_NS
        gain_watt = build.loss_watt_per_kelvin * (build.room_celsius - self._celsius)
        self._circulates = goal_celsius is not None
        if goal_celsius is None:
            self._power_watt = self._integral_watt = 0.0
        else:
            self._power_watt = self._control(goal_celsius, step_second)
            gain_watt += self.heat_load_watt + build.pump_watt + self._power_watt
        self._celsius += gain_watt * step_second / build.heat_capacity_joule_per_kelvin

    def _control(self, goal_celsius: float, step_second: float) -> float:
        build = self._build
        watt_per_kelvin = build.heat_capacity_joule_per_kelvin / build.approach_second
        proportional_watt = watt_per_kelvin * (goal_celsius - self._celsius)
        wanted_watt = proportional_watt + self._integral_watt
        given_watt = min(build.heating_watt, max(-build.cooling_watt(self._celsius), wanted_watt))
        if given_watt == wanted_watt:
            self._integral_watt += proportional_watt * step_second / build.settle_second
        return given_watt

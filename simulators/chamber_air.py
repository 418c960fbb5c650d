"""The air of a temperature chamber, which is the surroundings of the cell in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from simulators.device import SECOND_NS, CellSurroundings
from simulators.noise import uniform

STEP_NS = 10 * SECOND_NS
"""While the air's temperature moves, it does so at every whole multiple of this of bench time."""

AT_REST_KELVIN = 0.01
"""So near its goal, the air has arrived."""


class CellInAir(CellSurroundings, Protocol):
    """A cell that feels the air around its jig."""

    @property
    def chamber_celsius(self) -> float:
        """The temperature of that air."""
        ...


@dataclass(frozen=True, kw_only=True)
class ChamberBuild:
    """How fast a chamber is and how well it controls; figures of a small laboratory chamber [unverified].

    Left to itself, its air takes `idle_second` for 63 % of the way to the room's temperature. Controlled, it follows at
    the heating or cooling rate and takes `approach_second` for 63 % of the last piece. `ripple_kelvin` is the amplitude
    of the control's swing about the setpoint.

    Raises:
        ValueError: a rate or a time is not above zero.
    """

    room_celsius: float = 23.0
    heating_kelvin_per_minute: float = 3.0
    cooling_kelvin_per_minute: float = 1.5
    approach_second: float = 60.0
    idle_second: float = 3600.0
    ripple_kelvin: float = 0.1
    ripple_second: float = 150.0

    def __post_init__(self) -> None:
        rates = (self.heating_kelvin_per_minute, self.cooling_kelvin_per_minute)
        if min(*rates, self.approach_second, self.idle_second, self.ripple_second) <= 0:
            raise ValueError("the rates and times of a chamber must be above 0")


class AirAround:
    """The one air around some cells: it fits `CellSurroundings`. All are in the air of the first to begin with."""

    def __init__(self, cells: Sequence[CellInAir]) -> None:
        self._cells = tuple(cells)

    @property
    def chamber_celsius(self) -> float:
        """Its temperature."""
        return self._cells[0].chamber_celsius

    def set_chamber_celsius(self, temperature_celsius: float) -> None:
        """See `CellSurroundings`."""
        for cell in self._cells:
            cell.set_chamber_celsius(temperature_celsius)


class ChamberAir:
    """Air that is driven to a temperature, or left to itself, in steps at times that depend on its state alone.

    The swing of the control is felt by small sensors in the air and not by the cell, whose jig is far too slow for it.
    """

    def __init__(self, surroundings: CellSurroundings, build: ChamberBuild, celsius: float, seed: int) -> None:
        self._surroundings = surroundings
        self._build = build
        self._celsius = celsius
        self._goal_celsius: float | None = None
        self._phase_radian = math.pi * uniform(seed, "ripple")
        self._next_step_ns: int | None = None
        surroundings.set_chamber_celsius(celsius)

    @property
    def next_step_ns(self) -> int | None:
        """When the air's temperature changes next; None while it is at rest."""
        return self._next_step_ns

    @property
    def heating_fraction(self) -> float:
        """How much of its heating the control uses now, 0 to 1; a rough figure."""
        if self._goal_celsius is None:
            return 0.0
        full_kelvin = self._build.heating_kelvin_per_minute / 60 * self._build.approach_second
        return min(1.0, max(0.0, (self._goal_celsius - self._celsius) / full_kelvin))

    def celsius_at(self, now_ns: int) -> float:
        """What a small sensor in the air feels, swing and all; at the time everything has been brought to."""
        if self._goal_celsius is None:
            return self._celsius
        cycles = now_ns / SECOND_NS / self._build.ripple_second
        return self._celsius + self._build.ripple_kelvin * math.sin(2 * math.pi * cycles + self._phase_radian)

    def aim(self, goal_celsius: float | None, now_ns: int) -> None:
        """From now on drive the air to a temperature, or with None leave it to itself."""
        self._goal_celsius = goal_celsius
        there = self._celsius == self._end_celsius
        self._next_step_ns = None if there else (now_ns // STEP_NS + 1) * STEP_NS

    def settle(self, now_ns: int) -> None:
        """Make the step that is due now, if one is."""
        if now_ns != self._next_step_ns:
            return
        self._celsius = self._after_step()
        self._surroundings.set_chamber_celsius(self._celsius)
        self._next_step_ns = None if self._celsius == self._end_celsius else now_ns + STEP_NS

    @property
    def _end_celsius(self) -> float:
        return self._build.room_celsius if self._goal_celsius is None else self._goal_celsius

    def _after_step(self) -> float:
        build, gap_kelvin = self._build, self._end_celsius - self._celsius
        if abs(gap_kelvin) <= AT_REST_KELVIN:
            return self._end_celsius
        if self._goal_celsius is None:
            return self._celsius + gap_kelvin * _part_of_way(build.idle_second)
        step_kelvin = gap_kelvin * _part_of_way(build.approach_second)
        step_minutes = STEP_NS / SECOND_NS / 60
        slowest_kelvin = -build.cooling_kelvin_per_minute * step_minutes
        fastest_kelvin = build.heating_kelvin_per_minute * step_minutes
        return self._celsius + min(fastest_kelvin, max(slowest_kelvin, step_kelvin))


def _part_of_way(decay_second: float) -> float:
    """How much of the way is made in one step."""
    return -math.expm1(-STEP_NS / SECOND_NS / decay_second)

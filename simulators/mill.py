"""A blade mill: the blade on its shaft, and the vessel that it heats and a bath cools."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulators.device import SECOND_NS

STANDING_FRACTION = 0.05
"""How much of its heat a vessel still gives to a jacket in which the liquid stands [unverified]."""

TURNING_STEP_NS = SECOND_NS
IDLE_STEP_NS = 10 * SECOND_NS
"""The vessel's temperature changes at whole multiples of these of bench time, while the blade turns and while not."""


class CoolingBath(Protocol):
    """The circulator whose bath runs through the vessel's jacket."""

    heat_load_watt: float

    @property
    def bath_celsius(self) -> float:
        """The temperature of what it sends."""
        ...

    @property
    def circulates(self) -> bool:
        """Whether it sends anything."""
        ...


@dataclass(frozen=True, kw_only=True)
class MillBuild:
    """What a mill is like; figures of a small laboratory mill with a water jacket [unverified].

    The blade takes `blade_watt` at `rated_rpm` and the third power of its speed below. Without a drive it slows by
    `coast_rpm_per_second`. The vessel gives heat to the bath and to the air of the room.

    Raises:
        ValueError: a figure is not above zero.
    """

    rpm_per_hertz: float = 60.0
    rated_rpm: float = 4000.0
    blade_watt: float = 80.0
    coast_rpm_per_second: float = 250.0
    vessel_joule_per_kelvin: float = 900.0
    jacket_watt_per_kelvin: float = 12.0
    air_watt_per_kelvin: float = 0.4
    room_celsius: float = 23.0

    def __post_init__(self) -> None:
        figures = (self.rpm_per_hertz, self.rated_rpm, self.coast_rpm_per_second, self.vessel_joule_per_kelvin)
        if min(*figures, self.jacket_watt_per_kelvin, self.air_watt_per_kelvin) <= 0 or self.blade_watt < 0:
            raise ValueError("the figures of a mill must be above 0")


@dataclass(frozen=True)
class Ramp:
    """A speed that goes straight to its goal and stays there."""

    start_ns: int
    start_rpm: float
    goal_rpm: float
    rpm_per_second: float

    @property
    def lasts_second(self) -> float:
        """How long it takes to the goal."""
        return abs(self.goal_rpm - self.start_rpm) / self.rpm_per_second

    def rpm_after(self, second: float) -> float:
        """The speed so long after the start."""
        if second >= self.lasts_second:
            return self.goal_rpm
        return self.start_rpm + math.copysign(self.rpm_per_second * second, self.goal_rpm - self.start_rpm)

    def rpm_at(self, now_ns: int) -> float:
        """The speed at a bench time, not before the start."""
        return self.rpm_after((now_ns - self.start_ns) / SECOND_NS)


class Mill:
    """Shaft, blade and vessel. The shaft's speed is exact at any time; heat goes in steps at times of its own."""

    def __init__(self, build: MillBuild | None = None, *, bath: CoolingBath | None = None) -> None:
        """At rest; the vessel as warm as its bath, or as the room without one."""
        self.build = build or MillBuild()
        self.bath = bath
        self.vessel_celsius = self._jacket_celsius
        self.highest_vessel_celsius = self.vessel_celsius
        self.at_speed_ns = 0
        """How long the blade has turned at the speed it was driven to, in all."""
        self.on_ramp: Callable[[int], None] = lambda now_ns: None  # noqa: ARG005
        self._ramp = Ramp(0, 0.0, 0.0, self.build.coast_rpm_per_second)
        self._joule = 0.0
        self._counted_ns = 0
        self._stepped_ns = 0
        self._next_step_ns = IDLE_STEP_NS

    @property
    def next_step_ns(self) -> int:
        """When the vessel's temperature changes next."""
        return self._next_step_ns

    @property
    def ramp(self) -> Ramp:
        """How the shaft moves."""
        return self._ramp

    def rpm_at(self, now_ns: int) -> float:
        """Speed of the blade."""
        return self._ramp.rpm_at(now_ns)

    def go_to(self, rpm: float, rpm_per_second: float, now_ns: int) -> None:
        """From now on the shaft is brought to a speed."""
        self._count(now_ns)
        self._ramp = Ramp(now_ns, self.rpm_at(now_ns), rpm, rpm_per_second)
        self._plan(now_ns)
        self.on_ramp(now_ns)

    def coast(self, now_ns: int) -> None:
        """From now on nothing drives the shaft."""
        self.go_to(0.0, self.build.coast_rpm_per_second, now_ns)

    def settle(self, now_ns: int) -> None:
        """Make the step that is due now, if one is."""
        if now_ns < self._next_step_ns:
            return
        self._count(now_ns)
        build, second = self.build, (now_ns - self._stepped_ns) / SECOND_NS
        jacket_watt_per_kelvin = self._jacket_watt_per_kelvin
        loss_watt_per_kelvin = jacket_watt_per_kelvin + build.air_watt_per_kelvin
        outside_watt = jacket_watt_per_kelvin * self._jacket_celsius + build.air_watt_per_kelvin * build.room_celsius
        end_celsius = (self._joule / second + outside_watt) / loss_watt_per_kelvin
        decay = loss_watt_per_kelvin * second / build.vessel_joule_per_kelvin
        gap_kelvin = self.vessel_celsius - end_celsius
        mean_celsius = end_celsius - gap_kelvin * math.expm1(-decay) / decay
        if self.bath is not None:
            self.bath.heat_load_watt = jacket_watt_per_kelvin * (mean_celsius - self._jacket_celsius)
        self.vessel_celsius = end_celsius + gap_kelvin * math.exp(-decay)
        self.highest_vessel_celsius = max(self.highest_vessel_celsius, self.vessel_celsius)
        self._joule, self._stepped_ns = 0.0, now_ns
        self._plan(now_ns)

    @property
    def _jacket_celsius(self) -> float:
        return self.build.room_celsius if self.bath is None else self.bath.bath_celsius

    @property
    def _jacket_watt_per_kelvin(self) -> float:
        flows = self.bath is not None and self.bath.circulates
        return self.build.jacket_watt_per_kelvin * (1.0 if flows else STANDING_FRACTION)

    def _plan(self, now_ns: int) -> None:
        turns = self._ramp.goal_rpm > 0 or self.rpm_at(now_ns) > 0
        step_ns = TURNING_STEP_NS if turns else IDLE_STEP_NS
        self._next_step_ns = (now_ns // step_ns + 1) * step_ns

    def _count(self, now_ns: int) -> None:
        """Count the blade's work up to now."""
        ramp = self._ramp
        begin, end = ((time_ns - ramp.start_ns) / SECOND_NS for time_ns in (self._counted_ns, now_ns))
        turn = min(max(ramp.lasts_second, begin), end)
        cubes = (turn - begin) * _mean_cube(ramp.rpm_after(begin), ramp.rpm_after(turn))
        cubes += (end - turn) * ramp.goal_rpm**3
        if ramp.goal_rpm > 0:
            self.at_speed_ns += round((end - turn) * SECOND_NS)
        self._joule += self.build.blade_watt * cubes / self.build.rated_rpm**3
        self._counted_ns = now_ns


def _mean_cube(begin: float, end: float) -> float:
    """Mean of the third power over a straight line."""
    return (begin + end) * (begin**2 + end**2) / 4

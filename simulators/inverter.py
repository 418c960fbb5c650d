"""A variable-frequency drive apart from its wire: ramps, trips, and what it does when nobody speaks to it."""

from dataclasses import dataclass
from enum import Enum

from simulators.device import SECOND_NS
from simulators.mill import Mill

NEVER_NS = 1 << 62
EXTERNAL = "external"
"""The trip of the lid's switch."""


class LossAction(Enum):
    """What it does when nobody has spoken to it for a time."""

    NOTHING = "nothing"
    COAST = "coast"
    RAMP = "ramp"


@dataclass
class InverterSettings:
    """What it is set to. `accel_second` and `decel_second` are from standstill to `highest_hertz` and back."""

    highest_hertz: float = 70.0
    accel_second: float = 5.0
    decel_second: float = 10.0
    loss_action: LossAction = LossAction.NOTHING
    loss_second: float = 1.0


class Inverter:
    """Drives a mill. Frequencies are without sign; `direction` is 1, -1, or 0 for stop.

    A start while the blade coasts takes it up at its speed. A stop for want of words takes the command back: to be
    spoken to again does not start it [unverified]. The lid is wired to a trip input. A trip stays until it is reset
    with its cause gone, and lets the blade coast.
    """

    def __init__(self, mill: Mill, settings: InverterSettings | None = None) -> None:
        self.mill = mill
        self.settings = settings or InverterSettings()
        self.reference_hertz = 0.0
        self.direction = 0
        self.trip: str | None = None
        self.was_lost = False
        self.lid_is_open = False
        self.is_deaf_to_stops = False
        """Whether it answers and heeds no stop from the line, as when somebody has set it to its keypad."""
        self._is_output_on = False
        self._heard_ns = 0

    @property
    def next_ns(self) -> int:
        """When something happens on its own next."""
        return min(self.mill.next_step_ns, self._loss_ns)

    @property
    def goal_hertz(self) -> float:
        """Where the output is going."""
        return min(self.reference_hertz, self.settings.highest_hertz) if self.direction else 0.0

    def output_hertz_at(self, now_ns: int) -> float:
        """What comes out of it."""
        return self.mill.rpm_at(now_ns) / self.mill.build.rpm_per_hertz if self.is_output_on_at(now_ns) else 0.0

    def is_output_on_at(self, now_ns: int) -> bool:
        """Whether it drives the motor, up, on or down."""
        return self._is_output_on and (self.direction != 0 or self.mill.rpm_at(now_ns) > 0)

    def way_at(self, now_ns: int) -> str:
        """Whether the shaft goes `up`, `down`, or is `there`."""
        goal_rpm, rpm = self.mill.ramp.goal_rpm, self.mill.rpm_at(now_ns)
        if rpm == goal_rpm:
            return "there"
        return "up" if goal_rpm > rpm else "down"

    def heard(self, now_ns: int) -> None:
        """Somebody has spoken to it."""
        self._heard_ns = now_ns
        self.was_lost = False

    def set_reference(self, hertz: float, now_ns: int) -> None:
        """The frequency to go to from now on."""
        self.reference_hertz = hertz
        if self.direction:
            self._ramp(now_ns)

    def run(self, direction: int, now_ns: int) -> None:
        """Turn. With a trip, or the lid open, it does not: the open lid trips it."""
        if self.trip is not None:
            return
        if self.lid_is_open:
            self.trip_with(EXTERNAL, now_ns)
            return
        self.direction, self._is_output_on = direction, True
        self._ramp(now_ns)

    def stop(self, now_ns: int) -> None:
        """Ramp down."""
        if not self.is_deaf_to_stops:
            self._ramp_down(now_ns)

    def cut(self, now_ns: int) -> None:
        """Let the blade coast."""
        if not self.is_deaf_to_stops:
            self._coast(now_ns)

    def trip_with(self, trip: str, now_ns: int) -> None:
        """A fault: the blade coasts. The first one stays."""
        self.trip = self.trip or trip
        self._coast(now_ns)

    def reset(self) -> None:
        """Take a trip back whose cause is gone."""
        if not (self.lid_is_open and self.trip == EXTERNAL):
            self.trip = None

    def set_lid(self, *, is_open: bool, now_ns: int) -> None:
        """Open or close the lid; opened under way it trips the drive."""
        self.lid_is_open = is_open
        if is_open and self.is_output_on_at(now_ns):
            self.trip_with(EXTERNAL, now_ns)

    def lose_power(self, now_ns: int) -> None:
        """Come back with the blade coasting, and neither command, reference nor trip."""
        self._coast(now_ns)
        self.reference_hertz, self.trip, self.was_lost = 0.0, None, False

    def settle(self, now_ns: int) -> None:
        """Do what is due now."""
        if now_ns >= self._loss_ns:
            self.was_lost = True
            if self.settings.loss_action is LossAction.RAMP:
                self._ramp_down(now_ns)
            else:
                self._coast(now_ns)
        self.mill.settle(now_ns)

    @property
    def _loss_ns(self) -> int:
        if not self.direction or self.settings.loss_action is LossAction.NOTHING:
            return NEVER_NS
        return self._heard_ns + round(self.settings.loss_second * SECOND_NS)

    def _ramp_down(self, now_ns: int) -> None:
        was_on = self.is_output_on_at(now_ns)
        self.direction = 0
        if was_on:
            self._ramp(now_ns)

    def _coast(self, now_ns: int) -> None:
        was_on = self.is_output_on_at(now_ns)
        self.direction, self._is_output_on = 0, False
        if was_on:
            self.mill.coast(now_ns)

    def _ramp(self, now_ns: int) -> None:
        goal_rpm = self.goal_hertz * self.mill.build.rpm_per_hertz
        rises = goal_rpm > self.mill.rpm_at(now_ns)
        second = self.settings.accel_second if rises else self.settings.decel_second
        highest_rpm = self.settings.highest_hertz * self.mill.build.rpm_per_hertz
        self.mill.go_to(goal_rpm, highest_rpm / max(second, 0.01), now_ns)

"""What the simulated drives have in common as instruments on a cable; their registers are their own."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from simulators.device import SECOND_NS
from simulators.inverter import Inverter
from simulators.modbus_rtu import ModbusUnit

START_UP_NS = 2 * SECOND_NS
"""From power on until it answers [unverified]."""


class DriveDevice(ABC):
    """A `Device` that turns a mill: time must stop for it, so it is asked first, as what changes the surroundings is.

    `run_to` only names the time of the next change; it is made in `settle`.
    """

    unit: ModbusUnit

    def __init__(self, name: str, inverter: Inverter) -> None:
        self.name = name
        self.inverter = inverter
        self.on_change: Callable[[str, dict[str, Any]], None] = lambda kind, details: None  # noqa: ARG005
        self._deaf_until_ns = 0
        inverter.mill.on_ramp = self._tell_of_ramp

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`."""
        if now_ns < self._deaf_until_ns:
            return b""
        before = self.unit.frames_total
        reply = self.unit.receive(data, now_ns)
        if self.unit.frames_total > before:
            self.inverter.heard(now_ns)
        return reply

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. Changes nothing: it may be asked again for another limit."""
        return min(limit_ns, self.inverter.next_ns)

    def settle(self, now_ns: int) -> None:
        """See `Device`."""
        self.inverter.settle(now_ns)

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`. Parameters outlast it, commands do not."""
        self.unit.clear()
        self.inverter.lose_power(now_ns)
        self._deaf_until_ns = now_ns + START_UP_NS
        self.forget()

    def _tell_of_ramp(self, now_ns: int) -> None:
        """What the blade does from now on, and has done: the bench's own word for it."""
        mill = self.inverter.mill
        details = {
            "rpm": mill.rpm_at(now_ns),
            "goal_rpm": mill.ramp.goal_rpm,
            "ramp_second": mill.ramp.lasts_second,
            "at_speed_second": mill.at_speed_ns / SECOND_NS,
            "vessel_celsius": mill.vessel_celsius,
            "highest_vessel_celsius": mill.highest_vessel_celsius,
        }
        self.on_change("blade", {"time_ns": now_ns, **details})

    @abstractmethod
    def forget(self) -> None:
        """Lose what is lost with the power."""

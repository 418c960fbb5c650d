"""What all simulated chambers have in common: air that is driven while they control, whatever dialect they speak."""

from simulators.chamber_air import ChamberAir
from simulators.lines import CommandLines


class ChamberDevice:
    """A chamber as a `Device`, but for its dialect: `run_to` only names the time of the air's next step.

    It has no watchdog: what it was told last holds, through a loss of power too [unverified].
    """

    mode: str

    def __init__(self, name: str, commands: CommandLines, air: ChamberAir, setpoint_celsius: float) -> None:
        """`air` has its temperature from now on; the chamber controls once it is aimed."""
        self.name = name
        self.alarms: tuple[int, ...] = ()
        self._commands = commands
        self._air = air
        self._setpoint_celsius = setpoint_celsius

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    def air_celsius_at(self, now_ns: int) -> float:
        """What a small sensor in the air feels at the time everything has been brought to."""
        return self._air.celsius_at(now_ns)

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. Changes nothing: it may be asked again for another limit."""
        due_ns = self._air.next_step_ns
        return limit_ns if due_ns is None else min(limit_ns, due_ns)

    def settle(self, now_ns: int) -> None:
        """See `Device`."""
        self._air.settle(now_ns)

    def power_cycle(self, now_ns: int) -> None:  # noqa: ARG002
        """See `Device`. It goes on as before [unverified]."""
        self._commands.clear()

    def set_alarms(self, codes: tuple[int, ...], now_ns: int) -> None:
        """Raise alarms, which stop the control [unverified], or with none let it go on: a switch for tests."""
        self.alarms = codes
        self._aim(now_ns)

    def _aim(self, now_ns: int) -> None:
        controls = self.mode == "CONSTANT" and not self.alarms
        self._air.aim(self._setpoint_celsius if controls else None, now_ns)

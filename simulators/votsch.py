"""A Vötsch or Weiss temperature chamber, spoken to in ASCII-2."""

import re

from simulators.chamber_air import ChamberAir, ChamberBuild
from simulators.chamber_device import ChamberDevice
from simulators.device import CellSurroundings
from simulators.lines import CommandLines

DIGITAL_CHANNELS, START = 32, 1
_COMMAND = re.compile(r"\$([0-9]{2})(.)(.*)", re.ASCII)
_FIELD = re.compile(r"-?[0-9]{1,4}(?:\.[0-9]+)?", re.ASCII)
_DIGITAL = re.compile(f"[01]{{{DIGITAL_CHANNELS}}}", re.ASCII)


class VotschChamber(ChamberDevice):
    """A chamber with temperature and, as its second analog channel, a fan: a `Device` that must be asked first.

    `run_to` only names the time of the next step of the air; the step is made in `settle`. Digital channel 1 starts it.
    To commands for another address, and to those it does not know, it says nothing [unverified]; a setting that is out
    of range is answered `1` [unverified]. It has no watchdog, and goes on after a loss of power [unverified].

    Source: chamber.md §4.2 [code].
    """

    def __init__(
        self,
        name: str,
        surroundings: CellSurroundings,
        *,
        air_celsius: float = 55.0,
        setpoint_celsius: float = 55.0,
        high_limit_celsius: float = 140.0,
        low_limit_celsius: float = -50.0,
        mode: str = "CONSTANT",
        build: ChamberBuild | None = None,
        bus_address: int = 1,
        seed: int = 1,
    ) -> None:
        """Build a chamber around the cell; the air has its temperature from now on.

        Args:
            mode: `CONSTANT`, or anything else for one that is not started.
        """
        air = ChamberAir(surroundings, build or ChamberBuild(), air_celsius, seed)
        super().__init__(name, CommandLines(b"\r"), air, setpoint_celsius)
        self._fan_percent = 50.0
        self._low_celsius, self._high_celsius = low_limit_celsius, high_limit_celsius
        self._digital = ["0"] * DIGITAL_CHANNELS
        self._address = bus_address
        self.mode = mode
        self._aim(0)

    @property
    def mode(self) -> str:
        """`CONSTANT` while it is started, else `OFF`."""
        return "CONSTANT" if self._digital[START] == "1" else "OFF"

    @mode.setter
    def mode(self, mode: str) -> None:
        self._digital[START] = "1" if mode == "CONSTANT" else "0"

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands and replies end with CR; a line feed after it is passed over."""
        lines = [line.removeprefix(b"\n").decode("latin-1") for line in self._commands.feed(data)]
        replies = [self._answer(line, now_ns) for line in lines]
        return "".join(f"{reply}\r" for reply in replies if reply is not None).encode("latin-1")

    def _answer(self, line: str, now_ns: int) -> str | None:
        found = _COMMAND.fullmatch(line)
        if found is None or int(found[1]) != self._address:
            return None
        match found[2]:
            case "I" if not found[3]:
                return self._state(now_ns)
            case "?" if not found[3]:
                return "ASCII2 VT 4011 TEMPERATURE -75..180 FAN 0..100"
            case "E":
                return self._set(found[3].split(), now_ns)
        return None

    def _state(self, now_ns: int) -> str:
        pairs = (self._setpoint_celsius, self.air_celsius_at(now_ns), self._fan_percent, self._fan_percent)
        return " ".join([*(f"{round(value, 1) + 0.0:06.1f}" for value in pairs), "".join(self._digital)])

    def _set(self, words: list[str], now_ns: int) -> str:
        if len(words) != 3 or not _DIGITAL.fullmatch(words[2]) or not all(map(_FIELD.fullmatch, words[:2])):
            return "1"
        celsius, fan_percent = float(words[0]), float(words[1])
        if not self._low_celsius <= celsius <= self._high_celsius or not 0 <= fan_percent <= 100:
            return "1"
        self._setpoint_celsius, self._fan_percent, self._digital = celsius, fan_percent, list(words[2])
        self._aim(now_ns)
        return "0"

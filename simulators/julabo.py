"""A JULABO circulator, spoken to in lines of ASCII; it answers questions and nothing else."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from simulators.circulator import Circulator
from simulators.device import SECOND_NS
from simulators.lines import CommandLines

INVALID_COMMAND = "-08 INVALID COMMAND"
NOT_ALLOWED = "-09 COMMAND NOT ALLOWED IN CURRENT OPERATING MODE"
TOO_SMALL, TOO_LARGE = "-10 VALUE TOO SMALL", "-11 VALUE TOO LARGE"
BEYOND_LIMITS = "-13 VALUE EXCEEDS TEMPERATURE LIMITS"
LOW_LEVEL = "-01 LOW LEVEL ALARM"
ALARM_TEXTS = {
    1: LOW_LEVEL,
    3: "-03 EXCESS TEMPERATURE WARNING",
    5: "-05 WORKING SENSOR ALARM",
    7: "-07 I2C-BUS ERROR",
    14: "-14 EXCESS TEMPERATURE PROTECTOR ALARM",
    20: "-20 WARNING: CLEAN CONDENSOR",
}
"""By number [manual], 20 [code]; of others the words are not known here."""

NO_PROBE = "---.--"
POWER_ON_CELSIUS = 25.0
"""The setpoint after power was lost [unverified]; that it must be set again is [manual]."""

_COMMAND = re.compile(r"(in|out)_((?:pv|sp|mode|par|hil)_[0-9]{2})(?: +(\S+))?", re.ASCII)
_VALUE = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{0,2})?", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """Under which numbers a line of units keeps what; None for what it has not."""

    external: str | None
    power: str | None
    high_limit: str | None
    low_limit: str | None
    setpoints: tuple[str, ...]
    selects_setpoint: bool


LAYOUTS = {
    "basic": Layout(None, "pv_01", None, None, ("sp_00",), selects_setpoint=False),
    "circulator": Layout("pv_02", "pv_01", "sp_03", "sp_04", ("sp_00", "sp_01", "sp_02"), selects_setpoint=True),
    "fp50": Layout("pv_01", "pv_02", "sp_01", "sp_02", ("sp_00",), selects_setpoint=False),
}
"""`basic` is CORIO CD; `circulator` most others; `fp50` the old FP50, FC and FL [manual, code]."""


class JulaboChiller:
    """A `Device` that answers `in` commands, `status` and `version`, each by a line that ends with CR LF.

    `out` commands have no reply, nor has what it doesn't know. What was wrong with a command is kept, the last alone,
    until `status` tells it. `out` is obeyed in remote control only; by hand at the panel takes that away. Power lost
    leaves it stopped with another setpoint.

    0.25 s must be left after an `out` [manual]. What becomes of a command that comes earlier is [unverified]: with
    `deaf_after_write_second` it is lost.

    Source: the shared notes on JULABO's interface; see docs/reference/chiller.md.
    """

    def __init__(
        self,
        name: str,
        circulator: Circulator,
        *,
        layout: str = "circulator",
        version: str = "JULABO CF41 VERSION 1.30",
        bus_address: int | None = None,
        has_even_parity: bool = False,
        low_limit_celsius: float = -40.0,
        high_limit_celsius: float = 150.0,
        deaf_after_write_second: float = 0.0,
    ) -> None:
        """Build a unit in remote control.

        Args:
            layout: one of `LAYOUTS`.
            bus_address: on RS-485: it then answers to this address alone.
            has_even_parity: set to 7E1: the eighth bit of each byte is its parity.
            low_limit_celsius: the lowest setpoint it takes, and its low warning limit from the start.
            high_limit_celsius: the highest.
        """
        self.name = name
        self.circulator = circulator
        self._layout = LAYOUTS[layout]
        self._version = version
        self._prefix = "" if bus_address is None else f"a{bus_address:03d}_"
        self._has_even_parity = has_even_parity
        self._lowest_celsius, self._highest_celsius = low_limit_celsius, high_limit_celsius
        self._low_celsius, self._high_celsius = low_limit_celsius, high_limit_celsius
        self._deaf_ns = round(deaf_after_write_second * SECOND_NS)
        self._deaf_until_ns = 0
        self._selected = 0
        self._setpoints = [circulator.setpoint_celsius] + [POWER_ON_CELSIUS] * (len(self._layout.setpoints) - 1)
        self._latched: str | None = None
        self._commands = CommandLines(b"\r")
        self._now_ns = 0

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands end with CR; capitals are read as small letters."""
        self._now_ns = now_ns
        if self._has_even_parity:
            data = bytes(code & 0x7F for code in data if not code.bit_count() % 2)
        replies = [self._take(command.decode("latin-1").strip().lower()) for command in self._commands.feed(data)]
        sent = "".join(f"{reply}\r\n" for reply in replies if reply).encode("ascii")
        if self._has_even_parity:
            sent = bytes(code | (code.bit_count() % 2) << 7 for code in sent)
        return sent

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing about the cell."""
        self.circulator.run_to(limit_ns)
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:  # noqa: ARG002
        """See `Device`. It must be started and told its setpoint again [manual]."""
        self.circulator.is_on = False
        self._setpoints = [POWER_ON_CELSIUS] * len(self._setpoints)
        self._selected = 0
        self.circulator.setpoint_celsius = POWER_ON_CELSIUS
        self._latched = None
        self._commands.clear()

    def _take(self, command: str) -> str | None:
        if self.circulator.silent or self._now_ns < self._deaf_until_ns or not command.startswith(self._prefix):
            return None
        command = command.removeprefix(self._prefix)
        if command in {"version", "status"}:
            return self._reply(self._version if command == "version" else self._status())
        parts = _COMMAND.fullmatch(command)
        if parts is None:
            self._latched = INVALID_COMMAND
            return None
        if parts[1] == "out":
            self._deaf_until_ns = self._now_ns + self._deaf_ns
            self._latched = self._write(parts[2], parts[3] or "") or self._latched
            return None
        reader = None if parts[3] else self._readers().get(parts[2])
        if reader is None:
            self._latched = INVALID_COMMAND
            return None
        return self._reply(reader())

    def _reply(self, text: str) -> str:
        return f"{self._prefix.upper()}{text}"

    def _status(self) -> str:
        latched, self._latched = self._latched, None
        if latched is not None:
            return latched
        unit = self.circulator
        if unit.low_level:
            return LOW_LEVEL
        if unit.alarm_codes:
            code = unit.alarm_codes[0]
            return ALARM_TEXTS.get(code, f"-{code:02d} ALARM")
        state = (2 if not unit.by_hand else 0) + unit.is_on
        return f"{state:02d} {'MANUAL' if unit.by_hand else 'REMOTE'} {'START' if unit.is_on else 'STOP'}"

    def _readers(self) -> dict[str, Callable[[], str]]:
        unit, layout = self.circulator, self._layout
        found: dict[str | None, Callable[[], str]] = {
            "pv_00": lambda: f"{unit.bath.bath_celsius:.2f}",
            "pv_03": lambda: f"{unit.bath.bath_celsius:.2f}",
            "pv_04": lambda: f"{self._highest_celsius + 10:.2f}",
            layout.external: self._external,
            layout.power: lambda: f"{100 * unit.bath.power_fraction:.2f}",
            layout.high_limit: lambda: f"{self._high_celsius:.2f}",
            layout.low_limit: lambda: f"{self._low_celsius:.2f}",
            "mode_05": lambda: str(int(unit.runs)),
        }
        for place, name in enumerate(layout.setpoints):
            found[name] = lambda place=place: f"{self._setpoints[place]:.2f}"  # type: ignore[misc]
        if layout.selects_setpoint:
            found["mode_01"] = lambda: str(self._selected)
            found["mode_04"] = lambda: "0"
        return {name: reader for name, reader in found.items() if name is not None}

    def _external(self) -> str:
        celsius = self.circulator.external_celsius(self._now_ns)
        return NO_PROBE if celsius is None else f"{celsius:.2f}"

    def _write(self, name: str, text: str) -> str | None:
        """Do as told. Answers what is wrong with it."""
        layout = self._layout
        setters: dict[str | None, Callable[[float], str | None]] = {"mode_05": self._switch}
        for place, setpoint in enumerate(layout.setpoints):
            setters[setpoint] = lambda celsius, place=place: self._set_setpoint(place, celsius)  # type: ignore[misc]
        if layout.selects_setpoint:
            setters |= {"mode_01": self._select, layout.high_limit: self._set_high, layout.low_limit: self._set_low}
        setter = setters.get(name)
        if setter is None or _VALUE.fullmatch(text) is None:
            return INVALID_COMMAND
        if self.circulator.by_hand:
            return NOT_ALLOWED
        return setter(float(text))

    def _switch(self, value: float) -> str | None:
        if value not in {0, 1}:
            return TOO_LARGE if value > 1 else TOO_SMALL
        self.circulator.is_on = bool(value)
        return None

    def _select(self, place: float) -> str | None:
        if place not in range(len(self._setpoints)):
            return TOO_LARGE if place > 0 else TOO_SMALL
        self._selected = int(place)
        self.circulator.setpoint_celsius = self._setpoints[self._selected]
        return None

    def _set_setpoint(self, place: int, celsius: float) -> str | None:
        wrong = self._out_of_range(celsius)
        if wrong is not None:
            return wrong
        self._setpoints[place] = celsius
        if place == self._selected:
            self.circulator.setpoint_celsius = celsius
        return None if self._low_celsius <= celsius <= self._high_celsius else BEYOND_LIMITS

    def _set_high(self, celsius: float) -> str | None:
        wrong = self._out_of_range(celsius)
        self._high_celsius = self._high_celsius if wrong else celsius
        return wrong

    def _set_low(self, celsius: float) -> str | None:
        wrong = self._out_of_range(celsius)
        self._low_celsius = self._low_celsius if wrong else celsius
        return wrong

    def _out_of_range(self, celsius: float) -> str | None:
        if celsius < self._lowest_celsius:
            return TOO_SMALL
        return TOO_LARGE if celsius > self._highest_celsius else None

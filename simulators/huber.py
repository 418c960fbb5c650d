"""A Huber thermostat, spoken to in PB frames of fixed length."""

import re
from collections.abc import Callable

from simulators.circulator import Circulator
from simulators.lines import CommandLines

NOT_AVAILABLE, NO_PROBE = 0x7FFF, 0xC504
LOW_LEVEL_ERROR = 75
"""The fluid is too low [code: pkg huber]."""

FIRST_NEGATIVE = 0xC4F9
"""-151.11 °C; words from 8000 to below it are temperatures above 327.67 °C [code: fs#70821037973]."""

PUMP_SPEEDS_RPM = range(1500, 4501)
FILL_PER_MILLE, LOW_FILL_PER_MILLE = 750, 40
MAINTENANCE_DAYS = 180

CONTROLLING, CIRCULATING, PUMPING, ERROR, READ_BEFORE = 1 << 0, 1 << 1, 1 << 4, 1 << 8, 1 << 14
"""Bits of variable 0A [code: fs#70821037973]."""

_FRAME = re.compile(r"\{M([0-9A-F]{2})([0-9A-F]{4}|\*{4})", re.ASCII)


class HuberChiller:
    """A `Device` that answers each frame by one that ends with CR LF, and nothing to what is no frame.

    A write is answered by the value in force: a setpoint beyond its limits is moved to them. Variables that it has not
    answer 7FFF. It has no host-loss watchdog [unverified]; power lost leaves it stopped, with its setpoint
    [unverified]. Variable 16 shows and switches as 14 does [unverified].

    Source: the shared notes on Huber's PB commands; see docs/reference/chiller.md.
    """

    def __init__(
        self,
        name: str,
        circulator: Circulator,
        *,
        low_limit_celsius: float = -40.0,
        high_limit_celsius: float = 200.0,
    ) -> None:
        """Build a unit; setpoints are taken between its limits."""
        self.name = name
        self.circulator = circulator
        self._low_celsius, self._high_celsius = low_limit_celsius, high_limit_celsius
        self._pump_rpm = 2800
        self._was_read = False
        self._commands = CommandLines(b"\r")
        self._now_ns = 0

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Frames end with CR LF; small letters are read as capitals [unverified]."""
        self._now_ns = now_ns
        frames = [frame.decode("latin-1").removeprefix("\n").upper() for frame in self._commands.feed(data)]
        if self.circulator.silent:
            return b""
        found = [_FRAME.fullmatch(frame) for frame in frames]
        return "".join(self._answer(int(parts[1], 16), parts[2]) for parts in found if parts).encode("ascii")

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing about the cell."""
        self.circulator.run_to(limit_ns)
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:  # noqa: ARG002
        """See `Device`."""
        self.circulator.is_on = False
        self._was_read = False
        self._commands.clear()

    def _answer(self, address: int, word: str) -> str:
        setters: dict[int, Callable[[int], None]] = {
            0x00: self._set_setpoint,
            0x14: self._switch,
            0x16: self._switch,
            0x48: self._set_pump,
        }
        if word != "****" and address in setters:
            setters[address](int(word, 16))
        value = self._read(address)
        return f"{{S{address:02X}{value & 0xFFFF:04X}\r\n"

    def _read(self, address: int) -> int:
        unit = self.circulator
        bath_word = _temperature_word(unit.bath.bath_celsius)
        external_celsius = unit.external_celsius(self._now_ns)
        values = {
            0x00: _temperature_word(unit.setpoint_celsius),
            0x01: bath_word,
            0x02: bath_word,
            0x03: 450 if unit.runs else 0,
            0x05: -self._error,
            0x06: 0,
            0x07: NO_PROBE if external_celsius is None else _temperature_word(external_celsius),
            0x0F: LOW_FILL_PER_MILLE if unit.low_level else FILL_PER_MILLE,
            0x14: int(unit.runs),
            0x16: int(unit.runs),
            0x26: self._pump_rpm if unit.runs else 0,
            0x48: self._pump_rpm,
            0x5C: MAINTENANCE_DAYS,
        }
        return self._status() if address == 0x0A else values.get(address, NOT_AVAILABLE)

    @property
    def _error(self) -> int:
        unit = self.circulator
        return LOW_LEVEL_ERROR if unit.low_level else next(iter(unit.alarm_codes), 0)

    def _status(self) -> int:
        unit = self.circulator
        status = (CONTROLLING | CIRCULATING | PUMPING) * unit.runs | ERROR * unit.has_fault
        status |= READ_BEFORE * self._was_read
        self._was_read = True
        return status

    def _set_setpoint(self, word: int) -> None:
        wanted_celsius = (word - 0x10000 if word >= FIRST_NEGATIVE else word) / 100
        self.circulator.setpoint_celsius = min(self._high_celsius, max(self._low_celsius, wanted_celsius))

    def _switch(self, word: int) -> None:
        if word in {0, 1}:
            self.circulator.is_on = bool(word)

    def _set_pump(self, rpm: int) -> None:
        if rpm in PUMP_SPEEDS_RPM:
            self._pump_rpm = rpm


def _temperature_word(celsius: float) -> int:
    return round(celsius * 100)

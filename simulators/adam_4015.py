"""An Advantech ADAM-4015 module: six Pt100 channels on RS-485, asked in ASCII."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simulators.device import SECOND_NS, CellUnderTest
from simulators.lines import CommandLines
from simulators.noise import key_of, normal

CHANNELS = 6
CONVERSION_NS = 600_000_000
"""A round over the six channels [unverified]; within it, the noise of a channel stays the same."""

DEAF_NS = 7 * SECOND_NS
"""How long it may answer nobody after its power came on or its configuration was written [manual]."""

RANGES_CELSIUS = {
    0x20: (-50.0, 150.0),
    0x21: (0.0, 100.0),
    0x22: (0.0, 200.0),
    0x23: (0.0, 400.0),
    0x24: (-200.0, 200.0),
}
"""Pt100 of IEC 60751, by type code [manual]."""

_OHM = 3
_COMMAND = re.compile(r"([#$%])([0-9A-F]{2})(.*)", re.ASCII)
_CONFIGURATION = re.compile(r"([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})", re.ASCII)
_SET_RANGE = re.compile(r"7C(\d)R([0-9A-F]{2})", re.ASCII)
_A_PER_KELVIN, _B_PER_SQUARE_KELVIN, _C = 3.9083e-3, -5.775e-7, -4.183e-12


@dataclass(frozen=True)
class Probe:
    """One Pt100: what surrounds it at the time everything has been brought to, and by how much it is wrong."""

    celsius_at: Callable[[int], float]
    offset_kelvin: float = 0.0


def jig_probe(cell: CellUnderTest, offset_kelvin: float = 0.0) -> Probe:
    """A Pt100 in the jig, as warm as the cell."""

    def celsius_at(now_ns: int) -> float:
        return float(cell.forecast(np.array([now_ns])).temperature_celsius[0])

    return Probe(celsius_at, offset_kelvin)


@dataclass(frozen=True)
class NoReading:
    """What is sent in place of a value for a wire that is open, and for values over and under the range.

    The default is what a driver in the field tells from values [code: fs#45020230474], which of them means what is
    [unverified]. `AS_IN_MANUAL` is the table of the manual, which knows no open wire.
    """

    open_wire: str = "+888888"
    over: str = "+999999"
    under: str = "-999999"


AS_IN_MANUAL = NoReading("+9999", "+9999", "-0000")


class Adam4015:
    """An ADAM-4015: a `Device` that speaks when it is asked, and says nothing to what it doesn't understand.

    Commands and replies end with CR. A channel without a probe is an open wire. Settings outlast a loss of power. A
    value is that of the moment it is asked for; a real one answers its last conversion.

    Source: docs/reference/thermometer.md.
    """

    def __init__(
        self,
        name: str,
        probes: Mapping[int, Probe],
        *,
        address: int = 0x01,
        range_code: int = 0x20,
        checksum: bool = False,
        firmware: str = "A1.06",
        noise_kelvin: float = 0.01,
        no_reading: NoReading | None = None,
        seed: int = 1,
    ) -> None:
        """Build a module with all channels enabled, in engineering units, at 9600 baud.

        Args:
            probes: by channel, 0 to 5; may be changed later, for a wire that breaks.

        Raises:
            ValueError: no such channel, address or range.
        """
        if not set(probes) <= set(range(CHANNELS)) or not 0 <= address <= 0xFF or range_code not in RANGES_CELSIUS:
            raise ValueError("channels are 0 to 5, addresses 0x00 to 0xFF, ranges 0x20 to 0x24")
        self.name = name
        self.probes = dict(probes)
        self._address = address
        self._range_codes = [range_code] * CHANNELS
        self._enabled = (1 << CHANNELS) - 1
        self._checksum = checksum
        self._format = 0x40 if checksum else 0x00
        self._firmware = firmware
        self._noise_kelvin = noise_kelvin
        self._no_reading = no_reading or NoReading()
        self._noise_keys = [key_of(seed, name, "channel", channel) for channel in range(CHANNELS)]
        self._commands = CommandLines(b"\r")
        self._deaf_until_ns = 0

    @property
    def busy(self) -> bool:
        """Never: it only answers."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`."""
        replies = (self._take(command, now_ns) for command in self._commands.feed(data))
        return b"".join(reply for reply in replies if reply)

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It does nothing on its own."""
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`. It keeps its settings, and calibrates itself before it answers again."""
        self._commands.clear()
        self._deaf_until_ns = now_ns + DEAF_NS

    def _take(self, command: bytes, now_ns: int) -> bytes | None:
        text = command.removeprefix(b"\n").decode("latin-1")
        if now_ns < self._deaf_until_ns:
            return None
        if self._checksum:
            text, checksum = text[:-2], text[-2:]
            if checksum != checksum_of(text):
                return None
        match = _COMMAND.fullmatch(text)
        if match is None or int(match[2], 16) != self._address:
            return None
        answer = {"#": self._read, "$": self._ask, "%": self._configure}[match[1]](match[3], now_ns)
        if answer is None:
            return None
        return f"{answer}{checksum_of(answer) if self._checksum else ''}\r".encode("latin-1")

    def _read(self, rest: str, now_ns: int) -> str | None:
        if not rest:
            return ">" + "".join(self._value(channel, now_ns) for channel in self._enabled_channels)
        if not re.fullmatch("[0-5]", rest):
            return None
        channel = int(rest)
        return f">{self._value(channel, now_ns)}" if channel in self._enabled_channels else self._invalid

    def _ask(self, rest: str, now_ns: int) -> str | None:
        valid = f"!{self._address:02X}"
        match rest[:1]:
            case "M" if rest == "M":
                return f"{valid}4015"
            case "F" if rest == "F":
                return f"{valid}{self._firmware}"
            case "2" if rest == "2":
                return f"{valid}0006{self._format:02X}"
            case "6" if rest == "6":
                return f"{valid}{self._enabled:02X}"
            case "B" if rest == "B":
                return f"{valid}{self._diagnosis(now_ns):02X}"
            case "5" if re.fullmatch("5[0-9A-F]{2}", rest):
                return self._enable(int(rest[1:], 16))
            case "8" if re.fullmatch("8C[0-5]", rest):
                return f"{valid}C{rest[2]}R{self._range_codes[int(rest[2])]:02X}"
            case "7" if setting := _SET_RANGE.fullmatch(rest):
                return self._set_range(int(setting[1]), int(setting[2], 16))
        return None if rest[:1] not in tuple("01349") else self._invalid

    def _configure(self, rest: str, now_ns: int) -> str | None:
        match = _CONFIGURATION.fullmatch(rest)
        if match is None:
            return None
        address, type_code, baud_code, form = (int(part, 16) for part in match.groups())
        wrong_form = form & 0x3C or form & 0x03 not in {0, _OHM} or bool(form & 0x40) != self._checksum
        if type_code != 0 or baud_code != 0x06 or wrong_form:
            return self._invalid
        self._address, self._format = address, form
        self._deaf_until_ns = now_ns + DEAF_NS
        return f"!{address:02X}"

    @property
    def _invalid(self) -> str:
        return f"?{self._address:02X}"

    @property
    def _enabled_channels(self) -> list[int]:
        return [channel for channel in range(CHANNELS) if self._enabled >> channel & 1]

    def _enable(self, mask: int) -> str:
        if mask >> CHANNELS:
            return self._invalid
        self._enabled = mask
        return f"!{self._address:02X}"

    def _set_range(self, channel: int, range_code: int) -> str:
        if channel >= CHANNELS or range_code not in RANGES_CELSIUS:
            return self._invalid
        self._range_codes[channel] = range_code
        return f"!{self._address:02X}"

    def _diagnosis(self, now_ns: int) -> int:
        bad = (channel for channel in self._enabled_channels if isinstance(self._measured(channel, now_ns), str))
        return sum(1 << channel for channel in bad)

    def _value(self, channel: int, now_ns: int) -> str:
        measured = self._measured(channel, now_ns)
        if isinstance(measured, str):
            return measured
        shown = _ohm_at(measured) if self._format & 0x03 == _OHM else measured
        return f"{round(shown, 2) + 0.0:+07.2f}"

    def _measured(self, channel: int, now_ns: int) -> float | str:
        """The temperature a channel shows, in °C, or what stands for none."""
        probe = self.probes.get(channel)
        if probe is None:
            return self._no_reading.open_wire
        number = np.array([now_ns // CONVERSION_NS], dtype=np.uint64)
        noise_kelvin = self._noise_kelvin * float(normal(self._noise_keys[channel], number)[0])
        celsius = probe.celsius_at(now_ns) + probe.offset_kelvin + noise_kelvin
        low_celsius, high_celsius = RANGES_CELSIUS[self._range_codes[channel]]
        if celsius > high_celsius or math.isnan(celsius):
            return self._no_reading.over
        return celsius if celsius >= low_celsius else self._no_reading.under


def checksum_of(text: str) -> str:
    """Sum of the characters, modulo 256, as two hexadecimal digits [manual]."""
    return f"{sum(text.encode('latin-1')) % 256:02X}"


def _ohm_at(celsius: float) -> float:
    """Resistance of a Pt100. Source: IEC 60751."""
    cubic = _C * (celsius - 100) * celsius**3 if celsius < 0 else 0.0
    return 100 * (1 + _A_PER_KELVIN * celsius + _B_PER_SQUARE_KELVIN * celsius**2 + cubic)

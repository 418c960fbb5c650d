"""A Lake Shore Model 218: eight resistance thermometers, asked in ASCII on RS-232."""

import math
import re
from collections.abc import Mapping

import numpy as np

from simulators.adam_4015 import Probe
from simulators.device import SECOND_NS
from simulators.lines import CommandLines
from simulators.noise import key_of, normal

INPUTS = 8
CONVERSION_NS = SECOND_NS // 2
"""Sixteen readings a second over eight inputs [manual]; within it, the noise of an input stays the same."""

LOWEST_CELSIUS, HIGHEST_CELSIUS = -260.0, 600.0
"""Of a Pt100 on its standard curve [unverified]."""

_UNDER, _OVER, _UNITS_OVER = 16, 32, 128
_WHICH = re.compile(r"(CRDG|KRDG|RDGST)\? ?([0-8])?", re.ASCII)
_ODD = bytes(code if code.bit_count() % 2 else code | 0x80 for code in range(0x80))


class LakeShore218:
    """A Model 218S: a `Device` that speaks when it is asked, in lines that end with CR LF.

    An input without a probe is an open sensor: over its units' range, and read as 0 K [unverified]. With odd parity its
    characters are those of 7O1, as delivered. To what it does not know it says nothing. `CRDG? 0` reads all inputs.

    Source: docs/reference/thermometer.md, of the maker's manual chapter 6.
    """

    def __init__(
        self,
        name: str,
        probes: Mapping[int, Probe],
        *,
        serial_number: str = "21EA4F",
        noise_kelvin: float = 0.005,
        has_odd_parity: bool = False,
        seed: int = 1,
    ) -> None:
        """Build a monitor.

        Args:
            probes: by input, 1 to 8; may be changed later, for a wire that breaks.

        Raises:
            ValueError: no such input.
        """
        if not set(probes) <= set(range(1, INPUTS + 1)):
            raise ValueError(f"inputs are 1 to {INPUTS}")
        self.name = name
        self.probes = dict(probes)
        self._serial_number = serial_number
        self._noise_kelvin = noise_kelvin
        self._has_odd_parity = has_odd_parity
        self._noise_keys = [key_of(seed, name, "input", number) for number in range(INPUTS + 1)]
        self._commands = CommandLines(b"\n")

    @property
    def busy(self) -> bool:
        """Never: it only answers."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. A character of wrong parity is none it knows."""
        if self._has_odd_parity:
            data = bytes(code & 0x7F if code.bit_count() % 2 else 0x7F for code in data)
        lines = [line.removesuffix(b"\r").decode("latin-1") for line in self._commands.feed(data)]
        replies = [self._answer(line.strip().upper(), now_ns) for line in lines]
        sent = "".join(f"{reply}\r\n" for reply in replies if reply is not None).encode("ascii")
        return bytes(_ODD[code] for code in sent) if self._has_odd_parity else sent

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It does nothing on its own."""
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:  # noqa: ARG002
        """See `Device`. It keeps its settings."""
        self._commands.clear()

    def _answer(self, line: str, now_ns: int) -> str | None:
        if line == "*IDN?":
            return f"LSCI,MODEL218S,{self._serial_number},042109"
        if line == "*OPC?":
            return "1"
        found = _WHICH.fullmatch(line)
        if found is None:
            return None
        query, which = found[1], int(found[2] or 0)
        inputs = range(1, INPUTS + 1) if which == 0 else (which,)
        if query == "RDGST":
            return None if which == 0 else f"{self._measured(which, now_ns)[1]:03d}"
        offset_kelvin = 273.15 if query == "KRDG" else 0.0
        return ",".join(f"{self._measured(number, now_ns)[0] + offset_kelvin:+08.3f}" for number in inputs)

    def _measured(self, number: int, now_ns: int) -> tuple[float, int]:
        """An input's temperature in °C, and its status."""
        probe = self.probes.get(number)
        if probe is None:
            return -273.15, _OVER | _UNITS_OVER
        beat = np.array([now_ns // CONVERSION_NS], dtype=np.uint64)
        noise_kelvin = self._noise_kelvin * float(normal(self._noise_keys[number], beat)[0])
        celsius = probe.celsius_at(now_ns) + probe.offset_kelvin + noise_kelvin
        if celsius > HIGHEST_CELSIUS or math.isnan(celsius):
            return -273.15, _OVER
        return (celsius, 0) if celsius >= LOWEST_CELSIUS else (-273.15, _UNDER)

"""PB frames of a Huber as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import math
import re
from enum import IntEnum, IntFlag

MANUAL = "Huber, Data Communication PB V1.2.0 [manual]"
CODE = "huber 0.9.0; fs#70821037973 [code]"

SETPOINT_STEP_KELVIN = 0.01

NOT_AVAILABLE = 0x7FFF
"""The unit has no such variable, or no value of it. Source: `MANUAL`."""
NO_PROBE = 0xC504
"""-151.00 °C stands for no probe. Source: `CODE`."""
FIRST_NEGATIVE = 0xC4F9
"""-151.11 °C; whatever is below as a signed number is above 327.67 °C as an unsigned one. Source: `CODE`."""

LOWEST_CELSIUS, HIGHEST_CELSIUS = -151.0, 504.24
"""Between these a temperature can be said."""

_WORD = re.compile(r"[0-9A-F]{4}")


class Variable(IntEnum):
    """Addresses. Source: `MANUAL`, but `CIRCULATION`: [unverified]."""

    SETPOINT = 0x00
    INTERNAL = 0x01
    ERROR = 0x05
    WARNING = 0x06
    PROCESS = 0x07
    STATUS = 0x0A
    CONTROL = 0x14
    CIRCULATION = 0x16


class UnitStatus(IntFlag):
    """Bits of `STATUS`. Source: `CODE`."""

    CONTROLLING = 1 << 0
    CIRCULATING = 1 << 1
    PUMPING = 1 << 4
    ERROR = 1 << 8
    WARNING = 1 << 9
    READ_BEFORE = 1 << 14
    """0 at the first reading since the unit's start."""


def question(variable: Variable) -> str:
    """Asks for a variable."""
    return f"{{M{variable:02X}****"


def command(variable: Variable, word: int) -> str:
    """Sets a variable to a word of 16 bits, and asks what it is then."""
    return f"{{M{variable:02X}{word:04X}"


def word(variable: Variable, reply: str) -> int:
    """The word of a reply of a variable, such as `{S0005DC`. Raises `ValueError` for another variable's."""
    start = f"{{S{variable:02X}"
    digits = reply.removeprefix(start)
    if not reply.startswith(start) or _WORD.fullmatch(digits) is None:
        raise ValueError(f"not {start} and four hexadecimal digits")
    return int(digits, 16)


def temperature_word(celsius: float) -> int:
    """A temperature as a word, to a hundredth of a degree."""
    return round(round(celsius, 2) * 100) & 0xFFFF


def temperature(word: int) -> float:
    """A temperature, °C. Raises `ValueError` for a word that is none."""
    if word in {NOT_AVAILABLE, NO_PROBE}:
        raise ValueError("there is no temperature")
    hundredths = word - 0x10000 if word >= FIRST_NEGATIVE else word
    celsius = hundredths / 100
    if not LOWEST_CELSIUS < celsius <= HIGHEST_CELSIUS:
        raise ValueError(f"{celsius:g} °C is no temperature")
    return celsius


def probe(word: int) -> float:
    """A temperature, °C; NaN without a probe."""
    return math.nan if word in {NOT_AVAILABLE, NO_PROBE} else temperature(word)


def status(word: int) -> UnitStatus:
    """The unit's state. Raises `ValueError` when it has none."""
    if word == NOT_AVAILABLE:
        raise ValueError("there is no status")
    return UnitStatus(word)


def number(word: int) -> int:
    """A signed number: an error's, a warning's, or a switch. Raises `ValueError` when there is none."""
    if word == NOT_AVAILABLE:
        raise ValueError("there is no number")
    return word - 0x10000 if word & 0x8000 else word

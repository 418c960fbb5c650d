"""Replies of an ADAM-4015 as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import math
import re
from dataclasses import dataclass

MANUAL = "ADAM-4000 Series User's Manual, chapter 5 [manual]"

CHANNELS = 6
"""0 to 5. Source: `MANUAL`, #AAN."""

ENGINEERING_UNITS = 0
"""Bits 0 and 1 of the last byte of $AA2. Source: `MANUAL`, $AA2 and appendix B."""

CHECKSUM_BIT = 0x40
"""Of the same byte. Source: `MANUAL`, appendix F."""

READING_CHARACTERS = 7
"""Sign, five digits and a decimal point. Source: `MANUAL`, #AAN."""

_READING = re.compile(r"[+-][0-9]{1,4}\.[0-9]{1,4}")
_READINGS = re.compile(r"(?:[+-][0-9.]+| {7})+")
_ONE_READING = re.compile(r"[+-][0-9.]+| {7}")
_OUT_OF_BOUNDS = re.compile(r"\+9999\.?|-0000\.?|[+-]888888|[+-]999999")
_HEX_BYTE = re.compile(r"[0-9A-F]{2}")
_TEXT = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True)
class InputRange:
    """One setting of a channel: the sensor, and the temperatures it is good for."""

    sensor: str
    low_celsius: float
    high_celsius: float


RANGE_BY_CODE = {
    "20": InputRange("Pt100 IEC", -50, 150),
    "21": InputRange("Pt100 IEC", 0, 100),
    "22": InputRange("Pt100 IEC", 0, 200),
    "23": InputRange("Pt100 IEC", 0, 400),
    "24": InputRange("Pt100 IEC", -200, 200),
    "25": InputRange("Pt100 JIS", -50, 150),
    "26": InputRange("Pt100 JIS", 0, 100),
    "27": InputRange("Pt100 JIS", 0, 200),
    "28": InputRange("Pt100 JIS", 0, 400),
    "29": InputRange("Pt100 JIS", -200, 200),
    "2A": InputRange("Pt1000", -40, 160),
    "2B": InputRange("BALCO 500", -30, 120),
    "2C": InputRange("Ni 604", -80, 100),
    "2D": InputRange("Ni 604", 0, 100),
    "33": InputRange("Ni 508", -50, 200),
}
"""By the two characters after R in the reply to $AA8Ci. Source: `MANUAL`, table 5.2 (an older appendix B gives code 20
as -100 to 100 °C, of another model)."""


@dataclass(frozen=True)
class Settings:
    """The reply to $AA2."""

    is_in_engineering_units: bool
    has_checksum: bool


def checksum(text: str) -> str:
    """Two hexadecimal digits: the sum of the characters, modulo 256. Source: `MANUAL`, appendix F."""
    return f"{sum(text.encode('ascii')) & 0xFF:02X}"


def checked(reply: str, *, has_checksum: bool) -> str:
    """A reply without its checksum, which must be right."""
    if not has_checksum:
        return reply
    text, digits = reply[:-2], reply[-2:]
    if not text or digits != checksum(text):
        raise ValueError(f"checksum {digits!r} is wrong")
    return text


def after(start: str, reply: str) -> str:
    """What follows the start that a reply must have."""
    if not reply.startswith(start):
        raise ValueError(f"does not begin with {start!r}")
    return reply[len(start) :]


def text(reply: str) -> str:
    """A module's name or version."""
    if _TEXT.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no name")
    return reply


def flags(reply: str) -> tuple[bool, ...]:
    """Eight channels' bits in two hexadecimal digits, channel 0 the lowest; the six that are."""
    bits = _hex_byte(reply)
    return tuple(bool(bits >> channel & 1) for channel in range(CHANNELS))


def settings(reply: str) -> Settings:
    """`TTCCFF`: type, baud rate, and data format."""
    if len(reply) != 6:
        raise ValueError("not three bytes")
    _hex_byte(reply[:2])
    _hex_byte(reply[2:4])
    bits = _hex_byte(reply[4:])
    return Settings(bits & 0b11 == ENGINEERING_UNITS, bool(bits & CHECKSUM_BIT))


def range_code(reply: str) -> str:
    """The code after `R`, one that is known."""
    code = after("R", reply)
    if code not in RANGE_BY_CODE:
        raise ValueError(f"{code!r} is no range of this module")
    return code


def readings(reply: str, enabled: tuple[bool, ...]) -> tuple[float, ...]:
    """Six values in degrees Celsius; NaN is no reading.

    Values follow each other without anything between; one client takes nothing but six of seven characters
    [code: fs#45020230474]. Whether a channel that is switched off has blanks, some value or nothing is `[unverified]`,
    so each of the three is understood, and none is a number.
    """
    if _READINGS.fullmatch(reply) is None:
        raise ValueError("not values one after another")
    values = [_reading(part) for part in _ONE_READING.findall(reply)]
    on = [channel for channel in range(CHANNELS) if enabled[channel]]
    if len(values) == CHANNELS:
        return tuple(value if enabled[channel] else math.nan for channel, value in enumerate(values))
    if len(values) != len(on):
        raise ValueError(f"{len(values)} values where {len(on)} channels are on")
    by_channel = dict(zip(on, values, strict=True))
    return tuple(by_channel.get(channel, math.nan) for channel in range(CHANNELS))


def _reading(part: str) -> float:
    """One value; NaN for what a module sends of an input out of bounds.

    `+9999` and `-0000` are above and below the range [manual: #AA]. `888888` and `999999` of either sign are no values
    either [code: fs#45020230474]; which of them means what is `[unverified]`.
    """
    if part.isspace() or _OUT_OF_BOUNDS.fullmatch(part):
        return math.nan
    if len(part) != READING_CHARACTERS or _READING.fullmatch(part) is None:
        raise ValueError(f"{part[:20]!r} is no value")
    return float(part)


def _hex_byte(digits: str) -> int:
    if _HEX_BYTE.fullmatch(digits) is None:
        raise ValueError(f"{digits[:20]!r} is no byte in hexadecimal")
    return int(digits, 16)

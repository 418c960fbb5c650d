"""Registers of Laumas weight transmitters as readings: sign and faults are in the status, not in the value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.roles import LoadStatus

SOURCE = "TLU p34, LCB, TLB4, Bosche WTS [manual]"

IDENTITY, IDENTITY_COUNT = 0, 5
"""40001 … 40005: firmware, instrument type, year, serial number, program. Source: `SOURCE`."""

STATE, STATE_COUNT = 6, 8
"""40007 … 40014, read in one go so that they agree: status, gross, net, peak, division and unit. Source: `SOURCE`."""

CELL_ERROR, CONVERTER_FAULT = 0x0001, 0x0002
OVER_MAXIMUM, OVER_FULL_SCALE, GROSS_TOO_LONG, NET_TOO_LONG = 0x0004, 0x0008, 0x0010, 0x0020
GROSS_NEGATIVE, NET_NEGATIVE, IS_STABLE = 0x0080, 0x0100, 0x0800
"""Of the status. Source: `SOURCE`."""

DECIMALS_BY_DIVISION = dict(enumerate((0,) * 7 + (1,) * 3 + (2,) * 3 + (3,) * 3 + (4,) * 3))
"""By the low byte of 40014: 0 is a division of 100, 6 of 1, 7 of 0.5, 18 of 0.0001 [unverified]."""

UNITS = ("kg", "g", "t", "lb", "N")
"""By the high byte of 40014 [unverified]."""

LARGEST = 999_999


@dataclass(frozen=True)
class Reading:
    """NaN is no reading, and `status` says why."""

    displayed: float
    status: LoadStatus


def check(unit: str, weight: str) -> None:
    """Raise `ValueError` for a unit or a weight that is not sent."""
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    if weight not in {"gross", "net"}:
        raise ValueError(f"weight {weight!r} is neither gross nor net")


def reading(words: Sequence[int], unit: str, weight: str) -> Reading:
    """What `STATE_COUNT` registers from `STATE` say, gross or net. Another unit is no reading."""
    status, setting = words[0], words[7]
    high, low = words[1:3] if weight == "gross" else words[3:5]
    decimals = DECIMALS_BY_DIVISION.get(setting & 0xFF)
    is_known = setting >> 8 < len(UNITS) and UNITS[setting >> 8] == unit
    magnitude = high << 16 | low
    if status & (CELL_ERROR | CONVERTER_FAULT) or not is_known or decimals is None:
        return Reading(math.nan, LoadStatus.UNREADABLE)
    too_long = GROSS_TOO_LONG if weight == "gross" else NET_TOO_LONG
    if status & (OVER_MAXIMUM | OVER_FULL_SCALE | too_long) or magnitude > LARGEST:
        return Reading(math.nan, LoadStatus.OVERLOAD)
    is_negative = status & (GROSS_NEGATIVE if weight == "gross" else NET_NEGATIVE)
    value = magnitude / 10**decimals
    return Reading(-value if is_negative else value, LoadStatus.STABLE if status & IS_STABLE else LoadStatus(0))

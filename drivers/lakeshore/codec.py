"""Replies of a Lake Shore 218 as values: strict, so that what cannot be a reply is a `ValueError`."""

import re

from drivers.roles import Identity

MANUAL = "Lake Shore Model 218 User's Manual, chapter 6 [manual]"

MAKER = "Lake Shore"
INPUTS = range(1, 9)

IDENTITY = "*IDN?"
CELSIUS = "CRDG? {input}"
STATUS = "RDGST? {input}"
"""An input's temperature, and whether it is one. Source: `MANUAL` 6-18, 6-22, 6-29."""

NO_READING = 0xFF
"""Of the status: 16 and 32 temperature under and over its range, 64 and 128 sensor units. Source: `MANUAL` 6-29. The
low four bits are not used there, and no reading is taken with one of them either."""

_IDENTITY = re.compile(r"LSCI,(MODEL218[ES]),([0-9A-Za-z]{1,10}),([0-9A-Za-z.]{1,10})")
_CELSIUS = re.compile(r"[+-][0-9]{1,4}\.[0-9]{1,5}")
_STATUS = re.compile(r"[0-9]{1,4}")


def identity(reply: str) -> Identity:
    """Maker, model, serial number and date of the firmware, such as `LSCI,MODEL218E,21EA4F,042109`."""
    found = _IDENTITY.fullmatch(reply)
    if found is None:
        raise ValueError("not the identity of a Model 218")
    return Identity(MAKER, found[1], found[2], found[3])


def celsius(reply: str) -> float:
    """Such as `+055.12`."""
    if _CELSIUS.fullmatch(reply) is None:
        raise ValueError("not a temperature")
    return float(reply)


def status(reply: str) -> int:
    """Such as `000`; 0 for a reading that is one."""
    if _STATUS.fullmatch(reply) is None or int(reply) > NO_READING:
        raise ValueError("not a status")
    return int(reply)

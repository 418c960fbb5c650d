"""Replies of a LAUDA as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

MANUAL = "LAUDA LRZ 913, 921, 926; PRO V04 and V6, section 4.5; ECO GOLD; MC 250 [manual]"
CODE = "hvl_ccb 0.19.6 dev/lauda; fs#1731856508; fs#54974975077 [code]"

ERRORS = {
    2: "wrong input or buffer overflow",
    3: "wrong command",
    5: "syntax error in the value",
    6: "impermissible value",
    8: "module or value not available",
    30: "the programmer is full",
    31: "the setpoint comes from the analog input",
    32: "upper limit not above the lower one",
    33: "no external probe",
    34: "no analog value",
    35: "Safe Mode is not activated at the unit",
    36: "the programmer is running or paused",
    37: "the programmer can't start: the setpoint comes from the analog input",
    38: "not possible in Safe Mode",
}
"""By number. Source: `MANUAL`, error messages."""

NOT_KNOWN = frozenset({3, 8})
"""The unit has no such command or value."""
NO_PROBE = frozenset({3, 8, 33})
"""There is no external temperature to be had; which of them a unit without a probe answers is [unverified]."""

SETPOINT_STEP_KELVIN = 0.01
ADDRESSES = range(128)

LOWEST_CELSIUS, HIGHEST_CELSIUS = -150.0, 400.0
"""No LAUDA of these lines measures beyond."""

FLAG_NAMES = ("error", "alarm", "warning", "overtemperature", "low level", "high level", "external value missing")
"""The characters of STAT from the left; LOOP units send the first six. Source: `MANUAL`."""
WARNING_FLAGS = frozenset({2})
"""Those, counted from 0, with which a unit goes on cooling."""

Answer = TypeVar("Answer")

_FIXED = re.compile(r"-?[0-9]{3}\.[0-9]{2}")
_WHOLE_OR_FIXED = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,2})?")
_FLAGS = re.compile(r"[01]{6,7}")
_ERROR = re.compile(r"ERR_([0-9]{1,2})")
_TEXT = re.compile(r"(?=.*[A-Za-z.])[!-~](?:[ -~]{0,38}[!-~])?")


@dataclass(frozen=True)
class Refusal:
    """`ERR_n`: understood, and not done."""

    code: int

    @property
    def text(self) -> str:
        """What the number means."""
        return ERRORS.get(self.code, "not in the manual")


def or_refusal(read: Callable[[str], Answer], prefix: str) -> Callable[[str], "Answer | Refusal"]:
    """A reader that takes an error message too, and the address in front of every reply on RS-485."""

    def read_reply(reply: str) -> Answer | Refusal:
        if not reply.startswith(prefix):
            raise ValueError(f"does not begin with {prefix!r}")
        text = reply[len(prefix) :]
        error = _ERROR.fullmatch(text)
        return read(text) if error is None else Refusal(int(error[1]))

    return read_reply


def acknowledged(reply: str) -> None:
    """`OK`."""
    if reply != "OK":
        raise ValueError("neither OK nor an error")


def temperature(reply: str) -> float:
    """A temperature in degrees Celsius, of the fixed form `022.00` or `-010.50`."""
    if _FIXED.fullmatch(reply) is None:
        raise ValueError(f"{reply[:20]!r} is no temperature of the form XXX.XX")
    return _plausible(reply)


def limit(reply: str) -> float:
    """A limit of the outflow temperature, °C, with or without decimals: it is written without [unverified]."""
    if _WHOLE_OR_FIXED.fullmatch(reply) is None:
        raise ValueError(f"{reply[:20]!r} is no limit")
    return _plausible(reply)


def whole(reply: str) -> int:
    """A whole number, perhaps in fixed point: clients read both [code]."""
    if _WHOLE_OR_FIXED.fullmatch(reply) is None or not float(reply).is_integer():
        raise ValueError(f"{reply[:20]!r} is no whole number")
    return int(float(reply))


def switch(reply: str) -> bool:
    """`0` or `1`, without decimals [code]."""
    if reply not in {"0", "1"}:
        raise ValueError(f"{reply[:20]!r} is neither 0 nor 1")
    return reply == "1"


def status(reply: str) -> bool:
    """Whether the unit has a fault: `0` or `-1`."""
    if reply not in {"0", "-1"}:
        raise ValueError(f"{reply[:20]!r} is neither 0 nor -1")
    return reply == "-1"


def flags(reply: str) -> tuple[bool, ...]:
    """The diagnosis, one flag for each of `FLAG_NAMES`; a unit with six has no seventh."""
    if _FLAGS.fullmatch(reply) is None:
        raise ValueError(f"{reply[:20]!r} is no diagnosis of six or seven flags")
    return tuple(character == "1" for character in reply)


def text(reply: str) -> str:
    """A model or a version: there is a letter or a point in it, and it is no temperature."""
    if _TEXT.fullmatch(reply) is None or _FIXED.fullmatch(reply) or reply == "OK":
        raise ValueError(f"{reply[:40]!r} is no name")
    return reply


def _plausible(reply: str) -> float:
    celsius = float(reply)
    if not LOWEST_CELSIUS <= celsius <= HIGHEST_CELSIUS:
        raise ValueError(f"{celsius:g} °C is nothing it can measure")
    return celsius

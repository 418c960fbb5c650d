"""Replies of a JULABO as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import math
import re
from dataclasses import dataclass

MANUAL = "JULABO FL300, FL601, FLW, CORIO CD and CP, MA, ME, CF40, Magnum, Presto [manual]"
CODE = "labmcp_julabo 0.1.2; julabo 2.3.0; ISIS lewis_emulators/julabo [code]"

SETPOINT_STEP_KELVIN = 0.01
ADDRESSES = range(128)
"""Of RS-485, as three digits after A; the range is [unverified]."""

LOWEST_CELSIUS, HIGHEST_CELSIUS = -150.0, 400.0
"""No unit of these lines measures beyond."""

NO_PROBE = "---.--"
"""Where there is no probe. Source: fs#70821037973 [code]."""

REMOTE_CODES = frozenset({2, 3})
"""`02 REMOTE STOP`, `03 REMOTE START`. Source: `MANUAL`."""
COMMAND_ERRORS = frozenset({-8, -9, -10, -11, -13})
"""What was wrong with the last command; told once. -13: outside the warning limits, and taken. Source: `MANUAL`."""
WARNING_CODES = frozenset({-3, -4, -13, -20, -40, -41})
"""With which a unit goes on cooling. Source: `MANUAL`, -4 and -41 `CODE`."""

_NUMBER = re.compile(r"-?[0-9]{1,3}\.[0-9]{1,2}")
_STATUS = re.compile(r"(0[0-9]|-[0-9]{2,4}) ([!-~](?:[ -~]{0,78}[!-~])?)")
_VERSION = re.compile(r"JULABO +([!-~](?:[ -~]{0,38}[!-~])?) +VERSION +([!-~]{1,20})", re.IGNORECASE)
_SOFTWARE = re.compile(r"(?:[!-~][ -~]{0,38} )?V(?:ERSION)?[. ]{0,2}[0-9][!-~]{0,19}", re.IGNORECASE)


@dataclass(frozen=True)
class Status:
    """The reply to `status`: a state (0 and above) or what is wrong (below)."""

    code: int
    text: str

    @property
    def is_state(self) -> bool:
        """Whether nothing is wrong."""
        return self.code >= 0

    @property
    def is_remote(self) -> bool:
        """Whether commands are obeyed; not known, and False, while something is wrong."""
        return self.code in REMOTE_CODES


@dataclass(frozen=True)
class Version:
    """The reply to `version`; the model is empty where the unit does not say it."""

    model: str
    firmware: str


def unprefixed(reply: str, prefix: str) -> str:
    """A reply without the address of RS-485, and without the CR in front of an LF that older manuals have alone."""
    text = reply.removesuffix("\r")
    if not text.startswith(prefix):
        raise ValueError(f"does not begin with {prefix!r}")
    return text[len(prefix) :]


def temperature(reply: str) -> float:
    """A temperature, °C."""
    if _NUMBER.fullmatch(reply) is None:
        raise ValueError(f"{reply[:20]!r} is no temperature")
    celsius = float(reply)
    if not LOWEST_CELSIUS <= celsius <= HIGHEST_CELSIUS:
        raise ValueError(f"{celsius:g} °C is nothing it can measure")
    return celsius


def probe(reply: str) -> float:
    """A temperature, °C; NaN without a probe."""
    return math.nan if reply == NO_PROBE else temperature(reply)


def switch(reply: str) -> bool:
    """`0` or `1`."""
    if reply not in {"0", "1"}:
        raise ValueError(f"{reply[:20]!r} is neither 0 nor 1")
    return reply == "1"


def status(reply: str) -> Status:
    """Such as `03 REMOTE START` or `-11 VALUE TOO LARGE`."""
    parts = _STATUS.fullmatch(reply)
    if parts is None:
        raise ValueError(f"{reply[:40]!r} is no status")
    return Status(int(parts[1]), parts[2])


def version(reply: str) -> Version:
    """Such as `JULABO CF41 VERSION 1.30`; of another form, `V 1.30`, it is all firmware."""
    parts = _VERSION.fullmatch(reply)
    if parts is not None:
        return Version(parts[1], parts[2])
    if _SOFTWARE.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no version")
    return Version("", reply)

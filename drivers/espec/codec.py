"""Replies of an ESPEC chamber as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import re
from dataclasses import dataclass

SOURCE = "ChamberConnectLibrary p300.py, scp220.py; espec_pr3j 0.5.0; SH-641 capture [code]"

SETPOINT_STEP_CELSIUS = 0.1

OFF, STANDBY, CONSTANT, RUN = "OFF", "STANDBY", "CONSTANT", "RUN"
"""The modes; a running program may have its number after RUN. Source: `SOURCE`."""

REFUSED = "NA:"

_NUMBER = re.compile(r"[+-]?[0-9]{1,4}(\.[0-9]{1,2})?")
_COUNT = re.compile(r"[0-9]{1,3}")
_MODE = re.compile(r"(?:OFF|STANDBY|CONSTANT|RUN[ ,]?[0-9A-Z]*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")
_TEXT = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True)
class ChamberType:
    """The reply to `TYPE?`: the controller, and the highest temperature it was built for."""

    controller: str
    highest_celsius: float


@dataclass(frozen=True)
class Temperatures:
    """The reply to `TEMP?`: the limits are the chamber's own alarms, outside which it takes no setpoint."""

    air_celsius: float
    setpoint_celsius: float
    high_celsius: float
    low_celsius: float


def chamber_type(reply: str) -> ChamberType:
    """Sensors, controller, highest temperature, such as `T,T,S2,160.0`."""
    *sensors, controller, highest = reply.split(",")
    if len(sensors) not in {1, 2} or not all(map(_NAME.fullmatch, [*sensors, controller])):
        raise ValueError("not sensors, controller and highest temperature")
    return ChamberType(controller, _number(highest))


def text(reply: str) -> str:
    """The version of the firmware."""
    if reply.startswith(REFUSED) or _TEXT.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no version")
    return reply


def temperatures(reply: str) -> Temperatures:
    """Measured, setpoint, high limit, low limit, such as `26.4,0.0,140.0,-50.0`."""
    parts = reply.split(",")
    if len(parts) != 4:
        raise ValueError("not four temperatures")
    found = Temperatures(*map(_number, parts))
    if found.low_celsius >= found.high_celsius:
        raise ValueError("a low limit that is not below the high one")
    return found


def mode(reply: str) -> str:
    """`OFF`, `STANDBY`, `CONSTANT`, or `RUN` and what runs."""
    if _MODE.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no mode")
    return reply


def alarms(reply: str) -> tuple[int, ...]:
    """How many, then their codes: `0`, or `2,1,7`."""
    parts = reply.split(",")
    if not all(map(_COUNT.fullmatch, parts)):
        raise ValueError("not a count and codes")
    count, *codes = map(int, parts)
    if count != len(codes):
        raise ValueError(f"{len(codes)} codes where {count} are announced")
    return tuple(codes)


def acknowledgement(command: str, reply: str) -> str | None:
    """None when a command was taken, which is echoed byte for byte; else the words of the refusal."""
    if reply == f"OK:{command}":
        return None
    if reply.startswith(REFUSED) and _TEXT.fullmatch(reply):
        return reply
    raise ValueError(f"neither OK:{command} nor a refusal")


def _number(reply: str) -> float:
    if _NUMBER.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no temperature")
    return float(reply)

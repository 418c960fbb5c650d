"""Kinds of value in a station file: names, addresses, days, settings of a serial line. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from protocols import units
from protocols.errors import BadValueError
from protocols.fields import Text

LONGEST_IDENTIFIER = 32
BAUDS = (600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)

_IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST_AND_PORT = re.compile(r"(?:socket://)?([A-Za-z0-9_.-]+):([0-9]{1,5})")
_VISA = re.compile(r"(?:TCPIP[0-9]*::([^:]+)|(?:USB|GPIB|ASRL)[0-9]*)::.+::(?:SOCKET|INSTR)", re.IGNORECASE)


def identifier(value: str) -> str:
    """A name that is safe in a path and in a topic. Raises `BadValueError`."""
    if not _IDENTIFIER.fullmatch(value) or len(value) > LONGEST_IDENTIFIER:
        slug = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:LONGEST_IDENTIFIER].strip("-")
        what = f"{value!r} is no identifier: a-z, 0-9 and - between them, {LONGEST_IDENTIFIER} at most"
        raise BadValueError(what, f"write {slug or 'station-1'}")
    return value


def _serial_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValueError(f"{value} is a number, not text", "write it in quotes, with all zeros of the label")
    return value


def line_character(value: object) -> object:
    """Data bits, parity and stop bits as text. Raises `BadValueError` for what YAML made a number of."""
    if not isinstance(value, str):
        raise BadValueError(f"{value} is a number: YAML reads 7E1 as 70", 'write "7E1" in quotes')
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise BadValueError(f"{value!r} depends on where the daemon is started", "write a path that begins with /")
    return value


def _is_host_and_port(value: str) -> bool:
    parts = _HOST_AND_PORT.fullmatch(value)
    return parts is not None and 1 <= int(parts[2]) <= 65535


def _network(value: str) -> str:
    if value.startswith("socket://") or not _is_host_and_port(value):
        raise BadValueError(f"{value!r} is not host:port", "write it as in 192.168.1.20:5025")
    return value


def _visa(value: str) -> str:
    if not _VISA.fullmatch(value) and (value.startswith("socket://") or not _is_host_and_port(value)):
        raise BadValueError(f"{value!r} is neither host:port nor a VISA name", "write it as in 192.168.1.20:5025")
    return value


SIMULATED_FOLDERS = ("/dev/pts/", "/tmp/")  # noqa: S108  (a bench links its ports there; nothing is written)
"""Where the ports of a simulated laboratory are."""
SERIAL_FOLDERS = ("/dev/", *SIMULATED_FOLDERS)


def _serial(value: str) -> str:
    if not value.startswith(SERIAL_FOLDERS) and not _is_host_and_port(value):
        hint = "write /dev/serial/by-id/… or, of a serial device server, host:port"
        raise BadValueError(f"{value!r} is no serial port", hint)
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """What makes a whole number from `low` to `high` of a value, and raises `BadValueError` for another."""

    def check(value: object) -> int:
        number = units.number(value)
        if number != int(number) or not low <= number <= high:
            raise BadValueError(f"{number:g} is no whole number from {low} to {high}", "write one")
        return int(number)

    return check


def _baud(value: object) -> int:
    number = units.number(value)
    if number not in BAUDS:
        raise BadValueError(f"{number:g} is no baud rate", f"write one of {', '.join(map(str, BAUDS))}")
    return int(number)


Identifier = Annotated[Text, AfterValidator(identifier)]
SerialNumber = Annotated[Text, BeforeValidator(_serial_number)]
AbsolutePath = Annotated[Text, AfterValidator(_absolute)]
NetworkAddress = Annotated[Text, AfterValidator(_network)]
VisaAddress = Annotated[Text, AfterValidator(_visa)]
SerialAddress = Annotated[Text, AfterValidator(_serial)]
Channel = Annotated[int, BeforeValidator(whole(0, 255))]
Baud = Annotated[int, BeforeValidator(_baud)]


def is_on_this_machine(address: str) -> bool:
    """Whether an address is one at which a simulated instrument can be: the loopback, or a pseudo-terminal."""
    parts = _VISA.fullmatch(address) or _HOST_AND_PORT.fullmatch(address)
    if parts is None or parts[1] is None:
        return address.startswith(SIMULATED_FOLDERS)
    try:
        return ipaddress.ip_address(parts[1]).is_loopback
    except ValueError:
        return parts[1].casefold() == "localhost"

"""Which drivers there are, by the name a station writes: their limits, and how to make one."""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.keithley.limits import LIMITS_BY_MODEL
from drivers.keithley.smu import KeithleySMU
from drivers.roles import Potentiostat, PotentiostatLimits
from drivers.session import ReplyIsComing, Session
from drivers.visa import VisaLink

DEFAULT_TIMEOUT_SECOND = 2.0


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What a station says of one instrument: its name, where it is, and the only serial number that may answer.

    `address` is `host:port` or a VISA name. `terminals` is "FRON" or "REAR".
    """

    name: str
    address: str
    serial_number: str | None = None
    terminals: str = "REAR"
    timeout_second: float = DEFAULT_TIMEOUT_SECOND


@dataclass(frozen=True)
class PotentiostatEntry:
    """One potentiostat model: what it can do, and a driver for one of its kind, not connected yet."""

    limits: PotentiostatLimits
    make: Callable[[Connection, Callable[[], float], ReplyIsComing | None], Potentiostat]


def _keithley(model: str) -> PotentiostatEntry:
    limits = LIMITS_BY_MODEL[model]

    def make(connection: Connection, now: Callable[[], float], reply_is_coming: ReplyIsComing | None) -> Potentiostat:
        link = VisaLink(connection.address, timeout_second=connection.timeout_second)
        return KeithleySMU(
            connection.name,
            limits,
            Session(connection.name, link, reply_is_coming=reply_is_coming),
            now=now,
            serial_number=connection.serial_number,
            terminals=connection.terminals,
        )

    return PotentiostatEntry(limits, make)


POTENTIOSTATS: dict[str, PotentiostatEntry] = {f"keithley.{model}": _keithley(model) for model in LIMITS_BY_MODEL}
"""By the name a station writes, such as `keithley.2450`."""


class UnknownDriverError(ValueError):
    """A station names a driver that does not exist."""


def potentiostat(driver: str) -> PotentiostatEntry:
    """The entry of a driver name. Raises `UnknownDriverError`, which names those there are."""
    entry = POTENTIOSTATS.get(driver)
    if entry is None:
        raise UnknownDriverError(f"no driver {driver!r}; there are {', '.join(sorted(POTENTIOSTATS))}")
    return entry

"""What can go wrong with an instrument: one class for each thing the caller can do next."""

from dataclasses import dataclass


@dataclass(eq=False)
class DriverError(Exception):
    """Anything an instrument, or the way to it, did wrong. `instrument` is the name the station gave it."""

    instrument: str


@dataclass(eq=False)
class LinkLostError(DriverError):
    """The way to the instrument is gone. Next: reconnect, identify, read back before any write."""

    address: str
    tried: str

    def __str__(self) -> str:
        return f"{self.instrument}: no connection to {self.address} ({self.tried})"


@dataclass(eq=False)
class NoReplyError(DriverError):
    """Asked, and no answer in time: what was asked may or may not have happened. Next: reopen and read back."""

    question: str
    waited_second: float

    def __str__(self) -> str:
        return f"{self.instrument}: no reply to {self.question!r} within {self.waited_second:g} s"


@dataclass(eq=False)
class BadReplyError(DriverError):
    """An answer came that cannot be one. It never becomes a number. Next: reopen, then ask again."""

    question: str
    reply: str
    why: str

    def __str__(self) -> str:
        return f"{self.instrument}: {self.question!r} was answered {self.reply[:80]!r}: {self.why}"


@dataclass(eq=False)
class RefusedError(DriverError):
    """The instrument understood and said no, or reads back something else than it was told. Next: do not ask again."""

    command: str
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.instrument}: refused {self.command!r}: {self.code}, {self.text}"


@dataclass(eq=False)
class OutOfRangeError(DriverError):
    """Our own refusal, before anything was sent."""

    quantity: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        allowed = f"{self.low:g} to {self.high:g}"
        return f"{self.instrument}: {self.quantity} {self.value:g} is outside {allowed}; nothing was sent"


@dataclass(eq=False)
class WrongInstrumentError(DriverError):
    """Another instrument answers at the address than the station names. Next: a person must look."""

    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.instrument}: expected {self.expected}, found {self.found}"

"""What can be wrong with a cable: switches on the control port, and what each does to the replies."""

import random
from dataclasses import dataclass, field
from typing import Protocol

CABLE_FAULTS = ("cut", "mute", "late", "garble", "parity", "half", "stale", "freeze", "heal")


class FaultError(Exception):
    """There is no such fault, or something it needs is missing."""


class CableFault(Protocol):
    """What a cable does wrong, until another fault or `heal` takes its place."""

    @property
    def late_second(self) -> float:
        """Real time each reply is held back."""
        ...

    def spoil(self, reply: bytes) -> bytes:
        """What arrives at the host of one whole reply, perhaps nothing."""
        ...


@dataclass
class Sound:
    """Nothing is wrong."""

    late_second: float = 0.0

    def spoil(self, reply: bytes) -> bytes:
        """See `CableFault`."""
        return reply


class Cut(Sound):
    """No connection, and none to be had: they are refused."""


class Frozen(Sound):
    """Connections stay, and nothing is taken from them until it thaws."""


class Mute(Sound):
    """The instrument hears and does what it is told; its replies are lost."""

    def spoil(self, reply: bytes) -> bytes:  # noqa: ARG002
        """See `CableFault`."""
        return b""


@dataclass
class Garbled(Sound):
    """In each reply one byte in sixteen, and at least one, arrives with its top bit set: never the last one.

    A digit that turned into another digit could be told by nobody, so the noise is never ASCII.
    """

    seed: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def spoil(self, reply: bytes) -> bytes:
        """See `CableFault`."""
        spoilt = bytearray(reply)
        body = max(1, len(reply) - 1)
        for index in self._random.sample(range(body), max(1, body // 16)):
            spoilt[index] = 0x80 | self._random.randrange(0x80)
        return bytes(spoilt)


@dataclass
class Misread(Sound):
    """In each reply one character, never the last, arrives with its top bit flipped: its parity is wrong."""

    seed: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def spoil(self, reply: bytes) -> bytes:
        """See `CableFault`."""
        spoilt = bytearray(reply)
        spoilt[self._random.randrange(max(1, len(reply) - 1))] ^= 0x80
        return bytes(spoilt)


@dataclass
class Halved(Sound):
    """Every other reply stops half way; its rest comes in front of the next one."""

    _rest: bytes | None = None

    def spoil(self, reply: bytes) -> bytes:
        """See `CableFault`."""
        if self._rest is not None:
            whole, self._rest = self._rest + reply, None
            return whole
        middle = len(reply) // 2
        self._rest = reply[middle:]
        return reply[:middle]


@dataclass
class Stale(Sound):
    """Each question is answered with the reply to the one before."""

    previous: bytes = b""

    def spoil(self, reply: bytes) -> bytes:
        """See `CableFault`."""
        arrives, self.previous = self.previous, reply
        return arrives


def cable_fault(kind: str, *, real_second: float | None, seed: int | None, previous: bytes) -> CableFault:
    """The fault of a kind; `previous` is the last reply the cable carried.

    Raises:
        FaultError: unknown kind, or `late` without a positive `real_second`.
    """
    match kind:
        case "heal":
            return Sound()
        case "cut":
            return Cut()
        case "freeze":
            return Frozen()
        case "mute":
            return Mute()
        case "garble":
            return Garbled(seed=seed or 0)
        case "parity":
            return Misread(seed=seed or 0)
        case "half":
            return Halved()
        case "stale":
            return Stale(previous=previous)
        case "late":
            if real_second is None or real_second <= 0:
                raise FaultError("late needs real_second, a number above 0")
            return Sound(late_second=real_second)
    raise FaultError(f"a cable has no fault {kind!r}, only {', '.join(CABLE_FAULTS)}")

"""What the control port can be asked."""

from typing import Literal

import msgspec

from simulators.owner import OnOwnerLost


class Request(msgspec.Struct, tag_field="do", forbid_unknown_fields=True, kw_only=True):
    """One question; `id` comes back with the answer."""

    id: int


class Hello(Request, tag="hello"):
    """Who are you, and what time is it?"""


class Own(Request, tag="own"):
    """Let me alone move time."""

    speed: Literal["max"] | float
    on_owner_lost: OnOwnerLost


class Advance(Request, tag="advance"):
    """Move time, and answer then."""

    to_second: float
    stop_every_second: float | None = None


class Cables(Request, tag="cables"):
    """What went over the cables?"""


class Fault(Request, tag="fault"):
    """Let something be wrong with a cable or with the instrument on it."""

    cable: str
    kind: str
    real_second: float | None = None
    seed: int | None = None
    serial_number: str | None = None
    newton: float | None = None
    unit: str | None = None
    channel: int | None = None
    codes: tuple[int, ...] | None = None
    newton_per_second: float | None = None
    at_second: float | None = None
    at_line: int | None = None
    for_second: float | None = None


class HoldAt(Request, tag="hold_at"):
    """Let no advance go beyond a time, and answer when one is held there; until `release`, or the owner is lost."""

    at_second: float


class Release(Request, tag="release"):
    """Let time go on where it is held."""


class Disown(Request, tag="disown"):
    """I give the time up, as if my connection had closed."""


class Note(Request, tag="note"):
    """Put a line in the log."""

    text: str


class End(Request, tag="end"):
    """End the bench."""


Immediate = Hello | Own | Disown | Release | Cables | Fault | Note | End
AnyRequest = Advance | HoldAt | Immediate
VERBS = ("hello", "own", "disown", "advance", "hold_at", "release", "cables", "fault", "note", "end")

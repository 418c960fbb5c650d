"""What lies between a simulated instrument and its host, as the bench meets it: counted, marked, spoilt on request."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from simulators.device import SECOND_NS
from simulators.faults import CableFault

LONGEST_LINE = 1 << 20
MARKS_KEPT = 1 << 16

Frame = tuple[int, bytes]
"""What an instrument sends unasked, with the bench time of its last byte in ns."""

Receive = Callable[[bytes], bytes]
"""Gives the instrument bytes and answers its reply, in no time of the bench."""


class Cable(Protocol):
    """One instrument's cable, as the control port sees it; `transport` is what it is made of.

    `sent_total` and `received_total` count bytes to and from hosts since the start; `lost_total` those that a host was
    there for and that found no room.
    """

    name: str
    transport: str
    sent_total: int
    received_total: int
    lost_total: int

    @property
    def address(self) -> str:
        """Where a host finds the instrument."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a host is at the other end."""
        ...

    @property
    def previous_reply(self) -> bytes:
        """The last reply of the instrument, as it left it."""
        ...

    @property
    def room_bytes(self) -> int | None:
        """How many bytes may still come unasked before a host must read; None when it may be any number."""
        ...

    def open(self) -> None:
        """Begin to serve."""
        ...

    def set_fault(self, fault: CableFault) -> None:
        """Let this be wrong from now on, in place of what was wrong before."""
        ...

    def lose_power(self) -> None:
        """The instrument has lost its power for a moment, and what hung on that is gone."""
        ...

    def emit(self, frames: Sequence[Frame]) -> None:
        """Send what comes unasked or late: frames, in the order of their times."""
        ...

    def take_marks(self) -> list[tuple[int, float]]:
        """Where unasked bytes ended since this was last asked: running offset and bench second after each frame.

        Whoever asks this lets hosts read what came: from now on there is as much room as there can be.
        """
        ...

    def close(self) -> None:
        """Stop serving."""
        ...


class Marks:
    """Where frames ended: running offset and bench second of each. Of very many the oldest are forgotten."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque(maxlen=MARKS_KEPT)

    def note(self, frames: Sequence[Frame], offset: int, taken: int) -> None:
        """Frames were put on a cable at an offset, one after the other, and so many of their bytes went in."""
        end = offset + taken
        for time_ns, data in frames:
            if offset == end:
                return
            offset = min(offset + len(data), end)
            if data:
                self._marks.append((offset, time_ns / SECOND_NS))

    def forget_after(self, offset: int) -> None:
        """What was noted beyond an offset has not come to pass."""
        while self._marks and self._marks[-1][0] > offset:
            self._marks.pop()

    def take(self) -> list[tuple[int, float]]:
        """All that was noted since this was last asked."""
        marks = list(self._marks)
        self._marks.clear()
        return marks


class WholeLines:
    """Puts the pieces that come from a host together to lines; of an endless one, the front is lost.

    Without a line end they are passed on as they come.
    """

    def __init__(self, line_end: bytes | None) -> None:
        self._line_end = line_end
        self._unfinished = b""

    def feed(self, data: bytes) -> bytes:
        """The lines that these bytes complete, with their ends; empty when they complete none."""
        if self._line_end is None:
            return data
        lines, end, rest = (self._unfinished + data).rpartition(self._line_end)
        self._unfinished = rest[-LONGEST_LINE:]
        return lines + end

    def clear(self) -> None:
        """Forget what was begun."""
        self._unfinished = b""

"""The transmitter of a serial line: bytes take their time at the baud rate, and what finds it busy is not sent."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.device import SECOND_NS

Frame = tuple[int, bytes]
"""What is sent, with the bench time of its last byte."""


class PacedLine:
    """Sends one frame after another; nothing is queued but replies."""

    def __init__(self, baud: int, character_bits: int) -> None:
        self._baud = baud
        self._character_bits = character_bits
        self._free_ns = 0
        self._frames: list[Frame] = []

    def sending_ns(self, byte_count: int) -> int:
        """Time so many bytes take."""
        return byte_count * self._character_bits * SECOND_NS // self._baud

    def reply(self, byte_count: int, now_ns: int) -> None:
        """A reply goes out at once: the line is busy for as long as it takes."""
        self._free_ns = max(self._free_ns, now_ns) + self.sending_ns(byte_count)

    def accepts(self, begins_ns: NDArray[np.int64], byte_count: int, period_ns: int) -> slice:
        """Which frames of one length that begin at these times, a period apart, find it free."""
        if not len(begins_ns):
            return slice(0, 0)
        first = max(0, -(-(self._free_ns - int(begins_ns[0])) // period_ns))
        return slice(first, None, self.periods(byte_count, period_ns))

    def periods(self, byte_count: int, period_ns: int) -> int:
        """How many periods a frame takes, at least one."""
        return max(1, -(-self.sending_ns(byte_count) // period_ns))

    def send(self, begins_ns: NDArray[np.int64], frames: Sequence[bytes]) -> None:
        """Send frames of one length that begin at these times, and find it free."""
        if not frames:
            return
        ends_ns = begins_ns + self.sending_ns(len(frames[0]))
        self._free_ns = int(ends_ns[-1])
        self._frames += zip(ends_ns.tolist(), frames, strict=True)

    def take(self, reached_ns: int) -> list[Frame]:
        """What has left by a time, and forget it; a frame that is still leaving stays."""
        leaving = self._frames[-1:] if self._frames and self._frames[-1][0] > reached_ns else []
        left = self._frames[:-1] if leaving else self._frames
        self._frames = leaving
        return left

    def lose_power(self, now_ns: int) -> None:
        """The frame that is leaving breaks off."""
        self._free_ns = 0
        if self._frames and self._frames[-1][0] > now_ns:
            end_ns, frame = self._frames.pop()
            left = (now_ns - end_ns + self.sending_ns(len(frame))) // self.sending_ns(1)
            if left > 0:
                self._frames.append((now_ns, frame[:left]))

"""Bytes that came unasked, with the seconds they came at, until somebody takes them."""

from collections import deque
from collections.abc import Sequence

from drivers.framing import Chunk

Mark = tuple[int, float]
"""How many bytes had been sent after a frame, since the cable was opened, and the clock's second of that moment."""

LOST_BYTES = b"\x00"
"""What stands where bytes were dropped; it is in no frame, of either parity or none."""

BOUND_BYTES = 1 << 20


class StreamBuffer:
    """Holds at most `bound_bytes`. What is dropped beyond, the oldest first, is counted and leaves `LOST_BYTES`."""

    def __init__(self, bound_bytes: int = BOUND_BYTES) -> None:
        self.received_total = 0
        self.lost_total = 0
        self._bound_bytes = bound_bytes
        self._chunks: deque[Chunk] = deque()
        self._held_bytes = 0
        self._stamped_total = 0
        self._lost_second: float | None = None

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def append(self, second: float, data: bytes) -> None:
        """Keep bytes that came at a second, not empty."""
        self._chunks.append((second, data))
        self.received_total += len(data)
        self._held_bytes += len(data)
        while self._held_bytes > self._bound_bytes:
            self._drop(self._held_bytes - self._bound_bytes)

    def take(self) -> list[Chunk]:
        """Hand over all that is held, oldest first, and forget it."""
        taken = list(self._chunks)
        if self._lost_second is not None:
            taken.insert(0, (self._lost_second, LOST_BYTES))
        self._chunks.clear()
        self._held_bytes, self._lost_second = 0, None
        return taken

    def count_from(self, total: int) -> None:
        """Forget all that is held and go on with the byte after `total`."""
        self.take()
        self.received_total = self._stamped_total = total

    def skip_to(self, total: int) -> None:
        """What has not come of the bytes up to `total` was lost, before those that are held."""
        self.received_total = max(self.received_total, total)

    def stamp(self, marks: Sequence[Mark]) -> None:
        """Give bytes the seconds at which a simulated clock says they were sent.

        Bytes up to a mark's offset and after the one before get its second. Bytes beyond the last mark, and those
        stamped before, keep theirs. Offsets rise; bytes that are no longer or not yet here are passed over.
        """
        first_total = self.received_total - self._held_bytes
        data = b"".join([part for _, part in self._chunks])
        begin = min(max(self._stamped_total - first_total, 0), len(data))
        stamped = _from_to(self._chunks, 0, begin)
        for offset, second in marks:
            end = min(offset - first_total, len(data))
            if end > begin:
                stamped.append((second, data[begin:end]))
                begin = end
        stamped.extend(_from_to(self._chunks, begin, len(data)))
        self._chunks = deque(stamped)
        self._stamped_total = first_total + begin

    def _drop(self, count: int) -> None:
        second, data = self._chunks.popleft()
        if len(data) > count:
            self._chunks.appendleft((second, data[count:]))
        dropped = min(count, len(data))
        self._held_bytes -= dropped
        self.lost_total += dropped
        self._lost_second = second


def _from_to(chunks: Sequence[Chunk], begin: int, end: int) -> list[Chunk]:
    """The bytes `begin … end` of chunks, at the chunks' own seconds."""
    found: list[Chunk] = []
    if end <= begin:
        return found
    position = 0
    for second, part in chunks:
        piece = part[max(begin - position, 0) : max(end - position, 0)]
        if piece:
            found.append((second, piece))
        position += len(part)
    return found

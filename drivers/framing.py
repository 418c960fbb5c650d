"""Lines out of bytes that come in pieces, each line with the second at which its first byte came."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from drivers.roles import Floats, Integers

Chunk = tuple[float, bytes]
"""Bytes, and the clock's second at which they came."""

LONGEST_LINE_BYTES = 64
BAD_PARITY = 0xFF
"""What stands for a byte whose parity was wrong; no 7-bit character is it."""


class Parity(StrEnum):
    """What the eighth bit of every byte is. `NONE`: nothing, and a byte that has it set is no character."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


def parity_table(parity: Parity) -> bytes | None:
    """What each byte of a line with this parity is as a character, for `bytes.translate`; None leaves them."""
    if parity is Parity.NONE:
        return None
    odd = 1 if parity is Parity.ODD else 0
    return bytes(code & 0x7F if code.bit_count() % 2 == odd else BAD_PARITY for code in range(256))


def with_parity(characters: bytes, parity: Parity) -> bytes:
    """7-bit characters as they are sent on a line with this parity."""
    if parity is Parity.NONE:
        return characters
    odd = 1 if parity is Parity.ODD else 0
    return bytes(code | 0x80 if code.bit_count() % 2 != odd else code for code in characters)


@dataclass(frozen=True)
class Lines:
    """Whole lines one after another in `data`, their ends included.

    `ends` (n,) are offsets in `data` after each line's last byte; `second` (n,) is when its first byte came: what a
    line says was measured before, however late its rest arrives.
    """

    data: bytes
    ends: Integers
    second: Floats

    @property
    def starts(self) -> Integers:
        """Offsets in `data` of each line's first byte, (n,)."""
        return np.concatenate(([0], self.ends[:-1])) if len(self.ends) else self.ends

    def text(self, index: int) -> bytes:
        """One line with its end; of a line too long to be one, the first `LONGEST_LINE_BYTES`."""
        start = int(self.ends[index - 1]) if index else 0
        return self.data[start : int(self.ends[index])][:LONGEST_LINE_BYTES]


class LineFramer:
    """Cuts a stream after every last byte of `line_end`. It keeps at most `LONGEST_LINE_BYTES` of an unfinished line.

    How the bytes were cut into chunks makes no difference. A byte of wrong parity becomes `BAD_PARITY`.
    """

    def __init__(self, line_end: bytes, parity: Parity = Parity.NONE, *, whole_end: bool = False) -> None:
        """With `whole_end` a line ends only with all of its end: the last byte alone may be within."""
        self._last_code = line_end[-1]
        self._code_before = line_end[-2] if whole_end and len(line_end) > 1 else None
        self._parity_table = parity_table(parity)
        self._kept = b""
        self._kept_second = 0.0

    def feed(self, chunks: Sequence[Chunk]) -> Lines:
        """The lines that these bytes, in the order they came, make whole."""
        new = b"".join([part for _, part in chunks])
        if self._parity_table is not None:
            new = new.translate(self._parity_table)
        data = self._kept + new
        codes = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(codes == self._last_code) + 1
        if self._code_before is not None:
            ends = ends[(ends > 1) & (codes[ends - 2] == self._code_before)]
        whole_bytes = int(ends[-1]) if len(ends) else 0
        pieces = [(self._kept_second, self._kept), *chunks]
        piece_ends = np.cumsum([len(part) for _, part in pieces])
        piece_begins = np.concatenate(([0], piece_ends[:-1]))
        piece_second = np.array([second for second, _ in pieces], dtype=np.float64)
        second = piece_second[np.searchsorted(piece_begins, np.concatenate(([0], ends)), "right") - 1]
        self._kept, self._kept_second = data[whole_bytes : whole_bytes + LONGEST_LINE_BYTES], float(second[-1])
        return Lines(data[:whole_bytes], ends, second[:-1])

    def reset(self) -> None:
        """Forget an unfinished line: the way was opened anew."""
        self._kept = b""

"""The 18-byte frames of A&D weighing indicators, many at once."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

FRAME_BYTES = 18
PLACES = 7
"""Characters of the data field after its sign: digits and, if there are decimals, one point."""

_SIGN, _DATA, _UNIT, _END = 6, 7, 14, 16
_SPACE, _ZERO, _POINT = ord(" "), ord("0"), ord(".")


class Header(IntEnum):
    """What the first header says of a display."""

    STABLE = 0
    UNSTABLE = 1
    OVER = 2
    HELD = 3


def digits_for(decimals: int) -> int:
    """How many digits a frame has with so many decimals."""
    return PLACES - 1 if decimals else PLACES


class FrameWriter:
    """Writes frames with one number of decimals, one unit and one word for out of range.

    Source: load-cell.md §1.1 [manual AD-4402, AD-4404, AD-4405, AD-4406, AD-4410]. A display out of range has spaces
    for its digits; that its sign is blank too is [unverified].
    """

    def __init__(self, decimals: int, unit: str, over_word: str = "OL") -> None:
        self._decimals = decimals
        self._unit = unit.rjust(2).encode("ascii")
        words = ("ST", "US", over_word, "HD")
        self._words = np.frombuffer("".join(words).encode("ascii"), dtype=np.uint8).reshape(len(words), 2)

    def write(self, kind: str, headers: Sequence[int] | NDArray[np.intp], last_digits: Counts) -> list[bytes]:
        """One frame for each display.

        Args:
            kind: second header, `GS`, `NT` or `TR`.
            headers: shape (n,), values of `Header`.
            last_digits: shape (n,), what is shown, in units of the last digit, with its sign.
        """
        count = len(last_digits)
        frame = f"  ,{kind},+0000000".encode("ascii") + self._unit + b"\r\n"
        bytes_ = np.tile(np.frombuffer(frame, dtype=np.uint8), (count, 1))
        bytes_[:, :2] = self._words[headers]
        bytes_[:, _SIGN] = np.where(last_digits < 0, ord("-"), ord("+"))
        self._write_digits(bytes_[:, _DATA:_UNIT], np.abs(last_digits))
        over = np.asarray(headers) == Header.OVER
        if over.any():
            field = bytes_[:, _SIGN:_UNIT]
            field[over[:, np.newaxis] & (field != _POINT)] = _SPACE
        text = bytes_.tobytes()
        return [text[start : start + FRAME_BYTES] for start in range(0, len(text), FRAME_BYTES)]

    def _write_digits(self, field: NDArray[np.uint8], rest: Counts) -> None:
        places = list(range(PLACES))
        if self._decimals:
            point = PLACES - 1 - self._decimals
            field[:, point] = _POINT
            places.remove(point)
        for place in reversed(places):
            rest, digit = np.divmod(rest, 10)
            field[:, place] = digit + _ZERO

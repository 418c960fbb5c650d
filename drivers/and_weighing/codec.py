"""A&D standard frames as readings: strict, so that what is no whole frame is never a number."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.framing import Lines
from drivers.roles import Floats, Integers, LoadBlock, LoadStatus

SOURCE = "A&D AD-4402 p80, AD-4406A p45, AD-4410 p54 [manual]"

NUMBER_WIDTH = 8
UNIT_WIDTHS = (2, 3)
"""CF07 of the indicator chooses. Source: `SOURCE`."""

WIDE_NUMBER_WIDTH = 11
WIDE_UNIT_WIDTHS = (6,)
"""Of a frame as one gateway sends it, `ST,GS,+      0.00     g` [code: fs#16208627097]."""

HEADER_WIDTH = 6
H2_BY_WEIGHT = {"gross": (b"GS", b"G "), "net": (b"NT", b"N ")}
"""Tare (`TR`) is no load and so never a reading. Source: `SOURCE`."""

MOST_ADDRESS = 99
MANY_LINES = 32
"""From how many on they are read together; fewer are read faster one by one."""

_UNIT = re.compile(r"[A-Za-z]{1,3}")
_STATUS_BY_H1 = {b"ST": LoadStatus.STABLE, b"US": LoadStatus(0)}
_OVERLOADED = frozenset({b"OL", b"LO"})
_HELD = b"HD"
_ZERO = ord("0")

Codes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class AndFormat:
    """How one indicator is set; a frame of any other form is unreadable.

    `unit` is spelt as the indicator sends it. `weight` is "gross" or "net", `decimal_mark` "." or ",". `address` is
    sent as `@nn` before the data, None when it is not. `is_wide`: eleven characters of number and six of unit.
    """

    unit: str
    weight: str = "gross"
    decimal_mark: str = "."
    line_end: bytes = b"\r\n"
    address: int | None = None
    is_wide: bool = False

    def __post_init__(self) -> None:
        if not _UNIT.fullmatch(self.unit):
            raise ValueError(f"unit {self.unit!r} is not one to three letters")
        if self.weight not in H2_BY_WEIGHT:
            raise ValueError(f"weight {self.weight!r} is neither gross nor net")
        if self.decimal_mark not in {".", ","}:
            raise ValueError(f"decimal mark {self.decimal_mark!r} is neither . nor ,")
        if self.line_end not in {b"\r\n", b"\r"}:
            raise ValueError(f"line end {self.line_end!r} is neither CR LF nor CR")
        if self.address is not None and not 1 <= self.address <= MOST_ADDRESS:
            raise ValueError(f"address {self.address} is not 1 to {MOST_ADDRESS}")


class FrameDecoder:
    """Reads the frames of one indicator: many at a time where they are plain, one by one where they are not."""

    def __init__(self, frame_format: AndFormat) -> None:
        self._format = frame_format
        self._prefix = b"" if frame_format.address is None else b"@%02d" % frame_format.address
        self._h2 = H2_BY_WEIGHT[frame_format.weight]
        self._mark = frame_format.decimal_mark.encode()
        self._number_width = WIDE_NUMBER_WIDTH if frame_format.is_wide else NUMBER_WIDTH
        unit_widths = WIDE_UNIT_WIDTHS if frame_format.is_wide else UNIT_WIDTHS
        unit = frame_format.unit.encode()
        self._units = tuple(unit.rjust(width) for width in unit_widths if len(unit) <= width)
        mark = re.escape(self._mark)
        self._number = re.compile(rb"[+-] *[0-9]+(?:%b[0-9]*)?" % mark)
        self._blank = re.compile(rb"[ +-] *(?:%b *)?" % mark)

    def decode(self, lines: Lines) -> LoadBlock:
        """One reading for each line that is not empty, in their order."""
        starts = lines.starts
        count = len(starts)
        displayed = np.full(count, np.nan)
        status = np.full(count, int(LoadStatus.UNREADABLE), dtype=np.int64)
        is_pending = np.ones(count, dtype=np.bool_)
        codes = np.frombuffer(lines.data, np.uint8)
        for unit in self._units if count >= MANY_LINES else ():
            rows, values, words = self._plain(codes, lines, starts, unit)
            displayed[rows], status[rows], is_pending[rows] = values, words, False
        is_empty = np.zeros(count, dtype=np.bool_)
        for index in np.flatnonzero(is_pending):
            text = lines.text(int(index))
            is_empty[index] = text == self._format.line_end
            displayed[index], status[index] = self._decode_one(text)
        if is_empty.any():
            kept = ~is_empty
            return LoadBlock(lines.second[kept], displayed[kept], status[kept], self._format.unit)
        return LoadBlock(lines.second, displayed, status, self._format.unit)

    def _decode_one(self, line: bytes) -> tuple[float, int]:
        unreadable = (np.nan, int(LoadStatus.UNREADABLE))
        if not (line.startswith(self._prefix) and line.endswith(self._format.line_end)):
            return unreadable
        body = line[len(self._prefix) : -len(self._format.line_end)]
        h1, h2, rest = body[:2], body[3:5], body[HEADER_WIDTH:]
        number, unit = rest[: self._number_width], rest[self._number_width :]
        if body[2:3] != b"," or body[5:6] != b"," or h2 not in self._h2 or unit not in self._units:
            return unreadable
        if h1 in _OVERLOADED and self._blank.fullmatch(number):
            return np.nan, int(LoadStatus.OVERLOAD)
        if self._number.fullmatch(number) is None:
            return unreadable
        if h1 == _HELD:
            return np.nan, int(LoadStatus.HELD)
        known = _STATUS_BY_H1.get(h1)
        if known is None:
            return unreadable
        return float(number.replace(b" ", b"").replace(self._mark, b".")), int(known)

    def _plain(self, codes: Codes, lines: Lines, starts: Integers, unit: bytes) -> tuple[Integers, Floats, Integers]:
        """Which lines are frames with this unit and a number without spaces in it, with their values and status."""
        number_start = len(self._prefix) + HEADER_WIDTH
        number_end = number_start + self._number_width
        tail = unit + self._format.line_end
        rows = np.flatnonzero(lines.ends - starts == number_end + len(tail))
        if not len(rows):
            return rows, np.empty(0), rows
        grid = codes[starts[rows, np.newaxis] + np.arange(number_end + len(tail))]
        is_stable = _begins(grid, self._prefix + b"ST," + self._h2[0] + b",")
        is_frame = is_stable | _begins(grid, self._prefix + b"US," + self._h2[0] + b",")
        is_frame &= _begins(grid[:, number_end:], tail)
        values, is_number = _numbers(grid[:, number_start:number_end], ord(self._mark))
        is_frame &= is_number
        words = np.where(is_stable, int(LoadStatus.STABLE), 0)
        return rows[is_frame], values[is_frame], words[is_frame]


def _begins(grid: Codes, text: bytes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (grid[:, : len(text)] == np.frombuffer(text, np.uint8)).all(axis=1)
    return found


def _numbers(grid: Codes, mark: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Values of rows of sign and digits, at most one decimal mark among them; and which rows are such."""
    sign, body = grid[:, 0], grid[:, 1:]
    digits = body - np.uint8(_ZERO)
    is_digit = digits <= 9
    is_mark = body == mark
    is_number = (is_digit | is_mark).all(axis=1) & (is_mark.sum(axis=1) <= 1) & is_digit[:, 0]
    is_number &= (sign == ord("+")) | (sign == ord("-"))
    whole = np.zeros(len(grid), dtype=np.int64)
    for column in range(body.shape[1]):
        whole = np.where(is_digit[:, column], whole * 10 + digits[:, column], whole)
    decimals = np.where(is_mark.any(axis=1), body.shape[1] - 1 - is_mark.argmax(axis=1), 0)
    # Both are exact in binary, so the quotient is the same float that the text is.
    value = whole / 10.0**decimals
    return np.where(sign == ord("-"), -value, value), is_number

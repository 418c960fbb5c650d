"""CAS 22-byte frames as readings: read by their places, since the device's number may look like anything."""

import re
from dataclasses import dataclass

import numpy as np

from drivers.framing import Lines
from drivers.roles import LoadBlock, LoadStatus

SOURCE = "CAS CI-600D p75, CI-400 p104 [manual]; hardware capture [code: fs#70204769615]"

FRAME_BYTES = 22
LINE_END = b"\r\n"
H2_BY_WEIGHT = {"gross": b"GS", "net": b"NT"}
FIXED, STABLE, HELD = 0x80, 0x40, 0x10
"""Of the lamp byte: bit 7 is always set, bit 6 is stable, bit 4 hold. Source: `SOURCE`."""

_UNIT = re.compile(r"[A-Za-z]{1,2}")
_NUMBER = re.compile(rb" *-?0*[0-9]+(?:\.[0-9]*)?|-[0-9 ]*[0-9](?:\.[0-9]*)?")
_BLANK = re.compile(rb"[ -]*(?:\.[ -]*)?")
_STATUS_BY_H1 = {b"ST": LoadStatus.STABLE, b"US": LoadStatus(0)}


@dataclass(frozen=True, kw_only=True)
class CasFormat:
    """How one indicator is set. `device` is its number, 0 to 99, None for any; both ways to write it are taken."""

    unit: str
    weight: str = "gross"
    device: int | None = None

    def __post_init__(self) -> None:
        if not _UNIT.fullmatch(self.unit):
            raise ValueError(f"unit {self.unit!r} is not one or two letters")
        if self.weight not in H2_BY_WEIGHT:
            raise ValueError(f"weight {self.weight!r} is neither gross nor net")
        if self.device is not None and not 0 <= self.device <= 99:
            raise ValueError(f"device {self.device} is not 0 to 99")


class CasDecoder:
    """Reads the frames of one indicator; what differs from them in any place is unreadable."""

    def __init__(self, cas_format: CasFormat) -> None:
        self._format = cas_format
        self._h2 = H2_BY_WEIGHT[cas_format.weight]
        self._unit = cas_format.unit.encode().rjust(2)
        device = cas_format.device
        self._devices = None if device is None else {device, (0x30 + device) & 0xFF}

    def decode(self, lines: Lines) -> LoadBlock:
        """One reading for each line that is not empty, in their order."""
        texts = [lines.text(index) for index in range(len(lines.ends))]
        kept = np.array([text != LINE_END for text in texts], dtype=np.bool_)
        readings = [self._decode_one(text) for text in texts if text != LINE_END]
        displayed = np.array([value for value, _ in readings], dtype=np.float64)
        status = np.array([int(word) for _, word in readings], dtype=np.int64)
        return LoadBlock(lines.second[kept], displayed, status, self._format.unit)

    def _decode_one(self, frame: bytes) -> tuple[float, LoadStatus]:
        unreadable = (np.nan, LoadStatus.UNREADABLE)
        if not self._is_ours(frame):
            return unreadable
        h1, lamp, number = frame[:2], frame[7], frame[9:17]
        if h1 == b"OL":
            return (np.nan, LoadStatus.OVERLOAD) if _BLANK.fullmatch(number) or _is_number(number) else unreadable
        known = _STATUS_BY_H1.get(h1)
        if known is None or not _is_number(number) or bool(lamp & STABLE) != (h1 == b"ST"):
            return unreadable
        if lamp & HELD:
            return np.nan, LoadStatus.HELD
        return float(number.replace(b" ", b"")), known

    def _is_ours(self, frame: bytes) -> bool:
        commas = len(frame) == FRAME_BYTES and (frame[2:3], frame[5:6], frame[8:9]) == (b",", b",", b",")
        if not commas or frame[3:5] != self._h2 or not frame[7] & FIXED:
            return False
        if self._devices is not None and frame[6] not in self._devices:
            return False
        return frame[17:18] == b" " and frame[18:20] == self._unit and frame.endswith(LINE_END)


def _is_number(number: bytes) -> bool:
    return _NUMBER.fullmatch(number) is not None

"""The 22-byte frames of CAS weighing indicators."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.and_frames import Header

FRAME_BYTES = 22
WIDTH = 8
_FIXED, _STABLE, _ALSO_FIXED, _HELD, _GROSS, _NET, _ZERO = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02, 0x01


class CasFrameWriter:
    """Writes frames with one number of decimals and one unit.

    Two ways to write the device's number, and two to pad, are both in the field: `manual` puts the number as a
    character after 0 and pads with zeros, `hardware` sends the bare number and pads with spaces. Source: load-cell.md
    §1.2 [manual CI-600D; code: fs#70204769615]. Out of range and held: spaces for digits and `OL`, as of the other
    makers, and the lamp of hold [unverified].
    """

    def __init__(self, decimals: int, unit: str, *, device: int = 0, style: str = "hardware") -> None:
        self._decimals = decimals
        self._unit = unit.rjust(2).encode("ascii")
        self._is_manual = style == "manual"
        self._device = bytes([0x30 + device if self._is_manual else device])

    def write(
        self, kind: str, headers: Sequence[int] | NDArray[np.intp], last_digits: NDArray[np.int64]
    ) -> list[bytes]:
        """One frame for each display; see `FrameWriter.write`. Tare has no header of its own: it is sent as net."""
        shown = "NT" if kind == "TR" else kind
        return [
            self._write(shown, int(header), int(digits)) for header, digits in zip(headers, last_digits, strict=True)
        ]

    def _write(self, kind: str, header: int, digits: int) -> bytes:
        h1 = {Header.STABLE: "ST", Header.OVER: "OL"}.get(Header(header), "US")
        lamp = _FIXED | (_GROSS if kind == "GS" else _NET)
        lamp |= _STABLE if header == Header.STABLE else 0
        lamp |= _HELD if header == Header.HELD else 0
        lamp |= _ZERO if digits == 0 else 0
        number = self._number(digits).encode("ascii")
        if header == Header.OVER:
            number = bytes(byte if byte == ord(".") else ord(" ") for byte in number)
        return f"{h1},{kind},".encode() + self._device + bytes([lamp]) + b"," + number + b" " + self._unit + b"\r\n"

    def _number(self, digits: int) -> str:
        text = f"{digits / 10**self._decimals:.{self._decimals}f}"
        return text.zfill(WIDTH) if self._is_manual else text.rjust(WIDTH)

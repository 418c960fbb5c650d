"""Takes out of a capture what points at one machine or one laboratory: the same thing becomes the same thing. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from daemon.capture.transcript import HOST, INSTRUMENT, PARITIES, Did, Sent, Transcript, with_found_parity
from drivers.framing import parity_table, with_parity

MAC = re.compile(rb"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])")
NETWORK_ADDRESS = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
SHORTEST_SECRET = 3
"""Shorter texts are too common to be taken out wherever they stand."""
MODBUS_READ = 3


@dataclass
class Redactor:
    """Replaces secrets by words of the same length, so that frames stay whole.

    `words` are texts to take out wherever they stand, with what each is: `serial_number` or `host`.
    """

    words: dict[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    _instead: dict[bytes, bytes] = field(default_factory=dict)

    def data(self, data: bytes) -> bytes:
        """The same bytes without what is secret."""
        for word, kind in sorted(self.words.items(), key=lambda entry: -len(entry[0])):
            if len(word) >= SHORTEST_SECRET:
                pattern = re.compile(rb"(?<![0-9A-Za-z])" + re.escape(word.encode()) + rb"(?![0-9A-Za-z])")
                data = self._replaced(pattern, kind, data)
        data = self._replaced(MAC, "mac", data)
        return self._replaced(NETWORK_ADDRESS, "network_address", data)

    def text(self, text: str) -> str:
        """The same text without what is secret."""
        return self.data(text.encode()).decode()

    def number(self, value: int) -> int:
        """A number in place of a secret one that is sent as such."""
        return int(self._stand_in(str(value).encode(), "serial_number")) & 0xFFFF

    def _replaced(self, pattern: re.Pattern[bytes], kind: str, data: bytes) -> bytes:
        return pattern.sub(lambda found: self._stand_in(found[0], kind), data)

    def _stand_in(self, secret: bytes, kind: str) -> bytes:
        if secret in self._instead.values():
            return secret
        if secret not in self._instead:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            is_hexadecimal = kind == "mac"
            self._instead[secret] = _same_length(secret, self.counts[kind], is_hexadecimal=is_hexadecimal)
        return self._instead[secret]


def _same_length(secret: bytes, number: int, *, is_hexadecimal: bool) -> bytes:
    """The secret with its digits 0 and its letters X, its last digits or letters saying which one it is.

    A whole number stays one of as many digits: it may be sent as a number too.
    """
    blank = re.sub(rb"[0-9A-Fa-f]" if is_hexadecimal else rb"[0-9]", b"0", secret)
    blank = blank if is_hexadecimal else re.sub(rb"[A-Za-z]", b"X", blank)
    places = [index for index, code in enumerate(blank) if code in b"0X"]
    made = bytearray(blank)
    for index, digit in zip(reversed(places), reversed(str(number)), strict=False):
        made[index] = ord(digit)
    if secret.isdigit() and not secret.startswith(b"0"):
        made[0] = ord("1")
    return bytes(made)


def redacted(transcript: Transcript, words: dict[str, str]) -> Transcript:
    """A capture without the serial numbers and hosts that are named, and without any MAC or IPv4 address.

    What a direction sent is looked at in one piece: a serial number in two halves is found. A serial number that goes
    as a number over Modbus RTU is found too, and the check of its frame made anew.
    """
    transcript = with_found_parity(transcript)
    redactor = Redactor(words)
    by_side = {side: _in_pieces(transcript, side, redactor.data) for side in (HOST, INSTRUMENT)}
    numbers = [int(word) for word, kind in words.items() if kind == "serial_number" and word.isdecimal()]
    entries: list[Sent | Did] = []
    for entry in transcript.entries:
        if isinstance(entry, Did):
            entries.append(replace(entry, gave=_in_json(entry.gave, redactor)))
        else:
            piece = by_side[entry.by].pop(0)
            entries.append(replace(entry, data=_in_registers(piece, numbers, redactor)))
    about = _in_json(transcript.about, redactor)
    return replace(transcript, about=about, entries=tuple(entries), redacted=dict(redactor.counts))


def _in_pieces(transcript: Transcript, side: str, change: Callable[[bytes], bytes]) -> list[bytes]:
    """What a side sent, changed as a whole and cut again as it was. Parity is taken off and put back."""
    parity = PARITIES[transcript.parity]
    table = parity_table(parity)
    whole = transcript.sent_by(side)
    changed = change(whole if table is None else whole.translate(table))
    changed = changed if table is None else with_parity(changed, parity)
    pieces, position = [], 0
    for entry in transcript.entries:
        if isinstance(entry, Sent) and entry.by == side:
            pieces.append(changed[position : position + len(entry.data)])
            position += len(entry.data)
    return pieces


def _in_json(value: Any, redactor: Redactor) -> Any:  # noqa: ANN401  (JSON)
    return json.loads(redactor.text(json.dumps(value, ensure_ascii=False)))


def _in_registers(frame: bytes, numbers: Iterable[int], redactor: Redactor) -> bytes:
    """A whole Modbus RTU reply with a secret number in a register; anything else as it is."""
    if len(frame) < 7 or frame[1] != MODBUS_READ or frame[2] != len(frame) - 5 or _check(frame[:-2]) != frame[-2:]:
        return frame
    changed = bytearray(frame[:-2])
    for place in range(3, len(changed), 2):
        value = int.from_bytes(changed[place : place + 2], "big")
        if value in numbers and value >= 10 ** (SHORTEST_SECRET - 1):
            changed[place : place + 2] = redactor.number(value).to_bytes(2, "big")
    return bytes(changed) + _check(bytes(changed))


def _check(data: bytes) -> bytes:
    """CRC of a Modbus RTU frame, low byte first. Source: Modbus over serial line V1.02, appendix B."""
    check = 0xFFFF
    for code in data:
        check ^= code
        for _ in range(8):
            check = (check >> 1) ^ 0xA001 if check & 1 else check >> 1
    return check.to_bytes(2, "little")

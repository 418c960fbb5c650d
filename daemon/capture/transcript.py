"""The file of a capture: what went over a cable, in which direction and when, and what the driver made of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from drivers.framing import BAD_PARITY, Parity, parity_table, with_parity

FORMAT = "presscell-capture/1"
HOST, INSTRUMENT = "host", "instrument"
PARITIES = {"even": Parity.EVEN, "odd": Parity.ODD, "none": Parity.NONE}
_CONTROLS = frozenset(b"\r\n\t")


class NotATranscriptError(ValueError):
    """A file that is none, or of another version; the text says which line."""


@dataclass(frozen=True)
class Sent:
    """Bytes as they passed, `second` after the capture began. `by` is `HOST` or `INSTRUMENT`."""

    second: float
    by: str
    data: bytes


@dataclass(frozen=True)
class Did:
    """A verb of the driver that has ended, and what it gave: JSON, without times."""

    second: float
    verb: str
    gave: Any


@dataclass(frozen=True)
class Transcript:
    """`about` is who was spoken to and how: role, driver, settings of the station without its address, transport."""

    about: dict[str, Any]
    entries: tuple[Sent | Did, ...] = ()
    parity: str = "none"
    redacted: dict[str, int] = field(default_factory=dict)

    def sent_by(self, side: str) -> bytes:
        """All that one side sent, in one piece."""
        return b"".join(entry.data for entry in self.entries if isinstance(entry, Sent) and entry.by == side)

    def as_text(self) -> str:
        """The file's text: a line of JSON about it, then one an entry."""
        about = {"format": FORMAT, **self.about, "parity": self.parity, "redacted": self.redacted}
        lines = [about, *(_line(entry, PARITIES[self.parity]) for entry in self.entries)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def with_found_parity(transcript: Transcript) -> Transcript:
    """The same with the parity that all bytes of it have in their eighth bit; none where they have no such thing."""
    data = transcript.sent_by(HOST) + transcript.sent_by(INSTRUMENT)
    for name in ("even", "odd"):
        table = parity_table(PARITIES[name])
        if table is not None and any(code & 0x80 for code in data) and BAD_PARITY not in data.translate(table):
            return replace(transcript, parity=name)
    return replace(transcript, parity="none")


def read_transcript(text: str) -> Transcript:
    """A file's transcript. Raises `NotATranscriptError`."""
    lines = text.splitlines()
    try:
        about = json.loads(lines[0])
        found = about.pop("format")
        parity, redacted = about.pop("parity"), about.pop("redacted")
        entries = tuple(_entries(lines[1:], PARITIES[parity]))
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotATranscriptError(f"this is no capture: {type(error).__name__} {error}") from error
    if found != FORMAT:
        raise NotATranscriptError(f"this is a {found}, not a {FORMAT}")
    return Transcript(about, entries, parity, redacted)


def _line(entry: Sent | Did, parity: Parity) -> dict[str, Any]:
    if isinstance(entry, Did):
        return {"second": round(entry.second, 6), "did": entry.verb, "gave": entry.gave}
    return {"second": round(entry.second, 6), "by": entry.by, **_written(entry.data, parity)}


def _written(data: bytes, parity: Parity) -> dict[str, str]:
    table = parity_table(parity)
    characters = data if table is None else data.translate(table)
    if all(32 <= code < 127 or code in _CONTROLS for code in characters):
        return {"text": characters.decode("ascii")}
    return {"hex": data.hex(" ")}


def _entries(lines: Iterable[str], parity: Parity) -> Iterator[Sent | Did]:
    for line in lines:
        said = json.loads(line)
        if "did" in said:
            yield Did(said["second"], said["did"], said["gave"])
            continue
        data = with_parity(said["text"].encode("ascii"), parity) if "text" in said else bytes.fromhex(said["hex"])
        if said["by"] not in {HOST, INSTRUMENT}:
            raise ValueError(f"{said['by']!r} is nobody")
        yield Sent(said["second"], said["by"], data)

"""A capture of one instrument from beginning to end: the tap, what is said, and what is left when secrets are out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from daemon.capture.dialogue import converse
from daemon.capture.redaction import redacted
from daemon.capture.relay import tapped
from daemon.capture.transcript import Did, Sent, Transcript
from daemon.clock import Clock
from daemon.service.places import Place
from daemon.station.instrument_settings import Instrument
from daemon.station.instruments import make_driver
from drivers.serial_port import host_and_port

UNSAID = frozenset({"address", "acceptance", "calibration", "host_loss"})
"""Of the station's settings: what is of this laboratory alone, or is no affair of a driver."""
MOST_SERIAL_SETTINGS = {"baud": 9600, "character": "8N1"}


async def captured(
    place: Place, clock: Clock, *, reads: int, every_second: float, host: str
) -> tuple[Transcript, bool]:
    """Talk to an instrument and record it; whether all went well. Changes nothing at it.

    Args:
        place: of the instrument.
        clock: for the times.
        reads: how many readings.
        every_second: how long between two.
        host: the name of this machine, which is taken out.

    Raises:
        NoTapError: its cable can't be tapped.
        OSError: its port can't be opened.
    """

    async def wait() -> None:
        await asyncio.sleep(every_second)

    async def talk(recording: Recording, address: str) -> bool:
        said = place.said.model_copy(update={"address": address})
        driver = make_driver(place.subject, said, clock.now_second, asyncio.sleep)
        return await converse(place.role, driver, recording.did, reads=reads, wait=wait)

    return await _recorded(place, clock, host, talk)


async def overheard(
    place: Place, clock: Clock, *, until: Callable[[str], Awaitable[None]], host: str
) -> tuple[Transcript, bool]:
    """Record what somebody else says at the address that `until` is told, until that ends. Raises as `captured`."""

    async def listen(_recording: Recording, address: str) -> bool:
        await until(address)
        return True

    return await _recorded(place, clock, host, listen)


class Recording:
    """What has passed so far, with the seconds since it began."""

    def __init__(self, clock: Clock) -> None:
        self.entries: list[Sent | Did] = []
        self._clock = clock
        self._begin_second = clock.now_second()

    def sent(self, by: str, data: bytes) -> None:
        """Bytes passed."""
        self.entries.append(Sent(self._clock.now_second() - self._begin_second, by, data))

    def did(self, verb: str, gave: Any) -> None:  # noqa: ANN401  (JSON)
        """A verb has ended."""
        self.entries.append(Did(self._clock.now_second() - self._begin_second, verb, gave))


async def _recorded(
    place: Place, clock: Clock, host: str, talk: Callable[[Recording, str], Awaitable[bool]]
) -> tuple[Transcript, bool]:
    recording = Recording(clock)
    line = line_of(place.said)
    async with tapped(place.said.address, recording.sent, **line) as address:
        went_well = await talk(recording, address)
    transcript = Transcript(_about(place), tuple(recording.entries))
    return redacted(transcript, _secrets(place.said, recording.entries, host)), went_well


def line_of(said: Instrument) -> dict[str, Any]:
    """How the port of an instrument is set, as far as the station says it and `tapped` wants it."""
    return {name: getattr(said, name, None) or default for name, default in MOST_SERIAL_SETTINGS.items()}


def _about(place: Place) -> dict[str, Any]:
    settings = place.said.model_dump(mode="json", exclude_defaults=True, exclude=set(UNSAID))
    try:
        ours = version("presscell")
    except PackageNotFoundError:
        ours = "unknown"
    transport = "serial" if place.said.address.startswith("/") else "tcp"
    return {
        "role": place.role,
        "driver": settings.pop("driver"),
        "settings": settings,
        "transport": transport,
        "presscell": ours,
    }


def _secrets(said: Instrument, entries: list[Sent | Did], host: str) -> dict[str, str]:
    """What must not be in the file: serial numbers that are said or found, and the names of both ends."""
    words: dict[str, str] = {host: "host", host.partition(".")[0]: "host"}
    peer = host_and_port(said.address)
    if peer is not None:
        words[peer[0]] = "host"
    for entry in entries:
        if isinstance(entry, Did) and isinstance(entry.gave, dict) and entry.gave.get("serial_number"):
            words[str(entry.gave["serial_number"])] = "serial_number"
    if number := getattr(said, "serial_number", None):
        words[number] = "serial_number"
    return {word: kind for word, kind in words.items() if word}

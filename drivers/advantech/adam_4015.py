"""Advantech ADAM-4015, six resistance thermometers on RS-485, as a thermometer."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from drivers.advantech import codec
from drivers.errors import RefusedError, WrongInstrumentError
from drivers.roles import Identity
from drivers.session import Query, Session

Answer = TypeVar("Answer")

MAKER = "Advantech"
MODEL = "ADAM-4015"
MODULE_NAMES = frozenset({"4015"})
"""What `$AAM` answers [code: fs#45020230474]; the 4015T has thermistors and is another module."""

QUERIES = {
    "name": ("$AAM", "!AA(name)", codec.MANUAL),
    "firmware": ("$AAF", "!AA(version)", codec.MANUAL),
    "settings": ("$AA2", "!AATTCCFF", codec.MANUAL),
    "enabled": ("$AA6", "!AAVV, a bit a channel, 1 is on", codec.MANUAL),
    "range": ("$AA8Ci", "!AACiRrr", codec.MANUAL),
    "values": ("#AA", ">(values), each sign, five digits and a point", codec.MANUAL),
    "faults": ("$AAB", "!AANN, a bit a channel, 1 is over range, under range or open wire", codec.MANUAL),
}
"""What is asked, AA being the address in hexadecimal; every line ends with CR both ways, and `?AA` is a refusal
[manual]. There is no serial number to ask for [manual: none listed]. That `$AAB` sees a wire that opened since the last
`#AA` is `[unverified]`, so both are asked and either makes the place NaN."""


class Adam4015:
    """One module. The serial number can't be asked for: the identity has none."""

    def __init__(
        self,
        name: str,
        session: Session,
        channel_by_place: Mapping[str, int],
        *,
        address: int = 1,
        has_checksum: bool = False,
        range_code: str | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR.
            channel_by_place: which channel, 0 to 5, measures which place.
            address: of the module on its bus, 0 to 255.
            has_checksum: whether the module is set to checksums; with the wrong word it does not answer.
            range_code: the range that all these channels must be set to, such as "20", or None for any.

        Raises:
            ValueError: for a channel, an address or a range that does not exist, or a channel used twice.
        """
        channels = list(channel_by_place.values())
        if not channels or len(set(channels)) != len(channels) or not set(channels) <= set(range(codec.CHANNELS)):
            raise ValueError(f"channels {channels} are not different ones of 0 to {codec.CHANNELS - 1}")
        if not 0 <= address <= 0xFF:
            raise ValueError(f"address {address} is not 0 to 255")
        if range_code is not None and range_code not in codec.RANGE_BY_CODE:
            raise ValueError(f"range {range_code!r} is none of {', '.join(codec.RANGE_BY_CODE)}")
        self.name = name
        self.places = tuple(channel_by_place)
        self._session = session
        self._channel_by_place = dict(channel_by_place)
        self._address = f"{address:02X}"
        self._has_checksum = has_checksum
        self._range_code = range_code
        self._turn = asyncio.Lock()
        self._enabled = (False,) * codec.CHANNELS
        self._range_by_channel: dict[int, codec.InputRange] = {}

    async def connect(self) -> Identity:
        """Open (or reopen) the link, identify, and read how the channels are set. Changes nothing.

        Raises `WrongInstrumentError` also for a module that does not send engineering units, or a channel that is off
        or set to another range than the station says.
        """
        async with self._turn:
            await self._session.open()
            module_name = await self._ask(f"${self._address}M", f"!{self._address}", codec.text)
            if module_name not in MODULE_NAMES:
                await self._refuse_module(MODEL, f"a module that calls itself {module_name}")
            firmware = await self._ask(f"${self._address}F", f"!{self._address}", codec.text)
            await self._check_settings()
            return Identity(MAKER, MODEL, "", firmware)

    async def read_celsius(self) -> dict[str, float]:
        """Every place's temperature now; NaN where the wire is broken or the input is out of its range."""
        async with self._turn:
            values = await self._ask(f"#{self._address}", ">", lambda reply: codec.readings(reply, self._enabled))
            is_faulty = await self._ask(f"${self._address}B", f"!{self._address}", codec.flags)
        return {
            place: math.nan if is_faulty[channel] else self._within_range(channel, values[channel])
            for place, channel in self._channel_by_place.items()
        }

    async def close(self) -> None:
        """Close the link."""
        async with self._turn:
            await self._session.close()

    async def _check_settings(self) -> None:
        settings = await self._ask(f"${self._address}2", f"!{self._address}", codec.settings)
        if not settings.is_in_engineering_units:
            await self._refuse_module("data format engineering units", "another")
        if settings.has_checksum != self._has_checksum:
            await self._refuse_module(f"checksum {_on_off(self._has_checksum)}", _on_off(settings.has_checksum))
        self._enabled = await self._ask(f"${self._address}6", f"!{self._address}", codec.flags)
        for place, channel in self._channel_by_place.items():
            if not self._enabled[channel]:
                await self._refuse_module(f"channel {channel} ({place}) on", "off")
            start = f"!{self._address}C{channel}"
            code = await self._ask(f"${self._address}8C{channel}", start, codec.range_code)
            if self._range_code not in {None, code}:
                await self._refuse_module(f"channel {channel} ({place}) at range {self._range_code}", f"range {code}")
            self._range_by_channel[channel] = codec.RANGE_BY_CODE[code]

    def _within_range(self, channel: int, value_celsius: float) -> float:
        allowed = self._range_by_channel[channel]
        return value_celsius if allowed.low_celsius <= value_celsius <= allowed.high_celsius else math.nan

    async def _ask(self, command: str, start: str, read: Callable[[str], Answer]) -> Answer:
        refusal = f"?{self._address}"

        def read_or_refusal(reply: str) -> Answer | None:
            text = codec.checked(reply, has_checksum=self._has_checksum)
            return None if text == refusal else read(codec.after(start, text))

        question = command + codec.checksum(command) if self._has_checksum else command
        answer = await self._session.ask(Query(question, read_or_refusal, source=codec.MANUAL))
        if answer is None:
            raise RefusedError(self.name, command, 0, refusal)
        return answer

    async def _refuse_module(self, expected: str, found: str) -> None:
        await self._session.close()
        raise WrongInstrumentError(self.name, expected, found)


def _on_off(is_on: bool) -> str:  # noqa: FBT001
    return "on" if is_on else "off"

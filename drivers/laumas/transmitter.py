"""Laumas TLB, TLU, LCB and like weight transmitters on Modbus RTU, as load cells."""

import asyncio
from collections.abc import Callable

import numpy as np

from drivers.errors import WrongInstrumentError
from drivers.laumas import codec
from drivers.modbus_link import ModbusLink
from drivers.roles import Identity, LoadBlock

MAKER = "Laumas"


class LaumasTransmitter:
    """One transmitter, asked once at each `read`. Nothing is ever written to it."""

    def __init__(
        self,
        name: str,
        link: ModbusLink,
        unit: str,
        *,
        now: Callable[[], float],
        weight: str = "gross",
        serial_number: str | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            link: the way to it.
            unit: it must be set to; a weight in another is no reading.
            now: the clock's second, for the moment of a reading.
            weight: "gross" or "net".
            serial_number: the only one that may answer, or None for any.

        Raises:
            ValueError: for a unit or a weight that is not sent.
        """
        codec.check(unit, weight)
        self.name = name
        self._link = link
        self._unit = unit
        self._now = now
        self._weight = weight
        self._serial_number = serial_number
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`.

        Its reply has five registers and all others eight: see `ModbusLink`.
        """
        async with self._turn:
            words = await self._link.open_with(codec.IDENTITY, codec.IDENTITY_COUNT)
            firmware, kind, year, serial, program = words
            if self._serial_number not in {None, str(serial)}:
                await self._link.close()
                raise WrongInstrumentError(self.name, f"serial number {self._serial_number}", str(serial))
            return Identity(MAKER, f"type {kind}, program {program}, of {year}", str(serial), str(firmware))

    async def read(self) -> LoadBlock:
        """The weight now: one row. Raises `LinkLostError`, `NoReplyError`, `BadReplyError`, `RefusedError`."""
        async with self._turn:
            words = await self._link.read(codec.STATE, codec.STATE_COUNT)
        found = codec.reading(words, self._unit, self._weight)
        return LoadBlock(
            second=np.array([self._now()]),
            displayed=np.array([found.displayed]),
            status=np.array([int(found.status)]),
            unit=self._unit,
        )

    async def close(self) -> None:
        """Close the link."""
        async with self._turn:
            await self._link.close()

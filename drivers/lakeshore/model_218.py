"""Lake Shore Model 218, eight diode or resistance thermometers, as a thermometer."""

import asyncio
import math
from collections.abc import Mapping

from drivers.errors import WrongInstrumentError
from drivers.lakeshore import codec
from drivers.roles import Identity
from drivers.session import Query, Session


class LakeShore218:
    """One monitor, 218S or 218E."""

    def __init__(
        self,
        name: str,
        session: Session,
        input_by_place: Mapping[str, int],
        *,
        serial_number: str | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR LF.
            input_by_place: which input, 1 to 8, measures which place.
            serial_number: the only one that may answer, or None for any.

        Raises:
            ValueError: for an input that does not exist, or is used twice.
        """
        inputs = list(input_by_place.values())
        if not inputs or len(set(inputs)) != len(inputs) or not set(inputs) <= set(codec.INPUTS):
            raise ValueError(f"channels {inputs} are not different ones of 1 to {codec.INPUTS[-1]}")
        self.name = name
        self.places = tuple(input_by_place)
        self._session = session
        self._input_by_place = dict(input_by_place)
        self._serial_number = serial_number
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        async with self._turn:
            await self._session.open()
            found = await self._session.ask(Query(codec.IDENTITY, codec.identity, source=codec.MANUAL))
            if self._serial_number not in {None, found.serial_number}:
                await self._session.close()
                raise WrongInstrumentError(self.name, f"serial number {self._serial_number}", found.serial_number)
            return found

    async def read_celsius(self) -> dict[str, float]:
        """Every place's temperature now; NaN where the sensor is broken, missing or out of its range."""
        async with self._turn:
            return {place: await self._read(number) for place, number in self._input_by_place.items()}

    async def close(self) -> None:
        """Close the link."""
        async with self._turn:
            await self._session.close()

    async def _read(self, number: int) -> float:
        value_celsius = await self._session.ask(
            Query(codec.CELSIUS.format(input=number), codec.celsius, source=codec.MANUAL)
        )
        status = await self._session.ask(Query(codec.STATUS.format(input=number), codec.status, source=codec.MANUAL))
        return math.nan if status else value_celsius

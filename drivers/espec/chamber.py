"""ESPEC chambers with an SCP-220, P-300 or PR-3J controller, over their own network port or a serial device server."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from drivers.errors import OutOfRangeError, RefusedError, WrongInstrumentError
from drivers.espec import codec
from drivers.roles import ChamberLook, Identity
from drivers.session import Answer, Query, Session

TYPE = Query("TYPE?", codec.chamber_type, source=codec.SOURCE)
FIRMWARE = Query("ROM?", codec.text, source=codec.SOURCE)
TEMPERATURES = Query("TEMP?", codec.temperatures, source=codec.SOURCE)
MODE = Query("MODE?", codec.mode, source=codec.SOURCE)
ALARMS = Query("ALARM?", codec.alarms, source=codec.SOURCE)

SET_TEMPERATURE = "TEMP, S{celsius:.1f}"
SET_CONSTANT = "MODE,CONSTANT"
SET_POWER_ON = "POWER,ON"
"""Each is echoed after `OK:`, byte for byte. Source: `codec.SOURCE`."""

PAUSE_AFTER_SET_SECOND = 0.5
"""Source: espec_pr3j 0.5.0 [code]."""

MAKER = "ESPEC"


class EspecChamber:
    """One chamber. It has no watchdog: it holds its setpoint when nobody speaks [unverified]."""

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        wait: Callable[[float], Awaitable[None]],
        controller: str | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR LF.
            wait: lets a number of the clock's seconds pass, as the chamber needs after each setting.
            controller: the only one that may answer to `TYPE?`, such as "S2", or None for any.
        """
        self.name = name
        self._session = session
        self._wait = wait
        self._controller = controller
        self._highest_celsius = math.inf
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        async with self._turn:
            await self._session.open()
            found = await self._session.ask(TYPE)
            if self._controller not in {None, found.controller}:
                await self._session.close()
                raise WrongInstrumentError(self.name, f"controller {self._controller}", found.controller)
            self._highest_celsius = found.highest_celsius
            firmware = await self._session.ask(FIRMWARE)
            return Identity(MAKER, found.controller, "", firmware)

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint, to a tenth of a degree, switch on if need be, and control to it; all read back.

        Others may look meanwhile: a simulated clock moves, and ends the pauses, only while nobody waits for a turn.
        Raises `OutOfRangeError` before anything is set, outside the limits set at the chamber; `RefusedError` also when
        a program runs at the chamber, which is left alone.
        """
        before = await self._ask(TEMPERATURES)
        high_celsius = min(before.high_celsius, self._highest_celsius)
        if not before.low_celsius <= setpoint_celsius <= high_celsius:
            raise OutOfRangeError(self.name, "setpoint_celsius", setpoint_celsius, before.low_celsius, high_celsius)
        # The sum turns a negative zero into zero.
        sent_celsius = round(setpoint_celsius, 1) + 0.0
        command = SET_TEMPERATURE.format(celsius=sent_celsius)
        mode = await self._ask(MODE)
        if mode.startswith(codec.RUN):
            raise RefusedError(self.name, command, 0, f"a program runs at the chamber: {mode}")
        if mode == codec.OFF:
            await self._set(SET_POWER_ON)
        await self._set(command)
        if mode != codec.CONSTANT:
            await self._set(SET_CONSTANT)
        await self._read_back(command, sent_celsius)

    async def look(self) -> ChamberLook:
        """What it measures and does now."""
        temperatures = await self._ask(TEMPERATURES)
        mode = await self._ask(MODE)
        alarms = await self._ask(ALARMS)
        return ChamberLook(
            air_celsius=temperatures.air_celsius,
            setpoint_celsius=temperatures.setpoint_celsius,
            is_controlling=mode not in {codec.OFF, codec.STANDBY},
            alarms=alarms,
        )

    async def close(self) -> None:
        """Close the link. The chamber holds its setpoint."""
        async with self._turn:
            await self._session.close()

    async def _ask(self, query: Query[Answer]) -> Answer:
        async with self._turn:
            return await self._session.ask(query)

    async def _set(self, command: str) -> None:
        def read(reply: str) -> str | None:
            return codec.acknowledgement(command, reply)

        refusal = await self._ask(Query(command, read, source=codec.SOURCE))
        if refusal is not None:
            raise RefusedError(self.name, command, 0, refusal)
        await self._wait(PAUSE_AFTER_SET_SECOND)

    async def _read_back(self, command: str, sent_celsius: float) -> None:
        after = await self._ask(TEMPERATURES)
        if abs(after.setpoint_celsius - sent_celsius) > codec.SETPOINT_STEP_CELSIUS / 2:
            raise RefusedError(self.name, command, 0, f"the setpoint reads back {after.setpoint_celsius} °C")
        mode = await self._ask(MODE)
        if mode != codec.CONSTANT:
            raise RefusedError(self.name, SET_CONSTANT, 0, f"the mode reads back {mode}")

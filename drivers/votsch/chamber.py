"""Vötsch and Weiss chambers (SIMPAC, S!MPAC) that speak ASCII-2, over their network port or a serial device server."""

import asyncio
from collections.abc import Awaitable, Callable

from drivers.errors import OutOfRangeError, RefusedError
from drivers.roles import ChamberLook, Identity
from drivers.session import Query, Session
from drivers.votsch import codec

MAKER = "Vötsch"
SETPOINT_STEP_CELSIUS = 0.1
PAUSE_AFTER_SET_SECOND = 0.5
"""[unverified]"""

HIGHEST_ADDRESS = 31


class VotschChamber:
    """One chamber. It has no watchdog: it holds its setpoint when nobody speaks [unverified].

    It does not tell its limits, which are the station's word. What its alarms are in ASCII-2 is not known: a look has
    none.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        wait: Callable[[float], Awaitable[None]],
        bus_address: int = 1,
        lowest_celsius: float | None = None,
        highest_celsius: float | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR.
            wait: lets a number of the clock's seconds pass, as the chamber needs after each setting.
            bus_address: 0 to 31.
            lowest_celsius: the lowest setpoint that may be sent.
            highest_celsius: the highest.

        Raises:
            ValueError: no such address, or limits that are none.
        """
        if not 0 <= bus_address <= HIGHEST_ADDRESS:
            raise ValueError(f"bus address {bus_address} is not 0 to {HIGHEST_ADDRESS}")
        self._low_celsius = codec.LOWEST_CELSIUS if lowest_celsius is None else lowest_celsius
        self._high_celsius = codec.HIGHEST_CELSIUS if highest_celsius is None else highest_celsius
        if not codec.LOWEST_CELSIUS <= self._low_celsius < self._high_celsius <= codec.HIGHEST_CELSIUS:
            raise ValueError(f"{self._low_celsius:g} to {self._high_celsius:g} °C are no limits of a chamber")
        self.name = name
        self._session = session
        self._wait = wait
        self._address = f"${bus_address:02d}"
        self._state = Query(f"{self._address}I", codec.state, source=codec.SOURCE)
        self._capability = Query(f"{self._address}?", codec.capability, source=codec.SOURCE)
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and see that a chamber answers. Changes nothing. There is no serial number."""
        async with self._turn:
            await self._session.open()
            capability = await self._session.ask(self._capability)
            await self._session.ask(self._state)
            return Identity(MAKER, " ".join(capability.split())[:60], "", "")

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint, to a tenth of a degree, start if need be; all other channels are sent as they are.

        Read back. Others may look meanwhile. Raises `OutOfRangeError` before anything is set, and `RefusedError`.
        """
        if not self._low_celsius <= setpoint_celsius <= self._high_celsius:
            raise OutOfRangeError(
                self.name, "setpoint_celsius", setpoint_celsius, self._low_celsius, self._high_celsius
            )
        # The sum turns a negative zero into zero.
        sent_celsius = round(setpoint_celsius, 1) + 0.0
        async with self._turn:
            # Nobody may set another channel between the reading and the writing of them all.
            before = await self._session.ask(self._state)
            command = before.started_at(sent_celsius).command
            is_taken = await self._session.ask(Query(f"{self._address}{command}", codec.taken, source=codec.SOURCE))
        if not is_taken:
            raise RefusedError(self.name, command, 0, "it did not answer 0")
        await self._wait(PAUSE_AFTER_SET_SECOND)
        after = await self._ask_state()
        if abs(after.setpoints[codec.TEMPERATURE] - sent_celsius) > SETPOINT_STEP_CELSIUS / 2:
            raise RefusedError(
                self.name, command, 0, f"the setpoint reads back {after.setpoints[codec.TEMPERATURE]} °C"
            )
        if not after.is_controlling:
            raise RefusedError(self.name, command, 0, "it reads back as not started")

    async def look(self) -> ChamberLook:
        """What it measures and does now."""
        state = await self._ask_state()
        return ChamberLook(
            air_celsius=state.actuals[codec.TEMPERATURE],
            setpoint_celsius=state.setpoints[codec.TEMPERATURE],
            is_controlling=state.is_controlling,
            alarms=(),
        )

    async def close(self) -> None:
        """Close the link. The chamber holds its setpoint."""
        async with self._turn:
            await self._session.close()

    async def _ask_state(self) -> codec.State:
        async with self._turn:
            return await self._session.ask(self._state)

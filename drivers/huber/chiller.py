"""Huber thermostats with PB commands, over RS-232 or their network port; a write answers with the value in force."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from drivers.errors import OutOfRangeError, RefusedError
from drivers.huber import codec
from drivers.huber.codec import UnitStatus, Variable
from drivers.roles import ChillerLimits, ChillerLook, ChillerTrouble, HostLossWatchdog, Identity
from drivers.session import Query, Session

Answer = TypeVar("Answer")

MAKER = "Huber"

READERS: dict[Variable, tuple[str, str]] = {
    Variable.SETPOINT: ("hundredths of a degree, signed; written and read", codec.MANUAL),
    Variable.INTERNAL: ("hundredths of a degree: the bath", codec.MANUAL),
    Variable.ERROR: ("signed; below 0 is an error's number", codec.MANUAL),
    Variable.WARNING: ("signed; below 0 is a warning's number", codec.MANUAL),
    Variable.PROCESS: ("hundredths of a degree: the external probe", codec.MANUAL),
    Variable.STATUS: ("bits", codec.CODE),
    Variable.CONTROL: ("1 controls and circulates, 0 neither", codec.MANUAL),
}
"""What is asked or set, and where the maker says so."""

RUNNING = UnitStatus.CONTROLLING | UnitStatus.CIRCULATING


class HuberChiller:
    """One unit. It has no general watchdog in the list of PB variables [unverified]: it runs on when nobody speaks.

    No PB variable names the model, the serial number or the firmware: the identity has none of them.
    """

    limits = ChillerLimits(setpoint_step_kelvin=codec.SETPOINT_STEP_KELVIN, longest_watchdog_second=None)

    def __init__(self, name: str, session: Session) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR LF.
        """
        self.name = name
        self._session = session
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and see that a unit answers. Changes nothing."""
        async with self._turn:
            await self._session.open()
        await self._read(Variable.SETPOINT, codec.temperature)
        return Identity(MAKER, "", "", "")

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint; the unit answers with the one in force, which it may have moved to its limits.

        Raises `OutOfRangeError` for a temperature that can't be said, `RefusedError` for one that was moved.
        """
        if not codec.LOWEST_CELSIUS < setpoint_celsius <= codec.HIGHEST_CELSIUS:
            raise OutOfRangeError(
                self.name, "setpoint_celsius", setpoint_celsius, codec.LOWEST_CELSIUS, codec.HIGHEST_CELSIUS
            )
        word = codec.temperature_word(setpoint_celsius)
        command = codec.command(Variable.SETPOINT, word)
        await self._ask(Variable.SETPOINT, command, codec.temperature)
        found_celsius = await self._read(Variable.SETPOINT, codec.temperature)
        if found_celsius != codec.temperature(word):
            raise RefusedError(self.name, command, 0, f"the setpoint in force is {found_celsius:g} °C")

    async def start(self) -> None:
        """Circulate and control to the setpoint, read back."""
        await self._switch(is_on=True)

    async def stop(self) -> None:
        """Let pump and cooling stand, read back."""
        await self._switch(is_on=False)

    async def look(self) -> ChillerLook:
        """What it measures and does now."""
        bath_celsius = await self._read(Variable.INTERNAL, codec.probe)
        external_celsius = await self._read(Variable.PROCESS, codec.probe)
        setpoint_celsius = await self._read(Variable.SETPOINT, codec.temperature)
        status = await self._read(Variable.STATUS, codec.status)
        troubles = [
            *await self._troubles(Variable.ERROR, is_told=UnitStatus.ERROR in status),
            *await self._troubles(Variable.WARNING, is_told=UnitStatus.WARNING in status),
        ]
        return ChillerLook(
            bath_celsius=bath_celsius,
            external_celsius=external_celsius,
            setpoint_celsius=setpoint_celsius,
            is_running=RUNNING in status,
            troubles=tuple(troubles),
        )

    async def arm_watchdog(self, timeout_second: float, safe_celsius: float) -> HostLossWatchdog:
        """Raises `RefusedError`: it has none that can be set from here [unverified]."""
        what = f"host-loss watchdog, {timeout_second:g} s, {safe_celsius:g} °C"
        raise RefusedError(self.name, what, 0, "no PB variable sets one")

    async def disarm_watchdog(self) -> None:
        """There is none that could be."""

    async def read_watchdog(self) -> HostLossWatchdog | None:
        """None: there is none that can be asked for."""
        return None

    async def make_safe(self) -> None:
        """See that it answers: it goes on alone as it is. Reconnects if it must."""
        if not self._session.is_open:
            await self.connect()
        await self._read(Variable.STATUS, codec.status)

    async def close(self) -> None:
        """Close the link. The unit goes on."""
        async with self._turn:
            await self._session.close()

    async def _switch(self, *, is_on: bool) -> None:
        command = codec.command(Variable.CONTROL, int(is_on))
        found = await self._ask(Variable.CONTROL, command, codec.number)
        if found != int(is_on):
            raise RefusedError(self.name, command, 0, f"it reads back {found}")
        status = await self._read(Variable.STATUS, codec.status)
        if (UnitStatus.CONTROLLING in status) != is_on:
            raise RefusedError(self.name, command, 0, f"it says that it {'stands' if is_on else 'controls'}")

    async def _troubles(self, variable: Variable, *, is_told: bool) -> list[ChillerTrouble]:
        """What a variable says is wrong: its number, or that the status says so and the number does not."""
        number = await self._read(variable, lambda word: 0 if word == codec.NOT_AVAILABLE else codec.number(word))
        if number >= 0 and not is_told:
            return []
        kind = variable.name.lower()
        return [ChillerTrouble(min(number, 0), f"{kind} {number}", is_warning=variable is Variable.WARNING)]

    async def _read(self, variable: Variable, read: Callable[[int], Answer]) -> Answer:
        return await self._ask(variable, codec.question(variable), read)

    async def _ask(self, variable: Variable, text: str, read: Callable[[int], Answer]) -> Answer:
        word_of = partial(codec.word, variable)
        query = Query(text, lambda reply: read(word_of(reply)), source=READERS[variable][1])
        async with self._turn:
            return await self._session.ask(query)

"""One chamber of several rigs: one link to it, one question a beat however many ask, and a setpoint only by lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daemon.running.link import SILENT
from drivers.errors import DriverError, RefusedError
from drivers.roles import Chamber, ChamberLook, Identity

BEAT_SECOND = 1.0
"""What a shared chamber said, or that it was silent, holds for so long for whoever else asks."""

Permit = Callable[[str, str, float], str | None]
"""Why a rig may not give a shared chamber a setpoint, by rig, chamber and °C; None when it may."""


class SharedChamber:
    """The link of all rigs to one chamber, open while one of them uses it.

    A look is at most `BEAT_SECOND` old when it is answered. A try that failed is not repeated for a beat: whoever asks
    meanwhile is told the same, so that one silent chamber costs its time-out once and not once a rig.
    """

    def __init__(self, name: str, chamber: Chamber, now_second: Callable[[], float], permit: Permit) -> None:
        """Connects nothing yet."""
        self.name = name
        self._chamber = chamber
        self._now_second = now_second
        self._permit = permit
        self._users: set[str] = set()
        self._turn = asyncio.Lock()
        self._identity: Identity | None = None
        self._looked: tuple[float, ChamberLook | DriverError] | None = None
        self._not_connected: tuple[float, DriverError] | None = None

    async def connect(self, rig: str) -> Identity:
        """Let a rig use it: open the link, or mend it; one that is up is not opened again."""
        async with self._turn:
            if self._identity is None:
                self._identity = await self._connect()
            self._users.add(rig)
            return self._identity

    async def look(self) -> ChamberLook:
        """What it measures and does, asked for at most once a beat."""
        async with self._turn:
            if self._looked is None or not self._is_of_this_beat(self._looked[0]):
                self._looked = await self._ask()
            _, answer = self._looked
            if isinstance(answer, DriverError):
                raise answer
            return answer

    async def set_celsius(self, rig: str, setpoint_celsius: float) -> None:
        """Give it a setpoint that the rig's lease names. Rigs that set the same one may do so at the same time.

        Raises:
            RefusedError: there is no such lease; nothing was sent.
        """
        why = self._permit(rig, self.name, setpoint_celsius)
        if why is not None:
            raise RefusedError(self.name, f"{setpoint_celsius:g} °C", 0, why)
        try:
            await self._chamber.set_celsius(setpoint_celsius)
        except SILENT:
            self._identity = None
            raise
        finally:
            self._looked = None

    async def close(self, rig: str) -> None:
        """One rig uses it no more; the last closes the link. The chamber holds its setpoint."""
        async with self._turn:
            self._users.discard(rig)
            if not self._users:
                self._identity = self._looked = None
                await self._chamber.close()

    async def _connect(self) -> Identity:
        if self._not_connected is not None and self._is_of_this_beat(self._not_connected[0]):
            raise self._not_connected[1]
        self._looked = None
        try:
            return await self._chamber.connect()
        except DriverError as error:
            self._not_connected = (self._now_second(), error)
            raise

    async def _ask(self) -> tuple[float, ChamberLook | DriverError]:
        try:
            answer: ChamberLook | DriverError = await self._chamber.look()
        except DriverError as error:
            answer = error
            if isinstance(error, SILENT):
                self._identity = None
        return self._now_second(), answer

    def _is_of_this_beat(self, at_second: float) -> bool:
        return self._now_second() - at_second < BEAT_SECOND - 1e-6


class ChamberOfRig:
    """A shared chamber as one rig has it; see `drivers.roles.Chamber`."""

    def __init__(self, rig: str, shared: SharedChamber) -> None:
        self.name = shared.name
        self._rig = rig
        self._shared = shared

    async def connect(self) -> Identity:
        """See `Chamber`."""
        return await self._shared.connect(self._rig)

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """See `Chamber`; `RefusedError` also without a lease that names the setpoint."""
        await self._shared.set_celsius(self._rig, setpoint_celsius)

    async def look(self) -> ChamberLook:
        """See `Chamber`."""
        return await self._shared.look()

    async def close(self) -> None:
        """See `Chamber`."""
        await self._shared.close(self._rig)


class SharedChambers:
    """The shared chambers of a station, each made when the first rig wants it."""

    def __init__(self, now_second: Callable[[], float], permit: Permit) -> None:
        self._now_second = now_second
        self._permit = permit
        self._by_name: dict[str, SharedChamber] = {}

    def of(self, rig: str, name: str, make: Callable[[], Chamber]) -> Chamber:
        """A rig's use of the chamber of a name; `make` makes its driver if nobody has yet."""
        if name not in self._by_name:
            self._by_name[name] = SharedChamber(name, make(), self._now_second, self._permit)
        return ChamberOfRig(rig, self._by_name[name])

"""Weighing indicators in command mode, which are asked for each A&D standard frame, as load cells."""

import asyncio
import math
from collections.abc import Callable

import numpy as np

from drivers.and_weighing.codec import AndFormat, FrameDecoder
from drivers.errors import RefusedError
from drivers.framing import Lines
from drivers.roles import Identity, LoadBlock, LoadStatus
from drivers.session import Query, Session

SOURCE = "A&D AD-4402, AD-4406A, AD-4410 [manual]; CAS NT-500 [manual]"

READ = "RW"
NOT_NOW = frozenset({"I", "!"})
UNKNOWN = "?"
"""What A&D and CAS say in place of a frame; with an address both ways. Source: `SOURCE`."""


class AskedIndicator:
    """One indicator, asked once at each `read`. No zero and no tare is ever sent: it would destroy a pressure."""

    def __init__(
        self,
        name: str,
        session: Session,
        frame_format: AndFormat,
        *,
        now: Callable[[], float],
        command_address: str = "",
        identity: Identity,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it, lines ended by CR LF.
            frame_format: how the indicator is set.
            now: the clock's second, for the moment of a reading.
            command_address: what a command begins with: "@05" of A&D, "05" of CAS, nothing without an address.
            identity: what the station says it is.
        """
        self.name = name
        self._session = session
        self._format = frame_format
        self._decoder = FrameDecoder(frame_format)
        self._now = now
        self._address = command_address
        self._identity = identity
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and see that it answers; the identity is the station's word."""
        async with self._turn:
            await self._session.open()
            await self._ask()
        return self._identity

    async def read(self) -> LoadBlock:
        """The display now: one row. Raises `LinkLostError`, `NoReplyError`, `BadReplyError`, `RefusedError`."""
        async with self._turn:
            return await self._ask()

    async def close(self) -> None:
        """Close the link."""
        async with self._turn:
            await self._session.close()

    async def _ask(self) -> LoadBlock:
        block = await self._session.ask(Query(f"{self._address}{READ}", self._block, source=SOURCE))
        if block is None:
            raise RefusedError(self.name, f"{self._address}{READ}", 0, "it knows no such command")
        return block

    def _block(self, reply: str) -> LoadBlock | None:
        word = reply.removeprefix(self._address)
        if word == UNKNOWN:
            return None
        if word in NOT_NOW:
            unreadable = np.array([int(LoadStatus.UNREADABLE)])
            return LoadBlock(np.array([self._now()]), np.array([math.nan]), unreadable, self._format.unit)
        line = reply.encode("ascii") + self._format.line_end
        block = self._decoder.decode(Lines(line, np.array([len(line)]), np.array([self._now()])))
        if not len(block.status) or block.status[0] & LoadStatus.UNREADABLE:
            raise ValueError(f"no frame in {self._format.unit}, {self._format.weight}")
        return block

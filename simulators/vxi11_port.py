"""Serves an instrument by VXI-11 on the loopback interface, beside its cable."""

import asyncio
from collections.abc import Callable
from typing import cast

from simulators.serve import Listener
from simulators.vxi11 import Caller, Links, Records, record


class Vxi11Port:
    """A TCP port that takes the calls of the core and of the abort channel; there is no port mapper.

    Troubles of the instrument's cable don't reach it: they are those of the raw socket.

    Args:
        links: to the instrument.
        port: 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, links: Links, port: int) -> None:
        self.links = links
        self._listener = Listener(port, lambda: _Connection(self.links, self._port_number))

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._listener.address

    def open(self) -> None:
        """Begin to serve."""
        self._listener.accept()

    def close(self) -> None:
        """Stop serving."""
        self._listener.close()

    def _port_number(self) -> int:
        return int(self.address.rpartition(":")[2])


class _Connection(asyncio.Protocol):
    def __init__(self, links: Links, port_number: Callable[[], int]) -> None:
        self._links = links
        self._caller = Caller(links, port_number)
        self._records = Records()
        self._transport: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._held += self._records.feed(data)
        except ValueError:
            self._break_off()
            return
        if self._patience is None:
            self._answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self._patience is not None:
            self._patience.cancel()
        self._caller.hang_up()

    def _answer(self) -> None:
        while self._held:
            waits = self._caller.waits_for(self._held[0])
            if waits is not None and waits[1] > 0:
                link, timeout_second = waits
                self._patience = asyncio.get_running_loop().call_later(timeout_second, self._give_up)
                self._links.when_late[link] = self._resume
                return
            self._answer_one(self._held.pop(0))

    def _resume(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._answer()

    def _give_up(self) -> None:
        self._patience = None
        self._answer_one(self._held.pop(0))
        self._answer()

    def _answer_one(self, data: bytes) -> None:
        try:
            reply = self._caller.call(data)
        except ValueError:
            self._break_off()
            return
        if self._transport is not None:
            self._transport.write(record(reply))

    def _break_off(self) -> None:
        self._held.clear()
        if self._transport is not None:
            self._transport.abort()

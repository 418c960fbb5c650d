"""Lines to and from an instrument over TCP."""

import asyncio
import socket
from typing import cast

from drivers.line_inbox import LineInbox, as_bytes
from drivers.serial_port import host_and_port


class TcpLink:
    """A `Transport` over TCP. What came before a question is no answer to it and is thrown away when it is asked."""

    def __init__(
        self, address: str, *, line_end: bytes = b"\r\n", reply_end: bytes | None = None, timeout_second: float = 2.0
    ) -> None:
        r"""Connects nothing yet.

        Args:
            address: `host:port` or `socket://host:port`.
            line_end: ends every line that is sent.
            reply_end: ends every line that comes; as `line_end` when None.
            timeout_second: for opening, and for each line.

        Raises:
            ValueError: for any other address.
        """
        peer = host_and_port(address)
        if peer is None:
            raise ValueError(f"{address!r} is not host:port")
        self.address = address
        self.timeout_second = timeout_second
        self._host, self._port = peer
        self._line_end = line_end
        self._reply_end = line_end if reply_end is None else reply_end
        self._connection: _Connection | None = None

    async def open(self) -> None:
        """Open the way anew."""
        await self.close()
        loop = asyncio.get_running_loop()
        inbox = LineInbox(self._reply_end)
        async with asyncio.timeout(self.timeout_second):
            _, connection = await loop.create_connection(lambda: _Connection(inbox), self._host, self._port)
        self._connection = connection

    async def tell(self, message: str) -> None:
        """Send lines that have no reply."""
        self._opened().write(as_bytes(message, self._line_end))

    async def ask(self, message: str) -> str:
        """Send lines and answer with the next line that comes."""
        self._opened().inbox.forget()
        await self.tell(message)
        return await self.next_line()

    async def next_line(self) -> str:
        """The next line, without asking. Raises `TimeoutError` when no whole one came."""
        return await self._opened().inbox.line(self.timeout_second)

    async def close(self) -> None:
        """Close the way; twice is no error."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _opened(self) -> "_Connection":
        if self._connection is None:
            raise ConnectionError("the link is closed")
        return self._connection


class _Connection(asyncio.Protocol):
    def __init__(self, inbox: LineInbox) -> None:
        self.inbox = inbox
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        self.inbox.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.inbox.fail(exc if isinstance(exc, OSError) else ConnectionResetError("the instrument hung up"))
        self._gone.set()

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the instrument hung up")
        self._transport.write(data)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            await self._gone.wait()

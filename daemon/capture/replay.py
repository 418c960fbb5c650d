"""Plays a capture: an instrument that says what was recorded, to whoever asks what was recorded."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from daemon.capture.transcript import HOST, Sent, Transcript

READ_BYTES = 1 << 16
Write = Callable[[bytes], None]


class Player:
    """One capture, played once. `amiss` says where a host asked for something else; from there on it says nothing.

    What the instrument said is sent as soon as all that the host said before it has been heard; what it said before
    anybody spoke, when `begin` was called and somebody is there.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.amiss = ""
        self._is_serial = transcript.about.get("transport") == "serial"
        self._left = [entry for entry in transcript.entries if isinstance(entry, Sent)]
        self._heard = b""
        self._write: Write | None = None
        self._has_begun = False

    @property
    def is_over(self) -> bool:
        """Whether everything was said, by both."""
        return not self._left

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[str]:
        """The address at which it is met while this lasts: a pseudo-terminal if it was a serial port."""
        async with self._on_terminal() if self._is_serial else self._on_network() as address:
            yield address

    def begin(self) -> None:
        """Say what the instrument said before anybody spoke, now or as soon as somebody is there.

        On a terminal call it when the host has opened its port: what came before that it throws away.
        """
        self._has_begun = True
        if self._write is not None:
            self.hear(b"", self._write)

    def _meet(self, write: Write) -> None:
        self._write = write
        if self._has_begun:
            self.hear(b"", write)

    def hear(self, data: bytes, write: Write) -> None:
        """Take what a host said, and say what comes then."""
        self._heard += data
        while self._left and not self.amiss:
            expected = self._left[0]
            if expected.by != HOST:
                write(self._left.pop(0).data)
                continue
            count = min(len(self._heard), len(expected.data))
            if self._heard[:count] != expected.data[:count]:
                self.amiss = f"after {expected.second:g} s {expected.data!r} was asked, and now {self._heard!r}"
            if count < len(expected.data):
                return
            self._heard = self._heard[count:]
            self._left.pop(0)
        if self._heard and not self.amiss:
            self.amiss = f"the capture is over, and now {self._heard!r} was asked"

    @asynccontextmanager
    async def _on_network(self) -> AsyncIterator[str]:
        connections: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                connections.add(task)
            with suppress(OSError, asyncio.CancelledError):
                self._meet(writer.write)
                while data := await reader.read(READ_BYTES):
                    self.hear(data, writer.write)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    @asynccontextmanager
    async def _on_terminal(self) -> AsyncIterator[str]:
        far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(far, False)
        loop = asyncio.get_running_loop()

        def write(data: bytes) -> None:
            os.write(far, data)

        def ask() -> None:
            with suppress(OSError):
                self.hear(os.read(far, READ_BYTES), write)

        loop.add_reader(far, ask)
        self._meet(write)
        try:
            yield os.ttyname(near)
        finally:
            loop.remove_reader(far)
            os.close(far)
            os.close(near)

"""An instrument at the far end of a cable of bytes, over TCP and a pseudo-terminal, whose replies can be spoilt."""

import asyncio
import contextlib
import os

from tests.support.cables import pty_cable, tcp_peer

APART_REAL_SECOND = 2e-4


class FarEnd:
    """`behaviour` is the name of a method here, and may be changed at any time; `receive` is the instrument's.

    A late reply comes when the next question does, before the answer to that.
    """

    def __init__(self, receive):
        self.behaviour = "whole"
        self.questions = []
        self.address = ""
        self.hosts = 0
        self._receive = receive
        self._held = b""
        self._previous = b""
        self._cuts = []
        self._write = None
        self._news = asyncio.Event()

    async def until(self, is_so):
        """Wait until something is so of what was heard, or that there is a host."""
        while not is_so(self):
            self._news.clear()
            await self._news.wait()

    @property
    def has_host(self):
        return self._write is not None

    def hear(self, data, write):
        self.questions.append(data)
        self._news.set()
        if self._held:
            write(self._held)
            self._held = b""
        reply = self._receive(data)
        if reply:
            getattr(self, self.behaviour)(reply, write)
            self._previous = reply

    def say(self, data):
        """Send what comes unasked, to the host that came last."""
        getattr(self, self.behaviour)(data, self._write)

    def whole(self, reply, write):
        write(reply)

    def byte_by_byte(self, reply, write):
        for index, byte in enumerate(reply):
            asyncio.get_running_loop().call_later(index * APART_REAL_SECOND, write, bytes([byte]))

    def late(self, reply, write):
        self._held = reply

    def mute(self, reply, write):
        pass

    def stale(self, reply, write):
        write(self._previous or reply)

    def garbled(self, reply, write):
        middle = len(reply) // 2
        write(reply[:middle] + bytes([reply[middle] ^ 0xA5]) + reply[middle + 1 :])

    def noisy(self, reply, write):
        middle = len(reply) // 2
        write(reply[:middle] + b"\x7f" + reply[middle:])

    def half(self, reply, write):
        write(reply[: len(reply) // 2])

    def cut(self, reply, write):
        self.hang_up()

    def hang_up(self):
        """Close every connection; of a pseudo-terminal, pull it out."""
        for cut in self._cuts:
            cut()

    @contextlib.asynccontextmanager
    async def laid(self, transport):
        """Lay the cable; gives the address."""
        async with self._tcp() if transport == "tcp" else self._pty() as address:
            self.address = address
            yield address

    @contextlib.asynccontextmanager
    async def _tcp(self):
        async def serve(reader, writer):
            def write(data):
                if not writer.is_closing():
                    writer.write(data)

            self._write = write
            self.hosts += 1
            self._news.set()
            self._cuts.append(writer.transport.abort)
            while data := await reader.read(4096):
                self.hear(data, write)

        async with tcp_peer(serve) as address:
            yield address

    @contextlib.asynccontextmanager
    async def _pty(self):
        with pty_cable() as cable:

            def write(data):
                with contextlib.suppress(OSError, IndexError):
                    os.write(cable.far, data)

            def hear():
                with contextlib.suppress(OSError):
                    self.hear(os.read(cable.far, 4096), write)

            self._write = write
            asyncio.get_running_loop().add_reader(cable.far, hear)
            self._cuts.append(cable.unplug)
            yield cable.path
            with contextlib.suppress(ValueError):
                asyncio.get_running_loop().remove_reader(cable.far)

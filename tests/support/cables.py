"""Cables to talk over: a pseudo-terminal whose far end the test holds, and a server on the loopback."""

import asyncio
import contextlib
import os
import tty


class PtyCable:
    """A pseudo-terminal: drivers open `path`, the test writes and hears at the far end."""

    def __init__(self):
        self.far, self.near = os.openpty()
        tty.setraw(self.near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self.near)
        self.heard = b""
        self._ends = [self.far, self.near]

    def send(self, data):
        assert os.write(self.far, data) == len(data)

    def answer(self, reply, line_end=b"\r"):
        """Call `reply(line)` for each line that ends so and send what it gives, if anything."""

        def hear():
            with contextlib.suppress(OSError):
                self.heard += os.read(self.far, 4096)
            while line_end in self.heard:
                line, _, self.heard = self.heard.partition(line_end)
                if answer := reply(line):
                    self.send(answer)

        asyncio.get_running_loop().add_reader(self.far, hear)

    def unplug(self):
        """Pull it out; twice is no error."""
        if not self._ends:
            return
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self.far)
        while self._ends:
            os.close(self._ends.pop())


@contextlib.contextmanager
def pty_cable():
    cable = PtyCable()
    try:
        yield cable
    finally:
        cable.unplug()


@contextlib.asynccontextmanager
async def tcp_peer(answer):
    """A server on the loopback that hands each connection to `answer(reader, writer)`; gives its address."""
    connections = set()

    async def serve(reader, writer):
        connections.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
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

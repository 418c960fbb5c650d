"""A tap in the cable of an instrument: it passes bytes on, both ways, and notes them; no driver knows of it."""

from __future__ import annotations

import asyncio
import os
import re
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from daemon.capture.transcript import HOST, INSTRUMENT
from drivers.modbus_link import CHARACTERS
from drivers.serial_port import SerialLine, SerialPort, host_and_port

READ_BYTES = 1 << 16
CONNECT_WITHIN_SECOND = 5.0
VISA_SOCKET = re.compile(r"TCPIP[0-9]*::([^:]+)::([0-9]+)::SOCKET", re.IGNORECASE)

Note = Callable[[str, bytes], None]
"""Is told who sent which bytes, when they pass."""


class NoTapError(ValueError):
    """There is no way into this cable; the text says which there is."""


@asynccontextmanager
async def tapped(address: str, note: Note, *, baud: int = 9600, character: str = "8N1") -> AsyncIterator[str]:
    """The address at which a driver meets the instrument through the tap, of the same kind as the instrument's own.

    Only a Modbus unit on a serial port is met over TCP: a pseudo-terminal takes neither its parity nor its stop bits.

    Args:
        address: of the instrument, `host:port` or a device's path, or a VISA name of a raw socket.
        note: see `Note`.
        baud: of a serial port.
        character: of a serial port, see `SerialLine` and `ModbusLine`.

    Raises:
        NoTapError: for any other address.
        OSError: the instrument's serial port can't be opened.
    """
    visa = VISA_SOCKET.fullmatch(address)
    peer = (visa[1], int(visa[2])) if visa else host_and_port(address)
    if peer is not None:
        way = _tcp(peer, note)
    elif not address.startswith("/"):
        raise NoTapError(f"{address}: only a raw socket (host:port) or a serial port can be tapped")
    elif character in CHARACTERS and character != "8N1":
        way = _serial_met_over_tcp(address, note, baud, *CHARACTERS[character])
    else:
        way = _serial(address, note, baud)
    async with way as near:
        yield near


@asynccontextmanager
async def _tcp(peer: tuple[str, int], note: Note) -> AsyncIterator[str]:
    """Each connection to the tap is one to the instrument, and ends with it."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_WITHIN_SECOND):
            far_reader, far_writer = await asyncio.open_connection(*peer)
        try:
            await _first_to_end(
                _copied(reader, far_writer, lambda data: note(HOST, data)),
                _copied(far_reader, writer, lambda data: note(INSTRUMENT, data)),
            )
        finally:
            await _closed(far_writer)

    async with _listening(carry) as near:
        yield near


@asynccontextmanager
async def _serial_met_over_tcp(address: str, note: Note, baud: int, parity: str, stop_bits: int) -> AsyncIterator[str]:
    """One serial port, to which the last connection speaks."""
    writers: list[asyncio.StreamWriter] = []

    def hear(data: bytes) -> None:
        note(INSTRUMENT, data)
        if writers:
            writers[-1].write(data)

    def lose(_error: OSError) -> None:
        for writer in writers:
            writer.close()

    port = SerialPort(address, SerialLine(baud), received=hear, lost=lose, parity=parity, stop_bits=stop_bits)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while data := await reader.read(READ_BYTES):
                note(HOST, data)
                port.write(data)
        finally:
            writers.remove(writer)

    await port.open()
    try:
        async with _listening(carry) as near:
            yield near
    finally:
        port.close()


@asynccontextmanager
async def _serial(address: str, note: Note, baud: int) -> AsyncIterator[str]:
    """One serial port, met at a pseudo-terminal."""
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)

    def hear(data: bytes) -> None:
        note(INSTRUMENT, data)
        with suppress(BlockingIOError):  # nobody reads it: as a cable with no host
            os.write(far, data)

    def ask() -> None:
        with suppress(OSError):
            data = os.read(far, READ_BYTES)
            note(HOST, data)
            port.write(data)

    port = SerialPort(address, SerialLine(baud), received=hear, lost=lambda _error: None)
    loop = asyncio.get_running_loop()
    try:
        await port.open()
        loop.add_reader(far, ask)
        yield os.ttyname(near)
    finally:
        loop.remove_reader(far)
        port.close()
        os.close(far)
        os.close(near)


@asynccontextmanager
async def _listening(
    carry: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            connections.add(task)
        with suppress(OSError, TimeoutError, asyncio.CancelledError):
            await carry(reader, writer)
        await _closed(writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    while data := await reader.read(READ_BYTES):
        note(data)
        writer.write(data)
        await writer.drain()


async def _first_to_end(*ways: Coroutine[None, None, None]) -> None:
    """Let both directions go until one has ended."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

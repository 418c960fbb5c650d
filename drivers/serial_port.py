"""A serial port, on this machine or behind a serial device server, watched by the event loop."""

import asyncio
import os
import re
import select
import socket
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import serial

from drivers.framing import Parity

READ_BYTES = 1 << 16
MOST_READS = 32
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
CONNECT_TIMEOUT_SECOND = 2.0
PARITY_BY_CHARACTER = {"8N1": Parity.NONE, "7E1": Parity.EVEN, "7O1": Parity.ODD}

_HOST_AND_PORT = re.compile(r"(?:socket://)?([A-Za-z0-9_.-]+):([0-9]{1,5})")


@dataclass(frozen=True)
class SerialLine:
    """How a port is set. `character` is `8N1`, `7E1` or `7O1`: ten bits each, start and stop included.

    All three are read as `8N1`, so that the parity of a seven-bit character comes up as its eighth bit and is ours to
    check: pyserial hands over characters of wrong parity as if nothing were wrong with them, and a pseudo-terminal
    refuses seven bits at the second opening.
    """

    baud: int = 9600
    character: str = "8N1"

    def __post_init__(self) -> None:
        if self.baud <= 0:
            raise ValueError(f"baud {self.baud} is not positive")
        if self.character not in PARITY_BY_CHARACTER:
            raise ValueError(f"character {self.character!r} is none of {', '.join(PARITY_BY_CHARACTER)}")

    @property
    def parity(self) -> Parity:
        """What the eighth bit of a byte of this line is."""
        return PARITY_BY_CHARACTER[self.character]


def host_and_port(address: str) -> tuple[str, int] | None:
    """The two of `host:port` or `socket://host:port`; None for any other address."""
    parts = _HOST_AND_PORT.fullmatch(address)
    return None if parts is None else (parts[1], int(parts[2]))


class SerialPort:
    """One port. `received` is called with bytes as they come, `lost` once when an open port turns out to be gone.

    `address` is a device's path, `socket://host:port` or `host:port`. `parity` and `stop_bits` are for those who pass
    bytes on and don't read them; see `SerialLine`. Raises no error but `OSError`.
    """

    def __init__(
        self,
        address: str,
        line: SerialLine,
        *,
        received: Callable[[bytes], None],
        lost: Callable[[OSError], None],
        connect_timeout_second: float = CONNECT_TIMEOUT_SECOND,
        parity: str = serial.PARITY_NONE,
        stop_bits: int = 1,
    ) -> None:
        self.address = address
        self._framing: dict[str, str | int] = {"parity": parity, "stopbits": stop_bits}
        self._line = line
        self._received = received
        self._lost = lost
        self._connect_timeout_second = connect_timeout_second
        self._open: serial.SerialBase | socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open and not known to be gone."""
        return self._open is not None

    async def open(self) -> None:
        """Open anew, for nobody else, and throw away what came before."""
        self.close()
        self._loop = asyncio.get_running_loop()
        opening = self._loop.run_in_executor(
            None, _opened, self.address, self._line.baud, self._framing, self._connect_timeout_second
        )
        try:
            self._open = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        self._loop.add_reader(self._open.fileno(), self._read)

    def write(self, data: bytes) -> None:
        """Send a few bytes at once."""
        if self._open is None:
            raise ConnectionError("the port is closed")
        sent = os.write(self._open.fileno(), data)
        if sent != len(data):
            raise ConnectionError(f"the port took {sent} of {len(data)} bytes")

    def close(self) -> None:
        """Close; twice is no error."""
        port, self._open = self._open, None
        if port is None or self._loop is None:
            return
        self._loop.remove_reader(port.fileno())
        _close(port)

    def receive_waiting(self) -> None:
        """Call `received` now with what came and was not noticed yet."""
        for _ in range(MOST_READS):
            if not self._events():
                break
            self._read()

    def _events(self) -> int:
        if self._open is None:
            return 0
        look = select.poll()
        look.register(self._open.fileno(), select.POLLIN)
        return sum(events for _, events in look.poll(0))

    def _read(self) -> None:
        if self._open is None:
            return
        try:
            data = os.read(self._open.fileno(), READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._drop(error)
            return
        if data:
            self._received(data)
        elif isinstance(self._open, socket.socket) or self._events() & GONE:
            # A terminal also reads empty when another look took what made it readable.
            self._drop(ConnectionResetError("the far end is gone"))

    def _drop(self, error: OSError) -> None:
        self.close()
        self._lost(error)


def _opened(
    address: str, baud: int, framing: dict[str, str | int], connect_timeout_second: float
) -> serial.SerialBase | socket.socket:
    peer = host_and_port(address)
    if peer is not None:
        # pyserial's own socket:// sleeps 0.3 s in close.
        connection = socket.create_connection(peer, timeout=connect_timeout_second)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(0)
        return connection
    try:
        port = serial.serial_for_url(address, baudrate=baud, timeout=0, write_timeout=0, exclusive=True, **framing)
    except (termios.error, ValueError) as error:
        raise ConnectionError(str(error)) from error
    try:
        port.fileno()
    except OSError:
        port.close()
        raise
    return port


def _close(port: serial.SerialBase | socket.socket) -> None:
    with suppress(OSError, termios.error):
        port.close()


def _close_late(opening: "asyncio.Future[serial.SerialBase | socket.socket]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        _close(opening.result())

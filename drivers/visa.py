"""The way to an instrument through PyVISA and its pure-Python backend: lines of ASCII, one thread an instrument."""

import asyncio
import functools
import re
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyvisa
from pyvisa import constants
from pyvisa.resources import MessageBasedResource

Result = TypeVar("Result")

LINE_END = "\n"
_CHUNK_BYTES = 1 << 20
_HOST_AND_PORT = re.compile(r"([A-Za-z0-9_.-]+):([0-9]{1,5})")

_manager_lock = threading.Lock()


def resource_name(address: str) -> str:
    """The VISA name of an address: `host:port` is a raw socket, anything else is a VISA name already."""
    parts = _HOST_AND_PORT.fullmatch(address)
    if parts is None:
        return address
    return f"TCPIP0::{parts[1]}::{parts[2]}::SOCKET"


@functools.cache
def _manager() -> pyvisa.ResourceManager:
    # Closing one ResourceManager invalidates all others of the process (pyvisa #742): there is one, and it stays.
    return pyvisa.ResourceManager("@py")


class VisaLink:
    """Lines to and from one instrument. All of its work, opening and closing included, is done in one thread.

    A line that does not come within `timeout_second` raises `TimeoutError`; a way that is gone, also in the middle of a
    line, raises another `OSError`; a line that is not ASCII raises `UnicodeDecodeError`.
    """

    def __init__(self, address: str, *, timeout_second: float = 2.0) -> None:
        self.address = address
        self.timeout_second = timeout_second
        self.received_total = 0
        self._resource: MessageBasedResource | None = None
        self._socket: socket.socket | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Open the way anew. Answers only that somebody listens, not who."""
        await self._in_thread(self._open)

    async def tell(self, message: str) -> None:
        """Send lines that have no reply."""
        await self._in_thread(lambda: self._send(message))

    async def ask(self, message: str) -> str:
        """Send lines and answer with the next line that comes, without its end."""
        return await self._in_thread(lambda: self._exchange(message))

    async def next_line(self) -> str:
        """The next line, without asking."""
        return await self._in_thread(self._receive)

    async def close(self) -> None:
        """Close the way and end the thread; twice is no error."""
        if self._thread is None:
            return
        await self._in_thread(self._close)
        self._thread.shutdown(wait=False)
        self._thread = None

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"visa {self.address}")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        self._close()
        timeout_ms = int(self.timeout_second * 1000)
        with _manager_lock:
            manager = _manager()
        try:
            resource = manager.open_resource(
                resource_name(self.address),
                open_timeout=timeout_ms,
                timeout=timeout_ms,
                read_termination=LINE_END,
                write_termination=LINE_END,
                resource_pyclass=MessageBasedResource,
            )
        except Exception as error:  # pyvisa-py raises bare Exception when nobody is there
            raise ConnectionError(str(error)) from error
        if not isinstance(resource, MessageBasedResource):
            raise ConnectionError(f"{self.address} is no message-based resource")
        self._resource = resource
        self.received_total = 0
        self._socket = _socket_of(resource)
        if self._socket is not None:
            self._check_socket(self._socket)

    def _check_socket(self, connection: socket.socket) -> None:
        # pyvisa-py opens a refused port without a word (the first write fails); the socket knows.
        refused = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            self._close()
            raise ConnectionError(refused, "the port refuses connections")
        if self._resource is not None:
            self._resource.set_visa_attribute(constants.ResourceAttribute.tcpip_keepalive, constants.VI_TRUE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _close(self) -> None:
        resource, self._resource, self._socket = self._resource, None, None
        if resource is not None:
            try:
                resource.close()
            except (pyvisa.Error, OSError):
                return

    def _opened(self) -> MessageBasedResource:
        if self._resource is None:
            raise ConnectionError("the link is closed")
        return self._resource

    def _send(self, message: str) -> None:
        try:
            self._opened().write_raw((message + LINE_END).encode("ascii"))
        except pyvisa.Error as error:
            raise ConnectionError(str(error)) from error

    def _exchange(self, message: str) -> str:
        self._send(message)
        if self._socket is None:
            return self._receive()
        self._wait_for_bytes(self._socket)
        try:
            return self._receive()
        except TimeoutError as error:
            raise ConnectionError("the reply broke off") from error

    def _wait_for_bytes(self, connection: socket.socket) -> None:
        # pyvisa-py spins at full load until its timeout when the peer has closed, so the socket is asked first.
        readable, _, _ = select.select([connection], [], [], self.timeout_second)
        if not readable:
            raise TimeoutError("nothing came")
        if not connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError("the instrument closed the connection")

    def _receive(self) -> str:
        try:
            line = self._opened().read_raw(_CHUNK_BYTES)
        except pyvisa.VisaIOError as error:
            if error.error_code == constants.StatusCode.error_timeout:
                raise TimeoutError("no whole line came") from error
            raise ConnectionError(str(error)) from error
        except pyvisa.Error as error:
            raise ConnectionError(str(error)) from error
        self.received_total += len(line)
        return line.rstrip(b"\r\n").decode("ascii")


def _socket_of(resource: MessageBasedResource) -> socket.socket | None:
    sessions = getattr(resource.visalib, "sessions", {})
    interface = getattr(sessions.get(resource.session), "interface", None)
    return interface if isinstance(interface, socket.socket) else None

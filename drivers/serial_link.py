"""Lines to and from an instrument on a serial port."""

from drivers.line_inbox import LineInbox, as_bytes
from drivers.serial_port import SerialLine, SerialPort


class SerialLink:
    """A `Transport` over a serial port. What came before a question is thrown away when it is asked."""

    def __init__(
        self,
        address: str,
        line: SerialLine,
        *,
        line_end: bytes = b"\r",
        reply_end: bytes | None = None,
        timeout_second: float = 2.0,
    ) -> None:
        r"""Opens nothing yet.

        Args:
            address: path of the device, or `socket://host:port` of a serial device server.
            line: how the port is set, `8N1`.
            line_end: ends every line that is sent.
            reply_end: ends every line that comes; as `line_end` when None.
            timeout_second: for each line.

        Raises:
            ValueError: for a line with parity.
        """
        if line.character != "8N1":
            raise ValueError(f"lines are asked and answered in 8N1 only, not {line.character}")
        self.address = address
        self.timeout_second = timeout_second
        self._line_end = line_end
        self._reply_end = line_end if reply_end is None else reply_end
        self._inbox = LineInbox(self._reply_end)
        self._port = SerialPort(address, line, received=self._receive, lost=self._lose)

    async def open(self) -> None:
        """Open the port anew."""
        self._inbox = LineInbox(self._reply_end)
        await self._port.open()

    async def tell(self, message: str) -> None:
        """Send lines that have no reply."""
        self._port.write(as_bytes(message, self._line_end))

    async def ask(self, message: str) -> str:
        """Send lines and answer with the next line that comes."""
        self._inbox.forget()
        await self.tell(message)
        return await self.next_line()

    async def next_line(self) -> str:
        """The next line, without asking. Raises `TimeoutError` when no whole one came."""
        return await self._inbox.line(self.timeout_second)

    async def close(self) -> None:
        """Close the port; twice is no error."""
        self._port.close()
        self._inbox.fail(ConnectionError("the port is closed"))

    def _receive(self, data: bytes) -> None:
        self._inbox.feed(data)

    def _lose(self, error: OSError) -> None:
        self._inbox.fail(error)

"""Lines to and from an instrument on a port."""

from drivers.framing import parity_table, with_parity
from drivers.line_inbox import LineInbox, as_bytes
from drivers.serial_port import SerialLine, SerialPort


class LineLink:
    """A `Transport`. What came before a question is no answer to it and is thrown away when it is asked.

    A line that does not come whole within `timeout_second` raises `TimeoutError`, and may still be waited for with
    `next_line`; a port that is gone another `OSError`; a line that is not ASCII, or one with a character of wrong
    parity, `UnicodeDecodeError`.
    """

    def __init__(
        self, address: str, line: SerialLine, *, line_end: bytes, reply_end: bytes | None, timeout_second: float
    ) -> None:
        """Opens nothing yet. `reply_end` is as `line_end` when None."""
        self.address = address
        self.timeout_second = timeout_second
        self.received_total = 0
        self._line_end = line_end
        self._parity = line.parity
        self._parity_table = parity_table(line.parity)
        self._reply_end = line_end if reply_end is None else reply_end
        self._inbox = LineInbox(self._reply_end)
        self._port = SerialPort(
            address, line, received=self._receive, lost=self._lose, connect_timeout_second=timeout_second
        )

    async def open(self) -> None:
        """Open the way anew."""
        self._inbox = LineInbox(self._reply_end)
        self.received_total = 0
        await self._port.open()

    async def tell(self, message: str) -> None:
        """Send lines that have no reply."""
        self._port.write(with_parity(as_bytes(message, self._line_end), self._parity))

    async def ask(self, message: str) -> str:
        """Send lines and answer with the next line that comes."""
        self._port.receive_waiting()
        self._inbox.forget()
        await self.tell(message)
        return await self.next_line()

    async def next_line(self) -> str:
        """The next line, without asking."""
        return await self._inbox.line(self.timeout_second)

    async def close(self) -> None:
        """Close the way; twice is no error."""
        self._port.close()
        self._inbox.fail(ConnectionError("the link is closed"))

    def _receive(self, data: bytes) -> None:
        self.received_total += len(data)
        self._inbox.feed(data if self._parity_table is None else data.translate(self._parity_table))

    def _lose(self, error: OSError) -> None:
        self._inbox.fail(error)

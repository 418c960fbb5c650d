"""Bytes that come from a cable, read from it as lines."""

import asyncio

LONGEST_LINE_BYTES = 1 << 16


class LineInbox:
    """What came and was not read yet; a line ends with `line_end`. Once it failed, what is whole can still be read."""

    def __init__(self, line_end: bytes) -> None:
        self._line_end = line_end
        self._bytes = bytearray()
        self._failure: OSError | None = None
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Keep bytes that came."""
        self._bytes += data
        if len(self._bytes) > LONGEST_LINE_BYTES and self._line_end not in self._bytes:
            self._bytes.clear()
            self.fail(ConnectionError(f"{LONGEST_LINE_BYTES} bytes came without an end of line"))
        self._news.set()

    def fail(self, error: OSError) -> None:
        """Nothing more will come."""
        self._failure = self._failure or error
        self._news.set()

    def forget(self) -> None:
        """Throw away what came: it answers nothing that will be asked."""
        self._bytes.clear()

    async def line(self, timeout_second: float) -> str:
        """The next line, without its end.

        Raises `TimeoutError` when no whole line came in time, and goes on with the same line when asked again;
        another `OSError` when the way is gone; `UnicodeDecodeError` when the line is not ASCII.
        """
        async with asyncio.timeout(timeout_second):
            while (end := self._bytes.find(self._line_end)) < 0:
                if self._failure is not None:
                    raise ConnectionError(str(self._failure)) from self._failure
                self._news.clear()
                await self._news.wait()
        line = bytes(self._bytes[:end])
        del self._bytes[: end + len(self._line_end)]
        return line.decode("ascii")


def as_bytes(message: str, line_end: bytes) -> bytes:
    r"""A message of one line, or several with `\n` between, as it is sent."""
    return b"".join(line.encode("ascii") + line_end for line in message.split("\n"))

"""The bytes of an instrument that talks unasked on a serial port, each with the second it came at."""

import asyncio
from collections.abc import Callable, Sequence

from drivers.errors import LinkLostError
from drivers.framing import Chunk
from drivers.serial_port import SerialLine, SerialPort
from drivers.stream_buffer import BOUND_BYTES, Mark, StreamBuffer


class SerialStream:
    """One port that is listened to. Bytes are read as they come and wait here, `bound_bytes` at most.

    A port that goes raises `LinkLostError` from `take` once all that came before has been taken.
    """

    def __init__(
        self,
        instrument: str,
        address: str,
        line: SerialLine,
        *,
        now: Callable[[], float],
        bound_bytes: int = BOUND_BYTES,
    ) -> None:
        """Opens nothing yet.

        Args:
            instrument: what the station calls it; stands in every error.
            address: path of the device, best by id, or `socket://host:port` of a serial device server.
            line: how the port is set.
            now: the clock's second, for the moment bytes came.
            bound_bytes: the most that is kept of what nobody takes.
        """
        self.address = address
        self._instrument = instrument
        self._now = now
        self._port = SerialPort(address, line, received=self._keep, lost=self._note_loss)
        self._buffer = StreamBuffer(bound_bytes)
        self._failure = "the port is not open"
        self._waiting: set[tuple[int, asyncio.Future[bool]]] = set()
        self._missing_after = (0, 0)
        """How many bytes were missing when somebody waited in vain last, and how many had come."""

    @property
    def received_total(self) -> int:
        """How many bytes came since the port was first opened, or as `count_from` says."""
        return self._buffer.received_total

    @property
    def lost_total(self) -> int:
        """How many of them were dropped because nobody took them. Never silent: see `StreamBuffer`."""
        return self._buffer.lost_total

    async def open(self) -> None:
        """Open or reopen; bytes of an earlier opening that nobody took are forgotten. Raises `LinkLostError`."""
        await self.close()
        self._buffer.take()
        try:
            await self._port.open()
        except OSError as error:
            self._failure = f"opening: {error}"
            raise self._lost() from error

    def write(self, data: bytes) -> None:
        """Send a few bytes, in 8N1. Raises `LinkLostError`."""
        try:
            self._port.write(data)
        except OSError as error:
            self._failure = str(error)
            raise self._lost() from error

    def take(self) -> list[Chunk]:
        """All that came since this was last asked, and forget it. Raises `LinkLostError`."""
        taken = self._buffer.take()
        if not taken and not self._port.is_open:
            raise self._lost()
        return taken

    async def wait_received(self, total: int, within_real_second: float) -> bool:
        """Whether `total` bytes have come since the opening, or come in time. False at once when the port is gone.

        Bytes that are missing still when others have come after them were lost on their way: from then on nobody waits
        for them.
        """
        if self.received_total >= total or not self._port.is_open:
            return self.received_total >= total
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiter = (total, future)
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(within_real_second):
                return await future
        except TimeoutError:
            self._note_missing(total)
            return False
        finally:
            self._waiting.discard(waiter)

    def _note_missing(self, total: int) -> None:
        missing, received = total - self.received_total, self.received_total
        was_missing, had_come = self._missing_after
        if missing == was_missing and received > had_come:
            self._buffer.skip_to(total)
        self._missing_after = (missing, received)

    def count_from(self, total: int) -> None:
        """Take the next byte for the one after `total`, as a simulated cable counts that went on while this was closed.

        To be called when nothing waits to be taken.
        """
        self._buffer.count_from(total)

    def stamp(self, marks: Sequence[Mark]) -> None:
        """Let a simulated clock say when the bytes were sent, see `StreamBuffer.stamp`."""
        self._buffer.stamp(marks)

    async def close(self) -> None:
        """Close the port; twice is no error. What came can still be taken."""
        self._port.close()
        self._failure = "the port is closed"
        self._wake(everybody=True)

    def _keep(self, data: bytes) -> None:
        self._buffer.append(self._now(), data)
        self._wake(everybody=False)

    def _note_loss(self, error: OSError) -> None:
        self._failure = str(error)
        self._wake(everybody=True)

    def _wake(self, *, everybody: bool) -> None:
        for total, waiter in self._waiting:
            is_here = self.received_total >= total
            if (is_here or everybody) and not waiter.done():
                waiter.set_result(is_here)

    def _lost(self) -> LinkLostError:
        return LinkLostError(self._instrument, self.address, self._failure)

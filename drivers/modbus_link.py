"""Registers of a Modbus RTU unit, on a serial port or behind a serial device server, spoken to with pymodbus."""

import asyncio
import logging
import termios
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from drivers.errors import BadReplyError, LinkLostError, NoReplyError, RefusedError
from drivers.serial_port import host_and_port
from drivers.session import MOST_WAITS, SentTotal

Client = AsyncModbusSerialClient | AsyncModbusTcpClient
Ask = Callable[[Client], Awaitable[ModbusPDU]]

READ, WRITE, WRITE_MANY = 3, 6, 16
HIGHEST_UNIT = 247
BUSY = 6
MOST_BUSY = 3
"""So often a unit that says it is busy, and so has done nothing, is asked again at once."""

EXCEPTIONS = {
    1: "function not supported",
    2: "no such register",
    3: "no such value",
    4: "it failed to do so",
    BUSY: "busy",
    0x14: "locked, read only, or not to be changed while running",
}
"""Source: Modbus Application Protocol V1.1b3 §7; 14h: LS iG5A manual 11-3 [manual]."""

CHARACTERS = {"8N1": ("N", 1), "8N2": ("N", 2), "8E1": ("E", 1), "8O1": ("O", 1)}

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class ModbusLine:
    """How a serial port is set; `character` is `8N1`, `8N2`, `8E1` or `8O1`. Over TCP it is the server's."""

    baud: int = 9600
    character: str = "8N1"

    def __post_init__(self) -> None:
        if self.baud <= 0:
            raise ValueError(f"baud {self.baud} is not positive")
        if self.character not in CHARACTERS:
            raise ValueError(f"character {self.character!r} is none of {', '.join(CHARACTERS)}")


class ModbusLink:
    """One unit's registers, one question at a time, each with our deadline and asked once only.

    After a late, bad or missing reply, or when the caller gave up waiting, the link is closed, and every question
    raises `LinkLostError` until `open`. A late frame can still come after that: RTU frames carry no number. So the
    first question of a new connection must be of another length than all others; a unit answers in order, so what is
    late comes before its answer, is not it, and raises `BadReplyError`.
    """

    def __init__(
        self,
        instrument: str,
        address: str,
        *,
        unit: int = 1,
        line: ModbusLine | None = None,
        timeout_second: float = 2.0,
        sent_total: SentTotal | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            instrument: what the station calls it; stands in every error.
            address: path of a serial port, or `host:port` of a server that passes RTU frames on.
            unit: of the instrument on its line, 1 to 247.
            line: how the port is set.
            timeout_second: for opening, and for each reply.
            sent_total: see `SentTotal`.

        Raises:
            ValueError: no such unit.
        """
        if not 1 <= unit <= HIGHEST_UNIT:
            raise ValueError(f"bus address {unit} is not 1 to {HIGHEST_UNIT}")
        self.instrument = instrument
        self.address = address
        self._unit = unit
        self._line = line or ModbusLine()
        self._timeout_second = timeout_second
        self._sent_total = sent_total
        self._sent_before_opening: int | None = None
        self._client: Client | None = None
        self._gone: asyncio.Future[None] | None = None
        self._counted = 0
        self._heard = b""

    @property
    def received_total(self) -> int:
        """How many bytes came since it was opened."""
        return self._counted + len(self._heard)

    async def open(self) -> None:
        """Close what was open and open anew. Raises `LinkLostError`."""
        await self.close()
        self._gone = asyncio.get_running_loop().create_future()
        self._counted, self._heard = 0, b""
        client = self._make()
        try:
            async with asyncio.timeout(self._timeout_second):
                is_open = await client.connect()
                # pymodbus puts a serial port on the loop a turn later, and can't be closed before.
                await asyncio.sleep(0)
        except (OSError, termios.error, ModbusException, ValueError) as error:
            client.close()
            raise self._lost(f"opening: {error}") from error
        except BaseException:
            client.close()
            raise
        if not is_open:
            client.close()
            raise self._lost("opening: nobody there")
        self._sent_before_opening = await self._sent_total() if self._sent_total else None
        self._client = client

    async def open_with(self, first: int, count: int) -> tuple[int, ...]:
        """Open, and read what no other question has as many registers of; once more if something late came first.

        Raises as `open` and `read`, and leaves the link closed then.
        """
        try:
            try:
                return await self._open_and_read(first, count)
            except BadReplyError:
                return await self._open_and_read(first, count)
        except BaseException:
            await self.close()
            raise

    async def _open_and_read(self, first: int, count: int) -> tuple[int, ...]:
        await self.open()
        return await self.read(first, count)

    async def close(self) -> None:
        """Close the link; twice is no error."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def read(self, first: int, count: int) -> tuple[int, ...]:
        """Registers `first … first + count - 1`, 0 to 65535 each. Raises `RefusedError` for an exception."""
        question = f"read {first:04X}h, {count}"
        reply = await self._ask(
            question, READ, lambda client: client.read_holding_registers(first, count=count, device_id=self._unit)
        )
        if len(reply.registers) != count:
            await self._reject(question, f"{len(reply.registers)} registers came")
        return tuple(reply.registers)

    async def write(self, register: int, value: int) -> None:
        """Set one register. Raises `RefusedError` for an exception, which changed nothing."""
        question = f"write {register:04X}h = {value:04X}h"
        reply = await self._ask(
            question, WRITE, lambda client: client.write_register(register, value, device_id=self._unit)
        )
        if (reply.address, list(reply.registers)) != (register, [value]):
            await self._reject(question, "the echo is of another write")

    async def write_many(self, first: int, values: Sequence[int]) -> None:
        """Set registers one after another in one go. Raises `RefusedError` for an exception."""
        question = f"write {first:04X}h = {', '.join(f'{value:04X}h' for value in values)}"
        reply = await self._ask(
            question, WRITE_MANY, lambda client: client.write_registers(first, list(values), device_id=self._unit)
        )
        if (reply.address, reply.count) != (first, len(values)):
            await self._reject(question, "the echo is of another write")

    def _make(self) -> Client:
        patience_second = (MOST_WAITS + 2) * self._timeout_second
        peer = host_and_port(self.address)
        if peer is not None:
            return AsyncModbusTcpClient(
                peer[0],
                port=peer[1],
                framer=FramerType.RTU,
                reconnect_delay=0,
                retries=0,
                timeout=patience_second,
                trace_packet=self._trace,
                trace_connect=self._notice,
            )
        parity, stop_bits = CHARACTERS[self._line.character]
        return AsyncModbusSerialClient(
            self.address,
            baudrate=self._line.baud,
            parity=parity,
            stopbits=stop_bits,
            reconnect_delay=0,
            retries=0,
            timeout=patience_second,
            trace_packet=self._trace,
            trace_connect=self._notice,
        )

    def _trace(self, is_sending: bool, data: bytes) -> bytes:  # noqa: FBT001
        """Keep what came. pymodbus shows all that it holds, again and again, until it throws it away."""
        if is_sending or not data.startswith(self._heard):
            self._counted += len(self._heard)
            self._heard = b""
        if not is_sending:
            self._heard = data
        return data

    def _notice(self, is_connected: bool) -> None:  # noqa: FBT001
        if not is_connected and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def _ask(self, question: str, function: int, ask: Ask) -> ModbusPDU:
        for _ in range(MOST_BUSY):
            reply = await self._carry(question, ask)
            if not (isinstance(reply, ExceptionResponse) and reply.exception_code == BUSY):
                break
        if isinstance(reply, ExceptionResponse):
            if reply.function_code & 0x7F != function:
                await self._reject(question, "an exception to another question")
            code = reply.exception_code
            raise RefusedError(self.instrument, question, code, EXCEPTIONS.get(code, "an exception"))
        if reply.function_code != function:
            await self._reject(question, "a reply to another question")
        return reply

    async def _carry(self, question: str, ask: Ask) -> ModbusPDU:
        """Ask once; the link is in step again only when a whole reply came. Never lets pymodbus reconnect."""
        client, self._client = self._client, None
        if client is None:
            raise self._lost("the link is closed since it fell out of step; connect first")

        async def ask_if_connected() -> ModbusPDU:
            if not client.connected:
                raise ConnectionError("the far end is gone")
            return await ask(client)

        asking = asyncio.ensure_future(ask_if_connected())
        try:
            await self._wait_for(asking, question)
            reply = await asking
        except BaseException as error:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            client.close()
            if isinstance(error, OSError | ModbusException):
                raise self._lost(f"{question}: {error}") from error
            raise
        self._client = client
        return reply

    async def _wait_for(self, asking: "asyncio.Future[ModbusPDU]", question: str) -> None:
        awaited: set[asyncio.Future[Any]] = {asking} if self._gone is None else {asking, self._gone}
        for _ in range(1 + MOST_WAITS):
            done, _ = await asyncio.wait(awaited, timeout=self._timeout_second, return_when=asyncio.FIRST_COMPLETED)
            if asking in done:
                return
            if done:
                raise ConnectionResetError("the far end is gone")
            if not await self._more_is_coming():
                break
        raise self._overdue(question)

    async def _more_is_coming(self) -> bool:
        sent = await self._sent_total() if self._sent_total else None
        if sent is None or self._sent_before_opening is None:
            return False
        return sent - self._sent_before_opening > self.received_total

    def _overdue(self, question: str) -> NoReplyError | BadReplyError:
        if not self._heard:
            return NoReplyError(self.instrument, question, self._timeout_second)
        return BadReplyError(self.instrument, question, self._heard.hex(" "), "it is no whole frame of this unit")

    async def _reject(self, question: str, why: str) -> None:
        await self.close()
        raise BadReplyError(self.instrument, question, self._heard.hex(" "), why)

    def _lost(self, tried: str) -> LinkLostError:
        return LinkLostError(self.instrument, self.address, tried)

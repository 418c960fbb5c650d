"""Mettler Toledo balances and weighing terminals that speak MT-SICS, as load cells that talk unasked."""

from collections.abc import Sequence
from typing import NoReturn, Protocol

import numpy as np

from drivers.errors import BadReplyError, LinkLostError, NoReplyError, RefusedError, WrongInstrumentError
from drivers.framing import Chunk, LineFramer, Lines, Parity, with_parity
from drivers.mettler import codec
from drivers.roles import Identity, LoadBlock, LoadStatus

MAKER = "Mettler Toledo"
MOST_LINES = 64
"""So many lines may come before a reply, of weights that were under way."""


class TalkingStream(Protocol):
    """Where the bytes come from and go to, such as a `SerialStream`. All raise `LinkLostError`."""

    address: str

    @property
    def received_total(self) -> int:
        """How many bytes came so far."""
        ...

    async def open(self) -> None:
        """Open or reopen."""
        ...

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    def take(self) -> Sequence[Chunk]:
        """All that came since this was last asked."""
        ...

    async def wait_received(self, total: int, within_real_second: float) -> bool:
        """Whether so many bytes have come, or come in time."""
        ...

    async def close(self) -> None:
        """Close; twice is no error."""
        ...


class MettlerBalance:
    """One balance, told to send every weight (`SIR`). A weight is what its display shows, net after a tare.

    `zero` and `tare` destroy an absolute pressure: they are for calibrating, with nothing on the sensor. It does not
    notice silence; that it was switched off and on it does, and then wants to be connected anew.
    """

    def __init__(
        self,
        name: str,
        stream: TalkingStream,
        unit: str,
        *,
        timeout_second: float = 2.0,
        parity: Parity = Parity.NONE,
        serial_number: str | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            stream: the port it is on.
            unit: as it sends it; a weight in another is no reading.
            timeout_second: real seconds for each reply.
            parity: what the eighth bit of the stream's bytes is.
            serial_number: the only one that may answer, or None for any.

        Raises:
            ValueError: for what no balance calls a unit.
        """
        codec.check_unit(unit)
        self.name = name
        self._stream = stream
        self._unit = unit
        self._timeout_second = timeout_second
        self._parity = parity
        self._serial_number = serial_number
        self._framer = LineFramer(codec.LINE_END, parity)
        self._early: list[tuple[float, str]] = []
        self._is_in_step = False
        self._has_restarted = False

    async def connect(self) -> Identity:
        """Open (or reopen) the link, end what an earlier host began, identify, and let it send every weight.

        Raises `LinkLostError`, `NoReplyError`, `BadReplyError`, `WrongInstrumentError`.
        """
        self._framer.reset()
        self._early.clear()
        self._has_restarted = False
        await self._stream.open()
        self._is_in_step = True
        # A line that an earlier connection left half way would spoil the first command.
        self._send("")
        self._send(codec.WEIGH)
        serial_number = await self._ask_text(codec.SERIAL_NUMBER)
        model = await self._ask_text(codec.MODEL)
        firmware = await self._ask_text(codec.FIRMWARE)
        if self._serial_number not in {None, serial_number}:
            await self.close()
            raise WrongInstrumentError(self.name, f"serial number {self._serial_number}", serial_number)
        self._early.clear()
        self._send(codec.STREAM)
        return Identity(MAKER, " ".join(model.split()), serial_number, firmware)

    async def read(self) -> LoadBlock:
        """All weights that came since this was last asked, perhaps none. Raises `LinkLostError`."""
        if not self._is_in_step:
            self._lose("the link is closed since it fell out of step; connect first")
        if self._has_restarted:
            await self.close()
            self._lose("it was switched off and on")
        came = [*self._early, *self._take()]
        self._early.clear()
        rows: list[tuple[float, codec.Weight]] = []
        for second, line in came:
            if codec.is_restart(line):
                self._has_restarted = True
            elif line:
                rows.append((second, codec.weight(line, self._unit)))
        if self._has_restarted and not rows:
            await self.close()
            self._lose("it was switched off and on")
        return LoadBlock(
            second=np.array([second for second, _ in rows], dtype=np.float64),
            displayed=np.array([weight.displayed for _, weight in rows], dtype=np.float64),
            status=np.array([int(weight.status) for _, weight in rows], dtype=np.int64),
            unit=self._unit,
        )

    async def weigh(self) -> tuple[float, LoadStatus]:
        """One weight at once, from the display; then it goes on sending. Raises as `zero`."""
        line = await self._command(codec.WEIGH)
        found = codec.weight(line, self._unit)
        return found.displayed, found.status

    async def zero(self) -> None:
        """Take the present load for nothing. Raises `RefusedError` while it moves, or is out of its range."""
        await self._change(codec.ZERO)

    async def tare(self) -> None:
        """Show net from the present load on. Raises `RefusedError` while it moves, or is out of its range."""
        await self._change(codec.TARE)

    async def close(self) -> None:
        """Close the link. It goes on sending, until it is connected anew."""
        self._is_in_step = False
        await self._stream.close()

    async def _change(self, command: str) -> None:
        line = await self._command(command)
        try:
            why = codec.refusal(line, command)
        except ValueError as error:
            raise await self._bad(command, line, str(error)) from None
        if why is not None:
            raise RefusedError(self.name, command, 0, why)

    async def _command(self, command: str) -> str:
        """The line that answers, with the stream of weights ended before and begun anew after.

        Raises `LinkLostError`, `NoReplyError`, `BadReplyError`.
        """
        if command != codec.WEIGH:
            # It ends the stream, and answers with a weight of its own; what comes after the serial number is none.
            self._send(codec.WEIGH)
            await self._ask_text(codec.SERIAL_NUMBER)
        self._send(command)
        line = await self._next_line(command)
        if line in codec.SYNTAX_ERRORS:
            raise await self._bad(command, line, "it did not understand, or the command was garbled")
        self._send(codec.STREAM)
        return line

    async def _ask_text(self, command: str) -> str:
        """The text that answers; weights that come before, and late answers to other commands, are passed over."""
        self._send(command)
        for _ in range(MOST_LINES):
            line = await self._next_line(command)
            if not line or codec.is_weight(line) or line in codec.SYNTAX_ERRORS:
                continue
            if codec.answers_another(line, command):
                continue
            try:
                return codec.text(line, command)
            except ValueError as error:
                raise await self._bad(command, line, str(error)) from None
        raise await self._bad(command, "", "only weights come")

    async def _next_line(self, command: str) -> str:
        while not self._early:
            total = self._stream.received_total
            self._early += self._take()
            if self._early:
                break
            if not await self._stream.wait_received(total + 1, self._timeout_second):
                self._early += self._take()
                if self._early:
                    break
                await self.close()
                raise NoReplyError(self.name, command, self._timeout_second)
        return self._early.pop(0)[1]

    def _take(self) -> list[tuple[float, str]]:
        lines: Lines = self._framer.feed(self._stream.take())
        return [
            (float(lines.second[index]), lines.text(index).rstrip(b"\r\n").decode("latin-1"))
            for index in range(len(lines.ends))
        ]

    def _send(self, command: str) -> None:
        if not self._is_in_step:
            self._lose("the link is closed since it fell out of step; connect first")
        self._stream.write(with_parity(command.encode("ascii") + codec.LINE_END, self._parity))

    async def _bad(self, command: str, line: str, why: str) -> BadReplyError:
        await self.close()
        return BadReplyError(self.name, command, line, why)

    def _lose(self, tried: str) -> NoReturn:
        raise LinkLostError(self.name, self._stream.address, tried)

"""One question at a time over a transport, a deadline for each, and no question on a link that fell out of step."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, Protocol, TypeVar

from drivers.errors import BadReplyError, LinkLostError, NoReplyError

Answer = TypeVar("Answer")

SentTotal = Callable[[], Awaitable[int | None]]
"""How many bytes have left the other end of the cable for us so far, where somebody knows that; None where nobody does.

When a reply is overdue and more has left than came, it is on its way: to wait on is right, and there is no fault.
"""

MOST_WAITS = 12
"""So often, as long as one question each, an overdue reply that is known to be on its way is waited for."""


@dataclass(frozen=True)
class Query(Generic[Answer]):
    """A question, how to read its reply (`ValueError` when it cannot be one), and where the maker says so."""

    text: str
    read: Callable[[str], Answer]
    source: str


class Transport(Protocol):
    """Lines of text to and from one address.

    Raises `TimeoutError` when nothing came in `timeout_second`, another `OSError` when the way is gone.
    `received_total` counts bytes since it was opened.
    """

    address: str
    timeout_second: float
    received_total: int

    async def open(self) -> None:
        """Open the way anew; bytes of an earlier connection are never seen again."""
        ...

    async def tell(self, message: str) -> None:
        """Send lines that have no reply."""
        ...

    async def ask(self, message: str) -> str:
        """Send lines and answer with the next line that comes."""
        ...

    async def next_line(self) -> str:
        """The next line, without asking."""
        ...

    async def close(self) -> None:
        """Close the way; closing twice is no error."""
        ...


class Session:
    """Speaks for one instrument.

    After a late, bad or missing reply, or when the caller gave up waiting, the link is closed: the next line could be
    the answer to the last question. From then on every question raises `LinkLostError` until `open`. A serial line, or
    a server of one, may still bring that answer to the link that is opened then, before any other: it is thrown away
    where it can't answer the first question there, or the first other one. Any later it would mean that what was read
    before had answered other questions, and is a bad reply.
    """

    def __init__(
        self,
        instrument: str,
        transport: Transport,
        *,
        sent_total: SentTotal | None = None,
    ) -> None:
        self._instrument = instrument
        self._transport = transport
        self._sent_total = sent_total
        self._sent_before_opening: int | None = None
        self._in_step = False
        self._late_question: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether a question may be asked."""
        return self._in_step

    async def open(self) -> None:
        """Close what was open and open anew. Raises `LinkLostError`."""
        await self.close()
        try:
            await self._transport.open()
        except OSError as error:
            raise self._lost(f"opening: {error}") from error
        self._sent_before_opening = await self._sent_total() if self._sent_total else None
        self._in_step = True

    async def close(self) -> None:
        """Close the link; twice is no error."""
        self._in_step = False
        await self._transport.close()

    async def tell(self, message: str) -> None:
        """Send lines that have no reply. Raises `LinkLostError`."""
        await self._carry(self._transport.tell, message)

    async def tell_alone(self, message: str) -> None:
        """Send lines that have no reply when no question follows at once. Raises `LinkLostError`.

        Whoever counts the bytes of a simulated cable is asked once: when they answer, what was told has arrived there,
        so that simulated time can't go on before it.
        """
        await self.tell(message)
        if self._sent_total is not None:
            await self._sent_total()

    async def ask(self, query: Query[Answer]) -> Answer:
        """Ask, and read the reply. Raises `LinkLostError`, `NoReplyError`, `BadReplyError`."""
        reply = await self._carry(self._ask_patiently, query.text)
        late, self._late_question = self._late_question, None
        if late is not None:
            with contextlib.suppress(ValueError):
                answer = query.read(reply)
                if query.text == late:
                    self._late_question = late
                return answer
            reply = await self._carry(self._next_line, query.text)
        return await self._read(query, reply)

    async def next_answer(self, query: Query[Answer]) -> Answer:
        """Read one more line that an earlier question brings. Raises as `ask`."""
        reply = await self._carry(self._next_line, query.text)
        return await self._read(query, reply)

    async def reject(self, question: str, reply: str, why: str) -> NoReturn:
        """Take a reply that could be read but not be true as a bad one: closes the link, raises `BadReplyError`."""
        await self.close()
        raise BadReplyError(self._instrument, question, reply, why)

    async def _read(self, query: Query[Answer], reply: str) -> Answer:
        try:
            return query.read(reply)
        except ValueError as error:
            why = str(error)
        return await self.reject(query.text, reply, why)

    async def _ask_patiently(self, question: str) -> str:
        return await self._patiently(self._transport.ask(question))

    async def _next_line(self, _question: str) -> str:
        return await self._patiently(self._transport.next_line())

    async def _patiently(self, line: Awaitable[str]) -> str:
        try:
            return await line
        except TimeoutError:
            for _ in range(MOST_WAITS):
                if not await self._more_is_coming():
                    break
                try:
                    return await self._transport.next_line()
                except TimeoutError:
                    continue
            raise

    async def _more_is_coming(self) -> bool:
        sent = await self._sent_total() if self._sent_total else None
        if sent is None or self._sent_before_opening is None:
            return False
        return sent - self._sent_before_opening > self._transport.received_total

    async def _carry(self, send: Callable[[str], Awaitable[Answer]], message: str) -> Answer:
        if not self._in_step:
            raise self._lost("the link is closed since it fell out of step; connect first")
        self._in_step = False
        try:
            answer = await send(message)
        except asyncio.CancelledError:
            self._late_question = message
            raise
        except TimeoutError:
            self._late_question = message
            await self._transport.close()
            raise NoReplyError(self._instrument, message, self._transport.timeout_second) from None
        except OSError as error:
            await self._transport.close()
            raise self._lost(f"{message[:60]!r}: {error}") from error
        except UnicodeDecodeError as error:
            await self._transport.close()
            reply = error.object.decode("latin-1")
            raise BadReplyError(self._instrument, message, reply, "it is not ASCII") from None
        self._in_step = True
        return answer

    def _lost(self, tried: str) -> LinkLostError:
        return LinkLostError(self._instrument, self._transport.address, tried)

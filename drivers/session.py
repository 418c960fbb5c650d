"""One question at a time over a transport, a deadline for each, and no question on a link that fell out of step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, Protocol, TypeVar

from drivers.errors import BadReplyError, LinkLostError, NoReplyError

Answer = TypeVar("Answer")

ReplyIsComing = Callable[[], Awaitable[bool]]
"""Asked when a reply is overdue: whether it is known to be on its way, so that waiting on is right."""


@dataclass(frozen=True)
class Query(Generic[Answer]):
    """A question, how to read its reply (`ValueError` when it cannot be one), and where the maker says so."""

    text: str
    read: Callable[[str], Answer]
    source: str


class Transport(Protocol):
    """Lines of text to and from one address.

    Raises `TimeoutError` when nothing came in `timeout_second`, another `OSError` when the way is gone.
    """

    address: str
    timeout_second: float

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
    the answer to the last question. From then on every question raises `LinkLostError` until `open`.
    """

    def __init__(
        self,
        instrument: str,
        transport: Transport,
        *,
        reply_is_coming: ReplyIsComing | None = None,
    ) -> None:
        self._instrument = instrument
        self._transport = transport
        self._reply_is_coming = reply_is_coming
        self._in_step = False

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
        self._in_step = True

    async def close(self) -> None:
        """Close the link; twice is no error."""
        self._in_step = False
        await self._transport.close()

    async def tell(self, message: str) -> None:
        """Send lines that have no reply. Raises `LinkLostError`."""
        await self._carry(self._transport.tell, message)

    async def ask(self, query: Query[Answer]) -> Answer:
        """Ask, and read the reply. Raises `LinkLostError`, `NoReplyError`, `BadReplyError`."""
        reply = await self._carry(self._ask_patiently, query.text)
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
        try:
            return await self._transport.ask(question)
        except TimeoutError:
            while self._reply_is_coming is not None and await self._reply_is_coming():
                try:
                    return await self._transport.next_line()
                except TimeoutError:
                    continue
            raise

    async def _next_line(self, _question: str) -> str:
        return await self._transport.next_line()

    async def _carry(self, send: Callable[[str], Awaitable[Answer]], message: str) -> Answer:
        if not self._in_step:
            raise self._lost("the link is closed since it fell out of step; connect first")
        self._in_step = False
        try:
            answer = await send(message)
        except TimeoutError:
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

"""A&D weighing indicators that send their standard frame unasked, as load cells."""

from collections.abc import Sequence
from typing import Protocol

from drivers.and_weighing.codec import AndFormat, FrameDecoder
from drivers.framing import Chunk, LineFramer, Lines, Parity
from drivers.roles import Identity, LoadBlock

MAKER = "A&D"


class ByteStream(Protocol):
    """Where the bytes come from, such as a `SerialStream`. `open` and `take` raise `LinkLostError`."""

    async def open(self) -> None:
        """Open or reopen."""
        ...

    def take(self) -> Sequence[Chunk]:
        """All that came since this was last asked."""
        ...

    async def close(self) -> None:
        """Close; twice is no error."""
        ...


class Decoder(Protocol):
    """What makes readings of lines."""

    def decode(self, lines: Lines) -> LoadBlock:
        """One reading for each line that is not empty, in their order."""
        ...


class StreamedIndicator:
    """One indicator in stream mode. Nothing is ever sent to it: zero and tare would destroy an absolute pressure.

    Bytes that are no frame give one unreadable row a line. It does not notice silence.
    """

    def __init__(self, name: str, stream: ByteStream, framer: LineFramer, decoder: Decoder, identity: Identity) -> None:
        """Opens nothing yet.

        Args:
            name: what the station calls it.
            stream: the port it is on.
            framer: of its lines.
            decoder: of its frames.
            identity: what the station says it is.
        """
        self.name = name
        self._stream = stream
        self._framer = framer
        self._decoder = decoder
        self._identity = identity

    async def connect(self) -> Identity:
        """Open (or reopen) the port; the identity is the station's word. Raises `LinkLostError`."""
        self._framer.reset()
        await self._stream.open()
        return self._identity

    async def read(self) -> LoadBlock:
        """All frames that became whole since this was last asked, perhaps none.

        Raises `LinkLostError` once all that came before the port was lost has been read.
        """
        return self._decoder.decode(self._framer.feed(self._stream.take()))

    async def close(self) -> None:
        """Close the port."""
        await self._stream.close()


class AndIndicator(StreamedIndicator):
    """One that sends A&D standard frames."""

    def __init__(
        self,
        name: str,
        stream: ByteStream,
        frame_format: AndFormat,
        *,
        parity: Parity = Parity.NONE,
        identity: Identity | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            name: what the station calls it.
            stream: the port it is on.
            frame_format: how the indicator is set.
            parity: what the eighth bit of the stream's bytes is.
            identity: what the station says it is.
        """
        super().__init__(
            name,
            stream,
            LineFramer(frame_format.line_end, parity),
            FrameDecoder(frame_format),
            identity or Identity(MAKER, "", "", ""),
        )

"""CAS weighing indicators that send their 22-byte frame unasked, as load cells."""

from drivers.and_weighing.indicator import ByteStream, StreamedIndicator
from drivers.cas.codec import LINE_END, CasDecoder, CasFormat
from drivers.framing import LineFramer, Parity
from drivers.roles import Identity

MAKER = "CAS"


class CasIndicator(StreamedIndicator):
    """One in stream mode, set to 22 bytes and so to eight bits without parity. Nothing is ever sent to it."""

    def __init__(
        self, name: str, stream: ByteStream, cas_format: CasFormat, *, identity: Identity | None = None
    ) -> None:
        """Opens nothing yet; see `StreamedIndicator`."""
        framer = LineFramer(LINE_END, Parity.NONE, whole_end=True)
        super().__init__(name, stream, framer, CasDecoder(cas_format), identity or Identity(MAKER, "", "", ""))

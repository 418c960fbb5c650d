"""Lines to and from an instrument over TCP."""

from drivers.line_link import LineLink
from drivers.serial_port import SerialLine, host_and_port


class TcpLink(LineLink):
    """A `Transport` over TCP, to an instrument's own port or a serial device server's."""

    def __init__(
        self, address: str, *, line_end: bytes = b"\r\n", reply_end: bytes | None = None, timeout_second: float = 2.0
    ) -> None:
        r"""Connects nothing yet.

        Args:
            address: `host:port` or `socket://host:port`.
            line_end: ends every line that is sent.
            reply_end: ends every line that comes; as `line_end` when None.
            timeout_second: for opening, and for each line.

        Raises:
            ValueError: for any other address.
        """
        if host_and_port(address) is None:
            raise ValueError(f"{address!r} is not host:port")
        super().__init__(address, SerialLine(), line_end=line_end, reply_end=reply_end, timeout_second=timeout_second)

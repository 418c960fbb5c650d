"""Lines to and from an instrument on a serial port."""

from drivers.line_link import LineLink
from drivers.serial_port import SerialLine


class SerialLink(LineLink):
    """A `Transport` over a serial port of this machine, or behind a serial device server."""

    def __init__(
        self,
        address: str,
        line: SerialLine,
        *,
        line_end: bytes = b"\r",
        reply_end: bytes | None = None,
        timeout_second: float = 2.0,
    ) -> None:
        r"""Opens nothing yet.

        Args:
            address: path of the device, best by id, or `socket://host:port`.
            line: how the port is set.
            line_end: ends every line that is sent.
            reply_end: ends every line that comes; as `line_end` when None.
            timeout_second: for each line.
        """
        super().__init__(address, line, line_end=line_end, reply_end=reply_end, timeout_second=timeout_second)

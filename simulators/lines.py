"""Puts the bytes of a serial line together into commands."""


class CommandLines:
    """Commands as their terminator ends them; what has none yet waits for the rest.

    Args:
        terminator: one byte that ends a command; it is taken off.
        longest: bytes a command may have. Of a longer one that is still without an end, the front is lost.
    """

    def __init__(self, terminator: bytes, longest: int = 256) -> None:
        self._terminator = terminator
        self._longest = longest
        self._unfinished = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The commands that these bytes complete, in order."""
        *commands, rest = (self._unfinished + data).split(self._terminator)
        self._unfinished = rest[-self._longest :]
        return commands

    def clear(self) -> None:
        """Forget what was begun."""
        self._unfinished = b""

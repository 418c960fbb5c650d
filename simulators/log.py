"""The bench's log: what the cell really saw, as JSON lines, for whoever must judge an instrument's user."""

import json
from pathlib import Path
from typing import TextIO

from simulators.device import SECOND_NS


class BenchLog:
    """JSON lines with `bench_second` and `event` first. Each line has left the process when `write` returns."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @classmethod
    def at(cls, path: Path | None) -> "BenchLog":
        """A log at the end of a file, or one that keeps nothing when there is no path.

        Raises:
            OSError: the file can't be written.
        """
        return cls(None if path is None else path.open("a", encoding="utf-8"))

    def write(self, now_ns: int, event: str, **fields: object) -> None:
        """Add a line. Fields are JSON values with their units in their names; None is written as null."""
        if self._stream is None:
            return
        line = {"bench_second": now_ns / SECOND_NS, "event": event, **fields}
        self._stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file; nothing can be written after."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

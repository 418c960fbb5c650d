"""The bench's log: what the cells really saw, as JSON lines, for whoever must judge an instrument's user."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from simulators.device import SECOND_NS


class LogLines(Protocol):
    """Where lines of the log go."""

    def write(self, now_ns: int, event: str, **fields: object) -> None:
        """Add a line. Fields are JSON values with their units in their names; None is written as null."""
        ...


class BenchLog:
    """JSON lines with `bench_second` and `event` first. Lines have left the process when `write` or `in_order` ends."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._gathered: list[tuple[int, str]] | None = None

    @classmethod
    def at(cls, path: Path | None) -> "BenchLog":
        """A log at the end of a file, or one that keeps nothing when there is no path.

        Raises:
            OSError: the file can't be written.
        """
        return cls(None if path is None else path.open("a", encoding="utf-8"))

    def write(self, now_ns: int, event: str, **fields: object) -> None:
        """See `LogLines`."""
        if self._stream is None:
            return
        line = {"bench_second": now_ns / SECOND_NS, "event": event, **fields}
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        if self._gathered is not None:
            self._gathered.append((now_ns, text))
            return
        self._stream.write(text)
        self._stream.flush()

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """While cells go on one after the other, lines are gathered; in the end they are written in order of time."""
        gathered: list[tuple[int, str]] = []
        self._gathered = gathered
        try:
            yield
        finally:
            self._gathered = None
            if gathered and self._stream is not None:
                gathered.sort(key=lambda entry: entry[0])
                self._stream.write("".join(text for _, text in gathered))
                self._stream.flush()

    def close(self) -> None:
        """Close the file; nothing can be written after."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class CellLog:
    """The log's lines about one cell of several: each names it."""

    def __init__(self, log: BenchLog, cell: str) -> None:
        self._log = log
        self._cell = cell

    def write(self, now_ns: int, event: str, **fields: object) -> None:
        """See `LogLines`."""
        self._log.write(now_ns, event, cell=self._cell, **fields)

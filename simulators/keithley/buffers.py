"""Reading buffers: what is stored, dropped or overwritten, and what they answer about themselves."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from simulators.keithley.events import (
    BUFFER_EXISTS,
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    SETTINGS_CONFLICT,
    CommandError,
)

SMALLEST_CAPACITY = 10
LARGEST_CAPACITY = {"STAN": 6_875_000, "COMP": 27_500_000, "FULL": 6_875_000}
"""By style, of a buffer that is alone: all buffers share one memory, each taking its share of it. Whether the default
buffers take from it, and the code of a refusal, is [unverified]."""
DEFAULT_NAMES = ("defbuffer1", "defbuffer2")
DEFAULT_CAPACITY = 100_000
PAST_CAPACITY = (4915, "Attempting to store past capacity of reading buffer")
BUFFER_EMPTY = (4916, "Reading buffer {} is 0% filled")
BUFFER_FULL = (4917, "Reading buffer {} is 100% filled")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_FIRST_ALLOCATION = 1024


@dataclass(frozen=True)
class Readings:
    """Readings in the order they were made; arrays of shape (n,).

    `stamp_ns` is the instrument's clock, nanoseconds since 1970. `units` is 0 volt, 1 ampere, 2 ohm for the reading,
    plus 4 times the same for the source value.
    """

    stamp_ns: NDArray[np.int64]
    reading: NDArray[np.float64]
    source: NDArray[np.float64]
    source_status: NDArray[np.int16]
    status: NDArray[np.int16]
    units: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """All arrays, in the order of the fields."""
        return (self.stamp_ns, self.reading, self.source, self.source_status, self.status, self.units)

    def taken(self, which: slice | NDArray[np.int64]) -> "Readings":
        """Some of them."""
        return Readings(
            self.stamp_ns[which],
            self.reading[which],
            self.source[which],
            self.source_status[which],
            self.status[which],
            self.units[which],
        )


def _empty(count: int) -> Readings:
    return Readings(
        np.zeros(count, np.int64),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, np.int16),
        np.zeros(count, np.int16),
        np.zeros(count, np.int8),
    )


class ReadingBuffer:
    """One buffer. Positions count from 1; a `CONT` buffer that is full goes on at position 1 [unverified]."""

    def __init__(self, name: str, capacity: int, style: str, mode: str, *, logs: bool) -> None:
        self.name = name
        self.capacity = capacity
        self.style = style
        self.mode = mode
        self.logs = logs
        self._store = _empty(0)
        self.clear()

    def clear(self) -> None:
        """Forget all readings; the next one starts relative time anew."""
        self._store = _empty(0)
        self._written = 0
        self._base_ns = 0
        self._dropped = False

    @property
    def count(self) -> int:
        """How many readings it holds."""
        return min(self._written, self.capacity)

    @property
    def last_position(self) -> int:
        """Position of the newest reading, 0 when empty."""
        return (self._written - 1) % self.capacity + 1 if self._written else 0

    @property
    def first_position(self) -> int:
        """Position of the oldest reading, 0 when empty."""
        return self._written % self.capacity + 1 if self._written > self.capacity else min(self._written, 1)

    @property
    def room(self) -> int | None:
        """How many readings can be stored before anything but storing happens; None is any number."""
        full = self._written >= self.capacity
        if full and (self.mode == "CONT" or self._dropped):
            return None
        return 0 if full or not self._written else self.capacity - self._written - 1

    def store(self, readings: Readings) -> list[tuple[int, str]]:
        """Add readings; answer the events that this is worth, as code and text."""
        if not len(readings):
            return []
        happened = []
        if not self._written:
            self._base_ns = int(readings.stamp_ns[0])
            happened += self._report(BUFFER_EMPTY)
        was_full = self._written >= self.capacity
        if self.mode == "ONCE":
            free = self.capacity - self._written
            if len(readings) > free and not self._dropped:
                self._dropped = True
                happened.append(PAST_CAPACITY)
            readings = readings.taken(slice(0, free))
        self._write(readings)
        if self._written >= self.capacity and not was_full:
            happened += self._report(BUFFER_FULL)
        return happened

    def _report(self, event: tuple[int, str]) -> list[tuple[int, str]]:
        return [(event[0], event[1].format(self.name))] if self.logs else []

    def _write(self, readings: Readings) -> None:
        skipped = max(len(readings) - self.capacity, 0)
        readings = readings.taken(slice(skipped, None))
        start = (self._written + skipped) % self.capacity
        self._written += skipped + len(readings)
        self._grow(min(self._written, self.capacity))
        upto = min(len(readings), self.capacity - start)
        for kept, new in zip(self._store.columns(), readings.columns(), strict=True):
            kept[start : start + upto] = new[:upto]
            kept[: len(new) - upto] = new[upto:]

    def _grow(self, count: int) -> None:
        held = len(self._store)
        if count <= held:
            return
        grown = _empty(min(max(2 * held, count, _FIRST_ALLOCATION), self.capacity))
        for kept, new in zip(self._store.columns(), grown.columns(), strict=True):
            new[:held] = kept
        self._store = grown

    def rows(self, start: int, end: int) -> Readings:
        """Readings at positions `start … end`. Raises CommandError -222 when there are none there."""
        if not 1 <= start <= end <= self.count:
            raise CommandError(*OUT_OF_RANGE)
        return self._store.taken(slice(start - 1, end))

    def relative_second(self, readings: Readings) -> NDArray[np.float64]:
        """Seconds since the first reading that was stored after the last clear."""
        seconds: NDArray[np.float64] = (readings.stamp_ns - self._base_ns) / 1e9
        return seconds

    def set_mode(self, mode: str) -> None:
        """Change the fill mode, which clears the buffer [manual 2461A]."""
        self.mode = mode
        self.clear()

    def resize(self, capacity: int) -> None:
        """Change the capacity, which clears the buffer."""
        self.capacity = capacity
        self.clear()


class BufferSet:
    """All buffers of an instrument, by name."""

    def __init__(self) -> None:
        self._buffers: dict[str, ReadingBuffer] = {}
        self.reset()

    def reset(self) -> None:
        """Only the two empty default buffers are left."""
        self._buffers = {
            name: ReadingBuffer(name, DEFAULT_CAPACITY, "STAN", "CONT", logs=True) for name in DEFAULT_NAMES
        }

    def get(self, name: str) -> ReadingBuffer:
        """A buffer. Raises CommandError for a name that isn't there [code -224 unverified]."""
        if name not in self._buffers:
            raise CommandError(ILLEGAL_VALUE[0], f"{ILLEGAL_VALUE[1]}; no reading buffer named {name}")
        return self._buffers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._buffers

    def make(self, name: str, capacity: int, style: str) -> None:
        """Create one. Raises CommandError for a name that is taken or can't be one, and when there is no room."""
        if name in self._buffers:
            raise CommandError(*BUFFER_EXISTS)
        if not _NAME.fullmatch(name):
            raise CommandError(*ILLEGAL_VALUE)
        self._check_room(capacity, style, beside=self._buffers.values())
        self._buffers[name] = ReadingBuffer(name, capacity, style, "ONCE", logs=False)

    def resize(self, name: str, capacity: int) -> None:
        """Change the capacity of one, which clears it. Raises CommandError when there is no room for it."""
        buffer = self.get(name)
        self._check_room(capacity, buffer.style, beside=[other for other in self._buffers.values() if other != buffer])
        buffer.resize(capacity)

    def _check_room(self, capacity: int, style: str, beside: Iterable[ReadingBuffer]) -> None:
        taken = sum(Fraction(other.capacity, LARGEST_CAPACITY[other.style]) for other in beside)
        if taken + Fraction(capacity, LARGEST_CAPACITY[style]) > 1:
            raise CommandError(OUT_OF_RANGE[0], f"{OUT_OF_RANGE[1]}; not enough memory for the reading buffer")

    def delete(self, name: str) -> None:
        """Remove one. Raises CommandError for the default buffers."""
        self.get(name)
        if name in DEFAULT_NAMES:
            raise CommandError(*SETTINGS_CONFLICT)
        del self._buffers[name]

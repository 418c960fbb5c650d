"""Watches a running trigger model for loops whose passes are alike, so that many of them can be carried out at once."""

from dataclasses import dataclass

LONGEST_TRACE = 20_000
MOST_PATIENCE = 200
MOST_TRIES = 3


@dataclass(frozen=True)
class ReadingMade:
    """A measure block made one reading."""

    block: int
    buffer: str
    at_ns: int


@dataclass(frozen=True)
class Tested:
    """A branch tested the last reading of a measure block."""

    block: int
    measure_block: int
    taken: bool


@dataclass(frozen=True)
class Counted:
    """A counter counted; `taken` says that it branched."""

    block: int
    taken: bool


@dataclass(frozen=True)
class Reset:
    """A counter was set back."""

    block: int


@dataclass(frozen=True)
class Barred:
    """Something happened that can't be carried out in bulk."""


BARRED = Barred()
Entry = ReadingMade | Tested | Counted | Reset | Barred


@dataclass(frozen=True)
class Snapshot:
    """Where a model stands when it branches backward: all that decides what comes next, but readings and buffers."""

    now_ns: int
    counters: dict[int, int]
    ticks: dict[str, int]
    phases: dict[str, int | None]
    consumed: dict[tuple[int, str], int]
    pending: frozenset[tuple[int, str]]
    met: frozenset[int]
    known: frozenset[tuple[int, int]]
    spun: int

    def is_like(self, other: "Snapshot") -> bool:
        """Whether the parts that don't count up are the same."""
        return (
            self.pending == other.pending
            and self.met == other.met
            and self.known == other.known
            and self.spun == other.spun
        )


@dataclass(frozen=True)
class Test:
    """One test of a pass: after `readings_before` of the pass's readings of `measure_block`, `block` did `taken`."""

    block: int
    measure_block: int
    readings_before: int
    taken: bool


@dataclass(frozen=True)
class Pass:
    """One pass of a loop, from one backward branch of a block to its next; every pass like it takes `period_ns`.

    `offsets_ns`, `reading_blocks` and `reading_buffers` have one entry for each reading. `counts` are the counters that
    only count up, with their step; `counters` those that are where they were.
    """

    start: Snapshot
    period_ns: int
    offsets_ns: tuple[int, ...]
    reading_blocks: tuple[int, ...]
    reading_buffers: tuple[str, ...]
    tests: tuple[Test, ...]
    counts: dict[int, int]
    counters: dict[int, int]
    ticking: dict[str, int]
    forgotten: dict[tuple[int, str], int]

    def fits(self, now: Snapshot) -> bool:
        """Whether a pass that begins now would be like this one, if readings, counts and far timers let it."""
        return (
            now.is_like(self.start)
            and all(now.counters[number] == count for number, count in self.counters.items())
            and all(now.phases[name] == self.start.phases[name] for name in self.ticking)
        )


class Tracer:
    """Notes what a model does, and keeps the latest repeatable pass of each block that branches backward."""

    def __init__(self) -> None:
        self.passes: dict[int, Pass] = {}
        self._tries: dict[int, int] = {}
        self._streak = (0, 0)
        self._entries: list[Entry] = []
        self._open: dict[int, tuple[int, Snapshot]] = {}

    def clear(self) -> None:
        """Forget all: the program or the settings have changed."""
        self.passes.clear()
        self._tries.clear()
        self._streak = (0, 0)
        self.interrupt()

    def interrupt(self) -> None:
        """Passes under way can't be followed to their end; those that are known stay known."""
        self._entries.clear()
        self._open.clear()

    def note(self, entry: Entry) -> None:
        """Something that can be repeated has happened."""
        self._entries.append(entry)

    def bar(self) -> None:
        """Something that can't be repeated has happened."""
        self._entries.append(BARRED)

    def jump(self, number: int, snapshot: Snapshot) -> None:
        """Block `number` has branched backward: one of its passes ends and the next begins."""
        self._tries[number] = self._tries.get(number, 0) + 1
        self._streak = (number, self._streak[1] + 1 if self._streak[0] == number else 1)
        known = self.passes.get(number)
        if number in self._open and (known is None or not known.fits(snapshot)):
            first, start = self._open[number]
            made = _pass_of(self._entries[first:], start, snapshot)
            if made:
                self.passes[number] = made
        if len(self._entries) > LONGEST_TRACE:
            self.interrupt()
        self._open[number] = (len(self._entries), snapshot)

    def is_learning(self, enclosing: tuple[int, ...]) -> bool:
        """Whether an enclosing loop's pass is still to be learnt, which a leap over an inner one would prevent."""
        unknown = any(n not in self.passes and self._tries.get(n, 0) < MOST_TRIES for n in enclosing)
        return unknown and self._streak[1] < MOST_PATIENCE


def _pass_of(entries: list[Entry], start: Snapshot, end: Snapshot) -> Pass | None:
    """The pass between two snapshots, or None when the next one can't be like it."""
    ticking = {name: end.ticks[name] - start.ticks[name] for name in end.ticks if end.ticks[name] != start.ticks[name]}
    counts = _counts(entries, start, end)
    readings = [entry for entry in entries if isinstance(entry, ReadingMade)]
    if (
        counts is None
        or not readings
        or BARRED in entries
        or not end.is_like(start)
        or any(start.phases[name] != end.phases[name] for name in ticking)
        or end.now_ns <= start.now_ns
    ):
        return None
    return Pass(
        start=start,
        period_ns=end.now_ns - start.now_ns,
        offsets_ns=tuple(reading.at_ns - start.now_ns for reading in readings),
        reading_blocks=tuple(reading.block for reading in readings),
        reading_buffers=tuple(reading.buffer for reading in readings),
        tests=_tests(entries),
        counts=counts,
        counters={number: count for number, count in start.counters.items() if number not in counts},
        ticking=ticking,
        forgotten={key: end.consumed[key] - was for key, was in start.consumed.items() if end.consumed[key] != was},
    )


def _counts(entries: list[Entry], start: Snapshot, end: Snapshot) -> dict[int, int] | None:
    """The counters that counted up, and by how much; None when one did that can't go on so."""
    counts = {}
    for number, count in start.counters.items():
        step = end.counters[number] - count
        if not step:
            continue
        touched = [entry for entry in entries if isinstance(entry, Counted | Reset) and entry.block == number]
        if step != len(touched) or not all(isinstance(entry, Counted) and entry.taken for entry in touched):
            return None
        counts[number] = step
    return counts


def _tests(entries: list[Entry]) -> tuple[Test, ...]:
    made: dict[int, int] = {}
    tests = []
    for entry in entries:
        if isinstance(entry, ReadingMade):
            made[entry.block] = made.get(entry.block, 0) + 1
        elif isinstance(entry, Tested):
            tests.append(Test(entry.block, entry.measure_block, made.get(entry.measure_block, 0), entry.taken))
    return tuple(tests)

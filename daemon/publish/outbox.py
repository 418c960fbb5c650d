"""What one sink hasn't got yet of one run: the run's stored rows and journal from a cursor on, as messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from daemon.cycles import Cycle
from daemon.engine import Phase, Run, decode_run
from daemon.events import SegmentEnded, decode_event
from daemon.plan import Plan
from daemon.publish import payloads
from daemon.publish.counting import CycleCounter
from daemon.publish.payloads import Message, Origin
from daemon.publish.topics import RigTopics
from daemon.store.blocks import Block
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile

JOURNAL = ":journal"
"""The cursor of the journal, among those of the streams."""

MESSAGES_A_BATCH = 8
ROWS_A_MESSAGE = 1000
ENTRIES_A_BATCH = 512
ROWS_WERE_STORED = ("block_stored", "readings_stored")
"""Journal entries that say no more than the rows themselves."""


@dataclass(frozen=True)
class Batch:
    """Messages in order, and the cursors once all of them are acknowledged."""

    messages: tuple[Message, ...] = ()
    cursors: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.cursors)


@dataclass(frozen=True)
class Glance:
    """How a run stands now: retained messages, all of its alarms among them, and the newest values."""

    retained: tuple[Message, ...]
    live: Message | None
    state: str
    finished: bool


class Outbox:
    """One run as messages. Use it from one thread at a time: calls read the disk. All raise `StoreError`.

    Every row and journal entry after its cursor comes once, those that are stored meanwhile too. The run's file is
    open only between the first call and `rest`.
    """

    def __init__(self, run_file: Path, header: RunHeader, topics: RigTopics, cursors: Mapping[str, int]) -> None:
        self.header = header
        self.topics = topics
        self.finished = False
        self.origin = Origin(
            run_id=header.run_id,
            station=header.station,
            simulated=header.simulated,
            started_utc_second=header.started_utc_second,
        )
        self._path = run_file
        self._plan = msgspec.json.decode(header.plan_json, type=Plan)
        self._cursors = dict(cursors)
        self._journal: Iterator[JournalEntry] = iter(())
        self._folded_seq = 0
        self._cycles = CycleCounter(self._plan)
        self._last_read: dict[str, Block] = {}
        self._newest: dict[str, Block] = {}
        self._opened: RunFile | None = None
        self._state, self._since_utc_second = "", 0.0

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.header.run_id

    def next(self, *, records_wanted: bool = True) -> Batch:
        """The next messages; empty when there is nothing new. Once taken they don't come again: keep them until sent.

        Without `records_wanted` rows are passed over: nobody is there to have them.
        """
        messages, cursors = self._next_entries()
        streams = list(self._file().schemas)
        if not records_wanted:
            cursors |= self._ends_of(streams)
            streams = []
        while streams and len(messages) < MESSAGES_A_BATCH:
            found = {stream: self._next_records(stream, cursors) for stream in streams}
            streams = [stream for stream in streams if found[stream] is not None]
            messages += [message for message in found.values() if message is not None]
        self._cursors |= cursors
        return Batch(tuple(messages), cursors)

    def glance(self, utc_second: float, rest: Mapping[str, object]) -> Glance:
        """How the run stands now, `utc_second`; `rest` goes into the rig's state."""
        run_file = self._file()
        with run_file.reading():
            snapshot = read_snapshot(run_file)
            for stream in run_file.schemas:
                self._look_at_newest(run_file, stream)
        run = decode_run(snapshot.body) if snapshot else Run(plan=self._plan)
        state = payloads.state_of(run)
        if state != self._state:
            self._state, self._since_utc_second = state, utc_second
        cycle_count = payloads.cycle_count_now(run, self._cycles.counted, self._cycles.open_halves)
        counts = {"cycle_count": cycle_count, "step_count": run.segment}
        live = payloads.live(self.origin, self._newest, counts, utc_second)
        return Glance(
            retained=tuple(self._retained(run, cycle_count, {"since_unix_second": self._since_utc_second, **rest})),
            live=live and Message(self.topics.live, live, 0, expires_after_second=payloads.LIVE_EXPIRES_AFTER_SECOND),
            state=state,
            finished=run.phase is Phase.FINISHED,
        )

    def lag_rows(self) -> int:
        """Rows that are stored and not yet sent."""
        run_file = self._file()
        with run_file.reading():
            ends = run_file.read_ends()
        return sum(ends.last_seq(stream) - self._cursors.get(stream, 0) for stream in run_file.schemas)

    def rest(self) -> None:
        """Close the run's file, so that its owner can seal it; any other call opens it again."""
        self._journal = iter(())
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _file(self) -> RunFile:
        if self._opened is None:
            self._opened = RunFile.read_only(self._path)
        return self._opened

    def _next_entries(self) -> tuple[list[Message], dict[str, int]]:
        """Messages of the journal's next entries; those before the cursor are only counted."""
        told_seq = self._cursors.get(JOURNAL, 0)
        messages: list[Message] = []
        entries = list(islice(self._journal, ENTRIES_A_BATCH))
        if not entries:
            self._journal = read_journal(self._file(), after_seq=self._folded_seq)
            entries = list(islice(self._journal, ENTRIES_A_BATCH))
        for entry in entries:
            cycles = self._fold(entry)
            self._folded_seq = entry.seq
            if entry.seq > told_seq and entry.kind not in ROWS_WERE_STORED:
                messages.append(self._event(entry))
                messages += [self._cycle(cycle, retain=cycle is cycles[-1]) for cycle in cycles]
        last_seq = max(self._folded_seq, told_seq)
        return messages, ({JOURNAL: last_seq} if last_seq > told_seq else {})

    def _fold(self, entry: JournalEntry) -> list[Cycle]:
        """The cycles an entry makes final."""
        if entry.kind == "made_safe":
            self.finished = True
            return self._cycles.finish()
        event = decode_event(entry.body) if entry.kind == "segment_ended" else None
        return self._cycles.add(event.record) if isinstance(event, SegmentEnded) else []

    def _event(self, entry: JournalEntry) -> Message:
        payload = payloads.event(
            self.origin, entry.seq, entry.kind, entry.body, entry.run_time_second, entry.utc_second
        )
        return Message(self.topics.event, payload)

    def _cycle(self, cycle: Cycle, *, retain: bool) -> Message:
        return Message(self.topics.cycle, payloads.cycle(self.origin, cycle), retain=retain)

    def _next_records(self, stream: str, cursors: dict[str, int]) -> Message | None:
        """The next rows of a stream after `cursors`, which it moves; None when there are none."""
        first_seq = cursors.get(stream, self._cursors.get(stream, 0)) + 1
        block = self._block_with(stream, first_seq)
        if block is None:
            return None
        cursors[stream] = last_seq = min(block.last_seq, first_seq + ROWS_A_MESSAGE - 1)
        schema = self._file().schemas[stream]
        payload = payloads.records(self.origin, block, schema, first_seq, last_seq)
        return Message(self.topics.records(stream), payload)

    def _ends_of(self, streams: Iterable[str]) -> dict[str, int]:
        """The last rows of streams that have any after their cursor."""
        run_file = self._file()
        with run_file.reading():
            ends = run_file.read_ends()
        return {stream: ends.last_seq(stream) for stream in streams if ends.last_seq(stream) > self._cursors.get(stream, 0)}

    def _block_with(self, stream: str, seq: int) -> Block | None:
        """The block that holds a row, or None while there is no such row."""
        known = self._last_read.get(stream)
        if known is not None and known.first_seq <= seq <= known.last_seq:
            return known
        run_file = self._file()
        with run_file.reading():
            if run_file.read_ends().last_seq(stream) < seq:
                return None
            block = _stored_block(run_file, stream, seq)
        self._last_read[stream] = block
        return block

    def _look_at_newest(self, run_file: RunFile, stream: str) -> None:
        last_seq = run_file.read_ends().last_seq(stream)
        known = self._newest.get(stream)
        if last_seq and (known is None or known.last_seq != last_seq):
            self._newest[stream] = _stored_block(run_file, stream, last_seq)

    def _retained(self, run: Run, cycle_count: int, rest: Mapping[str, object]) -> Iterator[Message]:
        names = payloads.run_names(self.header.protocol_name, self.header.protocol_text, self._plan)
        yield _kept(self.topics.state, payloads.rig_state(self.origin, run, rest))
        yield _kept(self.topics.run, payloads.run_progress(self.origin, names, run, cycle_count))
        yield _kept(self.topics.description, payloads.rig_description(self.origin, self._file().schemas.values()))
        if self._cycles.last is not None:
            yield self._cycle(self._cycles.last, retain=True)
        for code, (severity, text) in payloads.alarms(run).items():
            yield _kept(self.topics.alarm(code), payloads.alarm(self.origin, code, severity, text))


def _kept(topic: str, payload: bytes) -> Message:
    return Message(topic, payload, retain=True)


def _stored_block(run_file: RunFile, stream: str, seq: int) -> Block:
    """The stored block that holds a row that is there."""
    query = (
        "SELECT first_seq, last_seq, segment, compacted, checksum, data FROM block"
        " WHERE stream = ? AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1"
    )
    return run_file.checked_block(stream, run_file.connection.execute(query, (stream, seq)).fetchone())

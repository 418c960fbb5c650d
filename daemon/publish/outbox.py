"""What one sink hasn't got yet of one run: the run's stored rows and journal from a cursor on, as messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from daemon.clock import real_second
from daemon.cycles.table import Cycle
from daemon.deciding.run_state import Phase, Run
from daemon.events import PlanChanged, SegmentEnded, decode_event
from daemon.plan import Plan
from daemon.publish import payloads
from daemon.publish.counting import CycleCounter
from daemon.publish.cursors import Cursors
from daemon.publish.payloads import Message, Origin, Span
from daemon.publish.topics import RigTopics
from daemon.store.blocks import Block
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile
from daemon.stored import stored_run

REPEATED_REAL_SECOND = 5.0
"""How much of what was acknowledged last is sent again on a new connection: a broker that died has acknowledged, and
then forgotten, what it had not delivered or saved yet. Mosquitto can save every second; see `config/broker`."""

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
        return bool(self.cursors) or bool(self.messages)


@dataclass(frozen=True)
class Glance:
    """How a run stands now: retained messages, the alarms that are on, and the newest values."""

    retained: tuple[Message, ...]
    alarms: tuple[Message, ...]
    live: Message | None
    state: str


class Outbox:
    """One run as messages. Use it from one thread at a time: calls read and write the disk. All raise `StoreError`.

    Every row and journal entry after its cursor comes once, those that are stored meanwhile too. The run's file is
    open only between a call and `rest`.
    """

    def __init__(self, run_file: Path, header: RunHeader, topics: RigTopics, cursors: Cursors) -> None:
        self.header = header
        self.topics = topics
        self.origin = Origin(
            run_id=header.run_id,
            station=header.station,
            simulated=header.simulated,
            started_utc_second=header.started_utc_second,
        )
        self._path = run_file
        self._plan = msgspec.json.decode(header.plan_json, type=Plan)
        self._protocol = header.protocol_name, header.protocol_text
        self._cursors = cursors
        self._acknowledged: dict[str, int] | None = None
        self._earlier: deque[tuple[float, dict[str, int], Batch]] = deque()
        """What was acknowledged in the last few seconds: when, the cursors before it, and the events in it."""
        self._waiting = Batch()
        self._journal: Iterator[JournalEntry] = iter(())
        self._folded_seq = 0
        self._cycles = CycleCounter(self._plan)
        self._over = False
        self._last_read: dict[str, Block] = {}
        self._newest: dict[str, Block] = {}
        self._state, self._since_utc_second = "", 0.0
        self._opened: RunFile | None = None

    @property
    def over(self) -> bool:
        """The run has ended, and its last entry is in a batch."""
        return self._over

    def exchange(self, acknowledged: Batch | None, wanted: Callable[[str], bool]) -> Batch:
        """The next messages, empty when there is nothing new; the same again until they are given as `acknowledged`.

        Rows of topics that are not `wanted` are passed over: nobody is there to have them.
        """
        if acknowledged is not None and acknowledged is self._waiting:
            # Forgotten first: should the disk refuse, no row is sent twice before the next start.
            self._waiting = Batch()
            self._earlier.append((real_second(), self._known(), self._without_records(acknowledged)))
            self._forget_earlier()
            self._acknowledged = {**self._known(), **acknowledged.cursors}
            self._cursors.advance(self.header.run_id, acknowledged.cursors)
        if not self._waiting:
            self._waiting = self._next(wanted)
        return self._waiting

    def repeat(self) -> None:
        """There is a new connection: let what was acknowledged in the last few seconds come again."""
        self._forget_earlier()
        if not self._earlier:
            return
        known, before = self._known(), self._earlier[0][1]
        streams = {stream: before.get(stream, 0) for stream in known if stream != JOURNAL}
        self._acknowledged = {**streams, JOURNAL: known.get(JOURNAL, 0)}
        events = [*(batch for _, _, batch in self._earlier), self._without_records(self._waiting)]
        self._waiting = Batch(tuple(message for batch in events for message in batch.messages), events[-1].cursors)
        self._earlier.clear()

    def glance(self, utc_second: float, rest: Mapping[str, object]) -> Glance:
        """How the run stands now, `utc_second`; `rest` goes into the rig's state."""
        run_file = self._file()
        with run_file.reading():
            snapshot = read_snapshot(run_file)
            for stream in run_file.schemas:
                self._look_at_newest(run_file, stream)
        run = stored_run(self._path, snapshot) if snapshot else Run(plan=self._plan)
        state = payloads.state_of(run)
        if state != self._state:
            self._state, self._since_utc_second = state, utc_second
        cycle_count = payloads.cycle_count_now(run, self._cycles.counted, self._cycles.open_halves)
        counts = {"cycle_count": cycle_count, "step_count": run.segment}
        live = payloads.live(self.origin, self._newest, counts, utc_second)
        return Glance(
            retained=tuple(self._retained(run, cycle_count, {"since_unix_second": self._since_utc_second, **rest})),
            alarms=tuple(self._alarms(run)),
            live=live
            if live is None
            else Message(self.topics.live, live, 0, expires_after_second=payloads.LIVE_EXPIRES_AFTER_SECOND),
            state=state,
        )

    def lag_rows(self) -> int:
        """Rows that are stored and not acknowledged."""
        return sum(last - first + 1 for first, last in self._unacknowledged().values())

    def begin(self) -> None:
        """Note that the sink shall have all of this run."""
        self._cursors.follow(self.header.run_id, self._path.parent)

    def finish(self) -> None:
        """Note that the sink has all of this run."""
        self._cursors.done(self.header.run_id)

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

    def _known(self) -> dict[str, int]:
        """The cursors."""
        if self._acknowledged is None:
            self._acknowledged = self._cursors.read(self.header.run_id)
        return self._acknowledged

    def _without_records(self, batch: Batch) -> Batch:
        records = self.topics.all_records
        events = tuple(message for message in batch.messages if not message.topic.startswith(records))
        return Batch(events, {name: seq for name, seq in batch.cursors.items() if name == JOURNAL})

    def _forget_earlier(self) -> None:
        while self._earlier and self._earlier[0][0] < real_second() - REPEATED_REAL_SECOND:
            self._earlier.popleft()

    def _next(self, wanted: Callable[[str], bool]) -> Batch:
        messages, cursors = self._next_entries()
        to_come = self._unacknowledged()
        for stream, (_, last_seq) in to_come.items():
            if not wanted(self.topics.records(stream)):
                cursors[stream] = last_seq
        while len(messages) < MESSAGES_A_BATCH:
            behind = [stream for stream, (_, last_seq) in to_come.items() if cursors.get(stream, 0) < last_seq]
            if not behind:
                break
            for stream in behind:
                first_seq = cursors.get(stream, to_come[stream][0] - 1) + 1
                message, cursors[stream] = self._records(stream, first_seq, to_come[stream][1])
                messages.append(message)
        return Batch(tuple(messages), cursors)

    def _unacknowledged(self) -> dict[str, tuple[int, int]]:
        """For each stream with rows after its cursor, the numbers of the first and the last of them."""
        run_file, known = self._file(), self._known()
        with run_file.reading():
            ends = run_file.read_ends()
        spans = {stream: (known.get(stream, 0) + 1, ends.last_seq(stream)) for stream in run_file.schemas}
        return {stream: span for stream, span in spans.items() if span[0] <= span[1]}

    def _next_entries(self) -> tuple[list[Message], dict[str, int]]:
        """Messages of the journal's next entries; those before the cursor are only counted."""
        told_seq = self._known().get(JOURNAL, 0)
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
        if entry.kind == "made_safe" and self._ended_with(entry.seq):
            self._over = True
            return self._cycles.finish()
        event = decode_event(entry.body) if entry.kind in ("segment_ended", "plan_changed") else None
        if isinstance(event, PlanChanged):
            # A run that had ended goes on when steps are appended to it.
            self._plan, self._over = event.plan, False
            self._protocol = event.protocol_name, event.protocol_text
            self._cycles.replan(event.plan)
        return self._cycles.add(event.record) if isinstance(event, SegmentEnded) else []

    def _ended_with(self, seq: int) -> bool:
        """Whether the run ended with this entry: one that is held was made safe, too."""
        run_file = self._file()
        with run_file.reading():
            snapshot = read_snapshot(run_file)
        if snapshot is None or snapshot.journal_seq != seq:
            return False
        return stored_run(self._path, snapshot).phase is Phase.FINISHED

    def _event(self, entry: JournalEntry) -> Message:
        happened = {"unix_time_second": entry.utc_second, "test_time_second": entry.run_time_second}
        payload = payloads.event(self.origin, entry.seq, entry.kind, entry.body, happened)
        return Message(self.topics.event, payload)

    def _cycle(self, cycle: Cycle, *, retain: bool) -> Message:
        return Message(self.topics.cycle, payloads.cycle(self.origin, cycle), retain=retain)

    def _records(self, stream: str, first_seq: int, last_seq: int) -> tuple[Message, int]:
        """A message of rows from `first_seq` on, all of them there, and the number of the last of them.

        A block as it was stored is one message; small ones go together, packed ones are cut.
        """
        most_seq = min(last_seq, first_seq + ROWS_A_MESSAGE - 1)
        block = self._block_with(stream, first_seq)
        spans = [Span(block, first_seq, min(block.last_seq, most_seq))]
        while (due_seq := spans[-1].last_seq + 1) <= most_seq:
            # While this goes on the run's owner may pack blocks, and a block then begins before the row that is due.
            block = self._block_with(stream, due_seq)
            if block.last_seq > most_seq:
                break
            spans.append(Span(block, due_seq, block.last_seq))
        payload = payloads.records(self.origin, spans, self._file().schemas[stream])
        return Message(self.topics.records(stream), payload), spans[-1].last_seq

    def _block_with(self, stream: str, seq: int) -> Block:
        """The block that holds a row that is there."""
        block = self._last_read.get(stream)
        if block is None or not block.first_seq <= seq <= block.last_seq:
            run_file = self._file()
            with run_file.reading():
                block = self._last_read[stream] = _stored_block(run_file, stream, seq)
        return block

    def _look_at_newest(self, run_file: RunFile, stream: str) -> None:
        last_seq = run_file.read_ends().last_seq(stream)
        known = self._newest.get(stream)
        if last_seq and (known is None or known.last_seq != last_seq):
            self._newest[stream] = _stored_block(run_file, stream, last_seq)

    def _retained(self, run: Run, cycle_count: int, rest: Mapping[str, object]) -> Iterator[Message]:
        names = payloads.run_names(*self._protocol, self._plan)
        yield _kept(self.topics.state, payloads.rig_state(self.origin, run, rest))
        yield _kept(self.topics.run, payloads.run_progress(self.origin, names, run, cycle_count))
        yield _kept(self.topics.description, payloads.rig_description(self.origin, self._file().schemas.values()))
        if self._cycles.last is not None:
            yield self._cycle(self._cycles.last, retain=True)

    def _alarms(self, run: Run) -> Iterator[Message]:
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

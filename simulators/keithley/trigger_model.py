"""The trigger model: runs its blocks one after the other, in simulated time, with nobody connected."""

from dataclasses import dataclass

from simulators.keithley.blocks import (
    INFINITE,
    Block,
    BranchCounter,
    BranchDelta,
    BranchDynamicLimit,
    BranchLimit,
    Measure,
    ReadingBranch,
    Wait,
)
from simulators.keithley.events import (
    INIT_IGNORED,
    MODEL_ABORTED,
    MODEL_COMPLETED,
    MODEL_ENDED,
    MODEL_FAILED,
    MODEL_STARTED,
    SETTINGS_CONFLICT,
    CommandError,
    EventKind,
)
from simulators.keithley.hands import Hands
from simulators.keithley.state_watch import STATE_LOOK_NS, StateWatch
from simulators.keithley.timers import FAR_NS, EventBus
from simulators.keithley.tracing import Counted, Pass, ReadingMade, Reset, Snapshot, Tested, Tracer

MOST_BLOCKS_AT_ONCE = 50
STALL_NS = 10_000_000
"""A loop that never waits takes this long for every MOST_BLOCKS_AT_ONCE blocks, so that it can't stop time."""


@dataclass
class Background:
    """Readings made while other blocks run."""

    block: int
    buffer: str
    next_ns: int


class TriggerModel:
    """Blocks and where execution stands. `next_ns` says when it acts next; `step` acts then.

    `executed` is the last block that was begun. `waits_share_events`: leaving one wait block clears the memory of its
    events for all wait blocks, not for itself alone [unverified which is so].
    """

    def __init__(self, hands: Hands, events: EventBus) -> None:
        self.hands = hands
        self.events = events
        self.blocks: dict[int, Block] = {}
        self.watch = StateWatch()
        self.running = False
        self.paused = False
        self.now_ns = 0
        self.idle_seen_ns = 0
        self.counters: dict[int, int] = {}
        self.met: set[int] = set()
        self.executed = 0
        self.waits_share_events = True
        self.consumed: dict[tuple[int, str], int] = {}
        self.last: dict[int, tuple[float, ...]] = {}
        self.tracer = Tracer()
        self.jumped_from = 0
        self.pointer = 1
        self.ready_ns = 0
        self._spun = 0
        self._waiting = 0
        self._measuring = 0
        self._measures_into = ""
        self._left = 0
        self._background: Background | None = None

    def load(self, blocks: dict[int, Block], now_ns: int) -> None:
        """Replace all blocks."""
        self.blocks = dict(blocks)
        self.watch.show("IDLE" if blocks else "EMPTY", 0, now_ns)

    def put(self, number: int, block: Block, now_ns: int) -> None:
        """Define one block."""
        if not self.blocks:
            self.watch.show("IDLE", 0, now_ns)
        self.blocks[number] = block

    def fault(self) -> str | None:
        """Why the model can't run, or None."""
        if sorted(self.blocks) != list(range(1, len(self.blocks) + 1)):
            return "a block is missing"
        for number, block in self.blocks.items():
            if any(target not in self.blocks and target != 0 for target in block.targets()):
                return f"block {number} branches to a block that does not exist"
            buffer = block.buffer_name()
            if buffer is not None and not self.hands.has_buffer(buffer):
                return f"block {number} uses a buffer that does not exist"
            if "NONE" in block.waits_for():
                return f"block {number} waits for no event"
            if isinstance(block, ReadingBranch) and not self.measured_by(number):
                return f"block {number} tests no measure block"
        return None

    def start(self, now_ns: int) -> None:
        """`:INIT`. Raises CommandError when it runs already or can't run."""
        if self.running:
            raise CommandError(*INIT_IGNORED)
        if not self.blocks:
            raise CommandError(SETTINGS_CONFLICT[0], f"{SETTINGS_CONFLICT[1]}; trigger model is empty")
        fault = self.fault()
        if fault:
            self.watch.show("FAILED", 0, now_ns)
            raise CommandError(MODEL_FAILED[0], f"{MODEL_FAILED[1]}; {fault}")
        self.running, self.paused = True, False
        self.now_ns = self.ready_ns = now_ns
        self.pointer, self.executed, self._spun, self._waiting, self._measuring = 1, 0, 0, 0, 0
        self._background = None
        self.counters = {n: 0 for n, block in self.blocks.items() if isinstance(block, BranchCounter)}
        self.met, self.last = set(), {}
        self.consumed = {}
        for number in self.blocks:
            self.forget_events(number)
        self.tracer.clear()
        self.watch.show("RUNNING", 0, now_ns)
        self.hands.log(*MODEL_STARTED, EventKind.INFORMATION)
        self.hands.model_changed("started", "initiated", 0)

    def abort(self, now_ns: int) -> None:
        """`:ABOR`: end at once and leave the output as it is [unverified]."""
        if not self.running:
            return
        self.now_ns = now_ns
        self.running = False
        self.idle_seen_ns = now_ns
        self.watch.show("ABORTED", self.executed, now_ns)
        self.hands.log(*MODEL_ABORTED, EventKind.INFORMATION)
        self.hands.model_changed("ended", "aborted", self.executed)

    def pause(self, now_ns: int) -> None:
        """`:TRIG:PAUS`: stand still; timers and source go on."""
        if self.running and not self.paused:
            self.paused = True
            self.watch.show("PAUSED", self.executed, now_ns)

    def resume(self, now_ns: int) -> None:
        """`:TRIG:RES`."""
        if self.running and self.paused:
            self.paused = False
            self.ready_ns = max(self.ready_ns, now_ns)
            if self._background:
                self._background.next_ns = max(self._background.next_ns, now_ns)
            self.tracer.clear()
            self.watch.show("RUNNING", self.executed, now_ns)

    def next_ns(self) -> int:
        """When it acts next; FAR_NS when never by itself."""
        if not self.running or self.paused:
            return FAR_NS
        due_ns = self._wait_over_ns() if self._waiting else self.ready_ns
        return min(due_ns, self._background.next_ns) if self._background else due_ns

    def _wait_over_ns(self) -> int:
        block = self.blocks[self._waiting]
        times = [self.events.time_after(event, self.consumed[self._waiting, event]) for event in block.waits_for()]
        wants_all = isinstance(block, Wait) and block.all_events
        return max(self.ready_ns, max(times) if wants_all else min(times))

    @property
    def measures_next(self) -> bool:
        """Whether the next act is a reading."""
        return bool(self._measuring) or self._background_is_next()

    @property
    def drives_next(self) -> bool:
        """Whether the next act may change the cell."""
        if self._waiting or self.measures_next:
            return False
        return self.pointer in self.blocks and self.blocks[self.pointer].drives

    def _background_is_next(self) -> bool:
        if not self._background:
            return False
        return self._background.next_ns <= (self._wait_over_ns() if self._waiting else self.ready_ns)

    def step(self, now_ns: int) -> None:
        """Do what is due now. `jumped_from` is then the block that branched backward, or 0."""
        self._spun = self._spun + 1 if now_ns == self.now_ns else 0
        self.now_ns = now_ns
        self.jumped_from = 0
        if self._background and self._background_is_next():
            self._measure_in_background(self._background)
        elif self._waiting:
            self._leave_wait()
        elif self._measuring:
            self._measure_once()
        elif self.pointer not in self.blocks:
            self._end(*MODEL_COMPLETED, "completed", self.executed)
        else:
            block = self.blocks[self.pointer]
            self.executed = self.pointer
            self.watch.enter("RUNNING", self.executed, now_ns)
            if not block.repeats:
                self.tracer.bar()
            block.act(self)

    def _leave_wait(self) -> None:
        events = set(self.blocks[self._waiting].waits_for())
        for number, block in self.blocks.items():
            if isinstance(block, Wait) and (self.waits_share_events or number == self._waiting):
                self.forget_events(number, events)
        self._waiting = 0
        self.go_on()

    def _measure_once(self) -> None:
        number, buffer = self._measuring, self._measures_into
        self.tracer.note(ReadingMade(number, buffer, self.now_ns))
        self._keep(number, self.hands.take_reading(buffer))
        self._left -= 1
        self.ready_ns = self.now_ns + self.hands.reading_duration_ns()
        if not self._left:
            self._measuring = 0
            self._to(number + 1)

    def _measure_in_background(self, background: Background) -> None:
        self.tracer.bar()
        self._keep(background.block, self.hands.take_reading(background.buffer))
        background.next_ns = self.now_ns + self.hands.reading_duration_ns()

    def _keep(self, number: int, reading: float) -> None:
        self.last[number] = (*self.last.get(number, ())[-1:], reading)

    def measure(self, buffer: str, count: int) -> None:
        """Begin to measure now; a count of 0 ends the background readings."""
        self._background = None
        if count > 0:
            self._measuring, self._measures_into, self._left = self.pointer, buffer, count
            return
        if count == INFINITE:
            self._background = Background(self.pointer, buffer, self.now_ns)
        self.tracer.bar()
        self.go_on()

    def wait(self) -> None:
        """Begin to wait now."""
        self._waiting = self.pointer
        self.watch.enter("RUNNING", self.pointer, self.now_ns, waits=True)

    def go_on(self, delay_ns: int = 0) -> None:
        """Continue with the next block, perhaps later."""
        self.ready_ns = self.now_ns + delay_ns
        self._to(self.pointer + 1)

    def go_to(self, target: int) -> None:
        """Branch; 0 ends the model."""
        number, self.ready_ns = self.pointer, self.now_ns
        if target == 0:
            self._end(MODEL_ENDED[0], MODEL_ENDED[1].format(number), "ended by condition", number)
            return
        self._to(target)
        if target <= number:
            self.jumped_from = number
            self.tracer.jump(number, self.snapshot())

    def _to(self, target: int) -> None:
        self.pointer = target
        if self._spun >= MOST_BLOCKS_AT_ONCE:
            self._spun = 0
            self.ready_ns = max(self.ready_ns, self.now_ns + STALL_NS)

    def _end(self, code: int, text: str, reason: str, block: int) -> None:
        self.running = False
        self._background = None
        self.idle_seen_ns = -(-(self.now_ns + 1) // STATE_LOOK_NS) * STATE_LOOK_NS
        self.watch.enter("IDLE", block, self.now_ns)
        self.hands.log(code, text, EventKind.INFORMATION)
        self.hands.model_changed("ended", reason, block)

    def measured_by(self, number: int) -> int:
        """The measure block that a branch tests: the named one, or the nearest before it; 0 is none."""
        block = self.blocks[number]
        named = block.measure_block if isinstance(block, ReadingBranch) else 0
        if named:
            return named if isinstance(self.blocks.get(named), Measure) else 0
        before = [n for n, block in self.blocks.items() if n < number and isinstance(block, Measure)]
        return max(before, default=0)

    def reading_branch(self, number: int) -> ReadingBranch:
        """A block that branches on a reading. Raises TypeError when it is none."""
        block = self.blocks[number]
        if not isinstance(block, ReadingBranch):
            raise TypeError(f"block {number} tests no reading")
        return block

    def test_reading(self) -> None:
        """Branch on the last reading, or go on; without a reading go on."""
        number = self.pointer
        block = self.reading_branch(number)
        measure_block = self.measured_by(number)
        latest = self.last.get(measure_block, ())
        taken = self.is_true(block, latest)
        self.tracer.note(Tested(number, measure_block, taken))
        if taken:
            self.go_to(block.targets()[0])
        else:
            self.go_on()

    def is_true(self, block: ReadingBranch, latest: tuple[float, ...]) -> bool:
        """Whether a branch is taken after these readings (the one before the last, and the last)."""
        if isinstance(block, BranchDelta):
            return len(latest) == 2 and latest[0] - latest[1] < block.difference
        if not latest:
            return False
        kind, low, high = self.limits_of(block)
        value = latest[-1]
        match kind:
            case "ABOV":
                return value > high
            case "BEL":
                return value < low
            case "IN":
                return low <= value <= high
            case _:
                return value < low or value > high

    def limits_of(self, block: ReadingBranch) -> tuple[str, float, float]:
        """The kind and the limits of a branch on a limit."""
        if isinstance(block, BranchDynamicLimit):
            return (block.kind, *self.hands.dynamic_limits(block.limit))
        if isinstance(block, BranchLimit):
            return block.kind, block.low, block.high
        raise TypeError(f"{block} has no limits")

    def has_pending(self, number: int, event: str) -> bool:
        """Whether an event has happened that a block has not forgotten."""
        return self.events.count(event, self.now_ns) > self.consumed[number, event]

    def forget_events(self, number: int, events: set[str] | None = None) -> None:
        """Forget what has happened so far of a block's events, or of some of them."""
        for event in self.blocks[number].waits_for():
            if events is None or event in events:
                self.consumed[number, event] = self.events.count(event, self.now_ns)

    def count(self, target: int) -> bool:
        """Count up, or start over when the target is reached; whether it wasn't."""
        number = self.pointer
        count = self.counters[number] + 1
        taken = count < target
        self.counters[number] = count if taken else 0
        self.tracer.note(Counted(number, taken))
        return taken

    def meet(self) -> bool:
        """Whether this block is met for the first time."""
        first = self.pointer not in self.met
        self.met.add(self.pointer)
        return first

    def note_reset(self, counter: int) -> None:
        """A counter was set back by a block."""
        self.tracer.note(Reset(counter))

    def snapshot(self) -> Snapshot:
        """All that decides what happens next, but for readings and buffers."""
        now_ns = self.now_ns
        return Snapshot(
            now_ns=now_ns,
            counters=dict(self.counters),
            ticks={name: timer.events(now_ns) for name, timer in self.events.timers.items()},
            phases={
                name: None if at_ns is None else at_ns - now_ns
                for name, timer in self.events.timers.items()
                for at_ns in (timer.next_ns(now_ns),)
            },
            consumed=dict(self.consumed),
            pending=frozenset(key for key in self.consumed if self.has_pending(*key)),
            met=frozenset(self.met),
            known=frozenset((number, len(values)) for number, values in self.last.items()),
            spun=self._spun,
        )

    def known_loop(self) -> Pass | None:
        """The repeatable pass of the loop that has just begun anew, unless an enclosing one is being learnt."""
        number = self.jumped_from
        target = min(self.blocks[number].targets())
        enclosing = tuple(
            n for n, block in self.blocks.items() if n > number and any(0 < to <= target for to in block.targets())
        )
        return None if self.tracer.is_learning(enclosing) else self.tracer.passes.get(number)

    def skip(self, *, duration_ns: int, counted: dict[int, int], forgotten: dict[tuple[int, str], int]) -> None:
        """Move on over passes that were carried out elsewhere: by a time, with counts and forgotten events added."""
        self.now_ns += duration_ns
        self.ready_ns += duration_ns
        for number, count in counted.items():
            self.counters[number] += count
        for key, count in forgotten.items():
            self.consumed[key] += count

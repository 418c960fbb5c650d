"""The blocks a trigger model is made of: what each does, and how `:TRIG:BLOC:LIST?` writes it."""

from dataclasses import dataclass
from typing import ClassVar

from simulators.keithley.events import EventKind
from simulators.keithley.hands import RunningModel

INFINITE = -1
LOG_LEVELS = {
    **{f"INFO{n}": (2733 + n, EventKind.INFORMATION) for n in range(1, 5)},
    **{f"WARN{n}": (2737 + n, EventKind.WARNING) for n in range(1, 5)},
    **{f"ERR{n}": (2741 + n, EventKind.ERROR) for n in range(1, 5)},
}


@dataclass(frozen=True)
class Block:
    """One block. `repeats`: its act leaves nothing behind but what the trace tells; `drives`: it may change the cell.

    Source of names and parameters: potentiostat.md §2.2 [manual 2461A]; the text of LIST? beyond BUFFER_CLEAR, MEASURE,
    BRANCH_COUNTER and DELAY_CONSTANT is [unverified].
    """

    repeats: ClassVar[bool] = False
    drives: ClassVar[bool] = False

    def act(self, model: RunningModel) -> None:
        """Do what the block does now, and say where the model goes next."""
        raise NotImplementedError

    def text(self) -> str:
        """The line of LIST?, without the number."""
        raise NotImplementedError

    def targets(self) -> tuple[int, ...]:
        """Blocks it can branch to."""
        return ()

    def buffer_name(self) -> str | None:
        """The reading buffer it uses."""
        return None

    def waits_for(self) -> tuple[str, ...]:
        """Events whose occurrence it remembers."""
        return ()


@dataclass(frozen=True)
class Nop(Block):
    """Does nothing."""

    repeats = True

    def act(self, model: RunningModel) -> None:
        """Go on."""
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return "NOP"


@dataclass(frozen=True)
class BufferClear(Block):
    """Empties a buffer."""

    buffer: str

    def act(self, model: RunningModel) -> None:
        """Clear and go on."""
        model.hands.clear_buffer(self.buffer)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"BUFFER_CLEAR BUFFER: {self.buffer}"

    def buffer_name(self) -> str:
        """The buffer."""
        return self.buffer


@dataclass(frozen=True)
class SourceState(Block):
    """Switches the output."""

    drives = True
    on: bool

    def act(self, model: RunningModel) -> None:
        """Switch and go on."""
        model.hands.set_output(on=self.on)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"SOURCE_OUTPUT STATE: {'ON' if self.on else 'OFF'}"


@dataclass(frozen=True)
class Measure(Block):
    """Makes readings: a number of them, without end in the background (INFINITE), or 0 to stop those."""

    repeats = True
    buffer: str
    count: int
    name: str = "MEASURE"

    def act(self, model: RunningModel) -> None:
        """Start to measure."""
        model.measure(self.buffer, self.count)

    def text(self) -> str:
        """As listed."""
        count = "INFINITE" if self.count == INFINITE else str(self.count)
        return f"{self.name} BUFFER: {self.buffer} COUNT: {count}"

    def buffer_name(self) -> str:
        """The buffer."""
        return self.buffer


@dataclass(frozen=True)
class Delay(Block):
    """Waits for a fixed time."""

    repeats = True
    delay_ns: int

    def act(self, model: RunningModel) -> None:
        """Go on later."""
        model.go_on(self.delay_ns)

    def text(self) -> str:
        """As listed."""
        return f"DELAY_CONSTANT DELAY: {self.delay_ns / 1e9:.9f}"


@dataclass(frozen=True)
class UserDelay(Block):
    """Waits for a user delay, such as SOUR1."""

    repeats = True
    name: str

    def act(self, model: RunningModel) -> None:
        """Go on later."""
        model.go_on(model.hands.user_delay_ns(self.name))

    def text(self) -> str:
        """As listed."""
        return f"DELAY_DYNAMIC DELAY: {self.name}"


@dataclass(frozen=True)
class Wait(Block):
    """Waits until one of its events, or all of them, have happened since it was last left."""

    repeats = True
    events: tuple[str, ...]
    clears_on_entry: bool
    all_events: bool

    def act(self, model: RunningModel) -> None:
        """Begin to wait."""
        if self.clears_on_entry:
            model.forget_events(model.pointer)
        model.wait()

    def text(self) -> str:
        """As listed."""
        joined = (" AND " if self.all_events else " OR ").join(self.events)
        return f"WAIT EVENT: {joined} CLEAR: {'ENTER' if self.clears_on_entry else 'NEVER'}"

    def waits_for(self) -> tuple[str, ...]:
        """Its events."""
        return self.events


@dataclass(frozen=True)
class ReadingBranch(Block):
    """Branches on the last reading of a measure block; 0 stands for the nearest one before it."""

    repeats = True
    branch: int
    measure_block: int

    def act(self, model: RunningModel) -> None:
        """Branch, or go on."""
        model.test_reading()

    def targets(self) -> tuple[int, ...]:
        """Where it branches to."""
        return (self.branch,)


@dataclass(frozen=True)
class BranchLimit(ReadingBranch):
    """Branches when the reading is above, below, inside or outside; limits in the wrong order are swapped."""

    kind: str
    low: float
    high: float

    def text(self) -> str:
        """As listed."""
        return (
            f"BRANCH_LIMIT_CONSTANT TYPE: {self.kind} LIMIT_A: {self.low:.6E} LIMIT_B: {self.high:.6E} "
            f"BRANCH_BLOCK: {self.branch} MEASURE_BLOCK: {self.measure_block}"
        )


@dataclass(frozen=True)
class BranchDynamicLimit(ReadingBranch):
    """Like BranchLimit, with the limits of `:CALC2` for the measured quantity."""

    kind: str
    limit: int

    def text(self) -> str:
        """As listed."""
        return (
            f"BRANCH_LIMIT_DYNAMIC TYPE: {self.kind} LIMIT: {self.limit} "
            f"BRANCH_BLOCK: {self.branch} MEASURE_BLOCK: {self.measure_block}"
        )


@dataclass(frozen=True)
class BranchDelta(ReadingBranch):
    """Branches when the reading before the last one, minus the last one, is less than a difference."""

    difference: float

    def text(self) -> str:
        """As listed."""
        branch = f"BRANCH_BLOCK: {self.branch} MEASURE_BLOCK: {self.measure_block}"
        return f"BRANCH_DELTA DIFFERENCE: {self.difference:.6E} {branch}"


@dataclass(frozen=True)
class BranchCounter(Block):
    """Branches until it has been met `target` times, then goes on and starts over."""

    repeats = True
    target: int
    branch: int

    def act(self, model: RunningModel) -> None:
        """Count, then branch or go on."""
        if model.count(self.target):
            model.go_to(self.branch)
        else:
            model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"BRANCH_COUNTER VALUE: {self.target} BRANCH_BLOCK: {self.branch}"

    def targets(self) -> tuple[int, ...]:
        """Where it branches to."""
        return (self.branch,)


@dataclass(frozen=True)
class ResetCounter(Block):
    """Sets the count of a BranchCounter back to 0."""

    repeats = True
    counter: int

    def act(self, model: RunningModel) -> None:
        """Reset and go on."""
        if self.counter in model.counters:
            model.counters[self.counter] = 0
            model.note_reset(self.counter)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"RESET_BRANCH_COUNT COUNTER: {self.counter}"


@dataclass(frozen=True)
class BranchAlways(Block):
    """Always branches; to 0 it ends the model."""

    repeats = True
    branch: int

    def act(self, model: RunningModel) -> None:
        """Branch."""
        model.go_to(self.branch)

    def text(self) -> str:
        """As listed."""
        return f"BRANCH_ALWAYS BRANCH_BLOCK: {self.branch}"

    def targets(self) -> tuple[int, ...]:
        """Where it branches to."""
        return (self.branch,)


@dataclass(frozen=True)
class BranchEvent(Block):
    """Branches when an event has happened since the start of the model, or since it last branched [unverified]."""

    repeats = True
    event: str
    branch: int

    def act(self, model: RunningModel) -> None:
        """Branch and forget the event, or go on."""
        if model.has_pending(model.pointer, self.event):
            model.forget_events(model.pointer)
            model.go_to(self.branch)
        else:
            model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"BRANCH_ON_EVENT EVENT: {self.event} BRANCH_BLOCK: {self.branch}"

    def targets(self) -> tuple[int, ...]:
        """Where it branches to."""
        return (self.branch,)

    def waits_for(self) -> tuple[str, ...]:
        """Its event."""
        return (self.event,)


@dataclass(frozen=True)
class BranchOnce(Block):
    """Branches the first time only, or (`excluded`) every time but the first."""

    repeats = True
    branch: int
    excluded: bool

    def act(self, model: RunningModel) -> None:
        """Branch, or go on."""
        if model.meet() != self.excluded:
            model.go_to(self.branch)
        else:
            model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"BRANCH_ONCE{'_EXCLUDED' if self.excluded else ''} BRANCH_BLOCK: {self.branch}"

    def targets(self) -> tuple[int, ...]:
        """Where it branches to."""
        return (self.branch,)


@dataclass(frozen=True)
class Recall(Block):
    """Recalls settings of one or two configuration lists; without an index the next (or previous) one."""

    drives = True
    lists: tuple[tuple[str, int | None], ...]
    step: int = 1

    def act(self, model: RunningModel) -> None:
        """Recall and go on."""
        for name, index in self.lists:
            model.hands.recall(name, index, self.step)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        follows = self.lists[0][1] is None
        title = {1: "CONFIG_NEXT", -1: "CONFIG_PREV"}[self.step] if follows else "CONFIG_RECALL"
        lists = " ".join(
            f"CONFIG_LIST: {name}" + ("" if index is None else f" INDEX: {index}") for name, index in self.lists
        )
        return f"{title} {lists}"


@dataclass(frozen=True)
class Notify(Block):
    """Makes a NOTify event."""

    notifier: int

    def act(self, model: RunningModel) -> None:
        """Emit and go on."""
        model.events.emit(f"NOT{self.notifier}", model.now_ns)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"NOTIFY ID: {self.notifier}"


@dataclass(frozen=True)
class LogEvent(Block):
    """Writes into the event log; level ABOR ends the model as well."""

    level: str
    message: str

    def act(self, model: RunningModel) -> None:
        """Log, then go on or abort."""
        if self.level == "ABOR":
            model.abort(model.now_ns)
            return
        code, kind = LOG_LEVELS[self.level]
        model.hands.log(code, self.message, kind)
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"LOG_EVENT EVENT: {self.level} MESSAGE: {self.message}"


@dataclass(frozen=True)
class DigitalLines(Block):
    """Sets the digital lines, to which nothing is connected here."""

    pattern: int
    mask: int

    def act(self, model: RunningModel) -> None:
        """Go on."""
        model.go_on()

    def text(self) -> str:
        """As listed."""
        return f"DIGITAL_IO BIT_PATTERN: {self.pattern} BIT_MASK: {self.mask}"

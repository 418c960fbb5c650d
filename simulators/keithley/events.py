"""What the instrument remembers of what happened: the event log and the status registers."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntFlag

LONGEST_LOG = 1000


class EventKind(IntFlag):
    """How grave an entry of the log is; masks of `:SYST:EVEN` are sums of these."""

    ERROR = 1
    WARNING = 2
    INFORMATION = 4


ANY_KIND = EventKind.ERROR | EventKind.WARNING | EventKind.INFORMATION


@dataclass(eq=False)
class CommandError(Exception):
    """A command was refused: the code and the words of its entry in the event log."""

    code: int
    text: str


UNDEFINED_HEADER = (-113, "Undefined header")
MISSING_PARAMETER = (-109, "Missing parameter")
EXTRA_PARAMETER = (-108, "Parameter not allowed")
SETTINGS_CONFLICT = (-221, "Settings conflict")
OUT_OF_RANGE = (-222, "Parameter out of range")
ILLEGAL_VALUE = (-224, "Illegal parameter value")
STALE_DATA = (-230, "Data corrupt or stale")
INIT_IGNORED = (-213, "Init ignored")
NO_SUCH_NAME = (1133, "Parameter {}, Syntax error, expected valid name parameters")
NO_CONFIGURATION = (2790, "Configuration list or index does not exist")
BUFFER_EXISTS = (1115, "Reading buffer name already exists")

MODEL_ABORTED = (2728, "Trigger model aborted by user")
MODEL_FAILED = (2730, "Trigger model failed")
MODEL_STARTED = (2731, "Trigger model started")
MODEL_COMPLETED = (2732, "Trigger model completed")
MODEL_ENDED = (2733, "Trigger model ended in block {} by condition")


def moment(stamp_ns: int) -> datetime:
    """A stamp of the instrument's clock (nanoseconds since 1970) as a date."""
    return datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=stamp_ns // 1000)


@dataclass(frozen=True)
class LogEntry:
    """One line of the event log."""

    code: int
    text: str
    kind: EventKind
    stamp_ns: int

    def reply(self) -> str:
        """As `:SYST:ERR?` answers it."""
        at = moment(self.stamp_ns)
        return f'{self.code},"{self.text};{int(self.kind)};{at:%Y/%m/%d %H:%M:%S}.{at.microsecond // 1000:03d}"'


NO_ENTRY = '0,"No error;0;0 0"'


class EventLog:
    """First in, first out; each kind can be taken apart from the others."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque()

    def post(self, entry: LogEntry) -> None:
        """Add an entry; when the log is full the newest place says so [code -350 unverified]."""
        if len(self._entries) >= LONGEST_LOG:
            self._entries.pop()
            entry = LogEntry(-350, "Queue overflow", EventKind.ERROR, entry.stamp_ns)
        self._entries.append(entry)

    def take(self, kinds: EventKind) -> LogEntry | None:
        """Remove the oldest entry of these kinds."""
        for entry in self._entries:
            if entry.kind & kinds:
                self._entries.remove(entry)
                return entry
        return None

    def count(self, kinds: EventKind) -> int:
        """How many entries of these kinds wait."""
        return sum(1 for entry in self._entries if entry.kind & kinds)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()


@dataclass
class StatusGroup:
    """One of `:STAT:OPER` and `:STAT:QUES`: its bits are set and cleared by mapped event numbers."""

    condition: int = 0
    event: int = 0
    enable: int = 0
    mapping: dict[int, tuple[int, int]] = field(default_factory=dict)

    def see(self, code: int) -> None:
        """An event of this number was logged."""
        for bit, (set_by, cleared_by) in self.mapping.items():
            if code == set_by:
                self.condition |= 1 << bit
                self.event |= 1 << bit
            elif code == cleared_by:
                self.condition &= ~(1 << bit)


@dataclass
class Status:
    """The registers behind `*ESR?` and `*STB?`."""

    standard_event: int = 0
    standard_enable: int = 0
    request_enable: int = 0
    operation: StatusGroup = field(default_factory=StatusGroup)
    questionable: StatusGroup = field(default_factory=StatusGroup)

    def byte(self, *, error_waits: bool, message_waits: bool) -> int:
        """The status byte, master summary included."""
        summary = (
            4 * error_waits
            | 8 * bool(self.questionable.event & self.questionable.enable)
            | 16 * message_waits
            | 32 * bool(self.standard_event & self.standard_enable)
            | 128 * bool(self.operation.event & self.operation.enable)
        )
        return summary | 64 * bool(summary & self.request_enable)

    def clear(self) -> None:
        """Clear the event registers, not the enables."""
        self.standard_event = 0
        self.operation.event = 0
        self.questionable.event = 0

    def preset(self) -> None:
        """`:STAT:PRES`: enables and mappings of the two groups are forgotten."""
        for group in (self.operation, self.questionable):
            group.enable = 0
            group.mapping.clear()

"""Trigger events: how often each has happened, and the four timers that make some of them."""

from dataclasses import dataclass, field

FAR_NS = 2**62

EVENT_NAMES = (
    "NONE",
    "DISPlay",
    *(f"NOTify{n}" for n in range(1, 9)),
    "COMMand",
    *(f"DIGio{n}" for n in range(1, 7)),
    *(f"TSPLink{n}" for n in range(1, 4)),
    *(f"LAN{n}" for n in range(1, 9)),
    *(f"BLENder{n}" for n in range(1, 3)),
    *(f"TIMer{n}" for n in range(1, 5)),
    "SLIMit",
)


@dataclass
class Timer:
    """One timer. Its events are numbered from 1, without end, over all its starts."""

    delay_ns: int = 10_000
    count: int = 1
    stimulus: str = "NONE"
    generate: bool = False
    start_second: float = 0.0
    start_fraction: float = 0.0
    enabled: bool = False
    overrun: bool = False
    _started_ns: int | None = None
    _before: int = 0

    def enable(self, now_ns: int, clock_offset_ns: int = 0) -> None:
        """Arm it; without a stimulus it starts at once, or at its start time by the instrument's clock."""
        if not self.enabled:
            self.enabled = True
            if self.stimulus == "NONE":
                start_ns = round((self.start_second + self.start_fraction) * 1e9) - clock_offset_ns
                self.start(max(now_ns, start_ns))

    def disable(self, now_ns: int) -> None:
        """Stop it; what it has counted stays counted."""
        self._settle(now_ns)
        self.enabled = False

    def start(self, now_ns: int) -> None:
        """Its stimulus came: start, or note an overrun when it runs already."""
        if not self.enabled:
            return
        if self._runs(now_ns):
            self.overrun = True
            return
        self._settle(now_ns)
        self._started_ns = now_ns

    def _runs(self, now_ns: int) -> bool:
        return self.next_ns(now_ns) is not None

    def _settle(self, now_ns: int) -> None:
        self._before = self.events(now_ns)
        self._started_ns = None

    def events(self, now_ns: int) -> int:
        """How many events there have been, one at `now_ns` included."""
        if self._started_ns is None:
            return self._before
        delays = max((now_ns - self._started_ns) // self.delay_ns, -1)
        if self.count:
            delays = min(delays, self.count)
        return self._before + delays + (self.generate if delays >= 0 else 1)

    def time_of(self, number: int) -> int:
        """When event `number` happens: a past one of an earlier start at 0, one that never will at FAR_NS."""
        if number <= self._before:
            return 0
        if self._started_ns is None:
            return FAR_NS
        delays = number - self._before - self.generate
        if self.count and delays > self.count:
            return FAR_NS
        return self._started_ns + delays * self.delay_ns

    def next_ns(self, now_ns: int) -> int | None:
        """When the next event after `now_ns` happens."""
        at_ns = self.time_of(self.events(now_ns) + 1)
        return None if at_ns >= FAR_NS else at_ns

    def left(self, now_ns: int) -> int | None:
        """How many events are to come in this start; None is no end, or no start."""
        if self._started_ns is None or not self.count:
            return None
        return self._before + self.count + self.generate - self.events(now_ns)


@dataclass
class EventBus:
    """Counts every trigger event, and starts the timers that wait for it."""

    timers: dict[str, Timer] = field(default_factory=lambda: {f"TIM{n}": Timer() for n in range(1, 5)})
    _counts: dict[str, int] = field(default_factory=dict)
    _last_ns: dict[str, int] = field(default_factory=dict)

    def emit(self, event: str, now_ns: int) -> None:
        """An event that no timer makes has happened."""
        self._counts[event] = self._counts.get(event, 0) + 1
        self._last_ns[event] = now_ns
        for timer in self.timers.values():
            if timer.stimulus == event:
                timer.start(now_ns)

    def count(self, event: str, now_ns: int) -> int:
        """How often an event has happened, now included."""
        timer = self.timers.get(event)
        return timer.events(now_ns) if timer else self._counts.get(event, 0)

    def time_after(self, event: str, consumed: int) -> int:
        """When an event happened, or will happen, for the first time after the first `consumed` times."""
        timer = self.timers.get(event)
        if timer:
            return timer.time_of(consumed + 1)
        return self._last_ns[event] if self._counts.get(event, 0) > consumed else FAR_NS

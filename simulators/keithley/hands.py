"""What a trigger model may do to the instrument it runs in, and what its blocks may do to it."""

from typing import Protocol

from simulators.keithley.events import EventKind
from simulators.keithley.timers import EventBus


class Hands(Protocol):
    """What a trigger model can do to its instrument, always at the model's present time."""

    def set_output(self, *, on: bool) -> None:
        """Switch the output."""

    def recall(self, name: str, index: int | None, step: int) -> None:
        """Recall a point of a configuration list."""

    def clear_buffer(self, name: str) -> None:
        """Empty a reading buffer."""

    def has_buffer(self, name: str) -> bool:
        """Whether there is such a reading buffer."""
        ...

    def take_reading(self, buffer: str) -> float:
        """Measure once and store it; answer the reading."""
        ...

    def reading_duration_ns(self) -> int:
        """How long one reading takes."""
        ...

    def user_delay_ns(self, name: str) -> int:
        """A user delay, such as SOUR1."""
        ...

    def dynamic_limits(self, limit: int) -> tuple[float, float]:
        """The limits of `:CALC2` for what is measured; NaN while they are off."""
        ...

    def log(self, code: int, text: str, kind: EventKind) -> None:
        """Write into the event log."""

    def model_changed(self, state: str, reason: str, block: int) -> None:
        """The model has started or ended."""


class RunningModel(Protocol):
    """A trigger model, as a block that is carried out meets it; `pointer` is that block's number."""

    hands: Hands
    events: EventBus
    now_ns: int
    pointer: int
    counters: dict[int, int]

    def go_on(self, delay_ns: int = 0) -> None:
        """Continue with the next block, perhaps later."""

    def go_to(self, target: int) -> None:
        """Branch; 0 ends the model."""

    def abort(self, now_ns: int) -> None:
        """End at once."""

    def measure(self, buffer: str, count: int) -> None:
        """Begin to measure now."""

    def wait(self) -> None:
        """Begin to wait now."""

    def test_reading(self) -> None:
        """Branch on the last reading, or go on."""

    def count(self, target: int) -> bool:
        """Count up, or start over when the target is reached; whether it wasn't."""
        ...

    def note_reset(self, counter: int) -> None:
        """A counter was set back by a block."""

    def meet(self) -> bool:
        """Whether this block is met for the first time."""
        ...

    def has_pending(self, number: int, event: str) -> bool:
        """Whether an event has happened that a block has not forgotten."""
        ...

    def forget_events(self, number: int) -> None:
        """Forget what has happened so far of a block's events."""

"""The ready-made trigger models of `:TRIG:LOAD`; the order of their blocks is [unverified]."""

from simulators.keithley.blocks import (
    Block,
    BranchAlways,
    BranchCounter,
    BranchEvent,
    BufferClear,
    Delay,
    Measure,
    Notify,
    SourceState,
)

DURATION_TIMER = "TIM1"
DURATION_NOTIFIER = 8


def simple_loop(count: int, delay_ns: int, buffer: str) -> dict[int, Block]:
    """SimpleLoop: so many readings with a delay before each; the output is switched on and off."""
    blocks = [
        BufferClear(buffer),
        SourceState(on=True),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchCounter(count, 3),
        SourceState(on=False),
    ]
    return dict(enumerate(blocks, 1))


def duration_loop(delay_ns: int, buffer: str) -> dict[int, Block]:
    """DurationLoop: readings until DURATION_TIMER, which DURATION_NOTIFIER must start, has run out."""
    blocks = [
        BufferClear(buffer),
        SourceState(on=True),
        Notify(DURATION_NOTIFIER),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchEvent(DURATION_TIMER, 8),
        BranchAlways(4),
        SourceState(on=False),
    ]
    return dict(enumerate(blocks, 1))

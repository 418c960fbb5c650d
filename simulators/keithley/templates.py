"""The ready-made trigger models of `:TRIG:LOAD`; the order of their blocks is [unverified]."""

from simulators.keithley.blocks import (
    Block,
    BranchAlways,
    BranchCounter,
    BranchEvent,
    BufferClear,
    Delay,
    Measure,
    Nop,
    Notify,
    Recall,
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


def loop_until_event(event: str, delay_ns: int, buffer: str, readings_after: int) -> dict[int, Block]:
    """LoopUntilEvent: readings until an event, then so many more."""
    blocks = [
        BufferClear(buffer),
        SourceState(on=True),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchEvent(event, 7),
        BranchAlways(3),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchCounter(max(readings_after, 1), 7),
        SourceState(on=False),
    ]
    return dict(enumerate(blocks, 1))


def configuration_list(
    measure_list: str, source_list: str | None, points: int, delay_ns: int, buffer: str
) -> dict[int, Block]:
    """ConfigList: one reading at each point of a measure configuration list, and of a source one beside it."""
    names = (measure_list,) if source_list is None else (source_list, measure_list)
    blocks = [
        BufferClear(buffer),
        Recall(tuple((name, 1) for name in names)),
        SourceState(on=True),
        BranchAlways(6),
        Recall(tuple((name, None) for name in names)),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchCounter(points, 5),
        SourceState(on=False),
    ]
    return dict(enumerate(blocks, 1))


def sweep(
    source_list: str, start: int, points: int, *, delay_ns: int, count: int, aborts: bool, buffer: str
) -> dict[int, Block]:
    """A sweep: one reading at each point of a source configuration list; `aborts` ends it when a limit acts."""
    last = 11
    blocks = [
        BufferClear(buffer),
        Recall(((source_list, start),)),
        SourceState(on=True),
        BranchAlways(6),
        Recall(((source_list, None),)),
        Delay(delay_ns),
        Measure(buffer, 1),
        BranchEvent("SLIM", last) if aborts else Nop(),
        BranchCounter(points, 5),
        BranchCounter(count, 2) if count else BranchAlways(2),
        SourceState(on=False),
    ]
    return dict(enumerate(blocks, 1))

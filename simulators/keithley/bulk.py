"""Carries out many like passes of a loop at once, with the same result, to the bit, as one after the other."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simulators.keithley.blocks import Block, BranchCounter, BranchDelta
from simulators.keithley.buffers import BufferSet
from simulators.keithley.state_watch import STATE_LOOK_NS
from simulators.keithley.timers import EventBus
from simulators.keithley.tracing import Pass, Snapshot, Test
from simulators.keithley.trigger_model import TriggerModel

MOST_READINGS = 32_768
FEWEST_PASSES = 4
_NEVER = 2**40

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def passes_left_over(loop: Pass) -> int:
    """How many passes must still be carried out singly after a leap, so that the last look at the state is right."""
    return 1 + -(-STATE_LOOK_NS // loop.period_ns)


def passes_until(loop: Pass, from_ns: int, limit_ns: int) -> int:
    """How many passes are over before a time."""
    return max((limit_ns - 1 - from_ns) // loop.period_ns, 0)


def passes_allowed(loop: Pass, now: Snapshot, model: TriggerModel, buffers: BufferSet) -> int:
    """How many passes from now on will be alike as far as counters, timers and the room in buffers go."""
    return max(
        min(
            [
                MOST_READINGS // len(loop.offsets_ns),
                *_by_counters(loop, now, model.blocks),
                *_by_timers(loop, now, model.events),
                *_by_buffers(loop, buffers),
            ]
        ),
        0,
    )


def _by_counters(loop: Pass, now: Snapshot, blocks: dict[int, Block]) -> Iterable[int]:
    for number, step in loop.counts.items():
        block = blocks[number]
        if isinstance(block, BranchCounter):
            yield (block.target - 1 - now.counters[number]) // step


def _by_timers(loop: Pass, now: Snapshot, events: EventBus) -> Iterable[int]:
    for name, timer in events.timers.items():
        ticks = loop.ticking.get(name)
        if ticks is None:
            phase_ns = now.phases[name]
            yield _NEVER if phase_ns is None else (phase_ns - 1) // loop.period_ns
        else:
            left = timer.left(now.now_ns)
            yield _NEVER if left is None else left // ticks - 1


def _by_buffers(loop: Pass, buffers: BufferSet) -> Iterable[int]:
    for name in set(loop.reading_buffers):
        room = buffers.get(name).room
        yield _NEVER if room is None else room // loop.reading_buffers.count(name)


def like_passes(loop: Pass, readings: Floats, model: TriggerModel) -> int:
    """How many passes, from the first, take every branch as the loop did; `readings` is (passes, readings a pass)."""
    count = len(readings)
    for test in loop.tests:
        truth = _decisions(test, loop, readings, model)
        unlike = np.flatnonzero(truth[:count] != test.taken)
        if len(unlike):
            count = int(unlike[0])
    return count


def _decisions(test: Test, loop: Pass, readings: Floats, model: TriggerModel) -> Bools:
    """What a test decides in each pass."""
    block = model.reading_branch(test.block)
    before = model.last.get(test.measure_block, ())
    columns = [index for index, number in enumerate(loop.reading_blocks) if number == test.measure_block]
    if not columns:
        return np.full(len(readings), model.is_true(block, before))
    made = np.concatenate([np.array(before), readings[:, columns].ravel()])
    at = len(before) - 1 + test.readings_before + len(columns) * np.arange(len(readings))
    if isinstance(block, BranchDelta):
        smaller: Bools = (at >= 1) & (made[np.maximum(at - 1, 0)] - made[at] < block.difference)
        return smaller
    kind, low, high = model.limits_of(block)
    value = made[at]
    return {
        "ABOV": value > high,
        "BEL": value < low,
        "IN": (low <= value) & (value <= high),
        "OUT": (value < low) | (value > high),
    }[kind]


def remember_last(loop: Pass, readings: Floats, model: TriggerModel) -> None:
    """Let the model know the last two readings of each measure block, as after the last of these passes."""
    for number in set(loop.reading_blocks):
        columns = [index for index, block in enumerate(loop.reading_blocks) if block == number]
        made = readings[-2:, columns].ravel()[-2:].tolist()
        model.last[number] = (*model.last.get(number, ()), *made)[-2:]

"""How many rows a step's buffer must hold, and which steps' rows lie in the instrument side by side. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from daemon.plan import DrivenStep, LoopStep, MeasuredStep, PlanStep, RestStep, WaitStep

ROWS_BESIDE = 3
"""Rows that a segment's buffer must hold beside those of its sampling: at the start, at the end, and one in reserve."""
_TOLERANCE = 1e-6


def buffer_rows(length_second: float, sampling_second: float) -> int:
    """How many rows the buffer of a segment must hold."""
    return math.ceil(length_second / sampling_second - _TOLERANCE) + ROWS_BESIDE


def rows_of(step: PlanStep) -> int:
    """How many rows the buffer of a step holds; 0 for one that measures nothing."""
    if isinstance(step, WaitStep):
        return 0
    if isinstance(step, RestStep):
        return buffer_rows(step.until_time_second, step.sampling_second)
    if isinstance(step, DrivenStep):
        return buffer_rows(step.longest_second, step.sampling_second)
    return 0


def measures(step: PlanStep) -> bool:
    """Whether a step has a segment."""
    return isinstance(step, MeasuredStep)


def measured_next(steps: Sequence[PlanStep], position: int) -> set[int]:
    """The measuring steps that may be executed right after one, by position: loops and limits lead back and on."""
    found, seen, ahead = set[int](), set[int](), [position + 1, *_led_to(steps[position])]
    while ahead:
        at = ahead.pop()
        if at in seen or at >= len(steps):
            continue
        seen.add(at)
        step = steps[at]
        if measures(step):
            found.add(at)
            continue
        ahead += [at + 1, *_led_to(step)]
        if isinstance(step, LoopStep) and step.passes > 1:
            ahead.append(step.first)
    return found


def _led_to(step: PlanStep) -> list[int]:
    """Where the limits of a step may lead, beside the step after it."""
    limits = step.limits if isinstance(step, MeasuredStep | LoopStep) else ()
    return [place for limit in limits for place in (limit.goto, limit.then) if isinstance(place, int)]

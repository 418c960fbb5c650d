"""How much of a disk a plan may still take, rather too much than too little. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.plan import Plan, WaitStep
from daemon.plans.walk import expected_second, steps_to_come

BYTES_PER_ROW = 16
"""Of a stored row of any stream; a compacted row of a cell is smaller."""
LISTENED_ROWS_PER_SECOND = 10.0
"""Of an indicator that sends unasked."""
SPARE_BYTES = 500_000_000
"""What is left for everything else on the same disk, and for rows that are not packed yet."""


def bytes_to_come(plan: Plan, position: int, passes: Mapping[int, int], beside_rows_per_second: float) -> float:
    """What the rows of a plan take from a position on, if no limit ends it before, by theory.

    Args:
        plan: of the run.
        position: of the present step, which counts whole.
        passes: completed passes of each loop, by its position.
        beside_rows_per_second: of all streams beside the cell's.
    """
    rows = 0.0
    for step in steps_to_come(plan, position, passes):
        second = expected_second(step)
        rows += beside_rows_per_second * second
        rows += 0.0 if isinstance(step, WaitStep) else second / step.sampling_second + 2
    return rows * BYTES_PER_ROW

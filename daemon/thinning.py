"""Which rows of a step are published or exported: what its `record` says, never its first and last rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from daemon.cell_rows import Floats

ALWAYS_WITHIN_SECOND = 10.0
"""Rows so soon after a step began are never left out: the resistance is in them."""

TIME, VOLTAGE, CURRENT = "time_second", "voltage_volt", "current_ampere"


def kept_rows(
    elapsed_second: Floats, voltage_volt: Floats, current_ampere: Floats, record: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Which rows of one step to keep, shape (n,).

    A row is kept when since the last kept row the time `time_second` has passed, or the voltage or current has moved by
    `voltage_volt` or `current_ampere`. The first and the last row, and all of the first ten seconds, are kept; without
    any of the three every row is.

    Args:
        elapsed_second: shape (n,), rising; since the step's first row.
        voltage_volt: shape (n,), without NaN.
        current_ampere: shape (n,), without NaN.
        record: see `daemon.plan.CurrentStep`.
    """
    kept = np.ones(len(elapsed_second), np.bool_)
    if not any(name in record for name in (TIME, VOLTAGE, CURRENT)) or len(kept) < 3:
        return kept
    time_limit = record.get(TIME, math.inf)
    if np.diff(elapsed_second).min() >= time_limit - _slack(time_limit):
        return kept
    voltage_limit, current_limit = record.get(VOLTAGE, math.inf), record.get(CURRENT, math.inf)
    after = int(np.searchsorted(elapsed_second, elapsed_second[0] + ALWAYS_WITHIN_SECOND, side="right"))
    kept[after:-1] = False
    start = max(after - 1, 0)
    second, volt, ampere = elapsed_second[start], voltage_volt[start], current_ampere[start]
    due_second = second + time_limit - _slack(time_limit)
    columns = (elapsed_second[after:-1].tolist(), voltage_volt[after:-1].tolist(), current_ampere[after:-1].tolist())
    for index, (now, now_volt, now_ampere) in enumerate(zip(*columns, strict=True), start=after):
        if now >= due_second or abs(now_volt - volt) >= voltage_limit or abs(now_ampere - ampere) >= current_limit:
            kept[index] = True
            volt, ampere = now_volt, now_ampere
            due_second = now + time_limit - _slack(time_limit)
    return kept


def _slack(time_limit: float) -> float:
    """So that an instrument whose clock jitters is not taken for a slower one."""
    return 0.01 * time_limit if math.isfinite(time_limit) else 0.0

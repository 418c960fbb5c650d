"""Which rows of a step are exported: those its `record` says, and always its first and last rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from daemon.rows.cell_rows import Floats

ALWAYS_WITHIN_SECOND = 10.0
"""Rows so soon after a step began are never left out: the resistance is in them."""

TIME, VOLTAGE, CURRENT = "time_second", "voltage_volt", "current_ampere"


def kept_rows(
    elapsed_second: Floats,
    voltage_volt: Floats,
    current_ampere: Floats,
    record: Mapping[str, float],
    *,
    first: Sequence[tuple[float, float]] = (),
    beside: Mapping[str, Floats] | None = None,
) -> NDArray[np.bool_]:
    """Which rows of one step to keep, shape (n,).

    A row is kept when since the last kept row the time `time_second` has passed, or a quantity has moved by what the
    record says of it. The first and the last row, and all of the first ten seconds, are kept; where the record says
    nothing of what there is, every row is.

    Args:
        elapsed_second: shape (n,), rising; since the step's first row.
        voltage_volt: shape (n,), without NaN.
        current_ampere: shape (n,), without NaN.
        record: see `daemon.plan.CurrentStep`.
        first: the same step's `record_first`.
        beside: what else was read, by its name in the record, shape (n,) each; NaN has not moved.
    """
    columns = {VOLTAGE: voltage_volt, CURRENT: current_ampere, **(beside or {})}
    watched = [(columns[name], limit) for name, limit in record.items() if name in columns]
    kept = np.ones(len(elapsed_second), np.bool_)
    if not (watched or TIME in record or first) or len(kept) < 3:
        return kept
    times = _time_limits(elapsed_second, record.get(TIME, math.inf), first)
    if (np.diff(elapsed_second) >= times[:-1]).all():
        return kept
    after = int(np.searchsorted(elapsed_second, elapsed_second[0] + ALWAYS_WITHIN_SECOND, side="right"))
    kept[after:-1] = False
    start = max(after - 1, 0)
    due_second = elapsed_second[start] + times[start]
    values = np.array([column for column, _ in watched]).reshape(len(watched), len(kept))
    limits = [limit for _, limit in watched]
    last = values[:, start].tolist()
    rows = zip(elapsed_second[after:-1].tolist(), values[:, after:-1].T.tolist(), times[after:-1].tolist(), strict=True)
    for index, (now, now_values, time_limit) in enumerate(rows, start=after):
        if now >= due_second or _have_moved(now_values, last, limits):
            kept[index] = True
            last = [old if math.isnan(new) else new for new, old in zip(now_values, last, strict=True)]
            due_second = now + time_limit
    return kept


def _have_moved(values: list[float], last: list[float], limits: list[float]) -> bool:
    for index, limit in enumerate(limits):  # noqa: SIM110  (three times as fast as any(), row by row)
        if abs(values[index] - last[index]) >= limit:
            return True
    return False


def _time_limits(elapsed_second: Floats, afterwards: float, first: Sequence[tuple[float, float]]) -> Floats:
    """How long after each row the next is due, less some slack."""
    ends = np.array([until for _, until in first])
    limits = np.array([*(every for every, _ in first), afterwards])
    found: Floats = limits[np.searchsorted(ends, elapsed_second, side="right")]
    # So that an instrument whose clock jitters is not taken for a slower one.
    return np.where(np.isfinite(found), 0.99 * found, found)

"""The resistance that a change of current shows, for nothing, at the start of each half-cycle. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from daemon.cycles.table import Cycle
from daemon.events import SegmentRecord
from daemon.rows.cell_rows import Floats, Integers

LONGEST_TURNAROUND_SECOND = 3.0
AFTER_SECOND = {"1s": 1.0, "10s": 10.0}
TOLERANCE = 0.05
"""How far from 1 s or 10 s a row may lie, as a share of it."""

LEAST_CHANGE = 0.1
"""Of the half's current: a smaller change of current shows no resistance."""


@dataclass(frozen=True)
class CellRows:
    """The cell's rows with both a voltage and a current, each shape (n,), in order."""

    segment: Integers
    second: Floats
    elapsed_second: Floats
    voltage_volt: Floats
    current_ampere: Floats


def with_resistances(cycles: list[Cycle], halves_of_cycles: list[list[SegmentRecord]], rows: CellRows) -> list[Cycle]:
    """The cycles with their resistance columns.

    R(t) = (V(t) - V before) / (I(t) - I before), t = 1 s or 10 s after a half began, "before" being the last row of the
    segment before it. The relay is open during the turnaround between the two: of a cell that responds linearly, after
    a change from -I to I, this is the mean of its resistance after t and after t plus the turnaround. None without a
    row within 5 % of t, when more than 3 s lie between the two segments, or when the current hardly changed.

    Args:
        cycles: in order.
        halves_of_cycles: of each cycle, one or two halves.
        rows: of the whole run.
    """
    found = []
    for cycle, of_cycle in zip(cycles, halves_of_cycles, strict=True):
        measured: dict[str, Any] = {}
        for half in of_cycle:
            for name, after_second in AFTER_SECOND.items():
                measured[f"{half.half}_resistance_{name}_ohm"] = _resistance_ohm(rows, half.segment, after_second)
        found.append(msgspec.structs.replace(cycle, **measured))
    return found


def _resistance_ohm(rows: CellRows, segment: int, after_second: float) -> float | None:
    first, last = (int(np.searchsorted(rows.segment, segment, side=side)) for side in ("left", "right"))
    if first in {0, last} or rows.segment[first - 1] != segment - 1:
        return None
    if rows.second[first] - rows.second[first - 1] > LONGEST_TURNAROUND_SECOND:
        return None
    after = first + int(np.argmin(np.abs(rows.elapsed_second[first:last] - after_second)))
    if abs(rows.elapsed_second[after] - after_second) > after_second * TOLERANCE:
        return None
    change_ampere = rows.current_ampere[after] - rows.current_ampere[first - 1]
    if abs(change_ampere) < LEAST_CHANGE * abs(rows.current_ampere[after]) or not change_ampere:
        return None
    return float((rows.voltage_volt[after] - rows.voltage_volt[first - 1]) / change_ampere)

"""What the stack pressure does in each cycle: its level at the turning points, breathing, drift, slope. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from daemon.cycles.table import Cycle
from daemon.events import SegmentRecord
from daemon.rows.cell_rows import Floats

WINDOW_SECOND = 10.0
PASCAL_PER_MEGAPASCAL = 1e6
MILLIAMPERE_HOUR_PER_AMPERE_HOUR = 1000.0
CHARGE, DISCHARGE = "charge", "discharge"


@dataclass(frozen=True)
class Pressure:
    """A run's pressure with the charge passed: run time, pressure (NaN: no reading) and net charge, each shape (m,)."""

    second: Floats
    pascal: Floats
    charge_ampere_hour: Floats


def with_pressures(cycles: list[Cycle], halves_of_cycles: list[list[SegmentRecord]], pressure: Pressure) -> list[Cycle]:
    """The cycles with their pressure columns.

    Levels are medians of 10 s, not extremes, which noise alone moves: `start` of the first 10 s of the cycle,
    `end_of_charge` and `end_of_discharge` of the last 10 s of those halves. `breathing` is the level at the end of
    charge less the mean of the discharged levels before and after it; before the run's first charge it is the level at
    which that began. `drift` is the level at the end of discharge less that of the discharge before, or less the level
    at the cycle's start when there was none. Both leave out halves that did not end as written. A slope is that of the
    least-squares line of pressure over net charge in one half: positive when pressure rises as charge goes in.

    Args:
        cycles: in order.
        halves_of_cycles: of each cycle, one or two halves.
        pressure: of the whole run.
    """
    halves = [half for of_cycle in halves_of_cycles for half in of_cycle]
    levels = {half.segment: _median_MPa(pressure, half.end_run_time_second, before=True) for half in halves}
    breathing = dict(_breathing(halves, levels, pressure))
    drift = dict(_drift(halves, levels, pressure))
    found = []
    for cycle, of_cycle in zip(cycles, halves_of_cycles, strict=True):
        measured: dict[str, Any] = {
            "pressure_start_MPa": _median_MPa(pressure, of_cycle[0].start_run_time_second, before=False)
        }
        for half in of_cycle:
            kind = str(half.half)
            measured[f"pressure_end_of_{kind}_MPa"] = levels[half.segment]
            measured[f"{kind}_pressure_slope_MPa_mAh"] = _slope_MPa_mAh(pressure, half)
            measured["pressure_breathing_MPa"] = breathing.get(half.segment, measured.get("pressure_breathing_MPa"))
            measured["pressure_drift_MPa"] = drift.get(half.segment, measured.get("pressure_drift_MPa"))
        found.append(msgspec.structs.replace(cycle, **measured))
    return found


def _median_MPa(pressure: Pressure, at_second: float, *, before: bool) -> float | None:
    """The median of the 10 s up to a moment, or from it on; both ends count."""
    first_second = at_second - WINDOW_SECOND if before else at_second
    within = _between(pressure, first_second, first_second + WINDOW_SECOND)
    values = pressure.pascal[within]
    values = values[np.isfinite(values)]
    return float(np.median(values)) / PASCAL_PER_MEGAPASCAL if len(values) else None


def _between(pressure: Pressure, first_second: float, last_second: float) -> slice:
    first = int(np.searchsorted(pressure.second, first_second, side="left"))
    return slice(first, int(np.searchsorted(pressure.second, last_second, side="right")))


def _breathing(
    halves: list[SegmentRecord], levels: dict[int, float | None], pressure: Pressure
) -> list[tuple[int, float]]:
    found = []
    for index, half in enumerate(halves):
        if half.half != CHARGE or half.abnormal:
            continue
        before = _discharged(halves[index - 1], levels) if index else _at_start(half, pressure)
        after = _discharged(halves[index + 1], levels) if index + 1 < len(halves) else None
        level = levels[half.segment]
        if level is not None and before is not None and after is not None:
            found.append((half.segment, level - (before + after) / 2))
    return found


def _drift(halves: list[SegmentRecord], levels: dict[int, float | None], pressure: Pressure) -> list[tuple[int, float]]:
    discharges = [half for half in halves if half.half == DISCHARGE]
    found = []
    if halves and halves[0].half == CHARGE and discharges:
        found.append((discharges[0], _at_start(halves[0], pressure)))
    found += [(half, _discharged(previous, levels)) for previous, half in pairwise(discharges)]
    drifts = []
    for half, before in found:
        after = _discharged(half, levels)
        if before is not None and after is not None:
            drifts.append((half.segment, after - before))
    return drifts


def _discharged(half: SegmentRecord, levels: dict[int, float | None]) -> float | None:
    """The level a discharge ended at; None for a charge, or a discharge that did not end as written."""
    return levels[half.segment] if half.half == DISCHARGE and not half.abnormal else None


def _at_start(half: SegmentRecord, pressure: Pressure) -> float | None:
    return _median_MPa(pressure, half.start_run_time_second, before=False)


def _slope_MPa_mAh(pressure: Pressure, half: SegmentRecord) -> float | None:
    within = _between(pressure, half.start_run_time_second, half.end_run_time_second)
    pascal, charge = pressure.pascal[within], pressure.charge_ampere_hour[within]
    read = np.isfinite(pascal) & np.isfinite(charge)
    if np.count_nonzero(read) < 3:
        return None
    charge, pascal = charge[read] - charge[read].mean(), pascal[read] - pascal[read].mean()
    spread = float(charge @ charge)
    if spread <= 0.0:
        return None
    return float(charge @ pascal) / spread / PASCAL_PER_MEGAPASCAL / MILLIAMPERE_HOUR_PER_AMPERE_HOUR

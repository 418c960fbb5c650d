"""What follows from a cell's measured rows: charge, energy, and the readings of other streams beside them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SECOND_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Passed:
    """Charge in Ah, or energy in Wh, that went in and out since the first row; both rise, shape (n,)."""

    charging: Floats
    discharging: Floats

    @property
    def net(self) -> Floats:
        """In less out."""
        return self.charging - self.discharging


def passed(segment: Integers, second: Floats, voltage_volt: Floats, current_ampere: Floats) -> tuple[Passed, Passed]:
    """Charge and energy: trapezoids between neighbouring readings of one segment, by the sign of each trapezoid.

    Nothing is counted from one segment to the next. A row without a voltage or a current counts as absent and repeats
    what was before it.

    Args:
        segment: shape (n,), never falling.
        second: shape (n,), rising within a segment.
        voltage_volt: shape (n,); NaN is no reading.
        current_ampere: shape (n,); NaN is no reading; positive into the cell.

    Returns:
        Charge in Ah, energy in Wh.
    """
    read = np.flatnonzero(np.isfinite(voltage_volt) & np.isfinite(current_ampere))
    hour = np.diff(second[read]) / SECOND_PER_HOUR
    hour[np.diff(segment[read]) != 0] = 0.0
    power_watt = voltage_volt[read] * current_ampere[read]
    every_row_read = len(read) == len(segment)
    rows = None if every_row_read else read
    return (
        _in_and_out(hour * _mean_of_neighbours(current_ampere[read]), rows, len(segment)),
        _in_and_out(hour * _mean_of_neighbours(power_watt), rows, len(segment)),
    )


def since(running: Floats, starts: Integers) -> Floats:
    """A running total counted anew from each start, shape (n,).

    Args:
        running: shape (n,).
        starts: the row numbers from 0, rising, at which counting begins anew; the first is 0 unless n = 0.
    """
    if not len(running):
        return running.copy()
    return running - np.repeat(running[starts], np.diff(starts, append=len(running)))


def starts_of(labels: Integers) -> Integers:
    """Where a column changes: row numbers from 0, the first row's included."""
    if not len(labels):
        return np.empty(0, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1]).astype(np.int64)


def last_value_before(second: Floats, other_second: Floats, value: Floats, max_age_second: float) -> Floats:
    """For each time, another stream's last reading up to then, shape (n,); NaN where there is none so recent.

    A reading that is none (NaN) hides the one before it: nothing is carried over an outage.

    Args:
        second: shape (n,).
        other_second: shape (m,), never falling.
        value: shape (m,).
        max_age_second: older readings are not taken.
    """
    if not len(other_second):
        return np.full(len(second), np.nan)
    last = np.searchsorted(other_second, second, side="right") - 1
    there = np.maximum(last, 0)
    recent = (last >= 0) & (second - other_second[there] <= max_age_second)
    return np.where(recent, value[there], np.nan)


def _mean_of_neighbours(values: Floats) -> Floats:
    return (values[1:] + values[:-1]) / 2


def _in_and_out(trapezoids: Floats, rows: Integers | None, row_count: int) -> Passed:
    return Passed(
        _running(np.maximum(trapezoids, 0.0), rows, row_count), _running(np.maximum(-trapezoids, 0.0), rows, row_count)
    )


def _running(steps: Floats, rows: Integers | None, row_count: int) -> Floats:
    """Totals up to each row; `rows` are the rows between which the steps lie, None when they are all rows."""
    total = np.zeros(row_count)
    if rows is None:
        np.cumsum(steps, out=total[1:])
        return total
    total[rows[1:]] = steps
    return np.cumsum(total)

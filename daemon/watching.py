"""What rows say beyond their values: how long nothing was read, whether anything changed, how far it dropped. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from drivers.roles import Floats

MEDIAN_OF = 3
"""A sudden drop is one of the medians of so many readings: a single wild reading is none."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What of a quantity's rows so far matters to the next ones.

    `read_second` is when it was last read, or since when it has been waited for. `readings` are the last two, older
    first, and `peaks` the medians that may still be the highest of the window, rising in time and falling in value:
    both as (second, value).
    """

    read_second: float = 0.0
    readings: tuple[tuple[float, float], ...] = ()
    peaks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Followed:
    """For each row, shape (n,).

    `age_second`: time since the reading before it. `unchanged`: 1 where it reads what was read before, else 0. `drop`:
    how far the median of the last three readings lies below the highest such median of the window, 0 or more. The last
    two are NaN in rows without a reading; a drop is, too, where three readings are older than the window.
    """

    age_second: Floats
    unchanged: Floats
    drop: Floats


def follow(tail: Tail, second: Floats, values: Floats, window_second: float) -> tuple[Followed, Tail]:
    """Follow one quantity through rows: cut into blocks anywhere, they say the same.

    Args:
        tail: of the rows before these.
        second: when each was measured, rising.
        values: NaN is no reading.
        window_second: how long a median is remembered.
    """
    read = np.isfinite(values)
    unchanged, drop = np.full(len(values), np.nan), np.full(len(values), np.nan)
    before = np.array(tail.readings, dtype=np.float64).reshape(-1, 2)
    times = np.concatenate((before[:, 0], second[read]))
    readings = np.concatenate((before[:, 1], values[read]))
    unchanged[read] = (np.diff(readings, prepend=np.nan) == 0)[len(before) :]
    medians = np.concatenate((np.full(MEDIAN_OF - 1, np.nan), _medians(times, readings, window_second)))
    drop[read], peaks = _drops(tail.peaks, second[read], medians[len(before) : len(readings)], window_second)
    read_second = np.maximum.accumulate(np.concatenate(([tail.read_second], np.where(read, second, -np.inf))))
    last = zip(times[1 - MEDIAN_OF :].tolist(), readings[1 - MEDIAN_OF :].tolist(), strict=True)
    followed = Followed(age_second=second - read_second[:-1], unchanged=unchanged, drop=drop)
    return followed, Tail(read_second=float(read_second[-1]), readings=tuple(last), peaks=peaks)


def _medians(times: Floats, readings: Floats, window_second: float) -> Floats:
    """The median of each three readings running; NaN where they lie further apart than the window."""
    if len(readings) < MEDIAN_OF:
        return np.empty(0)
    first, middle, last = readings[:-2], readings[1:-1], readings[2:]
    low, high = np.minimum(first, middle), np.maximum(first, middle)
    median = np.maximum(low, np.minimum(high, last))
    return np.where(times[2:] - times[:-2] <= window_second, median, np.nan)


def _drops(
    peaks: tuple[tuple[float, float], ...], second: Floats, medians: Floats, window_second: float
) -> tuple[Floats, tuple[tuple[float, float], ...]]:
    """How far each median lies below the highest of the window up to it, and the peaks after the last."""
    known = ~np.isnan(medians)
    before = np.array(peaks, dtype=np.float64).reshape(-1, 2)
    times = np.concatenate((before[:, 0], second[known]))
    values = np.concatenate((before[:, 1], medians[known]))
    drops = np.full(len(medians), np.nan)
    if len(times) == len(before):
        return drops, peaks
    now = np.arange(len(before), len(times))
    highest = values[now]
    for back in range(1, len(times)):
        at = now - back
        near = (at >= 0) & (times[now] - times[at] <= window_second)
        if not near.any():
            break
        highest = np.where(near, np.maximum(highest, values[at]), highest)
    drops[known] = highest - values[now]
    later = np.concatenate((np.maximum.accumulate(values[::-1])[::-1][1:], [-np.inf]))
    kept = (values > later) & (times[-1] - times <= window_second)
    return drops, tuple(zip(times[kept].tolist(), values[kept].tolist(), strict=True))

"""A long line drawn as honestly as its pixels allow: what is lost lies between points that are drawn. Pure."""

from __future__ import annotations

import numpy as np

from daemon.rows.cell_rows import Floats, Integers

POINTS_PER_BIN = 4


def drawn_line(x: Floats, y: Floats, *, pixels: int, longest_interval: float = np.inf) -> tuple[Floats, Floats]:
    """Points to draw in place of a line's: of each pixel's column the first, lowest, highest and last, in order.

    Where the line has no value, or longer than `longest_interval` between two points, it is broken by a NaN.

    Args:
        x: shape (n,), never falling.
        y: shape (n,); NaN breaks the line.
        pixels: columns the whole line is wide.
        longest_interval: in units of x.
    """
    x, y = _broken(x, y, longest_interval)
    if len(x) <= POINTS_PER_BIN * pixels:
        return x, y
    span = float(x[-1] - x[0]) or 1.0
    column = np.minimum(((x - x[0]) / span * pixels).astype(np.int64), pixels - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], len(x)) - 1
    kept = np.concatenate([starts, ends, *_extremes(y, starts, ends), np.flatnonzero(np.isnan(y))])
    kept = np.unique(kept)
    return x[kept], y[kept]


def _broken(x: Floats, y: Floats, longest_interval: float) -> tuple[Floats, Floats]:
    gaps = np.flatnonzero(np.diff(x) > longest_interval) + 1
    return np.insert(x, gaps, x[gaps - 1]), np.insert(y, gaps, np.nan)


def _extremes(y: Floats, starts: Integers, ends: Integers) -> tuple[Integers, Integers]:
    """Where each bin is lowest and highest; its first point when it has no value."""
    low, high = np.where(np.isnan(y), np.inf, y), np.where(np.isnan(y), -np.inf, y)
    return _first_equal(low, np.minimum.reduceat(low, starts), starts, ends), _first_equal(
        high, np.maximum.reduceat(high, starts), starts, ends
    )


def _first_equal(values: Floats, wanted: Floats, starts: Integers, ends: Integers) -> Integers:
    counts = ends - starts + 1
    hits = np.flatnonzero(values == np.repeat(wanted, counts))
    first: Integers = hits[np.searchsorted(hits, starts)]
    return first

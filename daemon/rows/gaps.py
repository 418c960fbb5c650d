"""Where a stream has no readings although it should. Pure."""

from __future__ import annotations

import numpy as np

from daemon.rows.cell_rows import Floats, Integers

LONGEST_TURNAROUND_SECOND = 10.0
LONGEST_SILENCE_SECOND = 5.0
SAMPLINGS_MISSED = 3.0
INTERVALS_MISSED = 5.0

Gap = dict[str, float | str]


def cell_gaps(segment: Integers, second: Floats, sampling_second: Floats) -> list[Gap]:
    """Gaps between the cell's readings: over 3 samplings within a step, over 10 s between steps.

    Args:
        segment: of each reading, shape (n,).
        second: run time of each, shape (n,).
        sampling_second: of the step each belongs to, shape (n,).
    """
    between = np.diff(segment) != 0
    longest = np.where(between, LONGEST_TURNAROUND_SECOND, SAMPLINGS_MISSED * sampling_second[1:])
    found = np.flatnonzero(np.diff(second) > longest)
    return [
        _gap("cell", "between steps" if between[index] else f"in step {segment[index]}", second, int(index))
        for index in found
    ]


def stream_gaps(stream: str, second: Floats, value: Floats) -> list[Gap]:
    """Gaps between a stream's readings: over 5 s, and over five of its usual intervals.

    Args:
        stream: its name.
        second: run time of each row, shape (n,).
        value: shape (n,); NaN is no reading.
    """
    read = second[np.isfinite(value)]
    if len(read) < 2:
        return []
    interval_second = np.diff(read)
    longest = max(LONGEST_SILENCE_SECOND, INTERVALS_MISSED * float(np.median(interval_second)))
    return [_gap(stream, "", read, int(index)) for index in np.flatnonzero(interval_second > longest)]


def _gap(stream: str, where: str, second: Floats, index: int) -> Gap:
    gap: Gap = {"stream": stream}
    if where:
        gap["where"] = where
    return gap | {
        "from_test_time_second": float(second[index]),
        "to_test_time_second": float(second[index + 1]),
        "gap_second": float(second[index + 1] - second[index]),
    }

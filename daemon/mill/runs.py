"""What a mill has done: its runs at speed, one a line, made of segments and rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd

from daemon.events import SegmentRecord
from daemon.rows.readings import VESSEL_TEMPERATURE

TIME = "test_time_second"


class MillRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the blade. `parts` is in how many pieces it was milled: more than one after an interruption.

    `time_at_speed_second` is the longest it can have been; `highest_vessel_celsius` is None where nothing was read.
    """

    number: int
    step_id: str
    start_run_time_second: float
    end_run_time_second: float
    time_at_speed_second: float
    highest_vessel_celsius: float | None
    parts: int = 1


def mill_runs(segments: Sequence[SegmentRecord], rows: pd.DataFrame | None) -> list[MillRun]:
    """The runs in the order they were milled.

    Args:
        segments: of the run, those of the mill among them.
        rows: of the mill's stream, as from `read_rows`; None when there are none.
    """
    found: list[MillRun] = []
    for segment in segments:
        if segment.milled_second is None:
            continue
        highest = _highest(rows, segment)
        if segment.continues and found:
            found[-1] = _added(found[-1], segment, highest)
            continue
        found.append(
            MillRun(
                number=len(found) + 1,
                step_id=segment.step_id,
                start_run_time_second=segment.start_run_time_second,
                end_run_time_second=segment.end_run_time_second,
                time_at_speed_second=segment.milled_second,
                highest_vessel_celsius=highest,
            )
        )
    return found


def _added(run: MillRun, segment: SegmentRecord, highest_celsius: float | None) -> MillRun:
    known = [celsius for celsius in (run.highest_vessel_celsius, highest_celsius) if celsius is not None]
    return msgspec.structs.replace(
        run,
        end_run_time_second=segment.end_run_time_second,
        time_at_speed_second=run.time_at_speed_second + (segment.milled_second or 0.0),
        highest_vessel_celsius=max(known, default=None),
        parts=run.parts + 1,
    )


def _highest(rows: pd.DataFrame | None, segment: SegmentRecord) -> float | None:
    if rows is None or rows.empty:
        return None
    second, celsius = rows[TIME].to_numpy(), rows[VESSEL_TEMPERATURE].to_numpy()
    within = (second >= segment.start_run_time_second) & (second <= segment.end_run_time_second)
    read = celsius[within & np.isfinite(celsius)]
    return float(read.max()) if len(read) else None

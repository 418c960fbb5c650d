"""A rig without a potentiostat: rests last as long as they are written, and nothing measures a voltage."""

from __future__ import annotations

import math
from collections.abc import Callable

from drivers.errors import OutOfRangeError
from drivers.roles import (
    Identity,
    PotentiostatLimits,
    ReadingBlock,
    SegmentLook,
    SegmentProgram,
    SegmentState,
)

LOG_ONLY_LIMITS = PotentiostatLimits(
    model="none",
    current_ranges=(),
    range_overreach=1.0,
    voltage_volt=0.0,
    shortest_cutoff_second=0.0,
    longest_timer_second=math.inf,
    rows_per_segment=0,
    segment_runs_in="host",
)


class HostTimer:
    """Fits the role of a potentiostat where there is none: it times rests by the station's clock and has no rows."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.name = "log only"
        self.limits = LOG_ONLY_LIMITS
        self._now = now
        self._token = ""
        self._started_second = math.nan
        self.ends_at_second = math.inf

    @property
    def elapsed_second(self) -> float:
        """How long the present rest has lasted, or did."""
        return min(self._now(), self.ends_at_second) - self._started_second

    @property
    def next_look_second(self) -> float:
        """When the present rest must be looked at next, at the latest."""
        return self.ends_at_second

    def take_up(self, token: str, program: SegmentProgram, started_second: float) -> None:
        """Go on timing a rest that another timer began at a second of the same clock."""
        self._token, self._started_second = token, started_second
        self.ends_at_second = started_second + program.duration_second

    async def connect(self) -> Identity:
        """There is nobody to ask."""
        return Identity(maker="none", model="none", serial_number="", firmware="")

    async def start_segment(self, token: str, program: SegmentProgram, *, again: bool = False) -> float:  # noqa: ARG002
        """Begin to time a rest; `again` is no different here. Raises `OutOfRangeError` for a current."""
        if program.current_ampere:
            raise OutOfRangeError(self.name, "current_ampere", program.current_ampere, 0.0, 0.0)
        self._token, self._started_second = token, self._now()
        self.ends_at_second = self._started_second + program.duration_second
        return self._started_second

    async def look(self, token: str) -> SegmentLook:
        """Whether the rest still lasts."""
        known = token == self._token
        running = known and self._now() < self.ends_at_second - 1e-6
        state = SegmentState.RUNNING if running else SegmentState.FINISHED if known else SegmentState.ABSENT
        return SegmentLook(state, output_on=False, row_count=0, power_was_cycled=False)

    async def read_rows(self, token: str, first_index: int, last_index: int) -> ReadingBlock:
        """There are none."""
        raise OutOfRangeError(self.name, f"rows {first_index} to {last_index} of {token}", first_index, 0, 0)

    async def forget_segment(self, token: str) -> None:
        """Nothing is kept."""
        if token == self._token:
            self.ends_at_second = math.inf

    async def make_safe(self) -> None:
        """Nothing drives the cell; a rest that is going on ends."""
        self.ends_at_second = min(self.ends_at_second, self._now())

    async def close(self) -> None:
        """Nothing is open."""

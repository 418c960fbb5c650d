"""What the jig was brought to: the temperature and the pressure from which deviations count. Pure."""

from __future__ import annotations

import msgspec
import numpy as np

from daemon.plan import RestStep, WaitStep
from drivers.roles import Floats

RESTED_SECOND = 600.0
"""A rest of so long, and the cell's voltage and pressure are those of a rested one."""
BASELINE_SECOND, BASELINE_READINGS = 10.0, 3
"""The baseline of pressure is the median of all readings in so long, and of so many at least."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What deviations count from; None where there is nothing yet.

    `celsius` is the setpoint the jig has been equilibrated to, until the next setpoint. `pascal` is the baseline of the
    stack pressure: the median of 10 s of readings after the equilibration, or after the first long rest since the last
    setpoint where there was none. `is_due` says that these readings are being gathered, `gathered` holds them as
    (second, value).
    """

    celsius: float | None = None
    pascal: float | None = None
    is_due: bool = False
    gathered: tuple[tuple[float, float], ...] = ()


def after_segment(settled: Settled, step: object, ended_by: str, lasted_second: float) -> Settled:
    """What is settled once a segment has ended as written."""
    if not isinstance(step, RestStep):
        return settled
    if not isinstance(step, WaitStep) and step.until_equilibrated is not None and ended_by == "equilibrated":
        return Settled(celsius=step.until_equilibrated.temperature_celsius, is_due=True)
    if settled.pascal is None and not settled.is_due and lasted_second >= RESTED_SECOND:
        return msgspec.structs.replace(settled, is_due=True)
    return settled


def baseline(settled: Settled, second: Floats, pascal: Floats) -> tuple[Floats, Settled]:
    """The baseline in force at each row of pressure, NaN where there is none, and what is settled after the last."""
    if not settled.is_due:
        known = np.nan if settled.pascal is None else settled.pascal
        return np.full(len(second), known), settled
    read = np.isfinite(pascal)
    gathered = [*settled.gathered, *zip(second[read].tolist(), pascal[read].tolist(), strict=True)]
    complete = _complete(gathered)
    if complete is None:
        return np.full(len(second), np.nan), msgspec.structs.replace(settled, gathered=tuple(gathered))
    median = float(np.median([value for _, value in gathered[:complete]]))
    begins_second = gathered[complete][0]
    in_force = np.where(second >= begins_second, median, np.nan)
    return in_force, Settled(celsius=settled.celsius, pascal=median)


def _complete(gathered: list[tuple[float, float]]) -> int | None:
    """The first reading that is no longer one of the baseline; None when it still may need more."""
    for at, (second, _) in enumerate(gathered):
        if at >= BASELINE_READINGS and second - gathered[0][0] >= BASELINE_SECOND:
            return at
    return None

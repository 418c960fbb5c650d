"""The mill's own rows: what drive and chiller say, each time the run is looked at. Decides nothing."""

from __future__ import annotations

import logging
import math
from enum import IntFlag

import numpy as np

from daemon.clock import Clock
from daemon.mill.bay import MillBay
from daemon.mill.chiller_watch import ChillerWatch
from daemon.mill.cooling import Cooling
from daemon.plan import MILL_STREAM
from daemon.rows.streams import MILL_SCHEMA
from daemon.running.loggers import LoggedRows
from drivers.errors import DriverError
from drivers.roles import ChillerLook, Floats, Integers, MillLook

RECONNECT_EVERY_SECOND = 5.0
SAME_MOMENT_SECOND = 1e-6

log = logging.getLogger(__name__)


class MillStatus(IntFlag):
    """What the drive said of the blade."""

    RUNNING = 1
    AT_SPEED = 2
    STANDING = 4
    UNKNOWN = 16
    """It did not answer, or nobody asked."""


class MillLogger:
    """One row at each look. The drive is asked for it; the chiller is asked beside, and its last word is taken."""

    stream = MILL_STREAM

    def __init__(self, clock: Clock, zero_second: float, bay: MillBay, cooling: Cooling | None) -> None:
        self._clock = clock
        self._zero_second = zero_second
        self._bay = bay
        self._cooling = cooling
        self._is_lost = False
        self._connect_due_second = 0.0
        self._taken_second = -math.inf
        self._vessel_second = clock.now_second()
        self._watch = None if cooling is None else ChillerWatch(cooling, clock)

    async def take(self) -> LoggedRows | None:
        """See `StreamLogger`; None when a row of this very moment was taken already."""
        if self._clock.now_second() <= self._taken_second + SAME_MOMENT_SECOND:
            return None
        look = await self._glance()
        self._taken_second = self._clock.now_second()
        return self._row(self._taken_second - self._zero_second, look, self._chiller())

    def gap(self, at_second: float) -> LoggedRows:
        """See `StreamLogger`."""
        # Nobody was away for long: the row of this very moment may be stored already, by somebody else.
        self._taken_second = max(self._taken_second, self._zero_second + at_second)
        return self._row(at_second, None, None, is_gap=True)

    async def close(self) -> None:
        """See `StreamLogger`."""
        if self._watch is not None:
            await self._watch.close()

    async def _glance(self) -> MillLook | None:
        """What the drive says; a way that is lost is mended here only while nothing turns, and not at every look."""
        try:
            if self._is_lost and not self._bay.is_turning:
                if self._clock.now_second() < self._connect_due_second:
                    return None
                await self._bay.connect()
            look = await self._bay.glance()
        except DriverError as error:
            if not self._is_lost:
                log.warning("%s; the blade's speed is not known until it answers again", error)
            self._is_lost = True
            self._connect_due_second = self._clock.now_second() + RECONNECT_EVERY_SECOND
            return None
        self._is_lost = False
        return look

    def _chiller(self) -> ChillerLook | None:
        return self._cooling.latest if self._cooling is not None else None

    def _row(
        self, at_second: float, look: MillLook | None, chiller: ChillerLook | None, *, is_gap: bool = False
    ) -> LoggedRows:
        now_second = self._clock.now_second()
        vessel_celsius = chiller.external_celsius if chiller is not None else math.nan
        if self._cooling is not None and not math.isnan(vessel_celsius):
            self._vessel_second = self._cooling.heard_second
        milling = self._bay.milling
        values = {
            "elapsed_second": at_second,
            "speed_rpm": look.rpm if look is not None else math.nan,
            "time_at_speed_second": math.nan if look is None or milling is None else milling.counted_second,
            "vessel_temperature_celsius": vessel_celsius,
            "bath_temperature_celsius": chiller.bath_celsius if chiller is not None else math.nan,
            "bath_setpoint_celsius": chiller.setpoint_celsius if chiller is not None else math.nan,
            "vessel_age_second": math.nan if is_gap else now_second - self._vessel_second,
            **self._of_chiller(chiller, now_second, is_gap=is_gap),
            "drive_fault": float(look.fault_code) if look is not None else math.nan,
        }
        columns: dict[str, Floats | Integers] = {name: np.array([value]) for name, value in values.items()}
        columns["mill_status"] = np.array([int(_status(look))])
        return LoggedRows(self.stream, {name: columns[name] for name in MILL_SCHEMA.columns})

    def _of_chiller(self, chiller: ChillerLook | None, now_second: float, *, is_gap: bool) -> dict[str, float]:
        """How long it has been silent and whether anything is wrong with it; nothing before it was told to cool."""
        cooling = self._cooling
        if cooling is None or not cooling.is_wanted or is_gap:
            return {"chiller_age_second": math.nan, "chiller_trouble": math.nan}
        trouble = math.nan if chiller is None else float(chiller.has_fault or not chiller.is_running)
        return {"chiller_age_second": now_second - cooling.heard_second, "chiller_trouble": trouble}


def _status(look: MillLook | None) -> MillStatus:
    if look is None:
        return MillStatus.UNKNOWN
    said = (MillStatus.RUNNING, look.is_running), (MillStatus.AT_SPEED, look.is_at_speed)
    found = MillStatus.STANDING if look.is_standing else MillStatus(0)
    for flag, is_so in said:
        found |= flag if is_so else MillStatus(0)
    return found

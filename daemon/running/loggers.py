"""Pressure and temperature beside the cell: gathers their rows until the runner stores them. Decides nothing.

A logger that loses its instrument goes on: one row without a reading stands for the outage, and it keeps trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from daemon.clock import Clock, wait_out
from daemon.plan import PRESSURE_STREAM, TEMPERATURE_STREAM
from daemon.rows.pressure import PressureCalibration, surface_pressure_pa, with_calibration
from drivers.errors import DriverError
from drivers.roles import Chamber, ChamberLook, Floats, Integers, LoadBlock, LoadCell, LoadStatus, Thermometer

JIG, AIR = "jig", "air"
RECONNECT_EVERY_SECOND = 5.0
SILENT_AFTER_SECOND = 5.0
"""A load cell from which nothing came for so long has a gap: displays come at least once a second."""
PROMPT_SECOND = 0.2
"""A thermometer answers within this; what watches the cell does not wait for one that takes longer."""
SETTLE_SECOND = 0.2
"""How long after this process runs again bytes are still read that came while it did not."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoggedRows:
    """Rows of one stream in the order they were measured; `columns` has the stream's columns, times in run time."""

    stream: str
    columns: dict[str, Floats | Integers]

    @property
    def elapsed_second(self) -> Floats:
        """Run time of each row."""
        return self.columns["elapsed_second"].astype(np.float64, copy=False)

    @property
    def quantities(self) -> dict[str, Floats]:
        """What was measured, without time and status."""
        floats = {
            name: column.astype(np.float64, copy=False)
            for name, column in self.columns.items()
            if column.dtype == np.float64
        }
        return {name: column for name, column in floats.items() if name != "elapsed_second"}


class StreamLogger(Protocol):
    """What the runner asks of a logger."""

    stream: str

    async def take(self) -> LoggedRows | None:
        """All rows up to now that were not taken before; None when there are none. Never raises for an instrument."""
        ...

    def gap(self, at_second: float) -> LoggedRows:
        """The one row that stands for an outage which began at a run time."""
        ...

    async def close(self) -> None:
        """Stop gathering."""
        ...


class TemperatureLogger:
    """Asks a thermometer, and a chamber if there is one, on a grid of run time."""

    stream = TEMPERATURE_STREAM

    def __init__(
        self,
        clock: Clock,
        zero_second: float,
        every_second: float,
        thermometer: Thermometer,
        chamber: Chamber | None,
        *,
        resumed: bool = False,
    ) -> None:
        self._clock = clock
        self._zero_second = zero_second
        self._every_second = every_second
        self._thermometer = thermometer
        self._chamber = chamber
        beats = (clock.now_second() - zero_second) / every_second
        # The beat of this very moment may be stored already: it was somebody else's.
        self._beat = math.floor(beats + 1e-9) + 1 if resumed else max(0, math.ceil(beats - 1e-9))
        self._beaten = asyncio.Event()
        self._rows: list[tuple[float, float, float, float]] = []
        self._jig_second: list[float] = []
        self._jig_celsius: list[float] = []
        self._is_lost = self._is_chamber_lost = False
        self._chamber_due_second = -math.inf
        self._looked_second = clock.now_second()
        clock.join()
        self._task = asyncio.create_task(self._log())
        # Who waits for a reading must not wait for ever for a task that died.
        self._task.add_done_callback(lambda _: self._beaten.set())

    async def take(self) -> LoggedRows | None:
        """See `StreamLogger`; waits a moment for a reading that is due now, never for one that is late."""
        late_second = self._due_second + PROMPT_SECOND - self._clock.now_second()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._clock.stands_still else late_second):
                while self._due_second <= self._clock.now_second() and not self._task.done():
                    self._beaten.clear()
                    await self._beaten.wait()
        rows, self._rows = self._rows, []
        return _temperature_rows(rows) if rows else None

    def gap(self, at_second: float) -> LoggedRows:
        """See `StreamLogger`."""
        return _temperature_rows([(at_second, math.nan, math.nan, math.nan)])

    def jig_celsius_before(self, run_time_second: Floats) -> Floats:
        """The jig's last temperature before each time, shape (n,); NaN where none was read yet."""
        known = np.array(self._jig_celsius, dtype=np.float64)
        before = np.searchsorted(np.array(self._jig_second), run_time_second, side="left") - 1
        if not len(known):
            return np.full(len(run_time_second), np.nan)
        return np.where(before >= 0, known[np.maximum(before, 0)], np.nan)

    def forget_before(self, run_time_second: float) -> None:
        """Temperatures older than the last one before this time are no longer asked for."""
        keep = max(0, int(np.searchsorted(np.array(self._jig_second), run_time_second, side="left")) - 1)
        del self._jig_second[:keep], self._jig_celsius[:keep]

    async def close(self) -> None:
        """See `StreamLogger`."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._clock.leave()

    @property
    def _due_second(self) -> float:
        return self._zero_second + self._beat * self._every_second

    async def _log(self) -> None:
        while True:
            await wait_out(self._clock, self._due_second)
            self._note_away()
            await self._read(round(self._run_time_second, 6))
            self._beat = max(self._beat + 1, math.ceil(self._run_time_second / self._every_second))
            self._beaten.set()

    @property
    def _run_time_second(self) -> float:
        return self._clock.now_second() - self._zero_second

    async def _read(self, at_second: float) -> None:
        try:
            if self._is_lost:
                await self._thermometer.connect()
            celsius = await self._thermometer.read_celsius()
        except DriverError as error:
            self._lose(at_second, error)
            return
        self._is_lost = False
        look = await self._look_at_chamber()
        jig, air = celsius.get(JIG, math.nan), celsius.get(AIR, math.nan)
        if look is not None and math.isnan(air):
            air = look.air_celsius
        self._rows.append((at_second, jig, air, look.setpoint_celsius if look is not None else math.nan))
        if not math.isnan(jig):
            self._jig_second.append(at_second)
            self._jig_celsius.append(jig)

    async def _look_at_chamber(self) -> ChamberLook | None:
        """What the chamber says; None while it cannot be asked, which must not cost the jig's temperature."""
        if self._chamber is None or self._clock.now_second() < self._chamber_due_second:
            return None
        try:
            if self._is_chamber_lost:
                await self._chamber.connect()
            look = await self._chamber.look()
        except DriverError as error:
            if not self._is_chamber_lost:
                log.warning("%s; its setpoint is not known until it answers again", error)
            self._is_chamber_lost = True
            self._chamber_due_second = self._clock.now_second() + RECONNECT_EVERY_SECOND
            return None
        self._is_chamber_lost = False
        return look

    def _note_away(self) -> None:
        for began_second, _ in self._clock.away_until_after(self._looked_second):
            at_second = max(began_second, self._looked_second) - self._zero_second
            self._rows.append((at_second, math.nan, math.nan, math.nan))
        self._looked_second = self._clock.now_second()

    def _lose(self, at_second: float, error: DriverError) -> None:
        if not self._is_lost:
            log.warning("%s; temperature has a gap until it answers again", error)
            self._rows.append((at_second, math.nan, math.nan, math.nan))
        self._is_lost = True


class PressureLogger:
    """Takes what a load cell has sent, and adds the pressure it means."""

    stream = PRESSURE_STREAM

    def __init__(
        self,
        clock: Clock,
        zero_second: float,
        load_cell: LoadCell,
        calibration: PressureCalibration,
        temperatures: TemperatureLogger | None,
    ) -> None:
        self._clock = clock
        self._zero_second = zero_second
        self._load_cell = load_cell
        self._calibration = calibration
        self._temperatures = temperatures
        self._reconnecting: asyncio.Task[None] | None = None
        self._taken_second = self._heard_second = clock.now_second()
        self._is_silent = False

    async def take(self) -> LoggedRows | None:
        """See `StreamLogger`."""
        if self._reconnecting is not None:
            if not self._reconnecting.done():
                return None
            self._reconnecting = None
        try:
            block = await self._load_cell.read()
        except DriverError as error:
            log.warning("%s; pressure has a gap until it sends again", error)
            # Simulated time stands while the port is opened, so that what is sent after is counted from there.
            self._clock.join()
            self._reconnecting = asyncio.create_task(self._reconnect())
            self._reconnecting.add_done_callback(lambda _: self._clock.leave())
            block = _gap(self._clock.now_second())
            self._heard_second, self._is_silent = self._clock.now_second(), True
        else:
            block = _without_waited(block, self._clock.away_until_after(self._taken_second), self._taken_second)
            block = self._with_silences(block)
        self._taken_second = self._clock.now_second()
        return self._rows(block) if len(block.second) else None

    def gap(self, at_second: float) -> LoggedRows:
        """See `StreamLogger`."""
        return self._rows(_gap(self._zero_second + at_second))

    async def close(self) -> None:
        """See `StreamLogger`."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.gather(self._reconnecting, return_exceptions=True)

    def _rows(self, block: LoadBlock) -> LoggedRows:
        run_time_second = block.second - self._zero_second
        celsius = np.full(len(run_time_second), np.nan)
        if self._temperatures is not None:
            celsius = self._temperatures.jig_celsius_before(run_time_second)
            self._temperatures.forget_before(float(run_time_second[-1]))
        pascal = surface_pressure_pa(block.displayed, celsius, self._calibration)
        columns: dict[str, Floats | Integers] = {
            "elapsed_second": run_time_second,
            "displayed_load": block.displayed,
            "surface_pressure_pa": pascal,
            "sensor_temperature_celsius": celsius,
            "load_status": with_calibration(block.status, pascal, celsius, self._calibration),
        }
        return LoggedRows(self.stream, columns)

    def _with_silences(self, block: LoadBlock) -> LoadBlock:
        """One row without a reading where nothing came for long, at the second of the row before, if that is none."""
        second = np.concatenate(([self._heard_second], block.second, [self._clock.now_second()]))
        is_gap = np.concatenate(([False], block.status == int(LoadStatus.LOST)))
        silent = np.flatnonzero((np.diff(second) > SILENT_AFTER_SECOND) & ~is_gap)
        silent = silent[silent > 0] if self._is_silent else silent
        count = len(block.second)
        if count:
            self._heard_second, self._is_silent = float(block.second[-1]), bool(is_gap[-1])
        self._is_silent |= count in silent
        return _with_gaps(block, silent, second[silent]) if len(silent) else block

    async def _reconnect(self) -> None:
        while True:
            try:
                await self._load_cell.connect()
            except DriverError as error:
                log.info("%s; trying again", error)
                await self._clock.wait_until(self._clock.now_second() + RECONNECT_EVERY_SECOND)
            else:
                return


def _temperature_rows(rows: list[tuple[float, float, float, float]]) -> LoggedRows:
    elapsed, jig, air, setpoint = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    columns: dict[str, Floats | Integers] = {
        "elapsed_second": elapsed,
        "jig_temperature_celsius": jig,
        "ambient_temperature_celsius": air,
        "setpoint_temperature_celsius": setpoint,
    }
    return LoggedRows(TEMPERATURE_STREAM, columns)


def _gap(at_second: float) -> LoadBlock:
    return LoadBlock(
        second=np.array([at_second]),
        displayed=np.array([np.nan]),
        status=np.array([int(LoadStatus.LOST)]),
        unit="",
    )


def _without_waited(block: LoadBlock, away: Sequence[tuple[float, float]], after_second: float) -> LoadBlock:
    """What came while this process did not run has no time of its own: a row without a reading stands for it."""
    for began_second, ended_second in away:
        at_second = max(began_second, after_second)
        kept = (block.second <= at_second) | (block.second > ended_second + SETTLE_SECOND)
        place = int(np.searchsorted(block.second[kept], at_second, side="right"))
        block = LoadBlock(
            second=np.insert(block.second[kept], place, at_second),
            displayed=np.insert(block.displayed[kept], place, np.nan),
            status=np.insert(block.status[kept], place, int(LoadStatus.LOST)),
            unit=block.unit,
        )
    return block


def _with_gaps(block: LoadBlock, places: Integers, at_second: Floats) -> LoadBlock:
    """The block with rows without a reading put in before these rows."""
    return LoadBlock(
        second=np.insert(block.second, places, at_second),
        displayed=np.insert(block.displayed, places, np.nan),
        status=np.insert(block.status, places, int(LoadStatus.LOST)),
        unit=block.unit,
    )

"""Which loggers a rig has: what gathers the rows of everything beside the potentiostat."""

from __future__ import annotations

import contextlib

from daemon.clock import Clock
from daemon.rig import Rig
from daemon.running.loggers import PressureLogger, StreamLogger, TemperatureLogger
from daemon.running.mill_logger import MillLogger
from drivers.errors import DriverError


async def loggers_of(rig: Rig, clock: Clock, zero_second: float, *, resumed: bool = False) -> list[StreamLogger]:
    """The loggers of a rig, in the order in which their rows are to be taken; what was sent before is dropped.

    `resumed`: another daemon has logged before. A load cell that is lost already is its logger's affair.
    """
    temperatures, loggers = None, list[StreamLogger]()
    try:
        if rig.thermometer is not None:
            every_second = rig.temperature_every_second
            temperatures = TemperatureLogger(
                clock, zero_second, every_second, rig.thermometer, rig.chamber, resumed=resumed
            )
            loggers.append(temperatures)
        if rig.load_cell is not None and rig.pressure_calibration is not None:
            with contextlib.suppress(DriverError):
                await rig.load_cell.read()
            loggers.append(PressureLogger(clock, zero_second, rig.load_cell, rig.pressure_calibration, temperatures))
        if rig.mill is not None:
            loggers.append(MillLogger(clock, zero_second, rig.mill, rig.cooling))
    except BaseException:
        for logger in loggers:
            await logger.close()
        raise
    return loggers

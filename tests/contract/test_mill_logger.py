"""The rows of a mill: how old what they hold is, and one a moment, whoever took it."""

import contextlib
import math

from daemon.mill.bay import MillBay
from daemon.mill.cooling import Cooling
from daemon.running.mill_logger import MillLogger
from drivers.registry import CHILLERS, MILL_DRIVES, ChillerConnection, MillDriveConnection
from simulators.inverter import Inverter
from simulators.ls_drive import LsDrive
from simulators.mill import Mill
from tests.support.byte_cables import FarEnd
from tests.support.cables import tcp_peer
from tests.support.chillers import ChillerBench
from tests.support.instruments import JumpingClock

ZERO_SECOND = 100.0


@contextlib.asynccontextmanager
async def logging(clock):
    """The logger of a mill that stands and of its chiller; who asks takes part in the clock."""
    drive, chiller = LsDrive("mill", Inverter(Mill())), ChillerBench("lauda")
    line = FarEnd(lambda data: drive.receive(data, 0))
    async with line.laid("tcp") as drive_address, tcp_peer(chiller.serve) as chiller_address:
        connection = MillDriveConnection(name="mill", address=drive_address, highest_rpm=4200, timeout_second=10.0)
        bay = MillBay(MILL_DRIVES["ls.ig5a"](connection, chiller.wait, None), clock.now_second, 3.0)
        of_chiller = ChillerConnection(name="cooler", address=chiller_address, timeout_second=10.0)
        unit = CHILLERS["lauda.chiller"](of_chiller, chiller.wait, None)
        cooling = Cooling(unit, clock.now_second, None)
        await bay.connect()
        await cooling.connect()
        clock.join()
        logger = MillLogger(clock, ZERO_SECOND, bay, cooling)
        try:
            yield logger
        finally:
            await logger.close()
            clock.leave()
            await bay.close()
            await cooling.close()


def column(logged, name):
    return logged.columns[name].tolist()[0]


async def test_temperature_of_the_vessel_is_as_old_as_the_chiller_s_last_word():
    clock = JumpingClock(ZERO_SECOND)
    async with logging(clock) as logger:
        await clock.wait_until(ZERO_SECOND + 2.4)
        logged = await logger.take()
        assert not math.isnan(column(logged, "vessel_temperature_celsius"))
        assert abs(column(logged, "vessel_age_second") - 0.4) < 1e-6


async def test_row_of_a_moment_that_a_dead_daemon_took_is_not_taken_again():
    clock = JumpingClock(ZERO_SECOND + 5.0)
    async with logging(clock) as logger:
        logger.gap(5.0)
        assert await logger.take() is None
        await clock.wait_until(ZERO_SECOND + 6.0)
        assert column(await logger.take(), "elapsed_second") == 6.0


async def test_first_row_after_an_outage_is_taken_at_once():
    clock = JumpingClock(ZERO_SECOND + 5.0)
    async with logging(clock) as logger:
        logger.gap(2.0)
        assert column(await logger.take(), "elapsed_second") == 5.0

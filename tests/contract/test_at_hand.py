"""What every instrument must do for its driver, harmlessly: against each simulator, and with --station on a real bench.

With --with-dummy OHM a potentiostat also drives a current through a resistor.
"""

import asyncio

import pytest

from daemon.before_runs.dummy_check import OK, dummy_of
from daemon.before_runs.dummy_run import check_dummy

pytestmark = pytest.mark.at_station
CURRENT_TOLERANCE_PERCENT = 1.0


async def test_it_says_who_it_is_each_time_it_is_connected(at_hand):
    async with at_hand() as instrument:
        first = await instrument.connect()
        assert first.maker
        assert await instrument.connect() == first
        await instrument.driver.close()
        await instrument.driver.close()
        assert await instrument.connect() == first


async def test_what_it_reads_can_be(at_hand):
    async with at_hand() as instrument:
        await instrument.connect()
        for _ in range(3):
            read = await instrument.read()
            assert instrument.can_be(read), read


async def test_two_may_ask_it_at_once(at_hand):
    async with at_hand() as instrument:
        await instrument.connect()
        if instrument.role == "load_cell":
            both = [await instrument.driver.read(), await instrument.driver.read()]
            assert {block.unit for block in both} == {(await instrument.read()).unit}
            return
        both = await asyncio.gather(instrument.read(), instrument.read())
        assert all(instrument.can_be(read) for read in both), both


@pytest.mark.with_dummy
async def test_a_resistor_is_measured_right_and_left_at_open_circuit(on_dummy, dummy_ohm):
    async with on_dummy() as instrument:
        await instrument.connect()
        limits = instrument.driver.limits
        dummy = dummy_of(dummy_ohm, CURRENT_TOLERANCE_PERCENT / 100, None, limits)
        findings, parts = await check_dummy(instrument.driver, dummy, instrument.clock)
        assert [finding for finding in findings if finding.state != OK] == []
        assert len(parts) == 5
        assert instrument.can_be(await instrument.read())
        await instrument.driver.make_safe()
        await instrument.driver.make_safe()

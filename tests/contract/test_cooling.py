"""The chiller of a run: set, started, and guarded against a dead host; against the simulated units."""

import contextlib

import pytest

from daemon.mill.cooling import Cooling
from drivers.errors import RefusedError
from drivers.registry import CHILLERS, ChillerConnection
from drivers.roles import HostLossWatchdog
from tests.support.cables import tcp_peer
from tests.support.chillers import SETTINGS, ChillerBench

HOST_LOSS = HostLossWatchdog(timeout_second=30.0, safe_celsius=15.0, keeps_cooling=True)
HOUR_SECOND = 3600.0


@contextlib.asynccontextmanager
async def cooling(make, bench, host_loss, *, safe_mode=True):
    """A connected chiller of a rig, whose clock never moves: nothing here depends on it."""
    settings = SETTINGS.get(make, {}) | ({"safe_mode": safe_mode} if make == "lauda" else {})
    async with tcp_peer(bench.serve) as address:
        connection = ChillerConnection(name="cooler", address=address, timeout_second=10.0, **settings)
        made = Cooling(CHILLERS[f"{make}.chiller"](connection, bench.wait, None), lambda: 0.0, host_loss)
        await made.connect()
        try:
            yield made
        finally:
            await made.close()


@pytest.mark.parametrize("make", ["lauda", "julabo", "huber"])
async def test_what_is_told_to_cool_runs_at_its_setpoint(make):
    bench = ChillerBench(make)
    async with cooling(make, bench, HOST_LOSS if make == "lauda" else None) as made:
        assert not made.is_wanted
        for _ in range(2):
            await made.cool_to(15.0)
        assert made.is_wanted
        assert made.latest is not None
        assert (made.latest.is_running, made.latest.setpoint_celsius) == (True, 15.0)


async def test_dead_host_leaves_a_bath_that_stays_cold():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.cool_to(20.0)
        assert await made.chiller.read_watchdog() == HOST_LOSS
        bench.pass_second(HOUR_SECOND)
        await made.keep_up()
        assert made.latest is not None
        assert (made.latest.is_running, made.latest.has_fault, made.latest.setpoint_celsius) == (True, False, 15.0)


async def test_run_that_ends_in_order_leaves_no_watchdog():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.cool_to(15.0)
        await made.disarm()
        assert await made.chiller.read_watchdog() is None
        bench.pass_second(HOUR_SECOND)
        look = await made.chiller.look()
        assert (look.is_running, look.troubles) == (True, ())


async def test_next_daemon_arms_the_watchdog_again_once_the_run_wants_it():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.keep_up()
        assert await made.chiller.read_watchdog() is None
        made.is_wanted = True
        await made.keep_up()
        assert await made.chiller.read_watchdog() == HOST_LOSS


async def test_next_daemon_leaves_no_watchdog_when_its_run_ends_before_it_looked():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.cool_to(15.0)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        made.is_wanted = True
        await made.disarm()
        assert await made.chiller.read_watchdog() is None


async def test_run_that_ends_when_the_way_was_just_mended_leaves_no_watchdog():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.cool_to(15.0)
        await made.connect()
        await made.disarm()
        assert await made.chiller.read_watchdog() is None


async def test_watchdog_that_would_stop_the_cooling_is_refused():
    stops = HostLossWatchdog(timeout_second=30.0, safe_celsius=15.0, keeps_cooling=False)
    bench = ChillerBench("lauda")
    async with cooling("lauda", bench, stops, safe_mode=False) as made:
        with pytest.raises(RefusedError, match="stop cooling when the host dies"):
            await made.cool_to(15.0)
        assert not made.is_wanted
        assert await made.chiller.read_watchdog() is None


async def test_chiller_that_says_nothing_is_not_known_to_cool_and_comes_back():
    bench = ChillerBench("lauda", safe_mode_is_activated=True)
    async with cooling("lauda", bench, HOST_LOSS) as made:
        await made.cool_to(15.0)
        await made.chiller.close()
        await made.keep_up()
        assert made.latest is None
        assert made.is_lost
        await made.keep_up()
        assert made.latest is not None
        assert not made.is_lost


@pytest.mark.parametrize("make", ["lauda", "julabo", "huber"])
async def test_what_is_not_armed_may_be_disarmed(make):
    async with cooling(make, ChillerBench(make), None) as made:
        await made.chiller.disarm_watchdog()
        assert await made.chiller.read_watchdog() is None

"""A broker that freezes, dies or comes back does not move a row of a run, and is told all of it in the end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable

import pandas as pd
import pytest

from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from tests.support.broker import Mosquitto, Subscriber, broker_gone
from tests.support.host import Host
from tests.support.station import kill_after

PACE = 800.0
METHOD = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 1}
"""


def what_was_supervised(host: Host) -> list[tuple[float, str]]:
    """When the daemon looked, stored and decided, in run time."""
    return [(entry.run_time_second, entry.kind) for entry in read_journal(host.run_path)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[pd.DataFrame, list[tuple[float, str]]]:
    """Rows and moments of a run that is published nowhere."""
    host = Host(tmp_path_factory.mktemp("undisturbed"))
    try:
        host.start_bench()
        daemon = host.serve()
        host.run(METHOD)
        host.wait_for(lambda: host.is_over)
        daemon.send_signal(signal.SIGTERM)
        assert host.ended(daemon) == 0
        return read_rows(host.run_path, "cell"), what_was_supervised(host)
    finally:
        host.close()


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.end()


@contextlib.asynccontextmanager
async def running(tmp_path, broker: Mosquitto) -> AsyncIterator[Host]:
    """A run that is under way, some of it published already."""
    folder = tmp_path / "station"
    folder.mkdir()
    host = Host(folder, pace=PACE, mqtt=str(broker.address), on_owner_lost="freeze")
    try:
        host.start_bench()
        await asyncio.to_thread(host.serve)
        await asyncio.to_thread(host.run, METHOD)
        yield host
    finally:
        host.close()


async def until(host: Host, seen: Callable[[], object]) -> None:
    await asyncio.to_thread(host.wait_for, seen)


async def end_daemon(host: Host) -> None:
    host.daemons[-1].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(host.ended, host.daemons[-1]) == 0


def assert_nothing_moved(host: Host, undisturbed: tuple[pd.DataFrame, list[tuple[float, str]]]) -> None:
    rows, moments = undisturbed
    pd.testing.assert_frame_equal(read_rows(host.run_path, "cell"), rows, check_exact=True)
    assert what_was_supervised(host) == moments


def seqs(subscriber: Subscriber, run_id: str) -> list[int]:
    return sorted(key[3] for key in subscriber.rows if key[1:3] == (run_id, "cell"))


async def test_a_broker_that_freezes_before_the_run_ends(tmp_path, mosquitto, undisturbed):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), running(tmp_path, mosquitto) as host:
        await subscriber.until(lambda it: it.rows)
        mosquitto.freeze()
        await until(host, lambda: host.is_over)
        assert_nothing_moved(host, undisturbed)
        mosquitto.thaw()
        rows = host.rows("cell")
        await subscriber.until(lambda it: len(seqs(it, host.result().header.run_id)) == rows)
        await end_daemon(host)
        assert seqs(subscriber, host.result().header.run_id) == list(range(1, rows + 1))


async def test_a_broker_that_dies_and_is_back_for_the_next_daemon(tmp_path, mosquitto, undisturbed):
    subscriber = Subscriber(mosquitto.address)
    async with contextlib.AsyncExitStack() as stack:
        async with subscriber.listening() as listening:
            host = await stack.enter_async_context(running(tmp_path, mosquitto))
            await subscriber.until(lambda it: it.rows)
            mosquitto.end(signal.SIGKILL)
            await broker_gone(listening)
        await until(host, lambda: host.is_over)
        await asyncio.to_thread(kill_after, host.daemons[-1], 0.0)
        assert_nothing_moved(host, undisturbed)
        mosquitto.start()
        async with subscriber.listening():
            await asyncio.to_thread(host.serve)
            rows = host.rows("cell")
            await subscriber.until(lambda it: len(seqs(it, host.result().header.run_id)) == rows)
            await end_daemon(host)
        assert seqs(subscriber, host.result().header.run_id) == list(range(1, rows + 1))

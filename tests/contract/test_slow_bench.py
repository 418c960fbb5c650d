"""A bench that is slow in real time is no faulty instrument: what has left it is waited for."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.clock import BenchClock, ControlPort
from daemon.station.wiring import PotentiostatWiring, RigWiring, connect_rig
from drivers.errors import NoReplyError
from drivers.registry import Connection
from drivers.roles import SegmentState

BENCH_FILE = Path(__file__).parents[2] / "config" / "bench" / "potentiostat_only.yaml"
TIMEOUT_SECOND = 0.3
START_WITHIN_SECOND = 20.0


@pytest.fixture
def bench():
    """A bench of its own, and what it says of itself."""
    process = subprocess.Popen([sys.executable, "-m", "simulators", str(BENCH_FILE)], stdout=subprocess.PIPE, text=True)
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_WITHIN_SECOND)
        assert ready, "the bench said nothing"
        yield process, json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close()


async def connected(hello, clock_type=BenchClock):
    clock = await clock_type.own(await ControlPort.connect(hello["control"]), pace=None, on_owner_lost="freeze")
    [cable] = hello["cables"].values()
    connection = Connection(name="smu", address=cable["address"], timeout_second=TIMEOUT_SECOND)
    wiring = RigWiring(name="rig1", potentiostat=PotentiostatWiring(driver="keithley.2450", connection=connection))
    return await connect_rig(wiring, clock), clock


async def test_a_reply_of_a_bench_that_stood_still_is_waited_for(bench):
    process, hello = bench

    class WakingClock(BenchClock):
        """Lets the bench go on as soon as a reply is overdue."""

        async def sent_total(self, address):
            os.kill(process.pid, signal.SIGCONT)
            overdue.append(address)
            return await super().sent_total(address)

    overdue: list[str] = []
    rig, clock = await connected(hello, WakingClock)
    try:
        overdue.clear()
        os.kill(process.pid, signal.SIGSTOP)
        assert (await rig.potentiostat.look("p0c0ffee0_000001")).state is SegmentState.ABSENT
        assert overdue
    finally:
        await rig.close()
        await clock.close()


async def test_a_reply_that_was_swallowed_is_still_a_fault(bench):
    _, hello = bench
    rig, clock = await connected(hello)
    beside = await ControlPort.connect(hello["control"])
    try:
        await beside.ask("fault", cable="potentiostat", kind="mute")
        with pytest.raises(NoReplyError):
            await asyncio.wait_for(rig.potentiostat.look("p0c0ffee0_000001"), 10)
    finally:
        await beside.close()
        await rig.close()
        await clock.close()

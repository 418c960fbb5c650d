"""What subscribers see besides rows: who is there, what runs, what happened, what is wrong."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.clock import MonotonicClock
from daemon.cycles.table import cycle_table
from daemon.events import Breach, InstrumentFailed, SegmentEnded, decode_event
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.embedded import EmbeddedBroker
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from daemon.store.reading import read_journal
from tests.support.broker import WITHIN_SECOND, Mosquitto, Subscriber, free_port
from tests.support.plans import charge, interlock, plan
from tests.support.stand_in_run import PLAN, STARTED_UTC_SECOND, StandInRun

REPOSITORY = Path(__file__).parents[2]
TOPICS = StationTopics("lab", "bench")
RIG = TOPICS.rig("rig1")
WARNING_PLAN = plan(charge(), interlocks=(interlock("too-warm", "warn"),))


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.end()


@pytest.fixture
def run(tmp_path):
    written = StandInRun(tmp_path / "data")
    yield written
    written.close()


def publisher_to(outlet, tmp_path):
    return Publisher(outlet, TOPICS, tmp_path / "data", MonotonicClock(), reconnect_after_second=(0.05, 0.2))


def cycle_through(run, cycles):
    for _ in range(2 * cycles):
        run.commit(50)
        run.end_segment()


async def test_who_comes_late_is_told_how_things_stand(tmp_path, mosquitto, run):
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        cycle_through(run, 2)
        assert await publisher.drained(WITHIN_SECOND)
        subscriber = Subscriber(mosquitto.address)
        async with subscriber.listening():
            await subscriber.until(lambda it: len(it.messages) >= 7)
    assert subscriber.messages[TOPICS.availability] == [b"online"]
    assert subscriber.json(TOPICS.state)[0]["state"] == "running"
    assert subscriber.json(RIG.state)[0]["state"] == "running"
    told = subscriber.json(RIG.run)[0]
    assert (told["step_id"], told["cycle_count"], told["step_count"]) == ("charge", 3, 5)
    assert told["rows"] == run.run.rows
    assert subscriber.json(RIG.cycle)[0]["cycle_count"] == 2
    columns = [column["name"] for column in subscriber.json(RIG.description)[0]["streams"]["cell"]]
    assert columns[:4] == ["seq", "segment", "test_time_second", "unix_time_second"]
    assert RIG.event not in subscriber.messages
    assert RIG.live not in subscriber.messages
    assert subscriber.rows == {}


async def test_everything_about_a_simulated_run_says_so(tmp_path, mosquitto, run):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        cycle_through(run, 1)
        run.submit(InstrumentFailed(role="potentiostat", error="LinkLostError", text="the cable is out"))
        assert await publisher.drained(WITHIN_SECOND)
        wanted = {RIG.state, RIG.run, RIG.cycle, RIG.event, RIG.live, RIG.description, RIG.alarm("run-held")}
        await subscriber.until(lambda it: wanted <= set(it.messages))
    assert all(said["simulated"] is True for topic in wanted for said in subscriber.json(topic))


async def test_each_cycle_once_it_is_over(tmp_path, mosquitto, run):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        for _ in range(3):
            await asyncio.to_thread(cycle_through, run, 1)
            publisher.nudge()
        run.commit(50)
        run.end_segment()
        assert await publisher.drained(WITHIN_SECOND)
        await subscriber.until(lambda it: len(it.messages[RIG.cycle]) >= 3)
    records = [decode_event(entry.body) for entry in read_journal(run.path)]
    table = cycle_table([event.record for event in records if isinstance(event, SegmentEnded)], PLAN.cell, "charge")
    told = {cycle["cycle_count"]: cycle for cycle in subscriber.json(RIG.cycle)}
    assert list(told) == [1, 2, 3]
    for counted in table[:3]:
        said = told[counted.cycle_count]
        assert said["charge_capacity_mAh_g"] == counted.charge_capacity_mAh_g
        assert said["cycle_in_block"] == counted.cycle_in_block
        assert said["start_run_time_second"] == counted.start_run_time_second


async def test_live_is_the_newest_of_every_stream(tmp_path, mosquitto, run):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        run.commit(100, 3.25)
        assert await publisher.drained(WITHIN_SECOND)
        await subscriber.until(lambda it: any(said.get("seq") == 100 for said in it.json(RIG.live)))
    live = subscriber.json(RIG.live)[-1]
    assert live["voltage_volt"] == 3.25
    assert live["test_time_second"] == 100.0  # the pressure's last row; the cell's is a second older
    assert live["unix_time_second"] == STARTED_UTC_SECOND + 100.0
    assert live["surface_pressure_pa"] == pytest.approx(12.7e6, rel=1e-3)
    assert live["age_second"] >= 0
    assert all(isinstance(value, int | float) for value in live.values())


async def test_an_alarm_stands_until_the_next_run(tmp_path, mosquitto):
    warned = StandInRun(tmp_path / "data", "bench-1", WARNING_PLAN)
    topic = RIG.alarm("interlock-too-warm")
    breach = Breach(interlock="too-warm", worst_value=4.2, longest_rows=3, trailing_rows=3)
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(warned.directory, warned.header)
        warned.commit(50, breaches=(breach,))
        assert await publisher.drained(WITHIN_SECOND)
    warned.close()
    subscriber = Subscriber(mosquitto.address)
    fine = StandInRun(tmp_path / "data", "bench-2")
    async with subscriber.listening():
        await subscriber.until(lambda it: it.messages[topic])
        assert subscriber.json(topic)[0]["text"] == "too-warm: voltage_under_current_volt 4.2"
        assert subscriber.json(topic)[0]["severity"] == "warning"
        async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
            publisher.follow(fine.directory, fine.header)
            assert await publisher.drained(WITHIN_SECOND)
            await subscriber.until(lambda it: it.messages[topic][-1] == b"")
    fine.close()
    late = Subscriber(mosquitto.address, (RIG.alarm("+"), TOPICS.availability))
    async with late.listening():
        await late.until(lambda it: TOPICS.availability in it.messages)
    assert topic not in late.messages


async def test_a_publisher_that_leaves_says_so(tmp_path, mosquitto):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening():
        async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
            await publisher.connected.wait()
        await subscriber.until(lambda it: it.messages[TOPICS.availability][-1:] == [b"offline"])
    assert subscriber.messages[TOPICS.availability] == [b"online", b"offline"]
    assert subscriber.json(TOPICS.state)[-1]["state"] == "disconnected"


PUBLISH = """\
import asyncio, sys
from pathlib import Path
from daemon.clock import MonotonicClock
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics

async def main(broker, folder):
    outlet, topics = MqttOutlet(BrokerAddress.parse(broker)), StationTopics("lab", "bench")
    async with Publisher(outlet, topics, Path(folder), MonotonicClock()):
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def start_publishing(address: BrokerAddress, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PUBLISH, str(address), str(folder)], cwd=REPOSITORY)


async def test_the_broker_says_when_a_publisher_was_killed(tmp_path, mosquitto):
    subscriber = Subscriber(mosquitto.address)
    process = start_publishing(mosquitto.address, tmp_path / "data")
    try:
        async with subscriber.listening():
            await subscriber.until(lambda it: it.messages[TOPICS.availability][-1:] == [b"online"])
            process.kill()
            await subscriber.until(lambda it: it.messages[TOPICS.availability][-1:] == [b"offline"])
    finally:
        process.kill()
        process.wait()


def start_watching(address: BrokerAddress, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "daemon", "watch", "--broker", str(address), *words]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_until(lines, wanted):
    found = []
    for line in lines:
        found.append(line)
        if wanted in line:
            return found
    raise AssertionError(f"no {wanted!r} in {found}")


async def test_watch_prints_every_message_and_ends_with_ctrl_c(tmp_path, run):
    async with EmbeddedBroker() as broker, publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
        watching = start_watching(broker.address, "--json")
        await asyncio.to_thread(read_until, watching.stdout, "rig1/run")
        run.commit(100)
        publisher.nudge()
        lines = await asyncio.to_thread(read_until, watching.stdout, "records/cell")
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=WITHIN_SECOND)
    assert (watching.returncode, errors) == (0, "")
    said = json.loads(lines[-1])
    assert said["topic"] == RIG.records("cell")
    assert len(said["payload"]["rows"]) == 100


async def test_watch_shows_values_and_says_simulated(tmp_path, mosquitto, run):
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
        watching = start_watching(mosquitto.address, "--station", "bench")
        await asyncio.to_thread(read_until, watching.stdout, "lab/bench is online")
        run.commit(100, 3.25)
        publisher.nudge()
        shown = (await asyncio.to_thread(read_until, watching.stdout, "3.2500 V"))[-1]
        mosquitto.end()
        _, errors = await asyncio.to_thread(watching.communicate)
    assert shown.startswith("SIMULATED  lab/bench/rig1  cycle 1  charge")
    assert "MPa" in shown
    assert watching.returncode == 3
    assert "went away" in errors


def test_watch_says_when_there_is_no_broker():
    watching = start_watching(BrokerAddress("127.0.0.1", free_port()))
    output, errors = watching.communicate(timeout=WITHIN_SECOND)
    assert (watching.returncode, output) == (3, "")
    assert "No broker at" in errors
    assert "Traceback" not in errors

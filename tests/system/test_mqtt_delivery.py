"""A subscriber that de-duplicates ends with exactly the stored rows, whatever happens to the broker."""

import asyncio
import contextlib
import logging
import signal
import subprocess
import sys

import pytest

from daemon.clock import MonotonicClock
from daemon.publish.client import MqttOutlet
from daemon.publish.embedded import EmbeddedBroker
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from tests.support.broker import WITHIN_SECOND, Mosquitto, Subscriber, broker_gone
from tests.support.stand_in_run import StandInRun

TOPICS = StationTopics("lab", "bench")
SOON = (0.05, 0.2)
"""Waits between tries to connect, of real time, so that tests don't wait for a minute."""


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    yield broker
    broker.end()


@pytest.fixture
def run(tmp_path):
    written = StandInRun(tmp_path / "data")
    yield written
    written.close()


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(caplog):
    """A broker that goes away is worth a warning; a traceback of the loop or of a library is a mistake of ours."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def publisher_to(outlet, tmp_path, **changed):
    return Publisher(outlet, TOPICS, tmp_path / "data", MonotonicClock(), reconnect_after_second=SOON, **changed)


async def write(run, publisher, blocks, rows=600):
    """Commit from another thread, as the runner's store does."""
    for number in range(blocks):
        await asyncio.to_thread(run.commit, rows)
        publisher.nudge()
        if number % 4 == 3:
            await asyncio.to_thread(run.end_segment)
            publisher.nudge()


async def assert_all_arrives(subscriber, *runs):
    stored = {key: row for run in runs for key, row in run.stored().items()}
    await subscriber.until(lambda it: len(it.rows) >= len(stored))
    assert subscriber.rows == stored


async def test_a_subscriber_gets_every_row_once(tmp_path, mosquitto, run):
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 20)
        assert await publisher.drained(WITHIN_SECOND)
        assert await publisher.lag_rows() == 0
        await assert_all_arrives(subscriber, run)
    assert subscriber.repeated_rows == 0


async def test_broker_absent_at_the_start(tmp_path, mosquitto, run):
    subscriber = Subscriber(mosquitto.address)
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 10)
        assert not publisher.connected.is_set()
        assert await publisher.lag_rows() == len(run.stored())
        mosquitto.start()
        async with subscriber.listening():
            await write(run, publisher, 5)
            await assert_all_arrives(subscriber, run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_broker_restarted(tmp_path, mosquitto, run, number):
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        for _ in range(3):
            async with subscriber.listening() as listening:
                await write(run, publisher, 4)
                mosquitto.end(number)
                await broker_gone(listening)
            await write(run, publisher, 4)
            mosquitto.start()
        async with subscriber.listening():
            await write(run, publisher, 4)
            await assert_all_arrives(subscriber, run)


async def test_broker_forgets_everything(tmp_path, mosquitto, run):
    """What it acknowledged and had not delivered yet is sent again, and what it should retain is retained again."""
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        async with subscriber.listening() as listening:
            await write(run, publisher, 8)
            mosquitto.lose_memory()
            await broker_gone(listening)
        await write(run, publisher, 8)
        subscriber.messages.clear()
        mosquitto.start()
        async with subscriber.listening():
            await assert_all_arrives(subscriber, run)
            wanted = {f"{TOPICS.root}/{leaf}" for leaf in ("availability", "state", "description")}
            wanted |= {f"{TOPICS.root}/rig1/{leaf}" for leaf in ("state", "description", "run", "cycle")}
            await subscriber.until(lambda it: wanted <= set(it.messages))


async def test_broker_frozen(tmp_path, mosquitto, run):
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 5)
        mosquitto.freeze()
        await write(run, publisher, 10)
        assert await publisher.lag_rows() > 0
        mosquitto.thaw()
        await assert_all_arrives(subscriber, run)


async def test_broker_frozen_until_it_is_given_up(tmp_path, mosquitto, run):
    """What was sent to the frozen broker may arrive after all, when it was sent again already."""
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    outlet = MqttOutlet(mosquitto.address, keepalive_second=1)
    async with subscriber.listening(), publisher_to(outlet, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 5)
        mosquitto.freeze()
        await write(run, publisher, 5)
        await until_clear(publisher.connected)
        mosquitto.thaw()
        await assert_all_arrives(subscriber, run)
        await publisher.connected.wait()


async def until_clear(event):
    """Wait for an event to be cleared, a turn of the loop at a time."""
    async with asyncio.timeout(WITHIN_SECOND):
        while event.is_set():
            await asyncio.to_thread(lambda: None)


async def test_publisher_goes_on_where_it_was(tmp_path, mosquitto, run):
    """A second one, as after a restart, sends nothing again that was acknowledged."""
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening():
        for _ in range(2):
            async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
                publisher.follow(run.directory, run.header)
                await write(run, publisher, 6)
                assert await publisher.drained(WITHIN_SECOND)
        await assert_all_arrives(subscriber, run)
    assert subscriber.repeated_rows == 0
    counts = [cycle["cycle_count"] for cycle in subscriber.json(f"{TOPICS.root}/rig1/cycle")]
    assert list(dict.fromkeys(counts)) == [1]
    ids = [event["id"] for event in subscriber.json(f"{TOPICS.root}/rig1/event")]
    assert len(ids) == len(set(ids))


async def test_a_run_nobody_received_is_published_later(tmp_path, mosquitto, run):
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 5)
        assert not await publisher.drained(0.0)
    run.finish()
    later = StandInRun(tmp_path / "data", "bench-20261123T120000Z-d4e5f6")
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    with contextlib.closing(later):
        async with subscriber.listening(), publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
            assert await publisher.resume() == [run.header.run_id]
            publisher.follow(later.directory, later.header)
            await write(later, publisher, 3)
            await assert_all_arrives(subscriber, run, later)
            assert await publisher.drained(WITHIN_SECOND)
            assert await publisher.resume() == []
        async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
            assert await publisher.resume() == [later.header.run_id]
    shown = {run["run_id"] for run in subscriber.json(f"{TOPICS.root}/rig1/run")}
    assert later.header.run_id in shown


async def test_rows_of_another_process_are_found_without_a_nudge(tmp_path, mosquitto, run):
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    outlet = MqttOutlet(mosquitto.address)
    async with subscriber.listening(), publisher_to(outlet, tmp_path, poll_every_second=0.05) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
        await asyncio.to_thread(run.commit, 600)
        await assert_all_arrives(subscriber, run)


async def test_a_refused_row_is_not_taken_for_a_published_one(tmp_path, run):
    """MQTT 5 brokers acknowledge a publish that their access list forbids, with a reason."""
    rules = tmp_path / "rules"
    rules.write_text(f"topic readwrite {TOPICS.root}/#\ntopic deny {TOPICS.rig('rig1').records('cell')}\n")
    mosquitto = Mosquitto(tmp_path, f"acl_file {rules}")
    mosquitto.start()
    subscriber = Subscriber(mosquitto.address)
    try:
        async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
            publisher.follow(run.directory, run.header)
            assert await publisher.drained(WITHIN_SECOND)
            run.commit(5)
            publisher.nudge()
            await until_clear(publisher.connected)
            assert await publisher.lag_rows() == 5
            async with subscriber.listening() as listening:
                mosquitto.end()
                await broker_gone(listening)
            mosquitto.more_config = ""
            mosquitto.start()
            async with subscriber.listening():
                await assert_all_arrives(subscriber, run)
    finally:
        mosquitto.end()


async def test_a_broker_of_mqtt_3_1_1_alone(tmp_path, run):
    async with EmbeddedBroker() as broker:
        subscriber = Subscriber(broker.address)
        async with subscriber.listening(), publisher_to(MqttOutlet(broker.address), tmp_path) as publisher:
            publisher.follow(run.directory, run.header)
            await write(run, publisher, 5)
            await assert_all_arrives(subscriber, run)


async def test_embedded_broker(tmp_path, run):
    async with EmbeddedBroker() as broker:
        subscribers = [Subscriber(broker.address), Subscriber(broker.address, (f"{TOPICS.root}/+/records/cell",))]
        async with subscribers[0].listening(), publisher_to(broker, tmp_path) as publisher:
            publisher.follow(run.directory, run.header)
            await write(run, publisher, 20)
            assert await publisher.drained(WITHIN_SECOND)
            await assert_all_arrives(subscribers[0], run)
            assert subscribers[0].json(f"{TOPICS.root}/rig1/run")[-1]["rows"] == run.run.rows
    assert not (tmp_path / "data" / "station.sqlite").exists()


async def test_embedded_broker_ends_after_its_last_message(tmp_path, run):
    """Also for a subscriber that acknowledges nothing (QoS 0)."""
    async with EmbeddedBroker() as broker:
        subscriber = Subscriber(broker.address, qos=0)
        listening = asyncio.create_task(subscriber.listen())
        await subscriber.until(lambda it: it.connections)
        async with publisher_to(broker, tmp_path) as publisher:
            publisher.follow(run.directory, run.header)
            await write(run, publisher, 20)
            assert await publisher.drained(WITHIN_SECOND)
    await broker_gone(listening)
    assert subscriber.rows == run.stored()
    assert subscriber.messages[TOPICS.availability][-1] == b"offline"


async def test_a_subscriber_that_stalls_holds_nobody_up_for_long(tmp_path, run):
    async with EmbeddedBroker() as broker:
        subscriber = Subscriber(broker.address)
        process = start_reading_nothing(broker.address)
        try:
            assert process.stdout.readline() == "subscribed\n"
            process.send_signal(signal.SIGSTOP)
            async with subscriber.listening(), publisher_to(broker, tmp_path) as publisher:
                publisher.follow(run.directory, run.header)
                await write(run, publisher, 5)
                await assert_all_arrives(subscriber, run)
                assert await publisher.drained(WITHIN_SECOND)
                process.send_signal(signal.SIGCONT)
                assert await asyncio.to_thread(process.wait, WITHIN_SECOND) == 1, "it was not cut off"
        finally:
            process.kill()
            process.communicate()


READ_NOTHING = """\
import asyncio, sys, aiomqtt

async def main(port):
    async with aiomqtt.Client("127.0.0.1", int(port)) as client:
        await client.subscribe("presscell/#", 1)
        print("subscribed", flush=True)
        try:
            async for _ in client.messages:
                pass
        except aiomqtt.MqttError:
            sys.exit(1)

asyncio.run(main(sys.argv[1]))
"""


def start_reading_nothing(address):
    command = [sys.executable, "-c", READ_NOTHING, str(address.port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_embedded_broker_with_nobody_there_passes_rows_over(tmp_path, run):
    async with EmbeddedBroker() as broker, publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        await write(run, publisher, 5)
        assert await publisher.drained(WITHIN_SECOND)
        assert await publisher.lag_rows() == 0
        subscriber = Subscriber(broker.address)
        async with subscriber.listening():
            await write(run, publisher, 1)
            await subscriber.until(lambda it: len(it.rows) >= 660)
            await subscriber.until(lambda it: f"{TOPICS.root}/rig1/run" in it.messages)


async def test_closing_does_not_wait_for_a_frozen_broker(tmp_path, mosquitto, run):
    mosquitto.start()
    async with publisher_to(MqttOutlet(mosquitto.address), tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
        mosquitto.freeze()
        await write(run, publisher, 3)
        assert not await publisher.drained(0.1)
        run.file.seal()
    assert not run.path.with_name("run.sqlite-wal").exists()

"""The publisher against a broker in memory: what is sent again, what is waited for, when it gives up."""

import asyncio
import json
from contextlib import asynccontextmanager

import msgspec
import pytest

from daemon.clock import MonotonicClock
from daemon.events import Breach
from daemon.publish.cursors import Cursors
from daemon.publish.outlet import OutletLostError
from daemon.publish.payloads import NO_ALARM
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from daemon.store.station_tables import STATION_FILE_NAME
from tests.support.plans import charge, interlock, plan
from tests.support.stand_in_run import StandInRun

TOPICS = StationTopics("lab", "bench")
WARNING_PLAN = plan(charge(), interlocks=(interlock("too-warm", "warn"),))
WITHIN_SECOND = 20.0


class MemoryBroker:
    """Acknowledges everything, until it is told to break."""

    sink = "memory"

    def __init__(self):
        self.connections = []
        self.breaking = asyncio.Event()
        self.refusals = 0

    @asynccontextmanager
    async def connect(self, will):
        if self.refusals:
            self.refusals -= 1
            raise OutletLostError("nobody answers")
        self.breaking.clear()
        self.connections.append([])
        yield self

    async def send(self, message):
        await asyncio.sleep(0)
        if self.breaking.is_set():
            raise OutletLostError("broken")
        self.connections[-1].append(message)

    async def lost(self):
        await self.breaking.wait()
        return OutletLostError("broken")

    def wanted(self, topic):
        return True

    def rows(self, connection):
        found = [
            json.loads(message.payload) for message in self.connections[connection] if "/records/" in message.topic
        ]
        return [(said["stream"], row["seq"]) for said in found for row in said["rows"]]


class NotingBroker(MemoryBroker):
    """At each alarm that comes or goes it looks up which alarms the publisher knows to be shown."""

    def __init__(self, path):
        super().__init__()
        self.path, self.noted = path, []

    def shown_alarms(self):
        cursors = Cursors(self.path, self.sink)
        try:
            return cursors.alarms()
        finally:
            cursors.close()

    async def send(self, message):
        if "/alarm/" in message.topic:
            self.noted.append(self.shown_alarms())
        await super().send(message)


def publisher_to(broker, tmp_path):
    return Publisher(broker, TOPICS, tmp_path / "data", MonotonicClock(), reconnect_after_second=(0.01, 0.02))


async def reconnected(broker, connections):
    async with asyncio.timeout(WITHIN_SECOND):
        while len(broker.connections) < connections:
            await asyncio.to_thread(lambda: None)


async def test_what_was_acknowledged_last_is_sent_again_on_a_new_connection(tmp_path, run):
    broker = MemoryBroker()
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        run.commit(100)
        assert await publisher.drained(WITHIN_SECOND)
        broker.breaking.set()
        await reconnected(broker, 2)
        assert await publisher.drained(WITHIN_SECOND)
    assert len(broker.rows(0)) == 110
    assert broker.rows(1) == broker.rows(0)
    first, second = ({m.payload for m in said if m.topic == TOPICS.rig("rig1").event} for said in broker.connections)
    assert len(first) == 2
    assert second == first


async def test_drained_means_that_what_was_stored_before_is_out(tmp_path, run):
    broker = MemoryBroker()
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        for _ in range(150):
            earlier = asyncio.create_task(publisher.drained(WITHIN_SECOND))
            await asyncio.to_thread(run.commit, 1)
            assert await publisher.drained(WITHIN_SECOND)
            assert broker.rows(0)[-1] == ("cell", run.run.rows)
            assert await earlier


async def test_a_run_that_can_not_be_read_is_not_drained_and_spoils_no_other(tmp_path, run):
    broker = MemoryBroker()
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(tmp_path / "data" / "nowhere", run.header)
        publisher.follow(run.directory, run.header)
        run.commit(100)
        assert not await publisher.drained(0.3)
        assert len(broker.rows(0)) == 110


async def test_it_tries_until_somebody_answers(tmp_path, run):
    broker = MemoryBroker()
    broker.refusals = 3
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
    assert broker.refusals == 0


async def test_only_the_latest_run_of_a_rig_is_shown(tmp_path, run):
    broker = MemoryBroker()
    later = StandInRun(tmp_path / "data", "bench-later")
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(run.directory, run.header)
        assert await publisher.drained(WITHIN_SECOND)
        publisher.follow(later.directory, later.header)
        run.commit(100)
        later.commit(100)
        assert await publisher.drained(WITHIN_SECOND)
    shown = [
        json.loads(said.payload)["run_id"] for said in broker.connections[0] if said.topic == TOPICS.rig("rig1").run
    ]
    assert list(dict.fromkeys(shown)) == [run.header.run_id, "bench-later"]
    assert len(broker.rows(0)) == 220
    later.close()


async def test_an_alarm_is_noted_before_the_broker_shows_it_and_until_it_is_cleared(tmp_path):
    warned = StandInRun(tmp_path / "data", "bench-1", WARNING_PLAN)
    topic = TOPICS.rig("rig1").alarm("interlock-too-warm")
    broker = NotingBroker(tmp_path / "data" / STATION_FILE_NAME)
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(warned.directory, warned.header)
        warned.commit(50, breaches=(Breach(interlock="too-warm", worst_value=4.2, longest_rows=3, trailing_rows=3),))
        assert await publisher.drained(WITHIN_SECOND)
    warned.close()
    assert broker.noted == [[topic]]
    later = StandInRun(tmp_path / "data", "bench-2")
    async with publisher_to(broker, tmp_path) as publisher:
        publisher.follow(later.directory, later.header)
        assert await publisher.drained(WITHIN_SECOND)
    later.close()
    assert broker.noted == [[topic], [topic]]
    assert [said.payload for said in broker.connections[1] if said.topic == topic] == [NO_ALARM]
    assert broker.shown_alarms() == []


async def test_a_rig_with_a_name_that_is_no_id_is_refused(tmp_path, run):
    header = msgspec.structs.replace(run.header, rig="Rig 1")
    async with publisher_to(MemoryBroker(), tmp_path) as publisher:
        with pytest.raises(ValueError, match="can't name a rig"):
            publisher.follow(run.directory, header)

"""An outbox gives every stored row once, keeps what wasn't acknowledged, and goes on where it was."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.deciding.run_state import Phase
from daemon.events import PlanChanged
from daemon.publish.cursors import Cursors
from daemon.publish.outbox import ROWS_A_MESSAGE, Outbox
from daemon.publish.topics import StationTopics
from daemon.store.station_tables import STATION_FILE_NAME
from tests.support.plans import charge, discharge, loop, plan, rest
from tests.support.stand_in_run import StandInRun

TOPICS = StationTopics("lab", "bench").rig("rig1")


def everything(_topic):
    return True


@pytest.fixture
def cursors(tmp_path):
    opened = Cursors(tmp_path / STATION_FILE_NAME, "sink")
    yield opened
    opened.close()


@pytest.fixture
def outbox(run, cursors):
    opened = Outbox(run.path, run.header, TOPICS, cursors)
    yield opened
    opened.rest()


def rows_in(batch):
    keys = []
    for message in batch.messages:
        if "/records/" in message.topic:
            said = json.loads(message.payload)
            keys += [("bench", said["run_id"], said["stream"], row["seq"]) for row in said["rows"]]
            assert len(said["rows"]) <= ROWS_A_MESSAGE
    return keys


def drain(outbox):
    keys, batch = [], outbox.exchange(None, everything)
    while batch:
        keys += rows_in(batch)
        batch = outbox.exchange(batch, everything)
    return keys


def test_every_row_once(run, outbox):
    for _ in range(3):
        run.commit(700)
        run.end_segment()
    run.commit(300)
    keys = drain(outbox)
    assert len(keys) == len(set(keys))
    assert set(keys) == set(run.stored())
    assert outbox.lag_rows() == 0
    run.commit(11)
    assert len(drain(outbox)) == 12


def test_packed_blocks_are_cut(run, outbox):
    for _ in range(5):
        run.commit(700)
    run.end_segment()
    keys = drain(outbox)
    assert set(keys) == set(run.stored())
    assert len(keys) == len(set(keys))


def test_blocks_that_are_packed_meanwhile(run, outbox):
    """The block half of which was sent is then part of a larger one."""
    run.commit(8500)
    first = outbox.exchange(None, everything)
    assert max(seq for _, _, stream, seq in rows_in(first) if stream == "cell") < 8500
    run.commit(200)
    run.end_segment()
    keys, batch = rows_in(first), outbox.exchange(first, everything)
    while batch:
        keys += rows_in(batch)
        batch = outbox.exchange(batch, everything)
    assert set(keys) == set(run.stored())
    assert len(keys) == len(set(keys))


def test_small_blocks_go_together(run, outbox):
    for _ in range(40):
        run.commit(3)
    batch = outbox.exchange(None, everything)
    assert len([message for message in batch.messages if message.topic == TOPICS.records("cell")]) == 1
    assert len(rows_in(batch)) == 120


def test_the_same_again_until_acknowledged(run, outbox):
    run.commit(100)
    first = outbox.exchange(None, everything)
    assert outbox.exchange(None, everything) is first
    assert outbox.lag_rows() == 110
    run.commit(100)
    second = outbox.exchange(first, everything)
    assert set(rows_in(second)).isdisjoint(rows_in(first))
    assert outbox.exchange(first, everything) is second


def test_another_outbox_goes_on(run, outbox, cursors):
    run.commit(100)
    run.end_segment()
    drain(outbox)
    run.commit(50)
    other = Outbox(run.path, run.header, TOPICS, cursors)
    assert len(drain(other)) == 55
    other.rest()


def events_in(batch):
    return [json.loads(message.payload)["id"] for message in batch.messages if message.topic == TOPICS.event]


def test_a_new_connection_gets_the_last_rows_and_events_again(run, outbox):
    """They were acknowledged, but a broker that died may have lost them."""
    run.commit(100)
    first = outbox.exchange(None, everything)
    assert not outbox.exchange(first, everything)
    run.commit(50)
    run.end_segment()
    second = outbox.exchange(None, everything)
    outbox.repeat()
    batch, keys, events = outbox.exchange(None, everything), [], []
    while batch:
        keys += rows_in(batch)
        events += events_in(batch)
        batch = outbox.exchange(batch, everything)
    assert set(keys) == set(run.stored())
    assert events == events_in(first) + events_in(second)
    outbox.repeat()
    assert events_in(outbox.exchange(None, everything)) == events


def test_unwanted_rows_are_passed_over(run, outbox):
    run.commit(100)
    batch = outbox.exchange(None, lambda topic: topic != TOPICS.records("cell"))
    assert {stream for _, _, stream, _ in rows_in(batch)} == {"pressure"}
    assert not outbox.exchange(batch, everything)
    assert outbox.lag_rows() == 0


def test_the_end_of_a_run_is_seen(run, outbox):
    drain(outbox)
    assert not outbox.over
    run.finish()
    drain(outbox)
    assert outbox.over


def test_a_rested_outbox_leaves_a_file_that_can_be_sealed(run, outbox):
    run.commit(100)
    drain(outbox)
    outbox.glance(0.0, {})
    outbox.rest()
    run.file.seal()
    assert [path.name for path in run.directory.iterdir() if "wal" in path.name] == []
    assert drain(outbox) == []


ACTIONS = st.lists(st.sampled_from(["commit", "end", "take", "acknowledge", "reconnect", "restart"]), max_size=30)


@settings(max_examples=40)
@given(actions=ACTIONS)
def test_whatever_happens_no_row_is_left_out(actions, tmp_path_factory):
    """Rows given as acknowledged, and none but those, need not come again."""
    folder = tmp_path_factory.mktemp("outbox")
    run, cursors = StandInRun(folder / "data"), Cursors(folder / STATION_FILE_NAME, "sink")
    outbox, batch, received = Outbox(run.path, run.header, TOPICS, cursors), None, set()
    for action in actions:
        match action:
            case "commit":
                run.commit(37)
            case "end":
                run.end_segment()
            case "take":
                batch = outbox.exchange(None, everything)
            case "acknowledge" if batch:
                received |= set(rows_in(batch))
                batch = outbox.exchange(batch, everything)
            case "reconnect":
                outbox.repeat()
                batch = None
            case "restart":
                outbox.rest()
                outbox, batch = Outbox(run.path, run.header, TOPICS, cursors), None
    batch = outbox.exchange(None, everything)
    while batch:
        received |= set(rows_in(batch))
        batch = outbox.exchange(batch, everything)
    assert received == set(run.stored())
    assert outbox.lag_rows() == 0
    outbox.rest()
    cursors.close()
    run.close()


def test_an_edit_is_an_event_without_its_plan_and_the_run_is_called_by_the_new_protocol(run, outbox):
    new = plan(charge(), discharge(), loop(0, 7))
    change = PlanChanged(
        plan=new, protocol_name="q.yaml", protocol_text="new", by="ann", segment=1, text="fewer", loosened=("window",)
    )
    run.submit(change)
    batch = outbox.exchange(None, everything)
    [said] = [json.loads(one.payload) for one in batch.messages if b"plan_changed" in one.payload]
    assert (said["severity"], said["text"]) == ("warning", "edited by ann: fewer")
    assert set(said["data"]) == {"protocol_name", "protocol_sha256", "by", "segment", "text", "loosened"}
    retained = {message.topic: message.payload for message in outbox.glance(0.0, {}).retained}
    progress = json.loads(retained[TOPICS.run])
    assert (progress["protocol"], progress["protocol_sha256"]) == ("q.yaml", said["data"]["protocol_sha256"])


def test_a_run_that_had_ended_and_goes_on_is_not_over(run, outbox, cursors):
    outbox.begin()
    while len(run.run.memory.halves) < 2 or run.run.phase is not Phase.STOPPING:
        run.end_segment()
    run.finish()
    drain(outbox)
    assert outbox.over
    outbox.finish()
    assert cursors.waiting() == []
    run.submit(
        PlanChanged(
            plan=plan(*run.run.plan.steps, rest()),
            protocol_name="q",
            protocol_text="",
            by="ann",
            segment=run.run.segment,
            text="",
        )
    )
    outbox.begin()
    drain(outbox)
    assert not outbox.over
    assert cursors.waiting() == [run.directory]

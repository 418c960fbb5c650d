"""The station's own file: one schema, whoever opens it first; older files are brought up to date, later refused."""

import sqlite3

import pytest

from daemon.publish.cursors import Cursors
from daemon.sharing import Lease, Waiting, Wish
from daemon.store.errors import StoreError
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import MIGRATIONS, STATION_FILE_NAME, open_station
from daemon.store.usage_store import UsageStore
from daemon.usage import Use

WISH = Wish(instrument="oven1", setpoints_celsius=(25.0,))


@pytest.fixture
def path(tmp_path):
    return tmp_path / STATION_FILE_NAME


@pytest.fixture
def opened(path):
    made = []

    def open_as(kind, *words):
        made.append(kind(path, *words))
        return made[-1]

    yield open_as
    for one in made:
        one.close()


def waiting(rig):
    texts = dict.fromkeys(["protocol_name", "protocol_text", "cell_name", "cell_text", "without_acceptance", "by"], "x")
    times = {"since_second": 1.0, "since_utc_second": 2.0, "longest_wait_second": 3.0}
    return Waiting(run_id=f"run-{rig}", rig=rig, wish=WISH, clock_epoch="boot", **texts, **times)


def lease(rig):
    return Lease(run_id=f"run-{rig}", rig=rig, wish=WISH, expected_until_utc_second=4.0)


def use(amount, part="run segment 1"):
    return Use(subject="2450", counter="relay_operations", part=part, amount=amount)


def test_a_file_of_before_versions_were_counted_keeps_what_it_holds(path, opened):
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0])
    connection.execute("INSERT INTO publish_cursor VALUES ('broker', 'run', 'cell', 600)")
    connection.commit()
    connection.close()
    assert opened(SharingStore).leases() == []
    assert opened(Cursors, "broker").read("run") == {"cell": 600}


def test_a_file_of_a_later_presscell_is_refused_and_left_alone(path):
    connection = open_station(path, is_durable=True)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="version 3"):
        SharingStore(path)


def test_the_queue_keeps_its_order_and_its_places_are_never_given_again(opened):
    store = opened(SharingStore)
    places = [store.enqueue(waiting(rig)).place for rig in ("rig3", "rig1")]
    store.begun("run-rig1", "rig1")
    places.append(store.enqueue(waiting("rig2")).place)
    assert places == sorted(set(places))
    again = opened(SharingStore).waiting()
    assert [one.rig for one in again] == ["rig3", "rig2"]
    assert again[0] == store.waiting()[0]


def test_who_leaves_the_queue_leaves_the_lease_too_and_says_why_until_another_comes(opened):
    store = opened(SharingStore)
    store.enqueue(waiting("rig1"))
    store.grant(lease("rig1"))
    store.leave(waiting("rig1"), "it waited 24 h", 5.0)
    assert (store.leases(), store.waiting()) == ([], [])
    assert opened(SharingStore).why_left() == {"rig1": "it waited 24 h"}
    store.enqueue(waiting("rig1"))
    assert store.why_left() == {}


def test_a_lease_is_kept_until_it_is_released(opened):
    store = opened(SharingStore)
    store.grant(lease("rig1"))
    store.grant(lease("rig1"))
    assert opened(SharingStore).leases() == [lease("rig1")]
    store.release("run-rig1")
    store.release("run-rig1")
    assert opened(SharingStore).leases() == []


def test_what_is_counted_again_is_not_counted_twice(opened):
    store = opened(UsageStore)
    for amount in (2.0, 2.0, 1.0):
        store.add("run", "rig1", [use(amount)], up_to=7, is_done=False)
    store.add("run", "rig2", [use(2.0, "run segment 2")], up_to=9, is_done=True)
    (total,) = opened(UsageStore).totals()
    assert (total.amount, total.rig) == (4.0, "rig2")
    assert store.counted("run") == (9, True)
    assert store.counted("another") == (0, False)

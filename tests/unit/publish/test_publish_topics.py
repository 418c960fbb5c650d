"""The topic tree: what may name a level, and what a filter receives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.publish.topics import Place, StationTopics, as_id, matches, place_of

STATION = StationTopics("lab-1", "bench01")


def test_the_tree():
    rig = STATION.rig("press1")
    assert STATION.availability == "presscell/v1/lab-1/bench01/availability"
    assert rig.records("cell") == "presscell/v1/lab-1/bench01/press1/records/cell"
    assert rig.alarm("run-held") == "presscell/v1/lab-1/bench01/press1/alarm/run-held"


@pytest.mark.parametrize("name", ["", "Bench", "a b", "a/b", "a+", "#", "bänch", "a_b"])
def test_what_is_no_id_names_nothing(name):
    for refused in (
        lambda: StationTopics(name, "bench"),
        lambda: StationTopics("lab", name),
        lambda: STATION.rig(name),
    ):
        with pytest.raises(ValueError, match="can't name a"):
            refused()


@pytest.mark.parametrize("name", ["availability", "state", "description"])
def test_a_rig_takes_no_topic_of_the_station(name):
    with pytest.raises(ValueError, match="the station has a topic of that name"):
        STATION.rig(name)


@given(st.text())
def test_every_name_has_an_id(text):
    assert StationTopics("lab", as_id(text)).station == as_id(as_id(text))


def test_a_topic_says_where_it_is_from():
    rig = STATION.rig("press1")
    assert place_of(STATION.state) == Place("lab-1", "bench01", None, "state")
    assert place_of(rig.state) == Place("lab-1", "bench01", "press1", "state")
    assert place_of(rig.records("cell")) == Place("lab-1", "bench01", "press1", "records/cell")
    for other in ("", "presscell/v1", "presscell/v1/lab/bench", "presscell/v2/a/b/c/d", "$SYS/broker/uptime"):
        assert place_of(other) is None


@pytest.mark.parametrize(
    ("topic", "topic_filter", "received"),
    [
        ("a/b/c", "a/b/c", True),
        ("a/b/c", "a/+/c", True),
        ("a/b/c", "a/#", True),
        ("a", "a/#", True),
        ("a/b/c", "#", True),
        ("a/b/c", "a/+", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/+/d", False),
        ("ab/c", "a/#", False),
    ],
)
def test_filters(topic, topic_filter, received):
    assert matches(topic, topic_filter) is received

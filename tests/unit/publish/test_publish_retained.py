"""What a broker should hold is published until it is acknowledged, and again to a broker that is new."""

from daemon.publish.payloads import NO_ALARM, Message
from daemon.publish.retained import Retained


def said(topic, payload=b"{}"):
    return Message(topic, payload, retain=True)


def test_due_until_confirmed_and_after_a_new_connection():
    retained = Retained()
    retained.want(said("a"), said("b"))
    assert retained.due() == [said("a"), said("b")]
    retained.confirm(said("a"))
    assert retained.due() == [said("b")]
    retained.want(said("a"))
    assert retained.due() == [said("b")]
    retained.want(said("a", b"1"))
    assert retained.due() == [said("a", b"1"), said("b")]
    retained.confirm(said("a", b"1"))
    retained.confirm(said("b"))
    assert retained.due() == []
    retained.forget_broker()
    assert retained.due() == [said("a", b"1"), said("b")]


def test_an_older_message_confirms_nothing_newer():
    retained = Retained()
    retained.want(said("a"))
    retained.want(said("a", b"1"))
    retained.confirm(said("a"))
    assert retained.due() == [said("a", b"1")]


def test_an_alarm_is_cleared_until_that_is_acknowledged():
    retained = Retained()
    retained.want_alarms("r/alarm/", [said("r/alarm/x"), said("r/alarm/y")])
    for message in retained.due():
        retained.confirm(message)
    retained.want_alarms("r/alarm/", [said("r/alarm/y")])
    assert retained.due() == [said("r/alarm/x", NO_ALARM)]
    retained.forget_broker()
    assert retained.alarm_topics == {"r/alarm/x", "r/alarm/y"}
    assert said("r/alarm/x", NO_ALARM) in retained.due()
    retained.confirm(said("r/alarm/x", NO_ALARM))
    assert retained.alarm_topics == {"r/alarm/y"}
    assert retained.due() == [said("r/alarm/y")]


def test_an_alarm_comes_back():
    retained = Retained()
    for alarms in ([said("r/alarm/x")], [], [said("r/alarm/x")]):
        retained.want_alarms("r/alarm/", alarms)
        for message in retained.due():
            retained.confirm(message)
    assert retained.alarm_topics == {"r/alarm/x"}


def test_alarms_of_an_earlier_process_are_cleared_by_their_own_rig():
    retained = Retained(["r/alarm/x", "other/alarm/x"])
    assert retained.due() == []
    retained.want_alarms("r/alarm/", [])
    assert retained.due() == [said("r/alarm/x", NO_ALARM)]

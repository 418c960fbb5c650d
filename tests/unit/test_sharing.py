"""Who may set a shared instrument and who waits: decided from leases and the queue alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.sharing import Lease, Waiting, Wish, agree, obstacle, why_not_set, wish_of
from tests.support.plans import plan, setting

UTC_SECOND = 1_795_350_000.0


def wish(*setpoints, instrument="oven1"):
    return Wish(instrument=instrument, setpoints_celsius=tuple(sorted(setpoints)))


def lease(*setpoints, rig="rig1", instrument="oven1", left_hours=11.0):
    until_second = UTC_SECOND + 3600 * left_hours
    of = wish(*setpoints, instrument=instrument)
    return Lease(run_id=f"lab-{rig}", rig=rig, wish=of, expected_until_utc_second=until_second)


def waiting(*setpoints, rig="rig2", **changed):
    texts = dict.fromkeys(["protocol_name", "protocol_text", "cell_name", "cell_text", "without_acceptance", "by"], "")
    one = Waiting(
        run_id=f"lab-{rig}",
        rig=rig,
        wish=wish(*setpoints),
        clock_epoch="boot",
        since_second=100.0,
        since_utc_second=UTC_SECOND,
        longest_wait_second=3600.0,
        **texts,
    )
    return msgspec.structs.replace(one, **changed)


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ((55,), (55,), True),
        ((55,), (25,), False),
        ((25, 55), (55,), False),
        ((25, 55), (25, 55), False),
    ],
)
def test_runs_share_while_all_name_one_and_the_same_setpoint(one, other, may):
    assert agree(wish(*one), wish(*other)) == may
    assert agree(wish(*one), wish(*other, instrument="oven2"))


def test_a_conflict_names_rig_setpoint_and_time():
    why = obstacle(wish(25), [lease(55)], [], UTC_SECOND)
    assert why == "oven1 is held at 55 °C by rig1 (lab-rig1), for about 11 h more; this run gives it 25 °C"
    late = obstacle(wish(25), [lease(55, left_hours=-1)], [], UTC_SECOND)
    assert late is not None
    assert "for longer than was expected" in late


def test_of_several_who_hold_it_the_one_who_holds_it_longest_is_named():
    holders = [lease(55, left_hours=1), lease(55, rig="rig3", left_hours=5), lease(55, rig="rig4", left_hours=2)]
    why = obstacle(wish(25), holders, [], UTC_SECOND)
    assert why is not None
    assert "by rig3 (lab-rig3), for about 5 h more" in why


def test_nobody_passes_one_who_waits_for_what_they_would_take_away():
    assert obstacle(wish(55), [lease(55)], [], UTC_SECOND) is None
    why = obstacle(wish(55), [lease(55)], [waiting(25)], UTC_SECOND)
    assert why is not None
    assert "rig2 (lab-rig2) waits for oven1 at 25 °C and came before" in why
    assert obstacle(wish(25), [], [waiting(25)], UTC_SECOND) is None


@given(st.lists(st.tuples(st.sampled_from([25.0, 40.0, 55.0]), st.booleans()), min_size=1, max_size=12))
def test_however_runs_come_and_go_the_chamber_is_held_at_one_setpoint(arrivals):
    """Each arrival waits if it must; the flag says whether the first who has a lease ends before it."""
    leases, queue = [], []
    for number, (setpoint, one_ends) in enumerate(arrivals):
        queue.append(waiting(setpoint, rig=f"rig{number}"))
        if one_ends and leases:
            leases.pop(0)
        for index, one in list(enumerate(queue)):
            if obstacle(one.wish, leases, queue[:index], UTC_SECOND) is None:
                leases.append(lease(*one.wish.setpoints_celsius, rig=one.rig))
        queue = [one for one in queue if one.rig not in {held.rig for held in leases}]
        assert len({held.wish.setpoints_celsius for held in leases}) <= 1
        assert leases, "an instrument that nobody holds is not waited for"


def test_a_setpoint_is_given_by_who_holds_a_lease_that_names_it():
    leases = [lease(25, 55), lease(40, rig="rig3", instrument="oven2")]
    assert why_not_set("rig1", "oven1", 55.04, leases) is None
    assert why_not_set("rig1", "oven1", 54.9, leases) == "rig1 holds oven1 for 25 °C and 55 °C only"
    assert why_not_set("rig3", "oven1", 40.0, leases) == "rig3 has no lease of oven1"


def test_a_plan_wants_every_setpoint_it_may_give():
    wanted = plan(setting("warm", 55.0), setting("cool", 25.0), setting("warm_again", 55.0))
    assert wish_of(wanted, "oven1") == wish(25, 55)
    assert wish_of(wanted, None) is None
    chilled = msgspec.structs.replace(setting("chill", 15.0), role="chiller")
    assert wish_of(plan(chilled), "oven1") is None
    assert wish_of(msgspec.structs.replace(wanted, steps=()), "oven1") is None


def test_a_wait_is_measured_by_the_clock_and_after_a_restart_of_the_machine_by_utc():
    one = waiting(25)
    assert one.waited_second("boot", 160.0, UTC_SECOND + 9999) == 60.0
    assert one.waited_second("another boot", 5.0, UTC_SECOND + 30) == 30.0
    assert one.waited_second("another boot", 5.0, UTC_SECOND - 30) == 0.0

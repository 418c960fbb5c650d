"""What the campaign's checker says of a mill: nothing of a good run, and each thing that may be wrong with one."""

from dataclasses import replace

import pytest

from tests.campaign.mill_checker import Allowed, Outage, cooled, milled, warm
from tests.campaign.mill_schedule import DEATHS, TROUBLES, draw
from tests.campaign.mill_witness import Blade, Spoken, chiller_numbers, drive_words

UP_SECOND, DOWN_SECOND, SPEED_RPM = 5.0, 10.0, 4000.0
NOBODY_AWAY = Allowed(
    outages=(), may_be_held=False, rest_second=30.0, safe_celsius=15.2, silences=(), is_chiller_sound=True
)


def turned(*runs, vessel_celsius=20.0):
    """The bench's lines of a blade that was told to turn at a second, and at speed for so long."""
    lines, total_second = [], 0.0
    for start_second, at_speed_second in runs:
        stop_second = start_second + UP_SECOND + at_speed_second
        for second, goal_rpm, ramp_second in ((start_second, SPEED_RPM, UP_SECOND), (stop_second, 0.0, DOWN_SECOND)):
            total_second += at_speed_second if goal_rpm == 0 else 0.0
            lines.append(
                {
                    "bench_second": second,
                    "event": "blade",
                    "rpm": 0.0 if goal_rpm else SPEED_RPM,
                    "goal_rpm": goal_rpm,
                    "ramp_second": ramp_second,
                    "at_speed_second": total_second,
                    "highest_vessel_celsius": vessel_celsius,
                }
            )
    return Blade(lines)


def said(check, blade, **allowed):
    return list(check(None, replace(NOBODY_AWAY, **allowed), blade, []))


def test_time_at_speed_is_from_the_end_of_the_ramp_to_the_next_word():
    blade = turned((100.0, 60.0), (200.0, 30.0))
    assert blade.at_speed_second == 90.0
    assert [blade.at_speed_until(second) for second in (104.0, 115.0, 180.0, 235.0)] == [0.0, 10.0, 60.0, 90.0]
    assert (blade.stands_from(170.0), blade.stands_from(150.0)) == (175.0, float("inf"))
    assert (blade.slows_at(170.0), blade.slows_at(176.0)) == (True, False)


def test_fifteen_minutes_break_nothing():
    assert said(milled, turned(*((100.0 * run, 60.0) for run in range(15)))) == []


def test_more_than_the_recipe_is_found():
    (found,) = said(milled, turned(*((100.0 * run, 60.1) for run in range(15))))
    assert found.startswith("P1 901.500 s at speed")


def test_run_that_is_too_long_is_found_and_longer_only_where_its_daemon_died():
    assert len(said(milled, turned((100.0, 61.0)))) == 1
    at_its_end = (Outage(166.0, 170.0),)
    assert said(milled, turned((100.0, 61.0)), outages=at_its_end) == []
    assert len(said(milled, turned((100.0, 63.5)), outages=at_its_end)) == 1


@pytest.mark.parametrize("lives", [1, 4])
def test_blade_that_turns_on_with_nobody_there_is_found_however_many_daemons_died(lives):
    outages = tuple(Outage(120.0 + 4.0 * life / lives, 120.0 + 4.0 * (life + 1) / lives) for life in range(lives))
    (found,) = said(milled, turned((100.0, 30.0)), outages=outages)
    assert found == "P1 4.000 s at speed with nobody there, from 120.0 s on"


def test_warm_vessel_is_found():
    assert said(warm, turned((100.0, 60.0), vessel_celsius=25.1)) == ["P1 the vessel was at 25.10 °C"]


class ToldToCool:
    """Evidence of a chiller alone: what the run told it at 0 s, and how it was set since."""

    zero_second = 0.0

    def __init__(self, *settings):
        self.bench = [
            {"bench_second": second, "event": "chiller", "setpoint_celsius": celsius, "runs": runs}
            for second, celsius, runs in settings
        ]

    def events(self, kind):
        return [self] if kind == "chamber_set" else []

    run_time_second = 0.0


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ([(0.0, 15.0, True), (80.0, 15.2, True)], ""),
        ([(0.0, 15.0, True)], "P1 the chiller is not at its safe setpoint"),
        ([(0.0, 15.0, True), (80.0, 20.0, True)], "P1 the chiller is set to 20.0 °C"),
        ([(0.0, 15.0, True), (80.0, 15.2, False)], "P1 the chiller does not run"),
    ],
)
def test_chiller_that_does_not_cool_while_nobody_is_there_is_found(settings, found):
    allowed = replace(NOBODY_AWAY, outages=(Outage(50.0, 90.0),))
    told = list(cooled(ToldToCool(*settings), allowed, turned(), []))
    assert bool(told) == bool(found)
    assert all(line.startswith(found) for line in told[:1])


def test_what_drive_and_chiller_said_is_read_from_their_frames():
    words = [6667, 2, 50, 100, 28, 6667, 2188, 3100, 7, 0x42, 0]
    frame = b"\x01\x03\x16" + b"".join(word.to_bytes(2, "big") for word in words) + b"\x00\x00"
    bench = [
        {"bench_second": 1.0, "event": "reply", "instrument": "mill_drive", "text": frame.decode("latin-1")},
        {"bench_second": 2.0, "event": "reply", "instrument": "chiller", "text": "015.00\r\n"},
        {"bench_second": 3.0, "event": "reply", "instrument": "chiller", "text": "0\r\n"},
    ]
    (word,) = drive_words(bench)
    assert (word.second, round(word.rpm, 1)) == (1.0, 4000.2)
    assert (word.is_turning, word.is_at_speed, word.is_standing, word.has_fault) == (True, True, False, False)
    spoken = Spoken(chiller_numbers(bench))
    assert spoken.holds(2.0, 15.0)
    assert not spoken.holds(2.0, 15.1)
    assert not spoken.holds(3.0, 0.0)


@pytest.mark.parametrize("kind", [*DEATHS, *TROUBLES])
def test_a_seed_is_the_same_again_and_of_the_kinds_that_were_asked_for(kind):
    schedule = draw(7, (kind,))
    assert schedule == draw(7, (kind,))
    assert kind in schedule.kinds
    assert schedule.blows

"""The bath of a simulated circulator: what it holds, what it can't, and that it does not matter how time is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bath import Bath, BathBuild
from simulators.device import SECOND_NS

HOUR_NS = 3600 * SECOND_NS
INSULATED = {"loss_watt_per_kelvin": 0.0, "pump_watt": 0.0}


def test_it_goes_to_its_goal_and_stays():
    bath = Bath(BathBuild(), 23.0)
    seen = []
    for end_ns in range(0, 2 * HOUR_NS, 60 * SECOND_NS):
        bath.run_to(end_ns, 15.0)
        seen.append(bath.bath_celsius)
    assert min(seen) > 14.8
    assert max(seen[40:]) == pytest.approx(15.0, abs=0.01)
    assert bath.circulates
    assert bath.power_watt == pytest.approx(-(30 + 2.0 * 8), abs=0.5)


@pytest.mark.parametrize(
    ("start_celsius", "goal_celsius", "kelvin_per_second"),
    [(20.0, -20.0, -600 / 20_000), (0.0, -20.0, -300 / 20_000), (20.0, 60.0, 1000 / 20_000)],
)
def test_it_is_as_fast_as_its_power_allows(start_celsius, goal_celsius, kelvin_per_second):
    build = BathBuild(
        heat_capacity_joule_per_kelvin=20_000,
        heating_watt=1000,
        cooling_watt_by_celsius=((-20.0, 100.0), (0.0, 300.0), (20.0, 600.0)),
        **INSULATED,
    )
    bath = Bath(build, start_celsius)
    bath.run_to(SECOND_NS, goal_celsius)
    assert bath.bath_celsius - start_celsius == pytest.approx(kelvin_per_second)
    assert abs(bath.power_fraction) == pytest.approx(1.0, abs=0.01)


def test_cooling_power_is_interpolated_and_ends_at_its_ends():
    build = BathBuild(cooling_watt_by_celsius=((-20.0, 100.0), (0.0, 300.0)))
    assert [build.cooling_watt(celsius) for celsius in (-40, -20, -10, 0, 50)] == [100, 100, 200, 300, 300]


@pytest.mark.parametrize("load_watt", [0.0, 80.0, 400.0])
def test_a_steady_load_is_taken_away(load_watt):
    bath = Bath(BathBuild(), 15.0)
    bath.heat_load_watt = load_watt
    bath.run_to(2 * HOUR_NS, 15.0)
    assert bath.bath_celsius == pytest.approx(15.0, abs=0.005)


def test_a_load_warms_a_bath_by_what_it_is():
    build = BathBuild(cooling_watt_by_celsius=((0.0, 0.0),), heating_watt=0.0, **INSULATED)
    bath = Bath(build, 15.0)
    bath.heat_load_watt = 210.0
    bath.run_to(100 * SECOND_NS, 15.0)
    assert bath.bath_celsius == pytest.approx(15.0 + 210 * 100 / build.heat_capacity_joule_per_kelvin)


def test_left_alone_it_goes_to_the_room_and_no_load_arrives():
    bath = Bath(BathBuild(), 15.0)
    bath.heat_load_watt = 1000.0
    bath.run_to(HOUR_NS, None)
    assert 15 < bath.bath_celsius < 23
    assert (bath.circulates, bath.power_watt, bath.power_fraction) == (False, 0.0, 0.0)
    bath.run_to(100 * HOUR_NS, None)
    assert bath.bath_celsius == pytest.approx(23.0)


@given(st.lists(st.integers(1, 600 * SECOND_NS), min_size=1, max_size=8), st.sampled_from([None, -5.0, 15.0]))
def test_cuts_of_time_change_nothing(pieces, goal_celsius):
    whole, cut = Bath(BathBuild(), 23.0), Bath(BathBuild(), 23.0)
    for end_ns in itertools.accumulate(pieces):
        cut.run_to(end_ns, goal_celsius)
    whole.run_to(sum(pieces), goal_celsius)
    assert cut.bath_celsius == whole.bath_celsius
    assert cut.power_watt == whole.power_watt


@pytest.mark.parametrize(
    "wrong",
    [
        {"heat_capacity_joule_per_kelvin": 0.0},
        {"approach_second": -1.0},
        {"heating_watt": -1.0},
        {"cooling_watt_by_celsius": ()},
        {"cooling_watt_by_celsius": ((0.0, 100.0), (0.0, 200.0))},
        {"cooling_watt_by_celsius": ((0.0, -100.0),)},
    ],
)
def test_impossible_baths_are_refused(wrong):
    with pytest.raises(ValueError, match="of a bath"):
        BathBuild(**wrong)

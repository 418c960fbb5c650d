"""The simulated mill: ramps, heat that is the same however time is cut, and trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.device import SECOND_NS
from simulators.inverter import EXTERNAL, Inverter, InverterSettings, LossAction
from simulators.mill import Mill, MillBuild


class Bath:
    """Stays as cold as it is told."""

    def __init__(self, celsius=15.0):
        self.heat_load_watt = 0.0
        self.bath_celsius = celsius
        self.circulates = True


def run(inverter, from_second, to_second, stops=()):
    """Bring a drive from one time to another, stopping also at these."""
    now_ns, end_ns = round(from_second * SECOND_NS), round(to_second * SECOND_NS)
    marks = sorted(round(stop * SECOND_NS) for stop in stops if from_second < stop < to_second)
    for limit_ns in [*marks, end_ns]:
        while now_ns < limit_ns:
            now_ns = min(limit_ns, inverter.next_ns)
            inverter.settle(now_ns)


def drive(bath=None, **settings):
    return Inverter(Mill(bath=bath), InverterSettings(highest_hertz=70, accel_second=7, decel_second=14, **settings))


def test_it_ramps_up_stays_and_ramps_down():
    inverter = drive()
    inverter.set_reference(50, 0)
    inverter.run(1, 0)
    for second, hertz, way in ((0, 0, "up"), (2.5, 25, "up"), (5, 50, "there"), (60, 50, "there")):
        assert inverter.output_hertz_at(round(second * SECOND_NS)) == pytest.approx(hertz)
        assert inverter.way_at(round(second * SECOND_NS)) == way
    run(inverter, 0, 60)
    inverter.stop(60 * SECOND_NS)
    assert inverter.mill.rpm_at(65 * SECOND_NS) == pytest.approx(25 * 60)
    assert inverter.is_output_on_at(69 * SECOND_NS)
    assert not inverter.is_output_on_at(70 * SECOND_NS)


@given(stops=st.lists(st.floats(0, 400), max_size=20))
def test_heat_is_the_same_however_time_is_cut(stops):
    ends = []
    for cuts in ((), stops):
        bath = Bath()
        inverter = drive(bath)
        inverter.set_reference(66.67, 0)
        inverter.run(1, 0)
        run(inverter, 0, 67.3, cuts)
        inverter.stop(round(67.3 * SECOND_NS))
        run(inverter, 67.3, 400, cuts)
        ends.append((inverter.mill.vessel_celsius, bath.heat_load_watt))
    assert ends[0] == ends[1]


def test_what_the_blade_works_is_what_the_bath_and_the_room_take():
    class Counting(Bath):
        joule = 0.0

    bath = Counting()
    build = MillBuild(air_watt_per_kelvin=1e-9)
    inverter = Inverter(Mill(build, bath=bath))
    inverter.set_reference(66.67, 0)
    inverter.run(1, 0)
    begin_celsius, worked = inverter.mill.vessel_celsius, 0.0
    for second in range(1, 601):
        run(inverter, second - 1, second)
        bath.joule += bath.heat_load_watt
    settings = inverter.settings
    ramp_second = settings.accel_second * 66.67 / settings.highest_hertz
    full_watt = build.blade_watt * (66.67 * 60 / 4000) ** 3
    worked = full_watt * (600 - ramp_second) + full_watt / 4 * ramp_second
    stored = build.vessel_joule_per_kelvin * (inverter.mill.vessel_celsius - begin_celsius)
    assert bath.joule + stored == pytest.approx(worked, rel=1e-6)
    assert inverter.mill.vessel_celsius == pytest.approx(15 + full_watt / build.jacket_watt_per_kelvin, abs=0.05)


def test_a_bath_that_stands_takes_little():
    ends = []
    for circulates in (True, False):
        bath = Bath(23)
        bath.circulates = circulates
        inverter = drive(bath)
        inverter.set_reference(66.67, 0)
        inverter.run(1, 0)
        run(inverter, 0, 300)
        ends.append(inverter.mill.vessel_celsius)
    assert ends[0] < 30
    assert ends[1] > 40


def test_without_a_bath_it_gets_hot():
    inverter = drive()
    inverter.set_reference(66.67, 0)
    inverter.run(1, 0)
    run(inverter, 0, 60)
    assert 25 < inverter.mill.vessel_celsius < 29


@pytest.mark.parametrize(
    ("action", "rpm_after"), [(LossAction.NOTHING, 3000), (LossAction.RAMP, 2700), (LossAction.COAST, 2750)]
)
def test_what_it_does_when_nobody_speaks(action, rpm_after):
    inverter = drive(loss_action=action, loss_second=2.0)
    inverter.heard(0)
    inverter.set_reference(50, 0)
    inverter.run(1, 0)
    for second in range(10):
        run(inverter, second, second + 1)
        inverter.heard((second + 1) * SECOND_NS)
    run(inverter, 10, 13)
    assert inverter.mill.rpm_at(13 * SECOND_NS) == pytest.approx(rpm_after)
    assert inverter.was_lost == (action is not LossAction.NOTHING)
    inverter.heard(13 * SECOND_NS)
    run(inverter, 13, 200)
    assert (inverter.mill.rpm_at(200 * SECOND_NS) > 0) == (action is LossAction.NOTHING)


def test_the_lid_trips_it_and_holds_the_trip():
    inverter = drive()
    inverter.set_reference(50, 0)
    inverter.run(1, 0)
    run(inverter, 0, 20)
    inverter.set_lid(is_open=True, now_ns=20 * SECOND_NS)
    assert inverter.trip == EXTERNAL
    assert inverter.output_hertz_at(20 * SECOND_NS) == 0
    assert inverter.mill.rpm_at(21 * SECOND_NS) == pytest.approx(2750)
    inverter.reset()
    assert inverter.trip == EXTERNAL
    inverter.set_lid(is_open=False, now_ns=21 * SECOND_NS)
    inverter.reset()
    assert inverter.trip is None
    assert inverter.direction == 0


def test_it_does_not_start_with_the_lid_open():
    inverter = drive()
    inverter.set_reference(50, 0)
    inverter.set_lid(is_open=True, now_ns=0)
    inverter.run(1, 0)
    assert (inverter.trip, inverter.direction) == (EXTERNAL, 0)


def test_a_stop_at_the_moment_of_the_start_leaves_it_standing():
    inverter = Inverter(Mill())
    inverter.set_reference(66.0, 0)
    inverter.run(1, 0)
    inverter.stop(0)
    assert inverter.mill.rpm_at(10 * SECOND_NS) == 0

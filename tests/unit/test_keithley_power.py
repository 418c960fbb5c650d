"""A constant power in the instrument: the ladder of currents, its commands, and the blocks that climb on it."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.keithley import programs
from drivers.keithley.ladder import RUNG_SHARE, rungs
from drivers.keithley.limits import LIMITS_2450, LIMITS_2460, LIMITS_2461
from drivers.roles import POWER_TOLERANCE, SegmentMode, SegmentProgram
from tests.support.trigger_blocks import TriggerModel, blocks_of

DISCHARGE = SegmentProgram(
    mode=SegmentMode.POWER,
    power_watt=-6e-3,
    current_ampere=-3e-3,
    current_range_ampere=10e-3,
    until_voltage_volt=2.0,
    lower_guard_volt=1.8,
    upper_guard_volt=3.8,
    duration_second=3600.0,
    sampling_second=1.0,
    cutoff_second=1.0,
)
CHARGE = replace(DISCHARGE, power_watt=6e-3, current_ampere=6e-3 / 1.8, until_voltage_volt=3.7)
FAST = replace(CHARGE, cutoff_second=0.2)


def groups_of(program):
    return programs.segment_groups("hc0001", program, LIMITS_2450, buffer_exists=False, terminals="REAR")


def group(program, name):
    return [one for one in groups_of(program) if one.name == name]


def test_the_ladder_is_a_pair_of_lists_from_the_smallest_current():
    ladder, first = rungs(DISCHARGE), group(DISCHARGE, "rungs")[0]
    assert first.commands[:10] == (
        ":SOUR:CURR -0.001586842105",
        ':SOUR:CONF:LIST:STOR "presscell_power"',
        ":CALC2:VOLT:LIM1:UPP 13.8",
        ":CALC2:VOLT:LIM1:LOW 3.762189",
        ':SENS:CONF:LIST:STOR "presscell_bands"',
        ":SOUR:CURR -0.001598833355",
        ':SOUR:CONF:LIST:STOR "presscell_power"',
        ":CALC2:VOLT:LIM1:UPP 3.7715",
        ":CALC2:VOLT:LIM1:LOW 3.733973",
        ':SENS:CONF:LIST:STOR "presscell_bands"',
    )
    assert [check.expected for check in first.checks] == [10, 10]
    assert group(DISCHARGE, "rungs")[-1].checks[0].expected == len(ladder) == 85
    assert group(DISCHARGE, "new rungs")[0].commands[-1] == ":CALC2:VOLT:LIM1:STAT ON"
    assert [one.may_fail for name in ("old currents", "old bands") for one in group(DISCHARGE, name)] == [True, True]


def test_every_rung_is_recalled_to_prove_it_and_the_first_one_stays():
    checks = [check for one in group(CHARGE, "rungs as stored") for check in one.checks]
    assert len(checks) == 4 * len(rungs(CHARGE))
    asked = [(check.query, check.expected) for check in checks[4:8]]
    second = rungs(CHARGE)[1]
    assert asked == [
        (':SOUR:CONF:LIST:REC "presscell_power",2;:SOUR:CURR?', second.current_ampere),
        (":SOUR:CURR:VLIM?", 3.75),
        (':SENS:CONF:LIST:REC "presscell_bands",2;:CALC2:VOLT:LIM1:LOW?', second.lower_volt),
        (":CALC2:VOLT:LIM1:UPP?", second.upper_volt),
    ]
    names = [one.name for one in groups_of(CHARGE)]
    assert names.index("measure") < names.index("new rungs"), "a point holds all settings of its side"
    assert group(CHARGE, "first rung")[0].checks == tuple(checks[:4])


def test_no_band_is_ever_upside_down_while_it_is_loaded():
    low, high = 4.0, 5.0
    commands = [command for one in group(CHARGE, "rungs") for command in one.commands if "LIM1" in command]
    for command in commands:
        low, high = (float(command.split()[1]), high) if ":LOW" in command else (low, float(command.split()[1]))
        assert low < high


def test_blocks_of_a_power():
    assert blocks_of(CHARGE) == [
        ':TRIG:LOAD "Empty"',
        ':TRIG:BLOC:CONF:REC 1,"presscell_power",1',
        ':TRIG:BLOC:CONF:REC 2,"presscell_bands",1',
        ":TRIG:BLOC:SOUR:STAT 3,ON",
        ":TRIG:BLOC:NOT 4,1",
        ":TRIG:BLOC:WAIT 5,TIM1",
        ':TRIG:BLOC:MEAS 6,"hc0001"',
        ":TRIG:BLOC:BRAN:LIM:CONS 7,ABOV,0,3.7,32,6",
        ":TRIG:BLOC:BRAN:LIM:CONS 8,BEL,1.8,11.8,32,6",
        ":TRIG:BLOC:BRAN:EVEN 9,TIM2,32",
        ":TRIG:BLOC:BRAN:COUN 10,3601,12",
        ":TRIG:BLOC:BRAN:ALW 11,32",
        ":TRIG:BLOC:BRAN:LIM:DYN 12,BEL,1,15,6",
        ":TRIG:BLOC:BRAN:LIM:DYN 13,ABOV,1,23,6",
        ":TRIG:BLOC:BRAN:ALW 14,5",
        ':TRIG:BLOC:CONF:NEXT 15,"presscell_power"',
        ':TRIG:BLOC:CONF:NEXT 16,"presscell_bands"',
        ':TRIG:BLOC:MEAS 17,"defbuffer2"',
        ":TRIG:BLOC:BRAN:LIM:CONS 18,ABOV,0,3.7,31,17",
        ":TRIG:BLOC:BRAN:LIM:CONS 19,BEL,1.8,11.8,31,17",
        ":TRIG:BLOC:BRAN:EVEN 20,TIM2,31",
        ":TRIG:BLOC:BRAN:LIM:DYN 21,BEL,1,15,17",
        ":TRIG:BLOC:BRAN:ALW 22,5",
        ':TRIG:BLOC:CONF:PREV 23,"presscell_power"',
        ':TRIG:BLOC:CONF:PREV 24,"presscell_bands"',
        ':TRIG:BLOC:MEAS 25,"defbuffer2"',
        ":TRIG:BLOC:BRAN:LIM:CONS 26,ABOV,0,3.7,31,25",
        ":TRIG:BLOC:BRAN:LIM:CONS 27,BEL,1.8,11.8,31,25",
        ":TRIG:BLOC:BRAN:EVEN 28,TIM2,31",
        ":TRIG:BLOC:BRAN:LIM:DYN 29,ABOV,1,23,25",
        ":TRIG:BLOC:BRAN:ALW 30,5",
        ':TRIG:BLOC:MEAS 31,"hc0001"',
        ":TRIG:BLOC:SOUR:STAT 32,OFF",
    ]


def test_readings_between_rows_follow_the_voltage_too():
    assert blocks_of(FAST)[6:9] == [
        ":TRIG:BLOC:BRAN:ONCE 6,8",
        ":TRIG:BLOC:BRAN:COUN 7,5,17",
        ':TRIG:BLOC:MEAS 8,"hc0001"',
    ]
    assert blocks_of(FAST)[17:25] == [
        ':TRIG:BLOC:MEAS 17,"defbuffer2"',
        ":TRIG:BLOC:BRAN:LIM:CONS 18,ABOV,0,3.7,40,17",
        ":TRIG:BLOC:BRAN:LIM:CONS 19,BEL,1.8,11.8,40,17",
        ":TRIG:BLOC:BRAN:EVEN 20,TIM2,40",
        ":TRIG:BLOC:BRAN:LIM:DYN 21,BEL,1,24,17",
        ":TRIG:BLOC:BRAN:LIM:DYN 22,ABOV,1,32,17",
        ":TRIG:BLOC:BRAN:ALW 23,5",
        ':TRIG:BLOC:CONF:NEXT 24,"presscell_power"',
    ]


@pytest.mark.parametrize("program", [CHARGE, DISCHARGE, FAST])
@pytest.mark.parametrize("limits", [LIMITS_2450, LIMITS_2460, LIMITS_2461])
def test_what_the_models_can_run_is_taken(program, limits):
    programs.check_program(program, limits)


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        ({"power_watt": None}, "power_watt at the lowest voltage"),
        ({"power_watt": -5e-3}, "power_watt at the lowest voltage"),
        ({"power_watt": math.nan}, "power_watt at the lowest voltage"),
        ({"power_watt": 6e-3}, "sign of power_watt"),
        ({"until_voltage_volt": None}, "power_watt at the lowest voltage"),
        ({"until_voltage_volt": 0.0, "lower_guard_volt": -1.0}, "lowest voltage of a power"),
        ({"until_voltage_volt": None, "lower_guard_volt": 0.05}, "lowest voltage of a power"),
        ({"current_ampere": -12e-3}, "current_ampere"),
    ],
)
def test_what_cannot_be_held_is_refused(change, quantity):
    with pytest.raises(programs.ProgramError) as refusal:
        programs.check_program(replace(DISCHARGE, **change), LIMITS_2450)
    assert refusal.value.quantity == quantity


def test_a_ladder_longer_than_the_model_holds_is_refused():
    with pytest.raises(programs.ProgramError, match="steps of the current"):
        programs.check_program(DISCHARGE, replace(LIMITS_2450, level_count=80))


WINDOWS = st.tuples(st.floats(0.1, 4.0), st.floats(1.001, 30.0)).map(lambda pair: (pair[0], pair[0] * pair[1]))


def of_window(low, high, sign, watt=6e-3):
    lowest = low
    return replace(
        DISCHARGE,
        power_watt=sign * watt,
        current_ampere=sign * watt / lowest,
        until_voltage_volt=None,
        lower_guard_volt=low,
        upper_guard_volt=high,
    )


@given(WINDOWS, st.sampled_from([1, -1]))
def test_at_every_voltage_some_rung_is_right_and_never_too_much(window, sign):
    low, high = window
    program = of_window(low, high, sign)
    ladder = rungs(program)
    for rung in ladder:
        assert 0 < rung.current_ampere * sign <= abs(program.current_ampere) * (1 + 1e-9)
        for volt in (max(rung.lower_volt, low), min(rung.upper_volt, high)):
            assert rung.current_ampere * volt == pytest.approx(program.power_watt, rel=POWER_TOLERANCE * 1.01)
    for above, below in pairwise(ladder):
        assert abs(above.current_ampere) < abs(below.current_ampere)
        assert above.lower_volt < below.upper_volt, "bands overlap"
        assert above.lower_volt > below.lower_volt
    assert ladder[0].upper_volt > high + 5
    assert ladder[-1].lower_volt < low - 5


class Cell:
    """A cell whose open-circuit voltage moves evenly between two voltages, with a resistance."""

    def __init__(self, start_volt, volt_per_second, ohm):
        self.start_volt, self.volt_per_second, self.ohm = start_volt, volt_per_second, ohm
        self.powers = []

    def __call__(self, second, ampere):
        volt = self.start_volt + self.volt_per_second * second + ampere * self.ohm
        self.powers.append((second, volt * ampere))
        return volt


@given(
    st.sampled_from([CHARGE, DISCHARGE]),
    st.floats(2.2, 3.5),
    st.floats(0.0, 0.8e-3),
    st.floats(0.0, 250.0),
    st.sampled_from([1, 2, 5]),
)
def test_the_power_is_held_and_the_segment_ends(program, start_volt, volt_per_second, ohm, ticks):
    sign = math.copysign(1, program.power_watt)
    program = replace(program, sampling_second=1.0 * ticks, duration_second=1200.0)
    cell = Cell(start_volt, sign * volt_per_second, ohm)
    result = TriggerModel(program, cell, measuring_second=0.05).run()
    assert not result.output_on
    assert result.now_second <= program.duration_second + program.sampling_second + 0.2
    shares = [(second, watt / program.power_watt) for second, watt in cell.powers]
    assert all(share < 1 + POWER_TOLERANCE + 2e-3 for _, share in shares), "it is approached from below"
    risen = [share for second, share in shares if second > 90 * 0.05 + 1]
    assert all(share == pytest.approx(1, abs=RUNG_SHARE + 2e-3) for share in risen)
    settled = [share for (_, share), (_, before) in zip(shares[1:], shares, strict=False) if share > 0.99 < before]
    within = sum(abs(share - 1) <= POWER_TOLERANCE + 1e-3 for share in settled)
    assert within >= 0.9 * len(settled)
    assert len(result.kept_second) <= programs.buffer_rows(program)
    assert result.kept_second[0] == 0


@pytest.mark.parametrize("reading", [9.9e37, -9.9e37, 0.0])
def test_a_lead_that_is_off_ends_it_at_once(reading):
    result = TriggerModel(FAST, lambda *_: reading).run()
    assert (result.output_on, result.kept_second) == (False, [0.0])


def test_a_voltage_that_jumps_about_never_leaves_the_ladder():
    """At each reading the other end of the window: every climb ends, no list is left at its end."""
    reads = iter([2.0, 3.75] * 4000)
    program = replace(CHARGE, until_voltage_volt=None, current_ampere=6e-3 / 1.8)
    result = TriggerModel(program, lambda *_: next(reads), measuring_second=0.05)
    result.run()
    assert not result.output_on
    assert result.now_second == pytest.approx(3600.0, abs=2.0)


@pytest.mark.parametrize("program", [CHARGE, DISCHARGE])
def test_a_climb_ends_at_the_voltage_that_ends_the_segment(program):
    """A discharge whose voltage breaks down under its own current, and a charge whose lead falls off on the way up."""
    breaks_down = iter([3.0, *[2.9] * 9, *[1.5] * 10_000])
    result = TriggerModel(program, lambda *_: next(breaks_down), measuring_second=0.01)
    result.run()
    assert not result.output_on
    assert result.now_second < 0.2, "at once, not when the climb is over"
    assert len(result.kept_second) == 2

"""A segment as SCPI: the program of the maker's manual, its bounds, and a model of the trigger blocks that runs it."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.keithley import programs
from drivers.keithley.blocks import block_group
from drivers.keithley.limits import LIMITS_2450, LIMITS_2460, LIMITS_2461
from drivers.roles import SegmentMode, SegmentProgram
from tests.support.trigger_blocks import TriggerModel, blocks_of

CHARGE = SegmentProgram(
    current_ampere=2e-3,
    current_range_ampere=10e-3,
    until_voltage_volt=3.7,
    lower_guard_volt=1.9,
    upper_guard_volt=3.8,
    duration_second=50400.0,
    sampling_second=10.0,
    cutoff_second=10.0,
)
DISCHARGE = replace(CHARGE, current_ampere=-2e-3, until_voltage_volt=2.0)
REST = replace(CHARGE, current_ampere=0.0, current_range_ampere=1e-6, until_voltage_volt=None)
FAST = replace(CHARGE, sampling_second=1.0, cutoff_second=0.2)
HOLD = replace(
    CHARGE,
    mode=SegmentMode.VOLTAGE,
    current_ampere=0.0,
    until_voltage_volt=None,
    voltage_volt=3.7,
    current_limit_ampere=3e-3,
    until_current_ampere=0.15e-3,
)
SCAN = replace(
    HOLD,
    mode=SegmentMode.SCAN,
    voltage_volt=3.0,
    end_voltage_volt=3.2,
    scan_rate_volt_per_second=1e-3,
    until_current_ampere=None,
)
CLAMPED = replace(CHARGE, mode=SegmentMode.CLAMPED_CURRENT)
CLAMPED_DISCHARGE = replace(DISCHARGE, mode=SegmentMode.CLAMPED_CURRENT)


def groups_of(program, *, limits=LIMITS_2450, exists=False):
    return programs.segment_groups("hc0001", program, limits, buffer_exists=exists, terminals="REAR")


def commands_of(program, *, limits=LIMITS_2450, exists=False):
    groups = groups_of(program, limits=limits, exists=exists)
    return [command for group in (programs.safe_group(), *groups) for command in group.commands]


def test_charge_has_the_settings_of_the_reference_program():
    commands = commands_of(CHARGE)
    for command in (
        ":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":OUTP:CURR:SMOD HIMP", ":OUTP:VOLT:SMOD HIMP", ":SENS:VOLT:RSEN ON",
        ":SOUR:VOLT:PROT PROT5", ":SOUR:CURR:RANG 0.01", ":SOUR:CURR 0.002", ":SOUR:CURR:VLIM 3.75",
        ":SOUR:CURR:READ:BACK ON", ":SENS:VOLT:RANG 20", ":SENS:VOLT:NPLC 5", ":TRIG:TIM1:STAR:STIM NOT1",
        ":TRIG:TIM1:STAR:GEN ON", ":TRIG:TIM1:DEL 10", ":TRIG:TIM1:COUN 0", ":TRIG:TIM2:STAR:GEN OFF",
        ":TRIG:TIM2:DEL 50400", ":TRIG:TIM2:COUN 1", ':TRAC:FILL:MODE ONCE,"hc0001"',
    ):  # fmt: skip
        assert command in commands
    order = (":ABOR", ":OUTP:CURR:SMOD HIMP", ":OUTP:VOLT:SMOD HIMP", ":OUTP OFF", ":SOUR:CURR 0.002")
    places = [commands.index(command) for command in order]
    assert places == sorted(places)
    assert not any("*RST" in command or "BUFF:CLE" in command for command in commands + blocks_of(CHARGE))


def test_charge_blocks():
    assert blocks_of(CHARGE) == [
        ':TRIG:LOAD "Empty"',
        ":TRIG:BLOC:SOUR:STAT 1,ON",
        ":TRIG:BLOC:NOT 2,1",
        ":TRIG:BLOC:WAIT 3,TIM1",
        ':TRIG:BLOC:MEAS 4,"hc0001"',
        ":TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,3.7,9,4",
        ":TRIG:BLOC:BRAN:LIM:CONS 6,BEL,1.9,11.9,9,4",
        ":TRIG:BLOC:BRAN:EVEN 7,TIM2,9",
        ":TRIG:BLOC:BRAN:COUN 8,5041,3",
        ":TRIG:BLOC:SOUR:STAT 9,OFF",
    ]


def test_discharge_stops_from_above_and_keeps_the_upper_guard():
    blocks = blocks_of(DISCHARGE)
    assert ":TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,3.8,9,4" in blocks
    assert ":TRIG:BLOC:BRAN:LIM:CONS 6,BEL,2,12,9,4" in blocks
    commands = commands_of(DISCHARGE)
    assert ":SOUR:CURR -0.002" in commands
    assert ":SOUR:CURR:VLIM 3.85" in commands


def test_rest_sources_nothing_on_the_smallest_range_between_both_guards():
    commands, blocks = commands_of(REST), blocks_of(REST)
    assert ":SOUR:CURR 0" in commands
    assert ":SOUR:CURR:RANG 1e-06" in commands
    assert ":TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,3.8,9,4" in blocks
    assert ":TRIG:BLOC:BRAN:LIM:CONS 6,BEL,1.9,11.9,9,4" in blocks


def test_scratch_readings_test_the_same_limits():
    assert blocks_of(FAST)[3:] == [
        ":TRIG:BLOC:WAIT 3,TIM1",
        ":TRIG:BLOC:BRAN:ONCE 4,6",
        ":TRIG:BLOC:BRAN:COUN 5,5,12",
        ':TRIG:BLOC:MEAS 6,"hc0001"',
        ":TRIG:BLOC:BRAN:LIM:CONS 7,ABOV,0,3.7,18,6",
        ":TRIG:BLOC:BRAN:LIM:CONS 8,BEL,1.9,11.9,18,6",
        ":TRIG:BLOC:BRAN:EVEN 9,TIM2,18",
        ":TRIG:BLOC:BRAN:COUN 10,50401,3",
        ":TRIG:BLOC:BRAN:ALW 11,18",
        ':TRIG:BLOC:MEAS 12,"defbuffer2"',
        ":TRIG:BLOC:BRAN:LIM:CONS 13,ABOV,0,3.7,17,12",
        ":TRIG:BLOC:BRAN:LIM:CONS 14,BEL,1.9,11.9,17,12",
        ":TRIG:BLOC:BRAN:EVEN 15,TIM2,17",
        ":TRIG:BLOC:BRAN:ALW 16,3",
        ':TRIG:BLOC:MEAS 17,"hc0001"',
        ":TRIG:BLOC:SOUR:STAT 18,OFF",
    ]
    assert ':TRAC:FILL:MODE CONT,"defbuffer2"' in commands_of(FAST)


def test_a_held_voltage_has_its_current_limited_first():
    commands = commands_of(HOLD)
    order = [
        ":OUTP OFF", ":SOUR:FUNC VOLT", ':SENS:FUNC "CURR"', ":SENS:CURR:RSEN ON", ":SENS:CURR:RANG 0.01",
        ":SOUR:VOLT:PROT PROT5", ":SOUR:VOLT:RANG 20", ":SOUR:VOLT:ILIM 0.003", ":SOUR:VOLT 3.7",
        ":SOUR:VOLT:READ:BACK ON", ":SENS:CURR:NPLC 5", ':TRAC:MAKE "hc0001_amp",5043,STAN',
    ]  # fmt: skip
    places = [commands.index(command) for command in order]
    assert places == sorted(places)
    assert not any(":SOUR:CURR " in command or "SENS:VOLT" in command for command in commands)
    checks = {check.query: check.expected for group in groups_of(HOLD) for check in group.checks}
    assert (checks[":SOUR:VOLT:ILIM?"], checks[":SOUR:VOLT?"], checks[":SOUR:FUNC?"]) == (3e-3, 3.7, "VOLT")


def test_held_voltage_blocks():
    assert blocks_of(HOLD)[4:] == [
        ':TRIG:BLOC:MEAS 4,"hc0001_amp"',
        ":TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,0.0033,12,4",
        ":TRIG:BLOC:BRAN:LIM:CONS 6,BEL,-0.0033,0,12,4",
        ":TRIG:BLOC:BRAN:ONCE 7,9",
        ":TRIG:BLOC:BRAN:LIM:CONS 8,IN,-0.00015,0.00015,12,4",
        ":TRIG:BLOC:NOP 9",
        ":TRIG:BLOC:BRAN:EVEN 10,TIM2,12",
        ":TRIG:BLOC:BRAN:COUN 11,5041,3",
        ":TRIG:BLOC:SOUR:STAT 12,OFF",
    ]


@pytest.mark.parametrize(
    ("program", "volt", "end"),
    [(CLAMPED, "3.7", "BEL,0.00198,0.004"), (CLAMPED_DISCHARGE, "2", "ABOV,-0.004,-0.00198")],
)
def test_a_clamped_current_is_a_limited_voltage(program, volt, end):
    commands = commands_of(program)
    assert commands.index(":SOUR:VOLT:ILIM 0.002") < commands.index(f":SOUR:VOLT {volt}")
    assert f":TRIG:BLOC:BRAN:LIM:CONS 8,{end},12,4" in blocks_of(program)


def test_scan_blocks():
    assert blocks_of(SCAN) == [
        ':TRIG:LOAD "Empty"',
        ':TRIG:BLOC:CONF:REC 1,"presscell_levels",1',
        ":TRIG:BLOC:SOUR:STAT 2,ON",
        ":TRIG:BLOC:NOT 3,1",
        ":TRIG:BLOC:WAIT 4,TIM1",
        ':TRIG:BLOC:MEAS 5,"hc0001_amp"',
        ":TRIG:BLOC:BRAN:LIM:CONS 6,ABOV,0,0.0033,13,5",
        ":TRIG:BLOC:BRAN:LIM:CONS 7,BEL,-0.0033,0,13,5",
        ":TRIG:BLOC:BRAN:EVEN 8,TIM2,13",
        ":TRIG:BLOC:BRAN:COUN 9,21,11",
        ":TRIG:BLOC:BRAN:ALW 10,13",
        ':TRIG:BLOC:CONF:NEXT 11,"presscell_levels"',
        ":TRIG:BLOC:BRAN:ALW 12,4",
        ":TRIG:BLOC:SOUR:STAT 13,OFF",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [3.0 + 0.01 * number for number in range(21)]),
        ({"voltage_volt": 3.2, "end_voltage_volt": 3.0}, [3.2 - 0.01 * number for number in range(21)]),
        ({"end_voltage_volt": 3.025}, [3.0, 3.01, 3.02, 3.025]),
        ({"scan_rate_volt_per_second": 0.7e-4, "end_voltage_volt": 3.002}, [3.0, 3.0005, 3.0015, 3.002]),
    ],
)
def test_the_levels_of_a_scan_are_loaded_and_recalled_one_by_one(change, expected):
    program = replace(SCAN, **change)
    assert programs.levels(program, LIMITS_2450) == pytest.approx(expected, abs=1e-9)
    assert len(expected) == program.scan_row_count == programs.row_bound(program)
    groups = groups_of(program)
    commands = [command for group in groups for command in group.commands]
    store = ':SOUR:CONF:LIST:STOR "presscell_levels"'
    stored = [before for before, command in pairwise(commands) if command == store]
    assert [float(command.removeprefix(":SOUR:VOLT ")) for command in stored] == pytest.approx(expected)
    assert commands.index(":SOUR:VOLT:ILIM 0.003") < commands.index(store)
    recalled = {check.query: check.expected for group in groups for check in group.checks if "LIST:REC" in check.query}
    assert list(recalled) == [
        f':SOUR:CONF:LIST:REC "presscell_levels",{number};:SOUR:VOLT?' for number in range(1, len(expected) + 1)
    ]
    assert list(recalled.values()) == pytest.approx(expected)
    assert f":SOUR:VOLT {expected[0]:g}" in groups[-3].commands


def test_a_firmware_without_measure_blocks_gets_digitize_blocks():
    blocks = block_group("hc0001", CHARGE, measure_word="MDIG").commands
    assert ':TRIG:BLOC:MDIG 4,"hc0001",1' in blocks
    assert not any("MEAS" in block for block in blocks)


def test_limits_stay_a_rising_pair_for_a_symmetric_cell():
    symmetric = replace(REST, lower_guard_volt=-0.5, upper_guard_volt=-0.1)
    for command in blocks_of(symmetric):
        if pair := re.search(r"(?:ABOV|BEL),([^,]+),([^,]+),", command):
            assert float(pair[1]) < float(pair[2])


def test_the_other_model_uses_its_own_voltage_range():
    assert ":SENS:VOLT:RANG 7" in commands_of(CHARGE, limits=LIMITS_2461)


@pytest.mark.parametrize(("cutoff", "nplc"), [(10.0, "5"), (1.0, "5"), (0.2, "1"), (0.5, "1"), (0.1, "0.1")])
def test_integration_fits_into_the_interval(cutoff, nplc):
    assert f":SENS:VOLT:NPLC {nplc}" in commands_of(replace(CHARGE, cutoff_second=cutoff))


def test_an_existing_buffer_is_resized_instead_of_made():
    assert ':TRAC:POIN 5043,"hc0001"' in commands_of(CHARGE, exists=True)
    assert ':TRAC:MAKE "hc0001",5043,STAN' in commands_of(CHARGE)


def test_a_long_segment_is_bounded_by_its_count():
    long = replace(REST, duration_second=200_000.0)
    assert not any("TIM2" in command for command in blocks_of(long))
    assert ":TRIG:BLOC:BRAN:COUN 7,20001,3" in blocks_of(long)
    assert ":TRIG:TIM2:STAT OFF" in commands_of(long)
    assert not any("TIM2:DEL" in command for command in commands_of(long))


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        ({"current_ampere": 12e-3}, "current_ampere"),
        ({"current_ampere": math.nan}, "current_ampere"),
        ({"current_range_ampere": 2e-3}, "current_range_ampere"),
        ({"until_voltage_volt": 3.9}, "until_voltage_volt"),
        ({"until_voltage_volt": math.nan}, "until_voltage_volt"),
        ({"lower_guard_volt": 3.9}, "lower_guard_volt"),
        ({"lower_guard_volt": math.nan}, "lower_guard_volt"),
        ({"upper_guard_volt": 20.0}, "upper_guard_volt"),
        ({"cutoff_second": 0.01}, "cutoff_second"),
        ({"sampling_second": 15.0}, "sampling_second"),
        ({"sampling_second": 5.0}, "sampling_second"),
        ({"sampling_second": math.inf}, "sampling_second"),
        ({"duration_second": 0.0}, "duration_second"),
        ({"duration_second": math.inf}, "duration_second"),
        ({"duration_second": 1e8}, "duration_second"),
        ({"current_ampere": 0.0}, "current_ampere of a segment until a voltage"),
    ],
)
def test_what_the_model_cannot_run_is_refused(change, quantity):
    with pytest.raises(programs.ProgramError) as refusal:
        programs.check_program(replace(CHARGE, **change), LIMITS_2450)
    assert refusal.value.quantity == quantity


@pytest.mark.parametrize(
    ("program", "change", "quantity"),
    [
        (HOLD, {"voltage_volt": None}, "voltage_volt"),
        (HOLD, {"voltage_volt": 3.9}, "voltage_volt"),
        (HOLD, {"current_limit_ampere": None}, "current_limit_ampere"),
        (HOLD, {"current_limit_ampere": 0.9e-3}, "current_limit_ampere"),
        (HOLD, {"current_limit_ampere": 11e-3}, "current_limit_ampere"),
        (HOLD, {"current_range_ampere": 1e-6, "current_limit_ampere": 0.0}, "current_limit_ampere"),
        (HOLD, {"current_range_ampere": 2e-3}, "current_range_ampere"),
        (HOLD, {"until_current_ampere": 0.0}, "until_current_ampere"),
        (HOLD, {"until_current_ampere": 4e-3}, "until_current_ampere"),
        (HOLD, {"until_current_ampere": math.nan}, "until_current_ampere"),
        (HOLD, {"current_ampere": 1e-3}, "current_ampere of a segment that holds a voltage"),
        (HOLD, {"until_voltage_volt": 3.7}, "until_voltage_volt of a held voltage"),
        (CLAMPED, {"until_voltage_volt": None}, "until_voltage_volt"),
        (CLAMPED, {"current_ampere": 0.5e-3}, "current_ampere"),
        (CLAMPED, {"until_current_ampere": 1e-3}, "until_current_ampere"),
        (SCAN, {"until_current_ampere": 1e-3}, "until_current_ampere"),
        (SCAN, {"end_voltage_volt": None}, "end_voltage_volt"),
        (SCAN, {"end_voltage_volt": 3.9}, "end_voltage_volt"),
        (SCAN, {"end_voltage_volt": 3.0}, "rows of the scan"),
        (SCAN, {"scan_rate_volt_per_second": None}, "scan_rate_volt_per_second times sampling_second"),
        (SCAN, {"scan_rate_volt_per_second": 0.0}, "scan_rate_volt_per_second times sampling_second"),
        (SCAN, {"scan_rate_volt_per_second": 1e-5}, "scan_rate_volt_per_second times sampling_second"),
        (SCAN, {"lower_guard_volt": 1.0, "voltage_volt": 1.0, "end_voltage_volt": 3.5}, ""),
    ],
)
def test_what_cannot_be_held_is_refused(program, change, quantity):
    limits = LIMITS_2450 if quantity else replace(LIMITS_2450, level_count=200)
    with pytest.raises(programs.ProgramError) as refusal:
        programs.check_program(replace(program, **change), limits)
    assert refusal.value.quantity == (quantity or "rows of the scan")


@pytest.mark.parametrize("program", [CHARGE, DISCHARGE, REST, FAST, HOLD, SCAN, CLAMPED, CLAMPED_DISCHARGE])
@pytest.mark.parametrize("limits", [LIMITS_2450, LIMITS_2460, LIMITS_2461])
def test_what_the_models_can_run_is_taken(program, limits):
    programs.check_program(program, limits)


@pytest.mark.parametrize("token", ["", "1a", 'a"b', "a b", "a;b", "a" * 28, "ä", "a_amp"])
def test_what_cannot_name_a_buffer(token):
    with pytest.raises(ValueError, match="buffer"):
        programs.check_token(token)


@given(
    st.integers(1, 6),
    st.sampled_from([0.2, 1.0, 5.0]),
    st.floats(1.0, 40.0),
    st.one_of(st.none(), st.integers(0, 80).map(lambda part: part / 64)),
    st.booleans(),
)
def test_every_segment_ends_in_time_with_its_rows_kept(ticks, cutoff, intervals, crossing, timed):
    sampling = ticks * cutoff
    duration = intervals * sampling if timed else 100_000.0 + intervals * sampling
    if not timed:
        ticks, cutoff, sampling = 2, 1000.0, 2000.0
    program = replace(CHARGE, duration_second=duration, sampling_second=sampling, cutoff_second=cutoff)
    crossing_second = math.inf if crossing is None else crossing * duration
    result = TriggerModel(program, lambda second: 3.8 if second >= crossing_second else 3.0).run()
    first_test = math.ceil(crossing_second / cutoff - 1e-9) * cutoff if crossing is not None else math.inf
    end_of_time = duration + (cutoff if timed else sampling)
    assert not result.output_on
    assert result.kept_second[0] == 0
    assert result.now_second <= min(first_test, end_of_time) + 0.5
    assert result.now_second >= min(crossing_second, duration)
    assert result.now_second - result.kept_second[-1] < 0.2
    assert len(result.kept_second) <= programs.buffer_rows(program)
    body = result.kept_second[:-1]
    assert body == pytest.approx([index * sampling for index in range(len(body))], abs=0.2)


@given(st.integers(1, 5), st.integers(0, 300), st.floats(0.1, 2.9))
def test_a_held_voltage_ends_at_the_first_test_of_a_small_current(ticks, tests, first_milliampere):
    """Its first reading does not end it, however small."""
    program = replace(HOLD, duration_second=60.0, sampling_second=ticks * 0.2, cutoff_second=0.2)
    small_second = tests * 0.2
    large_ampere = 1e-3 * max(first_milliampere, 0.2)
    reading_at = lambda second: 0.1e-3 if second >= small_second else large_ampere  # noqa: E731
    result = TriggerModel(program, reading_at, measuring_second=0.05).run()
    expected = min(max(tests, 1) * 0.2, 60.0)
    assert not result.output_on
    assert result.kept_second[0] == 0
    assert expected <= result.now_second <= expected + 0.2
    assert result.now_second - result.kept_second[-1] < 0.2


@given(st.integers(1, 5), st.integers(2, 60))
def test_a_scan_has_one_row_at_each_level(ticks, rows):
    program = replace(SCAN, sampling_second=ticks * 1.0, cutoff_second=1.0, scan_rate_volt_per_second=0.01 / ticks)
    program = replace(program, voltage_volt=2.0, end_voltage_volt=2.0 + 0.01 * (rows - 1))
    result = TriggerModel(program, lambda _: 1e-3).run()
    assert not result.output_on
    assert result.levels_at_rows == list(range(1, rows + 1))
    assert result.level == rows
    assert result.kept_second == pytest.approx([index * ticks for index in range(rows)], abs=0.2)


@pytest.mark.parametrize("program", [HOLD, SCAN, CLAMPED, CLAMPED_DISCHARGE])
@pytest.mark.parametrize("reading", [3.4e-3, -3.4e-3, 9.9e37])
def test_too_much_current_ends_a_held_voltage_at_once(program, reading):
    result = TriggerModel(program, lambda _: reading).run()
    assert (result.output_on, result.kept_second) == (False, [0.0])


def test_the_kept_rows_of_a_plain_segment():
    result = TriggerModel(replace(FAST, duration_second=10.0), lambda _: 3.0).run()
    assert result.kept_second == pytest.approx(list(range(11)))
    assert result.scratch == 40


@given(st.floats(-0.04, 5.0), st.floats(0.0, 4.0), st.booleans())
def test_the_hardware_limit_is_outside_the_window(upper, below, charging):
    lower = upper - below
    program = replace(
        CHARGE if charging else DISCHARGE, lower_guard_volt=lower, upper_guard_volt=upper, until_voltage_volt=upper
    )
    limit = programs.voltage_limit(program)
    assert limit >= max(abs(upper), abs(lower)) + 0.049

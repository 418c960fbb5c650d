"""A segment as SCPI: the program of the maker's manual, its bounds, and a model of the trigger blocks that runs it."""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.keithley import programs
from drivers.keithley.limits import LIMITS_2450, LIMITS_2460, LIMITS_2461
from drivers.roles import SegmentProgram

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


def commands_of(program, *, limits=LIMITS_2450, exists=False):
    groups = programs.segment_groups("hc0001", program, limits, buffer_exists=exists, terminals="REAR")
    return [command for group in (programs.safe_group(), *groups) for command in group.commands]


def blocks_of(program):
    return list(programs.block_group("hc0001", program).commands)


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


def test_a_firmware_without_measure_blocks_gets_digitize_blocks():
    blocks = programs.block_group("hc0001", CHARGE, measure_word="MDIG").commands
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


@pytest.mark.parametrize("program", [CHARGE, DISCHARGE, REST, FAST])
@pytest.mark.parametrize("limits", [LIMITS_2450, LIMITS_2460, LIMITS_2461])
def test_what_the_models_can_run_is_taken(program, limits):
    programs.check_program(program, limits)


@pytest.mark.parametrize("token", ["", "1a", 'a"b', "a b", "a;b", "a" * 32, "ä"])
def test_what_cannot_name_a_buffer(token):
    with pytest.raises(ValueError, match="buffer"):
        programs.check_token(token)


@dataclass
class TriggerModel:
    """The blocks, each as the manual says it works, on a cell whose voltage depends on time alone.

    A wait block remembers for itself which ticks it has seen, the stricter way to read the manual.
    """

    program: SegmentProgram
    voltage_at: Callable[[float], float]
    measuring_second: float = 0.15
    now_second: float = 0.0
    seen: Counter[int] = field(default_factory=Counter)
    output_on: bool = False
    scratch: int = 0
    kept_second: list[float] = field(default_factory=list)
    counters: Counter[int] = field(default_factory=Counter)
    reading: dict[int, float] = field(default_factory=dict)

    def run(self):
        commands = [command.removeprefix(":TRIG:BLOC:").split(" ") for command in blocks_of(self.program)[1:]]
        blocks = {int(arguments.split(",")[0]): (word, arguments.split(",")[1:]) for word, arguments in commands}
        assert sorted(blocks) == list(range(1, len(blocks) + 1))
        at = 1
        while at in blocks:
            word, values = blocks[at]
            branch = getattr(self, "block_" + word.lower().replace(":", "_"))(at, *values)
            at = branch or at + 1
        return self

    def block_sour_stat(self, at, state):
        self.output_on = state == "ON"

    def block_not(self, at, event):
        assert event == "1"

    def block_wait(self, at, event):
        ticks_so_far = math.floor(self.now_second / self.program.cutoff_second + 1e-9) + 1
        if ticks_so_far > self.seen[at]:
            self.seen[at] = ticks_so_far
        else:
            self.now_second = ticks_so_far * self.program.cutoff_second
            self.seen[at] = ticks_so_far + 1

    def block_bran_once(self, at, target):
        self.counters[at] += 1
        return int(target) if self.counters[at] == 1 else None

    def block_bran_alw(self, at, target):
        return int(target)

    def block_meas(self, at, buffer):
        self.reading[at] = self.voltage_at(self.now_second)
        if buffer == '"hc0001"':
            self.kept_second.append(self.now_second)
        else:
            self.scratch += 1
        self.now_second += self.measuring_second

    def block_bran_lim_cons(self, at, kind, *values):
        low, high, target, measured = values
        assert float(low) < float(high)
        value = self.reading[int(measured)]
        return int(target) if (value > float(high) if kind == "ABOV" else value < float(low)) else None

    def block_bran_even(self, at, event, target):
        return int(target) if self.now_second >= self.program.duration_second else None

    def block_bran_coun(self, at, count, target):
        self.counters[at] += 1
        if self.counters[at] < int(count):
            return int(target)
        self.counters[at] = 0
        return None


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

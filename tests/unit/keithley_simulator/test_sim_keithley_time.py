"""How time is cut doesn't matter: many passes of a loop at once give the bits of one after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.cell import PressCell
from simulators.keithley.source import FINE_LOOK_NS, LOOK_NS

SECOND_NS = 1_000_000_000
END_SECOND = 520
STORED = "SEC,FRAC,REL,READ,SOUR,SOURSTAT,STAT"


def outcome(bench) -> dict[str, object]:
    """All that can be seen of a bench, to the bit."""
    model = bench.smu.instrument.trigger_model
    buffers = bench.smu.instrument.buffers
    seen: dict[str, object] = {"heard": bench.heard, "state": bench.say(":TRIG:STAT?;:OUTP?;:SOUR:CURR:VLIM:TRIP?")}
    for name in ("rows", "scratch"):
        if name in buffers and buffers.get(name).count:
            buffer = buffers.get(name)
            columns = buffer.rows(1, buffer.count).columns()
            seen[name] = (buffer.first_position, buffer.last_position, [column.tobytes() for column in columns])
    bench.say(":FORM:ASC:PREC 16")
    seen["next reading"] = bench.say(":ABOR;:READ?")
    seen["counters"] = dict(model.counters)
    seen["log"] = [bench.say(":SYST:EVEN:NEXT?") for _ in range(int(bench.say(":SYST:EVEN:COUN?")))]
    seen["cell"] = (bench.cell.current_ampere, bench.cell.charge_in_coulomb, bench.cell.charge_out_coulomb)
    return seen


def source_one_rate(programs) -> list[str]:
    return [
        *programs.source_current(2e-3, nplc=1),
        *programs.buffer("rows", 900),
        *programs.timers(1.3, 5000),
        *programs.one_rate("rows", "ABOV,0,3.2", "BEL,1.9,10", 900),
    ]


def source_two_rate(programs, *, mode: str = "CONT") -> list[str]:
    return [
        *programs.source_current(-2e-3, nplc=0.5),
        *programs.buffer("rows", 2000),
        *programs.buffer("scratch", 37, mode),
        *programs.timers(0.25, 700),
        *programs.two_rate("rows", "scratch", every=4, upper=3.7, lower=2.0, count=1500),
    ]


def full_buffer(programs) -> list[str]:
    return [*source_two_rate(programs, mode="ONCE"), ':TRAC:LOG:STAT 1,"scratch"', ':TRAC:LOG:STAT 1,"rows"']


def duration(programs) -> list[str]:
    return [*source_one_rate(programs), ":TRIG:TIM2:STAT OFF", ":TRIG:TIM2:DEL 123.456", ":TRIG:TIM2:STAT ON"]


def ticks_run_out(programs) -> list[str]:
    return [*source_one_rate(programs), ":TRIG:TIM1:STAT OFF", ":TRIG:TIM1:COUN 150", ":TRIG:TIM1:STAT ON"]


def count_runs_out(programs) -> list[str]:
    return [*source_one_rate(programs), ":TRIG:BLOC:BRAN:COUN 8,170,3"]


def merged_ticks(programs) -> list[str]:
    """A reading takes longer than a tick."""
    return [
        *source_one_rate(programs),
        *(":TRIG:TIM1:STAT OFF", ":TRIG:TIM1:DEL 0.5", ":TRIG:TIM1:STAT ON"),
        *(":SENS:VOLT:NPLC 5", ":SENS:VOLT:AVER:COUN 6", ":SENS:VOLT:AVER ON"),
    ]


def clamped(programs) -> list[str]:
    return [*source_one_rate(programs), ":SOUR:CURR:VLIM 2.85", ":SENS:VOLT:NPLC 0.1"]


def voltage_source(programs) -> list[str]:
    return [
        *programs.source_voltage(2.2, 2e-3),
        *programs.buffer("rows", 900),
        *programs.timers(1, 5000),
        *programs.one_rate("rows", "ABOV,-1,-1.98E-3", "BEL,-2.2E-3,1", 900),
    ]


def delays_and_nested_counters(programs) -> list[str]:
    return [
        *programs.source_current(1e-3, nplc=0.1),
        *programs.buffer("rows", 3000),
        *programs.blocks(
            "SOUR:STAT 1,ON",
            'MEAS 2,"rows",2',
            "DEL:CONS 3,0.05",
            "BRAN:COUN 4,30,2",
            "BRAN:DELT 5,-1,9",
            "DEL:CONS 6,7",
            "BRAN:COUN 7,40,2",
            "NOP 8",
            "SOUR:STAT 9,OFF",
        ),
    ]


def two_timers(programs) -> list[str]:
    """Limits at each tick of timer 1, a row at each tick of timer 3."""
    return [
        *programs.source_current(2e-3, nplc=0.5),
        *programs.buffer("rows", 3000),
        *programs.buffer("scratch", 50, "CONT"),
        *programs.timers(0.2, 50_000),
        *(":TRIG:TIM3:STAR:STIM NOT1", ":TRIG:TIM3:DEL 1", ":TRIG:TIM3:COUN 0", ":TRIG:TIM3:STAT ON"),
        *programs.blocks(
            "SOUR:STAT 1,ON",
            "NOT 2,1",
            "WAIT 3,TIM1",
            'MEAS 4,"scratch"',
            "BRAN:LIM:CONS 5,ABOV,0,3.1,10",
            "BRAN:EVEN 6,TIM3,8",
            "BRAN:ALW 7,3",
            'MEAS 8,"rows"',
            "BRAN:COUN 9,3000,3",
            'MEAS 10,"rows"',
            "SOUR:STAT 11,OFF",
        ),
    ]


PROGRAMS = [
    source_one_rate,
    source_two_rate,
    full_buffer,
    duration,
    ticks_run_out,
    count_runs_out,
    merged_ticks,
    clamped,
    voltage_source,
    delays_and_nested_counters,
    two_timers,
]


def run(make_bench, programs, program, *, cell=None, cuts_ns=(), until_second=END_SECOND):
    bench = make_bench(cell, farad=2.0)
    bench.tell(":OUTP:SMOD HIMP", "*CLS", *program(programs), ":INIT")
    bench.run(until_second, cuts_ns)
    return bench


@pytest.mark.parametrize("program", PROGRAMS)
@settings(max_examples=5, deadline=None)
@given(cuts_ns=st.lists(st.integers(0, END_SECOND * SECOND_NS), max_size=40))
def test_cuts_do_not_matter(make_bench, programs, program, cuts_ns):
    whole = run(make_bench, programs, program)
    cut = run(make_bench, programs, program, cuts_ns=cuts_ns)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("program", PROGRAMS)
def test_tiny_cuts_do_not_matter(make_bench, programs, program):
    tiny = range(0, 260 * SECOND_NS, 170_000_000)
    whole = run(make_bench, programs, program, until_second=260)
    cut = run(make_bench, programs, program, cuts_ns=tiny, until_second=260)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("program", [source_one_rate, source_two_rate, clamped, voltage_source])
def test_cuts_do_not_matter_on_a_press_cell(make_bench, programs, program):
    cuts_ns = np.random.default_rng(7).integers(0, END_SECOND * SECOND_NS, 300).tolist()
    whole = run(make_bench, programs, program, cell=PressCell())
    cut = run(make_bench, programs, program, cell=PressCell(), cuts_ns=cuts_ns)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("program", [source_two_rate, delays_and_nested_counters, two_timers])
def test_the_end_is_found_wherever_it_is_cut(make_bench, programs, program):
    """Cuts at, just before and just after each of the last readings."""
    whole = run(make_bench, programs, program)
    end_ns = int(whole.of_kind("output")[-1]["time_ns"])
    assert end_ns < END_SECOND * SECOND_NS
    cuts_ns = [end_ns - back * 62_500_000 + by for back in range(60) for by in (-1, 0, 1)]
    cut = run(make_bench, programs, program, cuts_ns=cuts_ns)
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize(
    ("program", "until_second", "rows"),
    [(source_one_rate, 300, 231), (source_two_rate, 250, 250), (two_timers, 250, 249)],
)
def test_long_stretches_are_run_at_once(make_bench, programs, program, until_second, rows):
    bench = run(make_bench, programs, program, until_second=1)
    asked = bench.cell.forecasts
    bench.run(until_second)
    assert bench.smu.instrument.buffers.get("rows").count == rows
    assert bench.cell.forecasts - asked < 60


@pytest.mark.parametrize("phase", range(14))
def test_the_state_shown_is_the_same_at_every_look(make_bench, programs, phase):
    look_ns = 1_300_000_000 * (70 + 2 * phase) + 10_000_000 * phase + 12_500_000
    second = look_ns / SECOND_NS
    whole = run(make_bench, programs, source_one_rate, until_second=second)
    cuts_ns = range(0, look_ns, 790_000_000)
    cut = run(make_bench, programs, source_one_rate, until_second=second, cuts_ns=cuts_ns)
    assert cut.say(":TRIG:STAT?") == whole.say(":TRIG:STAT?")


def test_a_clamp_is_found_wherever_it_is_cut(make_bench, programs):
    whole = run(make_bench, programs, clamped, until_second=200)
    (limit,) = whole.of_kind("limit")
    at_ns = int(limit["time_ns"])
    assert 0 < at_ns < 190 * SECOND_NS
    cuts_ns = [at_ns + by for by in (-LOOK_NS, -FINE_LOOK_NS, -1, 0, 1, FINE_LOOK_NS)]
    cut = run(make_bench, programs, clamped, until_second=200, cuts_ns=cuts_ns)
    assert outcome(cut) == outcome(whole)


def test_questions_do_not_matter(make_bench, programs):
    whole = run(make_bench, programs, source_two_rate, until_second=200)
    asked = make_bench(farad=2.0)
    asked.tell(":OUTP:SMOD HIMP", "*CLS", *source_two_rate(programs), ":INIT")
    for second in range(1, 201):
        asked.run(second)
        count = int(asked.say(':TRIG:STAT?;*STB?;:TRAC:ACT:END? "rows"').split(";")[-1])
        assert asked.say(f':TRAC:DATA? {count},{count},"rows",{STORED}').count(",") == 6
    assert outcome(asked) == outcome(whole)


def test_noise_starts_anew_with_power(make_bench, programs):
    first = run(make_bench, programs, source_one_rate, until_second=50)
    again = make_bench(farad=2.0)
    again.smu.power_cycle(0)
    again.tell(":OUTP:SMOD HIMP", "*CLS", *source_one_rate(programs), ":INIT")
    again.run(50)
    one, other = (bench.rows("rows", "READ")[:, 0] for bench in (first, again))
    assert len(one) == len(other)
    assert (one != other).any()
    assert np.abs(one - other).max() < 1e-3

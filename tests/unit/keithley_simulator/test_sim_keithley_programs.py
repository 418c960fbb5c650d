"""The half-cycle programs, from the first command to the opened relay."""

import numpy as np
import pytest


def elapsed(bench, buffer: str) -> np.ndarray:
    stamps = bench.rows(buffer, "SEC", "FRAC")
    return (stamps[:, 0] - stamps[0, 0]) + stamps[:, 1]


def charge(bench, programs, ampere: float, first: str, second: str, *, size: int = 2000, tick: float = 10) -> None:
    """Program A, every line of it without an error."""
    lines = [*programs.source_current(ampere), *programs.buffer("hc0001", size), *programs.timers(tick, 50400)]
    bench.tell(*lines, *programs.one_rate("hc0001", first, second, size), ":INIT")


def test_charge_to_a_voltage(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.700", "BEL,1.900,10")
    bench.run(100)
    assert bench.say(':OUTP?;:TRAC:ACT? "hc0001"') == "1;10"
    assert bench.say(":TRIG:STAT?") == "WAITING;WAITING;3"
    bench.run(3000)
    assert bench.say(":TRIG:STAT?;:OUTP?") == "IDLE;IDLE;9;0"
    assert not bench.relay_closed
    volts = bench.rows("hc0001", "READ")[:, 0]
    assert volts[-1] > 3.7 >= volts[:-1].max()
    assert elapsed(bench, "hc0001").tolist() == (10.0 * np.arange(len(volts))).tolist()
    status = bench.rows("hc0001", "SOURSTAT", "STAT").astype(int)
    assert set(status[:, 0]) == {8 | 64 | 128}
    assert status[:, 1].tolist() == [256] + [0] * (len(volts) - 1)


def test_the_relay_opens_when_the_reading_is_done(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.700", "BEL,1.900,10")
    bench.run(5000)
    last_second = bench.rows("hc0001", "REL")[-1, 0]
    off = bench.of_kind("output")[-1]
    assert off["time_ns"] == round((last_second + 0.1024) * 1e9)
    assert [event["state"] for event in bench.of_kind("trigger_model")] == ["started", "ended"]


def test_charge_of_the_rows_is_the_charge_of_the_cell(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.700", "BEL,1.900,10")
    bench.run(5000)
    rows = bench.rows("hc0001", "REL", "SOUR")
    from_rows = rows[:, 1].mean() * (rows[-1, 0] + 0.1024)
    assert from_rows == pytest.approx(bench.cell.charge_in_coulomb, rel=2e-4)


def test_discharge_to_a_voltage(bench, programs):
    charge(bench, programs, -2e-3, "BEL,2.000,10", "ABOV,0,3.80", tick=1)
    bench.run(1000)
    volts = bench.rows("hc0001", "READ")[:, 0]
    assert volts[-1] < 2.0 <= volts[:-1].min()
    assert not bench.relay_closed


def test_guards_end_it(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.7", "BEL,2.9,10")
    bench.run(100)
    assert len(bench.rows("hc0001", "READ")) == 1
    assert not bench.relay_closed


def test_overflow_ends_it(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.7", "BEL,1.9,10")
    bench.tell(":ABOR", ":OUTP OFF", ":SENS:VOLT:RANG 2", ":TRIG:TIM1:STAT OFF", ":TRIG:TIM1:STAT ON", ":INIT")
    bench.run(100)
    assert bench.rows("hc0001", "READ")[-1, 0] == 9.9e37
    assert not bench.relay_closed


def test_duration_ends_it(bench, programs):
    bench.tell(*programs.source_current(1e-5), *programs.buffer("hc", 2000), *programs.timers(10, 1234))
    bench.tell(*programs.one_rate("hc", "ABOV,0,3.7", "BEL,1.9,10", 2000), ":INIT")
    bench.run(5000)
    assert elapsed(bench, "hc")[-1] == 1240, "the duration is looked at with a tick"
    assert not bench.relay_closed


def test_count_ends_it_before_the_buffer_is_full(bench, programs):
    charge(bench, programs, 1e-5, "ABOV,0,3.7", "BEL,1.9,10", size=25)
    bench.run(1000)
    assert bench.say(':TRAC:ACT? "hc0001"') == "25"
    assert elapsed(bench, "hc0001")[-1] == 240


def test_rest(bench, programs):
    bench.tell(
        *programs.source_current(0, ampere_range=1e-6), *programs.buffer("rest", 360), *programs.timers(10, 99999)
    )
    bench.tell(*programs.one_rate("rest", "ABOV,0,3.75", "BEL,1.0,10", 360), ":INIT")
    bench.run(1800)
    assert abs(bench.cell.current_ampere) < 1e-9, "sub-nA class"
    assert bench.relay_closed
    bench.run(4000)
    assert not bench.relay_closed
    volts = bench.rows("rest", "READ")[:, 0]
    assert len(volts) == 360
    assert volts == pytest.approx(2.5, abs=1.6e-3)


def test_two_rates(bench, programs):
    bench.tell(
        *programs.source_current(2e-3, nplc=1), *programs.buffer("hc", 5000), *programs.buffer("scratch", 50, "CONT")
    )
    bench.tell(
        *programs.timers(0.2, 50400), *programs.two_rate("hc", "scratch", every=5, upper=3.7, lower=1.9, count=4000)
    )
    bench.tell(":INIT")
    bench.run(5000)
    assert not bench.relay_closed
    at, volts = elapsed(bench, "hc"), bench.rows("hc", "READ")[:, 0]
    expected = [0.0, *(1.0224 + np.arange(len(at) - 2))]
    assert at[:-1] == pytest.approx(expected)
    assert 0 < at[-1] - at[-2] < 1.1
    assert volts[-1] > 3.6995
    assert volts[1:-1].max() < 3.7005
    assert bench.say(':TRAC:ACT? "scratch"') == "50"
    scratch = bench.rows("scratch", "READ")[:, 0]
    newest = int(bench.say(':TRAC:ACT:END? "scratch"')) - 1
    assert scratch[newest] > 3.7
    assert np.delete(scratch, newest).max() <= 3.7


def test_voltage_source_discharges_to_its_floor(bench, programs):
    bench.tell(*programs.source_voltage(2.0, 2e-3), *programs.buffer("hc0002", 5000), *programs.timers(1, 50400))
    bench.tell(*programs.one_rate("hc0002", "ABOV,-1,-1.98E-3", "BEL,-2.2E-3,1", 5000), ":INIT")
    bench.run(1000)
    assert not bench.relay_closed
    rows = bench.rows("hc0002", "READ", "SOUR", "SOURSTAT")
    limited = rows[:, 2].astype(int) & 32 != 0
    assert limited.sum() == pytest.approx(0.3 * 5 / 2e-3, rel=0.02)
    assert rows[limited, 0] == pytest.approx(-2e-3, rel=1e-3)
    assert rows[-1, 0] > -1.98e-3 > rows[:-1, 0].max()
    assert not limited[-1]
    assert rows[:, 1].min() > 1.997, "the floor is held in hardware"
    assert rows[0, 1] == pytest.approx(2.3, abs=2e-3)


def test_constant_voltage_phase(bench, programs):
    bench.tell(*programs.source_voltage(3.7, 2e-3), *programs.buffer("cv", 5000), *programs.timers(10, 50400))
    bench.tell(*programs.one_rate("cv", "BEL,1E-4,1", "ABOV,-1,2.2E-3", 5000), ":INIT")
    bench.run(9000)
    assert not bench.relay_closed
    ampere = bench.rows("cv", "READ")[:, 0]
    assert 0.5e-4 < ampere[-1] < 1e-4
    assert ampere[-2] >= 1e-4
    late = bench.rows("cv", "SOUR")[-10:, 0]
    assert late == pytest.approx(3.7, abs=2e-3)


def test_without_a_limit_branch_the_clamp_holds(bench, programs):
    bench.tell(
        *programs.source_current(2e-3, limit_volt=3.0), *programs.buffer("hc", 2000), *programs.timers(10, 50400)
    )
    bench.tell(*programs.one_rate("hc", "ABOV,0,3.7", "BEL,1.9,10", 150), ":INIT")
    bench.run(3000)
    rows = bench.rows("hc", "READ", "SOUR", "SOURSTAT")
    assert rows[:, 0].max() < 3.003
    assert int(rows[-1, 2]) & 32
    assert rows[-1, 1] < 1.5e-3


def test_a_second_segment_after_the_first(bench, programs):
    charge(bench, programs, 2e-3, "ABOV,0,3.700", "BEL,1.900,10")
    bench.run(5000)
    bench.tell(
        *programs.source_current(-1.5e-4, ampere_range=1e-3),
        *programs.buffer("hc0002", 900),
        *programs.timers(1, 50400),
    )
    bench.tell(*programs.one_rate("hc0002", "BEL,2.0,10", "ABOV,0,3.8", 900), ":INIT")
    bench.run(6000)
    assert bench.say(':TRAC:ACT? "hc0001";:TRAC:ACT? "hc0002"').split(";")[1] == "900"
    assert bench.rows("hc0002", "SOUR")[:, 0] == pytest.approx(-1.5e-4, rel=2e-3)
    assert not bench.relay_closed

"""Four instruments on one cell: they see the same times, and what they show doesn't depend on how time was cut."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.assemble import assemble
from simulators.bench import Bench
from simulators.bench_file import LoadedBenchFile, read_bench
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.jig import BenchError, Jig
from simulators.log import BenchLog
from simulators.witness import Witness

END_NS = 900 * SECOND_NS
COOL_NS, STUCK_NS, CUT_OFF_NS = 200 * SECOND_NS, 333 * SECOND_NS, 600 * SECOND_NS
TEXT = """\
name: four
utc_start: 2026-01-01T00:00:00Z
cell: {sample: BM-05, chamber_temperature_C: 25}
window: {lower_voltage_V: 2.2, upper_voltage_V: 2.5}
instruments:
  - name: load_cell
    model: and_indicator
    role: load_cell
    transport: {kind: pty}
  - name: thermometer
    model: adam_4015
    role: thermometer
    transport: {kind: tcp}
  - name: potentiostat
    model: "2450"
    role: potentiostat
    serial_number: "04451117"
    firmware: 1.7.12b
    transport: {kind: tcp}
  - name: chamber
    model: espec
    role: chamber
    transport: {kind: tcp}
"""
CHARGE = b""":OUTP:CURR:SMOD HIMP
:OUTP:VOLT:SMOD HIMP
:SENS:FUNC "VOLT"
:SENS:VOLT:RSEN ON
:SENS:VOLT:RANG 20
:SOUR:FUNC CURR
:SOUR:CURR:RANG 1E-3
:SOUR:CURR 0.1E-3
:SOUR:CURR:VLIM 3.75
:TRAC:MAKE "half",1000,STAN
:TRIG:TIM1:STAR:STIM NOT1
:TRIG:TIM1:STAR:GEN ON
:TRIG:TIM1:DEL 1
:TRIG:TIM1:COUN 0
:TRIG:TIM1:STAT ON
:TRIG:LOAD "Empty"
:TRIG:BLOC:SOUR:STAT 1,ON
:TRIG:BLOC:NOT 2,1
:TRIG:BLOC:WAIT 3,TIM1
:TRIG:BLOC:MEAS 4,"half"
:TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,2.52,7,4
:TRIG:BLOC:BRAN:COUN 6,1000,3
:TRIG:BLOC:SOUR:STAT 7,OFF
:INIT
"""
CUTS_NS = st.one_of(
    st.integers(min_value=1, max_value=END_NS),
    st.integers(min_value=1, max_value=END_NS // SECOND_NS).map(lambda second: second * SECOND_NS),
    st.integers(min_value=1, max_value=END_NS // (10 * SECOND_NS)).map(lambda step: step * 10 * SECOND_NS),
)


def run_cut_at(cuts_ns):
    """Heat, charge, cool, rest; time cut as told. Answers all there is to see and hear."""
    text = io.StringIO()
    assembly = assemble(LoadedBenchFile(read_bench(TEXT.encode(), "b.yaml"), ""), BenchLog(text), 0.0)
    bench, frames, replies = assembly.bench, [], []

    def ask(name, question):
        replies.append((bench.now_ns, bench.receive(name, question)))

    ask("chamber", b"TEMP, S55.0\r\n")
    ask("potentiostat", CHARGE)
    for cut_ns in sorted({*cuts_ns, COOL_NS, STUCK_NS, CUT_OFF_NS, END_NS}):
        while bench.now_ns < cut_ns:
            bench.conduct(cut_ns)
            frames += bench.take_emitted().get("load_cell", [])
        if cut_ns == COOL_NS:
            ask("chamber", b"TEMP, S30.0\r\n")
        if cut_ns == STUCK_NS:
            ask("load_cell", b"MZ\r\nRW\r\n")
            bench.power_cycle("load_cell")
        if cut_ns == CUT_OFF_NS:
            bench.power_cycle("potentiostat")
        if cut_ns in {COOL_NS, STUCK_NS, CUT_OFF_NS, END_NS}:
            ask("thermometer", b"#01\r")
            ask("chamber", b"TEMP?\r\nMON?\r\n")
        if cut_ns in {COOL_NS, STUCK_NS}:
            ask("potentiostat", b':TRAC:DATA? 1,100,"half",REL,READ,SOUR,STAT\n')
    assembly.close()
    return frames, replies, text.getvalue()


@pytest.fixture(scope="module")
def whole():
    return run_cut_at([])


@settings(max_examples=15, deadline=None)
@given(cuts_ns=st.lists(CUTS_NS, max_size=30))
def test_how_time_is_cut_changes_nothing(whole, cuts_ns):
    assert run_cut_at(cuts_ns) == whole


def test_the_run_that_is_cut_has_everything_in_it(whole):
    frames, replies, log = whole
    assert len(frames) == pytest.approx(10 * 900 - 30, abs=3)
    kilogram = [float(frame[6:14]) for _, frame in frames if len(frame) == 18]
    assert max(kilogram) - min(kilogram) > 0.2
    celsius = [float(reply.split(b",")[0]) for _, reply in replies if reply.count(b",") > 5 and b"CONSTANT" in reply]
    assert max(celsius) - min(celsius) > 4
    assert '"event": "excursion_begin"' in log
    assert log.count('"event": "power_cycle"') == 2


def test_the_chamber_warms_the_jig_and_the_sensor_feels_it():
    assembly = assemble(
        LoadedBenchFile(read_bench(f"{TEXT}noise: false\n".encode(), "b.yaml"), ""), BenchLog(None), 0.0
    )
    bench = assembly.bench

    def jig_and_air_celsius():
        reply = bench.receive("thermometer", b"#01\r").decode()
        return float(reply[1:8]), float(reply[8:15])

    bench.conduct(SECOND_NS)
    cold = bench.take_emitted()["load_cell"][-1][1]
    assert jig_and_air_celsius() == (25.0, 25.0)
    assert bench.receive("chamber", b"TEMP?\r\n") == b"25.0,25.0,140.0,-50.0\r\n"
    bench.receive("chamber", b"TEMP, S55.0\r\n")
    while bench.now_ns < 3600 * SECOND_NS:
        bench.conduct(3600 * SECOND_NS)
    jig_celsius, air_celsius = jig_and_air_celsius()
    assert air_celsius == 55.0
    assert 45 < jig_celsius < 55
    assert float(bench.take_emitted()["load_cell"][-1][1][6:14]) > float(cold[6:14]) + 1
    assembly.close()


def test_a_power_cycle_beside_the_cell_leaves_its_current_alone():
    log_text = io.StringIO()
    assembly = assemble(LoadedBenchFile(read_bench(TEXT.encode(), "b.yaml"), ""), BenchLog(log_text), 0.0)
    bench = assembly.bench
    bench.receive("potentiostat", CHARGE)
    bench.conduct(10 * SECOND_NS)
    charged = log_text.getvalue().count('"relay": "open"')
    for name in ("load_cell", "thermometer", "chamber"):
        bench.power_cycle(name)
    assert bench.busy
    assert log_text.getvalue().count('"relay": "open"') == charged
    bench.end("end")
    assert '"instruments": {"potentiostat": {' in log_text.getvalue()
    assembly.close()


def test_surroundings_that_answer_a_time_beyond_are_found():
    class Hasty:
        name = "hasty"
        busy = False

        def run_to(self, limit_ns):
            return limit_ns + 1

    cell, log = PressCell(), BenchLog(None)
    bench = Bench([Jig(cell, None, [], Witness(cell, log, None), log)], log, surrounding=[Hasty()])
    with pytest.raises(BenchError, match="hasty answered"):
        bench.conduct(SECOND_NS)

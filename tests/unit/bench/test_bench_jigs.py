"""Several cells in one chamber: each goes on as if it were alone, in one time and one log."""

import asyncio
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.assemble import assemble
from simulators.bench import Bench
from simulators.bench_file import BenchFileError, LoadedBenchFile, read_bench
from simulators.device import SECOND_NS
from simulators.jig import BenchError
from simulators.log import BenchLog
from simulators.pace import Timekeeper

HEAD = """\
name: jigs
utc_start: 2026-01-01T00:00:00Z
chamber_temperature_C: 25
window: {lower_voltage_V: 2.2, upper_voltage_V: 2.5}
cells:
"""
CELL = """\
  - name: NAME
    sample: BM-05
    spread_seed: NUMBER
    instruments:
      - {name: load_cell, role: load_cell, model: and_indicator, transport: {kind: pty}}
      - name: potentiostat
        role: potentiostat
        model: "2450"
        serial_number: "044511NUMBER"
        firmware: 1.7.12b
        transport: {kind: tcp}
"""
SHARED = """\
instruments:
  - {name: chamber, role: chamber, model: espec, transport: {kind: tcp}}
  - name: eight_inputs
    role: thermometer
    model: lakeshore_218
    probes: [{channel: 1, place: jig, cell: a}, {channel: 8, place: air}]
    transport: {kind: tcp}
"""
CHARGE = """:OUTP:CURR:SMOD HIMP
:OUTP:VOLT:SMOD HIMP
:SENS:FUNC "VOLT"
:SENS:VOLT:RSEN ON
:SENS:VOLT:RANG 20
:SOUR:FUNC CURR
:SOUR:CURR:RANG 1E-3
:SOUR:CURR AMPERE
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
:TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,3.6,7,4
:TRIG:BLOC:BRAN:COUN 6,COUNT,3
:TRIG:BLOC:SOUR:STAT 7,OFF
:INIT
"""
END_NS = 400 * SECOND_NS
COOL_NS = 150 * SECOND_NS
CUTS_NS = st.one_of(
    st.integers(min_value=1, max_value=END_NS),
    st.integers(min_value=1, max_value=END_NS // SECOND_NS).map(lambda second: second * SECOND_NS),
)


def charge(ampere, count, limit_volt=3.6):
    text = CHARGE.replace("AMPERE", f"{ampere:g}").replace("COUNT", str(count))
    return text.replace("ABOV,0,3.6", f"ABOV,0,{limit_volt:g}").encode()


def text_of(*names, shared=SHARED):
    cells = (CELL.replace("NAME", name).replace("NUMBER", str(ord(name))) for name in names)
    return HEAD + "".join(cells) + shared


def assembled(text, log=None):
    return assemble(LoadedBenchFile(read_bench(text.encode(), "b.yaml"), ""), BenchLog(log), 0.0)


def run_cut_at(names, cuts_ns, every_ns=None):
    """Heat, charge `a` and `b` while `c` is left as delivered, cool; answers what was seen and heard of each."""
    log = io.StringIO()
    assembly = assembled(text_of(*names), log)
    bench, frames, replies = assembly.bench, {name: [] for name in names}, {name: [] for name in names}

    def ask(instrument, question, of):
        replies[of].append((bench.now_ns, bench.receive(instrument, question)))

    ask("chamber", b"TEMP, S55.0\r\n", "a")
    for name, ampere, count in (("a", 0.2e-3, 190), ("b", 0.4e-3, 77)):
        if name in names:
            ask(f"{name}.potentiostat", charge(ampere, count), name)
    for cut_ns in sorted({*cuts_ns, COOL_NS, END_NS}):
        while bench.now_ns < cut_ns:
            bench.conduct(cut_ns, every_ns)
            for instrument, sent in bench.take_emitted().items():
                frames[instrument[0]] += sent
        if cut_ns == COOL_NS:
            ask("chamber", b"TEMP, S30.0\r\n", "a")
        if cut_ns in {COOL_NS, END_NS}:
            ask("eight_inputs", b"CRDG? 1\nCRDG? 8\n", "a")
            for name in names:
                ask(f"{name}.potentiostat", b':TRAC:DATA? 1,70,"half",REL,READ,SOUR,STAT\n', name)
    bench.end("end")
    assembly.close()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return {
        name: (frames[name], replies[name], [line for line in lines if line.get("cell") == name]) for name in names
    }, lines


@pytest.fixture(scope="module")
def whole():
    return run_cut_at("abc", [], SECOND_NS)[0]


@settings(max_examples=8, deadline=None)
@given(
    cuts_ns=st.lists(CUTS_NS, max_size=12),
    names=st.sampled_from(["abc", "a", "ca", "ab"]),
    every_ns=st.sampled_from([None, SECOND_NS, 7 * SECOND_NS]),
)
def test_a_cell_is_the_same_alone_and_among_others_however_time_is_cut(whole, cuts_ns, names, every_ns):
    seen, lines = run_cut_at(names, cuts_ns, every_ns)
    assert seen == {name: whole[name] for name in names}
    times = [line["bench_second"] for line in lines]
    assert times == sorted(times)


def test_what_is_compared_has_everything_in_it(whole):
    for name, events in (("a", {"output", "model", "excursion_begin"}), ("b", {"output", "model"}), ("c", {"output"})):
        frames, replies, lines = whole[name]
        assert len(frames) > 3000
        assert len(replies) >= 2
        assert events <= {line["event"] for line in lines}
    charged = [reply for _, reply in whole["b"][1] if reply.count(b",") > 250]
    assert len(charged) == 2
    jig, air = (float(celsius) for celsius in re.findall(rb"[+]\d+\.\d+", whole["a"][1][3][1]))
    assert 25.2 < jig < air - 5


async def advanced(keeper, to_second, every_second):
    over = asyncio.get_running_loop().create_future()
    every_ns = None if every_second is None else round(every_second * SECOND_NS)
    keeper.advance(round(to_second * SECOND_NS), at_pace=False, stop_every_ns=every_ns, done=over.set_result)
    return await over


@pytest.mark.parametrize(
    ("every_second", "stops"),
    [
        (1, [(29, "b.potentiostat"), (80, "a.potentiostat"), (600, None)]),
        (50, [(50, "b.potentiostat"), (100, "a.potentiostat"), (600, None)]),
        (100, [(100, "b.potentiostat"), (600, None)]),
        (None, [(600, None)]),
    ],
)
def test_time_stops_for_whichever_cell_comes_first(fast_forward, every_second, stops):
    async def main():
        assembly = assembled(text_of("a", "b", "c"))
        bench, seen = assembly.bench, []
        keeper = Timekeeper(bench, asyncio.get_running_loop())
        bench.receive("a.potentiostat", charge(0.1e-3, 80))
        bench.receive("b.potentiostat", charge(0.1e-3, 29))
        while bench.now_ns < 600 * SECOND_NS:
            by = await advanced(keeper, 600, every_second)
            seen.append((bench.now_ns / SECOND_NS, by))
        assembly.close()
        assert seen == stops

    fast_forward(main)


def test_what_ends_in_one_go_is_told_with_its_time_and_in_order():
    log = io.StringIO()
    assembly = assembled(text_of("a", "b"), log)
    bench = assembly.bench
    bench.receive("a.potentiostat", charge(0.1e-3, 80))
    bench.receive("b.potentiostat", charge(0.1e-3, 29))
    assert bench.finished() == ()
    endings = bench.conduct(600 * SECOND_NS)
    assembly.close()
    assert bench.now_ns == 600 * SECOND_NS
    ended = [json.loads(line) for line in log.getvalue().splitlines() if '"ended"' in line]
    assert [(line["cell"], line["bench_second"]) for line in ended] == [
        ("b", pytest.approx(28, abs=0.1)),
        ("a", pytest.approx(79, abs=0.1)),
    ]
    seen_after = {line["instrument"]: line["bench_second"] for line in ended}
    for ending in endings:
        assert 0 <= ending.at_ns / SECOND_NS - seen_after[ending.name] < 0.2
    assert len(endings) == 2


@pytest.mark.parametrize("limit_volt", [2.5, 2.51, 2.525, 2.55])
def test_what_a_voltage_ends_is_not_missed_while_another_goes_on(fast_forward, limit_volt):
    """The end of one is foreseen as far as it can be, while the other is sure to go on for long."""

    async def ended(names):
        assembly = assembled(text_of(*names))
        bench = assembly.bench
        for name in names:
            ampere, limit = (0.5e-3, limit_volt) if name == "a" else (0.1e-3, 3.6)
            bench.receive(f"{name}.potentiostat", charge(ampere, 900, limit))
        by = await advanced(Timekeeper(bench, asyncio.get_running_loop()), 3600, 1)
        assembly.close()
        return by, bench.now_ns / SECOND_NS

    async def main():
        alone, among = await ended("a"), await ended("abc")
        assert alone == among
        assert among[0] == "a.potentiostat"
        assert 10 < among[1] < 890

    fast_forward(main)


def test_a_bench_whose_owner_is_gone_runs_all_its_cells_to_their_ends(fast_forward):
    async def main():
        assembly = assembled(text_of("a", "b"))
        bench, over = assembly.bench, asyncio.get_running_loop().create_future()
        bench.receive("a.potentiostat", charge(0.1e-3, 80))
        bench.receive("b.potentiostat", charge(0.1e-3, 29))
        Timekeeper(bench, asyncio.get_running_loop()).run_until_idle(7200 * SECOND_NS, over.set_result)
        await over
        assembly.close()
        assert not bench.busy
        assert 79 < bench.now_ns / SECOND_NS <= 80

    fast_forward(main)


def test_surroundings_that_let_several_busy_cells_not_go_on_are_found():
    class Stuck:
        name, busy = "stuck", False

        def run_to(self, limit_ns):
            return 0

        def settle(self, now_ns):
            assert now_ns == 0

    assembly = assembled(text_of("a", "b"))
    for name in ("a", "b"):
        assembly.bench.receive(f"{name}.potentiostat", charge(0.1e-3, 80))
    bench = Bench(assembly.bench.jigs, BenchLog(None), surrounding=[Stuck()])
    with pytest.raises(BenchError, match="stay at 0 ns"):
        bench.conduct(60 * SECOND_NS, SECOND_NS)
    assembly.close()


def test_the_chamber_warms_all_cells():
    assembly = assembled(text_of("a", "b", "c"))
    bench, air = assembly.bench, []
    bench.receive("chamber", b"TEMP, S55.0\r\n")
    for minute in range(1, 121):
        bench.conduct(minute * 60 * SECOND_NS)
        air.append({jig.cell.chamber_celsius for jig in bench.jigs})
    warm = {jig.cell.state.celsius for jig in bench.jigs}
    assembly.close()
    assert all(len(celsius) == 1 for celsius in air)
    assert air[0] != air[-1] == {55.0}
    assert max(warm) == pytest.approx(min(warm), abs=1e-6)
    assert 54.0 < min(warm) < 55.0


def test_lines_about_a_cell_name_it_and_the_others_do_not():
    log = io.StringIO()
    assembly = assembled(text_of("a", "b") + "log_readings: true\n", log)
    bench = assembly.bench
    bench.power_cycle("b.load_cell")
    bench.power_cycle("chamber")
    bench.write("note", text="told")
    bench.conduct(2 * SECOND_NS)
    bench.take_emitted()
    bench.receive("eight_inputs", b"CRDG? 1\n")
    bench.end("end")
    assembly.close()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    said = {(line["event"], line.get("instrument"), line.get("cell")) for line in lines[1:]}
    assert said == {
        ("output", "a.potentiostat", "a"),
        ("output", "b.potentiostat", "b"),
        ("power_cycle", "b.load_cell", "b"),
        ("power_cycle", "chamber", None),
        ("note", None, None),
        ("sent", "a.load_cell", "a"),
        ("reply", "eight_inputs", None),
        ("end", None, None),
    }
    assert sorted(lines[0]["cells"]) == sorted(lines[-1]["cells"]) == ["a", "b"]
    assert lines[0]["cells"]["a"]["chamber_temperature_C"] == 25
    assert lines[-1]["cells"]["a"]["voltage_volt"] > 2
    assert sorted(lines[-1]["instruments"]) == ["a.potentiostat", "b.potentiostat"]


async def test_a_fault_of_one_cells_cable_leaves_the_others_alone(served_bench, connect):
    async with served_bench(text_of("a", "b")) as lab:
        cables = (await lab.ask("hello"))["cables"]
        assert {name: cable.get("cell") for name, cable in cables.items()} == {
            "a.load_cell": "a",
            "a.potentiostat": "a",
            "b.load_cell": "b",
            "b.potentiostat": "b",
            "chamber": None,
            "eight_inputs": None,
        }
        await lab.fault("a.potentiostat", "cut")
        await lab.fault("a.load_cell", "silent")
        with pytest.raises(ConnectionRefusedError):
            await connect(lab.address("a.potentiostat"))
        beside = await connect(lab.address("b.potentiostat"))
        assert b"0445" in await beside.ask("*IDN?")
        await beside.leave()
        assert [line["cell"] for line in lab.lines("fault")] == ["a", "a"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: b", "name: a", "17:11  cells[2].name  two cells are called a  give each its own"),
        (
            "04451198",
            "04451197",
            "25:24  cells[2].instruments[2].serial_number  two potentiostats have the serial number 04451197",
        ),
        ("cell: a}", "cell: d}", "33:45  instruments[2].probes[1].cell  no cell is called d  write one of a, b"),
        (", cell: a}", "}", "33:14  instruments[2].probes[1]  channel 1 is in a jig  name its cell, one of a, b"),
        (
            "place: air}",
            "place: air, cell: b}",
            "33:80  instruments[2].probes[2].cell  channel 8 is in the air  leave out its cell",
        ),
        ("name: eight_inputs", "name: chamber", "30:11  instruments[2].name  two instruments are called chamber"),
        ("name: b", "name: b.c", "17:11  cells[2].name  string should match pattern"),
        ("name: b", "name: b_c", "17:11  cells[2].name  string should match pattern"),
        (
            "  - {name: chamber,",
            "  - {name: oven, role: chamber, model: espec, transport: {kind: tcp}}\n  - {name: chamber,",
            "30:5  instruments[2]  two instruments are the chamber of one air",
        ),
        ("sample: BM-05", "chamber_temperature_C: 5", "6:5  cells[1].sample  is missing"),
        ("cells:", "cell: {sample: bare}\ncells:", "5:1  cell  a bench has a cell or cells, not both"),
        ("model: espec", "model: lauda", "29:43  instruments[1].model  nothing here is called 'lauda'"),
        (
            "      - {name: load_cell, role: load_cell, model: and_indicator",
            "      - {name: oven, role: chamber, model: espec",
            "10:44  cells[1].instruments[1].model  nothing here is called 'espec'",
        ),
        ("name: load_cell", "name: potentiostat", "6:5  cells[1]  two instruments are called potentiostat"),
    ],
)
def test_what_is_wrong_is_told_by_place(old, new, told):
    text = text_of("a", "b")
    assert old in text
    with pytest.raises(BenchFileError) as caught:
        read_bench(text.replace(old, new, 1).encode(), "b.yaml")
    assert str(caught.value.problems[0]).startswith(f"b.yaml:{told}")

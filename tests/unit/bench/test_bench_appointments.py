"""What happens at a bench time of its own: faults that begin and heal there, and time that is held there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.appointments import NEVER_NS, Appointments

MAX = {"speed": "max", "on_owner_lost": "freeze"}
FULL = """\
name: appointments
cell: {sample: BM-05}
noise: false
log_readings: true
instruments:
  - {name: potentiostat, model: "2450", role: potentiostat, serial_number: "1", firmware: "1", transport: {kind: tcp}}
  - {name: load_cell, model: and_indicator, role: load_cell, setup: {display_Hz: 1}, transport: {kind: pty}}
  - {name: thermometer, model: adam_4015, role: thermometer, transport: {kind: tcp}}
"""


@pytest.fixture
def bench(served_bench):
    return served_bench(FULL)


async def owner_of(lab):
    owner = await lab.controller()
    assert (await lab.ask(owner, "own", **MAX))["ok"]
    return owner


@given(st.lists(st.integers(0, 5)))
def test_they_are_kept_in_their_order(times):
    appointments, kept = Appointments(), []
    for number, at_ns in enumerate(times):
        appointments.make(at_ns, lambda entry=(at_ns, number): kept.append(entry))
    for now_ns in range(-1, 6):
        assert appointments.keep(now_ns) == (now_ns in times)
    assert kept == sorted(kept)
    assert len(kept) == len(times)
    assert appointments.next_ns == NEVER_NS


@pytest.mark.parametrize("cuts", [[10.0], [2.5, 3.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0, 10.0]])
async def test_a_fault_begins_and_heals_at_its_time_however_time_is_cut(laboratory, cuts):
    async with laboratory() as lab:
        owner = await owner_of(lab)
        assert (await lab.ask(owner, "fault", cable="source", kind="mute", at_second=2.5, for_second=1.25))["ok"]
        assert lab.made.lines("fault") == []
        for to_second in cuts:
            await lab.ask(owner, "advance", to_second=to_second)
        begun, healed = lab.made.lines("fault")
        assert (begun["bench_second"], begun["kind"]) == (2.5, "mute")
        assert (healed["bench_second"], healed["kind"]) == (3.75, "heal")


async def test_a_power_cycle_at_a_time_stops_what_was_busy_there(laboratory):
    async with laboratory() as lab:
        host, owner = await lab.host(), await owner_of(lab)
        host.say("RUN 0.0001 700")
        assert await host.ask("BUSY?") == b"1\n"
        await lab.ask(owner, "fault", cable="source", kind="power_cycle", at_second=90.5)
        answer = await lab.ask(owner, "advance", to_second=600.0, stop_every_second=1.0)
        assert (answer["now_second"], answer["stopped_by"]) == (91.0, "source")


async def test_a_fault_in_the_middle_of_a_conversation(laboratory):
    async with laboratory() as lab:
        host, owner = await lab.host(), await owner_of(lab)
        await lab.ask(owner, "fault", cable="source", kind="stale", at_line=3)
        heard = [await host.ask(f"SAY {word}") for word in "abcd"]
        assert heard == [b"a\n", b"b\n", b"b\n", b"c\n"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"at_second": 5.0, "at_line": 1}, "not both"),
        ({"at_line": 0}, "counts from 1"),
        ({"at_second": 5.0, "kind": "melt"}, "no fault is called 'melt'"),
        ({"at_second": 5.0, "cable": "other"}, "no cable is called 'other'"),
    ],
)
async def test_what_cannot_begin_is_refused_at_once(laboratory, more, words):
    async with laboratory() as lab:
        owner = await owner_of(lab)
        answer = await lab.ask(owner, "fault", **({"cable": "source", "kind": "mute"} | more))
        assert not answer["ok"]
        assert words in answer["error"]


async def test_what_turns_out_to_be_impossible_is_in_the_log(bench):
    async with bench as lab:
        await lab.fault("load_cell", "step", at_second=1.0)
        await lab.advance(2.0)
        [refused] = lab.lines("fault_refused")
        assert "step needs newton" in refused["why"]


async def test_time_is_held_until_it_is_released(laboratory):
    async with laboratory() as lab:
        owner, other = await owner_of(lab), await lab.controller()
        other.say(json.dumps({"id": 1, "do": "hold_at", "at_second": 4.5}))
        owner.say(json.dumps({"id": 1, "do": "advance", "to_second": 10.0}))
        assert json.loads(await other.hear())["now_second"] == 4.5
        for _ in range(3):
            assert (await lab.ask(other, "hello"))["now_second"] == 4.5
        assert (await lab.ask(other, "release"))["ok"]
        assert json.loads(await owner.hear())["now_second"] == 10.0


async def test_a_hold_at_the_very_end_of_an_advance_comes_before_its_answer(laboratory):
    async with laboratory() as lab:
        owner, other = await owner_of(lab), await lab.controller()
        other.say(json.dumps({"id": 1, "do": "hold_at", "at_second": 10.0}))
        owner.say(json.dumps({"id": 1, "do": "advance", "to_second": 10.0}))
        assert json.loads(await other.hear())["now_second"] == 10.0
        await lab.ask(other, "release")
        assert json.loads(await owner.hear())["now_second"] == 10.0


async def test_a_hold_goes_with_the_owner_it_held(laboratory):
    async with laboratory(end_when_lost=False) as lab:
        owner, other = await owner_of(lab), await lab.controller()
        other.say(json.dumps({"id": 1, "do": "hold_at", "at_second": 4.5}))
        owner.say(json.dumps({"id": 1, "do": "advance", "to_second": 10.0}))
        await other.hear()
        await owner.leave()
        await lab.until(lambda: lab.made.lines("owner_lost"))
        owner = await owner_of(lab)
        assert (await lab.ask(owner, "advance", to_second=20.0))["now_second"] == 20.0


async def test_whoever_gives_the_time_up_lets_another_own_it_at_once(laboratory):
    async with laboratory(end_when_lost=False) as lab:
        first, second = await owner_of(lab), await lab.controller()
        assert not (await lab.ask(second, "own", **MAX))["ok"]
        assert not (await lab.ask(second, "disown"))["ok"]
        assert (await lab.ask(first, "disown"))["ok"]
        assert (await lab.ask(second, "own", **MAX))["ok"]
        assert not (await lab.ask(first, "advance", to_second=1.0))["ok"]


async def test_a_drift_grows_and_goes(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.fault("load_cell", "drift", newton_per_second=9.80665, at_second=10.0)
        await lab.advance(30.5)
        await host.hear(18 * 30)
        shown = [float(text[6:14]) for line in lab.lines("sent") for _, text in line["frames"]]
        assert shown[10] == pytest.approx(shown[9], abs=0.05)
        assert shown[30] == pytest.approx(shown[10] + 20.0, abs=0.1)


async def test_all_that_is_measured_is_in_the_log_if_wanted(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("thermometer"))
        host.writer.write(b"#010\r")
        said = await host.reader.readuntil(b"\r")
        [reply] = lab.lines("reply")
        assert (reply["instrument"], reply["text"]) == ("thermometer", said.decode())
        await host.leave()


CHARGE = (
    "*RST",
    ":SOUR:FUNC CURR",
    ":SOUR:CURR 1e-3",
    ":SOUR:CURR:VLIM 5",
    ':TRAC:MAKE "mine",100,STAN',
    ":TRIG:BLOC:SOUR:STAT 1, ON",
    ":TRIG:BLOC:DEL:CONS 2, 1",
    ':TRIG:BLOC:MEAS 3, "mine"',
    ":TRIG:BLOC:BRAN:COUN 4, 5, 2",
    ":TRIG:BLOC:SOUR:STAT 5, OFF",
    ":INIT",
)


async def test_the_readings_of_a_trigger_model_are_in_the_log_when_it_ends(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("potentiostat"))
        host.say("\n".join(CHARGE))
        assert await host.ask(":OUTP?") == b"0\n"
        await lab.advance(60.0)
        [line] = lab.lines("readings")
        assert line["buffer"] == "mine"
        assert [text.partition(",")[0][:3] for text in line["rows"]] == ["0.0", "1.0", "2.0", "3.0", "4.0"]
        told = await host.ask(':FORM:ASC:PREC 10;:TRAC:DATA? 1,5,"mine",REL,READ,SOUR')
        assert told.decode().strip() == ",".join(line["rows"])
        await host.leave()


async def test_with_its_current_leads_exchanged_a_charge_discharges(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("potentiostat"))
        for line in ("*RST", ":SOUR:FUNC CURR", ":SOUR:CURR 1e-4", ":SOUR:CURR:VLIM 5", ":OUTP ON"):
            host.say(line)
        assert await host.ask(":OUTP?") == b"1\n"
        await lab.advance(10.0)
        await lab.fault("potentiostat", "reverse_current")
        await lab.advance(30.0)
        await lab.fault("potentiostat", "heal")
        host.say(":OUTP OFF")
        assert await host.ask(":OUTP?") == b"0\n"
        last = lab.lines("output")[-1]
        assert last["charge_in_coulomb"] == pytest.approx(1e-3, rel=0.01)
        assert last["charge_out_coulomb"] == pytest.approx(2e-3, rel=0.01)
        await host.leave()

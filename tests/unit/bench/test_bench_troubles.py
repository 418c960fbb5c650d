"""Instruments that go wrong when told to, on the control port, and right again."""

import pytest

from simulators.device import SECOND_NS

FRAME_BYTES = 18
TEXT = """\
name: troubles
cell: {sample: BM-05}
noise: false
instruments:
  - name: load_cell
    model: and_indicator
    role: load_cell
    setup: {display_Hz: 1}
    transport: {kind: pty}
  - name: thermometer
    model: adam_4015
    role: thermometer
    transport: {kind: tcp}
  - name: chamber
    model: espec
    role: chamber
    transport: {kind: tcp}
"""


@pytest.fixture
def bench(served_bench):
    return served_bench(TEXT)


@pytest.fixture
def weigh(serial_host):
    """Lets a second pass and answers the frame that came in it."""
    hosts = {}

    async def weigh_once(lab):
        host = hosts.setdefault("load_cell", hosts.get("load_cell") or serial_host(lab.address("load_cell")))
        now_second = (await lab.ask("hello"))["now_second"]
        await lab.advance(now_second + 1 if now_second else 0.5)
        return (await host.hear(FRAME_BYTES)).decode()

    return weigh_once


def kilogram(frame):
    return float(frame[6:14])


async def test_a_force_that_is_not_the_cells_adds_up_and_goes(bench, weigh):
    async with bench as lab:
        before = kilogram(await weigh(lab))
        for steps in (1, 2):
            await lab.fault("load_cell", "step", newton=98.0665)
            assert kilogram(await weigh(lab)) == pytest.approx(before + 10 * steps, abs=0.1)
        await lab.fault("load_cell", "heal")
        assert kilogram(await weigh(lab)) == pytest.approx(before, abs=0.1)


async def test_a_silent_load_cell_sends_nothing_and_still_answers(bench, weigh, serial_host):
    async with bench as lab:
        await weigh(lab)
        await lab.fault("load_cell", "silent")
        assert (await lab.advance(100))["cables"]["load_cell"]["marks"] == []
        host = serial_host(lab.address("load_cell"), throws_away=False)
        host.say(b"RW\r\n")
        assert (await host.hear(FRAME_BYTES))[:6] == b"ST,GS,"
        await lab.fault("load_cell", "heal")
        assert len((await lab.advance(102))["cables"]["load_cell"]["marks"]) == 1


async def test_a_stuck_load_cell_feels_nothing_more(bench, weigh):
    async with bench as lab:
        before = await weigh(lab)
        await lab.fault("load_cell", "stuck")
        await lab.fault("load_cell", "step", newton=500)
        assert kilogram(await weigh(lab)) == kilogram(before)


async def test_a_held_display_says_so(bench, weigh):
    async with bench as lab:
        before = await weigh(lab)
        await lab.fault("load_cell", "held")
        frame = await weigh(lab)
        assert (frame[:3], kilogram(frame)) == ("HD,", kilogram(before))


async def test_a_wrong_unit_is_in_every_frame_until_it_heals(bench, weigh):
    async with bench as lab:
        await lab.fault("load_cell", "wrong_unit", unit="g")
        assert (await weigh(lab))[14:16] == " g"
        await lab.fault("load_cell", "heal")
        assert (await weigh(lab))[14:16] == "kg"


async def test_a_wire_breaks_and_is_mended(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("thermometer"))

        async def read():
            host.writer.write(b"#01\r")
            return await host.reader.readuntil(b"\r")

        whole = await read()
        assert whole[:15] == b">+055.00+055.00"
        await lab.fault("thermometer", "break_wire", channel=1)
        assert (await read())[:15] == b">+055.00+888888"
        await lab.fault("thermometer", "break_wire", channel=0)
        assert (await read())[:15] == b">+888888+888888"
        await lab.fault("thermometer", "heal")
        assert await read() == whole
        await host.leave()


async def test_alarms_stop_the_control_until_they_are_cleared(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("chamber"))
        assert await host.ask("TEMP, S80.0\r") == b"OK:TEMP, S80.0\r\n"
        await lab.fault("chamber", "alarm", codes=[1, 7])
        assert await host.ask("ALARM?\r") == b"2,1,7\r\n"
        await lab.advance(600)
        assert float((await host.ask("TEMP?\r")).split(b",")[0]) < 55
        await lab.fault("chamber", "heal")
        assert await host.ask("ALARM?\r") == b"0\r\n"
        await lab.advance(3600)
        assert float((await host.ask("TEMP?\r")).split(b",")[0]) == 80
        await host.leave()


async def test_a_chamber_that_was_switched_off_cools_until_it_is_on_again(bench, connect):
    async with bench as lab:
        host = await connect(lab.address("chamber"))
        await lab.fault("chamber", "off")
        assert await host.ask("MODE?\r") == b"OFF\r\n"
        await lab.advance(3600)
        assert float((await host.ask("TEMP?\r")).split(b",")[0]) < 40
        assert lab.assembly.bench.now_ns == 3600 * SECOND_NS
        await lab.fault("chamber", "off")
        await lab.fault("chamber", "heal")
        assert await host.ask("MODE?\r") == b"CONSTANT\r\n"
        await host.leave()


@pytest.mark.parametrize(
    ("cable", "kind", "more", "words"),
    [
        ("load_cell", "break_wire", {"channel": 0}, "a load cell has no fault break_wire"),
        ("load_cell", "step", {}, "step needs newton"),
        ("load_cell", "wrong_unit", {"unit": "stone"}, "1 to 2 characters"),
        ("load_cell", "wrong_unit", {"unit": "µ"}, "1 to 2 characters"),
        ("thermometer", "silent", {}, "thermometer has no fault silent"),
        ("thermometer", "break_wire", {}, "those that have a sensor: 0, 1"),
        ("thermometer", "break_wire", {"channel": 3}, "those that have a sensor: 0, 1"),
        ("chamber", "alarm", {"codes": []}, "codes"),
        ("chamber", "alarm", {"codes": [-1]}, "codes"),
        ("chamber", "swap_serial", {"serial_number": "1"}, "chamber has no fault swap_serial"),
        ("chamber", "melt", {}, "write one of cut, mute"),
    ],
)
async def test_a_trouble_there_is_not_is_refused(bench, cable, kind, more, words):
    async with bench as lab:
        answer = await lab.ask("fault", cable=cable, kind=kind, **more)
        assert answer["ok"] is False
        assert words in answer["error"]
        assert lab.lines("fault") == []

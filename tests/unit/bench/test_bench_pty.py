"""A load cell on a serial port: a terminal that comes and goes, holds little, and is told the truth about."""

import asyncio
import termios

import pytest

from simulators.pty_cable import ROOM_BYTES, PtyCable

FRAME_BYTES = 18
LOCAL_MODES = 3
TEXT = """\
name: serial
cell: {sample: BM-05}
noise: false
instruments:
  - name: load_cell
    model: and_indicator
    role: load_cell
    setup: {display_Hz: 1}
    transport: {kind: pty}
"""
LEAVES_AFTER_SECOND = FRAME_BYTES * 10 / 9600


@pytest.fixture
def bench(served_bench):
    return served_bench(TEXT)


def frames(data):
    lines = data.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) == FRAME_BYTES - 2 for line in lines)
    return lines


async def test_every_frame_comes_and_its_mark_tells_when(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        sent = (await lab.advance(5.5))["cables"]["load_cell"]
        assert sent["sent_total"] == 6 * FRAME_BYTES
        assert sent["marks"] == [[(k + 1) * FRAME_BYTES, k + LEAVES_AFTER_SECOND] for k in range(6)]
        assert len(frames(await host.hear(6 * FRAME_BYTES))) == 6
        sent = (await lab.advance(6.5))["cables"]["load_cell"]
        assert sent == {"sent_total": 7 * FRAME_BYTES, "marks": [[7 * FRAME_BYTES, 6 + LEAVES_AFTER_SECOND]]}


async def test_nothing_is_sent_to_nobody(bench, serial_host):
    async with bench as lab:
        assert (await lab.advance(100.5))["cables"]["load_cell"] == {"sent_total": 0, "marks": []}
        assert (await lab.counts("load_cell"))["connected"] is False
        host = serial_host(lab.address("load_cell"), throws_away=False)
        assert (await lab.counts("load_cell"))["connected"] is True
        assert (await lab.advance(101.5))["cables"]["load_cell"]["sent_total"] == FRAME_BYTES
        assert len(frames(await host.hear(FRAME_BYTES))) == 1


async def test_a_command_may_come_in_pieces_and_is_answered(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.advance(0.5)
        (shown,) = frames(await host.hear(FRAME_BYTES))
        host.say(b"R")
        while (await lab.counts("load_cell"))["received_total"] == 0:
            pass
        host.say(b"W\r\nWHAT\r\n")
        assert await host.hear(FRAME_BYTES) == shown + b"\r\n"
        assert await host.hear(3) == b"?\r\n"
        counts = {"sent_total": 2 * FRAME_BYTES + 3, "received_total": 10, "lost_total": 0, "connected": True}
        assert await lab.counts("load_cell") == counts


async def test_an_advance_stops_before_the_terminal_is_full(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        now_second, totals = 0.0, []
        while now_second < 3600:
            answer = await lab.advance(3600)
            now_second = answer["now_second"]
            totals.append(answer["cables"]["load_cell"]["sent_total"])
            await host.hear(totals[-1] - sum(totals[-2:-1]))
            assert answer["stopped_by"] == ("cable" if now_second < 3600 else None)
        pieces = [after - before for before, after in zip([0, *totals], totals, strict=False)]
        assert all(ROOM_BYTES <= piece < ROOM_BYTES + FRAME_BYTES for piece in pieces[:-1])
        assert totals[-1] == 3600 * FRAME_BYTES
        assert (await lab.counts("load_cell"))["lost_total"] == 0


async def test_what_nobody_reads_in_time_is_lost_and_told(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        second = 0
        while second < 3600:
            answer = await lab.advance(3600)
            second = answer["now_second"]
        counts = await lab.counts("load_cell")
        assert counts["lost_total"] > 0
        assert counts["sent_total"] + counts["lost_total"] == 3600 * FRAME_BYTES
        assert answer["cables"]["load_cell"]["sent_total"] == counts["sent_total"]
        heard = await host.hear(counts["sent_total"])
        await lab.advance(3601.5)
        assert (heard + await host.hear(FRAME_BYTES))[-2:] == b"\r\n"


async def test_marks_end_where_bytes_were_lost(bench, serial_host):
    async with bench as lab:
        serial_host(lab.address("load_cell"))
        marks, second = [], 0
        while second < 3600:
            answer = await lab.advance(3600)
            second = answer["now_second"]
            marks += answer["cables"]["load_cell"]["marks"]
        offsets = [offset for offset, _ in marks]
        assert offsets == sorted(set(offsets))
        assert offsets[-1] == (await lab.counts("load_cell"))["sent_total"]


async def test_what_a_host_throws_away_when_it_opens_was_not_sent(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"), throws_away=False)
        await lab.advance(10.5)
        host.throw_away()
        answer = await lab.advance(12.5)
        assert answer["cables"]["load_cell"]["sent_total"] == 2 * FRAME_BYTES
        assert answer["cables"]["load_cell"]["marks"][0][0] == FRAME_BYTES
        assert len(frames(await host.hear(2 * FRAME_BYTES))) == 2


async def test_a_host_may_leave_and_another_come(bench, serial_host):
    async with bench as lab:
        first = serial_host(lab.address("load_cell"))
        await lab.advance(1.5)
        first.say(b"left unfini")
        first.leave()
        assert (await lab.counts("load_cell"))["connected"] is False
        await lab.advance(100.5)
        second = serial_host(lab.address("load_cell"))
        assert (await lab.advance(101.5))["cables"]["load_cell"]["sent_total"] == 3 * FRAME_BYTES
        (shown,) = frames(await second.hear(FRAME_BYTES))
        second.say(b"RW\r\n")
        assert await second.hear(FRAME_BYTES) == shown + b"\r\n"


async def test_a_host_leaves_nothing_behind_for_the_next(bench, serial_host):
    async with bench as lab:
        first = serial_host(lab.address("load_cell"))
        settings = termios.tcgetattr(first.descriptor)
        settings[LOCAL_MODES] |= termios.ICANON
        termios.tcsetattr(first.descriptor, termios.TCSANOW, settings)
        await lab.advance(10.5)
        first.leave()
        await lab.advance(11.5)
        second = serial_host(lab.address("load_cell"), throws_away=False)
        assert termios.tcgetattr(second.descriptor)[LOCAL_MODES] & termios.ICANON == 0
        await lab.advance(12.5)
        second.say(b"?\r\n")
        heard = await second.hear(FRAME_BYTES + 3)
        assert (heard[:3], heard[FRAME_BYTES:]) == (b"ST,", b"?\r\n")


async def test_a_host_that_echoes_does_not_keep_the_bench(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        settings = termios.tcgetattr(host.descriptor)
        settings[LOCAL_MODES] |= termios.ECHO
        termios.tcsetattr(host.descriptor, termios.TCSANOW, settings)
        host.say(b"?\r\n" * 100)
        for second in range(1, 20):
            assert (await lab.advance(second))["now_second"] == second
        host.leave()
        assert (await lab.counts("load_cell"))["connected"] is False


async def test_marks_of_what_was_thrown_away_are_forgotten(tmp_path, serial_host):
    cable = PtyCable("load_cell", lambda data: b"", tmp_path / "load_cell")
    host = serial_host(cable.address, throws_away=False)
    cable.emit([(1, b"first"), (2, b"second")])
    host.throw_away()
    cable.emit([(3, b"third")])
    assert cable.take_marks() == [(5, 3e-9)]
    assert await host.hear(5) == b"third"
    cable.close()


async def test_a_cut_cable_is_gone_and_comes_back_at_its_path(bench, serial_host):
    async with bench as lab:
        path = lab.address("load_cell")
        host = serial_host(path)
        await lab.advance(1.5)
        await host.hear(2 * FRAME_BYTES)
        await lab.fault("load_cell", "cut")
        assert await asyncio.wait_for(host.hear_end(), 20) == b""
        with pytest.raises(FileNotFoundError):
            serial_host(path)
        assert (await lab.counts("load_cell"))["connected"] is False
        await lab.advance(50.5)
        await lab.fault("load_cell", "heal")
        assert lab.address("load_cell") == path
        again = serial_host(path)
        assert (await lab.advance(51.5))["cables"]["load_cell"]["sent_total"] == 3 * FRAME_BYTES
        assert len(frames(await again.hear(FRAME_BYTES))) == 1


async def test_a_mute_cable_swallows_frames_and_time_goes_on(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.fault("load_cell", "mute")
        answer = await lab.advance(10_000)
        assert (answer["now_second"], answer["stopped_by"]) == (10_000, None)
        assert answer["cables"]["load_cell"] == {"sent_total": 0, "marks": []}
        await lab.fault("load_cell", "heal")
        await lab.advance(10_000.5)
        assert len(frames(await host.hear(FRAME_BYTES))) == 1


@pytest.mark.parametrize("kind", ["garble", "parity"])
async def test_noise_on_the_line_never_passes_for_a_frame(bench, serial_host, kind):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.fault("load_cell", kind, seed=5)
        await lab.advance(20.5)
        spoilt = await host.hear(21 * FRAME_BYTES)
        for begin in range(0, len(spoilt), FRAME_BYTES):
            assert not spoilt[begin : begin + FRAME_BYTES].isascii()


async def test_halves_have_the_times_at_which_they_came(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.fault("load_cell", "half")
        sent = (await lab.advance(3.5))["cables"]["load_cell"]
        assert [offset for offset, _ in sent["marks"]] == [9, 36, 45, 72]
        assert len(frames(await host.hear(4 * FRAME_BYTES))) == 4


async def test_a_frozen_cable_hears_nothing_until_it_thaws(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.advance(0.5)
        (shown,) = frames(await host.hear(FRAME_BYTES))
        await lab.fault("load_cell", "freeze")
        host.say(b"RW\r\n")
        assert (await lab.counts("load_cell"))["received_total"] == 0
        await lab.fault("load_cell", "heal")
        assert await host.hear(FRAME_BYTES) == shown + b"\r\n"


async def test_late_frames_come_in_real_time(bench, serial_host):
    async with bench as lab:
        loop = asyncio.get_running_loop()
        host = serial_host(lab.address("load_cell"))
        await lab.fault("load_cell", "late", real_second=0.05)
        asked_second = loop.time()
        assert (await lab.advance(0.5))["cables"]["load_cell"] == {"sent_total": 0, "marks": []}
        assert len(frames(await host.hear(FRAME_BYTES))) == 1
        assert loop.time() - asked_second >= 0.05


async def test_a_power_cycle_breaks_a_frame_off_and_the_port_stays(bench, serial_host):
    async with bench as lab:
        host = serial_host(lab.address("load_cell"))
        await lab.advance(2.01)
        await lab.fault("load_cell", "power_cycle")
        broken = await host.hear(2 * FRAME_BYTES + 9)
        assert broken.count(b"\r\n") == 2
        assert lab.lines("power_cycle") == [{"bench_second": 2.01, "event": "power_cycle", "instrument": "load_cell"}]
        answer = await lab.advance(6.5)
        assert [second for _, second in answer["cables"]["load_cell"]["marks"]] == [6 + LEAVES_AFTER_SECOND]
        assert len(frames(await host.hear(FRAME_BYTES))) == 1


def test_a_link_of_an_earlier_bench_is_replaced_and_a_file_is_not(tmp_path):
    link, file = tmp_path / "old", tmp_path / "precious"
    link.symlink_to("/dev/pts/does-not-exist")
    file.write_text("data")
    cable = PtyCable("load_cell", lambda data: b"", link)
    assert link.resolve().is_char_device()
    cable.close()
    assert not link.is_symlink()
    with pytest.raises(FileExistsError):
        PtyCable("load_cell", lambda data: b"", file)
    assert file.read_text() == "data"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious"]

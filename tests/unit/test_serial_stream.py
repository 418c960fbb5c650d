"""Bytes of a serial port reach the reader whole and in time, and a port that goes is noticed."""

import asyncio
import errno
import termios
from pathlib import Path

import pytest
import serial

from drivers.errors import LinkLostError
from drivers.framing import LineFramer, Parity
from drivers.serial_port import SerialLine, SerialPort, host_and_port
from drivers.serial_stream import SerialStream
from drivers.stream_buffer import LOST_BYTES
from tests.support.cables import pty_cable, tcp_peer

FRAME = b"ST,GS,+00123.0kg\r\n"
PATIENCE_REAL_SECOND = 10.0


class Clock:
    def __init__(self):
        self.second = 0.0

    def __call__(self):
        return self.second


@pytest.fixture
def cable():
    with pty_cable() as cable:
        yield cable


def open_paths(apart_from):
    """What this process holds open."""
    descriptors = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) != apart_from]
    return [str(path.readlink()) for path in descriptors if path.is_symlink()]


def stream_on(path, clock=None, character="8N1", **options):
    return SerialStream("load", path, SerialLine(9600, character), now=clock or Clock(), **options)


async def test_chunks_have_the_second_they_came_at(cable):
    clock = Clock()
    stream = stream_on(cable.path, clock)
    await stream.open()
    for second in (1.0, 2.5):
        clock.second = second
        cable.send(FRAME)
        assert await stream.wait_received(stream.received_total + len(FRAME), PATIENCE_REAL_SECOND)
    taken = stream.take()
    assert b"".join(data for _, data in taken) == FRAME + FRAME
    assert {second for second, _ in taken} == {1.0, 2.5}
    assert (stream.take(), stream.received_total, stream.lost_total) == ([], 36, 0)
    await stream.close()


async def test_more_than_a_terminal_holds_arrives_whole(cable):
    stream = stream_on(cable.path)
    await stream.open()
    for count in range(1, 101):
        cable.send(FRAME * 20)
        assert await stream.wait_received(count * 360, PATIENCE_REAL_SECOND)
    assert b"".join(data for _, data in stream.take()) == FRAME * 2000
    await stream.close()


async def test_a_simulated_clock_stamps_the_frames(cable):
    stream = stream_on(cable.path)
    await stream.open()
    cable.send(FRAME * 3)
    assert await stream.wait_received(54, PATIENCE_REAL_SECOND)
    stream.stamp([(18, 600.0), (36, 1200.0), (54, 1800.0)])
    assert stream.take() == [(600.0, FRAME), (1200.0, FRAME), (1800.0, FRAME)]
    await stream.close()


async def test_waiting_ends_when_nothing_comes(cable):
    stream = stream_on(cable.path)
    await stream.open()
    assert await stream.wait_received(0, 0.0)
    assert not await stream.wait_received(1, 0.0)
    await stream.close()


async def test_what_was_lost_on_its_way_is_waited_for_twice_and_no_more(cable):
    """A simulated cable counts a frame that it lost when it was cut."""
    stream = stream_on(cable.path)
    await stream.open()
    for frames in (1, 2):
        cable.send(FRAME)
        assert await stream.wait_received(18 * frames, PATIENCE_REAL_SECOND)
        assert not await stream.wait_received(18 * frames + 7, 0.0)
        stream.take()
    cable.send(FRAME)
    assert await stream.wait_received(54 + 7, PATIENCE_REAL_SECOND)
    stream.stamp([(43, 11.0), (61, 12.0)])
    assert stream.take() == [(12.0, FRAME)]
    await stream.close()


async def test_what_nobody_takes_is_bounded_and_leaves_a_trace(cable):
    stream = stream_on(cable.path, bound_bytes=100)
    await stream.open()
    cable.send(FRAME * 10)
    assert await stream.wait_received(180, PATIENCE_REAL_SECOND)
    assert (stream.received_total, stream.lost_total) == (180, 80)
    assert b"".join(data for _, data in stream.take()) == LOST_BYTES + (FRAME * 10)[80:]
    await stream.close()


async def test_an_unplugged_port_gives_what_came_and_then_is_lost(cable):
    stream = stream_on(cable.path)
    await stream.open()
    cable.send(FRAME)
    assert await stream.wait_received(18, PATIENCE_REAL_SECOND)
    waiting = asyncio.ensure_future(stream.wait_received(19, PATIENCE_REAL_SECOND))
    cable.unplug()
    assert not await waiting
    assert [data for _, data in stream.take()] == [FRAME]
    for _ in range(2):
        with pytest.raises(LinkLostError, match=f"load: no connection to {cable.path}"):
            stream.take()
    assert not await stream.wait_received(19, PATIENCE_REAL_SECOND)
    with pytest.raises(LinkLostError, match="opening"):
        await stream.open()
    await stream.close()


async def test_it_can_be_plugged_in_again(tmp_path):
    by_id = tmp_path / "usb-indicator"
    stream = stream_on(str(by_id))
    for total in (18, 36):
        with pty_cable() as cable:
            by_id.symlink_to(cable.path)
            await stream.open()
            assert stream.take() == []
            cable.send(FRAME)
            assert await stream.wait_received(total, PATIENCE_REAL_SECOND)
            cable.unplug()
            assert not await stream.wait_received(total + 1, PATIENCE_REAL_SECOND)
            by_id.unlink()
    await stream.close()


async def test_counting_goes_on_where_a_simulated_cable_has_come_to(cable):
    stream = stream_on(cable.path)
    await stream.open()
    stream.count_from(900)
    cable.send(FRAME * 2)
    assert await stream.wait_received(936, PATIENCE_REAL_SECOND)
    stream.stamp([(900, 49.0), (918, 50.0), (936, 51.0)])
    assert stream.take() == [(50.0, FRAME), (51.0, FRAME)]
    await stream.close()


async def test_what_waited_before_opening_is_thrown_away(cable):
    stream = stream_on(cable.path)
    cable.send(b"old")
    await stream.open()
    cable.send(FRAME)
    assert await stream.wait_received(18, PATIENCE_REAL_SECOND)
    assert b"".join(data for _, data in stream.take()) == FRAME
    await stream.close()


async def test_a_port_opens_for_one_only(cable):
    first, second = stream_on(cable.path), stream_on(cable.path)
    await first.open()
    with pytest.raises(LinkLostError, match="lock"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_seven_bits_and_parity_open_twice_on_a_terminal(cable):
    stream = stream_on(cable.path, character="7E1")
    sent = bytes(code | (code.bit_count() % 2) << 7 for code in FRAME)
    for total in (18, 36, 54):
        await stream.open()
        cable.send(sent)
        assert await stream.wait_received(total, PATIENCE_REAL_SECOND)
        lines = LineFramer(b"\r\n", SerialLine(9600, "7E1").parity).feed(stream.take())
        assert lines.data == FRAME
    await stream.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (serial.SerialException(errno.EIO, "no such device"), "no such device"),
        (OSError(errno.ENODEV, "gone"), "gone"),
        (termios.error(errno.EINVAL, "Invalid argument"), "Invalid argument"),
        (ValueError("baud rate"), "baud rate"),
    ],
)
async def test_whatever_opening_raises_is_a_lost_link(error, words, monkeypatch):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    stream = stream_on("/dev/serial/by-id/usb-indicator")
    with pytest.raises(LinkLostError, match=words):
        await stream.open()
    with pytest.raises(LinkLostError, match=words):
        stream.take()


@pytest.mark.parametrize("address", ["/dev/no-such-port", "/dev/null", "nonsense://x", "loop://"])
async def test_what_is_no_port_is_a_lost_link(address):
    with pytest.raises(LinkLostError):
        await stream_on(address).open()


async def test_reading_before_opening_or_after_closing_is_a_lost_link(cable):
    stream = stream_on(cable.path)
    with pytest.raises(LinkLostError, match="not open"):
        stream.take()
    await stream.open()
    await stream.close()
    await stream.close()
    with pytest.raises(LinkLostError, match="closed"):
        stream.take()


@pytest.mark.parametrize("start", ["socket://", ""])
async def test_a_port_behind_a_serial_device_server(start):
    async def send_and_hang_up(reader, writer):
        writer.write(FRAME)
        await writer.drain()

    async with tcp_peer(send_and_hang_up) as address:
        stream = stream_on(start + address)
        await stream.open()
        assert await stream.wait_received(18, PATIENCE_REAL_SECOND)
        assert not await stream.wait_received(19, PATIENCE_REAL_SECOND)
        assert [data for _, data in stream.take()] == [FRAME]
        with pytest.raises(LinkLostError, match="far end is gone"):
            stream.take()


async def give_up_opening(address):
    port = SerialPort(address, SerialLine(9600), received=lambda data: None, lost=lambda error: None)
    opening = asyncio.ensure_future(port.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not port.is_open
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_giving_up_while_opening_leaves_no_port_open(cable):
    await give_up_opening(cable.path)
    await asyncio.sleep(0)
    assert cable.path not in open_paths(apart_from=cable.near)


async def test_giving_up_while_connecting_leaves_no_connection():
    hung_up = asyncio.Event()

    async def wait_for_the_end(reader, writer):
        await reader.read()
        hung_up.set()

    async with tcp_peer(wait_for_the_end) as address:
        await give_up_opening(address)
        await hung_up.wait()


@pytest.mark.parametrize(("character", "parity"), [("8N1", Parity.NONE), ("7E1", Parity.EVEN), ("7O1", Parity.ODD)])
def test_parity_of_a_line(character, parity):
    assert SerialLine(2400, character).parity is parity


@pytest.mark.parametrize(("baud", "character"), [(0, "8N1"), (-1, "8N1"), (9600, "8E1"), (9600, "7N1"), (9600, "")])
def test_lines_that_cannot_be_set_are_refused(baud, character):
    with pytest.raises(ValueError, match="is no"):
        SerialLine(baud, character)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:4001", ("127.0.0.1", 4001)),
        ("socket://moxa-1.lab:4001", ("moxa-1.lab", 4001)),
        ("/dev/ttyUSB0", None),
        ("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1", None),
        ("COM3", None),
    ],
)
def test_addresses_of_device_servers(address, expected):
    assert host_and_port(address) == expected

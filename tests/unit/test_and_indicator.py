"""An A&D indicator as a load cell, over a pseudo-terminal."""

import os

import numpy as np
import pytest

from drivers.and_weighing.codec import AndFormat
from drivers.errors import LinkLostError
from drivers.registry import LOAD_CELLS, LoadCellConnection
from drivers.roles import Identity, LoadCell, LoadStatus
from tests.support.cables import pty_cable

PATIENCE_REAL_SECOND = 10.0


@pytest.fixture
def cable():
    with pty_cable() as cable:
        yield cable


def make(cable, **settings):
    connection = LoadCellConnection(
        name="press",
        address=cable.path,
        frame_format=AndFormat(unit="kg"),
        baud=2400,
        model="AD-4406A",
        serial_number="123",
        **settings,
    )
    return LOAD_CELLS["and.indicator"](connection, lambda: 42.0)


def parity_even(data):
    return bytes(code | (code.bit_count() % 2) << 7 for code in data)


async def feed(cable, stream, data):
    cable.send(data)
    assert await stream.wait_received(stream.received_total + len(data), PATIENCE_REAL_SECOND)


async def test_frames_become_readings(cable):
    made = make(cable)
    indicator: LoadCell = made.load_cell
    assert await indicator.connect() == Identity("A&D", "AD-4406A", "123", "")
    assert len((await indicator.read()).second) == 0
    await feed(
        cable, made.stream, b"ST,GS,+00101.7kg\r\nUS,GS,+00101.8kg\r\nOL,GS,      . kg\r\nHD,GS,+00101.8kg\r\nST,G"
    )
    block = await indicator.read()
    np.testing.assert_array_equal(block.displayed, [101.7, 101.8, np.nan, np.nan])
    assert block.status.tolist() == [LoadStatus.STABLE, 0, LoadStatus.OVERLOAD, LoadStatus.HELD]
    assert block.second.tolist() == [42.0] * 4
    assert block.unit == "kg"
    await feed(cable, made.stream, b"S,+00101.9kg\r\n")
    assert (await indicator.read()).displayed.tolist() == [101.9]
    await indicator.close()


async def test_a_parity_error_is_unreadable(cable):
    made = make(cable, character="7E1")
    await made.load_cell.connect()
    good = parity_even(b"ST,GS,+00101.7kg\r\n")
    spoilt = bytearray(good)
    spoilt[9] ^= 1
    await feed(cable, made.stream, good + bytes(spoilt) + good)
    block = await made.load_cell.read()
    np.testing.assert_array_equal(block.displayed, [101.7, np.nan, 101.7])
    assert block.status.tolist() == [LoadStatus.STABLE, LoadStatus.UNREADABLE, LoadStatus.STABLE]
    await made.load_cell.close()


async def test_bytes_that_were_dropped_never_join_into_a_number(cable):
    made = make(cable)
    await made.load_cell.connect()
    made.stream._buffer._bound_bytes = 27
    await feed(cable, made.stream, b"ST,GS,+00101.7kg\r\nST,GS,+00101.8kg\r\n")
    block = await made.load_cell.read()
    np.testing.assert_array_equal(block.displayed, [np.nan, 101.8])
    assert block.status.tolist() == [LoadStatus.UNREADABLE, LoadStatus.STABLE]
    await made.load_cell.close()


async def test_an_unplugged_indicator_gives_what_came_then_is_lost_and_half_a_frame_is_forgotten(tmp_path):
    by_id = tmp_path / "usb-indicator"
    with pty_cable() as first:
        by_id.symlink_to(first.path)
        first.path = str(by_id)
        made = make(first)
        await made.load_cell.connect()
        await feed(first, made.stream, b"ST,GS,+00101.7kg\r\nST,GS,+00")
        first.unplug()
        assert not await made.stream.wait_received(1000, PATIENCE_REAL_SECOND)
    assert (await made.load_cell.read()).displayed.tolist() == [101.7]
    with pytest.raises(LinkLostError, match="press: no connection"):
        await made.load_cell.read()
    by_id.unlink()
    with pty_cable() as second:
        by_id.symlink_to(second.path)
        await made.load_cell.connect()
        await feed(second, made.stream, b"999.9kg\r\nST,GS,+00101.8kg\r\n")
        block = await made.load_cell.read()
        np.testing.assert_array_equal(block.displayed, [np.nan, 101.8])
        await made.load_cell.close()


async def test_reading_before_connecting_is_a_lost_link(cable):
    with pytest.raises(LinkLostError, match="not open"):
        await make(cable).load_cell.read()


async def test_nothing_is_ever_sent_to_it(cable):
    made = make(cable)
    await made.load_cell.connect()
    await feed(cable, made.stream, b"ST,GS,+00101.7kg\r\n")
    await made.load_cell.read()
    await made.load_cell.close()
    with pytest.raises(BlockingIOError):
        os.read(cable.far, 1)

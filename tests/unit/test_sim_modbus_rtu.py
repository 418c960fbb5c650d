"""The simulated Modbus RTU unit: frames by length and check, what it answers, what it ignores."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus_rtu import LONGEST_FRAME, ModbusError, ModbusUnit, crc16

READ = bytes.fromhex("01 03 00 09 00 02")
WRITE = bytes.fromhex("01 06 00 05 1A 0B")


class Memory:
    """Registers 0 to 99."""

    def __init__(self):
        self.words = {register: register * 3 for register in range(100)}

    def read(self, register, now_ns):
        if register not in self.words:
            raise ModbusError(2)
        return self.words[register]

    def write(self, register, value, now_ns):
        if register not in self.words:
            raise ModbusError(2)
        self.words[register] = value


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def unit(memory):
    return ModbusUnit(1, memory)


def framed(text):
    data = bytes.fromhex(text) if isinstance(text, str) else text
    return data + crc16(data)


@pytest.mark.parametrize(
    "frame",
    [
        "01 06 00 04 00 01 09 CB",
        "01 06 00 05 1A 0B D3 6C",
        "01 06 00 06 00 02 E8 0A",
        "01 03 00 09 00 07 D4 0A",
        "01 86 14 42 6F",
        "01 83 02 C0 F1",
        "01 10 20 00 00 02 04 00 12 1A 0B 80 CC",
        "01 03 21 00 00 05 8F F5",
    ],
)
def test_the_check_is_as_in_known_frames(frame):
    data = bytes.fromhex(frame)
    assert crc16(data[:-2]) == data[-2:]


@pytest.mark.parametrize(
    ("request_body", "reply_body"),
    [
        ("01 03 00 09 00 02", "01 03 04 00 1B 00 1E"),
        ("01 04 00 00 00 01", "01 04 02 00 00"),
        ("01 06 00 05 1A 0B", "01 06 00 05 1A 0B"),
        ("01 10 00 05 00 02 04 00 01 00 02", "01 10 00 05 00 02"),
        ("01 03 00 64 00 01", "01 83 02"),
        ("01 03 00 63 00 02", "01 83 02"),
        ("01 03 FF FF 00 02", "01 83 02"),
        ("01 03 00 00 00 00", "01 83 03"),
        ("01 03 00 00 00 7E", "01 83 03"),
        ("01 06 00 64 00 01", "01 86 02"),
        ("01 05 00 00 FF 00", "01 85 01"),
        ("01 10 00 05 00 02 03 00 01 00", "01 90 03"),
        ("01 10 FF FF 00 02 04 00 01 00 02", "01 90 02"),
    ],
)
def test_what_it_answers(unit, request_body, reply_body):
    assert unit.receive(framed(request_body), 0) == framed(reply_body)


def test_broadcast_is_obeyed_in_silence(unit, memory):
    assert unit.receive(framed("00 06 00 05 00 07"), 0) == b""
    assert memory.words[5] == 7


@pytest.mark.parametrize("body", ["02 06 00 05 00 07", "F8 03 00 00 00 01"])
def test_what_is_for_others_is_not(unit, memory, body):
    assert unit.receive(framed(body), 0) == b""
    assert memory.words[5] == 15
    assert unit.frames_total == 0


@pytest.mark.parametrize("at", range(8))
def test_a_frame_with_one_wrong_bit_is_nothing(unit, memory, at):
    spoilt = bytearray(framed(WRITE))
    spoilt[at] ^= 0x10
    assert unit.receive(bytes(spoilt), 0) == b""
    assert memory.words[5] == 15
    assert unit.receive(framed(READ), 0) == framed("01 03 04 00 1B 00 1E")


@given(noise=st.binary(max_size=300), cuts=st.lists(st.integers(0, 320), max_size=6))
def test_a_frame_is_answered_once_however_it_comes_and_whatever_was_before(noise, cuts):
    memory = Memory()
    unit = ModbusUnit(1, memory)
    data = noise + framed(READ)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    replies = b"".join(unit.receive(data[begin:end], 0) for begin, end in itertools.pairwise(edges))
    assert replies.endswith(framed("01 03 04 00 1B 00 1E"))


def test_a_silence_ends_what_was_begun(unit):
    whole = framed(WRITE)
    assert unit.receive(whole[:4], 0) == b""
    assert unit.receive(whole[4:], 10_000_000) == b""


def test_within_a_frame_no_silence(unit):
    whole = framed(WRITE)
    assert unit.receive(whole[:4], 0) == b""
    assert unit.receive(whole[4:], 1_000_000) == whole


def test_endless_noise_is_not_kept(unit):
    for _ in range(100):
        unit.receive(bytes([1, 16] * 500), 0)
    assert len(unit._unfinished) <= LONGEST_FRAME

"""CAS, MT-SICS and Laumas readings: the vectors of the reference, and nothing else is ever a number."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cas.codec import CasDecoder, CasFormat
from drivers.framing import LineFramer
from drivers.laumas import codec as laumas
from drivers.mettler import codec as mettler
from drivers.roles import LoadStatus

CAPTURE = bytes.fromhex("53542C47532C00C52C2020202020302E30206B670D0A")
MANUAL = b"ST,GS,1\xc4,000013.5 kg\r\n"
LAUMAS = (0x0800, 0, 1234, 0, 1234, 0, 0, 9)


def cas(data, **setting):
    framer = LineFramer(b"\r\n", whole_end=True)
    return CasDecoder(CasFormat(**{"unit": "kg"} | setting)).decode(framer.feed([(1.0, data)]))


@pytest.mark.parametrize(
    ("frame", "value", "status"),
    [
        (CAPTURE, 0.0, LoadStatus.STABLE),
        (MANUAL, 13.5, LoadStatus.STABLE),
        (b"US,GS,\x0a\x84,   -12.4 kg\r\n", -12.4, 0),
        (b"US,GS,\x2c\x84,   -12.4 kg\r\n", -12.4, 0),
        (b"US,GS,\x0d\x84,-00012.4 kg\r\n", -12.4, 0),
        (b"OL,GS,\x00\x84,      .  kg\r\n", math.nan, LoadStatus.OVERLOAD),
        (b"ST,GS,\x00\xd4,    12.4 kg\r\n", math.nan, LoadStatus.HELD),
        (b"ST,GS,\x00\x84,    12.4 kg\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,NT,\x00\xc2,    12.4 kg\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,GS,\x00\xc4,    12.4 lb\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,GS,\x00\xc4,  1 12.4 kg\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,GS,\x00\x44,    12.4 kg\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,GS,\x00\xc4,    12.4  kg\r\n", math.nan, LoadStatus.UNREADABLE),
        (b"ST,GS,+00123.0kg\r\n", math.nan, LoadStatus.UNREADABLE),
    ],
)
def test_cas_frames(frame, value, status):
    block = cas(frame)
    assert block.status.tolist() == [status]
    assert block.displayed[0] == value or (math.isnan(value) and math.isnan(block.displayed[0]))


def test_the_number_of_the_device_is_looked_at_when_it_is_known():
    assert cas(MANUAL, device=1).status[0] == LoadStatus.STABLE
    assert cas(CAPTURE, device=0).status[0] == LoadStatus.STABLE
    assert cas(CAPTURE, device=1).status[0] == LoadStatus.UNREADABLE


@given(cuts=st.lists(st.integers(0, 66), max_size=6))
def test_how_cas_frames_are_cut_makes_no_difference(cuts):
    data = CAPTURE + b"US,GS,\x0a\x84,   -12.4 kg\r\n" + MANUAL
    framer, values = LineFramer(b"\r\n", whole_end=True), []
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        values += CasDecoder(CasFormat(unit="kg")).decode(framer.feed([(0.0, data[begin:end])])).displayed.tolist()
    assert values == [0.0, -12.4, 13.5]


@given(at=st.integers(0, 19), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_cas_frame_changes_no_sign_and_invents_no_frame(at, bit):
    spoilt = bytearray(MANUAL)
    spoilt[at] ^= 1 << bit
    block = cas(bytes(spoilt))
    for value in block.displayed[np.isfinite(block.displayed)]:
        assert at in {6, 7} or 9 <= at <= 16 or value == 13.5


@pytest.mark.parametrize(
    ("line", "value", "status"),
    [
        ("S S     100.00 g", 100.0, LoadStatus.STABLE),
        ("S D    -100.00 g", -100.0, 0),
        ("S +", math.nan, LoadStatus.OVERLOAD),
        ("S -", math.nan, LoadStatus.OVERLOAD),
        ("S I", math.nan, LoadStatus.UNREADABLE),
        ("S S Error 10b", math.nan, LoadStatus.UNREADABLE),
        ("S S     100.00 kg", math.nan, LoadStatus.UNREADABLE),
        ("S S    100.00 g", math.nan, LoadStatus.UNREADABLE),
        ("S S     10 .00 g", math.nan, LoadStatus.UNREADABLE),
        ("S S     1-0.00 g", math.nan, LoadStatus.UNREADABLE),
        ("S S            g", math.nan, LoadStatus.UNREADABLE),
        ("S S     100.00", math.nan, LoadStatus.UNREADABLE),
        ("Z A", math.nan, LoadStatus.UNREADABLE),
        ("ES", math.nan, LoadStatus.UNREADABLE),
    ],
)
def test_mt_sics_weights(line, value, status):
    found = mettler.weight(line, "g")
    assert found.status == status
    assert found.displayed == value or (math.isnan(value) and math.isnan(found.displayed))


@given(st.text(alphabet="SID+- .0123456789gk", max_size=20))
def test_no_other_line_is_a_weight(line):
    found = mettler.weight(line, "g")
    assert math.isnan(found.displayed) or line[:4] in {"S S ", "S D "}


def test_mt_sics_texts_and_refusals():
    assert mettler.text('I4 A "B0"', "I4") == "B0"
    for line in ('I4 A "B0', 'I2 A "B0"', "I4 L", "S S     100.00 g"):
        with pytest.raises(ValueError, match="no reply"):
            mettler.text(line, "I4")
    assert mettler.refusal("Z A", "Z") is None
    assert mettler.refusal("T S     100.00 g", "T") is None
    assert [mettler.refusal(f"Z {letter}", "Z") for letter in "I+-L"] == [
        "not now: it does not come to rest",
        "above its range",
        "below its range",
        "not understood",
    ]
    for line in ("T A", "Z", "Z X", ""):
        with pytest.raises(ValueError, match="no reply"):
            mettler.refusal(line, "Z")


def laumas_with(index, word):
    return tuple(word if index == place else old for place, old in enumerate(LAUMAS))


@pytest.mark.parametrize(
    ("words", "value", "status"),
    [
        (LAUMAS, 123.4, LoadStatus.STABLE),
        (laumas_with(0, 0), 123.4, 0),
        (laumas_with(0, 0x0880), -123.4, LoadStatus.STABLE),
        (laumas_with(0, 0x0900), 123.4, LoadStatus.STABLE),
        (laumas_with(0, 0x0801), math.nan, LoadStatus.UNREADABLE),
        (laumas_with(0, 0x0802), math.nan, LoadStatus.UNREADABLE),
        (laumas_with(0, 0x0804), math.nan, LoadStatus.OVERLOAD),
        (laumas_with(0, 0x0808), math.nan, LoadStatus.OVERLOAD),
        (laumas_with(0, 0x0810), math.nan, LoadStatus.OVERLOAD),
        (laumas_with(0, 0x0820), 123.4, LoadStatus.STABLE),
        (laumas_with(1, 0x0010), math.nan, LoadStatus.OVERLOAD),
        (laumas_with(7, 0x0009 | 4 << 8), math.nan, LoadStatus.UNREADABLE),
        (laumas_with(7, 0x0009 | 9 << 8), math.nan, LoadStatus.UNREADABLE),
        (laumas_with(7, 19), math.nan, LoadStatus.UNREADABLE),
        (laumas_with(7, 6), 1234.0, LoadStatus.STABLE),
        (laumas_with(7, 18), 0.1234, LoadStatus.STABLE),
    ],
)
def test_laumas_registers(words, value, status):
    found = laumas.reading(words, "kg", "gross")
    assert found.status == status
    assert found.displayed == value or (math.isnan(value) and math.isnan(found.displayed))


def test_laumas_net_has_its_own_sign_and_range():
    words = (0x0800 | 0x0100 | 0x0010, 0, 0, 0, 55, 0, 0, 6)
    assert laumas.reading(words, "kg", "net").displayed == -55
    assert math.isnan(laumas.reading(words, "kg", "gross").displayed)

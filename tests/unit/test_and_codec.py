"""A frame is a number when it is whole and plain, and in no other case."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.and_weighing.codec import MANY_LINES, AndFormat, FrameDecoder
from drivers.framing import LineFramer, Parity
from drivers.roles import LoadStatus

KG = AndFormat(unit="kg")
NONE = LoadStatus(0)
STABLE, OVERLOAD, HELD, UNREADABLE = LoadStatus.STABLE, LoadStatus.OVERLOAD, LoadStatus.HELD, LoadStatus.UNREADABLE


def read(data, frame_format=KG, parity=Parity.NONE):
    framer = LineFramer(frame_format.line_end, parity)
    block = FrameDecoder(frame_format).decode(framer.feed([(0.0, data)]))
    assert block.unit == frame_format.unit
    assert len(block.second) == len(block.displayed) == len(block.status)
    return [
        (value, LoadStatus(word)) for value, word in zip(block.displayed.tolist(), block.status.tolist(), strict=True)
    ]


def numbers(rows):
    return [value for value, _ in rows if not math.isnan(value)]


@pytest.mark.parametrize(
    ("frame", "frame_format", "value", "status"),
    [
        (b"ST,GS,+00123.0kg\r\n", KG, 123.0, STABLE),
        (b"US,NT,-0012.34kg\r\n", AndFormat(unit="kg", weight="net"), -12.34, NONE),
        (b"ST,G ,+00123.0kg\r\n", KG, 123.0, STABLE),
        (b"ST,N ,+00123.0kg\r\n", AndFormat(unit="kg", weight="net"), 123.0, STABLE),
        (b"ST,GS,+0000000 g\r\n", AndFormat(unit="g"), 0.0, STABLE),
        (b"ST,GS,+00123.0 kg\r\n", KG, 123.0, STABLE),
        (b"ST,GS,+00997.1  N\r\n", AndFormat(unit="N"), 997.1, STABLE),
        (b"ST,GS,+00997.1kgf\r\n", AndFormat(unit="kgf"), 997.1, STABLE),
        (b"ST,GS,+  12.34kg\r\n", KG, 12.34, STABLE),
        (b"ST,GS,+000007.kg\r\n", KG, 7.0, STABLE),
        (b"ST,GS,+      0.25     g\r\n", AndFormat(unit="g", is_wide=True), 0.25, STABLE),
        (b"ST,GS,+00123,5kg\r\n", AndFormat(unit="kg", decimal_mark=","), 123.5, STABLE),
        (b"@09ST,GS,+00123.0kg\r\n", AndFormat(unit="kg", address=9), 123.0, STABLE),
        (b"ST,GS,+00123.0kg\r", AndFormat(unit="kg", line_end=b"\r"), 123.0, STABLE),
    ],
)
@pytest.mark.parametrize("count", [1, MANY_LINES])
def test_frames_as_they_are_sent(frame, frame_format, value, status, count):
    assert read(frame * count, frame_format) == [(value, status)] * count


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (b"OL,GS,      . kg\r\n", OVERLOAD),
        (b"OL,GS,       .kg\r\n", OVERLOAD),
        (b"OL,GS,      .kg\r\n", UNREADABLE),
        (b"OL,GS,+     . kg\r\n", OVERLOAD),
        (b"OL,GS,-     . kg\r\n", OVERLOAD),
        (b"LO,GS,      . kg\r\n", OVERLOAD),
        (b"LO,GS,        kg\r\n", OVERLOAD),
        (b"HD,GS,+00123.0kg\r\n", HELD),
        (b"OL,GS,+00123.0kg\r\n", UNREADABLE),
        (b"ST,GS,      . kg\r\n", UNREADABLE),
        (b"HD,GS,      . kg\r\n", UNREADABLE),
        (b"GS,GS,+00123.0kg\r\n", UNREADABLE),
        (b"st,GS,+00123.0kg\r\n", UNREADABLE),
        (b"QT,GS,+00123.0kg\r\n", UNREADABLE),
        (b"ST,TR,+00123.0kg\r\n", UNREADABLE),
        (b"ST,NT,+00123.0kg\r\n", UNREADABLE),
        (b"ST,GS,+00123.0lb\r\n", UNREADABLE),
        (b"ST,GS,+00123.0KG\r\n", UNREADABLE),
        (b"ST,GS,+00123,0kg\r\n", UNREADABLE),
        (b"ST,GS,000123.0kg\r\n", UNREADABLE),
        (b"ST,GS,+00.12.0kg\r\n", UNREADABLE),
        (b"ST,GS,+0012e.0kg\r\n", UNREADABLE),
        (b"ST,GS,+0012 .0kg\r\n", UNREADABLE),
        (b"ST,GS,+.001230kg\r\n", UNREADABLE),
        (b"@09ST,GS,+00123.0kg\r\n", UNREADABLE),
        (b"ST,GS,+      0.25    kg\r\n", UNREADABLE),
        (b"ST,GS,+00123.0kg\n", UNREADABLE),
        (b"ST,GS,+001ST,GS,+00123.0kg\r\n", UNREADABLE),
        (b"ST,GS,+00123.0kgST,GS,+00123.0kg\r\n", UNREADABLE),
        (b"23.0kg\r\n", UNREADABLE),
        (b"ST,GS,+001\r\n", UNREADABLE),
        (b"=0004.0=0004.0\r\n", UNREADABLE),
        (b"\x00" * 300 + b"\r\n", UNREADABLE),
    ],
)
@pytest.mark.parametrize("count", [1, MANY_LINES])
def test_everything_else_is_a_row_without_a_number(frame, status, count):
    rows = read(frame * count)
    assert [word for _, word in rows] == [status] * count
    assert numbers(rows) == []


def test_no_bytes_and_empty_lines_are_no_rows():
    assert read(b"") == []
    assert read(b"\r\n\r\nST,GS,+00123.0kg\r\n\r\n") == [(123.0, STABLE)]


def test_other_address_is_unreadable():
    assert numbers(read(b"@10ST,GS,+00123.0kg\r\n", AndFormat(unit="kg", address=9))) == []


@st.composite
def formats(draw):
    return AndFormat(
        unit=draw(st.sampled_from(["kg", "g", "N", "kgf"])),
        weight=draw(st.sampled_from(["gross", "net"])),
        decimal_mark=draw(st.sampled_from([".", ","])),
        line_end=draw(st.sampled_from([b"\r\n", b"\r"])),
        address=draw(st.sampled_from([None, 1, 42])),
        is_wide=draw(st.booleans()),
    )


@st.composite
def frames(draw, frame_format):
    """A frame with its value."""
    width = 10 if frame_format.is_wide else 7
    places = draw(st.integers(0, 4))
    digits = draw(st.integers(0, 10 ** (width - 2) - 1))
    body = str(digits).rjust(places + 1, "0")
    body = body[: len(body) - places] + (frame_format.decimal_mark + body[len(body) - places :] if places else "")
    assume(len(body) <= width)
    sign = draw(st.sampled_from("+-"))
    body = sign + body.rjust(width, draw(st.sampled_from("0 ")))
    narrow = [width for width in (2, 3) if width >= len(frame_format.unit)]
    unit = frame_format.unit.rjust(6 if frame_format.is_wide else draw(st.sampled_from(narrow)))
    prefix = "" if frame_format.address is None else f"@{frame_format.address:02d}"
    h2 = "GS" if frame_format.weight == "gross" else "NT"
    h1 = draw(st.sampled_from(["ST", "US"]))
    value = float(body.replace(" ", "").replace(",", "."))
    return f"{prefix}{h1},{h2},{body}{unit}".encode() + frame_format.line_end, (value, STABLE if h1 == "ST" else NONE)


@given(st.data())
def test_reading_many_at_once_and_one_by_one_agree_bit_for_bit(drawn):
    frame_format = drawn.draw(formats())
    sent = drawn.draw(st.lists(frames(frame_format), min_size=1, max_size=4))
    expected = [row for _, row in sent]
    data = b"".join(frame for frame, _ in sent)
    assert read(data, frame_format) == expected
    assert read(data * MANY_LINES, frame_format) == expected * MANY_LINES


@given(st.data(), st.integers(1, 40))
def test_a_frame_that_lost_bytes_never_becomes_another_number(drawn, lost_bytes):
    frame_format = drawn.draw(formats())
    frame, (value, _) = drawn.draw(frames(frame_format))
    begin = drawn.draw(st.integers(0, len(frame) - 1))
    halved = frame[:begin] + frame[begin + lost_bytes :]
    assert set(numbers(read(halved + frame, frame_format))) <= {value}


@given(st.data())
def test_glued_frames_never_become_another_number(drawn):
    frame_format = drawn.draw(formats())
    first, (first_value, _) = drawn.draw(frames(frame_format))
    second, (second_value, _) = drawn.draw(frames(frame_format))
    keep = drawn.draw(st.integers(0, len(first) - 1))
    # Two halves that fit without a seam cannot be told from a whole.
    skip = drawn.draw(st.integers(0, len(second) - 1))
    assume(keep != skip)
    rows = read(first[:keep] + second[skip:], frame_format)
    assert set(numbers(rows)) <= {first_value, second_value}


@given(st.data(), st.sampled_from([Parity.EVEN, Parity.ODD]))
def test_one_flipped_bit_never_becomes_a_number_where_there_is_parity(drawn, parity):
    frame_format = drawn.draw(formats())
    frame, _ = drawn.draw(frames(frame_format))
    odd = parity is Parity.ODD
    sent = bytearray(code | ((code.bit_count() + odd) % 2) << 7 for code in frame)
    assert len(numbers(read(bytes(sent), frame_format, parity))) == 1
    sent[drawn.draw(st.integers(0, len(sent) - 1))] ^= 1 << drawn.draw(st.integers(0, 7))
    assert numbers(read(bytes(sent) + frame, frame_format, parity)) == []


@given(st.binary(max_size=400), st.binary(max_size=60), formats(), st.sampled_from(Parity))
def test_garbage_is_rows_without_numbers(garbage, more, frame_format, parity):
    data = garbage + b"ST,GS," + more + frame_format.line_end
    for value, status in read(data * 3, frame_format, parity):
        assert math.isnan(value) == (status not in {NONE, STABLE})


@given(st.integers(0, 17), st.integers(128, 255), st.integers(1, MANY_LINES))
def test_no_byte_with_the_eighth_bit_is_part_of_a_number(place, code, count):
    frame = bytearray(b"ST,GS,+00123.0kg\r\n")
    frame[place] = code
    assert numbers(read(bytes(frame) * count)) == []


def test_times_follow_the_rows_that_are_left():
    framer, decoder = LineFramer(b"\r\n"), FrameDecoder(KG)
    block = decoder.decode(
        framer.feed([(1.0, b"ST,GS,+00001.0kg\r\n"), (2.0, b"\r\n"), (3.0, b"US,GS,+00003.0kg\r\n")])
    )
    assert block.second.tolist() == [1.0, 3.0]
    assert block.displayed.tolist() == [1.0, 3.0]
    assert block.status.dtype == np.int64


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": ""},
        {"unit": "k1"},
        {"unit": "kilo"},
        {"weight": "tare"},
        {"decimal_mark": ";"},
        {"line_end": b"\n"},
        {"address": 0},
        {"address": 100},
    ],
)
def test_settings_that_no_indicator_has_are_refused(wrong):
    with pytest.raises(ValueError, match="is n"):
        AndFormat(**{"unit": "kg", **wrong})

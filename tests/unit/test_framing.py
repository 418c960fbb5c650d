"""Lines and times come out the same however the bytes were cut, and nothing is kept without bound."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing import BAD_PARITY, LONGEST_LINE_BYTES, LineFramer, Parity
from drivers.stream_buffer import LOST_BYTES, StreamBuffer

SECONDS = st.floats(0, 1e6)
NOISE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"x" * 50, b"\xff\x00"]), max_size=30).map(b"".join)


def lines_of(framer, chunks):
    found = framer.feed(chunks)
    return [(found.text(index), float(second)) for index, second in enumerate(found.second)]


@st.composite
def cut(draw, data):
    """The same bytes in pieces, and the pieces in reads."""
    cuts = sorted(draw(st.sets(st.integers(0, len(data)))) | {0, len(data)})
    pieces = [data[begin:end] for begin, end in pairwise(cuts)]
    reads = draw(st.lists(st.booleans(), min_size=len(pieces), max_size=len(pieces)))
    return list(zip(pieces, reads, strict=True))


@given(NOISE, st.data(), st.sampled_from([b"\r\n", b"\r"]), st.sampled_from(Parity))
def test_cutting_makes_no_difference(data, drawn, line_end, parity):
    whole = lines_of(
        LineFramer(line_end, parity), [(float(place), data[place : place + 1]) for place in range(len(data))]
    )
    framer, found, waiting, place = LineFramer(line_end, parity), [], [], 0
    for piece, is_read in drawn.draw(cut(data)):
        waiting += [(float(place + offset), piece[offset : offset + 1]) for offset in range(len(piece))]
        place += len(piece)
        if is_read:
            found += lines_of(framer, waiting)
            waiting = []
    assert found + lines_of(framer, waiting) == whole


def test_a_line_has_the_second_of_its_first_byte():
    framer = LineFramer(b"\r\n")
    assert lines_of(framer, [(1.0, b"ab"), (2.0, b"c\r"), (3.0, b"\nd\r\ne")]) == [(b"abc\r\n", 1.0), (b"d\r\n", 3.0)]
    assert lines_of(framer, []) == []
    assert lines_of(framer, [(4.0, b"f\r"), (5.0, b"\n")]) == [(b"ef\r\n", 3.0)]


def test_reset_forgets_half_a_line():
    framer = LineFramer(b"\r\n")
    framer.feed([(1.0, b"ST,GS,+001")])
    framer.reset()
    assert lines_of(framer, [(2.0, b"x\r\n")]) == [(b"x\r\n", 2.0)]


def test_what_never_ends_is_not_kept():
    framer = LineFramer(b"\r\n")
    for second in range(100):
        assert lines_of(framer, [(float(second), b"x" * 1000)]) == []
        assert len(framer._kept) <= LONGEST_LINE_BYTES
    assert lines_of(framer, [(100.0, b"\r\nok\r\n")]) == [(b"x" * LONGEST_LINE_BYTES, 0.0), (b"ok\r\n", 100.0)]


@pytest.mark.parametrize("parity", [Parity.EVEN, Parity.ODD])
def test_parity_is_checked_and_taken_off(parity):
    bits = {Parity.EVEN: 0, Parity.ODD: 1}[parity]
    sent = bytes(code | ((code.bit_count() ^ bits) & 1) << 7 for code in b"ST,GS,+00123.0kg\r\n")
    assert lines_of(LineFramer(b"\r\n", parity), [(1.0, sent)]) == [(b"ST,GS,+00123.0kg\r\n", 1.0)]
    for place in range(len(sent) - 1):
        for bit in range(8):
            spoilt = bytearray(sent)
            spoilt[place] ^= 1 << bit
            ((line, _),) = lines_of(LineFramer(b"\r\n", parity), [(1.0, bytes(spoilt))])
            assert line[place] == BAD_PARITY


MARKS = st.lists(st.tuples(st.integers(1, 30), SECONDS), max_size=6)
PIECES = st.lists(st.tuples(SECONDS, st.binary(min_size=1, max_size=12)), max_size=8)


def each_byte(chunks):
    return [(second, code) for second, data in chunks for code in data]


@given(PIECES, MARKS, st.integers(0, 8))
def test_stamping_keeps_every_byte_and_times_it_by_the_next_mark(pieces, steps, taken_pieces):
    buffer, offset, marks = StreamBuffer(), 0, []
    for step, second in steps:
        offset += step
        marks.append((offset, second))
    for second, data in pieces[:taken_pieces]:
        buffer.append(second, data)
    taken = each_byte(buffer.take())
    for second, data in pieces[taken_pieces:]:
        buffer.append(second, data)
    buffer.stamp(marks)
    came = each_byte(pieces)
    expected = [
        next((second for mark, second in marks if place < mark), own) if place >= len(taken) else own
        for place, (own, _) in enumerate(came)
    ]
    assert taken + each_byte(buffer.take()) == [
        (second, code) for second, (_, code) in zip(expected, came, strict=True)
    ]


def test_what_was_stamped_keeps_its_second():
    buffer = StreamBuffer()
    buffer.append(9.0, b"aabb")
    buffer.stamp([(2, 1.0)])
    buffer.append(9.0, b"cc")
    buffer.stamp([(4, 2.0), (6, 3.0)])
    assert buffer.take() == [(1.0, b"aa"), (2.0, b"bb"), (3.0, b"cc")]


def test_counting_may_begin_anew():
    buffer = StreamBuffer()
    buffer.append(9.0, b"aaaa")
    buffer.stamp([(4, 1.0)])
    buffer.count_from(0)
    buffer.append(9.0, b"bb")
    buffer.stamp([(2, 2.0)])
    assert buffer.take() == [(2.0, b"bb")]


def test_stamps_of_bytes_not_here_yet_do_not_reach_further():
    buffer = StreamBuffer()
    buffer.append(9.0, b"aab")
    buffer.stamp([(2, 1.0), (4, 2.0)])
    buffer.append(10.0, b"b")
    assert buffer.take() == [(1.0, b"aa"), (2.0, b"b"), (10.0, b"b")]


@given(PIECES, st.integers(1, 20))
def test_what_is_too_much_is_dropped_from_the_front_and_leaves_a_trace(pieces, bound_bytes):
    buffer = StreamBuffer(bound_bytes)
    for second, data in pieces:
        buffer.append(second, data)
    came = b"".join(data for _, data in pieces)
    lost = max(len(came) - bound_bytes, 0)
    assert (buffer.received_total, buffer.lost_total) == (len(came), lost)
    assert b"".join(data for _, data in buffer.take()) == (LOST_BYTES if lost else b"") + came[lost:]
    assert buffer.take() == []


@given(PIECES, MARKS)
def test_stamps_count_bytes_that_were_dropped_too(pieces, steps):
    buffer, offset, marks = StreamBuffer(10), 0, []
    for step, second in steps:
        offset += step
        marks.append((offset, second))
    for second, data in pieces:
        buffer.append(second, data)
    buffer.stamp(marks)
    kept = buffer.take()[1 if buffer.lost_total else 0 :]
    came = each_byte(pieces)
    expected = [
        (next((second for mark, second in marks if place < mark), own), code) for place, (own, code) in enumerate(came)
    ]
    assert each_byte(kept) == expected[buffer.lost_total :]

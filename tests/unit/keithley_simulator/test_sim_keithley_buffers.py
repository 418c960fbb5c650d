"""Reading buffers, the elements of readings, and their formats on the wire."""

import struct
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.keithley.buffers import ReadingBuffer, Readings

EVENT = ":SYST:EVEN:NEXT?"


def take(bench, buffer: str, count: int) -> None:
    bench.tell(f":SENS:COUN {count}", f':TRAC:TRIG "{buffer}"')


def test_fresh_buffers(bench):
    bench.tell(':TRAC:MAKE "hc0001",20000,STAN')
    assert bench.say(':TRAC:POIN?;:TRAC:FILL:MODE? "defbuffer2";:TRAC:LOG:STAT? "defbuffer1"') == "100000;CONT;1"
    assert bench.say(':TRAC:POIN? "hc0001";FILL:MODE? "hc0001";:TRAC:LOG:STAT? "hc0001"') == "20000;ONCE;0"
    assert bench.say(':TRAC:ACT? "hc0001";ACT:STAR? "hc0001";END? "hc0001"') == "0;0;0"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (':TRAC:MAKE "b",10', 1115),
        (':TRAC:MAKE "defbuffer1",10', 1115),
        (':TRAC:MAKE "2b",10', -224),
        (':TRAC:MAKE "c",6875001,STAN', -222),
        (':TRAC:MAKE "c",10,WRIT', -224),
        (':TRAC:DEL "c"', -224),
        (':TRAC:DEL "defbuffer1"', -221),
        (':TRAC:DATA? 1,1,"b"', -222),
        (':TRAC:DATA? 0,1,"b"', -222),
        (':TRAC:DATA? 1,1,"c"', -224),
        (":TRAC:DATA? 1", -109),
        (':FETC? "b"', -230),
        (':TRAC:STAT:AVER? "b"', -230),
        (':TRAC:DATA? 1,1,"b",READ,SALT', 1133),
    ],
)
def test_refusals(bench, message, code):
    bench.tell(':TRAC:MAKE "b",10')
    assert bench.say(message) == ""
    assert bench.codes() == [code]


def test_all_buffers_share_one_memory(bench):
    """6,875,000 standard readings in all, of which each default buffer has 100,000; a compact one takes a quarter."""
    bench.tell(':TRAC:MAKE "n",4000000,STAN', ':TRAC:MAKE "m",2675000,STAN')
    for refused in (':TRAC:MAKE "c",10,COMP', ':TRAC:POIN 2675001,"m"'):
        assert bench.say(refused) == ""
        assert bench.codes() == [-222]
    bench.tell(':TRAC:POIN 2674990,"m"', ':TRAC:MAKE "c",40,COMP')
    assert bench.say(':TRAC:MAKE "d",10') == ""
    assert bench.codes() == [-222]
    bench.tell(':TRAC:DEL "n"', ':TRAC:MAKE "d",4000000,STAN')
    assert bench.say(':TRAC:POIN? "m";POIN? "c";POIN? "d"') == "2674990;40;4000000"


def test_once_drops_silently(bench):
    bench.tell(':TRAC:MAKE "b",10', ':TRAC:LOG:STAT 1,"b"', "*CLS")
    take(bench, "b", 7)
    first = bench.say(':TRAC:DATA? 1,7,"b"')
    take(bench, "b", 7)
    assert bench.say(':TRAC:ACT? "b";ACT:STAR? "b";END? "b"') == "10;1;10"
    assert bench.say(':TRAC:DATA? 1,7,"b"') == first
    assert [bench.say(EVENT).split(",")[0] for _ in range(4)] == ["4916", "4915", "4917", "0"]
    take(bench, "b", 7)
    assert bench.say(EVENT).startswith("0,")


def test_continuous_overwrites_the_oldest(bench):
    bench.tell(':TRAC:MAKE "b",10', ':TRAC:FILL:MODE CONT,"b"')
    take(bench, "b", 10)
    old = bench.say(':TRAC:DATA? 1,10,"b"').split(",")
    take(bench, "b", 3)
    assert bench.say(':TRAC:ACT? "b";ACT:STAR? "b";END? "b"') == "10;4;3"
    new = bench.say(':TRAC:DATA? 1,10,"b"').split(",")
    assert new[3:] == old[3:]
    assert new[:3] != old[:3]
    assert bench.say(':FETC? "b"') == new[2]


def test_start_and_end_in_one_message(bench):
    take(bench, "defbuffer1", 6)
    assert bench.say(':TRAC:ACT:STAR?;:TRAC:ACT:END? "defbuffer1"') == "1;6"


@pytest.mark.parametrize("message", [':TRAC:POIN 20,"b"', ':TRAC:FILL:MODE ONCE,"b"', ':TRAC:CLE "b"'])
def test_what_clears(bench, message):
    bench.tell(':TRAC:MAKE "b",10')
    take(bench, "b", 3)
    bench.tell(message)
    assert bench.say(':TRAC:ACT? "b"') == "0"


def test_deleted_is_unknown(bench):
    bench.tell(':TRAC:MAKE "b",10', ':TRAC:DEL "b"')
    assert bench.say(':TRAC:ACT? "b"') == ""
    assert bench.codes() == [-224]


def test_reading_again_gives_the_same(bench):
    take(bench, "defbuffer1", 5)
    question = ":TRAC:DATA? 2,4"
    assert bench.say(question) == bench.say(question)
    assert bench.say(question).count(",") == 2


def test_elements(bench):
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":SOUR:CURR 1E-3", ":OUTP ON", ":ROUT:TERM FRON")
    bench.run(3723.25)
    bench.tell(':TRAC:TRIG "defbuffer1"')
    bench.run(3724)
    bench.tell(':TRAC:TRIG "defbuffer1"')
    answer = bench.say(
        ':TRAC:DATA? 1,2,"defbuffer1",SECond,FRAC,REL,SOURSTAT,STATus,UNIT,SOURUNIT,DATE,TIME,TST'
    ).split(",")
    assert answer[:10] == [
        *("1767229323", "2.500000E-01", "0.000000E+00", "136", "264", "Volt DC", "Amp DC"),
        *("01/01/2026", "01:02:03.250000", "01/01/2026 01:02:03.250000000"),
    ]
    assert answer[10:15] == ["1767229324", "0.000000E+00", "7.500000E-01", "136", "264"]


def test_formatted_elements(bench):
    assert bench.say(':READ? "defbuffer1",FORM').endswith("A")


def test_read_gives_the_last_of_several(bench):
    bench.tell(":SENS:COUN 4")
    answer = bench.say(':READ? "defbuffer1", SOUR, READ')
    assert bench.say(":TRAC:ACT?") == "4"
    assert bench.say(':TRAC:DATA? 4,4,"defbuffer1",SOUR,READ') == answer == bench.say(':FETC? "defbuffer1",SOUR,READ')


def test_measure_chooses_the_function(bench):
    bench.say(":MEAS:VOLT?")
    assert bench.say(":SENS:FUNC?") == '"VOLT:DC"'


@pytest.mark.parametrize(("precision", "digits"), [(0, 7), (1, 1), (16, 16)])
def test_precision(bench, precision, digits):
    bench.tell(f":FORM:ASC:PREC {precision}")
    mantissa = bench.say(":READ?").split("E")[0]
    assert len(mantissa.lstrip("-").replace(".", "")) == digits


@pytest.mark.parametrize(("word", "code"), [("REAL", "d"), ("SREal", "f")])
@pytest.mark.parametrize(("order", "sign"), [("SWAP", "<"), ("NORM", ">")])
def test_binary_blocks(bench, word, code, order, sign):
    take(bench, "defbuffer1", 3)
    text = [float(value) for value in bench.say(':TRAC:DATA? 1,3,"defbuffer1",READ,SOUR').split(",")]
    bench.tell(f":FORM {word}", f":FORM:BORD {order}")
    data = bench.smu.receive(b':TRAC:DATA? 1,3,"defbuffer1",READ,SOUR\n', 0)
    assert data[:2] == b"#0"
    assert data[-1:] == b"\n"
    assert struct.unpack(f"{sign}6{code}", data[2:-1]) == pytest.approx(text, rel=1e-6)


def test_binary_takes_few_elements(bench):
    take(bench, "defbuffer1", 1)
    bench.tell(":FORM REAL")
    assert bench.say(':TRAC:DATA? 1,1,"defbuffer1",SEC') == ""
    assert bench.say(":SYST:ERR?").startswith(
        '1133,"Parameter 4, Syntax error, expected valid name parameters;1;2026/01/01'
    )


def test_statistics(bench):
    take(bench, "defbuffer1", 50)
    values = bench.rows("defbuffer1", "READ")[:, 0]
    assert float(bench.say(":TRAC:STAT:AVER?")) == pytest.approx(values.mean(), rel=1e-5, abs=1e-12)
    assert float(bench.say(":TRAC:STAT:MAX?")) == values.max()
    assert float(bench.say(":TRAC:STAT:PK2P?")) == pytest.approx(np.ptp(values), rel=1e-5)


def made(numbers: list[int]) -> Readings:
    values = np.array(numbers)
    small = np.zeros(len(numbers), np.int16)
    return Readings(values.astype(np.int64), values * 1.0, values * 2.0, small, small, small.astype(np.int8))


@given(
    capacity=st.integers(10, 40),
    mode=st.sampled_from(["ONCE", "CONT"]),
    sizes=st.lists(st.integers(0, 90), max_size=12),
)
def test_portions_do_not_matter(capacity, mode, sizes):
    buffer = ReadingBuffer("b", capacity, "STAN", mode, logs=False)
    once: list[int] = []
    ring: deque[int] = deque(maxlen=capacity)
    stored = 0
    for size in sizes:
        numbers = list(range(stored, stored + size))
        stored += size
        buffer.store(made(numbers))
        once += numbers[: capacity - len(once)]
        ring.extend(numbers)
    held = once if mode == "ONCE" else list(ring)
    assert buffer.count == len(held)
    if not held:
        return
    rows = buffer.rows(1, buffer.count)
    first = buffer.first_position - 1
    assert np.roll(rows.reading, -first).tolist() == held
    assert rows.reading[buffer.last_position - 1] == held[-1]
    assert (rows.source == 2 * rows.reading).all()

"""Messages: forms, paths, joined queries, what is refused and what garbage does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.keithley.scpi import split_outside_quotes
from simulators.keithley.smu import TABLE


@pytest.mark.parametrize(
    "header",
    [
        ":SENS:VOLT:NPLC",
        "sens:volt:nplc",
        ":SENSe1:VOLTage:DC:NPLCycles",
        ":SeNsE:voltage:NPLC",
    ],
)
def test_short_and_long_forms_in_any_case(bench, header):
    bench.tell(f"{header} 2.5")
    assert bench.say(f"{header}?") == "2.500000E+00"


@pytest.mark.parametrize("header", [":SENSE:VOLTA:NPLC", ":SEN:VOLT:NPLC", ":SENS:VOLT:NPLCY", ":SENS2:VOLT:NPLC"])
def test_nothing_between_short_and_long(bench, header):
    assert bench.say(f"{header} 2") == ""
    assert bench.codes() == [-113]


def test_headers_continue_in_the_subsystem(bench):
    bench.tell(":SENS:VOLT:NPLC 3; AZER OFF ;RANG:AUTO ON")
    assert bench.say(":SENS:VOLT:NPLC?;AZER?;RANG:AUTO?") == "3.000000E+00;0;1"


def test_common_commands_keep_the_path(bench):
    assert bench.say(":SENS:VOLT:NPLC 3;*STB?;NPLC?;:*CLS;NPLC?") == "0;3.000000E+00;3.000000E+00"


def test_a_colon_starts_from_the_root(bench):
    assert bench.say(":SENS:VOLT:NPLC 3;:OUTP?") == "0"
    assert bench.say(":SENS:VOLT:NPLC 3;OUTP?") == ""
    assert bench.codes() == [-113]


def test_optional_words_count_for_the_path(bench):
    assert bench.say(':TRAC:ACT:STAR? "defbuffer1";END? "defbuffer1"') == "0;0"


@pytest.mark.parametrize("message", [":outp off;", ":OUTP OFF ; ", ";:OUTP OFF;;", ":OUTP OFF\r", "", "  "])
def test_empty_units_are_nothing(bench, message):
    bench.tell(message)


def test_quotes_of_both_kinds_keep_separators(bench):
    bench.tell(""":SYST:EVEN:POST 'a;b,"c"',INF""", ':SYST:EVEN:POST "say ""x""",INF')
    assert bench.say(":SYST:EVEN:NEXT?").startswith('1003,"User: a;b,"c";4;2026/01/01 00:00:00.000')
    assert bench.say(":SYST:EVEN:NEXT?").startswith('1003,"User: say "x";4;')


def test_an_error_ends_the_message(bench):
    assert bench.say(":SENS:VOLT:NPLC 2;NPLC?;:FOO 1;:SENS:VOLT:NPLC 3") == "2.000000E+00"
    assert bench.codes() == [-113]
    assert bench.say(":SENS:VOLT:NPLC?") == "2.000000E+00"


def test_the_next_message_is_carried_out(bench):
    assert bench.say(":FOO;*IDN?", ":OUTP?") == "0"


def test_limits_and_default_by_name(bench):
    assert bench.say(":SENS:VOLT:NPLC? MAX;NPLC? MINimum;NPLC? def") == "1.000000E+01;1.000000E-02;1.000000E+00"
    bench.tell(":SENS:VOLT:NPLC MAX")
    assert bench.say(":SENS:VOLT:NPLC?") == "1.000000E+01"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":SENS:VOLT:NPLC", -109),
        (":SENS:VOLT:NPLC 1,2", -108),
        (":SENS:VOLT:NPLC 11", -222),
        (":SENS:VOLT:NPLC abc", -224),
        (":SENS:VOLT:NPLC nan", -224),
        (":SENS:VOLT:NPLC 1e999", -224),
        (":OUTP 2", -224),
        (":OUTP:SMOD OPEN", -224),
        (":SOUR:FUNC RES", -224),
        (":SENS:FUNC VOLT", -224),
        (':TRAC:ACT? "none"', -224),
        (':TRAC:MAKE "b",9', -222),
        (':TRAC:MAKE "open', -151),
        (":STAT:MEAS?", -113),
        (":TRAC:FEED?", -113),
        ("*OPT?", -113),
        (":TRIG:TIM5:STAT ON", -113),
        (":FORM:ASC:PREC 17", -222),
        (":FORM:ASC:PREC 1.5", -224),
    ],
)
def test_refusals(bench, message, code):
    assert bench.say(message) == ""
    assert bench.codes() == [code]


@pytest.mark.parametrize("number", ["10E-3", "1e-2", "+.01", "0.010", "1.E-2", "10 e-3"])
def test_numbers(bench, number):
    bench.tell(f":SOUR:CURR:RANG {number}")
    assert bench.say(":SOUR:CURR:RANG?") == "1.000000E-02"


@pytest.mark.parametrize(("word", "state"), [("ON", "1"), ("off", "0"), ("1", "1"), ("0", "0")])
def test_booleans(bench, word, state):
    bench.tell(f":SENS:VOLT:AZER {word}")
    assert bench.say(":SENS:VOLT:AZER?") == state


@given(data=st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_garbage_never_stops_it(make_bench, data):
    bench = make_bench()
    bench.smu.receive(data + b"\n*CLS\n", 0)
    assert bench.say("*IDN?").startswith("KEITHLEY")


def headers() -> list[str]:
    """Every header of the table, in short form."""
    found, waiting = [], [(TABLE.root, "")]
    while waiting:
        node, path = waiting.pop()
        for name, child in node.children.items():
            if len(name) <= 4:
                header = f"{path}:{name}{child.suffixes[-1] if child.suffixes else ''}"
                found += [header] * (child.command is not None) + [f"{header}?"] * (child.query is not None)
                waiting.append((child, header))
    return sorted(found)


PARAMETERS = st.sampled_from(
    [
        *(
            "1",
            "0",
            "2.5",
            "-1",
            "1e38",
            "20",
            "ON",
            "OFF",
            "MAX",
            "DEF",
            "INF",
            "CURR",
            "VOLT",
            '"VOLT"',
            "",
            "'",
            "*",
        ),
        *('"defbuffer1"', '"b"', '""', "TIM1", "NOT1", "NONE", "NEV", "AND", "ABOV", "READ", "INFO1", '"SimpleLoop"'),
    ]
)
UNITS = st.builds(
    lambda header, parameters: f"{header} {','.join(parameters)}",
    st.sampled_from(headers()),
    st.lists(PARAMETERS, max_size=6),
)


@given(messages=st.lists(st.lists(UNITS, min_size=1, max_size=3).map(";".join), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_commands_are_obeyed_or_refused(make_bench, messages):
    bench = make_bench()
    for second, message in enumerate(messages, 1):
        answer = bench.say(message)
        queries = sum(unit.split(None, 1)[0].endswith("?") for unit in message.split(";"))
        assert answer == "" or queries
        bench.run(second / 10)
    bench.say(":ABOR")
    bench.run(20)
    assert "KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b" in bench.say("*IDN?")


@given(sizes=st.lists(st.integers(1, 9), max_size=60))
def test_portions_of_bytes_do_not_matter(make_bench, sizes):
    text = b'*IDN?;:SENS:VOLT:NPLC 3;NPLC?\r\n:TRAC:MAKE "x;y",20;:FOO\n*ESR?;:SYST:ERR?\n:SYST:ERR:COUN?\n'
    whole, parts = make_bench(), make_bench()
    expected = whole.smu.receive(text, 0)
    answer, at = b"", 0
    for size in [*sizes, len(text)]:
        answer += parts.smu.receive(text[at : at + size], 0)
        at += size
    assert answer == expected
    assert expected.count(b"\n") == 3


@given(st.lists(st.text(alphabet="ab,; \"'", max_size=8), min_size=1, max_size=5))
def test_quoted_text_is_never_cut(pieces):
    quoted = ["'" + piece.replace("'", "''") + "'" for piece in pieces]
    assert split_outside_quotes(";".join(quoted), ";") == quoted


def test_an_endless_line_is_dropped(bench):
    bench.smu.receive(b"x" * 70_000, 0)
    assert bench.codes() == [-363]
    assert bench.say(":OUTP?") == "0"

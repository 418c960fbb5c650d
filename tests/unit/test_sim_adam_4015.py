"""The simulated ADAM-4015: answers to whom they are due, in the manual's form, and silence to everything else."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.adam_4015 import (
    AS_IN_MANUAL,
    CONVERSION_NS,
    DEAF_NS,
    Adam4015,
    NoReading,
    Probe,
    checksum_of,
    jig_probe,
)
from simulators.cell import PressCell
from simulators.device import SECOND_NS


def at(celsius: float) -> Probe:
    return Probe(lambda now_ns: celsius)


def quiet(probes: dict[int, Probe], **options) -> Adam4015:
    return Adam4015("thermometer", probes, noise_kelvin=0.0, **options)


@pytest.fixture
def module() -> Adam4015:
    return quiet({0: at(55.123), 1: at(54.5)})


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("#010", ">+055.12"),
        ("#011", ">+054.50"),
        ("#012", ">+888888"),
        ("#01", ">+055.12+054.50+888888+888888+888888+888888"),
        ("$01M", "!014015"),
        ("$01F", "!01A1.06"),
        ("$012", "!01000600"),
        ("$016", "!013F"),
        ("$018C0", "!01C0R20"),
        ("$017C5R21", "!01"),
        ("$01503", "!01"),
        ("$01B", "!013C"),
        ("%0101000600", "!01"),
        ("%0102000680", "!02"),
    ],
)
def test_answers(module, command, reply):
    assert module.receive(command.encode() + b"\r", 0) == reply.encode() + b"\r"


@pytest.mark.parametrize(
    "command",
    [
        "$015FF",
        "$017C6R21",
        "$017C0R2A",
        "$017C0R00",
        "$010",
        "$011",
        "$014",
        "%0101200600",
        "%0101000700",
        "%0101000640",
        "%0101000604",
    ],
)
def test_what_it_cannot_do(module, command):
    assert module.receive(command.encode() + b"\r", 0) == b"?01\r"
    assert module.receive(b"$012\r", 0) == b"!01000600\r"


@pytest.mark.parametrize(
    "command",
    ["", "#", "#02", "#016", "#01A", "#0100", "01M", "$01m", "$1M", "$01MM", "$01C", "%01", "@01", "$018C6", "#010 "],
)
def test_silence_to_what_it_does_not_understand(module, command):
    assert module.receive(command.encode() + b"\r", 0) == b""


def test_vectors_of_the_manual():
    module = quiet({5: at(20.0)}, address=0x02)
    assert module.receive(b"$027C5R21\r$028C5\r", 0) == b"!02\r!02C5R21\r"
    assert quiet({}, address=0x23).receive(b"%2324000600\r", 0) == b"!24\r"
    assert quiet({}, address=0x00).receive(b"$00501\r$006\r", 0) == b"!00\r!0001\r"


@pytest.mark.parametrize(
    ("text", "checksum"), [("#05", "88"), (">+3.5671", "9D"), ("$07RH", "25"), ("!07+2.0500", "D8")]
)
def test_checksums_of_the_manual(text, checksum):
    assert checksum_of(text) == checksum


def test_with_checksum_both_ways_have_it():
    module = quiet({0: at(55.123)}, address=0x05, checksum=True)
    assert module.receive(b"#0588\r", 0) == b">+055.12+888888+888888+888888+888888+888888FB\r"
    assert module.receive(b"$052BB\r", 0) == b"!05000640B0\r"
    assert module.receive(b"#05\r#0589\r#058\r\r88\r", 0) == b""


def test_disabled_channels_are_left_out(module):
    module.receive(b"$01502\r", 0)
    assert module.receive(b"#01\r", 0) == b">+054.50\r"
    assert module.receive(b"#010\r", 0) == b"?01\r"
    assert module.receive(b"$01B\r", 0) == b"!0100\r"


@pytest.mark.parametrize(
    ("celsius", "code", "field"),
    [
        (150.0, 0x20, b"+150.00"),
        (150.01, 0x20, b"+999999"),
        (-50.0, 0x20, b"-050.00"),
        (-50.01, 0x20, b"-999999"),
        (-0.001, 0x20, b"+000.00"),
        (399.994, 0x23, b"+399.99"),
        (-0.5, 0x21, b"-999999"),
        (-199.9, 0x24, b"-199.90"),
        (float("nan"), 0x20, b"+999999"),
    ],
)
def test_ranges(celsius, code, field):
    assert quiet({0: at(celsius)}, range_code=code).receive(b"#010\r", 0) == b">" + field + b"\r"


def test_no_reading_in_the_words_of_the_manual():
    module = quiet({0: at(500.0), 1: at(-100.0)}, no_reading=AS_IN_MANUAL)
    assert module.receive(b"#010\r#011\r#012\r", 0) == b">+9999\r>-0000\r>+9999\r"
    assert module.receive(b"$01B\r", 0) == b"!013F\r"
    assert NoReading() != AS_IN_MANUAL


def test_wire_breaks_and_is_mended(module):
    probe = module.probes.pop(0)
    assert module.receive(b"#010\r", 0) == b">+888888\r"
    module.probes[0] = probe
    assert module.receive(b"#010\r", 0) == b">+055.12\r"


@pytest.mark.parametrize(("celsius", "ohm"), [(0.0, b"+100.00"), (100.0, b"+138.51"), (-50.0, b"+080.31")])
def test_ohms_of_iec_60751(celsius, ohm):
    module = quiet({0: at(celsius)})
    module.receive(b"%0101000603\r", 0)
    assert module.receive(b"#010\r", DEAF_NS) == b">" + ohm + b"\r"


def test_deaf_while_it_calibrates(module):
    module.power_cycle(SECOND_NS)
    assert module.receive(b"$01M\r", SECOND_NS + DEAF_NS - 1) == b""
    assert module.receive(b"$01M\r", SECOND_NS + DEAF_NS) == b"!014015\r"
    assert module.receive(b"%0107000600\r", 20 * SECOND_NS) == b"!07\r"
    assert module.receive(b"$07M\r", 26 * SECOND_NS) == b""
    assert module.receive(b"$01M\r$07M\r", 27 * SECOND_NS) == b"!074015\r"


def test_settings_outlast_a_loss_of_power(module):
    module.receive(b"$01501\r$017C0R22\r", 0)
    module.power_cycle(0)
    assert module.receive(b"$016\r$018C0\r", DEAF_NS) == b"!0101\r!01C0R22\r"


def test_noise_belongs_to_the_conversion():
    module = Adam4015("thermometer", {0: at(55.0), 1: at(55.0)}, noise_kelvin=0.05)
    same_ns = (7 * CONVERSION_NS, 8 * CONVERSION_NS - 1)
    assert len({module.receive(b"#010\r", now_ns) for now_ns in same_ns}) == 1
    shown = [
        [float(module.receive(b"#01%d\r" % channel, number * CONVERSION_NS)[1:8]) for number in range(2000)]
        for channel in (0, 1)
    ]
    assert np.std(shown, axis=1) == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(shown)[0, 1]) < 0.06
    assert Adam4015("thermometer", {0: at(55.0)}, noise_kelvin=0.05, seed=2).receive(b"#010\r", 0) != module.receive(
        b"#010\r", 0
    )


def test_jig_is_as_warm_as_the_cell():
    cell = PressCell(chamber_celsius=55.0, start_celsius=25.0)
    module = quiet({0: jig_probe(cell, offset_kelvin=0.2), 1: at(55.0)})
    assert module.receive(b"#010\r", 0) == b">+025.20\r"
    cell.advance_to(1500 * SECOND_NS)
    assert float(module.receive(b"#010\r", cell.now_ns)[1:8]) == pytest.approx(55.2 - 30 / np.e, abs=0.01)
    assert module.run_to(10**15) == 10**15


@pytest.mark.parametrize("wrong", [{"probes": {6: at(20.0)}}, {"address": 256}, {"range_code": 0x25}])
def test_impossible_modules_are_refused(wrong):
    with pytest.raises(ValueError, match="channels are"):
        Adam4015("thermometer", wrong.pop("probes", {}), **wrong)


PIECES = st.binary(max_size=8) | st.sampled_from([b"#01", b"0\r", b"\r", b"$01", b"6\r", b"501\r", b"%0101000600\r"])


@given(st.lists(PIECES, max_size=10))
def test_any_bytes_are_answered_alike_in_any_pieces(pieces):
    whole, cut = quiet({0: at(55.0)}), quiet({0: at(55.0)})
    replies = b"".join(cut.receive(piece, 0) for piece in pieces)
    assert whole.receive(b"".join(pieces), 0) == replies
    assert all(re.fullmatch(rb"[>!?][0-9A-Z.+-]+", reply) for reply in replies.split(b"\r")[:-1])

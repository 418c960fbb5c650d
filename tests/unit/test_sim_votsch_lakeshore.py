"""The simulated Vötsch chamber and the simulated Lake Shore 218: what they answer, and what they say nothing to."""

import pytest

from simulators.adam_4015 import Probe
from simulators.chamber_air import ChamberBuild
from simulators.device import SECOND_NS
from simulators.lakeshore import LakeShore218
from simulators.votsch import VotschChamber

OFF, ON = "0" * 32, "01" + "0" * 30


class Surroundings:
    def set_chamber_celsius(self, temperature_celsius):
        self.celsius = temperature_celsius


def chamber(**options):
    return VotschChamber("oven", Surroundings(), build=ChamberBuild(ripple_kelvin=0), **options)


def ask(device, line, now_ns=0, end="\r"):
    return device.receive(f"{line}{end}".encode("latin-1"), now_ns).decode("latin-1")


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_setpoint_comes_first(end):
    oven = chamber(air_celsius=24.5, setpoint_celsius=25.0)
    assert ask(oven, "$01I", end=end) == f"0025.0 0024.5 0050.0 0050.0 {ON}\r"
    assert ask(oven, "$01I", end=end) == f"0025.0 0024.5 0050.0 0050.0 {ON}\r"


def test_below_zero():
    assert ask(chamber(air_celsius=-40.0, setpoint_celsius=-40.0), "$01I").startswith("-040.0 -040.0 ")


@pytest.mark.parametrize("line", ["$02I", "$1I", "I", "$01X", "$01I5", "", "01I"])
def test_what_it_says_nothing_to(line):
    assert ask(chamber(), line) == ""


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (f"0030.0 0060.0 {ON}", "0\r"),
        (f"0141.0 0060.0 {ON}", "1\r"),
        (f"0030.0 0101.0 {ON}", "1\r"),
        (f"0030.0 {ON}", "1\r"),
        ("0030.0 0060.0 01", "1\r"),
        (f"warm 0060.0 {ON}", "1\r"),
    ],
)
def test_a_setting_is_taken_whole_or_not_at_all(words, reply):
    oven = chamber()
    assert ask(oven, f"$01E {words}") == reply
    said = ask(oven, "$01I")
    assert said.startswith("0030.0 " if reply == "0\r" else "0055.0 ")


def test_it_follows_while_it_is_started():
    oven = chamber(air_celsius=23.0, setpoint_celsius=23.0)
    ask(oven, f"$01E 0040.0 0050.0 {OFF}")
    assert oven.run_to(3600 * SECOND_NS) == 3600 * SECOND_NS
    ask(oven, f"$01E 0040.0 0050.0 {ON}")
    now_ns = 0
    while now_ns < 3600 * SECOND_NS:
        now_ns = oven.run_to(3600 * SECOND_NS)
        oven.settle(now_ns)
    assert oven.air_celsius_at(now_ns) == pytest.approx(40, abs=0.1)
    oven.power_cycle(now_ns)
    assert ask(oven, "$01I", now_ns).startswith("0040.0 0040.0")


def monitor(**options):
    probes = {1: Probe(lambda _: 55.1234), 2: Probe(lambda _: 1000.0), 3: Probe(lambda _: -265.0)}
    return LakeShore218("thermometer", probes, noise_kelvin=0.0, **options)


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        ("*IDN?", "LSCI,MODEL218S,21EA4F,042109\r\n"),
        ("CRDG? 1", "+055.123\r\n"),
        ("crdg?1", "+055.123\r\n"),
        ("KRDG? 1", "+328.273\r\n"),
        ("RDGST? 1", "000\r\n"),
        ("RDGST? 2", "032\r\n"),
        ("RDGST? 3", "016\r\n"),
        ("RDGST? 4", "160\r\n"),
        ("RDGST? 0", ""),
        ("CRDG? 9", ""),
        ("FOO", ""),
        ("", ""),
    ],
)
def test_what_a_monitor_answers(query, reply):
    assert ask(monitor(), query, end="\r\n") == reply


def test_all_inputs_at_once():
    values = ask(monitor(), "CRDG? 0", end="\n").rstrip().split(",")
    assert len(values) == 8
    assert values[0] == "+055.123"


def test_odd_parity():
    with_parity = bytes(code if code.bit_count() % 2 else code | 0x80 for code in b"CRDG? 1\r\n")
    reply = monitor(has_odd_parity=True).receive(with_parity, 0)
    assert all(code.bit_count() % 2 for code in reply)
    assert bytes(code & 0x7F for code in reply) == b"+055.123\r\n"
    assert monitor(has_odd_parity=True).receive(b"CRDG? 1\r\n", 0) == b""


def test_inputs_that_are_none():
    with pytest.raises(ValueError, match="1 to 8"):
        LakeShore218("thermometer", {0: Probe(lambda _: 20.0)})

"""The simulated drives: the frames of the reference, what they refuse, and what they forget without power."""

import pytest

from simulators.delta_drive import DeltaDrive
from simulators.device import SECOND_NS
from simulators.drive_device import START_UP_NS
from simulators.inverter import Inverter, InverterSettings, LossAction
from simulators.ls_drive import LsDrive
from simulators.mill import Mill
from simulators.modbus_rtu import crc16

LOCKED = "01 86 14 42 6F"


class Line:
    """A host at the end of a drive's cable."""

    def __init__(self, device):
        self.device = device
        self.now_ns = 0

    def send(self, frame):
        return self.device.receive(bytes.fromhex(frame), self.now_ns).hex(" ").upper()

    def ask(self, body):
        data = bytes.fromhex(body)
        reply = self.device.receive(data + crc16(data), self.now_ns)
        assert reply[-2:] == crc16(reply[:-2])
        return reply[:-2].hex(" ").upper()

    def word(self, register):
        return int(self.ask(f"01 03 {register >> 8:02X} {register & 0xFF:02X} 00 01")[-5:].replace(" ", ""), 16)

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.device.settle(self.now_ns)


def inverter():
    return Inverter(Mill(), InverterSettings(highest_hertz=70, accel_second=5, decel_second=10))


@pytest.fixture
def ls():
    return Line(LsDrive("mill", inverter()))


@pytest.fixture
def delta():
    return Line(DeltaDrive("mill", inverter()))


def test_an_ls_is_locked_until_it_is_unlocked_and_then_echoes(ls):
    assert ls.send("01 06 00 05 1A 0B D3 6C") == LOCKED
    for frame in ("01 06 00 04 00 01 09 CB", "01 06 00 05 1A 0B D3 6C", "01 06 00 06 00 02 E8 0A"):
        assert ls.send(frame) == frame
    ls.pass_second(10)
    assert ls.word(0x000A) == 6667
    assert ls.word(0x000E) == 0x0042
    assert ls.word(0x0015) == 4000
    for frame in ("01 06 00 06 00 01 A8 0B", "01 06 00 06 00 08 68 0D", "01 06 00 06 00 10 68 07"):
        assert ls.send(frame) == frame


def test_an_ls_reads_as_in_the_reference(ls):
    for frame in ("01 06 00 04 00 01 09 CB", "01 06 00 05 1A 0B D3 6C", "01 06 00 06 00 02 E8 0A"):
        ls.send(frame)
    ls.pass_second(10)
    reply = bytes.fromhex(ls.send("01 03 00 09 00 07 D4 0A"))
    assert reply[:3] == b"\x01\x03\x0e"
    assert reply[5:7].hex() == "1a0b"
    assert reply[9:11].hex() == "0c1c"
    assert reply[13:17].hex() == "00420000"


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("01 03 00 00 00 04", "01 03 08 00 0A 00 02 00 00 00 22"),
        ("01 04 00 05 00 01", "01 04 02 00 00"),
        ("01 06 00 0A 00 01", "01 86 14"),
        ("01 06 00 05 FF FF", "01 86 03"),
        ("01 06 00 06 00 00", "01 86 03"),
        ("01 03 00 16 00 01", "01 83 02"),
        ("01 03 03 80 00 01", "01 83 02"),
        ("01 05 00 06 FF 00", "01 85 01"),
        ("01 10 00 05 00 02 04 07 D0 00 02", "01 10 00 05 00 02"),
    ],
)
def test_what_an_unlocked_ls_answers(ls, body, reply):
    ls.send("01 06 00 04 00 01 09 CB")
    assert ls.ask(body) == reply


def test_parameters_of_an_ls_that_runs_are_not_changed(ls):
    ls.send("01 06 00 04 00 01 09 CB")
    ls.ask("01 06 A4 3F 00 14")
    ls.ask("01 06 A4 3E 00 02")
    assert (ls.device.inverter.settings.loss_action, ls.device.inverter.settings.loss_second) == (LossAction.RAMP, 2.0)
    ls.ask("01 06 00 05 07 D0")
    ls.ask("01 06 00 06 00 02")
    assert ls.ask("01 06 A4 3E 00 00") == "01 86 14"


def test_an_s100_has_its_own_addresses_too_and_no_lock():
    line = Line(LsDrive("mill", inverter(), model="ls_s100"))
    assert line.ask("01 06 03 81 0F A0") == "01 06 03 81 0F A0"
    assert line.word(0x0005) == 6667
    line.ask("01 06 03 82 00 03")
    line.pass_second(10)
    assert (line.word(0x0015), line.word(0x000E)) == (4000, 0x0042)
    line.ask("01 06 03 82 00 00")
    line.pass_second(1)
    assert line.word(0x000E) == 0x0022
    assert line.ask("01 06 00 04 00 01") == "01 86 14"


def test_without_power_commands_are_lost_and_parameters_kept(ls):
    for body in ("01 06 00 04 00 01", "01 06 A4 3E 00 01", "01 06 00 05 07 D0", "01 06 00 06 00 02"):
        ls.ask(body)
    ls.pass_second(4)
    ls.device.power_cycle(ls.now_ns)
    assert ls.send("01 03 00 09 00 07 D4 0A") == ""
    ls.pass_second(START_UP_NS / SECOND_NS)
    assert [ls.word(register) for register in (0x0004, 0x0005, 0x0006, 0x000E, 0xA43E)] == [0, 0, 1, 1, 1]


def test_a_delta_answers_the_frames_of_the_reference(delta):
    for frame in ("01 06 20 01 1A 0B 99 6D", "01 06 20 00 00 12 02 07"):
        assert delta.send(frame) == frame
    delta.pass_second(10)
    reply = bytes.fromhex(delta.send("01 03 21 00 00 05 8F F5"))
    assert reply[3:11].hex() == "000005031a0b1a0b"
    assert delta.word(0x210C) == 4000
    for frame in ("01 06 20 00 00 01 43 CA", "01 06 20 02 00 02 A2 0B"):
        assert delta.send(frame) == frame
    delta.pass_second(1)
    assert delta.word(0x2101) & 3 == 1
    delta.pass_second(20)
    assert delta.word(0x2101) & 3 == 0


def test_a_delta_takes_command_and_frequency_in_one_go(delta):
    assert delta.send("01 10 20 00 00 02 04 00 12 1A 0B 80 CC").startswith("01 10 20 00 00 02")
    delta.pass_second(10)
    assert delta.word(0x2103) == 6667


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("01 08 00 00 A5 37", "01 08 00 00 A5 37"),
        ("01 04 21 00 00 01", "01 84 01"),
        ("01 06 21 00 00 01", "01 86 02"),
        ("01 03 30 00 00 01", "01 83 02"),
        ("01 06 09 02 00 04", "01 86 03"),
        ("01 06 09 03 04 B1", "01 86 03"),
        ("01 06 20 01 FF FF", "01 86 03"),
        ("01 03 21 00 00 15", "01 83 03"),
    ],
)
def test_what_a_delta_answers(delta, body, reply):
    assert delta.ask(body) == reply


def test_a_delta_that_hears_nothing_ramps_down_and_warns(delta):
    for body in ("01 06 09 02 00 01", "01 06 09 03 00 14", "01 06 20 01 13 88", "01 06 20 00 00 12"):
        delta.ask(body)
    for _ in range(8):
        delta.pass_second(1)
        assert delta.word(0x2100) == 0
    delta.pass_second(2.5)
    assert delta.device.inverter.mill.rpm_at(delta.now_ns) < 3000
    assert delta.device.read(0x2100, delta.now_ns) == 10 << 8
    delta.pass_second(20)
    assert delta.device.inverter.mill.rpm_at(delta.now_ns) == 0


def test_the_lid_is_an_external_fault_on_a_delta(delta):
    delta.ask("01 06 20 01 13 88")
    delta.ask("01 06 20 00 00 12")
    delta.pass_second(5)
    delta.device.inverter.set_lid(is_open=True, now_ns=delta.now_ns)
    assert (delta.word(0x2100), delta.word(0x2101) & 3, delta.word(0x2103)) == (8, 0, 0)
    delta.ask("01 06 20 02 00 02")
    assert delta.word(0x2100) == 8
    delta.device.inverter.set_lid(is_open=False, now_ns=delta.now_ns)
    delta.ask("01 06 20 02 00 02")
    assert delta.word(0x2100) == 0


def test_a_base_block_takes_the_voltage_off(delta):
    delta.ask("01 06 20 01 13 88")
    delta.ask("01 06 20 00 00 12")
    delta.pass_second(5)
    delta.ask("01 06 20 02 00 04")
    assert delta.word(0x2103) == 0
    delta.ask("01 06 20 00 00 12")
    assert delta.device.inverter.direction == 0


@pytest.mark.parametrize("line", ["ls", "delta"])
def test_only_what_is_meant_for_it_keeps_it_running(line, request):
    line = request.getfixturevalue(line)
    inverter = line.device.inverter
    inverter.settings.loss_action, inverter.settings.loss_second = LossAction.COAST, 1.0
    inverter.heard(line.now_ns)
    inverter.set_reference(50, line.now_ns)
    inverter.run(1, line.now_ns)
    for _ in range(20):
        line.pass_second(0.1)
        line.device.receive(bytes.fromhex("07 03 00 09 00 07"), line.now_ns)
    assert inverter.direction == 0

"""The simulated MT-SICS terminal, Laumas transmitter, and the CAS and addressed forms of the indicator."""

import re

import numpy as np
import pytest

from simulators.and_frames import Header
from simulators.and_indicator import AndIndicator
from simulators.cas_frames import CasFrameWriter
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.force_display import ForceSensor, IndicatorSetup, Upset
from simulators.laumas import LaumasTransmitter
from simulators.mettler import PATIENCE_NS, MettlerTerminal
from simulators.modbus_rtu import crc16

SENSOR = ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=0, noise_kilopascal=0)


class Host:
    """A host of an instrument on a cell at rest; time moves when told."""

    def __init__(self, make, torque=5.0, sensor=SENSOR, **setup):
        self.cell = PressCell(chamber_celsius=25.0, start_celsius=25.0, torque_newton_metre=torque)
        self.device = make("load", self.cell, sensor=sensor, setup=IndicatorSetup(**setup))
        self.now_ns = 0
        self.pass_second(60)

    def pass_second(self, second):
        """Lets time pass; what is said unasked."""
        self.now_ns += round(second * SECOND_NS)
        self.device.run_to(self.now_ns)
        self.cell.advance_to(self.now_ns)
        return b"".join(data for _, data in self.device.take_emitted()) if hasattr(self.device, "take_emitted") else b""

    def ask(self, line):
        return (
            self.device.receive(line.encode() + b"\r\n", self.now_ns).decode("latin-1").replace("\r\n", "\n").rstrip()
        )

    def read(self, first, count):
        body = bytes([1, 3, 0, first, 0, count])
        reply = self.device.receive(body + crc16(body), self.now_ns)
        return [int.from_bytes(reply[index : index + 2], "big") for index in range(3, len(reply) - 2, 2)]


@pytest.fixture
def sics():
    return Host(MettlerTerminal)


def test_a_terminal_says_who_it_is(sics):
    assert sics.ask("I4") == 'I4 A "B012345678"'
    assert sics.ask("I2").startswith('I2 A "')
    assert sics.ask("I0").splitlines()[-1].startswith("I0 A ")
    assert sics.ask("@") == 'I4 A "B012345678"'


@pytest.mark.parametrize("command", ["S", "SI"])
def test_a_weight_has_ten_characters(sics, command):
    assert re.fullmatch(r"S S ( *\d+\.\d\d) kg", sics.ask(command))
    assert len(sics.ask(command)) == len("S S     100.00 kg")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("si", "ES"),
        ("FOO", "ES"),
        ("S 5", "S L"),
        ("SI 5", "ES"),
        ("", ""),
        ("M21 0 0", "M21 L"),
        ("C3", "C3 I"),
        ("TA 5", "TA L"),
    ],
)
def test_what_it_does_not_do(sics, line, reply):
    assert sics.ask(line) == reply


def test_it_waits_for_rest_and_says_what_it_has(sics):
    sics.device.upset = Upset(added_newton=200)
    sics.pass_second(0.2)
    assert sics.ask("SI").startswith("S D ")
    assert sics.ask("S") == ""
    assert sics.ask("SI") == "EL"
    assert sics.pass_second(3).startswith(b"S S ")
    assert sics.ask("SI").startswith("S S ")


def test_it_gives_up_what_never_rests(sics):
    sics.device.upset = Upset(drift_newton_per_second=100000, drift_from_ns=sics.now_ns)
    sics.pass_second(0.2)
    assert sics.ask("Z") == ""
    assert sics.pass_second(PATIENCE_NS / SECOND_NS + 1) == b"Z I\r\n"


def test_a_reset_ends_what_waits(sics):
    sics.device.upset = Upset(added_newton=200)
    sics.pass_second(0.2)
    assert sics.ask("S") == ""
    assert sics.ask("@").startswith("I4 A")
    assert sics.pass_second(3) == b""


def test_it_repeats_until_it_is_asked_once(sics):
    assert sics.ask("SIR") == ""
    lines = sics.pass_second(1).splitlines()
    assert len(lines) == 10
    assert all(line.startswith(b"S S ") for line in lines)
    assert sics.ask("SI").startswith("S S ")
    assert sics.pass_second(1) == b""


@pytest.mark.parametrize(("newton", "reply"), [(6000, "S +"), (-7000, "S -")])
def test_out_of_range(sics, newton, reply):
    sics.device.upset = Upset(added_newton=newton)
    sics.pass_second(3)
    assert sics.ask("SI") == reply
    assert sics.ask("S") == reply


def test_zero_and_tare():
    sics = Host(MettlerTerminal, torque=0.0, sensor=ForceSensor(zero_newton=40, noise_kilopascal=0))
    assert sics.ask("SI") != "S S       0.00 kg"
    assert sics.ask("Z") == "Z A"
    assert sics.ask("SI") == "S S       0.00 kg"
    sics.device.upset = Upset(added_newton=300)
    sics.pass_second(3)
    tared = sics.ask("T")
    assert re.fullmatch(r"T S +30\.\d\d kg", tared)
    assert sics.ask("SI") == "S S       0.00 kg"
    assert sics.ask("TA") == tared.replace("T S", "TA A")
    assert sics.ask("Z") == "Z +"
    assert sics.ask("TAC") == "TAC A"
    assert sics.ask("SI").split()[2] == tared.split()[2]


def test_switched_off_and_on_it_tells_its_number(sics):
    sics.ask("SIR")
    sics.device.power_cycle(sics.now_ns)
    assert sics.ask("SI") == "S I"
    assert sics.pass_second(5) == b'I4 A "B012345678"\r\n'


@pytest.fixture
def laumas():
    return Host(LaumasTransmitter)


def test_a_transmitter_s_registers(laumas):
    status, high, low, net_high, net_low, _, _, setting = laumas.read(6, 8)
    gross = (high << 16 | low) / 100
    assert gross == pytest.approx(997 / 9.80665, rel=0.05)
    assert (net_high, net_low) == (high, low)
    assert status == 1 << 11
    assert setting == 0 << 8 | 11
    assert laumas.read(3, 1) == [12345]


def test_the_sign_is_in_the_status(laumas):
    laumas.device.upset = Upset(added_newton=-2000)
    laumas.pass_second(3)
    status, high, low, *_ = laumas.read(6, 8)
    assert status & 0x0180 == 0x0180
    assert (high << 16 | low) > 0


def test_beyond_its_range(laumas):
    laumas.device.upset = Upset(added_newton=6000)
    laumas.pass_second(3)
    assert laumas.read(6, 1)[0] & 0x0C == 0x0C


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("01 03 00 00 00 21", "01 83 03"),
        ("01 03 00 10 00 01", "01 83 02"),
        ("01 04 00 06 00 01", "01 84 01"),
        ("01 06 00 05 00 65", "01 86 03"),
        ("01 06 00 07 00 01", "01 86 02"),
        ("01 06 00 05 00 63", "01 06 00 05 00 63"),
    ],
)
def test_what_a_transmitter_answers(laumas, body, reply):
    data = bytes.fromhex(body)
    assert laumas.device.receive(data + crc16(data), laumas.now_ns)[:-2].hex(" ").upper() == reply


def test_net_and_back(laumas):
    body = bytes.fromhex("01 06 00 05 00 07")
    laumas.device.receive(body + crc16(body), laumas.now_ns)
    status, high, low, net_high, net_low, *_ = laumas.read(6, 8)
    assert (high << 16 | low) > 0
    assert (net_high << 16 | net_low) == 0
    assert status & 0x0400
    with pytest.raises(ValueError, match="kN"):
        LaumasTransmitter("load", laumas.cell, setup=IndicatorSetup(unit="kN"))


def test_the_frame_of_a_real_cas():
    [frame] = CasFrameWriter(1, "kg").write("GS", [Header.STABLE], np.array([0]))
    assert frame == bytes.fromhex("53542C47532C00C52C2020202020302E30206B670D0A")
    [manual] = CasFrameWriter(1, "kg", device=1, style="manual").write("GS", [Header.STABLE], np.array([135]))
    assert manual == b"ST,GS,1\xc4,000013.5 kg\r\n"


def test_a_cas_streams_22_bytes():
    frames = Host(AndIndicator, form="cas", bus_address=12, decimals=1).pass_second(1)
    assert len(frames) % 22 == 0
    assert frames[6:7] == b"\x0c"


@pytest.mark.parametrize(
    ("form", "command", "reply"),
    [
        ("and", "@05RW", r"@05ST,GS,\+0*\d+\.\d\dkg"),
        ("and", "@05MZ", "@05I"),
        ("and", "@05MT", "@05MT"),
        ("and", "@05FOO", r"@05\?"),
        ("and", "@06RW", ""),
        ("and", "@00MG", ""),
        ("and", "RW", ""),
        ("cas_and", "05RW", r"ST,GS,\+0*\d+\.\d\dkg"),
        ("cas_and", "05 RW", r"ST,GS,\+0*\d+\.\d\dkg"),
        ("cas_and", "05MZ", "!"),
        ("cas_and", "05MT", "05MT"),
        ("cas_and", "05FOO", r"\?"),
        ("cas", "05RW", r"ST,GS,\x05.,  +\d+\.\d\d kg"),
    ],
)
def test_addressed_commands(form, command, reply):
    host = Host(AndIndicator, form=form, bus_address=5, streaming=False)
    assert re.fullmatch(reply, host.ask(command))


def test_everybody_obeys_in_silence():
    host = Host(AndIndicator, bus_address=5, streaming=False)
    assert host.ask("@00MT") == ""
    assert host.ask("@05RW").startswith("@05ST,NT,+0000.00")

"""The simulated chillers as a stranger meets them on the wire, written from the makers' own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.device import SECOND_NS, Device
from simulators.huber import HuberChiller
from simulators.julabo import JulaboChiller
from simulators.lauda import LaudaChiller
from tests.support.chillers import DEVICES, circulator


@pytest.fixture
def lauda() -> LaudaChiller:
    return LaudaChiller("cooler", circulator(bath_celsius=21.23))


@pytest.fixture
def julabo() -> JulaboChiller:
    return JulaboChiller("cooler", circulator(bath_celsius=21.234))


@pytest.fixture
def huber() -> HuberChiller:
    return HuberChiller("cooler", circulator(bath_celsius=21.23))


def say(device: Device, command: str, now_ns: int = 0, end: str = "\r\n") -> str:
    """The reply to a command, without its end; empty when there is none."""
    reply = device.receive((command + end).encode("latin-1"), now_ns).decode("latin-1")
    assert reply == "" or (reply.endswith("\r\n") and reply.count("\r\n") == 1)
    return reply.removesuffix("\r\n")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r"])
@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("OUT_SP_00_30.5", "OK"),
        ("IN_PV_00", "021.23"),
        ("in pv 00", "021.23"),
        ("OUT_SP_00_500", "ERR_6"),
        ("FOO", "ERR_3"),
        ("IN_PV_01", "021.23"),
        ("IN_PV_03", "023.23"),
        ("IN_PV_10", "021.230"),
        ("IN_PV_04", "ERR_8"),
        ("IN_SP_00", "020.00"),
        ("IN_SP_04", "100.00"),
        ("IN_SP_05", "-030.00"),
        ("IN_SP_07", "020.00"),
        ("IN_SP_08", "0"),
        ("IN_MODE_02", "1"),
        ("IN_MODE_06", "0"),
        ("TYPE", "ECO"),
        ("VERSION_R", "1.36"),
        ("STATUS", "0"),
        ("STAT", "0000000"),
        ("IN_PAR_00", "002.00"),
        ("OUT_PAR_00_3.5", "OK"),
        ("RMP_START", "ERR_8"),
        ("", "ERR_3"),
        ("OUT_SP_00_" + "0" * 60, "ERR_2"),
    ],
)
def test_lauda_replies(lauda, command, reply, end):
    assert say(lauda, command, end=end) == reply


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ("22", "022.00"),
        ("0022.00", "022.00"),
        ("-10.5", "-010.50"),
        (".5", "000.50"),
        ("-.5", "-000.50"),
        ("7.", "007.00"),
        ("-0", "000.00"),
    ],
)
def test_lauda_takes_numbers_in_many_forms_and_says_them_in_one(lauda, written, reads):
    assert say(lauda, f"OUT_SP_00_{written}") == "OK"
    assert say(lauda, "IN_SP_00") == reads


@pytest.mark.parametrize("written", ["", "-", ".", "x", "1,5", "1.555", "12345", "1e1", "+1", "nan"])
def test_lauda_syntax_errors_change_nothing(lauda, written):
    assert say(lauda, f"OUT_SP_00_{written}") == "ERR_5"
    assert say(lauda, "IN_SP_00") == "020.00"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("OUT_SP_01_7", "ERR_6"),
        ("OUT_SP_02_3", "ERR_6"),
        ("OUT_SP_04_-40", "ERR_32"),
        ("OUT_SP_05_100", "ERR_32"),
        ("OUT_SP_06_1.0", "ERR_8"),
        ("OUT_SP_07_101", "ERR_6"),
        ("OUT_SP_08_100", "ERR_6"),
        ("OUT_SP_08_1.5", "ERR_6"),
        ("OUT_SP_08_12.00", "OK"),
        ("OUT_MODE_01_1", "OK"),
        ("OUT_MODE_01_2", "ERR_8"),
        ("OUT_MODE_01_9", "ERR_6"),
        ("OUT_MODE_06_1", "ERR_35"),
        ("OUT_MODE_06_0", "ERR_6"),
        ("OUT_SP_99_1", "ERR_3"),
    ],
)
def test_lauda_refusals(lauda, command, reply):
    assert say(lauda, command) == reply


def test_lauda_without_a_probe():
    lauda = LaudaChiller("cooler", circulator(has_probe=False))
    assert [say(lauda, command) for command in ("IN_PV_03", "IN_PV_13", "OUT_MODE_01_1")] == ["ERR_33"] * 3


def test_lauda_on_rs485_answers_to_its_address_alone():
    lauda = LaudaChiller("cooler", circulator(bath_celsius=21.23), bus_address=15)
    assert say(lauda, "A015_IN_PV_00", end="\r") == "A015_021.23"
    assert say(lauda, "A015_OUT_SP_00_22") == "A015_OK"
    assert say(lauda, "A015_OUT_SP_00_500") == "A015_ERR_6"
    assert say(lauda, "A016_IN_PV_00") == ""
    assert say(lauda, "IN_PV_00") == ""


def test_lauda_starts_and_says_its_faults(lauda):
    assert say(lauda, "START") == "OK"
    assert say(lauda, "IN_MODE_02") == "0"
    lauda.circulator.low_level = True
    assert [say(lauda, command) for command in ("IN_MODE_02", "STATUS", "STAT")] == ["1", "-1", "0100100"]
    assert say(lauda, "STOP") == "OK"
    assert say(lauda, "START") == "OK"
    lauda.circulator.low_level = False
    assert say(lauda, "IN_MODE_02") == "1"


@pytest.mark.parametrize("safe_mode", [True, False])
def test_lauda_watchdog_is_put_off_by_any_message_and_expires_to_the_nanosecond(lauda, safe_mode):
    lauda.safe_mode_is_activated = safe_mode
    for command in ("OUT_SP_07_15", "OUT_SP_08_30", "START"):
        assert say(lauda, command) == "OK"
    lauda.run_to(29 * SECOND_NS)
    say(lauda, "FOO", 29 * SECOND_NS)
    lauda.run_to(59 * SECOND_NS - 1)
    assert (lauda.circulator.runs, lauda.circulator.setpoint_celsius) == (True, 20.0)
    lauda.run_to(59 * SECOND_NS)
    if safe_mode:
        assert (lauda.circulator.runs, lauda.circulator.setpoint_celsius) == (True, 15.0)
        assert say(lauda, "STAT") == "0010000"
        assert say(lauda, "OUT_SP_00_20") == "ERR_38"
    else:
        assert (lauda.circulator.runs, lauda.circulator.alarm_codes) == (False, (22,))
        assert say(lauda, "STAT") == "0100000"
        lauda.acknowledge()
        say(lauda, "START")
        assert lauda.circulator.runs
    say(lauda, "OUT_SP_08_30", 60 * SECOND_NS)
    lauda.end_safe_mode()
    say(lauda, "OUT_SP_00_20", 60 * SECOND_NS)
    lauda.run_to(1000 * SECOND_NS)
    assert lauda.circulator.setpoint_celsius == 20.0
    say(lauda, "OUT_SP_08_0", 1000 * SECOND_NS)
    say(lauda, "OUT_SP_08_30", 1000 * SECOND_NS)
    lauda.run_to(1030 * SECOND_NS)
    assert lauda.circulator.setpoint_celsius == (15.0 if safe_mode else 20.0)
    assert lauda.circulator.has_fault != safe_mode


def test_lauda_safe_mode_is_entered_at_once(lauda):
    lauda.safe_mode_is_activated = True
    say(lauda, "OUT_SP_07_15")
    assert say(lauda, "OUT_MODE_06_1") == "OK"
    assert (say(lauda, "IN_SP_00"), say(lauda, "IN_MODE_06")) == ("015.00", "1")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("version", "JULABO CF41 VERSION 1.30"),
        ("STATUS", "02 REMOTE STOP"),
        ("in_pv_00", "21.23"),
        ("IN_PV_02", "23.23"),
        ("in_pv_01", "0.00"),
        ("in_sp_00", "20.00"),
        ("in_sp_03", "150.00"),
        ("in_sp_04", "-40.00"),
        ("in_mode_05", "0"),
        ("in_mode_01", "0"),
        ("out_sp_00 15", ""),
        ("in_sp_99", ""),
        ("in_sp_00 15", ""),
        ("hello", ""),
        ("", ""),
    ],
)
def test_julabo_replies_to_questions_alone(julabo, command, reply):
    assert say(julabo, command, end="\r") == reply


def test_julabo_remembers_what_was_wrong_until_it_is_asked(julabo):
    for command, status in [
        ("out_sp_00 500", "-11 VALUE TOO LARGE"),
        ("out_sp_00 -50.5", "-10 VALUE TOO SMALL"),
        ("out_sp_00 warm", "-08 INVALID COMMAND"),
        ("nonsense", "-08 INVALID COMMAND"),
        ("out_mode_05 2", "-11 VALUE TOO LARGE"),
    ]:
        assert say(julabo, command, end="\r") == ""
        assert say(julabo, "in_sp_00", end="\r") == "20.00"
        assert say(julabo, "status", end="\r") == status
        assert say(julabo, "status", end="\r") == "02 REMOTE STOP"


def test_julabo_vectors_of_the_manual(julabo):
    assert say(julabo, "out_mode_05 1", end="\r") == ""
    assert say(julabo, "out_sp_00 15.00", end="\r") == ""
    assert say(julabo, "in_sp_00", end="\r") == "15.00"
    assert say(julabo, "status", end="\r") == "03 REMOTE START"


def test_julabo_setpoint_beyond_the_warning_limits_is_taken_and_told(julabo):
    say(julabo, "out_sp_03 50", end="\r")
    say(julabo, "out_sp_00 60", end="\r")
    assert say(julabo, "in_sp_00", end="\r") == "60.00"
    assert say(julabo, "status", end="\r") == "-13 VALUE EXCEEDS TEMPERATURE LIMITS"


def test_julabo_by_hand_obeys_nobody(julabo):
    julabo.circulator.switch_off()
    assert say(julabo, "status", end="\r") == "00 MANUAL STOP"
    say(julabo, "out_mode_05 1", end="\r")
    assert say(julabo, "status", end="\r") == "-09 COMMAND NOT ALLOWED IN CURRENT OPERATING MODE"
    assert say(julabo, "in_mode_05", end="\r") == "0"


def test_julabo_controls_to_the_setpoint_that_is_chosen(julabo):
    say(julabo, "out_sp_01 5", end="\r")
    assert julabo.circulator.setpoint_celsius == 20.0
    say(julabo, "out_mode_01 1", end="\r")
    assert julabo.circulator.setpoint_celsius == 5.0
    say(julabo, "out_sp_01 6", end="\r")
    assert julabo.circulator.setpoint_celsius == 6.0


@pytest.mark.parametrize(
    ("layout", "known", "unknown"),
    [
        ("basic", {"in_pv_00": "21.23"}, ["in_pv_02", "in_sp_03", "in_sp_01", "in_mode_01"]),
        ("fp50", {"in_sp_01": "150.00", "in_sp_02": "-40.00", "in_pv_01": "23.23"}, ["in_sp_03", "in_mode_01"]),
    ],
)
def test_julabo_families_keep_things_elsewhere(layout, known, unknown):
    julabo = JulaboChiller("cooler", circulator(bath_celsius=21.234), layout=layout)
    assert {command: say(julabo, command, end="\r") for command in known} == known
    assert [say(julabo, command, end="\r") for command in unknown] == [""] * len(unknown)


def test_julabo_loses_a_command_that_comes_too_soon():
    julabo = JulaboChiller("cooler", circulator(), deaf_after_write_second=0.25)
    assert julabo.receive(b"out_mode_05 1\rin_mode_05\r", 0) == b""
    assert say(julabo, "in_mode_05", SECOND_NS // 4 - 1, end="\r") == ""
    assert say(julabo, "in_mode_05", SECOND_NS // 4, end="\r") == "1"


def test_julabo_with_parity():
    julabo = JulaboChiller("cooler", circulator(), has_even_parity=True)
    asked = bytes(code | (code.bit_count() % 2) << 7 for code in b"in_sp_00\r")
    reply = julabo.receive(asked, 0)
    assert all(code.bit_count() % 2 == 0 for code in reply)
    assert bytes(code & 0x7F for code in reply) == b"20.00\r\n"
    assert julabo.receive(b"in_sp_00\r", 0) == b""


def test_julabo_power_cycle(julabo):
    say(julabo, "out_sp_00 15", end="\r")
    say(julabo, "out_mode_05 1", end="\r")
    julabo.power_cycle(0)
    assert (say(julabo, "in_sp_00", end="\r"), say(julabo, "status", end="\r")) == ("25.00", "02 REMOTE STOP")


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ("{M00****", "{S0007D0"),
        ("{M0005DC", "{S0005DC"),
        ("{M00FBE6", "{S00FBE6"),
        ("{M00FC18", "{S00FC18"),
        ("{M008000", "{S004E20"),
        ("{M00C4F9", "{S00F060"),
        ("{M01****", "{S01084B"),
        ("{M010000", "{S01084B"),
        ("{M07****", "{S070913"),
        ("{M0A****", "{S0A0000"),
        ("{M05****", "{S050000"),
        ("{M0F****", "{S0F02EE"),
        ("{M5C****", "{S5C00B4"),
        ("{M140001", "{S140001"),
        ("{M480E10", "{S480E10"),
        ("{M480001", "{S480AF0"),
        ("{MFF****", "{SFF7FFF"),
        ("{m00****", "{S0007D0"),
        ("{M00***", ""),
        ("{M00*****", ""),
        ("{M0****", ""),
        ("M00****", ""),
        ("{S00****", ""),
        ("", ""),
    ],
)
def test_huber_frames(huber, frame, reply):
    assert say(huber, frame) == reply


def test_huber_status(huber):
    say(huber, "{M140001")
    assert [say(huber, "{M0A****") for _ in range(2)] == ["{S0A0013", "{S0A4013"]
    huber.circulator.low_level = True
    assert say(huber, "{M0A****") == "{S0A4100"
    assert say(huber, "{M05****") == "{S05FFB5"
    huber.power_cycle(0)
    huber.circulator.heal()
    assert say(huber, "{M0A****") == "{S0A0000"


def test_huber_without_a_probe():
    assert say(HuberChiller("cooler", circulator(has_probe=False)), "{M07****") == "{S07C504"


COMMANDS = [b"OUT_SP_00_15\r", b"START\r\n", b"in_sp_00\r", b"out_sp_00 15\r", b"{M00****\r\n", b"{M140001\r\n", b"\n"]


@pytest.mark.parametrize("make", DEVICES)
@given(pieces=st.lists(st.binary(max_size=12) | st.sampled_from(COMMANDS), max_size=8))
def test_any_bytes_are_answered_alike_in_any_pieces(make, pieces):
    whole, cut = (DEVICES[make]("cooler", circulator()) for _ in range(2))
    replies = b"".join(cut.receive(bytes([code]), 0) for piece in pieces for code in piece)
    assert whole.receive(b"".join(pieces), 0) == replies


@pytest.mark.parametrize("make", DEVICES)
@given(
    st.lists(st.tuples(st.integers(1, 100 * SECOND_NS), st.sampled_from([*COMMANDS, b"OUT_SP_08_30\r"])), max_size=6),
    st.lists(st.integers(1, 600 * SECOND_NS), max_size=6),
)
def test_cuts_of_time_change_nothing(make, stretches, cuts):
    seen = []
    for has_cuts in (True, False):
        device = DEVICES[make]("cooler", circulator(is_on=True))
        now_ns, replies = 0, []
        for gap_ns, command in stretches:
            end_ns = now_ns + gap_ns
            for cut_ns in sorted(cut_ns for cut_ns in cuts if now_ns < cut_ns < end_ns) if has_cuts else ():
                device.run_to(cut_ns)
            device.run_to(end_ns)
            now_ns = end_ns
            replies.append(device.receive(command, now_ns))
        seen.append((replies, device.circulator.bath.bath_celsius, device.circulator.runs))
    assert seen[0] == seen[1]


def test_what_it_is_set_to_is_told_once_and_from_when(lauda: LaudaChiller) -> None:
    told: list[tuple[float, float, bool]] = []
    lauda.circulator.on_change = lambda _, said: told.append(
        (said["time_ns"] / SECOND_NS, said["setpoint_celsius"], said["runs"])
    )
    lauda.safe_mode_is_activated = True
    for second, commands in ((3, ("OUT_SP_00_15", "START", "OUT_SP_07_15.2", "OUT_SP_08_30")), (10, ("IN_PV_00",))):
        lauda.run_to(second * SECOND_NS)
        for command in commands:
            assert say(lauda, command, second * SECOND_NS)
    lauda.run_to(100 * SECOND_NS)
    assert told == [(3.0, 15.0, True), (40.0, 15.2, True)]


@pytest.mark.parametrize("make", list(DEVICES))
def test_chiller_that_somebody_switches_off_is_told_of(make: str) -> None:
    unit = circulator(is_on=True)
    device = DEVICES[make]("cooler", unit)
    told: list[bool] = []
    unit.on_change = lambda _, said: told.append(said["runs"])
    device.run_to(SECOND_NS)
    unit.switch_off()
    device.run_to(2 * SECOND_NS)
    unit.heal()
    device.run_to(3 * SECOND_NS)
    assert told == [False, True]

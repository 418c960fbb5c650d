"""What the replies of chillers may become, and what is said to them; a reply that cannot be one is no number."""

import asyncio
import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError, DriverError, LinkLostError, RefusedError
from drivers.huber import codec as huber_codec
from drivers.huber.chiller import HuberChiller
from drivers.huber.codec import Variable
from drivers.julabo import codec as julabo_codec
from drivers.julabo.chiller import JulaboChiller
from drivers.lauda import codec as lauda_codec
from drivers.lauda.chiller import LaudaChiller
from drivers.registry import CHILLERS, ChillerConnection
from drivers.roles import Chiller, ChillerLook, ChillerTrouble, HostLossWatchdog
from drivers.session import Session

LAUDA_REPLIES = {
    "TYPE": "ECO",
    "VERSION_R": "1.36",
    "IN_PV_00": "021.23",
    "IN_PV_03": "-010.50",
    "IN_SP_00": "015.00",
    "IN_SP_04": "200.00",
    "IN_SP_05": "-040",
    "IN_SP_07": "020.00",
    "IN_SP_08": "30",
    "IN_MODE_02": "0",
    "IN_MODE_06": "0",
    "STATUS": "0",
    "STAT": "0000000",
    "START": "OK",
    "STOP": "OK",
    "OUT_SP_00_15.00": "OK",
    "OUT_SP_07_20.00": "OK",
    "OUT_SP_08_30": "OK",
    "OUT_MODE_06_1": "OK",
}
JULABO_REPLIES = {
    "version": "JULABO CF41 VERSION 1.30\r",
    "status": "03 REMOTE START\r",
    "in_pv_00": "21.23\r",
    "in_pv_02": "-10.50\r",
    "in_sp_00": "15.00\r",
    "in_sp_03": "200.00\r",
    "in_sp_04": "-40.00\r",
    "in_mode_05": "1\r",
}
HUBER_REPLIES = {
    "{M00****": "{S0005DC",
    "{M01****": "{S01084B",
    "{M05****": "{S050000",
    "{M06****": "{S060000",
    "{M07****": "{S07FBE6",
    "{M0A****": "{S0A0013",
    "{M0005DC": "{S0005DC",
    "{M140001": "{S140001",
    "{M140000": "{S140000",
}
REPLIES = {"lauda": LAUDA_REPLIES, "julabo": JULABO_REPLIES, "huber": HUBER_REPLIES}
LOOK = ChillerLook(21.23, -10.5, 15.0, is_running=True, troubles=())


class Box:
    """A transport whose far end says what is written for it."""

    address = "box"
    timeout_second = 0.1

    def __init__(self, make, **replies):
        self.heard, self.is_open = [], False
        self.replies = REPLIES[make] | replies

    async def open(self):
        self.is_open = True

    async def close(self):
        self.is_open = False

    async def tell(self, message):
        self.heard.append(message)

    async def next_line(self):
        raise TimeoutError

    async def ask(self, message):
        await self.tell(message)
        if message not in self.replies:
            raise TimeoutError
        return self.replies[message]


class Waits:
    def __init__(self):
        self.second = []

    async def __call__(self, second):
        self.second.append(second)


def chiller(make, box, waits=None):
    session = Session("cooler", box)
    match make:
        case "lauda":
            return LaudaChiller("cooler", session, safe_mode_is_activated=True)
        case "julabo":
            return JulaboChiller("cooler", session, wait=waits or Waits(), family="circulator", has_external_probe=True)
    return HuberChiller("cooler", session)


async def connected(make, **replies):
    box = Box(make, **replies)
    made: Chiller = chiller(make, box)
    await made.connect()
    return made, box


async def connect_and_look(made):
    await made.connect()
    return await made.look()


every_make = pytest.mark.parametrize("make", REPLIES)


@every_make
async def test_a_look_is_what_the_replies_say(make):
    made, box = await connected(make)
    assert await made.look() == LOOK
    assert box.is_open


async def test_nothing_is_changed_by_connecting_looking_and_making_safe():
    for make in REPLIES:
        made, box = await connected(make)
        await made.look()
        await made.make_safe()
        await made.make_safe()
        assert [message for message in box.heard if message.lower().startswith(("out", "start", "stop"))] == []
        assert [message for message in box.heard if message.startswith("{") and "****" not in message] == []


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        ("lauda", ["IN_SP_04", "IN_SP_05", "OUT_SP_00_15.00", "IN_SP_00"]),
        ("julabo", ["in_sp_04", "in_sp_03", "status", "out_sp_00 15.00", "in_sp_00"]),
        ("huber", ["{M0005DC", "{M00****"]),
    ],
)
async def test_a_setpoint_is_told_and_read_back(make, expected):
    made, box = await connected(make)
    before = len(box.heard)
    await made.set_celsius(15.0)
    assert box.heard[before:] == expected


@pytest.mark.parametrize(
    ("make", "reading", "reply"),
    [("lauda", "IN_SP_00", "015.01"), ("julabo", "in_sp_00", "14.99\r"), ("huber", "{M00****", "{S0005DD")],
)
async def test_a_setpoint_that_reads_back_otherwise_is_refused(make, reading, reply):
    made, _ = await connected(make, **{reading: reply})
    with pytest.raises(RefusedError, match=r"15\.01|14\.99"):
        await made.set_celsius(15.0)


@pytest.mark.parametrize(
    ("make", "reading", "reply"),
    [("lauda", "IN_MODE_02", "1"), ("julabo", "in_mode_05", "0\r"), ("huber", "{M0A****", "{S0A0002")],
)
async def test_a_start_that_reads_back_otherwise_is_refused(make, reading, reply):
    made, _ = await connected(make, **{reading: reply})
    with pytest.raises(RefusedError):
        await made.start()
    assert not (await made.look()).is_running


@pytest.mark.parametrize("code", [2, 3, 5, 6, 8, 30, 31, 32, 33, 35, 36, 37, 38, 99])
async def test_an_error_of_a_lauda_is_a_refusal_with_its_number(code):
    made, box = await connected("lauda", **{"OUT_SP_00_15.00": f"ERR_{code}"})
    with pytest.raises(RefusedError, match=f"refused 'OUT_SP_00_15.00': {code}, "):
        await made.set_celsius(15.0)
    assert box.is_open


async def test_a_lauda_that_knows_less_is_asked_less():
    unknown = dict.fromkeys(("VERSION_R", "IN_SP_04", "IN_SP_05", "IN_SP_08", "IN_MODE_06", "IN_PV_03"), "ERR_3")
    made, box = await connected("lauda", VERSION="2.10", STAT="000000", **unknown)
    assert (await made.connect()).firmware == "2.10"
    look = await made.look()
    assert math.isnan(look.external_celsius)
    assert look.troubles == ()
    assert await made.read_watchdog() is None
    await made.set_celsius(15.0)
    box.replies["OUT_SP_08_30"] = "ERR_3"
    with pytest.raises(RefusedError, match="3, wrong command"):
        await made.arm_watchdog(30, 20)


async def test_a_lauda_arms_its_watchdog_and_reads_it_back():
    made, box = await connected("lauda")
    before = len(box.heard)
    assert await made.arm_watchdog(30.0, 20.0) == HostLossWatchdog(30.0, 20.0, keeps_cooling=True)
    expected = ["IN_SP_04", "IN_SP_05", "OUT_SP_07_20.00", "IN_SP_07", "OUT_SP_08_30", "IN_SP_08"]
    assert box.heard[before:] == expected
    box.replies["IN_SP_08"] = "31"
    with pytest.raises(RefusedError, match="reads back 31 s"):
        await made.arm_watchdog(30.0, 20.0)
    box.replies["IN_MODE_06"] = "0"
    with pytest.raises(RefusedError, match="Safe Mode does not run"):
        await made.enter_safe_mode()


@pytest.mark.parametrize(
    ("replies", "troubles"),
    [
        ({"STAT": "0010000"}, [(3, "warning", True)]),
        ({"STAT": "1000100", "STATUS": "-1"}, [(1, "error", False), (5, "low level", False)]),
        ({"STATUS": "-1"}, [(-1, "a fault that its diagnosis does not name", False)]),
        (
            {"STATUS": "-1", "STAT": "0010000"},
            [(3, "warning", True), (-1, "a fault that its diagnosis does not name", False)],
        ),
        ({"IN_MODE_06": "1"}, [(503, "in Safe Mode, until it is ended at the unit", True)]),
    ],
)
async def test_what_a_lauda_says_is_wrong(replies, troubles):
    made, _ = await connected("lauda", **replies)
    look = await made.look()
    assert look.troubles == tuple(ChillerTrouble(code, text, is_warning) for code, text, is_warning in troubles)
    assert look.has_fault == any(not is_warning for *_, is_warning in troubles)


@pytest.mark.parametrize(
    ("status", "code", "is_warning"),
    [
        ("-01 LOW LEVEL ALARM", -1, False),
        ("-03 EXCESS TEMPERATURE WARNING", -3, True),
        ("-08 INVALID COMMAND", -8, True),
        ("-20 WARNING: CLEAN CONDENSOR", -20, True),
        ("-63 WATCHDOG RESPONDED", -63, False),
        ("-1501 TIMEOUT", -1501, False),
        ("-777 NEVER HEARD OF", -777, False),
    ],
)
async def test_what_a_julabo_says_is_wrong(status, code, is_warning):
    made, _ = await connected("julabo", status=status + "\r")
    assert [(trouble.code, trouble.is_warning) for trouble in (await made.look()).troubles] == [(code, is_warning)]


async def test_a_julabo_reads_old_errors_away_before_it_commands():
    made, box = await connected("julabo", status="-08 INVALID COMMAND\r")
    await made.start()
    assert box.heard[-3:] == ["status", "out_mode_05 1", "in_mode_05"]


@pytest.mark.parametrize("status", ["00 MANUAL STOP", "01 MANUAL START"])
async def test_a_julabo_that_is_not_remote_is_told_nothing(status):
    made, box = await connected("julabo", status=status + "\r")
    for command in (made.start(), made.stop(), made.set_celsius(15.0)):
        with pytest.raises(RefusedError, match=r"MANUAL .*nothing was sent"):
            await command
    assert not any(message.startswith("out") for message in box.heard)


async def test_a_julabo_is_given_its_pauses():
    box, waits = Box("julabo"), Waits()
    made = chiller("julabo", box, waits)
    await made.connect()
    await made.start()
    assert waits.second == [0.01, 0.01, 0.25, 0.01]


async def test_who_comes_in_a_pause_of_a_julabo_waits_too():
    box, order, pausing = Box("julabo"), [], asyncio.Event()

    async def wait(second):
        if second == 0.25:
            pausing.set()
            await resume.wait()
        else:
            order.append(len(box.heard))
            await asyncio.sleep(0)
            if pausing.is_set():
                resume.set()

    resume = asyncio.Event()
    made = JulaboChiller("cooler", Session("cooler", box), wait=wait)
    await made.connect()
    starting = asyncio.create_task(made.start())
    await pausing.wait()
    told = len(box.heard)
    assert box.heard[-1] == "out_mode_05 1"
    look = await made.look()
    await starting
    assert look.is_running
    assert order.count(told) >= 1


@pytest.mark.parametrize(
    ("replies", "troubles"),
    [
        ({"{M0A****": "{S0A0100", "{M05****": "{S05FFB5"}, [(-75, "error -75", False)]),
        ({"{M0A****": "{S0A0100"}, [(0, "error 0", False)]),
        ({"{M05****": "{S05FFB5"}, [(-75, "error -75", False)]),
        ({"{M0A****": "{S0A0213", "{M06****": "{S06F82F"}, [(-2001, "warning -2001", True)]),
        ({"{M05****": "{S057FFF", "{M06****": "{S067FFF"}, []),
        ({"{M05****": "{S050001"}, []),
    ],
)
async def test_what_a_huber_says_is_wrong(replies, troubles):
    made, _ = await connected("huber", **replies)
    look = await made.look()
    assert look.troubles == tuple(ChillerTrouble(code, text, is_warning) for code, text, is_warning in troubles)


@pytest.mark.parametrize("word", ["7FFF", "C504"])
async def test_a_huber_without_a_probe(word):
    made, _ = await connected("huber", **{"{M07****": "{S07" + word})
    assert math.isnan((await made.look()).external_celsius)


@pytest.mark.parametrize(
    ("word", "celsius"),
    [(0x05DC, 15.0), (0xFBE6, -10.5), (0xFC18, -10.0), (0x07D0, 20.0), (0x8000, 327.68), (0xC4F8, 504.24), (0, 0.0)],
)
def test_words_of_a_huber_are_temperatures(word, celsius):
    assert huber_codec.temperature(word) == celsius
    if celsius < 327.68:
        assert huber_codec.temperature_word(celsius) == word


@pytest.mark.parametrize("word", [0x7FFF, 0xC504, 0xC4F9, 0xC503])
def test_words_of_a_huber_that_are_none(word):
    with pytest.raises(ValueError, match="no temperature"):
        huber_codec.temperature(word)


@given(st.integers(-15_099, 32_766))
def test_temperatures_of_a_huber_go_there_and_back(hundredths):
    word = huber_codec.temperature_word(hundredths / 100)
    reply = f"{{S{Variable.SETPOINT:02X}{word:04X}"
    assert huber_codec.temperature(huber_codec.word(Variable.SETPOINT, reply)) == hundredths / 100


LAUDA_BAD = [
    ("IN_PV_00", "21.23"),
    ("IN_PV_00", "021.2"),
    ("IN_PV_00", "021,23"),
    ("IN_PV_00", "021.23 "),
    ("IN_PV_00", "+21.23"),
    ("IN_PV_00", "999.99"),
    ("IN_PV_00", "OK"),
    ("IN_PV_00", ""),
    ("IN_PV_00", "ERR_"),
    ("IN_PV_00", "ERR_333"),
    ("IN_PV_00", "nan"),
    ("IN_SP_00", "0"),
    ("IN_MODE_02", "015.00"),
    ("IN_MODE_02", "2"),
    ("IN_MODE_06", "-1"),
    ("STATUS", "1"),
    ("STAT", "000"),
    ("STAT", "00000000"),
    ("STAT", "0000002"),
    ("TYPE", "021.23"),
    ("TYPE", "0"),
    ("TYPE", "OK"),
    ("TYPE", ""),
]
JULABO_BAD = [
    ("in_pv_00", "21\r"),
    ("in_pv_00", "21.\r"),
    ("in_pv_00", "21,23\r"),
    ("in_pv_00", "---.-\r"),
    ("in_pv_00", "-01 LOW LEVEL ALARM\r"),
    ("in_pv_00", "450.00\r"),
    ("in_pv_00", "\r"),
    ("in_sp_00", "---.--\r"),
    ("in_mode_05", "15.00\r"),
    ("in_mode_05", "00\r"),
    ("in_mode_05", "2\r"),
    ("status", "21.23\r"),
    ("status", "3 REMOTE START\r"),
    ("status", "03\r"),
    ("status", "13 REMOTE START\r"),
    ("version", "15.00\r"),
    ("version", "03 REMOTE START\r"),
    ("version", "ERR_3\r"),
    ("version", "\r"),
]
HUBER_BAD = [
    ("{M01****", "{S00084B"),
    ("{M01****", "{S01084"),
    ("{M01****", "{S01084B0"),
    ("{M01****", "{M01****"),
    ("{M01****", "{S01****"),
    ("{M01****", "{S01084b"),
    ("{M01****", "{S01C4FF"),
    ("{M00****", "{S007FFF"),
    ("{M00****", "{S00C504"),
    ("{M0A****", "{S0A7FFF"),
    ("{M01****", ""),
]
BAD = [
    *(("lauda", *pair) for pair in LAUDA_BAD),
    *(("julabo", *pair) for pair in JULABO_BAD),
    *(("huber", *pair) for pair in HUBER_BAD),
]


@pytest.mark.parametrize(("make", "question", "reply"), BAD)
async def test_what_cannot_be_a_reply_is_a_bad_one(make, question, reply):
    box = Box(make, **{question: reply})
    made = chiller(make, box)
    with pytest.raises(BadReplyError):
        await connect_and_look(made)
    assert not box.is_open
    with pytest.raises(LinkLostError):
        await made.look()


@pytest.mark.parametrize("reply", ["OK ", "ok", "0", "", "ERR", "A015_OK", "OUT_SP_00_15.00"])
async def test_only_ok_is_an_acknowledgement_of_a_lauda(reply):
    made, _ = await connected("lauda", **{"OUT_SP_00_15.00": reply})
    with pytest.raises(BadReplyError):
        await made.set_celsius(15.0)


@pytest.mark.parametrize(("make", "reply", "expected"), [("lauda", "015.00", "A015_"), ("julabo", "15.00\r", "A015_")])
async def test_a_reply_without_the_address_is_another_units(make, reply, expected):
    box = Box(make)
    box.replies = {expected + question: reply for question in box.replies}
    made: Chiller = (
        LaudaChiller("cooler", Session("cooler", box), bus_address=15)
        if make == "lauda"
        else JulaboChiller("cooler", Session("cooler", box), wait=Waits(), bus_address=15)
    )
    with pytest.raises(BadReplyError, match="A015_"):
        await made.connect()


TEXT = st.text(st.characters(codec="ascii"), max_size=20) | st.from_regex(r"[0-9.,+\-{SMA-F*]{0,12}", fullmatch=True)


@every_make
@given(data=st.data())
async def test_any_text_is_an_error_of_ours_or_no_number(make, data):
    box = Box(make)
    box.replies |= data.draw(st.dictionaries(st.sampled_from(sorted(box.replies)), TEXT, max_size=6))
    made = chiller(make, box)
    with contextlib.suppress(DriverError):
        await made.connect()
        await made.set_celsius(15.0)
        await made.start()
        look = await made.look()
        assert math.isfinite(look.setpoint_celsius)
        assert -160 < look.bath_celsius < 510 or math.isnan(look.bath_celsius)


@pytest.mark.parametrize(
    ("reply", "model", "firmware"),
    [
        ("JULABO CF41 VERSION 1.30", "CF41", "1.30"),
        ("JULABO CORIO CD VERSION 2.0", "CORIO CD", "2.0"),
        ("V 3.04", "", "V 3.04"),
    ],
)
def test_versions_of_a_julabo(reply, model, firmware):
    assert julabo_codec.version(reply) == julabo_codec.Version(model, firmware)


@pytest.mark.parametrize(("reply", "celsius"), [("200", 200.0), ("200.00", 200.0), ("-040", -40.0), ("-40.5", -40.5)])
def test_limits_of_a_lauda(reply, celsius):
    assert lauda_codec.limit(reply) == celsius


@pytest.mark.parametrize(
    ("driver", "settings"),
    [
        ("lauda.chiller", {"bus_address": 128}),
        ("lauda.chiller", {"family": "basic"}),
        ("julabo.chiller", {"family": "cooler"}),
        ("julabo.chiller", {"external_probe": True}),
        ("julabo.chiller", {"safe_mode": True}),
        ("julabo.chiller", {"character": "8E1"}),
        ("huber.chiller", {"bus_address": 0}),
    ],
)
def test_settings_that_mean_nothing_are_refused(driver, settings):
    with pytest.raises(ValueError, match=r"is not|is none|can't be|means nothing"):
        CHILLERS[driver](ChillerConnection(name="cooler", address="/dev/ttyUSB0", **settings), Waits(), None)


async def test_a_command_without_a_reply_has_arrived_before_simulated_time_goes_on():
    order = []

    async def sent_total():
        order.append("counted")
        return 0

    async def wait(second):
        order.append(second)

    box = Box("julabo")
    made = JulaboChiller("cooler", Session("cooler", box, sent_total=sent_total), wait=wait)
    await made.connect()
    order.clear()
    await made.start()
    assert order == [0.01, "counted", 0.25, 0.01]

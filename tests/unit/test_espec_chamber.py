"""The conversation with an ESPEC chamber, and what its replies may become."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import (
    BadReplyError,
    DriverError,
    LinkLostError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.espec.chamber import EspecChamber
from drivers.registry import CHAMBERS, ChamberConnection
from drivers.roles import Chamber, ChamberLook, Identity
from drivers.session import Session
from tests.support.cables import tcp_peer


class Box:
    """A transport with a chamber at its far end, that obeys and remembers; `replies` go before what it would say."""

    address = "box"
    timeout_second = 0.1

    def __init__(self, mode="STANDBY"):
        self.heard, self.replies, self.is_open = [], {}, False
        self.mode, self.setpoint, self.limits = mode, "23.0", "140.0,-50.0"

    async def open(self):
        self.is_open = True

    async def close(self):
        self.is_open = False

    async def tell(self, message):
        self.heard.append(message)

    async def next_line(self):
        raise TimeoutError

    async def ask(self, message):
        if not self.is_open:
            raise ConnectionError("closed")
        await self.tell(message)
        if message in self.replies:
            return self.replies[message]
        return self.say(message)

    def say(self, message):
        said = {
            "TYPE?": "T,T,S2,160.0",
            "ROM?": "P2TBCD0302.09",
            "TEMP?": f"26.4,{self.setpoint},{self.limits}",
            "MODE?": self.mode,
            "ALARM?": "0",
        }
        if message in said:
            return said[message]
        if message == "POWER,ON":
            self.mode = "STANDBY"
        elif message.startswith("MODE,"):
            self.mode = message.removeprefix("MODE,")
        elif message.startswith("TEMP, S"):
            self.setpoint = message.removeprefix("TEMP, S")
        else:
            return "NA:CMD ERR"
        return f"OK:{message}"

    @property
    def was_set(self):
        return [message for message in self.heard if not message.endswith("?")]


class Waits:
    def __init__(self):
        self.second = []

    async def __call__(self, second):
        self.second.append(second)


def chamber(box, waits=None, **options):
    return EspecChamber("oven", Session("oven", box), wait=waits or Waits(), **options)


async def connect_and_look(made):
    await made.connect()
    return await made.look()


async def connected(box, waits=None):
    made: Chamber = chamber(box, waits)
    await made.connect()
    return made


async def test_it_says_who_it_is_and_changes_nothing():
    box = Box()
    assert await chamber(box, controller="S2").connect() == Identity("ESPEC", "S2", "", "P2TBCD0302.09")
    assert box.heard == ["TYPE?", "ROM?"]


async def test_another_controller_is_the_wrong_instrument():
    box = Box()
    with pytest.raises(WrongInstrumentError, match="controller S1, found S2"):
        await chamber(box, controller="S1").connect()
    assert not box.is_open


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("OFF", ["POWER,ON", "TEMP, S55.0", "MODE,CONSTANT"]),
        ("STANDBY", ["TEMP, S55.0", "MODE,CONSTANT"]),
        ("CONSTANT", ["TEMP, S55.0"]),
    ],
)
async def test_a_setpoint_is_taken_and_controlled_to_from_any_mode(mode, expected):
    box, waits = Box(mode), Waits()
    made = await connected(box, waits)
    await made.set_celsius(55.0)
    assert box.was_set == expected
    assert waits.second == [0.5] * len(expected)
    assert await made.look() == ChamberLook(26.4, 55.0, is_controlling=True, alarms=())
    await made.set_celsius(55.0)
    await made.close()


@pytest.mark.parametrize(
    ("setpoint_celsius", "sent"),
    [(55, "55.0"), (54.96, "55.0"), (-20.0, "-20.0"), (-0.04, "0.0"), (140.0, "140.0"), (-50.0, "-50.0")],
)
async def test_a_setpoint_is_sent_to_a_tenth_of_a_degree(setpoint_celsius, sent):
    box = Box()
    await (await connected(box)).set_celsius(setpoint_celsius)
    assert box.was_set[0] == f"TEMP, S{sent}"


@pytest.mark.parametrize("setpoint_celsius", [140.1, -50.1, math.nan, math.inf, -math.inf, 1e9])
async def test_a_setpoint_beyond_the_chambers_limits_is_not_sent(setpoint_celsius):
    box = Box()
    made = await connected(box)
    with pytest.raises(OutOfRangeError, match="-50 to 140"):
        await made.set_celsius(setpoint_celsius)
    assert box.was_set == []
    assert (await made.look()).setpoint_celsius == 23.0


async def test_a_setpoint_beyond_what_it_was_built_for_is_not_sent():
    box = Box()
    box.limits = "300.0,-50.0"
    made = await connected(box)
    with pytest.raises(OutOfRangeError, match="-50 to 160"):
        await made.set_celsius(200.0)
    assert box.was_set == []


@pytest.mark.parametrize("mode", ["RUN", "RUN1", "RUN 1"])
async def test_a_program_that_runs_is_left_alone(mode):
    box = Box(mode)
    made = await connected(box)
    with pytest.raises(RefusedError, match="a program runs"):
        await made.set_celsius(55.0)
    assert box.was_set == []
    assert (await made.look()).is_controlling


@pytest.mark.parametrize("command", ["POWER,ON", "TEMP, S55.0", "MODE,CONSTANT"])
@pytest.mark.parametrize("refusal", ["NA:CONT NOT READY-1", "NA:DATA OUT OF RANGE", "NA:PROTECT ON"])
async def test_a_refusal_is_one_and_nothing_more_is_set(command, refusal):
    box = Box("OFF")
    box.replies[command] = refusal
    made = await connected(box)
    with pytest.raises(RefusedError, match=refusal):
        await made.set_celsius(55.0)
    assert box.was_set[-1] == command
    assert (await made.look()).air_celsius == 26.4


@pytest.mark.parametrize(
    "reply", ["OK:TEMP,S55.0", "OK:TEMP, S55", "OK:TEMP, S55.0 ", "OK", "", "26.4,55.0,140.0,-50.0"]
)
async def test_an_echo_that_differs_by_a_byte_is_a_bad_reply(reply):
    box = Box()
    box.replies["TEMP, S55.0"] = reply
    made = await connected(box)
    with pytest.raises(BadReplyError):
        await made.set_celsius(55.0)
    assert not box.is_open


async def test_a_setpoint_that_reads_back_otherwise_is_refused():
    box = Box()
    box.replies["TEMP, S55.0"] = "OK:TEMP, S55.0"
    with pytest.raises(RefusedError, match=r"reads back 23\.0"):
        await (await connected(box)).set_celsius(55.0)


async def test_a_mode_that_reads_back_otherwise_is_refused():
    box = Box()
    box.replies["MODE,CONSTANT"] = "OK:MODE,CONSTANT"
    with pytest.raises(RefusedError, match="the mode reads back STANDBY"):
        await (await connected(box)).set_celsius(55.0)


@pytest.mark.parametrize(
    ("mode", "alarms", "expected"),
    [
        ("OFF", "0", (False, ())),
        ("STANDBY", "1,7", (False, (7,))),
        ("CONSTANT", "2,1,7", (True, (1, 7))),
    ],
)
async def test_a_look(mode, alarms, expected):
    box = Box(mode)
    box.replies["ALARM?"] = alarms
    look = await (await connected(box)).look()
    assert (look.is_controlling, look.alarms) == expected
    assert box.was_set == []


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("TYPE?", "0"),
        ("TYPE?", "NA:CMD ERR"),
        ("TYPE?", "T,T,S2,hot"),
        ("TYPE?", "26.4,0.0,140.0,-50.0"),
        ("ROM?", ""),
        ("ROM?", "NA:CMD ERR"),
        ("TEMP?", "26.4,0.0,140.0"),
        ("TEMP?", "26.4,0.0,140.0,-50.0,1"),
        ("TEMP?", "26,4,0.0,140.0,-50.0"),
        ("TEMP?", "26.4,OFF,140.0,-50.0"),
        ("TEMP?", "26.4,0.0,-50.0,140.0"),
        ("TEMP?", "nan,0.0,140.0,-50.0"),
        ("TEMP?", "2.64e1,0.0,140.0,-50.0"),
        ("TEMP?", " 26.4,0.0,140.0,-50.0"),
        ("TEMP?", "CONSTANT"),
        ("TEMP?", "NA:DATA NOT READY"),
        ("MODE?", "constant"),
        ("MODE?", "CONSTANT,1"),
        ("MODE?", "0"),
        ("ALARM?", "2,1"),
        ("ALARM?", "1"),
        ("ALARM?", ""),
        ("ALARM?", "-1"),
        ("ALARM?", "STANDBY"),
    ],
)
async def test_what_cannot_be_a_reply_is_a_bad_one(question, reply):
    box = Box()
    box.replies[question] = reply
    made = chamber(box)
    with pytest.raises(BadReplyError):
        await connect_and_look(made)
    with pytest.raises(LinkLostError):
        await made.look()


TEXT = st.text(st.characters(codec="ascii")) | st.from_regex(r"[0-9.,+-]{0,30}", fullmatch=True)


@given(
    st.dictionaries(st.sampled_from(["TYPE?", "ROM?", "TEMP?", "MODE?", "ALARM?", "TEMP, S55.0", "POWER,ON"]), TEXT),
    st.sampled_from(["OFF", "STANDBY", "CONSTANT", "RUN1"]),
)
async def test_any_text_is_an_error_of_ours_or_finite(replies, mode):
    box = Box(mode)
    box.replies = replies
    made = chamber(box)
    with contextlib.suppress(DriverError):
        await made.connect()
        await made.set_celsius(55.0)
        look = await made.look()
        assert math.isfinite(look.air_celsius)
        assert math.isfinite(look.setpoint_celsius)


async def test_over_tcp():
    box = Box()
    lines = []

    async def serve(reader, writer):
        while line := await reader.readuntil(b"\r\n"):
            lines.append(line)
            writer.write(box.say(line[:-2].decode("ascii")).encode("ascii") + b"\r\n")

    async with tcp_peer(serve) as address:
        connection = ChamberConnection(name="oven", address=address, timeout_second=10.0)
        made = CHAMBERS["espec.chamber"](connection, Waits(), None)
        await made.connect()
        await made.set_celsius(55.0)
        assert (await made.look()).setpoint_celsius == 55.0
        await made.close()
    assert b"TEMP, S55.0\r\n" in lines

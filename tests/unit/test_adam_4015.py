"""The conversation with an ADAM-4015, and what its replies may become."""

import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.advantech import codec
from drivers.advantech.adam_4015 import Adam4015
from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError, RefusedError, WrongInstrumentError
from drivers.registry import THERMOMETERS, ThermometerConnection
from drivers.roles import Identity, Thermometer
from drivers.session import Session
from tests.support.cables import pty_cable, tcp_peer

PLACES = {"jig": 0, "air": 3}
ALL_ON = (True,) * codec.CHANNELS


class Module:
    """A transport with a module at address 01 at its far end; `replies` by question."""

    address = "module"
    timeout_second = 0.1

    def __init__(self, **replies):
        self.heard, self.is_open, self.opened = [], False, 0
        self.replies = {
            "$01M": "!014015",
            "$01F": "!01A1.06",
            "$012": "!01200600",
            "$016": "!013F",
            "#01": ">+055.12+020.00+020.00+024.87+020.00+020.00",
            "$01B": "!0100",
        }
        self.replies |= {f"$018C{channel}": f"!01C{channel}R20" for channel in range(6)}
        self.replies |= {question.replace("_", "$", 1): reply for question, reply in replies.items()}

    async def open(self):
        self.is_open, self.opened = True, self.opened + 1

    async def tell(self, message):
        self.heard.append(message)

    async def ask(self, message):
        if not self.is_open:
            raise ConnectionError("closed")
        await self.tell(message)
        reply = self.replies.get(message)
        if reply is None:
            raise TimeoutError
        return reply

    async def next_line(self):
        raise TimeoutError

    async def close(self):
        self.is_open = False


def thermometer(module, places=PLACES, **options):
    return Adam4015("oven", Session("oven", module), places, **options)


async def connect_and_read(made):
    await made.connect()
    return await made.read_celsius()


async def connected(module, **options):
    made: Thermometer = thermometer(module, **options)
    await made.connect()
    return made


async def test_it_says_who_it_is_and_changes_nothing():
    module = Module()
    made = thermometer(module)
    assert await made.connect() == Identity("Advantech", "ADAM-4015", "", "A1.06")
    assert made.places == ("jig", "air")
    assert module.heard == ["$01M", "$01F", "$012", "$016", "$018C0", "$018C3"]


async def test_places_have_the_temperatures_of_their_channels():
    made = await connected(Module())
    assert await made.read_celsius() == {"jig": 55.12, "air": 24.87}
    await made.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+055.12", 55.12),
        ("-012.50", -12.5),
        ("+0055.1", 55.1),
        ("+150.00", 150.0),
        ("-050.00", -50.0),
        ("+000.00", 0.0),
        ("+9999", math.nan),
        ("-0000", math.nan),
        ("+9999.", math.nan),
        ("+888888", math.nan),
        ("-888888", math.nan),
        ("+999999", math.nan),
        ("+150.01", math.nan),
        ("-050.01", math.nan),
        ("+9999.9", math.nan),
        ("       ", math.nan),
    ],
)
async def test_a_wire_that_is_broken_or_an_input_out_of_range_is_no_number(value, expected):
    module = Module()
    module.replies["#01"] = f">{value}+020.00+020.00+024.87+020.00+020.00"
    made = await connected(module)
    found = await made.read_celsius()
    assert found["air"] == 24.87
    assert found["jig"] == expected or (math.isnan(found["jig"]) and math.isnan(expected))


async def test_a_channel_that_its_module_finds_faulty_is_no_number():
    found = await (await connected(Module(_01B="!0108"))).read_celsius()
    assert found["jig"] == 55.12
    assert math.isnan(found["air"])


async def test_a_channel_is_judged_by_its_own_range():
    module = Module(_018C0="!01C0R21")
    module.replies["#01"] = ">-001.00+020.00+020.00-001.00+020.00+020.00"
    found = await (await connected(module)).read_celsius()
    assert math.isnan(found["jig"])
    assert found["air"] == -1.0


@pytest.mark.parametrize(
    "reply",
    [
        ">+055.12+024.87",
        ">+055.12+888888+888888+024.87+888888+888888",
        ">+055.12              +024.87              ",
        ">+055.12+000.00+000.00+024.87+000.00+000.00",
    ],
)
async def test_channels_that_are_off_may_be_left_out_or_filled(reply):
    module = Module(_016="!0109")
    module.replies["#01"] = reply
    assert await (await connected(module)).read_celsius() == {"jig": 55.12, "air": 24.87}


def test_a_channel_that_is_off_is_no_number_whatever_is_sent_for_it():
    values = codec.readings("+055.12" * 6, (False, True, True, True, True, True))
    assert math.isnan(values[0])
    assert values[1:] == (55.12,) * 5


def checked(text):
    return text + codec.checksum(text)


async def test_checksums_are_sent_and_verified():
    assert codec.checksum("#05") == "88"
    assert codec.checksum(">+3.5671") == "9D"
    plain = Module(_012="!01200640")
    module = Module()
    module.replies = {checked(question): checked(reply) for question, reply in plain.replies.items()}
    made = await connected(module, has_checksum=True)
    assert await made.read_celsius() == {"jig": 55.12, "air": 24.87}
    good = module.replies[checked("#01")]
    for place in range(len(good)):
        module.replies[checked("#01")] = good[:place] + chr(ord(good[place]) ^ 1) + good[place + 1 :]
        await made.connect()
        with pytest.raises(BadReplyError):
            await made.read_celsius()


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"_01M": "!014018P"}, "calls itself 4018P"),
        ({"_01M": "!014015T"}, "calls itself 4015T"),
        ({"_012": "!01200602"}, "engineering units"),
        ({"_012": "!01200640"}, "checksum off, found on"),
        ({"_016": "!0101"}, r"channel 3 \(air\) on, found off"),
        ({"_018C3": "!01C3R2A"}, r"channel 3 \(air\) at range 20, found range 2A"),
    ],
)
async def test_another_module_or_setting_is_the_wrong_instrument(replies, words):
    module = Module(**replies)
    with pytest.raises(WrongInstrumentError, match=words):
        await thermometer(module, range_code="20").connect()
    assert not module.is_open


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("$01M", ">+055.12"),
        ("$01M", "!024015"),
        ("$01M", "!01"),
        ("$01M", ""),
        ("$012", "!012006"),
        ("$012", "!0120060g"),
        ("$016", "!01F"),
        ("$016", "!013f"),
        ("$018C0", "!01C1R20"),
        ("$018C0", "!01C0R99"),
        ("$018C0", "!01C020"),
        ("#01", "!014015"),
        ("#01", ">"),
        ("#01", ">+055.12"),
        ("#01", ">+055.12+020.00+020.00+024.87+020.00"),
        ("#01", ">+055.12+020.00+020.00+024.87+020.00+020.00+020.00"),
        ("#01", ">+055.12+020.00+020.00+024.87+020.00+020.0"),
        ("#01", ">+055.12+020.00+020.00+024.87+020.00+02.0.0"),
        ("#01", ">+055,12+020.00+020.00+024.87+020.00+020.00"),
        ("#01", ">FF5DFF5DFF5DFF5DFF5DFF5D"),
        ("#01", "?02"),
        ("$01B", ">+055.12+020.00+020.00+024.87+020.00+020.00"),
        ("$01B", "!010"),
    ],
)
async def test_what_cannot_be_a_reply_is_never_a_number(question, reply):
    module = Module()
    module.replies[question] = reply
    made = thermometer(module)
    with pytest.raises(BadReplyError):
        await connect_and_read(made)
    with pytest.raises(LinkLostError):
        await made.read_celsius()


async def test_a_refusal_is_one():
    module = Module(_01B="?01")
    made = await connected(module)
    with pytest.raises(RefusedError, match=r"\$01B"):
        await made.read_celsius()


async def test_silence_is_no_reply_and_connecting_again_cures_it():
    module = Module()
    made = await connected(module)
    module.replies["#01"] = None
    with pytest.raises(NoReplyError):
        await made.read_celsius()
    module.replies["#01"] = ">+055.12+020.00+020.00+024.87+020.00+020.00"
    with pytest.raises(LinkLostError, match="connect first"):
        await made.read_celsius()
    await made.connect()
    assert (await made.read_celsius())["jig"] == 55.12
    assert module.opened == 2


@given(st.dictionaries(st.sampled_from(sorted(Module().replies)), st.text(st.characters(codec="ascii")), min_size=1))
async def test_any_text_is_an_error_of_ours_or_a_temperature_in_range(replies):
    module = Module()
    module.replies |= replies
    made = thermometer(module)
    with contextlib.suppress(DriverError):
        await made.connect()
        for value in (await made.read_celsius()).values():
            assert math.isnan(value) or -200 <= value <= 400


@given(st.from_regex(r">([+-][0-9. ]{0,8}){0,8}", fullmatch=True))
def test_any_values_are_refused_or_six(reply):
    with contextlib.suppress(ValueError):
        values = codec.readings(reply[1:], ALL_ON)
        assert len(values) == codec.CHANNELS
        written = {float(token) for token in re.findall(r"[+-][0-9]+\.[0-9]+", reply)}
        assert {value for value in values if not math.isnan(value)} <= written


@pytest.mark.parametrize(
    ("places", "options"),
    [
        ({}, {}),
        ({"jig": 6}, {}),
        ({"jig": -1}, {}),
        ({"jig": 1, "air": 1}, {}),
        (PLACES, {"address": 256}),
        (PLACES, {"address": -1}),
        (PLACES, {"range_code": "0F"}),
    ],
)
def test_settings_that_no_module_has_are_refused(places, options):
    with pytest.raises(ValueError, match=r"is none|is not|are not"):
        thermometer(Module(), places, **options)


def answer(line):
    question = line.decode("ascii").replace("0A", "01", 1)
    return Module().replies[question].replace("!01", "!0A", 1).encode("ascii") + b"\r"


def make(address):
    connection = ThermometerConnection(
        name="oven", address=address, channel_by_place=PLACES, bus_address=10, range_code="20", timeout_second=10.0
    )
    return THERMOMETERS["advantech.adam_4015"](connection, None)


async def test_over_a_serial_port():
    with pty_cable() as cable:
        cable.answer(answer)
        made = make(cable.path)
        assert (await made.connect()).firmware == "A1.06"
        assert await made.read_celsius() == {"jig": 55.12, "air": 24.87}
        await made.close()


@pytest.mark.parametrize("start", ["", "socket://"])
async def test_through_a_serial_device_server(start):
    async def serve(reader, writer):
        while line := await reader.readuntil(b"\r"):
            writer.write(answer(line[:-1]))

    async with tcp_peer(serve) as address:
        made = make(start + address)
        await made.connect()
        assert await made.read_celsius() == {"jig": 55.12, "air": 24.87}
        await made.close()

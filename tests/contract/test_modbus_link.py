"""The Modbus link: frames with a right check that answer something else, busy units, ways that are not there."""

import asyncio

import pytest

from drivers.errors import BadReplyError, LinkLostError, RefusedError
from drivers.modbus_link import MOST_BUSY, ModbusLine, ModbusLink
from simulators.modbus_rtu import crc16
from tests.support.byte_cables import FarEnd

PATIENCE_REAL_SECOND = 10.0


class Scripted:
    """Answers each question with the next body of a list, and a right check."""

    def __init__(self, *bodies):
        self.bodies = list(bodies)
        self.far_end = FarEnd(self.receive)

    def receive(self, data):
        body = bytes.fromhex(self.bodies.pop(0))
        return body + crc16(body)


async def asked(ask, *bodies):
    """What a question to a link gives, and the far end."""
    scripted = Scripted(*bodies)
    async with scripted.far_end.laid("tcp") as address:
        link = ModbusLink("unit", address, timeout_second=PATIENCE_REAL_SECOND)
        await link.open()
        try:
            return await ask(link), scripted.far_end
        finally:
            await link.close()


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (lambda link: link.read(5, 2), "01 03 02 00 01"),
        (lambda link: link.read(5, 2), "01 04 04 00 01 00 02"),
        (lambda link: link.read(5, 2), "01 06 00 05 00 02"),
        (lambda link: link.read(5, 2), "01 86 14"),
        (lambda link: link.write(5, 7), "01 06 00 05 00 08"),
        (lambda link: link.write(5, 7), "01 06 00 06 00 07"),
        (lambda link: link.write(5, 7), "01 10 00 05 00 07"),
        (lambda link: link.write_many(5, [1, 2]), "01 10 00 05 00 01"),
        (lambda link: link.write_many(5, [1, 2]), "01 10 00 06 00 02"),
    ],
)
async def test_the_answer_to_another_question_is_none(ask, body):
    with pytest.raises(BadReplyError):
        await asked(ask, body)


@pytest.mark.parametrize(
    ("code", "word"), [(1, "function"), (2, "register"), (3, "value"), (0x14, "locked"), (0x55, "exception")]
)
async def test_an_exception_is_a_refusal_and_the_link_stays(code, word):
    async def ask(link):
        with pytest.raises(RefusedError, match=word) as caught:
            await link.write(5, 7)
        assert caught.value.code == code
        await link.write(5, 7)

    await asked(ask, f"01 86 {code:02X}", "01 06 00 05 00 07")


async def test_who_is_busy_is_asked_again_and_not_for_ever():
    _, far_end = await asked(lambda link: link.write(5, 7), "01 86 06", "01 86 06", "01 06 00 05 00 07")
    assert len(far_end.questions) == 3

    async def ask(link):
        with pytest.raises(RefusedError, match="busy"):
            await link.write(5, 7)

    _, far_end = await asked(ask, *["01 86 06"] * MOST_BUSY)
    assert len(far_end.questions) == MOST_BUSY


async def test_a_closed_link_asks_nothing():
    async def ask(link):
        await link.close()
        await link.close()
        with pytest.raises(LinkLostError, match="connect first"):
            await link.read(5, 2)

    _, far_end = await asked(ask)
    assert far_end.questions == []


async def test_what_comes_unasked_is_no_answer():
    async def ask(link):
        await far_end.until(lambda end: end.has_host)
        stale = bytes.fromhex("01 03 04 00 63 00 63")
        far_end.say(stale + crc16(stale))
        for _ in iter(lambda: link.received_total < len(stale) + 2, False):
            await asyncio.sleep(0)
        return await link.read(5, 2)

    scripted = Scripted("01 03 04 00 01 00 02")
    far_end = scripted.far_end
    async with far_end.laid("tcp") as address:
        link = ModbusLink("unit", address, timeout_second=PATIENCE_REAL_SECOND)
        await link.open()
        assert await ask(link) == (1, 2)
        assert link.received_total == 18
        await link.close()


@pytest.mark.parametrize("wrong", [{"unit": 0}, {"unit": 248}])
def test_units_that_are_none(wrong):
    with pytest.raises(ValueError, match="bus address"):
        ModbusLink("unit", "h:1", **wrong)


@pytest.mark.parametrize("wrong", [{"baud": 0}, {"character": "7E1"}])
def test_lines_that_are_none(wrong):
    with pytest.raises(ValueError, match=r"baud|character"):
        ModbusLine(**wrong)


async def test_a_bench_that_has_sent_more_is_waited_for():
    """A reply on its way is no fault, as long as somebody knows that it is."""
    held = []
    scripted = Scripted("01 03 02 00 09")
    scripted.far_end.whole = lambda reply, write: held.append((reply, write))

    async def sent_total():
        if len(held) == 1 and len(calls) > 1:
            reply, write = held[0]
            write(reply)
        calls.append(1)
        return 7 * len(held)

    calls = []
    async with scripted.far_end.laid("tcp") as address:
        link = ModbusLink("unit", address, timeout_second=0.05, sent_total=sent_total)
        await link.open()
        assert await link.read(5, 1) == (9,)
        await link.close()

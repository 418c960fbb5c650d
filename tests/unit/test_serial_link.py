"""Lines over a serial port and over TCP: what is sent, what comes, and what is raised when the far end misbehaves."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError, LinkLostError, NoReplyError
from drivers.framing import BAD_PARITY, Parity, parity_table, with_parity
from drivers.line_inbox import LONGEST_LINE_BYTES, LineInbox
from drivers.serial_link import SerialLink
from drivers.serial_port import SerialLine
from drivers.session import Query, Session
from drivers.tcp_link import TcpLink
from tests.support.cables import pty_cable, tcp_peer

TIMEOUT_SECOND = 10.0
SHORT_SECOND = 0.02
HELLO = Query("hello", str, source="this test")


@contextlib.asynccontextmanager
async def serial_far_end(answer):
    with pty_cable() as cable:
        cable.answer(answer)
        yield SerialLink(cable.path, SerialLine(9600), timeout_second=TIMEOUT_SECOND)


@contextlib.asynccontextmanager
async def tcp_far_end(answer):
    async def serve(reader, writer):
        while line := await reader.readuntil(b"\r"):
            if reply := answer(line[:-1]):
                writer.write(reply)

    async with tcp_peer(serve) as address:
        yield TcpLink(address, line_end=b"\r", timeout_second=TIMEOUT_SECOND)


@contextlib.asynccontextmanager
async def session_over(far_end, answer):
    async with far_end(answer) as link:
        session = Session("box", link)
        await session.open()
        try:
            yield session, link
        finally:
            await session.close()


both = pytest.mark.parametrize("far_end", [serial_far_end, tcp_far_end])


@both
async def test_a_line_goes_and_a_line_comes(far_end):
    async with session_over(far_end, lambda line: b"re " + line + b"\r") as (session, _):
        assert await session.ask(HELLO) == "re hello"
        assert await session.ask(Query("a\nb", str, source="this test")) == "re a"
        assert await session.next_answer(HELLO) == "re b"


@both
async def test_what_came_before_the_question_is_no_answer_to_it(far_end):
    async with session_over(far_end, lambda line: b"re " + line + b"\rtwice\r") as (session, link):
        assert await session.ask(Query("first", str, source="this test")) == "re first"
        assert await link.next_line() == "twice"
        assert await session.ask(Query("second", str, source="this test")) == "re second"
        assert await session.ask(Query("third", str, source="this test")) == "re third"


async def test_what_the_loop_has_not_noticed_yet_is_no_answer_either():
    with pty_cable() as cable:
        cable.answer(lambda line: b"re " + line + b"\r")
        link = SerialLink(cable.path, SerialLine(9600), timeout_second=TIMEOUT_SECOND)
        await link.open()
        cable.send(b"stale\r")
        assert await link.ask("hello") == "re hello"
        await link.close()


@both
async def test_nothing_in_time_is_no_reply_and_closes_the_link(far_end):
    async with session_over(far_end, lambda line: b"half") as (session, link):
        link.timeout_second = SHORT_SECOND
        with pytest.raises(NoReplyError, match="hello"):
            await session.ask(HELLO)
        with pytest.raises(LinkLostError, match="connect first"):
            await session.ask(HELLO)
        with pytest.raises(ConnectionError):
            await link.tell("hello")


@both
async def test_a_late_line_is_waited_for_when_it_is_known_to_come(far_end):
    heard = asyncio.Event()

    async def sent_total():
        if link.timeout_second:
            return 7
        link.timeout_second = TIMEOUT_SECOND
        await heard.wait()
        return 7 + len(b"late\r")

    def answer(line):
        heard.set()
        return b"late\r"

    async with far_end(answer) as link:
        session = Session("box", link, sent_total=sent_total)
        await session.open()
        link.timeout_second = 0.0
        assert await session.ask(HELLO) == "late"
        await session.close()


@both
async def test_the_next_connection_hears_nothing_of_the_last(far_end):
    async with session_over(far_end, lambda line: b"re " + line + b"\rand more\r") as (session, _):
        await session.ask(HELLO)
        await session.open()
        assert await session.ask(Query("again", str, source="this test")) == "re again"


@both
async def test_a_line_that_is_not_ascii_is_a_bad_reply(far_end):
    async with session_over(far_end, lambda line: b"\xb5\r") as (session, _):
        with pytest.raises(BadReplyError, match="not ASCII"):
            await session.ask(HELLO)


async def test_bytes_without_end_are_a_lost_link():
    inbox = LineInbox(b"\r")
    for _ in range(LONGEST_LINE_BYTES // 1000 + 1):
        inbox.feed(b"x" * 1000)
    with pytest.raises(ConnectionError, match="without an end of line"):
        await inbox.line(TIMEOUT_SECOND)


@both
async def test_a_closed_link_is_closed_twice_without_complaint(far_end):
    async with far_end(lambda line: b"re\r") as link:
        await link.close()
        for verb in (link.tell("x"), link.ask("x")):
            with pytest.raises(ConnectionError):
                await verb
        await link.open()
        assert await link.ask("x") == "re"
        await link.close()
        await link.close()


async def test_a_peer_that_hangs_up_is_a_lost_link():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n")

    async with tcp_peer(hang_up) as address:
        session = Session("box", TcpLink(address, timeout_second=TIMEOUT_SECOND))
        await session.open()
        with pytest.raises(LinkLostError, match="far end is gone"):
            await session.ask(HELLO)


async def test_a_peer_that_hangs_up_after_its_answer_has_answered():
    async def answer_once(reader, writer):
        writer.write(b"re " + await reader.readuntil(b"\r\n"))

    async with tcp_peer(answer_once) as address:
        session = Session("box", TcpLink(address, timeout_second=TIMEOUT_SECOND))
        await session.open()
        assert await session.ask(HELLO) == "re hello"
        with pytest.raises(LinkLostError):
            await session.ask(HELLO)
        await session.close()


async def test_an_unplugged_port_is_a_lost_link():
    with pty_cable() as cable:
        session = Session("box", SerialLink(cable.path, SerialLine(9600), timeout_second=TIMEOUT_SECOND))
        await session.open()
        asking = asyncio.ensure_future(session.ask(HELLO))
        await asyncio.sleep(0)
        cable.unplug()
        with pytest.raises(LinkLostError):
            await asking
        await session.close()


async def test_a_refused_port_is_noticed_at_opening():
    async with tcp_peer(None) as address:
        pass
    with pytest.raises(LinkLostError, match="opening"):
        await Session("box", TcpLink(address)).open()


async def test_a_port_that_is_not_there_is_noticed_at_opening():
    with pytest.raises(LinkLostError, match="opening"):
        await Session("box", SerialLink("/dev/no-such-port", SerialLine(9600))).open()


@pytest.mark.parametrize("address", ["chamber", "/dev/ttyUSB0", "http://x:1", ":5"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="host:port"):
        TcpLink(address)


@pytest.mark.parametrize(("character", "parity"), [("7E1", Parity.EVEN), ("7O1", Parity.ODD)])
async def test_characters_go_and_come_with_their_parity(character, parity):
    line_end = with_parity(b"\r", parity)
    with pty_cable() as cable:
        link = SerialLink(cable.path, SerialLine(9600, character), timeout_second=TIMEOUT_SECOND)
        session = Session("box", link)
        await session.open()
        cable.answer(lambda line: with_parity(b"re ", parity) + line + line_end, line_end=line_end)
        assert await session.ask(HELLO) == "re hello"
        wrong = {Parity.EVEN: b"h", Parity.ODD: b"i"}[parity]
        cable.answer(lambda line: wrong + line_end, line_end=line_end)
        with pytest.raises(BadReplyError, match="ASCII"):
            await session.ask(HELLO)
        await session.close()


@given(st.text(st.characters(codec="ascii")), st.sampled_from([Parity.EVEN, Parity.ODD]))
def test_parity_is_put_on_and_taken_off(text, parity):
    sent = with_parity(text.encode("ascii"), parity)
    assert all(code.bit_count() % 2 == (parity is Parity.ODD) for code in sent)
    assert sent.translate(parity_table(parity)) == text.encode("ascii")
    flipped = bytes(code ^ 1 for code in sent)
    assert flipped.translate(parity_table(parity)) == bytes([BAD_PARITY]) * len(sent)


async def test_lines_that_are_whole_can_be_read_after_the_way_is_gone():
    inbox = LineInbox(b"\r\n")
    inbox.feed(b"one\r\ntwo\r\nthr")
    inbox.fail(ConnectionResetError("cut"))
    assert [await inbox.line(TIMEOUT_SECOND) for _ in range(2)] == ["one", "two"]
    with pytest.raises(ConnectionError, match="cut"):
        await inbox.line(TIMEOUT_SECOND)


async def test_half_a_line_is_kept_over_a_timeout():
    inbox = LineInbox(b"\r")
    inbox.feed(b"hel")
    with pytest.raises(TimeoutError):
        await inbox.line(0.0)
    inbox.feed(b"lo\r")
    assert await inbox.line(0.0) == "hello"


def one_answer_behind(count):
    """Answers `count` questions with what the one before asked for, the first of them not at all; then all in turn."""
    held = []

    def answer(line):
        nonlocal count
        held.append(line + b"\r")
        count -= 1
        if count >= 0:
            return held.pop(0) if len(held) > 1 else b""
        whole = b"".join(held)
        held.clear()
        return whole

    return answer


NUMBER, OTHER_NUMBER = (Query(text, float, source="this test") for text in ("1", "2"))


@contextlib.asynccontextmanager
async def after_a_late_answer(count):
    async with session_over(tcp_far_end, one_answer_behind(count)) as (session, link):
        link.timeout_second = SHORT_SECOND
        with pytest.raises(NoReplyError):
            await session.ask(NUMBER)
        link.timeout_second = TIMEOUT_SECOND
        await session.open()
        yield session


async def test_a_late_answer_on_the_next_link_is_thrown_away_where_it_is_none():
    word = Query("word", lambda line: {"word": "said"}.get(line) or float("none"), source="this test")
    async with after_a_late_answer(1) as session:
        assert await session.ask(word) == "said"
    async with after_a_late_answer(2) as session:
        assert await session.ask(NUMBER) == 1
        assert await session.ask(word) == "said"


async def test_a_late_answer_that_was_read_as_another_is_found_out_and_not_passed_over():
    word = Query("word", lambda line: {"word": "said"}.get(line) or float("none"), source="this test")
    async with after_a_late_answer(2) as session:
        assert await session.ask(OTHER_NUMBER) == 1, "nothing tells it from the answer"
        with pytest.raises(BadReplyError):
            await session.ask(word)
        assert not session.is_open

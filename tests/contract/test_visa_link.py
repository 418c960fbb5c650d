"""When the far end misbehaves, the link and the session raise an error of ours and never give another's reply."""

import asyncio
import contextlib
import socket
import struct

import pytest

from drivers.errors import BadReplyError, LinkLostError, NoReplyError
from drivers.session import Query, Session
from drivers.visa import VisaLink, resource_name

ECHO = Query("first?", str, source="this test")
TIMEOUT_SECOND = 0.3


@contextlib.asynccontextmanager
async def peer(answer):
    """A server on the loopback that hands each connection to `answer(reader, writer)`; gives its address."""
    connections = set()

    async def serve(reader, writer):
        connections.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


@contextlib.asynccontextmanager
async def session_to(address, **options):
    session = Session("smu", VisaLink(address, timeout_second=TIMEOUT_SECOND), **options)
    try:
        yield session
    finally:
        await session.close()


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(b"reply to " + line)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:5025", "TCPIP0::127.0.0.1::5025::SOCKET"),
        ("smu-3.lab:5025", "TCPIP0::smu-3.lab::5025::SOCKET"),
        ("USB0::0x05E6::0x2450::04451117::INSTR", "USB0::0x05E6::0x2450::04451117::INSTR"),
    ],
)
def test_addresses(address, expected):
    assert resource_name(address) == expected


async def test_a_line_goes_and_a_line_comes():
    async with peer(echo) as address, session_to(address) as session:
        await session.open()
        assert await session.ask(ECHO) == "reply to first?"


async def test_several_lines_may_come_for_one_message():
    async with peer(echo) as address, session_to(address) as session:
        await session.open()
        assert await session.ask(Query("a\nb", str, source="this test")) == "reply to a"
        assert await session.next_answer(ECHO) == "reply to b"


async def test_a_long_line_arrives_whole():
    async def long(reader, writer):
        await reader.readline()
        writer.write(b"1," * 200_000 + b"1\n")

    async with peer(long) as address, session_to(address) as session:
        await session.open()
        assert len(await session.ask(ECHO)) == 400_001


async def test_a_line_that_comes_byte_by_byte_arrives_whole():
    async def slowly(reader, writer):
        line = b"reply to " + await reader.readline()
        for byte in line:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with peer(slowly) as address, session_to(address) as session:
        await session.open()
        assert await session.ask(ECHO) == "reply to first?"


async def test_keepalive_and_no_delay_are_on():
    accepted = []

    async def answer(reader, writer):
        accepted.append(writer.get_extra_info("peername")[1])
        await echo(reader, writer)

    async with peer(answer) as address:
        link = VisaLink(address, timeout_second=TIMEOUT_SECOND)
        await link.open()
        await link.ask("hello")
        assert link._socket.getsockname()[1] == accepted[0]
        assert link._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await link.close()


async def test_a_refused_port_is_noticed_at_opening():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        async with session_to(address) as session:
            with pytest.raises(LinkLostError, match="refuses"):
                await session.open()
            assert not session.is_open


async def test_a_question_without_open_is_refused():
    async with peer(echo) as address, session_to(address) as session:
        with pytest.raises(LinkLostError, match="connect first"):
            await session.ask(ECHO)


async def test_a_peer_that_closes_is_a_lost_link():
    async def hang_up(reader, writer):
        await reader.readline()

    async with peer(hang_up) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(LinkLostError, match="closed"):
            await session.ask(ECHO)
        with pytest.raises(LinkLostError, match="connect first"):
            await session.ask(ECHO)


async def test_a_reset_is_a_lost_link():
    async def reset(reader, writer):
        await reader.readline()
        linger_none = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)

    async with peer(reset) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(LinkLostError):
            await session.ask(ECHO)


async def test_a_line_that_breaks_off_is_a_lost_link():
    async def half(reader, writer):
        await reader.readline()
        writer.write(b"reply to fir")

    async with peer(half) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(LinkLostError, match="broke off"):
            await session.ask(ECHO)


async def test_a_late_reply_never_answers_the_next_question():
    asked = asyncio.Event()

    async def late(reader, writer):
        line = await reader.readline()
        if line == b"first?\n":
            await asked.wait()
        writer.write(b"reply to " + line)
        await echo(reader, writer)

    async with peer(late) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(NoReplyError) as error:
            await session.ask(ECHO)
        assert error.value.waited_second == TIMEOUT_SECOND
        asked.set()
        with pytest.raises(LinkLostError):
            await session.ask(Query("second?", str, source="this test"))
        await session.open()
        assert await session.ask(Query("second?", str, source="this test")) == "reply to second?"


async def test_an_overdue_reply_that_is_known_to_come_is_waited_for():
    asked, overdue = asyncio.Event(), []

    async def late(reader, writer):
        line = await reader.readline()
        await asked.wait()
        writer.write(b"reply to " + line)
        await reader.read()

    async def sent_total():
        overdue.append(1)
        if len(overdue) > 1:
            asked.set()
        return 100 if len(overdue) == 1 else 100 + len("reply to first?\n")

    async with peer(late) as address, session_to(address, sent_total=sent_total) as session:
        await session.open()
        assert await session.ask(ECHO) == "reply to first?"
    assert len(overdue) > 1


async def test_a_second_line_that_is_overdue_is_waited_for():
    sent = [0]

    async def two_lines(reader, writer):
        await reader.readline()
        writer.write(b"one\n")
        await overdue.wait()
        writer.write(b"two\n")
        await reader.read()

    async def sent_total():
        if sent[0]:
            overdue.set()
        return sent[0]

    overdue = asyncio.Event()
    async with peer(two_lines) as address, session_to(address, sent_total=sent_total) as session:
        await session.open()
        assert await session.ask(ECHO) == "one"
        sent[0] = 8
        assert await session.next_answer(ECHO) == "two"


async def test_an_overdue_reply_that_is_known_to_be_lost_is_no_reply():
    async def mute(reader, writer):
        await reader.read()

    async def sent_total():
        return known

    known = 100
    async with peer(mute) as address, session_to(address, sent_total=sent_total) as session:
        await session.open()
        with pytest.raises(NoReplyError):
            await session.ask(ECHO)
        known = None
        await session.open()
        with pytest.raises(NoReplyError):
            await session.ask(ECHO)


async def test_a_reply_that_is_for_ever_on_its_way_is_no_reply(monkeypatch):
    async def mute(reader, writer):
        await reader.read()

    async def sent_total():
        asked.append(1)
        return len(asked)

    asked = []
    monkeypatch.setattr("drivers.session.MOST_WAITS", 2)
    async with peer(mute) as address, session_to(address, sent_total=sent_total) as session:
        await session.open()
        with pytest.raises(NoReplyError):
            await session.ask(ECHO)
    assert len(asked) == 3


async def test_a_reply_that_is_not_ascii_is_bad_and_closes_the_link():
    async def garble(reader, writer):
        await reader.readline()
        writer.write(b"3.7\xb5\n")
        await reader.read()

    async with peer(garble) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(BadReplyError, match="ASCII"):
            await session.ask(ECHO)
        assert not session.is_open


async def test_a_reply_that_cannot_be_read_is_bad_and_closes_the_link():
    async with peer(echo) as address, session_to(address) as session:
        await session.open()
        with pytest.raises(BadReplyError, match="could not convert"):
            await session.ask(Query("voltage?", float, source="this test"))
        assert not session.is_open


async def test_who_gave_up_waiting_leaves_no_reply_for_the_next():
    asked = asyncio.Event()

    async def late(reader, writer):
        line = await reader.readline()
        if line == b"first?\n":
            asked.set()
            await reader.read()
        writer.write(b"reply to " + line)

    async with peer(late) as address, session_to(address) as session:
        await session.open()
        question = asyncio.create_task(session.ask(ECHO))
        await asked.wait()
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
        with pytest.raises(LinkLostError, match="connect first"):
            await session.ask(ECHO)
        await session.open()
        assert await session.ask(Query("second?", str, source="this test")) == "reply to second?"


async def test_closing_twice_is_no_error_and_opening_again_works():
    async with peer(echo) as address, session_to(address) as session:
        await session.open()
        await session.close()
        await session.close()
        await session.open()
        assert await session.ask(ECHO) == "reply to first?"


async def test_two_instruments_do_not_mix_replies():
    async with peer(echo) as address, session_to(address) as one, session_to(address) as other:
        await asyncio.gather(one.open(), other.open())

        async def many(session, word):
            return {await session.ask(Query(word, str, source="this test")) for _ in range(200)}

        assert await asyncio.gather(many(one, "one"), many(other, "other")) == [{"reply to one"}, {"reply to other"}]


async def test_a_peer_that_closes_is_noticed_at_once_and_not_after_the_timeout():
    """pyvisa-py reads on at full load until its timeout: this one would outlast the test."""

    async def hang_up(reader, writer):
        await reader.readline()

    async with peer(hang_up) as address:
        link = VisaLink(address, timeout_second=600.0)
        await link.open()
        with pytest.raises(ConnectionResetError):
            await link.ask("first?")
        await link.close()


async def test_writing_to_a_peer_that_is_gone_is_a_lost_link():
    """The first write after the end still succeeds; only the next is refused."""
    gone = asyncio.Event()

    async def leave(reader, writer):
        await reader.readline()
        linger_none = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        gone.set()

    async with peer(leave) as address, session_to(address) as session:
        await session.open()
        await session.tell("one")
        await gone.wait()

        async def tell_on() -> None:
            for _ in range(1000):
                await session.tell("another")

        with pytest.raises(LinkLostError):
            await tell_on()


async def test_questions_asked_at_once_get_their_own_answers():
    """Two threads on one resource mix replies; a link has one."""
    async with peer(echo) as address:
        link = VisaLink(address, timeout_second=60.0)
        await link.open()
        words = [f"question {number}" for number in range(50)]
        assert await asyncio.gather(*map(link.ask, words)) == [f"reply to {word}" for word in words]
        await link.close()


async def test_closing_one_link_leaves_the_others_open():
    """Closing a resource manager would invalidate all of them."""
    async with peer(echo) as address, session_to(address) as other:
        link = VisaLink(address, timeout_second=TIMEOUT_SECOND)
        await asyncio.gather(link.open(), other.open())
        await link.ask("first?")
        await link.close()
        assert await other.ask(ECHO) == "reply to first?"


async def test_a_whole_line_ends_at_the_line_end_and_not_by_the_timeout():
    """Without a termination of its own a read of pyvisa-py ends only by its timeout."""

    async def two_at_once(reader, writer):
        await reader.readline()
        writer.write(b"one\ntwo\n")
        await reader.read()

    async with peer(two_at_once) as address:
        link = VisaLink(address, timeout_second=600.0)
        await link.open()
        assert [await link.ask("both?"), await link.next_line()] == ["one", "two"]
        await link.close()

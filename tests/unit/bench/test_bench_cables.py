"""A cable carries questions and replies over a real socket, counts them, and goes wrong when told to."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import FaultError, Garbled, Halved, Misread, cable_fault
from simulators.serve import DeadSocketPort

WAIT_SECOND = 20.0
"""Only bounds a test that would hang for ever."""


@pytest.fixture
def fault(laboratory):
    async def set_fault(lab, controller, kind, **more):
        answer = await lab.ask(controller, "fault", cable="source", kind=kind, **more)
        assert answer == {"ok": True}

    return set_fault


async def test_questions_are_answered_and_counted(laboratory):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        assert await host.ask("SAY hello") == b"hello\n"
        counts = (await lab.ask(controller, "cables"))["cables"]["source"]
        assert counts == {"sent_total": 6, "received_total": 10, "lost_total": 0, "connected": True}


async def test_a_line_may_come_in_pieces_and_two_at_once(laboratory):
    async with laboratory() as lab:
        host = await lab.host()
        sent = 0
        for piece in (b"SA", b"Y a\nSAY b\nSA", b"Y c\n"):
            host.writer.write(piece)
            sent += len(piece)
            await lab.until(lambda sent=sent: lab.cable.received_total == sent)
        assert [await host.hear() for _ in range(3)] == [b"a\n", b"b\n", b"c\n"]


async def test_two_hosts_are_served_and_get_their_own_replies(laboratory):
    async with laboratory() as lab:
        first, second = await lab.host(), await lab.host()
        first.say("SAY half-sai")
        first.writer.write(b"SAY left unfini")
        assert await second.ask("SAY two") == b"two\n"
        assert await first.hear() == b"half-sai\n"
        await first.leave()
        assert await second.ask("SAY still two") == b"still two\n"


async def test_a_cut_cable_refuses_until_it_heals(laboratory, fault, connect):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        await host.ask("SAY hello")
        await fault(lab, controller, "cut")
        assert await asyncio.wait_for(host.reader.read(), WAIT_SECOND) == b""
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await connect(lab.cable.address)
        assert (await lab.ask(controller, "cables"))["cables"]["source"]["connected"] is False
        address = lab.cable.address
        await fault(lab, controller, "heal")
        assert lab.cable.address == address
        assert await (await lab.host()).ask("SAY again") == b"again\n"


async def test_a_cable_can_be_cut_and_healed_in_one_breath(laboratory):
    async with laboratory() as lab:
        for _ in range(5):
            for kind in ("cut", "heal"):
                lab.cable.set_fault(cable_fault(kind, real_second=None, seed=None, previous=b""))
        assert await (await lab.host()).ask("SAY here") == b"here\n"
        assert len(asyncio.all_tasks()) == 1


async def test_a_mute_cable_swallows_replies_and_the_instrument_still_acts(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        await fault(lab, controller, "mute")
        host.say("SAY lost")
        host.say("RUN 0.001 10")
        await lab.until(lambda: lab.made.bench.busy)
        counts = (await lab.ask(controller, "cables"))["cables"]["source"]
        assert counts == {"sent_total": 0, "received_total": 22, "lost_total": 0, "connected": True}
        await fault(lab, controller, "heal")
        assert await host.ask("BUSY?") == b"1\n"


async def test_a_late_cable_holds_replies_back_in_real_time(laboratory, fault):
    async with laboratory() as lab:
        loop = asyncio.get_running_loop()
        host, controller = await lab.host(), await lab.controller()
        await fault(lab, controller, "late", real_second=0.2)
        asked_second = loop.time()
        host.say("SAY one")
        host.say("SAY two")
        assert (await lab.ask(controller, "cables"))["cables"]["source"]["sent_total"] == 0
        assert [await host.hear(), await host.hear()] == [b"one\n", b"two\n"]
        assert loop.time() - asked_second >= 0.2
        assert lab.made.bench.now_ns == 0


async def test_a_late_reply_to_a_host_that_left_is_not_sent(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        await fault(lab, controller, "late", real_second=0.05)
        host.say("SAY one")
        await lab.until(lambda: lab.cable.received_total)
        await host.leave()
        other = await lab.host()
        assert await other.ask("SAY two") == b"two\n"
        assert lab.cable.sent_total == 4


async def test_garbled_replies_are_the_same_under_a_seed_and_never_pass_for_numbers(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        heard = []
        for seed in (3, 3, 4):
            await fault(lab, controller, "garble", seed=seed)
            heard.append([await host.ask("SAY 1.234567E-03,2.000000E+00") for _ in range(3)])
        assert heard[0] == heard[1] != heard[2]
        for line in heard[0]:
            with pytest.raises(UnicodeDecodeError):
                line.decode("ascii")


async def test_half_a_reply_comes_with_the_next(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        await fault(lab, controller, "half")
        host.say("SAY abcdefg")
        assert await asyncio.wait_for(host.reader.readexactly(4), WAIT_SECOND) == b"abcd"
        host.say("SAY next")
        assert [await host.hear(), await host.hear()] == [b"efg\n", b"next\n"]


async def test_a_stale_cable_is_one_reply_behind(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        assert await host.ask("SAY one") == b"one\n"
        await fault(lab, controller, "stale")
        assert [await host.ask(f"SAY {word}") for word in ("two", "three")] == [b"one\n", b"two\n"]
        await fault(lab, controller, "heal")
        assert await host.ask("SAY four") == b"four\n"


async def test_a_frozen_cable_takes_nothing_until_it_thaws(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        assert await host.ask("SAY one") == b"one\n"
        await fault(lab, controller, "freeze")
        late_host = await lab.host()
        host.say("SAY two")
        late_host.say("SAY three")
        counts = (await lab.ask(controller, "cables"))["cables"]["source"]
        assert (counts["sent_total"], counts["received_total"]) == (4, 8)
        await fault(lab, controller, "heal")
        assert [await host.hear(), await late_host.hear()] == [b"two\n", b"three\n"]


async def test_a_power_cycle_loses_the_connection(laboratory, fault):
    async with laboratory() as lab:
        host, controller = await lab.host(), await lab.controller()
        host.say("RUN 0.001 100")
        assert await host.ask("BUSY?") == b"1\n"
        await fault(lab, controller, "power_cycle")
        assert await asyncio.wait_for(host.reader.read(), WAIT_SECOND) == b""
        assert await (await lab.host()).ask("BUSY?") == b"0\n"
        assert [line["event"] for line in lab.made.lines()] == ["output", "power_cycle", "fault"]
        (cycled,) = lab.made.lines("power_cycle")
        assert (cycled["relay"], cycled["current_ampere"], lab.made.cell.current_ampere) == ("open", 0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cable": "source", "kind": "explode"}, "cut, mute, late"),
        ({"cable": "nothing", "kind": "cut"}, "there are source"),
        ({"cable": "source", "kind": "late"}, "real_second"),
        ({"cable": "source", "kind": "late", "real_second": -1}, "real_second"),
        ({"cable": "source", "kind": "ignore_output_off"}, "source has no fault"),
        ({"cable": "source", "kind": "cut", "more": 1}, "more"),
        ({"cable": "source"}, "kind"),
    ],
)
async def test_a_fault_there_is_not_is_refused(laboratory, arguments, words):
    async with laboratory() as lab:
        controller = await lab.controller()
        answer = await lab.ask(controller, "fault", **arguments)
        assert answer["ok"] is False
        assert words in answer["error"]
        assert lab.made.lines() == []


async def test_the_dead_socket_port_frees_an_instrument(laboratory, connect):
    async with laboratory() as lab:
        port = DeadSocketPort(lab.cable, 0)
        port.open()
        host = await lab.host()
        assert await host.ask("SAY one") == b"one\n"
        await (await connect(port.address)).leave()
        assert await asyncio.wait_for(host.reader.read(), WAIT_SECOND) == b""
        assert await (await lab.host()).ask("SAY two") == b"two\n"
        port.close()


async def test_everything_listens_on_the_loopback_only(laboratory):
    async with laboratory() as lab:
        for address in (lab.cable.address, lab.listener.address):
            assert address.startswith("127.0.0.1:")


@given(replies=st.lists(st.binary(min_size=1), min_size=1), seed=st.integers(min_value=0))
def test_halves_lose_nothing_and_noise_keeps_lengths(replies, seed):
    half, noise = Halved(), Garbled(seed=seed)
    arrived = b"".join(half.spoil(reply) for reply in replies)
    assert b"".join(replies).startswith(arrived)
    assert len(replies) % 2 or arrived == b"".join(replies)
    for reply in replies:
        assert len(noise.spoil(reply)) == len(reply)
        assert reply[-1:] == noise.spoil(reply)[-1:] or len(reply) == 1


@given(reply=st.binary(min_size=2), seed=st.integers(min_value=0))
def test_a_parity_error_is_one_top_bit(reply, seed):
    spoilt = Misread(seed=seed).spoil(reply)
    changed = [(before, after) for before, after in zip(reply, spoilt, strict=True) if before != after]
    assert [before ^ after for before, after in changed] == [0x80]
    assert spoilt[-1] == reply[-1]


def test_unknown_faults_are_named_with_the_known_ones():
    with pytest.raises(FaultError, match="garble, parity"):
        cable_fault("melt", real_second=None, seed=None, previous=b"")

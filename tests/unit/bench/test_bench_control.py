"""The control port: who moves time, how far, and what it answers."""

import asyncio
import json

import pytest

from simulators.device import SECOND_NS

MAX = {"speed": "max", "on_owner_lost": "run_on"}


async def owner_of(lab, **wanted):
    controller = await lab.controller()
    assert (await lab.ask(controller, "own", **(MAX | wanted)))["ok"]
    return controller


async def test_hello_tells_all_there_is(laboratory):
    async with laboratory() as lab:
        controller = await lab.controller()
        assert await lab.ask(controller, "hello") == {
            "ok": True,
            "name": "test",
            "seed": 7,
            "simulated": True,
            "now_second": 0.0,
            "utc_second": 1000.0,
            "cables": {
                "source": {
                    "transport": "tcp",
                    "address": lab.cable.address,
                    "model": "timed",
                    "sent_total": 0,
                    "received_total": 0,
                }
            },
        }


async def test_the_owner_moves_time(laboratory):
    async with laboratory() as lab:
        host, owner = await lab.host(), await owner_of(lab)
        assert await host.ask("SAY hello") == b"hello\n"
        answer = await lab.ask(owner, "advance", to_second=36_000.5, stop_every_second=None)
        assert answer == {
            "ok": True,
            "now_second": 36_000.5,
            "utc_second": 37_000.5,
            "stopped_by": None,
            "cables": {"source": {"sent_total": 6, "marks": []}},
        }
        assert (await lab.ask(owner, "advance", to_second=5))["now_second"] == 36_000.5
        assert await host.ask("BUSY?") == b"0\n"


async def test_time_stops_for_an_instrument_that_ended(laboratory):
    async with laboratory() as lab:
        host, owner = await lab.host(), await owner_of(lab)
        host.say("RUN 0.0001 700")
        assert await host.ask("BUSY?") == b"1\n"
        answer = await lab.ask(owner, "advance", to_second=36_000, stop_every_second=600)
        assert (answer["now_second"], answer["stopped_by"]) == (1200.0, "source")
        assert await host.ask("ROWS?") == b"700\n"


async def test_frames_nobody_asked_for_are_marked_with_their_time(laboratory):
    async with laboratory() as lab:
        host, owner = await lab.host(), await owner_of(lab)
        assert await host.ask("SAY x") == b"x\n"
        lab.made.source.frame_every_ns = SECOND_NS
        answer = await lab.ask(owner, "advance", to_second=2.5)
        assert answer["cables"]["source"] == {"sent_total": 18, "marks": [[10, 1.0], [18, 2.0]]}
        answer = await lab.ask(owner, "advance", to_second=3.5)
        assert answer["cables"]["source"] == {"sent_total": 26, "marks": [[26, 3.0]]}
        assert [await host.hear() for _ in range(3)] == [b"frame 1\n", b"frame 2\n", b"frame 3\n"]


async def test_frames_to_nobody_are_lost_and_not_counted(laboratory):
    async with laboratory() as lab:
        owner = await owner_of(lab)
        lab.made.source.frame_every_ns = SECOND_NS
        answer = await lab.ask(owner, "advance", to_second=2.5)
        assert answer["cables"]["source"] == {"sent_total": 0, "marks": []}


async def test_only_the_owner_moves_time_and_there_is_one(laboratory):
    async with laboratory() as lab:
        owner, other = await owner_of(lab), await lab.controller()
        for do, arguments in (("advance", {"to_second": 1}), ("own", MAX)):
            answer = await lab.ask(other, do, **arguments)
            assert answer["ok"] is False
            assert "own" in answer["error"]
        await owner.leave()
        await lab.until(lambda: lab.made.lines("owner_lost"))
        assert (await lab.ask(other, "own", **MAX))["ok"]
        assert [line["event"] for line in lab.made.lines()] == ["owner", "owner_lost", "ran_on", "owner"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": 1, "do": "advance", "to_second": -1}', "to_second"),
        (b'{"id": 1, "do": "advance", "to_second": "5"}', "to_second"),
        (b'{"id": 1, "do": "advance", "to_second": 1e300}', "to_second"),
        (b'{"id": 1, "do": "advance", "to_second": 5, "stop_every_second": 0}', "stop_every_second"),
        (b'{"id": 1, "do": "advance"}', "to_second"),
        (b'{"id": 1, "do": "advance", "to_second": 5, "by": 3}', "by"),
        (b'{"id": 1, "do": "own", "speed": 0, "on_owner_lost": "run_on"}', "speed"),
        (b'{"id": 1, "do": "own", "speed": "fast", "on_owner_lost": "run_on"}', "fast"),
        (b'{"id": 1, "do": "own", "speed": 1, "on_owner_lost": "panic"}', "panic"),
        (b'{"id": 1, "do": "dance"}', "the verbs are hello, own, disown, advance"),
        (b'{"id": 1}', "do"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_number(laboratory, line, words):
    async with laboratory() as lab:
        owner = await owner_of(lab)
        answer = json.loads(await owner.ask(line.decode()))
        assert (answer["id"], answer["ok"]) == (1, False)
        assert words in answer["error"]
        assert lab.made.bench.now_ns == 0


@pytest.mark.parametrize("line", ["", "[]", "{", '{"id": "one", "do": "hello"}', "\x00", "5"])
async def test_rubbish_is_refused_and_the_next_request_is_heard(laboratory, line):
    async with laboratory() as lab:
        controller = await lab.controller()
        if line:
            answer = json.loads(await controller.ask(line))
            assert (answer["id"], answer["ok"]) == (None, False)
        else:
            controller.say(line)
        assert (await lab.ask(controller, "hello"))["ok"]


async def test_a_client_that_never_ends_its_line_is_dropped(laboratory):
    async with laboratory() as lab:
        controller = await lab.controller()
        controller.writer.write(b"x" * 200_000)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await controller.reader.readexactly(1)
        assert (await lab.ask(await lab.controller(), "hello"))["ok"]


async def test_others_are_served_during_a_paced_advance(laboratory):
    async with laboratory() as lab:
        owner = await owner_of(lab, speed=10)
        host = await lab.host()
        owner.say('{"id": 91, "do": "advance", "to_second": 1e6}')
        seen = []
        while len(set(seen)) < 3:
            seen.append(lab.made.bench.now_ns)
            assert await host.ask("SAY still here") == b"still here\n"
            assert (await lab.ask(owner, "hello"))["ok"]
        assert not (await lab.ask(owner, "advance", to_second=2e6))["ok"]
        assert not (await lab.ask(owner, "own", **MAX))["ok"]
        assert seen == sorted(seen)


async def test_a_long_advance_at_max_leaves_room_for_others(laboratory):
    async with laboratory() as lab:
        owner, other = await owner_of(lab), await lab.controller()
        lab.made.bench.receive("source", b"RUN 1e-9 400000\n")
        owner.say('{"id": 91, "do": "advance", "to_second": 400000}')
        seconds = []
        while not seconds or seconds[-1] < 4e5:
            seconds.append((await lab.ask(other, "hello"))["now_second"])
        assert len(set(seconds)) > 5


async def test_notes_and_the_end_are_in_the_log(laboratory):
    async with laboratory() as lab:
        owner = await owner_of(lab)
        await lab.ask(owner, "advance", to_second=2.5)
        assert await lab.ask(owner, "note", text="torque wrench näher") == {"ok": True}
        assert await lab.ask(owner, "end") == {"ok": True}
        assert lab.reasons == ["end"]
        assert lab.made.lines("note") == [{"bench_second": 2.5, "event": "note", "text": "torque wrench näher"}]


async def test_a_lost_owner_ends_an_advance_and_the_bench_runs_on(laboratory):
    async with laboratory() as lab:
        owner, other = await owner_of(lab), await lab.controller()
        host = await lab.host()
        host.say("RUN 0.0001 5000")
        assert await host.ask("BUSY?") == b"1\n"
        owner.say('{"id": 91, "do": "advance", "to_second": 1e9}')
        await owner.leave()
        await lab.until(lambda: lab.made.lines("ran_on"))
        assert await host.ask("BUSY?") == b"0\n"
        assert lab.made.lines("output")[-1]["bench_second"] == 5000
        now_second = (await lab.ask(other, "hello"))["now_second"]
        assert (await lab.ask(other, "own", **MAX))["now_second"] == now_second
        assert lab.made.bench.now_ns == now_second * SECOND_NS

"""Time that a bench owns: who waits, when it moves, and what ends a wait."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemon.clock import (
    REAL_SLICE_SECOND,
    BenchClock,
    BenchGoneError,
    ControlPort,
    MonotonicClock,
    is_due,
    real_second,
    wait_out,
)

UTC_ZERO_SECOND = 1.7e9


class ScriptedBench:
    """A control port whose instruments stop being busy when the test says so.

    `log` holds what it was asked. While `held`, answers to `advance` wait. `wire` is what becomes of an answer; one
    that does not end its line is the last.
    """

    def __init__(self, ends: dict[float, str]) -> None:
        self.now_second = 0.0
        self.log: list[Any] = []
        self.ends = ends
        self.held: asyncio.Event | None = None
        self.asked_to_advance = asyncio.Event()
        self.cables: dict[str, dict[str, Any]] = {}
        self.wire: Callable[[bytes], bytes] = lambda answer: answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                question = json.loads(line)
                answer = await self._answer(question)
                raw = self.wire(json.dumps({"id": question["id"], **answer}).encode() + b"\n")
                writer.write(raw)
                if not raw.endswith(b"\n"):
                    break
        finally:
            writer.close()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["do"]:
            case "advance":
                self.log.append(question["to_second"])
                if len(self.log) > 100:
                    return {"ok": False, "error": "asked for ever"}
                self.asked_to_advance.set()
                if self.held is not None:
                    await self.held.wait()
                return self._advance(question["to_second"], question["stop_every_second"])
            case "hello" | "own" | "note":
                self.log.append({key: value for key, value in question.items() if key != "id"})
                return {"ok": True, "name": "scripted", "seed": 1} | self._time()
            case verb:
                return {"ok": False, "error": f"what is {verb}?"}

    def _advance(self, to_second: float, every_second: float | None) -> dict[str, Any]:
        target, stopped_by = to_second, None
        for end_second, instrument in sorted(self.ends.items()):
            noticed_second = end_second if not every_second else -(-end_second // every_second) * every_second
            if self.now_second < noticed_second <= to_second:
                target, stopped_by = noticed_second, instrument
                break
        self.now_second = max(self.now_second, round(target * 1e9) / 1e9)
        return {"ok": True, "stopped_by": stopped_by, "cables": self.cables} | self._time()

    def _time(self) -> dict[str, float]:
        return {"now_second": self.now_second, "utc_second": UTC_ZERO_SECOND + self.now_second}


@asynccontextmanager
async def bench(
    pace: float | None = None, ends: dict[float, str] | None = None
) -> AsyncIterator[tuple[ScriptedBench, BenchClock, ControlPort]]:
    """A bench on the loopback, its clock, and a control connection beside the clock's."""
    scripted = ScriptedBench(ends or {})
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    address = f"{host}:{port}"
    async with server:
        control, beside = await ControlPort.connect(address), await ControlPort.connect(address)
        clock = await BenchClock.own(control, pace=pace, on_owner_lost="run_on")
        scripted.log.clear()
        try:
            yield scripted, clock, beside
        finally:
            await clock.close()
            await beside.close()
            if scripted.held is not None:
                scripted.held.set()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)


async def test_owner_says_how_fast_and_what_happens_without_it() -> None:
    async with bench() as (scripted, clock, beside):
        for pace, speed in ((None, "max"), (10.0, 10.0)):
            await BenchClock.own(beside, pace=pace, on_owner_lost="freeze")
            own = {"do": "own", "speed": speed, "on_owner_lost": "freeze"}
            assert scripted.log[-2:] == [own, {"do": "hello"}]
        assert (clock.now_second(), clock.utc_second()) == (0.0, UTC_ZERO_SECOND)


async def test_one_who_waits_alone_moves_time_at_once() -> None:
    async with bench() as (scripted, clock, _):
        clock.join()
        assert await clock.wait_until(600.0) == 600.0
        assert (clock.now_second(), clock.utc_second()) == (600.0, UTC_ZERO_SECOND + 600.0)
        assert scripted.log == [600.0]


async def test_past_is_not_waited_for() -> None:
    async with bench() as (scripted, clock, _):
        assert await clock.wait_until(0.0) == 0.0
        assert scripted.log == []


async def test_hair_before_a_second_counts_as_that_second() -> None:
    """0.1 + 0.2 lies above 0.3, which is what a bench answers that counts whole nanoseconds."""
    async with bench() as (scripted, clock, _):
        due_second = 0.1 + 0.2
        assert not is_due(clock, due_second)
        await wait_out(clock, due_second)
        assert clock.now_second() == 0.3 < due_second
        assert is_due(clock, due_second)
        assert scripted.log == [due_second]


async def test_what_wakes_on_the_way_ends_no_wait() -> None:
    async with bench(ends={7.25: "smu"}) as (scripted, clock, _):
        clock.stop_every_second = None
        await wait_out(clock, 600.0)
        assert clock.now_second() == 600.0
        assert scripted.log == [600.0, 600.0]


async def test_time_stands_while_one_is_at_work() -> None:
    async with bench() as (scripted, clock, beside):
        clock.join()
        clock.join()
        waiting = asyncio.create_task(clock.wait_until(5.0))
        for _ in range(3):
            await beside.ask("note", text="at work")
        assert scripted.log == [{"do": "note", "text": "at work"}] * 3
        assert not waiting.done()
        assert await clock.wait_until(4.0) == 4.0
        clock.leave()
        assert await waiting == 5.0
        assert scripted.log[3:] == [4.0, 5.0]


async def test_earliest_deadline_of_all_comes_first() -> None:
    async with bench() as (scripted, clock, _):
        woken: list[tuple[str, float]] = []

        async def take_part(name: str, *deadlines: float) -> None:
            for deadline_second in deadlines:
                now_second = await clock.wait_until(deadline_second)
                woken.append((name, now_second))
            clock.leave()

        clock.join()
        clock.join()
        await asyncio.gather(take_part("a", 5.0, 8.0), take_part("b", 6.0, 8.0, 9.0))
        assert scripted.log == [5.0, 6.0, 8.0, 9.0]
        assert woken == [("a", 5.0), ("b", 6.0), ("a", 8.0), ("b", 8.0), ("b", 9.0)]


async def test_who_leaves_is_not_waited_for() -> None:
    async with bench() as (scripted, clock, beside):
        clock.join()
        clock.join()
        waiting = asyncio.create_task(clock.wait_until(5.0))
        await beside.ask("note", text="at work")
        clock.leave()
        assert await waiting == 5.0
        assert scripted.log == [{"do": "note", "text": "at work"}, 5.0]


async def test_who_gave_up_waiting_does_not_count_as_waiting() -> None:
    async with bench() as (scripted, clock, beside):
        clock.join()
        clock.join()
        gave_up = asyncio.create_task(clock.wait_until(3.0))
        await asyncio.sleep(0)
        gave_up.cancel()
        await asyncio.gather(gave_up, return_exceptions=True)
        waiting = asyncio.create_task(clock.wait_until(5.0))
        await beside.ask("note", text="cleaning up")
        clock.leave()
        assert await waiting == 5.0
        assert scripted.log == [{"do": "note", "text": "cleaning up"}, 5.0]


async def test_all_look_when_an_instrument_has_ended_on_the_grid_of_looks() -> None:
    async with bench(ends={7.3: "smu"}) as (scripted, clock, _):
        clock.stop_every_second = 2.0
        clock.join()
        clock.join()
        assert await asyncio.gather(clock.wait_until(600.0), clock.wait_until(900.0)) == [8.0, 8.0]
        assert await asyncio.gather(clock.wait_until(600.0), clock.wait_until(600.0)) == [600.0, 600.0]
        assert scripted.log == [600.0, 600.0]


async def test_without_a_grid_the_end_itself_is_seen() -> None:
    async with bench(ends={7.25: "smu"}) as (_, clock, _):
        clock.stop_every_second = None
        assert await clock.wait_until(600.0) == 7.25


async def test_nudge_wakes_who_waits_before_the_bench_answers() -> None:
    async with bench() as (scripted, clock, _):
        scripted.held = asyncio.Event()
        clock.join()
        waiting = asyncio.create_task(clock.wait_until(5.0))
        await scripted.asked_to_advance.wait()
        clock.nudge()
        assert await waiting == 0.0
        scripted.held.set()
        assert await clock.wait_until(6.0) == 6.0
        assert scripted.log == [5.0, 6.0]


async def test_nudge_of_nobody_is_forgotten() -> None:
    async with bench() as (_, clock, _):
        clock.nudge()
        assert await clock.wait_until(5.0) == 5.0


async def test_paced_time_moves_in_slices_so_that_a_stop_is_heard() -> None:
    async with bench(pace=10.0) as (scripted, clock, _):
        step_second = REAL_SLICE_SECOND * 10.0
        assert await clock.wait_until(2.5 * step_second) == 2.5 * step_second
        assert scripted.log == [step_second, 2 * step_second, 2.5 * step_second]


class Cable:
    """A cable whose bytes come when the test says so."""

    def __init__(self, *, arrives: bool) -> None:
        self.told: list[Any] = []
        self._arrives = arrives

    async def wait_received(self, total: int, within_real_second: float) -> bool:
        self.told.append(total)
        return self._arrives

    def stamp(self, marks: Sequence[tuple[int, float]]) -> None:
        self.told.append(list(marks))


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_was_sent_unasked_is_there_and_stamped_before_anyone_goes_on(arrives: bool) -> None:
    async with bench() as (scripted, clock, _):
        cable = Cable(arrives=arrives)
        clock.watch("load_cell", cable)
        scripted.cables = {"load_cell": {"sent_total": 34, "marks": [[17, 1.0], [34, 2.0]]}, "smu": {}}
        assert await clock.wait_until(2.0) == 2.0
        assert cable.told == [34, [(17, 1.0), (34, 2.0)]]


async def test_stop_that_only_lets_a_cable_be_read_wakes_nobody() -> None:
    async with bench(ends={3.0: "cable"}) as (scripted, clock, _):
        cable = Cable(arrives=True)
        clock.watch("load_cell", cable)
        scripted.cables = {"load_cell": {"sent_total": 34, "marks": []}}
        assert await clock.wait_until(10.0) == 10.0
        assert scripted.log == [10.0, 10.0]
        assert cable.told == [34, [], 34, []]


async def test_deadline_between_two_of_the_benchs_nanoseconds_is_reached() -> None:
    deadline_second = 0.1 + 0.2
    async with bench() as (scripted, clock, _):
        assert await clock.wait_until(deadline_second) == 0.3 < deadline_second
        assert scripted.log == [deadline_second]


async def test_all_who_wait_hear_that_the_bench_is_gone() -> None:
    async with bench() as (scripted, clock, _):
        scripted.wire = lambda _: b""
        clock.join()
        clock.join()
        answers = await asyncio.gather(clock.wait_until(5.0), clock.wait_until(6.0), return_exceptions=True)
        assert [type(answer) for answer in answers] == [BenchGoneError, BenchGoneError]


@pytest.mark.parametrize("raw", [b"{no json\n", b"half an answ"])
async def test_nonsense_is_no_answer(raw: bytes) -> None:
    async with bench() as (scripted, clock, _):
        scripted.wire = lambda _: raw
        with pytest.raises(BenchGoneError):
            await clock.wait_until(5.0)


async def test_refusal_is_told_in_the_benchs_words() -> None:
    async with bench() as (_, _, beside):
        with pytest.raises(BenchGoneError, match="refused 'dance': what is dance"):
            await beside.ask("dance")


async def test_nobody_listens() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(BenchGoneError, match="no bench answers"):
        await ControlPort.connect(f"127.0.0.1:{port}")


async def test_answer_to_a_question_that_was_given_up_is_not_taken_for_the_next() -> None:
    async with bench() as (scripted, _, beside):
        scripted.held = asyncio.Event()
        given_up = asyncio.create_task(beside.ask("advance", to_second=5.0, stop_every_second=None))
        await scripted.asked_to_advance.wait()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        scripted.held.set()
        with pytest.raises(BenchGoneError, match="dance"):
            await beside.ask("dance")


async def test_answer_may_be_long() -> None:
    async with bench() as (scripted, clock, _):
        scripted.cables = {"load_cell": {"sent_total": 2**16, "marks": [[n, n / 10] for n in range(2**16)]}}
        assert await clock.wait_until(5.0) == 5.0


async def test_clock_can_be_given_up_while_time_moves() -> None:
    async with bench() as (scripted, clock, _):
        scripted.held = asyncio.Event()
        waiting = asyncio.create_task(clock.wait_until(5.0))
        await scripted.asked_to_advance.wait()
        await clock.close()
        with pytest.raises(BenchGoneError, match="given up"):
            await waiting


async def test_monotonic_clock_rises_and_does_not_wait_for_the_past() -> None:
    clock = MonotonicClock()
    before_second = clock.now_second()
    assert before_second <= await clock.wait_until(before_second - 1.0) <= clock.now_second()
    assert before_second <= real_second()


async def test_monotonic_clock_wakes_at_its_deadline() -> None:
    clock = MonotonicClock()
    deadline_second = clock.now_second() + 0.01
    assert await clock.wait_until(deadline_second) >= deadline_second


async def test_nudge_ends_a_wait_in_real_time() -> None:
    clock = MonotonicClock()
    far_second = clock.now_second() + 1e6
    waiting = [asyncio.create_task(clock.wait_until(far_second)) for _ in range(2)]
    await asyncio.sleep(0)
    clock.nudge()
    assert max(await asyncio.gather(*waiting)) < far_second

"""The queue at work on a scripted clock, over a real station file: turns, waits, silence, a daemon that died."""

import asyncio
import contextlib

import msgspec
import pytest

from daemon.clock import BenchGoneError
from daemon.service.run_queue import CHECK_SECOND, CannotBeginError, RunQueue
from daemon.service.shared_use import SharedUse
from daemon.sharing import Lease, Waiting, Wish
from daemon.store.errors import StoreError
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import STATION_FILE_NAME
from drivers.errors import LinkLostError
from tests.support.instruments import JumpingClock

BEGAN_SECOND = 1000.0


class LosableClock(JumpingClock):
    """While it is lost, the queue cannot wait on it."""

    is_lost = False

    async def wait_until(self, second):
        task = asyncio.current_task()
        if self.is_lost and task is not None and task.get_name() == "queue":
            raise BenchGoneError("the bench is gone")
        return await super().wait_until(second)


class Laboratory:
    """A queue whose runs begin, and whose cells are opened, as the test says; notes what was asked of it, and when."""

    def __init__(self, path):
        self.path, self.clock = path, LosableClock(BEGAN_SECOND)
        self.begun, self.opened, self.troubles, self.stops = [], [], {}, ()
        self.clock.join()
        self.open()

    def open(self):
        self.store = SharingStore(self.path)
        self.use = SharedUse(self.store, self.clock)
        self.queue = RunQueue(
            self.use, self.clock, begin=self.begin, bring_to_open_circuit=self.bring_to_open_circuit, tell=lambda: None
        )

    async def begin(self, one):
        self.begun.append((self.since_second, one.rig))
        if one.rig in self.troubles:
            raise self.troubles[one.rig]
        for other in [other for other in self.use.waiting if other.rig in self.stops]:
            await self.use.leave(other, "somebody stopped it")
        await self.use.grant(lease(one.rig, *one.wish.setpoints_celsius))
        await self.use.begun(one.run_id, one.rig)

    async def bring_to_open_circuit(self, one):
        assert self.queue.is_opening(one.rig), "nobody else may begin a run there meanwhile"
        self.opened.append((self.since_second, one.rig))
        if self.troubles.get("relay") is not None:
            raise self.troubles["relay"]

    @property
    def since_second(self):
        return round(self.clock.now_second() - BEGAN_SECOND)

    def wait(self, rig, celsius, longest_second=3600.0):
        texts = dict.fromkeys(
            ["protocol_name", "protocol_text", "cell_name", "cell_text", "without_acceptance", "by"], ""
        )
        return Waiting(
            run_id=f"run-{rig}",
            rig=rig,
            wish=Wish(instrument="oven1", setpoints_celsius=(celsius,)),
            clock_epoch=self.clock.epoch,
            since_second=self.clock.now_second(),
            since_utc_second=self.clock.utc_second(),
            longest_wait_second=longest_second,
            **texts,
        )

    async def until_second(self, second):
        self.queue.look()
        while self.since_second < second:
            await self.clock.wait_until(BEGAN_SECOND + second)

    @property
    def rigs_waiting(self):
        return [one.rig for one in self.use.waiting]

    async def close(self):
        await self.queue.close()
        await self.use.close()


def lease(rig, *setpoints):
    wish = Wish(instrument="oven1", setpoints_celsius=setpoints)
    return Lease(run_id=f"run-{rig}", rig=rig, wish=wish, expected_until_utc_second=0.0)


@contextlib.asynccontextmanager
async def waiting_room(folder):
    """A laboratory in which rig1 holds the oven at 55 °C."""
    laboratory = Laboratory(folder / STATION_FILE_NAME)
    await laboratory.use.grant(lease("rig1", 55.0))
    try:
        yield laboratory
    finally:
        await laboratory.close()


async def test_each_begins_when_its_turn_comes_and_those_who_agree_together(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig, celsius in (("rig2", 25.0), ("rig3", 25.0), ("rig4", 55.0), ("rig5", 25.0)):
            await laboratory.use.enqueue(laboratory.wait(rig, celsius))
        await laboratory.until_second(30)
        assert laboratory.begun == []
        await laboratory.use.release("run-rig1")
        await laboratory.until_second(40)
        assert [rig for _, rig in laboratory.begun] == ["rig2", "rig3"]
        assert laboratory.rigs_waiting == ["rig4", "rig5"]


async def test_a_waiting_cell_is_opened_at_once_and_again_each_minute(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0))
        await laboratory.until_second(2 * CHECK_SECOND + 1)
        assert not laboratory.queue.is_opening("rig2")
        assert laboratory.opened == [(0, "rig2"), (60, "rig2"), (120, "rig2")]
        laboratory.troubles["relay"] = LinkLostError("smu", "there", "twice")
        await laboratory.until_second(3 * CHECK_SECOND + 1)
        assert "not known to be at open circuit" in laboratory.queue.trouble_of("run-rig2")
        del laboratory.troubles["relay"]
        await laboratory.until_second(4 * CHECK_SECOND + 1)
        assert laboratory.queue.trouble_of("run-rig2") == ""


async def test_a_wait_ends_at_the_second_that_was_stated(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0, longest_second=90.0))
        await laboratory.until_second(89)
        assert laboratory.rigs_waiting == ["rig2"]
        await laboratory.until_second(90)
        await laboratory.until_second(91)
        assert laboratory.rigs_waiting == []
        assert "it waited 90 s, which was its longest: oven1 is held at 55 °C by rig1" in laboratory.use.why_left(
            "rig2"
        )


async def test_a_silent_instrument_is_tried_again_and_holds_the_place(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 55.0))
        laboratory.troubles["rig2"] = LinkLostError("smu", "there", "twice")
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.begun == [(0, "rig2"), (60, "rig2")]
        assert "could not begin yet: smu: no connection to there" in laboratory.queue.trouble_of("run-rig2")
        assert laboratory.rigs_waiting == ["rig2"]
        del laboratory.troubles["rig2"]
        await laboratory.until_second(2 * CHECK_SECOND)
        assert laboratory.rigs_waiting == []


async def test_a_run_that_is_refused_at_its_turn_leaves_and_the_next_begins(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 55.0))
        laboratory.troubles["rig2"] = CannotBeginError("the cell file is no more what it was")
        await laboratory.until_second(1)
        assert [rig for _, rig in laboratory.begun] == ["rig2", "rig3"]
        assert laboratory.use.why_left("rig2").endswith("it could not begin: the cell file is no more what it was")


async def test_a_run_that_is_stopped_while_another_begins_neither_begins_nor_is_its_cell_touched(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 55.0))
        laboratory.stops = ("rig3",)
        await laboratory.until_second(CHECK_SECOND + 1)
        assert [rig for _, rig in laboratory.begun] == ["rig2"]
        assert laboratory.opened == []
        assert laboratory.use.why_left("rig3").endswith("somebody stopped it")


async def test_a_run_that_is_being_stopped_has_its_rig_until_that_is_durable_and_does_not_begin(tmp_path):
    """Who asks meanwhile is never told that its rig is free, without a word why it left."""
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 25.0))
        one, next_one = laboratory.use.waiting
        leaving = [asyncio.create_task(laboratory.use.leave(one, "somebody stopped it")) for _ in range(2)]
        await asyncio.sleep(0)
        assert (laboratory.use.waits_at("rig2"), laboratory.use.why_left("rig2")) == (one, "")
        assert (laboratory.use.may_begin(one), laboratory.use.may_begin(next_one)) == (False, True)
        assert laboratory.use.place_text(next_one).startswith("place 2 of 2")
        await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
        assert laboratory.use.waits_at("rig2") is None
        assert laboratory.use.why_left("rig2") == "run-rig2 left the queue: somebody stopped it"
        assert laboratory.use.place_text(next_one).startswith("place 1 of 1")
        await asyncio.gather(*leaving)
        assert laboratory.rigs_waiting == ["rig3"]


async def test_nobody_begins_a_run_that_is_being_stopped(tmp_path):
    """The oven falls free while the disk is waited for."""
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0))
        await laboratory.until_second(CHECK_SECOND - 1)
        async with laboratory.use._turn:
            leaving = asyncio.create_task(laboratory.use.leave(laboratory.use.waiting[0], "somebody stopped it"))
            releasing = asyncio.create_task(laboratory.use.release("run-rig1"))
            await asyncio.sleep(0)
            laboratory.queue.look()
            for _ in range(10):
                await asyncio.sleep(0)
        await asyncio.gather(leaving, releasing)
        await laboratory.until_second(3 * CHECK_SECOND)
        assert laboratory.begun == []
        assert laboratory.opened == [(0, "rig2")]


async def test_a_run_that_the_disk_will_not_let_go_is_back_at_its_place(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 25.0))
        laboratory.store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError):
            await laboratory.use.leave(laboratory.use.waiting[0], "somebody stopped it")
        assert laboratory.rigs_waiting == ["rig2", "rig3"]
        assert laboratory.use.may_begin(laboratory.use.waiting[0])


async def test_the_wait_goes_on_where_it_was_when_the_next_daemon_comes(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0, longest_second=200.0))
        await laboratory.until_second(150)
        await laboratory.close()
        laboratory.open()
        assert laboratory.rigs_waiting == ["rig2"]
        (one,) = laboratory.use.waiting
        assert laboratory.use.waited_second(one) == pytest.approx(150.0)
        await laboratory.until_second(199)
        assert laboratory.rigs_waiting == ["rig2"]
        await laboratory.until_second(201)
        assert laboratory.rigs_waiting == []


@pytest.mark.parametrize("file_made", [False, True])
async def test_a_daemon_that_died_while_a_run_began_leaves_it_waiting_or_begun_never_both(tmp_path, file_made):
    """It had its lease; whether the run had its file decides."""
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 55.0))
        await laboratory.use.grant(lease("rig2", 55.0))
        await laboratory.close()
        laboratory.open()
        unfinished = {"run-rig1"} | ({"run-rig2"} if file_made else set())
        await laboratory.use.settle(unfinished, lambda run_id: run_id in unfinished)
        assert laboratory.use.has_lease("run-rig2") is file_made
        assert laboratory.rigs_waiting == ([] if file_made else ["rig2"])
        assert laboratory.use.has_lease("run-rig1")


async def test_the_place_names_what_is_waited_for_and_the_maximum(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        other = laboratory.wait("rig9", 10.0)
        oven2 = msgspec.structs.replace(other.wish, instrument="oven2")
        await laboratory.use.enqueue(msgspec.structs.replace(other, wish=oven2))
        placed = [await laboratory.use.enqueue(laboratory.wait(rig, 25.0)) for rig in ("rig2", "rig3")]
        text = laboratory.use.place_text(placed[1])
        assert text.startswith("place 2 of 2 for oven1: oven1 is held at 55 °C by rig1")
        assert text.endswith("At open circuit for 0 s, for 1 h at most")
        await asyncio.gather(*(laboratory.use.leave(one, "enough") for one in laboratory.use.waiting))
        assert laboratory.rigs_waiting == []


async def test_a_run_may_have_again_what_it_has_though_others_wait_for_something_else(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0))
        assert laboratory.use.obstacle(lease("rig1", 55.0).wish, "run-rig1") is None
        why = laboratory.use.obstacle(lease("rig1", 40.0, 55.0).wish, "run-rig1")
        assert why is not None
        assert "rig2 (run-rig2) waits for oven1 at 25 °C" in why


async def test_a_disk_that_refuses_is_tried_again_with_the_next_check(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0, longest_second=30.0))
        disk = laboratory.store._connection
        disk.execute("PRAGMA query_only = ON")
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.rigs_waiting == ["rig2"]
        assert laboratory.opened == [(0, "rig2"), (60, "rig2")], "a disk is no reason to leave a cell"
        disk.execute("PRAGMA query_only = OFF")
        await laboratory.until_second(2 * CHECK_SECOND + 1)
        assert laboratory.rigs_waiting == []


async def test_what_nobody_foresaw_in_one_runs_turn_is_said_tried_again_and_holds_nobody_else_up(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 55.0))
        laboratory.troubles["rig2"] = KeyError("no such thing")
        await laboratory.until_second(1)
        assert [rig for _, rig in laboratory.begun] == ["rig2", "rig3"]
        assert laboratory.rigs_waiting == ["rig2"]
        assert "nobody foresaw, to be tried again: KeyError: 'no such thing'" in laboratory.queue.trouble_of("run-rig2")
        del laboratory.troubles["rig2"]
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.begun[2:] == [(1, "rig2")]
        assert laboratory.rigs_waiting == []


async def test_what_nobody_foresaw_as_a_cell_was_opened_is_said_and_the_queue_goes_on(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        for rig in ("rig2", "rig3"):
            await laboratory.use.enqueue(laboratory.wait(rig, 25.0))
        laboratory.troubles["relay"] = RuntimeError("the rig is in the station no more")
        await laboratory.until_second(1)
        assert laboratory.opened == [(0, "rig2"), (0, "rig3")]
        assert "not known to be at open circuit, by a fault" in laboratory.queue.trouble_of("run-rig2")
        del laboratory.troubles["relay"]
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.opened[2:] == [(60, "rig2"), (60, "rig3")]
        assert laboratory.queue.trouble_of("run-rig2") == ""


async def test_a_queue_that_cannot_even_wait_says_so_and_is_tended_at_the_next_word(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 25.0))
        laboratory.clock.is_lost = True
        await laboratory.until_second(1)
        assert laboratory.queue.trouble_of("run-rig2") == "the queue is not tended: the bench is gone"
        laboratory.clock.is_lost = False
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.opened == [(0, "rig2"), (60, "rig2")]
        assert laboratory.queue.trouble_of("run-rig2") == ""


async def test_a_disk_that_refuses_a_turn_is_said_to(tmp_path):
    async with waiting_room(tmp_path) as laboratory:
        await laboratory.use.enqueue(laboratory.wait("rig2", 55.0))
        laboratory.troubles["rig2"] = StoreError(tmp_path, "the disk is full", "free space on its volume")
        await laboratory.until_second(1)
        assert "the disk refuses, to be tried again" in laboratory.queue.trouble_of("run-rig2")
        del laboratory.troubles["rig2"]
        await laboratory.until_second(CHECK_SECOND + 1)
        assert laboratory.rigs_waiting == []

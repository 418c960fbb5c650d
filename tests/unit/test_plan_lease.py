"""What a run has of a shared chamber while it is edited, and afterwards, over a real station file."""

import asyncio
import contextlib

import pytest

from daemon.running.asked_edit import EditRefusedError
from daemon.service.plan_lease import PlanLeases
from daemon.service.preparing import RefusedRequestError, lease_of
from daemon.service.shared_use import SharedUse
from daemon.sharing import wish_of
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import STATION_FILE_NAME
from tests.support.instruments import JumpingClock
from tests.support.plans import plan, rest, setting

RUN, RIG, OVEN = "run-rig1", "rig1", "oven1"


def at(*celsius):
    """A plan that gives the chamber these setpoints."""
    steps = [step for one in celsius for step in (setting(f"set{one:g}", one), rest(f"at{one:g}"))]
    return plan(*(steps or [rest("alone")]))


class Station:
    def __init__(self, folder):
        self.path, self.clock, self.looked = folder / STATION_FILE_NAME, JumpingClock(1000.0), 0
        self.clock.join()
        self.store = SharingStore(self.path)
        self.use = SharedUse(self.store, self.clock)
        self.leases = PlanLeases(self.use, self.clock, self.look)

    def look(self):
        self.looked += 1

    async def grant(self, made, run_id=RUN, rig=RIG):
        wish = wish_of(made, OVEN)
        await self.use.grant(lease_of(run_id, rig, made, wish, 0.0))

    def may_set(self, *celsius):
        return [one for one in celsius if self.use.why_not_set(RIG, OVEN, one) is None]

    @property
    def durable(self):
        return [lease.wish.setpoints_celsius for lease in self.store.leases() if lease.run_id == RUN]


@contextlib.asynccontextmanager
async def station_in(folder):
    station = Station(folder)
    try:
        yield station
    finally:
        await station.use.close()


async def test_while_it_is_on_its_way_either_plan_may_set_and_then_the_one_in_force(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0, 55.0))
        async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0, 25.0)):
            assert station.may_set(25.0, 40.0, 55.0) == [25.0, 40.0, 55.0]
            assert station.durable == [(25.0, 40.0, 55.0)]
        assert station.may_set(25.0, 40.0, 55.0) == [25.0, 40.0]
        assert station.durable == [(25.0, 40.0)]
        assert station.looked == 1


async def test_a_refused_edit_leaves_what_was(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0, 55.0))
        with pytest.raises(EditRefusedError):
            async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0, 55.0)):
                raise EditRefusedError("no")
        assert station.durable == [(40.0, 55.0)]


async def test_of_a_run_that_ended_meanwhile_nothing_is_left(tmp_path):
    async with station_in(tmp_path) as station:
        with pytest.raises(EditRefusedError):
            async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0), lambda: None):
                raise EditRefusedError("it has ended")
        assert station.durable == []
        assert not station.use.has_lease(RUN)


async def test_a_plan_without_a_setpoint_gives_the_chamber_back(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0))
        async with station.leases.for_edit(RUN, RIG, OVEN, at(), at):
            assert station.may_set(40.0) == [40.0]
        assert station.durable == []


async def test_who_does_not_wait_for_the_answer_leaves_the_run_what_either_plan_asks_for(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0))
        asked = asyncio.Event()

        async def edit():
            async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0)):
                asked.set()
                await asyncio.Event().wait()

        editing = asyncio.create_task(edit())
        await asked.wait()
        editing.cancel()
        await asyncio.gather(editing, return_exceptions=True)
        assert station.durable == [(25.0, 40.0)]
        await station.leases.renew(RUN, RIG, OVEN, at(40.0))
        assert station.durable == [(40.0,)]


async def test_one_edit_of_a_run_at_a_time(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0))
        async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0, 25.0)):
            with pytest.raises(EditRefusedError, match="look at the difference again"):
                async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 10.0), lambda: at(40.0)):
                    pytest.fail("two at once")
        assert station.durable == [(25.0, 40.0)]


async def test_what_others_have_is_refused_before_anything_happens(tmp_path):
    async with station_in(tmp_path) as station:
        for rig in ("rig1", "rig2"):
            await station.grant(at(40.0), f"run-{rig}", rig)
        with pytest.raises(RefusedRequestError, match="oven1 is held at 40 °C by rig2"):
            async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0)):
                pytest.fail("it was granted")
        assert station.durable == [(40.0,)]
        await station.leases.renew(RUN, RIG, OVEN, at(40.0, 25.0))
        assert station.durable == [(40.0,)], "a run that is taken up takes nothing from others"


async def test_a_disk_that_refuses_afterwards_leaves_the_run_what_either_plan_asks_for(tmp_path):
    async with station_in(tmp_path) as station:
        await station.grant(at(40.0))
        disk = station.store._connection
        async with station.leases.for_edit(RUN, RIG, OVEN, at(40.0, 25.0), lambda: at(40.0)):
            disk.execute("PRAGMA query_only = ON")
        disk.execute("PRAGMA query_only = OFF")
        assert station.durable == [(25.0, 40.0)]
        assert station.may_set(25.0, 40.0) == [25.0, 40.0]

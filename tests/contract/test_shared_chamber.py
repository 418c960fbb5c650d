"""Two rigs on one simulated chamber over one real cable: one link, one question a beat, setpoints by lease."""

import asyncio
import contextlib

import pytest

from daemon.running.shared_chamber import SharedChambers
from drivers.errors import DriverError, NoReplyError, RefusedError
from drivers.registry import CHAMBERS, ChamberConnection
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.espec import EspecChamber
from tests.support.cables import tcp_peer


class Laboratory:
    """A chamber at the far end of a cable that counts who comes and what is asked; time moves when told."""

    def __init__(self):
        cell = PressCell(chamber_celsius=55.0, start_celsius=55.0)
        self.chamber = EspecChamber("oven1", cell)
        self.now_second = 0.0
        self.links, self.asked, self.is_mute = 0, [], False
        self.allowed = {("rig1", 40.0), ("rig2", 40.0)}

    async def serve(self, reader, writer):
        self.links += 1
        while data := await reader.read(4096):
            self.asked += data.decode().split("\r\n")[:-1]
            if not self.is_mute:
                writer.write(self.chamber.receive(data, round(self.now_second * SECOND_NS)))

    async def wait(self, second):
        self.now_second += second

    def why_not(self, rig, instrument, celsius):
        return None if instrument == "oven1" and (rig, celsius) in self.allowed else f"{rig} has no lease"

    def questions(self, text):
        return len([line for line in self.asked if line.startswith(text)])


@pytest.fixture
def laboratory():
    return Laboratory()


@contextlib.asynccontextmanager
async def rigs_of(laboratory, timeout_second=5.0):
    async with tcp_peer(laboratory.serve) as address:
        connection = ChamberConnection(name="oven1", address=address, timeout_second=timeout_second)
        chambers = SharedChambers(lambda: laboratory.now_second, laboratory.why_not)

        def make():
            return CHAMBERS["espec.chamber"](connection, laboratory.wait, None)

        rigs = [chambers.of(f"rig{number}", "oven1", make) for number in (1, 2, 3)]
        yield rigs
        for rig in rigs:
            await rig.close()


async def test_all_rigs_share_one_link_and_one_question_a_beat(laboratory):
    async with rigs_of(laboratory) as rigs:
        identities = await asyncio.gather(*(rig.connect() for rig in rigs))
        assert len(set(identities)) == 1
        looks = await asyncio.gather(*(rig.look() for rig in rigs))
        assert {look.setpoint_celsius for look in looks} == {55.0}
        laboratory.now_second = 0.9
        await rigs[0].look()
        assert (laboratory.links, laboratory.questions("TYPE?"), laboratory.questions("TEMP?")) == (1, 1, 1)
        laboratory.now_second = 1.0
        await asyncio.gather(*(rig.look() for rig in rigs))
        assert laboratory.questions("TEMP?") == 2


async def test_the_last_rig_that_goes_closes_the_link(laboratory):
    async with rigs_of(laboratory) as rigs:
        for rig in rigs:
            await rig.connect()
        await rigs[0].close()
        await rigs[1].close()
        assert (await rigs[2].look()).setpoint_celsius == 55.0
        await rigs[2].close()
        laboratory.now_second = 5.0
        with pytest.raises(DriverError):
            await rigs[2].look()


async def test_a_setpoint_needs_a_lease_that_names_it(laboratory):
    async with rigs_of(laboratory) as rigs:
        for rig in rigs:
            await rig.connect()
        with pytest.raises(RefusedError, match="rig3 has no lease"):
            await rigs[2].set_celsius(40.0)
        with pytest.raises(RefusedError, match="rig1 has no lease"):
            await rigs[0].set_celsius(41.0)
        assert laboratory.questions("TEMP, S") == 0
        await asyncio.gather(rigs[0].set_celsius(40.0), rigs[1].set_celsius(40.0))
        assert (await rigs[2].look()).setpoint_celsius == 40.0


async def test_what_was_set_is_seen_in_the_same_beat(laboratory):
    async with rigs_of(laboratory) as rigs:
        for rig in rigs:
            await rig.connect()
        assert (await rigs[1].look()).setpoint_celsius == 55.0
        await rigs[0].set_celsius(40.0)
        assert (await rigs[1].look()).setpoint_celsius == 40.0


async def test_a_silent_chamber_costs_its_time_out_once_a_beat(laboratory):
    async with rigs_of(laboratory, timeout_second=0.3) as rigs:
        for rig in rigs:
            await rig.connect()
        laboratory.is_mute = True
        told = await asyncio.gather(*(rig.look() for rig in rigs), return_exceptions=True)
        assert all(isinstance(error, NoReplyError) for error in told)
        assert laboratory.questions("TEMP?") == 1
        await asyncio.gather(*(rig.connect() for rig in rigs), return_exceptions=True)
        assert laboratory.links == 2
        laboratory.is_mute = False
        laboratory.now_second = 1.0
        await rigs[1].connect()
        assert (await rigs[0].look()).setpoint_celsius == 55.0
        assert laboratory.links == 3

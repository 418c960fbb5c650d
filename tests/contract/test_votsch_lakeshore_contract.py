"""The Vötsch and Lake Shore drivers against their simulators, over TCP and a pseudo-terminal, on every cable."""

import math

import pytest

from drivers.errors import (
    NoReplyError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.registry import CHAMBERS, THERMOMETERS, ChamberConnection, ThermometerConnection
from simulators.adam_4015 import Probe
from simulators.chamber_air import ChamberBuild
from simulators.device import SECOND_NS
from simulators.lakeshore import LakeShore218
from simulators.votsch import VotschChamber
from tests.support.byte_cables import FarEnd

PATIENCE_REAL_SECOND = 10.0
SHORT_REAL_SECOND = 0.2


class Surroundings:
    def set_chamber_celsius(self, temperature_celsius):
        pass


class Oven:
    """A chamber at the far end; time moves while the driver waits."""

    def __init__(self, **options):
        self.now_ns = 0
        self.device = VotschChamber("oven", Surroundings(), build=ChamberBuild(ripple_kelvin=0), **options)
        self.far_end = FarEnd(lambda data: self.device.receive(data, self.now_ns))

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.device.settle(self.now_ns)

    async def wait(self, second):
        self.pass_second(second)

    def make(self, timeout_second=PATIENCE_REAL_SECOND, **options):
        connection = ChamberConnection(
            name="chamber", address=self.far_end.address, timeout_second=timeout_second, **options
        )
        return CHAMBERS["votsch.chamber"](connection, self.wait, None)


def monitor(**options):
    probes = {1: Probe(lambda _: 55.125), 2: Probe(lambda _: 24.5), 4: Probe(lambda _: 900.0)}
    return LakeShore218("thermometer", probes, noise_kelvin=0.0, **options)


def thermometer(address, places, timeout_second=PATIENCE_REAL_SECOND, **options):
    connection = ThermometerConnection(
        name="thermometer", address=address, channel_by_place=places, timeout_second=timeout_second, **options
    )
    return THERMOMETERS["lakeshore.218"](connection, None)


@pytest.mark.parametrize("behaviour", ["whole", "byte_by_byte"])
@pytest.mark.parametrize("mode", ["OFF", "CONSTANT"])
async def test_a_chamber_is_set_and_follows(behaviour, mode):
    oven = Oven(mode=mode)
    async with oven.far_end.laid("tcp"):
        oven.far_end.behaviour = behaviour
        chamber = oven.make()
        assert (await chamber.connect()).maker == "Vötsch"
        assert (await chamber.look()).is_controlling == (mode == "CONSTANT")
        await chamber.set_celsius(40.04)
        look = await chamber.look()
        assert (look.setpoint_celsius, look.is_controlling, look.alarms) == (40.0, True, ())
        oven.pass_second(3 * 3600)
        assert (await chamber.look()).air_celsius == pytest.approx(40.0, abs=0.1)
        assert oven.device._fan_percent == 50.0
        await chamber.set_celsius(-0.04)
        assert (await chamber.look()).setpoint_celsius == 0.0
        await chamber.set_celsius(-40)
        assert (await chamber.look()).setpoint_celsius == -40.0
        await chamber.close()


async def test_what_a_chamber_does_not_take():
    oven = Oven(bus_address=7)
    async with oven.far_end.laid("tcp"):
        chamber = oven.make(bus_address=7, highest_celsius=150)
        await chamber.connect()
        asked = len(oven.far_end.questions)
        with pytest.raises(OutOfRangeError):
            await chamber.set_celsius(151)
        assert len(oven.far_end.questions) == asked
        with pytest.raises(RefusedError):
            await chamber.set_celsius(145)
        assert (await chamber.look()).setpoint_celsius == 55.0
        await chamber.close()


async def test_a_chamber_that_forgets_is_found_out():
    oven = Oven(mode="OFF")
    receive = oven.far_end._receive

    def says_yes(data):
        return b"0\r" if b"E " in data else receive(data)

    oven.far_end._receive = says_yes
    async with oven.far_end.laid("tcp"):
        chamber = oven.make()
        await chamber.connect()
        with pytest.raises(RefusedError, match="reads back 55"):
            await chamber.set_celsius(40)
        with pytest.raises(RefusedError, match="not started"):
            await chamber.set_celsius(55)
        await chamber.close()


async def test_a_setting_without_an_answer_is_sent_once():
    oven = Oven()
    async with oven.far_end.laid("tcp"):
        chamber = oven.make(timeout_second=SHORT_REAL_SECOND)
        await chamber.connect()
        receive = oven.far_end._receive
        oven.far_end._receive = lambda data: (receive(data), b"")[1] if b"E " in data else receive(data)
        with pytest.raises(NoReplyError):
            await chamber.set_celsius(40)
        assert sum(b"E " in question for question in oven.far_end.questions) == 1
        await chamber.connect()
        assert (await chamber.look()).setpoint_celsius == 40.0
        await chamber.close()


@pytest.mark.parametrize(
    "wrong", [{"bus_address": 32}, {"lowest_celsius": 50, "highest_celsius": 40}, {"controller": "S2"}]
)
def test_settings_that_a_chamber_refuses(wrong):
    with pytest.raises(ValueError, match=r"address|limits|controller"):
        CHAMBERS["votsch.chamber"](ChamberConnection(name="c", address="h:1", **wrong), None, None)
    with pytest.raises(ValueError, match="ESPEC"):
        CHAMBERS["espec.chamber"](ChamberConnection(name="c", address="h:1", bus_address=1), None, None)


@pytest.mark.parametrize("behaviour", ["whole", "byte_by_byte"])
@pytest.mark.parametrize(("transport", "character"), [("tcp", "8N1"), ("pty", "8N1"), ("pty", "7O1")])
async def test_temperatures_are_read(behaviour, transport, character):
    device = monitor(has_odd_parity=character == "7O1")
    far_end = FarEnd(lambda data: device.receive(data, 0))
    async with far_end.laid(transport) as address:
        far_end.behaviour = behaviour
        made = thermometer(
            address, {"jig": 1, "air": 2, "open": 3, "hot": 4}, character=character, serial_number="21EA4F"
        )
        identity = await made.connect()
        assert (identity.maker, identity.model, identity.serial_number) == ("Lake Shore", "MODEL218S", "21EA4F")
        found = await made.read_celsius()
        assert (found["jig"], found["air"]) == (55.125, 24.5)
        assert math.isnan(found["open"])
        assert math.isnan(found["hot"])
        await made.close()


async def test_another_monitor_is_the_wrong_instrument():
    far_end = FarEnd(lambda data: monitor().receive(data, 0))
    async with far_end.laid("tcp") as address:
        with pytest.raises(WrongInstrumentError, match="serial number 1, found 21EA4F"):
            await thermometer(address, {"jig": 1}, serial_number="1").connect()


@pytest.mark.parametrize("wrong", [{"range_code": "20"}, {"has_checksum": True}])
def test_settings_that_a_monitor_refuses(wrong):
    with pytest.raises(ValueError, match="Lake Shore"):
        thermometer("h:1", {"jig": 1}, **wrong)
    with pytest.raises(ValueError, match="1 to 8"):
        thermometer("h:1", {"jig": 0})
    connection = ThermometerConnection(name="t", address="h:1", channel_by_place={"jig": 0}, serial_number="1")
    with pytest.raises(ValueError, match="no serial number"):
        THERMOMETERS["advantech.adam_4015"](connection, None)

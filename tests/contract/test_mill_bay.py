"""The mill in its place on a rig, against a simulated drive: what it says, and when it says nothing."""

import contextlib

import pytest

from daemon.mill.bay import MillBay, MillProgram
from drivers.errors import BadReplyError, LinkLostError
from drivers.registry import MILL_DRIVES, MillDriveConnection
from simulators.device import SECOND_NS
from simulators.inverter import Inverter, InverterSettings
from simulators.ls_drive import LsDrive
from simulators.mill import Mill
from tests.support.byte_cables import FarEnd
from tests.support.desks import PATIENCE_REAL_SECOND, SHORT_REAL_SECOND, set_timeouts

LOSS_STOP_SECOND, LOOK_EVERY_SECOND = 3.0, 1.0
RUN_SECOND, SPEED_RPM = 60.0, 4000.0
TOLERANCE_SECOND = 1e-6


class Laboratory:
    """A mill with its drive; time moves when told, and while a driver waits."""

    def __init__(self):
        self.now_ns, self.drives = 0, []
        self.inverter = Inverter(Mill(), InverterSettings(highest_hertz=70, accel_second=5, decel_second=10))
        self.device = LsDrive("mill", self.inverter)
        self.cable = FarEnd(lambda data: self.device.receive(data, self.now_ns))

    @property
    def at_speed_second(self):
        """Up to when it was last told otherwise."""
        return self.inverter.mill.at_speed_ns / SECOND_NS

    @property
    def is_driven(self):
        return self.inverter.direction != 0

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.device.settle(self.now_ns)

    async def wait(self, second):
        self.pass_second(second)

    def drive(self):
        connection = MillDriveConnection(
            name="mill", address=self.cable.address, highest_rpm=4200, baud=19200, timeout_second=10.0
        )
        drive = MILL_DRIVES["ls.ig5a"](connection, self.wait, None)
        self.drives.append(drive)
        return drive

    def bay(self):
        return MillBay(self.drive(), lambda: self.now_ns / SECOND_NS, LOSS_STOP_SECOND)

    async def mill_for(self, bay, second):
        for _ in range(round(second / LOOK_EVERY_SECOND)):
            self.pass_second(LOOK_EVERY_SECOND)
            await bay.look("run")


PROGRAM = MillProgram(
    duration_second=RUN_SECOND,
    speed_rpm=SPEED_RPM,
    current_ampere=0.0,
    current_range_ampere=0.0,
    until_voltage_volt=None,
    lower_guard_volt=0.0,
    upper_guard_volt=0.0,
    sampling_second=1.0,
    cutoff_second=1.0,
)


@contextlib.asynccontextmanager
async def turning():
    """A laboratory, and a bay whose blade has been at speed for some seconds."""
    laboratory = Laboratory()
    async with laboratory.cable.laid("tcp"):
        bay = laboratory.bay()
        await bay.connect()
        await bay.start_segment("run", PROGRAM)
        await laboratory.mill_for(bay, 20)
        assert laboratory.is_driven
        yield laboratory, bay
        await bay.close()


async def ask_in_vain(laboratory, bay):
    """One look that brings nothing, and one attempt to connect anew."""
    laboratory.cable.behaviour = "garbled"
    for drive in laboratory.drives:
        set_timeouts(drive, SHORT_REAL_SECOND)
    laboratory.pass_second(LOOK_EVERY_SECOND)
    for attempt in (bay.glance, bay.connect):
        with pytest.raises(BadReplyError):
            await attempt()


async def test_blade_that_a_dead_daemon_left_turning_is_told_to_stop_by_the_first_words_to_its_drive():
    async with turning() as (laboratory, _):
        laboratory.cable.hang_up()
        laboratory.pass_second(1.0)
        assert laboratory.is_driven
        following = laboratory.bay()
        await following.connect()
        assert not laboratory.is_driven
        await following.close()


async def test_what_daemons_let_it_turn_that_died_one_after_the_other_is_counted():
    async with turning() as (laboratory, bay):
        known_second, counted_second = laboratory.now_ns / SECOND_NS, bay.milling.counted_second
        for _ in range(5):
            laboratory.pass_second(2.0)
            await laboratory.drive().connect()
            laboratory.cable.hang_up()
        following = laboratory.bay()
        await following.connect()
        following.take_up_milling("run", PROGRAM, 0.0, known_second, counted_second)
        await following.look("run")
        assert following.milling.counted_second == counted_second + 10.0
        assert not laboratory.is_driven
        assert laboratory.at_speed_second <= following.milling.counted_second
        await following.close()


async def test_blade_that_turns_beside_a_segment_is_told_to_stop_at_the_next_look():
    async with turning() as (laboratory, bay):
        await bay.make_safe()
        laboratory.inverter.run(1, laboratory.now_ns)
        laboratory.pass_second(0.5)
        await bay.glance()
        assert not laboratory.is_driven


async def test_blade_that_is_watched_turns_on_over_a_connection_that_is_made_anew():
    async with turning() as (laboratory, bay):
        await bay.connect()
        assert laboratory.is_driven


async def test_drive_whose_answers_are_spoilt_is_left_in_silence_until_it_has_stopped():
    async with turning() as (laboratory, bay):
        await ask_in_vain(laboratory, bay)
        heard = len(laboratory.cable.questions)
        for _ in range(6):
            laboratory.pass_second(0.5)
            for attempt in (bay.glance, bay.connect, bay.make_safe):
                with pytest.raises(LinkLostError):
                    await attempt()
        assert len(laboratory.cable.questions) == heard
        assert not laboratory.is_driven


async def test_what_was_milled_while_the_answers_were_spoilt_is_never_counted_short():
    async with turning() as (laboratory, bay):
        await ask_in_vain(laboratory, bay)
        laboratory.pass_second(LOSS_STOP_SECOND + 1.0)
        laboratory.cable.behaviour = "whole"
        for drive in laboratory.drives:
            set_timeouts(drive, PATIENCE_REAL_SECOND)
        await bay.connect()
        await bay.glance()
        true_second = laboratory.at_speed_second
        assert bay.milling is not None
        assert true_second - TOLERANCE_SECOND <= bay.milling.counted_second <= true_second + LOOK_EVERY_SECOND

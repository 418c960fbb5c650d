"""The drivers of mill drives against their simulators, over a pseudo-terminal and TCP, on every kind of cable."""

import asyncio
from contextlib import contextmanager
from functools import wraps

import pytest

from drivers.errors import (
    BadReplyError,
    DriverError,
    LinkLostError,
    NoReplyError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.registry import MILL_DRIVES, MillDriveConnection
from simulators.delta_drive import DeltaDrive
from simulators.device import SECOND_NS
from simulators.inverter import Inverter, InverterSettings, LossAction
from simulators.ls_drive import LsDrive
from simulators.mill import Mill
from simulators.modbus_rtu import crc16
from tests.support.byte_cables import FarEnd
from tests.support.desks import SHORT_REAL_SECOND, set_timeouts

PATIENCE_REAL_SECOND = 10.0
DRIVERS = ("ls.ig5a", "ls.s100", "delta.vfd")
TRANSPORTS = ("tcp", "pty")


class Bench:
    """A mill and its drive at a cable's far end; time moves when told, and while the driver waits."""

    def __init__(self, driver):
        self.driver = driver
        self.now_ns = 0
        self.inverter = Inverter(Mill(), InverterSettings(highest_hertz=70, accel_second=5, decel_second=10))
        if driver == "delta.vfd":
            self.device = DeltaDrive("mill", self.inverter)
        else:
            self.device = LsDrive("mill", self.inverter, model=driver.replace(".", "_"))
        self.far_end = FarEnd(lambda data: self.device.receive(data, self.now_ns))

    @property
    def rpm(self):
        return self.inverter.mill.rpm_at(self.now_ns)

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.device.settle(self.now_ns)

    async def wait(self, second):
        self.pass_second(second)

    async def keep_asking(self, mill, second):
        for _ in range(round(second / 0.5)):
            self.pass_second(0.5)
            await mill.look()

    def make(self, timeout_second=PATIENCE_REAL_SECOND, **options):
        connection = MillDriveConnection(
            name="mill",
            address=self.far_end.address,
            highest_rpm=4200,
            baud=19200,
            timeout_second=timeout_second,
            **options,
        )
        return MILL_DRIVES[self.driver](connection, self.wait, None)


@pytest.fixture(params=DRIVERS)
def bench(request):
    return Bench(request.param)


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def laid(bench, transport):
    """A bench whose cable `on_a_cable` lays."""
    bench.transport = transport
    return bench


def on_a_cable(test):
    @wraps(test)
    async def run(laid, **words):
        async with laid.far_end.laid(laid.transport):
            await test(laid=laid, **words)

    return run


@contextmanager
def impatient(mill):
    """For a while, a reply that does not come is not waited for long."""
    set_timeouts(mill, SHORT_REAL_SECOND)
    yield
    set_timeouts(mill, PATIENCE_REAL_SECOND)


async def ready(bench, **options):
    """A mill that may be started."""
    mill = bench.make(**options)
    await mill.connect()
    await mill.arm_loss_stop(3.0)
    await mill.set_rpm(4000)
    return mill


@pytest.mark.parametrize("behaviour", ["whole", "byte_by_byte"])
async def test_a_mill_is_driven(bench, transport, behaviour):
    async with bench.far_end.laid(transport):
        bench.far_end.behaviour = behaviour
        mill = bench.make()
        identity = await mill.connect()
        assert identity.maker in {"LS", "Delta"}
        look = await mill.look()
        assert (look.is_standing, look.is_running, look.rpm, look.fault_code) == (True, False, 0, 0)
        await mill.arm_loss_stop(3.0)
        await mill.set_rpm(4000)
        assert (await mill.look()).setpoint_rpm == pytest.approx(4000, abs=0.5)
        await mill.start()
        look = await mill.look()
        assert (look.is_running, look.is_at_speed, look.is_standing) == (True, False, False)
        await bench.keep_asking(mill, 10)
        look = await mill.look()
        assert (look.is_running, look.is_at_speed) == (True, True)
        assert look.rpm == pytest.approx(bench.rpm, abs=0.6)
        await mill.set_rpm(2000)
        await bench.keep_asking(mill, 10)
        assert (await mill.look()).rpm == pytest.approx(2000, abs=0.6)
        await mill.stop()
        look = await mill.look()
        assert not look.is_at_speed
        assert not look.is_standing
        await bench.keep_asking(mill, 10)
        assert (await mill.look()).is_standing
        assert bench.rpm == 0
        await mill.close()


@on_a_cable
async def test_the_drive_stops_by_itself_when_its_host_is_gone(laid):
    mill = await ready(laid)
    await mill.start()
    await laid.keep_asking(mill, 10)
    assert laid.rpm == pytest.approx(4000, abs=1)
    await mill.close()
    laid.pass_second(2.5)
    assert laid.rpm == pytest.approx(4000, abs=1)
    laid.pass_second(1)
    assert laid.rpm < 4000
    laid.pass_second(15)
    assert laid.rpm == 0
    await mill.connect()
    look = await mill.look()
    assert (look.is_standing, look.is_running) == (True, False)
    with pytest.raises(RefusedError, match="arm the stop on loss"):
        await mill.start()
    await mill.close()


@on_a_cable
async def test_who_finds_it_running_may_arm_it_without_stopping_it(laid):
    first = await ready(laid)
    await first.start()
    await laid.keep_asking(first, 10)
    await first.close()
    second = laid.make()
    await second.connect()
    assert (await second.look()).is_running
    await second.arm_loss_stop(3.0)
    assert laid.rpm == pytest.approx(4000, abs=1)
    await second.make_safe()
    await second.close()


@on_a_cable
async def test_nothing_starts_without_a_stop_on_loss_and_a_speed(laid):
    mill = laid.make()
    await mill.connect()
    with pytest.raises(RefusedError):
        await mill.start()
    await mill.arm_loss_stop(3.0)
    with pytest.raises(RefusedError):
        await mill.start()
    with pytest.raises(OutOfRangeError):
        await mill.set_rpm(4201)
    with pytest.raises(OutOfRangeError):
        await mill.arm_loss_stop(121)
    await mill.set_rpm(1000)
    laid.inverter.settings.loss_action = LossAction.NOTHING
    if laid.driver == "delta.vfd":
        laid.device._loss_word = 0
    with pytest.raises(RefusedError, match="reads back none"):
        await mill.start()
    assert laid.rpm == laid.inverter.direction == 0
    await mill.close()


@on_a_cable
async def test_a_drive_that_lost_its_power_is_not_started_on_what_was_set_before(laid):
    mill = await ready(laid)
    laid.device.power_cycle(laid.now_ns)
    with impatient(mill), pytest.raises(NoReplyError):
        await mill.start()
    laid.pass_second(3)
    with pytest.raises(LinkLostError):
        await mill.start()
    await mill.connect()
    await mill.arm_loss_stop(3.0)
    with pytest.raises(RefusedError):
        await mill.start()
    assert (await mill.look()).setpoint_rpm == 0
    await mill.close()


@on_a_cable
async def test_rebooted_between_two_questions_it_forgot_its_speed(laid):
    mill = await ready(laid)
    laid.device.power_cycle(laid.now_ns)
    laid.pass_second(3)
    with pytest.raises(RefusedError, match=r"reads back 0\.00 Hz"):
        await mill.start()
    await mill.close()


@on_a_cable
async def test_the_lid_stops_it_and_the_fault_is_named_and_reset(laid):
    mill = await ready(laid)
    await mill.start()
    await laid.keep_asking(mill, 10)
    laid.inverter.set_lid(is_open=True, now_ns=laid.now_ns)
    look = await mill.look()
    assert (look.is_running, bool(look.fault_code), look.rpm) == (False, True, 0)
    assert look.fault
    with pytest.raises(RefusedError, match="the fault stays"):
        await mill.reset_fault()
    with pytest.raises(RefusedError, match="has a fault"):
        await mill.start()
    laid.inverter.set_lid(is_open=False, now_ns=laid.now_ns)
    await mill.reset_fault()
    assert laid.inverter.trip is None
    assert laid.inverter.direction == 0
    await mill.start()
    await mill.make_safe()
    await mill.close()


@on_a_cable
async def test_with_the_lid_open_it_says_that_it_does_not_start(laid):
    mill = await ready(laid)
    laid.inverter.set_lid(is_open=True, now_ns=laid.now_ns)
    with pytest.raises(RefusedError, match="has a fault"):
        await mill.start()
    assert laid.rpm == 0
    await mill.close()


@on_a_cable
async def test_made_safe_from_any_state_and_twice(laid):
    mill = await ready(laid)
    await mill.make_safe()
    await mill.start()
    laid.pass_second(1)
    await mill.make_safe()
    assert laid.rpm == 0
    await mill.make_safe()
    await mill.start()
    laid.inverter.set_lid(is_open=True, now_ns=laid.now_ns)
    await mill.make_safe()
    assert laid.inverter.direction == 0
    await mill.close()


@on_a_cable
async def test_made_safe_over_a_link_that_is_closed(laid):
    mill = await ready(laid)
    await mill.start()
    await mill.close()
    await mill.make_safe()
    assert laid.rpm == 0
    await mill.close()


@on_a_cable
async def test_a_ramp_that_never_ends_loses_its_voltage(laid):
    mill = await ready(laid, stands_within_second=4.0)
    await mill.start()
    await laid.keep_asking(mill, 10)
    laid.inverter.settings.decel_second = 1000.0
    await mill.make_safe()
    assert laid.inverter.output_hertz_at(laid.now_ns) == 0
    assert not laid.inverter.is_output_on_at(laid.now_ns)
    await mill.close()


@on_a_cable
async def test_a_drive_that_answers_and_heeds_no_stop_is_left_in_silence_until_it_stops(laid):
    mill = await ready(laid, stands_within_second=15.0)
    await mill.start()
    await laid.keep_asking(mill, 10)
    laid.inverter.is_deaf_to_stops = True
    await mill.make_safe()
    assert laid.rpm == 0
    await mill.start()
    await laid.keep_asking(mill, 10)
    laid.inverter.settings.loss_action = LossAction.NOTHING
    with pytest.raises(RefusedError, match="after every way to stop"):
        await mill.make_safe()
    laid.inverter.is_deaf_to_stops = False
    await mill.make_safe()
    await mill.close()


@on_a_cable
async def test_a_stop_overtakes_a_start(laid):
    mill = await ready(laid)
    starting = asyncio.create_task(mill.start())
    await asyncio.sleep(0)
    await mill.make_safe()
    with pytest.raises(RefusedError, match="a stop came"):
        await starting
    assert laid.inverter.direction == 0
    await mill.close()


@pytest.mark.parametrize("behaviour", ["mute", "garbled", "half", "late"])
@on_a_cable
async def test_a_start_without_a_right_reply_is_never_sent_twice(laid, behaviour):
    mill = await ready(laid)
    asked = laid.far_end.questions
    spoil = {"delta.vfd": "06200000"}.get(laid.driver, "06000600")

    def spoil_the_run(data):
        if spoil in data.hex():
            laid.far_end.behaviour = behaviour
        return laid.device.receive(data, laid.now_ns)

    laid.far_end._receive = spoil_the_run
    with impatient(mill), pytest.raises((NoReplyError, BadReplyError)):
        await mill.start()
    assert sum(spoil in question.hex() for question in asked) == 1
    laid.far_end._receive = lambda data: laid.device.receive(data, laid.now_ns)
    laid.far_end.behaviour = "whole"
    await mill.connect()
    assert (await mill.look()).is_running
    await mill.make_safe()
    await mill.close()


@on_a_cable
async def test_a_late_look_is_never_read_as_a_new_one(laid):
    """Also when a serial device server hands it over the new connection, right before the first answer."""
    mill = await ready(laid)
    await mill.start()
    await laid.keep_asking(mill, 10)
    laid.far_end.behaviour = "late"
    with impatient(mill), pytest.raises(NoReplyError):
        await mill.look()
    laid.far_end.behaviour = "whole"
    laid.inverter.cut(laid.now_ns)
    with pytest.raises(LinkLostError):
        await mill.look()
    await mill.connect()
    assert not (await mill.look()).is_running
    await mill.close()


@on_a_cable
async def test_whoever_gives_up_waiting_closes_the_link(laid):
    mill = await ready(laid)
    laid.far_end.behaviour = "mute"
    looking = asyncio.create_task(mill.look())
    while len(laid.far_end.questions) == 0 or not looking.done():
        await asyncio.sleep(0)
        if laid.far_end.questions[-1][1] == 3:
            looking.cancel()
            break
    with pytest.raises(asyncio.CancelledError):
        await looking
    laid.far_end.behaviour = "whole"
    with pytest.raises(LinkLostError):
        await mill.look()
    await mill.connect()
    assert (await mill.look()).is_standing
    await mill.close()


@on_a_cable
async def test_another_unit_s_frame_is_no_reply(laid):
    mill = await ready(laid)
    other = type(laid.device.unit)(7, laid.device)

    def as_seven(data):
        body = b"\x07" + data[1:-2]
        return other.receive(body + crc16(body), laid.now_ns)

    laid.far_end._receive = as_seven
    with impatient(mill), pytest.raises(BadReplyError):
        await mill.look()
    await mill.close()


async def test_nobody_at_the_address():
    mill = MILL_DRIVES["ls.ig5a"](
        MillDriveConnection(name="mill", address="127.0.0.1:1", highest_rpm=4000), lambda second: asyncio.sleep(0), None
    )
    with pytest.raises(LinkLostError):
        await mill.connect()
    missing = MILL_DRIVES["delta.vfd"](
        MillDriveConnection(name="mill", address="/dev/presscell-no-such-port", highest_rpm=4000),
        lambda second: asyncio.sleep(0),
        None,
    )
    with pytest.raises(LinkLostError):
        await missing.connect()
    with pytest.raises(LinkLostError):
        await missing.look()
    with pytest.raises(DriverError):
        await missing.make_safe()


async def test_another_model_is_the_wrong_instrument():
    bench = Bench("ls.s100")
    async with bench.far_end.laid("tcp"):
        bench.driver = "ls.ig5a"
        with pytest.raises(WrongInstrumentError, match="000Ah, found 0006h"):
            await bench.make().connect()


async def test_it_unlocks_what_is_locked_and_is_refused_what_is_not_there():
    bench = Bench("ls.ig5a")
    async with bench.far_end.laid("tcp"):
        mill = bench.make()
        await mill.connect()
        assert not bench.device._unlocked
        await mill.set_rpm(1000)
        assert bench.device._unlocked
        bench.inverter.settings.highest_hertz = 10
        with pytest.raises(RefusedError, match="no such value"):
            await mill.set_rpm(4000)
        await mill.make_safe()
        await mill.close()

"""The drivers of load cells against their simulators, over a pseudo-terminal and TCP, on every kind of cable."""

import asyncio
import math
from functools import wraps

import numpy as np
import pytest

from drivers.and_weighing.codec import AndFormat
from drivers.errors import BadReplyError, LinkLostError, NoReplyError, RefusedError, WrongInstrumentError
from drivers.registry import LOAD_CELLS, LoadCellConnection
from drivers.roles import LoadStatus
from simulators.and_indicator import AndIndicator
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.force_display import ForceSensor, IndicatorSetup, Upset
from simulators.laumas import LaumasTransmitter
from simulators.mettler import MettlerTerminal
from tests.support.byte_cables import FarEnd

PATIENCE_REAL_SECOND = 10.0
SHORT_REAL_SECOND = 0.2
KILOGRAM_PER_NEWTON = 1 / 9.80665
TRANSPORTS = ("tcp", "pty")
STREAMED = ("and.indicator", "cas.indicator", "mettler.sics")
ASKED = ("and.indicator_asked", "cas.indicator_asked", "laumas.transmitter")
ADDRESSED = {"and.indicator_asked": 5, "cas.indicator_asked": 7, "and.indicator": 9, "cas.indicator": 44}
FORMS = {"cas.indicator": "cas", "cas.indicator_asked": "cas_and"}
SENSOR = ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=0)


class Bench:
    """A cell, an indicator at the far end of a cable; time moves when told, and what it says unasked goes out."""

    def __init__(self, driver, *, bus_address=None, **setup):
        self.driver = driver
        self.bus_address = bus_address
        self.transport = "tcp"
        self.cell = PressCell(chamber_celsius=55.0, start_celsius=55.0)
        self.now_ns = 0
        make = {"laumas.transmitter": LaumasTransmitter, "mettler.sics": MettlerTerminal}.get(driver, AndIndicator)
        streaming = not driver.endswith("asked")
        setup = {"form": FORMS.get(driver, "and"), "bus_address": bus_address, "streaming": streaming} | setup
        self.device = make("load", self.cell, sensor=SENSOR, setup=IndicatorSetup(**setup))
        self.far_end = FarEnd(lambda data: self.device.receive(data, self.now_ns))
        self.stream = None
        self.pass_second(10)

    @property
    def kilogram(self):
        pressure = self.cell.forecast(np.array([self.now_ns])).pressure_megapascal[0]
        return pressure * SENSOR.area_square_millimetre * KILOGRAM_PER_NEWTON

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        self.device.run_to(end_ns)
        self.cell.advance_to(end_ns)
        self.now_ns = end_ns
        frames = self.device.take_emitted() if hasattr(self.device, "take_emitted") else []
        data = b"".join(frame for _, frame in frames)
        if data and self.stream is not None:
            self.far_end.say(data)
        return data

    def make(self, unit="kg", timeout_second=PATIENCE_REAL_SECOND, **words):
        address = self.bus_address if self.driver.startswith("and.") else None
        connection = LoadCellConnection(
            name="load",
            address=self.far_end.address,
            frame_format=AndFormat(unit=unit, address=address),
            baud=9600,
            bus_address=self.bus_address,
            timeout_second=timeout_second,
            **words,
        )
        made = LOAD_CELLS[self.driver](connection, lambda: self.now_ns / SECOND_NS)
        self.stream = made.stream
        return made.load_cell

    async def rows(self, load_cell, second=2.0):
        """What is read after some time."""
        if self.stream is None:
            self.pass_second(second)
            return await load_cell.read()
        total = self.stream.received_total
        sent = self.pass_second(second)
        assert await self.stream.wait_received(total + len(sent), PATIENCE_REAL_SECOND)
        return await load_cell.read()


def on_a_cable(test):
    @wraps(test)
    async def run(bench, **words):
        async with bench.far_end.laid(bench.transport):
            await test(bench=bench, **words)

    return run


@pytest.fixture(params=[*STREAMED, *ASKED])
def driver(request):
    return request.param


@pytest.fixture(params=TRANSPORTS)
def bench(driver, request):
    bench = Bench(driver)
    bench.transport = request.param
    return bench


async def connected(bench, **words):
    load_cell = bench.make(**words)
    await load_cell.connect()
    await listening(bench)
    await bench.rows(load_cell)
    return load_cell


async def listening(bench):
    """The far end has a host, and has heard all it said."""
    await bench.far_end.until(lambda far_end: far_end.has_host)
    if bench.driver == "mettler.sics":
        await bench.far_end.until(lambda far_end: b"".join(far_end.questions).endswith(b"SIR\r\n"))


@pytest.mark.parametrize("behaviour", ["whole", "byte_by_byte"])
@on_a_cable
async def test_the_force_of_the_cell_is_read(bench, behaviour):
    bench.far_end.behaviour = behaviour
    load_cell = await connected(bench)
    block = await bench.rows(load_cell)
    assert len(block.status)
    assert (block.status == LoadStatus.STABLE).all()
    assert block.displayed == pytest.approx(bench.kilogram, abs=0.2)
    assert block.unit == "kg"
    await load_cell.close()


@pytest.mark.parametrize(("driver", "address"), list(ADDRESSED.items()))
async def test_an_indicator_with_an_address(driver, address):
    bench = Bench(driver, bus_address=address)
    async with bench.far_end.laid("tcp"):
        load_cell = await connected(bench)
        block = await bench.rows(load_cell)
        assert (block.status == LoadStatus.STABLE).all()
        assert block.displayed == pytest.approx(bench.kilogram, abs=0.2)
        await load_cell.close()


@on_a_cable
async def test_another_unit_is_no_number(bench):
    load_cell = await connected(bench)
    bench.device.upset = Upset(unit="lb")
    if bench.driver.endswith("asked"):
        with pytest.raises(BadReplyError):
            await bench.rows(load_cell)
        return
    await bench.rows(load_cell, 1.0)
    block = await bench.rows(load_cell)
    assert np.isnan(block.displayed).all()
    assert (block.status == LoadStatus.UNREADABLE).all()
    await load_cell.close()


@on_a_cable
async def test_an_overload_is_no_number(bench):
    load_cell = await connected(bench)
    bench.device.upset = Upset(added_newton=6000.0)
    await bench.rows(load_cell)
    block = await bench.rows(load_cell)
    assert len(block.status)
    assert np.isnan(block.displayed).all()
    assert (block.status == LoadStatus.OVERLOAD).all()
    await load_cell.close()


@on_a_cable
async def test_what_moves_is_said_to(bench):
    load_cell = await connected(bench)
    bench.device.upset = Upset(added_newton=300.0)
    block = await bench.rows(load_cell, 0.6)
    assert not block.status[-1] & LoadStatus.STABLE
    assert block.displayed[-1] == pytest.approx(bench.kilogram + 300 * KILOGRAM_PER_NEWTON, abs=0.2)
    block = await bench.rows(load_cell, 3.0)
    assert block.status[-1] == LoadStatus.STABLE
    await load_cell.close()


@on_a_cable
async def test_less_than_nothing_is_below_zero(bench):
    load_cell = await connected(bench)
    bench.device.upset = Upset(added_newton=-1200.0)
    await bench.rows(load_cell, 3.0)
    block = await bench.rows(load_cell)
    assert block.displayed[-1] == pytest.approx(bench.kilogram - 1200 * KILOGRAM_PER_NEWTON, abs=0.2)
    assert block.displayed[-1] < 0
    await load_cell.close()


@pytest.mark.parametrize("driver", STREAMED)
@on_a_cable
async def test_spoilt_frames_are_unreadable_and_the_next_whole_one_counts(bench):
    load_cell = await connected(bench)
    bench.far_end.behaviour = "garbled"
    block = await bench.rows(load_cell, 0.1)
    assert np.isnan(block.displayed).all()
    assert not block.status.any() or (block.status == LoadStatus.UNREADABLE).all()
    bench.far_end.behaviour = "whole"
    block = await bench.rows(load_cell, 1.0)
    assert block.status[-1] == LoadStatus.STABLE
    assert np.isfinite(block.displayed[1:]).all()
    await load_cell.close()


@pytest.mark.parametrize("driver", STREAMED)
@on_a_cable
async def test_a_frame_cut_in_half_spoils_no_other(bench):
    load_cell = await connected(bench)
    total = bench.stream.received_total
    frames = bench.pass_second(0.5)
    assert await bench.stream.wait_received(total + len(frames), PATIENCE_REAL_SECOND)
    await load_cell.read()
    total, one = bench.stream.received_total, frames[: len(frames) // 4]
    bench.far_end.say(one[:7] + frames)
    assert await bench.stream.wait_received(total + 7 + len(frames), PATIENCE_REAL_SECOND)
    block = await load_cell.read()
    assert np.isnan(block.displayed[0])
    assert np.isfinite(block.displayed[1:]).all()
    await load_cell.close()


@pytest.mark.parametrize("driver", STREAMED)
@on_a_cable
async def test_silence_gives_no_rows_and_a_lost_cable_an_error(bench):
    load_cell = await connected(bench)
    bench.device.upset = Upset(silent=True)
    await bench.rows(load_cell)
    assert not len((await bench.rows(load_cell)).second)
    bench.far_end.cut(b"", None)
    await bench.stream.wait_received(bench.stream.received_total + 1, PATIENCE_REAL_SECOND)
    with pytest.raises(LinkLostError):
        await load_cell.read()
    with pytest.raises(LinkLostError):
        await load_cell.read()


@pytest.mark.parametrize("driver", ["mettler.sics"])
@pytest.mark.parametrize("behaviour", ["mute", "garbled", "half", "cut"])
@on_a_cable
async def test_a_balance_that_answers_badly_is_not_connected(bench, behaviour):
    balance = bench.make(timeout_second=SHORT_REAL_SECOND)
    bench.far_end.behaviour = behaviour
    with pytest.raises((NoReplyError, BadReplyError, LinkLostError)):
        await balance.connect()
    with pytest.raises(LinkLostError):
        await balance.read()
    if behaviour == "cut" and bench.transport == "pty":
        return
    bench.far_end.behaviour = "whole"
    identity = await balance.connect()
    assert (identity.maker, identity.serial_number) == ("Mettler Toledo", "B012345678")
    assert identity.model.startswith("IND690")
    await balance.close()


@pytest.mark.parametrize("driver", ["mettler.sics"])
@on_a_cable
async def test_a_balance_that_streams_for_a_dead_host_is_taken_over(bench):
    first = await connected(bench)
    await bench.rows(first)
    await first.close()
    second = bench.make()
    connecting = asyncio.create_task(second.connect())
    while not connecting.done():
        bench.far_end.say(bench.pass_second(0.1))
        await asyncio.sleep(0)
    assert (await connecting).serial_number == "B012345678"
    await listening(bench)
    block = await bench.rows(second)
    assert block.status[-1] == LoadStatus.STABLE
    await second.close()


@pytest.mark.parametrize("driver", ["mettler.sics"])
@on_a_cable
async def test_a_balance_that_was_off_wants_to_be_connected_anew(bench):
    balance = await connected(bench)
    bench.device.power_cycle(bench.now_ns)
    with pytest.raises(LinkLostError, match="switched off and on"):
        await bench.rows(balance, 5.0)
    await balance.connect()
    await listening(bench)
    assert (await bench.rows(balance)).status[-1] == LoadStatus.STABLE
    await balance.close()


@pytest.mark.parametrize("driver", ["mettler.sics"])
@on_a_cable
async def test_a_balance_is_zeroed_when_it_may_be(bench):
    balance = await connected(bench)
    with pytest.raises(RefusedError, match="above its range"):
        await balance.zero()
    await listening(bench)
    assert (await bench.rows(balance)).displayed[-1] == pytest.approx(bench.kilogram, abs=0.2)
    await balance.tare()
    await listening(bench)
    assert (await bench.rows(balance)).displayed[-1] == pytest.approx(0, abs=0.2)
    shown, status = await balance.weigh()
    assert (abs(shown) < 0.2, status) == (True, LoadStatus.STABLE)
    await balance.close()


@pytest.mark.parametrize(("driver", "serial"), [("mettler.sics", "B0"), ("laumas.transmitter", "1")])
@on_a_cable
async def test_another_serial_number_is_the_wrong_instrument(bench, serial):
    with pytest.raises(WrongInstrumentError, match=f"serial number {serial}"):
        await bench.make(serial_number=serial).connect()


@pytest.mark.parametrize(
    ("driver", "said", "identity"),
    [("mettler.sics", "B012345678", "B012345678"), ("laumas.transmitter", "12345", "12345")],
)
@on_a_cable
async def test_the_serial_number_is_read(bench, said, identity):
    load_cell = bench.make(serial_number=said)
    assert (await load_cell.connect()).serial_number == identity
    await load_cell.close()


@pytest.mark.parametrize("driver", ["and.indicator_asked", "cas.indicator_asked"])
@on_a_cable
async def test_what_an_indicator_says_in_place_of_a_frame(bench):
    load_cell = await connected(bench)
    bench.device.power_cycle(bench.now_ns)
    block = await load_cell.read()
    assert math.isnan(block.displayed[0])
    assert block.status[0] == LoadStatus.UNREADABLE
    bench.far_end._receive = lambda data: b"?\r\n"
    with pytest.raises(RefusedError):
        await load_cell.read()
    await load_cell.close()


@pytest.mark.parametrize(
    ("driver", "wrong"),
    [
        ("laumas.transmitter", {"unit": "k"}),
        ("cas.indicator", {"character": "7E1"}),
        ("laumas.transmitter", {"character": "7E1"}),
        ("and.indicator_asked", {"character": "8E1"}),
        ("laumas.transmitter", {"bus_address": 248}),
    ],
)
def test_settings_that_a_driver_refuses(driver, wrong):
    words = {"unit": "kg"} | wrong
    frame_format = AndFormat(unit=words.pop("unit"))
    connection = LoadCellConnection(name="load", address="h:1", frame_format=frame_format, baud=9600, **words)
    with pytest.raises(ValueError, match=r"unit|8N1|character|bus address"):
        LOAD_CELLS[driver](connection, lambda: 0.0)

"""The drivers of load cell, thermometer and chamber against their simulators, over a pseudo-terminal and TCP."""

import math

import numpy as np
import pytest

from drivers.and_weighing.codec import AndFormat
from drivers.errors import OutOfRangeError, WrongInstrumentError
from drivers.registry import (
    CHAMBERS,
    LOAD_CELLS,
    THERMOMETERS,
    ChamberConnection,
    LoadCellConnection,
    ThermometerConnection,
)
from drivers.roles import LoadStatus
from simulators.adam_4015 import AS_IN_MANUAL, Adam4015, NoReading, Probe
from simulators.and_indicator import AndIndicator
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.espec import EspecChamber
from simulators.force_display import ForceSensor, IndicatorSetup, Upset
from tests.support.cables import pty_cable, tcp_peer

PATIENCE_REAL_SECOND = 10.0
KILOGRAM_PER_NEWTON = 1 / 9.80665


class Bench:
    """A cell and one instrument at its cable's far end; time moves when told."""

    def __init__(self):
        self.cell = PressCell(chamber_celsius=55.0, start_celsius=55.0)
        self.now_ns = 0
        self.device = None

    def receive(self, data):
        return self.device.receive(data, self.now_ns)

    def pass_second(self, second):
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.cell.advance_to(self.now_ns)
            self.device.settle(self.now_ns)

    async def wait(self, second):
        self.pass_second(second)

    async def serve(self, reader, writer):
        while data := await reader.read(4096):
            writer.write(self.receive(data))


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def cable():
    with pty_cable() as cable:
        yield cable


def load_cell(bench, cable, unit="kg", **setup):
    bench.device = AndIndicator(
        "load",
        bench.cell,
        sensor=ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=0),
        setup=IndicatorSetup(unit=unit, **setup),
    )
    connection = LoadCellConnection(name="load", address=cable.path, frame_format=AndFormat(unit=unit), baud=9600)
    return LOAD_CELLS["and.indicator"](connection, lambda: bench.now_ns / SECOND_NS)


async def stream_for(bench, cable, stream, second):
    """Let time pass and the frames arrive as a simulated clock brings them."""
    bench.pass_second(second)
    marks, total = [], stream.received_total
    for at_ns, frame in bench.device.take_emitted():
        cable.send(frame)
        total += len(frame)
        marks.append((total, at_ns / SECOND_NS))
    assert await stream.wait_received(total, PATIENCE_REAL_SECOND)
    stream.stamp(marks)
    return marks


async def test_the_force_of_the_cell_is_read_with_its_times(bench, cable):
    made = load_cell(bench, cable)
    await made.load_cell.connect()
    await stream_for(bench, cable, made.stream, 5.0)
    await made.load_cell.read()
    marks = await stream_for(bench, cable, made.stream, 10.0)
    block = await made.load_cell.read()
    force_newton = bench.cell.forecast(np.array([bench.now_ns])).pressure_megapascal[0] * math.pi * 25
    assert len(block.second) == len(marks) > 50
    assert block.second.tolist() == [second for _, second in marks]
    assert (block.status == LoadStatus.STABLE).all()
    assert block.displayed.mean() == pytest.approx(force_newton * KILOGRAM_PER_NEWTON, rel=2e-3)
    await made.load_cell.close()


@pytest.mark.parametrize(
    ("upset", "status"), [(Upset(held=True), LoadStatus.HELD), (Upset(unit="lb"), LoadStatus.UNREADABLE)]
)
async def test_an_upset_indicator_gives_no_number(bench, cable, upset, status):
    made = load_cell(bench, cable)
    await made.load_cell.connect()
    await stream_for(bench, cable, made.stream, 5.0)
    await made.load_cell.read()
    bench.device.upset = upset
    await stream_for(bench, cable, made.stream, 2.0)
    block = await made.load_cell.read()
    assert len(block.status)
    assert (block.status[1:] == status).all()
    assert np.isnan(block.displayed[1:]).all()
    await made.load_cell.close()


@pytest.mark.parametrize("over_word", ["OL", "LO"])
async def test_an_overload_is_no_number(bench, cable, over_word):
    made = load_cell(bench, cable, over_word=over_word, capacity=50.0)
    await made.load_cell.connect()
    await stream_for(bench, cable, made.stream, 5.0)
    block = await made.load_cell.read()
    assert (block.status == LoadStatus.OVERLOAD).all()
    assert np.isnan(block.displayed).all()
    await made.load_cell.close()


async def test_frames_in_halves_and_with_flipped_bits(bench, cable):
    made = load_cell(bench, cable)
    await made.load_cell.connect()
    bench.pass_second(10.0)
    frames = [frame for _, frame in bench.device.take_emitted()][-5:]
    spoilt = bytearray(frames[3])
    spoilt[10] ^= 0x80
    cable.send(frames[0] + frames[1][:9] + frames[2] + bytes(spoilt) + frames[4])
    sent = made.stream.received_total + 4 * len(frames[0]) + 9
    assert await made.stream.wait_received(sent, PATIENCE_REAL_SECOND)
    block = await made.load_cell.read()
    assert np.isnan(block.displayed).tolist() == [False, True, True, False]
    assert block.status.tolist() == [
        LoadStatus.STABLE,
        LoadStatus.UNREADABLE,
        LoadStatus.UNREADABLE,
        LoadStatus.STABLE,
    ]
    await made.load_cell.close()


def module(bench, **options):
    probes = {0: Probe(lambda now_ns: 55.123), 3: Probe(lambda now_ns: 24.5), 5: Probe(lambda now_ns: 900.0)}
    bench.device = Adam4015("oven", probes, noise_kelvin=0.0, **options)


def thermometer(address, places, **options):
    connection = ThermometerConnection(
        name="oven", address=address, channel_by_place=places, timeout_second=PATIENCE_REAL_SECOND, **options
    )
    return THERMOMETERS["advantech.adam_4015"](connection, None)


@pytest.mark.parametrize("no_reading", [NoReading(), AS_IN_MANUAL])
@pytest.mark.parametrize("checksum", [False, True])
async def test_temperatures_over_a_serial_port(bench, cable, no_reading, checksum):
    module(bench, no_reading=no_reading, checksum=checksum, address=10)
    cable.answer(lambda line: bench.receive(line + b"\r"))
    made = thermometer(
        cable.path,
        {"jig": 0, "air": 3, "nothing": 1, "hot": 5},
        bus_address=10,
        has_checksum=checksum,
        range_code="20",
    )
    assert (await made.connect()).model == "ADAM-4015"
    found = await made.read_celsius()
    assert (found["jig"], found["air"]) == (55.12, 24.5)
    assert math.isnan(found["nothing"])
    assert math.isnan(found["hot"])
    await made.close()


async def test_temperatures_through_a_serial_device_server(bench):
    module(bench)
    async with tcp_peer(bench.serve) as address:
        made = thermometer(address, {"jig": 0})
        await made.connect()
        assert await made.read_celsius() == {"jig": 55.12}
        await made.close()


async def test_another_range_than_the_station_says_is_the_wrong_instrument(bench):
    module(bench, range_code=0x21)
    async with tcp_peer(bench.serve) as address:
        with pytest.raises(WrongInstrumentError, match="range 20, found range 21"):
            await thermometer(address, {"jig": 0}, range_code="20").connect()


@pytest.mark.parametrize("mode", ["OFF", "STANDBY", "CONSTANT"])
async def test_a_chamber_is_set_and_follows(bench, mode):
    bench.device = EspecChamber("chamber", bench.cell, mode=mode)
    async with tcp_peer(bench.serve) as address:
        connection = ChamberConnection(name="chamber", address=address, timeout_second=PATIENCE_REAL_SECOND)
        made = CHAMBERS["espec.chamber"](connection, bench.wait, None)
        assert (await made.connect()).maker == "ESPEC"
        assert (await made.look()).is_controlling == (mode == "CONSTANT")
        with pytest.raises(OutOfRangeError):
            await made.set_celsius(141.0)
        await made.set_celsius(40.0)
        look = await made.look()
        assert (look.setpoint_celsius, look.is_controlling, look.alarms) == (40.0, True, ())
        bench.pass_second(3 * 3600)
        assert (await made.look()).air_celsius == pytest.approx(40.0, abs=0.5)
        await made.close()


async def test_a_chamber_tells_its_alarms(bench):
    bench.device = EspecChamber("chamber", bench.cell)
    bench.device.set_alarms((1, 7), bench.now_ns)
    async with tcp_peer(bench.serve) as address:
        connection = ChamberConnection(name="chamber", address=address, timeout_second=PATIENCE_REAL_SECOND)
        made = CHAMBERS["espec.chamber"](connection, bench.wait, None)
        await made.connect()
        assert (await made.look()).alarms == (1, 7)
        await made.close()

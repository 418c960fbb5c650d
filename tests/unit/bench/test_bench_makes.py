"""A bench of the second makes of each instrument, met with their drivers, and what the control port makes of them."""

import math

import numpy as np
import pytest

from drivers.and_weighing.codec import AndFormat
from drivers.registry import (
    CHAMBERS,
    LOAD_CELLS,
    THERMOMETERS,
    ChamberConnection,
    LoadCellConnection,
    ThermometerConnection,
)
from drivers.roles import LoadStatus
from simulators.bench_file import BenchFileError, read_bench

BENCH = """\
name: makes
noise: false
cell: {sample: BM-05}
instruments:
  - {name: load_cell, model: LOAD_CELL, role: load_cell, setup: {SETUP}, transport: {kind: tcp}}
  - name: thermometer
    model: lakeshore_218
    role: thermometer
    character: 7O1
    probes: [{channel: 1, place: jig}, {channel: 8, place: air}]
    transport: {kind: pty}
  - {name: chamber, model: votsch, role: chamber, bus_address: 3, transport: {kind: tcp}}
"""
LOADS = {
    "mettler.sics": ("mettler_sics", ""),
    "laumas.transmitter": ("laumas", "unit: N, decimals: 0, division: 1, capacity: 3000"),
    "cas.indicator_asked": ("and_indicator", "form: cas_and, bus_address: 4, streaming: false"),
    "cas.indicator": ("and_indicator", "form: cas"),
}


def bench_of(driver):
    model, setup = LOADS[driver]
    return BENCH.replace("LOAD_CELL", model).replace("SETUP", setup)


@pytest.mark.parametrize("driver", LOADS)
async def test_every_make_of_load_cell_feels_the_same_cell(served_bench, driver):
    async with served_bench(bench_of(driver)) as bench:
        connection = LoadCellConnection(
            name="load_cell",
            address=bench.address("load_cell"),
            frame_format=AndFormat(unit="N" if driver == "laumas.transmitter" else "kg"),
            baud=9600,
            bus_address=4 if driver == "cas.indicator_asked" else None,
            timeout_second=10,
        )
        await bench.advance(10)
        made = LOAD_CELLS[driver](connection, lambda: 0.0)
        await made.load_cell.connect()
        if driver == "mettler.sics":
            while (await bench.counts("load_cell"))["received_total"] < len("\r\nSI\r\nI4\r\nI2\r\nI3\r\nSIR\r\n"):
                pass
        elif made.stream is not None:
            while not (await bench.counts("load_cell"))["connected"]:
                pass
        before = (await bench.counts("load_cell"))["sent_total"]
        await bench.advance(15)
        if made.stream is not None:
            sent = (await bench.counts("load_cell"))["sent_total"] - before
            assert sent > 0
            assert await made.stream.wait_received(sent, 10)
        block = await made.load_cell.read()
        newton = block.displayed[-1] * (1 if driver == "laumas.transmitter" else 9.80665)
        cell = bench.assembly.bench.jigs[0].cell
        pascal = cell.forecast(np.array([cell.now_ns])).pressure_megapascal[0]
        assert newton == pytest.approx(pascal * math.pi * 25, rel=0.02)
        assert block.status[-1] == LoadStatus.STABLE
        await made.load_cell.close()


async def test_chamber_and_thermometer_and_what_can_be_wrong_with_them(served_bench):
    async with served_bench(bench_of("mettler.sics")) as bench:

        async def wait(second):
            await bench.advance(bench.assembly.bench.now_ns / 1e9 + second)

        address = bench.address("chamber")
        chamber = CHAMBERS["votsch.chamber"](
            ChamberConnection(name="chamber", address=address, bus_address=3, timeout_second=10), wait, None
        )
        thermometer = THERMOMETERS["lakeshore.218"](
            ThermometerConnection(
                name="thermometer",
                address=bench.address("thermometer"),
                channel_by_place={"jig": 1, "air": 8},
                timeout_second=10,
            ),
            None,
        )
        await chamber.connect()
        await thermometer.connect()
        assert await thermometer.read_celsius() == {"jig": 55.0, "air": 55.0}
        await chamber.set_celsius(40)
        await wait(3 * 3600)
        assert (await thermometer.read_celsius())["air"] == pytest.approx(40, abs=0.1)
        await bench.fault("thermometer", "break_wire", channel=1)
        assert math.isnan((await thermometer.read_celsius())["jig"])
        await bench.fault("thermometer", "heal")
        assert (await thermometer.read_celsius())["jig"] == pytest.approx(40, abs=1)
        await bench.fault("chamber", "off")
        assert not (await chamber.look()).is_controlling
        await bench.fault("chamber", "heal")
        assert (await chamber.look()).is_controlling
        await chamber.close()
        await thermometer.close()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (bench_of("mettler.sics").replace("channel: 8", "channel: 0"), "the channels of this model are 1 to 8"),
        (bench_of("laumas.transmitter").replace("unit: N", "unit: kN"), "a laumas has no unit kN"),
    ],
)
def test_what_a_make_does_not_have(text, word):
    with pytest.raises(BenchFileError) as caught:
        read_bench(text.encode(), "b.yaml")
    assert word in str(caught.value)

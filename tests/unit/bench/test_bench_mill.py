"""A bench with a mill and the chiller that cools it, spoken to with a driver over TCP and a serial port."""

import pytest

from drivers.errors import RefusedError
from drivers.registry import MILL_DRIVES, MillDriveConnection
from simulators.bench_file import BenchFileError, read_bench

BENCH = """\
name: mill
noise: false
cell: {sample: bare}
instruments:
  - name: chiller
    model: lauda
    role: chiller
    bath_temperature_C: 15
    setpoint_temperature_C: 15
    running: RUNNING
    external_probe: true
    transport: {kind: tcp}
  - name: mill_drive
    model: MODEL
    role: mill_drive
    transport: {kind: TRANSPORT}
"""
DRIVERS = {"ls_ig5a": "ls.ig5a", "ls_s100": "ls.s100", "delta_vfd": "delta.vfd"}


def bench_of(model="ls_ig5a", transport="tcp", running="true"):
    return BENCH.replace("MODEL", model).replace("TRANSPORT", transport).replace("RUNNING", running)


def vessel_celsius(bench):
    return bench.assembly.bench.devices["mill_drive"].inverter.mill.vessel_celsius


class Driven:
    """A drive on a bench, kept awake while time passes."""

    def __init__(self, bench, model):
        self.bench = bench
        self.now_second = 0.0
        address = bench.address("mill_drive")
        connection = MillDriveConnection(name="mill", address=address, highest_rpm=4200, timeout_second=10)
        self.mill = MILL_DRIVES[DRIVERS[model]](connection, self.wait, None)

    async def wait(self, second):
        self.now_second += second
        await self.bench.advance(self.now_second)

    async def keep(self, second):
        for _ in range(round(second)):
            await self.wait(1.0)
            await self.mill.look()

    async def start(self):
        await self.mill.connect()
        await self.mill.arm_loss_stop(3.0)
        await self.mill.set_rpm(4000)
        await self.mill.start()


@pytest.mark.parametrize("transport", ["tcp", "pty"])
@pytest.mark.parametrize("model", DRIVERS)
async def test_a_minute_of_milling_warms_the_vessel_and_the_chiller_takes_it_away(served_bench, model, transport):
    async with served_bench(bench_of(model, transport)) as bench:
        driven = Driven(bench, model)
        await driven.start()
        await driven.keep(65)
        look = await driven.mill.look()
        assert look.is_at_speed
        assert look.rpm == pytest.approx(4000, abs=0.6)
        warm_celsius = vessel_celsius(bench)
        assert 17 < warm_celsius < 22
        chiller = bench.assembly.bench.devices["chiller"].circulator
        assert chiller.external_celsius(0) == warm_celsius
        assert chiller.bath.heat_load_watt > 20
        assert chiller.bath.bath_celsius == pytest.approx(15, abs=0.3)
        await driven.mill.make_safe()
        assert (await driven.mill.look()).is_standing
        await driven.wait(600)
        assert vessel_celsius(bench) == pytest.approx(15, abs=0.5)
        await driven.mill.close()


async def test_without_its_chiller_it_gets_hotter_and_hotter(served_bench):
    async with served_bench(bench_of(running="false")) as bench:
        driven = Driven(bench, "ls_ig5a")
        await driven.start()
        await driven.keep(300)
        assert vessel_celsius(bench) > 30
        await driven.mill.make_safe()
        await driven.mill.close()


async def test_a_host_that_dies_stops_the_blade(served_bench):
    async with served_bench(bench_of()) as bench:
        driven = Driven(bench, "ls_ig5a")
        await driven.start()
        await driven.keep(20)
        await driven.mill.close()
        await driven.wait(30)
        await driven.mill.connect()
        assert (await driven.mill.look()).is_standing
        await driven.mill.close()


async def test_the_lid_and_a_trip_by_the_control_port(served_bench):
    async with served_bench(bench_of()) as bench:
        driven = Driven(bench, "ls_ig5a")
        await driven.start()
        for kind, word in (("lid", "EXT-A"), ("trip", "OCT")):
            await bench.fault("mill_drive", kind)
            look = await driven.mill.look()
            assert (look.is_running, look.fault) == (False, word)
            await bench.fault("mill_drive", "heal")
            with pytest.raises(RefusedError):
                await driven.mill.start()
            await driven.mill.reset_fault()
            await driven.mill.start()
        await driven.mill.make_safe()
        await driven.mill.close()


def test_what_a_mill_can_t_be():
    text = bench_of() + "    build: {blade_W: -1}\n    highest_Hz: 0\n    bus_address: 248\n"
    with pytest.raises(BenchFileError) as caught:
        read_bench(text.encode(), "b.yaml")
    assert len(caught.value.problems) == 3

"""A simulation is published while it runs: a subscriber ends with its stored rows, and everything says SIMULATED."""

import asyncio
import signal

import pytest

from daemon.publish.client import BrokerAddress
from daemon.store.reading import read_header
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.broker import WITHIN_SECOND, Mosquitto, Subscriber, broker_gone
from tests.support.command_line import SHORT_PROTOCOL
from tests.support.station import Station, kill_after

REST = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method: [{step: open_circuit_voltage, id: rest, until_time: 5 min}]
"""


def stored_rows(path):
    header = read_header(path)
    with RunFile.read_only(path) as run_file:
        streams = list(run_file.schemas)
    found = {}
    for stream in streams:
        for values in read_rows(path, stream).to_dict("records"):
            row = {name: value for name, value in values.items() if value == value}  # noqa: PLR0124  (NaN is no reading)
            row["unix_time_second"] = header.started_utc_second + row["test_time_second"]
            found[header.station, header.run_id, stream, row["seq"]] = row
    return found


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.end()


def only_run(command_line):
    (path,) = command_line.data.glob("*/run.sqlite")
    return path


async def test_a_daemon_that_is_killed_publishes_every_row_once_it_is_back(tmp_path, mosquitto):
    station = Station(tmp_path / "station", pace=600.0, mqtt=str(mosquitto.address))
    station.folder.mkdir()
    subscriber = Subscriber(mosquitto.address)
    try:
        station.start_bench()
        async with subscriber.listening():
            daemon = await asyncio.to_thread(station.serve)
            await asyncio.to_thread(station.run, SHORT_PROTOCOL)
            await subscriber.until(lambda it: it.rows)
            await asyncio.to_thread(kill_after, daemon, 0.5)
            daemon = await asyncio.to_thread(station.serve, "--until-idle")
            assert await asyncio.to_thread(daemon.wait, WITHIN_SECOND) == 0
            stored = stored_rows(only_run(station))
            await subscriber.until(lambda it: len(it.rows) >= len(stored))
    finally:
        station.close()
    assert subscriber.rows == stored


async def test_published_to_a_broker_that_restarts(command_line, mosquitto):
    subscriber = Subscriber(mosquitto.address)
    async with subscriber.listening() as listening:
        simulating = asyncio.create_task(
            asyncio.to_thread(command_line.simulate, SHORT_PROTOCOL, "--broker", str(mosquitto.address))
        )
        await subscriber.until(lambda it: it.rows)
        mosquitto.end(signal.SIGKILL)
        await broker_gone(listening)
    mosquitto.start()
    async with subscriber.listening():
        result = await simulating
        stored = stored_rows(only_run(command_line))
        await subscriber.until(lambda it: len(it.rows) >= len(stored))
    assert subscriber.rows == stored
    assert len(stored) >= result["rows"]
    cycles = {cycle["cycle_count"]: cycle for cycle in subscriber.json("presscell/v1/simulated/bench/rig1/cycle")}
    for counted in result["cycles"]:
        said = cycles[counted["cycle_count"]]
        assert said["discharge_capacity_mAh_g"] == counted["discharge_capacity_mAh_g"]
        assert said["simulated"] is True


async def test_published_by_its_own_broker(command_line):
    """Who comes late misses what was before; from then on nothing is missing to the end."""
    process = command_line.start(REST, "--speed", "100")
    said = await asyncio.to_thread(read_until, process.stderr, "--broker ")
    subscriber = Subscriber(BrokerAddress.parse(said.rpartition("--broker ")[2].strip()))
    async with subscriber.listening() as listening:
        await subscriber.until(lambda it: it.rows)
        async with asyncio.timeout(3 * WITHIN_SECOND):
            await asyncio.wait([listening])
    await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    stored = stored_rows(only_run(command_line))
    missing = stored.keys() - subscriber.rows.keys()
    assert subscriber.rows.items() <= stored.items()
    for stream in {key[2] for key in subscriber.rows}:
        first = min(key[3] for key in subscriber.rows if key[2] == stream)
        assert all(key[3] < first for key in missing if key[2] == stream)
    last = subscriber.json("presscell/v1/simulated/bench/rig1/run")[-1]
    assert (last["outcome"], last["phase"], last["simulated"]) == ("completed", "finished", True)


def read_until(lines, wanted):
    for line in lines:
        if wanted in line:
            return line
    raise AssertionError(f"the simulation ended and never said {wanted!r}")

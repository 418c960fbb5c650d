"""What publishing stored rows costs: CPU-seconds per million rows of publisher, broker and subscriber, each a process.

Usage: python benchmarks/publish.py [--rows N] [--rounds N]. Blocks of 600 rows, ten values a row, QoS 1, to Mosquitto
on a free port. The floor is a bare aiomqtt client that sends the same bytes, made beforehand, eight in flight: what is
above it is reading the store, making JSON and keeping cursors. Ours and the floor alternate; a ratio is the median of
pairs.

The second table is how late commits of 600 rows and a 10 ms beat of the loop become while that goes on.
"""

import argparse
import asyncio
import json
import logging
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import aiomqtt
import msgspec
import numpy as np

from daemon.clock import MonotonicClock
from daemon.deciding.run_state import Run, encode_run
from daemon.plan import CellFacts, Plan, RestStep
from daemon.publish import payloads
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.embedded import EmbeddedBroker
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from daemon.store.blocks import Block, StreamSchema
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.run_file import RunFile

ROWS_A_BLOCK = 600
IN_FLIGHT = 8
TOPICS = StationTopics("lab", "bench")
RECORDS = TOPICS.rig("rig1").records("cell")
FLOATS = ("elapsed_second", "voltage_volt", "current_ampere", "surface_pressure_pa")
SCHEMA = StreamSchema(name="cell", floats=FLOATS, integers=("source_status", "reading_status"))
"""With `seq`, `segment`, `test_time_second` and `unix_time_second` ten values a row."""
PLAN = Plan(
    protocol_name="p",
    steps=(
        RestStep(
            step_id="rest",
            block="b",
            line=1,
            until_time_second=1e7,
            lower_guard_volt=0.0,
            upper_guard_volt=5.0,
            sampling_second=1.0,
            cutoff_second=1.0,
        ),
    ),
    cell=CellFacts(
        name="c",
        active_mass_gram=0.01,
        active_mass_uncertainty_gram=None,
        one_C_ampere=None,
        reference_electrode="",
        reference_offset_volt=0.0,
    ),
    lower_voltage_volt=0.0,
    upper_voltage_volt=5.0,
    cycle_starts_with="charge",
    interlocks=(),
    record={},
)
HEADER = RunHeader(
    run_id="benchmark",
    engine_version="1",
    simulated=True,
    station="bench",
    rig="rig1",
    started_utc_second=1.795e9,
    protocol_name="",
    protocol_text="",
    cell_name="",
    cell_text="",
    plan_json=msgspec.json.encode(PLAN),
    seed=1,
    supervise_every_second=1.0,
    instruments={},
)
SNAPSHOT = encode_run(Run(plan=PLAN))


def block(number: int) -> Block:
    random = np.random.default_rng(number)
    elapsed = number * ROWS_A_BLOCK + np.arange(ROWS_A_BLOCK, dtype=float)
    return Block(
        stream="cell",
        segment=1,
        first_seq=number * ROWS_A_BLOCK + 1,
        origin_run_time_second=12.5,
        columns={
            "elapsed_second": elapsed + np.round(random.normal(0, 20e-6, ROWS_A_BLOCK), 6),
            "voltage_volt": np.round(3.0 + random.normal(0, 60e-6, ROWS_A_BLOCK), 5),
            "current_ampere": np.round(1.5e-3 + random.normal(0, 15e-9, ROWS_A_BLOCK), 9),
            "surface_pressure_pa": np.round(12.7e6 + random.normal(0, 5e3, ROWS_A_BLOCK), 1),
            "source_status": np.full(ROWS_A_BLOCK, 4),
            "reading_status": np.zeros(ROWS_A_BLOCK, np.int64),
        },
    )


def commit(run_file: RunFile, number: int) -> None:
    entry = JournalEntry(run_time_second=0.0, utc_second=0.0, kind="block_stored", body=b'{"event":"block_stored"}')
    run_file.commit([entry], [block(number)], SNAPSHOT)


def cpu_second() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_second_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[BrokerAddress, subprocess.Popen[str]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "user root\n" if os.geteuid() == 0 else ""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n{user}"
        "log_dest stderr\nlog_type information\nconnection_messages false\n"
    )
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "running" not in process.stderr.readline():
        pass
    try:
        yield BrokerAddress("127.0.0.1", port), process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.communicate()


async def subscribe(address: BrokerAddress, rows: int) -> None:
    """As a subscriber process: take rows in, keep each number once, and say what that cost."""
    seen: set[int] = set()
    async with aiomqtt.Client(address.host, address.port) as client:
        await client.subscribe(RECORDS, 1)
        print("ready", flush=True)
        began = cpu_second()
        async for message in client.messages:
            seen.update(row["seq"] for row in json.loads(message.payload)["rows"])
            if len(seen) >= rows:
                break
        print(json.dumps({"cpu_second": cpu_second() - began, "rows": len(seen)}), flush=True)


async def publish_stored(address: BrokerAddress, folder: Path) -> None:
    """As a publisher process: a run from its first row to its last."""
    outlet = MqttOutlet(address)
    async with Publisher(outlet, TOPICS, folder / f"cursors-{os.getpid()}", MonotonicClock()) as publisher:
        await publisher.connected.wait()
        began, began_second = cpu_second(), perf_counter()
        publisher.follow(folder, HEADER)
        drained = await publisher.drained(600.0)
        said = {"cpu_second": cpu_second() - began, "second": perf_counter() - began_second, "drained": drained}
    print(json.dumps(said), flush=True)


async def publish_bytes(address: BrokerAddress, folder: Path) -> None:
    """As the floor: the same messages, made beforehand."""
    origin = payloads.Origin(run_id="benchmark", station="bench", simulated=True, started_utc_second=1.795e9)
    blocks = [block(number) for number in range(int((folder / "blocks").read_text()))]
    messages = [
        payloads.records(origin, [payloads.Span(each, each.first_seq, each.last_seq)], SCHEMA) for each in blocks
    ]
    free = asyncio.Semaphore(IN_FLIGHT)
    no_delay = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
    async with aiomqtt.Client(
        address.host, address.port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=no_delay
    ) as client:

        async def send(payload: bytes) -> None:
            async with free:
                await client.publish(RECORDS, payload, 1)

        began, began_second = cpu_second(), perf_counter()
        await asyncio.gather(*map(send, messages))
        said = {"cpu_second": cpu_second() - began, "second": perf_counter() - began_second, "drained": True}
    print(json.dumps(said), flush=True)


ROLES = {"ours": publish_stored, "floor": publish_bytes}


def one_round(role: str, folder: Path, rows: int) -> dict[str, float]:
    """CPU-seconds per million rows of each process, and the seconds it took."""
    with mosquitto(folder) as (address, broker):
        subscriber = start("subscriber", address, folder, rows)
        assert subscriber.stdout is not None
        subscriber.stdout.readline()
        broker_began = cpu_second_of(broker.pid)
        publisher = start(role, address, folder, rows)
        sent = json.loads(publisher.communicate()[0])
        received = json.loads(subscriber.communicate()[0])
        broker_cpu = cpu_second_of(broker.pid) - broker_began
    assert sent["drained"]
    assert received["rows"] == rows
    million = rows / 1e6
    return {
        "publisher": sent["cpu_second"] / million,
        "broker": broker_cpu / million,
        "subscriber": received["cpu_second"] / million,
        "seconds": sent["second"] / million,
    }


def start(role: str, address: BrokerAddress, folder: Path, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--as", role, "--broker", str(address), "--folder", str(folder)]
    return subprocess.Popen([*command, "--rows", str(rows)], stdout=subprocess.PIPE, text=True)


def costs(folder: Path, rows: int, rounds: int) -> None:
    with RunFile.create(folder / "run.sqlite", HEADER, [SCHEMA]) as run_file:
        for number in range(rows // ROWS_A_BLOCK):
            commit(run_file, number)
    (folder / "blocks").write_text(str(rows // ROWS_A_BLOCK))
    measured: dict[str, list[dict[str, float]]] = {role: [] for role in ROLES}
    for number in range(rounds):
        for role in sorted(ROLES, reverse=number % 2 == 0):
            measured[role].append(one_round(role, folder, rows))
    print(f"CPU s per 1e6 rows, {rows:,} rows, median of {rounds}; {'seconds':>30} s per 1e6 rows of the publisher")
    print(f"{'':12}{'ours':>10}{'floor':>10}{'ratio':>10}")
    for name in measured["ours"][0]:
        ours, floor = ([found[name] for found in measured[role]] for role in ("ours", "floor"))
        ratios = [mine / max(theirs, 1e-9) for mine, theirs in zip(ours, floor, strict=True)]
        values = (statistics.median(each) for each in (ours, floor, ratios))
        print(f"{name:12}" + "".join(f"{value:10.2f}" for value in values))


async def lateness(publisher: Publisher | None, folder: Path, name: str, blocks: int) -> None:
    """Commit as a runner does, beside a beat of the loop; print how late both are."""
    run_id = name.replace(" ", "-").replace(",", "")
    directory, header = folder / run_id, msgspec.structs.replace(HEADER, run_id=run_id)
    directory.mkdir()
    commits, beats = [], []
    over = asyncio.Event()

    async def beat() -> None:
        due = perf_counter() + 0.01
        while not over.is_set():
            await asyncio.sleep(max(0.0, due - perf_counter()))
            beats.append(perf_counter() - due)
            due = perf_counter() + 0.01

    with RunFile.create(directory / "run.sqlite", header, [SCHEMA]) as run_file:
        if publisher is not None:
            publisher.follow(directory, header)
        beating = asyncio.create_task(beat())
        for number in range(blocks):
            began = perf_counter()
            await asyncio.to_thread(commit, run_file, number)
            commits.append(perf_counter() - began)
            if publisher is not None:
                publisher.nudge()
            await asyncio.sleep(0.02)
        over.set()
        await beating
        if publisher is not None:
            await publisher.drained(0.0)
    times = []
    for each in (commits, beats):
        hundredths = statistics.quantiles(each, n=100)
        times += [f"{1e3 * hundredths[index]:10.2f}" for index in (49, 98)]
    print(f"{name:34}" + "".join(times))


async def latenesses(folder: Path, blocks: int) -> None:
    print(f"\n{'ms late, 600 rows every 20 ms':34}{'commit p50':>10}{'p99':>10}{'loop p50':>10}{'p99':>10}")
    await lateness(None, folder, "no publisher", blocks)
    with mosquitto(folder) as (address, process):
        async with Publisher(MqttOutlet(address), TOPICS, folder, MonotonicClock()) as publisher:
            await publisher.connected.wait()
            await lateness(publisher, folder, "Mosquitto", blocks)
            process.send_signal(signal.SIGSTOP)
            await lateness(publisher, folder, "Mosquitto frozen", blocks)
    async with Publisher(MqttOutlet(BrokerAddress("127.0.0.1", 1)), TOPICS, folder, MonotonicClock()) as publisher:
        await lateness(publisher, folder, "broker absent", blocks)
    async with EmbeddedBroker() as broker, Publisher(broker, TOPICS, folder, MonotonicClock()) as publisher:
        await lateness(publisher, folder, "embedded, nobody there", blocks)
        subscriber = start("subscriber", broker.address, folder, blocks * ROWS_A_BLOCK)
        assert subscriber.stdout is not None
        await asyncio.to_thread(subscriber.stdout.readline)
        await lateness(publisher, folder, "embedded, one subscriber", blocks)
        await publisher.drained(30.0)
        await asyncio.to_thread(subscriber.communicate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=240_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as", dest="role", help=argparse.SUPPRESS)
    parser.add_argument("--broker", type=BrokerAddress.parse, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role == "subscriber":
        asyncio.run(subscribe(options.broker, options.rows))
    elif options.role:
        asyncio.run(ROLES[options.role](options.broker, options.folder))
    else:
        logging.disable()
        with tempfile.TemporaryDirectory() as name:
            rows = options.rows // ROWS_A_BLOCK * ROWS_A_BLOCK
            costs(Path(name), rows, options.rounds)
            asyncio.run(latenesses(Path(name), 300))


if __name__ == "__main__":
    main()

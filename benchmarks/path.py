"""The whole path of a row, wire to store, in CPU-seconds per million rows, beside a floor of the same machine.

Usage: python benchmarks/path.py [--rounds N]. Ours is a run of two charges and discharges at C/4 at 600 rows a block
through the real daemon stack; the bench is another process and is counted apart. The floor asks a server of canned text
for the same 600-row blocks over a plain blocking socket, turns them into floats and commits each as one SQLite blob
(WAL, synchronous=FULL). Both alternate; ratios are taken round by round and their median is printed.
"""

import argparse
import asyncio
import os
import resource
import socket
import sqlite3
import struct
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from daemon.app import Listeners, Simulation, simulate
from daemon.compile import load_plan
from daemon.service.sources import Sources
from drivers.registry import potentiostat

REPOSITORY = Path(__file__).parents[1]
DRIVER = "keithley.2450"
BLOCK_ROWS = 600
PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 10 min}
  - {step: cycle, id: quarter, rate_C: 0.25, cycle_count: 2}
"""


def cpu_second(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def ours(folder: Path) -> tuple[int, float, float]:
    """Rows, CPU-seconds of the daemon, CPU-seconds of the bench."""
    cell = REPOSITORY / "config" / "cells" / "bm05.yaml"
    sources = Sources(
        protocol_name="benchmark",
        protocol_text=PROTOCOL,
        cell_name=cell.name,
        cell_text=cell.read_text(encoding="utf-8"),
    )
    limits = potentiostat(DRIVER).limits
    plan, _ = load_plan(PROTOCOL, "benchmark", sources.cell_text, cell.name, limits)
    simulation = Simulation(
        plan=plan,
        sources=sources,
        bench_file=REPOSITORY / "config" / "bench" / "potentiostat_only.yaml",
        potentiostat_driver=DRIVER,
        data_directory=folder,
        pace=None,
        seed=1,
        broker=None,
    )
    listeners = Listeners(progress=lambda _progress: None, broker=lambda _address: None)
    before = cpu_second(resource.RUSAGE_SELF), cpu_second(resource.RUSAGE_CHILDREN)
    finished = asyncio.run(simulate(simulation, listeners))
    spent = cpu_second(resource.RUSAGE_SELF) - before[0], cpu_second(resource.RUSAGE_CHILDREN) - before[1]
    return finished.run.rows, *spent


def serve_canned(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(4096):
            connection.sendall(reply)


def floor(folder: Path, rows: int) -> float:
    """CPU-seconds of one thread that asks, parses and commits as plainly as it can."""
    values = [f"{index:.9E},3.123450000E+00,3.750000000E-04,8,0" for index in range(BLOCK_ROWS)]
    reply = (",".join(values) + "\n").encode()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = threading.Thread(target=serve_canned, args=(listener, reply))
        server.start()
        with closing(sqlite3.connect(folder / "floor.sqlite")) as store, closing(socket.socket()) as client:
            store.execute("PRAGMA journal_mode=WAL")
            store.execute("PRAGMA synchronous=FULL")
            store.execute("CREATE TABLE block (first INTEGER PRIMARY KEY, data BLOB)")
            client.connect(listener.getsockname())
            began = time.thread_time()
            for first in range(0, rows, BLOCK_ROWS):
                client.sendall(b":TRAC:DATA? 1,600\n")
                text = b""
                while not text.endswith(b"\n"):
                    text += client.recv(1 << 16)
                numbers = list(map(float, text.split(b",")))
                store.execute("INSERT INTO block VALUES (?, ?)", (first, struct.pack(f"{len(numbers)}d", *numbers)))
                store.commit()
            spent = time.thread_time() - began
        server.join()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    daemon, bench, floors = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            rows, daemon_second, bench_second = ours(Path(name))
            floors.append(floor(Path(name), rows) / rows * 1e6)
        daemon.append(daemon_second / rows * 1e6)
        bench.append(bench_second / rows * 1e6)
    ratio = median(ours_ / floor_ for ours_, floor_ in zip(daemon, floors, strict=True))
    print(f"{rows:,} rows a round, {rounds} rounds, {os.cpu_count()} cores; CPU-seconds per million rows, medians")
    print(f"  daemon, wire to store          {median(daemon):6.2f}")
    print(f"  simulated laboratory           {median(bench):6.2f}")
    print(f"  floor: socket, float, SQLite   {median(floors):6.2f}")
    print(f"  daemon / floor                 {ratio:6.2f}")


if __name__ == "__main__":
    main()

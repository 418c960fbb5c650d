"""A simulated laboratory in a process of its own, and cables to it that misbehave."""

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BENCH_FILE = Path(__file__).parents[2] / "config" / "bench" / "potentiostat_only.yaml"
SMU_MODELS = ("2450", "2460", "2461")
NANOSECOND = 1e-9


@dataclass
class BenchClock:
    """The connection that owns a bench's time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    numbers: Iterator[int] = field(default_factory=itertools.count)
    now_second: float = 0.0

    async def do(self, verb: str, **words: Any) -> dict[str, Any]:
        self.writer.write(json.dumps({"id": next(self.numbers), "do": verb, **words}).encode() + b"\n")
        reply = json.loads(await self.reader.readline())
        assert reply["ok"], reply
        self.now_second = reply.get("now_second", self.now_second)
        return reply

    async def pass_time(self, second: float) -> None:
        to_second = self.now_second + second
        while self.now_second < to_second - NANOSECOND:
            await self.do("advance", to_second=to_second, stop_every_second=None)


@dataclass
class BenchProcess:
    """A running bench: where its control port is, and the cables it has."""

    control: str
    cables: dict[str, dict[str, Any]]

    @contextlib.asynccontextmanager
    async def clock(self) -> AsyncIterator[BenchClock]:
        host, port = self.control.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        clock = BenchClock(reader, writer)
        await clock.do("hello")
        await clock.do("own", speed="max", on_owner_lost="freeze")
        try:
            yield clock
        finally:
            writer.close()
            await writer.wait_closed()


def start_bench(bench_file: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "simulators", str(bench_file)], stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="session")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BenchProcess]]:
    """One bench for each model of source-measure unit, all running."""
    folder, processes = tmp_path_factory.mktemp("bench"), {}
    try:
        for model in SMU_MODELS:
            bench_file = folder / f"{model}.yaml"
            bench_file.write_text(BENCH_FILE.read_text().replace('"2450"', f'"{model}"'))
            processes[model] = start_bench(bench_file)
        lines = {model: json.loads(process.stdout.readline()) for model, process in processes.items()}
        yield {model: BenchProcess(line["control"], line["cables"]) for model, line in lines.items()}
    finally:
        for process in processes.values():
            process.terminate()
            process.wait()
            process.stdout.close()


class Cable:
    """A way to an instrument whose replies can be spoilt from a moment on; `behaviour` is a method's name."""

    def __init__(self, instrument: str) -> None:
        self.behaviour = "whole"
        self.address = ""
        self._instrument = instrument
        self._held = b""
        self._links: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Cable"]:
        server = await asyncio.start_server(self._link, "127.0.0.1", 0, limit=1 << 24)
        self.address = "{}:{}".format(*server.sockets[0].getsockname())
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*self._links)

    async def _link(self, host: asyncio.StreamReader, to_host: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        address, port = self._instrument.split(":")
        instrument, to_instrument = await asyncio.open_connection(address, int(port), limit=1 << 24)
        back = asyncio.create_task(self._carry_back(instrument, to_host))
        with contextlib.suppress(ConnectionError):
            while data := await host.read(1 << 16):
                to_instrument.write(data)
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        for writer in (to_instrument, to_host):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _carry_back(self, instrument: asyncio.StreamReader, to_host: asyncio.StreamWriter) -> None:
        while line := await instrument.readline():
            await getattr(self, self.behaviour)(line, to_host)
            self._held = line

    async def whole(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.write(line)

    async def byte_by_byte(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        for byte in line:
            to_host.write(bytes([byte]))
            await to_host.drain()
            await asyncio.sleep(0)

    async def mute(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        pass

    async def stale(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.write(self._held)

    async def garbled(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        middle = len(line) // 2
        to_host.write(line[: middle - 1] + b"\xb5" + line[middle:])

    async def noisy(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        middle = len(line) // 2
        to_host.write(line[:middle] + b"#" + line[middle:])

    async def comma_decimals(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.write(line.replace(b".", b","))

    async def shortened(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.write(line[: len(line) // 2] + b"\n")

    async def half(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.write(line[: len(line) // 2])

    async def cut(self, line: bytes, to_host: asyncio.StreamWriter) -> None:
        to_host.transport.abort()


@pytest.fixture
def lay_cable() -> Any:
    """Lays a cable to an instrument's address."""
    return Cable

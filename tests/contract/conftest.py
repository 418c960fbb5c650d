"""A simulated laboratory in a process of its own, and cables to it that misbehave."""

import asyncio
import contextlib
import functools
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daemon.recover import unfinished_runs
from daemon.service.daemon import owned
from daemon.station.file import StationFile
from daemon.station.instruments import load_station
from daemon.store.errors import StoreError
from drivers.registry import OURS
from protocols.errors import errors_in
from tests.support.at_hand import DUMMY_OHM, of_station, simulated
from tests.support.desks import transports_of

BENCH_FILE = Path(__file__).parents[2] / "config" / "bench" / "potentiostat_only.yaml"
SMU_MODELS = ("2450", "2460", "2461")
NANOSECOND = 1e-9


AT_STATION, WITH_DUMMY = "at_station", "with_dummy"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("presscell")
    group.addoption("--station", type=Path, help="Ask the instruments of this station file instead of simulators.")
    group.addoption("--with-dummy", type=float, metavar="OHM", help="And drive a current: resistors hang on the leads.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{AT_STATION}: what it asks of an instrument is as harmless on a real bench")
    config.addinivalue_line("markers", f"{WITH_DUMMY}: drives a current, on a bench only through a resistor")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At a station leave out what needs the faults of a simulator, and what drives a current nobody asked for."""
    if config.getoption("station") is None:
        return
    left_out = {} if config.getoption("with_dummy") else {WITH_DUMMY}
    kept = [item for item in items if item.get_closest_marker(AT_STATION) and not _has(item, left_out)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    if config.getoption("station") is None:
        return None
    return "at a station: what needs a simulator, and without --with-dummy what drives a current, is deselected"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, on_dummy in (("at_hand", False), ("on_dummy", True)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, _instruments(metafunc.config, on_dummy=on_dummy))


def _has(item: pytest.Item, marks: set[str]) -> bool:
    return any(item.get_closest_marker(mark) for mark in marks)


def _instruments(config: pytest.Config, *, on_dummy: bool) -> list[Any]:
    """Each makes an instrument at hand: of the station, or every driver on every cable."""
    roles = {"potentiostat"} if on_dummy else {driver.role for driver in OURS}
    if (path := config.getoption("station")) is None:
        names = [driver.about.name for driver in OURS if driver.role in roles]
        return [
            pytest.param(partial(simulated, name, cable, on_dummy=on_dummy), id=f"{name}-{cable}")
            for name in names
            for cable in transports_of(name)
        ]
    return [
        pytest.param(partial(of_station, f"{rig}.{role}", role, said), id=f"{rig}.{role}")
        for rig, settings in _station(path).rigs.items()
        for role, said in settings.instruments.items()
        if role in roles
    ]


@functools.cache
def _station(path: Path) -> StationFile:
    file = load_station(path.read_text(), str(path))
    if errors_in(file.problems):
        raise pytest.UsageError("\n".join(map(str, file.problems)))
    return file


@pytest.fixture(scope="session", autouse=True)
def _station_is_free(request: pytest.FixtureRequest) -> Iterator[None]:
    """No daemon serves the station meanwhile, and no run was left on it."""
    path = request.config.getoption("station")
    if path is None:
        yield
        return
    data = Path(_station(path).station.data)
    try:
        with owned(data):
            if left := unfinished_runs(data).left:
                pytest.exit(f"{left[0].name} is an unfinished run; end it first", returncode=4)
            yield
    except StoreError as error:
        pytest.exit(str(error), returncode=4)


@pytest.fixture
def dummy_ohm(request: pytest.FixtureRequest) -> float:
    """What hangs on the leads of potentiostats."""
    return request.config.getoption("with_dummy") or DUMMY_OHM


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

"""A bench with a small instrument of its own, on a loop whose time only moves when nothing is left to do."""

import asyncio
import io
import json
import os
import selectors
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from simulators.assemble import Assembly, assemble
from simulators.bench import Bench
from simulators.bench_file import LoadedBenchFile, read_bench
from simulators.cell import PressCell
from simulators.control import ControlPort, Laboratory
from simulators.device import SECOND_NS, CellUnderTest
from simulators.jig import Jig
from simulators.log import BenchLog
from simulators.owner import Ownership
from simulators.pace import Timekeeper
from simulators.serve import Listener, TcpCable
from simulators.witness import Window, Witness


class TimedSource:
    """Drives a current for a time: `RUN ampere second`, `ROWS?`, `BUSY?`; it looks at the voltage every second."""

    def __init__(self, name: str, cell: CellUnderTest) -> None:
        self.name = name
        self.cell = cell
        self.rows: list[tuple[int, float]] = []
        self.heard: Callable[..., None] = lambda *args: None
        self.frame_every_ns = 0
        self.bytes_per_second = 0.0
        self._frames: list[tuple[int, bytes]] = []
        self._frame_ns = 0
        self._end_ns: int | None = None
        self._look_ns = 0

    def receive(self, data: bytes, now_ns: int) -> bytes:
        replies = b""
        for line in data.decode().splitlines():
            match line.split():
                case ["RUN", ampere, second]:
                    self._end_ns = now_ns + round(float(second) * SECOND_NS)
                    self._look_ns = now_ns
                    self._switch(float(ampere), on=True)
                case ["STOP"]:
                    self._end()
                case ["ROWS?"]:
                    replies += b"%d\n" % len(self.rows)
                case ["BUSY?"]:
                    replies += b"1\n" if self.busy else b"0\n"
                case ["SAY", *words]:
                    replies += " ".join(words).encode() + b"\n"
        return replies

    def run_to(self, limit_ns: int) -> int:
        stop_ns = limit_ns if self._end_ns is None else min(limit_ns, self._end_ns)
        while self.frame_every_ns and self._frame_ns + self.frame_every_ns < stop_ns:
            self._frame_ns += self.frame_every_ns
            self._frames.append((self._frame_ns, b"frame %d\n" % (self._frame_ns // SECOND_NS)))
        return stop_ns if self._end_ns is None else self._look_to(stop_ns)

    def take_emitted(self) -> list[tuple[int, bytes]]:
        frames, self._frames = self._frames, []
        return frames

    def _look_to(self, stop_ns: int) -> int:
        times_ns = np.arange(self._look_ns, stop_ns, SECOND_NS)
        if times_ns.size:
            volts = self.cell.forecast(times_ns).voltage_volt
            self.rows += zip(times_ns.tolist(), volts.tolist(), strict=True)
            self._look_ns = int(times_ns[-1]) + SECOND_NS
        return stop_ns

    def settle(self, now_ns: int) -> None:
        if self._end_ns is not None and now_ns >= self._end_ns:
            self._end()

    @property
    def busy(self) -> bool:
        return self._end_ns is not None

    def power_cycle(self, now_ns: int) -> None:
        self._end()

    def _end(self) -> None:
        self._end_ns = None
        self._switch(0.0, on=False)

    def _switch(self, ampere: float, *, on: bool) -> None:
        self.cell.set_current(ampere)
        self.heard(self.name, "output", {"time_ns": self.cell.now_ns, "on": on, "relay_closed": on})


@dataclass
class BenchUnderTest:
    """A bench, what is on it, and what it logged."""

    bench: Bench
    source: TimedSource
    cell: PressCell
    log_text: io.StringIO

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_text.getvalue().splitlines()]
        return [line for line in lines if event in {None, line["event"]}]


MakeBench = Callable[..., BenchUnderTest]


@pytest.fixture(scope="session")
def make_bench() -> MakeBench:
    def make(window: Window | None = None) -> BenchUnderTest:
        text = io.StringIO()
        log = BenchLog(text)
        cell = PressCell()
        source = TimedSource("source", cell)
        bench = Bench([Jig(cell, source, [], Witness(cell, log, window), log)], log)
        source.heard = bench.hear
        return BenchUnderTest(bench, source, cell, text)

    return make


class PatientSelector(selectors.DefaultSelector):
    """Never waits: when nothing is ready, time moves to the next timer."""

    loop: "FastLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is ready and no timer is set: this would wait for ever")
            self.loop.second += timeout
        return ready


class FastLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own. For what uses no sockets."""

    def __init__(self) -> None:
        self.second = 1000.0
        selector = PatientSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.second


@pytest.fixture(scope="session")
def fast_forward() -> Callable[..., Any]:
    @contextmanager
    def runner() -> Iterator[asyncio.Runner]:
        with asyncio.Runner(loop_factory=FastLoop) as one:
            yield one

    def run(main: Callable[[], Any]) -> Any:
        with runner() as one:
            return one.run(main())

    return run


class Host:
    """A host at the other end of a cable or of the control port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: str) -> "Host":
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def say(self, line: str) -> None:
        self.writer.write(line.encode() + b"\n")

    async def hear(self) -> bytes:
        return await self.reader.readline()

    async def ask(self, line: str) -> bytes:
        self.say(line)
        return await self.hear()

    async def leave(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@pytest.fixture(scope="session")
def connect() -> Callable[[str], Any]:
    return Host.connect


@dataclass
class LaboratoryUnderTest:
    """A bench with one cable and a control port, served in this process."""

    made: BenchUnderTest
    cable: TcpCable
    listener: Listener
    keeper: Timekeeper
    reasons: list[str]
    hosts: list[Host]
    asked: int = 0

    async def host(self) -> Host:
        self.hosts.append(await Host.connect(self.cable.address))
        return self.hosts[-1]

    async def controller(self) -> Host:
        self.hosts.append(await Host.connect(self.listener.address))
        return self.hosts[-1]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Talk about nothing until something is so."""
        controller = await self.controller()
        while not condition():
            assert (await self.ask(controller, "hello"))["ok"]

    async def ask(self, controller: Host, do: str, **arguments: Any) -> dict[str, Any]:
        self.asked += 1
        answer = json.loads(await controller.ask(json.dumps({"id": self.asked, "do": do, **arguments})))
        assert answer.pop("id") == self.asked
        return answer


@pytest.fixture(scope="session")
def laboratory(make_bench: MakeBench) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(*, end_when_lost: bool = True) -> AsyncIterator[LaboratoryUnderTest]:
        made = make_bench()
        cable = TcpCable("source", lambda data: made.bench.receive("source", data), 0)
        reasons: list[str] = []
        parts = Laboratory("test", 7, 1_000 * SECOND_NS, made.bench, {"source": cable}, {"source": "timed"})
        keeper = Timekeeper(made.bench, asyncio.get_running_loop(), parts.deliver, parts.reach_ns)
        ownership = Ownership(made.bench, keeper, speed=0, end_when_lost=end_when_lost, stop=reasons.append)
        control = ControlPort(parts, keeper, ownership, reasons.append)
        listener = Listener(0, control.connect)
        cable.open()
        listener.accept()
        served = LaboratoryUnderTest(made, cable, listener, keeper, reasons, [])
        try:
            yield served
        finally:
            for host in served.hosts:
                await host.leave()
            listener.close()
            cable.close()
            ownership.close()
            keeper.stand()

    return serve


class SerialHost:
    """A host that has a terminal open; like a driver it first throws away what is there."""

    def __init__(self, path: str, *, throws_away: bool = True) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.heard = b""
        self._gone = False
        if throws_away:
            self.throw_away()

    def throw_away(self) -> None:
        termios.tcflush(self.descriptor, termios.TCIFLUSH)

    def say(self, data: bytes) -> None:
        assert os.write(self.descriptor, data) == len(data)

    async def hear(self, count: int) -> bytes:
        """The next so many bytes."""
        await self._until(lambda: len(self.heard) >= count)
        heard, self.heard = self.heard[:count], self.heard[count:]
        return heard

    async def hear_end(self) -> bytes:
        """All that comes until the terminal is gone."""
        await self._until(lambda: self._gone)
        return self.heard

    async def _until(self, is_so: Callable[[], bool]) -> None:
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def read() -> None:
            try:
                data = os.read(self.descriptor, 65536)
            except OSError:
                data = b""
            self._gone = not data
            self.heard += data
            news.set()

        loop.add_reader(self.descriptor, read)
        try:
            while not is_so():
                assert not self._gone
                news.clear()
                await news.wait()
        finally:
            loop.remove_reader(self.descriptor)

    def leave(self) -> None:
        """Close it; twice is no error."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


@pytest.fixture
def serial_host() -> Iterator[Callable[..., SerialHost]]:
    """Opens a terminal; all are closed in the end."""
    opened: list[SerialHost] = []

    def open_it(path: str, **how: Any) -> SerialHost:
        opened.append(SerialHost(path, **how))
        return opened[-1]

    yield open_it
    for host in opened:
        host.leave()


@dataclass
class ServedBench:
    """A bench of a file's text, served in this process, and its time, which we own."""

    assembly: Assembly
    log_text: io.StringIO
    owner: Host
    asked: int = 0

    def address(self, name: str) -> str:
        return self.assembly.laboratory.cables[name].address

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_text.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.asked += 1
        return json.loads(await self.owner.ask(json.dumps({"id": self.asked, "do": do, **arguments})))

    async def advance(self, to_second: float, **more: Any) -> dict[str, Any]:
        answer = await self.ask("advance", to_second=to_second, **more)
        assert answer["ok"]
        return answer

    async def fault(self, cable: str, kind: str, **more: Any) -> None:
        answer = await self.ask("fault", cable=cable, kind=kind, **more)
        assert answer["ok"], answer

    async def counts(self, name: str) -> dict[str, Any]:
        return (await self.ask("cables"))["cables"][name]


@pytest.fixture(scope="session")
def served_bench() -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(text: str) -> AsyncIterator[ServedBench]:
        log_text = io.StringIO()
        assembly = assemble(LoadedBenchFile(read_bench(text.encode(), "b.yaml"), ""), BenchLog(log_text), 0.0)
        parts = assembly.laboratory
        keeper = Timekeeper(parts.bench, asyncio.get_running_loop(), parts.deliver, parts.reach_ns)
        ownership = Ownership(parts.bench, keeper, speed=0, end_when_lost=False, stop=lambda reason: None)
        listener = Listener(0, ControlPort(parts, keeper, ownership, lambda reason: None).connect)
        assembly.open()
        listener.accept()
        served = ServedBench(assembly, log_text, await Host.connect(listener.address))
        await served.ask("own", speed="max", on_owner_lost="run_on")
        try:
            yield served
        finally:
            await served.owner.leave()
            listener.close()
            assembly.close()
            ownership.close()
            keeper.stand()

    return serve

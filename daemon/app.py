"""The one place where everything is put together: a station on a bench, a rig on a station, a run on a rig."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.bench_process import BenchProcess
from daemon.bench_rig import wiring_of
from daemon.clock import BenchClock, Clock, ControlPort, real_second, real_utc_second
from daemon.engine import ENGINE_VERSION, Run
from daemon.events import RunStarted
from daemon.plan import Plan
from daemon.rig import Rig
from daemon.runner import Progress, Runner
from daemon.store.records import RunHeader
from daemon.store.run_file import RunFile
from daemon.streams import STREAMS
from daemon.wiring import connect_rig

RUN_FILE_NAME = "run.sqlite"
BENCH_LOG_NAME = "bench.jsonl"
SUPERVISE_EVERY_SECOND_AT_MAX = 600.0
SUPERVISE_EVERY_SECOND_LIVE = 1.0


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files a run was made from, as text: they are frozen with it."""

    protocol_name: str
    protocol_text: str
    cell_name: str
    cell_text: str


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What to simulate. `pace` is simulated seconds a real second; None runs as fast as it goes."""

    plan: Plan
    sources: Sources
    bench_file: Path
    potentiostat_driver: str
    data_directory: Path
    pace: float | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that has ended, and where it is."""

    run: Run
    run_id: str
    run_directory: Path
    simulated: bool
    wall_second: float
    run_time_second: float


def new_run_id(station: str, utc_second: float) -> str:
    """`<station>-<utc>-<six random characters>`."""
    stamp = datetime.fromtimestamp(utc_second, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{station}-{stamp}-{secrets.token_hex(3)}"


async def simulate(simulation: Simulation, tell: Callable[[Progress], None]) -> Finished:
    """Start a bench, carry the plan out on it through the real daemon stack, end the bench.

    SIGINT and SIGTERM end the run with the cell at open circuit; its outcome is then "stopped".

    Raises:
        BenchStartError, BenchGoneError, StoreError, DriverError.
    """
    began_second = real_second()
    run_id = new_run_id("bench", real_utc_second())
    directory = simulation.data_directory / run_id
    directory.mkdir(parents=True)
    async with _bench(simulation, directory / BENCH_LOG_NAME) as (bench, clock):
        rig = await connect_rig(wiring_of(bench, simulation.potentiostat_driver), clock)
        every_second = SUPERVISE_EVERY_SECOND_AT_MAX if simulation.pace is None else SUPERVISE_EVERY_SECOND_LIVE
        header = _header(simulation, run_id, rig, clock, every_second)
        run_file = RunFile.create(directory / RUN_FILE_NAME, header, STREAMS)
        try:
            runner = Runner(
                Run(plan=simulation.plan),
                rig,
                clock,
                run_file,
                run_id=run_id,
                supervise_every_second=every_second,
                tell=tell,
            )
            with _stopping_on_signals(runner):
                run = await runner.run_to_end(RunStarted())
            run_time_second = runner.run_time_second
            run_file.seal()
        finally:
            run_file.close()
            await rig.close()
    return Finished(
        run=run,
        run_id=run_id,
        run_directory=directory,
        simulated=True,
        wall_second=real_second() - began_second,
        run_time_second=run_time_second,
    )


@contextlib.asynccontextmanager
async def _bench(simulation: Simulation, log_file: Path) -> AsyncIterator[tuple[BenchProcess, BenchClock]]:
    """A bench and its time. When what is done with it fails, it is left to bring its instruments to their own ends."""
    bench = await BenchProcess.start(simulation.bench_file, log_file=log_file, seed=simulation.seed)
    control = await ControlPort.connect(bench.control_address)
    clock = await BenchClock.own(control, pace=simulation.pace, on_owner_lost="run_on")
    try:
        yield bench, clock
        await control.ask("end")
    finally:
        await clock.close()
    await bench.wait_for_end()


def _header(simulation: Simulation, run_id: str, rig: Rig, clock: Clock, every_second: float) -> RunHeader:
    return RunHeader(
        run_id=run_id,
        engine_version=str(ENGINE_VERSION),
        simulated=True,
        station="bench",
        rig=rig.name,
        started_utc_second=clock.utc_second(),
        protocol_name=simulation.sources.protocol_name,
        protocol_text=simulation.sources.protocol_text,
        cell_name=simulation.sources.cell_name,
        cell_text=simulation.sources.cell_text,
        plan_json=msgspec.json.encode(simulation.plan),
        seed=simulation.seed,
        supervise_every_second=every_second,
        instruments={
            role: {
                "maker": identity.maker,
                "model": identity.model,
                "serial_number": identity.serial_number,
                "firmware": identity.firmware,
            }
            for role, identity in rig.identities.items()
        },
    )


@contextlib.contextmanager
def _stopping_on_signals(runner: Runner) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    stops = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
    for number, name in stops.items():
        loop.add_signal_handler(number, runner.request_stop, name)
    try:
        yield
    finally:
        for number in stops:
            loop.remove_signal_handler(number)

"""A simulation put together: a bench, its time, a rig on it, a run on the rig, and who listens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.bench_process import BenchProcess
from daemon.bench_rig import wiring_of
from daemon.clock import BenchClock, ControlPort, real_second, real_utc_second
from daemon.engine import Run
from daemon.placing import Placement, Sources, new_run_id, place_new
from daemon.plan import Plan
from daemon.runner import Progress, Runner
from daemon.wiring import connect_rig

STATION = "bench"
BENCH_LOG_NAME = "bench.jsonl"
SUPERVISE_EVERY_SECOND_AT_MAX = 600.0
SUPERVISE_EVERY_SECOND_LIVE = 1.0


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
    wall_second: float
    run_time_second: float


async def simulate(simulation: Simulation, tell: Callable[[Progress], None]) -> Finished:
    """Start a bench, carry the plan out on it through the real daemon stack, end the bench.

    SIGINT and SIGTERM end the run with the cell at open circuit; its outcome is then "stopped".

    Raises:
        BenchStartError, BenchGoneError, StoreError, DriverError.
    """
    began_second = real_second()
    run_id = new_run_id(STATION, real_utc_second())
    placement = Placement(
        station=STATION,
        data_directory=simulation.data_directory,
        supervise_every_second=SUPERVISE_EVERY_SECOND_AT_MAX
        if simulation.pace is None
        else SUPERVISE_EVERY_SECOND_LIVE,
        simulated=True,
        seed=simulation.seed,
    )
    directory = simulation.data_directory / run_id
    directory.mkdir(parents=True)
    async with _bench(simulation, directory / BENCH_LOG_NAME) as (bench, clock):
        rig = await connect_rig(wiring_of(bench, simulation.potentiostat_driver), clock)
        try:
            placed = place_new(
                run_id, simulation.plan, simulation.sources, placement=placement, rig=rig, clock=clock, tell=tell
            )
            with _stopping_on_signals(placed.runner):
                run = await placed.carry_out()
        finally:
            await rig.close()
    return Finished(
        run=run,
        run_id=run_id,
        run_directory=directory,
        wall_second=real_second() - began_second,
        run_time_second=placed.runner.run_time_second,
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

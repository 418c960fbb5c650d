"""A simulation put together: a bench, its time, a rig on it, a run on the rig, and who listens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daemon.bench_process import BenchProcess
from daemon.bench_rig import wiring_of
from daemon.clock import BenchClock, ControlPort, real_second, real_utc_second
from daemon.deciding.run_state import Run
from daemon.plan import MeasuredStep, Plan
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.embedded import EmbeddedBroker
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from daemon.runner import Runner
from daemon.running.progress import Progress
from daemon.service.placing import Placement, make_directory, new_run_id, place_new
from daemon.service.sources import Sources
from daemon.station.wiring import check_needs, connect_rig, plan_on_rig
from daemon.store.records import RUN_FILE_NAME

SITE, STATION = "simulated", "bench"
BENCH_LOG_NAME = "bench.jsonl"
SUPERVISE_EVERY_SECOND_AT_MAX = 600.0
SUPERVISE_EVERY_SECOND_WITH_LIMITS = 10.0
"""At full speed, where the plan has limits that only the host sees: so late at most does it see them."""
SUPERVISE_EVERY_SECOND_LIVE = 1.0
PUBLISH_REST_WITHIN_REAL_SECOND = 10.0


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What to simulate.

    `pace` is simulated seconds a real second; None runs as fast as it goes. `broker` is where rows are published; None
    starts a broker on a free port of this machine.
    """

    plan: Plan
    sources: Sources
    bench_file: Path
    potentiostat_driver: str
    data_directory: Path
    pace: float | None
    seed: int
    broker: BrokerAddress | None
    run_id: str = field(default_factory=lambda: new_run_id(STATION, real_utc_second()))

    @property
    def directory(self) -> Path:
        """The run's own folder."""
        return self.data_directory / self.run_id

    @property
    def run_file(self) -> Path:
        """Where its rows are, as soon as there is a run."""
        return self.directory / RUN_FILE_NAME


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Who is told what during a simulation: its progress, and where its rows are published."""

    progress: Callable[[Progress], None]
    broker: Callable[[BrokerAddress], None]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that has ended, and where it is."""

    run: Run
    run_id: str
    run_directory: Path
    wall_second: float
    run_time_second: float


def _supervise_every_second(simulation: Simulation) -> float:
    if simulation.pace is not None:
        return SUPERVISE_EVERY_SECOND_LIVE
    if "mill_drive" in simulation.plan.needs:
        return SUPERVISE_EVERY_SECOND_LIVE
    has_limits = any(isinstance(step, MeasuredStep) and step.limits for step in simulation.plan.steps)
    return SUPERVISE_EVERY_SECOND_WITH_LIMITS if has_limits else SUPERVISE_EVERY_SECOND_AT_MAX


async def simulate(simulation: Simulation, listeners: Listeners) -> Finished:
    """Start a bench, carry the plan out on it through the real daemon stack, end the bench.

    SIGINT and SIGTERM end the run with the cell at open circuit; its outcome is then "stopped".

    Raises:
        BenchStartError, BenchGoneError, MissingRoleError, StoreError, DriverError.
    """
    began_second = real_second()
    run_id, directory = simulation.run_id, simulation.directory
    placement = Placement(
        station=STATION,
        data_directory=simulation.data_directory,
        supervise_every_second=_supervise_every_second(simulation),
        simulated=True,
        seed=simulation.seed,
    )
    make_directory(directory)
    async with (
        _bench(simulation, directory / BENCH_LOG_NAME) as (bench, clock),
        _publishing(simulation, clock, listeners.broker) as publisher,
    ):
        wiring = wiring_of(bench, simulation.potentiostat_driver)
        check_needs(simulation.plan, wiring)
        plan = plan_on_rig(simulation.plan, wiring)
        rig = await connect_rig(wiring, clock)

        def tell(progress: Progress) -> None:
            publisher.nudge()
            listeners.progress(progress)

        try:
            placed = place_new(
                *(run_id, plan, simulation.sources),
                placement=placement,
                rig=rig,
                clock=clock,
                tell=tell,
                holds_wait=False,
            )
            publisher.follow(directory, placed.header)
            with _stopping_on_signals(placed.runner):
                run = await placed.carry_out()
            await publisher.drained(PUBLISH_REST_WITHIN_REAL_SECOND)
            placed.close()
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


@contextlib.asynccontextmanager
async def _publishing(
    simulation: Simulation, clock: BenchClock, announce: Callable[[BrokerAddress], None]
) -> AsyncIterator[Publisher]:
    async with contextlib.AsyncExitStack() as stack:
        outlet: EmbeddedBroker | MqttOutlet
        if simulation.broker is None:
            outlet = await stack.enter_async_context(EmbeddedBroker())
            announce(outlet.address)
        else:
            outlet = MqttOutlet(simulation.broker)
            announce(simulation.broker)
        publisher = Publisher(outlet, StationTopics(SITE, STATION), simulation.data_directory, clock)
        yield await stack.enter_async_context(publisher)


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

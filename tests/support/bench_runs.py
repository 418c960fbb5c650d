"""Runs in this process on a simulated laboratory in one of its own, which goes wrong at known seconds."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.bench_process import BenchProcess
from daemon.clock import BenchClock, ControlPort
from daemon.compile import load_plan
from daemon.deciding.run_state import Run
from daemon.events import SegmentRecord
from daemon.service.placing import Placement, place_new
from daemon.service.sources import Sources
from daemon.station.wiring import RigWiring, connect_rig, plan_on_rig
from drivers.roles import PotentiostatLimits
from tests.support.rigs import RUN_ID, records_of

Fault = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A run that was carried out, its segments, and what the bench itself saw."""

    run: Run
    records: list[SegmentRecord]
    zero_second: float
    ended_second: float
    log: list[dict[str, Any]]

    @property
    def warned(self) -> list[str]:
        return [warning.partition(":")[0] for warning in self.run.warnings]

    def charge_coulomb(self) -> float:
        """What has truly gone into the cell, less what has come out."""
        (end,) = [line for line in self.log if line["event"] == "end"]
        return end["charge_in_coulomb"] - end["charge_out_coulomb"]

    @property
    def blade(self) -> list[dict[str, Any]]:
        """What the bench itself saw the blade of a mill do."""
        return blade(self.log)

    def stopped_second(self) -> float:
        """Run time at which the blade was first let go or told to stop, by whomever."""
        return min(line["bench_second"] for line in self.blade if line["goal_rpm"] == 0) - self.zero_second

    def started_second(self) -> float:
        """Run time at which it was last told to turn."""
        return max(line["bench_second"] for line in self.blade if line["goal_rpm"] > 0) - self.zero_second


def blade(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a bench saw a blade do."""
    return [line for line in log if line["event"] == "blade"]


def on(cable: str, kind: str, at_second: float, **details: Any) -> Fault:
    """A word to the control port; its second counts from the run's start."""
    return {"cable": cable, "kind": kind, "at_second": at_second, **details}


async def carried_out(
    bench_file: Path,
    folder: Path,
    wiring_of: Callable[[BenchProcess], RigWiring],
    sources: Sources,
    limits: PotentiostatLimits | None,
    *,
    every_second: float,
    faults: Iterable[Fault] = (),
) -> Carried:
    """Carry a protocol out to its end, with nobody to ask; the run and the bench's log are in the folder."""
    log_file = folder / "bench.jsonl"
    bench = await BenchProcess.start(bench_file, log_file=log_file, seed=1)
    control = await ControlPort.connect(bench.control_address)
    clock = await BenchClock.own(control, pace=None, on_owner_lost="freeze")
    wiring = wiring_of(bench)
    plan, _ = load_plan(sources.protocol_text, sources.protocol_name, sources.cell_text, sources.cell_name, limits)
    rig = await connect_rig(wiring, clock)
    placement = Placement(station="bench", data_directory=folder, supervise_every_second=every_second, simulated=True)
    try:
        placed = place_new(
            RUN_ID,
            plan_on_rig(plan, wiring),
            sources,
            placement=placement,
            rig=rig,
            clock=clock,
            tell=lambda _: None,
            holds_wait=False,
        )
        zero_second = placed.header.zero_second
        for fault in faults:
            await control.ask("fault", **fault | {"at_second": zero_second + fault["at_second"]})
        run = await placed.carry_out()
        ended_second = placed.runner.run_time_second
        placed.close()
        await control.ask("end")
    finally:
        await rig.close()
        await clock.close()
        await bench.wait_for_end()
    return Carried(
        run=run,
        records=records_of(placed.directory / "run.sqlite"),
        zero_second=zero_second,
        ended_second=ended_second,
        log=[json.loads(line) for line in log_file.read_text().splitlines()],
    )

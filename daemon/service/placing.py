"""Placing a run on a rig: a new one in a file of its own, or one that was left, taken up from its file."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.clock import Clock
from daemon.crash_points import reach
from daemon.deciding.run_state import Phase, Run
from daemon.engine import ENGINE_VERSION
from daemon.events import Resumed, RunStarted
from daemon.plan import Plan
from daemon.recover import check_same_instruments, left_run
from daemon.results.calibration_facts import has_expired
from daemon.rig import Rig
from daemon.rows.streams import STREAMS
from daemon.runner import Runner
from daemon.running.progress import Progress
from daemon.service.sources import Sources
from daemon.store.errors import StoreError
from daemon.store.records import RUN_FILE_NAME, RunHeader
from daemon.store.run_file import RunFile

_STAMP = "%Y%m%dT%H%M%SZ"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where runs of a station go and how they are watched.

    `seed` is a bench's; None at real instruments. `station_sha256` is of the station file, empty where there is none.
    """

    station: str
    data_directory: Path
    supervise_every_second: float
    simulated: bool
    seed: int | None = None
    station_sha256: str = ""


@dataclass
class PlacedRun:
    """A run on its rig, ready to be carried out."""

    directory: Path
    header: RunHeader
    runner: Runner
    _file: RunFile
    _first: RunStarted | Resumed

    async def carry_out(self) -> Run:
        """Carry it out to its end. Raises as `Runner.run_to_end`."""
        return await self.runner.run_to_end(self._first)

    @property
    def plan_in_force(self) -> Plan | None:
        """The plan it has now; None when it has ended."""
        run = self.runner.run
        return None if run.phase is Phase.FINISHED else run.plan

    def close(self) -> None:
        """Close its file; a run that has ended becomes one plain file, if nobody reads it just now.

        That takes its time: not for a loop on which other runs are watched.
        """
        try:
            if self.runner.run.phase is Phase.FINISHED:
                reach("before_seal")
                self._file.seal()
                reach("after_seal")
        finally:
            self._file.close()


def new_run_id(station: str, utc_second: float) -> str:
    """`<station>-<utc>-<six random characters>`."""
    stamp = datetime.fromtimestamp(utc_second, UTC).strftime(_STAMP)
    return f"{station}-{stamp}-{secrets.token_hex(3)}"


def utc_second_in(run_id: str) -> float | None:
    """The whole second at which a run of this id began, or began to wait for its rig; None when it does not say."""
    with suppress(ValueError, IndexError):
        return datetime.strptime(run_id.rsplit("-", 2)[1], _STAMP).replace(tzinfo=UTC).timestamp()
    return None


def make_directory(directory: Path) -> None:
    """A folder of the data directory, and those above it; one that is there stays. Raises `StoreError`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"this folder can't be made: {error.strerror}"
        raise StoreError(directory, what, "name a data directory that may be written") from error


def place_new(
    run_id: str,
    plan: Plan,
    sources: Sources,
    *,
    placement: Placement,
    rig: Rig,
    clock: Clock,
    tell: Callable[[Progress], None],
    without_acceptance: str = "",
    holds_wait: bool = True,
) -> PlacedRun:
    """Make a run's file and put the run on a rig. Nothing is switched on.

    `without_acceptance` is as in the header, `holds_wait` as in `RunStarted`.

    Raises:
        StoreError: the file can't be made.
    """
    directory = placement.data_directory / run_id
    make_directory(directory)
    header = RunHeader(
        run_id=run_id,
        engine_version=str(ENGINE_VERSION),
        simulated=placement.simulated,
        station=placement.station,
        rig=rig.name,
        started_utc_second=clock.utc_second(),
        clock_epoch=clock.epoch,
        zero_second=clock.now_second(),
        protocol_name=sources.protocol_name,
        protocol_text=sources.protocol_text,
        cell_name=sources.cell_name,
        cell_text=sources.cell_text,
        plan_json=msgspec.json.encode(plan),
        seed=placement.seed,
        supervise_every_second=placement.supervise_every_second,
        instruments=_instruments(rig),
        pressure_calibration=msgspec.to_builtins(rig.pressure_calibration) if rig.pressure_calibration else {},
        station_sha256=placement.station_sha256,
        without_acceptance=without_acceptance,
    )
    if has_expired(header):
        said = header.pressure_calibration
        log.warning("%s: the calibration %s ended on %s", run_id, said["certificate"], said["valid_until"])
    run_file = RunFile.create(directory / RUN_FILE_NAME, header, STREAMS)
    reach("run_file_made")
    runner = Runner(
        Run(plan=plan),
        rig,
        clock,
        run_file,
        run_id=run_id,
        zero_second=header.zero_second,
        supervise_every_second=placement.supervise_every_second,
        tell=tell,
    )
    return PlacedRun(directory, header, runner, run_file, RunStarted(holds_wait=holds_wait))


def place_left(directory: Path, rig: Rig, clock: Clock, cause: str, tell: Callable[[Progress], None]) -> PlacedRun:
    """Put a run that was left back on its rig. Nothing is asked of the instruments yet.

    Its file is checked, which takes its time: not for a loop on which other runs are watched.

    Raises:
        StoreError: the file is damaged, of other versions, or another daemon holds it.
        WrongInstrumentError: the rig has not the instruments, or the calibration, the run began with.
    """
    run_file = RunFile.open(directory / RUN_FILE_NAME, engine_version=str(ENGINE_VERSION))
    try:
        header = run_file.header
        check_same_instruments(header, rig.identities, rig.pressure_calibration)
        left = left_run(run_file)
        zero_second = left.zero_second(header, clock)
        runner = Runner(
            left.run,
            rig,
            clock,
            run_file,
            run_id=header.run_id,
            zero_second=zero_second,
            supervise_every_second=header.supervise_every_second,
            tell=tell,
        )
        return PlacedRun(directory, header, runner, run_file, left.first_event(runner.run_time_second, cause))
    except BaseException:
        run_file.close()
        raise


def _instruments(rig: Rig) -> dict[str, dict[str, str]]:
    return {
        role: {
            "maker": identity.maker,
            "model": identity.model,
            "serial_number": identity.serial_number,
            "firmware": identity.firmware,
        }
        for role, identity in rig.identities.items()
    }

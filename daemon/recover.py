"""Taking up a run that a dead daemon left: what its file says, and whether the rig is still the one it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.clock import Clock
from daemon.deciding.run_state import Phase, Run
from daemon.events import Resumed, RunStarted
from daemon.rows.pressure import DECIDES_PRESSURE, PressureCalibration
from daemon.store.errors import StoreError, damaged
from daemon.store.glancing import glance_at_other_version
from daemon.store.reading import read_header, read_journal, read_snapshot
from daemon.store.records import RUN_FILE_NAME, RunHeader, decoded
from daemon.store.run_file import RunFile
from daemon.stored import run_to_go_on, stored_plan
from drivers.errors import WrongInstrumentError
from drivers.roles import Identity


class _PhaseOfRun(msgspec.Struct):
    """What of a run's state every version has."""

    phase: str


_decode_phase = msgspec.json.Decoder(_PhaseOfRun).decode


@dataclass(frozen=True)
class UnfinishedRuns:
    """Folders of runs whose files do not say that they ended, oldest first, and of those that can't be read: why."""

    left: list[Path]
    unreadable: dict[Path, str]


@dataclass(frozen=True)
class LeftRun:
    """A run as it was left: its state, and the last moment at which anything is known of it."""

    run: Run
    last_run_time_second: float
    last_utc_second: float
    began: bool

    def zero_second(self, header: RunHeader, clock: Clock) -> float:
        """The clock's second at which the run's time is 0.

        After a restart of the machine, or on another clock, only UTC says how long nobody was there; it never makes the
        run's time go back.
        """
        if header.clock_epoch == clock.epoch:
            return header.zero_second
        away_second = max(0.0, clock.utc_second() - self.last_utc_second) if self.began else 0.0
        return clock.now_second() - self.last_run_time_second - away_second

    def first_event(self, run_time_second: float, cause: str) -> RunStarted | Resumed:
        """The event with which it goes on at a run time."""
        if not self.began:
            return RunStarted()
        return Resumed(cause=cause, away_second=max(0.0, run_time_second - self.last_run_time_second))


def unfinished_runs(data_directory: Path) -> UnfinishedRuns:
    """What was left in a data directory. One file that can't be read keeps nobody from the others."""
    left, unreadable = [], {}
    for path in sorted(data_directory.glob(f"*/{RUN_FILE_NAME}")):
        try:
            if not has_ended(path):
                left.append(path.parent)
        except (StoreError, OSError) as error:
            other = glance_at_other_version(path)
            if other is None or other.phase != Phase.FINISHED:
                unreadable[path.parent] = str(error)
    return UnfinishedRuns(left, unreadable)


def rig_of(directory: Path) -> str | None:
    """On which rig a run was; None when its file does not say."""
    path = directory / RUN_FILE_NAME
    try:
        return read_header(path).rig
    except (StoreError, OSError):
        other = glance_at_other_version(path)
        return other.rig if other else None


def has_ended(path: Path) -> bool:
    """Whether the run of a file is finished. Raises `StoreError`, `OSError`."""
    snapshot = read_snapshot(path)
    return snapshot is not None and decoded(path, "its state", _decode_phase, snapshot.body).phase == Phase.FINISHED


def left_run(run_file: RunFile) -> LeftRun:
    """The state in an opened run file. Raises `StoreError`, also when another version of the engine stored it."""
    snapshot = read_snapshot(run_file)
    if snapshot is None:
        plan = stored_plan(run_file.path, run_file.header)
        return LeftRun(Run(plan=plan), 0.0, run_file.header.started_utc_second, began=False)
    run = run_to_go_on(run_file.path, snapshot)
    last = next(read_journal(run_file, after_seq=max(0, snapshot.journal_seq - 1)), None)
    if last is None:
        raise damaged(run_file.path, f"its state is that after journal row {snapshot.journal_seq}, which is missing")
    return LeftRun(run, last.run_time_second, last.utc_second, began=True)


def check_same_instruments(
    header: RunHeader, identities: Mapping[str, Identity], pressure_calibration: PressureCalibration | None
) -> None:
    """A run goes on only with the instruments it began with, and with the load cell calibrated as it was.

    Raises:
        WrongInstrumentError: a role is filled by another maker, model or serial number, or by nobody; or a number of
            the calibration is another.
    """
    for role, known in header.instruments.items():
        expected = f"{known['maker']} {known['model']} {known['serial_number']}".strip()
        identity = identities.get(role)
        found = f"{identity.maker} {identity.model} {identity.serial_number}".strip() if identity else "nothing"
        if found != expected:
            raise WrongInstrumentError(role, expected, found)
    began_with = header.pressure_calibration
    now = msgspec.to_builtins(pressure_calibration) if pressure_calibration else {}
    changed = [name for name in DECIDES_PRESSURE if began_with.get(name) != now.get(name)]
    if changed:
        expected, found = (", ".join(f"{name} {said.get(name)}" for name in changed) for said in (began_with, now))
        raise WrongInstrumentError("load_cell", f"the calibration the run began with, {expected}", found)

"""Taking up a run that a dead daemon left: what its file says, and whether the rig is still the one it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.clock import Clock
from daemon.engine import Phase, Run, decode_run
from daemon.events import Resumed, RunStarted
from daemon.plan import Plan
from daemon.store.reading import read_journal, read_snapshot
from daemon.store.records import RunHeader
from daemon.store.run_file import RunFile
from drivers.errors import WrongInstrumentError
from drivers.roles import Identity

RUN_FILE_NAME = "run.sqlite"


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


def unfinished_runs(data_directory: Path) -> list[Path]:
    """Directories of runs whose files do not say that they ended, oldest first. Raises `StoreError`."""
    found = []
    for path in sorted(data_directory.glob(f"*/{RUN_FILE_NAME}")):
        snapshot = read_snapshot(path)
        if snapshot is None or decode_run(snapshot.body).phase is not Phase.FINISHED:
            found.append(path.parent)
    return found


def left_run(run_file: RunFile) -> LeftRun:
    """The state in an opened run file. Raises `StoreError`."""
    snapshot = read_snapshot(run_file)
    if snapshot is None:
        plan = msgspec.json.decode(run_file.header.plan_json, type=Plan)
        return LeftRun(Run(plan=plan), 0.0, run_file.header.started_utc_second, began=False)
    last = next(iter(read_journal(run_file, after_seq=snapshot.journal_seq - 1)))
    return LeftRun(decode_run(snapshot.body), last.run_time_second, last.utc_second, began=True)


def check_same_instruments(header: RunHeader, identities: Mapping[str, Identity]) -> None:
    """A run goes on only with the instruments it began with.

    Raises:
        WrongInstrumentError: a role is filled by another maker, model or serial number, or by nobody.
    """
    for role, known in header.instruments.items():
        expected = f"{known['maker']} {known['model']} {known['serial_number']}".strip()
        identity = identities.get(role)
        found = f"{identity.maker} {identity.model} {identity.serial_number}".strip() if identity else "nothing"
        if found != expected:
            raise WrongInstrumentError(role, expected, found)

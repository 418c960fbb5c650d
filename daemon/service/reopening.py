"""Steps appended to a run that has ended: its sealed file gets the new plan, and the run is held on its rig again."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from daemon.clock import Clock
from daemon.deciding.editing import refusals
from daemon.deciding.run_state import Phase, Run, encode_run
from daemon.engine import ENGINE_VERSION, advance
from daemon.events import PlanChanged, encode_event, kind_of
from daemon.recover import check_same_instruments, left_run, rig_of
from daemon.rig import Rig
from daemon.running.asked_edit import EditRefusedError
from daemon.service.placing import utc_second_in
from daemon.store.errors import StoreError
from daemon.store.reading import read_header, read_snapshot
from daemon.store.records import RUN_FILE_NAME, JournalEntry, RunHeader
from daemon.store.run_file import RunFile
from daemon.stored import stored_run


def ended_run(directory: Path) -> Run:
    """The state of a run that nobody carries out, for an edit. Raises `EditRefusedError` unless it has ended."""
    path = directory / RUN_FILE_NAME
    snapshot = read_snapshot(path)
    run = None if snapshot is None else stored_run(path, snapshot)
    if run is None or run.phase is not Phase.FINISHED:
        raise EditRefusedError(f"{directory.name} has not ended and is not carried out: see `presscell status`")
    return run


def reopen(directory: Path, rig: Rig, clock: Clock, change: PlanChanged) -> None:
    """Give a finished run another plan, durably: from then on it is a run that was left, and is held.

    Raises:
        EditRefusedError: it may not have it, or another run has been on the rig since.
        StoreError: the file is damaged, of other versions, or another daemon holds it.
        WrongInstrumentError: the rig has not the instruments, or the calibration, the run began with.
    """
    path = directory / RUN_FILE_NAME
    header = read_header(path)
    check_same_instruments(header, rig.identities, rig.pressure_calibration)
    _refuse_after_another(directory, header)
    with RunFile.open(path, engine_version=str(ENGINE_VERSION)) as run_file:
        left = left_run(run_file)
        why = refusals(left.run, change.plan)
        if why:
            run_file.seal()
            raise EditRefusedError("; ".join(why))
        now_second = clock.now_second() - left.zero_second(header, clock)
        event = msgspec.structs.replace(change, segment=left.run.segment)
        run, _ = advance(left.run, event, now_second)
        entry = JournalEntry(
            run_time_second=now_second, utc_second=clock.utc_second(), kind=kind_of(event), body=encode_event(event)
        )
        run_file.commit([entry], [], encode_run(run))


def _refuse_after_another(directory: Path, header: RunHeader) -> None:
    """Nobody knows whether the cell is still in a jig that another run has used, or may have used."""
    for path in sorted(directory.parent.glob(f"*/{RUN_FILE_NAME}")):
        try:
            other = read_header(path)
        except (StoreError, OSError) as error:
            _refuse_unless_elsewhere(path.parent, header, error)
            continue
        if other.rig == header.rig and other.started_utc_second > header.started_utc_second:
            what = f"{other.run_id} was begun on {header.rig} since"
            raise EditRefusedError(f"{what}: begin a new run with what is to come")


def _refuse_unless_elsewhere(other: Path, header: RunHeader, error: Exception) -> None:
    """A run whose file cannot be read was on this rig since, unless the file or its name says otherwise."""
    if rig_of(other) not in (None, header.rig):
        return
    utc_second = utc_second_in(other.name)
    if utc_second is not None and utc_second < math.floor(header.started_utc_second):
        # While a run waits on a rig no other begins there: the order of ids is that of the runs.
        return
    what = f"{other.name} may have been begun on {header.rig} since, and nobody can tell: {error}"
    raise EditRefusedError(f"{what}. Begin a new run with what is to come, or move its folder away if it was not")

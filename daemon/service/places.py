"""The instruments of a station, and whether anybody needs one of them as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.recover import rig_of, unfinished_runs
from daemon.service.asking import SOCKET_NAME, NotReachableError, RefusedByDaemonError, ask_daemon
from daemon.service.daemon import LOCK_NAME
from daemon.station.file import StationFile
from daemon.station.instrument_settings import Instrument
from daemon.store.errors import StoreError
from daemon.store.lock import OwnerLock


@dataclass(frozen=True)
class Place:
    """One instrument of a station, by a name such as `rig1.chamber`, and the rigs that use it."""

    subject: str
    role: str
    said: Instrument
    rigs: frozenset[str]


class TakenError(Exception):
    """An instrument belongs to a daemon, or to a run that waits for one; the text says which, and what to do."""


def places_of(file: StationFile) -> Iterator[Place]:
    """Every instrument once, those that rigs share too."""
    for name, rig in file.rigs.items():
        for role, said in rig.instruments.items():
            yield Place(f"{name}.{role}", role, said, frozenset({name}))
    for name, shared in file.shared.items():
        users = frozenset(rig_name for rig_name, rig in file.rigs.items() if name in rig.shared.values())
        yield Place(f"{name}.chamber", "chamber", shared.chamber, users)


def waiting_runs(data: Path) -> dict[Path, str | None]:
    """The folders of runs that a daemon must take up, each with its rig; None when its file does not say."""
    found = unfinished_runs(data)
    return {directory: rig_of(directory) for directory in (*found.left, *found.unreadable)}


@asynccontextmanager
async def alone_with(place: Place, data: Path) -> AsyncIterator[None]:
    """Have an instrument for oneself: while this lasts no daemon can start in the station's data directory.

    Raises `TakenError`.
    """
    try:
        await ask_daemon(data / SOCKET_NAME, "status")
    except (NotReachableError, RefusedByDaemonError):
        lock = _lock_of(data)
    else:
        raise TakenError(f"a daemon runs in {data} and owns {place.subject}; end it first, its runs go on without it")
    try:
        for directory, rig in waiting_runs(data).items() if lock else ():
            if rig is None or rig in place.rigs:
                raise TakenError(f"{directory.name} is unfinished and needs {place.subject} as it is; serve it first")
        yield
    finally:
        if lock is not None:
            lock.release()


def _lock_of(data: Path) -> OwnerLock | None:
    if not data.exists():
        return None
    try:
        return OwnerLock(data / LOCK_NAME)
    except StoreError as error:
        raise TakenError(f"{data}: {error.what}; end it first") from error

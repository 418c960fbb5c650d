"""Warns before the disk is full: once when the runs under way may need more than is free, and once when it is over."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from daemon.clock import real_second
from daemon.deciding.run_state import Run
from daemon.deciding.telling import on
from daemon.events import DISK_LOW, DISK_ROOM, Noticed
from daemon.plans.room import LISTENED_ROWS_PER_SECOND, SPARE_BYTES, bytes_to_come
from daemon.rig import Rig
from daemon.service.rig_use import Busy

LOOK_EVERY_REAL_SECOND = 10.0
"""A disk fills in real time, also under a simulated laboratory."""
ROOM_AGAIN_SHARE = 1.1
"""Of what is needed: with so much free the warning is over."""

log = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """What this account may still write on a folder's volume. Raises `OSError`."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


class DiskRoom:
    """The room on the volume of a data directory, against what runs still need."""

    def __init__(self, folder: Path, free: Callable[[Path], int] = free_bytes) -> None:
        """Nothing is looked at yet."""
        self._folder = folder
        self._free = free
        self._due_second = 0.0
        self._is_looking = False
        self._is_low = False
        self._text = ""

    def is_due(self) -> bool:
        """Whether it is time to look: not for a while after it was, and never while a volume keeps a look waiting."""
        if self._is_looking or real_second() < self._due_second:
            return False
        self._due_second = real_second() + LOOK_EVERY_REAL_SECOND
        return True

    async def tell(self, rigs: Mapping[str, Busy]) -> None:
        """Look, and tell each run, as it looks next, what it does not know of the disk."""
        self._is_looking = True
        try:
            await asyncio.to_thread(self.look, [(busy.placed.runner.run, busy.rig) for busy in rigs.values()])
        finally:
            self._is_looking = False
        for busy in rigs.values():
            word = self.word_for(busy.placed.runner.run)
            if word is not None:
                busy.placed.runner.host.note(word)

    def look(self, runs: Iterable[tuple[Run, Rig]]) -> None:
        """See how much is free, and how much these runs still need. A volume that cannot be asked changes nothing.

        That takes its time: not for a loop on which runs are watched.
        """
        try:
            free = self._free(self._folder)
        except OSError as error:
            log.warning("nobody knows how much of the disk is free: %s", error)
            return
        need = SPARE_BYTES + sum(
            bytes_to_come(run.plan, run.position, run.passes, _beside_rows_per_second(rig)) for run, rig in runs
        )
        was_low, self._is_low = self._is_low, free < (ROOM_AGAIN_SHARE if self._is_low else 1.0) * need
        self._text = f"{_gigabytes(free)} free where runs are stored, {_gigabytes(need)} needed"
        if self._is_low != was_low:
            log.warning("the disk has %s: %s", "too little room" if self._is_low else "room again", self._text)

    def word_for(self, run: Run) -> Noticed | None:
        """What a run is to be told that does not know it; None when it knows."""
        if self._is_low == (DISK_LOW in on(run)):
            return None
        if self._is_low:
            advice = "make room: a full disk brings every cell to open circuit"
            return Noticed(what=DISK_LOW, text=f"{self._text}; {advice}")
        return Noticed(what=DISK_ROOM, text=self._text)


def _beside_rows_per_second(rig: Rig) -> float:
    listened = LISTENED_ROWS_PER_SECOND if rig.load_cell is not None else 0.0
    return listened + (1.0 / rig.temperature_every_second if rig.thermometer is not None else 0.0)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB"

"""Counts what the runs of a station have used, from their journals, as far as each was not counted before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from daemon.events import SegmentEnded
from daemon.recover import has_ended
from daemon.station.settings import RigSettings
from daemon.store.errors import StoreError
from daemon.store.reading import read_header, read_journal
from daemon.store.records import RUN_FILE_NAME, RunHeader
from daemon.store.usage_store import UsageStore
from daemon.stored import stored_event
from daemon.usage import Total, Use, Used, uses_of_run, uses_of_segment
from protocols.cell import read_cell
from protocols.errors import ProblemsFound

SEGMENT_ENDED = "segment_ended"
"""The only kind of event that is decoded."""

log = logging.getLogger(__name__)


class UsageBook:
    """The usage counters of a station, with the limits that it states for its rigs."""

    def __init__(self, store: UsageStore, data_directory: Path, rigs: Mapping[str, RigSettings]) -> None:
        """Nothing is counted yet; the store is closed with this."""
        self._store = store
        self._data = data_directory
        self._rigs = rigs
        self._turn = asyncio.Lock()
        self._totals: list[Total] = []

    async def catch_up(self, leave_out: Collection[str] = ()) -> list[Total]:
        """Count what is new in all runs but those of some ids, and answer every counter.

        Raises:
            StoreError: of the station's file. A run that can't be read is left out.
        """
        async with self._turn:
            totals = await asyncio.to_thread(self._catch_up, frozenset(leave_out))
        self._totals = [msgspec.structs.replace(total, warn_at=self._limit(total)) for total in totals]
        return self._totals

    async def reopened(self, run_id: str) -> None:
        """Count a run further that had ended. Raises `StoreError`."""
        async with self._turn:
            await asyncio.to_thread(self._store.reopened, run_id)

    def warnings(self, rig: str) -> list[str]:
        """What has been used too much on a rig, as of when it was counted last."""
        return [total.warning for total in self._totals if total.rig == rig and total.warning]

    async def close(self) -> None:
        """Close the store."""
        async with self._turn:
            self._store.close()

    def _limit(self, total: Total) -> float | None:
        said = self._rigs[total.rig].warn_at if total.rig in self._rigs else None
        limit = getattr(said, total.counter, None)
        return limit if isinstance(limit, float) else None

    def _catch_up(self, leave_out: frozenset[str]) -> list[Total]:
        for path in sorted(self._data.glob(f"*/{RUN_FILE_NAME}")):
            run_id = path.parent.name
            counted, is_done = self._store.counted(run_id)
            if is_done or run_id in leave_out:
                continue
            try:
                header, is_done = read_header(path), has_ended(path)
                uses, up_to = self._uses(path, header, counted)
            except (StoreError, ProblemsFound, OSError) as error:
                log.info("%s is not counted: %s", run_id, error)
                continue
            if up_to > counted or is_done:
                self._store.add(run_id, header.rig, uses, up_to=up_to, is_done=is_done)
        return self._store.totals()

    def _uses(self, path: Path, header: RunHeader, counted: int) -> tuple[list[Use], int]:
        """What a run used after an entry of its journal, and the last entry that was looked at."""
        found: list[Use] = []
        used, up_to, run_time_second = self._used(header), counted, 0.0
        for entry in read_journal(path, after_seq=counted):
            event = stored_event(path, entry) if entry.kind == SEGMENT_ENDED else None
            if isinstance(event, SegmentEnded):
                found.extend(uses_of_segment(used, event.record))
            up_to, run_time_second = entry.seq, entry.run_time_second
        if up_to > counted:
            found.extend(uses_of_run(used, run_time_second))
        return found, up_to

    def _used(self, header: RunHeader) -> Used:
        cell = read_cell(header.cell_text, header.cell_name).cell
        mill = _named(header, "mill_drive")
        rig = self._rigs.get(header.rig)
        jigs = (cell.fixture.jig if cell and cell.fixture else None, rig.fixture.jig if rig and rig.fixture else None)
        named = next((jig for jig in jigs if jig), None)
        return Used(
            run_id=header.run_id,
            potentiostat=_named(header, "potentiostat"),
            jig=None if mill else f"jig {named}" if named else f"jig of {header.rig}",
            mill=mill,
            cell=cell.cell.name if cell else header.run_id,
        )


def _named(header: RunHeader, role: str) -> str | None:
    """Maker, model and serial number, or of what has none the rig; None where there is no such instrument."""
    identity = header.instruments.get(role)
    if identity is None:
        return None
    which = identity["serial_number"] or f"of {header.rig}"
    return f"{identity['maker']} {identity['model']} {which}"

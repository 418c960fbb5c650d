"""How much potentiostats, jigs and mills have been used, counted from what runs have on record. Pure.

Every count belongs to one part of one run, so that counting the same record again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.events import SegmentRecord

RELAY_OPERATIONS, OUTPUT_HOURS = "relay_operations", "output_hours"
JIG_PRESSINGS, JIG_CYCLES, JIG_HOURS = "jig_pressings", "jig_cycles", "jig_hours"
MILL_STARTS, MILL_HOURS = "mill_starts", "mill_hours"
OPERATIONS_PER_SEGMENT = 2
"""The output relay closes when a segment begins and opens when it ends."""
RELAY_STAYS_OPEN = "wait_for"
"""Segments of this type leave the cell alone."""
SECOND_PER_HOUR = 3600.0


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """So much of one counter of one thing by one part of what was done; counted again, the larger amount holds."""

    subject: str
    counter: str
    part: str
    amount: float


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What a run uses: its potentiostat, its jig, its mill's drive, None where there is none; and the cell pressed."""

    run_id: str
    potentiostat: str | None
    jig: str | None
    mill: str | None
    cell: str


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What a counter of one thing stands at, over all runs.

    `rig` is where it was used last. `warn_at` is from where on to warn, None for never.
    """

    subject: str
    counter: str
    amount: float
    rig: str
    warn_at: float | None = None

    @property
    def warning(self) -> str:
        """A sentence without an end; empty below the limit."""
        if self.warn_at is None or self.amount < self.warn_at:
            return ""
        return f"{self.subject}: {self.counter} {self.amount:.6g}, to warn from {self.warn_at:g}"


def uses_of_run(used: Used, run_time_second: float) -> Iterable[Use]:
    """What a run has used of its jig by a run time. A cell is one pressing, however many runs are made on it."""
    if used.jig is None:
        return
    yield Use(subject=used.jig, counter=JIG_PRESSINGS, part=f"cell {used.cell}", amount=1.0)
    yield Use(subject=used.jig, counter=JIG_HOURS, part=used.run_id, amount=run_time_second / SECOND_PER_HOUR)


def uses_of_segment(used: Used, record: SegmentRecord) -> Iterable[Use]:
    """What a segment of a run has used."""
    part = f"{used.run_id} segment {record.segment}"
    if used.potentiostat is not None and record.step_type != RELAY_STAYS_OPEN:
        hours = (record.end_run_time_second - record.start_run_time_second) / SECOND_PER_HOUR
        operations = float(OPERATIONS_PER_SEGMENT)
        yield Use(subject=used.potentiostat, counter=RELAY_OPERATIONS, part=part, amount=operations)
        yield Use(subject=used.potentiostat, counter=OUTPUT_HOURS, part=part, amount=hours)
    if used.mill is not None and record.milled_second:
        yield Use(subject=used.mill, counter=MILL_STARTS, part=part, amount=1.0)
        yield Use(subject=used.mill, counter=MILL_HOURS, part=part, amount=record.milled_second / SECOND_PER_HOUR)
    if used.jig is not None and record.half is not None and not record.continues and not record.extends:
        yield Use(subject=used.jig, counter=JIG_CYCLES, part=part, amount=0.5)

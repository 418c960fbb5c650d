"""What stops a mill: the interlocks of its stream. Pure."""

from __future__ import annotations

from functools import partial

from daemon.compiling.bounds import DEFAULT, Bounds
from daemon.compiling.interlock_table import NOISY_ROWS_NEEDED
from daemon.plan import Interlock
from daemon.rows.readings import CHILLER_AGE, CHILLER_TROUBLE, DRIVE_FAULT, VESSEL_AGE, VESSEL_TEMPERATURE

CHILLER_SILENT_SECOND = 3.0
"""So long a chiller that is to cool may say nothing."""
VESSEL_UNKNOWN_SECOND = 10.0
"""So long the temperature of the vessel may be unknown, where a protocol or a station bounds it."""


def mill_interlocks(bounds: Bounds) -> tuple[Interlock, ...]:
    """The interlocks of a run that mills: each ends it or holds it, and either lets the blade stand.

    The lid is no input of ours: it is wired to the drive, which trips.
    """
    hot = bounds.high_celsius
    holds = partial(Interlock, action="hold")
    table = [
        Interlock(
            name="vessel_temperature_high",
            quantity=VESSEL_TEMPERATURE,
            high=hot.value,
            action="trip",
            rows_needed=NOISY_ROWS_NEEDED,
            origin=hot.origin,
        ),
        holds(name="chiller_stopped", quantity=CHILLER_TROUBLE, high=0.5),
        holds(name="chiller_silent", quantity=CHILLER_AGE, high=CHILLER_SILENT_SECOND),
        holds(name="drive_fault", quantity=DRIVE_FAULT, high=0.5),
    ]
    if hot.origin != DEFAULT:
        table.append(holds(name="vessel_temperature_unknown", quantity=VESSEL_AGE, high=VESSEL_UNKNOWN_SECOND))
    return tuple(table)

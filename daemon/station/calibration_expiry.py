"""What is told on a day of calibrations that have ended, or soon will. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping

from daemon.station.settings import RigSettings
from protocols.errors import Problem
from protocols.source import Findings, Source

WARN_DAYS = 30
"""So many days before its last one a calibration is told of."""
SECOND_PER_DAY = 86400


def day_number(day: str) -> int:
    """Days from 1970-01-01 to a day as in 2026-03-31."""
    year, month, of_month = map(int, day.split("-"))
    return calendar.timegm((year, month, of_month, 0, 0, 0)) // SECOND_PER_DAY


def expiry_warnings(source: Source, rigs: Mapping[str, RigSettings], today: str) -> list[Problem]:
    """What is to be told of the calibrations of a station on a day."""
    findings = Findings(source)
    for name, rig in rigs.items():
        said = rig.load_cell.calibration if rig.load_cell else None
        if said is None or said.valid_until is None:
            continue
        left = day_number(said.valid_until) - day_number(today)
        path = ("rigs", name, "load_cell", "calibration", "valid_until" if said.file is None else "file")
        if left < 0:
            what = f"{said.certificate} ended on {said.valid_until}: runs that begin are marked"
            findings.warning(path, what, "calibrate: presscell calibrate")
        elif left <= WARN_DAYS:
            what = f"{said.certificate} ends on {said.valid_until}, in {left} day{'s' if left != 1 else ''}"
            findings.warning(path, what, "calibrate in time")
    return findings.problems

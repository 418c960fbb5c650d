"""How pressures were made of what a load cell showed, for whoever reads a run: enough to compute them anew."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Any

from daemon.days import utc_day
from daemon.store.records import RunHeader

CHAIN = (
    "force_newton = (displayed_load - zero_displayed) * newton_per_unit; with a sensor_temperature_celsius T:"
    " force_newton = force_newton * (1 - gain_drift_per_kelvin * (T - reference_celsius))"
    " - zero_drift_newton_per_kelvin * (T - reference_celsius);"
    " surface_pressure_pa = force_newton / area_square_metre, in whole pascals"
)


def calibration_facts(header: RunHeader) -> dict[str, Any]:
    """The calibration a run began with, its chain in words, and the file it came from; empty without a load cell.

    `standard_uncertainty_pa` is that of one pressure as far as the sensor goes: of the calibration, not of the area.
    `expired` is whether it had ended on the day the run began; None where no last day is known.
    """
    said = dict(header.pressure_calibration)
    if not said:
        return {}
    file, text = said.pop("file", None), said.pop("file_text", "")
    uncertainty_newton, area = said.get("standard_uncertainty_newton"), said["area_square_metre"]
    facts: dict[str, Any] = {"chain": CHAIN, "raw": "displayed_load", **said}
    facts["standard_uncertainty_pa"] = None
    if isinstance(uncertainty_newton, float) and isinstance(area, float):
        facts["standard_uncertainty_pa"] = uncertainty_newton / area
    facts["expired"] = has_expired(header)
    if isinstance(text, str) and text:
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        facts["file"] = {"name": PurePath(str(file)).name, "sha256": sha256, "text": text}
    return facts


def has_expired(header: RunHeader) -> bool | None:
    """Whether a run's calibration had ended on the day it began; None where no last day is known."""
    until = header.pressure_calibration.get("valid_until")
    return utc_day(header.started_utc_second) > until if isinstance(until, str) else None

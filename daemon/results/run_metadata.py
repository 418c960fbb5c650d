"""All that is known of a run beside its rows, as plain values: the sidecar of an export, `metadata` of the reader."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from daemon.plan import Plan
from daemon.results.calibration_facts import calibration_facts
from daemon.results.result import Result
from daemon.rows.gaps import Gap
from daemon.rows.pressure import area_of_die
from daemon.store.records import RunHeader
from protocols import units
from protocols.cell import Cell, read_cell

SIMULATED_NOTE = "Made by a simulated laboratory. It tests software and says nothing about a cell."
FIXTURE_NOTE = (
    "torque_newton_metre, applied_force_newton and applied_pressure_pa are what the cell file says of how the jig was"
    " closed: none is measured, and none is computed from another"
)
_TEXTS = {
    "protocol_name",
    "protocol_text",
    "cell_name",
    "cell_text",
    "plan_json",
    "instruments",
    "pressure_calibration",
}


def run_metadata(result: Result, gaps: list[Gap]) -> dict[str, Any]:
    """What a file with the run's rows needs beside it; units are the last word of each name.

    Args:
        result: the run.
        gaps: see `daemon.rows.gaps`.
    """
    header = result.header
    cell = read_cell(header.cell_text, header.cell_name).cell
    return {
        "simulated": header.simulated,
        **({"note": SIMULATED_NOTE} if header.simulated else {}),
        "run": _run(result),
        "sample": _sample(cell, result.plan),
        "reference_electrode": _reference(cell, result.plan),
        "fixture": _fixture(cell),
        "voltage_window": {
            "lower_voltage_volt": result.plan.lower_voltage_volt,
            "upper_voltage_volt": result.plan.upper_voltage_volt,
            "against": result.plan.cell.reference_electrode,
        },
        "pressure_calibration": calibration_facts(header),
        "instruments": header.instruments,
        "steps": _steps(result.plan),
        "protocol": _protocol(result),
        **({"protocol_versions": _versions(result)} if len(result.versions) > 1 else {}),
        "cell_file": _text(header.cell_name, header.cell_text),
        "gaps": gaps,
        "warnings": list(result.run.warnings) if result.run else [],
        "software": software_versions(),
        "header": _rest_of(header),
    }


def _steps(plan: Plan) -> list[dict[str, Any]]:
    return [{"step_number": number, **msgspec.to_builtins(step)} for number, step in enumerate(plan.steps, start=1)]


def _protocol(result: Result) -> dict[str, str]:
    """The protocol that the run has last."""
    if not result.versions:
        return _text(result.header.protocol_name, result.header.protocol_text)
    return _text(result.versions[-1].protocol_name, result.versions[-1].protocol_text)


def _versions(result: Result) -> list[dict[str, Any]]:
    """Every protocol of a run that was edited, in order; step numbers of a segment are those of its version."""
    return [{**version.as_object(), "steps": _steps(version.plan)} for version in result.versions]


def software_versions() -> dict[str, str]:
    """Of what reads and writes here."""
    return {
        "presscell": version("presscell"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
    }


def _run(result: Result) -> dict[str, Any]:
    started = datetime.fromtimestamp(result.header.started_utc_second, UTC)
    return {
        "run_id": result.header.run_id,
        "outcome": result.outcome,
        "reason": result.run.reason if result.run else "",
        "started_utc": started.isoformat(timespec="milliseconds"),
        "started_unix_time_second": result.header.started_utc_second,
        "run_time_second": result.run_time_second,
        "rows_of_the_cell": result.run.rows if result.run else 0,
        "cycles": len(result.cycles),
        "resume_count": result.run.resume_count if result.run else 0,
    }


def _sample(cell: Cell | None, plan: Plan) -> dict[str, Any]:
    facts = plan.cell
    written = cell.model_dump(mode="json", exclude_none=True) if cell else {}
    return {
        "name": facts.name,
        "description": written.get("cell", {}).get("description"),
        "active_mass_gram": facts.active_mass_gram,
        "active_mass_uncertainty_gram": facts.active_mass_uncertainty_gram,
        "active_mass_basis": written.get("composite", {}).get("cam_basis"),
        "one_C_ampere": facts.one_C_ampere,
        "one_C_definition": written.get("c_rate"),
        "composite": written.get("composite"),
        "separator": written.get("separator"),
    }


def _reference(cell: Cell | None, plan: Plan) -> dict[str, Any]:
    of = cell.reference.of if cell else None
    return {
        "name": plan.cell.reference_electrode,
        "of": of,
        "offset_volt": plan.cell.reference_offset_volt,
        "lithium_to_indium_ratio": cell.reference.lithium_to_indium_ratio if cell else None,
        "note": f"voltages are as measured; add offset_volt for voltages against {of or 'the other electrode'}",
    }


def _fixture(cell: Cell | None) -> dict[str, Any]:
    fixture = cell.fixture if cell else None
    if fixture is None:
        return {}
    diameter_mm, pressure_MPa = fixture.diameter_mm, fixture.applied_pressure_MPa
    diameter_metre = None if diameter_mm is None else units.metre(diameter_mm)
    return {
        "jig": fixture.jig,
        "die_diameter_metre": diameter_metre,
        "area_square_metre": None if diameter_metre is None else area_of_die(diameter_metre),
        "torque_newton_metre": fixture.torque_Nm,
        "applied_force_newton": fixture.applied_force_N,
        "applied_pressure_pa": None if pressure_MPa is None else units.pascal(pressure_MPa),
        "note": FIXTURE_NOTE,
    }


def _text(name: str, text: str) -> dict[str, str]:
    return {"name": PurePath(name).name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def _rest_of(header: RunHeader) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(header)
    return {name: value for name, value in values.items() if name not in _TEXTS}

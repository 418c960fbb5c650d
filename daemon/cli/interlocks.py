"""The interlocks in force as people read them: what is bound, by what, what then happens, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table

from daemon.cli.console import duration_text
from daemon.compiling.bounds import DEFAULT
from daemon.plan import CurrentStep, Interlock, Plan

THEN = {
    "trip": "trip",
    "hold": "hold",
    "hold_after_half": "hold after the half-cycle",
    "warn": "warn",
    "flag": "not shown",
}


def _unit(unit: str, factor: float = 1.0) -> Callable[[float], str]:
    return lambda value: f"{factor * value:.4g} {unit}"


_AGE: Callable[[float], str] = duration_text
_WHAT: dict[str, tuple[str, Callable[[float], str] | None]] = {
    "start_voltage_volt": ("voltage at the start", _unit("V")),
    "voltage_before_current_volt": ("voltage before the first current", _unit("V")),
    "voltage_under_current_volt": ("voltage under current", _unit("V")),
    "open_circuit_voltage_volt": ("voltage at open circuit", _unit("V")),
    "voltage_response_volt": ("voltage's answer to a current", _unit("V")),
    "voltage_drop_volt": ("sudden drop of voltage on charge", _unit("mV", 1e3)),
    "voltage_unchanged": ("voltage under current, unchanged", None),
    "current_ampere": ("current", _unit("mA", 1e3)),
    "current_share_percent": ("current, of what was asked", _unit("%")),
    "rows_without_reading": ("no voltage or no current under way", None),
    "charge_passed_ampere_hour": ("charge of a half-cycle", _unit("mAh", 1e3)),
    "coulombic_efficiency_percent": ("discharge over charge", _unit("%")),
    "first_coulombic_efficiency_percent": ("discharge over charge, first cycle", _unit("%")),
    "jig_temperature_celsius": ("jig temperature", _unit("°C")),
    "jig_temperature_deviation_kelvin": ("jig temperature from its setpoint", _unit("K")),
    "jig_temperature_age_second": ("jig temperature not read for", _AGE),
    "jig_temperature_unchanged": ("jig temperature, unchanged", None),
    "surface_pressure_pa": ("stack pressure", _unit("MPa", 1e-6)),
    "surface_pressure_change_percent": ("stack pressure from its baseline", _unit("%")),
    "surface_pressure_drop_pa": ("drop of stack pressure in 10 s", _unit("MPa", 1e-6)),
    "surface_pressure_age_second": ("stack pressure not read for", _AGE),
    "surface_pressure_unchanged": ("stack pressure, unchanged", None),
}


def interlock_rows(plan: Plan) -> Table:
    """The whole table of a plan, drawn; the half-cycle time that each step carries in the instrument goes with it."""
    table = Table(title=f"Interlocks of {plan.protocol_name} on {plan.cell.name}", title_justify="left")
    for heading in ("name", "what", "below", "above", "then", "rows", "from"):
        table.add_column(heading, no_wrap=heading != "what")
    for row in plan.interlocks:
        table.add_row(*_cells(row))
    times = sorted({step.guard_time_second for step in plan.steps if isinstance(step, CurrentStep)})
    if times:
        longest = " to ".join(duration_text(second) for second in dict.fromkeys((times[0], times[-1])))
        what = "time of a half-cycle, 1.5 times 1/C"
        table.add_row("half_cycle_time", what, "", longest, THEN["hold"], "", DEFAULT)
    return table


def _cells(row: Interlock) -> tuple[str, ...]:
    what, shown = _WHAT.get(row.quantity, (row.quantity, _unit("")))
    low = "" if row.low is None or shown is None else shown(row.low)
    high = "" if row.high is None or shown is None else shown(row.high)
    rows = "" if row.rows_needed == 1 else str(row.rows_needed)
    return row.name, what, low, high, THEN[row.action], rows, row.origin

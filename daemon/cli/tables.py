"""Runs as people read them: the cycle table, and measured capacities beside published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from rich.table import Table

from daemon.cli.console import duration_text
from daemon.cycles.table import Cycle
from daemon.mill.runs import MillRun
from protocols.cell import Published


def mill_rows(runs: Iterable[MillRun]) -> Table:
    """The runs of a mill, drawn."""
    table = Table(title="Runs of the blade", title_justify="left")
    for heading in ("run", "step", "from", "at speed / s", "highest vessel / °C", "parts"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for run in runs:
        highest = "" if run.highest_vessel_celsius is None else f"{run.highest_vessel_celsius:.2f}"
        began, second = duration_text(run.start_run_time_second), f"{run.time_at_speed_second:.1f}"
        table.add_row(str(run.number), run.step_id, began, second, highest, str(run.parts))
    return table


def cycle_rows(cycles: Iterable[Cycle]) -> Table:
    """The cycle table, drawn."""
    table = Table(title="Cycles", title_justify="left")
    for heading in ("cycle", "block", "rate / C", "Q charge / mAh/g", "Q discharge / mAh/g", "CE / %", "flags"):
        table.add_column(heading, justify="left" if heading in ("block", "flags") else "right")
    for cycle in cycles:
        table.add_row(
            str(cycle.cycle_count),
            cycle.block,
            _number(cycle.rate_C, 3),
            _number(cycle.charge_capacity_mAh_g, 5),
            _number(cycle.discharge_capacity_mAh_g, 5),
            _number(cycle.coulombic_efficiency_percent, 4),
            ", ".join(cycle.flags),
        )
    return table


def mean_discharge_mAh_g(cycles: Iterable[Cycle], rate_C: float) -> float | None:
    """Mean discharge capacity of all finished cycles at a rate."""
    found = [
        cycle.discharge_capacity_mAh_g
        for cycle in cycles
        if cycle.rate_C == rate_C and cycle.discharge_capacity_mAh_g is not None and "unfinished" not in cycle.flags
    ]
    return fmean(found) if found else None


def beside_published(cycles: Sequence[Cycle], published: Published) -> Table | None:
    """Mean discharge capacity a rate beside the published value; None when no rate is in both."""
    table = Table(title=f"Discharge capacity beside {published.source}", title_justify="left")
    for heading in ("rate / C", "this run / mAh/g", "published / mAh/g", "difference / %"):
        table.add_column(heading, justify="right")
    rates = sorted({cycle.rate_C for cycle in cycles if cycle.rate_C is not None})
    for rate_C in rates:
        mean = mean_discharge_mAh_g(cycles, rate_C)
        theirs = published.by_rate.get(rate_C)
        if mean is None:
            continue
        difference = "not tabulated" if theirs is None else f"{100 * (mean / theirs - 1):+.2f}"
        table.add_row(f"{rate_C:g}", f"{mean:.1f}", "" if theirs is None else f"{theirs:g}", difference)
    in_both = any(rate_C in published.by_rate for rate_C in rates)
    return table if in_both else None


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(decimals, digits)}f}"

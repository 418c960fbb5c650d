"""`presscell plan`: what a protocol would do with a cell, step by step, without doing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from daemon.cli.files import config_path, protocol_path
from daemon.cli.loading import DEFAULT_CELL, DEFAULT_DRIVER, load
from daemon.cli.tables import duration_text, stdout_console
from daemon.plan import CurrentStep, Interlock, LoopStep, Plan, PlanStep, RestStep, SetStep
from daemon.walk import expected_second, steps_to_come
from drivers.registry import potentiostat
from drivers.roles import PotentiostatLimits

BYTES_PER_ROW = 9
"""Compacted size of five columns of a cell stream, measured by `make bench`."""


@click.command()
@click.argument("protocol")
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="The cell file; BM-05 if none is named.")
@click.option("--expanded", is_flag=True, help="The core steps that short forms stand for, loops not unrolled.")
@click.option("--interlocks", is_flag=True, help="The interlock table in force, and where each number comes from.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
def plan(protocol: str, cell_file: Path | None, expanded: bool, interlocks: bool, as_json: bool) -> None:
    """Show what PROTOCOL would do: currents, ranges, duration, rows and disk."""
    made = load(protocol_path(protocol), cell_file or config_path("cells", DEFAULT_CELL), DEFAULT_DRIVER).plan
    totals = _totals(made)
    if as_json:
        click.echo(json.dumps({"plan": msgspec.to_builtins(made), **totals}))
        return
    console = stdout_console()
    if interlocks:
        console.print(_interlock_table(made.interlocks))
        return
    console.print(_step_table(made, potentiostat(DEFAULT_DRIVER).limits) if expanded else _block_table(made))
    rows, disk = totals["expected_rows"], totals["expected_bytes"] / 1e6
    duration = duration_text(totals["expected_second"])
    needs = f" Needs {', '.join(role.replace('_', ' ') for role in made.needs)}." if made.needs else ""
    click.echo(f"About {duration}, {rows:,} rows, {disk:.0f} MB; {totals['segments']} segments.{needs}", err=True)


def _totals(made: Plan) -> dict[str, Any]:
    steps = list(steps_to_come(made, 0, {}))
    seconds = [expected_second(step) for step in steps]
    rows = sum(int(second / step.sampling_second) + 2 for second, step in zip(seconds, steps, strict=True))
    return {
        "segments": len(steps),
        "expected_second": sum(seconds),
        "expected_rows": rows,
        "expected_bytes": rows * BYTES_PER_ROW,
    }


def _block_table(made: Plan) -> Table:
    """What people wrote: a line a block, its passes and how long it may take."""
    table = Table(title=f"{made.protocol_name} on {made.cell.name}", title_justify="left")
    for heading in ("block", "steps", "current", "passes", "may take"):
        table.add_column(heading)
    coming = list(steps_to_come(made, 0, {}))
    for block in dict.fromkeys(step.block for step in made.steps):
        steps = [step for step in made.steps if step.block == block]
        current = [f"{1000 * step.current_ampere:+.4g} mA" for step in steps if isinstance(step, CurrentStep)]
        kinds = [_kind(step) for step in steps if not isinstance(step, LoopStep)]
        passes = [str(step.passes) for step in steps if isinstance(step, LoopStep)]
        second = sum(expected_second(step) for step in coming if step.block == block)
        table.add_row(block, ", ".join(kinds), ", ".join(current), " × ".join(passes) or "1", duration_text(second))
    return table


def _kind(step: CurrentStep | RestStep | SetStep) -> str:
    if isinstance(step, CurrentStep):
        return step.half
    if isinstance(step, SetStep):
        return f"chamber to {step.temperature_celsius:g} °C"
    return "open circuit" if step.until_equilibrated is None else "equilibrate"


def _step_table(made: Plan, limits: PotentiostatLimits) -> Table:
    title = f"{made.protocol_name} on {made.cell.name}, {limits.model}; ends run in the {limits.segment_runs_in}"
    table = Table(title=title, title_justify="left")
    for heading in ("#", "step", "what", "until", "range", "setpoint error", "row every", "limits every"):
        table.add_column(heading, no_wrap=True)
    for index, step in enumerate(made.steps, start=1):
        table.add_row(str(index), *_cells(step, limits))
    return table


def _cells(step: PlanStep, limits: PotentiostatLimits) -> tuple[str, ...]:
    if isinstance(step, LoopStep):
        return (step.step_id, f"{step.passes} passes from step {step.first + 1}", "", "", "", "", "")
    if isinstance(step, SetStep):
        return (step.step_id, "chamber", f"reads back {step.temperature_celsius:g} °C", "", "", "", "")
    every = (f"{step.sampling_second:g} s", f"{step.cutoff_second:g} s")
    if not isinstance(step, CurrentStep):
        return (step.step_id, *_rest_cells(step), "", "", *every)
    current_range = limits.range_for(step.current_ampere)
    error = f"{100 * current_range.setpoint_error(step.current_ampere):.3f} %" if current_range else ""
    rate = f"{step.rate_C:g} C, " if step.rate_C is not None else ""
    what = f"{step.half} {rate}{1000 * step.current_ampere:+.4g} mA"
    return (step.step_id, what, _until(step), f"{1000 * step.current_range_ampere:g} mA", error, *every)


def _rest_cells(step: RestStep) -> tuple[str, str]:
    waits, longest = step.until_equilibrated, duration_text(step.until_time_second)
    if waits is None:
        return "open circuit", longest
    band = f"jig at {waits.temperature_celsius:g} ± {waits.within_kelvin:g} °C"
    return band, f"{duration_text(waits.for_second)} on end ({longest}: {step.on_timeout})"


def _until(step: CurrentStep) -> str:
    ends = []
    if step.until_voltage_volt is not None:
        ends.append(f"{step.until_voltage_volt:g} V")
    if step.until_time_second is not None:
        ends.append(duration_text(step.until_time_second))
    return " or ".join(ends) + f" (at most {duration_text(step.guard_time_second)})"


def _interlock_table(interlocks: tuple[Interlock, ...]) -> Table:
    table = Table(title="Interlocks", title_justify="left")
    for heading in ("name", "quantity", "below", "above", "then", "rows running", "from"):
        table.add_column(heading)
    for row in interlocks:
        low = "" if row.low is None else f"{row.low:g}"
        high = "" if row.high is None else f"{row.high:g}"
        table.add_row(row.name, row.quantity, low, high, row.action, str(row.rows_needed), row.origin)
    return table

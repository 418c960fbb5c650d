"""`presscell plan`: what a protocol would do with a cell, step by step, without doing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from daemon.cli.console import duration_text, stdout_console
from daemon.cli.files import protocol_path
from daemon.cli.inputs import with_inputs
from daemon.cli.interlocks import interlock_rows
from daemon.cli.loading import DEFAULT_DRIVER, cell_path_for, load, load_on_station
from daemon.compiling.power_fitting import currents_ampere
from daemon.plan import (
    END,
    NEXT,
    AdvanceStep,
    CurrentStep,
    Equilibration,
    ExecutedStep,
    Limit,
    LoopStep,
    MeasuredStep,
    MillStep,
    PauseStep,
    Plan,
    PlanStep,
    PowerStep,
    RestStep,
    ScanStep,
    SetStep,
    VoltageStep,
    WaitStep,
)
from daemon.plans.walk import expected_run_second, expected_second, steps_to_come
from daemon.rows.readings import BATH_TEMPERATURE
from drivers.registry import potentiostat
from drivers.roles import PotentiostatLimits
from protocols import units

BYTES_PER_ROW = 9
"""Compacted size of five columns of a cell stream, measured by `make bench`."""


@click.command()
@click.argument("protocol")
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="The cell file; BM-05 if none is named.")
@with_inputs
@click.option("--station", "station_file", type=click.Path(path_type=Path), help="As on a rig of this station.")
@click.option("--rig", "rig_name", help="Which of its rigs; needed if it has several.")
@click.option("--expanded", is_flag=True, help="The core steps that short forms stand for, loops not unrolled.")
@click.option("--interlocks", is_flag=True, help="The interlock table in force, and where each number comes from.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
def plan(
    protocol: str,
    cell_file: Path | None,
    station_file: Path | None,
    rig_name: str | None,
    *,
    expanded: bool,
    interlocks: bool,
    as_json: bool,
) -> None:
    """Show what PROTOCOL would do: currents, ranges, duration, rows and disk."""
    cell_path = cell_path_for(protocol_path(protocol), cell_file)
    if station_file is None:
        driver: str | None = DEFAULT_DRIVER
        made = load(protocol_path(protocol), cell_path, driver).plan
    else:
        made, driver = load_on_station(protocol_path(protocol), cell_path, station_file, rig_name)
    totals = _totals(made)
    if as_json:
        click.echo(json.dumps({"plan": msgspec.to_builtins(made), **totals}))
        return
    console = stdout_console()
    if interlocks:
        console.print(interlock_rows(made))
        return
    console.print(_step_table(made, potentiostat(driver).limits) if expanded and driver else _block_table(made))
    rows, disk = totals["expected_rows"], totals["expected_bytes"] / 1e6
    duration = duration_text(totals["expected_second"])
    needs = f" Needs {', '.join(role.replace('_', ' ') for role in made.needs)}." if made.needs else ""
    click.echo(f"About {duration}, {rows:,} rows, {disk:.0f} MB; {totals['segments']} segments.{needs}", err=True)


def _totals(made: Plan) -> dict[str, Any]:
    steps = list(steps_to_come(made, 0, {}))
    seconds = [expected_second(step) for step in steps]
    rows = sum(
        0 if isinstance(step, WaitStep) else int(second / step.sampling_second) + 2
        for second, step in zip(seconds, steps, strict=True)
    )
    return {
        "segments": len(steps),
        "expected_second": expected_run_second(made),
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
        current = [_driven(step) for step in steps if isinstance(step, CurrentStep)]
        kinds = [_kind(step) for step in steps if not isinstance(step, LoopStep | AdvanceStep)]
        passes = [str(step.passes) for step in steps if isinstance(step, LoopStep)]
        second = sum(expected_second(step) for step in coming if step.block == block)
        table.add_row(block, ", ".join(kinds), ", ".join(current), " × ".join(passes) or "1", duration_text(second))
    return table


def _kind(step: ExecutedStep | AdvanceStep) -> str:
    if isinstance(step, AdvanceStep):
        return "counts a cycle"
    if isinstance(step, CurrentStep):
        return step.half
    if isinstance(step, VoltageStep):
        return f"{step.voltage_volt:g} V"
    if isinstance(step, ScanStep):
        return f"{step.start_voltage_volt:g} to {step.end_voltage_volt:g} V"
    if isinstance(step, SetStep):
        return f"{step.role} to {step.temperature_celsius:g} °C"
    if isinstance(step, PauseStep):
        return "asks a person"
    if isinstance(step, MillStep):
        return f"mill at {step.speed_rpm:g} rpm"
    if isinstance(step, WaitStep):
        waits = step.until_equilibrated
        return "left alone" if waits is None or waits.quantity != BATH_TEMPERATURE else "waits for the chiller"
    return "open circuit" if step.until_equilibrated is None else "equilibrate"


def _waited_for(wanted: Equilibration) -> str:
    return "bath" if wanted.quantity == BATH_TEMPERATURE else "jig"


def _step_table(made: Plan, limits: PotentiostatLimits) -> Table:
    title = f"{made.protocol_name} on {made.cell.name}, {limits.model}; half-cycles run in the {limits.segment_runs_in}"
    table = Table(title=title, title_justify="left")
    for heading in ("#", "step", "what", f"ends in the {limits.segment_runs_in}", "ends by the host"):
        table.add_column(heading)
    for heading in ("range", "setpoint error", "row every", "limits every"):
        table.add_column(heading, no_wrap=True)
    for index, step in enumerate(made.steps, start=1):
        by_host = _by_host(step, made) if isinstance(step, MeasuredStep | LoopStep) else ""
        what, by_instrument = _what(step), _by_instrument(step)
        if isinstance(step, WaitStep):
            by_host, by_instrument = "\n".join(filter(None, (by_instrument, by_host))), ""
        table.add_row(str(index), step.step_id, what, by_instrument, by_host, *_accuracy(step, limits))
    return table


def _driven(step: CurrentStep) -> str:
    """The current, or of a power also that, from its smallest to its largest current."""
    if not isinstance(step, PowerStep):
        return f"{units.milliampere(step.current_ampere):+.4g} mA"
    smallest, largest = (units.milliampere(ampere) for ampere in currents_ampere(step))
    return f"{units.milliwatt(step.power_watt):+.4g} mW, {smallest:+.4g} to {largest:+.4g} mA"


def _what(step: PlanStep) -> str:
    match step:
        case LoopStep():
            return f"{step.passes} passes from step {step.first + 1}"
        case PauseStep():
            return f"asks a person: {step.text}"
        case CurrentStep():
            rate = f"{step.rate_C:g} C, " if step.rate_C is not None else ""
            of = "" if step.basis is None else f" or as {step.basis.block} measures"
            return f"{step.half} {rate}{_driven(step)}{of}"
    return _kind(step)


def _by_instrument(step: PlanStep) -> str:
    """What ends a step with the host dead."""
    match step:
        case CurrentStep():
            ends = []
            if step.until_voltage_volt is not None:
                ends.append(f"{step.until_voltage_volt:g} V")
            if step.until_charge_ampere_hour is not None:
                ends.append(f"{1000 * step.until_charge_ampere_hour:.4g} mAh")
            if step.until_time_second is not None:
                ends.append(duration_text(step.until_time_second))
            return f"{' or '.join(ends)} (at most {duration_text(step.guard_time_second)})".strip()
        case VoltageStep() | ScanStep():
            small = step.until_current_ampere if isinstance(step, VoltageStep) else None
            falls = () if small is None else (f"{1000 * small:.4g} mA",)
            return " or ".join((*falls, duration_text(step.longest_second)))
        case RestStep():
            return duration_text(step.until_time_second)
        case SetStep():
            return f"reads back {step.temperature_celsius:g} °C"
    return ""


def _by_host(step: MeasuredStep | LoopStep, made: Plan) -> str:
    """The limits that only the host sees, one a line, and where they lead."""
    waits = step.until_equilibrated if isinstance(step, RestStep) else None
    lines = []
    if waits is not None:
        band = f"{_waited_for(waits)} at {waits.temperature_celsius:g} ± {waits.within_kelvin:g} °C"
        lines.append(f"{band}, {duration_text(waits.for_second)} on end")
    return "\n".join([*lines, *(_limit(limit, made) for limit in step.limits)])


def _limit(limit: Limit, made: Plan) -> str:
    conditions = " and ".join(f"{one.quantity} {one.operator} {one.value:.5g}" for one in limit.when)
    running = f", {limit.consecutive} cycles running" if limit.consecutive > 1 else ""
    to = limit.then if limit.goto == NEXT and limit.then is not None else limit.goto
    if isinstance(to, int):
        to = made.steps[to].step_id if to < len(made.steps) else END
    most = f", {limit.at_most} times at most" if limit.at_most is not None else ""
    return f"{conditions}{running}{'' if to == NEXT else f' → {to}'}{most}"


def _accuracy(step: PlanStep, limits: PotentiostatLimits) -> tuple[str, str, str, str]:
    """Range, setpoint error, and how often there is a row and a test of limits; empty where there is none."""
    if isinstance(step, WaitStep) or not isinstance(step, MeasuredStep):
        return "", "", "", ""
    every = (f"{step.sampling_second:g} s", f"{step.cutoff_second:g} s")
    if isinstance(step, RestStep):
        return "", "", *every
    scale = f"{1000 * step.current_range_ampere:g} mA"
    current_range = limits.range_for(step.current_ampere) if isinstance(step, CurrentStep) else None
    if current_range is None or not isinstance(step, CurrentStep):
        return scale, "", *every
    amperes = currents_ampere(step) if isinstance(step, PowerStep) else (step.current_ampere,)
    errors = [f"{100 * current_range.setpoint_error(ampere):.3f} %" for ampere in amperes]
    return scale, " to ".join(errors), *every

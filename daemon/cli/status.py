"""`presscell status`: the rigs of the running daemon, and what runs on them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from daemon.cli.console import duration_text, stdout_console, warning_text
from daemon.cli.talking import ask, with_data_directory


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout.")
@with_data_directory
def status(as_json: bool, data_directory: Path) -> None:
    """Show every rig, the run on it, and why a run is held."""
    rigs = ask(data_directory, "status")
    if as_json:
        click.echo(json.dumps(rigs))
        return
    table = Table(title="Rigs", title_justify="left")
    for heading in ("rig", "state", "run", "step", "V", "I / mA", "P / MPa", "T / °C", "run time", "note"):
        # The end of a run's id is what other verbs ask for: only the note may be broken.
        table.add_column(heading, no_wrap=heading != "note")
    for rig in rigs:
        table.add_row(*_cells(rig))
    stdout_console().print(table)


def _cells(rig: dict[str, Any]) -> tuple[str, ...]:
    warnings = map(_note, rig.get("warnings", []))
    lists = [rig.get("links", []), rig.get("flags", []), warnings, rig.get("usage", [])]
    notes = [rig.get("reason", ""), _waits_for(rig), *itertools.chain.from_iterable(lists)]
    run_time_second = rig.get("run_time_second")
    return (
        rig["rig"],
        rig["state"],
        rig.get("run_id", ""),
        rig.get("step_id", ""),
        _scaled(rig.get("voltage_volt"), 1, 4),
        _scaled(rig.get("current_ampere"), 1e3, 4),
        _scaled(rig.get("surface_pressure_pa"), 1e-6, 3),
        _scaled(rig.get("jig_temperature_celsius"), 1, 2),
        "" if run_time_second is None else duration_text(run_time_second),
        "; ".join(note for note in notes if note),
    )


def _note(warning: str) -> str:
    """A warning as a note; what was compared after an interruption is long, and among the events."""
    text = warning_text(warning)
    return f"{text.partition(';')[0]}: see its events" if warning.startswith("went_on: ") else text


def _waits_for(rig: dict[str, Any]) -> str:
    """The hold or the end that was asked for and is not due yet."""
    after = rig.get("pause_after")
    return f"{'ends' if rig.get('pause_ends') else 'is held'} after this {after}" if after else ""


def _scaled(value: float | None, factor: float, decimals: int) -> str:
    return "" if value is None else f"{value * factor:.{decimals}f}"

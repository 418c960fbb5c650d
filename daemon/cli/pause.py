"""`presscell pause`: hold the run on a rig until a person lets it go on."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.talking import ask, run_told, with_data_directory, with_rig


@click.command()
@with_rig
@click.option("--after-step", is_flag=True, help="When the present step has ended.")
@click.option("--after-cycle", is_flag=True, help="When the present cycle is complete.")
@with_data_directory
def pause(rig: str, after_step: bool, after_cycle: bool, data_directory: Path) -> None:
    """Hold the run on RIG: the cell goes to open circuit, pressure and temperature are still recorded.

    Held now, the half-cycle is cut short: `presscell resume` finishes it, and its cycle counts as interrupted.
    `presscell resume` also takes back a pause that has not begun.
    """
    if after_step and after_cycle:
        raise click.UsageError("choose --after-step or --after-cycle")
    after = "step" if after_step else "cycle" if after_cycle else ""
    run_id, was_asked = run_told(ask(data_directory, "pause", rig=rig, by=getpass.getuser(), after=after))
    if was_asked:
        click.echo(f"{run_id} has been asked already to be held after this {after}.", err=True)
        return
    when = f" after this {after}" if after else ""
    click.echo(f"{run_id} is held{when}.", err=True)

"""`presscell resume`: let a held run go on."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.talking import ask, with_data_directory, with_rig


@click.command()
@with_rig
@click.option("--unchecked", is_flag=True, help="At once: without a rest, and whatever the cell did meanwhile.")
@with_data_directory
def resume(rig: str, unchecked: bool, data_directory: Path) -> None:
    """Let the held run on RIG go on: it finishes the step that was cut short.

    After more than 10 min the cell first rests, or comes back to its temperature, and must be as it was. A run that
    could not be taken up when the daemon started is tried again.
    """
    run_id = ask(data_directory, "resume", rig=rig, by=getpass.getuser(), unchecked=unchecked)
    click.echo(f"{run_id} goes on; see presscell status.", err=True)

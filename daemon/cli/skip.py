"""`presscell skip`: let a held run go on with its next step."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.talking import ask, with_data_directory, with_rig


@click.command()
@with_rig
@with_data_directory
def skip(rig: str, data_directory: Path) -> None:
    """Let the held run on RIG go on with its next step: what is left of the present one is not done."""
    run_id = ask(data_directory, "skip", rig=rig, by=getpass.getuser())
    click.echo(f"{run_id} goes on with its next step; see presscell status.", err=True)

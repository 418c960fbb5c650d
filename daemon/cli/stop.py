"""`presscell stop`: end the run on a rig, the cell at open circuit."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.talking import ask, with_data_directory, with_rig


@click.command()
@with_rig
@with_data_directory
def stop(rig: str, data_directory: Path) -> None:
    """End the run on RIG, also one that is held: the cell goes to open circuit first, its rows are kept."""
    run_id = ask(data_directory, "stop", rig=rig, by=getpass.getuser())
    click.echo(f"{run_id} is being stopped.", err=True)

"""`presscell stop`: end the run on a rig, the cell at open circuit."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.talking import ask, run_told, with_data_directory, with_rig


@click.command()
@with_rig
@click.option("--after-cycle", is_flag=True, help="When the present cycle is complete.")
@with_data_directory
def stop(rig: str, after_cycle: bool, data_directory: Path) -> None:
    """End the run on RIG, also one that is held: the cell goes to open circuit first, its rows are kept.

    `presscell resume` takes back a stop that waits for its cycle.
    """
    after = "cycle" if after_cycle else ""
    run_id, was_asked = run_told(ask(data_directory, "stop", rig=rig, by=getpass.getuser(), after=after))
    if was_asked:
        click.echo(f"{run_id} has been asked already to stop after this cycle.", err=True)
        return
    click.echo(f"{run_id} is stopped after this cycle." if after else f"{run_id} is being stopped.", err=True)

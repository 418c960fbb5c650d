"""`presscell run`: begin a run on a rig of the running daemon."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.cli.files import protocol_path, read_text, shown_name
from daemon.cli.inputs import protocol_text, with_inputs
from daemon.cli.talking import ask, with_data_directory


@click.command()
@click.argument("protocol")
@click.option("--rig", required=True, help="The rig, by its name in the station file.")
@click.option("--cell", "cell_file", required=True, type=click.Path(path_type=Path), help="The cell file.")
@click.option(
    "--without-acceptance",
    metavar="REASON",
    default="",
    help="Run for more than 24 h on a potentiostat without a recorded acceptance. The reason is kept with the run.",
)
@with_inputs
@with_data_directory
def run(protocol: str, rig: str, cell_file: Path, without_acceptance: str, data_directory: Path) -> None:
    """Begin PROTOCOL, a file or a name of the library, on a rig; prints the run's id."""
    path = protocol_path(protocol)
    run_id = ask(
        data_directory,
        "run",
        rig=rig,
        protocol_name=shown_name(path),
        protocol_text=protocol_text(path),
        cell_name=shown_name(cell_file),
        cell_text=read_text(cell_file),
        without_acceptance=without_acceptance,
    )
    click.echo(run_id)

"""`presscell run`: begin a run on a rig of the running daemon."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from daemon.cli.files import protocol_path, read_text, shown_name
from daemon.cli.inputs import protocol_text, with_inputs
from daemon.cli.loading import DEFAULT_BATCH, cell_path_for
from daemon.cli.talking import ask, with_data_directory
from protocols import units
from protocols.errors import BadValueError

LONGEST_WAIT = "24 h"


@click.command()
@click.argument("protocol")
@click.option("--rig", required=True, help="The rig, by its name in the station file.")
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="The cell file; a mill needs none.")
@click.option(
    "--without-acceptance",
    metavar="REASON",
    default="",
    help="Run for more than 24 h on a potentiostat without a recorded acceptance. The reason is kept with the run.",
)
@click.option(
    "--queue",
    is_flag=True,
    help="Wait, with the cell at open circuit, for a shared instrument that other runs hold at another setpoint.",
)
@click.option(
    "--longest-wait",
    metavar="TIME",
    help=f"With --queue: after so long it leaves the queue again, as in 24 h.  [default: {LONGEST_WAIT}]",
)
@with_inputs
@with_data_directory
def run(
    protocol: str,
    rig: str,
    cell_file: Path | None,
    without_acceptance: str,
    queue: bool,
    longest_wait: str | None,
    data_directory: Path,
) -> None:
    """Begin PROTOCOL, a file or a name of the library, on a rig; prints the run's id."""
    if longest_wait is not None and not queue:
        raise click.UsageError("--longest-wait goes with --queue")
    path = protocol_path(protocol)
    cell_path = cell_path_for(path, cell_file)
    if cell_file is None and cell_path.name != DEFAULT_BATCH:
        raise click.UsageError("Missing option '--cell'.")
    waiting = {"longest_wait_second": _duration(longest_wait or LONGEST_WAIT)} if queue else {}
    begun = ask(
        data_directory,
        "run",
        rig=rig,
        protocol_name=shown_name(path),
        protocol_text=protocol_text(path),
        cell_name=shown_name(cell_path),
        cell_text=read_text(cell_path),
        without_acceptance=without_acceptance,
        by=getpass.getuser(),
        **waiting,
    )
    run_id, waits = (begun, "") if isinstance(begun, str) else (begun["run_id"], begun["waits"])
    click.echo(run_id)
    if waits:
        click.echo(f"It waits, {waits}.", err=True)


def _duration(text: str) -> float:
    try:
        return units.duration(text)
    except BadValueError as error:
        raise click.UsageError(f"--longest-wait: {error.what}; {error.what_to_write}") from error

"""`presscell events`: what happened to a run, from its journal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daemon.cli.console import duration_text
from daemon.cli.talking import ask, with_data_directory


@click.command()
@click.argument("run_id")
@click.option("--after", "after_seq", type=click.IntRange(min=0), default=0, help="Only those after this number.")
@click.option("--json", "as_json", is_flag=True, help="One object a line on stdout.")
@with_data_directory
def events(run_id: str, after_seq: int, as_json: bool, data_directory: Path) -> None:
    """List what happened to a run; the last characters of RUN_ID are enough. Stored rows are left out."""
    for event in ask(data_directory, "events", run_id=run_id, after_seq=after_seq):
        if as_json:
            click.echo(json.dumps(event))
            continue
        said = {name: value for name, value in event["event"].items() if name != "event"}
        click.echo(
            f"{event['seq']:>6}  {duration_text(event['run_time_second']):>14}  {event['kind']}  {json.dumps(said)}"
        )

"""`presscell usage`: what relays and jigs have been used, over all runs of the running daemon's station."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.table import Table

from daemon.cli.console import stdout_console
from daemon.cli.talking import ask, with_data_directory


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout.")
@with_data_directory
def usage(as_json: bool, data_directory: Path) -> None:
    """Show how much potentiostats and jigs have been used, and what is over the station's `warn_at`."""
    totals = ask(data_directory, "usage")
    if as_json:
        click.echo(json.dumps(totals))
        return
    table = Table(title="Usage", title_justify="left")
    for heading in ("of", "last on", "counter", "amount", "warn at", "note"):
        table.add_column(heading)
    for total in totals:
        limit = total["warn_at"]
        note = "over" if total["warning"] else ""
        amount = f"{total['amount']:.6g}"
        shown_limit = "" if limit is None else f"{limit:g}"
        table.add_row(total["subject"], total["rig"], total["counter"], amount, shown_limit, note)
    stdout_console().print(table)

"""`presscell events`: what happened to a run, from its journal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daemon.cli.event_words import clock_text, event_words, step_ids
from daemon.cli.talking import ask, with_data_directory
from daemon.days import utc_moment

HEADING = f"{'number':>8}  {'UTC':<20}  {'run time':>10}  what happened"


@click.command()
@click.argument("run_id")
@click.option("--after", "after_seq", type=click.IntRange(min=0), default=0, help="Only those after this number.")
@click.option("--json", "as_json", is_flag=True, help="One object a line on stdout, with all that is stored.")
@with_data_directory
def events(run_id: str, after_seq: int, as_json: bool, data_directory: Path) -> None:
    """List what happened to a run, one event a line; the last characters of RUN_ID are enough.

    Run time is in hours, minutes and seconds since the run began. Stored rows are left out.
    """
    told = ask(data_directory, "events", run_id=run_id, after_seq=after_seq)
    if as_json:
        for event in told:
            click.echo(json.dumps(event))
        return
    steps = _under_way(data_directory, run_id) | step_ids(told)
    click.echo(HEADING)
    for event in told:
        when = f"{utc_moment(event['utc_second'])}  {clock_text(event['run_time_second']):>10}"
        click.echo(f"{event['seq']:>8}  {when}  {event_words(event['kind'], event['event'], steps)}")


def _under_way(data_directory: Path, run_id: str) -> dict[int, str]:
    """The step of the present segment, by its number; nothing when the run is not carried out now."""
    rigs = ask(data_directory, "status")
    return {
        rig["segment"]: rig["step_id"] for rig in rigs if "segment" in rig and rig.get("run_id", "").endswith(run_id)
    }

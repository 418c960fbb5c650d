"""`presscell edit`: give a run another protocol, from its next step on."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.console import duration_text
from daemon.cli.files import REFUSED, protocol_path, refuse, shown_name
from daemon.cli.inputs import protocol_text, with_inputs
from daemon.cli.talking import ask, with_data_directory

COLOURS = {"+": "green", "-": "red"}


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("new_file", metavar="NEWFILE")
@click.option("--yes", is_flag=True, help="Do it; without, it is asked for, or only shown where nobody can answer.")
@click.option("--limits", is_flag=True, help="Also what bounds the cell less tightly than before.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
@with_inputs
@with_data_directory
def edit(run_id: str, new_file: str, data_directory: Path, *, yes: bool, limits: bool, as_json: bool) -> None:
    """Show what another protocol would change for RUN, and on a yes change it: from the next step on.

    What was executed and the step under way must stay as they are; interlocks change at once. To a run that is complete
    steps can be appended. The last characters of RUN are enough.
    """
    path = protocol_path(new_file)
    request = {
        "run_id": run_id,
        "protocol_name": shown_name(path),
        "protocol_text": protocol_text(path),
        "by": getpass.getuser(),
    }
    found = ask(data_directory, "edit", **request)
    if not as_json:
        _show(found)
    if found["refused"]:
        _print_json(found, as_json, applied=False)
        refuse("; ".join(found["refused"]) + ".", REFUSED)
    if not found["diff"]:
        _print_json(found, as_json, applied=False)
        click.echo("Nothing of the plan changes.", err=True)
        return
    limits = _agreed(found, yes=yes, limits=limits, as_json=as_json)
    done = ask(data_directory, "edit", **request, agreement=found["agreement"], limits=limits)
    _print_json(done, as_json, applied=True)
    click.echo(f"{found['run_id']} goes on as {found['protocol']} says.", err=True)


def _show(found: dict[str, Any]) -> None:
    for line in found["diff"].splitlines():
        click.secho(line, fg=None if line.startswith(("---", "+++")) else COLOURS.get(line[:1]))
    for sentence in found["loops"]:
        click.echo(f"{sentence}.")
    if found["loosened"]:
        click.secho("Less tightly bounded than before:", fg="yellow")
        for sentence in found["loosened"]:
            click.secho(f"  {sentence}", fg="yellow")
    if found["to_come"]:
        click.echo(f"After this step: {_to_come(found['to_come'])}; before: {_to_come(found['to_come_before'])}.")


def _to_come(coming: dict[str, Any]) -> str:
    return f"{coming['segments']} segments, about {duration_text(coming['second'])}, {coming['rows']:,} rows"


def _agreed(found: dict[str, Any], *, yes: bool, limits: bool, as_json: bool) -> bool:
    """Whether limits may be loosened, too; ends the command unless the edit is wanted."""
    needed = ["--yes", *(["--limits"] if found["loosened"] else [])]
    if yes and (limits or not found["loosened"]):
        return limits
    if as_json or not sys.stdin.isatty():
        _print_json(found, as_json, applied=False)
        refuse(f"Nothing was changed. To do it, write the same with {' '.join(needed)}.", REFUSED)
    if not yes and not click.confirm("Change the run?", err=True):
        refuse("Nothing was changed.", REFUSED)
    if found["loosened"] and not limits and not click.confirm("Also what is less tightly bounded?", err=True):
        refuse("Nothing was changed.", REFUSED)
    return bool(found["loosened"])


def _print_json(found: dict[str, Any], as_json: bool, *, applied: bool) -> None:
    if as_json:
        click.echo(json.dumps({**found, "applied": applied}))

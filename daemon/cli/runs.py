"""`presscell runs`: what was measured."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from daemon.cli.console import duration_text, stdout_console
from daemon.cli.files import show_sentence
from daemon.cli.tables import cycle_rows, mill_rows
from daemon.results.calibration_facts import has_expired
from daemon.results.result import Result, read_result
from daemon.store.errors import StoreError
from daemon.store.records import RUN_FILE_NAME


@click.command()
@click.argument("run_id", required=False)
@click.option("--data", "data_directory", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout.")
def runs(run_id: str | None, data_directory: Path, as_json: bool) -> None:
    """List the runs of a data directory, or show the cycles of one RUN_ID; its last characters are enough."""
    results = _results(data_directory, run_id, measured=as_json or run_id is not None)
    if as_json:
        click.echo(json.dumps([result.as_object() for result in results]))
        return
    console = stdout_console()
    if run_id is not None:
        for result in results:
            console.print(mill_rows(result.mill_runs) if result.mill_runs else cycle_rows(result.cycles))
            for version in result.versions[1:]:
                when = duration_text(version.run_time_second)
                click.echo(f"edited by {version.by} at {when}, after segment {version.after_segment}: {version.text}")
        return
    console.print(_list(results))


def _results(data_directory: Path, run_id: str | None, *, measured: bool) -> list[Result]:
    found = []
    for path in sorted(data_directory.glob(f"*/{RUN_FILE_NAME}")):
        if run_id is not None and not path.parent.name.endswith(run_id):
            continue
        try:
            found.append(read_result(path.parent, with_streams=measured))
        except StoreError as error:
            show_sentence(str(error))
    return found


def _list(results: list[Result]) -> Table:
    table = Table(title="Runs", title_justify="left")
    for heading in ("run", "protocol", "cell", "started (UTC)", "run time", "cycles", "rows", "outcome"):
        table.add_column(heading)
    for result in results:
        started = datetime.fromtimestamp(result.header.started_utc_second, UTC).strftime("%Y-%m-%d %H:%M")
        marks = " SIMULATED" if result.header.simulated else ""
        marks += " WITHOUT ACCEPTANCE" if result.header.without_acceptance else ""
        marks += " EXPIRED CALIBRATION" if has_expired(result.header) else ""
        table.add_row(
            result.header.run_id,
            Path(result.header.protocol_name).stem,
            result.plan.cell.name,
            started,
            duration_text(result.run_time_second),
            str(len(result.cycles)),
            f"{result.run.rows if result.run else 0:,}",
            result.outcome + marks,
        )
    return table

"""`presscell export`: a run as files for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daemon.cli.files import FOUND_A_PROBLEM, refuse
from daemon.cli.reading import read_or_refuse
from daemon.export.bdf import Labels
from daemon.export.files import ExportError, WouldOverwriteError, export_run
from daemon.export.tables import Rows
from daemon.results.run_files import DATA_DIRECTORY

REFUSED = 4
FORMATS = {"csv": ("csv",), "parquet": ("parquet",), "both": ("csv", "parquet")}


@click.command()
@click.argument("run")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="both", show_default=True)
@click.option(
    "--rows",
    "which",
    type=click.Choice([rows.value for rows in Rows]),
    default=Rows.RECORD.value,
    show_default=True,
    help="Every row, or those the protocol's `record` asks for.",
)
@click.option(
    "--labels",
    type=click.Choice([labels.value for labels in Labels]),
    default=Labels.ONTOLOGY.value,
    show_default=True,
    help="All columns, or those alone that batterydf 0.1 knows: without pressure.",
)
@click.option("--data", "data_directory", type=click.Path(path_type=Path), default=DATA_DIRECTORY, show_default=True)
@click.option("--force", is_flag=True, help="Replace files of the same names.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
def export(
    run: str, folder: Path, form: str, which: str, labels: str, data_directory: Path, force: bool, as_json: bool
) -> None:
    """Write RUN, finished or being measured, as Battery Data Format tables with all that belongs to them.

    RUN is a run's folder, its file, or the last characters of its id. Pressure and temperature are also written at
    their own times. Each table is read back and checked before it appears.
    """
    data = read_or_refuse(run, data_directory)
    try:
        done = export_run(data, folder, formats=FORMATS[form], rows=Rows(which), labels=Labels(labels), overwrite=force)
    except WouldOverwriteError as error:
        refuse(f"{error}\nNothing was written. Say --force to replace them, or name another folder.", REFUSED)
    except ExportError as error:
        refuse(f"{error}\nNothing was written. Please report this with the run's file.", FOUND_A_PROBLEM)
    except OSError as error:
        refuse(f"{folder}: {error.strerror or error}. Nothing was written.", FOUND_A_PROBLEM)
    if as_json:
        facts = {"run_id": data.run_id, "simulated": data.is_simulated, "files": [str(file) for file in done.files]}
        click.echo(json.dumps({**facts, "rows_stored": done.rows_stored, "rows_exported": done.rows_exported}))
        return
    for file in done.files:
        click.echo(file)
    thinned = "" if which == Rows.ALL.value else " (as the protocol's record says; --rows all writes every row)"
    simulated = " SIMULATED." if data.is_simulated else ""
    click.echo(f"{done.rows_exported:,} of {done.rows_stored:,} rows{thinned}.{simulated}", err=True)

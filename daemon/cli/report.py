"""`presscell report`: a run as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daemon.cli.files import refuse
from daemon.cli.reading import read_or_refuse
from daemon.report.picture import draw_run
from daemon.results.run_files import DATA_DIRECTORY

PICTURE_NAME = "picture.png"


@click.command()
@click.argument("run")
@click.option("--to", "file", type=click.Path(path_type=Path), help=f"The picture; {PICTURE_NAME} in the run's folder.")
@click.option("--data", "data_directory", type=click.Path(path_type=Path), default=DATA_DIRECTORY, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
def report(run: str, file: Path | None, data_directory: Path, as_json: bool) -> None:
    """Draw RUN, finished or being measured: V, I, pressure and temperature over time, V over capacity at each rate.

    RUN is a run's folder, its file, or the last characters of its id. The picture may end in .png, .svg or .pdf.
    """
    data = read_or_refuse(run, data_directory)
    picture = file or data.directory / PICTURE_NAME
    try:
        draw_run(data, picture)
    except ValueError as error:
        refuse(f"{error}.")
    except OSError as error:
        refuse(f"{picture}: {error.strerror or error}.")
    if as_json:
        click.echo(json.dumps({"run_id": data.run_id, "simulated": data.is_simulated, "picture": str(picture)}))
    else:
        click.echo(picture)

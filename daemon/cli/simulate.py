"""`presscell simulate`: a protocol run through the real daemon on a simulated laboratory."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import click

from daemon.app import Finished, Listeners, Simulation
from daemon.app import simulate as run_simulation
from daemon.bench_process import BenchStartError
from daemon.cli.broker import Broker
from daemon.cli.console import duration_text, stdout_console, warning_text
from daemon.cli.files import FOUND_A_PROBLEM, config_path, protocol_path, refuse
from daemon.cli.inputs import with_inputs
from daemon.cli.live import LiveView
from daemon.cli.loading import DEFAULT_DRIVER, cell_path_for, load
from daemon.clock import BenchGoneError
from daemon.deciding.run_state import Outcome
from daemon.publish.client import BrokerAddress
from daemon.station.wiring import MissingRoleError
from daemon.store.errors import StoreError
from drivers.errors import DriverError
from protocols.cell import Published

DEFAULT_BENCH, MILL_BENCH = "single.yaml", "mill.yaml"


class Pace(click.ParamType[float | None]):
    """`max`, or how many simulated seconds a real second holds."""

    name = "max|N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """None for `max`."""
        text = str(value)
        if text == "max":
            return None
        try:
            pace = float(text)
        except ValueError:
            pace = 0.0
        if not 0 < pace < float("inf"):
            self.fail(f"{text!r} is no speed: write max, or simulated seconds per second, as 100", param, ctx)
        return pace


@click.command()
@click.argument("protocol")
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="The cell file; BM-05 if none is named.")
@with_inputs
@click.option("--speed", "pace", type=Pace(), default="max", show_default=True, help="How fast simulated time goes.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Noise of the instruments.")
@click.option("--bench", "bench_file", type=click.Path(path_type=Path), help="Another simulated laboratory.")
@click.option("--broker", type=Broker(), help="Publish there, as HOST:PORT, and not by a broker of its own.")
@click.option("--data", "data_directory", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of tables.")
def simulate(
    protocol: str,
    cell_file: Path | None,
    pace: float | None,
    seed: int,
    bench_file: Path | None,
    broker: BrokerAddress | None,
    data_directory: Path,
    as_json: bool,
) -> None:
    """Run PROTOCOL, a file or a name of the library, on a simulated laboratory, and print its cycles.

    Everything but the laboratory is real: the daemon's engine and store, the driver, the wire. Ctrl-C ends the run
    with the cell at open circuit and keeps its rows.
    """
    path = protocol_path(protocol)
    files = load(path, cell_path_for(path, cell_file), DEFAULT_DRIVER)
    has_mill = "mill_drive" in files.plan.needs
    simulation = Simulation(
        plan=files.plan,
        sources=files.sources,
        bench_file=bench_file
        or config_path("bench", MILL_BENCH if has_mill else files.cell.simulated_by or DEFAULT_BENCH),
        potentiostat_driver=DEFAULT_DRIVER,
        data_directory=data_directory,
        pace=pace,
        seed=seed,
        broker=broker,
    )
    title = f"SIMULATED  {files.sources.protocol_name} on {files.plan.cell.name}"
    fitted = "" if has_mill else "; the model was fitted to the published cell: this tests software, not chemistry"
    click.echo(f"{title}{fitted}.", err=True)
    with LiveView(title) as view:
        finished = _carried_out(simulation, view)
    _tell(finished, files.cell.published, as_json=as_json)
    if finished.run.outcome is not Outcome.COMPLETED or finished.run.unsafe:
        sys.exit(FOUND_A_PROBLEM)


def _carried_out(simulation: Simulation, view: LiveView) -> Finished:
    try:
        return asyncio.run(run_simulation(simulation, Listeners(progress=view.show, broker=_announce)))
    except (BenchStartError, BenchGoneError, MissingRoleError, StoreError, DriverError) as error:
        kept = f"\nRows stored until then are in {simulation.directory}." if simulation.run_file.exists() else ""
        refuse(f"The simulation ended early: {error}{kept}")
    except KeyboardInterrupt:
        if simulation.run_file.exists():
            refuse(f"Interrupted. Rows stored until then are in {simulation.directory}.")
        refuse("Interrupted before anything was switched on.")


def _announce(broker: BrokerAddress) -> None:
    click.echo(f"Published by MQTT; watch it: presscell watch --broker {broker}", err=True)


def _tell(finished: Finished, published: Published | None, *, as_json: bool) -> None:
    # Pandas and matplotlib are slow to import, and nothing is told or drawn of what is refused.
    from daemon.results.result import read_result  # noqa: PLC0415

    result = read_result(finished.run_directory)
    if as_json:
        click.echo(json.dumps({**result.as_object(), "wall_second": finished.wall_second}))
        return
    from daemon.cli.tables import beside_published, cycle_rows, mill_rows  # noqa: PLC0415

    console = stdout_console()
    console.print(mill_rows(result.mill_runs) if result.mill_runs else cycle_rows(result.cycles))
    beside = beside_published(result.cycles, published) if published else None
    if beside is not None:
        console.print(beside)
        console.print("The simulated cell was fitted to these published capacities: agreement tests the software only.")
    run = finished.run
    duration = f"{duration_text(finished.run_time_second)} simulated in {duration_text(finished.wall_second)}"
    click.echo(f"{run.outcome}: {run.why}. {run.rows:,} rows, {duration}.", err=True)
    for warning in run.warnings:
        click.secho(f"warning: {warning_text(warning)}", fg="yellow", err=True)
    click.echo(f"Rows, journal and the laboratory's own log: {finished.run_directory}", err=True)
    if run.rows:
        from daemon.reader import read_run  # noqa: PLC0415
        from daemon.report.picture import draw_run  # noqa: PLC0415

        picture = finished.run_directory / "picture.png"
        draw_run(read_run(finished.run_directory), picture)
        click.echo(f"Picture: {picture}", err=True)

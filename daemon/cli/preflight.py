"""`presscell preflight`: a known resistor in place of the cell, before the first cell is connected."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec
from rich.table import Table

from daemon.before_runs.dummy_check import DummyCheckError
from daemon.before_runs.dummy_run import CheckReport, InUseError, Wanted, check_rig
from daemon.cli.console import stdout_console
from daemon.cli.files import FOUND_A_PROBLEM, REFUSED, read_text, refuse, show_problems, shown_name
from daemon.clock import BenchGoneError
from daemon.recover import rig_of, unfinished_runs
from daemon.service.daemon import checked, clock_of, owned
from daemon.service.preparing import RefusedRequestError
from daemon.station.instruments import load_station
from daemon.station.settings import RigSettings, StationSettings
from daemon.store.errors import StoreError
from drivers.errors import DriverError
from protocols import units
from protocols.errors import errors_in

REFUSALS = (DummyCheckError, InUseError, DriverError, StoreError, RefusedRequestError, BenchGoneError)


@click.command()
@click.argument("station", type=click.Path(path_type=Path))
@click.option("--rig", required=True, help="The rig, by its name in the station file.")
@click.option("--resistor", "resistance_ohm", type=float, required=True, help="What hangs on its leads, in ohm.")
@click.option("--tolerance-percent", type=float, default=1.0, show_default=True, help="Of the resistor.")
@click.option(
    "--current-mA", "current_mA", type=float, help="The intended current, a magnitude; else what makes 3 V of it."
)
@click.option("--json", "as_json", is_flag=True, help="The report as one object on stdout.")
def preflight(
    station: Path,
    rig: str,
    resistance_ohm: float,
    tolerance_percent: float,
    current_mA: float | None,
    as_json: bool,
) -> None:
    """Check the potentiostat of a rig of STATION on a resistor, with all four leads on it and no cell.

    Open circuit, then a small and the intended current, both ways, guarded; open circuit again. No daemon may serve the
    station meanwhile, and no unfinished run be on the rig. The report is kept in `preflight/` of the data directory.
    Exit code 1 when a finding fails.
    """
    file = load_station(read_text(station), shown_name(station))
    show_problems(file.problems)
    if errors_in(file.problems):
        refuse("Nothing was checked.")
    wanted = Wanted(
        resistance_ohm=resistance_ohm,
        tolerance=tolerance_percent / 100,
        current_ampere=None if current_mA is None else units.ampere(current_mA),
    )
    try:
        settings, rigs = checked(file)
        if rig not in rigs:
            raise RefusedRequestError(f"there is no rig {rig!r}; there are {', '.join(rigs)}")
        with owned(Path(settings.data)):
            _check_free(Path(settings.data), rig)
            report, path = asyncio.run(_check(settings, rig, rigs[rig], wanted))
    except REFUSALS as error:
        refuse(f"Nothing was concluded: {error}.", REFUSED)
    _show(report, path, as_json=as_json)


def _check_free(data_directory: Path, rig_name: str) -> None:
    """Raises `RefusedRequestError` when an unfinished run may be on a rig."""
    found = unfinished_runs(data_directory)
    for directory in (*found.left, *found.unreadable):
        if rig_of(directory) in {rig_name, None}:
            raise RefusedRequestError(f"{directory.name} is an unfinished run on it: end it first, `presscell serve`")


async def _check(
    settings: StationSettings, rig_name: str, said: RigSettings, wanted: Wanted
) -> tuple[CheckReport, Path]:
    clock = await clock_of(settings)
    try:
        return await check_rig(settings, rig_name, said, wanted, clock)
    finally:
        await clock.close()


def _show(report: CheckReport, path: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        found = report.instrument
        who = f"{found['maker']} {found['model']} {found['serial_number']}"
        table = Table(title=f"{report.rig}: {who} on {report.resistance_ohm:g} ohm", title_justify="left")
        for heading in ("what", "found", "", "what to do"):
            table.add_column(heading)
        for finding in report.findings:
            table.add_row(finding.name, finding.state, finding.text, finding.fix)
        stdout_console().print(table)
    click.echo(f"{'Passed' if report.passed else 'Failed'}; kept as {path}", err=True)
    if not report.passed:
        raise SystemExit(FOUND_A_PROBLEM)

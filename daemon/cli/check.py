"""`presscell check`: everything wrong with the files people write, before anything is switched on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from daemon.cli.files import FOUND_A_PROBLEM, protocol_path, read_text, show_problems, shown_name
from daemon.cli.inputs import protocol_text, with_inputs
from daemon.cli.loading import DEFAULT_DRIVER, cell_path_for
from daemon.compile import load_plan
from daemon.days import today
from daemon.station.instruments import load_station
from drivers.registry import potentiostat
from protocols.calibration import read_calibration
from protocols.cell import read_cell
from protocols.errors import Problem, ProblemsFound, errors_in
from protocols.protocol import read_protocol
from protocols.source import Source, read_source
from protocols.structure import check_protocol


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="Check protocols with this cell.")
@with_inputs
def check(files: tuple[str, ...], cell_file: Path | None) -> None:
    """Say what is wrong with FILES: file:line:column, what is wrong, what to write.

    They are protocol, cell, station, calibration and bench files. A protocol is checked with a cell, for its currents:
    the one named, else the cell file among FILES if there is one, else BM-05; one that mills has none. One that asks
    for values and has not got them all is checked without.
    """
    cell_file = cell_file or _only_cell(files)
    in_order = [_is_in_order(protocol_path(name), cell_file) for name in files]
    if not all(in_order):
        sys.exit(FOUND_A_PROBLEM)
    click.echo(f"{len(files)} file{'s' if len(files) > 1 else ''} in order.", err=True)


def _only_cell(files: tuple[str, ...]) -> Path | None:
    """The cell file among these, if there is exactly one that can be read."""
    cells = []
    for path in map(protocol_path, files):
        try:
            cells += [path] if _has(read_source(read_text(path), shown_name(path)), "cell") else []
        except ProblemsFound:
            continue
    return cells[0] if len(cells) == 1 else None


def _is_in_order(path: Path, cell_file: Path | None) -> bool:
    text, name = read_text(path), shown_name(path)
    try:
        source = read_source(text, name)
    except ProblemsFound as found:
        show_problems(found.problems)
        return False
    if _has(source, "instruments"):
        return _bench_is_in_order(path)
    if _has(source, "rigs"):
        problems = list(load_station(text, name, today=today()).problems)
    elif _has(source, "fit"):
        problems = list(read_calibration(text, name).problems)
    elif _has(source, "cell"):
        problems = _cell_problems(text, name)
    else:
        problems = _protocol_problems(protocol_text(path), name, cell_path_for(path, cell_file))
    show_problems(problems)
    return not errors_in(problems)


def _has(source: Source, key: str) -> bool:
    return isinstance(source.value, dict) and key in source.value


def _cell_problems(text: str, name: str) -> list[Problem]:
    return list(read_cell(text, name).problems)


def _protocol_problems(text: str, name: str, cell_path: Path) -> list[Problem]:
    if missing := read_protocol(text, name).missing_inputs:
        values = " ".join(f"--input {one}=…" for one in missing)
        click.echo(f"{name}: its currents are not checked; it asks for {values}", err=True)
        return check_protocol(text, name)
    limits = potentiostat(DEFAULT_DRIVER).limits
    try:
        _, warnings = load_plan(text, name, read_text(cell_path), shown_name(cell_path), limits)
    except ProblemsFound as found:
        return list(found.problems)
    return warnings


def _bench_is_in_order(path: Path) -> bool:
    """The bench checks its own file: nothing of the simulators is known here."""
    command = [sys.executable, "-m", "simulators", str(path), "--check"]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603  (our own program)

"""`presscell check`: everything wrong with the files people write, before anything is switched on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from daemon.cli.files import FOUND_A_PROBLEM, protocol_path, read_text, show_problems, shown_name
from daemon.cli.inputs import with_inputs, with_values
from daemon.cli.loading import DEFAULT_DRIVER, default_cell_path
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
    written = [_read(protocol_path(name)) for name in files]
    cell_file = cell_file or _only_cell(written)
    in_order = [_is_in_order(file, cell_file) for file in written]
    if not all(in_order):
        sys.exit(FOUND_A_PROBLEM)
    click.echo(f"{len(files)} file{'s' if len(files) > 1 else ''} in order.", err=True)


@dataclass(frozen=True)
class _Written:
    """A file as it was read: `source` is None where it is no YAML, and `problems` say why."""

    path: Path
    name: str
    text: str
    source: Source | None
    problems: tuple[Problem, ...] = ()

    @property
    def is_bench(self) -> bool:
        return self.has("instruments") or self.has("cells")

    def has(self, key: str) -> bool:
        return self.source is not None and isinstance(self.source.value, dict) and key in self.source.value


def _read(path: Path) -> _Written:
    text, name = read_text(path), shown_name(path)
    try:
        return _Written(path, name, text, read_source(text, name))
    except ProblemsFound as found:
        return _Written(path, name, text, None, found.problems)


def _only_cell(files: Sequence[_Written]) -> Path | None:
    """The cell file among these, if there is exactly one."""
    cells = [file.path for file in files if file.has("cell") and not file.is_bench]
    return cells[0] if len(cells) == 1 else None


def _is_in_order(file: _Written, cell_file: Path | None) -> bool:
    if file.is_bench:
        return _bench_is_in_order(file.path)
    problems = list(file.problems)
    if file.has("rigs"):
        problems += load_station(file.text, file.name, today=today()).problems
    elif file.has("fit"):
        problems += read_calibration(file.text, file.name).problems
    elif file.has("cell"):
        problems += read_cell(file.text, file.name).problems
    elif file.source is not None:
        problems += _protocol_problems(with_values(file.text, file.name), file.name, cell_file)
    show_problems(problems)
    return not errors_in(problems)


def _protocol_problems(text: str, name: str, cell_file: Path | None) -> list[Problem]:
    if missing := read_protocol(text, name).missing_inputs:
        values = " ".join(f"--input {one}=…" for one in missing)
        click.echo(f"{name}: its currents are not checked; it asks for {values}", err=True)
        return check_protocol(text, name)
    limits, cell_path = potentiostat(DEFAULT_DRIVER).limits, cell_file or default_cell_path(text, name)
    try:
        _, warnings = load_plan(text, name, read_text(cell_path), shown_name(cell_path), limits)
    except ProblemsFound as found:
        return list(found.problems)
    return warnings


def _bench_is_in_order(path: Path) -> bool:
    """The bench checks its own file: nothing of the simulators is known here."""
    command = [sys.executable, "-m", "simulators", str(path), "--check"]
    return subprocess.run(command, check=False).returncode == 0  # noqa: S603  (our own program)

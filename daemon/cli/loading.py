"""A protocol and a cell file to a plan, for every verb that needs one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.cli.files import read_text, refuse, show_problems, shown_name
from daemon.compile import compile_protocol
from daemon.placing import Sources
from daemon.plan import Plan
from drivers.registry import potentiostat
from protocols.cell import Cell, read_cell
from protocols.errors import ProblemsFound
from protocols.protocol import read_protocol

DEFAULT_DRIVER = "keithley.2450"
DEFAULT_CELL = "bm05.yaml"


@dataclass(frozen=True)
class Loaded:
    """A checked plan, the cell file as it was read, and the texts both came from."""

    plan: Plan
    cell: Cell
    sources: Sources


def load(protocol: Path, cell: Path, driver: str | None) -> Loaded:
    """Read both files and check them against a potentiostat; shows all problems, and ends the command at an error.

    Without a driver the rig has no potentiostat, and no current may flow.
    """
    sources = Sources(
        protocol_name=shown_name(protocol),
        protocol_text=read_text(protocol),
        cell_name=shown_name(cell),
        cell_text=read_text(cell),
    )
    cell_file = read_cell(sources.cell_text, sources.cell_name)
    protocol_file = read_protocol(sources.protocol_text, sources.protocol_name)
    try:
        limits = None if driver is None else potentiostat(driver).limits
        plan, warnings = compile_protocol(protocol_file, cell_file, limits)
    except ProblemsFound as found:
        show_problems(found.problems)
        refuse("Nothing was switched on.")
    show_problems(warnings)
    if cell_file.cell is None:
        raise TypeError("a cell file that compiled holds no cell")
    return Loaded(plan=plan, cell=cell_file.cell, sources=sources)

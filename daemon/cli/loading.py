"""A protocol and a cell file to a plan, for every verb that needs one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.cli.files import config_path, read_text, refuse, show_problems, shown_name
from daemon.cli.inputs import protocol_text
from daemon.compile import compile_protocol
from daemon.compiling.mill_fitting import mills
from daemon.plan import Plan
from daemon.service.sources import Sources
from daemon.station.file import safety_of
from daemon.station.instruments import load_station, rig_wiring
from daemon.station.wiring import plan_on_rig
from drivers.registry import potentiostat
from protocols.cell import Cell, read_cell
from protocols.errors import ProblemsFound, errors_in
from protocols.protocol import read_protocol
from protocols.settings import Safety

DEFAULT_DRIVER = "keithley.2450"
DEFAULT_CELL, DEFAULT_BATCH = "bm05.yaml", "powder.yaml"


@dataclass(frozen=True)
class Loaded:
    """A checked plan, the cell file as it was read, and the texts both came from."""

    plan: Plan
    cell: Cell
    sources: Sources


def cell_path_for(protocol: Path, named: Path | None) -> Path:
    """The cell file that was named, else BM-05; of a protocol that mills, a batch of powder."""
    return named or default_cell_path(protocol_text(protocol), shown_name(protocol))


def default_cell_path(text: str, name: str) -> Path:
    """The cell file for a protocol, of this text and name, that comes without one."""
    has_mill = mills(read_protocol(text, name))
    return config_path("batches", DEFAULT_BATCH) if has_mill else config_path("cells", DEFAULT_CELL)


def load(protocol: Path, cell: Path, driver: str | None, station_safety: Sequence[Safety] = ()) -> Loaded:
    """Read both files and check them against a potentiostat; shows all problems, and ends the command at an error.

    Without a driver the rig has no potentiostat, and no current may flow. `station_safety` is what a station holds
    every run to.
    """
    sources = Sources(
        protocol_name=shown_name(protocol),
        protocol_text=protocol_text(protocol),
        cell_name=shown_name(cell),
        cell_text=read_text(cell),
    )
    cell_file = read_cell(sources.cell_text, sources.cell_name)
    protocol_file = read_protocol(sources.protocol_text, sources.protocol_name)
    try:
        limits = None if driver is None else potentiostat(driver).limits
        plan, warnings = compile_protocol(protocol_file, cell_file, limits, station_safety=station_safety)
    except ProblemsFound as found:
        show_problems(found.problems)
        refuse("Nothing was switched on.")
    show_problems(warnings)
    if cell_file.cell is None:
        raise TypeError("a cell file that compiled holds no cell")
    return Loaded(plan=plan, cell=cell_file.cell, sources=sources)


def load_on_station(protocol: Path, cell: Path, station: Path, rig_name: str | None) -> tuple[Plan, str | None]:
    """The plan as a rig of a station would carry it out, and the driver of its potentiostat, if it has one.

    Shows all problems, and ends the command at an error.
    """
    file = load_station(read_text(station), shown_name(station))
    if file.station is None or errors_in(file.problems):
        show_problems(file.problems)
        refuse("Nothing was switched on.")
    name = rig_name or (next(iter(file.rigs)) if len(file.rigs) == 1 else None)
    if name not in file.rigs:
        refuse(f"{shown_name(station)} has the rigs {', '.join(file.rigs)}: write --rig and one of them.")
    rig = file.rigs[name]
    driver = rig.potentiostat.driver if rig.potentiostat else None
    loaded = load(protocol, cell, driver, safety_of(file.station, rig))
    fixture = loaded.cell.fixture
    try:
        wiring = rig_wiring(name, rig, fixture.diameter_mm if fixture else None, file.shared)
    except ValueError as error:
        refuse(str(error))
    return plan_on_rig(loaded.plan, wiring), driver

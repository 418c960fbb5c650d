"""`presscell convert`: protocols of other programs to ours, and ours to theirs, with a report of what is lost."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.files import FOUND_A_PROBLEM, protocol_path, read_text, refuse, show_problems, shown_name
from daemon.cli.inputs import protocol_text, with_inputs
from protocols.cell import Cell, read_cell
from protocols.errors import ProblemsFound, errors_in
from protocols.interop.converted import Converted
from protocols.interop.cyclers import Target
from protocols.interop.pybamm_export import to_pybamm
from protocols.interop.pybamm_import import from_pybamm
from protocols.interop.python_source import looks_like_python
from protocols.interop.unicycler import from_unicycler, to_unicycler
from protocols.source import read_source
from protocols.structure import check_protocol
from protocols.units import milliampere_hour

OURS = "presscell"
SOURCES = (OURS, "unicycler", "pybamm")
TARGETS = (OURS, "unicycler", "pybamm", "pybamm-config", "mps", "neware", "battinfo")
ENCODING = {"mps": "cp1252"}
"""EC-Lab reads no other."""
NEEDS_A_NAME = ("mps", "neware")


@click.command()
@click.argument("file")
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="What to write.")
@click.option("--from", "origin", type=click.Choice(SOURCES), help="What FILE is; told by what is in it.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write there, not to stdout.")
@click.option("--allow-lossy", is_flag=True, help="Write it even if something of the protocol is lost.")
@click.option("--cell", "cell_file", type=click.Path(path_type=Path), help="For the name, the area and what 1 C is.")
@click.option("--sample-name", help="In place of the cell's.")
@click.option(
    "--sample-capacity", "capacity_mAh", type=click.FloatRange(min=0, min_open=True), help="mAh; what 1 C is."
)
@with_inputs
def convert(
    file: str,
    target: str,
    origin: str | None,
    out: Path | None,
    allow_lossy: bool,
    cell_file: Path | None,
    sample_name: str | None,
    capacity_mAh: float | None,
) -> None:
    """Convert a protocol: FILE, or one of the library.

    From unicycler (JSON, YAML) and PyBaMM (a script or list of its strings, the JSON of Experiment.to_config) to ours;
    from any of these to unicycler, PyBaMM (a script; pybamm-config: the JSON), EC-Lab (mps), Neware BTS 8 and BattINFO.
    What the other side cannot say is listed with its line, and nothing is written unless --allow-lossy is given.
    """
    path = protocol_path(file)
    text, name = protocol_text(path), shown_name(path)
    origin = origin or _told_by(text, name, target)
    losses: list[str] = []
    if origin != OURS:
        text = _shown(from_pybamm(text, name) if origin == "pybamm" else from_unicycler(text, name), losses)
        name = f"{name} (converted)"
    sound = target == OURS or not errors_in(check_protocol(text, name))
    if not sound or target == OURS:
        show_problems(check_protocol(text, name))
    if not sound:
        refuse("Nothing was written: the protocol itself has mistakes.")
    written = (
        text if target == OURS else _exported(text, name, target, _sample(cell_file, sample_name, capacity_mAh), losses)
    )
    if losses and not allow_lossy:
        refuse(f"Nothing was written: {len(losses)} lost. Write --allow-lossy if that is meant.")
    _write(written, out, ENCODING.get(target, "utf-8"))
    if target == OURS and errors_in(check_protocol(text, name)):
        sys.exit(FOUND_A_PROBLEM)


def _told_by(text: str, name: str, target: str) -> str:
    """What a file is: whose keys it has."""
    if looks_like_python(text):
        return "pybamm"
    try:
        value = read_source(text, name).value
    except ProblemsFound as found:
        show_problems(found.problems)
        refuse("Nothing was written.")
    if not isinstance(value, dict) or ("method" not in value and {"cycles", "steps"} & value.keys()):
        return "pybamm"
    return "unicycler" if target == OURS else OURS


def _sample(cell_file: Path | None, name: str | None, capacity_mAh: float | None) -> dict[str, Any]:
    cell: Cell | None = None
    if cell_file is not None:
        read = read_cell(read_text(cell_file), shown_name(cell_file))
        show_problems(read.problems)
        if read.cell is None or errors_in(read.problems):
            refuse("Nothing was written.")
        cell = read.cell
    if cell is not None and capacity_mAh is None and cell.one_C_ampere is not None:
        capacity_mAh = milliampere_hour(cell.one_C_ampere)
    diameter_mm = cell.fixture.diameter_mm if cell is not None and cell.fixture is not None else None
    return {
        "sample_name": name or (cell.cell.name if cell is not None else None),
        "capacity_mAh": capacity_mAh,
        "diameter_mm": diameter_mm,
    }


def _exported(text: str, name: str, target: str, sample: dict[str, Any], losses: list[str]) -> str:
    if target in ("pybamm", "pybamm-config"):
        made = to_pybamm(text, name, as_config=target == "pybamm-config", diameter_mm=sample["diameter_mm"])
        return _shown(made, losses)
    unicycler = _shown(to_unicycler(text, name, target=Target(target), **sample), losses)
    return unicycler if target == Target.UNICYCLER else _by_aurora(target, unicycler, losses)


def _shown(made: Converted, losses: list[str]) -> str:
    """The text of a conversion; shows what is lost, and ends the command when there is none."""
    show_problems([*made.errors, *made.losses, *made.notes])
    losses += [str(problem) for problem in made.losses]
    if made.errors:
        refuse("Nothing was written.")
    return made.text


def _by_aurora(target: str, unicycler: str, losses: list[str]) -> str:
    """What aurora-unicycler makes of a unicycler file; what it warns of is a loss."""
    try:
        package = importlib.import_module("aurora_unicycler")
    except ImportError:
        refuse(f"{target} is written by aurora-unicycler, which is not installed: pip install aurora-unicycler.")
    value = json.loads(unicycler)
    if target in NEEDS_A_NAME and value["sample"].get("name", "$NAME") == "$NAME":
        refuse("Nothing was written: the sample has no name. Write --cell with a cell file, or --sample-name.")
    warned = _Warned()
    logger = logging.getLogger("aurora_unicycler")
    logger.addHandler(warned)
    try:
        protocol = package.CyclingProtocol.from_dict(value)
        match target:
            case Target.MPS:
                written = protocol.to_biologic_mps()
            case Target.NEWARE:
                written = protocol.to_neware_xml()
            case _:
                written = json.dumps(protocol.to_battinfo_jsonld(), indent=1, ensure_ascii=False)
    except (ValueError, NotImplementedError) as error:
        refuse(f"Nothing was written: aurora-unicycler: {error}")
    finally:
        logger.removeHandler(warned)
    for sentence in warned.sentences:
        click.secho(f"aurora-unicycler: {sentence}", fg="yellow", err=True)
    losses += warned.sentences
    return str(written)


class _Warned(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one sentence."""
        self.sentences.append(record.getMessage())


def _write(text: str, out: Path | None, encoding: str) -> None:
    written = (text if text.endswith("\n") else f"{text}\n").encode(encoding, errors="replace")
    if out is None:
        sys.stdout.buffer.write(written)
        return
    try:
        out.write_bytes(written)
    except OSError as error:
        refuse(f"{out}: cannot be written: {error.strerror}.")

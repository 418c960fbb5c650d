"""Reads bench files: YAML, strict, with every problem told at once and by its place."""

import dataclasses
import difflib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from simulators.cell_sections import (
    CellOverrides,
    CellSection,
    JigContents,
    JigSection,
    PlacedError,
    SharedSection,
    SharedThermometerSection,
    check_unlike,
    check_wiring,
)
from simulators.instrument_sections import (
    SECTIONS_BY_TAG,
    AnySection,
    BathSection,
    BuildSection,
    Celsius,
    CoolingSection,
    InstrumentSection,
    Name,
    PotentiostatSection,
    ProbeSection,
    SensorSection,
    SetupSection,
    Strict,
    TcpTransport,
)

Place = tuple[int, int]
Keys = tuple[str | int, ...]
Places = dict[Keys, tuple[Place, Place]]
"""Where the key and where the value of each field stands; of a section both are the key's place."""

QUOTES = "'\""


class Window(Strict):
    """The true cell voltages that are no excursion."""

    lower_voltage_V: float
    upper_voltage_V: float

    @model_validator(mode="after")
    def _is_a_window(self) -> "Window":
        if self.lower_voltage_V >= self.upper_voltage_V:
            raise ValueError("the window is empty; lower_voltage_V must be below upper_voltage_V")
        return self


class AnyBenchFile(Strict):
    """What is said of every simulated laboratory, whether it has one cell or several."""

    name: Name
    seed: int = Field(default=1, ge=0)
    speed: float = Field(default=1.0, ge=0)
    utc_start: datetime | None = None
    noise: bool = True
    log_readings: bool = False
    window: Window | None = None

    @property
    def jigs(self) -> tuple[JigContents, ...]:
        """Its cells, each with its own instruments."""
        raise NotImplementedError

    @property
    def shared(self) -> tuple[AnySection, ...]:
        """The instruments that belong to no cell."""
        return ()

    @property
    def all_instruments(self) -> tuple[AnySection, ...]:
        """Those of the cells, and the shared ones after them."""
        return (*(section for jig in self.jigs for section in jig.instruments), *self.shared)

    @property
    def cells_said(self) -> dict[str, Any]:
        """What is said of the cells, as log fields."""
        return {"cells": {jig.name: jig.cell.model_dump(mode="json", exclude_none=True) for jig in self.jigs}}


class BenchFile(AnyBenchFile):
    """A simulated laboratory with one cell."""

    cell: CellSection
    instruments: Annotated[list[InstrumentSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _wiring_is_possible(self) -> "BenchFile":
        check_wiring(self.instruments)
        return self

    @property
    def jigs(self) -> tuple[JigContents, ...]:
        """Its one cell, which needs no name."""
        return (JigContents("", self.cell, tuple(self.instruments)),)

    @property
    def cells_said(self) -> dict[str, Any]:
        """What is said of the cell."""
        return {"cell": self.cell.model_dump(mode="json", exclude_none=True)}


class SharedBenchFile(AnyBenchFile):
    """A simulated laboratory with several cells in one air: of one chamber, if it has one."""

    chamber_temperature_C: Celsius = 55.0
    cells: Annotated[list[JigSection], Field(min_length=1)]
    instruments: list[SharedSection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _wiring_is_possible(self) -> "SharedBenchFile":
        names: dict[Keys, str] = {("cells", index, "name"): cell.name for index, cell in enumerate(self.cells)}
        check_unlike(names, "two cells are called")
        shared: dict[Keys, str] = {("instruments", at, "name"): one.name for at, one in enumerate(self.instruments)}
        check_unlike(shared, "two instruments are called")
        check_unlike(self._serial_numbers, "two potentiostats have the serial number")
        chambers = [index for index, one in enumerate(self.instruments) if one.role == "chamber"]
        if len(chambers) > 1:
            raise PlacedError("two instruments are the chamber of one air; leave one", "instruments", chambers[1])
        for index, thermometer in enumerate(self.instruments):
            if isinstance(thermometer, SharedThermometerSection):
                thermometer.check_cells(list(names.values()), "instruments", index)
        return self

    @property
    def _serial_numbers(self) -> dict[Keys, str]:
        return {
            ("cells", index, "instruments", inner, "serial_number"): one.serial_number
            for index, cell in enumerate(self.cells)
            for inner, one in enumerate(cell.instruments)
            if isinstance(one, PotentiostatSection)
        }

    @property
    def jigs(self) -> tuple[JigContents, ...]:
        """Its cells. Their instruments have the cell's name before their own."""
        return tuple(cell.contents(self.chamber_temperature_C) for cell in self.cells)

    @property
    def shared(self) -> tuple[AnySection, ...]:
        """See `AnyBenchFile`."""
        return tuple(self.instruments)


def _kind_of(plain: object) -> type[BenchFile | SharedBenchFile]:
    """What a file must be, by whether it tells of a cell or of cells."""
    return SharedBenchFile if isinstance(plain, dict) and "cells" in plain else BenchFile


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing wrong in a file. Lines, columns and the items of lists in `path` count from 1."""

    file: str
    place: Place
    path: str
    what: str
    what_to_write: str = ""

    def __str__(self) -> str:
        line, column = self.place
        parts = (f"{self.file}:{line}:{column}", self.path, self.what, self.what_to_write)
        return "  ".join(part for part in parts if part)


class BenchFileError(Exception):
    """A bench file that can't be used; `problems` is never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclasses.dataclass(frozen=True)
class LoadedBenchFile:
    """What a bench file says, and the SHA-256 of its text."""

    content: BenchFile | SharedBenchFile
    sha256: str


def load_bench_file(path: Path) -> LoadedBenchFile:
    """Read a bench file.

    Raises:
        OSError: it can't be read.
        BenchFileError: it is no bench file; with all that is wrong, except that bad YAML ends at the first.
    """
    text = path.read_bytes()
    return LoadedBenchFile(read_bench(text, str(path)), hashlib.sha256(text).hexdigest())


def read_bench(text: bytes, file: str) -> BenchFile | SharedBenchFile:
    """Read the text of a bench file; `file` is what problems call it. Raises BenchFileError."""
    try:
        document = YAML(typ="rt").load(text.decode())
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = (error.problem or "no YAML").splitlines()[0]
        raise BenchFileError([Problem(file, place, "", what)]) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise BenchFileError([Problem(file, (1, 1), "", f"no text in UTF-8: {error}")]) from None
    places: Places = {(): ((1, 1), (1, 1))}
    plain = _plain(document, (), places)
    try:
        return _kind_of(plain).model_validate(plain)
    except ValidationError as error:
        problems = [_problem(file, dict(details), places) for details in error.errors()]
        raise BenchFileError(sorted(problems, key=lambda problem: problem.place)) from None


def _plain(node: object, keys: Keys, places: Places) -> object:
    """The document without ruamel's types; notes where everything stands."""
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            key_place = _place(node.lc.key(key))
            section = isinstance(value, CommentedMap | CommentedSeq)
            places[*keys, key] = (key_place, key_place if section else _place(node.lc.value(key)))
        return {key: _plain(value, (*keys, key), places) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            places[*keys, index] = (_place(node.lc.item(index)),) * 2
        return [_plain(value, (*keys, index), places) for index, value in enumerate(node)]
    if isinstance(node, datetime):
        return datetime.fromisoformat(node.isoformat()).replace(tzinfo=node.tzinfo or UTC)
    if isinstance(node, bool):
        return node
    kinds = (int, float, str)
    return next((kind(node) for kind in kinds if isinstance(node, kind)), node)


def _place(line_and_column: tuple[int, int]) -> Place:
    return (line_and_column[0] + 1, line_and_column[1] + 1)


def _problem(file: str, details: Mapping[str, Any], places: Places) -> Problem:
    keys = _written(details, places)
    known = keys
    while known not in places:
        known = known[:-1]
    key_place, value_place = places[known]
    counted = details["type"] != "invalid_key"
    path = "".join(f"[{key + 1}]" if isinstance(key, int) and counted else f".{key}" for key in keys).lstrip(".")
    place = key_place if details["type"] == "extra_forbidden" else value_place
    return Problem(file, place, path, *_what(details))


def _written(details: Mapping[str, Any], places: Places) -> Keys:
    """Where a problem is, in the words of the file: without what was chosen on the way, such as a model."""
    keys: Keys = ()
    error = details.get("ctx", {}).get("error")
    for key in (*details["loc"], *(error.keys if isinstance(error, PlacedError) else ())):
        if key not in SECTIONS_BY_TAG or (*keys, key) in places:
            keys = (*keys, key)
    chooser = str(details.get("ctx", {}).get("discriminator", "")).strip(QUOTES)
    return (*keys, chooser) if chooser else keys


def _what(details: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong, and what to write instead."""
    keys: Keys = details["loc"]
    found = repr(details["input"])[:60]
    number = found.strip(QUOTES).replace(",", ".")
    match details["type"]:
        case "missing" | "union_tag_not_found":
            return "is missing", ""
        case "union_tag_invalid":
            return _choice(details)
        case "extra_forbidden" if keys == ("cell",):
            return "a bench has a cell or cells, not both", "leave out one of them"
        case "extra_forbidden":
            return "unknown field", _suggestion(str(keys[-1]), _fields_beside(keys))
        case "invalid_key":
            return f"{found} is no name of a field", "a number has a point, not a comma"
        case "string_type":
            return f"expected text, found {found}", f'write it in quotes: "{details["input"]}"'
        case "float_type" | "int_type":
            return f"expected a number, found {found}", f"write {number}" if "," in found else ""
        case "model_type":
            return f"expected fields with values, found {found}", ""
        case "value_error":
            what, _, what_to_write = str(details["ctx"]["error"]).partition("; ")
            return what, what_to_write
    return f"{details['msg'][0].lower()}{details['msg'][1:]}, found {found}", ""


def _choice(details: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with a field that decides which others there are."""
    chooser = str(details["ctx"]["discriminator"]).strip(QUOTES)
    found = details["input"][chooser]
    if not isinstance(found, str):
        return f"expected text, found {found!r}", f'write it in quotes: "{found}"'
    known = [tag.strip(QUOTES) for tag in details["ctx"]["expected_tags"].split(", ")]
    return f"nothing here is called {found!r}", _suggestion(found, known)


def _fields_beside(keys: Keys) -> list[str]:
    """The fields that could stand where an unknown one does."""
    sections: dict[str, type[BaseModel]] = {
        **SECTIONS_BY_TAG,
        "cell": CellSection,
        "cells": JigSection,
        "parameters": CellOverrides,
        "window": Window,
        "transport": TcpTransport,
        "instruments": PotentiostatSection,
        "sensor": SensorSection,
        "setup": SetupSection,
        "probes": ProbeSection,
        "build": BuildSection,
        "bath": BathSection,
        "cooling": CoolingSection,
    }
    above = [key for key in keys[:-1] if isinstance(key, str)]
    if not above:
        return [name for name in {**BenchFile.model_fields, **SharedBenchFile.model_fields} if name != keys[-1]]
    return list(sections[above[-1]].model_fields)


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"

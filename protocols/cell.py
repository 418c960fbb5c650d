"""The cell file as people write it: sample, mass and its basis, what 1 C is, reference electrode, fixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from protocols import units
from protocols.errors import BadValueError, Problem, ProblemsFound
from protocols.fields import Number, Positive, Strict, Text, read_model
from protocols.source import Source, read_source


class CellName(Strict):
    """Which cell this is. `symmetric`: both electrodes are alike, so that nobody knows the sign of its voltage."""

    name: Text
    description: Text | None = None
    symmetric: bool = False


class Composite(Strict):
    """The composite electrode. `core_fraction` is the mass fraction of bare active material in a coated powder."""

    mass_mg: Positive | None = None
    mass_uncertainty_mg: Positive | None = None
    active_fraction_percent: Positive | None = None
    cam_fraction: Positive | None = None
    cam_basis: Literal["bare_nmc", "coated_powder"] = "bare_nmc"
    core_fraction: Positive | None = None

    @property
    def active_fraction(self) -> float | None:
        """Active material per composite, both by mass, 0 to 1; None when the file does not say."""
        whole = self.cam_fraction
        if self.active_fraction_percent is not None:
            whole = self.active_fraction_percent / 100
        if whole is None or self.cam_basis == "bare_nmc":
            return whole
        return None if self.core_fraction is None else whole * self.core_fraction


class RateDefinition(Strict):
    """What 1 C is: by active mass, by a nominal capacity, or by area."""

    mode: Literal["mass", "nominal", "areal"] = "mass"
    specific_capacity_mAh_g: Positive | None = None
    capacity_mAh: Positive | None = None
    areal_capacity_mAh_cm2: Positive | None = None


class Reference(Strict):
    """The electrode voltages are measured against; `offset_V` leads to `of`."""

    name: Text
    of: Text | None = None
    offset_V: Number
    lithium_to_indium_ratio: Positive | None = None


class Fixture(Strict):
    """The jig the cell sits in, and how it was closed: what was said of it, of which nothing is computed from another.

    A torque is no pressure: from one to the other friction scatters by a quarter.
    """

    jig: Text | None = None
    diameter_mm: Positive | None = None
    torque_Nm: Positive | None = None
    applied_force_N: Positive | None = None
    applied_pressure_MPa: Positive | None = None


class Separator(Strict):
    """What lies between the electrodes."""

    material: Text | None = None
    mass_mg: Positive | None = None


class Published(Strict):
    """What a publication reports of such cells: C-rate to discharge capacity per gram of active mass."""

    source: Text
    discharge_capacity_mAh_g: dict[str, Positive]
    note: Text | None = None

    @property
    def by_rate(self) -> dict[float, float]:
        """The capacities with their rates as numbers."""
        return {_rate_of_key(key): capacity for key, capacity in self.discharge_capacity_mAh_g.items()}


class Cell(Strict):
    """The top of the file."""

    schema_name: Literal["presscell-cell/1"] | None = Field(default=None, alias="schema")
    cell: CellName
    composite: Composite | None = None
    c_rate: RateDefinition | None = None
    reference: Reference
    fixture: Fixture | None = None
    separator: Separator | None = None
    published: Published | None = None
    simulated_by: Text | None = None
    notes: Any = None

    @property
    def active_mass_gram(self) -> float | None:
        """The mass capacities are given per gram of; None when the file does not say."""
        return self._active(self.composite.mass_mg if self.composite else None)

    @property
    def active_mass_uncertainty_gram(self) -> float | None:
        """The same for the uncertainty of the weighed mass."""
        return self._active(self.composite.mass_uncertainty_mg if self.composite else None)

    def _active(self, mass_mg: float | None) -> float | None:
        fraction = self.composite.active_fraction if self.composite else None
        return None if mass_mg is None or fraction is None else units.gram(mass_mg * fraction)

    @property
    def one_C_ampere(self) -> float | None:
        """The current of 1 C, which is its capacity in one hour; None when the file does not define it."""
        definition, mass, diameter = self.c_rate, self.active_mass_gram, self.fixture and self.fixture.diameter_mm
        if definition is None:
            return None
        if definition.mode == "nominal" and definition.capacity_mAh is not None:
            return units.ampere_hour(definition.capacity_mAh)
        if definition.mode == "areal" and definition.areal_capacity_mAh_cm2 is not None and diameter:
            return units.capacity_by_area(definition.areal_capacity_mAh_cm2, diameter)
        if definition.mode == "mass" and definition.specific_capacity_mAh_g is not None and mass is not None:
            return units.capacity_by_mass(definition.specific_capacity_mAh_g, mass)
        return None


@dataclass(frozen=True)
class CellFile:
    """A cell file as far as it could be read: `cell` is None when what it must say is absent or wrong."""

    source: Source
    cell: Cell | None
    problems: tuple[Problem, ...]


def read_cell(text: str, file: str) -> CellFile:
    """Read a cell file; what is wrong with it is in `problems`, all at once. Raises nothing.

    A mass that is absent is no problem here: whether it is needed depends on the protocol.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return CellFile(Source(file), None, found.problems)
    cell, problems = read_model(Cell, source, (), source.value)
    problems = source.problems + problems
    if cell is not None:
        problems += _composite_problems(source, cell) + _rate_problems(source, cell) + _published_problems(source, cell)
    return CellFile(source, cell, tuple(problems))


def _composite_problems(source: Source, cell: Cell) -> list[Problem]:
    composite = cell.composite
    if composite is None:
        return []
    problems = []
    percent, fraction = composite.active_fraction_percent, composite.cam_fraction
    if percent is not None and fraction is not None:
        where = ("composite", "cam_fraction")
        hint = "keep cam_fraction or active_fraction_percent"
        problems.append(source.problem(where, "the active fraction is said twice", hint, at_key=True))
    limits = (("active_fraction_percent", 100), ("cam_fraction", 1), ("core_fraction", 1))
    for key, most in limits:
        value = getattr(composite, key)
        if value is not None and value > most:
            problems.append(
                source.problem(("composite", key), f"{value:g} is more than all of it", f"write at most {most}")
            )
    if composite.cam_basis == "coated_powder" and composite.core_fraction is None:
        what = "coated_powder needs the mass fraction of its core"
        problems.append(source.problem(("composite", "cam_basis"), what, "write core_fraction: 0.95"))
    if composite.cam_basis == "bare_nmc" and composite.core_fraction is not None:
        what = "core_fraction has no meaning for bare_nmc"
        hint = "remove it, or write cam_basis: coated_powder"
        problems.append(source.problem(("composite", "core_fraction"), what, hint, at_key=True))
    return problems


def _rate_problems(source: Source, cell: Cell) -> list[Problem]:
    definition = cell.c_rate
    if definition is None:
        return []
    needed = {
        "mass": ("specific_capacity_mAh_g", 200),
        "nominal": ("capacity_mAh", 1.5),
        "areal": ("areal_capacity_mAh_cm2", 2),
    }
    problems = []
    for mode, (key, example) in needed.items():
        given = getattr(definition, key) is not None
        if mode == definition.mode and not given:
            what = f"mode {mode} needs {key}"
            problems.append(source.problem(("c_rate",), what, f"write {key}: {example}", at_key=True))
        elif given and mode != definition.mode:
            what = f"{key} has no meaning in mode {definition.mode}"
            problems.append(source.problem(("c_rate", key), what, f"remove it, or write mode: {mode}", at_key=True))
    if definition.mode == "areal" and not (cell.fixture and cell.fixture.diameter_mm):
        problems.append(
            source.problem(("c_rate",), "mode areal needs an area", "write fixture: {diameter_mm: 10}", at_key=True)
        )
    return problems


def _published_problems(source: Source, cell: Cell) -> list[Problem]:
    problems = []
    for key in cell.published.discharge_capacity_mAh_g if cell.published else ():
        try:
            _rate_of_key(key)
        except BadValueError as error:
            path = ("published", "discharge_capacity_mAh_g", key)
            problems.append(source.problem(path, error.what, error.what_to_write, at_key=True))
    return problems


def _rate_of_key(key: str) -> float:
    try:
        return units.number(float(key))
    except ValueError:
        return units.rate(key)

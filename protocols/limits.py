"""What a protocol may decide on: the closed list of variables, and the limits made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from protocols import units
from protocols.errors import BadValueError
from protocols.fields import Count, Name, Number, OrWord, Strict, by_default, needed, optional, shown
from protocols.guesses import field_meant, unit_note
from protocols.quantities import Compared, comparison

Operator = Literal["<", "<=", ">", ">="]
NEXT, END, PAUSE = "next", "end", "pause"
RESERVED = (NEXT, END, PAUSE)
"""Places a `goto` may name that are no tags."""
FIRST = "first"


@dataclass(frozen=True)
class Variable:
    """Something that can be held against a value.

    `of_cycles`: known only when a cycle is complete. `quantity` is its name inside, in SI, where it has one; `to_si`
    leads there.
    """

    name: str
    means: str
    quantity: str
    to_si: Callable[[float], float]
    of_cycles: bool = False


def _as_it_is(value: float) -> float:
    return value


def _share(percent: float) -> float:
    return percent / 100


_ROW = (
    ("time_s", "time since the step began", "step_time_second", _as_it_is),
    ("run_time_s", "time since the run began", "run_time_second", _as_it_is),
    ("voltage_V", "voltage against the reference electrode", "voltage_volt", _as_it_is),
    ("current_mA", "current, magnitude", "current_ampere", units.ampere),
    ("rate_C", "current as a C-rate, magnitude", "rate_C", _as_it_is),
    ("power_mW", "power, magnitude", "power_watt", units.watt),
    ("step_capacity_mAh", "charge passed in the step, magnitude", "charge_ampere_hour", units.ampere_hour),
    ("step_capacity_mAh_g", "the same per gram of active mass", "specific_capacity_mAh_g", _as_it_is),
    ("step_energy_mWh", "energy passed in the step, magnitude", "energy_watt_hour", units.watt_hour),
    (
        "dVdt_mV_h",
        "how fast the voltage changes, magnitude, by regression over the last 10 min",
        "voltage_slope_volt_per_second",
        units.volt_per_second,
    ),
    ("pressure_MPa", "stack pressure", "surface_pressure_pa", units.pascal),
    ("pressure_change_MPa", "stack pressure, less that at the step's start", "pressure_change_pa", units.pascal),
    (
        "dPdt_MPa_h",
        "how fast the stack pressure changes, magnitude, by regression over the last 10 min",
        "pressure_slope_pa_per_second",
        units.pascal_per_second,
    ),
    ("temperature_C", "temperature of the jig", "jig_temperature_celsius", _as_it_is),
)
_CYCLE = (
    ("cycle_count", "complete cycles of the block so far", "cycles", _as_it_is),
    (
        "cycle_retention_percent",
        "discharge capacity of the last complete cycle over that of the cycle in `relative_to`",
        "retention",
        _share,
    ),
    (
        "coulombic_efficiency_percent",
        "discharge over charge capacity of the last complete cycle",
        "coulombic_efficiency",
        _share,
    ),
    (
        "discharge_capacity_mAh",
        "discharge capacity of the last complete cycle",
        "discharge_ampere_hour",
        units.ampere_hour,
    ),
    ("discharge_capacity_mAh_g", "the same per gram of active mass", "discharge_capacity_mAh_g", _as_it_is),
    ("charge_capacity_mAh", "charge capacity of the last complete cycle", "charge_ampere_hour", units.ampere_hour),
    ("charge_capacity_mAh_g", "the same per gram of active mass", "charge_capacity_mAh_g", _as_it_is),
)
VARIABLES = {
    **{name: Variable(name, means, quantity, to_si) for name, means, quantity, to_si in _ROW},
    **{name: Variable(name, means, quantity, to_si, of_cycles=True) for name, means, quantity, to_si in _CYCLE},
}
"""All variables by name. There are no others."""
RETENTION = "cycle_retention_percent"
RETENTION_CYCLES = 3
"""Cycles running that a branch on retention needs, where nothing is written: one outlier ends no test of weeks."""


class CycleReference(Strict):
    """A cycle to compare with. Without a block: the first uninterrupted one of the same block and rate."""

    block: Name | None = optional("the tag, or the `id` of the `cycle`, whose cycles are counted")
    cycle: Count = by_default(1, "which of the block's cycles, from 1")

    @property
    def as_written(self) -> object:
        """What a person writes for it."""
        return FIRST if self.block is None else {"block": self.block, "cycle": self.cycle}


def _reference(value: object) -> object:
    if value == FIRST:
        return {}
    if isinstance(value, dict) and value.get("block") is not None:
        return value
    hint = "write first, or {block: formation, cycle: 1}"
    raise BadValueError(f"{shown(value)} names no cycle", hint)


RelativeTo = Annotated[CycleReference, BeforeValidator(_reference), OrWord(FIRST)]


def _variable(value: str) -> str:
    if value in VARIABLES:
        return value
    close = field_meant(value, VARIABLES)
    hint = f"did you mean {close}?{unit_note(value, close)}" if close else f"write one of {', '.join(VARIABLES)}"
    raise BadValueError(f"{value} is no variable", hint)


def _not_empty(value: list[Condition]) -> list[Condition]:
    if not value:
        raise BadValueError("the list is empty", "write at least one {var: …, op: …, value: …}")
    return value


class Condition(Strict):
    """One variable held against one value."""

    var: Annotated[Name, AfterValidator(_variable), WithJsonSchema({"enum": list(VARIABLES)})] = needed(
        "one of the variables below"
    )
    op: Operator = needed("`<`, `<=`, `>` or `>=`")
    value: Number = needed("what it is held against, in the unit that ends the variable's name")
    relative_to: RelativeTo | None = optional(
        "what retention is relative to: `first` (of the same block and rate), or `{block: formation, cycle: 1}`"
    )

    @property
    def variable(self) -> Variable:
        """What is held against the value."""
        return VARIABLES[self.var]


class Limit(Strict):
    """Where to go when all conditions of `when` are met at once."""

    when: Annotated[list[Condition], AfterValidator(_not_empty)] = needed("conditions; all must be met at once")
    goto: Name = needed("a tag; or `next` step, `end` of the run, or `pause` until a person goes on")
    consecutive: Count | None = optional(
        f"in so many cycles running, of cycle variables only; {RETENTION_CYCLES} for retention, else 1"
    )
    at_most: Count | None = optional(
        "how often in one run; needed to go back. When it is used up, the run goes to the next step instead"
    )

    @property
    def of_cycles(self) -> bool:
        """Whether it can be decided only when a cycle is complete."""
        return any(condition.variable.of_cycles for condition in self.when)

    @property
    def cycles_running(self) -> int:
        """In how many cycles running it must be met."""
        on_retention = any(condition.var == RETENTION for condition in self.when)
        return self.consecutive or (RETENTION_CYCLES if on_retention else 1)


class StopIf(Strict):
    """Short for one limit of a `cycle` on the cycle just completed; several keys must be met at once."""

    VARIABLE_OF: ClassVar[dict[str, str]] = {"retention_percent": RETENTION}

    retention_percent: Compared | None = optional('discharge capacity over that of `relative_to`, as in `"< 60"`')
    coulombic_efficiency_percent: Compared | None = optional("discharge over charge capacity")
    discharge_capacity_mAh: Compared | None = optional("of the cycle")
    discharge_capacity_mAh_g: Compared | None = optional("of the cycle")
    charge_capacity_mAh: Compared | None = optional("of the cycle")
    charge_capacity_mAh_g: Compared | None = optional("of the cycle")
    relative_to: RelativeTo | None = optional("needed by retention: `first`, or `{block: formation, cycle: 1}`")
    consecutive: Count | None = optional(f"in so many cycles running; {RETENTION_CYCLES} for retention, else 1")
    goto: Name = by_default(NEXT, "as in a limit")
    at_most: Count | None = optional("as in a limit")

    @property
    def compared(self) -> dict[str, str]:
        """The comparisons by key."""
        keys = [key for key in type(self).model_fields if key in self._variables()]
        return {key: said for key in keys if (said := getattr(self, key)) is not None}

    @classmethod
    def _variables(cls) -> set[str]:
        return {key for key in cls.model_fields if cls.VARIABLE_OF.get(key, key) in VARIABLES}

    @property
    def limit(self) -> Limit:
        """The same as a limit. At least one comparison must be there."""
        when = []
        for key, said in self.compared.items():
            operator, value = comparison(said)
            var = self.VARIABLE_OF.get(key, key)
            reference = self.relative_to.as_written if self.relative_to and var == RETENTION else None
            when.append({"var": var, "op": operator, "value": value, "relative_to": reference})
        return Limit.model_validate(
            {"when": when, "goto": self.goto, "consecutive": self.consecutive, "at_most": self.at_most}
        )

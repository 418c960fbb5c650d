"""The ends people write, sorted: those an instrument sees to by itself, and the rest as limits of the plan. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from daemon.plan import CYCLE_QUANTITIES, END, NEXT, PAUSE, Condition, CycleReference, Limit
from protocols import units
from protocols.ends import End, Test
from protocols.errors import path_text
from protocols.limits import CycleReference as WrittenReference

TIME_KEYS = frozenset({"until_time_s", "until_time"})
CHARGE_KEYS = frozenset({"until_capacity_mAh", "until_capacity_mAh_g"})
CURRENT_STEP_KEYS = TIME_KEYS | CHARGE_KEYS | {"until_voltage_V"}
"""Ends of a constant current that run in the instrument: charge at a constant current is a time."""
POWER_STEP_KEYS = TIME_KEYS | {"until_voltage_V"}
"""Ends of a constant power that run in the instrument."""
VOLTAGE_STEP_KEYS = TIME_KEYS | {"until_rate_C", "until_current_mA"}
"""Ends of a constant voltage that run in the instrument."""
_IN_CYCLES = {"charge_ampere_hour": "cycle_charge_ampere_hour", "discharge_ampere_hour": "cycle_discharge_ampere_hour"}


@dataclass(frozen=True)
class Scale:
    """What turns C-rates, powers, and capacities by mass or area, into SI: the current of 1 C, None when unknown, etc.

    `lowest_volt` is the lowest voltage that any step may come to: there a power needs its largest current.
    """

    one_C_ampere: float | None
    active_mass_gram: float
    diameter_mm: float | None = None
    lowest_volt: float = math.nan


def host_limits(
    ends: Iterable[End], in_instrument: frozenset[str], scale: Scale, then: str | None = None
) -> tuple[Limit, ...]:
    """The ends that are not of the fields `in_instrument`, in their order; `goto` and `then` are still names."""
    return tuple(
        Limit(
            key=end.key,
            when=tuple(_condition(test, scale) for test in end.when),
            goto=end.goto,
            consecutive=end.consecutive,
            at_most=end.at_most,
            then=then,
            path=path_text(end.path),
        )
        for end in ends
        if end.key not in in_instrument
    )


@dataclass(frozen=True)
class Place:
    """Where a name leads: a position of the plan, and the positions of the loops that begin anew there."""

    position: int
    begins: tuple[int, ...] = ()


def resolved(limits: tuple[Limit, ...], place_by_name: Mapping[str, Place]) -> tuple[Limit, ...]:
    """The same with the plan's positions for names. A tag that is nowhere was complained of before, and leads on."""
    return tuple(_resolved(limit, place_by_name) for limit in limits)


def _resolved(limit: Limit, place_by_name: Mapping[str, Place]) -> Limit:
    then = None if limit.then is None else place_by_name[str(limit.then)].position
    if limit.goto in (NEXT, END, PAUSE) or str(limit.goto) not in place_by_name:
        goto = limit.goto if limit.goto in (NEXT, END, PAUSE) else NEXT
        return msgspec.structs.replace(limit, goto=goto, then=then)
    place = place_by_name[str(limit.goto)]
    return msgspec.structs.replace(limit, goto=place.position, then=then, begins=place.begins)


def until_charge_ampere_hour(ends: Iterable[End], scale: Scale) -> float | None:
    """The charge that ends a step at the latest, of the fields that say one; None when none does."""
    said = [_condition(test, scale).value for end in ends if end.key in CHARGE_KEYS for test in end.when]
    return min(said, default=None)


def needs_pressure(limit: Limit) -> bool:
    """Whether a limit can't be decided without a load cell."""
    return any("pressure" in condition.quantity for condition in limit.when)


def needs_temperature(limit: Limit) -> bool:
    """Whether a limit can't be decided without a thermometer."""
    return any(condition.quantity == "jig_temperature_celsius" for condition in limit.when)


def needs_cell(limit: Limit) -> bool:
    """Whether a limit can't be decided without a potentiostat."""
    beside = {"run_time_second", "step_time_second", "jig_temperature_celsius"}
    return any(
        condition.quantity not in beside | CYCLE_QUANTITIES and "pressure" not in condition.quantity
        for condition in limit.when
    )


def _condition(test: Test, scale: Scale) -> Condition:
    quantity, value = test.variable.quantity, test.si_value
    if test.variable.of_cycles:
        quantity = _IN_CYCLES.get(quantity, quantity)
    elif quantity == "specific_capacity_mAh_g":
        quantity, value = "charge_ampere_hour", units.capacity_by_mass(value, scale.active_mass_gram)
    elif quantity == "rate_C":
        # Without a current of 1 C the file was refused before.
        quantity, value = "current_ampere", value * (scale.one_C_ampere or 0.0)
    return Condition(quantity=quantity, operator=test.operator, value=value, relative_to=_reference(test.relative_to))


def _reference(written: WrittenReference | None) -> CycleReference | None:
    return None if written is None else CycleReference(block=written.block, cycle=written.cycle)

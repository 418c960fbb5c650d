"""Which bounds a run is held to: the bench's defaults, and what a protocol tightens or knowingly loosens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from daemon.plan import Interlock
from protocols import units
from protocols.protocol import Safety

TRIP_LOW_VOLT, TRIP_HIGH_VOLT = 1.8, 3.8
START_LOW_VOLT, START_HIGH_VOLT = 1.5, 3.6
"""Open-circuit voltage a run may start at."""
CURRENT_FACTOR = 1.2
"""Trip, over the largest current of any step."""
IDLE_AMPERE = 10e-6
"""Trip for a protocol that never lets a current flow."""
HOLD_CAPACITY_mAh_g = 280.0
"""More charge than this in one half points at a soft short."""


@dataclass(frozen=True)
class Bound:
    """One number and where it comes from: "default" or "protocol". `loosened` when it is weaker than the default."""

    value: float
    default: float
    origin: str
    loosened: bool = False


@dataclass(frozen=True)
class Bounds:
    """What the cell stream is held to. `charge_ampere_hour` bounds the charge of one half, either way."""

    low_volt: Bound
    high_volt: Bound
    low_ampere: Bound
    high_ampere: Bound
    charge_ampere_hour: Bound
    rows_needed: int

    @property
    def rest_low_volt(self) -> float:
        """The guard of a rest: an as-assembled cell may rest lower than any current may take it."""
        if self.low_volt.origin == "protocol":
            return self.low_volt.value
        return min(self.low_volt.value, START_LOW_VOLT)


def bounds_for(
    safety: Safety | None, *, largest_ampere: float, active_mass_gram: float, slowest_sampling_second: float
) -> Bounds:
    """The bounds of a run.

    Args:
        safety: what the protocol says; None for the defaults.
        largest_ampere: of all steps, magnitude; 0 when no step lets a current flow.
        active_mass_gram: for the bound on charge.
        slowest_sampling_second: of all steps; `delay_s` becomes the rows that surely fit into it.
    """
    said = safety or Safety()
    most_ampere = CURRENT_FACTOR * largest_ampere or IDLE_AMPERE
    most_charge = units.capacity_by_mass(HOLD_CAPACITY_mAh_g, active_mass_gram)
    return Bounds(
        low_volt=_low(said.min_voltage_V, TRIP_LOW_VOLT),
        high_volt=_high(said.max_voltage_V, TRIP_HIGH_VOLT),
        low_ampere=_low(None if said.min_current_mA is None else units.ampere(said.min_current_mA), -most_ampere),
        high_ampere=_high(None if said.max_current_mA is None else units.ampere(said.max_current_mA), most_ampere),
        charge_ampere_hour=_high(
            None if said.max_capacity_mAh is None else units.ampere_hour(said.max_capacity_mAh), most_charge
        ),
        rows_needed=1 + math.floor((said.delay_s or 0) / slowest_sampling_second),
    )


def interlock_table(bounds: Bounds) -> tuple[Interlock, ...]:
    """The interlocks of the cell stream."""
    rows = bounds.rows_needed
    low_volt, high_volt = bounds.low_volt, bounds.high_volt
    low_ampere, high_ampere, charge = bounds.low_ampere, bounds.high_ampere, bounds.charge_ampere_hour
    return (
        Interlock(
            name="start_voltage",
            quantity="start_voltage_volt",
            low=START_LOW_VOLT,
            high=START_HIGH_VOLT,
            action="trip",
        ),
        Interlock(
            name="voltage_low",
            quantity="voltage_under_current_volt",
            low=low_volt.value,
            action="trip",
            rows_needed=rows,
            origin=low_volt.origin,
        ),
        Interlock(
            name="voltage_high",
            quantity="voltage_under_current_volt",
            high=high_volt.value,
            action="trip",
            rows_needed=rows,
            origin=high_volt.origin,
        ),
        Interlock(
            name="current_low",
            quantity="current_ampere",
            low=low_ampere.value,
            action="trip",
            rows_needed=rows,
            origin=low_ampere.origin,
        ),
        Interlock(
            name="current_high",
            quantity="current_ampere",
            high=high_ampere.value,
            action="trip",
            rows_needed=rows,
            origin=high_ampere.origin,
        ),
        Interlock(
            name="charge_passed",
            quantity="charge_passed_ampere_hour",
            high=charge.value,
            action="hold",
            origin=charge.origin,
        ),
    )


def _low(said: float | None, default: float) -> Bound:
    if said is None:
        return Bound(default, default, "default")
    return Bound(said, default, "protocol", loosened=said < default)


def _high(said: float | None, default: float) -> Bound:
    if said is None:
        return Bound(default, default, "default")
    return Bound(said, default, "protocol", loosened=said > default)

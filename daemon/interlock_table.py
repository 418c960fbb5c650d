"""Which bounds a run is held to: the bench's defaults, and what a protocol tightens or knowingly loosens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec

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

TEMPERATURE, PRESSURE = "jig_temperature_celsius", "surface_pressure_pa"
TRIP_HIGH_CELSIUS = 65.0
TRIP_LOW_PASCAL, TRIP_HIGH_PASCAL = 2e6, 20e6
SENSOR_SHARE = 0.8
"""Of a load cell's nominal force: beyond it the sensor is at risk."""
NOISY_ROWS_NEEDED = 3
"""Rows running that must break a bound on pressure or temperature."""


@dataclass(frozen=True)
class Bound:
    """One number and where it comes from: "default" or "protocol". `loosened` when it is weaker than the default."""

    value: float
    default: float
    origin: str
    loosened: bool = False


@dataclass(frozen=True)
class Bounds:
    """What a run is held to. `charge_ampere_hour` bounds the charge of one half, either way.

    Temperature is the jig's own sensor's, pressure the load cell's; `rows_needed` is of the cell's rows alone.
    """

    low_volt: Bound
    high_volt: Bound
    low_ampere: Bound
    high_ampere: Bound
    charge_ampere_hour: Bound
    low_pascal: Bound
    high_pascal: Bound
    high_celsius: Bound
    rows_needed: int

    @property
    def rest_low_volt(self) -> float:
        """The guard of a rest: an as-assembled cell may rest lower than any current may take it."""
        if self.low_volt.origin == "protocol":
            return self.low_volt.value
        return min(self.low_volt.value, START_LOW_VOLT)

    def loosenings(self) -> Iterator[tuple[str, str]]:
        """The keys of `safety` that are weaker than their default, and that default."""
        charge = units.milliampere_hour(self.charge_ampere_hour.default)
        rows = (
            ("min_voltage_V", self.low_volt, f"{self.low_volt.default:g} V"),
            ("max_voltage_V", self.high_volt, f"{self.high_volt.default:g} V"),
            ("min_current_mA", self.low_ampere, units.current_text(self.low_ampere.default)),
            ("max_current_mA", self.high_ampere, units.current_text(self.high_ampere.default)),
            ("max_capacity_mAh", self.charge_ampere_hour, f"{charge:.4g} mAh"),
            ("min_pressure_MPa", self.low_pascal, f"{units.megapascal(self.low_pascal.default):g} MPa"),
            ("max_pressure_MPa", self.high_pascal, f"{units.megapascal(self.high_pascal.default):g} MPa"),
            ("max_temperature_C", self.high_celsius, f"{self.high_celsius.default:g} °C"),
        )
        yield from ((key, default) for key, bound, default in rows if bound.loosened)
        if self.rows_needed > 1:
            yield "delay_s", "0 s"


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
        low_ampere=_low(_converted(units.ampere, said.min_current_mA), -most_ampere),
        high_ampere=_high(_converted(units.ampere, said.max_current_mA), most_ampere),
        charge_ampere_hour=_high(_converted(units.ampere_hour, said.max_capacity_mAh), most_charge),
        low_pascal=_low(_converted(units.pascal, said.min_pressure_MPa), TRIP_LOW_PASCAL),
        high_pascal=_high(_converted(units.pascal, said.max_pressure_MPa), TRIP_HIGH_PASCAL),
        high_celsius=_high(said.max_temperature_C, TRIP_HIGH_CELSIUS),
        rows_needed=1 + math.floor((said.delay_s or 0) / slowest_sampling_second),
    )


ROWS_WITHOUT_READING = 60
"""So many rows running without a voltage or a current under way, and nobody knows what the cell sees."""


def interlock_table(bounds: Bounds, *, has_potentiostat: bool = True) -> tuple[Interlock, ...]:
    """The interlocks of all streams.

    Without a potentiostat there is no cell stream, and nothing that a trip could bring to open circuit: pressure and
    temperature then only warn, and logging goes on.
    """
    beside = _beside_the_cell(bounds, action="trip" if has_potentiostat else "warn")
    return (*_of_the_cell(bounds), *beside) if has_potentiostat else beside


def limited_by_sensor(
    table: tuple[Interlock, ...], nominal_newton: float, area_square_metre: float
) -> tuple[Interlock, ...]:
    """The same table with pressure bound to what the load cell bears, where that is less than what is in force.

    Args:
        table: of a plan.
        nominal_newton: what the load cell is made for.
        area_square_metre: of the cell in the fixture.
    """
    most_pascal = SENSOR_SHARE * nominal_newton / area_square_metre
    return tuple(
        msgspec.structs.replace(row, high=most_pascal, origin="station")
        if row.quantity == PRESSURE and row.high is not None and row.high > most_pascal
        else row
        for row in table
    )


def _of_the_cell(bounds: Bounds) -> tuple[Interlock, ...]:
    low_volt, high_volt, charge = bounds.low_volt, bounds.high_volt, bounds.charge_ampere_hour
    start = Interlock(
        name="start_voltage", quantity="start_voltage_volt", low=START_LOW_VOLT, high=START_HIGH_VOLT, action="trip"
    )
    under_current = partial(Interlock, quantity="voltage_under_current_volt", rows_needed=bounds.rows_needed)
    current = partial(Interlock, quantity="current_ampere", rows_needed=bounds.rows_needed)
    low_ampere, high_ampere = bounds.low_ampere, bounds.high_ampere
    return (
        start,
        under_current(name="voltage_low", low=low_volt.value, action="trip", origin=low_volt.origin),
        under_current(name="voltage_high", high=high_volt.value, action="trip", origin=high_volt.origin),
        current(name="current_low", low=low_ampere.value, action="trip", origin=low_ampere.origin),
        current(name="current_high", high=high_ampere.value, action="trip", origin=high_ampere.origin),
        Interlock(
            name="nothing_read",
            quantity="rows_without_reading",
            high=0.5,
            action="hold",
            rows_needed=ROWS_WITHOUT_READING,
        ),
        Interlock(
            name="charge_passed",
            quantity="charge_passed_ampere_hour",
            high=charge.value,
            action="hold",
            origin=charge.origin,
        ),
    )


def _beside_the_cell(bounds: Bounds, action: str) -> tuple[Interlock, ...]:
    low, high, hot = bounds.low_pascal, bounds.high_pascal, bounds.high_celsius
    row = partial(Interlock, action=action, rows_needed=NOISY_ROWS_NEEDED)
    return (
        row(name="jig_temperature_high", quantity=TEMPERATURE, high=hot.value, origin=hot.origin),
        row(name="pressure_low", quantity=PRESSURE, low=low.value, origin=low.origin),
        row(name="pressure_high", quantity=PRESSURE, high=high.value, origin=high.origin),
    )


def _converted(convert: Callable[[float], float], said: float | None) -> float | None:
    return None if said is None else convert(said)


def _low(said: float | None, default: float) -> Bound:
    if said is None:
        return Bound(default, default, "default")
    return Bound(said, default, "protocol", loosened=said < default)


def _high(said: float | None, default: float) -> Bound:
    if said is None:
        return Bound(default, default, "default")
    return Bound(said, default, "protocol", loosened=said > default)

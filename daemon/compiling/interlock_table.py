"""The interlocks a run is held to, made of its bounds; and what of them a rig can watch. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import partial

import msgspec

from daemon.compiling.bounds import DEFAULT, STATION, Bound, Bounds
from daemon.cycles.efficiency import EFFICIENCY, FIRST_EFFICIENCY
from daemon.plan import Interlock
from daemon.rows.readings import (
    JIG_TEMPERATURE,
    PRESSURE,
    PRESSURE_AGE,
    PRESSURE_CHANGE,
    PRESSURE_DROP,
    PRESSURE_UNCHANGED,
    TEMPERATURE_AGE,
    TEMPERATURE_DEVIATION,
    TEMPERATURE_UNCHANGED,
)

SENSOR_SHARE = 0.8
"""Of a load cell's nominal force: beyond it the sensor is at risk."""
NOISY_ROWS_NEEDED = 3
"""Rows running that must break a bound on pressure or temperature."""
ROWS_WITHOUT_READING = 60
"""So many rows running without a voltage or a current under way, and nobody knows what the cell sees."""
REVERSED_SHARE_PERCENT = -10.0
"""Of the current that was asked for: less than this is a current of the other sign, and no noise."""
VOLTAGE_BEFORE_CURRENT = "voltage_before_current_volt"
"""The last voltage at open circuit before the first current of a run."""
NEAR_ZERO_VOLT = 0.05
"""What a shorted cell, or an open lead, may show."""
STALE_SECOND = 5.0
"""Older than this a reading is no longer shown."""
STUCK_ROWS, STUCK_PRESSURE_SECOND, STUCK_TEMPERATURE_SECOND = 60, 600.0, 3600.0
"""So many readings, or so long, without the change of a digit are more than noise allows."""
SILENT_PERIODS, STUCK_PERIODS = 2.5, 20
"""How many of its own periods a sensor that is asked rarely may say nothing, and nothing new."""

_TEMPERATURE = frozenset({JIG_TEMPERATURE, TEMPERATURE_AGE, TEMPERATURE_UNCHANGED, TEMPERATURE_DEVIATION})
_PRESSURE = frozenset({PRESSURE, PRESSURE_AGE, PRESSURE_UNCHANGED, PRESSURE_CHANGE, PRESSURE_DROP})


def interlock_table(
    bounds: Bounds, *, has_potentiostat: bool = True, is_symmetric: bool = False
) -> tuple[Interlock, ...]:
    """The interlocks of all streams.

    Without a potentiostat there is no cell stream, and nothing that a trip could bring to open circuit: pressure and
    temperature then only warn, and logging goes on. Of a symmetric cell nobody knows the sign of the voltage.
    """
    beside = (*_of_temperature(bounds), *_of_pressure(bounds))
    if not has_potentiostat:
        return tuple(row if row.action == "flag" else msgspec.structs.replace(row, action="warn") for row in beside)
    signs = () if is_symmetric else _of_signs()
    before = _before_current(bounds, is_symmetric=is_symmetric)
    return (*_of_the_cell(bounds), before, *signs, *_of_soft_shorts(bounds), *beside)


def on_rig(
    table: tuple[Interlock, ...], *, roles: Collection[str], temperature_every_second: float
) -> tuple[Interlock, ...]:
    """The same table for what a rig has: without sensors that are not there, and patient with one that is asked rarely.

    Args:
        table: of a plan.
        roles: of the rig.
        temperature_every_second: how often its thermometer is asked.
    """
    unwatched = (frozenset() if "thermometer" in roles else _TEMPERATURE) | (
        frozenset() if "load_cell" in roles else _PRESSURE
    )
    return tuple(
        _patient(row, temperature_every_second) if row.quantity in _TEMPERATURE else row
        for row in table
        if row.quantity not in unwatched
    )


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
        msgspec.structs.replace(row, high=most_pascal, origin=STATION)
        if row.quantity == PRESSURE and row.high is not None and row.high > most_pascal
        else row
        for row in table
    )


def _patient(row: Interlock, every_second: float) -> Interlock:
    if row.quantity == TEMPERATURE_AGE and row.high is not None and row.high < SILENT_PERIODS * every_second:
        return msgspec.structs.replace(row, high=SILENT_PERIODS * every_second, origin=STATION)
    if row.quantity == TEMPERATURE_UNCHANGED:
        rows = max(STUCK_PERIODS, math.ceil(STUCK_TEMPERATURE_SECOND / every_second))
        return msgspec.structs.replace(row, rows_needed=rows)
    return row


def _low(name: str, quantity: str, bound: Bound, action: str, rows_needed: int = 1) -> Interlock:
    return Interlock(
        name=name, quantity=quantity, low=bound.value, action=action, rows_needed=rows_needed, origin=bound.origin
    )


def _high(name: str, quantity: str, bound: Bound, action: str, rows_needed: int = 1) -> Interlock:
    return Interlock(
        name=name, quantity=quantity, high=bound.value, action=action, rows_needed=rows_needed, origin=bound.origin
    )


def _around(name: str, quantity: str, bound: Bound, action: str) -> Interlock:
    row = _high(name, quantity, bound, action, NOISY_ROWS_NEEDED)
    return msgspec.structs.replace(row, low=-bound.value)


def _of_the_cell(bounds: Bounds) -> tuple[Interlock, ...]:
    rows, start_low, start_high = bounds.rows_needed, bounds.start_low_volt, bounds.start_high_volt
    under_current, current = "voltage_under_current_volt", "current_ampere"
    unread = partial(Interlock, quantity="rows_without_reading", high=0.5, rows_needed=ROWS_WITHOUT_READING)
    return (
        Interlock(
            name="start_voltage",
            quantity="start_voltage_volt",
            low=start_low.value,
            high=start_high.value,
            action="trip",
            origin=start_high.origin if start_low.origin == DEFAULT else start_low.origin,
        ),
        _low("voltage_low", under_current, bounds.low_volt, "trip", rows),
        _high("voltage_high", under_current, bounds.high_volt, "trip", rows),
        _low("current_low", current, bounds.low_ampere, "trip", rows),
        _high("current_high", current, bounds.high_ampere, "trip", rows),
        unread(name="nothing_read", action="hold"),
        Interlock(name="voltage_stuck", quantity="voltage_unchanged", high=0.5, action="warn", rows_needed=STUCK_ROWS),
    )


def _before_current(bounds: Bounds, *, is_symmetric: bool) -> Interlock:
    """As at the start; and no lower than near 0 V where no current may take the cell there either."""
    low, high = bounds.start_low_volt, bounds.start_high_volt
    may_be_near_zero = is_symmetric or bounds.low_volt.value <= NEAR_ZERO_VOLT
    least_volt = low.value if may_be_near_zero else max(low.value, NEAR_ZERO_VOLT)
    return Interlock(
        name="voltage_before_current",
        quantity=VOLTAGE_BEFORE_CURRENT,
        low=least_volt,
        high=high.value,
        action="hold",
        origin=high.origin if low.origin == DEFAULT else low.origin,
    )


def _of_signs() -> tuple[Interlock, ...]:
    """What a cell does that is connected the right way round."""
    noisy = partial(Interlock, rows_needed=NOISY_ROWS_NEEDED)
    return (
        noisy(name="current_reversed", quantity="current_share_percent", low=REVERSED_SHARE_PERCENT, action="trip"),
        Interlock(name="voltage_wrong_way", quantity="voltage_response_volt", low=0.0, action="hold"),
        noisy(name="voltage_reversed", quantity="open_circuit_voltage_volt", low=0.0, action="warn"),
    )


def _of_soft_shorts(bounds: Bounds) -> tuple[Interlock, ...]:
    return (
        _high("charge_passed", "charge_passed_ampere_hour", bounds.charge_ampere_hour, "hold"),
        _high("voltage_drop", "voltage_drop_volt", bounds.voltage_drop_volt, "hold"),
        _low("first_efficiency_low", FIRST_EFFICIENCY, bounds.first_efficiency_percent, "hold"),
        _low("efficiency_low", EFFICIENCY, bounds.efficiency_percent, "hold"),
    )


def _of_temperature(bounds: Bounds) -> tuple[Interlock, ...]:
    stuck_rows = math.ceil(STUCK_TEMPERATURE_SECOND)
    return (
        _high("jig_temperature_high", JIG_TEMPERATURE, bounds.high_celsius, "trip", NOISY_ROWS_NEEDED),
        _around("jig_temperature_off", TEMPERATURE_DEVIATION, bounds.deviation_kelvin, "hold"),
        _around("jig_temperature_drifts", TEMPERATURE_DEVIATION, bounds.warn_deviation_kelvin, "warn"),
        Interlock(name="jig_temperature_stale", quantity=TEMPERATURE_AGE, high=STALE_SECOND, action="flag"),
        _high("jig_temperature_silent", TEMPERATURE_AGE, bounds.warn_silent_second, "warn"),
        _high("jig_temperature_unknown", TEMPERATURE_AGE, bounds.temperature_unknown_second, "hold_after_half"),
        Interlock(
            name="jig_temperature_stuck",
            quantity=TEMPERATURE_UNCHANGED,
            high=0.5,
            action="warn",
            rows_needed=stuck_rows,
        ),
    )


def _of_pressure(bounds: Bounds) -> tuple[Interlock, ...]:
    loss = bounds.pressure_loss_percent
    return (
        _low("pressure_low", PRESSURE, bounds.low_pascal, "trip", NOISY_ROWS_NEEDED),
        _high("pressure_high", PRESSURE, bounds.high_pascal, "trip", NOISY_ROWS_NEEDED),
        Interlock(
            name="pressure_lost",
            quantity=PRESSURE_CHANGE,
            low=-loss.value,
            action="hold",
            rows_needed=NOISY_ROWS_NEEDED,
            origin=loss.origin,
        ),
        _high("pressure_crack", PRESSURE_DROP, bounds.pressure_drop_pascal, "hold"),
        _around("pressure_changed", PRESSURE_CHANGE, bounds.warn_pressure_change_percent, "warn"),
        Interlock(name="pressure_stale", quantity=PRESSURE_AGE, high=STALE_SECOND, action="flag"),
        _high("pressure_silent", PRESSURE_AGE, bounds.warn_silent_second, "warn"),
        Interlock(
            name="pressure_stuck",
            quantity=PRESSURE_UNCHANGED,
            high=0.5,
            action="warn",
            rows_needed=math.ceil(STUCK_PRESSURE_SECOND),
        ),
    )

"""Stored rows of pressure and temperature to the fixed summary that decisions see. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from daemon.events import ReadingsSummary
from daemon.interlocks import intact, observe
from daemon.plan import PRESSURE_STREAM, TEMPERATURE_STREAM, Interlock
from daemon.settling import Settled, baseline
from daemon.watching import Followed, Tail, follow
from drivers.roles import Floats

JIG_TEMPERATURE, PRESSURE, SHOWN = "jig_temperature_celsius", "surface_pressure_pa", "displayed_load"
WATCHED = {TEMPERATURE_STREAM: JIG_TEMPERATURE, PRESSURE_STREAM: PRESSURE}
"""The quantity of each stream that is followed from row to row. A pressure changes with the temperature of its sensor
alone: whether a load cell is frozen, only what it shows can tell."""
AIR_TEMPERATURE = "ambient_temperature_celsius"
"""Around the jig: of the thermometer's channel for it, else what the chamber says of its air."""
TEMPERATURE_AGE, PRESSURE_AGE = "jig_temperature_age_second", "surface_pressure_age_second"
AGES = {JIG_TEMPERATURE: TEMPERATURE_AGE, PRESSURE: PRESSURE_AGE}
"""Watched quantity to the time for which it has not been read."""
TEMPERATURE_UNCHANGED, PRESSURE_UNCHANGED = "jig_temperature_unchanged", "surface_pressure_unchanged"
"""1 in a row that reads what the one before did, else 0."""
TEMPERATURE_DEVIATION = "jig_temperature_deviation_kelvin"
"""From the setpoint the jig has been equilibrated to."""
PRESSURE_CHANGE, PRESSURE_DROP = "surface_pressure_change_percent", "surface_pressure_drop_pa"
"""From the baseline; and how far the median of three readings lies below the highest within `CRACK_SECOND`."""
CRACK_SECOND = 10.0
BATH_TEMPERATURE, VESSEL_TEMPERATURE = "bath_temperature_celsius", "vessel_temperature_celsius"
MILLED, CHILLER_AGE, VESSEL_AGE = "time_at_speed_second", "chiller_age_second", "vessel_age_second"
CHILLER_TROUBLE, DRIVE_FAULT = "chiller_trouble", "drive_fault"
"""Of the mill's stream: see `daemon.rows.streams.MILL_SCHEMA`."""


def summarise_readings(
    stream: str,
    first_seq: int,
    second: Floats,
    quantities: Mapping[str, Floats],
    *,
    table: Iterable[Interlock],
    carried_rows: Mapping[str, int],
    tails: Mapping[str, Tail] | None = None,
    settled: Settled | None = None,
    warned: Collection[str] = (),
) -> ReadingsSummary:
    """Summarise rows of one stream.

    Args:
        stream: its name.
        first_seq: the stream's number of the first of them.
        second: run time of each, shape (n,), n at least 1, rising.
        quantities: name to values, shape (n,) each; NaN is no reading.
        table: the interlocks in force; those on other quantities are passed over.
        carried_rows: see `daemon.interlocks.observe`.
        tails: of the watched quantities up to these rows, by name.
        settled: what deviations count from up to these rows.
        warned: the interlocks whose warning is on.
    """
    read = {name: values[np.isfinite(values)] for name, values in quantities.items()}
    known = {name: values for name, values in read.items() if len(values)}
    nothing = np.isnan(np.stack(list(quantities.values()))).all(axis=0)
    watched, settled_before = WATCHED.get(stream, ""), settled or Settled()
    told: dict[str, Floats] = {}
    tails_after: dict[str, Tail] = {}
    settled_after = settled_before
    followed: dict[str, Followed] = {}
    for name, window_second in ((watched, CRACK_SECOND if watched == PRESSURE else 0.0), (SHOWN, 0.0)):
        if name in quantities:
            tail = (tails or {}).get(name, Tail())
            followed[name], tails_after[name] = follow(tail, second, quantities[name], window_second)
    if watched in quantities:
        in_force, settled_after = _in_force(watched, settled_before, second, quantities[watched])
        told = _told(watched, quantities[watched], followed, in_force)
    return ReadingsSummary(
        stream=stream,
        first_seq=first_seq,
        last_seq=first_seq + len(second) - 1,
        first_second=float(second[0]),
        last_second=float(second[-1]),
        lowest={name: float(values.min()) for name, values in known.items()},
        highest={name: float(values.max()) for name, values in known.items()},
        last={name: float(values[-1]) for name, values in known.items()},
        rows_without_reading=int(nothing.sum()),
        unread={name: int(np.isnan(values).sum()) for name, values in quantities.items() if np.isnan(values).any()},
        breaches=observe(table, {**quantities, **told}, carried_rows),
        tails=tails_after,
        settled=settled_after if settled_after != settled_before else None,
        intact=intact(table, {**quantities, **_where_read(quantities.get(watched), told)}, warned),
    )


def _where_read(values: Floats | None, told: Mapping[str, Floats]) -> dict[str, Floats]:
    """What is told of a quantity, at the rows that read it: no row without a reading says that anything is well."""
    return {} if values is None else {name: np.where(np.isfinite(values), of, np.nan) for name, of in told.items()}


def _in_force(watched: str, settled: Settled, second: Floats, values: Floats) -> tuple[Floats, Settled]:
    """What deviations count from at each row, NaN where from nothing; and what is settled after the last."""
    if watched == PRESSURE:
        return baseline(settled, second, values)
    return np.full(len(second), np.nan if settled.celsius is None else settled.celsius), settled


def _told(watched: str, values: Floats, followed: Mapping[str, Followed], in_force: Floats) -> dict[str, Floats]:
    """The quantities that interlocks bound beside the value itself."""
    if watched == PRESSURE:
        return {
            PRESSURE_AGE: followed[PRESSURE].age_second,
            PRESSURE_UNCHANGED: followed.get(SHOWN, followed[PRESSURE]).unchanged,
            PRESSURE_DROP: followed[PRESSURE].drop,
            PRESSURE_CHANGE: 100 * (values / in_force - 1),
        }
    return {
        TEMPERATURE_AGE: followed[watched].age_second,
        TEMPERATURE_UNCHANGED: followed[watched].unchanged,
        TEMPERATURE_DEVIATION: values - in_force,
    }

"""What trips a run: a pure fold of the interlock table over blocks of rows."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from daemon.events import Breach
from daemon.plan import Interlock


def observe(
    table: Iterable[Interlock], quantities: Mapping[str, NDArray[np.float64]], carried_rows: Mapping[str, int]
) -> tuple[Breach, ...]:
    """How rows meet the interlocks whose quantity they carry; only broken ones are answered.

    Args:
        table: the interlocks in force.
        quantities: name to values, shape (n,) each; NaN is no reading: it breaks nothing, and mends nothing.
        carried_rows: interlock name to the rows that already broke it, running up to these.
    """
    breaches = []
    for interlock in table:
        values = quantities.get(interlock.quantity)
        if values is None or not len(values):
            continue
        breach = _observe_one(interlock, values, carried_rows.get(interlock.name, 0))
        if breach is not None:
            breaches.append(breach)
    return tuple(breaches)


def _observe_one(interlock: Interlock, all_values: NDArray[np.float64], carried_rows: int) -> Breach | None:
    values = all_values[~np.isnan(all_values)]
    if not len(values):
        return _unchanged(interlock, carried_rows)
    excess = np.full(len(values), -np.inf)
    if interlock.high is not None:
        excess = np.fmax(excess, values - interlock.high)
    if interlock.low is not None:
        excess = np.fmax(excess, interlock.low - values)
    broken = excess > 0
    if not broken.any():
        return None
    intact_at = np.flatnonzero(~broken)
    edges = np.concatenate(([-1 - carried_rows], intact_at, [len(values)]))
    stretches = np.diff(edges) - 1
    return Breach(
        interlock=interlock.name,
        worst_value=float(values[int(np.argmax(excess))]),
        longest_rows=int(stretches.max()),
        trailing_rows=int(stretches[-1]),
    )


def _unchanged(interlock: Interlock, carried_rows: int) -> Breach | None:
    """What was broken before stays so while nothing is read."""
    bound = interlock.high if interlock.high is not None else interlock.low
    if not carried_rows or bound is None:
        return None
    return Breach(interlock=interlock.name, worst_value=bound, longest_rows=carried_rows, trailing_rows=carried_rows)


def intact(
    table: Iterable[Interlock], quantities: Mapping[str, NDArray[np.float64]], names: Collection[str]
) -> tuple[str, ...]:
    """Which of these interlocks were read, and broken in no row. `quantities` is as in `observe`."""
    asked = [row for row in table if row.name in names and row.quantity in quantities] if names else []
    read = [row for row in asked if np.isfinite(quantities[row.quantity]).any()]
    broken = {breach.interlock for breach in observe(read, quantities, {})}
    return tuple(row.name for row in read if row.name not in broken)


def carry(breaches: Iterable[Breach]) -> dict[str, int]:
    """The rows that go on into the next block, by interlock."""
    return {breach.interlock: breach.trailing_rows for breach in breaches if breach.trailing_rows}


def tripped(table: Iterable[Interlock], breaches: Iterable[Breach]) -> list[tuple[Interlock, Breach]]:
    """The interlocks that were broken for as many rows as they need, gravest first."""
    gravity = {"trip": 0, "hold": 1, "hold_after_half": 2, "warn": 3, "flag": 4}
    by_name = {interlock.name: interlock for interlock in table}
    found = [(by_name[breach.interlock], breach) for breach in breaches]
    fired = [(interlock, breach) for interlock, breach in found if breach.longest_rows >= interlock.rows_needed]
    return sorted(fired, key=lambda pair: gravity[pair[0].action])

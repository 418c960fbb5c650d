"""Charge and discharge of each cycle held against each other while a run goes on: a soft short eats charge. Pure."""

from __future__ import annotations

import math

import msgspec

from daemon.cycles.table import cycle_numbers

EFFICIENCY, FIRST_EFFICIENCY = "coulombic_efficiency_percent", "first_coulombic_efficiency_percent"
SAME_CURRENT = 1e-6
"""Relative."""
FORMATION_RATE_C = 1.0
"""Faster than this a cell that was never formed gives little back for its kinetics alone."""


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """One executed half of a cycle. `current_ampere` is what was asked, a magnitude; charge is positive both ways.

    `rate_C` is None where nobody said what 1 C is.
    """

    half: str
    current_ampere: float
    rate_C: float | None
    charge_ampere_hour: float
    ended_by: str


class Cycling(msgspec.Struct, frozen=True, kw_only=True):
    """The halves of the cycle that is open, the current of the one before, and whether a charge came before them."""

    halves: tuple[Half, ...] = ()
    current_before_ampere: float | None = None
    charged_before: bool = False


def after_half(cycling: Cycling, half: Half, cycle_starts_with: str) -> tuple[Cycling, dict[str, float]]:
    """The fold after one more half; and the efficiency by its name when the half has completed a cycle to be judged.

    A cycle is judged when both its halves ended on their voltage limit, at the same current, which was also that of the
    cycle before. That of the first charge is judged as such, and not at all when a discharge came before it in the
    cycle, for nobody knows from where, or when it was faster than a formation may be.
    """
    kinds = [done.half for done in cycling.halves]
    if not kinds or cycle_numbers([*kinds, half.half], cycle_starts_with)[-1] > 1:
        current = cycling.halves[-1].current_ampere if kinds else None
        charged = cycling.charged_before or "charge" in kinds
        return Cycling(halves=(half,), current_before_ampere=current, charged_before=charged), {}
    after = msgspec.structs.replace(cycling, halves=(*cycling.halves, half))
    return after, _judged(after)


def after_extension(
    cycling: Cycling, half: str, charge_ampere_hour: float, *, interrupted: bool
) -> tuple[Cycling, dict[str, float]]:
    """The fold when the last half has gone on at a held voltage; the efficiency as in `after_half`.

    Args:
        cycling: the halves before.
        half: which was held; another than the last changes nothing.
        charge_ampere_hour: passed while it was held, a magnitude.
        interrupted: it was cut short meanwhile.
    """
    if not cycling.halves or cycling.halves[-1].half != half:
        return cycling, {}
    *before, last = cycling.halves
    longer = msgspec.structs.replace(
        last,
        charge_ampere_hour=last.charge_ampere_hour + charge_ampere_hour,
        ended_by="interruption" if interrupted else last.ended_by,
    )
    after = msgspec.structs.replace(cycling, halves=(*before, longer))
    return after, _judged(after)


def _judged(cycling: Cycling) -> dict[str, float]:
    currents = [half.current_ampere for half in cycling.halves]
    charge_by_half = {half.half: half.charge_ampere_hour for half in cycling.halves}
    is_first = not cycling.charged_before
    if not is_first and cycling.current_before_ampere is not None:
        currents.append(cycling.current_before_ampere)
    complete = len(charge_by_half) == len(cycling.halves) == 2 and all(h.ended_by == "voltage" for h in cycling.halves)
    steady = all(math.isclose(current, currents[0], rel_tol=SAME_CURRENT) for current in currents)
    is_unlike = is_first and (cycling.halves[0].half == "discharge" or _is_fast(cycling.halves[0]))
    if not complete or not steady or is_unlike or not charge_by_half["charge"]:
        return {}
    efficiency_percent = 100 * charge_by_half["discharge"] / charge_by_half["charge"]
    return {FIRST_EFFICIENCY if is_first else EFFICIENCY: efficiency_percent}


def _is_fast(half: Half) -> bool:
    return half.rate_C is not None and half.rate_C > FORMATION_RATE_C * (1 + SAME_CURRENT)

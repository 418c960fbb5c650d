"""The cycle table: charge and discharge halves counted into cycles. A pure fold of the segments that were executed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.events import SegmentRecord
from daemon.plan import CellFacts

MILLIAMPERE_HOUR = 1000.0
"""Per ampere-hour."""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """One counted cycle. Capacities are per gram of active mass, positive both ways; None where no such half was run.

    `coulombic_efficiency_percent` is discharge over charge and None unless both halves ended on their voltage limit.
    `cycle_in_block` counts within the block. `flags` may hold "rate_changed" (the efficiency compares across a change
    of rate) and "unfinished" (a half is missing, or did not end on its voltage limit). What is measured of pressure
    and resistance is defined in `daemon.cycle_pressure` and `daemon.cycle_resistance`; it is None without a load cell,
    or where there was no such moment.
    """

    cycle_count: int
    cycle_in_block: int
    block: str
    rate_C: float | None
    charge_capacity_mAh_g: float | None
    discharge_capacity_mAh_g: float | None
    coulombic_efficiency_percent: float | None
    pressure_start_MPa: float | None = None
    pressure_end_of_charge_MPa: float | None = None
    pressure_end_of_discharge_MPa: float | None = None
    pressure_breathing_MPa: float | None = None
    pressure_drift_MPa: float | None = None
    charge_pressure_slope_MPa_mAh: float | None = None
    discharge_pressure_slope_MPa_mAh: float | None = None
    charge_resistance_1s_ohm: float | None = None
    charge_resistance_10s_ohm: float | None = None
    discharge_resistance_1s_ohm: float | None = None
    discharge_resistance_10s_ohm: float | None = None
    start_run_time_second: float
    end_run_time_second: float
    flags: tuple[str, ...] = ()


def cycle_table(records: Iterable[SegmentRecord], cell: CellFacts, cycle_starts_with: str) -> list[Cycle]:
    """Count cycles.

    A half that follows its own kind begins a new cycle, so two charges running are two cycles.

    Args:
        records: executed segments in order; those without a half (rests) do not count.
        cell: for the active mass.
        cycle_starts_with: "charge" or "discharge".
    """
    cycles: list[Cycle] = []
    in_block = 0
    for halves in halves_of_cycles(records, cycle_starts_with):
        previous = cycles[-1] if cycles else None
        block = halves[0].block
        in_block = in_block + 1 if previous is not None and previous.block == block else 1
        rate_changed = previous is not None and previous.rate_C != halves[0].rate_C
        cycles.append(_cycle(halves, cell, len(cycles) + 1, in_block, rate_changed=rate_changed))
    return cycles


def halves_of_cycles(records: Iterable[SegmentRecord], cycle_starts_with: str) -> list[list[SegmentRecord]]:
    """The halves of each cycle, one or two, by the rule of `cycle_table`."""
    executed = list(records)
    numbers = cycle_numbers((record.half for record in executed), cycle_starts_with)
    cycles: list[list[SegmentRecord]] = [[] for _ in range(max(numbers, default=0))]
    for number, record in zip(numbers, executed, strict=True):
        if record.half is not None:
            cycles[number - 1].append(record)
    return cycles


def cycle_numbers(halves: Iterable[str | None], cycle_starts_with: str) -> list[int]:
    """The cycle of each executed segment, by the rule of `cycle_table`, from its half; None is a rest.

    A rest belongs to the half before it; 0 is before the first half.
    """
    numbers: list[int] = []
    count = 0
    in_cycle: set[str] = set()
    for half in halves:
        if half is not None:
            if not count or half == cycle_starts_with or half in in_cycle:
                count += 1
                in_cycle = set()
            in_cycle.add(half)
        numbers.append(count)
    return numbers


def _cycle(halves: list[SegmentRecord], cell: CellFacts, count: int, in_block: int, *, rate_changed: bool) -> Cycle:
    charge = _capacity_mAh_g(halves, "charge", cell)
    discharge = _capacity_mAh_g(halves, "discharge", cell)
    complete = len(halves) == 2 and all(half.ended_by == "voltage" for half in halves)
    efficiency = 100 * discharge / charge if complete and charge and discharge is not None else None
    flags = (("rate_changed",) if rate_changed else ()) + (() if complete else ("unfinished",))
    return Cycle(
        cycle_count=count,
        cycle_in_block=in_block,
        block=halves[0].block,
        rate_C=halves[0].rate_C,
        charge_capacity_mAh_g=charge,
        discharge_capacity_mAh_g=discharge,
        coulombic_efficiency_percent=efficiency,
        start_run_time_second=halves[0].start_run_time_second,
        end_run_time_second=halves[-1].end_run_time_second,
        flags=flags,
    )


def _capacity_mAh_g(halves: list[SegmentRecord], half: str, cell: CellFacts) -> float | None:
    for record in halves:
        if record.half == half:
            return abs(record.charge_ampere_hour) * MILLIAMPERE_HOUR / cell.active_mass_gram
    return None

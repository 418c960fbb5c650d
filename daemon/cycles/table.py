"""The cycle table: charge and discharge halves counted into cycles. A pure fold of the segments that were executed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.events import SegmentRecord
from daemon.plan import CellFacts

MILLIAMPERE_HOUR = 1000.0
"""Per ampere-hour."""
AT_ITS_END = frozenset({"voltage", "current"})
"""What ended a half that ended on its voltage limit; "current" where the voltage was held there afterwards."""
AT_LIMIT_SECOND, AT_LIMIT_ROWS = 2.0, 3
"""A half that met its voltage limit so soon, with so few rows, is none: the cell was there already."""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """One counted cycle. Capacities are per gram of active mass, positive both ways; None where no such half was run.

    `coulombic_efficiency_percent` is discharge over charge and None unless both halves ended on their voltage limit
    without an interruption. `cycle_in_block` counts within the block. `flags` may hold "rate_changed" (the efficiency
    compares across a change of rate), "interrupted" (a half was cut short and went on later, or between its halves the
    run was held or nothing ran: such a cycle is none to compare with) and "unfinished" (a half is missing, or did not
    end on its voltage limit). What is measured of pressure and resistance is defined in `daemon.cycles.pressure` and
    `daemon.cycles.resistance`; it is None without a load cell, or where there was no such moment.
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

    Where records say their cycle, that is it. Else a half that follows its own kind begins a new cycle, so two charges
    running are two cycles. What goes on with a half that was cut short adds to it, and a cell that was at its limit
    already has run no half.

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
        count = halves[0].cycle or len(cycles) + 1
        rate_changed = previous is not None and previous.rate_C != halves[0].rate_C
        cycles.append(_cycle(halves, cell, count, in_block, rate_changed=rate_changed))
    return cycles


def halves_of_cycles(records: Iterable[SegmentRecord], cycle_starts_with: str) -> list[list[SegmentRecord]]:
    """The halves of each cycle, one or two, by the rule of `cycle_table`; more where the protocol counts by itself.

    A half that was cut short and went on is one record, from the start of its first part to the end of its last, and
    `continues`.
    """
    executed = list(records)
    counted = counted_halves(executed)
    cycles: list[list[SegmentRecord]] = []
    last = 0
    for number, half, record in zip(numbers_of(executed, cycle_starts_with), counted, executed, strict=True):
        if half is not None:
            cycles += [[]] if number > last else []
            cycles[-1].append(record)
            last = number
        elif (record.continues or record.extends) and cycles and cycles[-1][-1].half == record.half:
            cycles[-1][-1] = _joined(cycles[-1][-1], record)
    return cycles


def numbers_of(records: Iterable[SegmentRecord], cycle_starts_with: str) -> list[int]:
    """The cycle of each executed segment: as its record says, else by the rule of `cycle_numbers`."""
    executed = list(records)
    numbers = cycle_numbers(counted_halves(executed), cycle_starts_with)
    return [number if record.cycle is None else record.cycle for number, record in zip(numbers, executed, strict=True)]


def counted_halves(records: Iterable[SegmentRecord]) -> list[str | None]:
    """The half of each executed segment as it counts: None where it is a rest, goes on with a half, or is none."""
    counted: list[str | None] = []
    last: str | None = None
    for record in records:
        goes_on = (record.continues or record.extends) and record.half == last
        counted.append(None if goes_on or is_no_half(record) else record.half)
        last = counted[-1] or last
    return counted


def is_no_half(record: SegmentRecord) -> bool:
    """Whether a segment ended at once on a voltage where the cell was already."""
    lasted_second = record.end_run_time_second - record.start_run_time_second
    return record.ended_by == "voltage" and lasted_second <= AT_LIMIT_SECOND and record.rows <= AT_LIMIT_ROWS


def cycle_numbers(halves: Iterable[str | None], cycle_starts_with: str) -> list[int]:
    """The cycle of each executed segment, by the rule of `cycle_table`, from its half as it counts; None is a rest.

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
    kinds = {half.half for half in halves}
    complete = len(kinds) == 2 and all(half.ended_by in AT_ITS_END for half in halves)
    interrupted = any(half.continues for half in halves) or any(half.interrupted for half in halves[1:])
    tells = complete and not interrupted
    efficiency = 100 * discharge / charge if tells and charge and discharge is not None else None
    flagged = {"rate_changed": rate_changed, "interrupted": interrupted, "unfinished": not complete}
    flags = tuple(flag for flag, is_on in flagged.items() if is_on)
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


def _joined(half: SegmentRecord, part: SegmentRecord) -> SegmentRecord:
    return msgspec.structs.replace(
        half,
        ended_by=part.ended_by,
        abnormal=part.abnormal,
        end_run_time_second=part.end_run_time_second,
        rows=half.rows + part.rows,
        charge_ampere_hour=half.charge_ampere_hour + part.charge_ampere_hour,
        energy_watt_hour=half.energy_watt_hour + part.energy_watt_hour,
        last_voltage_volt=part.last_voltage_volt,
        overshoot_volt=part.overshoot_volt,
        continues=half.continues or part.continues,
    )


def _capacity_mAh_g(halves: list[SegmentRecord], half: str, cell: CellFacts) -> float | None:
    charges = [abs(record.charge_ampere_hour) for record in halves if record.half == half]
    return sum(charges) * MILLIAMPERE_HOUR / cell.active_mass_gram if charges else None

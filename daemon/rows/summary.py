"""Rows to the fixed summary that decisions see: extremes, charge and energy, and which interlocks were broken."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from daemon.events import BlockSummary, Row
from daemon.interlocks import intact, observe
from daemon.plan import CELL_STREAM, CurrentStep, Interlock, PlanStep
from daemon.watching import Tail, follow
from drivers.roles import Floats, ReadingBlock

SECOND_PER_HOUR = 3600.0
TEN_SECOND = 10.0 - 1e-3
RESPONSE_SECOND = 60.0
"""By then a current has moved the voltage of a rested cell its own way."""
SHORT_SECOND, SHORT_ROWS = 10.0, 2.5
"""A sudden drop is one within this time, or so many rows where they come more slowly."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A constant current, above 0 for charge, and the voltage the cell rested at before it, if it did."""

    current_ampere: float
    sampling_second: float
    rested_volt: float | None = None


def drive_of(step: PlanStep, rested_volt: float | None) -> Drive | None:
    """What a step asks of the cell; None where that is no constant current."""
    if not isinstance(step, CurrentStep):
        return None
    return Drive(current_ampere=step.current_ampere, sampling_second=step.sampling_second, rested_volt=rested_volt)


def summarise(
    rows: ReadingBlock,
    first_seq: int,
    *,
    driven: bool,
    is_first_segment: bool,
    before: Row | None,
    charge_before_ampere_hour: float,
    table: Iterable[Interlock],
    carried_rows: Mapping[str, int],
    drive: Drive | None = None,
    tail: Tail | None = None,
    warned: Collection[str] = (),
) -> BlockSummary:
    """Summarise a block of one segment.

    Charge and energy are trapezoids between neighbouring readings of the same segment; a row that is no reading is
    passed over.

    Args:
        rows: at least one row.
        first_seq: the stream's number of the first of them.
        driven: whether the segment drives a current through the cell; at open circuit its voltage trips nothing.
        is_first_segment: whether the run begins with this segment; the start voltage is its first that was read.
        before: the segment's last reading before these; None at its start.
        charge_before_ampere_hour: net charge of the segment up to `before`, for the interlock on charge passed.
        table: the interlocks in force.
        carried_rows: see `daemon.interlocks.observe`.
        drive: the constant current that is asked for, if one is.
        tail: of the segment's voltage up to these rows.
        warned: the interlocks whose warning is on.
    """
    elapsed, voltage, current = _readings(rows, before)
    step_hour = np.diff(elapsed) / SECOND_PER_HOUR
    charge = _trapezoids(step_hour, current)
    energy = _trapezoids(step_hour, current * voltage)
    quantities = {
        "current_ampere": rows.current_ampere,
        "charge_passed_ampere_hour": np.abs(charge_before_ampere_hour + np.cumsum(charge)),
    }
    unread = ~np.isfinite(rows.voltage_volt + rows.current_ampere)
    quantities |= _of_voltage(rows, unread, driven=driven)
    tail_after = tail or Tail()
    if drive is not None:
        driven_quantities, tail_after = _under_constant_current(rows, before, drive, tail_after)
        quantities |= driven_quantities
    if before is None and is_first_segment:
        quantities["start_voltage_volt"] = rows.voltage_volt[np.isfinite(rows.voltage_volt)][:1]
    finite = rows.voltage_volt[np.isfinite(rows.voltage_volt)]
    last_reading = _row(elapsed[-1], voltage[-1], current[-1]) if len(elapsed) else before
    return BlockSummary(
        stream=CELL_STREAM,
        first_seq=first_seq,
        last_seq=first_seq + len(rows.elapsed_second) - 1,
        first=row_at(rows, 0),
        last=row_at(rows, -1),
        last_reading=last_reading,
        lowest_voltage_volt=float(finite.min()) if len(finite) else None,
        highest_voltage_volt=float(finite.max()) if len(finite) else None,
        charge_in_ampere_hour=float(charge[charge > 0].sum()),
        charge_out_ampere_hour=float(-charge[charge < 0].sum()),
        energy_in_watt_hour=float(energy[energy > 0].sum()),
        energy_out_watt_hour=float(-energy[energy < 0].sum()),
        rows_without_reading=int(unread.sum()),
        breaches=observe(table, quantities, carried_rows),
        tail=tail_after,
        after_ten_second=_after_ten_second(rows, before),
        intact=intact(table, quantities, warned),
    )


def _of_voltage(rows: ReadingBlock, unread: NDArray[np.bool_], *, driven: bool) -> dict[str, Floats]:
    """The voltage by the name under which it is bound, and what was not read where that matters."""
    if not driven:
        return {"open_circuit_voltage_volt": rows.voltage_volt}
    return {"voltage_under_current_volt": rows.voltage_volt, "rows_without_reading": unread.astype(np.float64)}


def _after_ten_second(rows: ReadingBlock, before: Row | None) -> Row | None:
    """The segment's first reading 10 s after its start or later; None when it lies in another block."""
    if before is not None and before.elapsed_second >= TEN_SECOND:
        return None
    due = np.isfinite(rows.voltage_volt + rows.current_ampere) & (rows.elapsed_second >= TEN_SECOND)
    return row_at(rows, int(np.argmax(due))) if due.any() else None


def _under_constant_current(
    rows: ReadingBlock, before: Row | None, drive: Drive, tail: Tail
) -> tuple[dict[str, Floats], Tail]:
    """What a constant current must do to a cell, and does not to a frozen, reversed or shorted one."""
    window_second = max(SHORT_SECOND, SHORT_ROWS * drive.sampling_second)
    followed, tail_after = follow(tail, rows.elapsed_second, rows.voltage_volt, window_second)
    quantities = {
        "current_share_percent": 100 * rows.current_ampere / drive.current_ampere,
        "voltage_unchanged": followed.unchanged,
    }
    if drive.current_ampere > 0:
        quantities["voltage_drop_volt"] = followed.drop
    elapsed_before = before.elapsed_second if before is not None else -1.0
    due = np.isfinite(rows.voltage_volt + rows.current_ampere) & (rows.elapsed_second >= RESPONSE_SECOND)
    if drive.rested_volt is not None and elapsed_before < RESPONSE_SECOND:
        response = (rows.voltage_volt[due][:1] - drive.rested_volt) * math.copysign(1.0, drive.current_ampere)
        quantities["voltage_response_volt"] = response
    return quantities, tail_after


def row_at(rows: ReadingBlock, index: int) -> Row:
    """One row of a block, readings that are none as None."""
    return _row(rows.elapsed_second[index], rows.voltage_volt[index], rows.current_ampere[index])


def _row(elapsed_second: np.float64, voltage_volt: np.float64, current_ampere: np.float64) -> Row:
    return Row(
        elapsed_second=float(elapsed_second),
        voltage_volt=float(voltage_volt) if np.isfinite(voltage_volt) else None,
        current_ampere=float(current_ampere) if np.isfinite(current_ampere) else None,
    )


def _readings(rows: ReadingBlock, before: Row | None) -> tuple[Floats, Floats, Floats]:
    columns = np.stack((rows.elapsed_second, rows.voltage_volt, rows.current_ampere))
    if before is not None:
        start = [before.elapsed_second, before.voltage_volt, before.current_ampere]
        columns = np.concatenate((np.array(start, dtype=np.float64)[:, None], columns), axis=1)
    elapsed, voltage, current = columns[:, np.isfinite(columns).all(axis=0)]
    return elapsed, voltage, current


def _trapezoids(step_hour: Floats, values: Floats) -> Floats:
    return step_hour * (values[1:] + values[:-1]) / 2

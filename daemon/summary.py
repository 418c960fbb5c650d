"""Rows to the fixed summary that decisions see: extremes, charge and energy, and which interlocks were broken."""

from collections.abc import Iterable, Mapping

import numpy as np

from daemon.events import BlockSummary, Row
from daemon.interlocks import observe
from daemon.plan import CELL_STREAM, Interlock
from drivers.roles import Floats, ReadingBlock

SECOND_PER_HOUR = 3600.0


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
    """
    elapsed, voltage, current = _readings(rows, before)
    step_hour = np.diff(elapsed) / SECOND_PER_HOUR
    charge = _trapezoids(step_hour, current)
    energy = _trapezoids(step_hour, current * voltage)
    net = charge_before_ampere_hour + np.cumsum(charge)
    quantities = {
        "current_ampere": rows.current_ampere,
        "charge_passed_ampere_hour": np.abs(net),
    }
    unread = ~np.isfinite(rows.voltage_volt + rows.current_ampere)
    if driven:
        quantities["voltage_under_current_volt"] = rows.voltage_volt
        quantities["rows_without_reading"] = unread.astype(np.float64)
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
    )


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

"""What a block comes to: charge and energy, extremes, readings that are none."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deciding.run_state import Run
from daemon.engine import advance
from daemon.events import BlockStored, BlockSummary, Row, RunStarted, SegmentStarted
from daemon.plan import Interlock
from daemon.rows.summary import row_at, summarise
from drivers.roles import ReadingBlock
from tests.support.plans import charge, interlock, plan, row

NAN = math.nan


def rows_of(elapsed: Any, voltage: Any, current: Any, first_index: int = 1) -> ReadingBlock:
    status = np.zeros(len(elapsed), dtype=np.int64)
    columns = (np.asarray(column, dtype=np.float64) for column in (elapsed, voltage, current))
    return ReadingBlock(first_index, *columns, source_status=status, reading_status=status)


def summary_of(
    rows: ReadingBlock,
    first_seq: int = 1,
    before: Row | None = None,
    *,
    table: tuple[Interlock, ...] = (),
    charge_before: float = 0.0,
    driven: bool = True,
    is_first_segment: bool = True,
    carried_rows: dict[str, int] | None = None,
) -> BlockSummary:
    return summarise(
        rows,
        first_seq,
        driven=driven,
        is_first_segment=is_first_segment,
        before=before,
        charge_before_ampere_hour=charge_before,
        table=table,
        carried_rows=carried_rows or {},
    )


def test_charging_counts_in() -> None:
    summary = summary_of(rows_of([0, 1800, 3600], [3.0, 3.5, 4.0], [0.002, 0.002, 0.002]))
    assert (summary.charge_in_ampere_hour, summary.charge_out_ampere_hour) == (pytest.approx(0.002, rel=1e-15), 0)
    assert (summary.energy_in_watt_hour, summary.energy_out_watt_hour) == (pytest.approx(0.007, rel=1e-15), 0)


def test_discharging_counts_out_and_is_positive() -> None:
    summary = summary_of(rows_of([0, 1800, 3600], [4.0, 3.5, 3.0], [-0.002, -0.002, -0.002]))
    assert (summary.charge_in_ampere_hour, summary.charge_out_ampere_hour) == (0, pytest.approx(0.002, rel=1e-15))
    assert (summary.energy_in_watt_hour, summary.energy_out_watt_hour) == (0, pytest.approx(0.007, rel=1e-15))


def test_charge_begins_at_the_reading_before() -> None:
    summary = summary_of(rows_of([3600], [3.0], [0.002]), 11, before=row(1800.0, 3.0, 0.004))
    assert summary.charge_in_ampere_hour == pytest.approx(0.0015, rel=1e-15)
    assert summary_of(rows_of([3600], [3.0], [0.002]), 11).charge_in_ampere_hour == 0


def test_row_without_reading_is_passed_over() -> None:
    rows = rows_of([0, 1800, 2000, 3600], [3.0, NAN, 3.0, 3.0], [0.002, 0.002, NAN, 0.002])
    summary = summary_of(rows)
    assert summary.charge_in_ampere_hour == pytest.approx(0.002, rel=1e-15)
    assert summary.rows_without_reading == 2


def test_numbers_and_edges_of_a_block() -> None:
    summary = summary_of(rows_of([10, 11, 12], [3.5, 3.25, NAN], [0.001, 0.001, 0.001]), 41)
    assert (summary.stream, summary.first_seq, summary.last_seq) == ("cell", 41, 43)
    assert summary.first == row(10.0, 3.5, 0.001)
    assert summary.last == row(12.0, None, 0.001)
    assert summary.last_reading == row(11.0, 3.25, 0.001)
    assert (summary.lowest_voltage_volt, summary.highest_voltage_volt) == (3.25, 3.5)


def test_block_without_a_reading_keeps_the_one_before() -> None:
    before = row(9.0, 3.5, 0.001)
    summary = summary_of(rows_of([10, 11], [NAN, NAN], [0.001, NAN]), 41, before)
    assert (summary.last_reading, summary.rows_without_reading) == (before, 2)
    assert (summary.lowest_voltage_volt, summary.highest_voltage_volt) == (None, None)
    assert summary.charge_in_ampere_hour == summary.charge_out_ampere_hour == 0
    assert summary_of(rows_of([10], [NAN], [0.001]), 41).last_reading is None


def test_row_at_is_absent_where_there_was_no_reading() -> None:
    rows = rows_of([1, 2], [NAN, 3.0], [0.1, NAN])
    assert (row_at(rows, 0), row_at(rows, -1)) == (row(1.0, None, 0.1), row(2.0, 3.0, None))


CHARGE = interlock("charge", quantity="charge_passed_ampere_hour", high=0.0025)
START = interlock("start", quantity="start_voltage_volt", low=1.0, high=None)
CURRENT = interlock("current", quantity="current_ampere", high=0.01)


@pytest.mark.parametrize(
    ("charge_before", "names"), [(0.0, []), (0.001, ["charge"]), (-0.005, ["charge"]), (-0.002, [])]
)
def test_charge_passed_counts_from_the_segments_start_and_either_way(charge_before: float, names: list[str]) -> None:
    rows = rows_of([1800, 3600], [3.0, 3.0], [0.002, 0.002])
    summary = summary_of(rows, 2, row(0.0, 3.0, 0.002), table=(CHARGE,), charge_before=charge_before)
    assert [breach.interlock for breach in summary.breaches] == names


LOW, FINE = 0.5, 3.0


@pytest.mark.parametrize(
    ("voltages", "before", "is_first_segment", "names"),
    [
        ([LOW, FINE], None, True, ["start"]),
        ([NAN, LOW], None, True, ["start"]),
        ([FINE, LOW], None, True, []),
        ([NAN, FINE], None, True, []),
        ([NAN, NAN], None, True, []),
        ([LOW, LOW], row(0.0, FINE, 0.0), True, []),
        ([LOW, LOW], None, False, []),
    ],
)
def test_start_voltage_is_the_first_that_was_read_in_the_run(
    voltages: list[float], before: Row | None, is_first_segment: bool, names: list[str]
) -> None:
    rows = rows_of([1, 2], voltages, [0, 0])
    summary = summary_of(rows, 41, before, table=(START,), is_first_segment=is_first_segment)
    assert [breach.interlock for breach in summary.breaches] == names


def test_start_voltage_is_judged_in_the_block_that_reads_it_first() -> None:
    unread = summary_of(rows_of([0, 1], [NAN, NAN], [0, 0]), table=(START,))
    summary = summary_of(rows_of([2, 3], [LOW, FINE], [0, 0]), 3, unread.last_reading, table=(START,))
    assert [(breach.interlock, breach.worst_value) for breach in summary.breaches] == [("start", LOW)]


UNREAD = interlock("unread", "hold", quantity="rows_without_reading", high=0.5, rows_needed=3)


@pytest.mark.parametrize(
    ("voltages", "currents", "driven", "found"),
    [
        ([NAN, NAN], [0.1, NAN], True, [(2 + 2, 2 + 2)]),
        ([FINE, FINE], [NAN, NAN], True, [(2 + 2, 2 + 2)]),
        ([FINE, NAN], [0.1, 0.1], True, [(2, 1)]),
        ([NAN, FINE], [0.1, 0.1], True, [(2 + 1, 0)]),
        ([FINE, FINE], [0.1, 0.1], True, []),
        ([NAN, NAN], [NAN, NAN], False, []),
    ],
)
def test_rows_running_without_a_reading_are_counted_under_way(
    voltages: list[float], currents: list[float], driven: bool, found: list[tuple[int, int]]
) -> None:
    rows = rows_of([10, 11], voltages, currents)
    summary = summary_of(rows, 41, table=(UNREAD,), driven=driven, carried_rows={"unread": 2})
    assert [(breach.longest_rows, breach.trailing_rows) for breach in summary.breaches] == found


def test_current_is_bounded() -> None:
    summary = summary_of(rows_of([0, 1], [3.0, 3.0], [0.01, 0.011]), table=(CURRENT,))
    assert [(breach.interlock, breach.worst_value) for breach in summary.breaches] == [("current", 0.011)]


@pytest.mark.parametrize(("driven", "names"), [(True, ["high"]), (False, [])])
def test_voltage_is_bounded_under_current_only(driven: bool, names: list[str]) -> None:
    summary = summary_of(rows_of([0, 1], [3.0, 4.5], [0, 0]), table=(interlock("high"),), driven=driven)
    assert [breach.interlock for breach in summary.breaches] == names


@dataclass(frozen=True)
class Passed:
    """Charge and energy of a segment, each way, exactly."""

    charge_in: Fraction
    charge_out: Fraction
    energy_in: Fraction
    energy_out: Fraction


def independently(rows: list[tuple[float, float, float]]) -> Passed:
    """Trapezoids over all readings of a segment, in rational numbers."""
    readings = [reading for reading in rows if not any(math.isnan(value) for value in reading)]
    charges, energies = [], []
    for (t0, u0, i0), (t1, u1, i1) in pairwise(readings):
        hours = (Fraction(t1) - Fraction(t0)) / 3600
        charges.append(hours * (Fraction(i0) + Fraction(i1)) / 2)
        energies.append(hours * (Fraction(u0) * Fraction(i0) + Fraction(u1) * Fraction(i1)) / 2)

    def ways(parts: list[Fraction]) -> tuple[Fraction, Fraction]:
        return sum((p for p in parts if p > 0), Fraction(0)), -sum((p for p in parts if p < 0), Fraction(0))

    return Passed(*ways(charges), *ways(energies))


ticks = st.integers(1, 2**20).map(lambda tick: tick / 1024)
voltages = st.floats(1.5, 4.5) | st.just(NAN)
currents = st.sampled_from([0.004, -0.004, 0.0, 0.0004]) | st.floats(1e-9, 0.1) | st.floats(-0.1, -1e-9) | st.just(NAN)
measured = st.lists(st.tuples(ticks, voltages, currents), min_size=1, max_size=40)


def segment_rows(steps: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    times = np.cumsum([tick for tick, _, _ in steps])
    return [(float(time), volt, ampere) for time, (_, volt, ampere) in zip(times, steps, strict=True)]


def folded_in_blocks(rows: list[tuple[float, float, float]], edges: list[int]) -> tuple[Run, list[BlockSummary]]:
    """The run after a segment's rows came in blocks from edge to edge, as the runner hands them on."""
    start = (RunStarted(), SegmentStarted(segment=1, started_second=0.0))
    run = reduce(lambda run, event: advance(run, event, 0.0)[0], start, Run(plan=plan(charge())))
    summaries = []
    for first, stop in pairwise(edges):
        block = rows_of(*zip(*rows[first:stop], strict=True), first_index=first + 1)
        summary = summary_of(block, run.rows + 1, run.fold.last_reading, charge_before=run.fold.charge_ampere_hour)
        summaries.append(summary)
        run, _ = advance(run, BlockStored(segment=1, summary=summary), 0.0)
    return run, summaries


@given(steps=measured, cuts=st.sets(st.integers(0, 40)))
def test_charge_does_not_depend_on_how_rows_are_cut_into_blocks(
    steps: list[tuple[float, float, float]], cuts: set[int]
) -> None:
    rows = segment_rows(steps)
    edges = sorted({0, len(rows)} | {cut for cut in cuts if cut < len(rows)})
    run, summaries = folded_in_blocks(rows, edges)
    exact = independently(rows)
    pairs = [
        (sum(summary.charge_in_ampere_hour for summary in summaries), exact.charge_in),
        (sum(summary.charge_out_ampere_hour for summary in summaries), exact.charge_out),
        (sum(summary.energy_in_watt_hour for summary in summaries), exact.energy_in),
        (sum(summary.energy_out_watt_hour for summary in summaries), exact.energy_out),
    ]
    for found, expected in pairs:
        assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-24)
    passed = float(exact.charge_in + exact.charge_out)
    assert run.fold.charge_ampere_hour == pytest.approx(
        float(exact.charge_in - exact.charge_out), rel=0, abs=1e-12 * passed
    )


@given(steps=measured, cuts=st.sets(st.integers(0, 40)))
def test_every_row_is_folded_once(steps: list[tuple[float, float, float]], cuts: set[int]) -> None:
    rows = segment_rows(steps)
    edges = sorted({0, len(rows)} | {cut for cut in cuts if cut < len(rows)})
    run, summaries = folded_in_blocks(rows, edges)
    whole = rows_of(*zip(*rows, strict=True))
    assert (run.rows, run.fold.rows) == (len(rows), len(rows))
    assert (run.fold.first, run.fold.last) == (row_at(whole, 0), row_at(whole, -1))
    readings = [index for index, reading in enumerate(rows) if not any(math.isnan(value) for value in reading)]
    assert run.fold.last_reading == (row_at(whole, readings[-1]) if readings else None)
    assert sum(summary.rows_without_reading for summary in summaries) == len(rows) - len(readings)

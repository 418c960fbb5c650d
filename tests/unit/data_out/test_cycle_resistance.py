"""Resistance from the first seconds of a half-cycle."""

import numpy as np
import pytest

from daemon.cycles.resistance import CellRows, with_resistances
from daemon.cycles.table import Cycle, cycle_table, halves_of_cycles
from tests.support.plans import CELL
from tests.support.segments import half

AMPERE = 3e-3


def rows_of(
    parts: list[tuple[float, float]],
    *,
    ohm: float = 40.0,
    slow_ohm: float = 0.0,
    every_second: float = 1.0,
    gap_second: float = 1.0,
) -> CellRows:
    """Segments of (current, duration) on 3 V behind a resistance, and a second one that comes in 20 s."""
    columns: list[np.ndarray] = []
    start, slow_volt = 0.0, 0.0
    for number, (ampere, duration_second) in enumerate(parts, start=1):
        elapsed = np.arange(0.0, duration_second + every_second / 2, every_second)
        relaxed = ampere * slow_ohm
        slow = relaxed + (slow_volt - relaxed) * np.exp(-elapsed / 20)
        ones = np.ones(len(elapsed))
        columns.append(np.stack([number * ones, start + elapsed, elapsed, 3 + ampere * ohm + slow, ampere * ones]))
        slow_volt = float(slow[-1]) * np.exp(-gap_second / 20)
        start += float(elapsed[-1]) + gap_second
    segment, second, elapsed, volt, current = np.concatenate(columns, axis=1)
    return CellRows(segment.astype(np.int64), second, elapsed, volt, current)


def measured(rows: CellRows, *kinds: str | None) -> Cycle:
    records = [half(number, kind) for number, kind in enumerate(kinds, start=1)]
    (cycle,) = with_resistances(cycle_table(records, CELL, "charge"), halves_of_cycles(records, "charge"), rows)
    return cycle


KINDS = (None, "charge", "discharge")
PARTS = [(0.0, 60.0), (AMPERE, 100.0), (-AMPERE, 100.0)]


def test_a_plain_resistance_is_found_both_ways() -> None:
    cycle = measured(rows_of(PARTS), *KINDS)
    found = [cycle.charge_resistance_1s_ohm, cycle.charge_resistance_10s_ohm]
    found += [cycle.discharge_resistance_1s_ohm, cycle.discharge_resistance_10s_ohm]
    assert found == pytest.approx([40.0] * 4)


def test_a_slow_part_is_in_as_far_as_it_has_come() -> None:
    cycle = measured(rows_of(PARTS, slow_ohm=30.0), *KINDS)

    def after(second: float) -> float:
        return 40 + 30 * (1 - np.exp(-second / 20))

    assert cycle.charge_resistance_1s_ohm == pytest.approx(after(1))
    assert cycle.charge_resistance_10s_ohm == pytest.approx(after(10))
    # the charge had lasted 5 time constants; the turnaround of 1 s counts for the half that went before
    assert cycle.discharge_resistance_1s_ohm == pytest.approx((after(1) + after(2)) / 2, rel=5e-3)
    assert cycle.discharge_resistance_10s_ohm == pytest.approx((after(10) + after(11)) / 2, rel=5e-3)


def test_rows_too_far_apart_show_only_what_they_hold() -> None:
    cycle = measured(rows_of(PARTS, every_second=10.0), *KINDS)
    assert cycle.charge_resistance_1s_ohm is None
    assert cycle.charge_resistance_10s_ohm == pytest.approx(40.0)


def test_fast_rows_are_taken_at_their_time() -> None:
    cycle = measured(rows_of(PARTS, slow_ohm=30.0, every_second=0.1), *KINDS)
    assert cycle.charge_resistance_1s_ohm == pytest.approx(40 + 30 * (1 - np.exp(-1 / 20)))


@pytest.mark.parametrize(
    "rows",
    [rows_of(PARTS, gap_second=3.5), rows_of([(AMPERE, 100.0)] * 3), rows_of([(AMPERE, 0.0)] * 3)],
    ids=["long turnaround", "no change of current", "one row"],
)
def test_what_shows_no_resistance_gives_none(rows: CellRows) -> None:
    cycle = measured(rows, *KINDS)
    assert [cycle.charge_resistance_10s_ohm, cycle.discharge_resistance_10s_ohm] == [None, None]


def test_a_run_that_begins_with_a_half_has_nothing_before_it() -> None:
    cycle = measured(rows_of(PARTS[1:]), *KINDS[1:])
    assert cycle.charge_resistance_1s_ohm is None
    assert cycle.discharge_resistance_1s_ohm == pytest.approx(40.0)


def test_a_segment_without_rows_in_between_hides_what_was_before() -> None:
    rows = rows_of(PARTS)
    kept = rows.segment != 2
    without = CellRows(*(getattr(rows, name)[kept] for name in rows.__dataclass_fields__))
    cycle = measured(without, *KINDS)
    assert [cycle.charge_resistance_1s_ohm, cycle.discharge_resistance_1s_ohm] == [None, None]

"""Charge and energy of rows, and what stands beside them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rows.cell_rows import last_value_before, passed, since, starts_of

NAN = float("nan")


def of(segment: list[int], second: list[float], volt: list[float], ampere: list[float]):
    return passed(np.array(segment), np.array(second), np.array(volt), np.array(ampere))


def test_charge_is_a_trapezoid_by_its_sign() -> None:
    charge, energy = of([1, 1, 1, 1], [0, 3600, 7200, 10800], [2, 2, 2, 2], [1, 3, -3, -1])
    assert charge.charging.tolist() == [0, 2, 2, 2]
    assert charge.discharging.tolist() == [0, 0, 0, 2]
    assert charge.net.tolist() == [0, 2, 2, 0]
    assert energy.charging.tolist() == [0, 4, 4, 4]
    assert energy.discharging.tolist() == [0, 0, 0, 4]


def test_nothing_is_counted_from_one_segment_to_the_next() -> None:
    charge, _ = of([1, 1, 2, 2], [0, 3600, 9000, 12600], [2, 2, 2, 2], [1, 1, 1, 1])
    assert charge.charging.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("missing", ["volt", "ampere"])
def test_a_row_that_is_no_reading_counts_as_absent(missing: str) -> None:
    columns = {"volt": [2.0, 2, 2, 2], "ampere": [1.0, 1, 1, 1]}
    columns[missing][1] = NAN
    charge, energy = of([1, 1, 1, 2], [0, 1800, 3600, 7200], columns["volt"], columns["ampere"])
    assert charge.charging.tolist() == [0, 0, 1, 1]
    assert energy.charging.tolist() == [0, 0, 2, 2]


def test_rows_without_any_reading_and_no_rows() -> None:
    charge, _ = of([1, 1], [0, 1], [NAN, 2], [1, NAN])
    assert charge.net.tolist() == [0, 0]
    charge, _ = of([], [], [], [])
    assert charge.net.tolist() == []


@given(st.lists(st.tuples(st.booleans(), st.floats(-1, 1), st.floats(2, 4)), min_size=2, max_size=40))
def test_totals_never_fall_and_their_difference_is_the_integral(rows: list[tuple[bool, float, float]]) -> None:
    segment = np.cumsum([begins for begins, _, _ in rows])
    second = np.arange(len(rows), dtype=float)
    ampere, volt = (np.array([row[column] for row in rows]) for column in (1, 2))
    charge, energy = passed(segment, second, volt, ampere)
    for total in (charge, energy):
        assert (np.diff(total.charging) >= 0).all()
        assert (np.diff(total.discharging) >= 0).all()
    by_segment = [
        np.trapezoid(ampere[segment == number], second[segment == number]) for number in set(segment.tolist())
    ]
    assert charge.net[-1] == pytest.approx(sum(by_segment) / 3600, abs=1e-12)


def test_a_total_restarts() -> None:
    running = np.array([0.0, 1, 2, 2, 5])
    assert since(running, np.array([0, 3])).tolist() == [0, 1, 2, 0, 3]
    assert since(np.empty(0), np.empty(0, np.int64)).tolist() == []


def test_starts() -> None:
    assert starts_of(np.array([4, 4, 5, 7, 7])).tolist() == [0, 2, 3]
    assert starts_of(np.empty(0, np.int64)).tolist() == []


def beside(
    second: list[float], other: list[float], value: list[float], max_age_second: float = 5.0
) -> list[float | None]:
    found = last_value_before(np.array(second), np.array(other), np.array(value), max_age_second)
    return [None if np.isnan(value) else value for value in found.tolist()]


def test_the_last_reading_up_to_a_row_is_taken_and_none_after_it() -> None:
    assert beside([0, 1, 1.5, 2], [1, 2], [7, 8]) == [None, 7, 7, 8]


def test_an_old_reading_is_none() -> None:
    assert beside([5, 6, 6.001], [1], [7]) == [7, 7, None]


def test_an_outage_hides_what_was_before_it() -> None:
    assert beside([1, 2, 3], [0.5, 1.5, 2.5], [7, NAN, 9]) == [7, None, 9]


def test_a_stream_without_rows_gives_none() -> None:
    assert beside([1, 2], [], []) == [None, None]

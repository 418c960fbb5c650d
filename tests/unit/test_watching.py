"""What is followed from row to row: age, sameness, sudden drops; cut into blocks anywhere."""

import math
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.watching import Followed, Tail, follow

NAN = math.nan
WINDOW_SECOND = 10.0


def followed(
    values: list[float], second: list[float] | None = None, tail: Tail | None = None
) -> tuple[list[float], list[float], list[float]]:
    """Age, sameness and drop of each row; a row a second if no times are given."""
    times = np.arange(1.0, len(values) + 1) if second is None else np.array(second)
    found, _ = follow(tail or Tail(), times, np.array(values, dtype=np.float64), WINDOW_SECOND)
    return found.age_second.tolist(), found.unchanged.tolist(), found.drop.tolist()


def same(found: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_age_is_the_time_since_the_reading_before() -> None:
    age, _, _ = followed([5.0, NAN, NAN, 5.0, 6.0], [1.0, 2.0, 4.0, 9.0, 9.5])
    same(age, [1.0, 1.0, 3.0, 8.0, 0.5])


def test_unchanged_compares_readings_and_passes_over_rows_without() -> None:
    _, unchanged, _ = followed([5.0, 5.0, NAN, 5.0, 5.1, 5.1])
    same(unchanged, [0.0, 1.0, NAN, 1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("values", "drop"),
    [
        ([9.0, 9.0, 9.0, 5.0, 5.0, 5.0], [NAN, NAN, 0.0, 0.0, 4.0, 4.0]),
        ([5.0, 5.0, 9.0, 5.0, 5.0, 5.0], [NAN, NAN, 0.0, 0.0, 0.0, 0.0]),
        ([5.0, 5.0, 5.0, 1.0, 5.0, 5.0], [NAN, NAN, 0.0, 0.0, 0.0, 0.0]),
        ([5.0, 5.0, 5.0, 9.0, 9.0, 9.0], [NAN, NAN, 0.0, 0.0, 0.0, 0.0]),
        ([9.0, 9.0, 9.0, NAN, 5.0, 5.0], [NAN, NAN, 0.0, NAN, 0.0, 4.0]),
    ],
    ids=["step down", "one row too high", "one row too low", "step up", "a row without a reading"],
)
def test_drop_is_one_of_medians_of_three(values: list[float], drop: list[float]) -> None:
    same(followed(values)[2], drop)


@pytest.mark.parametrize(
    ("second", "drop"),
    [
        ([1.0, 2.0, 3.0, 12.5, 12.75, 13.0], [NAN, NAN, 0.0, NAN, 4.0, 4.0]),
        ([1.0, 2.0, 3.0, 13.25, 13.5, 13.75], [NAN, NAN, 0.0, NAN, NAN, 0.0]),
        ([1.0, 2.0, 3.0, 9.0, 10.0, 13.1], [NAN, NAN, 0.0, 0.0, 4.0, 4.0]),
    ],
    ids=["ten seconds", "longer", "with readings between"],
)
def test_what_lies_longer_ago_than_the_window_is_forgotten(second: list[float], drop: list[float]) -> None:
    same(followed([9.0, 9.0, 9.0, 5.0, 5.0, 5.0], second)[2], drop)


rows = st.lists(
    st.tuples(
        st.sampled_from([0.1, 1.0, 4.0, 11.0]), st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0, NAN]) | st.floats(0, 9)
    ),
    min_size=1,
    max_size=40,
)
cuts = st.sets(st.integers(0, 40))


def by_hand(second: list[float], values: list[float]) -> list[tuple[float, float, float]]:
    """The same, row by row, from the beginning each time."""
    found, medians, readings, times, read_second = [], [], [], [], 0.0
    for now, value in zip(second, values, strict=True):
        age = now - read_second
        if math.isnan(value):
            found.append((age, NAN, NAN))
            continue
        unchanged = float(bool(readings) and readings[-1] == value)
        readings.append(value)
        times.append(now)
        read_second, drop = now, NAN
        if len(readings) >= 3 and now - times[-3] <= WINDOW_SECOND:
            medians.append((now, median(readings[-3:])))
            drop = max(value for then, value in medians if now - then <= WINDOW_SECOND) - medians[-1][1]
        found.append((age, unchanged, drop))
    return found


@given(rows=rows, cuts=cuts)
def test_blocks_say_what_the_whole_does(rows: list[tuple[float, float]], cuts: set[int]) -> None:
    second, values = np.cumsum([step for step, _ in rows]), np.array([value for _, value in rows])
    edges = sorted({0, len(rows)} | {cut for cut in cuts if cut < len(rows)})
    tail, parts = Tail(), list[Followed]()
    for start, stop in pairwise(edges):
        part, tail = follow(tail, second[start:stop], values[start:stop], WINDOW_SECOND)
        parts.append(part)
    found = [np.concatenate([getattr(part, name) for part in parts]) for name in ("age_second", "unchanged", "drop")]
    np.testing.assert_array_equal(np.stack(found, axis=1), np.array(by_hand(second.tolist(), values.tolist())))
    assert follow(Tail(), second, values, WINDOW_SECOND)[1] == tail


def test_a_peak_is_remembered_for_the_whole_window_also_row_by_row() -> None:
    values = [9.0, 9.0, 9.0, *[8.0] * 8, *[5.0] * 10, *[6.0] * 5, 1.0, 1.0]
    second = np.arange(1.0, len(values) + 1)
    tail, drops = Tail(), list[float]()
    for row, value in enumerate(values):
        part, tail = follow(tail, second[row : row + 1], np.array([value]), WINDOW_SECOND)
        drops.append(float(part.drop[0]))
    same(drops, [drop for _, _, drop in by_hand(second.tolist(), values)])
    assert max(drops[2:]) == 5.0


@given(rows=rows)
def test_little_is_kept(rows: list[tuple[float, float]]) -> None:
    second, values = np.cumsum([step for step, _ in rows]), np.array([value for _, value in rows])
    _, tail = follow(Tail(), second, values, WINDOW_SECOND)
    assert len(tail.readings) <= 2
    times, peaks = [at for at, _ in tail.peaks], [value for _, value in tail.peaks]
    assert times == sorted(times)
    assert all(earlier > later for earlier, later in pairwise(peaks))

"""What deviations count from: the equilibrated setpoint, and the baseline of stack pressure."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.settling import RESTED_SECOND, Settled, after_segment, baseline
from tests.support.plans import charge, equilibrate, rest

NAN = math.nan
DUE = Settled(celsius=55.0, is_due=True)


@pytest.mark.parametrize(
    ("before", "step", "ended_by", "lasted_second", "expected"),
    [
        (Settled(), equilibrate(), "equilibrated", 9e3, DUE),
        (Settled(celsius=25.0, pascal=1e7), equilibrate(), "equilibrated", 9e3, DUE),
        (Settled(), equilibrate(on_timeout="continue"), "timeout", 2e4, Settled(is_due=True)),
        (Settled(), rest(), "time", RESTED_SECOND, Settled(is_due=True)),
        (Settled(), rest(), "time", RESTED_SECOND - 1, Settled()),
        (Settled(celsius=55.0, pascal=1e7), rest(), "time", 1e4, Settled(celsius=55.0, pascal=1e7)),
        (DUE, rest(), "time", 1e4, DUE),
        (Settled(), charge(), "voltage", 1e4, Settled()),
    ],
    ids=[
        *("first", "again", "timed out", "rest", "short rest"),
        *("rest after an equilibration", "rest right after it", "charge"),
    ],
)
def test_what_a_segment_settles(
    before: Settled, step: object, ended_by: str, lasted_second: float, expected: Settled
) -> None:
    assert after_segment(before, step, ended_by, lasted_second) == expected


def test_baseline_is_the_median_of_ten_seconds_and_holds_from_the_row_after() -> None:
    second = np.arange(100.0, 114.0)
    pascal = np.array([9.0, 5.0, 5.1, 5.2, NAN, 5.0, 5.1, 5.2, 5.3, 5.0, 7.0, 7.0, 7.0, 7.0])
    in_force, after = baseline(DUE, second, pascal)
    assert after == Settled(celsius=55.0, pascal=5.1)
    np.testing.assert_array_equal(in_force, [NAN] * 10 + [5.1] * 4)


def test_baseline_needs_three_readings_however_long_that_takes() -> None:
    second, pascal = np.array([0.0, 20.0, 40.0, 60.0]), np.array([5.0, 7.0, 6.0, 9.0])
    in_force, after = baseline(DUE, second, pascal)
    assert after.pascal == 6.0
    np.testing.assert_array_equal(in_force, [NAN, NAN, NAN, 6.0])
    assert baseline(DUE, second[:3], pascal[:3])[1].is_due


def test_what_is_known_is_not_touched() -> None:
    known = Settled(celsius=55.0, pascal=5.0)
    in_force, after = baseline(known, np.arange(3.0), np.array([9.0, 9.0, 9.0]))
    assert (in_force.tolist(), after) == ([5.0] * 3, known)
    in_force, after = baseline(Settled(), np.arange(3.0), np.array([9.0, 9.0, 9.0]))
    assert (np.isnan(in_force).all(), after) == (True, Settled())


readings = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 3.0, 12.0]), st.floats(1, 9) | st.just(NAN)), min_size=1, max_size=30
)


@given(readings=readings, cuts=st.sets(st.integers(0, 30)))
def test_baseline_is_the_same_however_rows_are_cut(readings: list[tuple[float, float]], cuts: set[int]) -> None:
    second, pascal = np.cumsum([step for step, _ in readings]), np.array([value for _, value in readings])
    edges = sorted({0, len(readings)} | {cut for cut in cuts if cut < len(readings)})
    settled, parts = DUE, []
    for start, stop in pairwise(edges):
        in_force, settled = baseline(settled, second[start:stop], pascal[start:stop])
        parts.append(in_force)
    whole, expected = baseline(DUE, second, pascal)
    assert settled == expected
    np.testing.assert_array_equal(np.concatenate(parts), whole)

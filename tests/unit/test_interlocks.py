"""Which rows break an interlock, and for how many rows running."""

import math
from itertools import pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import Breach
from daemon.interlocks import carry, observe, tripped
from daemon.plan import Interlock
from tests.support.plans import interlock

NAN = math.nan
HIGH = interlock("high")


def seen(table: list[Interlock], values: list[float], carried_rows: dict[str, int] | None = None) -> tuple[Breach, ...]:
    return observe(table, {"voltage_under_current_volt": np.array(values, dtype=np.float64)}, carried_rows or {})


def counts(*arguments: object, **named: object) -> list[tuple[float, int, int]]:
    return [(b.worst_value, b.longest_rows, b.trailing_rows) for b in seen(*arguments, **named)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3.0, 4.0], []),
        ([4.0, np.nextafter(4.0, 5.0)], [(np.nextafter(4.0, 5.0), 1, 1)]),
        ([5.0, 3.0, 4.5, 4.75], [(5.0, 2, 2)]),
        ([5.0, 5.0, 5.0, 3.0, 4.5], [(5.0, 3, 1)]),
        ([5.0, NAN, 5.0], [(5.0, 2, 2)]),
        ([5.0, NAN, 3.0, NAN, 4.5, NAN], [(5.0, 1, 1)]),
        ([NAN, NAN], []),
        ([], []),
    ],
)
def test_high_bound(values: list[float], found: list[tuple[float, int, int]]) -> None:
    assert counts([HIGH], values) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [([2.0], []), ([1.75, 1.5, 2.5], [(1.5, 2, 0)]), ([1.75, 4.5], [(4.5, 2, 2)]), ([NAN, 1.75], [(1.75, 1, 1)])],
)
def test_low_and_high_bound(values: list[float], found: list[tuple[float, int, int]]) -> None:
    assert counts([interlock("both", low=2.0)], values) == found


def test_bound_on_one_side_only() -> None:
    low = interlock("low", low=2.0, high=None)
    assert [breach.interlock for breach in seen([low, HIGH], [1.0])] == ["low"]
    assert [breach.interlock for breach in seen([low, HIGH], [9.0])] == ["high"]


def test_quantity_that_no_row_carries_is_not_judged() -> None:
    assert seen([interlock("pressure", quantity="surface_pressure_pa", high=0.0)], [9.0]) == ()


@pytest.mark.parametrize(
    ("values", "longest", "trailing"),
    [([5.0, 5.0], 5, 5), ([5.0, 3.0, 5.0], 4, 1), ([3.0, 5.0], 3, 1), ([5.0, 3.0], 4, 0)],
)
def test_rows_running_into_the_block_count(values: list[float], longest: int, trailing: int) -> None:
    assert counts([HIGH], values, {"high": 3, "other": 9}) == [(5.0, longest, trailing)]


@pytest.mark.parametrize(
    ("lock", "carried_rows", "found"),
    [
        (HIGH, {"high": 3}, [(4.0, 3, 3)]),
        (interlock("high", low=2.0, high=None), {"high": 3}, [(2.0, 3, 3)]),
        (HIGH, {"high": 0, "other": 3}, []),
    ],
)
def test_rows_without_a_reading_leave_a_stretch_as_it_was(
    lock: Interlock, carried_rows: dict[str, int], found: list[tuple[float, int, int]]
) -> None:
    assert counts([lock], [NAN, NAN], carried_rows) == found


def test_carry_holds_what_is_still_running() -> None:
    breaches = seen([HIGH, interlock("low", low=3.5, high=None)], [3.0, 5.0])
    assert carry(breaches) == {"high": 1}


def test_gravest_comes_first_and_only_what_lasted_long_enough() -> None:
    table = [
        interlock("odd", "warn"),
        interlock("slow", "trip", rows_needed=3),
        interlock("hot", "hold", rows_needed=2),
        interlock("high", "trip", rows_needed=2),
    ]
    fired = tripped(table, seen(table, [5.0, 5.0]))
    assert [(lock.name, breach.longest_rows) for lock, breach in fired] == [("high", 2), ("hot", 2), ("odd", 2)]


values = st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, 4.5, 5.0, NAN]), min_size=1, max_size=30)


def longest_running(broken: list[bool]) -> int:
    longest = running = 0
    for is_broken in broken:
        running = running + 1 if is_broken else 0
        longest = max(longest, running)
    return longest


@given(values=values, cuts=st.sets(st.integers(0, 30)), rows_needed=st.integers(1, 4), low=st.none() | st.just(2.0))
def test_blocks_count_as_the_whole_does_without_the_rows_that_were_not_read(
    values: list[float], cuts: set[int], rows_needed: int, low: float | None
) -> None:
    lock = interlock("lock", low=low, rows_needed=rows_needed)
    edges = sorted({0, len(values)} | {cut for cut in cuts if cut < len(values)})
    carried: dict[str, int] = {}
    broken: list[bool] = []
    longest, fired = 0, False
    for start, stop in pairwise(edges):
        before = carried.get("lock", 0)
        here = [value > 4.0 or (low is not None and value < low) for value in values[start:stop] if not np.isnan(value)]
        breaches = seen([lock], values[start:stop], carried)
        assert bool(breaches) == (any(here) if here else before > 0)
        broken += here
        carried = carry(breaches)
        longest = max([longest, *(breach.longest_rows for breach in breaches)])
        fired = fired or bool(tripped([lock], breaches))
        assert carried.get("lock", 0) == sum(1 for _ in takewhile(bool, reversed(broken)))
    assert longest == longest_running(broken)
    assert fired == (longest >= rows_needed)

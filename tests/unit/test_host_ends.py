"""Limits the host decides: what meets them, and what must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deciding.host_ends import POINT_EVERY_SECOND, SLOPE_SPAN_SECOND, Trail, first_met, is_met
from daemon.plan import Condition, Limit


def condition(quantity: str, operator: str, value: float) -> Condition:
    return Condition(quantity=quantity, operator=operator, value=value)


def limit(*when: Condition, consecutive: int = 1) -> Limit:
    return Limit(key="limits", when=when, consecutive=consecutive)


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [("<", True, False, False), ("<=", True, True, False), (">", False, False, True), (">=", False, True, True)],
)
def test_each_operator_on_each_side(operator, below, at, above):
    held = condition("voltage_volt", operator, 3.0)
    assert [is_met(held, {"voltage_volt": volt}, {}) for volt in (2.9, 3.0, 3.1)] == [below, at, above]


@pytest.mark.parametrize(
    ("start", "value", "met"), [(1.0, 1.9, False), (1.0, 2.1, True), (3.0, 2.1, False), (3.0, 1.9, True)]
)
def test_reaches_is_met_from_the_side_the_step_began_on(start, value, met):
    assert is_met(condition("p", "reaches", 2.0), {"p": value}, {"p": start}) is met


def test_what_was_never_read_meets_nothing():
    assert not is_met(condition("p", "<", 2.0), {}, {})


def test_all_conditions_of_a_limit_must_be_met_and_the_first_limit_wins():
    both = limit(condition("a", ">", 1.0), condition("b", ">", 1.0))
    second = limit(condition("a", ">", 1.0))
    assert first_met([both, second], {"a": 2.0, "b": 0.0}, {}, {}) == 1
    assert first_met([both, second], {"a": 2.0, "b": 2.0}, {}, {}) == 0
    assert first_met([both, second], {"a": 0.0, "b": 2.0}, {}, {}) is None


def test_a_limit_on_cycles_needs_as_many_running_as_it_says():
    retention = limit(condition("retention", "<", 0.6), consecutive=3)
    assert first_met([retention], {}, {}, {0: 2}) is None
    assert first_met([retention], {}, {}, {0: 3}) == 0
    with_time = limit(condition("retention", "<", 0.6), condition("step_time_second", ">", 10.0))
    assert first_met([with_time], {"step_time_second": 5.0}, {}, {0: 1}) is None
    assert first_met([with_time], {"step_time_second": 11.0}, {}, {0: 1}) == 0


def trail(slope_per_second: float, seconds: list[float]) -> Trail:
    made = Trail()
    for second in seconds:
        made = made.with_point(second, 3.0 + slope_per_second * second)
    return made


def test_there_is_no_slope_before_its_span_is_known():
    seconds = [float(second) for second in range(0, int(SLOPE_SPAN_SECOND), 10)]
    assert trail(1e-6, seconds).slope_per_second is None
    assert trail(1e-6, [*seconds, SLOPE_SPAN_SECOND]).slope_per_second == pytest.approx(1e-6)


@given(
    slope=st.floats(-1e-3, 1e-3),
    gaps=st.lists(st.floats(0.5, 400.0), min_size=30, max_size=200),
)
def test_a_straight_line_has_its_own_slope_however_it_is_sampled(slope, gaps):
    seconds = [sum(gaps[:count]) for count in range(1, len(gaps) + 1)]
    made = trail(slope, seconds)
    assert len(made.points) <= SLOPE_SPAN_SECOND / POINT_EVERY_SECOND + 2
    if made.slope_per_second is not None:
        assert made.slope_per_second == pytest.approx(slope, abs=1e-9)
    else:
        assert seconds[-1] - seconds[0] < SLOPE_SPAN_SECOND + POINT_EVERY_SECOND

"""What a silent instrument means: every state, what may happen in it, and time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.plan import LinkLoss
from daemon.running.link_states import LinkState, LinkWatch, after_silence, after_time

TIMES = LinkLoss(mask_second=10.0, fail_second=1800.0)
CONNECTED, MASKED, LOST, FAILED = LinkState
SINCE = 100.0


@pytest.mark.parametrize(
    ("state", "silent_second", "expected"),
    [
        (MASKED, 0.0, MASKED),
        (MASKED, 9.9, MASKED),
        (MASKED, 10.0, LOST),
        (MASKED, 1799.9, LOST),
        (MASKED, 1800.0, FAILED),
        (LOST, 5.0, LOST),
        (LOST, 1799.9, LOST),
        (LOST, 1800.0, FAILED),
        (FAILED, 5.0, FAILED),
        (FAILED, 9999.0, FAILED),
    ],
)
def test_silence_goes_on(state: LinkState, silent_second: float, expected: LinkState) -> None:
    for after in (after_silence, after_time):
        assert after(LinkWatch(state, SINCE), SINCE + silent_second, TIMES) == LinkWatch(expected, SINCE)


def test_first_silence_is_masked_since_now() -> None:
    assert after_silence(LinkWatch(), SINCE, TIMES) == LinkWatch(MASKED, SINCE)


def test_nobody_is_masked_where_nothing_is() -> None:
    assert after_silence(LinkWatch(), SINCE, LinkLoss(mask_second=0.0)) == LinkWatch(LOST, SINCE)


def test_time_alone_breaks_nothing() -> None:
    assert after_time(LinkWatch(), 1e9, TIMES) == LinkWatch()


def test_people_know_of_what_is_lost_or_failed() -> None:
    assert [LinkWatch(state).is_told for state in LinkState] == [False, False, True, True]


@given(st.lists(st.tuples(st.sampled_from(["silence", "time", "answer"]), st.floats(0.0, 700.0)), max_size=30))
def test_state_is_that_of_the_time_since_the_first_silence(story: list[tuple[str, float]]) -> None:
    """However often it is asked or looked at meanwhile."""
    watch, now_second, since_second = LinkWatch(), 0.0, None
    for what, after_second in story:
        now_second += after_second
        if what == "answer":
            watch, since_second = LinkWatch(), None
            continue
        watch = (after_silence if what == "silence" else after_time)(watch, now_second, TIMES)
        if what == "silence" and since_second is None:
            since_second = now_second
        if since_second is None:
            assert watch == LinkWatch()
            continue
        silent_second = now_second - since_second
        expected = FAILED if silent_second >= 1800 else LOST if silent_second >= 10 else MASKED
        assert watch == LinkWatch(expected, since_second)

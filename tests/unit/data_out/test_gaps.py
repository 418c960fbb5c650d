"""Gaps in streams."""

import numpy as np

from daemon.rows.gaps import cell_gaps, stream_gaps

NAN = float("nan")


def test_gaps_of_the_cell() -> None:
    segment = np.array([1, 1, 1, 2, 2, 3])
    second = np.array([0.0, 1.0, 5.0, 6.0, 7.0, 30.0])
    found = cell_gaps(segment, second, np.ones(6))
    assert found == [
        {
            "stream": "cell",
            "where": "in step 1",
            "from_test_time_second": 1.0,
            "to_test_time_second": 5.0,
            "gap_second": 4.0,
        },
        {
            "stream": "cell",
            "where": "between steps",
            "from_test_time_second": 7.0,
            "to_test_time_second": 30.0,
            "gap_second": 23.0,
        },
    ]


def test_slow_sampling_is_no_gap() -> None:
    assert cell_gaps(np.ones(3, np.int64), np.array([0.0, 10.0, 20.0]), np.full(3, 10.0)) == []


def test_gaps_of_a_stream() -> None:
    second = np.arange(20.0)
    value = np.ones(20)
    value[5:12] = NAN
    (gap,) = stream_gaps("pressure", second, value)
    assert (gap["from_test_time_second"], gap["to_test_time_second"]) == (4.0, 12.0)
    assert stream_gaps("pressure", second * 60, np.ones(20)) == []
    assert stream_gaps("pressure", second[:1], value[:1]) == []

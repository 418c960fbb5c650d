"""Which rows are recorded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.export.thinning import kept_rows


def kept(
    elapsed: np.ndarray, record: dict[str, float], volt: np.ndarray | None = None, ampere: np.ndarray | None = None
):
    flat = np.zeros(len(elapsed))
    marks = kept_rows(elapsed, flat if volt is None else volt, flat if ampere is None else ampere, record)
    return elapsed[marks].tolist()


def test_by_time_after_the_first_ten_seconds() -> None:
    assert kept(np.arange(46.0), {"time_second": 10.0}) == [*range(11), 20, 30, 40, 45]


def test_a_jittering_clock_keeps_the_grid() -> None:
    elapsed = np.arange(31.0) - np.where(np.arange(31) % 2, 0.0, 2e-5)
    elapsed[0] = 0
    assert kept(elapsed, {"time_second": 10.0})[11:] == elapsed[[20, 30]].tolist()


def test_by_voltage_and_current() -> None:
    elapsed = np.arange(40.0)
    volt = np.where(elapsed >= 15, 3.0, 2.0)
    ampere = np.where(elapsed >= 25, 1e-3, 0.0)
    assert kept(elapsed, {"voltage_volt": 0.5, "current_ampere": 5e-4}, volt, ampere) == [*range(11), 15, 25, 39]


def test_a_slow_drift_is_followed_from_the_last_kept_row() -> None:
    elapsed = np.arange(100.0)
    found = kept(elapsed, {"time_second": 1e6, "voltage_volt": 0.095}, elapsed * 0.01)
    assert np.diff(found[10:-1]).tolist() == [10] * 8


def test_everything_is_kept_without_a_record_or_at_its_pace() -> None:
    assert len(kept(np.arange(50.0), {})) == 50
    assert len(kept(np.arange(50.0), {"time_second": 1.0, "voltage_volt": 1.0})) == 50
    assert kept(np.empty(0), {"time_second": 10.0}) == []
    assert kept(np.array([3.0]), {"time_second": 10.0}) == [3.0]


@given(st.integers(1, 300), st.floats(0.5, 50), st.floats(0.0, 1.0))
def test_first_and_last_are_kept_and_no_gap_is_longer_than_asked(rows: int, every_second: float, limit: float) -> None:
    elapsed = np.arange(float(rows))
    volt = np.sin(elapsed)
    found = np.array(kept(elapsed, {"time_second": every_second, "voltage_volt": limit}, volt))
    assert found[0] == 0
    assert found[-1] == rows - 1
    assert (np.diff(found) <= np.ceil(every_second)).all()


def test_other_times_hold_at_first() -> None:
    elapsed = np.arange(0.0, 400.0, 0.5)
    marks = kept_rows(elapsed, np.zeros(800), np.zeros(800), {"time_second": 20.0}, first=((1.0, 30.0), (10.0, 120.0)))
    found = elapsed[marks]
    assert found[found > 10].tolist() == [*range(11, 31), *range(40, 121, 10), *range(140, 400, 20), 399.5]


def test_by_what_is_read_beside_the_cell() -> None:
    elapsed = np.arange(100.0)
    pascal = np.where(elapsed < 50, 1e7, 1.1e7)
    pascal[60:70] = np.nan
    celsius = 25 + elapsed / 40
    flat = np.zeros(100)
    record = {"surface_pressure_pa": 5e5, "jig_temperature_celsius": 1.0}
    beside = {"surface_pressure_pa": pascal, "jig_temperature_celsius": celsius}
    assert elapsed[kept_rows(elapsed, flat, flat, record, beside=beside)].tolist() == [*range(11), 50, 90, 99]
    assert kept_rows(elapsed, flat, flat, record).all()

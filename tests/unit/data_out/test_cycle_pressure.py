"""Pressure at the turning points of cycles."""

from typing import Any

import numpy as np
import pytest

from daemon.cycles.pressure import Pressure, with_pressures
from daemon.cycles.table import Cycle, cycle_table, halves_of_cycles
from daemon.events import SegmentRecord
from tests.support.plans import CELL
from tests.support.segments import HALF_SECOND, half


def halves(kinds: str, **changed: Any) -> list[SegmentRecord]:
    names = {"c": "charge", "d": "discharge"}
    return [half(number, names[kind], **changed) for number, kind in enumerate(kinds, start=1)]


def measured(records: list[SegmentRecord], pressure: Pressure, starts_with: str = "charge") -> list[Cycle]:
    table = cycle_table(records, CELL, starts_with)
    return with_pressures(table, halves_of_cycles(records, starts_with), pressure)


def ramps(*levels_MPa: float) -> Pressure:
    """From one level to the next in each half, 1 Hz; charge goes 1 mAh in and out in turn."""
    second = np.arange(0.0, HALF_SECOND * (len(levels_MPa) - 1) + 1)
    turns = HALF_SECOND * np.arange(len(levels_MPa))
    pascal = np.interp(second, turns, 1e6 * np.array(levels_MPa))
    return Pressure(second, pascal, np.interp(second, turns, 1e-3 * (np.arange(len(levels_MPa)) % 2)))


def test_levels_are_medians_of_ten_seconds_inside_the_half() -> None:
    (cycle,) = measured(halves("cd"), ramps(12.0, 14.0, 12.5))
    assert cycle.pressure_start_MPa == pytest.approx(12.0 + 2.0 * 5 / HALF_SECOND)
    assert cycle.pressure_end_of_charge_MPa == pytest.approx(14.0 - 2.0 * 5 / HALF_SECOND)
    assert cycle.pressure_end_of_discharge_MPa == pytest.approx(12.5 + 1.5 * 5 / HALF_SECOND)


def test_a_spike_and_a_missing_reading_do_not_move_the_median() -> None:
    pressure = ramps(12.0, 12.0, 12.0)
    pressure.pascal[995], pressure.pascal[996] = 90e6, np.nan
    (cycle,) = measured(halves("cd"), pressure)
    assert cycle.pressure_end_of_charge_MPa == 12.0


def test_breathing_is_against_the_discharged_ends_on_both_sides() -> None:
    first, second = measured(halves("cdcd"), ramps(12.0, 14.0, 12.4, 14.6, 12.6))
    assert first.pressure_breathing_MPa == pytest.approx(14.0 - (12.0 + 12.4) / 2, abs=0.03)
    assert second.pressure_breathing_MPa == pytest.approx(14.6 - (12.4 + 12.6) / 2, abs=0.03)


def test_breathing_needs_both_sides() -> None:
    assert measured(halves("c"), ramps(12.0, 14.0))[0].pressure_breathing_MPa is None
    found = measured(halves("ccd"), ramps(12.0, 13.0, 14.0, 12.0))
    assert [cycle.pressure_breathing_MPa for cycle in found] == [None, None]


def test_cells_that_start_with_a_discharge() -> None:
    first, second = measured(halves("dcdc"), ramps(14.0, 12.0, 14.2, 12.4, 14.4), "discharge")
    assert first.pressure_breathing_MPa == pytest.approx(14.2 - (12.0 + 12.4) / 2, abs=0.03)
    assert second.pressure_breathing_MPa is None
    assert first.pressure_drift_MPa is None
    assert second.pressure_drift_MPa == pytest.approx(0.4, abs=0.01)


def test_drift_is_from_one_discharged_end_to_the_next() -> None:
    first, second = measured(halves("cdcd"), ramps(12.0, 14.0, 12.4, 14.6, 12.6))
    assert first.pressure_drift_MPa == pytest.approx(0.4, abs=0.03)
    assert second.pressure_drift_MPa == pytest.approx(0.2, abs=0.03)


def test_halves_that_did_not_end_as_written_are_left_out() -> None:
    records = halves("cdcd")
    records[1] = half(2, "discharge", abnormal=True, ended_by="guard_time")
    first, second = measured(records, ramps(12.0, 14.0, 12.4, 14.6, 12.6))
    assert first.pressure_end_of_discharge_MPa is not None
    assert [first.pressure_breathing_MPa, first.pressure_drift_MPa] == [None, None]
    assert [second.pressure_breathing_MPa, second.pressure_drift_MPa] == [None, None]


def test_slope_is_over_net_charge() -> None:
    (cycle,) = measured(halves("cd"), ramps(12.0, 14.0, 12.5))
    assert cycle.charge_pressure_slope_MPa_mAh == pytest.approx(2.0)
    assert cycle.discharge_pressure_slope_MPa_mAh == pytest.approx(1.5)


def test_without_readings_there_is_nothing() -> None:
    pressure = ramps(12.0, 14.0, 12.0)
    silent = Pressure(pressure.second, np.full(len(pressure.second), np.nan), pressure.charge_ampere_hour)
    records = halves("cd")
    assert measured(records, silent) == cycle_table(records, CELL, "charge")
    late = Pressure(pressure.second + 5000.0, pressure.pascal, pressure.charge_ampere_hour)
    assert measured(records, late) == cycle_table(records, CELL, "charge")


def test_no_charge_passed_gives_no_slope() -> None:
    pressure = ramps(12.0, 14.0, 12.0)
    idle = Pressure(pressure.second, pressure.pascal, np.zeros(len(pressure.second)))
    assert measured(halves("cd"), idle)[0].charge_pressure_slope_MPa_mAh is None

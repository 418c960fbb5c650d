"""A cell held at a voltage is a cell driven by the currents that this takes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simulators.cell import BM_05, PressCell
from simulators.cell_hold import LARGEST_DRIFT, LARGEST_DRIFT_VOLT
from simulators.device import SECOND_NS

STEADY = replace(BM_05, initial_lithium=0.5, assembly_volt=0.0, formation_loss_fraction=0.0, lasting_loss_fraction=0.0)
"""Half charged, without the losses and drifts of a new cell."""


def shown_volt(cell: PressCell) -> float:
    return float(cell.forecast(np.array([cell.now_ns])).voltage_volt[0])


def charged(parameters=BM_05, *, second: int = 1191) -> PressCell:
    cell = PressCell(parameters)
    cell.set_current(3e-3)
    cell.advance_to(second * SECOND_NS)
    return cell


def stretches(cell: PressCell, second: float) -> list[tuple[int, float]]:
    """Start and current of each stretch of a held cell, over a time."""
    segment, made = cell._segment, []
    while segment.state.time_ns < cell.now_ns + second * SECOND_NS:
        made.append((segment.state.time_ns, segment.drive.current_ampere))
        segment = segment.successor
    return made


@pytest.mark.parametrize(("second", "voltage_volt"), [(1191, 3.7), (1191, 3.3), (1, 2.9)])
def test_the_same_currents_give_the_same_cell(second, voltage_volt):
    held, driven = charged(second=second), charged(second=second)
    held.set_voltage(voltage_volt)
    made = stretches(held, 900)
    drifts_volt, ends_volt, energy_joule = [], [], 0.0
    for (begin_ns, ampere), (end_ns, _) in pairwise(made):
        driven.advance_to(begin_ns)
        driven.set_current(ampere)
        seen_volt = driven.forecast(np.array([begin_ns, (begin_ns + end_ns) // 2, end_ns - 1])).voltage_volt
        drifts_volt.append(np.abs(seen_volt - voltage_volt).max())
        ends_volt.append(abs(seen_volt[2] - voltage_volt))
        energy_joule += ampere * seen_volt[1] * (end_ns - begin_ns) / SECOND_NS
    before = held.charge_in_coulomb - held.charge_out_coulomb
    driven.advance_to(made[-1][0])
    held.advance_to(made[-1][0])
    assert held.state == driven.state
    assert max(drifts_volt) <= 2 * LARGEST_DRIFT_VOLT
    assert np.quantile(ends_volt, 0.9) < 1e-7, "at the end of a stretch the terminals are at their voltage"
    passed = held.charge_in_coulomb - held.charge_out_coulomb - before
    assert passed == pytest.approx(driven.charge_in_coulomb - driven.charge_out_coulomb - before, rel=1e-9)
    assert energy_joule == pytest.approx(voltage_volt * passed, rel=2 * LARGEST_DRIFT_VOLT / voltage_volt)


def test_the_voltages_a_current_makes_give_the_current_back():
    profile = 1e-3 + 0.8e-3 * np.sin(np.arange(6000) / 500)
    driven, volts = PressCell(STEADY), []
    for index, ampere in enumerate(profile.tolist(), 1):
        driven.set_current(ampere)
        driven.advance_to(index * SECOND_NS // 10)
        volts.append(shown_volt(driven))
    held, found = PressCell(STEADY), []
    for index, volt in enumerate(volts, 1):
        held.set_voltage(volt)
        before = held.charge_in_coulomb - held.charge_out_coulomb
        held.advance_to(index * SECOND_NS // 10)
        found.append((held.charge_in_coulomb - held.charge_out_coulomb - before) * 10)
    settled = slice(10, None)
    np.testing.assert_allclose(np.array(found)[settled], profile[settled], rtol=2e-3, atol=1e-6)
    assert held.state.lithium == pytest.approx(driven.state.lithium, abs=1e-5)


@pytest.mark.parametrize("voltage_volt", [0.0, 2.9, 3.0, 4.5, 21.0])
def test_the_terminals_are_at_the_held_voltage(voltage_volt):
    cell = PressCell(STEADY)
    first_ampere, rest_volt = cell.current_at_voltage(voltage_volt), shown_volt(cell)
    cell.set_voltage(voltage_volt)
    assert cell.current_ampere == pytest.approx(first_ampere, rel=0.01)
    assert (cell.current_ampere > 0) == (voltage_volt > rest_volt)
    drift_volt = max(LARGEST_DRIFT_VOLT, LARGEST_DRIFT * abs(voltage_volt - rest_volt))
    for second in (1e-6, 1e-3, 0.1, 3.0, 60.0):
        cell.advance_to(round(second * SECOND_NS))
        assert shown_volt(cell) == voltage_volt
        cell_of_now = PressCell.__new__(PressCell)
        cell_of_now.__dict__.update(cell.__dict__)
        cell_of_now.set_current(cell.current_ampere)
        assert shown_volt(cell_of_now) == pytest.approx(voltage_volt, abs=1.5 * drift_volt)


def test_a_step_charges_the_double_layer_first():
    cell = PressCell(STEADY)
    rest_volt = shown_volt(cell)
    cell.set_voltage(rest_volt + 0.01)
    ampere = cell.forecast_current(np.array([0, 3, 30]) * SECOND_NS // 1000)
    ohmic_ohm = 0.02 / cell.current_at_voltage(rest_volt + 0.02)
    assert ampere[0] == pytest.approx(0.01 / ohmic_ohm, rel=0.01)
    assert 0.01 / ampere[2] == pytest.approx(ohmic_ohm + cell.charge_transfer_ohm, rel=0.05)
    assert ampere[0] > 1.05 * ampere[1] > 1.05 * ampere[2]


def test_the_current_decays_to_the_open_circuit():
    cell = charged(replace(STEADY, initial_lithium=0.975))
    cell.set_voltage(3.7)
    ampere = cell.forecast_current(cell.now_ns + SECOND_NS * np.arange(0, 72 * 3600, 60))
    assert (np.diff(ampere)[ampere[1:] > 1e-7] <= 0).all()
    assert abs(ampere[-1]) < 1e-11


@pytest.mark.parametrize("voltage_volt", [np.nan, np.inf])
def test_what_is_no_voltage_is_refused(voltage_volt):
    cell = PressCell()
    with pytest.raises(ValueError, match="voltage_volt"):
        cell.set_voltage(voltage_volt)
    assert (cell.held_volt, cell.current_ampere) == (None, 0.0)


def test_a_current_takes_over_from_a_voltage():
    cell = charged()
    cell.set_voltage(3.7)
    cell.advance_to(cell.now_ns + SECOND_NS)
    ampere = cell.current_ampere
    cell.set_current(ampere)
    assert cell.held_volt is None
    later_ns = cell.now_ns + SECOND_NS * np.arange(10)
    assert (cell.forecast_current(later_ns) == ampere).all()
    assert (np.diff(cell.forecast(later_ns).voltage_volt) > 0).all()

"""The simulated cell's closed forms against their equations, its limits, and its bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.cell import BARE, BM_05, PressCell
from simulators.cell_potential import potential_of
from simulators.cell_state import displacement_micrometre
from simulators.device import SECOND_NS

HOUR_NS = 3600 * SECOND_NS
STEADY = replace(BM_05, initial_lithium=0.5, assembly_volt=0.0, formation_loss_fraction=0.0, lasting_loss_fraction=0.0)
"""Half charged, without the losses and drifts of a new cell."""


def shown_volt(cell: PressCell) -> float:
    return float(cell.forecast(np.array([cell.now_ns])).voltage_volt[0])


def sphere_roots(count: int) -> np.ndarray:
    roots = np.pi * (np.arange(1, count + 1) + 0.5)
    for _ in range(50):
        roots = np.pi * np.arange(1, count + 1) + np.arctan(roots)
    return roots


def test_diffusion_follows_the_sphere():
    cell = PressCell(STEADY)
    cell.set_current(3e-3)
    per_second = -3e-3 / STEADY.fresh_capacity_coulomb
    squares = sphere_roots(20000) ** 2
    tau_second, slow_second = STEADY.diffusion_55c_second, STEADY.slow_55c_second
    for second, tolerance in ((1, 3.4e-3), (5, 3.4e-3), (30, 9e-5), (100, 9e-5), (590, 9e-5)):
        modes = (1 - np.exp(-squares * second / tau_second)) / squares
        sphere = per_second * (second + 2 / 3 * tau_second * modes.sum())
        slow = per_second * STEADY.slow_weight * slow_second * (1 - math.exp(-second / slow_second))
        cell.advance_to(second * SECOND_NS)
        assert cell.state.surface_lithium == pytest.approx(0.5 + sphere + slow, abs=tolerance)


def test_pressure_is_the_jigs_answer_to_the_stack():
    parameters = replace(BM_05, fast_relaxation_fraction=0.0, slow_relaxation_fraction=0.0, irreversible_fraction=0.0)
    cell = PressCell(parameters, assembly_celsius=55.0, start_celsius=55.0)
    cell.set_current(1.5e-3)
    start = displacement_micrometre(parameters, cell.state)
    viscous, last = 0.0, start
    stiffness, fraction, tau = (
        parameters.jig_stiffness_megapascal,
        parameters.viscous_fraction,
        parameters.viscous_second,
    )
    for second in range(1, 1201):
        cell.advance_to(second * SECOND_NS)
        state = cell.state
        now = displacement_micrometre(parameters, state)
        viscous = viscous * math.exp(-1 / tau) + stiffness * fraction * (now - last) * math.exp(-0.5 / tau)
        last = now
    seen_megapascal = cell.forecast(np.array([cell.now_ns])).pressure_megapascal[0]
    thermal = parameters.thermal_megapascal_per_kelvin * (state.celsius - 55.0)
    expected = 12.7 + stiffness * (1 - fraction) * (now - start) + viscous + thermal
    assert now - start > 1
    assert seen_megapascal == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("frequency_hertz", "tolerance"), [(0.002, 0.005), (0.01, 0.005), (0.1, 0.01), (1.0, 0.01), (5.0, 0.03)]
)
def test_a_sine_in_time_meets_the_impedance(frequency_hertz, tolerance):
    cell = PressCell(STEADY)
    expected_ohm = cell.impedance(np.array([frequency_hertz]))[0]
    steps, cycles = 200, 6
    step_ns = round(SECOND_NS / frequency_hertz / steps)
    phase = 2 * np.pi * (np.arange(steps * cycles) + 0.5) / steps
    current_ampere, voltage_volt = 3e-5 * np.sin(phase), []
    for ampere in current_ampere.tolist():
        cell.set_current(ampere)
        voltage_volt.append(cell.forecast(np.array([cell.now_ns + step_ns // 2])).voltage_volt[0])
        cell.advance_to(cell.now_ns + step_ns)
    window = slice(-2 * steps, None)
    swing = np.array(voltage_volt[window])
    swing -= np.linspace(-1, 1, len(swing)) * (swing[-steps:].mean() - swing[:steps].mean())
    wave = np.exp(-1j * phase[window])
    measured_ohm = (swing * wave).sum() / (current_ampere[window] * wave).sum()
    assert abs(measured_ohm - expected_ohm) < tolerance * abs(expected_ohm)


def test_polarisation_at_2_c_has_the_stated_parts():
    cell = PressCell(STEADY)
    rest_volt = shown_volt(cell)
    cell.set_current(3e-3)
    ohmic_volt = shown_volt(cell) - rest_volt
    assert ohmic_volt == pytest.approx(0.112 + 0.032 + 0.015 + 0.003, abs=0.0015)
    cell.advance_to(SECOND_NS // 10)
    sloped_volt = potential_of(STEADY).at(cell.state.surface_lithium) - potential_of(STEADY).at(0.5)
    assert shown_volt(cell) - rest_volt - ohmic_volt - sloped_volt == pytest.approx(0.075, abs=0.001)


def test_a_transmission_line_leaks_into_the_arc():
    frequency_hertz = np.geomspace(200e3, 0.1, 64)
    cell = PressCell(BARE, chamber_celsius=25.0)
    plain, spread = (cell.impedance(frequency_hertz, transmission_line=on) for on in (False, True))
    assert plain.imag[-1] < 0
    assert spread.real[0] < plain.real[0] - 20
    assert abs(spread[-1] - plain[-1]) < 10


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_the_potential_has_no_step_where_lithium_runs_out(bound):
    potential = potential_of(BM_05)
    lithium = bound + np.array([-0.1, -1e-9, 0.0, 1e-9, 0.1])
    volt = potential.of(lithium)
    assert volt.tolist() == [potential.at(x) for x in lithium.tolist()]
    assert volt[1:4] == pytest.approx([volt[2]] * 3, abs=1e-6)
    outside = 0 if bound == 0 else -1
    assert abs(volt[outside] - volt[2]) == pytest.approx(4.0)
    assert potential.slope_at(float(lithium[outside])) == pytest.approx(-40)


@pytest.mark.parametrize(("start_celsius", "current_ampere"), [(25.0, 3e-3), (55.0, -3e-3)])
def test_resistances_keep_up_with_age_and_temperature(start_celsius, current_ampere):
    cell = PressCell(start_celsius=start_celsius)
    cell.set_current(current_ampere)
    for second in range(600, 12000, 550):
        cell.advance_to(second * SECOND_NS)
        fresh_ohm, growth_ohm = BM_05.interface_25c_ohm, BM_05.interface_growth_25c_ohm
        state = cell.state
        warmth = math.exp(0.35 / 8.617333e-5 * (1 / 298.15 - 1 / (state.celsius + 273.15)))
        expected_ohm = (fresh_ohm + growth_ohm * math.sqrt(state.full_cycles)) / warmth
        assert cell.interface_ohm == pytest.approx(expected_ohm, rel=0.03)


def test_formation_loss_at_a_high_rate_follows_its_law():
    cell = PressCell()
    cell.set_current(3e-3)
    cell.advance_to(1200 * SECOND_NS)
    span_coulomb = 8 * 7.5e-3 * 3.6
    law_coulomb = span_coulomb * math.log(1 + 0.35 * cell.charge_in_coulomb / span_coulomb)
    assert cell.state.parasitic_coulomb == pytest.approx(law_coulomb, rel=0.03)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_makes_it_fail(data):
    celsius = st.floats(-30, 110)
    cell = PressCell(
        data.draw(st.sampled_from([BM_05, BARE])),
        chamber_celsius=data.draw(celsius),
        start_celsius=data.draw(celsius),
    )
    for _ in range(data.draw(st.integers(1, 5))):
        ampere = 10 ** data.draw(st.floats(-9, math.log10(0.2)))
        cell.set_current(data.draw(st.sampled_from([-1, 0, 1])) * ampere)
        span_ns = int(10 ** data.draw(st.floats(3, 13)))
        seen = cell.forecast(cell.now_ns + np.array([0, span_ns // 3, span_ns]))
        cell.advance_to(cell.now_ns + span_ns)
        assert np.isfinite([seen.voltage_volt, seen.pressure_megapascal, seen.temperature_celsius]).all()
        assert np.isfinite(cell.impedance(np.array([1e-3, 1.0, 7e6]))).all()
        assert math.isfinite(cell.current_at_voltage(data.draw(st.floats(-21, 21))))
        if data.draw(st.sampled_from([True, False, False])):
            cell.set_voltage(data.draw(st.floats(1.5, 4.5) | st.floats(-21, 21)))
            held_ns = cell.now_ns + SECOND_NS // 1000 * np.arange(1, 30)
            assert np.isfinite(cell.forecast_current(held_ns)).all()
            cell.advance_to(int(held_ns[-1]))
        assert cell.interface_ohm > 0
        assert cell.charge_transfer_ohm > 0


@pytest.mark.parametrize("current_ampere", [3e-3, -3e-3])
def test_the_potential_runs_away_where_lithium_runs_out(current_ampere):
    cell = PressCell(STEADY)
    cell.set_current(current_ampere)
    cell.advance_to(HOUR_NS)
    before, before_volt = cell.state, shown_volt(cell)
    cell.advance_to(HOUR_NS + 60 * SECOND_NS)
    rise_volt = shown_volt(cell) - before_volt
    assert not 0 <= before.surface_lithium <= 1
    assert rise_volt / (before.surface_lithium - cell.state.surface_lithium) == pytest.approx(40, rel=0.01)
    assert before_volt > 3.7 if current_ampere > 0 else before_volt < 2.0


def test_the_cathode_stops_shrinking_where_lithium_runs_out():
    cell = PressCell(STEADY)
    cell.set_current(3e-3)
    cell.advance_to(2 * HOUR_NS)
    early = cell.state
    pressure_megapascal = cell.forecast(cell.now_ns + np.array([0, 590, 610, 1200]) * SECOND_NS).pressure_megapascal
    cell.advance_to(2 * HOUR_NS + 1200 * SECOND_NS)
    assert early.lithium < 0
    grown = displacement_micrometre(STEADY, cell.state) - displacement_micrometre(STEADY, early)
    assert grown == pytest.approx(3.6 * STEADY.anode_micrometre_per_coulomb, rel=1e-9)
    stiffness = np.diff(pressure_megapascal) / (grown * np.array([590, 20, 590]) / 1200)
    assert stiffness == pytest.approx(STEADY.jig_stiffness_megapascal * (1 - STEADY.viscous_fraction), rel=0.15)


def test_no_current_holds_the_open_circuit_voltage():
    cell = PressCell()
    cell.advance_to(HOUR_NS)
    assert cell.current_at_voltage(shown_volt(cell)) == pytest.approx(0, abs=1e-9)


def test_it_warms_to_the_chamber_and_by_its_own_current():
    cell = PressCell(start_celsius=25.0)
    cell.advance_to(1500 * SECOND_NS)
    assert cell.state.celsius == pytest.approx(55 - 30 / math.e, abs=1e-9)
    warm = PressCell(STEADY)
    warm.set_current(3e-3)
    warm.advance_to(HOUR_NS)
    assert warm.state.celsius - 55 == pytest.approx(0.005, abs=0.0015)


def test_torque_closes_and_opens_the_jig():
    cell = PressCell(STEADY)
    cell.set_current(1.5e-3)
    cell.advance_to(HOUR_NS)
    cell.set_torque_newton_metre(0.0)
    open_megapascal = cell.forecast(cell.now_ns + SECOND_NS * np.arange(1000)).pressure_megapascal
    assert (open_megapascal == 0).all()
    cell.set_torque_newton_metre(4.0)
    assert cell.torque_newton_metre == 4.0
    closed_megapascal = cell.forecast(np.array([cell.now_ns])).pressure_megapascal[0]
    assert closed_megapascal == pytest.approx(4 * 2.54)


@pytest.mark.parametrize("celsius", [math.nan, -300.0, 1000.0])
def test_impossible_settings_are_refused(celsius):
    cell = PressCell()
    before = cell.state
    with pytest.raises(ValueError, match="°C"):
        cell.set_chamber_celsius(celsius)
    with pytest.raises(ValueError, match="torque"):
        cell.set_torque_newton_metre(-1.0)
    with pytest.raises(ValueError, match="current_ampere"):
        cell.set_current(math.inf)
    with pytest.raises(ValueError, match="above zero"):
        cell.impedance(np.array([1.0, 0.0]))
    assert (cell.state, cell.chamber_celsius, cell.torque_newton_metre) == (before, 55.0, 5.0)

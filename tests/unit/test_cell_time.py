"""What the simulated cell shows depends on its history alone: bit for bit, however it is asked."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.cell import PressCell
from simulators.cell_state import CellState
from simulators.device import SECOND_NS, CellUnderTest


@dataclass(frozen=True)
class Stretch:
    """Changes made to the cell, and the samples that are then taken of it."""

    current_ampere: float
    voltage_volt: float | None
    chamber_celsius: float | None
    torque_newton_metre: float | None
    step_ns: int
    samples: int


stretches = st.builds(
    Stretch,
    current_ampere=st.sampled_from([0.0, 1.5e-4, -1.5e-4, 3e-3, -3e-3, 0.02, -0.02]),
    voltage_volt=st.none() | st.none() | st.floats(1.5, 4.0),
    chamber_celsius=st.none() | st.floats(20, 70),
    torque_newton_metre=st.none() | st.sampled_from([0.0, 5.0, 7.3]),
    step_ns=st.sampled_from([1000, 100_000_000, SECOND_NS, 7_300_000_001, 60 * SECOND_NS]),
    samples=st.integers(1, 30),
)


def change(cell: PressCell, stretch: Stretch) -> np.ndarray:
    if stretch.voltage_volt is None:
        cell.set_current(stretch.current_ampere)
    else:
        cell.set_voltage(stretch.voltage_volt)
    if stretch.chamber_celsius is not None:
        cell.set_chamber_celsius(stretch.chamber_celsius)
    if stretch.torque_newton_metre is not None:
        cell.set_torque_newton_metre(stretch.torque_newton_metre)
    return cell.now_ns + stretch.step_ns * np.arange(stretch.samples + 1)


def seen_bytes(cell: PressCell, times_ns: np.ndarray) -> bytes:
    seen = cell.forecast(times_ns)
    current_ampere = cell.forecast_current(times_ns)
    shown = np.stack((seen.voltage_volt, seen.pressure_megapascal, seen.temperature_celsius, current_ampere), axis=1)
    assert np.isfinite(shown).all()
    return shown.tobytes()


def run_whole(stretches: list[Stretch]) -> tuple[bytes, CellState, float]:
    cell, seen = PressCell(), b""
    for stretch in stretches:
        times_ns = change(cell, stretch)
        seen += seen_bytes(cell, times_ns)
        cell.advance_to(int(times_ns[-1]))
    return seen, cell.state, cell.charge_in_coulomb - cell.charge_out_coulomb


@settings(max_examples=25, deadline=None)
@given(plan=st.lists(stretches, min_size=1, max_size=3), seed=st.integers(0, 2**32 - 1))
def test_samples_do_not_depend_on_the_cuts(plan, seed):
    draw = np.random.default_rng(seed)
    cell, seen = PressCell(), b""
    for stretch in plan:
        times_ns = change(cell, stretch)
        rest = times_ns
        while len(rest):
            cut = int(draw.integers(1, min(len(rest), 13) + 1))
            if draw.random() < 0.5:
                seen_bytes(cell, rest)
                cell.current_at_voltage(0.0)
            if draw.random() < 0.5:
                cell.advance_to(int(rest[0]))
            seen += seen_bytes(cell, rest[:cut])
            cell.advance_to(int(rest[cut - 1]))
            rest = rest[cut:]
    assert (seen, cell.state, cell.charge_in_coulomb - cell.charge_out_coulomb) == run_whole(plan)


@pytest.mark.parametrize("cut", [1, 7, 13, 333, 3601])
def test_an_hour_of_charge_is_the_same_in_any_blocks(cut):
    def sampled(block: int) -> bytes:
        cell = PressCell(start_celsius=25.0)
        cell.set_current(1.5e-4)
        times_ns = SECOND_NS * np.arange(1, 3602)
        seen = b""
        for start in range(0, len(times_ns), block):
            seen += seen_bytes(cell, times_ns[start : start + block])
            cell.advance_to(int(times_ns[start : start + block][-1]))
        return seen

    assert sampled(cut) == sampled(600)


def test_a_forecast_across_taking_parameters_anew_changes_nothing():
    cell = PressCell(start_celsius=25.0)
    cell.set_current(3e-3)
    before = cell.state
    shown = cell.forecast(SECOND_NS * np.arange(5000))
    assert cell.state == before
    assert cell.now_ns == 0
    assert np.ptp(shown.temperature_celsius) > 25
    cell.advance_to(4000 * SECOND_NS)
    assert cell.forecast(np.array([4000 * SECOND_NS])).voltage_volt[0] == shown.voltage_volt[4000]


def test_a_sample_where_parameters_are_taken_anew_belongs_to_the_new_ones():
    cell = PressCell()
    cell.set_current(3e-3)
    cell.advance_to(700 * SECOND_NS)
    cell.set_current(-3e-3)
    times_ns = cell.now_ns + 600 * SECOND_NS * np.arange(1, 4)
    shown = cell.forecast(times_ns)
    for index, time_ns in enumerate(times_ns.tolist()):
        cell.advance_to(time_ns)
        assert cell.forecast(times_ns[index:]).voltage_volt.tobytes() == shown.voltage_volt[index:].tobytes()


def test_setting_what_holds_already_changes_nothing():
    def state(repeat: bool) -> CellState:
        cell = PressCell(start_celsius=30.0)
        cell.set_current(3e-3)
        for second in range(1, 100):
            cell.advance_to(second * SECOND_NS)
            if repeat:
                cell.set_current(3e-3)
                cell.set_chamber_celsius(55.0)
        cell.set_voltage(3.0)
        for second in range(100, 200):
            cell.advance_to(second * SECOND_NS)
            if repeat:
                cell.set_voltage(3.0)
        return cell.state

    assert state(repeat=True) == state(repeat=False)


def test_charge_is_the_exact_integral():
    cell = PressCell()
    for current_ampere, second in ((3e-3, 1000), (-1.5e-3, 700), (0.0, 50), (2e-3, 1)):
        cell.set_current(current_ampere)
        for _ in range(second):
            cell.advance_to(cell.now_ns + SECOND_NS)
    assert cell.charge_in_coulomb == pytest.approx(3.002, rel=1e-15)
    assert cell.charge_out_coulomb == pytest.approx(1.05, rel=1e-15)


def test_the_past_is_closed():
    cell = PressCell()
    cell.advance_to(SECOND_NS)
    with pytest.raises(ValueError, match="forecast from"):
        cell.forecast(np.array([0, SECOND_NS]))
    with pytest.raises(ValueError, match="advance to"):
        cell.advance_to(SECOND_NS - 1)
    assert len(cell.forecast(np.array([], dtype=np.int64)).voltage_volt) == 0


def test_it_is_what_instruments_ask_for():
    cell: CellUnderTest = PressCell()
    assert cell.now_ns == 0

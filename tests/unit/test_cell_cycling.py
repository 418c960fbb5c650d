"""The simulated cell, cycled as in the paper, against the paper's tables and those of the cell model."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from simulators.cell import BARE, BM_05, CellParameters, PressCell, vary
from simulators.device import SECOND_NS

HOUR_NS = 3600 * SECOND_NS
ONE_C_AMPERE = 1.5e-3
BLOCK = 600


@dataclass
class HalfCycle:
    capacity_mAh_g: float
    pressure_megapascal: np.ndarray


@dataclass
class Life:
    """A formation cycle and then cycles at 2 C, with what an impedance analyser saw after them."""

    cell: PressCell
    discharge_mAh_g: list[float] = field(default_factory=list)
    efficiency_percent: list[float] = field(default_factory=list)
    swing_megapascal: list[float] = field(default_factory=list)
    level_megapascal: list[float] = field(default_factory=list)


def half_cycle(cell: PressCell, current_ampere: float, step_ns: int = SECOND_NS) -> HalfCycle:
    """Constant current until a sample is at or past 3.7 V on charge, 2.0 V on discharge."""
    cell.set_current(current_ampere)
    start_ns, pressures = cell.now_ns, []
    for _ in range(1000):
        times_ns = cell.now_ns + step_ns * np.arange(1, BLOCK + 1)
        seen = cell.forecast(times_ns)
        past = seen.voltage_volt >= 3.7 if current_ampere > 0 else seen.voltage_volt <= 2.0
        last = int(past.argmax()) if past.any() else BLOCK - 1
        pressures.append(seen.pressure_megapascal[: last + 1])
        cell.advance_to(int(times_ns[last]))
        if past.any():
            break
    else:
        raise AssertionError("the limit was never reached")
    cell.set_current(0.0)
    charge_coulomb = abs(current_ampere) * (cell.now_ns - start_ns) / SECOND_NS
    return HalfCycle(charge_coulomb / 3.6 / cell.parameters.active_mass_gram, np.concatenate(pressures))


def rested(parameters: CellParameters, chamber_celsius: float = 55.0) -> PressCell:
    cell = PressCell(parameters, chamber_celsius=chamber_celsius)
    cell.advance_to(10 * HOUR_NS)
    return cell


def live(parameters: CellParameters, cycles: int) -> Life:
    life = Life(rested(parameters))
    for rate_C in (0.1, *[2.0] * cycles):
        charge = half_cycle(life.cell, rate_C * ONE_C_AMPERE)
        discharge = half_cycle(life.cell, -rate_C * ONE_C_AMPERE)
        pressure = np.concatenate((charge.pressure_megapascal, discharge.pressure_megapascal))
        life.discharge_mAh_g.append(discharge.capacity_mAh_g)
        life.efficiency_percent.append(100 * discharge.capacity_mAh_g / charge.capacity_mAh_g)
        life.swing_megapascal.append(pressure.max() - pressure.min())
        life.level_megapascal.append((pressure.max() + pressure.min()) / 2)
    return life


@pytest.fixture(scope="module")
def bm_05() -> Life:
    return live(BM_05, 1000)


@pytest.fixture(scope="module")
def bare() -> Life:
    return live(BARE, 1000)


@pytest.fixture(scope="module")
def rate_capability() -> dict[float, list[tuple[float, float]]]:
    """Charge and discharge capacities of five cycles at each rate, on one fresh cell."""
    cell, seen = rested(BM_05), {}
    for rate_C in (0.1, 0.2, 0.3, 0.5, 1.0, 2.0):
        current_ampere = rate_C * ONE_C_AMPERE
        seen[rate_C] = [
            (half_cycle(cell, current_ampere).capacity_mAh_g, half_cycle(cell, -current_ampere).capacity_mAh_g)
            for _ in range(5)
        ]
    return seen


@pytest.mark.parametrize(
    ("rate_C", "paper_mAh_g", "model_mAh_g"),
    [(0.1, 197, 197.0), (0.3, 176, 176.2), (0.5, 167, 166.5), (1.0, 144, 144.4), (2.0, 112, 112.0)],
)
def test_rate_capability_is_the_papers(rate_capability, rate_C, paper_mAh_g, model_mAh_g):
    mean_mAh_g = np.mean([discharge for _, discharge in rate_capability[rate_C]])
    assert mean_mAh_g == pytest.approx(paper_mAh_g, rel=0.01)
    assert mean_mAh_g == pytest.approx(model_mAh_g, abs=0.15)


def test_first_cycles_lose_to_formation(rate_capability):
    charge_mAh_g, discharge_mAh_g = rate_capability[0.1][0]
    assert charge_mAh_g == pytest.approx(219.9, abs=0.3)
    assert discharge_mAh_g == pytest.approx(197.2, abs=0.2)
    efficiency_percent = [100 * discharge / charge for charge, discharge in rate_capability[0.1]]
    assert efficiency_percent == pytest.approx([89.7, 97.6, 98.5, 98.9, 99.1], abs=0.1)


@pytest.mark.parametrize(("celsius", "model_mAh_g"), [(25, 34), (40, 81), (55, 114), (60, 121)])
def test_capacity_at_2_c_follows_temperature(celsius, model_mAh_g):
    cell = rested(BM_05, celsius)
    for current_ampere in (0.1 * ONE_C_AMPERE, -0.1 * ONE_C_AMPERE, 2 * ONE_C_AMPERE):
        half_cycle(cell, current_ampere)
    assert half_cycle(cell, -2 * ONE_C_AMPERE).capacity_mAh_g == pytest.approx(model_mAh_g, abs=1)


def test_bm_05_keeps_80_percent_in_1000_cycles(bm_05):
    seen = [bm_05.discharge_mAh_g[cycle] for cycle in (1, 100, 500, 1000)]
    assert seen == pytest.approx([113.8, 109.4, 99.6, 91.0], abs=0.3)
    assert seen[-1] / seen[0] == pytest.approx(0.80, abs=0.003)
    assert np.mean(bm_05.efficiency_percent[450:550]) == pytest.approx(99.95, abs=0.02)


def test_bare_keeps_60_percent_in_1000_cycles(bare):
    seen = [bare.discharge_mAh_g[cycle] for cycle in (1, 100, 500, 1000)]
    assert seen == pytest.approx([93.4, 84.2, 67.9, 56.1], abs=0.3)
    assert seen[-1] / seen[0] == pytest.approx(0.60, abs=0.003)


@pytest.mark.parametrize(("name", "interface_ohm", "transfer_ohm"), [("bm_05", 109, 236), ("bare", 148, 291)])
def test_resistances_after_1000_cycles_read_from_a_spectrum(request, name, interface_ohm, transfer_ohm):
    aged = request.getfixturevalue(name).cell
    aged.set_chamber_celsius(25.0)
    aged.advance_to(aged.now_ns + 3 * HOUR_NS)
    frequency_hertz = np.geomspace(200e3, 0.1, 64)
    fitted_interface_ohm, fitted_transfer_ohm = fit_arcs(frequency_hertz, aged.impedance(frequency_hertz))
    assert fitted_interface_ohm == pytest.approx(interface_ohm, rel=0.005)
    assert fitted_transfer_ohm == pytest.approx(transfer_ohm, rel=0.01)
    assert fitted_interface_ohm == pytest.approx(aged.interface_ohm, rel=0.005)
    assert fitted_transfer_ohm == pytest.approx(aged.charge_transfer_ohm, rel=0.01)


@pytest.mark.parametrize(("parameters", "interface_ohm"), [(BM_05, 36.7), (BARE, 31.1)])
def test_resistance_before_cycling_reads_from_a_spectrum(parameters, interface_ohm):
    frequency_hertz = np.geomspace(200e3, 0.1, 64)
    fresh = PressCell(parameters, chamber_celsius=25.0)
    fresh.advance_to(3 * HOUR_NS)
    fitted_ohm, _ = fit_arcs(frequency_hertz, fresh.impedance(frequency_hertz))
    assert fitted_ohm == pytest.approx(interface_ohm, rel=0.005)


def fit_arcs(frequency_hertz: np.ndarray, impedance_ohm: np.ndarray) -> tuple[float, float]:
    """R_i and R_ct of R_s - (R_i || CPE) - ((R_ct + W) || CPE), by damped least squares on the logarithms."""
    s = 2j * np.pi * frequency_hertz

    def circuit(logarithms: np.ndarray) -> np.ndarray:
        series, arc, arc_second, arc_exponent, transfer, second, exponent, warburg = np.exp(logarithms)
        particles = transfer + warburg / np.sqrt(s)
        surface = 1 / (1 / particles + (s * second) ** exponent / transfer)
        return series + arc / (1 + (s * arc_second) ** arc_exponent) + surface

    def missed(logarithms: np.ndarray) -> np.ndarray:
        difference = (circuit(logarithms) - impedance_ohm) / np.abs(impedance_ohm)
        return np.concatenate((difference.real, difference.imag))

    logarithms = np.log([impedance_ohm.real[0], 50.0, 3e-5, 0.9, 250.0, 0.05, 0.9, 30.0])
    damping, error = 1e-2, missed(logarithms)
    for _ in range(200):
        slopes = np.stack([(missed(logarithms + 1e-6 * axis) - error) / 1e-6 for axis in np.eye(8)], axis=1)
        normal = slopes.T @ slopes
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -slopes.T @ error)
        trial = missed(logarithms + step)
        if trial @ trial < error @ error:
            logarithms, error, damping = logarithms + step, trial, damping / 3
        else:
            damping = min(damping * 4, 1e6)
    return float(np.exp(logarithms[1])), float(np.exp(logarithms[4]))


@pytest.mark.parametrize(("parameters", "rested_megapascal"), [(BM_05, 12.34), (BARE, 12.07)])
def test_pressure_relaxes_at_open_circuit(parameters, rested_megapascal):
    cell = PressCell(parameters, chamber_celsius=25.0)
    seen = cell.forecast(np.array([0, 10 * HOUR_NS]))
    assert seen.pressure_megapascal == pytest.approx([12.70, rested_megapascal], abs=0.005)
    assert seen.voltage_volt == pytest.approx([2.27, 2.21], abs=0.006)


def test_pressure_rises_on_the_formation_charge():
    cell = rested(BM_05)
    start_megapascal = cell.forecast(np.array([cell.now_ns])).pressure_megapascal[0]
    end_megapascal = half_cycle(cell, 0.1 * ONE_C_AMPERE).pressure_megapascal[-1]
    assert end_megapascal - start_megapascal == pytest.approx(1.06, abs=0.01)


def test_pressure_over_90_cycles_of_bm_05(bm_05):
    assert [bm_05.swing_megapascal[cycle] for cycle in (1, 10, 90)] == pytest.approx([0.84, 0.75, 0.72], abs=0.006)
    assert [bm_05.level_megapascal[cycle] for cycle in (1, 90)] == pytest.approx([13.62, 13.42], abs=0.006)


def test_pressure_over_90_cycles_of_bare(bare):
    assert [bare.swing_megapascal[cycle] for cycle in (1, 10, 90)] == pytest.approx([0.70, 0.61, 0.56], abs=0.006)
    assert [bare.level_megapascal[cycle] for cycle in (1, 90)] == pytest.approx([13.27, 12.87], abs=0.006)


def test_cells_vary_with_their_seed_only():
    assert vary(BM_05, 7) == vary(BM_05, 7) != vary(BM_05, 8)
    capacities_mAh_g = []
    for seed in range(40):
        cell = rested(vary(BM_05, seed))
        half_cycle(cell, 2 * ONE_C_AMPERE)
        capacities_mAh_g.append(half_cycle(cell, -2 * ONE_C_AMPERE).capacity_mAh_g)
    assert np.std(capacities_mAh_g, ddof=1) == pytest.approx(1.3, abs=0.3)

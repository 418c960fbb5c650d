"""A voltage source on a cell: exact between its limits, never beyond them, and stepped by a configuration list."""

import numpy as np
import pytest

from simulators.cell import PressCell
from simulators.device import SECOND_NS

OHM, FARAD = 100.0, 5.0


def hold(bench, programs, volt: float, limit_ampere: float) -> None:
    bench.tell(*programs.source_voltage(volt, limit_ampere))


def true_volt(bench) -> float:
    return bench.smu.instrument.regulator.demand.target


def true_limit(bench) -> float:
    return bench.smu.instrument.regulator.demand.high


def test_between_its_limits_the_current_decays_as_the_cell_has_it(bench, programs):
    hold(bench, programs, 2.6, 2e-3)
    bench.tell(":OUTP ON")
    first_ampere = (true_volt(bench) - 2.5) / OHM
    for second in (0.0, 1.0, 333.3, 500.0):
        bench.run(second)
        assert bench.cell.current_ampere == pytest.approx(first_ampere * np.exp(-second / (OHM * FARAD)), rel=1e-9)
        assert bench.cell.voltage_volt() == pytest.approx(true_volt(bench), abs=1e-12)
    assert bench.cell.charge_in_coulomb == pytest.approx(first_ampere * OHM * FARAD * (1 - np.exp(-1)), rel=1e-9)


def test_a_limited_current_goes_over_into_the_held_voltage_at_the_moment_itself(bench, programs):
    hold(bench, programs, 3.0, 2e-3)
    bench.tell(":OUTP ON")
    bench.run(2000)
    limited, held = bench.of_kind("limit")
    assert (limited["limited"], held["limited"]) == (True, False)
    there_second = (true_volt(bench) - 2.5 - true_limit(bench) * OHM) * FARAD / true_limit(bench)
    assert held["time_ns"] == pytest.approx(there_second * SECOND_NS, abs=2)
    assert held["current_ampere"] == pytest.approx(true_limit(bench), rel=1e-9)


@pytest.mark.parametrize("volt", [1.5, 2.3, 2.7, 3.5])
def test_the_first_step_makes_no_more_than_the_limit(make_bench, programs, volt):
    cell = PressCell()
    bench = make_bench(cell, options={"power_on_off_state": "HIMP"})
    hold(bench, programs, volt, 0.5e-3)
    bench.tell(":OUTP ON")
    seen = []
    for millisecond in range(300):
        bench.run(millisecond / 1000)
        seen.append(cell.forecast_current(cell.now_ns + np.arange(0, 1_000_000, 50_000))[:20])
    assert np.abs(seen).max() <= true_limit(bench)
    assert np.abs(seen).max() == pytest.approx(0.5e-3, rel=2e-3)


def test_a_lower_limit_or_another_level_acts_at_once(bench, programs):
    hold(bench, programs, 2.6, 2e-3)
    bench.tell(":OUTP ON")
    bench.run(10)
    bench.tell(":SOUR:VOLT:ILIM 0.1E-3")
    assert bench.cell.current_ampere == pytest.approx(0.1e-3, rel=1e-3)
    bench.tell(":SOUR:VOLT:ILIM 2E-3", ":SOUR:VOLT 2.4")
    assert bench.cell.current_ampere < -1e-3
    bench.tell(":OUTP OFF")
    assert (bench.cell.current_ampere, bench.relay_closed) == (0.0, False)


def test_a_press_cell_under_constant_voltage_in_the_trigger_model(make_bench, programs):
    cell = PressCell()
    bench = make_bench(cell, options={"power_on_off_state": "HIMP"})
    bench.tell(*programs.source_voltage(3.2, 1e-3), *programs.buffer("cv", 5000), *programs.timers(10, 50400))
    bench.tell(*programs.one_rate("cv", "BEL,1E-4,1", "ABOV,-1,1.1E-3", 5000), ":INIT")
    bench.run(40000)
    assert not bench.relay_closed
    rows = bench.rows("cv", "REL", "READ", "SOUR", "SOURSTAT")
    ampere, limited = rows[:, 1], rows[:, 3].astype(int) & 32 != 0
    assert ampere[limited] == pytest.approx(1e-3, rel=2e-3)
    assert rows[~limited, 2] == pytest.approx(3.2, abs=3e-3)
    assert limited[0]
    assert ampere[-1] < 1e-4 <= ampere[-2]
    assert (np.diff(ampere[~limited]) < 0).mean() > 0.99
    read_coulomb = float(np.sum((ampere[1:] + ampere[:-1]) / 2 * np.diff(rows[:, 0])))
    assert cell.charge_in_coulomb == pytest.approx(read_coulomb, rel=2e-3)


def scan(programs, levels: list[float]) -> list[str]:
    store = [line for volt in levels for line in (f":SOUR:VOLT {volt}", ':SOUR:CONF:LIST:STOR "levels"')]
    return [
        *programs.source_voltage(levels[0], 10e-3),
        ':SOUR:CONF:LIST:CRE "levels"',
        *store,
        *programs.buffer("scan", 100),
        *programs.timers(1, 50400),
        *programs.blocks(
            'CONF:REC 1,"levels",1',
            "SOUR:STAT 2,ON",
            "NOT 3,1",
            "WAIT 4,TIM1",
            'MEAS 5,"scan"',
            f"BRAN:COUN 6,{len(levels)},8",
            "BRAN:ALW 7,10",
            'CONF:NEXT 8,"levels"',
            "BRAN:ALW 9,4",
            "SOUR:STAT 10,OFF",
        ),
    ]


@pytest.mark.parametrize("levels", [[2.5, 2.55, 2.6, 2.65], [2.6, 2.5, 2.4, 2.3]])
def test_a_list_steps_the_voltage(bench, programs, levels):
    bench.tell(*scan(programs, levels), ":INIT")
    bench.run(10, cuts_ns=[1_700_000_000, 2_000_000_001])
    assert not bench.relay_closed
    rows = bench.rows("scan", "REL", "SOUR", "READ")
    assert rows[:, 0] == pytest.approx(np.arange(len(levels)), abs=1e-6)
    assert rows[:, 1] == pytest.approx(levels, abs=2e-3)
    assert np.diff(rows[:, 1]) == pytest.approx(np.diff(levels), abs=5e-4)
    assert (np.sign(rows[1:, 2]) == np.sign(levels[-1] - levels[0])).all()


def test_after_the_last_point_of_a_list_comes_the_first(bench, programs):
    bench.tell(*scan(programs, [2.5, 2.6]), ":TRIG:BLOC:BRAN:COUN 6,5,8", ":INIT")
    bench.run(10)
    assert bench.rows("scan", "SOUR")[:, 0] == pytest.approx([2.5, 2.6, 2.5, 2.6, 2.5], abs=2e-3)


def test_a_voltage_source_with_exchanged_leads_runs_into_its_limit(bench, programs):
    hold(bench, programs, 2.6, 2e-3)
    bench.tell(":OUTP ON")
    bench.run(1)
    bench.smu.reverse_current = True
    assert bench.cell.current_ampere == pytest.approx(-2e-3, rel=1e-3)
    assert bench.say(":SOUR:VOLT:ILIM:TRIP?") == "1"
    bench.run(100)
    assert bench.cell.voltage_volt() < 2.3
    bench.smu.reverse_current = False
    assert bench.cell.current_ampere > 1e-3
    assert bench.cell.voltage_volt() == pytest.approx(true_volt(bench), abs=1e-12)

"""Cell, instruments and time move together, however time is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bench import Bench, Ending
from simulators.cell import PressCell
from simulators.device import SECOND_NS
from simulators.jig import BenchError, Jig
from simulators.log import BenchLog
from simulators.witness import Window, Witness

HOUR_NS = 3600 * SECOND_NS
NARROW = Window(1.0, 2.7)
"""Left gradually, some 1005 s after a charge with 0.15 mA began, and 75 s after a discharge with 3 mA did."""

MILLISECOND_CUTS = st.one_of(
    st.integers(min_value=1, max_value=7_199_000),
    st.integers(min_value=1_002_000, max_value=1_008_000),
    st.integers(min_value=1002, max_value=1008).map(lambda second: 1000 * second),
)


def run_cut_at(made, cuts_ns):
    """Charge, rest, discharge; time cut as told. Answers what there is to see."""
    made.bench.receive("source", b"RUN 0.00015 1800.5\n")
    for cut_ns in cuts_ns:
        while made.bench.now_ns < cut_ns:
            made.bench.conduct(cut_ns)
        if cut_ns == HOUR_NS:
            made.bench.receive("source", b"RUN -0.003 900\n")
    return made.source.rows, made.cell.charge_in_coulomb, made.cell.charge_out_coulomb, made.log_text.getvalue()


@given(cuts_ms=st.lists(MILLISECOND_CUTS, max_size=20))
def test_how_time_is_cut_changes_nothing(make_bench, cuts_ms):
    ends = [HOUR_NS, 2 * HOUR_NS]
    whole = run_cut_at(make_bench(NARROW), ends)
    cut = run_cut_at(make_bench(NARROW), sorted({*ends, *(ms * 1_000_000 for ms in cuts_ms)}))
    assert cut == whole


def test_it_stops_at_the_moment_an_instrument_has_ended(make_bench):
    made = make_bench()
    made.bench.receive("source", b"RUN 0.001 90.25\n")
    assert made.bench.finished() == ()
    assert made.bench.conduct(HOUR_NS) == (Ending(90_250_000_000, "source"),)
    assert made.bench.now_ns == 90_250_000_000
    assert not made.bench.busy
    assert made.bench.conduct(HOUR_NS) == ()
    assert made.bench.now_ns == HOUR_NS


def test_the_log_knows_the_charge_and_the_extremes(make_bench):
    made = make_bench()
    made.bench.receive("source", b"RUN 0.003 600\n")
    made.bench.conduct(HOUR_NS)
    closed, opened = made.lines("output")
    assert (closed["relay"], opened["relay"]) == ("closed", "open")
    assert opened["bench_second"] == 600
    assert opened["charge_in_coulomb"] == pytest.approx(1.8, rel=1e-12)
    volts = [volt for _, volt in made.source.rows]
    assert opened["max_voltage_volt"] >= max(volts)
    assert opened["max_voltage_volt"] == pytest.approx(max(volts), abs=2e-3)
    assert opened["min_voltage_volt"] <= min(volts)


def test_the_last_moment_under_current_counts(make_bench):
    made = make_bench()
    made.bench.receive("source", b"RUN 0.003 600.999\n")
    made.bench.conduct(HOUR_NS)
    twin = PressCell()
    twin.set_current(0.003)
    highest = twin.forecast(np.array([600_999_000_000])).voltage_volt[0]
    assert made.lines("output")[-1]["max_voltage_volt"] == highest


def test_an_excursion_begins_and_ends(make_bench):
    made = make_bench(Window(1.0, 2.4))
    made.bench.receive("source", b"RUN 0.003 60\n")
    made.bench.conduct(30 * SECOND_NS)
    (begun,) = made.lines("excursion_begin")
    assert begun["bench_second"] == 0
    assert begun["voltage_volt"] > 2.4
    assert made.lines("excursion_end") == []
    made.bench.conduct(HOUR_NS)
    (ended,) = made.lines("excursion_end")
    assert ended["bench_second"] == 60
    assert ended["lasted_second"] == 60
    assert ended["extreme_voltage_volt"] == made.lines("output")[-1]["max_voltage_volt"]
    assert ended["extreme_voltage_volt"] > begun["voltage_volt"]


def test_the_moment_before_a_change_of_the_current_counts(make_bench):
    made = make_bench(Window(1.0, 2.4))
    made.bench.receive("source", b"RUN 0.003 3600\n")
    made.bench.conduct(10_500_000_000)
    highest = made.cell.forecast(np.array([made.bench.now_ns])).voltage_volt[0]
    made.bench.receive("source", b"RUN -0.003 60\n")
    made.bench.conduct(HOUR_NS)
    assert made.lines("output")[-1]["max_voltage_volt"] == highest
    assert made.lines("excursion_end")[0]["extreme_voltage_volt"] == highest


def test_every_whole_second_is_looked_at(make_bench):
    made = make_bench(Window(1.0, 2.7))
    made.bench.receive("source", b"RUN 0.00015 1800\n")
    made.bench.conduct(HOUR_NS)
    first_ns = next(time_ns for time_ns, volt in made.source.rows if volt > 2.7)
    assert made.lines("excursion_begin")[0]["bench_second"] * SECOND_NS == first_ns


def test_an_excursion_is_found_between_two_stops(make_bench):
    made = make_bench(Window(1.0, 4.0))
    made.bench.receive("source", b"RUN -0.003 20000\n")
    made.bench.conduct(20 * HOUR_NS)
    assert len(made.lines("excursion_begin")) == len(made.lines("excursion_end")) == 1
    began = made.lines("excursion_begin")[0]
    first = next(time_ns for time_ns, volt in made.source.rows if volt < 1.0)
    assert began["bench_second"] * SECOND_NS == first


def test_open_circuit_is_no_excursion(make_bench):
    made = make_bench(Window(3.0, 4.0))
    made.bench.conduct(HOUR_NS)
    assert made.lines() == []


def test_the_end_says_how_everything_was_left(make_bench):
    made = make_bench()
    made.bench.receive("source", b"RUN 0.001 10\n")
    made.bench.conduct(4 * SECOND_NS)
    made.bench.end("end")
    (end,) = made.lines("end")
    assert end["instruments"]["source"] == {"output": "on", "relay": "closed", "relay_operations": 1, "busy": True}
    assert end["charge_in_coulomb"] == pytest.approx(0.004)


def test_an_instrument_that_goes_round_in_circles_is_found():
    class Stuck:
        name = "stuck"
        busy = True

        def run_to(self, limit_ns):
            return 0

        def settle(self, now_ns):
            pass

    cell, log = PressCell(), BenchLog(None)
    with pytest.raises(BenchError, match="stay at 0 ns"):
        Bench([Jig(cell, Stuck(), [], Witness(cell, log, None), log)], log).conduct(SECOND_NS)


def test_only_one_instrument_drives_the_cell(make_bench):
    made = make_bench()
    other = type(made.source)("other", made.cell)
    log = BenchLog(None)
    bench = Bench([Jig(made.cell, made.source, [other], Witness(made.cell, log, None), log)], log)
    bench.receive("other", b"RUN 0.001 10\n")
    with pytest.raises(BenchError, match="other wants to change the cell"):
        bench.conduct(60 * SECOND_NS)

"""Source, ranges, limits, off-states, and how true a reading is."""

import numpy as np
import pytest

from simulators.keithley.analog import Calibration
from simulators.keithley.models import MODELS


def source_current(bench, ampere: float, *, limit_volt: float = 5.0) -> None:
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":SENS:VOLT:RANG 20", ":SOUR:CURR:RANG 10E-3")
    bench.tell(f":SOUR:CURR {ampere}", f":SOUR:CURR:VLIM {limit_volt}", ":OUTP ON")


@pytest.mark.parametrize(
    ("model", "message", "code"),
    [
        ("2450", ":SOUR:CURR 1.06", -222),
        ("2450", ":SOUR:VOLT -211", -222),
        ("2450", ":SOUR:CURR:VLIM 0.01", -222),
        ("2450", ":SOUR:CURR:VLIM -3", -222),
        ("2450", ":SOUR:VOLT:ILIM 2", -222),
        ("2450", ":SOUR:CURR:RANG 1.2", -222),
        ("2461", ":SOUR:CURR 7.4", -222),
        ("2461", ":SOUR:CURR:VLIM 0.1", -222),
        ("2460", ":SOUR:CURR:RANG 10", -222),
    ],
)
def test_out_of_range(make_bench, model, message, code):
    bench = make_bench(model=model)
    assert bench.say(message) == ""
    assert bench.codes() == [code]


@pytest.mark.parametrize(
    ("model", "default_limit", "asked", "range_taken"),
    [("2450", "2.100000E+01", 3.0, "2.000000E+01"), ("2461", "7.350000E+00", 3.0, "7.000000E+00")],
)
def test_models_differ(make_bench, model, default_limit, asked, range_taken):
    bench = make_bench(model=model)
    assert bench.say(":SOUR:CURR:VLIM?;:SOUR:VOLT:ILIM?") == f"{default_limit};1.050000E-04"
    bench.tell(f":SENS:VOLT:RANG {asked}")
    assert bench.say(":SENS:VOLT:RANG?;RANG:AUTO?") == f"{range_taken};0"


def test_a_fixed_range_holds_five_per_cent_more(bench):
    bench.tell(":SOUR:CURR:RANG 1E-3", ":SOUR:CURR 1.05E-3")
    assert bench.say(":SOUR:CURR:RANG:AUTO?") == "0"
    assert bench.say(":SOUR:CURR 1.06E-3") == ""
    assert bench.codes() == [-222]
    assert bench.say(":SOUR:CURR?") == "1.050000E-03"


def test_autorange_follows_the_level(bench):
    bench.tell(":SOUR:CURR 0.15E-3")
    assert bench.say(":SOUR:CURR:RANG?") == "1.000000E-03"
    bench.tell(":SOUR:CURR 2E-3", ":SOUR:CURR:RANG:AUTO OFF")
    assert bench.say(":SOUR:CURR:RANG?") == "1.000000E-02"


def test_a_smaller_range_takes_the_level_down(bench):
    bench.tell(":SOUR:CURR:RANG 1E-2", ":SOUR:CURR -2E-3", ":SOUR:CURR:RANG 1E-3")
    assert bench.say(":SOUR:CURR?") == "-1.050000E-03"
    assert bench.say(":SYST:EVEN:NEXT? WARN").startswith("-221,")


def test_a_limit_below_a_thousandth_of_the_measure_range(bench):
    bench.tell(":SENS:VOLT:RANG 200")
    assert bench.say(":SOUR:CURR:VLIM 0.2") == ""
    assert bench.codes() == [-221]


@pytest.mark.parametrize("text", ['"VOLT"', "'VOLT'", '"VOLT:DC"', '"voltage"'])
def test_function_names(bench, text):
    bench.tell(f":SENS:FUNC {text}")
    assert bench.say(":SENS:FUNC?") == '"VOLT:DC"'


def test_the_level_acts_at_once(bench):
    source_current(bench, 1e-3)
    assert bench.cell.current_ampere == pytest.approx(1e-3, rel=1e-3)
    bench.tell(":SOUR:CURR -2E-3")
    assert bench.cell.current_ampere == pytest.approx(-2e-3, rel=1e-3)


def test_high_impedance_opens_the_relay(bench):
    source_current(bench, 1e-3)
    bench.run(10)
    bench.tell(":OUTP OFF")
    assert not bench.relay_closed
    assert bench.cell.current_ampere == 0
    assert abs(float(bench.say(":READ?"))) < 0.01
    volt = bench.cell.voltage_volt()
    bench.run(1000)
    assert bench.cell.voltage_volt() == volt


def test_normal_discharges_the_cell(make_bench):
    bench = make_bench(farad=0.5)
    source_current(bench, 1e-3)
    bench.tell(":OUTP:CURR:SMOD NORM", ":OUTP OFF")
    assert bench.relay_closed
    assert bench.cell.current_ampere == pytest.approx(-1e-3), "10 % of the 10 mA range"
    bench.run(1600)
    assert bench.cell.voltage_volt() == pytest.approx(0, abs=1e-3)
    bench.tell(":OUTP:CURR:SMOD HIMP")
    assert not bench.relay_closed


def test_as_delivered_it_discharges(make_bench):
    assert make_bench().cell.current_ampere == pytest.approx(-10e-6)
    assert make_bench(options={"power_on_off_state": "HIMP"}).cell.current_ampere == 0


@pytest.mark.parametrize(("state", "current_ampere"), [("GUAR", 0.0), ("ZERO", -20e-3)])
def test_other_off_states(bench, state, current_ampere):
    source_current(bench, 1e-3)
    bench.tell(":SOUR:VOLT:ILIM 20E-3", f":OUTP:SMOD {state}", ":OUTP OFF")
    assert bench.relay_closed
    assert bench.cell.current_ampere == pytest.approx(current_ampere, abs=1e-6)


@pytest.mark.parametrize("message", [":SENS:VOLT:RSEN ON", ":ROUT:TERM REAR"])
def test_rewiring_switches_off(bench, message):
    source_current(bench, 1e-3)
    bench.tell(message)
    assert bench.say(":OUTP?") == "0"
    bench.tell(":OUTP ON", message)
    assert bench.say(":OUTP?") == "1", "nothing changed"


def test_relay_and_listener(bench):
    before = bench.smu.relay_operations
    bench.heard.clear()
    source_current(bench, 1e-3)
    bench.run(1.5)
    bench.tell(":OUTP OFF", ":OUTP OFF")
    assert bench.smu.relay_operations == before + 2
    on, off = bench.of_kind("output")
    assert (on["time_ns"], on["on"], on["relay_closed"], on["level"], on["off_state"]) == (0, True, True, 1e-3, "HIMP")
    assert (off["time_ns"], off["on"], off["relay_closed"]) == (1_500_000_000, False, False)


def test_voltage_limit_clamps(bench):
    source_current(bench, 2e-3, limit_volt=2.9)
    bench.run(495)
    assert bench.say(":SOUR:CURR:VLIM:TRIP?") == "0"
    bench.run(600)
    assert bench.say(":SOUR:CURR:VLIM:TRIP?;:OUTP?") == "1;1"
    assert bench.cell.voltage_volt() == pytest.approx(2.9, abs=1e-3)
    assert 0 < bench.cell.current_ampere < 2e-3
    volt, ampere, status = (float(part) for part in bench.say(':READ? "defbuffer1",READ,SOUR,SOURSTAT').split(","))
    assert volt == pytest.approx(2.9, abs=2e-3)
    assert ampere == pytest.approx(bench.cell.current_ampere, rel=1e-2)
    assert int(status) == 8 | 32 | 128
    (limit,) = bench.of_kind("limit")
    assert limit["limited"]
    assert limit["time_ns"] / 1e9 == pytest.approx((2.9 - 2.7) * 5 / 2e-3, abs=3)


def test_true_voltage_never_runs_past_the_clamp(bench):
    source_current(bench, 2e-3, limit_volt=2.9)
    bound = bench.smu.instrument.regulator.demand.high
    for second in range(490, 520):
        bench.run(second)
        assert bench.cell.voltage_volt() <= bound + 2e-3 * 0.1 / 5 + 1e-9


def test_a_clamp_lets_go(bench):
    source_current(bench, 2e-3, limit_volt=2.9)
    bench.run(600)
    bench.tell(":SOUR:CURR -1E-3")
    assert bench.say(":SOUR:CURR:VLIM:TRIP?") == "0"
    assert bench.cell.current_ampere == pytest.approx(-1e-3, rel=1e-3)
    assert [limit["limited"] for limit in bench.of_kind("limit")] == [True, False]


def test_the_limit_is_a_magnitude(make_bench):
    bench = make_bench(start_volt=0.1)
    bench.tell(":OUTP:SMOD HIMP")
    source_current(bench, -2e-3, limit_volt=0.5)
    bench.run(2000)
    assert bench.cell.voltage_volt() == pytest.approx(-0.5, abs=1e-3)


def test_current_limit_is_constant_current(make_bench):
    bench = make_bench(farad=0.5)
    bench.tell(":SOUR:FUNC VOLT", ':SENS:FUNC "CURR"', ":SENS:CURR:RANG 10E-3", ":SOUR:VOLT:RANG 20")
    bench.tell(":SOUR:VOLT 2.0", ":SOUR:VOLT:ILIM 2E-3", ":OUTP ON")
    assert bench.cell.current_ampere == pytest.approx(-2e-3, rel=1e-3)
    assert bench.say(":SOUR:VOLT:ILIM:TRIP?;:SOUR:CURR:VLIM:TRIP?") == "1;0"
    bench.run(350)
    assert bench.cell.voltage_volt() == pytest.approx(2.0, abs=2e-3)
    assert -2e-4 < bench.cell.current_ampere < 0
    assert bench.say(":SOUR:VOLT:ILIM:TRIP?") == "0"
    ampere, volt = (float(part) for part in bench.say(':READ? "defbuffer1",READ,SOUR').split(","))
    assert volt == pytest.approx(2.0, abs=2e-3)
    assert ampere == pytest.approx(bench.cell.current_ampere, abs=2e-6)


def test_overvoltage_protection_clamps(bench):
    bench.tell(":SOUR:VOLT:PROT PROT2")
    assert bench.say(":SOUR:VOLT:PROT?;:SOUR:CURR:PROT?") == "PROT2;PROT2"
    source_current(bench, 2e-3)
    assert bench.say(":SOUR:VOLT:PROT:TRIP?;:SOUR:CURR:VLIM:TRIP?") == "1;0"
    assert int(bench.say(':READ? "defbuffer1",SOURSTAT')) & 4
    assert bench.say(":OUTP?") == "1"


def test_without_readback_the_source_is_the_level(bench):
    source_current(bench, 2e-3)
    bench.tell(":SOUR:CURR:READ:BACK OFF")
    assert bench.say(':READ? "defbuffer1",SOUR,SOURSTAT') == "2.000000E-03,128"


def test_overflow(bench):
    source_current(bench, 1e-3)
    bench.tell(":SENS:VOLT:RANG 2")
    assert bench.say(':READ? "defbuffer1",READ,STAT') == "9.900000E+37,265"


def test_autorange_reads_what_a_fixed_range_overflows(bench):
    source_current(bench, 1e-3)
    bench.tell(":SENS:VOLT:RANG:AUTO ON")
    assert float(bench.say(":READ?")) == pytest.approx(2.6, abs=2e-3)


def test_resistance_is_voltage_over_current(bench):
    source_current(bench, 1e-3)
    bench.tell(':SENS:FUNC "RES"')
    assert float(bench.say(":READ?")) == pytest.approx(2600, rel=1e-2)


def noise_of(make_bench, nplc: float, ampere_range: float = 10e-3) -> tuple[np.ndarray, np.ndarray]:
    bench = make_bench()
    bench.tell(":OUTP:SMOD HIMP")
    source_current(bench, 0.5 * ampere_range)
    bench.tell(f":SOUR:CURR:RANG {ampere_range}", f":SENS:VOLT:NPLC {nplc}", ":SENS:COUN 20000", ":TRAC:TRIG")
    rows = bench.rows("defbuffer1", "READ", "SOUR")
    return rows[:, 0], rows[:, 1] - bench.cell.current_ampere


def test_noise_is_that_of_the_recorded_data(make_bench):
    volts, amperes = noise_of(make_bench, 0.5)
    assert volts.std() == pytest.approx(95e-6, rel=0.05)
    assert amperes.std() == pytest.approx(153e-9, rel=0.05)
    assert amperes.mean() == pytest.approx(-38e-9, abs=0.3 * 2e-4 * 5e-3)
    steps = volts / 10e-6
    assert np.abs(steps - np.rint(steps)).max() < 1e-6


@pytest.mark.parametrize(("nplc", "ampere_range", "quieter"), [(2, 10e-3, 2), (0.5, 1e-3, 10)])
def test_noise_scales(make_bench, nplc, ampere_range, quieter):
    _volts, amperes = noise_of(make_bench, nplc, ampere_range)
    assert amperes.std() == pytest.approx(153e-9 / quieter, rel=0.05)


def test_averaging_is_quieter(bench):
    source_current(bench, 1e-3)
    bench.tell(":SENS:VOLT:AVER:COUN 25", ":SENS:VOLT:AVER ON", ":SENS:COUN 20000", ":TRAC:TRIG")
    assert bench.rows("defbuffer1", "READ").std() == pytest.approx(95e-6 / 50**0.5, rel=0.05)


@pytest.mark.parametrize("serial_number", [f"{n:08d}" for n in range(12)])
def test_errors_are_within_the_specification(serial_number):
    calibration = Calibration(MODELS["2450"], 1, serial_number)
    assert abs(calibration.true_ampere(2e-3, 10e-3) - 2e-3) <= 0.5 * (2e-4 * 2e-3 + 1.5e-6)
    assert abs(calibration.true_ampere(1.5e-4, 1e-3) - 1.5e-4) <= 0.5 * (2e-4 * 1.5e-4 + 150e-9)
    assert abs(calibration.true_volt(3.7, 20.0) - 3.7) <= 0.5 * (1.5e-4 * 3.7 + 2.4e-3)
    assert abs(calibration.protection_volt(5.0) - 5.0) <= 0.25


def test_serial_numbers_and_seeds_differ(make_bench):
    def first(seed: int, serial_number: str | None = None) -> str:
        bench = make_bench(seed=seed)
        if serial_number:
            bench.smu.swap_serial(serial_number)
        return bench.say("*RST;:READ?")

    assert first(1) == first(1)
    assert len({first(1), first(2), first(1, "99999999")}) == 3


def test_configuration_lists(bench):
    bench.tell(':SOUR:CONF:LIST:CRE "S"', ":SOUR:FUNC CURR", ":SOUR:CURR 1E-3", ':SOUR:CONF:LIST:STOR "S"')
    bench.tell(":SOUR:CURR 2E-3", ':SOUR:CONF:LIST:STOR "S"', ':SOUR:CONF:LIST:REC "S",1')
    assert bench.say(':SOUR:CURR?;:SOUR:CONF:LIST:SIZE? "S";CAT?') == "1.000000E-03;2;S"
    assert "SOUR:CURR:LEV=0.002" in bench.say(':SOUR:CONF:LIST:QUER? "S",2')
    assert bench.say(':SOUR:CONF:LIST:REC "S",3', ':SENS:CONF:LIST:REC "S"') == ""
    assert bench.codes() == [2790, 2790]

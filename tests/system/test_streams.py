"""Pressure and temperature beside the cell: the same rows at any pace, inside what the jig can show."""

from pathlib import Path

import pandas as pd
import pytest

from daemon.store.rows import read_rows

HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
REST = HEAD + "  - {step: open_circuit_voltage, id: rest, until_time: 3 s}\n"
HEATING = (
    HEAD
    + "  - {step: open_circuit_voltage, id: heat, until_time: 10 min, temperature_C: 55}\n"
    + "  - {step: constant_current, id: pulse, rate_C: 0.5, until_time: 60 s}\n"
)


def streams(result: dict) -> dict[str, pd.DataFrame]:
    path = Path(result["run_directory"]) / "run.sqlite"
    return {stream: read_rows(path, stream) for stream in ("cell", "pressure", "temperature")}


@pytest.mark.parametrize(("protocol", "pace"), [(REST, "1"), (HEATING, "300")])
def test_a_paced_run_and_a_fast_one_have_the_same_rows(command_line, protocol, pace):
    paced = streams(command_line.simulate(protocol, "--speed", pace))
    fast = streams(command_line.simulate(protocol))
    for stream, rows in fast.items():
        pd.testing.assert_frame_equal(paced[stream], rows, check_exact=True, obj=stream)


def test_heating_the_jig_raises_temperature_and_pressure(command_line):
    rows = streams(command_line.simulate(HEATING))
    pressure = rows["pressure"]["surface_pressure_pa"]
    assert pressure.notna().all()
    assert pressure.iloc[:10].median() == pytest.approx(12.7e6, rel=0.01)
    assert pressure.iloc[-10:].median() > pressure.iloc[:10].median() + 1e5
    temperature = rows["temperature"]["jig_temperature_celsius"]
    assert temperature.iloc[0] == pytest.approx(25, abs=0.2)
    assert temperature.is_monotonic_increasing
    assert temperature.iloc[-1] > 28
    assert len(rows["pressure"]) == pytest.approx(rows["cell"]["test_time_second"].iloc[-1], abs=3)

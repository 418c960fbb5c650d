"""The library's protocols through the real daemon: the paper's procedures, read off what was executed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile
from tests.support.command_line import CommandLine

LIBRARY = Path(__file__).parents[2] / "protocols" / "library"
FEW = 3
"""Cycles here; `make library` runs all of them."""
MASS_GRAM, MAH_G = 0.0075, 200.0
"""Of BM-05, and what 1 C is by the paper."""
WINDOW_VOLT = {"charge": 3.7, "discharge": 2.0}


def text_of(name: str, **replaced: str) -> str:
    text = (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert text.count(old.replace("_is_", ": ")) == 1
        text = text.replace(old.replace("_is_", ": "), new)
    return text


def measured_ampere(result: dict[str, Any]) -> dict[int, float]:
    """The median current of each segment, from its rows."""
    rows = read_rows(Path(result["run_directory"]) / "run.sqlite", "cell")
    return {segment: float(np.median(part["current_ampere"])) for segment, part in rows.groupby("segment")}


def assert_halves(result: dict[str, Any], segments: list[dict[str, Any]], rate_C: float) -> None:
    """Charge and discharge in turn, at a rate, each to its end of the window."""
    ampere = measured_ampere(result)
    for at, segment in enumerate(segments):
        half, sign = ("charge", 1) if at % 2 == 0 else ("discharge", -1)
        assert (segment["half"], segment["ended_by"], segment["abnormal"]) == (half, "voltage", False)
        assert segment["reached"]["limit_value"] == WINDOW_VOLT[half]
        assert abs(segment["last_voltage_volt"] - WINDOW_VOLT[half]) <= 0.005
        asked = sign * rate_C * MASS_GRAM * MAH_G / 1000
        assert ampere[segment["segment"]] == pytest.approx(asked, rel=0.005)


def by_block(result: dict[str, Any], block: str) -> list[dict[str, Any]]:
    return [segment for segment in result["segments"] if segment["block"] == block]


def test_cycle_life_is_one_slow_cycle_and_then_fast_ones(command_line: CommandLine) -> None:
    result = command_line.simulate(text_of("cycle_life", cycle_count_is_1000=f"cycle_count: {FEW}"))
    assert result["outcome"] == "completed"
    warm = result["segments"][0]
    assert (warm["ended_by"], warm["half"]) == ("equilibrated", None)
    assert_halves(result, by_block(result, "formation"), 0.1)
    assert_halves(result, by_block(result, "life"), 2.0)
    assert [len(by_block(result, block)) for block in ("formation", "life")] == [2, 2 * FEW]
    assert [cycle["cycle_count"] for cycle in result["cycles"]] == list(range(1, 2 + FEW))


def test_pressure_cycling_is_fast_cycles_with_a_pressure_at_each_end(command_line: CommandLine) -> None:
    result = command_line.simulate(text_of("pressure_cycling", cycle_count_is_90=f"cycle_count: {FEW}"))
    assert_halves(result, by_block(result, "pressure"), 2.0)
    assert len(result["cycles"]) == FEW
    assert all(cycle["pressure_end_of_charge_MPa"] is not None for cycle in result["cycles"])


def test_pressure_at_open_circuit_is_ten_hours_without_a_current(command_line: CommandLine, bench_log: Any) -> None:
    result = command_line.simulate(text_of("pressure_open_circuit"), "--input", "temperature_C=40")
    assert result["outcome"] == "completed"
    (rest,) = result["segments"]
    assert (rest["step_type"], rest["ended_by"]) == ("open_circuit_voltage", "time")
    assert rest["end_run_time_second"] - rest["start_run_time_second"] == pytest.approx(36000, abs=0.1)
    lasted_second = rest["end_run_time_second"]
    pressure = read_rows(Path(result["run_directory"]) / "run.sqlite", "pressure")
    assert len(pressure) >= 0.99 * lasted_second
    temperature = read_rows(Path(result["run_directory"]) / "run.sqlite", "temperature")
    assert temperature["jig_temperature_celsius"].iloc[-1] == pytest.approx(40, abs=1)
    charges = [
        line["charge_in_coulomb"] + line["charge_out_coulomb"]
        for line in bench_log(Path(result["run_directory"]), "output")
    ]
    assert max(charges) < 0.01
    with RunFile.read_only(Path(result["run_directory"]) / "run.sqlite") as run_file:
        assert "temperature_C: 40" in run_file.header.protocol_text

"""Safety of a single step: tighter than what holds for the run, never looser, and only while it is executed."""

from pathlib import Path

import msgspec
import pytest

from daemon.compile import load_plan
from daemon.deciding.run_state import Run
from daemon.plan import CurrentStep, Interlock, Plan, RestStep
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import Problem
from protocols.settings import Safety

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
TOP = "safety: {max_voltage_V: 3.75, max_pressure_MPa: 16}\n"
STATION = (Safety(max_temperature_C=62),)


def compiled(safety: str) -> tuple[Plan, list[Problem]]:
    text = f"""{TOP}method:
  - {{step: open_circuit_voltage, until_time: 1 h}}
  - {{step: constant_current, rate_C: 1, until_voltage_V: 3.6, safety: {safety}}}
"""
    return load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450, station_safety=STATION)


def in_force(plan: Plan, position: int) -> dict[str, Interlock]:
    return {row.name: row for row in Run(plan=plan, position=position).interlocks}


@pytest.mark.parametrize(
    ("safety", "name", "high", "origin"),
    [
        ("{max_voltage_V: 3.7}", "voltage_high", 3.7, "protocol"),
        ("{max_voltage_V: 3.79}", "voltage_high", 3.75, "protocol"),
        ("{max_pressure_MPa: 14}", "pressure_high", 14e6, "protocol"),
        ("{max_pressure_MPa: 18}", "pressure_high", 16e6, "protocol"),
        ("{max_temperature_C: 60}", "jig_temperature_high", 60.0, "protocol"),
        ("{max_temperature_C: 64}", "jig_temperature_high", 62.0, "station"),
        ("{max_pressure_loss_percent: 20}", "pressure_lost", None, "default"),
    ],
)
def test_the_tighter_number_holds_in_the_step(safety: str, name: str, high: float | None, origin: str) -> None:
    plan, _ = compiled(safety)
    rows = in_force(plan, 1)
    assert set(rows) == {row.name for row in plan.interlocks}
    if high is None:
        assert rows[name].low == pytest.approx(-20)
    else:
        assert (rows[name].high, rows[name].origin) == (pytest.approx(high), origin)
    assert in_force(plan, 0) == {row.name: row for row in plan.interlocks}


@pytest.mark.parametrize("safety", ["{max_voltage_V: 3.79}", "{max_pressure_MPa: 18}", "{max_temperature_C: 64}"])
def test_what_is_looser_has_no_effect_and_says_so(safety: str) -> None:
    _, warnings = compiled(safety)
    (warning,) = warnings
    assert warning.path.startswith("method[2].safety.")
    assert "looser than what holds" in warning.what


def test_the_instrument_is_held_to_it_too() -> None:
    plan, _ = compiled("{max_voltage_V: 3.7}")
    rest, charge = plan.steps
    assert isinstance(charge, CurrentStep)
    assert isinstance(rest, RestStep)
    assert (charge.upper_guard_volt, rest.upper_guard_volt) == (3.7, 3.75)


def test_it_does_not_hold_for_the_rest_of_a_recovery() -> None:
    plan, _ = compiled("{max_voltage_V: 3.7}")
    recovering = Run(plan=plan, position=1, recovery=plan.resume.rest)
    assert recovering.interlocks == plan.interlocks


def test_a_sensor_that_is_not_there_is_not_watched_in_a_step_either() -> None:
    plan, _ = compiled("{max_pressure_MPa: 14}")
    without = tuple(row for row in plan.interlocks if row.name != "pressure_high")
    assert "pressure_high" not in in_force(msgspec.structs.replace(plan, interlocks=without), 1)

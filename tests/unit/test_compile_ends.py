"""Each end a person may write: whether the instrument or the host sees to it, and its value in SI."""

from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.plan import CurrentStep, Limit, LoopStep, MeasuredStep, Plan, RestStep, VoltageStep
from drivers.keithley.limits import LIMITS_2450
from protocols.cell import read_cell
from protocols.errors import ProblemsFound

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
CELL = read_cell(BM05, "bm05.yaml").cell
assert CELL is not None
MASS_GRAM, ONE_C = CELL.active_mass_gram or 0.0, CELL.one_C_ampere or 0.0
CHARGE = "constant_current, rate_C: 1, until_voltage_V: 3.7"
HOLD = "constant_voltage, voltage_V: 3.7, until_time: 2 h"
REST = "open_circuit_voltage, until_time: 10 h"


def compiled(*steps: str, top: str = WINDOW) -> Plan:
    text = top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    return load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)[0]


def refused(*steps: str, top: str = WINDOW) -> str:
    with pytest.raises(ProblemsFound) as found:
        compiled(*steps, top=top)
    return "\n".join(f"{one.path}: {one.what}" for one in found.value.problems)


def only(plan: Plan) -> MeasuredStep:
    (step,) = (step for step in plan.steps if isinstance(step, MeasuredStep))
    return step


def told(limit: Limit) -> tuple[str, str, float]:
    (condition,) = limit.when
    return condition.quantity, condition.operator, condition.value


@pytest.mark.parametrize(
    ("step", "end", "quantity", "operator", "value"),
    [
        (CHARGE, "until_energy_mWh: 3", "energy_watt_hour", ">=", 3e-3),
        (CHARGE, "until_dVdt_mV_h: 3.6", "voltage_slope_volt_per_second", "<=", 1e-6),
        (CHARGE, "until_pressure_MPa: 12", "surface_pressure_pa", "reaches", 12e6),
        (CHARGE, "until_min_pressure_MPa: 5", "surface_pressure_pa", "<=", 5e6),
        (CHARGE, "until_max_pressure_MPa: 15", "surface_pressure_pa", ">=", 15e6),
        (CHARGE, "until_pressure_change_MPa: 0.5", "pressure_change_pa", ">=", 5e5),
        (CHARGE, "until_pressure_change_MPa: -0.5", "pressure_change_pa", "<=", -5e5),
        (REST, "until_dPdt_MPa_h: 0.036", "pressure_slope_pa_per_second", "<=", 10.0),
        (REST, "until_temperature_C: 40", "jig_temperature_celsius", "reaches", 40.0),
        (REST, "until_min_temperature_C: 20", "jig_temperature_celsius", "<=", 20.0),
        (REST, "until_max_temperature_C: 60", "jig_temperature_celsius", ">=", 60.0),
        (REST, "until_dVdt_mV_h: 3.6", "voltage_slope_volt_per_second", "<=", 1e-6),
        (HOLD, "until_capacity_mAh: 1", "charge_ampere_hour", ">=", 1e-3),
        (HOLD, "until_energy_mWh: 3", "energy_watt_hour", ">=", 3e-3),
    ],
)
def test_what_the_host_sees_to(step: str, end: str, quantity: str, operator: str, value: float) -> None:
    (limit,) = only(compiled(f"{step}, {end}")).limits
    assert limit.key == end.partition(":")[0]
    assert limit.goto == "next"
    assert told(limit) == (quantity, operator, pytest.approx(value))


@pytest.mark.parametrize(
    ("variable", "written", "quantity", "value"),
    [
        ("time_s", 60, "step_time_second", 60.0),
        ("run_time_s", 60, "run_time_second", 60.0),
        ("voltage_V", 3.0, "voltage_volt", 3.0),
        ("current_mA", 1.5, "current_ampere", 1.5e-3),
        ("rate_C", 0.5, "current_ampere", 0.5 * ONE_C),
        ("power_mW", 3, "power_watt", 3e-3),
        ("step_capacity_mAh", 1, "charge_ampere_hour", 1e-3),
        ("step_capacity_mAh_g", 100, "charge_ampere_hour", 0.1 * MASS_GRAM),
        ("step_energy_mWh", 1, "energy_watt_hour", 1e-3),
        ("dVdt_mV_h", 3.6, "voltage_slope_volt_per_second", 1e-6),
        ("pressure_MPa", 15, "surface_pressure_pa", 15e6),
        ("pressure_change_MPa", 0.5, "pressure_change_pa", 5e5),
        ("dPdt_MPa_h", 0.036, "pressure_slope_pa_per_second", 10.0),
        ("temperature_C", 60, "jig_temperature_celsius", 60.0),
    ],
)
def test_variables_of_rows(variable: str, written: float, quantity: str, value: float) -> None:
    limits = f"limits: [{{when: [{{var: {variable}, op: '>', value: {written}}}], goto: end}}]"
    (limit,) = only(compiled(f"{HOLD}, {limits}")).limits
    assert (limit.key, limit.goto) == ("limits", "end")
    assert told(limit) == (quantity, ">", pytest.approx(value))


@pytest.mark.parametrize(
    ("variable", "written", "quantity", "value"),
    [
        ("cycle_count", 3, "cycles", 3.0),
        ("coulombic_efficiency_percent", 95, "coulombic_efficiency", 0.95),
        ("discharge_capacity_mAh", 1, "cycle_discharge_ampere_hour", 1e-3),
        ("charge_capacity_mAh", 1, "cycle_charge_ampere_hour", 1e-3),
        ("discharge_capacity_mAh_g", 100, "discharge_capacity_mAh_g", 100.0),
        ("charge_capacity_mAh_g", 100, "charge_capacity_mAh_g", 100.0),
    ],
)
def test_variables_of_cycles(variable: str, written: float, quantity: str, value: float) -> None:
    limits = f"limits: [{{when: [{{var: {variable}, op: '<', value: {written}}}], goto: end, consecutive: 2}}]"
    plan = compiled(f"cycle, id: life, rate_C: 1, cycle_count: 9, {limits}")
    (limit,) = next(step for step in plan.steps if isinstance(step, LoopStep)).limits
    assert told(limit) == (quantity, "<", pytest.approx(value))
    assert limit.consecutive == 2


def test_charge_at_a_constant_current_is_a_time_of_the_instrument() -> None:
    step = only(compiled(f"{CHARGE}, until_capacity_mAh: 0.5, until_capacity_mAh_g: 40"))
    assert isinstance(step, CurrentStep)
    assert step.limits == ()
    least = min(0.5e-3, 40e-3 * MASS_GRAM)
    assert step.until_charge_ampere_hour == pytest.approx(least)
    assert step.longest_second == pytest.approx(3600 * least / ONE_C)


def test_small_current_of_a_held_voltage_is_an_end_of_the_instrument() -> None:
    by_rate = only(compiled(f"{HOLD}, until_rate_C: C/20"))
    by_current = only(compiled(f"{HOLD}, until_current_mA: -0.1"))
    assert isinstance(by_rate, VoltageStep)
    assert isinstance(by_current, VoltageStep)
    assert (by_rate.until_current_ampere, by_rate.limits) == (pytest.approx(ONE_C / 20), ())
    assert (by_current.until_current_ampere, by_current.limits) == (pytest.approx(1e-4), ())


def test_a_voltage_held_after_a_charge_to_it_goes_on_with_the_charge() -> None:
    plan = compiled(CHARGE, HOLD)
    held = plan.steps[1]
    assert isinstance(held, VoltageStep)
    assert (held.extends, held.half) == (True, "charge")


def test_a_rest_that_only_a_limit_ends_is_timed_out() -> None:
    step = only(compiled("open_circuit_voltage, until_dVdt_mV_h: 1, unbounded: true"))
    assert isinstance(step, RestStep)
    assert (step.is_timed_out, step.on_timeout) == (True, "hold")
    assert step.until_time_second > 86400


def test_what_a_limit_needs_the_rig_must_have() -> None:
    assert compiled(f"{REST}, until_pressure_MPa: 12").needs == ("load_cell",)
    assert compiled(f"{REST}, until_max_temperature_C: 60").needs == ("thermometer",)
    assert compiled(f"{REST}, until_dVdt_mV_h: 1").needs == ("potentiostat",)


def test_a_tag_is_a_position_and_next_of_a_cycle_is_the_step_after_all_its_rates() -> None:
    warm = "{var: temperature_C, op: '>', value: 60}"
    plan = compiled(
        "tag, tag: again",
        REST,
        f"cycle, id: a, rate_C: [0.5, 1], limits: [{{when: [{warm}], goto: again, at_most: 2}}]",
        f"{REST}, limits: [{{when: [{warm}], goto: last}}]",
        f"{REST}, id: other",
        "tag, tag: last",
        f"{REST}, id: third",
    )
    halves = [step.limits[0] for step in plan.steps if isinstance(step, CurrentStep)]
    assert [(limit.goto, limit.then, limit.at_most) for limit in halves] == [(0, 7, 2)] * 4
    assert len({limit.path for limit in halves}) == 1
    rests = [step for step in plan.steps if isinstance(step, RestStep)]
    assert rests[1].limits[0].goto == 9


def test_a_rate_in_a_limit_needs_the_current_of_1_C() -> None:
    cell = "cell: {name: dummy}\ncomposite: {mass_mg: 10, active_fraction_percent: 75}\n"
    cell += "reference: {name: Li-In, offset_V: 0.62}\n"
    limits = "limits: [{when: [{var: rate_C, op: '<', value: 0.1}], goto: end}]"
    steps = ("constant_current, current_mA: 1, until_voltage_V: 3.7", f"{HOLD}, {limits}")
    text = "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    with pytest.raises(ProblemsFound, match="needs the current of 1 C"):
        load_plan(text, "x.yaml", cell, "cell.yaml", LIMITS_2450)


def test_the_window_of_a_step_is_against_the_cells_reference() -> None:
    window = "window: {lower_voltage_V: 2.6, upper_voltage_V: 4.3, vs: Li}"
    assert "measures against" in refused(f"cycle, rate_C: 1, {window}")

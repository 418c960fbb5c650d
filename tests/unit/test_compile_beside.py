"""What a protocol says beside voltage and current: setpoints, equilibration, pressure; and rigs that only record."""

from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.compiling.interlock_table import limited_by_sensor
from daemon.plan import Equilibration, Interlock, LoopStep, Plan, RestStep, SetStep, WaitStep
from daemon.plans.walk import expected_second, next_step, steps_to_come
from daemon.rows.pressure import PressureCalibration
from daemon.station.wiring import LoadCellWiring, RigWiring, plan_on_rig
from drivers.and_weighing.codec import AndFormat
from drivers.keithley.limits import LIMITS_2450
from drivers.registry import LoadCellConnection
from drivers.roles import PotentiostatLimits
from protocols.errors import Problem, ProblemsFound

REPOSITORY = Path(__file__).parents[2]
LIBRARY = REPOSITORY / "protocols" / "library"
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"


def compiled(
    *steps: str, top: str = WINDOW, limits: PotentiostatLimits | None = LIMITS_2450
) -> tuple[Plan, list[Problem]]:
    text = top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    return load_plan(text, "x.yaml", BM05, "cell.yaml", limits)


def plan_of(*steps: str, top: str = WINDOW, limits: PotentiostatLimits | None = LIMITS_2450) -> Plan:
    plan, warnings = compiled(*steps, top=top, limits=limits)
    assert warnings == []
    return plan


def row(plan: Plan, name: str) -> Interlock:
    (found,) = (row for row in plan.interlocks if row.name == name)
    return found


def test_set_gives_the_chamber_a_setpoint() -> None:
    plan = plan_of("set, id: cold, temperature_C: 25", "set, role: chamber, temperature_C: 0")
    assert plan.steps == (
        SetStep(step_id="cold", block="main", line=3, temperature_celsius=25),
        SetStep(step_id="2-set", block="main", line=4, temperature_celsius=0),
    )
    assert plan.needs == ("chamber",)


def test_equilibrate_is_a_setpoint_and_a_rest_until_the_jig_is_there() -> None:
    setpoint, rest = plan_of("equilibrate, id: warm, temperature_C: 55, sampling_s: 10").steps
    assert setpoint == SetStep(step_id="warm/set", block="main", line=3, temperature_celsius=55)
    assert isinstance(rest, RestStep)
    assert (rest.step_id, rest.block, rest.line, rest.sampling_second) == ("warm", "main", 3, 10)
    assert rest.until_equilibrated == Equilibration(temperature_celsius=55, within_kelvin=0.5, for_second=7200)
    assert (rest.until_time_second, rest.on_timeout) == (21_600, "hold")
    assert (rest.lower_guard_volt, rest.upper_guard_volt) == (1.5, 3.8)


@pytest.mark.parametrize(
    ("role", "quantity", "needs"),
    [
        ("thermometer", "jig_temperature_celsius", ("thermometer",)),
        ("chamber", "ambient_temperature_celsius", ("thermometer", "chamber")),
        ("chiller", "bath_temperature_celsius", ("chiller",)),
    ],
)
def test_a_wait_is_for_what_its_role_says(role: str, quantity: str, needs: tuple[str, ...]) -> None:
    plan = plan_of(f"wait_for, role: {role}, temperature_C: 25, within_C: 1, timeout: 1 h")
    [waits] = plan.steps
    assert isinstance(waits, WaitStep)
    assert waits.until_equilibrated is not None
    assert waits.until_equilibrated.quantity == quantity
    assert plan.needs == needs


def test_equilibrate_as_it_is_written() -> None:
    plan = plan_of("equilibrate, temperature_C: 40, within_C: 1, for: 30 min, timeout_s: 1800, on_timeout: continue")
    rest = plan.steps[1]
    assert isinstance(rest, RestStep)
    assert rest.step_id == "1-equilibrate"
    assert rest.until_equilibrated == Equilibration(temperature_celsius=40, within_kelvin=1, for_second=1800)
    assert (rest.until_time_second, rest.on_timeout) == (1800, "continue")
    assert plan.needs == ("thermometer", "chamber")


def test_a_rest_may_set_the_temperature_it_begins_with() -> None:
    setpoint, rest = plan_of("open_circuit_voltage, id: cool, until_time: 1 h, temperature_C: 25").steps
    assert setpoint == SetStep(step_id="cool/set", block="main", line=3, temperature_celsius=25)
    assert isinstance(rest, RestStep)
    assert (rest.step_id, rest.until_time_second, rest.until_equilibrated) == ("cool", 3600, None)


def test_a_loop_goes_back_to_the_setpoint() -> None:
    plan = plan_of(
        "open_circuit_voltage, until_time: 1 h",
        "equilibrate, id: warm, temperature_C: 55",
        "open_circuit_voltage, id: cool, until_time: 1 h, temperature_C: 25",
        "loop, loop_to: 2, cycle_count: 2",
    )
    assert plan.steps[-1] == LoopStep(step_id="4-loop", block="main", line=6, first=1, passes=2)
    executed, at, passes = [], *next_step(plan, 0, {})
    while at is not None:
        executed.append(plan.steps[at].step_id)
        at, passes = next_step(plan, at + 1, passes)
    assert executed == ["1-rest", *["warm/set", "warm", "cool/set", "cool"] * 2]
    assert [step.step_id for step in steps_to_come(plan, 0, {})] == ["1-rest", *["warm", "cool"] * 2]


def test_a_setpoint_between_two_currents_changes_no_direction() -> None:
    charge = "constant_current, rate_C: 0.1, until_voltage_V: 3.7"
    with pytest.raises(ProblemsFound, match="a charge must end above its start"):
        compiled(charge, "equilibrate, temperature_C: 25", "set, temperature_C: 30", charge.replace("3.7", "3.6"))


@pytest.mark.parametrize(
    ("step", "hour"),
    [
        ("temperature_C: 55", 3),
        ("temperature_C: 55, timeout: 2 h", 2),
        ("temperature_C: 55, for: 8 h, timeout: 12 h", 9),
    ],
)
def test_how_long_an_equilibration_may_last(step: str, hour: float) -> None:
    (rest,) = steps_to_come(plan_of(f"equilibrate, {step}"), 0, {})
    assert expected_second(rest) == hour * 3600
    assert expected_second(rest, {"1-equilibrate": 100.0}) == 100


def test_a_protocol_tightens_pressure_and_temperature_without_a_word() -> None:
    safety = "safety: {min_pressure_MPa: 5.1, max_pressure_MPa: 15, max_temperature_C: 60}\n"
    plan = plan_of("open_circuit_voltage, until_time: 1 h", top=safety)
    hot, low, high = (row(plan, name) for name in ("jig_temperature_high", "pressure_low", "pressure_high"))
    assert (hot.quantity, hot.high, hot.low, hot.origin) == ("jig_temperature_celsius", 60, None, "protocol")
    assert (low.quantity, low.low, low.high, low.origin) == ("surface_pressure_pa", 5_100_000, None, "protocol")
    assert (high.quantity, high.low, high.high, high.origin) == ("surface_pressure_pa", None, 15_000_000, "protocol")
    assert plan.needs == ("load_cell", "thermometer")


@pytest.mark.parametrize(
    ("key", "role"),
    [("min_pressure_MPa", "load_cell"), ("max_pressure_MPa", "load_cell"), ("max_temperature_C", "thermometer")],
)
def test_a_bound_needs_who_measures_it(key: str, role: str) -> None:
    assert plan_of("open_circuit_voltage, until_time: 1 h", top=f"safety: {{{key}: 10}}\n").needs == (role,)


def test_a_protocol_loosens_pressure_and_temperature_only_with_a_warning() -> None:
    safety = "safety: {min_pressure_MPa: 0, max_pressure_MPa: 30, max_temperature_C: 70}\n"
    plan, odd = compiled("equilibrate, temperature_C: 65", top=safety)
    assert [problem.path for problem in odd] == [
        f"safety.{key}" for key in ("min_pressure_MPa", "max_pressure_MPa", "max_temperature_C")
    ]
    assert [problem.what.rpartition(", ")[2] for problem in odd] == ["2 MPa", "20 MPa", "65 °C"]
    assert row(plan, "pressure_low").low == 0


@pytest.mark.parametrize(("nominal_newton", "high", "origin"), [(5000, 20e6, "default"), (1000, 8e6, "station")])
def test_a_load_cell_bears_four_fifths_of_its_nominal_force(nominal_newton: float, high: float, origin: str) -> None:
    table = plan_of("open_circuit_voltage, until_time: 1 h").interlocks
    limited = limited_by_sensor(table, nominal_newton, 1e-4)
    assert [(row.name, row.high, row.origin) for row in limited if row.quantity == "surface_pressure_pa"] == [
        ("pressure_low", None, "default"),
        ("pressure_high", high, origin),
    ]
    assert [row.name for row in limited] == [row.name for row in table]


@pytest.mark.parametrize(("nominal_newton", "high"), [(1000.0, 8e6), (5000.0, 20e6), (None, 20e6)])
def test_a_plan_on_a_rig_is_bound_to_its_load_cell(nominal_newton: float | None, high: float) -> None:
    plan = plan_of("open_circuit_voltage, until_time: 1 h")
    calibration = PressureCalibration(newton_per_unit=9.8, area_square_metre=1e-4, nominal_newton=nominal_newton)
    connection = LoadCellConnection(name="l", address="127.0.0.1:1", frame_format=AndFormat(unit="kg"), baud=9600)
    load_cell = LoadCellWiring(driver="and.indicator", connection=connection, calibration=calibration)
    assert row(plan_on_rig(plan, RigWiring(name="rig1", load_cell=load_cell)), "pressure_high").high == high
    unmeasured = {row.name for row in plan_on_rig(plan, RigWiring(name="rig1")).interlocks}
    assert not any(name.startswith(("pressure", "jig")) for name in unmeasured)


def test_a_rig_without_a_potentiostat_records() -> None:
    text = (LIBRARY / "pressure_log.yaml").read_text()
    plan, warnings = load_plan(text, "pressure_log.yaml", BM05, "bm05.yaml", None)
    assert warnings == []
    (rest,) = plan.steps
    assert isinstance(rest, RestStep)
    assert (rest.until_time_second, rest.sampling_second, rest.cutoff_second) == (36_000, 1, 1)
    assert plan.needs == ()


def test_without_a_potentiostat_nothing_trips_and_the_cells_rows_are_bound_by_nothing() -> None:
    plan = plan_of("open_circuit_voltage, until_time: 1 h", top="safety: {max_pressure_MPa: 15}\n", limits=None)
    by_action = {
        action: [row.name for row in plan.interlocks if row.action == action]
        for action in ("flag", "warn", "hold_after_half", "hold", "trip")
    }
    assert by_action["flag"] == ["jig_temperature_stale", "pressure_stale"]
    assert {"jig_temperature_high", "jig_temperature_unknown", "pressure_low", "pressure_crack"} <= {*by_action["warn"]}
    assert by_action["hold_after_half"] == by_action["hold"] == by_action["trip"] == []
    assert all(row.name.startswith(("jig_temperature", "pressure")) for row in plan.interlocks)


def test_without_a_potentiostat_only_time_bounds_a_rest() -> None:
    steps = ("open_circuit_voltage, until_time: 300 d, sampling_s: 0.001", "equilibrate, temperature_C: 55")
    plan = plan_of(*steps, limits=None)
    assert plan.needs == ("thermometer", "chamber")
    with pytest.raises(ProblemsFound):
        compiled(*steps)

"""The step constant_power: its currents at both ends of the window, its ends, and what is refused."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from daemon.compile import load_plan
from daemon.compiling.power_fitting import currents_ampere
from daemon.plan import CurrentStep, Plan, PowerStep, VoltageStep
from daemon.rig import program_for
from drivers.keithley.limits import LIMITS_2450, LIMITS_2460, LIMITS_2461
from drivers.keithley.programs import check_program
from drivers.roles import PotentiostatLimits, SegmentMode
from protocols.errors import Problem, ProblemsFound

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
DISCHARGE = "constant_power, id: d, power_mW: -3, until_voltage_V: 2.0"
CHARGE = "constant_power, id: c, power_mW: 3, until_voltage_V: 3.7"


def compiled(
    *steps: str, top: str = WINDOW, limits: PotentiostatLimits | None = LIMITS_2450
) -> tuple[Plan, list[Problem]]:
    text = top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    return load_plan(text, "x.yaml", BM05, "cell.yaml", limits)


def power(*steps: str, top: str = WINDOW) -> PowerStep:
    plan, warnings = compiled(*steps, top=top)
    assert warnings == []
    (step,) = (step for step in plan.steps if isinstance(step, PowerStep))
    return step


def refused(*steps: str, top: str = WINDOW, limits: PotentiostatLimits | None = LIMITS_2450) -> list[tuple[str, str]]:
    with pytest.raises(ProblemsFound) as found:
        compiled(*steps, top=top, limits=limits)
    return [(problem.path, f"{problem.what}; {problem.what_to_write}") for problem in found.value.problems]


@pytest.mark.parametrize(
    ("step", "watt", "smallest", "largest", "half"),
    [
        (DISCHARGE, -3e-3, -3e-3 / 3.8, -3e-3 / 2.0, "discharge"),
        (CHARGE, 3e-3, 3e-3 / 3.7, 3e-3 / 1.8, "charge"),
        (
            "constant_power, power_mW: -3, until_time: 10 min",
            *(-3e-3, -3e-3 / 3.8, -3e-3 / 1.8, "discharge"),
        ),
    ],
)
def test_the_currents_are_those_at_both_ends_of_what_it_is_held_between(
    step: str, watt: float, smallest: float, largest: float, half: str
) -> None:
    made = power(step)
    assert (made.power_watt, made.half) == (watt, half)
    assert currents_ampere(made) == pytest.approx((smallest, largest))
    assert made.current_range_ampere == 10e-3
    assert (made.rate_C, made.basis, made.until_charge_ampere_hour) == (None, None, None)


@pytest.mark.parametrize("limits", [LIMITS_2450, LIMITS_2460, LIMITS_2461])
@pytest.mark.parametrize("step", [CHARGE, DISCHARGE, "constant_power, power_mW: 0.3, until_time: 10 min"])
def test_every_program_is_one_the_instrument_takes(step: str, limits: PotentiostatLimits) -> None:
    plan, _ = compiled(step, limits=limits)
    (made,) = plan.steps
    assert isinstance(made, PowerStep)
    program = program_for(made)
    check_program(program, limits)
    assert (program.mode, program.power_watt) == (SegmentMode.POWER, made.power_watt)
    assert program.current_ampere == pytest.approx(made.power_watt / program.lowest_volt)


def test_a_plan_is_read_back_as_it_was_stored() -> None:
    plan, _ = compiled(CHARGE, "constant_current, id: cc, rate_C: -1, until_voltage_V: 2.0")
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert again == plan
    assert [type(step) for step in again.steps] == [PowerStep, CurrentStep]


def test_the_guard_time_is_that_of_the_smallest_current() -> None:
    """1 C is 1.5 mA: at 3 mW and 3.8 V the capacity takes 1.9 h."""
    assert power(DISCHARGE).guard_time_second == pytest.approx(1.5 * 3600 * 1.5e-3 / (3e-3 / 3.8))


def test_charge_and_energy_are_ends_of_the_host() -> None:
    made = power(f"{DISCHARGE}, until_energy_mWh: 2, until_capacity_mAh: 1, until_time: 1 h")
    assert [(limit.key, limit.when[0].quantity, limit.when[0].value) for limit in made.limits] == [
        ("until_capacity_mAh", "charge_ampere_hour", 1e-3),
        ("until_energy_mWh", "energy_watt_hour", 2e-3),
    ]
    assert (made.until_voltage_volt, made.until_time_second) == (2.0, 3600.0)


def test_a_step_held_to_tighter_bounds_has_a_smaller_largest_current() -> None:
    made = power("constant_power, power_mW: 3, until_voltage_V: 3.7, safety: {min_voltage_V: 2.5}")
    assert made.current_ampere == pytest.approx(3e-3 / 2.5)
    check_program(program_for(made), LIMITS_2450)


def test_the_interlocks_leave_room_for_the_largest_current() -> None:
    plan, _ = compiled(CHARGE)
    bounds = {row.name: (row.low, row.high) for row in plan.interlocks}
    assert bounds["current_high"][1] == pytest.approx(1.2 * 3e-3 / 1.8)


def test_a_hold_at_the_same_voltage_goes_on_with_the_half() -> None:
    plan, warnings = compiled(CHARGE, "constant_voltage, voltage_V: 3.7, until_time: 1 h")
    hold = plan.steps[1]
    assert isinstance(hold, VoltageStep)
    assert (hold.extends, hold.half, warnings) == (True, "charge", [])


def test_a_power_down_to_nothing_is_refused() -> None:
    top = "safety: {min_voltage_V: -0.5}\n"
    at_charge = (
        "a power down to -0.5 V: towards 0 V its current has no end; write safety: {min_voltage_V: …}, 0.1 or more"
    )
    assert ("method[1].power_mW", at_charge) in refused(CHARGE, top=top)
    to_0 = "constant_power, power_mW: -3, until_voltage_V: 0"
    at_discharge = "a power down to 0 V: towards 0 V its current has no end; write until_voltage_V: 0.1 or more"
    assert ("method[1].power_mW", at_discharge) in refused(to_0, top=top)


def test_a_power_whose_current_is_beyond_the_instrument() -> None:
    path, text = refused("constant_power, power_mW: 3000, until_voltage_V: 3.7")[-1]
    assert path == "method[1].power_mW"
    assert text.startswith("1.66667 A is too much for the 2450: 1.05 A at most; write power_mW: 1890 at most")


def test_a_power_too_small_to_be_set_at_the_upper_end() -> None:
    """0.2 µW is 54 nA at 3.7 V, and the smallest range's offset alone may be 400 pA. What is said to write is taken."""
    step = "constant_power, power_mW: {}, until_voltage_V: 3.7, sampling_s: 100"
    ((path, text),) = refused(step.format(0.0002))
    assert path == "method[1].power_mW"
    what, _, least = text.partition("; write power_mW: ")
    assert what.startswith("0.0540541 µA on the 0.001 mA range of the 2450 may be 0.77% off; 0.5% is allowed")
    power(step.format(1.001 * float(least.split()[0])))


def test_another_instrument_that_cannot() -> None:
    limits = replace(LIMITS_2450, modes=frozenset({SegmentMode.CURRENT}))
    expected = "the 2450 can't hold a power by itself; use another instrument, or constant currents"
    assert refused(CHARGE, limits=limits) == [("method[1].step", expected)]


def test_a_rig_without_a_potentiostat() -> None:
    assert refused(CHARGE, limits=None)[0][1].startswith("constant_power needs a potentiostat, and this rig has none")

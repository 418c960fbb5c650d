"""Two plans, as people compare them."""

from pathlib import Path

import msgspec
import pytest

from daemon.compile import load_plan
from daemon.plan import Limit, Plan
from daemon.plans.diff import plan_diff, plan_lines
from drivers.keithley.limits import LIMITS_2450
from protocols.inputs import give_inputs
from tests.support.plans import charge, discharge, interlock, loop, plan, rest, temperature_limit

CONFIG = Path(__file__).parents[2] / "config"
LIBRARY = sorted((Path(__file__).parents[2] / "protocols" / "library").glob("*.yaml"))


def of_library(path: Path) -> Plan:
    cell = (CONFIG / "cells" / "bm05.yaml").read_text()
    text = path.read_text()
    if "\ninputs:" in text:
        text = give_inputs(text, path.name, {"temperature_C": "55"})
    return load_plan(text, path.name, cell, "bm05.yaml", LIMITS_2450)[0]


def limited(limit: Limit) -> Plan:
    return plan(rest("first"), charge(limits=(limit,)), discharge(), loop(0, 3))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (plan(charge(), loop(0, 1000)), plan(charge(), loop(0, 500)), ["-loop  passes 1000", "+loop  passes 500"]),
        (plan(charge()), plan(charge(current_ampere=0.0005)), ["-charge  current 0.4 mA", "+charge  current 0.5 mA"]),
        (
            plan(charge()),
            plan(charge(until_charge_ampere_hour=0.002)),
            ["+charge  until charge 2 mAh"],
        ),
        (
            plan(charge()),
            plan(charge(interlocks=(interlock("hot", "hold"),))),
            ["+charge  interlock hot: voltage_under_current_volt ≤ 4, 1 rows, hold"],
        ),
        (
            limited(temperature_limit(">", 60.0, goto=0)),
            limited(temperature_limit(">", 65.0, goto=4, at_most=2)),
            [
                "-charge  limit jig_temperature_celsius > 60 → first",
                "+charge  limit jig_temperature_celsius > 65 → end, 2 times at most",
            ],
        ),
        (plan(charge(line=1)), plan(charge(line=7)), []),
        (
            plan(charge(), interlocks=(interlock("hot"),)),
            plan(charge()),
            ["-interlock  hot: voltage_under_current_volt ≤ 4, 1 rows, trip"],
        ),
    ],
)
def test_each_line_says_its_step_and_what_is_different(old: Plan, new: Plan, lines: list[str]) -> None:
    said = plan_diff(old, new, "old.yaml", "new.yaml").splitlines()
    assert said == (["--- old.yaml", "+++ new.yaml", *lines] if lines else [])


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_all_that_a_step_does_is_in_a_line(path: Path) -> None:
    """Whatever field of a step of the library has another number, the difference is not empty."""
    made = of_library(path)
    assert plan_diff(made, made, "a", "b") == ""
    for place, step in enumerate(made.steps):
        for name in step.__struct_fields__:
            value = getattr(step, name)
            if name == "line" or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            other = msgspec.structs.replace(step, **{name: value + 1})
            if name == "first":
                other = msgspec.structs.replace(step, first=max(0, value - 1))
            changed = msgspec.structs.replace(made, steps=(*made.steps[:place], other, *made.steps[place + 1 :]))
            assert plan_lines(changed) != plan_lines(made) or other == step, f"{step.step_id} {name}"

"""Currents by a capacity that an earlier cycle of the run has measured."""

from pathlib import Path
from random import Random

import msgspec
import pytest

from daemon.compile import load_plan
from daemon.deciding.run_state import Outcome, Run
from daemon.events import RunStarted
from daemon.plan import CurrentStep, Plan
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import ProblemsFound
from tests.support.machine import Machine, World
from tests.support.reference_interpreter import Measured

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
PROTOCOL = """
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
c_rate_basis: {block: formation, cycle: 1}
method:
  - {step: cycle, id: formation, rate_C: 0.1, c_rate_basis: cell_file}
  - {step: cycle, id: life, rate_C: 2, cycle_count: 2}
  - {step: constant_voltage, voltage_V: 3.0, until_rate_C: C/10, until_time: 1 h}
"""


def compiled(text: str = PROTOCOL) -> Plan:
    plan, warnings = load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)
    assert warnings == []
    return msgspec.structs.replace(plan, interlocks=())


class Watched(Machine):
    """Notes with which current each segment was started."""

    def segment(self) -> None:
        self.__dict__.setdefault("started", []).append(self.run.step)
        super().segment()


def executed(plan: Plan, charges_mAh: list[float]) -> Watched:
    world = World(Random(0), [Measured(25.0, charge_mAh) for charge_mAh in charges_mAh])
    machine = Watched(Run(plan=plan), world)
    machine.happen(RunStarted(holds_wait=False))
    return machine


def test_the_rate_is_of_what_the_named_cycle_discharged() -> None:
    machine = executed(compiled(), [1.4, 1.3, *[0.9] * 5])
    started = machine.__dict__["started"]
    currents = [step.current_ampere for step in started if isinstance(step, CurrentStep)]
    assert currents == pytest.approx([0.15e-3, -0.15e-3, 2.6e-3, -2.6e-3, 2.6e-3, -2.6e-3])
    assert started[-1].until_current_ampere == pytest.approx(0.13e-3)
    ranges = [step.current_range_ampere for step in started if isinstance(step, CurrentStep)]
    assert ranges == pytest.approx([1e-3, 1e-3, *[1e-2] * 4])


def test_a_smaller_capacity_takes_a_smaller_range() -> None:
    machine = executed(compiled(), [0.5, 0.4, *[0.9] * 5])
    life = machine.__dict__["started"][2]
    assert (life.current_ampere, life.current_range_ampere) == (pytest.approx(0.8e-3), pytest.approx(1e-3))


@pytest.mark.parametrize(
    ("charge_mAh", "why"), [(0.05, "was planned for"), (2.5, "was planned for"), (0.0, "not known")]
)
def test_a_capacity_that_is_none_to_go_by_holds_the_run(charge_mAh: float, why: str) -> None:
    machine = executed(compiled(), [1.4, charge_mAh, *[0.9] * 5])
    assert machine.run.outcome is Outcome.HELD
    assert why in machine.run.reason
    assert [segment.step_id for segment in machine.segments] == ["formation/charge", "formation/discharge"]


def test_a_limit_on_the_current_can_not_follow_it() -> None:
    limits = "limits: [{when: [{var: rate_C, op: '<', value: 0.1}], goto: end}]"
    text = PROTOCOL.replace("until_rate_C: C/10", f"until_rate_C: C/10, {limits}")
    with pytest.raises(ProblemsFound, match="measured only later"):
        compiled(text)

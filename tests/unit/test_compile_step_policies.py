"""What a step says of interruptions and silent instruments goes before what the top says."""

from pathlib import Path

from daemon.compile import load_plan
from daemon.deciding.run_state import Run
from drivers.keithley.limits import LIMITS_2450

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
TEXT = """
on_resume: {within: 2 h, action: next, rest_before_s: 120, verify: {max_dV_mV: 30}}
on_link_loss: {mask_s: 20, fail: 1 h, action: end}
method:
  - {step: constant_current, id: plain, rate_C: 1, until_voltage_V: 3.6}
  - step: constant_current
    id: own
    rate_C: -1
    until_voltage_V: 2.5
    on_resume: {action: restart_step, rest_before: 5 min}
    on_link_loss: {mask: 1 min}
"""


def test_each_step_has_its_own_and_what_it_does_not_say_is_the_tops() -> None:
    plan, _ = load_plan(TEXT, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)
    plain, own = Run(plan=plan, position=0), Run(plan=plan, position=1)
    assert (plain.resume, plain.link) == (plan.resume, plan.link)
    assert (plan.resume.action, plan.resume.rest.until_time_second) == ("next", 120.0)
    assert (own.resume.action, own.resume.rest.until_time_second) == ("restart_step", 300.0)
    assert (own.resume.within_second, own.resume.within_volt) == (7200.0, 0.03)
    assert (plan.link.mask_second, plan.link.fail_second, plan.link.action) == (20.0, 3600.0, "end")
    assert (own.link.mask_second, own.link.fail_second, own.link.action) == (60.0, 3600.0, "end")

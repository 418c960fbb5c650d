"""One simulated run in which each kind of branch is taken; what ended each segment is on record."""

from typing import Any

import pytest

from tests.support.command_line import CommandLine

PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 2 min}
  - {step: constant_current, id: dose, rate_C: 1, until_capacity_mAh_g: 20, until_voltage_V: 3.7}
  - step: constant_current
    id: squeeze
    rate_C: -1
    until_voltage_V: 2.0
    limits: [{when: [{var: pressure_change_MPa, op: "<", value: -0.05}], goto: life}]
  - {step: open_circuit_voltage, id: passed_over, until_time: 1 h}
  - {step: tag, tag: life}
  - {step: constant_current, id: up, rate_C: 2, until_voltage_V: 3.7}
  - {step: constant_current, id: down, rate_C: -2, until_voltage_V: 2.0}
  - step: loop
    loop_to: life
    id: again
    cycle_count: 9
    limits:
      - {when: [{var: cycle_retention_percent, op: ">", value: 100.5, relative_to: first}], consecutive: 1, goto: last}
  - {step: open_circuit_voltage, id: passed_over_too, until_time: 1 h}
  - {step: tag, tag: last}
  - {step: wait_for, id: wait, until_time: 3 min}
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return CommandLine(tmp_path_factory.mktemp("branches")).simulate(PROTOCOL)


def test_the_steps_between_a_limit_and_its_tag_are_passed_over(result: dict[str, Any]) -> None:
    assert result["outcome"] == "completed"
    executed = [segment["step_id"] for segment in result["segments"]]
    passes = executed.count("up")
    assert 2 <= passes < 9
    assert executed == ["rest", "dose", "squeeze", *["up", "down"] * passes, "wait"]


def test_what_ended_each_is_on_record_with_its_value_and_overshoot(result: dict[str, Any]) -> None:
    reached = {segment["step_id"]: segment["reached"] for segment in result["segments"]}
    ended_by = {segment["step_id"]: segment["ended_by"] for segment in result["segments"]}
    assert ended_by == {step_id: found["ended_by"] for step_id, found in reached.items()}
    assert ended_by == {
        "rest": "time",
        "dose": "capacity",
        "squeeze": "pressure_change",
        "up": "voltage",
        "down": "voltage",
        "wait": "time",
    }
    dose, squeeze = reached["dose"], reached["squeeze"]
    assert dose["limit_value"] == pytest.approx(20e-3 * 0.0075)
    assert abs(dose["overshoot"]) <= 0.005 * dose["limit_value"]
    assert (squeeze["limit_value"], squeeze["limit"]) == (-0.05e6, 0)
    assert squeeze["measured_value"] < squeeze["limit_value"]
    assert squeeze["overshoot"] == pytest.approx(squeeze["limit_value"] - squeeze["measured_value"])
    assert all(
        abs(segment["reached"]["overshoot"]) < 0.005
        for segment in result["segments"]
        if segment["step_id"] in ("up", "down")
    )


def test_a_branch_of_a_loop_is_on_record_too(result: dict[str, Any]) -> None:
    (branch,) = result["branches"]
    cycles = [cycle for cycle in result["cycles"] if cycle["block"] == "life"]
    assert branch["text"].startswith(f"again left after cycle {len(cycles)} of life: retention 1.0")
    assert branch["text"].endswith("limit > 1.005; on to wait")
    retention = cycles[-1]["discharge_capacity_mAh_g"] / cycles[0]["discharge_capacity_mAh_g"]
    assert retention > 1.005
    assert result["warnings"] == []


def test_a_wait_has_no_rows_of_the_cell(result: dict[str, Any]) -> None:
    wait = result["segments"][-1]
    assert (wait["step_type"], wait["rows"]) == ("wait_for", 0)
    assert wait["end_run_time_second"] - wait["start_run_time_second"] == pytest.approx(180)

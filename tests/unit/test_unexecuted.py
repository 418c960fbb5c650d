"""What is read and not executed is refused, whatever that is today."""

from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.compiling import unexecuted
from daemon.compiling.unexecuted import EXECUTED_FIELDS, NOT_YET
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import ProblemsFound
from protocols.steps import STEP_MODELS, ConstantCurrent, CycleStep, OpenCircuitVoltage

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
TEXT = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}
sampling_s: 1
record: {time_s: 1}
method:
  - {step: constant_current, rate_C: 1, until_voltage_V: 3.6}
  - {step: open_circuit_voltage, until_time: 1 h}
  - {step: cycle, rate_C: 1}
"""


def refused() -> list[tuple[int, str, str]]:
    with pytest.raises(ProblemsFound) as found:
        load_plan(TEXT, "x.yaml", BM05, "cell.yaml", LIMITS_2450)
    return [(problem.line, problem.path, problem.what) for problem in found.value.problems]


def test_all_of_it_is_executed() -> None:
    assert load_plan(TEXT, "x.yaml", BM05, "cell.yaml", LIMITS_2450)[1] == []


def test_a_field_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXECUTED_FIELDS, ConstantCurrent, EXECUTED_FIELDS[ConstantCurrent] - {"until_voltage_V"})
    assert refused() == [(5, "method[1].until_voltage_V", NOT_YET)]


def test_a_step_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(EXECUTED_FIELDS, CycleStep)
    monkeypatch.setitem(unexecuted.WHY_NOT, CycleStep, "nobody wrote it")
    assert refused() == [(7, "method[3].step", f"cycle {NOT_YET}: nobody wrote it")]


def test_a_key_at_the_top_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unexecuted, "EXECUTED_AT_THE_TOP", unexecuted.EXECUTED_AT_THE_TOP - {"sampling_s"})
    assert refused() == [(2, "sampling_s", NOT_YET)]


def test_a_field_of_a_mapping_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unexecuted.UNEXECUTED_BELOW, "record", frozenset({"time_s"}))
    assert refused() == [(3, "record.time_s", NOT_YET)]


def test_a_value_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unexecuted.EXECUTED_VALUES, (OpenCircuitVoltage, "until_time"), ("2 h",))
    assert refused() == [(6, "method[2].until_time", f"3600.0 {NOT_YET}")]


def test_what_is_executed_is_of_the_language() -> None:
    assert set(EXECUTED_FIELDS) <= set(STEP_MODELS.values())
    known = {field.alias or name for model in STEP_MODELS.values() for name, field in model.model_fields.items()}
    assert {field for fields in EXECUTED_FIELDS.values() for field in fields} <= known

"""Values that are given when a run is started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProblemsFound
from protocols.inputs import give_inputs
from protocols.protocol import read_protocol
from protocols.source import read_source
from protocols.steps import BrokenStep, OpenCircuitVoltage
from protocols.structure import check_protocol

NEEDED = """\
inputs: {temperature_C: required, hours: 10 h}  # asked for
method:
  - {step: open_circuit_voltage, until_time: $hours, temperature_C: $temperature_C}
"""


def test_what_has_no_value_yet_is_no_mistake() -> None:
    assert check_protocol(NEEDED, "x.yaml") == []
    file = read_protocol(NEEDED, "x.yaml")
    assert (file.missing_inputs, file.waiting) == (("temperature_C",), ("method[1].temperature_C",))
    assert file.steps == (BrokenStep(step="open_circuit_voltage"),)


def test_a_value_is_written_into_the_text() -> None:
    text = give_inputs(NEEDED, "x.yaml", {"temperature_C": "55"})
    assert text == NEEDED.replace("required", "55")
    file = read_protocol(text, "x.yaml")
    assert (file.problems, file.missing_inputs) == ((), ())
    (step,) = file.steps
    assert isinstance(step, OpenCircuitVoltage)
    assert (step.temperature_C, step.until_time_second) == (55, 36_000)


@pytest.mark.parametrize(
    ("inputs", "given", "written"),
    [
        ("inputs:\n  a: required\n", {"a": "C/10"}, "inputs:\n  a: C/10\n"),
        ("inputs:\n  a: required\n  b: 3\n", {"b": "-4", "a": "1"}, "inputs:\n  a: 1\n  b: -4\n"),
        ("inputs: {a: 'x y', b: 1}\n", {"a": "2: {"}, 'inputs: {a: "2: {", b: 1}\n'),
        ("inputs:\n  a: [1, 2]\n", {"a": "3"}, "inputs:\n  a: 3\n"),
        ("inputs:\n  a:\n    - 1\n    - 2\n", {"a": "3"}, "inputs:\n  a:\n    3\n"),
        ("\ufeffinputs: {a: required}\n", {"a": "10 h"}, "inputs: {a: 10 h}\n"),
    ],
)
def test_how_it_is_written(inputs: str, given: dict[str, str], written: str) -> None:
    rest = "method:\n  - {step: set, id: $a, temperature_C: 5}\n"
    assert give_inputs(inputs + rest, "x.yaml", given) == written + rest


@given(st.text(), st.text())
def test_any_value_is_read_back(first: str, second: str) -> None:
    text = give_inputs(NEEDED, "x.yaml", {"temperature_C": first, "hours": second})
    inputs = read_source(text, "x.yaml").value["inputs"]
    for given_value, read in zip((first, second), inputs.values(), strict=True):
        assert read in (given_value, given_value.strip()) or float(read) == float(given_value)


def test_what_is_not_asked_for_is_refused() -> None:
    with pytest.raises(ProblemsFound) as found:
        give_inputs(NEEDED, "x.yaml", {"temprature_C": "55"})
    assert str(found.value) == "x.yaml:1:1  inputs  there is no input temprature_C  did you mean temperature_C?"
    with pytest.raises(ProblemsFound, match="it asks for none"):
        give_inputs("method: []", "x.yaml", {"a": "1"})


def test_a_wrong_default_is_told_where_it_is_used() -> None:
    (problem,) = check_protocol(NEEDED.replace("10 h", "10"), "x.yaml")
    assert (problem.line, problem.path, problem.what) == (3, "method[1].until_time", "10 has no unit")


def test_a_dollar_in_free_text_is_text() -> None:
    text = "name: $NAME\ndescription: $5\nsample: {name: $NAME}\nmethod:\n  - {step: pause, text: $look}\n"
    assert check_protocol(text, "x.yaml") == []


def test_a_window_that_waits_is_not_missing() -> None:
    top = "inputs: {low: required}\nwindow: {lower_voltage_V: $low, upper_voltage_V: 3}\n"
    assert check_protocol(top + "method:\n  - {step: cycle, rate_C: 1}\n", "x.yaml") == []

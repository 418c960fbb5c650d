"""Protocols that are right, or only odd: the checks between steps must not refuse them."""

from pathlib import Path

import pytest

from protocols.errors import Severity
from protocols.protocol import read_protocol
from protocols.steps import ConstantCurrent, OpenCircuitVoltage
from protocols.structure import check_protocol, read_structure

LIBRARY = Path(__file__).parents[2] / "protocols" / "library"
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"


def said_of(*steps: str, top: str = WINDOW) -> list[str]:
    text = top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    return [f"{problem.severity}: {problem.line}: {problem.what}" for problem in check_protocol(text, "x.yaml")]


CHARGE = "constant_current, rate_C: 0.1, until_voltage_V: 3.7"
DISCHARGE = "constant_current, rate_C: -0.1, until_voltage_V: 2.0"
PULSE = "constant_current, rate_C: 1, until_time: 10 s"
TAGS = ("tag, tag: a", "tag, tag: b")
LOOP_A, LOOP_B = "loop, loop_to: a, cycle_count: 2", "loop, loop_to: b, cycle_count: 2"


@pytest.mark.parametrize(
    "steps",
    [
        (CHARGE, DISCHARGE),
        (DISCHARGE, CHARGE),
        (CHARGE, "open_circuit_voltage, until_time: 1 h", DISCHARGE, "cycle, rate_C: 1"),
        ("cycle, rate_C: [1, 2]", "cycle, rate_C: 0.1", CHARGE),
        ("constant_current, rate_C: -1, until_voltage_V: 2.0", DISCHARGE),
        (f"{PULSE}, until_voltage_V: 3.7", "constant_current, rate_C: -1, until_time: 10 s"),
        (f"{PULSE}, until_voltage_V: 3.6", "constant_current, rate_C: 1, until_voltage_V: 3.5"),
        (*TAGS, CHARGE, DISCHARGE, LOOP_B, LOOP_A),
        (*TAGS, CHARGE, DISCHARGE, LOOP_A, LOOP_B),
        (CHARGE, DISCHARGE, "loop, loop_to: 1, cycle_count: 3"),
    ],
)
def test_nothing_is_said_against(steps: tuple[str, ...]) -> None:
    assert said_of(*steps) == []


def test_what_unicycler_writes_is_read() -> None:
    text = """
        {"unicycler": {"version": "0.4.6"}, "sample": {"name": "$NAME", "capacity_mAh": 1.5},
         "record": {"time_s": 10.0, "voltage_V": 0.005, "current_mA": null},
         "safety": {"max_voltage_V": 3.75, "min_voltage_V": 1.9, "delay_s": 0.0},
         "method": [
           {"step": "open_circuit_voltage", "until_time_s": 36000.0, "id": "abc"},
           {"step": "tag", "tag": "life"},
           {"step": "constant_current", "rate_C": 0.1, "current_mA": null,
            "until_voltage_V": 3.7, "until_time_s": 54000.0},
           {"step": "constant_current", "rate_C": -0.1, "until_time_s": null, "until_voltage_V": 2.0},
           {"step": "loop", "loop_to": "life", "cycle_count": 5}]}
    """
    assert check_protocol(text, "x.json") == []
    file = read_protocol(text, "x.json")
    assert read_structure(file).loop_starts == {4: 2}
    assert [type(step) for step in file.steps[:1]] == [OpenCircuitVoltage]
    assert isinstance(file.steps[2], ConstantCurrent)
    assert file.steps[2].until_time_second == 54_000


def test_rate_wins_over_current_and_says_so() -> None:
    odd = said_of("constant_current, rate_C: 0.1, current_mA: 9, until_voltage_V: 3.7")
    assert odd == ["warning: 3: rate_C and current_mA are both given: rate_C wins"]


def test_the_same_voltage_again_at_no_lower_rate_is_odd() -> None:
    (odd,) = said_of(CHARGE, CHARGE)
    assert odd.startswith(f"{Severity.WARNING}: 4: this charge begins at 3.7 V")


def test_a_loop_brings_the_end_before_the_beginning() -> None:
    steps = ("tag, tag: a", "constant_current, rate_C: 0.1, until_voltage_V: 3.5", "loop, loop_to: a, cycle_count: 2")
    assert said_of(*steps) == []
    turned = (*steps[:2], "constant_current, rate_C: 0.1, until_voltage_V: 3.6", steps[2])
    (wrong,) = said_of(*turned)
    assert wrong.startswith("error: 4: a charge must end above its start; this one begins at 3.6 V")


def test_zero_volt_is_a_voltage() -> None:
    top = "window: {lower_voltage_V: 0, upper_voltage_V: 1}\n"
    assert said_of("constant_current, current_mA: -1, until_voltage_V: 0", top=top) == []
    (wrong,) = said_of("constant_current, current_mA: 1, until_voltage_V: 0", top=top)
    assert "begins at 0 V, where the window begins" in wrong


def test_nulls_are_absent() -> None:
    (wrong,) = said_of("constant_current, rate_C: 0.1, until_voltage_V: null, until_time_s: ~")
    assert "no stop condition" in wrong


@pytest.mark.parametrize(
    "path",
    [*sorted(LIBRARY.glob("*.yaml")), *sorted((Path(__file__).parent / "protocol_files").rglob("*.yaml"))],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_nothing_is_said_against_what_comes_with_it(path: Path) -> None:
    assert check_protocol(path.read_text(encoding="utf-8"), path.name) == []

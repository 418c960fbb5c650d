"""Unicycler files: read as its own package reads them, and written back the same."""

import json
from collections.abc import Iterator
from typing import Any

import aurora_unicycler
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.interop.converted import Converted
from protocols.interop.unicycler import ZERO_IS_NONE, from_unicycler, to_unicycler
from protocols.protocol import read_protocol

WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}\n"


def theirs(value: dict[str, Any]) -> dict[str, Any]:
    """A file as their package understands it; what it calls not set is None."""
    read = aurora_unicycler.CyclingProtocol.from_dict(json.loads(json.dumps(value))).to_dict()
    for step in read["method"]:
        for key in (ZERO_IS_NONE & step.keys()) | {"id"}:
            step[key] = step[key] or None
        if step["step"] == "impedance_spectroscopy":
            step["drift_correction"] = bool(step["drift_correction"])
    read["sample"]["name"] = read["sample"]["name"].strip() or "$NAME"
    read["safety"]["max_capacity_mAh"] = read["safety"]["max_capacity_mAh"] or None
    read.pop("unicycler")
    return read


def there_and_back(text: str) -> dict[str, Any]:
    ours = from_unicycler(text, "x.json")
    assert ours.errors == ()
    again = to_unicycler(ours.text, "x.yaml")
    assert (again.errors, again.losses) == ((), ()), ours.text
    return json.loads(again.text)


def either(*values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, none, or none as their editor writes it."""
    return st.one_of(*values, st.none(), st.just(""))


numbers = st.one_of(
    st.floats(-1e6, 1e6).map(lambda value: float(f"{value:.9g}")).filter(lambda value: value == 0 or abs(value) > 1e-6),
    st.integers(-1000, 1000),
    st.sampled_from([0, 0.0, -0.0, 3.7, "3.7", "1e3", " 2 "]),
)
above_0 = st.one_of(st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.9g}")), st.integers(1, 1000))
times = st.one_of(above_0, st.just(0))
rates = st.one_of(numbers, st.sampled_from(["C/10", "D/2", "1/3", "2C/5", "-1C/4", "0.1", "C / 3"]))
words = st.text(min_size=1, max_size=8).filter(str.strip)
frequencies = st.floats(1e-5, 1e7)
BLANK = {"id": either(words)}

currents = {"rate_C": either(rates), "current_mA": either(numbers)}
executed = st.one_of(
    st.fixed_dictionaries({"step": st.just("open_circuit_voltage"), "until_time_s": above_0}, optional=BLANK),
    st.fixed_dictionaries(
        {"step": st.just("constant_current")},
        optional=currents | {"until_time_s": either(times), "until_voltage_V": either(numbers)} | BLANK,
    ),
    st.fixed_dictionaries(
        {"step": st.just("constant_voltage"), "voltage_V": numbers},
        optional={"until_time_s": either(times), "until_rate_C": either(rates), "until_current_mA": either(numbers)},
    ),
    st.fixed_dictionaries(
        {
            "step": st.just("impedance_spectroscopy"),
            "start_frequency_Hz": frequencies,
            "end_frequency_Hz": frequencies,
        },
        optional={
            "amplitude_V": either(above_0),
            "amplitude_mA": either(above_0),
            "points_per_decade": st.integers(1, 100),
            "measures_per_point": st.integers(1, 9),
            "drift_correction": st.sampled_from([True, False, None]),
        },
    ),
    st.fixed_dictionaries(
        {
            "step": st.just("voltage_scan"),
            "start_voltage_V": numbers,
            "end_voltage_V": numbers,
            "scan_rate_mV_per_s": above_0,
        }
    ),
)


def accepted(step: dict[str, Any]) -> bool:
    try:
        aurora_unicycler.CyclingProtocol.from_dict({"record": {"time_s": 1}, "method": [dict(step)]})
    except (ValidationError, ValueError):
        return False
    return True


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.lists(executed.filter(accepted), min_size=1, max_size=6))
    for name in draw(st.lists(words, max_size=2, unique=True)):
        at = draw(st.integers(0, len(method) - 1))
        method.insert(at, {"step": "tag", "tag": name})
        method.append({"step": "loop", "loop_to": name, "cycle_count": draw(st.integers(1, 2000))})
    if draw(st.booleans()) and len(method) > 2:
        method.append({"step": "loop", "loop_to": draw(st.integers(1, len(method) - 1)), "cycle_count": 3})
    safety = {"max_voltage_V": either(above_0), "min_voltage_V": st.just(0), "max_current_mA": either(above_0)}
    safety = {key: value.filter(lambda value: value != "") for key, value in safety.items()}
    safety |= {"max_capacity_mAh": times, "delay_s": times, "min_current_mA": st.just(-1e4)}
    return {
        "unicycler": {"version": "0.4.6"},
        "sample": draw(st.fixed_dictionaries({}, optional={"name": st.text(max_size=5), "capacity_mAh": above_0})),
        "record": draw(
            st.fixed_dictionaries({"time_s": above_0}, optional={"voltage_V": above_0, "current_mA": st.none()})
        ),
        "safety": draw(st.fixed_dictionaries({}, optional=safety)),
        "method": method,
    }


@settings(max_examples=100)
@given(files())
def test_there_and_back_is_the_same(value: dict[str, Any]) -> None:
    try:
        expected = theirs(value)
    except (ValidationError, ValueError):
        assume(False)
    assert theirs(there_and_back(json.dumps(value))) == expected


@settings(max_examples=50)
@given(files())
def test_what_their_package_writes_is_read_as_it_is(value: dict[str, Any]) -> None:
    """Their own JSON, unchanged, is a protocol of ours but for the 0 that they call not set."""
    try:
        written = json.dumps(theirs(value))
    except (ValidationError, ValueError):
        assume(False)
    read = read_protocol(written, "x.json")
    assert [problem for problem in read.problems if problem.severity == "error"] == []
    again = to_unicycler(written, "x.json")
    assert (again.errors, again.losses) == ((), ())
    assert theirs(json.loads(again.text)) == theirs(value)


FULL = {
    "record": {"time_s": 10, "voltage_V": 0.005},
    "safety": {"max_voltage_V": 4.3, "min_voltage_V": 0.0, "delay_s": 0},
    "sample": {"name": "$NAME", "capacity_mAh": 1.5},
    "method": [
        {"step": "tag", "tag": "life"},
        {"step": "constant_current", "rate_C": -0.5, "until_voltage_V": 0.0, "until_time_s": 7200.0, "id": "to zero"},
        {"step": "constant_voltage", "voltage_V": 0.0, "until_rate_C": 0.05},
        {"step": "loop", "loop_to": "life", "cycle_count": 100},
    ],
}


def test_0_volt_is_a_limit() -> None:
    assert theirs(there_and_back(json.dumps(FULL))) == theirs(FULL)
    assert there_and_back(json.dumps(FULL))["method"][1]["until_voltage_V"] == 0


def test_how_it_is_written() -> None:
    assert (
        from_unicycler(json.dumps(FULL), "x.json").text
        == """\
schema: presscell/1
record: {time_s: 10, voltage_V: 0.005}
safety: {max_voltage_V: 4.3, min_voltage_V: 0, delay_s: 0}
sample: {name: $NAME, capacity_mAh: 1.5}
method:
  - {step: tag, tag: life}
  - {step: constant_current, rate_C: -0.5, until_voltage_V: 0, until_time_s: 7200, id: to zero}
  - {step: constant_voltage, voltage_V: 0, until_rate_C: 0.05}
  - {step: loop, loop_to: life, cycle_count: 100}
"""
    )


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"step": "constant_current", "rate_C": 1, "until_time_s": -5}, "a time of -5 s"),
        ({"step": "constant_current", "rate_C": True, "until_time_s": 5}, "true is not a number"),
        ({"step": "constant_current", "rate_C": 1, "until_time_s": 1e300}, "is no quantity of a cell"),
        (
            {"step": "impedance_spectroscopy", "amplitude_V": 0, "start_frequency_Hz": 1, "end_frequency_Hz": 1},
            "0 is not",
        ),
    ],
)
def test_what_means_nothing_is_refused_though_they_take_it(step: dict[str, Any], what: str) -> None:
    assert accepted(step)
    found = from_unicycler(json.dumps({"record": {"time_s": 1}, "method": [step]}), "x.json")
    assert found.text == ""
    assert what in str(found.errors[0])


def test_what_is_not_set_is_left_out_and_said() -> None:
    step = {"step": "constant_current", "rate_C": 0, "current_mA": "1", "until_time_s": 0, "until_voltage_V": 3}
    found = from_unicycler(json.dumps({"record": {"time_s": 1}, "method": [step]}), "x.json")
    assert "{step: constant_current, current_mA: 1, until_voltage_V: 3}" in found.text
    assert [problem.path for problem in found.notes] == ["method[1].rate_C", "method[1].until_time_s"]


def lost(found: Converted) -> Iterator[tuple[int, str]]:
    return ((problem.line, problem.what.removeprefix("lost: ")) for problem in found.losses)


def test_what_is_lost_has_its_line() -> None:
    text = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}
on_resume: {within: 1 h}
record: {time: [1 s for 1 h, 10 s], pressure_MPa: 0.02}
safety: {max_voltage_V: 3.75, max_pressure_MPa: 15}
method:
  - {step: equilibrate, temperature_C: 55}
  - {step: cycle, id: life, rate_C: [0.5, 1], cycle_count: 3, stop_if: {retention_percent: "< 60", relative_to: first}}
  - {step: constant_current, rate_C: 1, until_voltage_V: 3.5, until_capacity_mAh: 1, sampling_s: 2}
  - {step: pause, text: look}
  - {step: constant_power, power_mW: 3, until_time: 1 h}
  - {step: open_circuit_voltage, until_time: 1 h, temperature_C: 25, until_dVdt_mV_h: 1}
"""
    found = to_unicycler(text, "x.yaml", sample_name="a", capacity_mAh=1.5)
    assert sorted(lost(found)) == [
        (2, "on_resume"),
        (3, "all but the last time between rows, 10 s"),
        (3, "rows when pressure_MPa has changed"),
        (4, "max_pressure_MPa"),
        (6, "the temperature"),
        (6, "waiting for the temperature; a rest of 6 h takes its place"),
        (7, "stop_if"),
        (8, "sampling_s"),
        (8, "until_capacity_mAh"),
        (9, "a pause for a person"),
        (10, "the step constant_power"),
        (11, "the temperature"),
        (11, "until_dVdt_mV_h"),
    ]
    assert theirs(json.loads(found.text))["method"][1:4] == [
        {
            "id": f"life/1/{half}" if half else "life/1/loop",
            "step": "constant_current" if half else "loop",
            **(
                {"rate_C": rate, "current_mA": None, "until_time_s": None, "until_voltage_V": volt}
                if half
                else {"loop_to": 2, "cycle_count": 3}
            ),
        }
        for half, rate, volt in (("charge", 0.5, 3.7), ("discharge", -0.5, 2.0), ("", 0, 0))
    ]


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("constant_current, rate_C: 1, until_capacity_mAh: 1", "has no end that other programs know"),
        ("constant_current, rate_C: -1, until_voltage_V: 0", "unicycler takes 0 V for no limit"),
        ("constant_current, current_density_mA_cm2: 1, until_time: 1 h", "the area is not known"),
        ("open_circuit_voltage, until_dVdt_mV_h: 1, unbounded: true", "has no end that other programs know"),
        ("wait_for, until_max_pressure_MPa: 1, unbounded: true", "a wait without an end"),
        ("pause, text: look", "nothing is left that unicycler knows"),
    ],
)
def test_what_cannot_be_said(step: str, what: str) -> None:
    found = to_unicycler(f"method:\n  - {{step: {step}}}\n", "x.yaml")
    assert found.text == ""
    assert [problem.what for problem in found.errors if what in problem.what]


def test_a_current_by_area_is_one_when_the_area_is_known() -> None:
    text = "method:\n  - {step: constant_current, current_density_mA_cm2: 1, until_time: 1 h}\n"
    (step,) = json.loads(to_unicycler(text, "x.yaml", diameter_mm=10).text)["method"]
    assert step["current_mA"] == pytest.approx(0.785398, rel=1e-5)

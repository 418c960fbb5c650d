"""Experiments of PyBaMM in our writing, and back; `make interop` asks PyBaMM itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import BadValueError
from protocols.interop.pybamm_export import MOST_CYCLES, to_pybamm
from protocols.interop.pybamm_import import from_pybamm
from protocols.interop.pybamm_steps import PybammEnd, PybammStep, read_string
from protocols.protocol import read_protocol
from protocols.structure import check_protocol

LIBRARY = Path(__file__).parents[3] / "protocols" / "library"


def steps_of(text: str) -> list[dict[str, Any]]:
    """What was written, step by step, as plain values."""
    converted = from_pybamm(text, "x.txt")
    assert converted.errors == ()
    file = read_protocol(converted.text, "x.yaml")
    assert file.problems == ()
    return [step.model_dump(exclude_unset=True) for step in file.steps]


def noted(text: str) -> list[str]:
    return [problem.what for problem in from_pybamm(text, "x.txt").notes]


HOUR, DAY = 3600, 86_400
CC, CV, CP, OCV = "constant_current", "constant_voltage", "constant_power", "open_circuit_voltage"


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("Discharge at 1C for 0.5 hours", {"step": CC, "rate_C": -1, "until_time_s": HOUR / 2}),
        ("Discharge at C/20 for 0.5 hours", {"step": CC, "rate_C": -0.05, "until_time_s": HOUR / 2}),
        ("Charge at 0.5 C for 45 minutes", {"step": CC, "rate_C": 0.5, "until_time_s": 2700}),
        ("Discharge at 1 A for 0.5 hours", {"step": CC, "current_mA": -1000, "until_time_s": HOUR / 2}),
        ("Charge at 200 mA for 45 minutes", {"step": CC, "current_mA": 200, "until_time_s": 2700}),
        ("Discharge at 1W for 0.5 hours", {"step": CP, "power_mW": -1000, "until_time_s": HOUR / 2}),
        ("Charge at 200mW for 45 minutes", {"step": CP, "power_mW": 200, "until_time_s": 2700}),
        ("Rest for 10 minutes", {"step": OCV, "until_time_s": 600}),
        ("Hold at 1V for 20 seconds", {"step": CV, "voltage_V": 1, "until_time_s": 20}),
        ("Charge at 1 C until 4.1V", {"step": CC, "rate_C": 1, "until_voltage_V": 4.1, "until_time_s": 2 * HOUR}),
        ("Hold at 4.1 V until 50mA", {"step": CV, "voltage_V": 4.1, "until_current_mA": 50, "until_time_s": DAY}),
        ("Hold at 3V until C/50", {"step": CV, "voltage_V": 3, "until_rate_C": 0.02, "until_time_s": DAY}),
        (
            "Discharge at C/3 for 2 hours or until 2.5 V",
            {"step": CC, "rate_C": -1 / 3, "until_time_s": 2 * HOUR, "until_voltage_V": 2.5},
        ),
        ("Charge at C/10 until 4 V", {"step": CC, "rate_C": 0.1, "until_voltage_V": 4, "until_time_s": 20 * HOUR}),
        ("Rest for 5 m (10 s period)", {"step": OCV, "until_time_s": 300, "record": {"time_s": 10}}),
        (
            "Discharge at 1C until <2.5 V",
            {"step": CC, "rate_C": -1, "until_voltage_V": 2.5, "until_time_s": 2 * HOUR},
        ),
    ],
)
def test_documented_strings(text: str, step: dict[str, Any]) -> None:
    (made,) = steps_of(text)
    assert without_words(made) == without_words(step)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Hold at 4 V until >4.2 V", {"var": "voltage_V", "op": ">", "value": 4.2}),
        ("Charge at 1C until <3 V", {"var": "voltage_V", "op": "<", "value": 3}),
        ("Rest for 1 hour until <3 V", {"var": "voltage_V", "op": "<", "value": 3}),
        ("Charge at 1C until 10 mA", {"var": "current_mA", "op": "<", "value": 10}),
        ("Discharge at 1 W until C/50", {"var": "rate_C", "op": "<", "value": 0.02}),
    ],
)
def test_an_end_against_the_step_is_a_limit(text: str, when: dict[str, Any]) -> None:
    (made,) = steps_of(text)
    assert made["limits"] == [{"when": [when], "goto": "next"}]


def test_what_is_assumed_is_written_out_and_told() -> None:
    assert noted("Charge at C/10 until 4 V") == [
        "no time is written: PyBaMM ends it after 20 h, so does this",
    ]
    assert noted("Rest for 1 hour until 3 V") == ["PyBaMM never tests 3 V here: left out"]
    assert noted("Charge at C/10 for 1 hour") == []


@pytest.mark.parametrize(
    "text",
    [
        "Charge at -1 A for 1 hour",
        "Charge at 1 uA for 1 hour",
        "Charge at 1 µA for 1 hour",
        "charge at 1 A for 1 hour",
        "Charge at 1 A",
        "Charge at 1 A for 1 day",
        "Charge at 1 A for 1 hour at 25oC",
        "Charge at 1 A until 3 V until 4 V",
        "Charge at 1 mAh for 1 hour",
        "Charge at 4 V for 1 hour",
        "Hold at 1 A for 1 hour",
        "Hold at 4 V until >50 mA",
        "Hold at 4 V until 1 W",
        "Discharge at 10 Ohm for 1 hour",
        "Rest until 1 hour",
        "Run US06",
        "",
    ],
)
def test_what_it_does_not_say_is_not_guessed(text: str) -> None:
    found = from_pybamm(f'["{text}"]', "x.txt")
    assert found.text == ""
    assert found.errors[0].line == 1


SCRIPT = """\
import pybamm

charge = "Charge at 1 A until 4.1 V"
cycle = ("Discharge at C/9 for 9 h", "Rest for 1 hour", charge)
steps = [cycle] * 3 + ["Rest for 1 hour", pybamm.step.c_rate(1 / 3, duration="1 hour", temperature="25oC")]
experiment = pybamm.Experiment(steps, period="1 minute", termination="80% capacity")
sim = pybamm.Simulation(pybamm.lithium_ion.SPM(), experiment=experiment)
"""


def test_a_script_is_read_without_running_it() -> None:
    found = from_pybamm(SCRIPT, "x.py")
    assert (
        found.text
        == """\
schema: presscell/1
record: {time_s: 60}
method:
  - {step: tag, tag: loop_1}
  - {step: constant_current, rate_C: -0.1111111111111111, until_time_s: 32400}  # Discharge at C/9 for 9 h
  - {step: open_circuit_voltage, until_time_s: 3600}  # Rest for 1 hour
  - {step: constant_current, current_mA: 1000, until_time_s: 86400, until_voltage_V: 4.1}  # Charge at 1 A until 4.1 V
  - {step: loop, loop_to: loop_1, cycle_count: 3}
  - {step: open_circuit_voltage, until_time_s: 3600}  # Rest for 1 hour
  - {step: set, temperature_C: 25}
  - {step: constant_current, rate_C: -0.3333333333333333, until_time_s: 3600}
"""
    )
    assert [(problem.line, problem.what) for problem in found.losses] == [
        (1, "lost: the end of the experiment, '80% capacity': write it as a limit of a loop")
    ]
    assert {problem.line for problem in found.notes} == {3}


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("pybamm.Experiment(steps)", "is no list of steps"),
        (
            'steps = ["Rest for 1 hour"]\nsteps.append("Rest for 2 hours")\npybamm.Experiment(steps)',
            "is no list of steps",
        ),
        ('n = input()\npybamm.Experiment(["Rest for 1 hour"] * n)', "nobody knows how often"),
        ('pybamm.Experiment(["Rest for 1 hour"] * 10**9)', "nobody knows how often"),
        ('pybamm.Experiment(["Rest for 1 hour"] * 1000000000)', "too long"),
        ("pybamm.Experiment([pybamm.step.current(my_function)])", "known only to Python"),
        ("pybamm.Experiment([pybamm.step.CustomStepExplicit(f)])", "known only to Python"),
        ("pybamm.Experiment()", "an Experiment without steps"),
        ("steps = steps + steps\npybamm.Experiment(steps)", "nested too deep"),
        ('pybamm.Experiment(["Rest for 1 hour"])\npybamm.Experiment([])', "a second Experiment"),
        ("print(1)", "is no list of steps"),
    ],
)
def test_what_only_python_knows_is_refused(script: str, what: str) -> None:
    found = from_pybamm(script, "x.py")
    assert found.text == ""
    assert what in str(found.errors[0])


CONFIG = {
    "cycles": [
        [
            {
                "type": "c-rate",
                "value": 0.1,
                "duration": "10 hours",
                "terminations": [{"type": "voltage", "value": 2.5}],
            },
            {"type": "rest", "duration": 3600, "period": 60},
            {"type": "c-rate", "value": -0.5, "terminations": [{"type": "voltage", "value": 4.2, "operator": ">"}]},
            {"type": "voltage", "value": 4.2, "terminations": [{"type": "c-rate", "value": 0.02}], "tags": ["hold"]},
        ],
        [{"type": "current", "value": 0, "duration": 60}, {"type": "power", "value": 2.0, "duration": 60}],
    ],
    "temperature": 298.15,
}


def test_a_config_is_read() -> None:
    text = json.dumps(CONFIG, indent=1)
    made = steps_of(text)
    assert [step["step"] for step in made] == ["set", CC, OCV, CC, CV, OCV, CP]
    assert (made[0]["temperature_C"], made[1]["rate_C"], made[3]["rate_C"]) == (25, -0.1, 0.5)
    assert (made[2]["record"], made[3]["until_voltage_V"], made[4]["until_rate_C"]) == ({"time_s": 60}, 4.2, 0.02)
    assert made[6]["power_mW"] == -2000
    (lost,) = from_pybamm(text, "x.json").losses
    assert (lost.path, lost.what) == ("cycles[1][4]", "lost: tags")
    assert text.splitlines()[lost.line] == '    "type": "voltage",'


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"type": "resistance", "value": 1}, "a resistance has no step here"),
        ({"type": "current", "value": [[0, 1], [1, 2]]}, "a profile over time"),
        ({"type": "current", "value": "I_app"}, "is a parameter of a model"),
        ({"type": "cccv", "value": 1}, "is no type of a step"),
        ({"type": "current", "value": 1, "terminations": [{"type": "custom"}]}, "ends no step"),
        ({"type": "current", "value": 1, "duration": -1}, "before it begins"),
        ({"type": "current", "value": 1, "duration": 1, "temperature": "hot"}, "is no temperature"),
    ],
)
def test_a_config_that_says_too_little(change: dict[str, Any], what: str) -> None:
    found = from_pybamm(json.dumps({"cycles": [[change]]}), "x.json")
    assert found.text == ""
    assert what in str(found.errors[0])


def test_lists_and_lines_are_read() -> None:
    words = ["Rest for 1 hour", "Charge at 1C for 1 hour"]
    same = [
        json.dumps(words),
        "- Rest for 1 hour\n- Charge at 1C for 1 hour\n",
        "Rest for 1 hour\n\n# by hand\nCharge at 1C for 1 hour\n",
        json.dumps([words]),
        json.dumps({"steps": words}),
        repr([tuple(words)]),
    ]
    made = [steps_of(text) for text in same]
    assert all(steps == made[0] for steps in made)
    assert len(made[0]) == 2


@settings(max_examples=60)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=12))
def test_loops_unroll_to_what_was_written(lengths: list[int]) -> None:
    words = [f"Rest for {length} hours" for length in lengths]
    assert [step["until_time_s"] / HOUR for step in unrolled(steps_of(json.dumps(words)))] == lengths


def unrolled(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps in the order in which they happen; loops here are never in loops."""
    executed: list[dict[str, Any]] = []
    start, at, done = {}, 0, 0
    while at < len(steps):
        step = steps[at]
        if step["step"] == "tag":
            start[step["tag"]] = at
        elif step["step"] != "loop":
            executed.append(step)
        elif done + 1 < step["cycle_count"]:
            done, at = done + 1, start[step["loop_to"]]
        else:
            done = 0
        at += 1
    return executed


numbers = st.floats(1e-3, 1e3).map(lambda value: float(f"{value:.6g}")).map(repr)
times = st.builds("{}{}{}".format, numbers, st.sampled_from(["", " "]), st.sampled_from(["s", "minutes", "h", "hours"]))
values = st.one_of(
    st.builds("{}{}{}".format, numbers, st.sampled_from(["", " "]), st.sampled_from(["A", "mA", "W", "mW", "C"])),
    numbers.map("C/{}".format),
)
texts = st.one_of(
    st.builds("Rest for {}".format, times),
    st.builds("{} at {} for {}".format, st.sampled_from(["Charge", "Discharge"]), values, times),
    st.builds("{} at {} until {} V".format, st.sampled_from(["Charge", "Discharge"]), values, numbers),
    st.builds("Hold at {} V for {} or until {} mA".format, numbers, times, numbers),
)


@settings(max_examples=100)
@given(st.text(), texts)
def test_any_text_is_a_step_or_our_own_error(text: str, sound: str) -> None:
    assert isinstance(read_string(sound), PybammStep)
    for candidate in (text, sound[1:], sound[:-2], sound + text):
        try:
            assert isinstance(read_string(candidate), PybammStep)
        except BadValueError:
            continue
    found = from_pybamm(text, "x.txt")
    assert found.errors or found.text


def test_signs_of_a_string() -> None:
    assert read_string("Charge at 1 A until 4 V") == PybammStep(
        kind="current", value=-1, ends=(PybammEnd("voltage", 4),), description="Charge at 1 A until 4 V"
    )


@settings(max_examples=60)
@given(st.lists(texts, min_size=1, max_size=5))
def test_there_and_back(words: list[str]) -> None:
    """Our writing of their strings, written as their config and read again, is the same protocol."""
    ours = from_pybamm(json.dumps(words), "x.txt")
    if ours.errors:
        return
    if any(problem.severity == "error" for problem in check_protocol(ours.text, "x.yaml")):
        return
    for as_config in (True, False):
        made = to_pybamm(ours.text, "x.yaml", as_config=as_config)
        assert (made.errors, made.losses) == ((), ())
        again = [without_words(step) for step in unrolled(steps_of(made.text))]
        assert again == [without_words(step) for step in unrolled(steps_of(json.dumps(words)))]


def without_words(step: dict[str, Any]) -> dict[str, Any]:
    return {
        key: float(f"{value:.9g}") if isinstance(value, float) else value for key, value in step.items() if key != "id"
    }


def test_a_library_protocol_as_a_script() -> None:
    made = to_pybamm((LIBRARY / "cycle_life.yaml").read_text(), "cycle_life.yaml")
    assert "* 1000" in made.text
    assert made.text.count("c_rate") == 4
    assert 'c_rate(-2, termination=["3.7 V"], temperature=328.15' in made.text
    assert [lost.what for lost in made.losses] == [
        "lost: waiting for the temperature; a rest of 6 h takes its place",
        "lost: stop_if",
    ]


def test_a_config_has_every_pass() -> None:
    made = to_pybamm((LIBRARY / "rate_capability.yaml").read_text(), "x.yaml", as_config=True)
    cycles = json.loads(made.text)["cycles"]
    assert [len(cycle) for cycle in cycles] == [1, 1] + [2] * 30
    assert [cycle[0]["value"] for cycle in cycles[2::5]] == [-0.1, -0.2, -0.3, -0.5, -1, -2]


def test_more_passes_than_a_config_should_have() -> None:
    loop = f"  - {{step: loop, loop_to: 1, cycle_count: {MOST_CYCLES + 1}}}\n"
    text = "method:\n  - {step: open_circuit_voltage, until_time: 1 h}\n" + loop
    assert to_pybamm(text, "x.yaml", as_config=True).text == ""
    assert f"* {MOST_CYCLES + 1}" in to_pybamm(text, "x.yaml").text


def test_loops_in_loops_are_products_of_products() -> None:
    text = """\
method:
  - {step: tag, tag: outer}
  - {step: open_circuit_voltage, until_time: 1 s}
  - {step: tag, tag: inner}
  - {step: open_circuit_voltage, until_time: 2 s}
  - {step: loop, loop_to: inner, cycle_count: 3}
  - {step: open_circuit_voltage, until_time: 4 s}
  - {step: loop, loop_to: outer, cycle_count: 2}
"""
    made = to_pybamm(text, "x.yaml")
    read = from_pybamm(made.text, "x.py")
    assert read.errors == ()
    config = json.loads(to_pybamm(text, "x.yaml", as_config=True).text)
    assert [[step["duration"] for step in cycle] for cycle in config["cycles"]] == [[1], [2], [2], [2], [4]] * 2
    again = json.loads(to_pybamm(read.text, "x.yaml", as_config=True).text)
    assert [step for cycle in again["cycles"] for step in cycle] == [
        step for cycle in config["cycles"] for step in cycle
    ]

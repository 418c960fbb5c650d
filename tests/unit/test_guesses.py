"""What is offered to who wrote a word that is not known: misspelt, of another program, or without its unit."""

from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.station.instruments import load_station
from drivers.keithley.limits import LIMITS_2450
from protocols import limits, settings, units
from protocols.errors import BadValueError, Problem, ProblemsFound
from protocols.fields import Strict, models_in
from protocols.guesses import FIELDS, STEPS, VALUES, did_you_mean, field_meant, folded, step_hint, unit_note
from protocols.protocol import ELSEWHERE, CyclingProtocol
from protocols.steps import LATER_STEPS, STEP_MODELS
from protocols.structure import check_protocol

REPOSITORY = Path(__file__).parents[2]
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
CC = "step: constant_current, rate_C: 1"


def problem(text: str, what: str = "") -> Problem:
    """The first problem of a protocol; with `what`, of those that say so."""
    return next(found for found in check_protocol(text, "x.yaml") if what in found.what)


def of_step(step: str, what: str) -> Problem:
    return problem(f"{WINDOW}method:\n  - {{step: tag, tag: a}}\n  - {{{step}}}\n", what)


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("step: cycle, rate_C: 0.1, cycles: 3", "did you mean cycle_count?"),
        ("step: cycle, rate_C: 0.1, n_cycles: 3", "did you mean cycle_count?"),
        ("step: loop, loop_to: a, repeats: 3", "did you mean cycle_count?"),
        ("step: cycle, c_rate: 0.1", "did you mean rate_C?"),
        ("step: cycle, rate_c: 0.1", "did you mean rate_C?"),
        (f"{CC}, duration: 1 h", "did you mean until_time?"),
        (f"{CC}, until_time_h: 1", "did you mean until_time_s? In s, not in h"),
        (f"{CC}, until_voltage: 3.7", "did you mean until_voltage_V?"),
        (f"{CC}, until_voltage_mV: 3700", "did you mean until_voltage_V? In V, not in mV"),
        (f"{CC}, voltage_limit: 3.7", "did you mean until_voltage_V?"),
        (f"{CC}, capacity_mAh: 1", "did you mean until_capacity_mAh?"),
        ("step: constant_current, current_A: 0.001", "did you mean current_mA? In mA, not in A"),
        ("step: constant_voltage, voltage: 3.7, cutoff_current: 1", "did you mean voltage_V?"),
        ("step: equilibrate, temperature: 55", "did you mean temperature_C?"),
        ("step: equilibrate, temperature_C: 55, tolerance_K: 1", "did you mean within_C?"),
        ("step: equilibrate, temperature_C: 55, dwell: 2 h", "did you mean for?"),
        ("step: loop, goto: a, cycle_count: 2", "did you mean loop_to?"),
        ("step: tag, name: b", "did you mean tag?"),
        (f"{CC}, name: b", "did you mean id?"),
        (f"{CC}, until_voltgae_V: 3.7", "did you mean until_voltage_V?"),
    ],
)
def test_an_unknown_field_of_a_step(step: str, hint: str) -> None:
    assert of_step(step, "unknown field").what_to_write == hint


@pytest.mark.parametrize(
    ("top", "hint"),
    [
        ("steps: []", "did you mean method?"),
        ("interval_s: 2", "did you mean sampling_s?"),
        ("voltage_window: {}", "did you mean window?"),
        ("interlocks: {}", "did you mean safety?"),
    ],
)
def test_an_unknown_field_at_the_top(top: str, hint: str) -> None:
    assert problem(f"{WINDOW}{top}\nmethod: [{{step: tag, tag: a}}]\n", "unknown field").what_to_write == hint


@pytest.mark.parametrize(
    ("window", "hint"),
    [
        ("min_voltage_V: 2", "did you mean lower_voltage_V?"),
        ("upper: 3", "did you mean upper_voltage_V?"),
        ("reference: Li-In", "did you mean vs?"),
    ],
)
def test_an_unknown_field_of_the_window(window: str, hint: str) -> None:
    assert problem(f"window: {{{window}}}\nmethod: [{{step: tag, tag: a}}]\n", "unknown").what_to_write == hint


@pytest.mark.parametrize(
    ("top", "what"),
    [
        ("cycles: 3", "unknown field; cycle_count is a field of the steps cycle and loop"),
        ("limits: []", "is a field of steps that measure; bounds of the whole run are in safety"),
        ("mass: 10", "unknown field; mass_mg belongs in the cell file"),
        ("temprature_C: 5", "unknown field; temperature_C is a field of the steps set, equilibrate and"),
    ],
)
def test_what_belongs_elsewhere_is_sent_there(top: str, what: str) -> None:
    text = f"{WINDOW}{top}\nmethod: [{{step: tag, tag: a}}]\n"
    assert problem(text, "field" if "field" in what else "belongs").what.startswith(what)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("rest", "did you mean open_circuit_voltage?"),
        ("OCV", "did you mean open_circuit_voltage?"),
        ("Constant Current", "did you mean constant_current?"),
        ("constant_curent", "did you mean constant_current?"),
        ("EIS", "did you mean impedance_spectroscopy?"),
        ("power", "did you mean constant_power?"),
        ("discharge", "write constant_current with rate_C below 0"),
        ("CCCV", "write two steps: constant_current, then constant_voltage"),
    ],
)
def test_an_unknown_step(word: str, hint: str) -> None:
    assert of_step(f"step: {word}", "is not a step").what_to_write == hint


def test_a_step_that_nobody_can_guess() -> None:
    assert step_hint("xyzzy", STEP_MODELS) is None
    assert of_step("step: xyzzy", "is not a step").what_to_write.startswith("write one of constant_current, ")


def test_a_step_under_another_key() -> None:
    assert of_step("type: cycle, rate_C: 1", "is missing").what_to_write == "write step in place of type"


@pytest.mark.parametrize(
    ("limit", "hint"),
    [
        ('{var: pressure, op: ">", value: 15}', "did you mean pressure_MPa?"),
        ('{var: temperature_K, op: ">", value: 330}', "did you mean temperature_C?"),
        ('{var: voltage_mV, op: ">", value: 15}', "did you mean voltage_V? In V, not in mV"),
        ("{var: voltage_V, op: gt, value: 15}", "did you mean >? write <, <=, > or >="),
        ("{var: voltage_V, op: =, value: 15}", "write <, <=, > or >="),
    ],
)
def test_a_limit(limit: str, hint: str) -> None:
    found = of_step(f"{CC}, until_time: 1 h, limits: [{{goto: a, at_most: 2, when: [{limit}]}}]", "")
    assert found.what_to_write == hint


@pytest.mark.parametrize(
    ("written", "hint"), [("1 Hour", "did you mean hour?"), ("2 fortnights", "write s, min, h or d")]
)
def test_a_unit_of_time(written: str, hint: str) -> None:
    with pytest.raises(BadValueError) as found:
        units.duration(written)
    assert found.value.what_to_write == hint


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("Li-Inn", "did you mean Li-In? Else write the voltages against Li-In"),
        ("LiIn", "did you mean Li-In? Else write the voltages against Li-In"),
        ("Na-In", "write the voltages against Li-In"),
        ("Li-Sn", "write the voltages against Li-In"),
    ],
)
def test_a_reference_electrode_is_offered_for_a_slip_alone(reference: str, hint: str) -> None:
    """Another electrode has other voltages: its name is no misspelling."""
    text = f"{WINDOW}method:\n  - {{{CC}, until_voltage_V: 3.7}}\n".replace("Li-In", reference)
    with pytest.raises(ProblemsFound) as found:
        load_plan(text, "x.yaml", BM05, "cell.yaml", LIMITS_2450)
    assert [one.what_to_write for one in found.value.problems] == [hint]


def test_a_station_too() -> None:
    rig = "rig1: {potentiostat: {driver: keithley.2450, ip: 192.168.1.2:5025}}"
    text = f"site: a\nstation: b\ndata: /d\nrigs:\n  {rig}\n"
    hints = {one.path: one.what_to_write for one in load_station(text, "s.yaml").problems}
    assert hints["rigs.rig1.potentiostat.ip"] == "did you mean address?"


def every_field() -> set[str]:
    models = {CyclingProtocol, *STEP_MODELS.values()}
    while more := {inner for model in models for inner in _below(model)} - models:
        models |= more
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _below(model: type[Strict]) -> set[type[Strict]]:
    return {inner for field in model.model_fields.values() for inner in models_in(field.annotation)}


def test_every_word_leads_to_what_there_is() -> None:
    """Nothing is offered that is no field, step or value; no word is listed that is one already."""
    of_other_files = {"every_s", "address", "serial_number", "baud", "character"}
    offered = {name for names in FIELDS.values() for name in names}
    assert offered - every_field() - set(ELSEWHERE) - of_other_files == set()
    assert set(STEPS.values()) <= set(STEP_MODELS)
    assert set(STEPS) & (set(STEP_MODELS) | set(LATER_STEPS)) == set()
    assert all(word == folded(word) for word in (*FIELDS, *STEPS))
    assert {*VALUES.values()} == {">", "<", ">=", "<=", "charge", "discharge"}


@pytest.mark.parametrize("model", [*STEP_MODELS.values(), *vars(limits).values(), *vars(settings).values()])
def test_a_known_field_is_never_guessed_away(model: object) -> None:
    if isinstance(model, type) and issubclass(model, Strict):
        names = [field.alias or name for name, field in model.model_fields.items()]
        assert [name for name in names if field_meant(name, [name]) != name or unit_note(name, name)] == []


def test_nothing_is_like_nothing() -> None:
    assert did_you_mean("", ["a"]) is None
    assert did_you_mean("a", []) is None
    assert field_meant("__", ["until_voltage_V"]) is None

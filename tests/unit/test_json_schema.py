"""The JSON Schemas are those of the models, and what is read is valid by them."""

from pathlib import Path

import jsonschema
import pytest

from daemon.cli.schema import SCHEMAS
from protocols.json_schema import as_text
from protocols.source import read_source

REPOSITORY = Path(__file__).parents[2]
SCHEMA_FOLDER = REPOSITORY / "protocols" / "schema"
FILES = Path(__file__).parent / "protocol_files"
SOUND = {
    "protocol": [*(REPOSITORY / "protocols" / "library").glob("*.yaml"), *FILES.rglob("*.yaml")],
    "cell": [*(REPOSITORY / "config" / "cells").glob("*.yaml")],
    "station": [*(REPOSITORY / "config").glob("station*.yaml")],
}


def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMAS[kind]())


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_file_is_current_and_a_schema(kind: str) -> None:
    made = SCHEMAS[kind]()
    assert (SCHEMA_FOLDER / f"{kind}.json").read_text(encoding="utf-8") == as_text(made), "python docs/make_schemas.py"
    jsonschema.Draft202012Validator.check_schema(made)
    assert {path.stem for path in SCHEMA_FOLDER.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("kind", "path"),
    [(kind, path) for kind, paths in SOUND.items() for path in sorted(paths)],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_what_comes_with_it_is_valid(kind: str, path: Path) -> None:
    errors = validator(kind).iter_errors(read_source(path.read_text(encoding="utf-8"), path.name).value)
    assert [f"{list(error.absolute_path)}: {error.message}" for error in errors] == []


@pytest.mark.parametrize(
    "step",
    [
        {"step": "constant_current", "rate_C": "C/10", "until_voltage_V": 3.7},
        {"step": "constant_current", "rate_C": "$rate", "until_time": "PT1H", "until_time_s": None},
        {"step": "cycle", "rate_C": [0.1, "2C"], "stop_if": {"retention_percent": "< 60", "relative_to": "first"}},
        {"step": "cycle", "rate_C": 1, "cycle_count": "$count", "c_rate_basis": {"block": "formation"}},
        {"step": "wait_for", "for": "2 min", "temperature_C": 15, "timeout": "1 h"},
        {"step": "loop", "cycle_count": 3},
        {"step": "loop", "loop_to": "life", "cycle_count": 3},
    ],
)
def test_steps_that_are_valid(step: dict[str, object]) -> None:
    assert validator("protocol").is_valid({"method": [step]})


@pytest.mark.parametrize(
    "step",
    [
        {"step": "constant_curent", "rate_C": 1},
        {"step": "constant_current", "rate_C": 1, "until_tiem": "1 h"},
        {"step": "constant_current", "rate_C": [1]},
        {"step": "open_circuit_voltage", "until_time": 3600},
        {"step": "cycle", "rate_C": 1, "stop_if": {"retention_percent": 60}},
        {"step": "open_circuit_voltage", "limits": [{"when": [{"var": "x", "op": "<", "value": 1}], "goto": "next"}]},
        {"step": "set", "temperature_C": 140},
        {"step": "tag"},
        {},
        "rest",
    ],
)
def test_steps_that_are_not(step: object) -> None:
    assert not validator("protocol").is_valid({"method": [step]})


def test_a_file_may_ask_for_values() -> None:
    sound = {"inputs": {"rate": "required", "count": 3}, "method": [{"step": "cycle", "rate_C": "$rate"}]}
    assert validator("protocol").is_valid(sound)
    assert not validator("protocol").is_valid(sound | {"inputs": {"rate": {}}})

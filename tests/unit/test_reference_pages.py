"""The reference pages name every field there is, and what they show compiles."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.compiling.unexecuted import NOT_YET
from daemon.station import instrument_settings, settings
from daemon.station.instruments import DRIVERS_BY_ROLE
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import ProblemsFound
from protocols.fields import Strict, models_in
from protocols.protocol import CyclingProtocol
from protocols.steps import STEP_MODELS
from protocols.structure import check_protocol
from protocols.units import SECOND_PER_UNIT

REPOSITORY = Path(__file__).parents[2]
PROTOCOL_PAGE = (REPOSITORY / "docs" / "reference" / "protocol.md").read_text()
STATION_PAGE = (REPOSITORY / "docs" / "reference" / "station.md").read_text()
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PROTOCOL_PAGE, re.DOTALL)

PROTOCOL_MODELS = dict.fromkeys(
    model
    for start in (CyclingProtocol, *STEP_MODELS.values())
    for model in (start, *(inner for field in start.model_fields.values() for inner in models_in(field.annotation)))
)
STATION_MODELS = tuple(
    model
    for module in (instrument_settings, settings)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, Strict) and model.__module__ == module.__name__
)


def fields(model: type[Strict]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("model", PROTOCOL_MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_protocol_is_explained(model: type[Strict]) -> None:
    assert [field for field in fields(model) if f"`{field}`" not in PROTOCOL_PAGE and field != "step"] == []


@pytest.mark.parametrize("step", STEP_MODELS)
def test_every_step_has_its_section_with_an_example(step: str) -> None:
    assert re.search(rf"^### .*`{step}`", PROTOCOL_PAGE, re.MULTILINE)
    assert any(re.search(rf"step: {step}[,}}\n]", example) for example in EXAMPLES)


@pytest.mark.parametrize("model", STATION_MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_station_is_explained(model: type[Strict]) -> None:
    assert [field for field in fields(model) if f"`{field}`" not in STATION_PAGE] == []


def test_every_driver_is_named() -> None:
    drivers = [driver for drivers in DRIVERS_BY_ROLE.values() for driver in drivers]
    assert [driver for driver in drivers if f"`{driver}`" not in STATION_PAGE] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_an_example_is_read_without_a_word(example: str) -> None:
    assert check_protocol(_whole(example), "x.yaml") == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_an_example_compiles_as_far_as_it_is_executed(example: str) -> None:
    try:
        problems = load_plan(_whole(example), "x.yaml", BM05, "cell.yaml", LIMITS_2450)[1]
    except ProblemsFound as found:
        said = (NOT_YET, "has no value")
        problems = [problem for problem in found.problems if not any(text in problem.what for text in said)]
    assert problems == []


def _whole(example: str) -> str:
    if "method:" in example:
        return example
    return WINDOW + ("cycle: explicit\n" if "advance_cycle" in example else "") + "method:\n" + example


def test_the_protocol_page_is_current() -> None:
    page = REPOSITORY / "docs" / "make_protocol_page.py"
    made = subprocess.run([sys.executable, page], capture_output=True, text=True, check=True)
    assert made.stdout == PROTOCOL_PAGE, "python docs/make_protocol_page.py > docs/reference/protocol.md"


def test_every_unit_of_time_is_on_the_protocol_page() -> None:
    assert [unit for unit in SECOND_PER_UNIT if f"`{unit}`" not in PROTOCOL_PAGE] == []

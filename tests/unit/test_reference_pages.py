"""The reference pages name every field there is, and what they show compiles."""

import re
from pathlib import Path

import pytest

from daemon import station_file
from daemon.compile import load_plan
from daemon.station import DRIVERS_BY_ROLE
from drivers.keithley.limits import LIMITS_2450
from protocols.fields import Strict
from protocols.protocol import STEP_MODELS, CyclingProtocol, Record, Safety, Sample, Unicycler, Window

REPOSITORY = Path(__file__).parents[2]
PROTOCOL_PAGE = (REPOSITORY / "docs" / "reference" / "protocol.md").read_text()
STATION_PAGE = (REPOSITORY / "docs" / "reference" / "station.md").read_text()
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PROTOCOL_PAGE, re.DOTALL)

PROTOCOL_MODELS = (CyclingProtocol, Window, Record, Safety, Sample, Unicycler, *STEP_MODELS.values())
STATION_MODELS = tuple(
    model
    for model in vars(station_file).values()
    if isinstance(model, type) and issubclass(model, Strict) and model is not Strict
)


def fields(model: type[Strict]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("model", PROTOCOL_MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_protocol_is_explained(model: type[Strict]) -> None:
    assert [field for field in fields(model) if f"`{field}`" not in PROTOCOL_PAGE and field != "step"] == []


@pytest.mark.parametrize("step", STEP_MODELS)
def test_every_step_has_its_section_with_an_example(step: str) -> None:
    assert re.search(rf"^### .*`{step}`", PROTOCOL_PAGE, re.MULTILINE)
    assert any(f"step: {step}," in example for example in EXAMPLES)


@pytest.mark.parametrize("model", STATION_MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_station_is_explained(model: type[Strict]) -> None:
    assert [field for field in fields(model) if f"`{field}`" not in STATION_PAGE] == []


def test_every_driver_is_named() -> None:
    drivers = [driver for drivers in DRIVERS_BY_ROLE.values() for driver in drivers]
    assert [driver for driver in drivers if f"`{driver}`" not in STATION_PAGE] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_an_example_compiles_without_a_word(example: str) -> None:
    text = example if "method:" in example else WINDOW + "method:\n" + example
    assert load_plan(text, "x.yaml", BM05, "cell.yaml", LIMITS_2450)[1] == []

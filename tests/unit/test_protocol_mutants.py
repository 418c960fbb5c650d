"""A protocol with every field of the language, and what becomes of it when one line of it is damaged."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.errors import errors_in
from protocols.fields import Strict, models_in
from protocols.protocol import CyclingProtocol, read_protocol
from protocols.steps import STEP_MODELS
from protocols.structure import check_protocol

EVERY_FIELD = (Path(__file__).parent / "protocol_files" / "every_field.yaml").read_text()
LINE = re.compile(r"(?P<lead> *(?:- )?)(?P<key>\w+):(?P<value> .*)?")
FREE = frozenset({"version", "hot_C"})
"""Keys whose value may be anything."""
NEGATIVE = "-7"
"""What no word, time or list may be; a C-rate may."""
SMALL_TOP = """\
cycle: explicit
inputs: {hot_C: 55}
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}
method:
"""
REST = """\
  - {step: open_circuit_voltage, until_time: 1 h, temperature_C: $hot_C}
  - {step: constant_current, rate_C: 1, until_time: 10 s}
"""
UNTOUCHED = frozenset({*SMALL_TOP.splitlines(), *REST.splitlines()})


def models(start: type[Strict]) -> Iterator[type[Strict]]:
    """A model and all that it is made of."""
    yield start
    for field in start.model_fields.values():
        for inner in models_in(field.annotation):
            yield from models(inner)


MODELS = {model for start in (CyclingProtocol, *STEP_MODELS.values()) for model in models(start)}


def excerpts() -> Iterator[list[str]]:
    """The top of the file, and each of its steps, with no more around it than it needs to be in order."""
    top, *steps = re.split(r"^(?=  - step:)", EVERY_FIELD, flags=re.MULTILINE)
    formation = next(step for step in steps if "id: formation" in step)
    yield (top + formation + "  - {step: advance_cycle}\n").splitlines()
    for step in steps:
        before = "" if step == formation else formation
        tags = [f"  - {{step: tag, tag: {tag}}}\n" if f"tag: {tag}" not in step else "" for tag in ("again", "final")]
        yield (f"{SMALL_TOP}{before}{tags[0]}{REST}{step}{tags[1]}  - {{step: advance_cycle}}\n").splitlines()


def damaged(lines: list[str]) -> Iterator[tuple[str, int, str]]:
    """Name of a damage, the line it is on, and the text with it."""
    for at, line in enumerate(lines):
        parts = LINE.fullmatch(line)
        if parts is None or line in UNTOUCHED:
            continue
        lead, key, value = parts["lead"], parts["key"], parts["value"]
        changes = {} if key == "hot_C" else {"misspelt": f"{lead}{key}x:{value or ''}"}
        if value is not None and key not in FREE:
            number = re.fullmatch(r" -?[0-9.]+", value)
            changes["a mapping"] = f"{lead}{key}: {{}}"
            changes["a comma" if number else "a number"] = (
                f"{lead}{key}: {'3,7' if number or 'C/' in value else NEGATIVE}"
            )
            changes["empty"] = f"{lead}{key}:"
            changes["a tag"] = f"{lead}{key}: !!str{value}"
        if value is not None and not lead.endswith("- "):
            changes["twice"] = f"{line}\n{line}"
        for name, changed in changes.items():
            yield name, at + 1, "\n".join([*lines[:at], changed, *lines[at + 1 :]])


EXCERPTS = list(excerpts())
MUTANTS = [mutant for lines in EXCERPTS for mutant in damaged(lines)]


def test_the_sound_file_is_in_order() -> None:
    assert check_protocol(EVERY_FIELD, "x.yaml") == []
    for lines in EXCERPTS[1:]:
        assert errors_in(check_protocol("\n".join(lines), "x.yaml")) == []
    assert len(MUTANTS) > 500


def test_every_field_is_in_it() -> None:
    keys = set(re.findall(r"(\w+):", EVERY_FIELD))
    fields = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
    assert fields - keys - {"every_second", "for_second"} == set()


@pytest.mark.parametrize("kind", sorted({name for name, _, _ in MUTANTS}))
def test_damage_is_found_on_its_line(kind: str) -> None:
    for name, line, text in MUTANTS:
        if name != kind:
            continue
        problems = check_protocol(text, "x.yaml")
        shown = f"{text.splitlines()[line - 1]}\n" + "\n".join(map(str, problems))
        assert errors_in(problems), shown
        where = line + 1 if kind == "twice" else line
        assert where in {problem.line for problem in problems}, shown


def test_damage_of_one_step_leaves_the_others() -> None:
    line = 1 + EVERY_FIELD.splitlines().index("    power_mW: -5")
    (problem,) = read_protocol(EVERY_FIELD.replace("power_mW: -5", "power_mW: 0"), "x.yaml").problems
    assert (problem.line, problem.path, problem.what) == (line, "method[8].power_mW", "0 is no power")

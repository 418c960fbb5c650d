"""The kinds of value a file may hold, and how a mapping becomes a model or problems with their places."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from protocols import units
from protocols.errors import BadValueError, Path, Problem
from protocols.guesses import called_here, field_meant, unit_note, value_meant
from protocols.source import Source

COLDEST_CELSIUS, HOTTEST_CELSIUS = 0.0, 100.0
"""Beyond these a temperature of a press cell is taken for a slip of the pen."""

QUOTE = "'"
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class Strict(BaseModel):
    """A mapping in a file: every key known, nothing converted that was not meant to be."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def optional(description: str) -> Any:  # noqa: ANN401  (as pydantic's Field, so that a default has any type)
    """A field that may be absent, and what it means."""
    return Field(default=None, description=description)


def tag(word: str) -> str:
    """What stands for one of several kinds of mapping that may stand in a place: never a key of a file."""
    return f"({word})"


def by_default(default: object, description: str) -> Any:  # noqa: ANN401
    """A field with a default, and what it means."""
    return Field(default=default, description=description)


def needed(description: str) -> Any:  # noqa: ANN401
    """A field that must be there, and what it means."""
    return Field(description=description)


class OrWord:
    """Beside what a field holds, a word that stands for one such value: for the JSON Schema."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the value, or one of the words."""
        return {"anyOf": [{"enum": list(self._words)}, handler(core)]}


def shown(value: object) -> str:
    """A value as a message shows it, not too long."""
    return str(value).lower() if isinstance(value, bool) else f"{value!r:.60}"


def _positive(value: float) -> float:
    if value < units.SMALLEST:
        raise BadValueError(f"{value:g} is not above 0", "write a number above 0")
    return value


def _not_negative(value: float) -> float:
    if value < 0:
        raise BadValueError(f"{value:g} is below 0", "write 0 or more")
    return value


def _some_time(value: float) -> float:
    if value < units.SMALLEST:
        raise BadValueError(f"a time of {value:g} s ends the step before it begins", "write a time above 0")
    return value


def _bearable(value: float) -> float:
    if not COLDEST_CELSIUS <= value <= HOTTEST_CELSIUS:
        what = f"{value:g} °C is no temperature for a press cell"
        raise BadValueError(what, f"write {COLDEST_CELSIUS:g} to {HOTTEST_CELSIUS:g}")
    return value


def _in_seconds(value: object) -> float:
    try:
        return units.number(value)
    except BadValueError as error:
        if not isinstance(value, str):
            raise
        try:
            seconds = units.duration(value)
        except BadValueError:
            raise error from None
        raise BadValueError(f"{value!r} has its own unit", f"write {seconds:g}, or the key without _s") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else value
        raise BadValueError(f"{shown} is not text", f'write "{shown}" in quotes')
    if not value.strip():
        raise BadValueError("is empty", "write a word")
    return value


def _name(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValueError(f"{value} is a number, not a name", f'write a word, as in "pass {value}"')
    return _text(value)


def _count(value: object) -> int:
    count = units.number(value)
    if count != int(count):
        raise BadValueError(f"{count:g} is not a whole number", f"write {int(count)} or {int(count) + 1}")
    if count < 1:
        raise BadValueError(f"{count:g} passes are none", "write 1 or more")
    return int(count)


def _current(value: float) -> float:
    if abs(value) < units.SMALLEST:
        raise BadValueError(f"{value:g} is no current", "write {step: open_circuit_voltage} for a rest")
    return value


def _magnitude(value: float) -> float:
    if abs(value) < units.SMALLEST:
        raise BadValueError(f"{value:g} is not a C-rate", "write a rate above 0, with a decimal point as in 0.1")
    if value < 0:
        raise BadValueError(f"{value:g} is a discharge alone", f"write {-value:g}: a cycle runs both ways")
    return value


def _date(value: str) -> str:
    parts = _DATE.fullmatch(value)
    year, month, day = map(int, parts.groups()) if parts else (0, 0, 0)
    if not (year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise BadValueError(f"{value!r} is no day", "write it as in 2026-03-31")
    return value


def _listed(value: object) -> object:
    if isinstance(value, list):
        if not value:
            raise BadValueError("the list is empty", "write at least one C-rate")
        return value
    return [value]


_ABOVE_0 = WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
_RATE: JsonSchemaValue = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"[0-9CcDd]"}]}

Number = Annotated[float, BeforeValidator(units.number)]
Positive = Annotated[float, AfterValidator(_positive), BeforeValidator(units.number), _ABOVE_0]
NotNegative = Annotated[
    float,
    AfterValidator(_not_negative),
    BeforeValidator(units.number),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
Seconds = Annotated[float, AfterValidator(_some_time), BeforeValidator(_in_seconds), _ABOVE_0]
Duration = Annotated[
    float,
    AfterValidator(_some_time),
    BeforeValidator(units.duration),
    WithJsonSchema({"type": "string", "pattern": "^\\s*(P|[0-9.])", "examples": ["10 h", "90 s", "1 h 30 min"]}),
]
Celsius = Annotated[
    float,
    AfterValidator(_bearable),
    BeforeValidator(units.number),
    WithJsonSchema({"type": "number", "minimum": COLDEST_CELSIUS, "maximum": HOTTEST_CELSIUS}),
]
Current = Annotated[float, AfterValidator(_current), BeforeValidator(units.number)]
Rate = Annotated[float, AfterValidator(_current), BeforeValidator(units.rate), WithJsonSchema(_RATE)]
Rates = Annotated[
    list[Annotated[float, AfterValidator(_magnitude), BeforeValidator(units.rate)]],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [*_RATE["anyOf"], {"type": "array", "minItems": 1, "items": _RATE}]}),
]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
Text = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, BeforeValidator(_name)]
Date = Annotated[Text, AfterValidator(_date)]

Model = TypeVar("Model", bound=Strict)


def read_model(
    model: type[Model], source: Source, path: Path, value: object, elsewhere: Mapping[str, str] | None = None
) -> tuple[Model | None, list[Problem]]:
    """Make a model of the mapping at a path.

    Top keys with an error are left out and the rest tried again, so that what is sound can still be checked further.

    Args:
        model: what the mapping must be.
        source: where it was written.
        path: the mapping's place in `source`.
        value: the mapping.
        elsewhere: key that is no field of the model to the sentence that says where it belongs.

    Returns:
        The model, None when a key it cannot do without is absent or wrong; and all problems.
    """
    if not isinstance(value, dict):
        names = ", ".join(list(_names(model))[:3])
        return None, [source.problem(path, f"is {_kind(value)}, not a mapping", f"write keys below it: {names}, …")]
    present = {key: child for key, child in value.items() if child is not None}
    try:
        return model.model_validate(present), []
    except ValidationError as found:
        errors = found.errors(include_url=False)
    problems = [_problem(model, source, path, error, elsewhere or {}) for error in errors]
    bad = {error["loc"][0] for error in errors}
    try:
        return model.model_validate({key: child for key, child in present.items() if key not in bad}), problems
    except ValidationError:
        return None, problems


def _problem(
    model: type[Strict], source: Source, path: Path, error: ErrorDetails, elsewhere: Mapping[str, str]
) -> Problem:
    location = tuple(part for part in error["loc"] if not str(part).startswith("("))
    here = (*path, *location)
    word = str(location[-1]) if location else ""
    if error["type"] == "extra_forbidden":
        return _unknown_field(_model_of(model, location), source, here, word, elsewhere)
    if error["type"] == "missing":
        return source.problem(here[:-1], f"{word} is missing", f"write {word}", at_key=True)
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, BadValueError):
        return source.problem(here, cause.what, cause.what_to_write)
    value = error["input"]
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"])
        several = re.findall(r"'([^']*)'", expected)
        close = value_meant(value, several) if len(several) > 1 else None
        meant = f"did you mean {close}? " if close else ""
        return source.problem(here, f"{value!r} is not known here", f"{meant}write {expected.replace(QUOTE, '')}")
    wanted = {"list_type": "a list", "bool_type": "true or false"}.get(error["type"], "a mapping")
    return source.problem(here, f"is {_kind(value)}, not {wanted}", f"write {wanted}")


def _unknown_field(model: type[Strict], source: Source, here: Path, word: str, elsewhere: Mapping[str, str]) -> Problem:
    known = _names(model)
    close = called_here(word, known)
    if close is None and word in elsewhere:
        return source.problem(here, elsewhere[word], "remove it here", at_key=True)
    other = called_here(word, elsewhere)
    if close is None and other is None:
        close, other = field_meant(word, known), field_meant(word, elsewhere)
    if close is None and other is not None:
        return source.problem(here, f"unknown field; {other} {elsewhere[other]}", "remove it here", at_key=True)
    hint = f"did you mean {close}?{unit_note(word, close)}" if close else f"known here: {', '.join(known)}"
    return source.problem(here, "unknown field", hint, at_key=True)


def _model_of(model: type[Strict], location: tuple[int | str, ...]) -> type[Strict]:
    """The model that a nested mapping has to be."""
    for part in location[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if str(part) in fields:
            model = next(models_in(fields[str(part)].annotation), model)
    return model


def models_in(annotation: object) -> Iterator[type[Strict]]:
    """The models that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def _names(model: type[Strict]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"{value!r:.60}"

"""JSON Schemas of the files people write, for editors: made of the models, so that they never say anything else."""

from __future__ import annotations

import json
from typing import Any

from protocols.calibration import CalibrationFile
from protocols.cell import Cell
from protocols.fields import Strict
from protocols.protocol import CyclingProtocol
from protocols.steps import STEP_MODELS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INPUT = {"$ref": "#/$defs/Input"}
_INPUT_ITSELF = {
    "type": "string",
    "pattern": "^\\$[A-Za-z_][A-Za-z0-9_]*$",
    "description": "a value of `inputs`, by its name",
}
_VALUE_OF_AN_INPUT = {"type": ["number", "string", "boolean", "array"], "description": "`required`, or a default"}
Schema = dict[str, Any]


def protocol_schema() -> Schema:
    """Of the protocol file. Any value may be an input."""
    whole = schema_of(CyclingProtocol, "a cycling protocol of presscell")
    steps = {name: _parts(model, whole["$defs"]) for name, model in STEP_MODELS.items()}
    whole["$defs"] = {name: _with_inputs(part) for name, part in whole["$defs"].items()}
    properties = {name: _with_inputs(part) for name, part in whole["properties"].items()}
    properties["schema"] = whole["properties"]["schema"]
    properties["inputs"] = {
        "description": whole["properties"]["inputs"]["description"],
        "anyOf": [{"type": "object", "additionalProperties": _VALUE_OF_AN_INPUT}, {"type": "null"}],
    }
    whole["properties"] = properties
    whole["$defs"].update({STEP_MODELS[name].__name__: _step(part, name) for name, part in steps.items()})
    whole["$defs"]["Input"] = _INPUT_ITSELF
    properties["method"] = {
        "type": "array",
        "minItems": 1,
        "description": "the steps",
        "items": {
            "type": "object",
            "required": ["step"],
            "properties": {"step": {"enum": list(STEP_MODELS)}},
            "allOf": [
                {"if": {"properties": {"step": {"const": name}}}, "then": {"$ref": f"#/$defs/{model.__name__}"}}
                for name, model in STEP_MODELS.items()
            ],
        },
    }
    return whole


def cell_schema() -> Schema:
    """Of the cell file."""
    return schema_of(Cell, "a cell file of presscell")


def calibration_schema() -> Schema:
    """Of the calibration file of a load cell."""
    return schema_of(CalibrationFile, "a calibration file of presscell")


def schema_of(model: type[Strict], title: str) -> Schema:
    """Of a file that a model reads; what is absent may also be written as null at its top."""
    definitions: Schema = {}
    top = _parts(model, definitions)
    return {
        "$schema": DIALECT,
        "title": title,
        **top,
        "properties": _nullable(top),
        "$defs": definitions,
    }


def add_model(schema: Schema, model: type[Strict]) -> Schema:
    """A reference to a model, which is added to the definitions of a schema."""
    schema["$defs"][model.__name__] = _parts(model, schema["$defs"])
    return {"$ref": f"#/$defs/{model.__name__}"}


def as_text(schema: Schema) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _parts(model: type[Strict], definitions: Schema) -> Schema:
    """The schema of one model; those it refers to go into `definitions`."""
    made = model.model_json_schema(by_alias=True)
    for name, part in made.pop("$defs", {}).items():
        definitions[name] = _untitled(part)
    return _untitled(made)


def _untitled(part: Schema) -> Schema:
    """Without the titles that pydantic makes of names, and the defaults that are none."""
    part.pop("title", None)
    for child in part.get("properties", {}).values():
        child.pop("title", None)
        if child.get("default", ...) is None:
            child.pop("default")
    return part


def _nullable(part: Schema) -> Schema:
    required = part.get("required", ())
    return {
        name: child if name in required or {"type": "null"} in child.get("anyOf", ()) else _or(child, {"type": "null"})
        for name, child in part["properties"].items()
    }


def _step(part: Schema, name: str) -> Schema:
    properties = {key: _with_inputs(child) for key, child in _nullable(part).items()}
    properties["step"] = {"const": name}
    return {**part, "properties": properties}


def _or(part: Schema, other: Schema) -> Schema:
    """Either; what describes the whole stays outside."""
    outside: Schema = {key: part[key] for key in ("description", "default") if key in part}
    inside = {key: value for key, value in part.items() if key not in outside}
    either = [*inside["anyOf"], other] if set(inside) == {"anyOf"} else [inside, other]
    return {**outside, "anyOf": either}


def _with_inputs(part: Schema) -> Schema:
    """The same where any number, word or list may be an input."""
    if "properties" in part:
        return {**part, "properties": {key: _with_inputs(child) for key, child in part["properties"].items()}}
    if "items" in part:
        return _or({**part, "items": _with_inputs(part["items"])}, INPUT)
    if "anyOf" in part:
        kinds = [_with_inputs(one) if "items" in one else one for one in part["anyOf"]]
        return {**part, "anyOf": [*kinds, INPUT]} if any(map(_is_value, kinds)) else {**part, "anyOf": kinds}
    return _or(part, INPUT) if _is_value(part) else part


def _is_value(part: Schema) -> bool:
    kind = part.get("type")
    constrained = kind == "string" and "pattern" in part
    return kind in ("number", "integer", "boolean") or constrained or "enum" in part or "const" in part

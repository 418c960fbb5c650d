"""Kinds of value of the language's rarer fields: powers, frequencies, comparisons, intervals of recording."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from protocols import units
from protocols.errors import BadValueError
from protocols.fields import Strict, shown

LOWEST_FREQUENCY_HERTZ, HIGHEST_FREQUENCY_HERTZ = 1e-5, 1e7
"""Beyond these, as in unicycler, a frequency is taken for a slip of the pen."""

_COMPARISON = re.compile(r"\s*(<=|>=|<|>)\s*(\S.*?)\s*", re.DOTALL)
_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTERVAL = re.compile(r"\s*(.+?)(?:\s+for\s+(.+?))?\s*", re.DOTALL)


class Comparison(NamedTuple):
    """What a quantity is held against: `operator` is one of `<`, `<=`, `>`, `>=`."""

    operator: str
    value: float


class Interval(Strict):
    """Rows `every_second` for `for_second`; None is until the step's end."""

    every_second: float
    for_second: float | None = None


def comparison(text: str) -> Comparison:
    """What `< 60` means. Raises `BadValueError`."""
    parts = _COMPARISON.fullmatch(text)
    if parts is None:
        raise BadValueError(f"{shown(text)} is no comparison", 'write one as in "< 60", with <, <=, > or >=')
    plain = _PLAIN.fullmatch(parts[2])
    return Comparison(parts[1], units.number(float(parts[2]) if plain else parts[2]))


def _comparison(value: object) -> str:
    if not isinstance(value, str):
        raise BadValueError(f"{shown(value)} is no comparison", f'write which side of it, as in "< {shown(value)}"')
    operator, number = comparison(value)
    return f"{operator} {number!r}"


def _interval(value: object) -> dict[str, float]:
    if not isinstance(value, str):
        units.duration(value)
    parts = _INTERVAL.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise BadValueError(f"{shown(value)} is no interval", "write 10 s, or 0.1 s for 2 min")
    every, lasting = units.duration(parts[1]), parts[2] and units.duration(parts[2])
    if every < units.SMALLEST or lasting == 0:
        raise BadValueError(f"{shown(value)} has a time of 0", "write times above 0")
    if lasting and lasting < every:
        raise BadValueError(f"{shown(value)} ends before its first row", "write a longer time after for")
    return {"every_second": every, **({"for_second": lasting} if lasting else {})}


def _some_power(value: float) -> float:
    if abs(value) < units.SMALLEST:
        raise BadValueError(f"{value:g} is no power", "write {step: open_circuit_voltage} for a rest")
    return value


def _not_zero(value: float) -> float:
    if abs(value) < units.SMALLEST:
        raise BadValueError(f"{value:g} is never reached", "write a value that is not 0")
    return value


def _frequency(value: float) -> float:
    if not LOWEST_FREQUENCY_HERTZ <= value <= HIGHEST_FREQUENCY_HERTZ:
        what = f"{value:g} Hz is no frequency of an impedance measurement"
        raise BadValueError(what, f"write {LOWEST_FREQUENCY_HERTZ:g} to {HIGHEST_FREQUENCY_HERTZ:g}")
    return value


def _percent(value: float) -> float:
    if not 0 < value <= 100:
        raise BadValueError(f"{value:g} % is none of 0 to 100", "write a number above 0, 100 at most")
    return value


def _bool(value: object) -> object:
    if not isinstance(value, bool):
        raise BadValueError(f"{shown(value)} is neither true nor false", "write true or false")
    return value


Power = Annotated[float, AfterValidator(_some_power), BeforeValidator(units.number)]
NotZero = Annotated[float, AfterValidator(_not_zero), BeforeValidator(units.number)]
RateNotZero = Annotated[
    float,
    AfterValidator(_not_zero),
    BeforeValidator(units.rate),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
Frequency = Annotated[
    float,
    AfterValidator(_frequency),
    BeforeValidator(units.number),
    WithJsonSchema({"type": "number", "minimum": LOWEST_FREQUENCY_HERTZ, "maximum": HIGHEST_FREQUENCY_HERTZ}),
]
Percent = Annotated[
    float,
    AfterValidator(_percent),
    BeforeValidator(units.number),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
]
YesNo = Annotated[bool, BeforeValidator(_bool)]
Compared = Annotated[
    str, BeforeValidator(_comparison), WithJsonSchema({"type": "string", "pattern": r"^\s*(<=|>=|<|>)\s*\S"})
]
"""A comparison as `comparison` reads it."""
Every = Annotated[Interval, BeforeValidator(_interval), WithJsonSchema({"type": "string"})]

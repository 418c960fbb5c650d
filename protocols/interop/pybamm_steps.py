"""The steps of PyBaMM: its strings, and the mappings of `Experiment.to_config`, as one kind of record.

Source: pybamm 26.10.1.1, `pybamm.step.string` and `Serialise.serialise_experiment`. Discharge is positive there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from protocols import units
from protocols.errors import BadValueError
from protocols.fields import shown

KINDS = ("current", "c-rate", "voltage", "power", "resistance", "rest")
SECOND_PER_UNIT = {
    **dict.fromkeys(("second", "seconds", "s", "sec"), 1.0),
    **dict.fromkeys(("minute", "minutes", "m", "min"), 60.0),
    **dict.fromkeys(("hour", "hours", "h", "hr"), 3600.0),
}
KIND_OF_UNIT = {"C": "c-rate", "A": "current", "V": "voltage", "W": "power", "Ohm": "resistance"}
DEFAULT_DURATION_SECOND = 24 * 3600.0
ZERO_CELSIUS_KELVIN = 273.15

_NUMBER = r"[0-9]*\.?[0-9]+\.?(?:[eE]-?[0-9]+)?"
_STEP = re.compile(
    r"(?P<what>Rest|(?:Charge|Discharge|Hold) at (?P<value>.+?))"
    r"(?: for (?P<duration>.+?))?(?:(?: or)? until (?P<until>.+?))?(?: \((?P<period>[^()]+) period\))?"
)
_QUANTITY = re.compile(rf"({_NUMBER}) *(m?)(C|A|V|W|Ohm)")
_FRACTION = re.compile(rf"C/({_NUMBER})")
_TIME = re.compile(rf"({_NUMBER}) *([a-z]+)")
_TEMPERATURE = re.compile(rf"(-?{_NUMBER}) *(oC|K)")
EXAMPLE = "Discharge at C/10 for 10 hours or until 3.3 V"


@dataclass(frozen=True)
class PybammEnd:
    """What ends a step there: `kind` is voltage (V), current (A) or c-rate; `operator` is `<`, `>` or None."""

    kind: str
    value: float
    operator: str | None = None


@dataclass(frozen=True)
class PybammStep:
    """One step there, with its signs: `value` in A, C, V, W or Ohm; None for a rest. Discharge is positive."""

    kind: str
    value: float | None
    duration_second: float | None = None
    ends: tuple[PybammEnd, ...] = ()
    period_second: float | None = None
    temperature_kelvin: float | None = None
    description: str = ""
    lost: tuple[str, ...] = field(default=())

    @property
    def default_duration_second(self) -> float:
        """How long it lasts there when nothing is said: a day, or twice what a C-rate needs."""
        if self.kind == "c-rate" and self.value:
            return 2 * units.SECOND_PER_HOUR / abs(self.value)
        return DEFAULT_DURATION_SECOND


def read_string(text: str) -> PybammStep:
    """What `pybamm.step.string` makes of a text. Raises `BadValueError`."""
    if "oC" in text:
        raise BadValueError("a temperature is no part of a step's text", "give it beside the text, as PyBaMM wants it")
    parts = _STEP.fullmatch(text)
    if parts is None:
        raise BadValueError(f"{shown(text)} is no step of PyBaMM", f'write one as "{EXAMPLE}"')
    if parts["duration"] is None and parts["until"] is None:
        raise BadValueError(f"{shown(text)} has no end", "write for 1 hour, or until 4.2 V")
    kind, value = ("rest", None) if parts["value"] is None else _quantity(parts["value"])
    if value is not None and parts["what"].startswith("Charge"):
        value = -value
    if parts["what"].startswith("Hold") and kind != "voltage":
        raise BadValueError(f"{shown(text)} holds what is no voltage", "write Hold at 4.2 V")
    if not parts["what"].startswith("Hold") and kind == "voltage":
        raise BadValueError(f"{shown(text)} charges at a voltage", "write Hold at 4.2 V")
    return PybammStep(
        kind=kind,
        value=value,
        duration_second=None if parts["duration"] is None else seconds(parts["duration"]),
        ends=() if parts["until"] is None else (read_end(parts["until"]),),
        period_second=None if parts["period"] is None else seconds(parts["period"]),
        description=text,
    )


def read_end(text: str) -> PybammEnd:
    """What `until` means: `4.2 V`, `50mA`, `C/50`, `>3 V`. Raises `BadValueError`."""
    said = text.strip()
    operator = said[0] if said[:1] in tuple("<>") else None
    kind, value = _quantity(said[1:].strip() if operator else said)
    if kind not in ("voltage", "current", "c-rate"):
        raise BadValueError(f"{shown(text)} ends no step", "write a voltage, a current or a C-rate")
    return PybammEnd(kind, value, operator)


def read_config_step(config: dict[str, Any]) -> PybammStep:
    """A step of `to_config`. Raises `BadValueError`."""
    kind = config.get("type")
    if kind not in KINDS:
        raise BadValueError(f"{shown(kind)} is no type of a step", f"write one of {', '.join(KINDS)}")
    value = None
    if kind != "rest":
        value = config.get("value")
        if isinstance(value, list):
            raise BadValueError("a profile over time has no step here", "write steps of constant current")
        if isinstance(value, str):
            raise BadValueError(f"{shown(value)} is a parameter of a model", "write its value")
        value = units.number(value)
    ends = tuple(_config_end(end) for end in config.get("terminations") or ())
    duration, period, temperature = (config.get(key) for key in ("duration", "period", "temperature"))
    told = ("tags", "start_time", "direction", "skip_ok")
    return PybammStep(
        kind="rest" if kind == "current" and value == 0 else kind,
        value=value,
        duration_second=None if duration is None else seconds(duration),
        ends=ends,
        period_second=None if period is None else seconds(period),
        temperature_kelvin=None if temperature is None else kelvin(temperature),
        description=str(config.get("description") or ""),
        lost=tuple(key for key in told if config.get(key) is not None),
    )


def seconds(value: object) -> float:
    """A time there: seconds, or `10 hours`; `m` is minutes. Raises `BadValueError`."""
    if not isinstance(value, str):
        time = units.number(value)
    else:
        parts = _TIME.fullmatch(value.strip())
        if parts is None or parts[2] not in SECOND_PER_UNIT:
            raise BadValueError(f"{shown(value)} is no time of PyBaMM", "write 10 hours, 30 minutes or 90 seconds")
        time = units.number(float(parts[1]) * SECOND_PER_UNIT[parts[2]])
    if time <= 0:
        raise BadValueError(f"a time of {time:g} s ends the step before it begins", "write a time above 0")
    return time


def kelvin(value: object) -> float:
    """A temperature there: kelvin, or `25oC`. Raises `BadValueError`."""
    if not isinstance(value, str):
        return units.number(value)
    parts = _TEMPERATURE.fullmatch(value.strip())
    if parts is None:
        raise BadValueError(f"{shown(value)} is no temperature of PyBaMM", "write 25oC or 298.15K")
    return units.number(float(parts[1])) + (ZERO_CELSIUS_KELVIN if parts[2] == "oC" else 0)


def _config_end(config: object) -> PybammEnd:
    if not isinstance(config, dict) or config.get("type") not in ("voltage", "current", "c-rate"):
        raise BadValueError(f"{shown(config)} ends no step", "write {type: voltage, value: 4.2}")
    operator = config.get("operator")
    if operator not in (None, "<", ">"):
        raise BadValueError(f"{shown(operator)} is no operator", "write < or >")
    return PybammEnd(str(config["type"]), units.number(config.get("value")), operator)


def _quantity(text: str) -> tuple[str, float]:
    if fraction := _FRACTION.fullmatch(text):
        return "c-rate", units.rate(f"C/{fraction[1]}")
    parts = _QUANTITY.fullmatch(text)
    if parts is None:
        what = f"{shown(text)} is no current, voltage, power or C-rate of PyBaMM"
        raise BadValueError(what, "write it as 1 A, 200 mA, 1C, C/10, 4.2 V or 1 W, without a sign")
    value = float(parts[1]) / (1000 if parts[2] else 1)
    return KIND_OF_UNIT[parts[3]], units.number(value)

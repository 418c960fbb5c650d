"""What may end a step, and the same laid out as one list of limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from protocols.errors import Path
from protocols.fields import Celsius, Duration, Number, Positive, Seconds, Strict, optional
from protocols.limits import NEXT, VARIABLES, CycleReference, Limit, Variable
from protocols.quantities import NotZero, RateNotZero

REACHES = "reaches"
"""Beside `<`, `<=`, `>` and `>=`: from whichever side the step began on."""

UNTIL: dict[str, tuple[str, str]] = {
    "until_rate_C": ("rate_C", "<="),
    "until_current_mA": ("current_mA", "<="),
    "until_capacity_mAh": ("step_capacity_mAh", ">="),
    "until_capacity_mAh_g": ("step_capacity_mAh_g", ">="),
    "until_energy_mWh": ("step_energy_mWh", ">="),
    "until_dVdt_mV_h": ("dVdt_mV_h", "<="),
    "until_pressure_MPa": ("pressure_MPa", REACHES),
    "until_min_pressure_MPa": ("pressure_MPa", "<="),
    "until_max_pressure_MPa": ("pressure_MPa", ">="),
    "until_dPdt_MPa_h": ("dPdt_MPa_h", "<="),
    "until_temperature_C": ("temperature_C", REACHES),
    "until_min_temperature_C": ("temperature_C", "<="),
    "until_max_temperature_C": ("temperature_C", ">="),
}
"""Field to variable and operator; those of voltage and of a change of pressure follow from a sign."""
SETTLING = frozenset({"until_dVdt_mV_h", "until_dPdt_MPa_h"})
"""Ends that need some minutes of rows before they can be told."""


class TimeEnd(Strict):
    """A time that ends the step."""

    until_time_s: Seconds | None = optional("ends the step, s")
    until_time: Duration | None = optional("the same with its unit: `10 h`")

    @property
    def until_time_second(self) -> float | None:
        """The time that ends the step."""
        return self.until_time_s if self.until_time_s is not None else self.until_time


class BesideEnds(TimeEnd):
    """Ends that load cell and thermometer tell."""

    until_pressure_MPa: Positive | None = optional("stack pressure reaches it, from above or below, MPa")
    until_min_pressure_MPa: Positive | None = optional("stack pressure is at or below it, MPa")
    until_max_pressure_MPa: Positive | None = optional("stack pressure is at or above it, MPa")
    until_pressure_change_MPa: NotZero | None = optional(
        "stack pressure has changed by so much since the step began, above 0 for a rise, below 0 for a fall, MPa"
    )
    until_dPdt_MPa_h: Positive | None = optional("stack pressure changes no faster, either way, MPa/h")
    until_temperature_C: Celsius | None = optional("the jig's temperature reaches it, from above or below, °C")
    until_min_temperature_C: Celsius | None = optional("the jig is at or below it, °C")
    until_max_temperature_C: Celsius | None = optional("the jig is at or above it, °C")


class RestEnds(BesideEnds):
    """Ends of a rest."""

    until_dVdt_mV_h: Positive | None = optional("the voltage changes no faster, either way, mV/h")


class ChargeEnds(RestEnds):
    """Ends of a step that passes charge."""

    until_capacity_mAh: Positive | None = optional("charge passed in the step, either way, mAh")
    until_capacity_mAh_g: Positive | None = optional("the same per gram of active mass, mAh/g")
    until_energy_mWh: Positive | None = optional("energy passed in the step, either way, mWh")


class VoltageEnd(Strict):
    """A voltage that ends a step with a direction."""

    until_voltage_V: Number | None = optional(
        "V against the reference electrode: above where it starts for a charge, below for a discharge"
    )


class CurrentEnds(Strict):
    """Currents that end a step which holds a voltage."""

    until_rate_C: RateNotZero | None = optional("the current is no larger than this C-rate; wins over the next")
    until_current_mA: NotZero | None = optional("the current is no larger, either way, mA")


@dataclass(frozen=True, kw_only=True)
class Test:
    """One comparison as written: `operator` is `<`, `<=`, `>`, `>=` or `reaches`; `value` has the variable's unit."""

    __test__: ClassVar[bool] = False

    variable: Variable
    operator: str
    value: float
    relative_to: CycleReference | None = None

    @property
    def si_value(self) -> float:
        """The value in the unit of `variable.quantity`."""
        return self.variable.to_si(self.value)


@dataclass(frozen=True, kw_only=True)
class End:
    """What ends a step: all of `when` at once. `path` is where it is written, `goto` a tag, next, end or pause."""

    path: Path
    when: tuple[Test, ...]
    goto: str = NEXT
    consecutive: int = 1
    at_most: int | None = None

    @property
    def key(self) -> str:
        """The field it comes from: `until_voltage_V`, `limits`, `stop_if`."""
        return next(str(part) for part in reversed(self.path) if isinstance(part, str))


def ends_of(step: Strict, path: Path) -> list[End]:
    """All that may end a step, in the order in which it is tested: the `until_…` fields, then `limits`, then `stop_if`.

    Args:
        step: any step; without such fields the list is empty.
        path: the step's place in the file.
    """
    ends = [End(path=(*path, key), when=(test,)) for key, test in _until_tests(step)]
    ends += [
        _of_limit(limit, (*path, "limits", index)) for index, limit in enumerate(getattr(step, "limits", None) or ())
    ]
    stop = getattr(step, "stop_if", None)
    return [*ends, _of_limit(stop.limit, (*path, "stop_if"))] if stop is not None and stop.compared else ends


def _of_limit(limit: Limit, path: Path) -> End:
    tests = tuple(
        Test(variable=one.variable, operator=one.op, value=one.value, relative_to=one.relative_to) for one in limit.when
    )
    return End(path=path, when=tests, goto=limit.goto, consecutive=limit.cycles_running, at_most=limit.at_most)


def _until_tests(step: Any) -> Iterator[tuple[str, Test]]:  # noqa: ANN401  (fields are told by name)
    voltage = getattr(step, "until_voltage_V", None)
    if voltage is not None:
        operator = ">=" if step.half == "charge" else "<="
        yield "until_voltage_V", Test(variable=VARIABLES["voltage_V"], operator=operator, value=voltage)
    for key, (name, operator) in UNTIL.items():
        value = getattr(step, key, None)
        if value is not None:
            value = abs(value) if name in ("current_mA", "rate_C") else value
            yield key, Test(variable=VARIABLES[name], operator=operator, value=value)
    change = getattr(step, "until_pressure_change_MPa", None)
    if change is not None:
        operator = ">=" if change > 0 else "<="
        variable = VARIABLES["pressure_change_MPa"]
        yield "until_pressure_change_MPa", Test(variable=variable, operator=operator, value=change)
    if isinstance(step, TimeEnd) and step.until_time_second is not None:
        key = "until_time_s" if step.until_time_s is not None else "until_time"
        yield key, Test(variable=VARIABLES["time_s"], operator=">=", value=step.until_time_second)

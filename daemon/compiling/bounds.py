"""The numbers a run is held to: the bench's defaults, what a station makes of them, what a protocol tightens. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from protocols import units
from protocols.settings import Safety

DEFAULT, PROTOCOL, STATION = "default", "protocol", "station"
CURRENT_FACTOR = 1.2
"""Trip, over the largest current of any step."""
IDLE_AMPERE = 10e-6
"""Trip for a protocol that never lets a current flow."""
HOLD_CAPACITY_mAh_g = 280.0
"""More charge than this in one half points at a soft short."""


@dataclass(frozen=True)
class Bound:
    """One number in force and where it comes from: "default", "protocol" or "station".

    `default` is the bench's own. `loosened` says that the protocol's is weaker than that, `overruled` that the protocol
    said something weaker than its station, which is not in force.
    """

    value: float
    default: float
    origin: str
    loosened: bool = False
    overruled: bool = False


@dataclass(frozen=True)
class Bounds:
    """What a run is held to. `charge_ampere_hour` bounds the charge of one half, either way.

    Temperature is the jig's own sensor's, pressure the load cell's; `rows_needed` is of the cell's rows alone. What
    begins with `warn_` only warns.
    """

    low_volt: Bound
    high_volt: Bound
    start_low_volt: Bound
    start_high_volt: Bound
    low_ampere: Bound
    high_ampere: Bound
    charge_ampere_hour: Bound
    voltage_drop_volt: Bound
    efficiency_percent: Bound
    first_efficiency_percent: Bound
    low_pascal: Bound
    high_pascal: Bound
    pressure_drop_pascal: Bound
    pressure_loss_percent: Bound
    warn_pressure_change_percent: Bound
    high_celsius: Bound
    deviation_kelvin: Bound
    warn_deviation_kelvin: Bound
    warn_silent_second: Bound
    temperature_unknown_second: Bound
    delay_second: Bound
    slowest_sampling_second: float

    @property
    def rows_needed(self) -> int:
        """Rows of the cell that must break a bound: those that surely fit into the delay."""
        return 1 + math.floor(self.delay_second.value / self.slowest_sampling_second)

    @property
    def rest_low_volt(self) -> float:
        """The guard of a rest: an as-assembled cell may rest lower than any current may take it."""
        if self.low_volt.origin == PROTOCOL:
            return self.low_volt.value
        return min(self.low_volt.value, self.start_low_volt.value)

    def loosenings(self) -> Iterator[tuple[str, str]]:
        """The keys of `safety` in the protocol that are weaker than their default, and that default."""
        for key in _KEYS:
            bound: Bound = getattr(self, key.field)
            if bound.loosened and (key.name != "delay_s" or self.rows_needed > 1):
                yield key.name, key.shown(bound.default)

    def overruled(self) -> Iterator[tuple[str, str]]:
        """The keys of `safety` in the protocol that are weaker than the station's, and what the station says."""
        for key in _KEYS:
            bound: Bound = getattr(self, key.field)
            if bound.overruled:
                yield key.name, key.shown(bound.value)


@dataclass(frozen=True)
class _Key:
    """A key of `safety`: the field of `Bounds` it fills, the way into SI, and back as text."""

    name: str
    field: str
    into_si: Callable[[float], float]
    shown: Callable[[float], str]

    @property
    def is_upper(self) -> bool:
        """Whether it bounds from above."""
        return not self.name.startswith("min_")

    def said_in(self, safety: Safety) -> float | None:
        """What a file says, in SI; None when it says nothing."""
        written: float | None = getattr(safety, self.name)
        return None if written is None else self.into_si(written)

    def is_weaker(self, value: float, than: float) -> bool:
        """Whether one number lets more happen than another."""
        return value > than if self.is_upper else value < than

    def tightest(self, values: Sequence[float]) -> float | None:
        """The one that lets least happen; None of none."""
        if not values:
            return None
        return min(values) if self.is_upper else max(values)


def _as_it_is(value: float) -> float:
    return value


def _in(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:g} {unit}"


def _capacity(charge_ampere_hour: float) -> str:
    return f"{units.milliampere_hour(charge_ampere_hour):.4g} mAh"


def _pressure(pressure_pascal: float) -> str:
    return f"{units.megapascal(pressure_pascal):g} MPa"


_KEYS = (
    _Key("min_voltage_V", "low_volt", _as_it_is, _in("V")),
    _Key("max_voltage_V", "high_volt", _as_it_is, _in("V")),
    _Key("min_start_voltage_V", "start_low_volt", _as_it_is, _in("V")),
    _Key("max_start_voltage_V", "start_high_volt", _as_it_is, _in("V")),
    _Key("min_current_mA", "low_ampere", units.ampere, units.current_text),
    _Key("max_current_mA", "high_ampere", units.ampere, units.current_text),
    _Key("max_capacity_mAh", "charge_ampere_hour", units.ampere_hour, _capacity),
    _Key("max_voltage_drop_mV", "voltage_drop_volt", units.volt, lambda volt: f"{1000 * volt:g} mV"),
    _Key("min_efficiency_percent", "efficiency_percent", _as_it_is, _in("%")),
    _Key("min_first_efficiency_percent", "first_efficiency_percent", _as_it_is, _in("%")),
    _Key("min_pressure_MPa", "low_pascal", units.pascal, _pressure),
    _Key("max_pressure_MPa", "high_pascal", units.pascal, _pressure),
    _Key("max_pressure_drop_MPa", "pressure_drop_pascal", units.pascal, _pressure),
    _Key("max_pressure_loss_percent", "pressure_loss_percent", _as_it_is, _in("%")),
    _Key("warn_pressure_change_percent", "warn_pressure_change_percent", _as_it_is, _in("%")),
    _Key("max_temperature_C", "high_celsius", _as_it_is, _in("°C")),
    _Key("max_temperature_deviation_C", "deviation_kelvin", _as_it_is, _in("°C")),
    _Key("warn_temperature_deviation_C", "warn_deviation_kelvin", _as_it_is, _in("°C")),
    _Key("warn_silent_s", "warn_silent_second", _as_it_is, _in("s")),
    _Key("max_temperature_unknown_s", "temperature_unknown_second", _as_it_is, _in("s")),
    _Key("delay_s", "delay_second", _as_it_is, _in("s")),
)


def bounds_for(
    safety: Safety | None,
    *,
    largest_ampere: float,
    active_mass_gram: float,
    slowest_sampling_second: float,
    station: Sequence[Safety] = (),
) -> Bounds:
    """The bounds of a run: the tighter of station and protocol, and the default where neither says anything.

    Args:
        safety: what the protocol says; None for nothing.
        largest_ampere: of all steps, magnitude; 0 when no step lets a current flow.
        active_mass_gram: for the bound on charge.
        slowest_sampling_second: of all steps; `delay_s` becomes the rows that surely fit into it.
        station: what the station says, and its rig; the tighter of them holds, and may be weaker than the default.
    """
    defaults = _defaults(largest_ampere, active_mass_gram)
    found = {key.field: _bound(key, defaults[key.field], safety or Safety(), station) for key in _KEYS}
    return Bounds(**found, slowest_sampling_second=slowest_sampling_second)


def lowest_volt(safety: Safety | None, station: Sequence[Safety] = ()) -> float:
    """The lowest voltage of any step of a run, the bound `low_volt`: known before its largest current is."""
    key = next(key for key in _KEYS if key.field == "low_volt")
    return _bound(key, _defaults(0.0, 0.0)[key.field], safety or Safety(), station).value


def tightened(bounds: Bounds, safety: Safety) -> tuple[Bounds, list[tuple[str, str]]]:
    """The bounds of a run with what one of its steps says; and the keys in which that is weaker, which has no effect.

    With each such key comes what is in force.
    """
    tighter: dict[str, Any] = {}
    overruled: list[tuple[str, str]] = []
    for key in _KEYS:
        said, bound = key.said_in(safety), getattr(bounds, key.field)
        if said is None:
            continue
        if key.is_weaker(said, bound.value):
            overruled.append((key.name, key.shown(bound.value)))
        else:
            tighter[key.field] = replace(bound, value=said, origin=PROTOCOL)
    return replace(bounds, **tighter), overruled


def weaker_than_default(safety: Safety) -> Iterator[tuple[str, str]]:
    """The keys of a `safety` that are weaker than their default, where that is the same for every plan; and it."""
    defaults = _defaults(largest_ampere=math.inf, active_mass_gram=math.inf)
    for key in _KEYS:
        said, default = key.said_in(safety), defaults[key.field]
        if said is not None and math.isfinite(default) and key.is_weaker(said, default):
            yield key.name, key.shown(default)


def _defaults(largest_ampere: float, active_mass_gram: float) -> dict[str, float]:
    most_ampere = CURRENT_FACTOR * largest_ampere or IDLE_AMPERE
    return {
        "low_volt": 1.8,
        "high_volt": 3.8,
        "start_low_volt": 1.5,
        "start_high_volt": 3.6,
        "low_ampere": -most_ampere,
        "high_ampere": most_ampere,
        "charge_ampere_hour": units.capacity_by_mass(HOLD_CAPACITY_mAh_g, active_mass_gram),
        "voltage_drop_volt": 0.05,
        "efficiency_percent": 80.0,
        "first_efficiency_percent": 70.0,
        "low_pascal": 2e6,
        "high_pascal": 20e6,
        "pressure_drop_pascal": 1e6,
        "pressure_loss_percent": 30.0,
        "warn_pressure_change_percent": 15.0,
        "high_celsius": 65.0,
        "deviation_kelvin": 5.0,
        "warn_deviation_kelvin": 2.0,
        "warn_silent_second": 60.0,
        "temperature_unknown_second": 600.0,
        "delay_second": 0.0,
    }


def _bound(key: _Key, default: float, protocol: Safety, station: Sequence[Safety]) -> Bound:
    here = key.tightest([value for said in station if (value := key.said_in(said)) is not None])
    said = key.said_in(protocol)
    if said is not None and here is not None and key.is_weaker(said, here):
        return Bound(here, default, STATION, overruled=True)
    if said is not None:
        return Bound(said, default, PROTOCOL, loosened=key.is_weaker(said, default))
    return Bound(default, default, DEFAULT) if here is None else Bound(here, default, STATION)

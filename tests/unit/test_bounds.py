"""Which number is in force: the bench's default, the station's or the protocol's."""

import math
from pathlib import Path

import pytest

from daemon.compile import load_plan
from daemon.compiling.bounds import Bounds, bounds_for, weaker_than_default
from daemon.compiling.interlock_table import VOLTAGE_BEFORE_CURRENT, interlock_table, on_rig
from daemon.plan import CurrentStep, Interlock, Plan
from daemon.settling import Settled
from daemon.station.file import safety_of
from daemon.station.instruments import load_station
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import Problem
from protocols.settings import Safety
from tests.support.plans import charge, discharge, rest
from tests.support.watched_run import NAN, WatchedRun, resting_before, table

SETTLED = Settled(celsius=55.0, pascal=13e6)
AGES = ("stale", "silent", "unknown")
REPOSITORY = Path(__file__).parents[2]
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
PROTOCOL = "{safety}window: {{lower_voltage_V: 2.0, upper_voltage_V: 3.7}}\nmethod:\n  - {{step: cycle, rate_C: 1}}\n"


def bounds(protocol: Safety | None = None, *station: Safety) -> Bounds:
    return bounds_for(
        protocol, largest_ampere=0.003, active_mass_gram=0.0075, slowest_sampling_second=1.0, station=station
    )


def celsius(value: float) -> Safety:
    return Safety(max_temperature_C=value)


@pytest.mark.parametrize(
    ("protocol", "station", "expected"),
    [
        (None, [], (65, "default", "")),
        (60, [], (60, "protocol", "")),
        (70, [], (70, "protocol", "loosened")),
        (None, [58], (58, "station", "")),
        (None, [70], (70, "station", "")),
        (None, [60, 58], (58, "station", "")),
        (None, [58, 60], (58, "station", "")),
        (57, [58], (57, "protocol", "")),
        (58, [58], (58, "protocol", "")),
        (60, [58], (58, "station", "overruled")),
        (70, [58], (58, "station", "overruled")),
        (66, [70], (66, "protocol", "loosened")),
        (71, [70], (70, "station", "overruled")),
    ],
)
def test_the_tighter_of_station_and_protocol_holds(
    protocol: float | None, station: list[float], expected: tuple[float, str, str]
) -> None:
    bound = bounds(None if protocol is None else celsius(protocol), *map(celsius, station)).high_celsius
    told = [name for name in ("loosened", "overruled") if getattr(bound, name)]
    assert (bound.value, bound.origin, "".join(told)) == expected
    assert bound.default == 65


def test_below_a_lower_bound_is_looser() -> None:
    assert bounds(Safety(min_pressure_MPa=3), Safety(min_pressure_MPa=5)).low_pascal.value == 5e6
    assert list(bounds(Safety(min_pressure_MPa=3), Safety(min_pressure_MPa=5)).overruled()) == [
        ("min_pressure_MPa", "5 MPa")
    ]
    assert list(bounds(Safety(min_pressure_MPa=1)).loosenings()) == [("min_pressure_MPa", "2 MPa")]


def test_every_key_of_safety_is_in_force() -> None:
    """A number of each key's own finds its way into the table, or into the rows that must break a bound."""
    said = {key: 1.0 + 0.001 * at for at, key in enumerate(Safety.model_fields)}
    found = interlock_table(bounds(Safety(**(said | {"delay_s": 7.0, "min_current_mA": -1.5}))))
    numbers = {number for row in found for number in (row.low, row.high) if number is not None}
    factors = (1, 1e6, 1e-3, -1)
    for key, value in said.items():
        if key == "delay_s":
            assert {row.rows_needed for row in found if row.quantity == "current_ampere"} == {8}
        elif key == "min_current_mA":
            assert -0.0015 in numbers
        else:
            assert any(math.isclose(value * factor, number) for factor in factors for number in numbers), key


def test_weaker_than_default_looks_at_what_is_the_same_for_every_plan() -> None:
    said = Safety(max_temperature_C=70, min_pressure_MPa=3, max_current_mA=500, max_capacity_mAh=99, delay_s=5)
    assert list(weaker_than_default(said)) == [("max_temperature_C", "65 °C"), ("delay_s", "0 s")]


def compiled(protocol_safety: str, *station: Safety) -> tuple[Plan, list[Problem]]:
    text = PROTOCOL.format(safety=protocol_safety)
    return load_plan(text, "p.yaml", BM05, "c.yaml", LIMITS_2450, station_safety=station)


def row(plan: Plan, name: str) -> Interlock:
    (found,) = [interlock for interlock in plan.interlocks if interlock.name == name]
    return found


def test_a_protocol_that_is_looser_than_its_station_is_told_so_and_overruled() -> None:
    plan, (problem,) = compiled("safety: {max_voltage_V: 3.78, max_temperature_C: 64}\n", celsius(58.0))
    assert (row(plan, "jig_temperature_high").high, row(plan, "jig_temperature_high").origin) == (58, "station")
    assert (row(plan, "voltage_high").high, row(plan, "voltage_high").origin) == (3.78, "protocol")
    assert str(problem).startswith("p.yaml:1:31  safety.max_temperature_C  warning: looser than the station's, 58 °C")


def test_a_stations_bounds_are_the_guards_of_the_instrument() -> None:
    plan, problems = compiled("", Safety(max_voltage_V=3.75, min_voltage_V=1.9))
    guards = {(step.lower_guard_volt, step.upper_guard_volt) for step in plan.steps if isinstance(step, CurrentStep)}
    assert (guards, problems) == ({(1.9, 3.75)}, [])


STATION = """\
site: lab
station: pc1
data: /var/lib/presscell
safety: {{max_temperature_C: 60}}
rigs:
  rig1:
    potentiostat: {{driver: keithley.2450, address: "192.168.1.20:5025", serial_number: "04451117"}}
    safety: {{{rig}}}
  rig2: {{potentiostat: {{driver: keithley.2450, address: "192.168.1.21:5025", serial_number: "04451118"}}}}
"""


def test_a_station_says_what_holds_for_all_its_rigs_and_for_one() -> None:
    file = load_station(STATION.format(rig="min_pressure_MPa: 5, max_temperature_C: 62"), "s.yaml")
    assert file.problems == ()
    assert file.station is not None
    both = [bounds(None, *safety_of(file.station, file.rigs[name])) for name in ("rig1", "rig2")]
    assert [(found.high_celsius.value, found.low_pascal.value) for found in both] == [(60, 5e6), (60, 2e6)]


def test_a_station_may_loosen_a_default_with_a_word() -> None:
    (problem,) = load_station(STATION.format(rig="max_pressure_MPa: 25"), "s.yaml").problems
    assert str(problem).startswith("s.yaml:8:14  rigs.rig1.safety.max_pressure_MPa  warning: looser than the default")


def test_a_station_refuses_a_key_it_does_not_know() -> None:
    (problem,) = load_station(STATION.format(rig="max_temperature: 60"), "s.yaml").problems
    assert problem.what == "unknown field"
    assert "max_temperature_C" in problem.what_to_write


def test_a_rig_watches_what_it_can_measure() -> None:
    def names(*roles: str) -> set[str]:
        found = on_rig(table(), roles=roles, temperature_every_second=1.0)
        return {interlock.name.partition("_")[0] for interlock in found} & {"jig", "pressure"}

    assert names("potentiostat") == set()
    assert names("potentiostat", "load_cell") == {"pressure"}
    assert names("potentiostat", "thermometer") == {"jig"}
    assert on_rig(table(), roles=("load_cell", "thermometer"), temperature_every_second=1.0) == table()


def test_a_thermometer_that_is_asked_rarely_may_be_silent_for_longer() -> None:
    found = {
        interlock.name: interlock
        for interlock in on_rig(table(), roles=("thermometer", "load_cell"), temperature_every_second=180.0)
    }
    ages = {name: (found[f"jig_temperature_{name}"].high, found[f"jig_temperature_{name}"].origin) for name in AGES}
    assert ages == {"stale": (450, "station"), "silent": (450, "station"), "unknown": (600, "default")}
    assert (found["jig_temperature_stuck"].rows_needed, found["pressure_silent"].high) == (20, 60)


def test_a_symmetric_cell_has_no_sign() -> None:
    cell = BM05.replace("cell: {", "cell: {symmetric: true, ", 1)
    assert cell != BM05
    plan, _ = load_plan(PROTOCOL.format(safety=""), "p.yaml", cell, "c.yaml", LIMITS_2450)
    missing = {interlock.name for interlock in compiled("")[0].interlocks} - {lock.name for lock in plan.interlocks}
    assert missing == {"current_reversed", "voltage_wrong_way", "voltage_reversed"}


def test_every_quantity_that_is_bound_is_told() -> None:
    """An interlock on a quantity that no rows carry would never fire."""
    told: set[str] = {"coulombic_efficiency_percent", "first_coulombic_efficiency_percent", VOLTAGE_BEFORE_CURRENT}

    def note(run: WatchedRun) -> None:
        told.update(by_name[name].quantity for name in run.names)

    by_name = {interlock.name: interlock for interlock in table()}
    everything = tuple(
        Interlock(name=lock.name, quantity=lock.quantity, low=1e99, action="flag") for lock in by_name.values()
    )
    for step in (charge(), discharge(), rest()):
        run = resting_before(WatchedRun.of(step, interlocks=everything, settled=SETTLED), 2.5)
        note(run.cell([2.5] * 70, run.run.step.current_ampere if isinstance(step, CurrentStep) else 0.0))
        note(run.pressure([13.0, 13.0, NAN, 13.0, 13.0]).temperature([55.0, 55.0, 55.0]))
    assert {interlock.quantity for interlock in by_name.values()} - told == set()

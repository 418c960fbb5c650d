"""Halves counted into cycles."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cycles.table import Cycle, counted_halves, cycle_table, halves_of_cycles
from daemon.events import SegmentRecord
from tests.support.plans import CELL

MILLIAMPERE_HOUR_PER_GRAM = CELL.active_mass_gram / 1000


def half(kind: str | None, capacity_mAh_g: float = 200.0, **changed: Any) -> SegmentRecord:
    """A half-cycle of this capacity, or a rest (None)."""
    sign = {"charge": 1, "discharge": -1, None: 0}[kind]
    fields: dict[str, Any] = {
        "segment": 1,
        "step_id": kind or "rest",
        "step_type": "constant_current" if kind else "open_circuit_voltage",
        "block": "rate",
        "half": kind,
        "rate_C": 0.1 if kind else None,
        "ended_by": "voltage" if kind else "time",
        "abnormal": False,
        "start_run_time_second": 0.0,
        "end_run_time_second": 1.0,
        "rows": 10,
        "charge_ampere_hour": sign * capacity_mAh_g * MILLIAMPERE_HOUR_PER_GRAM,
        "energy_watt_hour": 0.0,
        "first_voltage_volt": 3.0,
        "last_voltage_volt": 3.7,
        "overshoot_volt": 0.0,
    }
    return SegmentRecord(**fields | changed)


def charge(capacity_mAh_g: float = 200.0, **changed: Any) -> SegmentRecord:
    return half("charge", capacity_mAh_g, **changed)


def discharge(capacity_mAh_g: float = 180.0, **changed: Any) -> SegmentRecord:
    return half("discharge", capacity_mAh_g, **changed)


def rest(**changed: Any) -> SegmentRecord:
    return half(None, 0.0, **changed)


def table(*records: SegmentRecord, starts_with: str = "charge") -> list[Cycle]:
    return cycle_table(records, CELL, starts_with)


def capacities(cycles: list[Cycle]) -> list[tuple[float | None, float | None]]:
    def shown(capacity_mAh_g: float | None) -> float | None:
        return None if capacity_mAh_g is None else round(capacity_mAh_g, 9)

    return [(shown(cycle.charge_capacity_mAh_g), shown(cycle.discharge_capacity_mAh_g)) for cycle in cycles]


def test_charge_and_discharge_make_a_cycle() -> None:
    (cycle,) = table(
        rest(), charge(200, start_run_time_second=10.0), rest(), discharge(150, end_run_time_second=99.0), rest()
    )
    assert cycle == Cycle(
        cycle_count=1,
        cycle_in_block=1,
        block="rate",
        rate_C=0.1,
        charge_capacity_mAh_g=pytest.approx(200, rel=1e-12),
        discharge_capacity_mAh_g=pytest.approx(150, rel=1e-12),
        coulombic_efficiency_percent=pytest.approx(75, rel=1e-12),
        start_run_time_second=10.0,
        end_run_time_second=99.0,
        flags=(),
    )


@pytest.mark.parametrize(
    ("kinds", "starts_with", "expected"),
    [
        ("", "charge", []),
        ("r", "charge", []),
        ("cd cd", "charge", ["cd", "cd"]),
        ("cd cd", "discharge", ["c", "dc", "d"]),
        ("dc dc", "discharge", ["dc", "dc"]),
        ("dc dc", "charge", ["d", "cd", "c"]),
        ("c c d", "charge", ["c", "cd"]),
        ("c d d", "charge", ["cd", "d"]),
        ("d c c d", "discharge", ["dc", "c", "d"]),
        ("c r d r c", "charge", ["cd", "c"]),
    ],
)
def test_halves_are_paired(kinds: str, starts_with: str, expected: list[str]) -> None:
    records = {"c": charge(), "d": discharge(), "r": rest()}
    cycles = table(*(records[kind] for kind in kinds if kind != " "), starts_with=starts_with)
    halves = [("c" in of, "d" in of) for of in expected]
    assert [(a is not None, b is not None) for a, b in capacities(cycles)] == halves
    assert [cycle.cycle_count for cycle in cycles] == list(range(1, len(expected) + 1))
    assert [("unfinished" in cycle.flags) for cycle in cycles] == [len(of) == 1 for of in expected]


def test_efficiency_is_discharge_over_charge_also_when_discharge_comes_first() -> None:
    (cycle,) = table(discharge(150), charge(200), starts_with="discharge")
    assert cycle.coulombic_efficiency_percent == pytest.approx(75, rel=1e-12)
    assert capacities([cycle]) == [(200, 150)]


@pytest.mark.parametrize(
    "records",
    [
        [charge()],
        [discharge()],
        [charge(ended_by="guard_time", abnormal=True), discharge()],
        [charge(), discharge(ended_by="stopped", abnormal=True)],
        [charge(ended_by="time"), discharge()],
        [charge(), discharge(ended_by="interlock", abnormal=True)],
    ],
)
def test_efficiency_is_null_unless_both_halves_ended_on_their_voltage(records: list[SegmentRecord]) -> None:
    (cycle,) = table(*records)
    assert (cycle.coulombic_efficiency_percent, cycle.flags) == (None, ("unfinished",))


def test_efficiency_over_no_charge_is_null_and_over_no_discharge_zero() -> None:
    assert table(charge(0), discharge())[0].coulombic_efficiency_percent is None
    assert table(charge(), discharge(0))[0].coulombic_efficiency_percent == 0


def test_change_of_rate_is_flagged_on_the_first_cycle_at_the_new_rate() -> None:
    cycles = table(*(of(rate_C=rate) for rate in (0.1, 0.1, 2.0, 2.0, None) for of in (charge, discharge)))
    assert [cycle.flags for cycle in cycles] == [(), (), ("rate_changed",), (), ("rate_changed",)]
    assert [cycle.rate_C for cycle in cycles] == [0.1, 0.1, 2.0, 2.0, None]


def test_cycles_are_counted_through_and_within_their_block() -> None:
    cycles = table(*(of(block=name) for name in "ffrrr" for of in (charge, discharge)))
    assert [(cycle.cycle_count, cycle.block, cycle.cycle_in_block) for cycle in cycles] == [
        (1, "f", 1),
        (2, "f", 2),
        (3, "r", 1),
        (4, "r", 2),
        (5, "r", 3),
    ]


@given(
    kinds=st.lists(st.sampled_from(["charge", "discharge", None]), max_size=12),
    starts_with=st.sampled_from(["charge", "discharge"]),
)
def test_every_half_is_in_exactly_one_cycle(kinds: list[str | None], starts_with: str) -> None:
    records = [half(kind, float(number)) for number, kind in enumerate(kinds, start=1)]
    counted = [capacity for pair in capacities(table(*records, starts_with=starts_with)) for capacity in pair]
    expected = [float(number) for number, kind in enumerate(kinds, start=1) if kind is not None]
    assert sorted(capacity for capacity in counted if capacity is not None) == expected


def test_half_that_was_cut_short_and_went_on_is_one_half() -> None:
    cut = charge(80.0, ended_by="paused", abnormal=True, end_run_time_second=10.0, rows=11)
    records = [cut, rest(), charge(120.0, continues=True, start_run_time_second=50.0, end_run_time_second=90.0)]
    (cycle,) = table(*records, discharge())
    assert capacities([cycle]) == [(200.0, 180.0)]
    assert (cycle.flags, cycle.coulombic_efficiency_percent) == (("interrupted",), None)
    ((joined, _),) = halves_of_cycles([*records, discharge()], "charge")
    assert (joined.ended_by, joined.abnormal, joined.rows) == ("voltage", False, 21)
    assert (joined.start_run_time_second, joined.end_run_time_second) == (0.0, 90.0)


def test_half_that_is_begun_anew_is_another() -> None:
    cycles = table(charge(80.0, ended_by="paused", abnormal=True), charge(), discharge())
    assert capacities(cycles) == [(80.0, None), (200.0, 180.0)]
    assert [cycle.flags for cycle in cycles] == [("unfinished",), ()]


def test_half_that_never_went_on_is_unfinished() -> None:
    (cycle,) = table(charge(), discharge(50.0, ended_by="power_lost", abnormal=True))
    assert cycle.flags == ("unfinished",)


@pytest.mark.parametrize(
    ("interrupted", "flags"), [((True, False), ()), ((False, True), ("interrupted",)), ((True, True), ("interrupted",))]
)
def test_only_what_lies_in_a_cycle_interrupts_it(interrupted: tuple[bool, bool], flags: tuple[str, ...]) -> None:
    (cycle,) = table(charge(interrupted=interrupted[0]), discharge(interrupted=interrupted[1]))
    assert cycle.flags == flags
    assert (cycle.coulombic_efficiency_percent is None) == bool(flags)


AT_LIMIT = {"rows": 2, "end_run_time_second": 0.2}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((charge(0.0, **AT_LIMIT), discharge()), [(None, 180.0)]),
        ((charge(), discharge(), discharge(0.0, **AT_LIMIT), charge(), discharge()), [(200.0, 180.0)] * 2),
        ((charge(), charge(0.0, continues=True, **AT_LIMIT), discharge()), [(200.0, 180.0)]),
        ((charge(1.0, rows=2, end_run_time_second=900.0), discharge()), [(1.0, 180.0)]),
        ((charge(1.0, rows=900, end_run_time_second=0.2), discharge()), [(1.0, 180.0)]),
    ],
)
def test_cell_at_its_limit_already_runs_no_half(
    records: tuple[SegmentRecord, ...], expected: list[tuple[float | None, float | None]]
) -> None:
    assert capacities(table(*records)) == expected


def test_what_goes_on_with_nothing_is_a_half_of_its_own() -> None:
    assert counted_halves([rest(), charge(continues=True), discharge(continues=True)]) == [None, "charge", "discharge"]

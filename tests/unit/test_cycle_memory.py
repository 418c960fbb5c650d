"""What a run remembers of its cycles, against the cycle table of the same segments."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cycles.memory import CycleMemory
from daemon.cycles.table import cycle_table
from daemon.events import SegmentRecord
from daemon.plan import Condition, CycleReference, Limit, Plan
from tests.support.plans import CELL, charge, loop, plan
from tests.support.segments import half

FIRST = CycleReference()
NAMED = CycleReference(block="formation", cycle=2)
LIMITS = tuple(
    Limit(key="limits", when=(Condition(quantity="retention", operator="<", value=0.8, relative_to=reference),))
    for reference in (FIRST, NAMED)
)
PLAN = plan(charge(), msgspec.structs.replace(loop(0, 2), limits=LIMITS))
CUT = {"ended_by": "paused", "abnormal": True}


def remembered(records: list[SegmentRecord], of: Plan = PLAN) -> CycleMemory:
    memory = CycleMemory()
    for record in records:
        memory = memory.with_segment(record, of)
    return memory


def value(memory: CycleMemory, quantity: str, reference: CycleReference | None = None) -> float | None:
    condition = Condition(quantity=quantity, operator="<", value=0.0, relative_to=reference)
    return memory.value(condition, PLAN)


def test_a_cycle_is_complete_with_its_second_half():
    charged = [half(1, "charge", charge_ampere_hour=2e-3)]
    assert remembered(charged).last is None
    memory = remembered([*charged, half(2, None), half(3, "discharge", charge_ampere_hour=-1.5e-3)])
    assert value(memory, "cycles") == 1
    assert value(memory, "coulombic_efficiency") == pytest.approx(0.75)
    assert value(memory, "cycle_charge_ampere_hour") == pytest.approx(2e-3)
    assert value(memory, "discharge_capacity_mAh_g") == pytest.approx(1.5 / CELL.active_mass_gram)


def test_a_half_that_is_cut_short_completes_no_cycle_until_it_went_on():
    records = [half(1, "charge"), half(2, "discharge", charge_ampere_hour=-2e-4, **CUT)]
    assert remembered(records).last is None
    memory = remembered([*records, half(3, "discharge", charge_ampere_hour=-7e-4, continues=True)])
    assert value(memory, "cycle_discharge_ampere_hour") == pytest.approx(9e-4)
    assert memory.last is not None
    assert memory.last.is_interrupted
    assert value(memory, "coulombic_efficiency") is None
    assert memory.first == {}


def test_a_voltage_held_afterwards_belongs_to_the_half_and_makes_the_same_cycle_longer():
    records = [half(1, "charge"), half(2, "discharge", charge_ampere_hour=-8e-4)]
    before = remembered(records)
    after = remembered([*records, half(3, "discharge", charge_ampere_hour=-1e-4, ended_by="current", extends=True)])
    assert before.last is not None
    assert after.last is not None
    assert (before.last.number, after.last.number) == (1, 1)
    assert after.last.discharge_ampere_hour == pytest.approx(9e-4)
    assert list(after.first.values()) == [after.last]


def test_retention_is_of_the_first_uninterrupted_cycle_of_the_same_block_and_rate():
    def cycle(number: int, ampere_hour: float, **changed: object) -> list[SegmentRecord]:
        charged = half(number, "charge", **changed)
        return [charged, half(number + 1, "discharge", charge_ampere_hour=-ampere_hour, **changed)]

    slow = cycle(1, 2e-3, block="formation", rate_C=0.1)
    spoilt = cycle(3, 1.5e-3)
    spoilt[1] = msgspec.structs.replace(spoilt[1], interrupted=True)
    records = [*slow, *spoilt, *cycle(5, 1e-3), *cycle(7, 9e-4)]
    assert value(remembered(records[:4]), "retention", FIRST) is None
    assert value(remembered(records[:6]), "retention", FIRST) == pytest.approx(1.0)
    assert value(remembered(records), "retention", FIRST) == pytest.approx(0.9)


def test_an_interrupted_cycle_has_no_retention():
    records = [half(number, ("discharge", "charge")[number % 2]) for number in range(1, 5)]
    assert value(remembered(records), "retention", FIRST) == pytest.approx(1.0)
    records[3] = msgspec.structs.replace(records[3], interrupted=True)
    assert value(remembered(records), "retention", FIRST) is None


def test_a_named_cycle_is_that_of_the_first_time_its_block_was_run():
    records = []
    for number, (block, ampere_hour) in enumerate(
        [("formation", 1e-3), ("formation", 8e-4), ("life", 4e-4), ("formation", 1e-4), ("formation", 2e-4)]
    ):
        records += [half(2 * number + 1, "charge", block=block)]
        records += [half(2 * number + 2, "discharge", block=block, charge_ampere_hour=-ampere_hour)]
    assert value(remembered(records[:2]), "retention", NAMED) is None
    assert value(remembered(records[:6]), "retention", NAMED) == pytest.approx(0.5)
    assert value(remembered(records), "retention", NAMED) == pytest.approx(0.25)


def test_a_cell_that_is_at_its_limit_runs_no_half():
    at_once = half(3, "charge", start_run_time_second=2000.0, end_run_time_second=2001.0, rows=2)
    memory = remembered([half(1, "charge"), half(2, "discharge"), at_once, half(4, "discharge")])
    assert memory.number == 2
    assert memory.last is not None
    assert memory.last.number == 1


kinds = st.sampled_from(["charge", "discharge"])
blocks = st.sampled_from(["formation", "life"])
ends = st.sampled_from(["voltage", "voltage", "voltage", "time", "pressure"])


@st.composite
def histories(draw: st.DrawFn) -> list[SegmentRecord]:
    """Halves, some of which go on after they were cut short, or with a held voltage; rests and no halves between."""
    records: list[SegmentRecord] = []

    def add(kind: str | None, ampere_hour: float, **changed: object) -> None:
        signed = -ampere_hour if kind == "discharge" else ampere_hour
        records.append(half(len(records) + 1, kind, charge_ampere_hour=signed, **changed))

    for _ in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            add(None, 0.0, ended_by="time")
        kind, place = draw(kinds), {"block": draw(blocks), "rate_C": draw(st.sampled_from([0.1, 2.0]))}
        is_cut, is_held = draw(st.booleans()), draw(st.booleans())
        how = {"ended_by": draw(ends), "interrupted": draw(st.booleans()), **place}
        if draw(st.integers(0, 9)) == 0:
            start = len(records) * 1000.0
            add(kind, 0.0, **how | {"ended_by": "voltage", "end_run_time_second": start + 1.0, "rows": 2})
            continue
        add(kind, draw(st.floats(0, 1e-3)), **how | (CUT if is_cut else {}))
        if is_cut:
            add(kind, draw(st.floats(0, 1e-3)), continues=True, **how)
        if is_held:
            add(kind, draw(st.floats(0, 1e-3)), extends=True, **place, ended_by="current")
    return records


@given(records=histories(), starts_with=kinds)
def test_the_last_complete_cycle_is_that_of_the_cycle_table(records: list[SegmentRecord], starts_with: str) -> None:
    of = msgspec.structs.replace(PLAN, cycle_starts_with=starts_with)
    memory, table = remembered(records, of), cycle_table(records, CELL, starts_with)
    assert memory.number == len(table)
    complete = [cycle for cycle in table if None not in (cycle.charge_capacity_mAh_g, cycle.discharge_capacity_mAh_g)]
    if not complete:
        assert memory.last is None
        return
    last, shown = memory.last, complete[-1]
    assert last is not None
    assert (last.number, last.block, last.rate_C) == (shown.cycle_count, shown.block, shown.rate_C)
    assert last.cycle_in_block == shown.cycle_in_block
    capacities = [last.charge_ampere_hour, last.discharge_ampere_hour]
    assert [1e3 * capacity / CELL.active_mass_gram for capacity in capacities] == pytest.approx(
        [shown.charge_capacity_mAh_g, shown.discharge_capacity_mAh_g]
    )
    assert last.is_interrupted == ("interrupted" in shown.flags)
    efficiency = shown.coulombic_efficiency_percent
    assert last.coulombic_efficiency == (None if efficiency is None else pytest.approx(efficiency / 100))


def test_cycles_that_a_step_counts_hold_all_halves_up_to_it() -> None:
    of = msgspec.structs.replace(PLAN, counts_explicitly=True)
    memory, records = CycleMemory(), list[SegmentRecord]()
    for number, (kind, ampere_hour, advances) in enumerate(
        [("charge", 1e-3, False), ("charge", 5e-4, False), ("discharge", -9e-4, True), ("discharge", -1e-4, False)], 1
    ):
        record = half(number, kind, charge_ampere_hour=ampere_hour, cycle=max(1, memory.number))
        records.append(record)
        memory = memory.with_segment(record, of)
        if advances:
            assert memory.last is None
            memory = memory.advanced(of)
    assert memory.last is not None
    assert (memory.last.number, memory.number) == (1, 2)
    assert memory.last.charge_ampere_hour == pytest.approx(1.5e-3)
    table = cycle_table(records, CELL, "charge")
    assert [cycle.cycle_count for cycle in table] == [1, 2]
    assert table[0].charge_capacity_mAh_g == pytest.approx(1.5 / CELL.active_mass_gram)
    assert table[0].coulombic_efficiency_percent == pytest.approx(60.0)

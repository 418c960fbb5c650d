"""Cycles counted on from the last are those counted from the beginning."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.cycles.table import cycle_table
from daemon.events import SegmentRecord
from daemon.publish.counting import CycleCounter
from tests.support.plans import charge, discharge, hold, plan

PLAN = plan(charge())
SEGMENTS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "discharge", None]),
        st.sampled_from(["formation", "life"]),
        st.floats(0, 1e-3),
        st.booleans(),
    ),
    max_size=14,
)


def records_of(segments):
    """The last of each says that it is cut short; the same half after that goes on with it."""
    cut_short = None
    for number, (half, block, charge_ampere_hour, is_cut) in enumerate(segments, start=1):
        continues = half is not None and half == cut_short
        if half is not None:
            cut_short = half if is_cut else None
        yield SegmentRecord(
            segment=number,
            step_id=half or "rest",
            step_type="",
            block=block,
            half=half,
            rate_C=0.1 if block == "formation" else 2.0,
            ended_by="paused" if is_cut else "voltage",
            abnormal=is_cut,
            continues=continues,
            start_run_time_second=100.0 * number,
            end_run_time_second=100.0 * number + 99.0,
            rows=100,
            charge_ampere_hour=charge_ampere_hour,
            energy_watt_hour=0.0,
            first_voltage_volt=3.0,
            last_voltage_volt=3.0,
            overshoot_volt=None,
        )


@given(SEGMENTS)
def test_the_same_cycles_as_the_table(segments):
    records = list(records_of(segments))
    counter = CycleCounter(PLAN)
    counted = [cycle for record in records for cycle in counter.add(record)] + counter.finish()
    assert counted == cycle_table(records, PLAN.cell, PLAN.cycle_starts_with)


@given(SEGMENTS)
def test_what_is_final_never_changes(segments):
    records = list(records_of(segments))
    counter, counted = CycleCounter(PLAN), []
    for number, record in enumerate(records, start=1):
        counted += counter.add(record)
        assert cycle_table(records[:number], PLAN.cell, PLAN.cycle_starts_with)[: len(counted)] == counted
        assert counter.counted == len(counted)
        assert len(counter.open_halves) <= 1 or record.abnormal or record.half is None


@given(SEGMENTS)
def test_a_cycle_is_final_with_its_second_half(segments):
    counter = CycleCounter(PLAN)
    for record in records_of(segments):
        before = counter.open_halves
        final = counter.add(record)
        if record.half == "discharge" and before == ("charge",) and not record.abnormal:
            assert final
            assert counter.open_halves == ()


def test_a_cycle_whose_discharge_is_held_is_final_after_that():
    of = plan(charge(), discharge(), hold("held", half="discharge"))
    halves = [*records_of([("charge", "life", 2e-3, False), ("discharge", "life", 1e-3, False)])]
    counter = CycleCounter(of)
    assert [cycle for record in halves for cycle in counter.add(record)] == []
    after = msgspec.structs.replace(halves[1], segment=3, step_id="held", extends=True, ended_by="current")
    (cycle,) = counter.add(after)
    assert cycle == cycle_table([*halves, after], of.cell, of.cycle_starts_with)[0]


def test_a_half_that_is_held_by_a_later_plan_is_final_after_that():
    before, after = plan(charge(), discharge()), plan(charge(), discharge("more"), hold("held", half="discharge"))
    first, half = records_of([("charge", "life", 2e-3, False), ("discharge", "life", 1e-3, False)])
    counter = CycleCounter(before)
    counter.add(first)
    counter.replan(after)
    half = msgspec.structs.replace(half, step_id="more")
    assert counter.add(half) == []
    held = msgspec.structs.replace(half, segment=3, step_id="held", extends=True, ended_by="current")
    assert counter.add(held) == cycle_table([first, half, held], after.cell, after.cycle_starts_with)


def test_a_cycle_that_the_end_made_final_goes_on_with_what_is_appended():
    charged, discharged = records_of([("charge", "life", 2e-3, False), ("discharge", "life", 1e-3, False)])
    counter = CycleCounter(PLAN)
    counter.add(charged)
    (half_a_cycle,) = counter.finish()
    assert half_a_cycle.discharge_capacity_mAh_g is None
    after = plan(charge(), discharge("more"))
    counter.replan(after)
    whole = msgspec.structs.replace(discharged, step_id="more")
    assert counter.add(whole) == cycle_table([charged, whole], after.cell, after.cycle_starts_with)

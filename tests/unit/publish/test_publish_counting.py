"""Cycles counted on from the last are those counted from the beginning."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.cycles import cycle_table
from daemon.events import SegmentRecord
from daemon.publish.counting import CycleCounter
from tests.support.plans import charge, plan

PLAN = plan(charge())
SEGMENTS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "discharge", None]), st.sampled_from(["formation", "life"]), st.floats(0, 1e-3)
    ),
    max_size=14,
)


def records_of(segments):
    for number, (half, block, charge_ampere_hour) in enumerate(segments, start=1):
        yield SegmentRecord(
            segment=number,
            step_id=half or "rest",
            step_type="",
            block=block,
            half=half,
            rate_C=0.1 if block == "formation" else 2.0,
            ended_by="voltage",
            abnormal=False,
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
        assert len(counter.open_halves) <= 1


@given(SEGMENTS)
def test_a_cycle_is_final_with_its_second_half(segments):
    counter = CycleCounter(PLAN)
    for record in records_of(segments):
        before = counter.open_halves
        final = counter.add(record)
        if record.half == "discharge" and before == ("charge",):
            assert final
            assert counter.open_halves == ()

"""The campaign's checker finds each kind of broken promise: one is planted in a good run at a time."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from daemon.deciding.run_state import Run
from daemon.engine import advance
from daemon.events import (
    MadeSafe,
    Resumed,
    RunStarted,
    SegmentEnded,
    SegmentRecord,
    SegmentStarted,
    StopRequested,
)
from drivers.roles import LoadStatus
from tests.campaign.checker import Expected, compare, order, texts_of, violations
from tests.campaign.evidence import Entry, Evidence
from tests.support.plans import plan, rest

ZERO_SECOND = 100.0
STEPS = ("rest",)
DONE = Expected(frozenset({"completed"}), STEPS)
OFF = {"output": "off", "relay": "open"}


def cell(count=5, segment=1):
    second = np.arange(float(count))
    return pd.DataFrame(
        {
            "seq": np.arange(1, count + 1),
            "segment": segment,
            "test_time_second": second,
            "elapsed_second": second,
            "voltage_volt": 2.5 + second / 1000,
            "current_ampere": 0.0,
        }
    )


def pressure(count=5):
    second = np.arange(float(count)) + 0.01875
    load = 101.0 + np.arange(count)
    return pd.DataFrame(
        {
            "seq": np.arange(1, count + 1),
            "segment": 0,
            "test_time_second": second,
            "displayed_load": load,
            "load_status": int(LoadStatus.STABLE),
        }
    )


def temperature(count=5):
    second = np.arange(float(count))
    return pd.DataFrame(
        {
            "seq": np.arange(1, count + 1),
            "segment": 0,
            "test_time_second": second,
            "jig_temperature_celsius": 25.0 + second,
            "ambient_temperature_celsius": 25.0,
            "setpoint_temperature_celsius": 25.0,
        }
    )


def bench_log():
    frames = [[ZERO_SECOND + second + 0.01875, f"ST,GS,+{101 + second:07.2f}kg\r\n"] for second in range(5)]
    replies = [
        {
            "bench_second": ZERO_SECOND + second,
            "event": "reply",
            "instrument": "thermometer",
            "text": f">+{25 + second}.00",
        }
        for second in range(5)
    ]
    return (
        {"bench_second": 104.0, "event": "readings", "buffer": "token1", "rows": texts_of(cell())},
        {"bench_second": 104.0, "event": "sent", "instrument": "load_cell", "frames": frames},
        *replies,
        {
            "bench_second": 105.0,
            "event": "end",
            "charge_in_coulomb": 0.0,
            "charge_out_coulomb": 0.0,
            "instruments": {"potentiostat": OFF},
        },
    )


def record(**changes):
    fields = {
        "segment": 1,
        "step_id": "rest",
        "step_type": "open_circuit_voltage",
        "block": "b",
        "half": None,
        "rate_C": None,
        "ended_by": "time",
        "abnormal": False,
        "start_run_time_second": 0.0,
        "end_run_time_second": 4.0,
        "rows": 5,
        "charge_ampere_hour": 0.0,
        "energy_watt_hour": 0.0,
        "first_voltage_volt": 2.5,
        "last_voltage_volt": 2.504,
        "overshoot_volt": None,
    }
    return SegmentRecord(**fields | changes)


def journal(*events):
    return tuple(Entry(float(second), event) for second, event in enumerate(events))


def good(**changes):
    """A run of one rest, as a good one leaves it; its state is what its journal leads to."""
    the_plan = plan(rest())
    events = changes.pop("events", (RunStarted(), SegmentEnded(record=record()), MadeSafe(verified=True, text="")))
    entries = journal(*events)
    run = Run(plan=the_plan)
    for entry in entries:
        run, _ = advance(run, entry.event, entry.run_time_second)
    fields = {
        "run": run,
        "plan": the_plan,
        "journal": entries,
        "streams": {"cell": cell(), "pressure": pressure(), "temperature": temperature()},
        "tokens": ("token1", "token2", "token3"),
        "zero_second": ZERO_SECOND,
        "bench": bench_log(),
    }
    return Evidence(**fields | changes)


def with_line(event, **fields):
    return (*bench_log(), {"bench_second": 103.0, "event": event, **fields})


def with_end(**instrument):
    return tuple(
        line | {"instruments": {"potentiostat": OFF | instrument}} if line["event"] == "end" else line
        for line in bench_log()
    )


def with_stream(name, **columns):
    streams = dict(good().streams)
    streams[name] = streams[name].assign(**columns)
    return streams


def without_row(name, index, *, renumbered=True):
    streams = dict(good().streams)
    streams[name] = streams[name].drop(index=index).reset_index(drop=True)
    if renumbered:
        streams[name]["seq"] = np.arange(1, len(streams[name]) + 1)
    return streams


def test_a_good_run_breaks_nothing():
    assert violations(good(), DONE) == []


SEGMENT_TWICE = (RunStarted(), SegmentEnded(record=record()), SegmentEnded(record=record()))
GONE_ON = [2.5, 2.501, np.nan, 2.503, 2.504]
PLANTED = {
    "P1 1 excursions": {"bench": with_line("excursion_begin", voltage_volt=3.9, current_ampere=0.003)},
    "P1 in the end the output is on": {"bench": with_end(output="on")},
    "P1 in the end the output is off and the relay closed": {"bench": with_end(relay="closed")},
    "5 rows of 5: 1 missing, 0 duplicated, 1 falsified": {
        "streams": with_stream("cell", voltage_volt=[2.5, 2.501, 2.5021, 2.503, 2.504])
    },
    "4 rows of 5: 1 missing": {"streams": without_row("cell", 2)},
    "rows are not numbered": {"streams": without_row("cell", 2, renumbered=False)},
    "segment 1 ran 2 times": {"bench": with_line("readings", buffer="token1", rows=texts_of(cell()))},
    "segments are [1, 1]": {"events": SEGMENT_TWICE},
    "steps were ('other',)": {"events": (RunStarted(), SegmentEnded(record=record(step_id="other")))},
    "says 4": {"events": (RunStarted(), SegmentEnded(record=record(rows=4)))},
    "it ended as stopped": {"events": (RunStarted(), StopRequested(by="me"), MadeSafe(verified=True, text=""))},
    "it ended as unfinished": {"events": (RunStarted(),)},
    "pressure: 1 rows that were not said": {
        "streams": with_stream("pressure", displayed_load=[101, 102, 109, 104, 105.0])
    },
    "pressure: 1 holes without a gap row": {"streams": without_row("pressure", 2)},
    "pressure: times do not rise": {
        "streams": with_stream("pressure", test_time_second=[0.01875, 1.01875, 1.01875, 3.01875, 4.01875])
    },
    "pressure: 3 gap rows follow on one another": {
        "streams": with_stream(
            "pressure",
            displayed_load=[101, np.nan, np.nan, np.nan, np.nan],
            load_status=[int(LoadStatus.STABLE), *[int(LoadStatus.LOST)] * 4],
        )
    },
    "temperature: 1 rows that were not said": {
        "streams": with_stream("temperature", jig_temperature_celsius=[25, 26, 26, 28, 29.0])
    },
    "temperature: 1 rows twice": {
        "streams": with_stream(
            "temperature", test_time_second=[0, 1, 1, 3, 4.0], jig_temperature_celsius=[25, 26, 26, 28, 29.0]
        )
    },
}


@pytest.mark.parametrize("said", PLANTED)
def test_a_planted_violation_is_found(said):
    assert any(said in violation for violation in violations(good(**PLANTED[said]), DONE))


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_number_is_left_out_by_a_segment_that_never_began_and_by_no_other(has_begun):
    begun = (SegmentStarted(segment=2, started_second=5.0),) if has_begun else ()
    ended = [SegmentEnded(record=record(segment=number)) for number in (1, 3)]
    found = list(order(good(events=(RunStarted(), ended[0], *begun, ended[1])), DONE))
    assert any("segments are [1, 3]" in said for said in found) == has_begun


def test_a_state_that_does_not_follow_from_the_journal_is_found():
    evidence = good()
    other = msgspec.structs.replace(evidence.run, rows=7)
    assert any("replayed" in said for said in violations(good(run=other), DONE))
    assert any(
        "resume_count" in said for said in violations(good(run=msgspec.structs.replace(other, resume_count=2)), DONE)
    )


def test_completed_needs_every_step_as_written():
    wanted = Expected(frozenset({"completed"}), ("rest", "charge"))
    assert any("completed with" in said for said in violations(good(), wanted))


def test_charge_that_no_segment_tells_of_is_found():
    bench = tuple(line | {"charge_in_coulomb": 4.0} if line["event"] == "end" else line for line in bench_log())
    assert any("4.0000 C went in" in said for said in violations(good(bench=bench), DONE))


def test_an_output_that_cannot_be_switched_off_must_be_told_of():
    stuck = Expected(frozenset({"completed", "unfinished"}), STEPS, may_stay_on=True)
    assert any("only says" in said for said in violations(good(bench=with_end(output="on")), stuck))
    events = (RunStarted(), StopRequested(by="me"), MadeSafe(verified=False, drained=False, text="it stays on"))
    assert [said for said in violations(good(bench=with_end(output="on"), events=events), stuck) if "P1" in said] == []


def test_a_power_failure_after_the_end_may_leave_the_source_of_delivery_at_the_cell():
    closed = with_end(relay="closed")
    cycle = {"bench_second": 103.0, "event": "power_cycle"}
    back = {"bench_second": 103.0, "event": "output", "output": "off", "relay": "closed"}
    assert violations(good(bench=(cycle, *closed)), DONE) == []
    assert violations(good(bench=(cycle, back, *closed)), DONE) == []
    touched = {"bench_second": 104.0, "event": "output", "output": "off", "relay": "closed"}
    assert any("relay closed" in said for said in violations(good(bench=(cycle, back, touched, *closed)), DONE))


def test_a_gap_row_makes_a_hole_honest():
    gap = with_stream(
        "pressure",
        displayed_load=[101, 102, np.nan, 104, 105.0],
        load_status=[1, 1, int(LoadStatus.LOST), 1, 1],
        test_time_second=[0.01875, 1.01875, 1.01875, 3.01875, 4.01875],
    )
    assert violations(good(streams=gap), DONE) == []


def test_rows_of_a_segment_that_lost_its_power_may_lack_their_end_and_nothing_else():
    rows = ["a", "b", "c"]
    assert list(compare(1, ["a", "b"], rows, whole=False)) == []
    assert len(list(compare(1, ["a", "c"], rows, whole=False))) == 1
    assert len(list(compare(1, ["a", "b"], rows, whole=True))) == 1
    [said] = compare(1, ["a", "b", "b", "x"], rows, whole=True)
    assert "1 missing, 1 duplicated, 2 falsified" in said


def test_two_daemons_may_leave_two_gap_rows():
    events = (
        RunStarted(),
        Resumed(cause="", away_second=1.0),
        SegmentEnded(record=record()),
        MadeSafe(verified=True, text=""),
    )
    assert violations(good(events=events), DONE) == []

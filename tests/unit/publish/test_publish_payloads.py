"""What messages say: every finite number of a row and nothing else, flat, with its unit in its name."""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deciding.run_state import Outcome, Phase, Run, SegmentFold
from daemon.events import (
    InstrumentFailed,
    LinkChanged,
    MadeSafe,
    PauseRequested,
    ResumeRequested,
    SegmentStarted,
    Silent,
    Warned,
    encode_event,
    kind_of,
)
from daemon.publish import payloads
from daemon.publish.payloads import Origin, Span
from daemon.rows.streams import PRESSURE_SCHEMA
from daemon.store.blocks import CELL_SCHEMA, Block
from tests.support.plans import charge, discharge, loop, plan, rest

ORIGIN = Origin(run_id="bench-1", station="bench", simulated=True, started_utc_second=1_795_350_000.25)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def cell_block(voltage_volt, first_seq=1, segment=1, origin_second=100.5):
    rows = len(voltage_volt)
    return Block(
        stream="cell",
        segment=segment,
        first_seq=first_seq,
        origin_run_time_second=origin_second,
        columns={
            "elapsed_second": np.arange(rows, dtype=float),
            "voltage_volt": np.array(voltage_volt, float),
            "current_ampere": np.full(rows, 1.5e-3),
            "source_status": np.full(rows, 4),
            "reading_status": np.zeros(rows, np.int64),
        },
    )


@given(st.lists(FLOATS, min_size=1, max_size=20), st.integers(1, 10**9), st.data())
def test_rows_come_back_bit_for_bit(voltage_volt, first_seq, data):
    block = cell_block(voltage_volt, first_seq)
    first = data.draw(st.integers(block.first_seq, block.last_seq))
    last = data.draw(st.integers(first, block.last_seq))
    said = json.loads(payloads.records(ORIGIN, [Span(block, first, last)], CELL_SCHEMA), parse_constant=pytest.fail)
    assert [row["seq"] for row in said["rows"]] == list(range(first, last + 1))
    for row in said["rows"]:
        index = row["seq"] - first_seq
        expected = voltage_volt[index]
        assert row.get("voltage_volt", "absent") == (expected if math.isfinite(expected) else "absent")
        assert row["test_time_second"] == 100.5 + index
        assert row["unix_time_second"] == ORIGIN.started_utc_second + 100.5 + index
        assert row["segment"] == 1


def test_the_envelope_says_which_rows_these_are():
    said = json.loads(payloads.records(ORIGIN, [Span(cell_block([3.0, 3.1, 3.2], 11), 12, 13)], CELL_SCHEMA))
    assert said.pop("rows")[0]["seq"] == 12
    assert said == {
        "schema_minor": payloads.SCHEMA_MINOR,
        "station": "bench",
        "run_id": "bench-1",
        "simulated": True,
        "stream": "cell",
        "first_seq": 12,
    }


def test_rows_of_several_blocks():
    spans = [
        Span(cell_block([3.0, 3.1], 11, segment=1), 12, 12),
        Span(cell_block([3.2], 13, segment=2, origin_second=200.0), 13, 13),
        Span(cell_block([3.3, 3.4], 14, segment=3, origin_second=300.0), 14, 14),
    ]
    said = json.loads(payloads.records(ORIGIN, spans, CELL_SCHEMA))
    rows = [(row["seq"], row["segment"], row["test_time_second"], row["voltage_volt"]) for row in said["rows"]]
    assert rows == [(12, 1, 101.5, 3.1), (13, 2, 200.0, 3.2), (14, 3, 300.0, 3.3)]


def test_a_real_run_is_not_called_simulated():
    real = Origin(run_id="r", station="s", simulated=False, started_utc_second=0.0)
    said = [
        payloads.records(real, [Span(cell_block([3.0]), 1, 1)], CELL_SCHEMA),
        payloads.live(real, {"cell": cell_block([3.0])}, {}, 0.0),
        payloads.alarm(real, "run-held", "warning", "why"),
        payloads.rig_description(real, [CELL_SCHEMA]),
    ]
    assert all(b"simulated" not in payload for payload in said)


def pressure_block(second, pascal, celsius=math.nan):
    columns = {
        "elapsed_second": np.array([second]),
        "displayed_load": np.array([997.0]),
        "surface_pressure_pa": np.array([pascal]),
        "sensor_temperature_celsius": np.array([celsius]),
        "load_status": np.zeros(1, np.int64),
    }
    return Block(stream="pressure", segment=0, first_seq=7, origin_run_time_second=0.0, columns=columns)


def live(newest, utc_second=ORIGIN.started_utc_second + 200.0):
    payload = payloads.live(ORIGIN, newest, {"cycle_count": 3}, utc_second)
    return payload and json.loads(payload)


def test_live_joins_what_is_of_one_time():
    said = live({"cell": cell_block([3.0, 3.1]), "pressure": pressure_block(150.0, 12.7e6)})
    assert said["seq"] == 2
    assert said["test_time_second"] == 150.0
    assert said["age_second"] == 50.0
    assert (said["voltage_volt"], said["surface_pressure_pa"]) == (3.1, 12.7e6)
    assert "sensor_temperature_celsius" not in said
    assert said["cycle_count"] == 3


def test_live_leaves_out_what_is_old():
    said = live({"cell": cell_block([3.0]), "pressure": pressure_block(100.5 + 61.0, 12.7e6)})
    assert "voltage_volt" not in said
    assert said["surface_pressure_pa"] == 12.7e6


def test_live_of_nothing_is_nothing():
    assert live({}) is None


def test_age_is_never_negative():
    assert live({"cell": cell_block([3.0])}, utc_second=0.0)["age_second"] == 0.0


@pytest.mark.parametrize(
    ("event", "severity", "text"),
    [
        (SegmentStarted(segment=3, started_second=1.0), "info", "segment 3 started"),
        (InstrumentFailed(role="load_cell", error="NoReplyError", text="silent"), "error", "load_cell: silent"),
        (MadeSafe(verified=True, text="all steps done"), "info", "at open circuit: all steps done"),
        (PauseRequested(by="ada"), "warning", "pause asked for by ada"),
        (PauseRequested(by="ada", after="cycle"), "warning", "pause asked for by ada, after this cycle"),
        (ResumeRequested(by="ada"), "info", "resume asked for by ada"),
        (LinkChanged(role="chamber", state="lost", since_second=1.0, text="silent"), "warning", "chamber: silent"),
        (LinkChanged(role="chamber", state="connected", since_second=1.0, text="back"), "info", "chamber: back"),
        (MadeSafe(verified=False, text="no answer"), "critical", "the cell may still be driven: no answer"),
    ],
)
def test_events_are_told_to_people(event, severity, text):
    happened = {"unix_time_second": 2.0, "test_time_second": 1.0}
    said = json.loads(payloads.event(ORIGIN, 12, kind_of(event), encode_event(event), happened))
    assert (said["severity"], said["text"], said["id"]) == (severity, text, "bench-1/12")
    assert "event" not in said["data"]


def test_an_event_of_tomorrow_is_told_too():
    said = json.loads(payloads.event(ORIGIN, 1, "operator_note", b'{"event":"operator_note","by":"x"}', {}))
    assert (said["type"], said["severity"], said["text"]) == ("operator_note", "info", "operator note")


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ({}, "running"),
        ({"phase": Phase.MEASURING}, "running"),
        ({"phase": Phase.STOPPING, "outcome": Outcome.COMPLETED}, "running"),
        ({"phase": Phase.FINISHED, "outcome": Outcome.COMPLETED}, "ready"),
        ({"phase": Phase.FINISHED, "outcome": Outcome.STOPPED}, "ready"),
        ({"phase": Phase.STOPPING, "outcome": Outcome.HELD}, "holding"),
        ({"phase": Phase.FINISHED, "outcome": Outcome.TRIPPED}, "faulted"),
        ({"phase": Phase.FINISHED, "outcome": Outcome.FAILED}, "faulted"),
        ({"phase": Phase.HALTING}, "holding"),
        ({"phase": Phase.HOLDING}, "holding"),
        ({"phase": Phase.HALTING, "unsafe": "NOT verified safe"}, "faulted"),
        ({"phase": Phase.STOPPING, "outcome": Outcome.STOPPED, "unsafe": "NOT verified safe"}, "faulted"),
    ],
)
def test_states(run, state):
    assert payloads.state_of(Run(plan=plan(charge()), **run)) == state


def test_alarms_of_a_run():
    run = Run(plan=plan(charge()), warnings=("Jig temperature: 57.2", "load: 1"), outcome=Outcome.TRIPPED, reason="why")
    assert payloads.alarms(run) == {
        "interlock-jig-temperature": ("warning", "Jig temperature: 57.2"),
        "interlock-load": ("warning", "load: 1"),
        "run-tripped": ("critical", "why"),
    }
    assert payloads.alarms(Run(plan=plan(charge()), outcome=Outcome.COMPLETED)) == {}


def test_alarms_of_a_held_run_whose_instrument_is_silent():
    links = {"potentiostat": "no answer for 30 min"}
    run = Run(plan=plan(charge()), phase=Phase.HALTING, reason="why", unsafe="NOT verified safe: x", links=links)
    assert payloads.alarms(run) == {
        "run-held": ("warning", "why"),
        "not-verified-safe": ("critical", "NOT verified safe: x"),
        "link-potentiostat": ("warning", "potentiostat: no answer for 30 min"),
    }


def test_a_hold_that_is_to_come_is_an_alarm():
    run = Run(plan=plan(charge()), fold=SegmentFold(hold_after_half="jig_temperature_unknown: 601"))
    text = "held when this half-cycle has ended: jig_temperature_unknown: 601"
    assert payloads.alarms(run) == {"hold-after-half": ("warning", text)}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Warned(text="pressure_silent: surface_pressure_age_second 61"),
            "pressure_silent: surface_pressure_age_second 61",
        ),
        (Silent(quantity="surface_pressure_pa", age_second=61.2), "no surface_pressure_pa for 61 s"),
    ],
)
def test_a_warning_is_an_event_that_warns(event, text):
    said = json.loads(payloads.event(ORIGIN, 7, kind_of(event), encode_event(event), {}))
    assert (said["severity"], said["text"]) == ("warning", text)


CYCLING = plan(rest(), charge(), discharge(), loop(1, 5))


@pytest.mark.parametrize(
    ("position", "counted", "open_halves", "ended", "number"),
    [
        (0, 0, (), False, 0),
        (1, 0, (), False, 1),
        (2, 0, ("charge",), False, 1),
        (1, 1, (), False, 2),
        (1, 1, ("discharge",), False, 3),
        (1, 1, ("charge",), True, 2),
        (0, 1, ("charge",), False, 2),
    ],
)
def test_the_cycle_a_step_belongs_to(position, counted, open_halves, ended, number):
    run = Run(plan=CYCLING, phase=Phase.MEASURING, position=position, segment_ended=ended)
    assert payloads.cycle_count_now(run, counted, open_halves) == number


def test_progress_says_where_the_run_is_and_what_is_left():
    run = Run(plan=CYCLING, phase=Phase.MEASURING, position=1, segment=2, segment_started_second=3600.0, rows=3700)
    names = payloads.run_names("p.yaml", "text", CYCLING)
    said = json.loads(payloads.run_progress(ORIGIN, names, run, 1))
    assert (said["step_id"], said["step_type"], said["half"], said["rate_C"]) == (
        "charge",
        "constant_current",
        "charge",
        0.1,
    )
    assert said["expected_left_second"] == 10 * 54000.0 / 1.5 * 0.8
    assert "outcome" not in said
    assert len(said["protocol_sha256"]) == 64


def test_progress_of_a_run_that_is_over():
    run = Run(plan=CYCLING, phase=Phase.FINISHED, position=2, outcome=Outcome.COMPLETED, reason="all steps done")
    said = json.loads(payloads.run_progress(ORIGIN, {}, run, 5))
    assert (said["outcome"], said["expected_left_second"]) == ("completed", 0)


def test_columns_are_described_with_the_terms_they_are():
    said = msgspec.json.decode(payloads.rig_description(ORIGIN, [PRESSURE_SCHEMA]))
    columns = {column["name"]: column.get("iri", "") for column in said["streams"]["pressure"]}
    assert columns["surface_pressure_pa"].endswith("#surface_pressure_pa")
    assert columns["displayed_load"] == ""

"""What `presscell events` says of each kind of event, for people."""

from typing import get_args

import msgspec
import pytest

from daemon.cli.console import warning_text
from daemon.cli.event_words import ENDED_BY, clock_text, event_words, step_ids
from daemon.cli.status import _cells
from daemon.deciding import branching
from daemon.events import (
    ChamberSet,
    Cleared,
    Event,
    InstrumentFailed,
    LinkChanged,
    MadeSafe,
    Noticed,
    PauseRequested,
    Reached,
    Resumed,
    ResumeRequested,
    RunStarted,
    SegmentEnded,
    SegmentNotStarted,
    SegmentRecord,
    SegmentStarted,
    Silent,
    SkipRequested,
    StopRequested,
    Warned,
    kind_of,
)

CHARGE = SegmentRecord(
    segment=3,
    step_id="rate/0.1C/charge",
    step_type="constant_current",
    block="rate 0.1 C",
    half="charge",
    rate_C=0.1,
    ended_by="voltage",
    abnormal=False,
    start_run_time_second=100.0,
    end_run_time_second=36100.0,
    rows=36001,
    charge_ampere_hour=0.0015,
    energy_watt_hour=0.005,
    first_voltage_volt=2.2,
    last_voltage_volt=3.70006,
    overshoot_volt=6e-5,
    reached=Reached(
        ended_by="voltage", quantity="voltage_volt", limit_value=3.7, measured_value=3.70006, overshoot=6e-5
    ),
)
LOST = msgspec.structs.replace(
    CHARGE, half=None, ended_by="power_lost", abnormal=True, reached=None, last_voltage_volt=None, rows=0
)
SAID = [
    (RunStarted(), "run begun"),
    (ChamberSet(temperature_celsius=55.0), "chamber set to 55 °C"),
    (SegmentStarted(segment=3, started_second=1.0), "rate/0.1C/charge began, segment 3"),
    (SegmentStarted(segment=4, started_second=1.0), "a step began, segment 4"),
    (
        SegmentEnded(record=CHARGE),
        "rate/0.1C/charge ended at its voltage of 3.7 V (3.7001 V, +1.5000 mAh, 10 h, 36,001 rows)",
    ),
    (
        SegmentEnded(record=LOST),
        "rate/0.1C/charge ended with the power of its instrument; NOT as written (10 h, 0 rows)",
    ),
    (
        SegmentNotStarted(segment=3, power_was_cycled=True),
        "the instrument knows nothing of segment 3, rate/0.1C/charge: it was switched off meanwhile",
    ),
    (Silent(quantity="surface_pressure_pa", age_second=60.0), "pressure not read for 1 min"),
    (Warned(text="pressure_changed: 16 % from 12.7 MPa"), "warning: pressure changed: 16 % from 12.7 MPa"),
    (Cleared(text="pressure_changed: 16 % from 12.7 MPa"), "over: pressure changed: 16 % from 12.7 MPa"),
    (Resumed(cause="it was killed", away_second=12.4), "the daemon took the run up again after 12 s: it was killed"),
    (StopRequested(by="ada"), "ada wants the run to end now"),
    (StopRequested(by="ada", after="cycle"), "ada wants the run to end after this cycle"),
    (PauseRequested(by="ada", after="step"), "ada wants the run to be held after this step"),
    (ResumeRequested(by="bob", unchecked=True), "bob lets the run go on, unchecked"),
    (SkipRequested(by="bob"), "bob skips to the next step"),
    (
        LinkChanged(role="load_cell", state="lost", since_second=5.0, text="no answer for 10 s: closed"),
        "load_cell lost: no answer for 10 s: closed",
    ),
    (
        LinkChanged(role="load_cell", state="connected", since_second=5.0, text="load_cell answers again after 20 s"),
        "load_cell answers again after 20 s",
    ),
    (InstrumentFailed(role="chamber", error="RefusedError", text="it said no"), "chamber failed: it said no"),
    (MadeSafe(verified=True, text="all steps done"), "made safe, read back: all steps done"),
    (MadeSafe(verified=False, text="no answer"), "NOT verified safe: no answer"),
    (Noticed(what="away", text="the daemon did not run for 4 s"), "the daemon did not run for 4 s"),
]
CHANGED = {
    "by": "ada",
    "protocol_name": "longer.yaml",
    "segment": 4,
    "text": "2 more cycles",
    "loosened": ["max_voltage_V 3.8 becomes 4.1"],
}


@pytest.mark.parametrize(("event", "words"), SAID, ids=lambda value: value if isinstance(value, str) else "")
def test_an_event_in_words(event: Event, words: str) -> None:
    told = [{"kind": "segment_ended", "event": msgspec.to_builtins(SegmentEnded(record=CHARGE))}]
    assert event_words(kind_of(event), msgspec.to_builtins(event), step_ids(told)) == words


def test_another_protocol_in_words() -> None:
    assert event_words("plan_changed", CHANGED, {}) == (
        "ada gave it another protocol, longer.yaml, from after segment 4 on: 2 more cycles; "
        "agreed to max_voltage_V 3.8 becomes 4.1"
    )


def test_every_kind_that_is_listed_has_words() -> None:
    """The two that only say that rows were stored are left out of the list."""
    kinds = {member.__struct_config__.tag for member in get_args(Event)}
    worded = {kind_of(event) for event, _ in SAID} | {"plan_changed"}
    assert kinds - worded == {"block_stored", "readings_stored"}


def test_every_way_a_segment_ends_is_said() -> None:
    """What is not in the table reads well as it is: `by pressure slope`."""
    assert set(ENDED_BY) & set(branching.ENDED_BY.values()) == {
        *("time", "run_time", "voltage", "current", "power", "capacity", "energy")
    }
    sloped = msgspec.structs.replace(CHARGE, ended_by="pressure_slope", reached=None)
    words = event_words("segment_ended", msgspec.to_builtins(SegmentEnded(record=sloped)), {})
    assert words.startswith("rate/0.1C/charge ended by pressure slope (")


def test_a_kind_of_a_later_version_is_shown_as_it_is() -> None:
    assert event_words("moon_rose", {"event": "moon_rose", "phase": 3}, {}) == 'moon rose {"phase": 3}'


@pytest.mark.parametrize(("second", "text"), [(0.9, "0:00:00"), (3725.0, "1:02:05"), (769200.0, "213:40:00")])
def test_run_time_as_a_clock_shows_it(second: float, text: str) -> None:
    assert clock_text(second) == text


@pytest.mark.parametrize(
    ("warning", "text"),
    [
        ("went_on: went on after an interruption; rested", "went on after an interruption; rested"),
        ("away: the daemon did not run for 4 s", "the daemon did not run for 4 s"),
        ("jig_temperature_off: 60.1 °C", "jig temperature off: 60.1 °C"),
        ("a sentence of another kind", "a sentence of another kind"),
        ("sensor 2: broken", "sensor 2: broken"),
    ],
)
def test_a_warning_for_people(warning: str, text: str) -> None:
    assert warning_text(warning) == text


def test_what_was_compared_is_a_short_note_in_status() -> None:
    text = "went on after an interruption; rested voltage 3.490 V, not compared: none at rest is known from before"
    rig = {"rig": "rig1", "state": "running", "warnings": [f"went_on: {text}", "pressure_changed: 16 %"]}
    assert _cells(rig)[-1] == "went on after an interruption: see its events; pressure changed: 16 %"
    told = event_words("noticed", msgspec.to_builtins(Noticed(what="went_on", text=text)), {})
    assert told == text

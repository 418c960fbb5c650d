"""Where limits lead a run, what is held against them, and what a segment says of the one that ended it."""

from typing import Any

import msgspec
import pytest

from daemon.deciding.branching import FRESH_SECOND, entered, leads_to, limit_met, remembered, values_of, watched
from daemon.deciding.endings import end_of_segment
from daemon.deciding.resuming import Cut, Reading
from daemon.deciding.run_state import Outcome, Phase, Run, SegmentFold, decode_run, encode_run
from daemon.engine import advance, effects_due
from daemon.events import EndSegment, ReadingsStored, Resumed, RunStarted, SegmentEnded, SegmentStarted
from daemon.plan import Condition, CurrentStep, Limit, LoopStep, RestStep, VoltageStep
from tests.support.plans import (
    charge,
    discharge,
    interlock,
    jig_readings,
    loop,
    plan,
    rest,
    row,
    temperature_limit,
    wait,
)
from tests.support.segments import half

JIG, PRESSURE = "jig_temperature_celsius", "surface_pressure_pa"
STARTED_SECOND = 100.0


def measuring(step: CurrentStep | RestStep | VoltageStep, **changed: Any) -> Run:
    """A run in the first step of a plan, some seconds after its start."""
    run = Run(plan=plan(step, rest("after")), phase=Phase.MEASURING, segment=1, segment_started_second=STARTED_SECOND)
    return msgspec.structs.replace(run, **changed)


def held(quantity: str, operator: str, value: float, **changed: Any) -> Limit:
    return Limit(key="limits", when=(Condition(quantity=quantity, operator=operator, value=value),), **changed)


def fold(elapsed_second: float = 10.0, volt: float = 3.0, ampere: float = 0.0004, **changed: Any) -> SegmentFold:
    last = row(elapsed_second, volt, ampere)
    return SegmentFold(rows=11, first=row(0.0), last=last, last_reading=last, **changed)


def test_values_of_a_step_that_goes_on_are_those_of_the_whole_step() -> None:
    cut = Cut(elapsed_second=50.0, charge_ampere_hour=-1e-3, energy_watt_hour=-3e-3)
    run = measuring(discharge(), cut=cut, fold=fold(charge_ampere_hour=-5e-4, energy_watt_hour=-1e-3))
    values = values_of(run, STARTED_SECOND + 10)
    assert values["step_time_second"] == pytest.approx(60.0)
    assert values["charge_ampere_hour"] == pytest.approx(1.5e-3)
    assert values["energy_watt_hour"] == pytest.approx(4e-3)


def test_a_change_counts_from_the_start_of_a_step_also_when_it_was_cut_short() -> None:
    limit = held("pressure_change_pa", "<", -1e5)
    cut = Cut(elapsed_second=50.0, charge_ampere_hour=0.0, began={PRESSURE: 1.2e7})
    now_second = STARTED_SECOND + 10
    began = SegmentFold(began=cut.began)
    run = measuring(
        rest(limits=(limit,)), cut=cut, fold=began, readings={PRESSURE: Reading(second=109.0, value=1.18e7)}
    )
    assert limit_met(watched(run, now_second), now_second) == 0
    anew = msgspec.structs.replace(run, cut=None, fold=SegmentFold())
    assert limit_met(watched(anew, now_second), now_second) is None


def test_a_step_begins_with_the_readings_before_it() -> None:
    step = rest("waiting", limits=(held("pressure_change_pa", ">", 1e5),))
    run, _ = advance(Run(plan=plan(step)), RunStarted(holds_wait=False), 0.0)
    run = msgspec.structs.replace(run, readings={PRESSURE: Reading(second=0.0, value=1.2e7)})
    run, _ = advance(run, SegmentStarted(segment=1, started_second=1.0), 1.0)
    assert run.fold.began == {PRESSURE: 1.2e7}


@pytest.mark.parametrize(
    ("age_second", "silent_second", "is_met"),
    [
        (FRESH_SECOND - 1, None, True),
        (FRESH_SECOND + 1, None, False),
        (FRESH_SECOND + 1, 300.0, True),
        (301.0, 300.0, False),
    ],
)
def test_an_old_reading_is_held_against_nothing(age_second: float, silent_second: float | None, is_met: bool) -> None:
    run = measuring(rest(limits=(temperature_limit(">", 60.0),)), readings={JIG: Reading(second=0.0, value=70.0)})
    if silent_second is not None:
        silent = interlock("silent", "warn", quantity="jig_temperature_age_second", high=silent_second)
        run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, interlocks=(silent,)))
    assert (limit_met(run, age_second) is not None) == is_met


def test_old_rows_of_a_silent_instrument_are_held_against_nothing() -> None:
    run = measuring(charge(limits=(held("voltage_volt", ">", 2.5),)), fold=fold())
    assert limit_met(run, STARTED_SECOND + 12) == 0
    assert limit_met(run, STARTED_SECOND + 200) is None


def test_a_recovery_has_no_limits() -> None:
    run = measuring(rest(limits=(temperature_limit(">", 60.0),)), readings={JIG: Reading(second=100.0, value=70.0)})
    recovering = msgspec.structs.replace(run, recovery=rest("recovery"))
    assert limit_met(run, 110.0) == 0
    assert limit_met(recovering, 110.0) is None


LEADS = [
    (Limit(key="limits", when=(), goto="next"), 1, 1),
    (Limit(key="limits", when=(), goto="next", then=7), 7, 7),
    (Limit(key="limits", when=(), goto=5), 5, 5),
    (Limit(key="limits", when=(), goto="end"), "end", "end"),
    (Limit(key="limits", when=(), goto=0, at_most=1), 0, 1),
    (Limit(key="limits", when=(), goto=0, at_most=1, then=7), 0, 7),
]


@pytest.mark.parametrize(("limit", "first", "second"), LEADS)
def test_where_a_limit_leads_and_where_when_it_is_used_up(limit: Limit, first: object, second: object) -> None:
    run = Run(plan=plan(rest(limits=(limit,)), *[rest(f"r{number}") for number in range(8)]))
    run, to = leads_to(run, 0, 0)
    assert to == first
    assert leads_to(run, 0, 0)[1] == second


@pytest.mark.parametrize(
    ("position", "begins", "kept"),
    [(0, (), {3}), (1, (), {2, 3}), (2, (), {2, 3}), (3, (), {3}), (4, (), set()), (1, (2,), {3})],
)
def test_loops_that_a_jump_leaves_begin_anew(position: int, begins: tuple[int, ...], kept: set[int]) -> None:
    limit = Limit(key="limits", when=(), goto=position, begins=begins)
    steps = (rest("a"), rest("b", limits=(limit,)), loop(1, 5, "inner"), loop(0, 5, "outer"), rest("c"))
    run = Run(plan=plan(*steps), passes={2: 1, 3: 2}, cycles_running={"2.0": 1, "3.0": 2})
    run, _ = leads_to(run, 1, 0)
    assert set(run.passes) == kept
    assert set(run.cycles_running) == {f"{at}.0" for at in kept}


def of_cycles(step: LoopStep, **changed: Any) -> LoopStep:
    limit = held("cycles", ">=", 1.0, consecutive=2, **changed)
    return msgspec.structs.replace(step, limits=(limit,))


def test_a_limit_of_a_loop_that_fired_counts_anew() -> None:
    steps = (rest("a"), of_cycles(loop(0, 5), goto=0, at_most=1), rest("b"))
    run = Run(plan=plan(*steps), cycles_running={"1.0": 2}, passes={1: 3})
    run, to, told = entered(run, 1)
    assert (to, run.passes, run.cycles_running) == (0, {}, {})
    assert len(told) == 1
    run, to, told = entered(run, 1)
    assert (to, run.passes, told) == (0, {1: 1}, ())


def test_a_pause_of_a_loop_goes_on_after_it() -> None:
    steps = (rest("a"), of_cycles(loop(0, 5), goto="pause"), rest("b"))
    run = Run(plan=plan(*steps), cycles_running={"1.0": 2})
    run, to, _ = entered(run, 1)
    assert (to, run.goto) == ("pause", 2)


def ended(run: Run, **how: Any) -> Any:
    return end_of_segment(run, **{"power_was_cycled": False} | how)


ENDINGS = [
    (charge(), fold(volt=3.7), "voltage", 3.7, 0.0, False),
    (discharge(), fold(volt=1.998), "voltage", 2.0, 0.002, False),
    (charge(until_charge_ampere_hour=4e-5), fold(360.0, charge_ampere_hour=4e-5), "capacity", 4e-5, 0.0, False),
    (charge(until_voltage_volt=None, until_time_second=60.0), fold(60.0), "time", 60.0, 0.0, False),
    (rest(), fold(3600.0, ampere=0.0), "time", 3600.0, 0.0, False),
    (rest(is_timed_out=True), fold(3600.0), "timeout", 3600.0, 0.0, True),
    (rest(is_timed_out=True, on_timeout="continue"), fold(3600.0), "timeout", 3600.0, 0.0, False),
]


@pytest.mark.parametrize(("step", "known", "ended_by", "limit_value", "overshoot", "abnormal"), ENDINGS)
def test_what_the_instrument_ended(  # noqa: PLR0917  (a table)
    step: Any, known: SegmentFold, ended_by: str, limit_value: float, overshoot: float, abnormal: bool
) -> None:
    record = ended(measuring(step, fold=known))
    assert (record.ended_by, record.abnormal) == (ended_by, abnormal)
    assert record.reached.limit is None
    assert (record.reached.limit_value, record.reached.overshoot) == pytest.approx((limit_value, overshoot), abs=1e-9)


@pytest.mark.parametrize(
    ("operator", "celsius", "overshoot"), [(">", 60.0, 3.0), ("<=", 70.0, 7.0), ("reaches", 60.0, 3.0)]
)
def test_what_the_host_ended(operator: str, celsius: float, overshoot: float) -> None:
    limits = (temperature_limit(">", 90.0), temperature_limit(operator, celsius))
    run = measuring(
        rest(limits=limits),
        fold=fold(met=1, began={JIG: 20.0}),
        readings={JIG: Reading(second=105.0, value=63.0)},
    )
    record = ended(run)
    assert (record.ended_by, record.abnormal) == ("temperature", False)
    assert (record.reached.limit, record.reached.measured_value) == (1, 63.0)
    assert record.reached.overshoot == pytest.approx(overshoot)


def test_an_instrument_that_was_at_its_voltage_in_the_same_moment_was_first() -> None:
    step, readings = charge(limits=(temperature_limit(">", 60.0),)), {JIG: Reading(second=105.0, value=63.0)}
    there = ended(measuring(step, fold=fold(volt=3.7001, met=0), readings=readings))
    assert (there.ended_by, there.reached.limit, there.abnormal) == ("voltage", None, False)
    just_before = ended(measuring(step, fold=fold(volt=3.699, met=0), readings=readings))
    assert (just_before.ended_by, just_before.reached.limit, just_before.abnormal) == ("temperature", 0, False)


def test_lost_power_ends_no_step_by_its_limit() -> None:
    run = measuring(
        rest(limits=(temperature_limit(">", 60.0),)),
        fold=fold(met=0),
        readings={JIG: Reading(second=105.0, value=63.0)},
    )
    record = ended(run, power_was_cycled=True)
    assert (record.ended_by, record.reached, record.abnormal) == ("power_lost", None, True)


@pytest.mark.parametrize("make", [rest, wait])
def test_a_daemon_that_died_between_a_limit_and_its_effect_ends_the_segment_after_all(make: Any) -> None:
    run = measuring(make(limits=(temperature_limit(">", 60.0),)))
    event = ReadingsStored(summary=jig_readings(105.0, 105.0, 63.0))
    run, effects = advance(run, event, 105.0)
    assert effects == (EndSegment(segment=1),)
    run = decode_run(encode_run(run))
    run, due = advance(run, Resumed(cause="kill -9", away_second=1.0), 110.0)
    assert EndSegment(segment=1) in due
    assert EndSegment(segment=1) in effects_due(run)
    again, effects = advance(run, ReadingsStored(summary=jig_readings(115.0, 115.0, 63.0, first_seq=2)), 115.0)
    assert effects == ()
    assert ended(again).ended_by == "temperature"


def test_a_limit_that_ends_the_run_completes_it() -> None:
    step = rest("waiting", limits=(temperature_limit(">", 60.0, goto="end"),))
    run = measuring(step)
    run, _ = advance(run, ReadingsStored(summary=jig_readings(105.0, 105.0, 63.0)), 105.0)
    run, _ = advance(run, SegmentEnded(record=ended(run)), 106.0)
    assert (run.phase, run.outcome, run.reason) == (
        Phase.STOPPING,
        Outcome.COMPLETED,
        "a limit of the protocol ends the run",
    )


def test_a_cycle_whose_last_half_goes_on_counts_once() -> None:
    limit = held("cycle_discharge_ampere_hour", ">", 0.0, consecutive=3)
    steps = (charge(), discharge(), msgspec.structs.replace(loop(0, 5), limits=(limit,)))
    run = Run(plan=plan(*steps), position=1)
    records = [half(1, "charge"), half(2, "discharge"), half(3, "discharge", ended_by="current", extends=True)]
    counts = []
    for record in [*records, *records]:
        run = remembered(run, record)
        counts.append(run.cycles_running.get("2.0", 0))
    assert counts == [0, 1, 1, 1, 2, 2]

"""Another plan for a run under way: as if it had been there from the start, or refused with the step named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from daemon.compile import load_plan
from daemon.deciding.editing import coming, edited, loops_said, named_cycles, never_measured, refusals
from daemon.deciding.run_state import Outcome, Phase, Run, decode_run, encode_run
from daemon.events import Event, MadeSafe, PlanChanged, RunStarted, SegmentEnded, SegmentRecord
from daemon.plan import Plan, PlanStep, RestStep
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import ProblemsFound
from tests.support.machine import Machine, World
from tests.support.plans import charge, discharge, interlock, loop, plan, rest, temperature_limit

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
TOP = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"


def change_to(made: Plan, segment: int = 0) -> PlanChanged:
    return PlanChanged(plan=made, protocol_name="p", protocol_text="", by="ann", segment=segment, text="")


@dataclass
class EditedMachine(Machine):
    """Gets another plan right before one of its segments starts, if it may have it."""

    at: int = 0
    plan: Plan | None = None
    refused: tuple[str, ...] = ()
    before: list[Run] = field(default_factory=list)
    records: list[SegmentRecord] = field(default_factory=list)

    def happen(self, event: Event) -> None:
        if isinstance(event, SegmentEnded):
            self.records.append(event.record)
        super().happen(event)

    def segment(self) -> None:
        if len(self.segments) == self.at and not self.before:
            self.before.append(self.run)
            other = self.plan or self.run.plan
            self.refused = refusals(self.run, other)
            if not self.refused:
                self.happen(change_to(other, self.run.segment))
        super().segment()


def carried_out(machine: Machine) -> Machine:
    machine.happen(RunStarted(holds_wait=False))
    machine.happen(MadeSafe(verified=True, text="off"))
    return machine


def random_method(random: Random) -> list[dict[str, Any]]:
    """Rests, cycles, and perhaps a loop around some of them; some cycles go on only while they retain."""
    method: list[dict[str, Any]] = []
    for number in range(random.randint(2, 5)):
        if random.random() < 0.4:
            method.append({"step": "open_circuit_voltage", "id": f"rest{number}", "until_time_s": 3})
        else:
            count, rate = random.randint(1, 4), random.choice([[1], [0.5], [0.5, 2]])
            method.append({"step": "cycle", "id": f"cycle{number}", "rate_C": rate, "cycle_count": count})
            if random.random() < 0.3:
                method[-1]["stop_if"] = {"retention_percent": "< 99", "relative_to": "first", "consecutive": 1}
    if random.random() < 0.6:
        method.insert(random.randint(0, len(method) - 1), {"step": "tag", "tag": "again"})
        again = {"step": "loop", "id": "loop", "loop_to": "again", "cycle_count": random.randint(1, 3)}
        method.append(again)
        if random.random() < 0.3:
            again["limits"] = [{"cycle_count": ">= 3", "goto": "end"}]
    return method


def varied(method: list[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The same with other counts here and there, other rates, steps more or steps fewer."""
    other: list[dict[str, Any]] = json.loads(json.dumps(method))
    for step in other:
        if "cycle_count" in step and random.random() < 0.5:
            step["cycle_count"] = random.randint(1, 6)
        if "rate_C" in step and random.random() < 0.2:
            step["rate_C"] = [0.25 for _ in step["rate_C"]][:1]
    where = random.randint(1, len(other))
    match random.choice(["insert", "append", "remove", "none"]):
        case "insert":
            other.insert(where, {"step": "open_circuit_voltage", "id": "new", "until_time_s": 3})
        case "append":
            other.append({"step": "cycle", "id": "last", "rate_C": [1], "cycle_count": 2})
        case "remove" if len(other) > 1 and other[-1]["step"] != "loop":
            other.pop()
    return other


def compiled(method: list[dict[str, Any]]) -> Plan:
    text = TOP + "".join(f"  - {json.dumps(step)}\n" for step in method)
    try:
        made, _ = load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)
    except ProblemsFound:
        assume(False)
    return msgspec.structs.replace(made, interlocks=())


randoms = st.integers(0, 2**32).map(Random)


@settings(max_examples=100, deadline=None)
@given(random=randoms, at=st.integers(0, 12))
def test_an_edit_that_changes_nothing_is_the_identity(random: Random, at: int) -> None:
    made = compiled(random_method(random))
    machine = EditedMachine(Run(plan=made), World(random), at=at)
    carried_out(machine)
    assume(machine.before)
    before = machine.before[0]
    assert not machine.refused
    assert edited(before, change_to(decode_run(encode_run(before)).plan)) == before
    assert not loops_said(before, made)


@settings(max_examples=200, deadline=None)
@given(random=randoms, at=st.integers(0, 12))
def test_from_then_on_it_is_as_if_the_new_protocol_had_been_there_from_the_start(random: Random, at: int) -> None:
    method = random_method(random)
    old, new, world = compiled(method), compiled(varied(method, random)), World(random)
    machine = EditedMachine(Run(plan=old), world, at=at, plan=new, dies=Random(1))
    carried_out(machine)
    assume(machine.before and not machine.refused)
    from_the_start = EditedMachine(Run(plan=new), world, at=at)
    carried_out(from_the_start)
    assume(from_the_start.before and from_the_start.segments[: at + 1] == machine.segments[: at + 1])
    # The same segments may be other passes of nested loops: those that were made are made.
    assume(from_the_start.before[0].passes == edited(machine.before[0], change_to(new)).passes)
    assert machine.segments == from_the_start.segments
    assert machine.run.outcome is Outcome.COMPLETED


@settings(max_examples=100, deadline=None)
@given(random=randoms, at=st.integers(0, 12))
def test_what_is_to_come_is_what_then_comes_when_nothing_ends_it_earlier(random: Random, at: int) -> None:
    method = random_method(random)
    for step in method:
        step.pop("stop_if", None)
        step.pop("limits", None)
    machine = EditedMachine(Run(plan=compiled(method)), World(random), at=at, plan=compiled(varied(method, random)))
    carried_out(machine)
    assume(machine.before and not machine.refused)
    to_come = coming(machine.before[0], machine.plan or machine.before[0].plan)
    assert to_come.segments == len(machine.segments) - at - 1
    assert to_come.rows >= to_come.segments


def cycling(passes: int, *further: PlanStep, **changed: Any) -> Plan:
    return plan(charge(), discharge(), loop(0, passes), *further, **changed)


def under_way(made: Plan, **changed: Any) -> Run:
    """In the discharge of its 38th cycle."""
    fields: dict[str, Any] = {
        "phase": Phase.MEASURING,
        "position": 1,
        "passes": {2: 37},
        "segment": 76,
        "segment_started_second": 1000.0,
    }
    return Run(plan=made, **fields | changed)


@pytest.mark.parametrize(
    ("passes", "to_come", "said"),
    [
        (500, 2 * 462, "loop: pass 38 of 1000 is under way, of 500 from now on"),
        (1500, 2 * 1462, "loop: pass 38 of 1000 is under way, of 1500 from now on"),
        (38, 0, "loop: pass 38 of 1000 is under way, of 38 from now on; left when it is complete"),
        (7, 0, "loop: pass 38 of 1000 is under way, of 7 from now on; left when it is complete"),
    ],
)
def test_a_loop_under_way_gets_another_count(passes: int, to_come: int, said: str) -> None:
    run, new = under_way(cycling(1000)), cycling(passes)
    assert refusals(run, new) == ()
    assert loops_said(run, new) == (said,)
    assert coming(run, new).segments == to_come
    after = edited(run, change_to(new))
    assert (after.plan, after.passes, after.position) == (new, {2: 37}, 1)


def test_a_loop_that_moves_keeps_its_passes() -> None:
    new = plan(charge(), discharge(), rest("between"), loop(0, 1000))
    after = edited(under_way(cycling(1000)), change_to(new))
    assert after.passes == {3: 37}
    assert coming(under_way(cycling(1000)), new).segments == 1 + 3 * 962


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (
            plan(charge(), discharge(current_ampere=-0.001), loop(0, 1000)),
            "step 2, discharge, is under way and would change: current_ampere -0.0004 → -0.001; let loop end after "
            "pass 38 or later",
        ),
        (plan(charge(until_voltage_volt=3.6), discharge(), loop(0, 9)), "step 1, charge, is executed already"),
        (plan(rest(), charge(), discharge(), loop(1, 9)), "it is open_circuit_voltage and was constant_current"),
        (plan(charge()), "step 2, discharge, is under way and is missing"),
        (
            msgspec.structs.replace(
                cycling(9), cell=msgspec.structs.replace(cycling(9).cell, active_mass_gram=0.03, name="c2")
            ),
            "active mass gram is 0.03 and was 0.02",
        ),
        (msgspec.structs.replace(cycling(9), cycle_starts_with="discharge"), "counted in another way"),
    ],
)
def test_what_was_done_and_whose_it_was_stays(new: Plan, said: str) -> None:
    assert said in "; ".join(refusals(under_way(cycling(1000)), new))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"phase": Phase.NEW}, "has not begun"),
        ({"phase": Phase.HALTING, "reason": "hot"}, "is being brought to open circuit (hot)"),
        ({"phase": Phase.STOPPING, "reason": "enough"}, "is being ended: enough"),
        ({"phase": Phase.FINISHED, "outcome": Outcome.TRIPPED, "reason": "hot"}, "ended as tripped (hot)"),
    ],
)
def test_the_phase_must_allow_it(changed: dict[str, Any], said: str) -> None:
    [why] = refusals(under_way(cycling(1000), **changed), cycling(9))
    assert said in why


def test_what_watches_a_run_changes_at_once_and_its_segment_keeps_its_guards() -> None:
    new = plan(
        charge(upper_guard_volt=3.75),
        discharge(upper_guard_volt=3.75, line=9, interlocks=(interlock("hot", "trip"),)),
        loop(0, 1000),
        interlocks=(interlock("hot", "hold"),),
    )
    run = edited(under_way(cycling(1000)), change_to(new))
    assert run.step.upper_guard_volt == 3.8
    assert [row.action for row in run.interlocks] == ["trip"]
    assert decode_run(encode_run(run)) == run
    assert msgspec.structs.replace(run, segment_ended=True).step.upper_guard_volt == 3.75
    again = edited(run, change_to(cycling(1000)))
    assert again.step.upper_guard_volt == 3.8
    held = edited(under_way(cycling(1000), phase=Phase.HOLDING, segment_ended=True), change_to(new))
    assert held.fold.begun_as is None


def test_a_place_to_go_on_at_must_still_be_there() -> None:
    old = cycling(1000, rest("long"), charge("last"))
    run = under_way(old, phase=Phase.HOLDING, segment_ended=True, step_done=True, goto=4)
    moved = cycling(1000, rest("long"), rest("more"), charge("last"))
    assert edited(run, change_to(moved)).goto == 5
    assert refusals(run, cycling(1000, rest("long"))) == (
        "the run is to go on at last, which is missing or is changed",
    )
    wanted = msgspec.structs.replace(run, goto=None, idle=msgspec.structs.replace(run.idle, wanted=3))
    assert refusals(wanted, cycling(1000)) == ("the jig is held to the temperature of long: leave it in",)


def test_steps_are_appended_to_a_run_that_is_complete() -> None:
    done = under_way(cycling(3), phase=Phase.FINISHED, outcome=Outcome.COMPLETED, passes={}, segment_ended=True)
    new = cycling(3, charge("last"))
    assert refusals(done, new) == ()
    again = edited(done, change_to(new))
    assert (again.phase, again.outcome, again.goto, again.step_done) == (Phase.HOLDING, None, 3, True)
    assert again.reason == "steps were appended by ann"
    assert coming(done, new).segments == 1
    by_a_limit = msgspec.structs.replace(done, goto=1)
    assert (refusals(by_a_limit, new), coming(by_a_limit, new).segments) == ((), 1)
    assert "nothing is measured" in refusals(done, cycling(3))[0]
    assert "write what is to come as further steps at the end" in refusals(done, cycling(4, charge("last")))[0]


def test_a_waiting_pause_and_an_edit_do_not_meet() -> None:
    run = under_way(cycling(1000), pause_after="cycle", pause_reason="paused by ben")
    after = edited(run, change_to(cycling(500)))
    assert (after.pause_after, after.pause_reason) == ("cycle", "paused by ben")


def test_a_capacity_that_was_measured_before_is_known_to_steps_that_come() -> None:
    formation = [{"step": "cycle", "id": "formation", "rate_C": [0.5], "cycle_count": 3}]
    later = {"step": "cycle", "id": "life", "rate_C": [1], "cycle_count": 2}
    world = World(Random(5))
    machine = EditedMachine(Run(plan=compiled([*formation, later])), world, at=6)
    carried_out(machine)
    run, records = machine.before[0], machine.records[:6]
    by_formation = {"block": "formation", "cycle": 2}
    asks = {**later, "stop_if": {"retention_percent": "< 50", "relative_to": by_formation, "consecutive": 1}}
    new = compiled([*formation, asks])
    named = named_cycles(records, new)
    assert list(named) == ["formation\n2"]
    after = edited(run, msgspec.structs.replace(change_to(new), named_cycles=named))
    assert after.memory.named("formation", 2) == named["formation\n2"]
    assert never_measured(run, new, named) == ()


def test_a_limit_that_is_counted_stays_counted_where_it_is_the_same() -> None:
    def again(celsius: float, path: str) -> RestStep:
        return rest("again", limits=(temperature_limit(">", celsius, goto=0, at_most=2, path=path),))

    run = under_way(plan(charge(), discharge(), again(60.0, "method[2]"), rest("last")), passes={})
    run = msgspec.structs.replace(run, limit_uses={"method[2]": 1})
    moved = plan(charge(), discharge(), rest("new"), again(60.0, "method[3]"))
    assert edited(run, change_to(moved)).limit_uses == {"method[3]": 1}
    other = plan(charge(), discharge(), rest("new"), again(70.0, "method[3]"))
    assert edited(run, change_to(other)).limit_uses == {}

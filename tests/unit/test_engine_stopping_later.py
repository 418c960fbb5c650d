"""A stop that waits for the end of its cycle."""

from random import Random

import pytest

from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import Event, LinkChanged, PauseRequested, ResumeRequested, RunStarted, StopRequested
from daemon.plan import Plan
from tests.support.machine import Machine, World
from tests.support.plans import charge, discharge, loop, plan, rest

LATER = StopRequested(by="ada", after="cycle")
LOST = LinkChanged(role="potentiostat", state="failed", since_second=0.0, text="it is silent")


class Asked(Machine):
    """Something happens right before a segment starts."""

    happens: dict[int, list[Event]]

    def segment(self) -> None:
        for event in self.happens.pop(len(self.segments), []):
            self.happen(event)
        if self.run.phase is Phase.STARTING:
            super().segment()


def carried_out(made: Plan, happens: dict[int, list[Event]]) -> Asked:
    machine = Asked(Run(plan=made), World(Random(1)))
    machine.happens = happens
    machine.happen(RunStarted())
    return machine


@pytest.mark.parametrize(("asked_at", "executed"), [(2, 4), (3, 4), (4, 6), (0, 2)])
def test_it_ends_when_the_cycle_is_complete(asked_at: int, executed: int) -> None:
    machine = carried_out(plan(charge(), discharge(), loop(0, 9)), {asked_at: [LATER]})
    assert len(machine.segments) == executed
    assert (machine.run.phase, machine.run.outcome) == (Phase.STOPPING, Outcome.STOPPED)
    assert machine.run.reason == "stopped by ada after this cycle"


@pytest.mark.parametrize(("asked_at", "executed"), [(4, 5), (2, 3)])
def test_a_rest_after_the_last_half_is_not_waited_for_and_not_cut_short(asked_at: int, executed: int) -> None:
    made = plan(charge(), discharge(), rest(until_time_second=3.0), loop(0, 9))
    machine = carried_out(made, {asked_at: [LATER]})
    assert (len(machine.segments), machine.run.outcome) == (executed, Outcome.STOPPED)


def test_the_last_cycle_ends_the_run_as_complete() -> None:
    machine = carried_out(plan(charge(), discharge(), loop(0, 2)), {2: [LATER]})
    assert machine.run.outcome is Outcome.COMPLETED


def test_resume_takes_it_back() -> None:
    machine = carried_out(plan(charge(), discharge(), loop(0, 3)), {2: [LATER], 3: [ResumeRequested(by="ben")]})
    assert (len(machine.segments), machine.run.outcome) == (6, Outcome.COMPLETED)


def test_the_later_word_holds() -> None:
    pause = PauseRequested(by="ben", after="cycle")
    held = carried_out(plan(charge(), discharge(), loop(0, 3)), {1: [LATER, pause]})
    assert (held.run.phase, held.run.reason) == (Phase.HALTING, "paused by ben")
    ended = carried_out(plan(charge(), discharge(), loop(0, 3)), {1: [pause, LATER]})
    assert ended.run.phase is Phase.STOPPING


def test_a_fault_before_holds_and_then_nothing_waits() -> None:
    machine = carried_out(plan(charge(), discharge(), loop(0, 3)), {1: [LATER, LOST]})
    assert (machine.run.phase, machine.run.pause_after, machine.run.pause_ends) == (Phase.HALTING, "", False)

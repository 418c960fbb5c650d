"""A pause of the protocol that nobody ends."""

from pathlib import Path

import pytest

from daemon.deciding.run_state import Outcome, Phase
from daemon.events import Cleared, MadeSafe, Noticed, ResumeRequested, Warned
from daemon.plan import PauseStep
from tests.support.plans import loop, plan, rest
from tests.support.rigs import EVERY_SECOND, ZERO_SECOND, Scripted, events_of, records_of, take_up

SHORT = rest("short", until_time_second=60.0, sampling_second=1.0)
AFTER = rest("after", until_time_second=60.0, sampling_second=1.0)


def pause(on_timeout: str, timeout_second: float | None = 600.0) -> PauseStep:
    return PauseStep(
        step_id="ask", block="", line=1, text="tighten the jig", timeout_second=timeout_second, on_timeout=on_timeout
    )


async def test_after_its_time_a_pause_may_go_on_by_itself(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(SHORT, pause("continue"), AFTER), holds_wait=True)
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    (resumed,) = (event for event in events_of(scripted.path) if isinstance(event, ResumeRequested))
    assert (resumed.by, resumed.nobody_looked) == ("the time-out of ask", True)
    first, second = records_of(scripted.path)
    assert second.start_run_time_second - first.end_run_time_second == pytest.approx(600.0, abs=EVERY_SECOND)


async def test_after_its_time_a_pause_may_only_say_so_once(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(SHORT, pause("hold"), AFTER), holds_wait=True)
    scripted.at(5000.0, lambda: scripted.runner.wish(ResumeRequested(by="ada")))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    told = [event.text for event in events_of(scripted.path) if isinstance(event, Noticed)]
    assert told == ["nobody came: tighten the jig"]
    assert run.warnings == ("pause_timed_out: nobody came: tighten the jig",)


async def test_a_pause_warns_only_from_its_own_time_out_on(tmp_path: Path) -> None:
    """The one before it was late too, and somebody came."""
    scripted = Scripted(tmp_path, plan(SHORT, pause("hold"), AFTER, loop(0, 2)), holds_wait=True)
    resume = ResumeRequested(by="ada")
    seen: list[tuple[Phase, bool]] = []

    def look() -> None:
        seen.append((scripted.runner.run.phase, bool(scripted.runner.run.warnings_on)))

    for second, act in ((1000.0, look), (5000.0, lambda: scripted.runner.wish(resume))):
        scripted.at(second, act)
    for second, act in ((5300.0, look), (6000.0, look), (9000.0, lambda: scripted.runner.wish(resume))):
        scripted.at(second, act)
    run = await scripted.carry_out()
    assert seen == [(Phase.HOLDING, True), (Phase.HOLDING, False), (Phase.HOLDING, True)]
    assert (run.outcome, len(run.warnings), run.warnings_on) == (Outcome.COMPLETED, 1, ())
    said = [type(event) for event in events_of(scripted.path) if isinstance(event, Noticed | Warned | Cleared)]
    assert said == [Noticed, Warned, Cleared] * 2


async def test_a_person_in_time_makes_the_time_out_void(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(SHORT, pause("hold"), AFTER), holds_wait=True)
    scripted.at(100.0, lambda: scripted.runner.wish(ResumeRequested(by="ada")))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    assert run.warnings == ()


async def test_the_time_of_a_pause_goes_on_without_a_daemon(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(SHORT, pause("continue"), AFTER), holds_wait=True)
    scripted.at(200.0, scripted.runner.let_go)
    run = await scripted.carry_out()
    assert run.phase is Phase.HOLDING
    run = await take_up(scripted.directory, scripted.device, ZERO_SECOND + 2000.0, holds_wait=True)
    assert run.outcome is Outcome.COMPLETED
    events = events_of(scripted.path)
    assert sum(isinstance(event, MadeSafe) for event in events) >= 2
    assert any(isinstance(event, ResumeRequested) for event in events)

"""Another plan for a run on a rig, by the real runner and store: under way, refused, after a kill, after the end."""

import asyncio
import shutil
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path

import pytest

from daemon.deciding.run_state import Outcome, Phase
from daemon.events import PauseRequested, PlanChanged, ResumeRequested, StopRequested
from daemon.plan import Plan
from daemon.recover import unfinished_runs
from daemon.results.result import read_result
from daemon.running.asked_edit import CHANGED_MEANWHILE, AskedEdit, EditRefusedError
from daemon.service.proposing import proposal
from daemon.service.reopening import ended_run, reopen
from daemon.service.sources import Sources
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME
from daemon.stored import plan_in_force
from drivers.errors import WrongInstrumentError
from tests.support.instruments import JumpingClock
from tests.support.plans import AT_ONCE, loop, plan, rest
from tests.support.rigs import ZERO_SECOND, Scripted, events_of, kinds_of, records_of, rig_of, stored_run, take_up

EDITED = Sources(protocol_name="lab/edited.yaml", protocol_text="new", cell_name="c.yaml", cell_text="")


def resting(passes: int, *more: str) -> Plan:
    """Rests of a minute, in passes of two, and more of them afterwards."""
    steps = [rest(name, until_time_second=60.0, sampling_second=1.0) for name in ("one", "two", *more)]
    return plan(*steps[:2], loop(0, passes), *steps[2:], resume=AT_ONCE)


def change(made: Plan) -> PlanChanged:
    return PlanChanged(plan=made, protocol_name="q.yaml", protocol_text="new", by="ann", segment=0, text="fewer")


def executed(path: Path) -> list[str]:
    return [record.step_id for record in records_of(path)]


class Asking:
    """Edits that are asked for while a run is carried out, and their answers."""

    def __init__(self, scripted: Scripted) -> None:
        self.scripted = scripted
        self.asked: list[AskedEdit] = []

    def at(self, second: float, made: Plan) -> None:
        def ask() -> None:
            self.asked.append(AskedEdit(change(made), self.scripted.runner.run.plan))
            self.scripted.runner.wish(self.asked[-1])

        self.scripted.at(second, ask)

    async def answers(self) -> list[str]:
        over = asyncio.create_task(_nothing())
        await over
        return [await _answer(asked.answered(over)) for asked in self.asked]


async def _nothing() -> None:
    return None


async def _answer(waiting: Coroutine[None, None, None]) -> str:
    try:
        await waiting
    except EditRefusedError as error:
        return str(error)
    return "durable"


async def test_a_run_goes_on_as_the_new_plan_says(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, resting(1000))
    asking = Asking(scripted)
    asking.at(155.0, resting(2, "last"))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    assert await asking.answers() == ["durable"]
    assert executed(scripted.path) == ["one", "two", "one", "two", "last"]
    [event] = [event for event in events_of(scripted.path) if isinstance(event, PlanChanged)]
    assert (event.segment, event.by) == (3, "ann")
    result = read_result(scripted.directory)
    assert [version.after_segment for version in result.versions] == [0, 3]
    assert [result.plan_of(segment) for segment in (1, 3, 4, 5)] == [resting(1000)] * 2 + [resting(2, "last")] * 2
    assert result.as_object()["edits"][0]["by"] == "ann"


async def test_it_is_decided_when_the_run_takes_it(tmp_path: Path) -> None:
    """Whoever compared it may have seen an earlier step; and a run that is being ended takes none."""
    scripted = Scripted(tmp_path, resting(2))
    asking = Asking(scripted)
    asking.at(100.0, plan(rest("one", until_time_second=90.0), rest("two"), loop(0, 2)))
    scripted.at(200.0, lambda: scripted.runner.wish(StopRequested(by="ben")))
    asking.at(200.0, resting(5))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.STOPPED
    first, second = await asking.answers()
    assert first.startswith("step 1, one, is executed already and would change: until_time_second 60 → 90")
    assert "is being ended" in second or "was let go or has ended" in second
    assert not any(isinstance(event, PlanChanged) for event in events_of(scripted.path))


async def test_of_two_that_were_compared_with_one_plan_only_the_first_is_made(tmp_path: Path) -> None:
    """What the second allows was held against a plan that is the run's no more."""
    scripted = Scripted(tmp_path, resting(2))
    asking = Asking(scripted)
    asking.at(100.0, resting(3))
    asking.at(100.0, resting(5))
    run = await scripted.carry_out()
    assert run.plan == resting(3)
    assert await asking.answers() == ["durable", CHANGED_MEANWHILE]


async def test_a_held_run_has_it_and_goes_on_by_it(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, resting(1000), holds_wait=True)
    scripted.at(30.0, lambda: scripted.runner.wish(PauseRequested(by="ben")))
    asking = Asking(scripted)
    asking.at(100.0, resting(1))
    scripted.at(200.0, lambda: scripted.runner.wish(ResumeRequested(by="ben")))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    assert await asking.answers() == ["durable"]
    assert executed(scripted.path) == ["one", "one", "two"]


async def test_the_daemon_dies_right_after_it_was_written(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, resting(1000))
    asking = Asking(scripted)
    asking.at(100.0, resting(1, "last"))
    scripted.at(100.0, scripted.runner.let_go)
    run = await scripted.carry_out()
    assert (run.phase, run.plan) == (Phase.MEASURING, resting(1, "last"))
    assert plan_in_force(scripted.path, read_header(scripted.path)) == resting(1, "last")
    run = await take_up(scripted.directory, scripted.device, ZERO_SECOND + 110.0)
    assert run.outcome is Outcome.COMPLETED
    assert executed(scripted.path) == ["one", "two", "last"]


async def finished(folder: Path) -> Scripted:
    scripted = Scripted(folder, resting(1))
    await scripted.carry_out()
    assert not unfinished_runs(folder).left
    return scripted


async def test_steps_are_appended_and_the_run_goes_on(tmp_path: Path) -> None:
    scripted = await finished(tmp_path)
    clock = JumpingClock(ZERO_SECOND + 5000.0)
    made = proposal(scripted.path, ended_run(scripted.directory), resting(1, "last"), EDITED, "ann")
    assert (made.refused, made.change.loosened) == ((), ())
    assert made.diff.splitlines()[2].startswith("+last  open_circuit_voltage")
    reopen(scripted.directory, rig_of(scripted.device, clock, []), clock, made.change)
    assert unfinished_runs(tmp_path).left == [scripted.directory]
    assert stored_run(scripted.path).reason == "steps were appended by ann"
    run = await take_up(
        scripted.directory,
        scripted.device,
        ZERO_SECOND + 5010.0,
        holds_wait=True,
        wishes=[(20.0, ResumeRequested(by="ann"))],
    )
    assert (run.outcome, run.reason) == (Outcome.COMPLETED, "all steps done")
    assert executed(scripted.path) == ["one", "two", "last"]
    assert not unfinished_runs(tmp_path).left


async def test_nothing_is_appended_where_the_cell_may_be_another(tmp_path: Path) -> None:
    scripted = await finished(tmp_path)
    clock = JumpingClock(ZERO_SECOND + 5000.0)
    rig = rig_of(scripted.device, clock, [])
    before = kinds_of(scripted.path)
    rig.identities.clear()
    with pytest.raises(WrongInstrumentError):
        reopen(scripted.directory, rig, clock, change(resting(1, "last")))
    rig = rig_of(scripted.device, clock, [])
    with pytest.raises(EditRefusedError, match="write what is to come as further steps at the end"):
        reopen(scripted.directory, rig, clock, change(resting(7, "last")))
    assert not unfinished_runs(tmp_path).left
    assert kinds_of(scripted.path) == before
    assert sorted(path.name for path in scripted.directory.glob("run.sqlite*")) == ["run.sqlite", "run.sqlite.lock"]


async def test_a_change_is_made_only_as_it_was_agreed_to(tmp_path: Path) -> None:
    scripted = await finished(tmp_path)
    run = ended_run(scripted.directory)
    made = proposal(scripted.path, run, resting(1, "last"), EDITED, "ann")
    made.check(made.agreement, limits=False)
    with pytest.raises(EditRefusedError, match="look at the difference again"):
        made.check("another", limits=True)
    wider = proposal(
        scripted.path,
        run,
        plan(*resting(1, "last").steps[:3], rest("last", upper_guard_volt=4.2), resume=AT_ONCE),
        EDITED,
        "ann",
    )
    with pytest.raises(EditRefusedError, match=r"--limits: guard at rest 1 to 3\.8 V → 1 to 4\.2 V"):
        wider.check(wider.agreement, limits=False)
    wider.check(wider.agreement, limits=True)
    same = proposal(scripted.path, run, resting(1), EDITED, "ann")
    with pytest.raises(EditRefusedError):
        same.check(same.agreement, limits=True)


@pytest.mark.parametrize(
    ("name", "is_in_the_way"),
    [
        ("tested-20261122T125959Z-ffffff", True),
        ("tested-20261121T125959Z-ffffff", False),
        ("somebody's folder", True),
    ],
)
async def test_a_run_that_cannot_be_read_and_may_have_had_the_rig_since_is_in_the_way(
    tmp_path: Path, name: str, is_in_the_way: bool
) -> None:
    scripted = await finished(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / RUN_FILE_NAME).write_bytes(b"no run file")
    clock = JumpingClock(ZERO_SECOND + 5000.0)
    rig = rig_of(scripted.device, clock, [])
    if not is_in_the_way:
        reopen(scripted.directory, rig, clock, change(resting(1, "last")))
        return
    with pytest.raises(EditRefusedError, match="may have been begun on rig1 since, and nobody can tell"):
        reopen(scripted.directory, rig, clock, change(resting(1, "last")))
    assert not unfinished_runs(tmp_path).left


async def test_a_run_of_another_version_on_another_rig_is_not_in_the_way(tmp_path: Path) -> None:
    scripted = await finished(tmp_path)
    other = tmp_path / "tested-20261122T125959Z-ffffff" / RUN_FILE_NAME
    other.parent.mkdir()
    shutil.copy(scripted.path, other)
    with closing(sqlite3.connect(other)) as file, file:
        file.execute("PRAGMA user_version = 999")
        file.execute("UPDATE header SET body = replace(body, '\"rig1\"', '\"rig2\"')")
    clock = JumpingClock(ZERO_SECOND + 5000.0)
    reopen(scripted.directory, rig_of(scripted.device, clock, []), clock, change(resting(1, "last")))

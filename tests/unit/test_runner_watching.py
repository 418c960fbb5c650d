"""The runner and the safety table: what happens when a sensor beside the cell falls silent, freezes or jumps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.compiling.interlock_table import on_rig
from daemon.deciding.run_state import Outcome, Phase
from daemon.events import Cleared, Silent, Warned
from daemon.plan import Plan
from daemon.running.progress import Progress
from drivers.roles import Floats
from tests.support.instruments import JumpingClock, ScriptedLoadCell, ScriptedThermometer
from tests.support.plans import charge, plan, rest
from tests.support.rigs import (
    EVERY_SECOND,
    ZERO_SECOND,
    Scripted,
    assert_every_row_is_stored,
    events_of,
    kinds_of,
    records_of,
    stored_run,
    take_up,
)
from tests.support.watched_run import table

SLOW_AMPERE = 0.00002
"""With it a charge takes 857 s in the scripted instrument."""
HOUR = 3600.0


def watched(*steps: Any, roles: tuple[str, ...] = ("thermometer", "load_cell"), **safety: float) -> Plan:
    """These steps with the whole table, as on a rig with these roles; its thermometer is asked every 5 s."""
    return plan(*steps, interlocks=on_rig(table(**safety), roles=roles, temperature_every_second=5.0))


def slow_charge() -> Any:
    return charge(current_ampere=SLOW_AMPERE)


def thermometer(*outages: tuple[float, float]) -> Callable[[JumpingClock], ScriptedThermometer]:
    shifted = [(ZERO_SECOND + begin, ZERO_SECOND + end) for begin, end in outages]
    return lambda clock: ScriptedThermometer(clock, lambda second: 55.0 + 0.01 * (second // 5 % 2), *shifted)


class LoadCellThatShows(ScriptedLoadCell):
    """One that shows what a function of the run time tells."""

    def __init__(self, clock: JumpingClock, shown: Callable[[Floats], Floats], *outages: tuple[float, float]) -> None:
        super().__init__(clock, *((ZERO_SECOND + begin, ZERO_SECOND + end) for begin, end in outages))
        self._shown = shown

    def displayed_at(self, second: Floats) -> Floats:
        return self._shown(second - ZERO_SECOND)


def load_cell(
    *outages: tuple[float, float], shown: Callable[[Floats], Floats] = lambda second: 100 + second / 1e4
) -> Callable[[JumpingClock], LoadCellThatShows]:
    return lambda clock: LoadCellThatShows(clock, shown, *outages)


def told(path: Path, kind: type) -> list[Any]:
    return [event for event in events_of(path) if isinstance(event, kind)]


async def test_losing_the_load_cell_is_told_and_stops_nothing(tmp_path: Path) -> None:
    shown: list[tuple[float, float | None]] = []

    def note(progress: Progress) -> None:
        shown.append((progress.run_time_second, progress.readings.get("displayed_load")))

    scripted = Scripted(
        tmp_path, watched(slow_charge()), load_cell=load_cell((95, HOUR)), thermometer=thermometer(), tell=note
    )
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)
    (silent,) = told(scripted.path, Silent)
    assert silent.quantity == "surface_pressure_pa"
    assert 60 < silent.age_second <= 60 + EVERY_SECOND
    (warned,) = told(scripted.path, Warned)
    assert run.warnings == (warned.text,)
    assert warned.text.startswith("pressure_silent: ")
    kinds = kinds_of(scripted.path)
    assert kinds[kinds.index("silent") + 1] == "warned"
    assert {value is None for second, value in shown if 20 < second <= 90} == {False}
    assert {value is None for second, value in shown if second > 110} == {True}
    assert_every_row_is_stored(scripted.path, scripted.device)


async def test_load_cell_that_comes_back_is_shown_again(tmp_path: Path) -> None:
    last: dict[str, float] = {}
    scripted = Scripted(
        tmp_path,
        watched(slow_charge()),
        load_cell=load_cell((95, 130)),
        thermometer=thermometer(),
        tell=lambda progress: (last.clear(), last.update(progress.readings)),
    )
    run = await scripted.carry_out()
    assert (run.outcome, run.warnings) == (Outcome.COMPLETED, ())
    assert last["displayed_load"] > 100.08


async def test_a_warning_is_over_once_all_has_been_well_for_a_minute_and_may_come_again(tmp_path: Path) -> None:
    on: dict[float, tuple[str, ...]] = {}
    scripted = Scripted(
        tmp_path,
        watched(slow_charge()),
        load_cell=load_cell((95, 200), (409.5, 500)),
        thermometer=thermometer(),
        tell=lambda progress: on.update({progress.run_time_second: progress.run.warnings_on}),
    )
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    words = [event for event in events_of(scripted.path) if isinstance(event, Warned | Cleared)]
    assert [type(event) for event in words] == [Warned, Cleared, Warned, Cleared]
    assert (words[0].text, words[2].text) == (words[1].text, words[3].text)
    assert run.warnings == (words[2].text,), "each thing once, in its last words"
    is_on = [second for second, warnings in on.items() if warnings]
    first = [second for second in is_on if second < 300]
    assert 95 < min(first) <= 95 + 60 + EVERY_SECOND
    assert 200 + 60 <= max(first) + EVERY_SECOND <= 200 + 60 + 3 * EVERY_SECOND
    assert not run.warnings_on
    assert stored_run(scripted.path) == run


async def test_without_the_jigs_temperature_the_half_cycle_is_finished_and_then_held(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path, watched(slow_charge(), rest()), thermometer=thermometer((20, 9e3)), load_cell=load_cell()
    )
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.HELD)
    assert run.reason.startswith("jig_temperature_unknown: jig_temperature_age_second 6")
    looked, record = records_of(scripted.path)
    assert looked.step_id == "charge/preflight"
    assert (record.ended_by, record.abnormal) == ("voltage", False)
    assert record.end_run_time_second > 620
    assert [warning.partition(":")[0] for warning in run.warnings] == ["jig_temperature_silent"]
    assert [silent.quantity for silent in told(scripted.path, Silent)] == ["jig_temperature_celsius"] * 2


async def test_without_the_jigs_temperature_a_rest_is_held_at_once(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path, watched(rest(), rest("more")), thermometer=thermometer((20, 9e3)), load_cell=load_cell()
    )
    run = await scripted.carry_out()
    assert run.outcome is Outcome.HELD
    assert 615 < scripted.runner.run_time_second <= 615 + 5 + EVERY_SECOND


async def test_half_cycle_in_which_the_temperature_stays_unknown_is_held_by_the_next_daemon_too(
    tmp_path: Path,
) -> None:
    scripted = Scripted(
        tmp_path, watched(slow_charge(), rest()), thermometer=thermometer((20, 9e3)), load_cell=load_cell()
    )
    scripted.at(700, scripted.runner.let_go)
    await scripted.carry_out()
    now_second = scripted.clock.now_second()
    run = await take_up(
        scripted.directory, scripted.device, now_second, thermometer=thermometer(), load_cell=load_cell()
    )
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.HELD)
    assert run.reason.startswith("jig_temperature_unknown: ")
    assert [record.ended_by for record in records_of(scripted.path)] == ["time", "voltage"]


async def test_an_outage_of_the_daemon_is_no_silent_sensor(tmp_path: Path) -> None:
    steps = (rest(until_time_second=2 * HOUR),)
    scripted = Scripted(tmp_path, watched(*steps), thermometer=thermometer(), load_cell=load_cell())
    scripted.at(100, scripted.runner.let_go)
    await scripted.carry_out()
    run = await take_up(
        scripted.directory, scripted.device, ZERO_SECOND + HOUR, thermometer=thermometer(), load_cell=load_cell()
    )
    assert (run.outcome, run.warnings) == (Outcome.COMPLETED, ())
    assert told(scripted.path, Silent) == []


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (lambda second: np.where(second < 700, 100.0, 90.0), "pressure_crack: surface_pressure_drop_pa 1.2"),
        (
            lambda second: 100.0 - np.clip(second - 700, 0, None) / 20,
            "pressure_lost: surface_pressure_change_percent -30.",
        ),
        (lambda second: np.where(second < 700, 100.0, 170.0), "pressure_high: surface_pressure_pa 2.1"),
    ],
    ids=["crack", "loss", "too high"],
)
async def test_pressure_that_goes_is_seen_within_an_interval(
    tmp_path: Path, shown: Callable[[Floats], Floats], reason: str
) -> None:
    """After ten minutes of rest, from which the baseline is taken."""
    scripted = Scripted(
        tmp_path,
        watched(rest(until_time_second=620.0), slow_charge(), slow_charge()),
        load_cell=load_cell(shown=lambda second: shown(second) + second % 2 / 100),
        thermometer=thermometer(),
    )
    run = await scripted.carry_out()
    assert run.reason.startswith(reason)
    assert run.outcome is (Outcome.TRIPPED if "high" in reason else Outcome.HELD)
    assert scripted.device.output_on is False
    broken_second = 1300 if "lost" in reason else 700
    assert broken_second < scripted.runner.run_time_second <= broken_second + 3 + EVERY_SECOND
    assert_every_row_is_stored(scripted.path, scripted.device)


async def test_frozen_load_cell_is_told_and_stops_nothing(tmp_path: Path) -> None:
    scripted = Scripted(
        tmp_path,
        watched(slow_charge()),
        load_cell=load_cell(shown=lambda second: np.full(len(second), 100.0)),
        thermometer=thermometer(),
    )
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    assert [warning.partition(":")[0] for warning in run.warnings] == ["pressure_stuck"]

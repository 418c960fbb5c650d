"""The runner while a cell is left alone: the relay is open, nothing of the cell is measured, the host times it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.deciding.run_state import Outcome
from daemon.plan import Equilibration
from drivers.roles import ChamberLook
from tests.support.instruments import LINK_LOST, JumpingClock, ScriptedChamber, ScriptedDevice, ScriptedThermometer
from tests.support.plans import charge, plan, rest, temperature_limit, wait
from tests.support.rigs import EVERY_SECOND, ZERO_SECOND, Scripted, assert_every_row_is_stored, records_of, take_up

SHORT = rest("short", until_time_second=60.0, sampling_second=1.0)
NEAR = Equilibration(temperature_celsius=25.0, within_kelvin=1.0, for_second=60.0)


def warming(clock: JumpingClock) -> Any:
    """20 °C at the start, 1 K more every 100 s."""
    return ScriptedThermometer(clock, lambda second: 20.0 + (second - ZERO_SECOND) / 100)


async def test_the_instrument_is_at_open_circuit_and_asked_nothing(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(SHORT, wait(until_time_second=600.0), SHORT))
    scripted.at(100.0, lambda: scripted.diary.append(("noted", "waiting")))
    scripted.at(600.0, lambda: scripted.diary.append(("noted", "still waiting")))
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    _, waited, after = records_of(scripted.path)
    assert (waited.step_type, waited.ended_by, waited.rows, waited.half) == ("wait_for", "time", 0, None)
    assert waited.end_run_time_second - waited.start_run_time_second == pytest.approx(600.0)
    assert after.start_run_time_second == pytest.approx(waited.end_run_time_second, abs=EVERY_SECOND)
    assert_every_row_is_stored(scripted.path, scripted.device)
    between = scripted.diary[
        scripted.diary.index(("noted", "waiting")) : scripted.diary.index(("noted", "still waiting"))
    ]
    assert not [entry for entry in between if entry[0] in ("look", "start_segment", "read_rows")]


async def test_the_circuit_is_opened_before_a_wait_that_begins_a_run(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(wait()))
    await scripted.carry_out()
    assert scripted.verbs("make_safe", "start_segment")[0][0] == "make_safe"


@pytest.mark.parametrize(
    ("fields", "ended_by", "second"),
    [
        ({"until_equilibrated": NEAR, "until_time_second": 3600.0}, "equilibrated", 460.0),
        ({"limits": (temperature_limit(">=", 23.0),)}, "temperature", 300.0),
        ({"until_equilibrated": NEAR, "until_time_second": 100.0}, "time", 100.0),
    ],
)
async def test_a_wait_ends_by_what_the_sensors_say(
    tmp_path: Path, fields: dict[str, Any], ended_by: str, second: float
) -> None:
    scripted = Scripted(tmp_path, plan(wait(**fields), SHORT), thermometer=warming)
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    waited = records_of(scripted.path)[0]
    assert waited.ended_by == ended_by
    assert waited.end_run_time_second == pytest.approx(second, abs=2 * EVERY_SECOND)


class WarmingChamber(ScriptedChamber):
    """Its air is at 20 °C at the start, and 1 K warmer every 100 s."""

    async def look(self) -> ChamberLook:
        look = await super().look()
        return replace(look, air_celsius=20.0 + (self._clock.now_second() - ZERO_SECOND) / 100)


class OneProbe(ScriptedThermometer):
    """Feels the jig alone."""

    async def read_celsius(self) -> dict[str, float]:
        return {"jig": (await super().read_celsius())["jig"]}


async def test_a_wait_for_the_chamber_is_for_its_air_and_not_for_the_jig(tmp_path: Path) -> None:
    near = Equilibration(
        temperature_celsius=25.0, within_kelvin=1.0, for_second=60.0, quantity="ambient_temperature_celsius"
    )
    scripted = Scripted(
        tmp_path,
        plan(wait(until_equilibrated=near, until_time_second=3600.0), SHORT),
        thermometer=lambda clock: OneProbe(clock, lambda _: 20.0),
        chamber=WarmingChamber,
    )
    await scripted.carry_out()
    waited = records_of(scripted.path)[0]
    assert waited.ended_by == "equilibrated"
    assert waited.end_run_time_second == pytest.approx(460.0, abs=2 * EVERY_SECOND)


@pytest.mark.parametrize(("on_timeout", "outcome"), [("hold", Outcome.HELD), ("continue", Outcome.COMPLETED)])
async def test_a_wait_that_times_out_holds_or_goes_on(tmp_path: Path, on_timeout: str, outcome: Outcome) -> None:
    step = wait(until_equilibrated=NEAR, until_time_second=100.0, is_timed_out=True, on_timeout=on_timeout)
    scripted = Scripted(tmp_path, plan(step, SHORT), thermometer=warming)
    run = await scripted.carry_out()
    assert run.outcome is outcome
    assert records_of(scripted.path)[0].ended_by == "timeout"


async def test_a_lost_instrument_does_not_disturb_a_wait(tmp_path: Path) -> None:
    device = ScriptedDevice()
    device.fail("look", LINK_LOST, times=10_000)
    scripted = Scripted(tmp_path, plan(wait()), device=device)
    run = await scripted.carry_out()
    assert run.outcome is Outcome.COMPLETED
    assert records_of(scripted.path)[0].ended_by == "time"


async def test_a_wait_goes_on_where_a_dead_daemon_left_it(tmp_path: Path) -> None:
    device = ScriptedDevice()
    scripted = Scripted(tmp_path, plan(SHORT, wait(), charge(until_time_second=60.0)), device=device)
    scripted.at(300.0, scripted.runner.let_go)
    await scripted.carry_out()
    run = await take_up(scripted.directory, device, ZERO_SECOND + 400.0)
    waited = records_of(scripted.path)[1]
    assert (waited.ended_by, waited.abnormal) == ("time", False)
    assert waited.end_run_time_second - waited.start_run_time_second == pytest.approx(600.0)
    assert run.plan.steps[run.position].step_id == "charge"

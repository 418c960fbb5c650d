"""The runner when somebody is there to ask: it holds, goes on logging, and goes on; links that are lost and fail."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.cycles.table import cycle_table
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import LinkChanged, MadeSafe, Noticed, PauseRequested, ResumeRequested, SkipRequested, StopRequested
from daemon.plan import Equilibration, LinkLoss, Plan
from daemon.runner import Wish
from daemon.store.errors import StoreError
from daemon.store.rows import read_rows
from drivers.errors import WrongInstrumentError
from tests.support.instruments import LINK_LOST, REFUSED, JumpingClock, ScriptedDevice, ScriptedThermometer
from tests.support.plans import charge, discharge, equilibrate, interlock, loop, plan, rest
from tests.support.rigs import (
    ZERO_SECOND,
    Scripted,
    assert_every_row_is_stored,
    cell_rows,
    events_of,
    kinds_of,
    records_of,
    stored_run,
    take_up,
)

HOUR = 3600.0
PAUSE, RESUME, SKIP = PauseRequested(by="ada"), ResumeRequested(by="bob"), SkipRequested(by="bob")
STOP = StopRequested(by="ada")
PAUSE_LATER, STOP_LATER = PauseRequested(by="ada", after="cycle"), StopRequested(by="ada", after="cycle")
CYCLE = plan(charge(), discharge())
REST = rest(until_time_second=30.0, sampling_second=1.0)

SLOWLY = plan(REST, discharge(current_ampere=-4e-6), charge(current_ampere=4e-6))
"""The scripted cell's voltage moves so fast that only a small current tells its resistance."""


@pytest.fixture
def device() -> ScriptedDevice:
    return ScriptedDevice()


def scripted(folder: Path, of: Plan, *wishes: tuple[float, Wish], **named: Any) -> Scripted:
    """A run whose holds wait; at these run times somebody wants this."""
    made = Scripted(folder, of, holds_wait=True, **named)
    for at_second, wish in wishes:
        made.at(at_second, lambda wish=wish: made.runner.wish(wish))
    return made


def end(run: Run) -> tuple[Phase, Outcome | None]:
    return run.phase, run.outcome


COMPLETED = (Phase.FINISHED, Outcome.COMPLETED)


def thermometer(celsius: Callable[[float], float]) -> Callable[[JumpingClock], Any]:
    return lambda clock: ScriptedThermometer(clock, lambda second: celsius(second - ZERO_SECOND))


async def test_paused_run_goes_on_where_it_was(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, CYCLE, (25.0, PAUSE), (300.0, RESUME), device=device)
    run = await made.carry_out()
    assert end(run) == COMPLETED
    first, second, third = records_of(made.path)
    assert (first.ended_by, second.ended_by, third.ended_by) == ("paused", "voltage", "voltage")
    assert (first.continues, second.continues, third.continues) == (False, True, False)
    assert second.start_run_time_second == pytest.approx(300.0)
    assert_every_row_is_stored(made.path, device)
    (cycle,) = cycle_table(records_of(made.path), CYCLE.cell, "charge")
    assert (cycle.flags, cycle.coulombic_efficiency_percent) == (("interrupted",), None)
    whole_ampere_hour = (3.7 - 0.02 - 2.5) / 70 / 3600
    capacity_mAh_g = 1000 * whole_ampere_hour / CYCLE.cell.active_mass_gram
    assert cycle.charge_capacity_mAh_g == pytest.approx(capacity_mAh_g, rel=0.03)


async def test_cell_is_at_open_circuit_before_a_pause_is_written_and_while_it_lasts(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    made = scripted(tmp_path, CYCLE, (25.0, PAUSE), (300.0, STOP), device=device)
    seen: list[bool] = []
    made.at(200.0, lambda: seen.append(device.output_on))
    run = await made.carry_out()
    assert seen == [False]
    paused = made.diary.index(("commit", "pause_requested"))
    assert made.diary[paused - 1] == ("make_safe",)
    assert end(run) == (Phase.FINISHED, Outcome.STOPPED)
    assert run.reason == "paused by ada; stopped by ada"


async def test_pressure_and_temperature_are_recorded_while_it_is_held(tmp_path: Path) -> None:
    of = plan(charge(), discharge())
    made = scripted(
        tmp_path, of, (25.0, PAUSE), (500.0, RESUME), thermometer=thermometer(lambda second: 20.0 + second / 100)
    )
    await made.carry_out()
    times = read_rows(made.path, "temperature")["test_time_second"].tolist()
    assert times == list(range(0, int(times[-1]) + 1, 5))
    assert times[-1] > 500


async def test_run_that_is_held_is_held_by_the_next_daemon_too(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, CYCLE, (25.0, PAUSE), device=device)
    made.at(60.0, made.runner.let_go)
    run = await made.carry_out()
    assert (run.phase, run.reason) == (Phase.HOLDING, "paused by ada")
    device.output_on = True
    run = await take_up(made.directory, device, ZERO_SECOND + HOUR, lets_go_after_second=50.0)
    assert (run.phase, run.reason, device.output_on) == (Phase.HOLDING, "paused by ada", False)
    run = await take_up(
        made.directory, device, ZERO_SECOND + 2 * HOUR, wishes=[(10.0, ResumeRequested(by="bob", unchecked=True))]
    )
    assert end(run) == COMPLETED
    assert [record.continues for record in records_of(made.path)] == [False, True, False]
    assert_every_row_is_stored(made.path, device)


@pytest.mark.parametrize(
    ("wishes", "asked"),
    [
        ([(5.0, PAUSE_LATER), (16.0, PauseRequested(by="bob", after="cycle"))], ["pause"]),
        ([(5.0, STOP_LATER), (16.0, STOP_LATER), (27.0, PAUSE_LATER)], ["stop", "pause"]),
        ([(5.0, STOP_LATER), (16.0, RESUME), (27.0, STOP_LATER)], ["stop", "resume", "stop"]),
        ([(5.0, STOP_LATER), (5.0, PAUSE_LATER), (5.0, STOP_LATER)], ["stop", "pause", "stop"]),
    ],
    ids=["twice", "another", "taken back between", "all at once"],
)
async def test_what_waits_already_is_asked_for_once(
    tmp_path: Path, device: ScriptedDevice, wishes: list[tuple[float, Wish]], asked: list[str]
) -> None:
    made = scripted(tmp_path, plan(REST, charge(), discharge()), *wishes, device=device)
    made.at(28.0, made.runner.let_go)
    await made.carry_out()
    assert [kind.partition("_")[0] for kind in kinds_of(made.path) if kind.endswith("_requested")] == asked


async def test_what_is_asked_for_while_another_wish_is_being_written_counts(tmp_path: Path) -> None:
    made = scripted(tmp_path, plan(REST, charge(), discharge()), (5.0, STOP_LATER), (16.0, PAUSE_LATER))
    loop = asyncio.get_running_loop()

    def again(_: int) -> None:
        if made.diary[-1] == ("commit", "pause_requested"):
            loop.call_soon_threadsafe(made.runner.wish, STOP_LATER)

    made.file.after_commit = again
    made.at(28.0, made.runner.let_go)
    run = await made.carry_out()
    assert (run.pause_after, run.pause_ends) == ("cycle", True)


async def test_cell_rests_and_is_compared_before_a_long_hold_goes_on(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, SLOWLY, (3000.0, PAUSE), (2 * HOUR, RESUME), device=device)
    run = await made.carry_out()
    assert end(run) == COMPLETED
    steps = [record.step_id for record in records_of(made.path)]
    assert steps == ["rest", "discharge", "charge", "charge/recovery", "charge"]
    (told,) = (event.text for event in events_of(made.path) if isinstance(event, Noticed))
    assert "V expected (by its last voltage, current and resistance, ± 50 mV)" in told
    assert_every_row_is_stored(made.path, device)


async def test_cell_that_moved_meanwhile_is_held_again(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, SLOWLY, (3000.0, PAUSE), (2 * HOUR, RESUME), device=device)
    made.at(2 * HOUR - 1, lambda: setattr(list(device.executed.values())[-1], "added_volt", 0.2))
    made.at(3 * HOUR, lambda: made.runner.wish(STOP))
    run = await made.carry_out()
    assert end(run) == (Phase.FINISHED, Outcome.HELD)
    assert "not as before the interruption: rested voltage" in run.reason


async def test_skip_goes_on_with_the_next_step(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, plan(charge(), REST), (25.0, PAUSE), (60.0, SKIP), device=device)
    run = await made.carry_out()
    assert end(run) == COMPLETED
    assert [record.step_id for record in records_of(made.path)] == ["charge", "rest"]


@pytest.mark.parametrize(("after", "halves"), [("step", 1), ("cycle", 2)])
async def test_pause_after_a_step_or_a_cycle(tmp_path: Path, after: str, halves: int) -> None:
    of = plan(charge(), discharge(), loop(0, 2))
    made = scripted(tmp_path, of, (25.0, PauseRequested(by="ada", after=after)), (1000.0, STOP))
    run = await made.carry_out()
    assert end(run) == (Phase.FINISHED, Outcome.STOPPED)
    assert [record.ended_by for record in records_of(made.path)] == ["voltage"] * halves
    assert kinds_of(made.path).count("made_safe") == 2


async def test_power_cycle_is_held_and_a_person_lets_it_go_on(tmp_path: Path, device: ScriptedDevice) -> None:
    made = scripted(tmp_path, CYCLE, (120.0, RESUME), device=device)
    made.at(25, lambda: device.power_cycle(made.clock.now_second()))
    run = await made.carry_out()
    assert end(run) == COMPLETED
    assert [record.ended_by for record in records_of(made.path)] == ["power_lost", "voltage", "voltage"]


async def test_refused_start_is_held_and_tried_again_when_somebody_says_so(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    device.fail("start_segment", REFUSED, at=2)
    made = scripted(tmp_path, CYCLE, (120.0, RESUME), device=device)
    run = await made.carry_out()
    assert end(run) == COMPLETED
    assert [record.step_id for record in records_of(made.path)] == ["charge", "discharge"]
    assert_every_row_is_stored(made.path, device)


def links_in(path: Path) -> list[tuple[str, float]]:
    return [(event.state, event.since_second) for event in events_of(path) if isinstance(event, LinkChanged)]


SLOW = plan(rest(until_time_second=HOUR, sampling_second=10.0), REST)


@pytest.mark.parametrize(
    ("outage", "told"),
    [
        ((101.0, 105.0), []),
        ((101.0, 121.0), [("lost", 110.0), ("connected", 110.0)]),
        ((101.0, 1801.0), [("lost", 110.0), ("connected", 110.0)]),
    ],
)
async def test_silence_is_masked_then_told_and_the_run_goes_on(
    tmp_path: Path, device: ScriptedDevice, outage: tuple[float, float], told: list[tuple[str, float]]
) -> None:
    device.outages = [(ZERO_SECOND + outage[0], ZERO_SECOND + outage[1])]
    made = scripted(tmp_path, SLOW, device=device)
    run = await made.carry_out()
    assert end(run) == COMPLETED
    assert links_in(made.path) == told
    assert_every_row_is_stored(made.path, device)
    assert run.links == {}


async def test_silence_that_lasts_holds_and_the_cell_is_verified_when_it_is_over(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    device.outages = [(ZERO_SECOND + 101, ZERO_SECOND + 101 + 2 * HOUR)]
    made = scripted(tmp_path, SLOW, device=device)
    whys: list[str] = []
    made.at(HOUR, lambda: whys.append(made.runner.run.why))
    made.at(3 * HOUR, made.runner.let_go)
    run = await made.carry_out()
    assert [state for state, _ in links_in(made.path)] == ["lost", "failed", "connected"]
    assert (run.phase, run.unsafe) == (Phase.HOLDING, "")
    (why,) = whys
    assert "NOT verified safe" in why
    assert "verified safe" in run.why
    assert "NOT" not in run.why
    made_safe = [event.verified for event in events_of(made.path) if isinstance(event, MadeSafe)]
    assert made_safe == [False, True]
    assert_every_row_is_stored(made.path, device)


async def test_cell_is_made_safe_at_last_when_the_disk_fails_and_the_potentiostat_is_silent(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    """Nothing can be stored any more, so the run ends in an error; but not before its cell is at open circuit."""
    made = scripted(tmp_path, SLOW, device=device)
    device.outages = [(ZERO_SECOND + 101, ZERO_SECOND + 101 + HOUR)]
    whys: list[str] = []

    def refuse(_: int) -> None:
        raise StoreError(made.path, "the disk is full", "make room")

    made.at(102.0, lambda: setattr(made.file, "before_commit", refuse))
    made.at(HOUR / 2, lambda: whys.append(made.runner.run.why))
    with pytest.raises(StoreError, match="the disk is full"):
        await made.carry_out()
    assert "NOT verified safe" in whys[0]
    assert made.clock.now_second() >= ZERO_SECOND + 101 + HOUR
    assert not device.output_on
    assert "NOT" not in made.runner.run.why


async def test_held_cell_is_brought_to_open_circuit_again_when_its_instrument_comes_back(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    """As after a power failure: the output of a 2450 is a source of 0 V then."""
    made = scripted(tmp_path, SLOW, (50.0, PAUSE), device=device)
    made.at(1000.0, lambda: setattr(device, "output_on", True))
    seen: list[bool] = []
    made.at(1005.0, lambda: seen.append(device.output_on))
    made.at(1075.0, lambda: seen.append(device.output_on))
    made.at(2000.0, made.runner.let_go)
    run = await made.carry_out()
    assert seen == [True, False]
    assert (run.phase, run.unsafe) == (Phase.HOLDING, "")


async def test_held_cell_whose_output_stays_on_is_told_of_and_tried_again(
    tmp_path: Path, device: ScriptedDevice
) -> None:
    made = scripted(tmp_path, SLOW, (50.0, PAUSE), device=device)
    made.at(1000.0, lambda: device.fail("make_safe", REFUSED, at=device.calls["make_safe"] + 1, times=10**9))
    whys: list[str] = []
    made.at(1075.0, lambda: whys.append(made.runner.run.why))
    made.at(1200.0, device.faults.clear)
    made.at(3000.0, made.runner.let_go)
    run = await made.carry_out()
    assert "NOT verified safe" in whys[0]
    assert (run.phase, run.unsafe) == (Phase.HOLDING, "")


async def test_heat_trips_while_the_potentiostat_is_silent(tmp_path: Path, device: ScriptedDevice) -> None:
    """What the sensors say is looked at all the while; the cell is made safe as soon as it can be reached."""
    hot = interlock("hot", quantity="jig_temperature_celsius", high=30.0, rows_needed=3)
    device.outages = [(ZERO_SECOND + 11, ZERO_SECOND + 500)]
    made = scripted(
        tmp_path,
        plan(charge(current_ampere=1e-5), interlocks=(hot,)),
        device=device,
        thermometer=thermometer(lambda second: 20.0 if second < 100 else 40.0),
    )
    tripped: list[float] = []
    made.at(150, lambda: tripped.append(made.runner.run.phase is Phase.STOPPING))
    run = await made.carry_out()
    assert tripped == [True]
    assert end(run) == (Phase.FINISHED, Outcome.TRIPPED)
    assert_every_row_is_stored(made.path, device)


async def test_another_instrument_in_its_place_is_never_written_to(tmp_path: Path, device: ScriptedDevice) -> None:
    device.fail("look", LINK_LOST, at=2)
    device.fail("connect", WrongInstrumentError("smu", "number 7", "number 8"), times=5)
    made = scripted(tmp_path, CYCLE, device=device)
    made.at(HOUR, made.runner.let_go)
    run = await made.carry_out()
    assert (run.phase, run.why.partition(";")[0]) == (Phase.HOLDING, "smu: expected number 7, found number 8")
    assert device.output_on is False
    assert_every_row_is_stored(made.path, device)


WANTED = Equilibration(temperature_celsius=25.0, within_kelvin=0.5, for_second=60.0)
WARM = plan(
    equilibrate(until_equilibrated=WANTED, until_time_second=HOUR, sampling_second=1.0),
    charge(),
    discharge(),
    link=LinkLoss(fail_second=1e9),
)


async def test_jig_that_cooled_during_an_outage_is_equilibrated_again(tmp_path: Path, device: ScriptedDevice) -> None:
    """The link is lost for an hour; the charge ends meanwhile, and the jig cools down after it."""

    def celsius(second: float) -> float:
        return 20.0 if 400 < second < 4000 else 25.0

    device.outages = [(ZERO_SECOND + 90, ZERO_SECOND + HOUR)]
    made = scripted(tmp_path, WARM, device=device, thermometer=thermometer(celsius))
    run = await made.carry_out()
    assert end(run) == COMPLETED
    records = records_of(made.path)
    assert [record.step_id for record in records] == ["equilibrate", "charge", "discharge/recovery", "discharge"]
    assert (records[2].ended_by, records[2].end_run_time_second >= 4060) == ("equilibrated", True)
    assert records[3].interrupted
    assert stored_run(made.path).warnings[0].startswith("went_on: ")
    assert len(cell_rows(made.path)) > 0

"""The blade mill on the simulated laboratory: its recipe to the end, and everything that must stop it."""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.bench_rig import wiring_of
from daemon.deciding.run_state import Outcome
from daemon.running.mill_logger import MillStatus
from daemon.service.sources import Sources
from daemon.station.wiring import RigWiring
from daemon.store.rows import read_rows
from tests.support.bench_runs import Carried, Fault, blade, carried_out, on
from tests.support.command_line import CommandLine

REPOSITORY = Path(__file__).parents[2]
BENCH = (REPOSITORY / "config/bench/mill.yaml").read_text()
POWDER = (REPOSITORY / "config/batches/powder.yaml").read_text()
EVERY_SECOND, SAFE_WITHIN_SECOND = 1.0, 3.0
RUNS, RUN_SECOND, TOLERANCE_SECOND = 15, 60.0, 0.5
LIMIT_CELSIUS = 25.0
ANSWER_REAL_SECOND, SILENT_REAL_SECOND = 1.0, 0.3
SHORT = """\
safety: {{max_temperature_C: {limit:g}}}
method:
  - {{step: set, id: cool, role: chiller, temperature_C: 15}}
  - {{step: wait_for, id: stable, role: chiller, temperature_C: 15, within_C: 0.5, for: 1 min, timeout: 1 h}}
  - {{step: mill, id: mill, speed_rpm: 4000, until_time: 60 s}}
  - {{step: wait_for, id: rest, until_time: 30 s}}
  - {{step: mill, id: again, speed_rpm: 4000, until_time: 60 s}}
"""


def test_the_recipe_runs_to_its_end_as_it_is_written(command_line: CommandLine, bench_log: Any) -> None:
    done = command_line.run("simulate", "blade_mill", "--data", str(command_line.data), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["outcome"] == "completed"
    directory = Path(told["run_directory"])
    mill = [segment for segment in told["segments"] if segment["step_type"] == "mill"]
    assert [segment["ended_by"] for segment in mill] == ["time"] * RUNS
    rows = read_rows(directory / "run.sqlite", "mill")
    at_speed = rows[(rows["mill_status"] & int(MillStatus.AT_SPEED)) != 0]
    for segment in mill:
        within = at_speed["test_time_second"].between(segment["start_run_time_second"], segment["end_run_time_second"])
        second = at_speed["test_time_second"][within]
        assert second.max() - second.min() == pytest.approx(RUN_SECOND, abs=TOLERANCE_SECOND)
        assert segment["milled_second"] == pytest.approx(RUN_SECOND, abs=TOLERANCE_SECOND)
        assert at_speed["speed_rpm"][within].to_numpy() == pytest.approx(4000, abs=1)
    assert rows["vessel_temperature_celsius"].max() < LIMIT_CELSIUS
    rests = [segment for segment in told["segments"] if segment["step_id"] == "rest"]
    assert [round(rest["end_run_time_second"] - rest["start_run_time_second"], 3) for rest in rests] == [90.0] * RUNS
    for turned, rest in zip(mill, rests, strict=True):
        assert rest["start_run_time_second"] == pytest.approx(turned["end_run_time_second"], abs=1e-6)
    seen = blade(bench_log(directory))
    totals = [line["at_speed_second"] for line in seen if line["goal_rpm"] == 0]
    assert np.diff([0.0, *totals]) == pytest.approx(RUN_SECOND, abs=TOLERANCE_SECOND)
    assert len(totals) == RUNS
    assert totals[-1] <= RUNS * RUN_SECOND
    assert seen[-1]["highest_vessel_celsius"] < LIMIT_CELSIUS
    starts = [line for line in seen if line["goal_rpm"] > 0]
    assert [line["rpm"] for line in starts] == [0.0] * RUNS


def hasty(wiring: RigWiring, chiller_real_second: float) -> RigWiring:
    """The same rig, whose instruments are not waited for long in real time: they answer at once or never."""
    drive, chiller = wiring.mill_drive, wiring.chiller
    assert drive is not None
    assert chiller is not None
    drive_connection = dataclasses.replace(drive.connection, timeout_second=ANSWER_REAL_SECOND)
    chiller_connection = dataclasses.replace(chiller.connection, timeout_second=chiller_real_second)
    return dataclasses.replace(
        wiring,
        mill_drive=dataclasses.replace(drive, connection=drive_connection),
        chiller=dataclasses.replace(chiller, connection=chiller_connection),
    )


Mill = Callable[..., Awaitable[Carried]]


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    async def mill(*faults: Fault, limit_celsius: float = LIMIT_CELSIUS) -> Carried:
        """Carry a short recipe out with a cold bath."""
        bench_file = tmp_path / "bench.yaml"
        bench_file.write_text(BENCH.replace("bath_temperature_C: 23", "bath_temperature_C: 15"))
        is_silent = any(fault["kind"] == "silent" for fault in faults)
        patience = SILENT_REAL_SECOND if is_silent else ANSWER_REAL_SECOND
        text = SHORT.format(limit=limit_celsius)
        return await carried_out(
            bench_file,
            tmp_path,
            lambda bench: hasty(wiring_of(bench, ""), patience),
            Sources(protocol_name="p.yaml", protocol_text=text, cell_name="c.yaml", cell_text=POWDER),
            None,
            every_second=EVERY_SECOND,
            faults=faults,
        )

    return mill


UNDER_WAY_SECOND = 100.0
"""Run time at which the blade has long been at speed."""


@pytest.mark.parametrize(
    ("fault", "interlock", "late_second"),
    [
        (on("chiller", "off", UNDER_WAY_SECOND), "chiller_stopped", 0.0),
        (on("chiller", "alarm", UNDER_WAY_SECOND, codes=[2]), "chiller_stopped", 0.0),
        (on("chiller", "low_level", UNDER_WAY_SECOND), "chiller_stopped", 0.0),
        (on("chiller", "silent", UNDER_WAY_SECOND), "chiller_silent", 3.0),
        (on("chiller", "break_wire", UNDER_WAY_SECOND), "vessel_temperature_unknown", 10.0),
        (on("mill_drive", "lid", UNDER_WAY_SECOND), "drive_fault", 0.0),
        (on("mill_drive", "trip", UNDER_WAY_SECOND), "drive_fault", 0.0),
    ],
    ids=["off", "alarm", "low level", "silent", "broken wire", "lid", "trip"],
)
async def test_what_goes_wrong_under_way_stops_the_blade(
    mill: Mill, fault: Fault, interlock: str, late_second: float
) -> None:
    milled = await mill(fault)
    assert milled.started_second() < UNDER_WAY_SECOND
    assert milled.stopped_second() <= UNDER_WAY_SECOND + late_second + EVERY_SECOND + SAFE_WITHIN_SECOND
    assert milled.run.outcome is Outcome.HELD
    assert milled.run.reason.startswith(f"{interlock}: "), milled.run.reason
    assert milled.run.unsafe == ""
    assert milled.records[-1].step_id == "mill"
    assert milled.records[-1].ended_by != "time"


async def test_vessel_that_gets_too_warm_trips_the_run(mill: Mill) -> None:
    milled = await mill(limit_celsius=17.0)
    assert milled.run.outcome is Outcome.TRIPPED
    assert milled.run.reason.startswith("vessel_temperature_high: ")
    assert milled.blade[-1]["goal_rpm"] == 0
    assert milled.blade[-1]["highest_vessel_celsius"] < 17.0 + 1.0


async def test_chiller_that_stops_in_a_rest_holds_the_run_before_the_blade_turns_again(mill: Mill) -> None:
    milled = await mill(on("chiller", "off", 60 + 75 + 20))
    assert milled.run.reason.startswith("chiller_stopped: ")
    assert [line["goal_rpm"] > 0 for line in milled.blade] == [True, False]
    assert milled.records[-1].step_id == "rest"


async def test_drive_that_nobody_can_speak_to_stops_by_itself_and_the_run_is_not_completed(mill: Mill) -> None:
    milled = await mill(on("mill_drive", "cut", UNDER_WAY_SECOND), on("mill_drive", "heal", UNDER_WAY_SECOND + 10.0))
    assert milled.stopped_second() <= UNDER_WAY_SECOND + EVERY_SECOND + 3.0 + SAFE_WITHIN_SECOND
    assert milled.run.outcome is Outcome.HELD
    assert milled.records[-1].ended_by == "interruption"


async def test_chiller_keeps_no_watchdog_after_a_run_that_ended(mill: Mill) -> None:
    milled = await mill()
    assert milled.run.outcome is Outcome.COMPLETED
    assert [record.ended_by for record in milled.records] == ["equilibrated", "time", "time", "time"]

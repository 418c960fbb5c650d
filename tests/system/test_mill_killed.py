"""A mill whose daemon dies in any phase: the blade stops, the bath stays cold, and no minute is milled twice."""

import random
from pathlib import Path

import pytest

from tests.campaign.control import BenchControl
from tests.support.station import Station

WRITTEN = (Path(__file__).parents[2] / "protocols/library/blade_mill.yaml").read_text()
RECIPE = WRITTEN.replace("for: 5 min", "for: 30 s").replace("until_time: 90 s", "until_time: 30 s")
"""The blade turns as it is written; what is only waited for is waited for shortly."""
RUNS, RUN_SECOND, LONGEST_AWAY_SECOND = 15, 60.0, 60.0
LOSS_STOP_SECOND = 3.0
END_WITHIN_SECOND = 100.0
KILLS = 8
POINTS = ("decided", "written", "after_commit", "before_start", "after_start")
"""Those by which every life comes again and again, some of them at each look."""


@pytest.fixture
def station(tmp_path):
    made = Station(tmp_path, supervise_every_s=1.0, bench_name="mill.yaml")
    made.start_bench()
    yield made
    made.close()


def moment(rng: random.Random) -> str:
    """Where the next daemon dies."""
    point = rng.choice(POINTS)
    often = point in ("decided", "written", "after_commit")
    return f"{point}:{rng.randint(1, 250) if often else rng.randint(1, 4)}"


def nobody_is_there(station: Station, second: float) -> None:
    """Let the bench's time go on while there is no daemon."""
    control = BenchControl(station.control)
    now_second = control.ask("hello")["now_second"]
    control.ask("own", speed="max", on_owner_lost="freeze")
    while now_second < (until_second := now_second + second) - 1e-6:
        second -= control.ask("advance", to_second=until_second)["now_second"] - now_second
        now_second = control.ask("hello")["now_second"]
    control.close()


def milled_second(station: Station) -> float:
    """How long the blade has truly turned at speed, by the bench."""
    return station.bench_log("blade")[-1]["at_speed_second"]


def kill_again_and_again(station: Station, rng: random.Random, kills: int) -> int:
    """Carry the recipe out with daemons that die; answers how many did."""
    daemon = station.serve(crash_at=moment(rng))
    station.run(RECIPE, cell=None)
    killed = 0
    for _ in range(kills):
        code = daemon.wait(END_WITHIN_SECOND)
        if not code:
            return killed
        killed += 1
        nobody_is_there(station, rng.choice((0.3, 2.0, 5.0, 20.0, LONGEST_AWAY_SECOND)))
        daemon = station.serve("--until-idle", crash_at=moment(rng) if killed < kills else None)
    assert daemon.wait(END_WITHIN_SECOND) == 0
    return killed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1])
def test_killed_in_any_phase_it_never_mills_more_than_its_recipe(station, seed):
    killed = kill_again_and_again(station, random.Random(seed), KILLS)
    result = station.result()
    assert result.outcome == "completed", result.run.why
    assert killed == KILLS
    assert milled_second(station) <= RUNS * RUN_SECOND + 1e-6
    counted_second = sum(record.milled_second or 0.0 for record in result.segments)
    assert milled_second(station) <= counted_second <= RUNS * RUN_SECOND + 2 * LOSS_STOP_SECOND
    assert milled_second(station) >= (RUNS * RUN_SECOND) - RUNS * 0.5 - killed * 2 * LOSS_STOP_SECOND

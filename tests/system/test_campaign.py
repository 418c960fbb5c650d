"""A small campaign: one seed of each kind of fault, every crash point, kills of one long run and of a mill."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.kinds import KINDS

REPOSITORY = Path(__file__).parents[2]
WITHIN_SECOND = 110.0
PARTS = 3
MILL_SEED, MILL_KINDS = "4", ("mill_crash_loop",)
"""Each death is followed by others before a daemon has looked."""


def campaign(*words: str) -> list[str]:
    """What it says, line by line; it must find nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=WITHIN_SECOND,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("part", range(PARTS))
def test_one_seed_of_each_kind_breaks_no_promise(part):
    kinds = list(KINDS)[part::PARTS]
    lines = campaign("--each", *(word for kind in kinds for word in ("--kind", kind)))
    assert lines[-1] == f"{len(kinds)} seeds, 0 violations"
    named = {line.split("  ")[1] for line in lines if line.startswith("seed ")}
    assert named == set(kinds)


def test_dying_at_every_crash_point_breaks_no_promise():
    assert campaign("--points")[-1].endswith("crash points, 0 violations")


@pytest.mark.parametrize("bench", ["frozen", "running"])
def test_a_run_killed_again_and_again_is_as_if_undisturbed(bench):
    assert campaign("--kills", "5", "--seed", "3", "--bench", bench)[-1] == f"5 kills, bench {bench}, 0 violations"


def test_a_mill_killed_again_and_again_never_mills_more_than_its_recipe():
    lines = campaign("--mill", "--seed", MILL_SEED, *(word for kind in MILL_KINDS for word in ("--kind", kind)))
    assert lines[0].startswith(f"seed {MILL_SEED}  {', '.join(MILL_KINDS)}  completed, ")
    assert lines[-1] == "1 seeds, 0 violations"

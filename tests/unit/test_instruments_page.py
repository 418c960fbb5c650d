"""The page of instruments is what the registry says, and what the registry says is so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.about import Against
from drivers.registry import DRIVERS, OURS

REPOSITORY = Path(__file__).parents[2]
TRIALS = [trial for driver in OURS for trial in driver.about.trials]
CLIENTS = sorted({(trial.what, trial.where) for trial in TRIALS if trial.against is Against.CLIENT})


def test_the_page_is_current():
    made = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "make_instruments_page.py"], capture_output=True, text=True, check=True
    )
    page = (REPOSITORY / "docs" / "reference" / "instruments.md").read_text(encoding="utf-8")
    assert page == made.stdout, "python docs/make_instruments_page.py > docs/reference/instruments.md"


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.about.name)
def test_its_contract_tests_know_it_and_its_simulator_is_there(driver):
    name = driver.about.name
    [trial] = [trial for trial in driver.about.trials if trial.against is Against.SIMULATOR]
    tests = (REPOSITORY / trial.where).read_text(encoding="utf-8")
    maker, model = name.split(".")
    assert any(
        word in tests for word in (f'"{name}"', f"drivers.{maker}", f'"{{make}}.{model}"', f'"{model}"', f"{maker}.")
    )
    assert (REPOSITORY / trial.what).exists()


@pytest.mark.parametrize(("what", "where"), CLIENTS)
def test_other_programs_are_those_of_the_interop(what, where):
    program, version = what.rsplit(" ", 1)
    environment = Path(where).stem.removeprefix("client_")
    pinned = (REPOSITORY / "tests" / "interop" / f"{environment}.txt").read_text(encoding="utf-8").casefold()
    assert any(
        line.split("[")[0].split("==")[0] == program.casefold() and line.endswith(f"=={version}")
        for line in pinned.splitlines()
    )


def test_every_client_of_the_interop_speaks_for_a_driver():
    used = {where for _, where in CLIENTS}
    there = {f"tests/interop/{path.name}" for path in (REPOSITORY / "tests" / "interop").glob("client_*.py")}
    assert there - used == set()


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.about.name)
def test_nothing_that_people_need_is_left_unsaid(driver):
    assert driver.about.missing == ()
    assert driver.about.trials
    assert (REPOSITORY / "docs" / "reference" / driver.about.page).exists()


def test_a_name_is_of_one_driver():
    names = [driver.about.name for driver in DRIVERS]
    assert len(set(names)) == len(names)


def test_the_verb_lists_all():
    said = subprocess.run(
        [sys.executable, "-m", "daemon", "drivers", "--json"], capture_output=True, text=True, check=True
    )
    listed = json.loads(said.stdout)["drivers"]
    assert [driver["driver"] for driver in listed] == [driver.about.name for driver in DRIVERS]
    keithley = listed[0]
    assert keithley["on_hardware"] is False
    assert "ranges of 1 µA to 1 A" in keithley["limits"]
    plain = subprocess.run(
        [sys.executable, "-m", "daemon", "drivers"], capture_output=True, text=True, check=True
    ).stdout
    assert [driver.about.name for driver in DRIVERS if driver.about.name not in plain] == []

"""Each import contract fails when it is broken on purpose."""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


@dataclass(frozen=True)
class Plant:
    """A forbidden import, the contract it breaks, and what the linter then says of it."""

    contract: str
    file: str
    line: str
    said: str


LAYERS = "The daemon stands on drivers and protocols, which don't know it or each other"
SHARED = "Simulators share nothing with what they test"
UNKNOWN = "Nothing that runs in the laboratory knows the simulators"
PURE = "What decides touches no loop, clock, socket or file"
CIRCLES = "Neighbours don't import each other in circles"

PLANTS = (
    Plant(LAYERS, "drivers/roles.py", "import daemon.plan", "drivers.roles -> daemon.plan"),
    Plant(LAYERS, "protocols/units.py", "import drivers.errors", "protocols.units -> drivers.errors"),
    Plant(SHARED, "simulators/device.py", "import drivers.errors", "simulators.device -> drivers.errors"),
    Plant(UNKNOWN, "daemon/rig.py", "import simulators.device", "daemon.rig -> simulators.device"),
    Plant(PURE, "daemon/engine.py", "import time", "daemon.engine is not allowed to import time"),
    Plant(PURE, "daemon/events.py", "import daemon.clock", "daemon.engine is not allowed to import asyncio"),
    Plant(PURE, "drivers/keithley/codec.py", "import time", "drivers.keithley.codec is not allowed to import time"),
    Plant(PURE, "protocols/units.py", "import random", "protocols is not allowed to import random"),
    Plant(CIRCLES, "daemon/plan.py", "import daemon.engine", "No cycles are allowed in daemon."),
    Plant(CIRCLES, "daemon/rows/cell_rows.py", "import daemon.rows.gaps", "No cycles are allowed in daemon.rows."),
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four packages and their contracts, where they may be broken."""
    copy = tmp_path_factory.mktemp("broken")
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for package in ("daemon", "drivers", "protocols", "simulators"):
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def contracts() -> list[str]:
    config = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in config["tool"]["importlinter"]["contracts"]]


def test_every_contract_is_broken_below() -> None:
    assert {plant.contract for plant in PLANTS} == set(contracts())


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.file}: {plant.line}")
def test_contract_fails_when_broken(plant: Plant, copy: Path) -> None:
    source = copy / plant.file
    intact = source.read_text(encoding="utf-8")
    source.write_text(f"{intact}\n{plant.line}\n", encoding="utf-8")
    try:
        linter = subprocess.run(
            [LINTER, "--no-logo", "--no-cache"],
            cwd=copy,
            env=os.environ | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        source.write_text(intact, encoding="utf-8")
    assert linter.returncode == 1, linter.stdout + linter.stderr
    assert f"{plant.contract} BROKEN" in linter.stdout
    assert plant.said in linter.stdout

"""Runs with a known answer, measured once for all tests that only read them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.reader import RunData, read_run
from tests.support.measured_run import MeasuredRun

Measure = Callable[..., MeasuredRun]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a whole run."""
    run = MeasuredRun(tmp_path_factory.mktemp("finished"))
    path = run.measure()
    run.file.seal()
    run.close()
    return path


@pytest.fixture(scope="session")
def run(finished: Path) -> RunData:
    """A whole run, read. Not to be changed."""
    return read_run(finished)


@pytest.fixture
def log_only(new_run: Measure) -> RunData:
    """A run of a rig without a potentiostat."""
    protocol = "method:\n  - {step: open_circuit_voltage, until_time: 120 s}\n"
    return read_run(new_run(protocol, driven=False).measure())


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Measure]:
    """Makes a run of one's own; it is closed afterwards."""
    made: list[MeasuredRun] = []

    def make(*arguments: Any, **options: Any) -> MeasuredRun:
        made.append(MeasuredRun(tmp_path / f"run{len(made)}", *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()

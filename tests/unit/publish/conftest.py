"""A run that is being written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stand_in_run import StandInRun


@pytest.fixture
def run(tmp_path: Path) -> Iterator[StandInRun]:
    written = StandInRun(tmp_path / "data")
    yield written
    written.close()

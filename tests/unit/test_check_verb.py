"""`presscell check`: which file among several is the cell, and that each is read once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.check import check

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "config"
LIBRARY = REPOSITORY / "protocols" / "library"
BM05 = (CONFIG / "cells" / "bm05.yaml").read_text()
OTHER_REFERENCE = BM05.replace("name: Li-In", "name: In-Li")
"""A cell that no protocol of the library fits: its window is against another electrode."""


def checked(*words: str) -> Result:
    return CliRunner().invoke(check, words, catch_exceptions=False)


@pytest.fixture
def read_once() -> Iterator[Callable[[Path], str]]:
    """Makes a path of a file's text that is empty for who reads it again, as `<(…)` of a shell."""
    descriptors: list[int] = []

    def piped(path: Path) -> str:
        there, here = os.pipe()
        descriptors.append(there)
        os.write(here, path.read_bytes())
        os.close(here)
        return f"/dev/fd/{there}"

    yield piped
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(
    "path",
    [
        LIBRARY / "rate_capability.yaml",
        LIBRARY / "blade_mill.yaml",
        CONFIG / "cells" / "bm05.yaml",
        CONFIG / "station.example.yaml",
        CONFIG / "calibrations" / "example.yaml",
    ],
    ids=lambda path: path.name,
)
def test_a_file_is_read_once(read_once: Callable[[Path], str], path: Path) -> None:
    done = checked(read_once(path))
    assert (done.exit_code, "1 file in order" in done.output) == (0, True), done.output


def test_protocol_and_cell_are_checked_together_and_read_once(read_once: Callable[[Path], str], tmp_path: Path) -> None:
    other = tmp_path / "cell.yaml"
    other.write_text(OTHER_REFERENCE)
    done = checked(read_once(LIBRARY / "formation.yaml"), str(other))
    assert done.exit_code == 1
    assert "measures against In-Li" in done.output


def test_a_bench_file_is_no_cell_file() -> None:
    """It has a section of that name too."""
    done = checked(str(LIBRARY / "formation.yaml"), str(CONFIG / "bench" / "single.yaml"))
    assert (done.exit_code, "2 files in order" in done.output) == (0, True), done.output


def test_a_bench_of_cells_that_share_nothing_is_a_bench_file(tmp_path: Path) -> None:
    bench = tmp_path / "two.yaml"
    smu = 'name: smu, model: "2450", role: potentiostat, firmware: 1.7.12b, transport: {kind: tcp}'
    cells = [f'{{name: jig{n}, sample: BM-05, instruments: [{{{smu}, serial_number: "0445111{n}"}}]}}' for n in (1, 2)]
    bench.write_text(f"name: two\ncells: [{', '.join(cells)}]\n")
    done = checked(str(bench))
    assert (done.exit_code, "1 file in order" in done.output) == (0, True), done.output

"""Files with mistakes: each mistake is found on its line, and nothing else is. The corpus says what and where."""

from pathlib import Path

import pytest

from daemon.compile import load_plan
from drivers.keithley.limits import LIMITS_2450
from drivers.roles import PotentiostatLimits
from protocols.errors import Problem, ProblemsFound
from protocols.structure import check_protocol
from tests.support.malformed import compare

REPOSITORY = Path(__file__).parents[2]
MALFORMED = Path(__file__).parent / "malformed"
FORMATION = REPOSITORY / "protocols" / "library" / "formation.yaml"
BM05 = REPOSITORY / "config" / "cells" / "bm05.yaml"


def refused(protocol: Path, cell: Path, limits: PotentiostatLimits | None = LIMITS_2450) -> tuple[Problem, ...]:
    with pytest.raises(ProblemsFound) as found:
        load_plan(protocol.read_text(), protocol.name, cell.read_text(), cell.name, limits)
    return found.value.problems


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("protocol/*.yaml")), ids=lambda path: path.stem)
def test_protocol_is_refused_where_it_is_wrong(path: Path) -> None:
    compare(path, refused(path, BM05))


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("language/*.yaml")), ids=lambda path: path.stem)
def test_protocol_is_refused_without_a_cell(path: Path) -> None:
    compare(path, check_protocol(path.read_text(), path.name))


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("log_only/*.yaml")), ids=lambda path: path.stem)
def test_protocol_is_refused_by_a_rig_without_a_potentiostat(path: Path) -> None:
    compare(path, refused(path, BM05, limits=None))


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("cell/*.yaml")), ids=lambda path: path.stem)
def test_cell_file_is_refused_where_it_is_wrong(path: Path) -> None:
    compare(path, refused(FORMATION, path))


def test_both_files_are_told_of_at_once() -> None:
    problems = refused(MALFORMED / "protocol" / "zeros.yaml", MALFORMED / "cell" / "decimal_comma.yaml")
    assert [problem.file for problem in problems] == ["zeros.yaml"] * 9 + ["decimal_comma.yaml"] * 2


def test_a_problem_is_one_line_with_place_fault_and_remedy() -> None:
    problems = refused(MALFORMED / "protocol" / "duplicate_key.yaml", BM05)
    assert str(problems[0]) == (
        "duplicate_key.yaml:6:5  method[1].rate_C  the key 'rate_C' is here twice, first on line 4  keep one of the two"
    )
    assert str(ProblemsFound(problems)).splitlines() == [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("file", "line", "column"),
    [
        ("unknown_field", 2, 1),
        ("unknown_field", 7, 5),
        ("current_beyond_the_instrument", 5, 5),
        ("current_beyond_the_instrument", 13, 9),
        ("decimal_comma_in_a_line", 1, 49),
        ("decimal_comma_in_a_line", 3, 60),
        ("decimal_comma_in_a_block", 7, 22),
        ("charge_ends_below_its_start", 3, 60),
    ],
)
def test_column_points_at_the_mistake(file: str, line: int, column: int) -> None:
    problems = refused(MALFORMED / "protocol" / f"{file}.yaml", BM05)
    assert column in [problem.column for problem in problems if problem.line == line]

"""Every planted bug of `make mutants` can be planted, and its test is there."""

import ast
import re
from collections import Counter
from functools import cache

import pytest

from tests.mutants.planting import REPOSITORY, Copy, Ended, Mutant, mutants

MUTANTS = mutants()


@cache
def text_of(file: str) -> str:
    return (REPOSITORY / file).read_text(encoding="utf-8")


@cache
def functions_in(file: str) -> set[str]:
    nodes = ast.parse(text_of(file)).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_bug_can_be_planted_and_its_test_is_there(mutant: Mutant) -> None:
    text = text_of(mutant.file)
    times = text.count(mutant.old)
    assert times == 1, f"{mutant.file} has changed: tests/mutants/list.toml must say what it says now"
    assert mutant.old != mutant.new
    ast.parse(text.replace(mutant.old, mutant.new))
    file, _, test = mutant.test.partition("::")
    assert re.sub(r"\[.*", "", test) in functions_in(file)


def test_no_bug_is_listed_twice() -> None:
    counted = Counter((mutant.file, mutant.old, mutant.new) for mutant in MUTANTS)
    assert max(counted.values()) == 1
    assert max(Counter(map(str, MUTANTS)).values()) == 1


def test_a_bug_is_there_only_while_it_is_planted(tmp_path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    mutant = Mutant("a.py", "one is two", "1", "2", "test_a.py::test_a")
    with Copy(tmp_path).with_planted(mutant):
        assert file.read_text() == "x = 2\n"
    assert file.read_text() == "x = 1\n"
    file.write_text("x = 1 + 1\n")
    with pytest.raises(ValueError, match=r"a: one is two: .* 2 times"), Copy(tmp_path).with_planted(mutant):
        pass


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("def test_a(): assert x == 1", "caught"),
        ("def test_a(): assert x", "SURVIVED"),
        ("assert x == 1\ndef test_a(): pass", "BROKEN"),
    ],
)
def test_a_bug_is_caught_by_a_test_that_fails_and_by_nothing_else(tmp_path, test: str, verdict: str) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "test_a.py").write_text(f"from a import x\n{test}\n")
    copy, mutant = Copy(tmp_path), Mutant("a.py", "one is two", "1", "2", "test_a.py::test_a")
    assert copy.try_out(mutant).verdict == verdict


def test_what_does_not_end_is_not_caught() -> None:
    assert Ended(None, "", 60.0).verdict == "HUNG"

"""Reading a corpus of files with mistakes.

A line with `#!` holds a mistake. What follows are words of the message, apart by `;`; problems of one line are apart
by `&&`.
"""

from collections.abc import Sequence
from pathlib import Path

from protocols.errors import Problem


def expected(text: str) -> list[tuple[int, list[str]]]:
    """Line and words of each problem a file announces."""
    found = []
    for line, content in enumerate(text.splitlines(), start=1):
        _, marked, words = content.partition("#!")
        if marked:
            found += [(line, [word.strip() for word in one.split(";")]) for one in words.split("&&")]
    return found


def compare(path: Path, problems: Sequence[Problem]) -> None:
    """Each mistake that a file announces is found on its line, and nothing else is."""
    announced = expected(path.read_text())
    assert announced
    told = "\n".join(map(str, problems))
    assert {problem.file for problem in problems} == {path.name}, told
    assert sorted(problem.line for problem in problems) == sorted(line for line, _ in announced), told
    for line, words in announced:
        assert any(problem.line == line and all(word in str(problem) for word in words) for problem in problems), (
            f"line {line}: {words} is not in\n{told}"
        )

"""What is wrong with a file that a person wrote, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

Path = tuple[str | int, ...]
"""The way from the top of a file to a value: keys, and positions in lists counted from 0."""


class Severity(StrEnum):
    """An error refuses the file; a warning is legal but odd."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with a file.

    `line` and `column` count from 1. `path` is written for people: `method[2].until_voltage_V` is the second step,
    counted from 1 as `loop_to` counts.
    """

    file: str
    line: int
    column: int
    path: str
    what: str
    what_to_write: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        kind = "" if self.severity is Severity.ERROR else f"{self.severity}: "
        where = f"{self.file}:{self.line}:{self.column}"
        return "  ".join(part for part in (where, self.path, kind + self.what, self.what_to_write) if part)


@dataclass(eq=False)
class ProblemsFound(Exception):  # noqa: N818  (several at once, and a sentence at the place it is raised)
    """All that is wrong with one file, or with a protocol and its cell file; at least one problem is an error."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(eq=False)
class BadValueError(ValueError):
    """A value that cannot be one; whoever knows its place makes a `Problem` of it."""

    what: str
    what_to_write: str

    def __str__(self) -> str:
        return f"{self.what}; {self.what_to_write}"


def path_text(path: Path) -> str:
    """A path as people read it: `("method", 1, "rate_C")` is `method[2].rate_C`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def errors_in(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that refuse a file."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems file by file in the order the files were first named, from top to bottom, each once."""
    found = list(dict.fromkeys(problems))
    order = list(dict.fromkeys(problem.file for problem in found))
    return sorted(found, key=lambda problem: (order.index(problem.file), problem.line, problem.column))

"""One thing that was looked at: how it is, and the one thing to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How something is. A run can go on with a warning, and not with a failure."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """`subject` is what was looked at, as `rig1.potentiostat`, `check` which side of it; `fix` is empty when ok."""

    subject: str
    check: str
    grade: Grade
    text: str
    fix: str = ""


def ok(subject: str, check: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, check, Grade.OK, text)


def warn(subject: str, check: str, text: str, fix: str) -> Finding:
    """It will do, and should be otherwise."""
    return Finding(subject, check, Grade.WARN, text, fix)


def fail(subject: str, check: str, text: str, fix: str) -> Finding:
    """It will not do."""
    return Finding(subject, check, Grade.FAIL, text, fix)


def any_failed(findings: Iterable[Finding]) -> bool:
    """Whether a run could not be begun."""
    return any(finding.grade is Grade.FAIL for finding in findings)

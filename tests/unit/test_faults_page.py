"""The page of faults names all of them, a promise for each, and nothing that is not there."""

import re
from pathlib import Path

import pytest

from tests.campaign.kinds import KINDS
from tests.campaign.mill_schedule import DEATHS, TROUBLES

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "reference" / "faults.md").read_text()
ROWS = {int(number): rest for number, rest in re.findall(r"^\| ([0-9]+) \|(.*)$", PAGE, re.MULTILINE)}
FAULTS = 48


def test_every_fault_is_there_once() -> None:
    numbers = re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)
    assert sorted(map(int, numbers)) == list(range(1, FAULTS + 1))


@pytest.mark.parametrize("number", ROWS)
def test_a_fault_has_its_promise_and_its_trial_or_a_reason(number: int) -> None:
    _, promise, tried, _ = ROWS[number].rsplit("|", 3)
    assert re.fullmatch(r" (P[1-6] ?)+", promise)
    assert re.search(r"test_\w+\.py|campaign|[Nn]ot tried|cannot happen", tried)


def test_what_is_named_is_there() -> None:
    files = set(re.findall(r"`((?:unit|system|contract)/[\w/]+\.py)`", PAGE))
    assert len(files) > 30
    assert [file for file in files if not (REPOSITORY / "tests" / file).exists()] == []
    kinds = {
        kind
        for row in ROWS.values()
        for said in re.findall(r"[Cc]ampaign((?: `\w+`,?)+)", row)
        for kind in re.findall(r"`(\w+)`", said)
    }
    assert len(kinds) > 10
    assert kinds - KINDS.keys() - DEATHS.keys() - TROUBLES.keys() == set()

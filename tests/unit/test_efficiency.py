"""Which cycles are judged by their efficiency, and what it comes to."""

import pytest

from daemon.cycles.efficiency import EFFICIENCY, FIRST_EFFICIENCY, Cycling, Half, after_extension, after_half


def halves(text: str) -> list[Half]:
    """`c220@1 d197@1t`: a charge of 220 and a discharge of 197, both at 1, the second ended by time."""
    found = []
    for word in text.split():
        charge, _, rest = word[1:].partition("@")
        half = {"c": "charge", "d": "discharge"}[word[0]]
        ended_by = "time" if rest.endswith("t") else "voltage"
        found.append(
            Half(
                half=half,
                current_ampere=float(rest.rstrip("t")),
                rate_C=float(rest.rstrip("t")) / 10,
                charge_ampere_hour=float(charge),
                ended_by=ended_by,
            )
        )
    return found


def judged(text: str, cycle_starts_with: str = "charge") -> list[tuple[str, float]]:
    cycling, found = Cycling(), []
    for half in halves(text):
        cycling, efficiency = after_half(cycling, half, cycle_starts_with)
        found += list(efficiency.items())
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("c200@1", []),
        ("c200@1 d150@1", [(FIRST_EFFICIENCY, 75.0)]),
        ("c200@1 d150@1 c100@1 d90@1", [(FIRST_EFFICIENCY, 75.0), (EFFICIENCY, 90.0)]),
        ("c200@1 d150@1 c100@1 d90@1 c100@1 d50@1", [(FIRST_EFFICIENCY, 75.0), (EFFICIENCY, 90.0), (EFFICIENCY, 50.0)]),
        ("c200@1 d100@20", []),
        ("c200@1 d150@1 c100@2 d60@2", [(FIRST_EFFICIENCY, 75.0)]),
        ("c200@1 d150@1 c100@2 d60@2 c60@2 d30@2", [(FIRST_EFFICIENCY, 75.0), (EFFICIENCY, 50.0)]),
        ("c200@10 d150@10", [(FIRST_EFFICIENCY, 75.0)]),
        ("c200@11 d80@11 c100@11 d90@11", [(EFFICIENCY, 90.0)]),
        ("c200@1t d150@1", []),
        ("c200@1 d150@1t", []),
        ("c200@1 c200@1 d100@1", [(EFFICIENCY, 50.0)]),
        ("c200@1 d50@1t d100@1 c200@1", []),
        ("d150@1 c200@1 d150@1", [(FIRST_EFFICIENCY, 75.0)]),
        ("c0@1 d10@1", []),
    ],
    ids=[
        *("half", "first", "second", "third", "two rates in a cycle", "rate changed", "after it changed"),
        *("first at 1 C", "first faster"),
        *("charge by time", "discharge by time", "two charges", "discharge in parts", "begins with a discharge"),
        "nothing charged",
    ],
)
def test_a_cycle_is_judged_when_its_halves_compare(text: str, found: list[tuple[str, float]]) -> None:
    assert judged(text) == found


def test_a_first_discharge_begins_nobody_knows_where() -> None:
    text = "d100@1 c200@1 d100@1 c200@1"
    assert judged(text, "discharge") == [(EFFICIENCY, 50.0)]


def test_what_a_held_voltage_adds_counts() -> None:
    charge, discharge = halves("c150@1 d150@1")
    cycling, _ = after_half(Cycling(), charge, "charge")
    cycling, found = after_extension(cycling, "charge", 50.0, interrupted=False)
    assert found == {}
    cycling, found = after_half(cycling, discharge, "charge")
    assert found == {FIRST_EFFICIENCY: 75.0}
    assert after_extension(cycling, "discharge", 10.0, interrupted=False)[1] == {FIRST_EFFICIENCY: 80.0}
    assert after_extension(cycling, "discharge", 10.0, interrupted=True)[1] == {}
    assert after_extension(cycling, "charge", 10.0, interrupted=False) == (cycling, {})

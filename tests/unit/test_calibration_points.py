"""Points of a table and forces as people type them; and when a jig is not known to be empty."""

import pytest

from daemon.before_runs.calibrating import LoadedCell, why_not_empty
from daemon.cli.calibration_points import force_in, points_in_table, why_odd_zero
from protocols.errors import BadValueError


def test_the_way_to_a_force_is_seen_in_the_table() -> None:
    points = points_in_table("force_N,shown\n0,0\n500,50\n1000,100\n1000,100\n500,50\n500,50\n0,0\n", "p.csv")
    assert [point.direction for point in points] == ["up"] * 4 + ["down"] * 3
    assert [point.force_N for point in points] == [0, 500, 1000, 1000, 500, 500, 0]


def test_what_a_table_says_holds() -> None:
    text = "\ufeffdirection,shown,force_N,temperature_C,remark\nup,0.5,0,25.1,a\ndown,100,1000,,b\n"
    points = points_in_table(text, "p.csv")
    assert [(point.direction, point.temperature_C) for point in points] == [("up", 25.1), ("down", None)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no column force_N and none shown"),
        ("force,shown\n1,2\n", "no column force_N"),
        ("force_N,shown\n0,0\n1000,\n", r"p\.csv:3: could not convert"),
        ('force_N,shown\n"1,5",0\n', r"p\.csv:2: "),
        ("force_N,shown\n0,nan\n", r"p\.csv:2: .*no quantity"),
        ("force_N,shown\n-5,0\n", r"p\.csv:2: -5 N is below 0"),
        ("force_N,shown,direction\n0,0,upwards\n", r"p\.csv:2: 'upwards' is no direction"),
    ],
)
def test_a_table_is_refused_where_it_is_wrong(text: str, what: str) -> None:
    with pytest.raises(BadValueError, match=what):
        points_in_table(text, "p.csv")


@pytest.mark.parametrize(
    ("text", "newton"),
    [("0", 0.0), ("980.7", 980.7), (" 100 kgf ", 980.665), ("1.2kN", 1200.0), ("50 N", 50.0), (".5 kg", 4.903325)],
)
def test_a_force_is_understood(text: str, newton: float) -> None:
    assert force_in(text) == pytest.approx(newton)


@pytest.mark.parametrize("text", ["", "-5", "5 MPa", "5 N·m", "1e5", "1,5", "five"])
def test_what_is_no_force_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        force_in(text)


LOADED = LoadedCell("BM-05", "lab-1", is_unfinished=False)


@pytest.mark.parametrize(
    ("loaded", "cell_out", "words"),
    [
        (None, "", None),
        (None, "BM-05", None),
        (LOADED, "BM-05", None),
        (LOADED, "", "BM-05 is logged as loaded on rig1, since lab-1"),
        (LOADED, "BM-06", "BM-05 is logged as loaded"),
        (LoadedCell("BM-05", "lab-1", is_unfinished=True), "BM-05", "has an unfinished run of BM-05"),
    ],
)
def test_a_jig_is_empty_only_when_that_is_known(loaded: LoadedCell | None, cell_out: str, words: str | None) -> None:
    why_not = why_not_empty("rig1", loaded, cell_out)
    assert why_not is None if words is None else words in str(why_not)


@pytest.mark.parametrize(
    ("shown", "unit", "said"),
    [(2.5, "kgf", False), (-60.0, "kgf", True), (108.5, "kgf", True), (400.0, "N", False), (1e6, "V", False)],
)
def test_a_zero_that_is_none_is_told(shown: float, unit: str, said: bool) -> None:
    """A jig that was left on the sensor; a unit that is none of force says nothing."""
    assert bool(why_odd_zero(shown, unit, 5000.0)) == said

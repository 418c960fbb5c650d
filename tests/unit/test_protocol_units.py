"""What people write, in SI."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import units
from protocols.errors import BadValueError


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        (0.1, 0.1),
        (-2, -2.0),
        ("C/10", 0.1),
        ("c/10", 0.1),
        ("1/3", 1 / 3),
        ("-C/2", -0.5),
        ("D/2", -0.5),
        ("0.1C", 0.1),
        ("2C", 2.0),
        ("2 C", 2.0),
        ("-2C", -2.0),
        ("2D", -2.0),
        ("C/0.5", 2.0),
    ],
)
def test_rate(written: object, rate: float) -> None:
    assert units.rate(written) == rate


@pytest.mark.parametrize(
    "written", ["C", "C/0", "C/", "fast", "", "2 A", "C/10h", True, None, [1], "C/1e400", "1e400C"]
)
def test_no_rate(written: object) -> None:
    with pytest.raises(BadValueError):
        units.rate(written)


@pytest.mark.parametrize(
    ("written", "second"),
    [
        ("10 h", 36_000),
        ("10h", 36_000),
        ("90 s", 90),
        ("30 min", 1800),
        ("1.5 h", 5400),
        ("1 h 30 min", 5400),
        ("2 days", 172_800),
        ("PT10H", 36_000),
        ("PT1H30M", 5400),
        ("P1DT0.5S", 86_400.5),
        ("P2D", 172_800),
    ],
)
def test_duration(written: str, second: float) -> None:
    assert units.duration(written) == second


@pytest.mark.parametrize(
    "written", ["", "h", "10", "10 m", "10 H", "1:30", "-1 h", "P", "PT", "P1H", "10 h x", 10, 1.5, None]
)
def test_no_duration(written: object) -> None:
    with pytest.raises(BadValueError):
        units.duration(written)


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("3,7", "write 3.7"),
        ("-0,05", "write -0.05"),
        ("1,000", "write 1.000 (or 1000)"),
        ("3.7 V", "write 3.7 alone; the unit is the last word of the key"),
        ("1 000", "write 1000"),
        ("high", "write a number"),
    ],
)
def test_what_to_write_for_a_number(written: str, remedy: str) -> None:
    with pytest.raises(BadValueError) as found:
        units.number(written)
    assert found.value.what_to_write == remedy


@pytest.mark.parametrize("written", [math.nan, math.inf, -math.inf, 10**400, 0x10**299, 1e300, False, None, {}])
def test_no_number(written: object) -> None:
    with pytest.raises(BadValueError):
        units.number(written)


@given(st.text(alphabet="0123456789.,eE+-/CcDdhsminPTYM _'\"", max_size=30))
def test_any_text_is_a_quantity_or_our_own_error(text: str) -> None:
    for read in (units.number, units.rate, units.duration):
        try:
            outcome = math.isfinite(read(text))
        except BadValueError as error:
            outcome = bool(error.what and error.what_to_write)
        assert outcome


def test_to_si() -> None:
    assert units.ampere(0.15) == 0.000_15
    assert units.ampere_hour(1.5) == 0.0015
    assert units.gram(7.5) == 0.0075
    assert units.capacity_by_mass(200, 0.0075) == 0.0015
    assert units.capacity_by_area(2, 10) == pytest.approx(0.002 * 0.785398, rel=1e-5)
    assert units.current_of_rate(-0.1, 0.0015) == -0.000_15


def test_and_back() -> None:
    assert units.milliampere(0.003) == 3
    assert units.milliampere_hour(0.0015) == 1.5
    assert units.specific_capacity(0.0015, 0.0075) == pytest.approx(200)


@pytest.mark.parametrize(
    ("current_ampere", "text"),
    [(1.05, "1.05 A"), (0.0015, "1.5 mA"), (0.000_15, "0.15 mA"), (2e-7, "0.2 µA"), (-0.003, "-3 mA"), (0.0, "0 µA")],
)
def test_current_as_people_write_it(current_ampere: float, text: str) -> None:
    assert units.current_text(current_ampere) == text

"""The check on a resistor: what is driven, and what each thing that can be wrong at the leads is told apart by."""

from collections.abc import Callable

import numpy as np
import pytest

from daemon.before_runs.dummy_check import (
    FAIL,
    NOT_JUDGED,
    OK,
    Dummy,
    DummyCheckError,
    Finding,
    dummy_of,
    judge,
    measured,
    parts_of,
)
from drivers.keithley.limits import LIMITS_2450, LIMITS_BY_MODEL
from drivers.keithley.programs import check_program

OHM = 1000.0
DUMMY = Dummy(resistance_ohm=OHM, tolerance=0.01, current_ampere=0.003)
Leads = Callable[[float], tuple[float, float]]
"""Current that is asked for to the voltage and the current that are read."""
OFFSET_VOLT = 0.001


def wired_right(ampere: float) -> tuple[float, float]:
    return ampere * OHM + OFFSET_VOLT, ampere


def found_with(leads: Leads) -> tuple[Finding, ...]:
    found = {}
    for part in parts_of(DUMMY, LIMITS_2450):
        volt, ampere = leads(part.asked_ampere)
        found[part.name] = measured(part, np.full(7, volt), np.full(7, ampere))
    return judge(DUMMY, LIMITS_2450, found)


def first_failure(findings: tuple[Finding, ...]) -> Finding:
    return next(finding for finding in findings if finding.state != OK)


def test_a_resistor_that_is_wired_right_passes() -> None:
    findings = found_with(wired_right)
    assert [finding.name for finding in findings] == ["open_circuit", "current", "sense", "sign", "resistance"]
    assert {finding.state for finding in findings} == {OK}
    assert "1000 ohm at 0.15 mA" in findings[-1].text
    assert "1000 ohm at 3 mA" in findings[-1].text


@pytest.mark.parametrize(
    ("leads", "name", "fix"),
    [
        (lambda ampere: (2.6 + ampere * 50, ampere), "open_circuit", "take the cell off"),
        (lambda ampere: (0.0044 + ampere * OHM, ampere), "current", None),
        (lambda ampere: (0.005 + ampere * OHM, ampere), "open_circuit", "take the cell off"),
        (lambda ampere: (0.0, 0.0), "current", "a force lead is open"),
        (lambda ampere: (np.sign(ampere) * 6.3, 1e-8 * np.sign(ampere)), "current", "nothing is connected"),
        (lambda ampere: (np.sign(ampere) * min(abs(ampere) * 1e4, 0.6), ampere), "resistance", "--resistor 4000"),
        (lambda ampere: (np.sign(ampere) * 0.55, np.sign(ampere) * min(abs(ampere), 5.5e-5)), "current", "1e+04 ohm"),
        (lambda ampere: (0.0, ampere), "sense", "a sense lead is open"),
        (lambda ampere: (-ampere * OHM, ampere), "sign", "exchange"),
        (lambda ampere: (ampere * OHM, -ampere), "current", "about 1000 ohm"),
        (lambda ampere: (ampere * 1030.0, ampere), "resistance", "--resistor 1030"),
        (lambda ampere: (ampere * OHM, ampere * 1.005), "current", "about"),
        (lambda ampere: (float("nan"), ampere), "open_circuit", "panel"),
        (lambda ampere: (float("nan") if ampere else 0.0, ampere), "current", "panel"),
    ],
)
def test_what_is_wrong_is_told_with_one_thing_to_do(leads: Leads, name: str, fix: str | None) -> None:
    findings = found_with(leads)
    if fix is None:
        assert {finding.state for finding in findings} == {OK}
        return
    failure = first_failure(findings)
    assert (failure.name, failure.state) == (name, FAIL)
    assert fix in failure.fix
    after = findings[findings.index(failure) + 1 :]
    assert {finding.state for finding in after} <= {NOT_JUDGED}


@pytest.mark.parametrize(("off", "state"), [(0.011, OK), (0.0125, FAIL), (-0.011, OK), (-0.0125, FAIL)])
def test_a_resistance_may_be_off_by_tolerance_and_accuracy(off: float, state: str) -> None:
    findings = found_with(lambda ampere: (ampere * OHM * (1 + off), ampere))
    assert findings[-1].state == state


@pytest.mark.parametrize("model", LIMITS_BY_MODEL)
@pytest.mark.parametrize("ohm", [10.0, 1000.0, 100_000.0])
def test_what_is_driven_can_be_run_is_small_first_and_goes_both_ways(model: str, ohm: float) -> None:
    limits = LIMITS_BY_MODEL[model]
    dummy = dummy_of(ohm, 0.01, None, limits)
    parts = parts_of(dummy, limits)
    asked = [part.asked_ampere for part in parts]
    assert asked == pytest.approx([0.0, *(share * 3.0 / ohm for share in (0.05, -0.05, 1.0, -1.0))])
    for part in parts:
        check_program(part.program, limits)
        asked_volt = abs(part.asked_ampere or dummy.current_ampere) * ohm
        assert part.program.lower_guard_volt == -part.program.upper_guard_volt
        assert asked_volt < part.program.upper_guard_volt <= 2 * asked_volt + 0.25


@pytest.mark.parametrize(
    ("ohm", "tolerance", "ampere", "why"),
    [
        (0.0, 0.01, None, "more than 0 ohm"),
        (float("inf"), 0.01, None, "more than 0 ohm"),
        (OHM, 1.0, None, "below 100 %"),
        (OHM, 0.01, -0.001, "magnitude"),
        (OHM, 0.01, 2.0, "drives no more than 1.05 A"),
        (1.0, 0.01, None, "drives no more than 1.05 A"),
        (OHM, 0.01, 0.006, "6 V"),
        (OHM, 0.01, 0.0004, "0.4 V"),
    ],
)
def test_what_cannot_be_checked_is_refused(ohm: float, tolerance: float, ampere: float | None, why: str) -> None:
    with pytest.raises(DummyCheckError, match=why):
        dummy_of(ohm, tolerance, ampere, LIMITS_2450)

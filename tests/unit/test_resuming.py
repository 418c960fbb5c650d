"""Whether a run that was interrupted may go on: the table of the conventions, row by row."""

from typing import Any

import msgspec
import pytest

from daemon.compiling.resume_policy import link_loss, resume_policy, tighter
from daemon.deciding.resuming import (
    Ask,
    Cut,
    Expected,
    Go,
    Idle,
    Interruption,
    Reading,
    Recover,
    compare,
    expected_voltage,
    judge,
    resistance_ohm,
    rest_of,
)
from daemon.events import Row, SegmentRecord
from daemon.plan import CurrentStep, RestStep, ResumePolicy
from protocols.settings import OnLinkLoss, OnResume
from tests.support.plans import charge, discharge, equilibrate, rest
from tests.support.segments import half

MINUTE, HOUR = 60.0, 3600.0
POLICY = ResumePolicy()
REST, EQUILIBRATED = "a rest", "the plan's equilibration"
GO, ASK = "go", "ask"
WARM = {"wanted": equilibrate(), "jig_celsius": 55.0}


def verdict(found: Interruption, *, asked: bool = False, **policy: Any) -> str:
    judged = judge(msgspec.structs.replace(POLICY, **policy), found, asked=asked)
    match judged:
        case Recover():
            return EQUILIBRATED if judged.rest.until_equilibrated is not None else REST
        case Ask():
            assert "presscell resume" in judged.reason, "a reason a person can act on"
            return ASK
    assert isinstance(judged, Go)
    return GO


@pytest.mark.parametrize(
    ("off_second", "known", "expected"),
    [
        (1.0, {}, GO),
        (60.0, WARM | {"jig_celsius": 20.0}, GO),
        (61.0, {}, GO),
        (599.0, WARM, GO),
        (599.0, WARM | {"jig_celsius": 56.9}, GO),
        (599.0, WARM | {"jig_celsius": 57.1}, EQUILIBRATED),
        (599.0, WARM | {"jig_celsius": 52.9}, EQUILIBRATED),
        (599.0, WARM | {"jig_celsius": None}, EQUILIBRATED),
        (599.0, WARM | {"left_band": True}, EQUILIBRATED),
        (599.0, {"jig_celsius": 20.0, "left_band": True}, GO),
        (601.0, {}, REST),
        (601.0, WARM, REST),
        (601.0, WARM | {"left_band": True}, EQUILIBRATED),
        (599.0, WARM | {"was_unseen": True}, GO),
        (601.0, WARM | {"was_unseen": True}, EQUILIBRATED),
        (601.0, {"was_unseen": True}, REST),
        (12 * HOUR, {}, REST),
        (12 * HOUR, WARM | {"jig_celsius": 25.0}, EQUILIBRATED),
        (12 * HOUR + 1, {}, ASK),
        (12 * HOUR + 1, WARM, ASK),
    ],
)
def test_what_comes_before_the_next_segment(off_second: float, known: dict[str, Any], expected: str) -> None:
    assert verdict(Interruption(off_second=off_second, **known)) == expected


@pytest.mark.parametrize(
    ("off_second", "policy", "asked", "expected"),
    [
        (20 * HOUR, {}, True, REST),
        (30.0, {"action": "hold"}, False, GO),
        (61.0, {"action": "hold"}, False, ASK),
        (61.0, {"action": "hold"}, True, GO),
        (HOUR, {"within_second": 30 * MINUTE}, False, ASK),
        (HOUR, {"within_second": 30 * MINUTE}, True, REST),
        (9 * MINUTE, {"within_second": 5 * MINUTE}, False, ASK),
        (20 * HOUR, {"within_second": 24 * HOUR}, False, REST),
    ],
)
def test_who_writes_otherwise_or_is_asked_decides(
    off_second: float, policy: dict[str, Any], asked: bool, expected: str
) -> None:
    assert verdict(Interruption(off_second=off_second), asked=asked, **policy) == expected


def test_recovery_is_the_plans_equilibration_with_its_time_out() -> None:
    found = Interruption(off_second=HOUR, wanted=equilibrate(on_timeout="continue"), jig_celsius=25.0)
    judged = judge(POLICY, found, asked=False)
    assert isinstance(judged, Recover)
    wanted = equilibrate()
    assert judged.rest.until_equilibrated == wanted.until_equilibrated
    assert (judged.rest.until_time_second, judged.rest.on_timeout) == (wanted.until_time_second, "hold")


BEFORE = Idle(
    since_second=1000.0,
    expected=Expected(volt=3.4, how="rested"),
    pressure=Reading(second=990.0, value=12e6),
    jig=Reading(second=990.0, value=55.0),
)


def reading(value: float) -> Reading:
    return Reading(second=5000.0, value=value)


@pytest.mark.parametrize(
    ("expected", "rested_volt", "failed"),
    [
        (Expected(volt=3.4, how="rested"), 3.4499, False),
        (Expected(volt=3.4, how="rested"), 3.4501, True),
        (Expected(volt=3.4, how="rested"), 3.3501, False),
        (Expected(volt=3.4, how="rested"), 3.3499, True),
        (Expected(volt=3.4, how="corrected", ended_half="charge"), 3.1, False),
        (Expected(volt=3.4, how="corrected", ended_half="charge"), 3.4501, True),
        (Expected(volt=2.3, how="corrected", ended_half="discharge"), 2.9, False),
        (Expected(volt=2.3, how="corrected", ended_half="discharge"), 2.2499, True),
        (None, 3.0, False),
        (Expected(volt=3.4, how="rested"), None, False),
    ],
)
def test_rested_voltage(expected: Expected | None, rested_volt: float | None, failed: bool) -> None:
    idle = msgspec.structs.replace(BEFORE, expected=expected)
    found = compare(POLICY, idle, rested_volt, reading(12e6), reading(55.0))
    assert bool(found.failures) == failed
    is_whole = expected is not None and rested_volt is not None and not expected.ended_half
    assert ("not compared" in found.said) != is_whole


@pytest.mark.parametrize(
    ("changed", "pressure", "jig", "failed", "said"),
    [
        ({}, 12.59e6, 55.0, False, "pressure 12.590 MPa, 12.000 MPa before"),
        ({}, 12.61e6, 55.0, True, "pressure 12.610 MPa"),
        ({}, 11.39e6, 55.0, True, "pressure 11.390 MPa"),
        ({}, 6e6, 57.1, False, "not compared: the jig was at 55.0 °C and is at 57.1 °C"),
        ({}, 6e6, None, False, "not compared: the jig's temperature is not known"),
        ({"jig": None}, 6e6, 55.0, False, "not compared: the jig's temperature is not known"),
        ({"pressure": None}, 6e6, 55.0, False, "not compared: none is known from before"),
        ({}, None, 55.0, False, "not compared: none is known now"),
        ({"since_second": 1100.0}, 6e6, 55.0, False, "not compared: it was last read long before"),
    ],
)
def test_pressure_at_the_same_temperature(
    changed: dict[str, Any], pressure: float | None, jig: float | None, failed: bool, said: str
) -> None:
    idle = msgspec.structs.replace(BEFORE, **changed)
    now = (None if value is None else reading(value) for value in (pressure, jig))
    found = compare(POLICY, idle, 3.4, *now)
    assert bool(found.failures) == failed
    assert said in found.said


def test_everything_that_failed_is_told() -> None:
    found = compare(POLICY, BEFORE, 3.0, reading(6e6), reading(55.0))
    assert len(found.failures) == 2


def row(volt: float | None, ampere: float | None) -> Row:
    return Row(elapsed_second=10.0, voltage_volt=volt, current_ampere=ampere)


@pytest.mark.parametrize(
    ("before", "after", "gap_second", "ohm"),
    [
        (row(3.0, 0.0), row(3.3, 0.003), 1.0, 100.0),
        (row(3.7, 0.003), row(3.1, -0.003), 3.0, 100.0),
        (row(3.7, 0.003), row(3.1, -0.003), 3.1, None),
        (row(3.0, 0.0), row(2.9, 0.003), 1.0, None),
        (row(3.0, 0.003), row(3.1, 0.003), 1.0, None),
        (row(None, 0.0), row(3.3, 0.003), 1.0, None),
        (None, row(3.3, 0.003), 1.0, None),
        (row(3.0, 0.0), None, 1.0, None),
    ],
)
def test_resistance_at_a_change_of_current(
    before: Row | None, after: Row | None, gap_second: float, ohm: float | None
) -> None:
    assert resistance_ohm(before, after, gap_second) == (None if ohm is None else pytest.approx(ohm))


@pytest.mark.parametrize(
    ("record", "ohm", "expected"),
    [
        (half(1, None, end_run_time_second=HOUR), None, Expected(volt=3.5, how="rested")),
        (half(1, None, end_run_time_second=HOUR - 1), None, None),
        (half(1, "charge", ended_by="paused"), None, None),
        (half(1, "charge", ended_by="paused"), 100.0, Expected(volt=3.2, how="corrected")),
        (half(1, "charge"), 100.0, Expected(volt=3.2, how="corrected", ended_half="charge")),
    ],
)
def test_voltage_to_expect_at_rest(record: SegmentRecord, ohm: float | None, expected: Expected | None) -> None:
    found = expected_voltage(record, row(3.5, 0.003), ohm)
    assert found == (expected and msgspec.structs.replace(expected, volt=pytest.approx(expected.volt)))
    assert expected_voltage(record, None, ohm) is None


def cut(elapsed_second: float) -> Cut:
    return Cut(elapsed_second=elapsed_second, charge_ampere_hour=0.0)


TIMED = charge(until_voltage_volt=None, until_time_second=1800.0)


@pytest.mark.parametrize(
    ("step", "elapsed_second", "changed"),
    [
        (rest(), 600.0, {"until_time_second": 3000.0}),
        (rest(), 600.4, {"until_time_second": 3000.0}),
        (rest(), 3590.1, None),
        (rest(), 3590.0, {"until_time_second": 10.0}),
        (rest(), 4000.0, None),
        (equilibrate(), 600.0, {}),
        (charge(), 600.0, {"guard_time_second": 53400.0}),
        (charge(), 54000.0, {}),
        (discharge(until_time_second=1800.0), 600.0, {"until_time_second": 1200.0, "guard_time_second": 53400.0}),
        (discharge(until_time_second=1800.0), 1800.0, {"guard_time_second": 52200.0}),
        (TIMED, 600.0, {"until_time_second": 1200.0, "guard_time_second": 53400.0}),
        (TIMED, 1799.5, None),
        (charge(cutoff_second=0.2), 600.1, {"guard_time_second": pytest.approx(53400.0)}),
    ],
)
def test_what_is_left_of_a_step(
    step: CurrentStep | RestStep, elapsed_second: float, changed: dict[str, Any] | None
) -> None:
    left = rest_of(step, cut(elapsed_second))
    assert left == (None if changed is None else msgspec.structs.replace(step, **changed))


@pytest.mark.parametrize(("done_ampere_hour", "left_ampere_hour"), [(-2e-3, 1e-3), (-3e-3, None), (0.0, 3e-3)])
def test_what_is_left_of_a_charge(done_ampere_hour: float, left_ampere_hour: float | None) -> None:
    for sign, step in ((1, discharge), (-1, charge)):
        done = Cut(elapsed_second=0.0, charge_ampere_hour=sign * done_ampere_hour)
        left = rest_of(step(until_charge_ampere_hour=3e-3), done)
        assert (None if left is None else left.until_charge_ampere_hour) == pytest.approx(left_ampere_hour)


def test_protocol_that_says_nothing_has_the_defaults() -> None:
    policy = resume_policy(None, lower_guard_volt=1.2, upper_guard_volt=3.9)
    assert (policy.rest.lower_guard_volt, policy.rest.upper_guard_volt) == (1.2, 3.9)
    assert msgspec.structs.replace(policy, rest=POLICY.rest) == POLICY
    assert (POLICY.within_second, POLICY.at_once_second) == (12 * HOUR, 10 * MINUTE)
    assert (POLICY.within_volt, POLICY.pressure_share, POLICY.band_kelvin) == (0.05, 0.05, 2.0)


def test_protocol_decides_what_it_writes() -> None:
    verify = {"max_dV_mV": 20, "max_pressure_change_percent": 2, "max_temperature_change_C": 1}
    said = {"within": "1 h", "action": "restart_step", "rest_before": "10 min", "verify": verify}
    policy = resume_policy(OnResume.model_validate(said), lower_guard_volt=1.5, upper_guard_volt=3.8)
    assert (policy.action, policy.within_second, policy.rest.until_time_second) == ("restart_step", HOUR, 600.0)
    assert (policy.within_volt, policy.pressure_share, policy.band_kelvin) == (0.02, 0.02, 1.0)
    asking = OnResume.model_validate({"verify": {"same_sample": True}})
    assert resume_policy(asking, lower_guard_volt=1.5, upper_guard_volt=3.8).action == "hold"


def test_protocol_and_station_can_only_shorten_silences() -> None:
    said = link_loss(OnLinkLoss.model_validate({"mask_s": 60, "fail": "10 min", "action": "end"}))
    both = tighter(said, link_loss(None))
    assert (both.mask_second, both.fail_second, both.action) == (10.0, 600.0, "end")

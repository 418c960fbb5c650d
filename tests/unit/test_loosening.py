"""What another plan bounds less tightly."""

from typing import Any

import msgspec
import pytest

from daemon.plan import LinkLoss, Plan, ResumePolicy
from daemon.plans.loosening import loosened
from tests.support.plans import charge, discharge, interlock, loop, plan, rest

TABLE = (interlock("voltage", "trip", low=1.9, rows_needed=2), interlock("jig", "hold", quantity="jig", high=60.0))
OLD = plan(charge(), discharge(), rest(), loop(0, 3), interlocks=TABLE)


def with_row(place: int, **changed: Any) -> Plan:
    row = msgspec.structs.replace(TABLE[place], **changed)
    return msgspec.structs.replace(OLD, interlocks=(*TABLE[:place], row, *TABLE[place + 1 :]))


def changed(**fields: Any) -> Plan:
    return msgspec.structs.replace(OLD, **fields)


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        with_row(0, high=3.9, low=2.0, rows_needed=1),
        with_row(1, action="trip", low=0.0),
        changed(lower_voltage_volt=2.2, upper_voltage_volt=3.6),
        changed(resume=ResumePolicy(action="hold", within_second=60.0)),
        changed(link=LinkLoss(fail_second=60.0, action="end")),
        changed(interlocks=(*TABLE, interlock("more"))),
        plan(charge(upper_guard_volt=3.75), rest("other"), interlocks=TABLE),
        plan(charge(interlocks=(msgspec.structs.replace(TABLE[0], high=3.8),)), rest(), interlocks=TABLE),
    ],
)
def test_as_tight_or_tighter_needs_no_second_yes(new: Plan) -> None:
    assert loosened(OLD, new) == ()


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (with_row(0, high=4.1), "voltage voltage_under_current_volt ≥ 1.9 ≤ 4 (trip, 2 rows) → "),
        (with_row(0, low=1.8), "voltage "),
        (with_row(0, low=None), "voltage "),
        (with_row(0, high=None), "voltage "),
        (with_row(0, rows_needed=3), "voltage "),
        (with_row(0, action="hold"), "voltage "),
        (with_row(0, quantity="voltage_volt"), "voltage "),
        (changed(interlocks=TABLE[1:]), "voltage voltage_under_current_volt ≥ 1.9 ≤ 4 (trip, 2 rows) → none"),
        (changed(resume=ResumePolicy(rest=rest(until_time_second=1.0))), "on_resume rest "),
        (changed(lower_voltage_volt=1.95), "window 2 to 3.7 V → 1.95 to 3.7 V"),
        (changed(upper_voltage_volt=3.75), "window 2 to 3.7 V → 2 to 3.75 V"),
        (
            plan(charge(), discharge(lower_guard_volt=1.7), interlocks=TABLE),
            "guard under current 1.9 to 3.8 V → 1.7 to 3.8 V",
        ),
        (plan(charge(), rest(upper_guard_volt=4.0), interlocks=TABLE), "guard at rest 1 to 3.8 V → 1 to 4 V"),
        (changed(resume=ResumePolicy(within_volt=0.1)), "on_resume within_volt 0.05 → 0.1"),
        (changed(link=LinkLoss(fail_second=7200.0)), "on_link_loss fail_second 1800 → 7200"),
        (changed(link=LinkLoss(action="continue")), "on_link_loss action hold → continue"),
        (
            plan(charge(link=LinkLoss(action="continue")), interlocks=TABLE),
            "charge: on_link_loss action hold → continue",
        ),
    ],
)
def test_what_is_looser_is_said(new: Plan, said: str) -> None:
    found = loosened(OLD, new)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_step_that_loses_its_own_tighter_bound_is_looser() -> None:
    tight = msgspec.structs.replace(TABLE[0], high=3.8)
    old = plan(charge(interlocks=(tight,), resume=ResumePolicy(action="hold")), interlocks=TABLE)
    assert loosened(old, plan(charge(), interlocks=TABLE)) == (
        "charge: voltage voltage_under_current_volt ≥ 1.9 ≤ 3.8 (trip, 2 rows) → voltage_under_current_volt ≥ 1.9 ≤ 4 "
        "(trip, 2 rows)",
        "charge: on_resume action hold → continue",
    )


def test_a_guard_that_only_one_step_had_is_compared_with_that_steps() -> None:
    """What another step may do, by its own guard, says nothing of this one."""
    tight = charge("gentle", lower_guard_volt=2.0, upper_guard_volt=3.6)
    old = plan(tight, charge(), rest("cool", upper_guard_volt=3.5), rest(), interlocks=TABLE)
    assert loosened(old, plan(tight, charge(), rest("cool", upper_guard_volt=3.4), rest(), interlocks=TABLE)) == ()
    wider = charge("gentle", lower_guard_volt=2.0, upper_guard_volt=3.8)
    assert loosened(old, plan(wider, charge(), rest("cool", upper_guard_volt=3.8), rest(), interlocks=TABLE)) == (
        "gentle: guard under current 2 to 3.6 V → 2 to 3.8 V",
        "cool: guard at rest 1 to 3.5 V → 1 to 3.8 V",
    )

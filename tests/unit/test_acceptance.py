"""Who may leave a cell alone with a real potentiostat for longer than a day: nobody, unless its driver was accepted."""

import msgspec
import pytest

from daemon.plan import Plan
from daemon.plans.walk import expected_run_second
from daemon.station.acceptance import why_not_unattended
from daemon.station.instrument_settings import Acceptance, PotentiostatSettings
from tests.support.plans import plan, rest

DAY_SECOND = 86400.0
ACCEPTED = Acceptance(
    accepted_on="2026-11-01", by="us", dummy_hours=48, cycles_compared=20, worst_deviation_percent=0.1
)

UNACCEPTED = PotentiostatSettings(driver="keithley.2450", address="192.168.1.20:5025", serial_number="1")


def lasting(second: float) -> Plan:
    made = plan(msgspec.structs.replace(rest(), until_time_second=second))
    assert expected_run_second(made) == second
    return made


def potentiostat(**changed: object) -> PotentiostatSettings:
    return UNACCEPTED.model_copy(update={"acceptance": ACCEPTED.model_copy(update=changed)})


def test_a_day_needs_no_acceptance_and_a_second_more_does() -> None:
    assert why_not_unattended(lasting(DAY_SECOND), UNACCEPTED) is None
    why = why_not_unattended(lasting(DAY_SECOND + 1), UNACCEPTED)
    assert why is not None
    assert "about 24 h" in why
    assert "no acceptance of keithley.2450" in why
    assert "--without-acceptance" in why


def test_an_accepted_driver_may_go_on_for_weeks() -> None:
    assert why_not_unattended(lasting(30 * DAY_SECOND), potentiostat()) is None


def test_where_nothing_drives_a_cell_nothing_needs_accepting() -> None:
    assert why_not_unattended(lasting(30 * DAY_SECOND), None) is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("dummy_hours", 47.9, "47.9 h on a dummy are less than 48"),
        ("cycles_compared", 19, "19 cycles beside another cycler are less than 20"),
        ("worst_deviation_percent", 0.11, "capacities 0.11 % apart are more than 0.1 %"),
    ],
)
def test_an_acceptance_that_falls_short_is_none(field: str, value: float, said: str) -> None:
    why = why_not_unattended(lasting(2 * DAY_SECOND), potentiostat(**{field: value}))
    assert why is not None
    assert said in why

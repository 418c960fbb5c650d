"""Whether a run may be left alone with a real potentiostat: a long one needs a driver that was accepted. Pure."""

from __future__ import annotations

from daemon.plan import Plan
from daemon.plans.walk import expected_run_second
from daemon.station.instrument_settings import PotentiostatSettings

UNATTENDED_SECOND = 24 * 3600.0
"""The longest a run may be expected to take on hardware whose driver nobody has accepted."""
ACCEPTANCE_PAGE = "docs/reference/potentiostat.md#hardware-acceptance"


def why_not_unattended(plan: Plan, said: PotentiostatSettings | None) -> str | None:
    """Why a plan may not be carried out on real instruments as they are recorded; None when it may.

    Args:
        plan: what is to be carried out.
        said: the rig's potentiostat in the station file; None when it has none, and nothing drives a cell.
    """
    expected_second = expected_run_second(plan)
    if said is None or expected_second <= UNATTENDED_SECOND:
        return None
    if said.acceptance is None:
        missing = f"the station file has no acceptance of {said.driver}"
    elif shortfalls := said.acceptance.shortfalls:
        missing = f"the acceptance of {said.driver} falls short: " + ", ".join(what for what, _ in shortfalls.values())
    else:
        return None
    return (
        f"this run takes about {expected_second / 3600:.0f} h, and more than {UNATTENDED_SECOND / 3600:.0f} h on"
        f" hardware need a driver that was accepted: {missing}. Run the list in {ACCEPTANCE_PAGE} and record it as"
        f' acceptance, or take it on yourself: --without-acceptance "why"'
    )

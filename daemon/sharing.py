"""Who may set a shared instrument, and who waits for it: leases and the queue, decided. Pure.

A lease names every setpoint its run will ever ask for. Runs share an instrument while all their leases name one and the
same setpoint; a run that names two has it alone. First come, first served: nobody passes one who waits for what they
would take away.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from daemon.plan import Plan, SetStep
from protocols.units import time_text

SETPOINT_DECIMALS = 1
"""Setpoints that are the same to a tenth of a degree are the same: no chamber takes more."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a run wants of a shared instrument: every setpoint that its plan gives it, each once, rising."""

    instrument: str
    setpoints_celsius: tuple[float, ...]

    def has(self, other: Wish) -> bool:
        """Whether another wish is for no more than this one."""
        return self.instrument == other.instrument and {*other.setpoints_celsius} <= {*self.setpoints_celsius}


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A run may give a shared instrument these setpoints, until it has ended. `expected_until` is by theory."""

    run_id: str
    rig: str
    wish: Wish
    expected_until_utc_second: float


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A run that waits for a shared instrument, and the files it is to be made from.

    It has waited since `since_second` of the clock of `clock_epoch`, or by UTC where another clock tells the time.
    `without_acceptance` is as in the run's header. `place` orders those who wait; 0 is not in the queue yet.
    """

    run_id: str
    rig: str
    wish: Wish
    protocol_name: str
    protocol_text: str
    cell_name: str
    cell_text: str
    without_acceptance: str
    by: str
    clock_epoch: str
    since_second: float
    since_utc_second: float
    longest_wait_second: float
    place: int = 0

    def waited_second(self, clock_epoch: str, now_second: float, utc_second: float) -> float:
        """For how long, at a time of a clock; UTC counts only after a restart of the machine, and never backwards."""
        if clock_epoch == self.clock_epoch:
            return now_second - self.since_second
        return max(0.0, utc_second - self.since_utc_second)


def wish_of(plan: Plan, instrument: str | None) -> Wish | None:
    """What a plan wants of the shared chamber of its rig; None when it gives it no setpoint, or has none."""
    given = (step for step in plan.steps if isinstance(step, SetStep) and step.role == "chamber")
    setpoints = {round(step.temperature_celsius, SETPOINT_DECIMALS) for step in given}
    if instrument is None or not setpoints:
        return None
    return Wish(instrument=instrument, setpoints_celsius=tuple(sorted(setpoints)))


def both(one: Wish | None, other: Wish | None) -> Wish | None:
    """What covers two wishes for one instrument. Of two for different ones it is the second."""
    if one is None or other is None or one.instrument != other.instrument:
        return other or one
    setpoints = {*one.setpoints_celsius, *other.setpoints_celsius}
    return Wish(instrument=one.instrument, setpoints_celsius=tuple(sorted(setpoints)))


def agree(one: Wish, other: Wish) -> bool:
    """Whether two runs may use the same instrument at the same time, or use different ones."""
    setpoints = {*one.setpoints_celsius, *other.setpoints_celsius}
    return one.instrument != other.instrument or len(setpoints) == 1


def obstacle(wish: Wish, leases: Iterable[Lease], ahead: Iterable[Waiting], utc_second: float) -> str | None:
    """Why a run may not begin now, as a sentence without an end; None when it may.

    Args:
        wish: of the run.
        leases: of all other runs.
        ahead: who came before it and waits.
        utc_second: the present time, only for saying how long a run is expected to go on.
    """
    for lease in sorted(leases, key=lambda lease: -lease.expected_until_utc_second):
        if not agree(wish, lease.wish):
            return (
                f"{wish.instrument} is held at {_celsius(lease.wish)} by {lease.rig} ({lease.run_id}),"
                f" {_until(lease, utc_second)}; this run gives it {_celsius(wish)}"
            )
    for other in ahead:
        if not agree(wish, other.wish):
            return (
                f"{other.rig} ({other.run_id}) waits for {wish.instrument} at {_celsius(other.wish)} and came before;"
                f" this run gives it {_celsius(wish)}"
            )
    return None


def why_not_set(rig: str, instrument: str, setpoint_celsius: float, leases: Iterable[Lease]) -> str | None:
    """Why a rig's run may not give a shared instrument a setpoint; None when its lease names it."""
    for lease in leases:
        if lease.rig == rig and lease.wish.instrument == instrument:
            if round(setpoint_celsius, SETPOINT_DECIMALS) in lease.wish.setpoints_celsius:
                return None
            return f"{rig} holds {instrument} for {_celsius(lease.wish)} only"
    return f"{rig} has no lease of {instrument}"


def _celsius(wish: Wish) -> str:
    return " and ".join(f"{celsius:g} °C" for celsius in wish.setpoints_celsius)


def _until(lease: Lease, utc_second: float) -> str:
    left_second = lease.expected_until_utc_second - utc_second
    if left_second <= 0:
        return "for longer than was expected"
    tenth_of_hour, minute = 360.0, 60.0
    grain_second = tenth_of_hour if left_second >= 10 * tenth_of_hour else minute
    return f"for about {time_text(max(1, round(left_second / grain_second)) * grain_second)} more"

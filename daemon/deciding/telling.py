"""What a run warns of: what is on, and what is over again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from daemon.deciding.run_state import Run, Told
from daemon.events import DISK_LOW, PAUSE_TIMED_OUT, Breach, Cleared, Noticed, Warned
from daemon.plan import Interlock

CLEARED_AFTER_SECOND = 60.0
"""So long every reading must have been within the bound before a warning is over: noise at a bound is one warning."""
NOT_BOUND = (DISK_LOW, PAUSE_TIMED_OUT)
"""Warnings that no reading begins or ends."""


def warned(run: Run, interlock: Interlock, text: str) -> Run:
    """The run when an interlock that only warns is broken; nothing changes while its warning is on."""
    return _with(run, interlock.name, text)


def with_disk(run: Run, noticed: Noticed) -> Run:
    """The run when the disk may become full, or has room again."""
    return with_noticed(run, noticed) if noticed.what == DISK_LOW else without(run, DISK_LOW)


def with_noticed(run: Run, noticed: Noticed) -> Run:
    """The run when something begins that it warns of until `without`."""
    return _with(run, noticed.what, f"{noticed.what}: {noticed.text}")


def without(run: Run, name: str) -> Run:
    """The run when what it warned of by this name is over; nothing changes where it did not."""
    if name not in on(run):
        return run
    return msgspec.structs.replace(run, told={**run.told, name: Told(is_on=False)})


def _with(run: Run, name: str, text: str) -> Run:
    if name in on(run):
        return run
    places = [place for place, warning in enumerate(run.warnings) if _name(warning) == name]
    warnings = [*run.warnings]
    warnings[places[0] if places else len(warnings) :] = [text, *(warnings[places[0] + 1 :] if places else ())]
    return msgspec.structs.replace(run, warnings=tuple(warnings), told={**run.told, name: Told()})


def on(run: Run) -> frozenset[str]:
    """The names of the interlocks whose warning is on."""
    return frozenset(name for name, told in run.told.items() if told.is_on)


def eased(run: Run, intact: Collection[str], breaches: Collection[Breach], now_second: float) -> Run:
    """The run after rows, without the warnings that are over.

    Args:
        run: all else that follows from the rows in it.
        intact: the interlocks that these rows read, and no row broke; see `daemon.interlocks.intact`.
        breaches: the others, where a row did.
        now_second: run time.
    """
    names = on(run)
    if not names:
        return run
    broken = {breach.interlock for breach in breaches}
    in_force = {row.name for row in run.plan.interlocks}
    after = dict(run.told)
    for name in names:
        since_second = after[name].intact_since_second
        if name in NOT_BOUND:
            continue
        if name not in in_force:
            after[name] = Told(is_on=False)
        elif name in broken:
            after[name] = Told()
        elif name in intact:
            since_second = now_second if since_second is None else since_second
            is_over = now_second - since_second >= CLEARED_AFTER_SECOND
            after[name] = Told(is_on=not is_over, intact_since_second=since_second)
    return run if after == run.told else msgspec.structs.replace(run, told=after)


def words(before: Run, run: Run) -> Iterator[Warned | Cleared]:
    """What goes on record when a run has begun, or ceased, to warn."""
    for warning in run.warnings:
        name = _name(warning)
        was_on, is_on = name in on(before), name in on(run)
        if is_on and not was_on:
            yield Warned(text=warning)
        elif was_on and not is_on:
            yield Cleared(text=warning)


def _name(warning: str) -> str:
    return warning.partition(":")[0]

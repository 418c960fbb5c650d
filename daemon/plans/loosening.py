"""What another plan bounds less tightly than the one a run has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daemon.plan import DrivenStep, Interlock, LinkLoss, MeasuredStep, Plan, ResumePolicy

GRAVITY = ("flag", "warn", "hold_after_half", "hold", "trip")
"""What an interlock may do, the gravest last."""
LESS_ASKING = {"hold": 0, "end": 0, "restart_step": 1, "next": 1, "continue": 1}
"""Of what may be done after an interruption or a silence: what leaves it to a person first."""


def loosened(old: Plan, new: Plan) -> tuple[str, ...]:
    """What the new plan allows that the old one did not, as sentences; none when nothing is looser.

    Compared are the window, the guards in the instrument, the interlock tables, and what interruptions and silent
    instruments mean: of the plans, and of each step against the step of its id, or else against the old plan.
    """
    found = [*_beyond("window", _window(old), _window(new))]
    found += _guards(old, new)
    found += _tables("", _by_name(old.interlocks), _by_name(new.interlocks))
    found += _policies("", old.resume, new.resume) + _links("", old.link, new.link)
    before = {step.step_id: step for step in old.steps if isinstance(step, MeasuredStep)}
    for step in new.steps:
        if isinstance(step, MeasuredStep):
            found += _of_step(old, new, before.get(step.step_id), step)
    return tuple(dict.fromkeys(found))


def _of_step(old: Plan, new: Plan, before: MeasuredStep | None, step: MeasuredStep) -> list[str]:
    """What is looser for one step, where the step says it and not the whole plan."""
    where, said = f"{step.step_id}: ", []
    table, own = _by_name(old.interlocks), _by_name(step.interlocks)
    was = _by_name(before.interlocks) if before is not None else {}
    names = [name for name in {**was, **own} if name in table]
    here = _by_name(new.interlocks) | own
    said += _tables(
        where, {name: was.get(name, table[name]) for name in names}, {n: here[n] for n in names if n in here}
    )
    if step.resume is not None or (before is not None and before.resume is not None):
        then = before.resume if before is not None and before.resume is not None else old.resume
        said += _policies(where, then, step.resume or new.resume)
    if step.link is not None or (before is not None and before.link is not None):
        silence = before.link if before is not None and before.link is not None else old.link
        said += _links(where, silence, step.link or new.link)
    return said


def _window(plan: Plan) -> tuple[float, float]:
    return plan.lower_voltage_volt, plan.upper_voltage_volt


def _guards(old: Plan, new: Plan) -> list[str]:
    """The voltages at which the instrument ends a step, under current and without: the outermost, then each step's."""
    found = []
    for name, is_driven in (("guard under current", True), ("guard at rest", False)):
        before, after = (_of_kind(plan.steps, is_driven=is_driven) for plan in (old, new))
        if not before or not after:
            continue
        outermost = _outermost(before.values())
        found += _beyond(name, outermost, _outermost(after.values()))
        for step_id, guard in after.items():
            if step_id in before and not _beyond(name, outermost, guard):
                found += _beyond(f"{step_id}: {name}", before[step_id], guard)
    return found


def _of_kind(steps: Iterable[object], *, is_driven: bool) -> dict[str, tuple[float, float]]:
    """The guard of each step under current, or of each other one, by id."""
    return {
        step.step_id: (step.lower_guard_volt, step.upper_guard_volt)
        for step in steps
        if isinstance(step, MeasuredStep) and isinstance(step, DrivenStep) is is_driven
    }


def _outermost(guards: Iterable[tuple[float, float]]) -> tuple[float, float]:
    lower, upper = zip(*guards, strict=True)
    return min(lower), max(upper)


def _beyond(name: str, old: tuple[float, float], new: tuple[float, float]) -> list[str]:
    if new[0] >= old[0] and new[1] <= old[1]:
        return []
    return [f"{name} {old[0]:g} to {old[1]:g} V → {new[0]:g} to {new[1]:g} V"]


def _by_name(table: Iterable[Interlock]) -> dict[str, Interlock]:
    return {row.name: row for row in table}


def _tables(where: str, old: Mapping[str, Interlock], new: Mapping[str, Interlock]) -> list[str]:
    return [
        f"{where}{name} {_bound(row)} → {_bound(new[name]) if name in new else 'none'}"
        for name, row in old.items()
        if name not in new or _is_looser(row, new[name])
    ]


def _is_looser(old: Interlock, new: Interlock) -> bool:
    if old.quantity != new.quantity or new.rows_needed > old.rows_needed:
        return True
    if GRAVITY.index(new.action) < GRAVITY.index(old.action):
        return True
    is_lower = old.low is not None and (new.low is None or new.low < old.low)
    is_higher = old.high is not None and (new.high is None or new.high > old.high)
    return is_lower or is_higher


def _bound(row: Interlock) -> str:
    sides = [f"{sign} {value:g}" for sign, value in (("≥", row.low), ("≤", row.high)) if value is not None]
    rows = f", {row.rows_needed} rows" if row.rows_needed > 1 else ""
    return f"{row.quantity} {' '.join(sides)} ({row.action}{rows})"


def _policies(where: str, old: ResumePolicy, new: ResumePolicy) -> list[str]:
    names = ("at_once_second", "within_second", "band_kelvin", "within_volt", "pressure_share")
    before, after = old.rest.until_time_second, new.rest.until_time_second
    said = [f"{where}on_resume rest {before:g} s → {after:g} s"] if after < before else []
    return [
        *said,
        *_larger(f"{where}on_resume ", names, old, new),
        *_action(f"{where}on_resume ", old.action, new.action),
    ]


def _links(where: str, old: LinkLoss, new: LinkLoss) -> list[str]:
    names, name = ("mask_second", "fail_second"), f"{where}on_link_loss "
    return [*_larger(name, names, old, new), *_action(name, old.action, new.action)]


def _larger(where: str, names: Iterable[str], old: object, new: object) -> list[str]:
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in names]
    return [f"{where}{name} {before:g} → {after:g}" for name, before, after in pairs if after > before]


def _action(where: str, old: str, new: str) -> list[str]:
    return [f"{where}action {old} → {new}"] if LESS_ASKING[new] > LESS_ASKING[old] else []

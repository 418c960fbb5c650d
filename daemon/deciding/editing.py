"""Another plan for a run that is under way: whether it may have it, and the run as it then goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from daemon.cycles.measured_rates import lacking
from daemon.cycles.memory import CycleMemory
from daemon.deciding.run_state import Outcome, Phase, Run, SegmentFold
from daemon.events import CompleteCycle, PlanChanged, SegmentRecord
from daemon.plan import Limit, LoopStep, MeasuredStep, Plan, PlanStep, WaitStep
from daemon.plans.walk import expected_second, steps_to_come

NEVER_SAID = frozenset({"line", "record", "record_first", "interlocks", "resume", "link"})
"""Of a step: where it is written, what is shown of it, and what is watched meanwhile. It may change at any time."""
GUARDS = frozenset({"lower_guard_volt", "upper_guard_volt"})
"""Made of the safety table; a segment that runs keeps those it was started with."""
APPENDED = "steps were appended by"


@dataclass(frozen=True)
class Coming:
    """What is still to come after the step under way, if nothing ends the run earlier."""

    segments: int
    second: float
    rows: int


def refusals(run: Run, plan: Plan) -> tuple[str, ...]:
    """Why a run may not have this plan, as sentences; none if it may.

    What has been executed and the step under way stay as they are, and so do cell, mass and 1 C.
    """
    if why := _why_not_now(run):
        return (why,)
    found = [*_other_facts(run.plan, plan), *_changed_deeds(run, plan)]
    if found:
        return tuple(found)
    moved = _moved(run, plan)
    if run.phase is Phase.FINISHED and next(steps_to_come(plan, len(run.plan.steps), {}), None) is None:
        found.append("nothing is measured in it after what the run has done")
    if isinstance(run.goto, int) and _goes_on_at(run, plan) is None:
        found.append(f"the run is to go on at {_step_id(run.plan, run.goto)}, which is missing or is changed")
    if run.idle.wanted is not None and moved.get(run.idle.wanted) is None:
        found.append(f"the jig is held to the temperature of {_step_id(run.plan, run.idle.wanted)}: leave it in")
    return tuple(found)


def loops_said(run: Run, plan: Plan) -> tuple[str, ...]:
    """What becomes of the loops the run is in, as sentences."""
    moved, said = _moved(run, plan), []
    for at, loop in _loops_around(run.plan, _kept(run)):
        passing, to = run.passes.get(at, 0) + 1, moved.get(at)
        if to is None:
            said.append(f"{loop.step_id} is no loop any more: left when pass {passing} is complete")
            continue
        now = plan.steps[to]
        if not isinstance(now, LoopStep) or now.passes == loop.passes:
            continue
        text = f"{loop.step_id}: pass {passing} of {loop.passes} is under way, of {now.passes} from now on"
        said.append(f"{text}; left when it is complete" if passing >= now.passes else text)
    return tuple(said)


def edited(run: Run, event: PlanChanged) -> Run:
    """The run with the plan of an event that `refusals` has nothing against; one that has ended is held then."""
    plan, moved = event.plan, _moved(run, event.plan)
    memory = msgspec.structs.replace(run.memory, asked_for={**event.named_cycles, **run.memory.asked_for})
    changed = msgspec.structs.replace(
        run,
        plan=plan,
        fold=_with_its_beginning(run, plan),
        memory=memory,
        passes={moved[at]: count for at, count in run.passes.items() if at in moved},
        cycles_running=_counts(run, plan, run.cycles_running),
        cycles_running_before=_counts(run, plan, run.cycles_running_before),
        limit_uses=_uses(run, plan),
        goto=_goes_on_at(run, plan) if isinstance(run.goto, int) else run.goto,
        idle=msgspec.structs.replace(run.idle, wanted=None if run.idle.wanted is None else moved[run.idle.wanted]),
        # A run begun by an earlier version does not say so itself.
        has_driven=run.has_driven or run.memory.number > 0,
    )
    return changed if run.phase is not Phase.FINISHED else _reopened(changed, len(run.plan.steps), event.by)


def named_cycles(records: Iterable[SegmentRecord], plan: Plan) -> dict[str, CompleteCycle]:
    """The cycles a plan names, from the segments executed so far; none where the protocol counts cycles by itself."""
    if plan.counts_explicitly:
        return {}
    memory = CycleMemory()
    for record in records:
        memory = memory.with_segment(record, plan)
    return memory.asked_for


def never_measured(run: Run, plan: Plan, named: Mapping[str, CompleteCycle]) -> tuple[str, ...]:
    """The steps to come whose current is that of a cycle which is over and is not known, as sentences."""
    memory = msgspec.structs.replace(run.memory, asked_for={**named, **run.memory.asked_for})
    kept = _kept(run)
    done = {step.block for step in plan.steps[:kept]} - {step.block for step in plan.steps[kept:]}
    found = [
        why
        for step in plan.steps[kept:]
        if (basis := getattr(step, "basis", None)) is not None
        and basis.block in done
        and (why := lacking(step, memory))
    ]
    return tuple(dict.fromkeys(found))


def coming(run: Run, plan: Plan) -> Coming:
    """What is to come after the step under way, with a plan the run may have."""
    moved, start = _moved(run, plan), _goes_on_at(run, plan)
    passes = {moved[at]: count for at, count in run.passes.items() if at in moved}
    steps = list(steps_to_come(plan, len(plan.steps) if start is None else start, passes))
    seconds = [expected_second(step) for step in steps]
    rows = sum(
        int(second / step.sampling_second) + 2
        for second, step in zip(seconds, steps, strict=True)
        if not isinstance(step, WaitStep)
    )
    return Coming(len(steps), sum(seconds), rows)


def _why_not_now(run: Run) -> str:
    match run.phase:
        case Phase.NEW:
            return "the run has not begun yet: edit the file, or try again in a moment"
        case Phase.HALTING:
            return f"the cell is being brought to open circuit ({run.why}): edit the run when it is held"
        case Phase.STOPPING:
            return f"the run is being ended: {run.why}"
        case Phase.FINISHED if run.outcome is not Outcome.COMPLETED:
            return f"the run ended as {run.outcome} ({run.why}): only to a completed one can steps be appended"
    return ""


def _kept(run: Run) -> int:
    """How many steps from the first on must stay: up to the one under way, or that is done; all of a finished run."""
    return len(run.plan.steps) if run.phase is Phase.FINISHED else run.position + 1


def _other_facts(old: Plan, new: Plan) -> list[str]:
    found = [
        f"{name.replace('_', ' ')} is {getattr(new.cell, name)} and was {getattr(old.cell, name)}: a run is of one cell"
        for name in old.cell.__struct_fields__
        if getattr(old.cell, name) != getattr(new.cell, name)
    ]
    if old.cycle_starts_with != new.cycle_starts_with or old.counts_explicitly != new.counts_explicitly:
        found.append("cycles would be counted in another way: leave cycle_starts_with and cycle as they were")
    return found


def _changed_deeds(run: Run, plan: Plan) -> list[str]:
    """The first step that has been executed, or is under way, and would not be what it was."""
    old, new = run.plan.steps, plan.steps
    for at in range(_kept(run)):
        when = "is under way" if at == run.position and run.phase is not Phase.FINISHED else "is executed already"
        name = f"step {at + 1}, {old[at].step_id},"
        if at >= len(new):
            return [f"{name} {when} and is missing"]
        changes = _differences(old[at], new[at])
        if changes:
            hint = "" if run.phase is not Phase.FINISHED else "; write what is to come as further steps at the end"
            return [f"{name} {when} and would change: {', '.join(changes)}{hint or _hint(run)}"]
    return []


def _hint(run: Run) -> str:
    loops = _loops_around(run.plan, _kept(run))
    if not loops:
        return "; write what is to change in a later step"
    at, loop = loops[0]
    passing = run.passes.get(at, 0) + 1
    return f"; let {loop.step_id} end after pass {passing} or later, and write what is to change in a later step"


def _differences(old: PlanStep, new: PlanStep) -> list[str]:
    """What another step would do differently from the one that was done, in words."""
    if type(old) is not type(new):
        return [f"it is {new.__struct_config__.tag} and was {old.__struct_config__.tag}"]
    then, now = _deed(old), _deed(new)
    return [f"{name} {_word(then[name])} → {_word(now[name])}" for name in then if then[name] != now[name]]


def _word(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _deed(step: PlanStep) -> dict[str, Any]:
    """What a step does, without what is watched meanwhile, and without where its limits lead afterwards."""
    fields = {name: getattr(step, name) for name in step.__struct_fields__ if name not in NEVER_SAID | GUARDS}
    if "limits" in fields:
        fields["limits"] = _conditions(fields["limits"])
    return fields


def _conditions(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    return tuple(msgspec.structs.replace(limit, goto="", then=None, begins=(), path="") for limit in limits)


def _limits_of(step: PlanStep) -> tuple[Limit, ...]:
    limits: tuple[Limit, ...] = getattr(step, "limits", ())
    return limits


def _step_id(plan: Plan, position: int) -> str:
    return plan.steps[position].step_id if position < len(plan.steps) else "the end of the plan"


def _loops_around(plan: Plan, kept: int) -> list[tuple[int, LoopStep]]:
    """The loops that are not passed yet and go back into the steps that are kept, with their positions."""
    later = enumerate(plan.steps[kept:], start=kept)
    return [(at, step) for at, step in later if isinstance(step, LoopStep) and step.first < kept]


def _moved(run: Run, plan: Plan) -> dict[int, int]:
    """The new position by the old one, of the steps that are in both plans."""
    old, kept = run.plan, _kept(run)
    moved = {at: at for at in range(kept)}
    by_id = {step.step_id: at for at, step in enumerate(plan.steps) if at >= kept}
    for at, step in enumerate(old.steps[kept:], start=kept):
        to = by_id.get(step.step_id)
        if to is not None and not isinstance(step, LoopStep) and not _differences(step, plan.steps[to]):
            moved[at] = to
    return moved | _moved_loops(_loops_around(old, kept), _loops_around(plan, kept))


def _goes_on_at(run: Run, plan: Plan) -> int | None:
    """Where a run that is held after a step goes on, in the new plan; None where that step is not in it."""
    if run.phase is Phase.FINISHED or not isinstance(run.goto, int) or run.goto == _kept(run):
        return _kept(run)
    return len(plan.steps) if run.goto == len(run.plan.steps) else _moved(run, plan).get(run.goto)


def _moved_loops(old: list[tuple[int, LoopStep]], new: list[tuple[int, LoopStep]]) -> dict[int, int]:
    """Which loop is which: by its id; else the next one that goes back to the same step."""
    left, found = dict(new), dict[int, int]()
    for at, loop in old:
        to = next((there for there, other in left.items() if other.step_id == loop.step_id), None)
        if to is not None:
            found[at] = to
            del left[to]
    for at, loop in old:
        if at not in found:
            to = next((there for there, other in left.items() if other.first == loop.first), None)
            if to is not None:
                found[at] = to
                del left[to]
    return found


def _with_its_beginning(run: Run, plan: Plan) -> SegmentFold:
    """The fold of the present segment, which the instrument runs as it was started."""
    fold = run.fold
    if run.phase not in (Phase.STARTING, Phase.MEASURING) or run.recovery is not None or fold.begun_as is not None:
        return fold
    before = run.plan.steps[run.position]
    if not isinstance(before, MeasuredStep) or before == plan.steps[run.position]:
        return fold
    return msgspec.structs.replace(fold, begun_as=before)


def _counts(run: Run, plan: Plan, counts: Mapping[str, int]) -> dict[str, int]:
    """Cycles counted for the limits of loops, by their new places; a loop with other limits begins to count anew."""
    moved, found = _moved(run, plan), dict[str, int]()
    for key, count in counts.items():
        at, _, place = key.partition(".")
        to = moved.get(int(at))
        if to is not None and _same_limits(run.plan.steps[int(at)], plan.steps[to]):
            found[f"{to}.{place}"] = count
    return found


def _uses(run: Run, plan: Plan) -> dict[str, int]:
    """How often each limit that is counted has led back, by its new key."""
    found = dict[str, int]()
    for at, to in _moved(run, plan).items():
        old, new = run.plan.steps[at], plan.steps[to]
        if not _same_limits(old, new):
            continue
        for place, (was, is_now) in enumerate(zip(_limits_of(old), _limits_of(new), strict=True)):
            used = run.limit_uses.get(was.path or f"{at}.{place}")
            if used is not None:
                found[is_now.path or f"{to}.{place}"] = used
    return found


def _same_limits(old: PlanStep, new: PlanStep) -> bool:
    return _conditions(_limits_of(old)) == _conditions(_limits_of(new))


def _reopened(run: Run, goes_on_at: int, by: str) -> Run:
    """A run that has ended, held again before the first step that was appended."""
    return msgspec.structs.replace(
        run,
        phase=Phase.HOLDING,
        held_as=Outcome.STOPPED,
        outcome=None,
        reason=f"{APPENDED} {by}",
        step_done=True,
        goto=goes_on_at,
        passes={},
        cycles_running={},
        cycles_running_before={},
        cut=None,
        recovery=None,
        pause_due_second=None,
        idle=msgspec.structs.replace(run.idle, was_interrupted=True),
    )

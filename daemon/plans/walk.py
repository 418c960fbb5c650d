"""The order in which a plan's steps are executed: loops walked, and what is still to come. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daemon.plan import AdvanceStep, LoopStep, MeasuredStep, Plan, RestStep, ScanStep, VoltageStep

PRACTICAL_SHARE = 0.8
"""How much of the theoretical 1/C a half-cycle usually takes; only for saying how long a plan may last."""
GUARD_OVER_THEORY = 1.5
WARM_UP_SECOND = 3600.0
"""How long a jig usually takes to come to temperature; only for saying how long a plan may last."""


def next_step(plan: Plan, position: int, passes: Mapping[int, int]) -> tuple[int | None, dict[int, int]]:
    """The first step at or after `position` that is executed, and the loops' completed passes when it is entered.

    None: the plan has ended. `passes` counts, by a loop's position, how often its body has been passed so far.
    """
    counted = dict(passes)
    at = position
    while at < len(plan.steps):
        step = plan.steps[at]
        if isinstance(step, AdvanceStep):
            at += 1
            continue
        if not isinstance(step, LoopStep):
            return at, counted
        at, counted = over_loop(step, at, counted)
    return None, counted


def over_loop(loop: LoopStep, position: int, passes: Mapping[int, int]) -> tuple[int, dict[int, int]]:
    """Where a loop at a position leads when its body was passed once more, and the completed passes then."""
    done = passes.get(position, 0) + 1
    if done < loop.passes:
        return loop.first, {**passes, position: done}
    return position + 1, {at: count for at, count in passes.items() if at != position}


def steps_to_come(plan: Plan, position: int, passes: Mapping[int, int]) -> Iterator[MeasuredStep]:
    """Every step from `position` on that measures, in order, if none ends the run. A `SetStep` takes no time."""
    at, counted = next_step(plan, position, passes)
    while at is not None:
        step = plan.steps[at]
        if isinstance(step, MeasuredStep):
            yield step
        at, counted = next_step(plan, at + 1, counted)


def is_extended(plan: Plan, position: int) -> bool:
    """Whether the half-cycle at a position goes on with the voltage held right after it."""
    return any(isinstance(step, VoltageStep) and step.extends for step in plan.steps[position + 1 : position + 2])


def expected_second(step: MeasuredStep, measured_second: Mapping[str, float] | None = None) -> float:
    """How long a step may take: as an earlier pass did (`measured_second` by step id), else by theory."""
    if measured_second and step.step_id in measured_second:
        return measured_second[step.step_id]
    if isinstance(step, RestStep):
        waits = step.until_equilibrated
        return min(step.until_time_second, WARM_UP_SECOND + waits.for_second) if waits else step.until_time_second
    if isinstance(step, ScanStep):
        return step.until_time_second
    ends_before = isinstance(step, VoltageStep) or step.until_voltage_volt is not None
    if not ends_before or (isinstance(step, VoltageStep) and step.until_time_second is not None):
        return step.longest_second
    return step.guard_time_second / GUARD_OVER_THEORY * PRACTICAL_SHARE


def expected_run_second(plan: Plan) -> float:
    """How long a whole plan may take, by theory."""
    return sum(expected_second(step) for step in steps_to_come(plan, 0, {}))

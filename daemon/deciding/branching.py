"""Where the limits of a plan lead a run: what is held against them, which is met, and what comes then. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from daemon.cycles.memory import CycleMemory
from daemon.deciding.host_ends import REACHES, Trail, first_met, is_met
from daemon.deciding.resuming import Cut, Reading
from daemon.deciding.run_state import Run, SegmentFold
from daemon.events import Reached, SegmentRecord
from daemon.plan import END, NEXT, AdvanceStep, Limit, LoopStep, MeasuredStep, Plan, VoltageStep
from daemon.plans.walk import over_loop
from daemon.rows.readings import AGES, JIG_TEMPERATURE, PRESSURE

FRESH_SECOND = 60.0
"""An older value is held against nothing; of a row of the cell, beyond two of its periods."""
VOLTAGE = "voltage_volt"
ENDED_BY = {
    "step_time_second": "time",
    "run_time_second": "run_time",
    "voltage_volt": "voltage",
    "current_ampere": "current",
    "power_watt": "power",
    "charge_ampere_hour": "capacity",
    "energy_watt_hour": "energy",
    "voltage_slope_volt_per_second": "voltage_slope",
    PRESSURE: "pressure",
    "pressure_change_pa": "pressure_change",
    "pressure_slope_pa_per_second": "pressure_slope",
    JIG_TEMPERATURE: "temperature",
    "cycles": "cycle_count",
    "retention": "retention",
    "coulombic_efficiency": "coulombic_efficiency",
    "cycle_charge_ampere_hour": "cycle_capacity",
    "cycle_discharge_ampere_hour": "cycle_capacity",
    "charge_capacity_mAh_g": "cycle_capacity",
    "discharge_capacity_mAh_g": "cycle_capacity",
}
"""What a segment's record calls the end by a condition on each quantity."""


def begun_again(run: Run) -> SegmentFold:
    """What is known of a segment that begins: where its step began, if it goes on with one before, and what is due."""
    step = run.plan.steps[run.position]
    goes_on = run.cut is not None or (isinstance(step, VoltageStep) and step.extends)
    return SegmentFold(
        began=run.cut.began if run.cut is not None and run.recovery is None else {},
        hold_after_half=run.fold.hold_after_half if goes_on else "",
    )


def watched(run: Run, now_second: float) -> Run:
    """The run with what its step's limits need beyond the last values: where each quantity began, and its trail."""
    if not limits_of(run):
        return run
    fold, pressure = run.fold, run.readings.get(PRESSURE)
    trails = dict(fold.trails)
    row = fold.last_reading
    if row is not None and row.voltage_volt is not None:
        trails[VOLTAGE] = trails.get(VOLTAGE, Trail()).with_point(row.elapsed_second, row.voltage_volt)
    if pressure is not None and pressure.second >= (run.segment_started_second or 0.0):
        trails[PRESSURE] = trails.get(PRESSURE, Trail()).with_point(pressure.second, pressure.value)
    known = msgspec.structs.replace(run, fold=msgspec.structs.replace(fold, trails=trails))
    beside = {name: reading.value for name, reading in _fresh_readings(known, now_second).items()}
    return msgspec.structs.replace(run, fold=msgspec.structs.replace(known.fold, began={**beside, **fold.began}))


def limits_of(run: Run) -> tuple[Limit, ...]:
    """The limits of the step that is executed; none while it is not the plan's."""
    step = run.plan.steps[run.position]
    return step.limits if run.recovery is None and isinstance(step, MeasuredStep) else ()


def limit_met(run: Run, now_second: float) -> int | None:
    """The first limit of the step that is met now, by its place."""
    return first_met(limits_of(run), values_of(run, now_second), run.fold.began, {})


def values_of(run: Run, now_second: float) -> dict[str, float]:
    """The last value of every quantity a limit may name, in SI, those of cycles apart. Unknown ones are absent.

    Current, power, charge, energy and slopes are magnitudes; time, charge and energy are those of the whole step, also
    when it was cut short and goes on.
    """
    fold, done = run.fold, run.cut or Cut(elapsed_second=0.0, charge_ampere_hour=0.0)
    values = {"run_time_second": now_second}
    if run.segment_started_second is not None:
        values["step_time_second"] = now_second - run.segment_started_second + done.elapsed_second
    values |= _of_the_cell(run, now_second)
    values["charge_ampere_hour"] = abs(fold.charge_ampere_hour + done.charge_ampere_hour)
    values["energy_watt_hour"] = abs(fold.energy_watt_hour + done.energy_watt_hour)
    fresh = _fresh_readings(run, now_second)
    values |= {name: reading.value for name, reading in fresh.items()}
    if PRESSURE in fresh:
        if PRESSURE in fold.began:
            values["pressure_change_pa"] = values[PRESSURE] - fold.began[PRESSURE]
        values |= _slope(fold, PRESSURE, "pressure_slope_pa_per_second")
    return values


def _fresh_readings(run: Run, now_second: float) -> dict[str, Reading]:
    """The last readings beside the cell that are young enough to be held against something."""
    return {
        name: reading
        for name, reading in run.readings.items()
        if now_second - reading.second <= _silent_after_second(run.plan, name)
    }


def _silent_after_second(plan: Plan, quantity: str) -> float:
    """How old a reading may be: as long as its sensor is not called silent."""
    age = AGES.get(quantity)
    told = [
        row.high for row in plan.interlocks if row.quantity == age and row.action == "warn" and row.high is not None
    ]
    return max(FRESH_SECOND, *told) if told else FRESH_SECOND


def _of_the_cell(run: Run, now_second: float) -> dict[str, float]:
    row, started_second = run.fold.last_reading, run.segment_started_second
    if row is None or row.voltage_volt is None or row.current_ampere is None or started_second is None:
        return {}
    if now_second - started_second - row.elapsed_second > FRESH_SECOND + 2 * run.step.sampling_second:
        return {}
    values = {
        VOLTAGE: row.voltage_volt,
        "current_ampere": abs(row.current_ampere),
        "power_watt": abs(row.voltage_volt * row.current_ampere),
    }
    return values | _slope(run.fold, VOLTAGE, "voltage_slope_volt_per_second")


def _slope(fold: SegmentFold, quantity: str, name: str) -> dict[str, float]:
    slope = fold.trails[quantity].slope_per_second if quantity in fold.trails else None
    return {} if slope is None else {name: abs(slope)}


def reached(run: Run, place: int, now_second: float) -> Reached:
    """What a limit of the step that was met says of itself: of its first condition, asked and measured."""
    first = limits_of(run)[place].when[0]
    measured = values_of(run, now_second).get(first.quantity)
    below = first.operator.startswith("<") or (
        first.operator == REACHES and run.fold.began.get(first.quantity, 0.0) >= first.value
    )
    return Reached(
        ended_by=ENDED_BY[first.quantity],
        quantity=first.quantity,
        limit_value=first.value,
        measured_value=measured,
        overshoot=None if measured is None else (first.value - measured if below else measured - first.value),
        limit=place,
    )


def remembered(run: Run, record: SegmentRecord) -> Run:
    """The run after a segment: its cycles counted on, and the limits of the loops it is in with each complete one."""
    return _counted(run, run.memory.with_segment(record, run.plan), run.position)


def _counted(run: Run, memory: CycleMemory, at: int) -> Run:
    """The run with a new memory of its cycles: one that is complete now counts for the limits of loops around `at`."""
    before = run.memory
    run = msgspec.structs.replace(run, memory=memory)
    if memory.last is None or memory.last is before.last:
        return run
    is_the_same = before.last is not None and before.last.number == memory.last.number
    counted = run.cycles_running_before if is_the_same else run.cycles_running
    running = dict(counted)
    for position, step in enumerate(run.plan.steps):
        if not isinstance(step, LoopStep) or not step.first <= at < position:
            continue
        for place, limit in enumerate(step.limits):
            is_met = _is_met_by_cycle(limit, memory, run.plan)
            if is_met is not None:
                running[_key(position, place)] = running.get(_key(position, place), 0) + 1 if is_met else 0
    return msgspec.structs.replace(run, cycles_running=running, cycles_running_before=counted)


def leads_to(run: Run, position: int, place: int) -> tuple[Run, int | str]:
    """Where a limit that was met leads: a position, end or pause.

    In the run its use is counted, and the loops that are left by it begin anew. After a pause the run goes on at
    `after_limit`.
    """
    limit, after = _limits_at(run.plan, position)[place], after_limit(run.plan, position, place)
    key = limit.path or _key(position, place)
    used = run.limit_uses.get(key, 0)
    if limit.goto == NEXT or (limit.at_most is not None and used >= limit.at_most):
        return _jumped(run, after, ()), after
    if limit.at_most is not None:
        run = msgspec.structs.replace(run, limit_uses={**run.limit_uses, key: used + 1})
    if isinstance(limit.goto, str):
        return _jumped(run, after, ()), limit.goto
    return _jumped(run, limit.goto, limit.begins), limit.goto


def after_limit(plan: Plan, position: int, place: int | None) -> int:
    """The step that comes next after the one at a position; after a limit of it, what that limit says."""
    then = None if place is None else _limits_at(plan, position)[place].then
    return then if isinstance(then, int) else position + 1


def entered(run: Run, position: int) -> tuple[Run, int | str | None, tuple[str, ...]]:
    """The first step at or after a position that is executed, or end or pause where a loop's limit says so.

    None when the plan is done. Loops on the way are counted in the run. The texts say which limits of loops were met,
    and where they led.
    """
    at, steps, told = position, run.plan.steps, list[str]()
    while at < len(steps):
        step = steps[at]
        if isinstance(step, AdvanceStep):
            run, at = _counted(run, run.memory.advanced(run.plan), at), at + 1
            continue
        if not isinstance(step, LoopStep):
            return run, at, tuple(told)
        met = first_met(step.limits, {}, {}, _cycles_running(run, at))
        if met is None:
            to, passes = over_loop(step, at, run.passes)
            run = msgspec.structs.replace(run, passes=passes)
            run, at = run if to <= at else _left(run, at), to
            continue
        told.append(_branched(run, at, met))
        run, to_place = leads_to(_left(run, at), at, met)
        if isinstance(to_place, str):
            return msgspec.structs.replace(run, goto=after_limit(run.plan, at, met)), to_place, tuple(told)
        at = to_place
    return run, None, tuple(told)


def _jumped(run: Run, position: int, begins: Collection[int]) -> Run:
    """The run when it goes to a position: loops it does not lie in begin anew, and so do those in `begins`."""
    loops = ((at, step) for at, step in enumerate(run.plan.steps) if isinstance(step, LoopStep) and at not in begins)
    return _only_loops(run, {at for at, loop in loops if loop.first <= position <= at})


def _left(run: Run, at: int) -> Run:
    """The run when it leaves the loop at a position, which begins anew when it is entered again."""
    return _only_loops(run, set(range(len(run.plan.steps))) - {at})


def _only_loops(run: Run, kept: Collection[int]) -> Run:
    """The run with what it knows of these loops, and of no others."""

    def of_kept(counts: Mapping[str, int]) -> dict[str, int]:
        return {key: count for key, count in counts.items() if int(key.partition(".")[0]) in kept}

    return msgspec.structs.replace(
        run,
        passes={at: count for at, count in run.passes.items() if at in kept},
        cycles_running=of_kept(run.cycles_running),
        cycles_running_before=of_kept(run.cycles_running_before),
    )


def _cycles_running(run: Run, position: int) -> Mapping[int, int]:
    """By a limit's place in a loop, in how many complete cycles running its conditions were met."""
    places = range(len(_limits_at(run.plan, position)))
    return {place: run.cycles_running.get(_key(position, place), 0) for place in places}


def _limits_at(plan: Plan, position: int) -> tuple[Limit, ...]:
    limits: tuple[Limit, ...] = getattr(plan.steps[position], "limits", ())
    return limits


def _branched(run: Run, position: int, place: int) -> str:
    """In words: which limit of a loop was met, by what, and where it leads."""
    limit, plan = _limits_at(run.plan, position)[place], run.plan
    met = [
        f"{ENDED_BY[one.quantity]} {run.memory.value(one, plan) or 0.0:.6g}, limit {one.operator} {one.value:.6g}"
        for one in limit.when
    ]
    cycle = run.memory.last
    when = f"after cycle {cycle.cycle_in_block} of {cycle.block}" if cycle is not None else ""
    _, to = leads_to(run, position, place)
    if isinstance(to, int):
        to = plan.steps[to].step_id if to < len(plan.steps) else END
    used_up = "" if limit.at_most is None or to == limit.goto else f" (used {limit.at_most} times at most)"
    return f"{plan.steps[position].step_id} left {when}: {'; '.join(met)}; on to {to}{used_up}"


def _is_met_by_cycle(limit: Limit, memory: CycleMemory, plan: Plan) -> bool | None:
    """Whether the last complete cycle meets all of a limit; None where it can't be told."""
    values = {condition: memory.value(condition, plan) for condition in limit.when}
    if None in values.values():
        return None
    return all(
        value is not None and is_met(condition, {condition.quantity: value}, {}) for condition, value in values.items()
    )


def _key(position: int, place: int) -> str:
    return f"{position}.{place}"

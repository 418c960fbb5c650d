"""The difference of two plans, line by line, as people read it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import msgspec

from daemon.plan import END, Condition, Interlock, Limit, LoopStep, Plan, PlanStep
from protocols import units
from protocols.branches import FIRST_BLOCK

NOT_SHOWN = frozenset({"step_id", "line", "block", "basis", "interlocks", "limits", "first"})
"""Of a step: what is no doing of it, or is said in another line."""
RENAMED = frozenset({"volt", "ampere", "second", "hour", "celsius", "pa"})
"""Units that end the names of fields, and are said with the value instead."""


def plan_diff(old: Plan, new: Plan, old_name: str, new_name: str) -> str:
    """What is different, as a unified diff without context: each line names its step. Empty when nothing is."""
    lines = difflib.unified_diff(plan_lines(old), plan_lines(new), old_name, new_name, n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith("@@"))


def plan_lines(plan: Plan) -> list[str]:
    """All of a plan that decides anything: a line a fact, each beginning with the step it is of."""
    lines = [
        f"window  {plan.lower_voltage_volt:g} to {plan.upper_voltage_volt:g} V",
        *(f"interlock  {_interlock(row)}" for row in plan.interlocks),
        *_fields("on_resume", plan.resume, frozenset({"rest"})),
        *_fields("on_link_loss", plan.link, frozenset()),
        *_fields("record", plan.record, frozenset()),
    ]
    for step in plan.steps:
        lines += _step_lines(plan, step)
    return lines


def _step_lines(plan: Plan, step: PlanStep) -> Iterator[str]:
    name = step.step_id
    elsewhere = step.block not in ("", FIRST_BLOCK) and not name.startswith(step.block)
    yield f"{name}  {step.__struct_config__.tag}" + (f" in {step.block}" if elsewhere else "")
    if isinstance(step, LoopStep):
        yield f"{name}  goes back to {plan.steps[step.first].step_id}"
    yield from _fields(name, step, NOT_SHOWN)
    basis = getattr(step, "basis", None)
    if basis is not None:
        yield f"{name}  1 C as cycle {basis.cycle} of {basis.block} measures it ({basis.measured})"
    for limit in getattr(step, "limits", ()):
        yield f"{name}  limit {_limit(plan, limit)}"
    for row in getattr(step, "interlocks", ()):
        yield f"{name}  interlock {_interlock(row)}"


def _fields(name: str, said: object, left_out: frozenset[str]) -> Iterator[str]:
    values = said if isinstance(said, dict) else {}
    if isinstance(said, msgspec.Struct):
        values = msgspec.structs.asdict(said)
    for field, value in values.items():
        if field in left_out or value is None or value in ((), {}):
            continue
        if isinstance(value, msgspec.Struct | dict):
            yield from _fields(f"{name}  {field}", value, left_out | {"rest"})
            continue
        words, unit = field.rsplit("_", 1) if "_" in field else (field, "")
        if words.endswith("_ampere") and unit == "hour":
            words, unit = words.removesuffix("_ampere"), "ampere_hour"
        label = words if unit in RENAMED or unit == "ampere_hour" else field
        yield f"{name}  {label.replace('_', ' ')} {_value(value, unit)}"


def _value(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    match unit:
        case "ampere":
            return units.current_text(value)
        case "second":
            return _time(value)
        case "ampere_hour":
            return f"{units.milliampere_hour(value):.9g} mAh"
        case "volt":
            return f"{value:.9g} V"
        case "celsius":
            return f"{value:.9g} °C"
        case "pa":
            return f"{units.megapascal(value):.9g} MPa"
    return f"{value:.9g}"


def _time(second: float) -> str:
    """Exact, unlike `units.time_text`: two times that differ read differently."""
    for length, unit in ((units.SECOND_PER_HOUR, "h"), (60.0, "min")):
        if second >= length and second % length == 0:
            return f"{second / length:.9g} {unit}"
    return f"{second:.9g} s"


def _interlock(row: Interlock) -> str:
    sides = [f"{sign} {value:g}" for sign, value in (("≥", row.low), ("≤", row.high)) if value is not None]
    return f"{row.name}: {row.quantity} {' '.join(sides)}, {row.rows_needed} rows, {row.action}"


def _limit(plan: Plan, limit: Limit) -> str:
    to = limit.goto if isinstance(limit.goto, str) else _step_at(plan, limit.goto)
    running = f", {limit.consecutive} cycles running" if limit.consecutive > 1 else ""
    most = f", {limit.at_most} times at most" if limit.at_most is not None else ""
    return f"{' and '.join(_condition(one) for one in limit.when)}{running} → {to}{most}"


def _condition(one: Condition) -> str:
    beside = "" if one.relative_to is None else f" of cycle {one.relative_to.cycle} of {one.relative_to.block or 'it'}"
    return f"{one.quantity} {one.operator} {one.value:.9g}{beside}"


def _step_at(plan: Plan, position: int) -> str:
    return plan.steps[position].step_id if position < len(plan.steps) else END

"""What ends a step beside its potentiostat: limits held against the last values of rows, sensors and cycles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from daemon.plan import CYCLE_QUANTITIES, Condition, Limit

REACHES = "reaches"
"""An operator: the value is met from whichever side the step began on."""
SLOPE_SPAN_SECOND = 600.0
"""A slope is that of the least-squares line through so many seconds; before that there is none."""
POINT_EVERY_SECOND = 10.0


class Trail(msgspec.Struct, frozen=True):
    """The last `SLOPE_SPAN_SECOND` of a quantity, thinned: seconds that rise, and values."""

    points: tuple[tuple[float, float], ...] = ()

    def with_point(self, second: float, value: float) -> Trail:
        """The trail with a value more; one that comes sooner than `POINT_EVERY_SECOND` after the last is left out."""
        if self.points and second - self.points[-1][0] < POINT_EVERY_SECOND:
            return self
        points = (*self.points, (second, value))
        # One point older than the span stays, so that there are always `SLOPE_SPAN_SECOND` between first and last.
        oldest = max((at for at, point in enumerate(points) if second - point[0] >= SLOPE_SPAN_SECOND), default=0)
        return Trail(points[oldest:])

    @property
    def slope_per_second(self) -> float | None:
        """How fast the quantity changes, with its sign; None while too little of it is known."""
        if not self.points or self.points[-1][0] - self.points[0][0] < SLOPE_SPAN_SECOND:
            return None
        count = len(self.points)
        mean_second = sum(second for second, _ in self.points) / count
        mean_value = sum(value for _, value in self.points) / count
        spread = sum((second - mean_second) ** 2 for second, _ in self.points)
        return sum((second - mean_second) * (value - mean_value) for second, value in self.points) / spread


def first_met(
    limits: Sequence[Limit],
    values: Mapping[str, float],
    began: Mapping[str, float],
    cycles_running: Mapping[int, int],
) -> int | None:
    """The first limit whose conditions are all met, by its place in the list.

    Args:
        limits: of one step.
        values: the last value of each quantity, in SI; what was never read is absent, and meets nothing.
        began: the first value of each in this step, for `reaches`.
        cycles_running: by a limit's place, in how many complete cycles running its conditions on cycles were met.
    """
    for place, limit in enumerate(limits):
        of_cycles = any(condition.quantity in CYCLE_QUANTITIES for condition in limit.when)
        if of_cycles and cycles_running.get(place, 0) < limit.consecutive:
            continue
        beside = [condition for condition in limit.when if condition.quantity not in CYCLE_QUANTITIES]
        if all(is_met(condition, values, began) for condition in beside):
            return place
    return None


def is_met(condition: Condition, values: Mapping[str, float], began: Mapping[str, float]) -> bool:
    """Whether one condition is met; see `first_met`."""
    value = values.get(condition.quantity)
    if value is None:
        return False
    match condition.operator:
        case "<":
            return value < condition.value
        case "<=":
            return value <= condition.value
        case ">":
            return value > condition.value
        case ">=":
            return value >= condition.value
        case "reaches":
            start = began.get(condition.quantity, value)
            return value >= condition.value if start < condition.value else value <= condition.value
    raise ValueError(f"there is no operator {condition.operator!r}")

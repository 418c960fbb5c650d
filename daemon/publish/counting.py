"""The cycles of a run as they become final, counted on from the one before. Pure."""

from __future__ import annotations

import msgspec

from daemon.cycles.table import Cycle, cycle_table
from daemon.events import SegmentRecord
from daemon.plan import Plan
from daemon.plans.walk import is_extended


class CycleCounter:
    """Takes executed segments in order and answers the cycles that nothing more can come to.

    The same cycles as `cycle_table` of all segments, without counting from the first one each time.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._extended = _extended(plan)
        """Steps that go on with a voltage held after them: their half is not over with them."""
        self._halves: list[SegmentRecord] = []
        """Those of the last final cycle and of the one that is open."""
        self.last: Cycle | None = None
        self._before_end: tuple[Cycle | None, list[SegmentRecord]] | None = None

    @property
    def counted(self) -> int:
        """How many cycles are final."""
        return self.last.cycle_count if self.last else 0

    @property
    def open_halves(self) -> tuple[str, ...]:
        """The halves of the cycle that is not final."""
        final_end = self.last.end_run_time_second if self.last else -1.0
        halves = (record.half or "" for record in self._halves if record.end_run_time_second > final_end)
        return tuple(dict.fromkeys(halves))

    def replan(self, plan: Plan) -> None:
        """The segments from now on are of this plan; a cycle that only the end of the run made final may go on."""
        self._plan, self._extended = plan, _extended(plan)
        if self._before_end is not None:
            self.last, self._halves = self._before_end
            self._before_end = None

    def add(self, record: SegmentRecord) -> list[Cycle]:
        """The cycles this segment makes final."""
        if record.half is None:
            return []
        self._halves.append(record)
        return self._take(over=False)

    def finish(self) -> list[Cycle]:
        """The cycle the end of the run makes final, if one is open."""
        self._before_end = self.last, self._halves
        return self._take(over=True)

    def _take(self, *, over: bool) -> list[Cycle]:
        table = cycle_table(self._halves, self._plan.cell, self._plan.cycle_starts_with)
        fresh = table[1:] if self.last else table
        capacities = (fresh[-1].charge_capacity_mAh_g, fresh[-1].discharge_capacity_mAh_g) if fresh else (None,)
        last = self._halves[-1] if self._halves else None
        # A half that was cut short, or is to be held, may yet go on.
        is_over = last is not None and not last.abnormal and last.step_id not in self._extended
        complete = None not in capacities and is_over and last is not None and last.cycle is None
        final = [self._numbered(cycle) for cycle in (fresh if over or complete else fresh[:-1])]
        if final:
            began_second = final[-1].start_run_time_second
            self._halves = [record for record in self._halves if record.start_run_time_second >= began_second]
        return final

    def _numbered(self, cycle: Cycle) -> Cycle:
        before = self.last
        in_block = before.cycle_in_block + 1 if before and before.block == cycle.block else 1
        is_counted = self._plan.counts_explicitly
        count = cycle.cycle_count if is_counted else self.counted + 1
        self.last = msgspec.structs.replace(cycle, cycle_count=count, cycle_in_block=in_block)
        return self.last


def _extended(plan: Plan) -> set[str]:
    return {step.step_id for at, step in enumerate(plan.steps) if is_extended(plan, at)}

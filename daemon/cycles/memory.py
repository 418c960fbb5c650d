"""What a run remembers of its cycles for its own decisions: the last complete one, and those to compare with. Pure.

Cycles are counted by the rule of `daemon.cycles.table.cycle_table`.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from daemon.cycles.table import AT_ITS_END, is_no_half
from daemon.events import CompleteCycle, SegmentRecord
from daemon.plan import Condition, CycleReference, Plan


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """One half of the cycle that is going on. Charge has its sign."""

    half: str
    charge_ampere_hour: float
    ended_by: str
    is_interrupted: bool = False


class CycleMemory(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept.

    `halves` are those of the cycle that is going on, the `number`-th, and the `in_block`-th of its block.
    A cycle is complete as soon as its second half has ended as written, and complete anew when that half goes on.
    `first` holds, by block and rate, the first uninterrupted cycle; `asked_for`, by block and number, those the plan
    names, from the first time their block was run.
    """

    number: int = 0
    block: str = ""
    rate_C: float | None = None
    in_block: int = 0
    halves: tuple[Half, ...] = ()
    last: CompleteCycle | None = None
    first: dict[str, CompleteCycle] = {}
    asked_for: dict[str, CompleteCycle] = {}

    def with_segment(self, record: SegmentRecord, plan: Plan) -> CycleMemory:
        """The memory after a segment; a rest changes nothing.

        When a cycle became complete by it, `last` is another object than before.
        """
        begun = self._with_half(record, plan)
        if begun is self or record.abnormal or plan.counts_explicitly:
            return begun
        return _with_complete(begun, plan)

    def advanced(self, plan: Plan) -> CycleMemory:
        """The memory when a step of the protocol counts the cycle that is going on as complete."""
        return msgspec.structs.replace(_with_complete(self, plan), number=max(1, self.number) + 1, halves=())

    def named(self, block: str, cycle: int) -> CompleteCycle | None:
        """A cycle the plan names; None while it is not complete."""
        return self.asked_for.get(_block_key(block, cycle))

    def value(self, condition: Condition, plan: Plan) -> float | None:
        """What the last complete cycle says of a condition's quantity, in SI; None where it says nothing."""
        last = self.last
        if last is None:
            return None
        match condition.quantity:
            case "cycles":
                return float(last.cycle_in_block)
            case "coulombic_efficiency":
                return last.coulombic_efficiency
            case "retention":
                return self._retention(last, condition.relative_to or CycleReference())
            case "cycle_discharge_ampere_hour":
                return last.discharge_ampere_hour
            case "cycle_charge_ampere_hour":
                return last.charge_ampere_hour
            case "discharge_capacity_mAh_g":
                return last.discharge_ampere_hour * 1e3 / plan.cell.active_mass_gram
            case "charge_capacity_mAh_g":
                return last.charge_ampere_hour * 1e3 / plan.cell.active_mass_gram
        raise ValueError(f"{condition.quantity} is nothing of a cycle")

    def _retention(self, last: CompleteCycle, reference: CycleReference) -> float | None:
        with_what = (
            self.first.get(_rate_key(last)) if reference.block is None else self.named(reference.block, reference.cycle)
        )
        if with_what is None or last.is_interrupted or not with_what.discharge_ampere_hour:
            return None
        return last.discharge_ampere_hour / with_what.discharge_ampere_hour

    def _with_half(self, record: SegmentRecord, plan: Plan) -> CycleMemory:
        """The memory with one half more, or a longer last one, of this cycle or of a new one."""
        before = self.halves[-1] if self.halves else None
        if (record.continues or record.extends) and before is not None and before.half == record.half:
            return msgspec.structs.replace(self, halves=(*self.halves[:-1], _continued(before, record)))
        if record.half is None or is_no_half(record):
            return self
        goes_on = before is not None and (
            plan.counts_explicitly
            or (record.half != plan.cycle_starts_with and record.half not in {one.half for one in self.halves})
        )
        half = Half(
            half=record.half,
            charge_ampere_hour=record.charge_ampere_hour,
            ended_by=record.ended_by,
            # What came before its first half is no interruption of a cycle.
            is_interrupted=record.continues or (record.interrupted and goes_on),
        )
        if goes_on:
            return msgspec.structs.replace(self, halves=(*self.halves, half))
        return msgspec.structs.replace(
            self,
            number=max(1, self.number) if plan.counts_explicitly else self.number + 1,
            block=record.block,
            rate_C=record.rate_C,
            in_block=self.in_block + 1 if self.block == record.block else 1,
            halves=(half,),
        )


def _with_complete(memory: CycleMemory, plan: Plan) -> CycleMemory:
    """The memory with the cycle that is going on as the last one, if it has both halves."""
    if len({half.half for half in memory.halves}) < 2:
        return memory
    cycle = _complete(memory)
    first, asked_for = dict(memory.first), dict(memory.asked_for)
    rate_key, block_key = _rate_key(cycle), _block_key(cycle.block, cycle.cycle_in_block)
    if first.get(rate_key, cycle).number == cycle.number:
        first |= {rate_key: cycle}
        if cycle.is_interrupted:
            del first[rate_key]
    if block_key in named_cycles(plan) and asked_for.get(block_key, cycle).number == cycle.number:
        asked_for[block_key] = cycle
    return msgspec.structs.replace(memory, last=cycle, first=first, asked_for=asked_for)


def _complete(memory: CycleMemory) -> CompleteCycle:
    """The cycle that is going on, which has both halves."""
    charged, discharged = (
        sum(abs(half.charge_ampere_hour) for half in memory.halves if half.half == kind)
        for kind in ("charge", "discharge")
    )
    is_interrupted = any(half.is_interrupted for half in memory.halves)
    on_voltage = {half.ended_by for half in memory.halves} <= AT_ITS_END
    tells = on_voltage and not is_interrupted and charged > 0
    return CompleteCycle(
        number=memory.number,
        block=memory.block,
        rate_C=memory.rate_C,
        cycle_in_block=memory.in_block,
        charge_ampere_hour=charged,
        discharge_ampere_hour=discharged,
        coulombic_efficiency=discharged / charged if tells else None,
        is_interrupted=is_interrupted,
    )


def named_cycles(plan: Plan) -> Collection[str]:
    """The keys of all cycles a plan's limits and currents name."""
    references = [
        condition.relative_to
        for step in plan.steps
        for limit in getattr(step, "limits", ())
        for condition in limit.when
        if condition.relative_to is not None
    ]
    references += [basis for step in plan.steps if (basis := getattr(step, "basis", None)) is not None]
    return {_block_key(reference.block, reference.cycle) for reference in references if reference.block is not None}


def _continued(before: Half, record: SegmentRecord) -> Half:
    return Half(
        half=before.half,
        charge_ampere_hour=before.charge_ampere_hour + record.charge_ampere_hour,
        ended_by=record.ended_by,
        is_interrupted=before.is_interrupted or record.continues,
    )


def _rate_key(cycle: CompleteCycle) -> str:
    return f"{cycle.block}\n{cycle.rate_C}"


def _block_key(block: str | None, cycle: int) -> str:
    return f"{block}\n{cycle}"

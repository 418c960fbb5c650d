"""Currents by a capacity that the run itself has measured. Pure."""

from __future__ import annotations

import msgspec

from daemon.cycles.memory import CycleMemory
from daemon.plan import CapacityBasis, CurrentStep, PlanStep, VoltageStep
from protocols import units


def by_measured_capacity(step: PlanStep, memory: CycleMemory) -> PlanStep:
    """The step with the current, and the range for it, of the capacity it names; as planned while that is not known."""
    if not isinstance(step, CurrentStep | VoltageStep) or step.basis is None:
        return step
    measured_ampere = _measured_ampere(step.basis, memory)
    if measured_ampere is None:
        return step
    share = measured_ampere / step.basis.instead_of_ampere
    if isinstance(step, VoltageStep):
        until = step.until_current_ampere
        return msgspec.structs.replace(step, until_current_ampere=None if until is None else share * until)
    current_ampere = share * step.current_ampere
    full_scales = [ampere for ampere in step.basis.ranges_ampere if ampere >= abs(current_ampere)]
    return msgspec.structs.replace(
        step,
        current_ampere=current_ampere,
        current_range_ampere=min(full_scales, default=step.current_range_ampere),
    )


def lacking(step: PlanStep, memory: CycleMemory) -> str:
    """Why a step can't begin whose current is by a measured capacity; empty when it can."""
    if not isinstance(step, CurrentStep | VoltageStep) or step.basis is None:
        return ""
    basis = step.basis
    named = f"cycle {basis.cycle} of {basis.block}"
    measured_ampere = _measured_ampere(basis, memory)
    if measured_ampere is None:
        return f"{step.step_id} needs the capacity of {named}, which is not known"
    least, most = (share * basis.instead_of_ampere for share in (basis.least_share, basis.most_share))
    if not least <= measured_ampere <= most:
        shown, bounds = (
            units.current_text(measured_ampere),
            f"{units.current_text(least)} to {units.current_text(most)}",
        )
        return f"{step.step_id} would run at 1 C = {shown}, as {named} measured it; {bounds} was planned for"
    return ""


def _measured_ampere(basis: CapacityBasis, memory: CycleMemory) -> float | None:
    cycle = memory.named(basis.block, basis.cycle)
    if cycle is None:
        return None
    is_charge = basis.measured == "charge_capacity"
    return (cycle.charge_ampere_hour if is_charge else cycle.discharge_ampere_hour) or None

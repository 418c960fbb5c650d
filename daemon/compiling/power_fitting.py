"""Constant powers: their currents, the largest at the lowest voltage, and what no instrument can hold. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

from daemon.compiling.bounds import Bounds
from daemon.compiling.drafts import PowerDraft
from daemon.plan import CurrentStep, PowerStep
from drivers.roles import LEAST_POWER_VOLT, PotentiostatLimits, SegmentMode
from protocols import units
from protocols.protocol import step_path
from protocols.source import Findings


def fitted(draft: PowerDraft, bounds: Bounds, limits: PotentiostatLimits | None, findings: Findings) -> PowerDraft:
    """The draft with its currents between the voltages it is held to. What the instrument can't do is noted."""
    if limits is not None and SegmentMode.POWER not in limits.modes:
        what = f"the {limits.model} can't hold a power by itself"
        findings.error(step_path(draft.index, "step"), what, "use another instrument, or constant currents")
    lowest, highest = bounds.low_volt.value, bounds.high_volt.value
    until = draft.until_voltage_volt
    if until is not None and draft.half == "discharge":
        lowest = until
    elif until is not None:
        highest = until
    if lowest < LEAST_POWER_VOLT:
        what = f"a power down to {lowest:g} V: towards 0 V its current has no end"
        hint = f"write until_voltage_V: {LEAST_POWER_VOLT:g} or more"
        if draft.half == "charge" or until is None:
            hint = f"write safety: {{min_voltage_V: …}}, {LEAST_POWER_VOLT:g} or more"
        findings.error(draft.path, what, hint)
        lowest = LEAST_POWER_VOLT
    return replace(
        draft,
        current_ampere=draft.power_watt / lowest,
        smallest_ampere=abs(draft.power_watt) / max(highest, lowest),
    )


def power_step(draft: PowerDraft, step: CurrentStep) -> PowerStep:
    """The step of a draft that was fitted, from what its largest current asks for."""
    fields = {name: getattr(step, name) for name in CurrentStep.__struct_fields__}
    return PowerStep(**fields, power_watt=draft.power_watt)


def power_text(draft: PowerDraft, current_ampere: float, instead_of_ampere: float) -> str:
    """What to write for the power so that one of its currents becomes another, in size."""
    share = current_ampere / abs(instead_of_ampere) if instead_of_ampere else math.nan
    return f"power_mW: {units.milliwatt(share * draft.power_watt):.4g}"


def currents_ampere(step: PowerStep) -> tuple[float, float]:
    """The currents at both ends of the voltages a power is held between, with their sign: the smallest, the largest."""
    until, highest = step.until_voltage_volt, step.upper_guard_volt
    if until is not None and step.half == "charge":
        highest = until
    return step.power_watt / highest, step.current_ampere

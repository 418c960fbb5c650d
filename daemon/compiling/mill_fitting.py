"""Milling in a protocol: what it may stand beside, and its steps as a plan has them. Pure."""

from __future__ import annotations

from daemon.compiling.bounds import Bounds
from daemon.compiling.drafts import MillDraft
from daemon.plan import MillStep
from protocols.protocol import ProtocolFile, step_path
from protocols.source import Findings
from protocols.steps import Measured, Mill

SAMPLING_SECOND = 1.0


def mills(file: ProtocolFile) -> bool:
    """Whether a protocol turns a blade; it then has to do with no cell."""
    return any(isinstance(step, Mill) for step in file.steps)


def note_cell_steps(file: ProtocolFile, findings: Findings) -> None:
    """Note each step of a protocol that mills which measures a cell: there is none in a mill."""
    if not mills(file):
        return
    policy = file.top.on_resume if file.top is not None else None
    if policy is not None and policy.action == "restart_step":
        what = "what was milled is not milled again: a blade goes on with the rest of its time"
        findings.error(("on_resume", "action"), what, "write continue or hold")
    for index, step in enumerate(file.steps):
        if isinstance(step, Measured):
            what = "this protocol mills, and a mill has no cell to measure"
            findings.error(step_path(index), what, "write wait_for to let time pass, or a protocol of its own")


def mill_step(draft: MillDraft, line: int, bounds: Bounds) -> MillStep:
    """A drafted step of the mill as a plan has it."""
    return MillStep(
        step_id=draft.step_id,
        block=draft.block,
        line=line,
        speed_rpm=draft.step.speed_rpm,
        until_time_second=draft.step.until_time_second or 0.0,
        lower_guard_volt=bounds.rest_low_volt,
        upper_guard_volt=bounds.high_volt.value,
        sampling_second=SAMPLING_SECOND,
        cutoff_second=SAMPLING_SECOND,
    )

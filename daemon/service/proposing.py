"""What another protocol would mean for a run, before anything is changed: the difference, and what it loosens."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from daemon.deciding.editing import coming, loops_said, named_cycles, never_measured, refusals
from daemon.deciding.run_state import Run
from daemon.events import PlanChanged, SegmentEnded
from daemon.plan import Plan
from daemon.plans.diff import plan_diff
from daemon.plans.loosening import loosened
from daemon.running.asked_edit import CHANGED_MEANWHILE, EditRefusedError
from daemon.service.sources import Sources
from daemon.store.reading import read_journal
from daemon.store.run_file import RunFile
from daemon.stored import stored_event

LINES_IN_TEXT = 8
"""Of the difference, in the sentence that goes into the journal; all of it follows from the plans there."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An edit as it would be made now. `agreement` names exactly this change: whoever has seen it may ask for it."""

    run_id: str
    run: Run
    change: PlanChanged
    diff: str
    refused: tuple[str, ...]
    loops: tuple[str, ...]
    agreement: str

    def as_object(self) -> dict[str, Any]:
        """All that a person needs to decide, as plain values."""
        may = not self.refused
        return {
            "run_id": self.run_id,
            "phase": str(self.run.phase),
            "step_id": self.run.step_id,
            "protocol": self.change.protocol_name,
            "diff": self.diff,
            "refused": list(self.refused),
            "loosened": list(self.change.loosened),
            "loops": list(self.loops),
            "to_come": asdict(coming(self.run, self.change.plan)) if may else None,
            "to_come_before": asdict(coming(self.run, self.run.plan)) if may else None,
            "agreement": self.agreement,
        }

    def check(self, agreement: str, *, limits: bool) -> None:
        """Whether somebody who agreed may have it. Raises `EditRefusedError`."""
        if self.refused:
            raise EditRefusedError("; ".join(self.refused))
        if not self.diff:
            raise EditRefusedError("nothing of the plan would change")
        if agreement != self.agreement:
            raise EditRefusedError(CHANGED_MEANWHILE)
        if self.change.loosened and not limits:
            looser = "; ".join(self.change.loosened)
            raise EditRefusedError(f"this bounds the cell less tightly, confirm it with --limits: {looser}")


def proposal(path: Path, run: Run, plan: Plan, sources: Sources, by: str) -> Proposal:
    """What it would mean to give a run this plan.

    Args:
        path: the run's file.
        run: as it is now.
        plan: compiled from `sources` for the run's own cell, on its rig.
        sources: the new protocol, and the run's own cell.
        by: who wants it.

    Raises:
        StoreError: the file is damaged.
    """
    with RunFile.read_only(path) as run_file:
        run_id, before = run_file.header.run_id, run_file.header.protocol_name
        records = []
        for entry in read_journal(run_file):
            if entry.kind not in ("segment_ended", "plan_changed"):
                continue
            event = stored_event(path, entry)
            if isinstance(event, SegmentEnded):
                records.append(event.record)
            elif isinstance(event, PlanChanged):
                before = event.protocol_name
    named = named_cycles(records, plan)
    refused = refusals(run, plan)
    diff = plan_diff(run.plan, plan, f"{before} (as it runs)", sources.protocol_name)
    loops = () if refused else loops_said(run, plan)
    change = PlanChanged(
        plan=plan,
        protocol_name=sources.protocol_name,
        protocol_text=sources.protocol_text,
        by=by,
        segment=run.segment,
        text=_text(loops, diff),
        loosened=loosened(run.plan, plan),
        named_cycles=named,
    )
    return Proposal(
        run_id=run_id,
        run=run,
        change=change,
        diff=diff,
        refused=refused or never_measured(run, plan, named),
        loops=loops,
        agreement=hashlib.sha256(msgspec.json.encode((run.plan, plan))).hexdigest(),
    )


def _text(loops: tuple[str, ...], diff: str) -> str:
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    more = [f"and {len(lines) - LINES_IN_TEXT} lines more"] if len(lines) > LINES_IN_TEXT else []
    return "; ".join([*loops, *lines[:LINES_IN_TEXT], *more])

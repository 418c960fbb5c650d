"""The plans a run has had, one after the other, and which of them each segment was of. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daemon.events import PlanChanged
from daemon.plan import Plan


@dataclass(frozen=True, kw_only=True)
class PlanVersion:
    """One plan of a run and the protocol it was made of; `by` is empty for the first.

    It holds for the segments after number `after_segment`, from the run time it was given at. `text` and `loosened` as
    in `daemon.events.PlanChanged`.
    """

    plan: Plan
    protocol_name: str
    protocol_text: str
    by: str = ""
    run_time_second: float = 0.0
    after_segment: int = 0
    text: str = ""
    loosened: tuple[str, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """All but the plan, as plain values."""
        return {
            "by": self.by,
            "run_time_second": self.run_time_second,
            "after_segment": self.after_segment,
            "changed": self.text,
            "loosened": list(self.loosened),
            "name": self.protocol_name.replace("\\", "/").rpartition("/")[2],
            "sha256": hashlib.sha256(self.protocol_text.encode()).hexdigest(),
            "text": self.protocol_text,
        }


def version_of(event: PlanChanged, run_time_second: float) -> PlanVersion:
    """The version that an event of the journal begins."""
    return PlanVersion(
        plan=event.plan,
        protocol_name=event.protocol_name,
        protocol_text=event.protocol_text,
        by=event.by,
        run_time_second=run_time_second,
        after_segment=event.segment,
        text=event.text,
        loosened=event.loosened,
    )


def plan_of(versions: Sequence[PlanVersion], segment: int) -> Plan:
    """The plan that a segment was of, by its number, from 1. There must be a version."""
    return next(version.plan for version in reversed(versions) if version.after_segment < segment)

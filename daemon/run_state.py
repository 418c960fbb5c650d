"""The whole state of a run as pure data: with the plan in it, enough to go on after a crash."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from daemon.events import Row
from daemon.plan import CurrentStep, LoopStep, Plan, RestStep, SetStep


class Phase(StrEnum):
    """What the run is doing."""

    NEW = "new"
    SETTING = "setting"
    """The chamber is being given a setpoint."""
    STARTING = "starting"
    MEASURING = "measuring"
    STOPPING = "stopping"
    """The cell is being, or has been, brought to open circuit; rows may still wait in the instrument."""
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a run ended. There is no default: a run without an outcome has not ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    TRIPPED = "tripped"
    HELD = "held"
    FAILED = "failed"


class SegmentFold(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the present segment from its rows so far."""

    rows: int = 0
    first: Row | None = None
    last: Row | None = None
    last_reading: Row | None = None
    charge_ampere_hour: float = 0.0
    energy_watt_hour: float = 0.0
    carried_rows: dict[str, int] = {}
    equilibrated: bool = False
    """The host has seen that an equilibration is complete."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a run: with the plan in it, enough to go on after a crash.

    `position` is the step now (from 0), `passes` the completed passes of each loop by its position, `segment` the
    number of the present segment (from 1; 0 before the first), `segment_ended` says that its record is written, `rows`
    counts the cell rows stored so far and `stream_rows` those of the other streams; `stream_carried_rows` holds, by
    stream and interlock, the rows running that broke it up to now. `in_band_since_second` is the run time from which
    the jig has been within the band of the equilibration that is going on. `start_due_second` is the run time at which
    the present segment was to be started: if it was, and nobody lived to say so, that is when.
    """

    plan: Plan
    phase: Phase = Phase.NEW
    position: int = 0
    passes: dict[int, int] = {}
    segment: int = 0
    start_due_second: float = 0.0
    segment_started_second: float | None = None
    segment_ended: bool = False
    rows: int = 0
    fold: SegmentFold = SegmentFold()
    resume_count: int = 0
    stream_rows: dict[str, int] = {}
    stream_carried_rows: dict[str, dict[str, int]] = {}
    in_band_since_second: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def step(self) -> CurrentStep | RestStep:
        """The step whose segment is being executed. Raises `TypeError` when the present step has none."""
        step = self.plan.steps[self.position]
        if isinstance(step, LoopStep | SetStep):
            raise TypeError(f"step {step.step_id} has no segment")
        return step


encode_run = msgspec.json.Encoder().encode
decode_run = msgspec.json.Decoder(Run).decode

"""The whole state of a run as pure data: with the plan in it, enough to go on after a crash."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from daemon.cycles.efficiency import Cycling
from daemon.cycles.measured_rates import by_measured_capacity
from daemon.cycles.memory import CycleMemory
from daemon.deciding.host_ends import Trail
from daemon.deciding.resuming import Cut, Idle, Reading, rest_of, shortened
from daemon.events import DISK_LOW, PAUSE_TIMED_OUT, PauseRequested, Row, StopRequested
from daemon.plan import Interlock, LinkLoss, MeasuredStep, MillStep, Plan, PlanStep, RestStep, ResumePolicy
from daemon.settling import Settled
from daemon.watching import Tail


class Phase(StrEnum):
    """What the run is doing."""

    NEW = "new"
    SETTING = "setting"
    """The chamber is being given a setpoint."""
    STARTING = "starting"
    MEASURING = "measuring"
    HALTING = "halting"
    """As `STOPPING`, but then the run is held."""
    HOLDING = "holding"
    """The cell is at open circuit and its rows are stored; a person decides how the run goes on."""
    STOPPING = "stopping"
    """The cell is being, or has been, brought to open circuit; rows may still wait in the instrument."""
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a run ends: it has ended when its phase is `FINISHED`. There is no default."""

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
    tail: Tail = Tail()
    after_ten_second: Row | None = None
    equilibrated: bool = False
    """The host has seen that an equilibration is complete."""
    hold_after_half: str = ""
    """Why the run is to be held when this half-cycle has ended; empty when it is not."""
    began: dict[str, float] = {}
    """The first value of each quantity that a limit of this step may name."""
    trails: dict[str, Trail] = {}
    met: int | None = None
    """Which limit of the step the host has seen met, by its place."""
    begun_as: MeasuredStep | None = None
    """The step as it was when the segment began, if the plan says something else of it since."""

    @property
    def is_over(self) -> bool:
        """Whether the host has decided that the step is done."""
        return self.equilibrated or self.met is not None


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What interlocks need to know beyond the rows they see.

    `tails` are of the watched quantities beside the cell, by name. `rested` is the segment that was a long rest last,
    and the voltage at its end.
    """

    tails: dict[str, Tail] = {}
    settled: Settled = Settled()
    cycling: Cycling = Cycling()
    rested: tuple[int, float] | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that can be over: whether it is on, and since when no reading has broken its bound; None: one has."""

    is_on: bool = True
    intact_since_second: float | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a run: with the plan in it, enough to go on after a crash.

    `position` is the step now (from 0), `passes` the completed passes of each loop by its position, `segment` the
    number of the present segment (from 1; 0 before the first), `segment_ended` says that its record is written, `rows`
    counts the cell rows stored so far and `stream_rows` those of the other streams; `stream_carried_rows` holds, by
    stream and interlock, the rows running that broke it up to now. `in_band_since_second` is the run time from which
    the jig has been within the band of the equilibration that is going on. `start_due_second` is the run time at which
    the present segment was to be started: if it was, and nobody lived to say so, that is when.

    `holds_wait`: a hold waits for a person; else it ends the run. `held_as` is how a run that is held ends if
    somebody stops it. `pause_after` ("", "step" or "cycle") is when it is to be held, for `pause_reason`, or to end
    with `pause_ends`; a pause of the protocol is over at `pause_due_second`. `step_done`: the step at `position` has
    ended as written, and the next has not begun. `cut` is what has been done of the step at `position`, `recovery`
    the rest that is executed in its place. `has_driven`: a segment that may let a current flow has been decided.
    `readings` are the last beside the cell, by name; `links` says which instrument does not answer, by role. `memory`
    is of its cycles; `cycles_running` counts, by limit of a loop, the complete cycles running that met it,
    `cycles_running_before` the same without the last, and `limit_uses` how often a limit that is counted has led
    back. `goto` is where the limit that ended the step leads: a position, "end" or "pause". `unsafe` is why the cell
    is not known to be safe, or its rows to be stored, since `unsafe_since_second`; empty when nothing says so.
    `warnings` is all that the run has ever warned of, each thing once, in its last words; `told` what of it can be
    over again, by name.
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
    watch: Watch = Watch()
    holds_wait: bool = True
    held_as: Outcome | None = None
    pause_after: str = ""
    pause_reason: str = ""
    pause_ends: bool = False
    pause_due_second: float | None = None
    step_done: bool = False
    cut: Cut | None = None
    recovery: RestStep | None = None
    has_driven: bool = False
    idle: Idle = Idle()
    readings: dict[str, Reading] = {}
    links: dict[str, str] = {}
    memory: CycleMemory = CycleMemory()
    cycles_running: dict[str, int] = {}
    cycles_running_before: dict[str, int] = {}
    limit_uses: dict[str, int] = {}
    goto: int | str | None = None
    unsafe: str = ""
    unsafe_since_second: float = 0.0
    outcome: Outcome | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    told: dict[str, Told] = {}

    @property
    def warnings_on(self) -> tuple[str, ...]:
        """The warnings whose cause is not known to be over.

        A pause that timed out is over when the run goes on, and who has ended needs no disk.
        """
        over = {name for name, told in self.told.items() if not told.is_on}
        over |= {DISK_LOW} if self.phase is Phase.FINISHED else set()
        over |= set() if self.phase in (Phase.HALTING, Phase.HOLDING) else {PAUSE_TIMED_OUT}
        return tuple(warning for warning in self.warnings if warning.partition(":")[0] not in over)

    @property
    def step(self) -> MeasuredStep:
        """The step whose segment is being executed. Raises `TypeError` when the present step has none."""
        if self.recovery is not None:
            return self.recovery
        step = self.whole_step
        if not isinstance(step, MeasuredStep):
            raise TypeError(f"step {step.step_id} has no segment")
        if isinstance(step, MillStep) and self.idle.milled_beyond_second:
            step = shortened(step, self.idle.milled_beyond_second)
        left = step if self.cut is None else rest_of(step, self.cut)
        return left or step

    @property
    def whole_step(self) -> PlanStep:
        """The step of the plan at the run's position, with the current that the run has measured for it."""
        begun_as = None if self.segment_ended else self.fold.begun_as
        return by_measured_capacity(begun_as or self.plan.steps[self.position], self.memory)

    @property
    def interlocks(self) -> tuple[Interlock, ...]:
        """Those in force now: of the plan, where the step says nothing tighter."""
        step = None if self.recovery is not None or not self.plan.steps else self.plan.steps[self.position]
        own = {row.name: row for row in step.interlocks} if isinstance(step, MeasuredStep) else {}
        return tuple(own.get(row.name, row) for row in self.plan.interlocks) if own else self.plan.interlocks

    @property
    def resume(self) -> ResumePolicy:
        """What an interruption means now."""
        step = self.plan.steps[self.position] if self.plan.steps else None
        own = step.resume if isinstance(step, MeasuredStep) else None
        return own or self.plan.resume

    @property
    def link(self) -> LinkLoss:
        """What a silent instrument means now."""
        step = self.plan.steps[self.position] if self.plan.steps else None
        own = step.link if isinstance(step, MeasuredStep) else None
        return own or self.plan.link

    @property
    def rested_volt(self) -> float | None:
        """The voltage of the rested cell right before the present segment; None unless a long rest came before it."""
        rested = self.watch.rested
        return rested[1] if rested is not None and rested[0] == self.segment - 1 else None

    @property
    def step_id(self) -> str:
        """The step that is executed, or comes next; empty when there is none."""
        if self.recovery is not None:
            return self.recovery.step_id
        return self.plan.steps[min(self.position, len(self.plan.steps) - 1)].step_id if self.plan.steps else ""

    @property
    def why(self) -> str:
        """Why it is held or ended, and what is not as it should be since."""
        return "; ".join(text for text in (self.reason, self.unsafe) if text)


encode_run = msgspec.json.Encoder().encode
decode_run = msgspec.json.Decoder(Run).decode


def waits_for(run: Run, wish: object) -> bool:
    """Whether this end, or hold, of a step or cycle has been asked for already."""
    if not isinstance(wish, StopRequested | PauseRequested) or not wish.after:
        return False
    return (run.pause_after, run.pause_ends) == (wish.after, isinstance(wish, StopRequested))

"""The engine against a small model of what a run does, whatever happens in whatever order."""

from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Outcome, Phase, Run, decode_run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    ChamberSet,
    Effect,
    Event,
    InstrumentFailed,
    LinkChanged,
    MadeSafe,
    MakeSafe,
    PauseRequested,
    ReadingsStored,
    Resumed,
    ResumeRequested,
    Row,
    RunStarted,
    SeekSegment,
    SegmentEnded,
    SegmentNotStarted,
    SegmentStarted,
    SetChamber,
    SkipRequested,
    StartSegment,
    StopRequested,
    decode_event,
    encode_event,
)
from daemon.plan import CurrentStep, PlanStep, RestStep
from tests.support.plans import block, charge, discharge, jig_readings, loop, plan, rest, setting

MINUTE, HOUR = 60.0, 3600.0
REST_VOLT = 3.0
ENDING = (Phase.HALTING, Phase.STOPPING)
UNDER_WAY = (Phase.SETTING, Phase.STARTING, Phase.MEASURING)
BODIES: dict[str, tuple[PlanStep, ...]] = {
    "charge": (charge(),),
    "cycle": (charge(), discharge()),
    "rested": (charge(), rest(), discharge(), rest("rest again")),
    "set": (setting(), charge()),
    "rest": (rest(),),
}
pauses = st.sampled_from([1.0, 30.0, 5 * MINUTE, 2 * HOUR, 13 * HOUR])
"""How long nothing happens before something does."""


class Model:
    """What should have been done, by hand: where the run is in its list of steps, and whether a current may flow."""

    def __init__(self, to_do: list[int]) -> None:
        self.to_do = to_do
        self.at = 0
        self.mode = "running"
        self.is_open = False
        """A segment was ordered and nobody knows yet that it is over."""
        self.is_driven = False
        self.safe_orders, self.safe_orders_due = 0, 0
        self.is_recovering = False
        self.off_since: float | None = None
        self.pause_after_step = False
        self.cut_second = 0.0
        """What has been done of the present step in parts."""
        self.kills = 0
        self.rows = 0

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.to_do)

    def needs(self, now_second: float, asked: bool) -> str:
        """What comes before the next segment: "nothing", "recovery", "hold"."""
        if self.off_since is None or now_second - self.off_since <= 10 * MINUTE:
            return "nothing"
        return "hold" if now_second - self.off_since > 12 * HOUR and not asked else "recovery"


def phase_is(*phases: Phase) -> Any:
    """A rule may be followed in these phases."""
    return precondition(lambda machine: machine.run.phase in phases)


class Engine(RuleBasedStateMachine):
    """Every rule is something that may happen; the model says what must come of it."""

    @initialize(body=st.sampled_from(sorted(BODIES)), passes=st.integers(1, 3), holds_wait=st.just(True))
    def start(self, body: str, passes: int, holds_wait: bool) -> None:
        steps = BODIES[body]
        self.plan = plan(*steps, loop(0, passes))
        self.drives = any(isinstance(step, CurrentStep) for step in steps)
        self.model = Model(list(range(len(steps))) * passes)
        self.run = Run(plan=self.plan)
        self.journal: list[tuple[float, bytes]] = []
        self.second = 0.0
        self.orders: list[Effect] = []
        self.happen(RunStarted(holds_wait=holds_wait))
        self.begins(asked=False)

    def happen(self, event: Event, after_second: float = 0.0) -> tuple[Effect, ...]:
        self.second += after_second
        model, was_ending = self.model, self.run.phase in ENDING
        self.run, effects = advance(self.run, event, self.second)
        self.journal.append((self.second, encode_event(event)))
        # Once when it begins to end, and again for each daemon that finds it so.
        model.safe_orders_due += self.run.phase in ENDING and (not was_ending or isinstance(event, Resumed))
        for effect in effects:
            if isinstance(effect, StartSegment):
                assert not model.is_open, "a segment is started while another may run"
                model.is_open = model.is_driven = True
            if isinstance(effect, MakeSafe):
                model.safe_orders += 1
                model.is_driven = False
        self.orders = list(effects)
        return effects

    def begins(self, *, asked: bool, unchecked: bool = False) -> None:
        """The model's next step is begun, or what must come before it."""
        model = self.model
        if model.mode != "running":
            return
        if model.is_over:
            model.mode = "stopping"
            return
        model.is_recovering = False
        if self.plan.steps[model.to_do[model.at]] == setting():
            assert self.orders[0] == SetChamber(temperature_celsius=55.0)
            return
        needs = model.needs(self.second, asked) if self.drives and not unchecked else "nothing"
        if needs == "hold":
            model.mode = "halting"
            return
        model.is_recovering = needs == "recovery"
        assert isinstance(self.orders[0], StartSegment)
        assert self.orders[0].position == model.to_do[model.at]
        assert (self.run.recovery is not None) == model.is_recovering

    @property
    def segment_runs(self) -> bool:
        return self.run.segment_started_second is not None and not self.run.segment_ended

    @precondition(lambda self: self.run.phase is not Phase.FINISHED)
    @rule(after_second=pauses, rows_first=st.booleans())
    def what_should_happen_happens(self, after_second: float, rows_first: bool) -> None:
        self.what_should_happen(after_second, rows_first=rows_first)

    def what_should_happen(self, after_second: float, *, rows_first: bool) -> None:
        match self.run.phase:
            case Phase.SETTING:
                self.happen(ChamberSet(temperature_celsius=55.0), after_second)
                self.step_over()
            case Phase.STARTING:
                self.happen(SegmentStarted(segment=self.run.segment, started_second=self.second))
            case Phase.MEASURING if rows_first:
                self.store(3, self.elapsed + min(after_second, 300.0), 3.2)
            case Phase.MEASURING:
                self.segment_ends_as_written(after_second)
            case Phase.HOLDING:
                self.lets_it_go_on(unchecked=False, after_second=after_second)
            case _:
                self.cell_is_safe(after_second)

    @precondition(lambda self: self.run.phase is not Phase.FINISHED)
    @rule(times=st.integers(1, 8))
    def all_goes_well_for_a_while(self, times: int) -> None:
        for _ in range(times):
            if self.run.phase is not Phase.FINISHED:
                self.what_should_happen(1.0, rows_first=False)

    def store(self, rows: int, elapsed_second: float, volt: float) -> None:
        last = Row(elapsed_second=elapsed_second, voltage_volt=volt, current_ampere=0.0)
        summary = block(self.run.rows + 1, rows, last)
        self.happen(BlockStored(segment=self.run.segment, summary=summary), 1.0)
        self.model.rows += rows

    @precondition(lambda self: self.run.phase is not Phase.FINISHED)
    @rule(celsius=st.floats(20, 60))
    def jig_is_read(self, celsius: float) -> None:
        if self.run.phase is not Phase.FINISHED:
            self.happen(ReadingsStored(summary=jig_readings(self.second, self.second + 1, celsius)), 1.0)

    def segment_ends_as_written(self, late_second: float) -> None:
        step = self.run.step
        if isinstance(step, CurrentStep):
            volt, elapsed_second = step.until_voltage_volt, self.elapsed + 100
        else:
            volt, elapsed_second = REST_VOLT, step.until_time_second
        self.store(3, elapsed_second, volt or 0.0)
        self.end(late_second)

    @property
    def elapsed(self) -> float:
        return self.run.fold.last.elapsed_second if self.run.fold.last else 0.0

    def end(self, late_second: float, **how: bool) -> None:
        record = end_of_segment(self.run, **{"power_was_cycled": False, **how})
        self.model.is_open = False
        self.second = max(self.second, record.end_run_time_second) + late_second
        self.model.off_since = record.end_run_time_second
        was_recovering = self.model.is_recovering
        if record.abnormal and not was_recovering:
            self.model.cut_second += record.end_run_time_second - record.start_run_time_second
        elif not was_recovering:
            self.model.cut_second = 0.0
        self.model.is_recovering = False
        self.happen(SegmentEnded(record=record))
        if self.model.mode != "running":
            self.model.at += not record.abnormal and not was_recovering and self.run.phase is Phase.HALTING
        elif record.abnormal:
            self.model.mode = "halting"
        elif was_recovering:
            self.begins(asked=False)
        else:
            self.step_over()

    def step_over(self) -> None:
        model = self.model
        model.at += 1
        if model.pause_after_step and any(self.plan.steps[at] != setting() for at in model.to_do[model.at :]):
            model.mode = "halting"
        self.begins(asked=False)

    @precondition(lambda self: self.segment_runs and self.run.phase is Phase.MEASURING)
    @rule(power_was_cycled=st.booleans())
    def segment_is_cut_short(self, power_was_cycled: bool) -> None:
        self.store(1, self.elapsed + 1, 3.21)
        self.end(1.0, power_was_cycled=power_was_cycled)

    @phase_is(*UNDER_WAY)
    @rule(
        what=st.sampled_from(
            [
                PauseRequested(by="ada"),
                InstrumentFailed(role="potentiostat", error="RefusedError", text="refused"),
                LinkChanged(role="potentiostat", state="failed", since_second=0.0, text="no answer"),
            ]
        )
    )
    def something_holds_it(self, what: Event) -> None:
        effects = self.happen(what)
        assert isinstance(effects[0], MakeSafe)
        self.model.mode, self.model.pause_after_step = "halting", False

    @phase_is(*UNDER_WAY)
    @rule()
    def pause_after_this_step(self) -> None:
        assert self.happen(PauseRequested(by="ada", after="step")) == ()
        self.model.pause_after_step = True

    @phase_is(*UNDER_WAY, Phase.HALTING, Phase.HOLDING)
    @rule()
    def somebody_stops_it(self) -> None:
        effects = self.happen(StopRequested(by="ada"))
        assert any(isinstance(effect, MakeSafe) for effect in effects) == (self.model.mode != "halting")
        self.model.mode = "stopping"

    @phase_is(*ENDING)
    @rule(after_second=pauses)
    def instrument_does_not_answer(self, after_second: float) -> None:
        self.happen(MadeSafe(verified=False, drained=False, text="no reply"), after_second)
        assert self.run.phase in ENDING
        assert "NOT verified safe" in self.run.why

    def cell_is_safe(self, after_second: float) -> None:
        if self.segment_runs:
            self.end(0.0)
        self.model.is_open = False
        assert self.model.safe_orders == self.model.safe_orders_due
        self.model.safe_orders = self.model.safe_orders_due = 0
        self.happen(MadeSafe(verified=True, text=""), after_second)
        assert "NOT verified" not in self.run.why
        self.model.mode = {"halting": "holding", "stopping": "finished"}[self.model.mode]

    @phase_is(Phase.HOLDING)
    @rule(after_second=pauses)
    def somebody_lets_it_go_on_unchecked(self, after_second: float) -> None:
        self.lets_it_go_on(unchecked=True, after_second=after_second)

    def lets_it_go_on(self, *, unchecked: bool, after_second: float) -> None:
        self.second += after_second
        model = self.model
        left = None if model.is_over else self.plan.steps[model.to_do[model.at]]
        if isinstance(left, RestStep) and model.cut_second > left.until_time_second - left.sampling_second:
            model.at, model.cut_second = model.at + 1, 0.0
        self.happen(ResumeRequested(by="bob", unchecked=unchecked))
        self.goes_on(unchecked=unchecked)

    @phase_is(Phase.HOLDING)
    @rule(after_second=pauses)
    def somebody_skips_a_step(self, after_second: float) -> None:
        self.model.at += not self.run.step_done
        self.model.cut_second = 0.0
        self.happen(SkipRequested(by="bob"), after_second)
        self.goes_on(unchecked=False)

    def goes_on(self, *, unchecked: bool) -> None:
        self.model.mode, self.model.pause_after_step = "running", False
        self.begins(asked=True, unchecked=unchecked)

    @precondition(lambda self: self.run.phase is not Phase.FINISHED)
    @rule(after_second=pauses, was_started=st.booleans())
    def daemon_is_killed(self, after_second: float, was_started: bool) -> None:
        """And the next one takes the run up from its snapshot."""
        self.second += after_second
        self.run = decode_run(encode_run(self.run))
        self.model.kills += 1
        effects = self.happen(Resumed(cause="kill -9", away_second=after_second))
        if self.model.mode == "holding":
            self.model.mode = "halting"
        if self.model.mode in ("halting", "stopping"):
            assert isinstance(effects[0], MakeSafe)
        if self.run.phase is Phase.STARTING:
            assert effects[0] == SeekSegment(segment=self.run.segment)
            if not was_started:
                self.model.is_open = False
                self.happen(SegmentNotStarted(segment=self.run.segment, power_was_cycled=False))
                self.begins(asked=False)

    @phase_is(Phase.FINISHED)
    @rule(wish=st.sampled_from([StopRequested(by="ada"), PauseRequested(by="ada"), ResumeRequested(by="ada")]))
    def finished_run_stays_so(self, wish: Event) -> None:
        before = self.run
        assert self.happen(wish) == ()
        assert self.run.outcome == before.outcome

    @invariant()
    def run_is_where_the_model_is(self) -> None:
        if not hasattr(self, "run"):
            return
        modes = {Phase.HALTING: "halting", Phase.HOLDING: "holding", Phase.STOPPING: "stopping"}
        assert self.model.mode == {**modes, Phase.FINISHED: "finished"}.get(self.run.phase, "running")
        assert (self.run.outcome is not None) == (self.run.phase in (Phase.STOPPING, Phase.FINISHED))
        assert (self.run.rows, self.run.resume_count) == (self.model.rows, self.model.kills)
        if self.run.phase in (Phase.HOLDING, Phase.FINISHED):
            assert not self.model.is_driven
            assert not self.model.is_open
        if self.run.outcome is Outcome.COMPLETED:
            assert self.model.is_over
        elif self.run.phase is Phase.MEASURING:
            assert self.run.position == self.model.to_do[self.model.at]
            done_second = self.run.cut.elapsed_second if self.run.cut is not None else 0.0
            assert done_second == pytest.approx(self.model.cut_second)

    def teardown(self) -> None:
        """Replayed from its journal the run is the same, to the byte."""
        if not hasattr(self, "run"):
            return
        replayed = reduce(
            lambda run, entry: advance(run, decode_event(entry[1]), entry[0])[0], self.journal, Run(plan=self.plan)
        )
        assert replayed == self.run
        assert encode_run(replayed) == encode_run(self.run)
        assert msgspec.json.decode(encode_run(self.run))["resume_count"] == self.model.kills


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)

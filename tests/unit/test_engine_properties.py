"""What holds for every plan and every lawful history."""

from dataclasses import dataclass, field
from functools import reduce
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Outcome, Phase, Run, decode_run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    Breach,
    ChamberSet,
    CompactSegment,
    Effect,
    Event,
    ForgetSegment,
    InstrumentFailed,
    MadeSafe,
    MakeSafe,
    ReadingsStored,
    Resumed,
    Row,
    RunStarted,
    SeekSegment,
    SegmentEnded,
    SegmentStarted,
    SetChamber,
    StartSegment,
    StopRequested,
    decode_event,
    encode_event,
)
from daemon.plan import CurrentStep, Plan, PlanStep, RestStep, SetStep
from tests.support.plans import (
    block,
    charge,
    discharge,
    equilibrate,
    interlock,
    jig_readings,
    loop,
    plan,
    rest,
    setting,
)

INTERLOCKS = (
    interlock("warm", "warn"),
    interlock("hot", "hold", rows_needed=2),
    interlock("hotter", "trip", rows_needed=3),
)


@dataclass(frozen=True)
class Repeat:
    """A loop as a person writes it: a body, and how often it is passed."""

    body: tuple["Item", ...]
    passes: int


Item = CurrentStep | RestStep | SetStep | Repeat
items = st.recursive(
    st.sampled_from([charge(), discharge(), rest(), setting(), equilibrate(on_timeout="continue")]),
    lambda inner: st.builds(Repeat, st.lists(inner, min_size=1, max_size=3).map(tuple), st.integers(1, 3)),
    max_leaves=5,
)
protocols = st.lists(items, max_size=4)


def flat(protocol: list[Item] | tuple[Item, ...], position: int = 0) -> list[PlanStep]:
    """The plan's steps: a loop follows its body."""
    steps: list[PlanStep] = []
    for item in protocol:
        if isinstance(item, Repeat):
            first = position + len(steps)
            steps += [*flat(item.body, first), loop(first, item.passes, f"loop {position + len(steps)}")]
        else:
            steps.append(msgspec.structs.replace(item, step_id=f"step {position + len(steps)}"))
    return steps


def interpreted(protocol: list[Item] | tuple[Item, ...], position: int = 0) -> list[int]:
    """The positions executed, by doing naively what the protocol says."""
    executed: list[int] = []
    for item in protocol:
        if isinstance(item, Repeat):
            executed += interpreted(item.body, position) * item.passes
            position += len(flat(item.body)) + 1
        else:
            executed.append(position)
            position += 1
    return executed


@dataclass
class History:
    """A run as it went: the run before the first event and after each, and what was to be done after each."""

    runs: list[Run]
    events: list[Event] = field(default_factory=list)
    effects: list[tuple[Effect, ...]] = field(default_factory=list)

    def happen(self, event: Event) -> None:
        run, effects = advance(self.runs[-1], event, float(len(self.events)))
        self.runs.append(run)
        self.events.append(event)
        self.effects.append(effects)

    def done(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effects in self.effects for effect in effects if isinstance(effect, kind)]


def a_block(run: Run, random: Random, mishap: float, last_voltage_volt: float | None) -> BlockStored:
    breaches = tuple(
        Breach(interlock=name, worst_value=random.uniform(4, 5), longest_rows=random.randint(1, 3), trailing_rows=1)
        for name in ("warm", "hot", "hotter")
        if random.random() < mishap
    )
    elapsed_second = (run.fold.last.elapsed_second if run.fold.last else 0.0) + random.uniform(1, 500)
    last = Row(elapsed_second=elapsed_second, voltage_volt=last_voltage_volt, current_ampere=None)
    charges = {"charge_in_ampere_hour": random.random(), "charge_out_ampere_hour": random.random()}
    summary = block(run.rows + 1, random.randint(1, 9), last, breaches, **charges)
    return BlockStored(segment=run.segment, summary=summary)


def last_block(run: Run, random: Random, mishap: float) -> BlockStored:
    """The block that ends a segment as its step was written."""
    step = run.step
    stored = a_block(run, random, mishap, step.until_voltage_volt if isinstance(step, CurrentStep) else 3.0)
    if step.until_time_second is None:
        return stored
    last = msgspec.structs.replace(stored.summary.last, elapsed_second=step.until_time_second)
    return msgspec.structs.replace(stored, summary=msgspec.structs.replace(stored.summary, last=last))


def some_readings(run: Run, random: Random, mishap: float) -> ReadingsStored:
    breach = Breach(interlock="hot", worst_value=9.0, longest_rows=random.randint(1, 3), trailing_rows=1)
    summary = jig_readings(
        random.uniform(0, 1e4),
        random.uniform(1e4, 2e4),
        *(random.choice([55.0, 56.0]) for _ in range(random.randint(0, 2))),
        first_seq=run.stream_rows.get("temperature", 0) + 1,
        breaches=(breach,) if random.random() < mishap else (),
    )
    return ReadingsStored(summary=summary)


def next_event(run: Run, random: Random, mishap: float) -> Event:
    """What may lawfully come next; `mishap` is how likely something goes wrong."""
    if run.phase == Phase.NEW:
        return RunStarted(holds_wait=False)
    if random.random() < mishap:
        failed = InstrumentFailed(role="potentiostat", error="NoReplyError", text="smu: no reply")
        return random.choice([StopRequested(by="ada"), failed])
    if random.random() < 0.1:
        return some_readings(run, random, mishap)
    if run.phase == Phase.SETTING:
        return ChamberSet(temperature_celsius=55.0)
    if run.phase == Phase.STARTING:
        return SegmentStarted(segment=run.segment, started_second=random.uniform(0, 1e6))
    if run.phase == Phase.STOPPING:
        verified = random.random() >= mishap
        return MadeSafe(verified=verified, drained=verified and has_no_open_segment(run), text="off")
    if has_ended(run) or random.random() < mishap:
        return SegmentEnded(record=end_of_segment(run, power_was_cycled=random.random() < mishap))
    assert run.fold.rows < 500, "the step never ends"
    if random.random() < 0.5:
        return a_block(run, random, mishap, random.choice([3.0, None]))
    return last_block(run, random, mishap)


def play(of: Plan, random: Random, mishap: float) -> History:
    """A run from its first event to its last."""
    history = History([Run(plan=of)])
    while history.runs[-1].phase != Phase.FINISHED:
        if history.runs[-1].phase == Phase.STOPPING:
            drain(history, random, mishap)
        history.happen(next_event(history.runs[-1], random, mishap))
    return history


def has_ended(run: Run) -> bool:
    return not end_of_segment(run, power_was_cycled=False).abnormal


def has_no_open_segment(run: Run) -> bool:
    return run.segment_started_second is None or run.segment_ended


def drain(history: History, random: Random, mishap: float) -> None:
    """The cell is safe: the rows that were still in the instrument are stored, and the segment closed."""
    if has_no_open_segment(history.runs[-1]):
        return
    while random.random() < 0.3:
        history.happen(a_block(history.runs[-1], random, mishap, 3.0))
    if random.random() >= mishap:
        history.happen(SegmentEnded(record=end_of_segment(history.runs[-1], power_was_cycled=False)))


def executed_in(history: History) -> list[int]:
    """The positions at which something was done: a segment started, a setpoint given."""
    acts = zip(history.runs[1:], history.effects, strict=True)
    return [
        run.position for run, effects in acts for effect in effects if isinstance(effect, StartSegment | SetChamber)
    ]


randoms = st.integers(0, 2**32).map(Random)
mishaps = st.sampled_from([0.0, 0.02, 0.2])


@given(protocol=protocols, random=randoms)
def test_undisturbed_run_executes_what_a_naive_interpreter_does(protocol: list[Item], random: Random) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap=0.0)
    assert executed_in(history) == interpreted(protocol)
    assert history.runs[-1].outcome == Outcome.COMPLETED


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_disturbed_run_executes_a_beginning_of_it(protocol: list[Item], random: Random, mishap: float) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    executed, expected = executed_in(history), interpreted(protocol)
    assert executed == expected[: len(executed)]
    segments = [effect.segment for effect in history.done(StartSegment)]
    assert segments == list(range(1, len(segments) + 1))
    if history.runs[-1].outcome == Outcome.COMPLETED:
        assert len(executed) == len(expected)


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_run_ends_once_with_an_outcome_after_it_was_made_safe(
    protocol: list[Item], random: Random, mishap: float
) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    phases = [run.phase for run in history.runs]
    assert phases.count(Phase.FINISHED) == 1
    assert all((run.outcome is not None) == (run.phase in (Phase.STOPPING, Phase.FINISHED)) for run in history.runs)
    made_safe_at = [
        index for index, effects in enumerate(history.effects) if any(isinstance(e, MakeSafe) for e in effects)
    ]
    assert made_safe_at == [phases.index(Phase.STOPPING) - 1]
    assert isinstance(history.effects[made_safe_at[0]][0], MakeSafe)
    assert not any(isinstance(e, StartSegment) for effects in history.effects[made_safe_at[0] :] for e in effects)
    outcomes = {run.outcome for run in history.runs[phases.index(Phase.STOPPING) :]}
    assert len(outcomes) == 1
    *unsafe, safe = (event for event in history.events if isinstance(event, MadeSafe))
    assert (safe.verified, safe.drained) == (True, True)
    assert not any(event.verified and event.drained for event in unsafe)
    assert phases.index(Phase.FINISHED) == 1 + history.events.index(safe)
    assert ("verified safe" in history.runs[-1].why) == bool(unsafe)


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_what_a_dead_daemon_did_not_do_is_done_by_the_next(protocol: list[Item], random: Random, mishap: float) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    for run, effects in zip(history.runs[1:], history.effects, strict=True):
        resumed, due = advance(run, Resumed(cause="kill -9", away_second=1.0), 1e6)
        assert (resumed.resume_count, resumed.phase, resumed.fold) == (1, run.phase, run.fold)
        kinds = [(type(effect), getattr(effect, "segment", None)) for effect in due]
        # What may have been started is looked for before it is started again.
        kinds += [(StartSegment, effect.segment) for effect in due if isinstance(effect, SeekSegment)]
        missing = [effect for effect in effects if (type(effect), getattr(effect, "segment", None)) not in kinds]
        assert all(isinstance(effect, ForgetSegment) for effect in missing)
        assert not missing or run.phase in (Phase.STOPPING, Phase.FINISHED)


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_segments_are_compacted_once_and_forgotten_only_when_closed(
    protocol: list[Item], random: Random, mishap: float
) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    closed = [event.record for event in history.events if isinstance(event, SegmentEnded)]
    assert [effect.segment for effect in history.done(CompactSegment)] == [record.segment for record in closed]
    closed_before: set[int] = set()
    for event, effects in zip(history.events, history.effects, strict=True):
        assert {effect.segment for effect in effects if isinstance(effect, ForgetSegment)} <= closed_before
        closed_before |= {event.record.segment} if isinstance(event, SegmentEnded) else set()


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_records_hold_every_row_and_every_charge_once(protocol: list[Item], random: Random, mishap: float) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    blocks = [event for event in history.events if isinstance(event, BlockStored)]
    for record in (event.record for event in history.events if isinstance(event, SegmentEnded)):
        summaries = [event.summary for event in blocks if event.segment == record.segment]
        assert record.rows == sum(summary.last_seq - summary.first_seq + 1 for summary in summaries)
        charge_in = sum(summary.charge_in_ampere_hour for summary in summaries)
        charge_out = sum(summary.charge_out_ampere_hour for summary in summaries)
        assert record.charge_ampere_hour == pytest.approx(charge_in - charge_out, abs=1e-12 * (charge_in + charge_out))
    assert history.runs[-1].rows == (blocks[-1].summary.last_seq if blocks else 0)


@given(protocol=protocols, random=randoms, mishap=mishaps)
def test_replay_gives_the_same_run(protocol: list[Item], random: Random, mishap: float) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    journal = [(float(at), encode_event(event)) for at, event in enumerate(history.events)]
    replayed = reduce(lambda run, entry: advance(run, decode_event(entry[1]), entry[0])[0], journal, history.runs[0])
    assert replayed == history.runs[-1]
    assert encode_run(replayed) == encode_run(history.runs[-1])


@given(protocol=protocols, random=randoms, mishap=mishaps, share=st.floats(0, 1))
def test_snapshot_and_later_events_give_the_same_run_and_the_same_work(
    protocol: list[Item], random: Random, mishap: float, share: float
) -> None:
    history = play(plan(*flat(protocol), interlocks=INTERLOCKS), random, mishap)
    at = round(share * len(history.events))
    run = decode_run(encode_run(history.runs[at]))
    for second, (event, expected) in enumerate(zip(history.events[at:], history.effects[at:], strict=True), at):
        run, effects = advance(run, event, float(second))
        assert effects == expected
    assert run == history.runs[-1]

"""Carries a run out: waits, looks, drains, stores, lets the engine decide, acts. The shell around `daemon.engine`."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, assert_never

from daemon.clock import BenchGoneError, Clock, is_due
from daemon.crash_points import reach
from daemon.deciding.endings import end_of_segment
from daemon.deciding.mill_resuming import with_milling
from daemon.deciding.run_state import Phase, Run, waits_for
from daemon.deciding.silence import fresh, newly_silent
from daemon.engine import advance
from daemon.events import (
    PAUSE_TIMED_OUT,
    ChamberSet,
    CompactSegment,
    Effect,
    EndSegment,
    Event,
    ForgetSegment,
    InstrumentFailed,
    MadeSafe,
    MakeSafe,
    Noticed,
    PauseRequested,
    ReadingsStored,
    Resumed,
    ResumeRequested,
    RunStarted,
    SeekSegment,
    SegmentEnded,
    SegmentNotStarted,
    SegmentStarted,
    SetChamber,
    SkipRequested,
    StartSegment,
    StopRequested,
    Tell,
)
from daemon.host_timer import HostTimer
from daemon.plan import PauseStep, SetStep, WaitStep
from daemon.rig import Rig, program_for, segment_token
from daemon.running.asked_edit import AskedEdit
from daemon.running.host_watch import HostWatch
from daemon.running.intake import cell_rows, logged_rows
from daemon.running.link import SILENT, Backoff
from daemon.running.links import Links
from daemon.running.loggers import LoggedRows, StreamLogger
from daemon.running.mill_take_up import take_up_mill
from daemon.running.progress import Progress, Teller
from daemon.running.rig_loggers import loggers_of
from daemon.running.run_writer import RunWriter
from daemon.store.blocks import Block
from daemon.store.errors import StoreError
from daemon.store.run_file import RunFile
from drivers.errors import DriverError, RefusedError
from drivers.roles import SegmentLook, SegmentState

ROWS_PER_BLOCK = 1000
HELD_VERIFY_EVERY_SECOND = 60.0
"""How often the cell of a held run is brought to open circuit anew: an instrument that comes back from a power failure
is a source of 0 V until somebody has told it otherwise."""
ENDING = (Phase.HALTING, Phase.STOPPING)
"""The cell is brought to open circuit, and what the instrument still holds is drained."""

Wish = StopRequested | PauseRequested | ResumeRequested | SkipRequested | AskedEdit
"""What a person may want of a run."""

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def _stops_now(wish: Wish) -> bool:
    return isinstance(wish, StopRequested) and not wish.after


class Runner:
    """One run on one rig, from its first event to its last."""

    def __init__(
        self,
        run: Run,
        rig: Rig,
        clock: Clock,
        run_file: RunFile,
        *,
        run_id: str,
        supervise_every_second: float,
        zero_second: float,
        tell: Callable[[Progress], None],
    ) -> None:
        """Take a run over; nothing happens yet. `zero_second` is the clock's second at which its run time is 0."""
        self.run = run
        self._rig = rig
        self._clock = clock
        self._writer = RunWriter(run_file, clock, self._while_locked)
        self._run_id = run_id
        self._every_second = supervise_every_second
        self._tell = Teller(tell)
        self._zero_second = zero_second
        self._wishes: deque[Wish] = deque()
        self._taken: Wish | None = None
        self._let_go = self._cannot_end = False
        self._timer = rig.host_timer or HostTimer(clock.now_second)
        self._links = Links(rig, clock, run.plan.link)
        self._link = self._links.driving
        self._finishing = Backoff()
        self._verified_second = clock.now_second()
        self._loggers: list[StreamLogger] = []
        self._readings: dict[str, float] = {}
        self.listened_second = 0.0
        """Run time up to which all that pressure and temperature have said is stored."""
        self.host = HostWatch(clock)

    @property
    def run_time_second(self) -> float:
        """Seconds since the run began."""
        return self._clock.now_second() - self._zero_second

    def request_stop(self, by: str) -> None:
        """End the run soon: the cell goes to open circuit first. Asking twice changes nothing."""
        self.wish(StopRequested(by=by))

    def wish(self, wish: Wish) -> None:
        """Do this soon. What the run is not in a state for, and an end or hold that waits already, changes nothing."""
        last = self._wishes[-1] if self._wishes else self._taken
        if last is None and waits_for(self.run, wish):
            return
        stops = any(_stops_now(waiting) for waiting in self._wishes)
        if wish != last and not (stops and _stops_now(wish)):
            self._wishes.append(wish)
        self._finishing.reset()
        self._clock.nudge()

    def let_go(self) -> None:
        """Stop watching soon, and leave everything as it is: the instrument ends its segment by itself.

        The run is unfinished then, and can be taken up again.
        """
        self._let_go = True
        self._clock.nudge()

    async def run_to_end(self, first: RunStarted | Resumed) -> Run:
        """Carry the run out from its first event, or on from where it was left.

        Answers the run as it then is: finished, or as it was when it was let go. Whatever is raised here, the cell was
        brought to open circuit first.

        Raises:
            StoreError: the run's file refused; rows not stored are still in the instrument.
            BenchGoneError: the simulated laboratory went away.
        """
        self._clock.join()
        try:
            await self._carry(first)
        except Exception as error:
            await self._note_failure(error)
            raise
        except BaseException:
            await self._make_safe("the daemon was interrupted")
            raise
        finally:
            for logger in self._loggers:
                await logger.close()
            self._clock.leave()
            self._writer.close()
        return self.run

    async def _carry(self, first: RunStarted | Resumed) -> None:
        resumed = isinstance(first, Resumed)
        self._loggers = await loggers_of(self._rig, self._clock, self._zero_second, resumed=resumed)
        if isinstance(first, Resumed):
            self._take_up_timer()
            await self._note_gaps(self.run_time_second - first.away_second)
            reach("gaps_noted")
        await self._submit(first)
        if isinstance(first, Resumed) and not self._has_ended and self._is_look_due(first.away_second):
            await self._supervise()
        while not self._has_ended:
            await self._wait()
            if not self._has_ended:
                await self._supervise()

    def _is_look_due(self, away_second: float) -> bool:
        """Whether a beat was missed meanwhile, or is now. Else the run goes on as if nobody had been away."""
        now = self.run_time_second / self._every_second
        before = now - away_second / self._every_second
        return math.floor(now + 1e-9) > math.floor(before + 1e-9) or abs(now - round(now)) < 1e-6

    def _take_up_timer(self) -> None:
        """Where no instrument knows how long a rest has lasted, the run does."""
        timer, started_second = self._host_timed, self.run.segment_started_second
        if take_up_mill(self.run, self._rig, self._token, self._zero_second):
            return
        if timer is not None and started_second is not None and not self.run.segment_ended:
            timer.take_up(self._token, program_for(self.run.step), self._zero_second + started_second)

    @property
    def _host_timed(self) -> HostTimer | None:
        """What times the present segment, where no instrument runs it."""
        run = self.run
        is_alone = run.recovery is None and isinstance(run.plan.steps[run.position], WaitStep) if run.segment else False
        return self._timer if is_alone or self._rig.host_timer is not None else None

    @property
    def _has_ended(self) -> bool:
        """Whether nothing is left to be done here: all is done, or others must do the rest."""
        is_let_go = self._let_go and not self._wishes
        return is_let_go or self._cannot_end or self.run.phase is Phase.FINISHED

    async def _note_failure(self, error: Exception) -> None:
        """Our own failure, or the disk's: the cell first, then a word in the journal if it can still be written.

        Where the cell is not known to be safe, that is tried until it is: nobody else would.
        """
        safe = await self._make_safe(f"the daemon failed: {error}")
        event = InstrumentFailed(role="daemon", error=type(error).__name__, text=f"the daemon failed: {error}")
        before, (self.run, _) = self.run, advance(self.run, event, self.run_time_second)
        try:
            await self._writer.commit(before, self.run, event, self.run_time_second, tries=1)
        except StoreError as refused:
            log.error("not even this could be written: %s", refused)
        while not safe.verified and self.run.holds_wait and not self._let_go:
            self._show_unwritten(safe)
            self._finishing.failed(self._clock.now_second())
            await self._clock.wait_until(self._finishing.next_second)
            safe = await self._make_safe(f"the daemon failed: {error}")
        self._show_unwritten(safe)

    def _show_unwritten(self, made_safe: MadeSafe) -> None:
        """Let the run say whether its cell is safe, where that can't be made durable any more."""
        told = MadeSafe(verified=made_safe.verified, drained=False, text=made_safe.text)
        self.run, _ = advance(self.run, told, self.run_time_second)
        self._show(told)

    async def _while_locked(self) -> None:
        """Somebody who wants open circuit now is not kept waiting by who reads the file."""
        if any(_stops_now(wish) or (isinstance(wish, PauseRequested) and not wish.after) for wish in self._wishes):
            await self._make_safe("somebody wants open circuit, and the run's file is locked")

    async def _wait(self) -> None:
        if self._wishes:
            return
        beats = math.floor(self.run_time_second / self._every_second + 1e-9) + 1
        next_second = self._zero_second + beats * self._every_second
        timer = self._host_timed
        if timer is not None and self.run.phase is Phase.MEASURING:
            next_second = min(next_second, timer.next_look_second)
        try_second = self._next_try_second
        await self._clock.wait_until(min(next_second, try_second) if try_second else next_second)

    @property
    def _next_try_second(self) -> float:
        """When what failed last is to be tried again; 0 when nothing did."""
        match self.run.phase:
            case Phase.SETTING:
                step = self.run.plan.steps[self.run.position]
                link = self._links.by_role.get(step.role if isinstance(step, SetStep) else "")
                return link.next_try_second if link is not None else 0.0
            case Phase.STARTING | Phase.MEASURING:
                is_asked = self.run.phase is Phase.STARTING or self._host_timed is None
                return self._link.next_try_second if is_asked else 0.0
            case Phase.HOLDING:
                return min(self._pause_over_second, self._verified_second + HELD_VERIFY_EVERY_SECOND)
            case Phase.HALTING | Phase.STOPPING:
                return self._finishing.next_second
        return 0.0

    async def _supervise(self) -> None:
        if self._wishes:
            wish = self._taken = self._wishes.popleft()
            event = wish.due(self.run) if isinstance(wish, AskedEdit) else wish
            if event is not None:
                await self._submit(event)
            if isinstance(wish, AskedEdit):
                wish.is_durable()
            self._taken = None
            return
        await self._notice_host()
        await self._take_readings()
        await self._note_links()
        if not self._has_ended and is_due(self._clock, self._next_try_second):
            await self._work()

    async def _work(self) -> None:
        """Do what the run's phase asks for. What could not be done before is due again."""
        match self.run.phase:
            case Phase.SETTING:
                step = self.run.plan.steps[self.run.position]
                if isinstance(step, SetStep):
                    await self._set_temperature(step.role, step.temperature_celsius)
            case Phase.STARTING:
                await self._at_potentiostat(self._seek)
            case Phase.MEASURING:
                await self._at_potentiostat(self._end_early if self.run.fold.is_over else self._look)
            case Phase.HOLDING:
                is_over = is_due(self._clock, self._pause_over_second)
                await (self._pause_timed_out() if is_over else self._stay_safe())
            case Phase.HALTING | Phase.STOPPING:
                await self._finish_at_last()

    @property
    def _pause_over_second(self) -> float:
        due_second = self.run.pause_due_second
        return math.inf if due_second is None else self._zero_second + due_second

    async def _stay_safe(self) -> None:
        """Whatever became of the instrument meanwhile, a held cell is at open circuit."""
        self._verified_second = self._clock.now_second()
        try:
            await self._link.ask(self._rig.potentiostat.make_safe)
        except SILENT as error:
            log.info("%s; to be tried again", error)
        except DriverError as error:
            await self._submit(MadeSafe(verified=False, drained=True, text=str(error)))

    async def _pause_timed_out(self) -> None:
        """Nobody came: go on, or tell them once more."""
        step = self.run.plan.steps[self.run.position]
        if isinstance(step, PauseStep) and step.on_timeout == "continue":
            await self._submit(ResumeRequested(by=f"the time-out of {step.step_id}", nobody_looked=True))
        else:
            await self._submit(Noticed(what=PAUSE_TIMED_OUT, text=f"nobody came: {self.run.reason}"))

    async def _at_potentiostat(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work with the instrument. When it does not answer, the work is due again; what it refuses holds the run."""
        try:
            await work()
        except SILENT as error:
            log.info("%s; to be tried again", error)
        except DriverError as error:
            await self._failed(self._links.driving_role, error)

    async def _look(self) -> None:
        await self._take_in(await self._seen())

    async def _seen(self) -> SegmentLook:
        """What is known of the present segment by what runs it."""
        timer = self._host_timed
        if timer is not None and timer is not self._rig.potentiostat:
            return await timer.look(self._token)
        look = partial(self._rig.potentiostat.look, self._token)
        if self.run.phase is Phase.STARTING:
            # What is silent to every start is silent, however well it answers before.
            return await self._link.ask(look, heals=False)
        return await (self._link.ask(look) if timer is not None else self._ask(look))

    async def _note_links(self) -> None:
        """Tell the run, and with it people, which instrument has not answered for long, or answers again."""
        for change in self._links.changes(self.run.link, self._zero_second):
            log.warning("%s", change.text)
            await self._submit(change)

    async def _notice_host(self) -> None:
        for noticed in self.host.look():
            log.warning("%s", noticed.text)
            await self._submit(noticed)

    async def _failed(self, role: str, error: DriverError) -> None:
        """An instrument refused. Who wants something else of it has the next word."""
        if not self._let_go and not self._wishes:
            await self._submit(InstrumentFailed(role=role, error=type(error).__name__, text=str(error)))

    async def _take_in(self, look: SegmentLook) -> None:
        """Store what a look showed to be there, and end the segment when the instrument has."""
        segment = self.run.segment
        await self._drain(look.row_count)
        reach("drained")
        if self.run.segment != segment:
            return
        if look.state is SegmentState.RUNNING or self.run.phase is not Phase.MEASURING:
            return
        if look.output_on:
            text = f"{self._rig.potentiostat.name}: the segment has ended and the output is still on"
            await self._submit(InstrumentFailed(role="potentiostat", error="output_on", text=text))
            return
        await self._end_segment(look)

    async def _end_segment(self, look: SegmentLook) -> None:
        timer = self._host_timed
        record = end_of_segment(
            self.run,
            power_was_cycled=look.power_was_cycled,
            is_absent=look.state is SegmentState.ABSENT,
            host_elapsed_second=timer.elapsed_second if timer is not None else None,
        )
        if self._rig.mill is not None:
            record = with_milling(record, self._rig.mill.milling, self._zero_second)
        await self._submit(SegmentEnded(record=record))

    async def _take_readings(self) -> None:
        """Store what pressure and temperature have gathered."""
        for logger in self._loggers:
            logged = await logger.take()
            if logged is not None:
                await self._store_readings(logged)
        self.listened_second = self.run_time_second
        for silent in newly_silent(self.run, [logger.stream for logger in self._loggers], self.listened_second):
            await self._submit(silent)

    async def _note_gaps(self, at_second: float) -> None:
        """One row without a reading in each stream that nobody listened to while the daemon was away."""
        for logger in self._loggers:
            await self._store_readings(logger.gap(at_second))

    async def _store_readings(self, logged: LoggedRows) -> None:
        await self._submit(*logged_rows(self.run, logged))

    async def _drain(self, row_count: int) -> None:
        potentiostat, segment = self._rig.potentiostat, self.run.segment
        while self.run.segment == segment and self.run.fold.rows < row_count:
            first = self.run.fold.rows + 1
            last = min(row_count, first + ROWS_PER_BLOCK - 1)
            rows = await self._ask(partial(potentiostat.read_rows, self._token, first, last))
            await self._submit(*cell_rows(self.run, rows))

    async def _ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer: soon or not now while a segment runs by itself, with some insistence while a run is ended."""
        return await (self._link.insist(question) if self.run.phase in ENDING else self._link.ask(question))

    async def _submit(self, event: Event, *blocks: Block) -> None:
        """Let the engine decide, make the event durable, then act; making safe comes before even that."""
        at_second = self.run_time_second
        run, effects = advance(self.run, event, at_second)
        safe = [await self._make_safe(effect.why) for effect in effects if isinstance(effect, MakeSafe)]
        reach("decided")
        await self._writer.commit(self.run, run, event, at_second, blocks)
        reach("written")
        self.run = run
        self._show(event)
        for effect in effects:
            await self._carry_out(effect)
        for made_safe in safe:
            await self._finish(made_safe)

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StartSegment():
                await self._at_potentiostat(partial(self._start_segment, effect))
            case SeekSegment():
                await self._at_potentiostat(self._seek)
            case EndSegment():
                await self._at_potentiostat(self._end_early)
            case ForgetSegment():
                await self._forget(effect.segment)
            case SetChamber():
                await self._set_temperature(effect.role, effect.temperature_celsius)
            case CompactSegment():
                await self._writer.compact(effect.segment, self.run.stream_rows)
            case Tell():
                await self._submit(Noticed(what=effect.what, text=effect.text))
            case MakeSafe():
                return
            case _:
                assert_never(effect)

    async def _end_early(self) -> None:
        """Bring a segment to its end that the instrument would go on with."""
        timer = self._host_timed
        await (self._link.ask(self._rig.potentiostat.make_safe) if timer is None else timer.make_safe())
        await self._close_segment()

    async def _forget(self, segment: int) -> None:
        """Delete the instrument's copy of stored rows. One copy too many harms nobody, so a refusal is only noted."""
        reach("before_forget")
        try:
            await self._rig.potentiostat.forget_segment(segment_token(self._run_id, segment))
        except DriverError as error:
            log.warning("rows that are stored stay in the instrument, too: %s", error)
        reach("after_forget")

    async def _seek(self) -> None:
        """Whether a segment runs, or has run, that may have been started and was not noted."""
        segment = self.run.segment
        look = await self._seen()
        if look.state in (SegmentState.RUNNING, SegmentState.FINISHED):
            await self._start_segment(StartSegment(segment=segment, position=self.run.position, again=True))
        else:
            await self._submit(SegmentNotStarted(segment=segment, power_was_cycled=look.power_was_cycled))

    async def _start_segment(self, effect: StartSegment) -> None:
        potentiostat, program = self._rig.potentiostat, program_for(self.run.step)
        token = segment_token(self._run_id, effect.segment)
        reach("before_start")
        timer = self._host_timed
        if timer is not None:
            if not (effect.again and self._rig.mill is timer):
                await self._link.ask(potentiostat.make_safe)
            started_second = await timer.start_segment(token, program, again=effect.again)
        else:
            started_second = await self._link.ask(
                lambda: potentiostat.start_segment(token, program, again=effect.again)
            )
        reach("after_start")
        run_time_second = started_second - self._zero_second
        if math.isnan(started_second):
            run_time_second = self.run.start_due_second
        await self._submit(SegmentStarted(segment=effect.segment, started_second=run_time_second))

    async def _set_temperature(self, role: str, temperature_celsius: float) -> None:
        setting = self._rig.temperature_setting(role)
        reach("before_chamber")
        try:
            if setting is None:
                raise RefusedError(role, f"{temperature_celsius:g} °C", 0, "this rig has none")
            await self._links.by_role[role].ask(lambda: setting(temperature_celsius))
        except SILENT as error:
            log.info("%s; to be tried again", error)
            return
        except DriverError as error:
            await self._failed(role, error)
            return
        reach("after_chamber")
        await self._submit(ChamberSet(temperature_celsius=temperature_celsius, role=role))

    async def _make_safe(self, why: str) -> MadeSafe:
        """Bring the cell to open circuit. Never raises: what went wrong is in the answer, and is shown and kept."""
        log.info("to open circuit: %s", why)
        reach("before_make_safe")
        if self._timer is not self._rig.potentiostat:
            await self._timer.make_safe()
        try:
            await self._link.insist(self._rig.potentiostat.make_safe)
        except (DriverError, BenchGoneError) as error:
            log.error("the cell may still be driven: %s", error)
            return MadeSafe(verified=False, drained=False, text=str(error))
        reach("after_make_safe")
        return MadeSafe(verified=True, drained=True, text=why)

    async def _finish(self, made_safe: MadeSafe) -> None:
        """Store what is still in the instrument and close the segment. What fails is due again, if somebody waits."""
        try:
            if made_safe.verified and self.run.segment and not self.run.segment_ended:
                await self._close_segment()
            await self._take_readings()
        except DriverError as error:
            log.error("rows of the last segment may still be in the instrument: %s", error)
            made_safe = MadeSafe(verified=made_safe.verified, drained=False, text=str(error))
        if made_safe.verified and made_safe.drained:
            self._finishing.reset()
            self._verified_second = self._clock.now_second()
        else:
            self._finishing.failed(self._clock.now_second())
            self._cannot_end = not self.run.holds_wait
        if made_safe.text not in self.run.unsafe or made_safe.drained:
            await self._submit(made_safe)

    async def _finish_at_last(self) -> None:
        """Try once more what could not be done when the run was ended or held."""
        try:
            await self._link.ask(self._rig.potentiostat.make_safe)
        except DriverError as error:
            log.info("%s; to be tried again", error)
            self._finishing.failed(self._clock.now_second())
            return
        await self._finish(MadeSafe(verified=True, drained=True, text=self.run.reason))

    async def _close_segment(self) -> None:
        """Take in what the instrument holds of the present segment, also one whose start nobody lived to note."""
        look, segment = await self._seen(), self.run.segment
        if self.run.segment_started_second is None:
            if not look.row_count:
                return
            await self._submit(SegmentStarted(segment=self.run.segment, started_second=self.run.start_due_second))
        await self._drain(look.row_count)
        if self.run.segment != segment or self.run.segment_ended:
            # The last rows broke an interlock, and that has closed it.
            return
        if look.state is SegmentState.RUNNING:
            raise RefusedError(self._rig.potentiostat.name, self._token, 0, "at open circuit it still runs a segment")
        await self._end_segment(look)

    def _show(self, event: Event) -> None:
        if isinstance(event, ReadingsStored):
            self._readings = {**self._readings, **event.summary.last}
        progress = Progress(
            run_time_second=self.run_time_second,
            run=self.run,
            last=self.run.fold.last,
            readings=fresh(self.run, self._readings, self.listened_second),
            ended=event.record if isinstance(event, SegmentEnded) else None,
        )
        self._tell(progress)

    @property
    def _token(self) -> str:
        return segment_token(self._run_id, self.run.segment)

"""Carries a run out: waits, looks, drains, stores, lets the engine decide, acts. The shell around `daemon.engine`."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from daemon.clock import BenchGoneError, Clock
from daemon.endings import end_of_segment
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    BlockSummary,
    ChamberSet,
    CompactSegment,
    Effect,
    EndSegment,
    Event,
    ForgetSegment,
    InstrumentFailed,
    MadeSafe,
    MakeSafe,
    ReadingsStored,
    Resumed,
    Row,
    RunStarted,
    SegmentEnded,
    SegmentRecord,
    SegmentStarted,
    SetChamber,
    StartSegment,
    StopRequested,
    encode_event,
    kind_of,
)
from daemon.link import Link
from daemon.loggers import LoggedRows, StreamLogger, loggers_of
from daemon.plan import CELL_STREAM, CurrentStep
from daemon.readings import summarise_readings
from daemon.rig import Rig, program_for, segment_token
from daemon.run_state import Phase, Run, encode_run
from daemon.store.blocks import Block
from daemon.store.errors import StoreError
from daemon.store.records import JournalEntry
from daemon.store.run_file import RunFile
from daemon.summary import summarise
from drivers.errors import BadReplyError, DriverError, LinkLostError
from drivers.roles import ReadingBlock, SegmentLook, SegmentState

ROWS_PER_BLOCK = 1000
WRITES_WHILE_LOCKED = 60
"""How often a write is repeated while another program holds the file locked; each try waits some seconds itself."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a run shows of itself after each event: run time, where it is, its last values, what just ended.

    `readings` holds the last stored value of every other stream's quantities by name.
    """

    run_time_second: float
    run: Run
    last: Row | None
    readings: Mapping[str, float]
    ended: SegmentRecord | None


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
        self._file = run_file
        self._run_id = run_id
        self._every_second = supervise_every_second
        self._tell: Callable[[Progress], None] | None = tell
        self._zero_second = zero_second
        self._asked_to_stop: str | None = None
        self._let_go = False
        self._cannot_end = False
        self._link = Link(rig.potentiostat, clock, self._is_given_up)
        self._loggers: list[StreamLogger] = []
        self._readings: dict[str, float] = {}
        self._store_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    @property
    def run_time_second(self) -> float:
        """Seconds since the run began."""
        return self._clock.now_second() - self._zero_second

    def request_stop(self, by: str) -> None:
        """End the run soon: the cell goes to open circuit first. Asking twice changes nothing."""
        self._asked_to_stop = self._asked_to_stop or by
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
            self._store_thread.shutdown()
        return self.run

    async def _carry(self, first: RunStarted | Resumed) -> None:
        self._loggers = await loggers_of(self._rig, self._clock, self._zero_second)
        if isinstance(first, Resumed):
            self._take_up_timer()
            await self._note_gaps(self.run_time_second - first.away_second)
        await self._submit(first)
        if isinstance(first, Resumed) and not self._has_ended:
            await self._supervise()
        while not self._has_ended:
            await self._wait()
            if not self._has_ended:
                await self._supervise()

    def _take_up_timer(self) -> None:
        """Where no instrument knows how long a rest has lasted, the run does."""
        timer, started_second = self._rig.host_timer, self.run.segment_started_second
        if timer is not None and started_second is not None and not self.run.segment_ended:
            timer.take_up(self._token, program_for(self.run.step), self._zero_second + started_second)

    @property
    def _has_ended(self) -> bool:
        """Whether nothing is left to be done here: all is done, or others must do the rest."""
        is_let_go = self._let_go and self._asked_to_stop is None
        return is_let_go or self._cannot_end or self.run.phase is Phase.FINISHED

    def _is_given_up(self) -> bool:
        return self._let_go or self._asked_to_stop is not None

    async def _note_failure(self, error: Exception) -> None:
        """Our own failure, or the disk's: the cell first, then a word in the journal if it can still be written."""
        await self._make_safe(f"the daemon failed: {error}")
        event = InstrumentFailed(role="daemon", error=type(error).__name__, text=str(error))
        run, _ = advance(self.run, event, self.run_time_second)
        try:
            await self._commit(run, event, self.run_time_second, ())
        except StoreError as refused:
            log.error("not even this could be written: %s", refused)

    async def _wait(self) -> None:
        if self._asked_to_stop is None:
            beats = math.floor(self.run_time_second / self._every_second + 1e-9) + 1
            next_second = self._zero_second + beats * self._every_second
            if self._rig.host_timer is not None:
                next_second = min(next_second, self._rig.host_timer.ends_at_second)
            await self._clock.wait_until(next_second)

    async def _supervise(self) -> None:
        if self._asked_to_stop is not None:
            await self._submit(StopRequested(by=self._asked_to_stop))
            return
        try:
            await self._take_readings()
            if not self._has_ended:
                await self._take_in(await self._link.ask(lambda: self._rig.potentiostat.look(self._token)))
        except DriverError as error:
            await self._failed("potentiostat", error)

    async def _failed(self, role: str, error: DriverError) -> None:
        """An instrument refused, or was given up because somebody wants the end."""
        if self._asked_to_stop is not None:
            await self._submit(StopRequested(by=self._asked_to_stop))
        elif not self._let_go:
            await self._submit(InstrumentFailed(role=role, error=type(error).__name__, text=str(error)))

    async def _take_in(self, look: SegmentLook) -> None:
        """Store what a look showed to be there, and end the segment when the instrument has."""
        await self._drain(look.row_count)
        if look.state is SegmentState.RUNNING or self.run.phase is not Phase.MEASURING:
            return
        if look.output_on:
            text = f"{self._rig.potentiostat.name}: the segment has ended and the output is still on"
            await self._submit(InstrumentFailed(role="potentiostat", error="output_on", text=text))
            return
        await self._end_segment(look)

    async def _end_segment(self, look: SegmentLook) -> None:
        timer = self._rig.host_timer
        record = end_of_segment(
            self.run,
            power_was_cycled=look.power_was_cycled or look.state is SegmentState.ABSENT,
            host_elapsed_second=timer.elapsed_second if timer is not None else None,
        )
        await self._submit(SegmentEnded(record=record))

    async def _take_readings(self) -> None:
        """Store what pressure and temperature have gathered."""
        for logger in self._loggers:
            logged = await logger.take()
            if logged is not None:
                await self._store_readings(logged)

    async def _note_gaps(self, at_second: float) -> None:
        """One row without a reading in each stream that nobody listened to while the daemon was away."""
        for logger in self._loggers:
            await self._store_readings(logger.gap(at_second))

    async def _store_readings(self, logged: LoggedRows) -> None:
        first_seq = self.run.stream_rows.get(logged.stream, 0) + 1
        summary = summarise_readings(
            logged.stream,
            first_seq,
            logged.elapsed_second,
            logged.quantities,
            table=self.run.plan.interlocks,
            carried_rows=self.run.stream_carried_rows.get(logged.stream, {}),
        )
        block = Block(
            stream=logged.stream,
            segment=0,
            first_seq=first_seq,
            origin_run_time_second=0.0,
            columns=logged.columns,
        )
        await self._submit(ReadingsStored(summary=summary), block)

    async def _drain(self, row_count: int) -> None:
        potentiostat, segment = self._rig.potentiostat, self.run.segment
        while self.run.segment == segment and self.run.fold.rows < row_count:
            first = self.run.fold.rows + 1
            last = min(row_count, first + ROWS_PER_BLOCK - 1)
            ask = partial(potentiostat.read_rows, self._token, first, last)
            await self._store_rows(await self._link.ask(ask, patiently=self.run.phase is not Phase.STOPPING))

    async def _store_rows(self, rows: ReadingBlock) -> None:
        fold = self.run.fold
        summary = summarise(
            rows,
            self.run.rows + 1,
            driven=isinstance(self.run.step, CurrentStep),
            is_first_segment=self.run.segment == 1,
            before=fold.last_reading,
            charge_before_ampere_hour=fold.charge_ampere_hour,
            table=self.run.plan.interlocks,
            carried_rows=fold.carried_rows,
        )
        await self._submit(BlockStored(segment=self.run.segment, summary=summary), self._block(rows, summary))

    def _block(self, rows: ReadingBlock, summary: BlockSummary) -> Block:
        return Block(
            stream=CELL_STREAM,
            segment=self.run.segment,
            first_seq=summary.first_seq,
            origin_run_time_second=self.run.segment_started_second or 0.0,
            columns={
                "elapsed_second": rows.elapsed_second,
                "voltage_volt": rows.voltage_volt,
                "current_ampere": rows.current_ampere,
                "source_status": rows.source_status,
                "reading_status": rows.reading_status,
            },
        )

    async def _submit(self, event: Event, *blocks: Block) -> None:
        """Let the engine decide, make the event durable, then act; making safe comes before even that."""
        at_second = self.run_time_second
        run, effects = advance(self.run, event, at_second)
        safe = [await self._make_safe(effect.why) for effect in effects if isinstance(effect, MakeSafe)]
        await self._commit(run, event, at_second, blocks)
        self.run = run
        self._show(event)
        for effect in effects:
            await self._carry_out(effect)
        for made_safe in safe:
            await self._finish(made_safe)

    async def _commit(self, run: Run, event: Event, at_second: float, blocks: tuple[Block, ...]) -> None:
        entry = JournalEntry(
            run_time_second=at_second,
            utc_second=self._clock.utc_second(),
            kind=kind_of(event),
            body=encode_event(event),
        )
        snapshot = encode_run(run)
        await self._store(lambda: self._file.commit([entry], blocks, snapshot))

    async def _store(self, work: Callable[[], object]) -> None:
        """Write to the run's file, again and again while another program holds it."""
        for last_try in (*[False] * WRITES_WHILE_LOCKED, True):
            try:
                await asyncio.get_running_loop().run_in_executor(self._store_thread, work)
            except StoreError as error:
                if last_try or not error.is_locked:
                    raise
                log.warning("%s; nothing is lost, trying again", error)
                if self._asked_to_stop is not None:
                    await self._make_safe(f"stopped by {self._asked_to_stop}, and the run's file is locked")
            else:
                return

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StartSegment():
                await self._start_segment(effect)
            case ForgetSegment():
                await self._forget(effect.segment)
            case EndSegment():
                await self._end_early()
            case SetChamber():
                await self._set_chamber(effect.temperature_celsius)
            case CompactSegment():
                await self._compact(effect.segment)
            case MakeSafe():
                return
            case _:
                assert_never(effect)

    async def _end_early(self) -> None:
        """Bring a segment to its end that the instrument would go on with."""
        try:
            await self._link.ask(self._rig.potentiostat.make_safe)
            await self._close_segment()
        except DriverError as error:
            await self._failed("potentiostat", error)

    async def _forget(self, segment: int) -> None:
        """Delete the instrument's copy of stored rows. One copy too many harms nobody, so a refusal is only noted."""
        try:
            await self._rig.potentiostat.forget_segment(segment_token(self._run_id, segment))
        except DriverError as error:
            log.warning("rows that are stored stay in the instrument, too: %s", error)

    async def _start_segment(self, effect: StartSegment) -> None:
        potentiostat = self._rig.potentiostat
        program = program_for(self.run.step)
        token = segment_token(self._run_id, effect.segment)
        try:
            started_second = await self._link.ask(
                lambda: potentiostat.start_segment(token, program, again=effect.again)
            )
        except DriverError as error:
            await self._failed("potentiostat", error)
            return
        run_time_second = started_second - self._zero_second
        if math.isnan(started_second):
            run_time_second = self.run.start_due_second
        await self._submit(SegmentStarted(segment=effect.segment, started_second=run_time_second))

    async def _set_chamber(self, temperature_celsius: float) -> None:
        chamber = self._rig.chamber
        try:
            if chamber is None:
                raise LinkLostError("chamber", "", "this rig has none")
            link = Link(chamber, self._clock, self._is_given_up)
            await link.ask(lambda: chamber.set_celsius(temperature_celsius))
        except DriverError as error:
            await self._failed("chamber", error)
            return
        await self._submit(ChamberSet(temperature_celsius=temperature_celsius))

    async def _compact(self, segment: int) -> None:
        """Pack a finished segment, and what the other streams have gathered by then."""
        await self._store(lambda: self._file.compact_segment(CELL_STREAM, segment))
        for stream in self.run.stream_rows:
            await self._store(partial(self._file.compact_segment, stream, 0))

    async def _make_safe(self, why: str) -> MadeSafe:
        """Bring the cell to open circuit. Never raises: what went wrong is in the answer, and is shown and kept."""
        log.info("to open circuit: %s", why)
        try:
            await self._link.ask(self._rig.potentiostat.make_safe, patiently=False)
        except (DriverError, BenchGoneError) as error:
            log.error("the cell may still be driven: %s", error)
            return MadeSafe(verified=False, drained=False, text=str(error))
        return MadeSafe(verified=True, drained=True, text=why)

    async def _finish(self, made_safe: MadeSafe) -> None:
        """Store what is still in the instrument and close the segment; then the run has ended, or can't end here."""
        try:
            if made_safe.verified and self.run.segment and not self.run.segment_ended:
                await self._close_segment()
            await self._take_readings()
        except DriverError as error:
            log.error("rows of the last segment may still be in the instrument: %s", error)
            made_safe = MadeSafe(verified=made_safe.verified, drained=False, text=str(error))
        self._cannot_end = not (made_safe.verified and made_safe.drained)
        await self._submit(made_safe)

    async def _close_segment(self) -> None:
        """Take in what the instrument holds of the present segment, also one whose start nobody lived to note."""
        patiently = self.run.phase is not Phase.STOPPING
        look = await self._link.ask(lambda: self._rig.potentiostat.look(self._token), patiently=patiently)
        if self.run.segment_started_second is None:
            if not look.row_count:
                return
            await self._submit(SegmentStarted(segment=self.run.segment, started_second=self.run.start_due_second))
        await self._drain(look.row_count)
        if look.state is SegmentState.RUNNING:
            name = self._rig.potentiostat.name
            raise BadReplyError(name, self._token, look.state, "it is at open circuit and still runs a segment")
        await self._end_segment(look)

    def _show(self, event: Event) -> None:
        if isinstance(event, ReadingsStored):
            self._readings = {**self._readings, **event.summary.last}
        progress = Progress(
            run_time_second=self.run_time_second,
            run=self.run,
            last=self.run.fold.last,
            readings=self._readings,
            ended=event.record if isinstance(event, SegmentEnded) else None,
        )
        if self._tell is not None:
            self._tell_of(self._tell, progress)

    def _tell_of(self, tell: Callable[[Progress], None], progress: Progress) -> None:
        try:
            tell(progress)
        except (Exception, SystemExit):
            # What shows a run must never end it: a closed terminal is no reason to leave a cell.
            log.exception("nothing is shown any more")
            self._tell = None

    @property
    def _token(self) -> str:
        return segment_token(self._run_id, self.run.segment)

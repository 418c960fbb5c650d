"""Keithley 2450, 2460 and 2461 as potentiostats that run a segment on their own."""

import asyncio
import math
from collections.abc import Callable

import numpy as np

from drivers.errors import (
    BadReplyError,
    DriverError,
    LinkLostError,
    NoReplyError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.keithley import blocks, codec, inspecting, programs
from drivers.keithley.programs import Check, CommandGroup
from drivers.observation import Observation
from drivers.roles import Identity, PotentiostatLimits, ReadingBlock, SegmentLook, SegmentProgram, SegmentState
from drivers.session import Query, Session

MANUAL = "2461-901-01 Rev A, section 6; 2450-901-01 Rev B"

IDENTITY = Query("*IDN?", codec.identity, source="2461-901-01 Rev A, common commands")
LANGUAGE = Query("*LANG?", codec.language, source="2461-901-01 Rev A, common commands")
EVENT_STATUS = Query("*ESR?", codec.power_was_cycled, source="2461-901-01 Rev A, appendix on status")
NEXT_ERROR = Query(":SYST:ERR?", codec.event_entry, source=MANUAL)

LOOK_QUERIES = (
    (':TRIG:STAT?;*ESR?;:OUTP?;:TRAC:ACT? "{buffer}"', codec.look_state_first),
    ('*ESR?;:TRIG:STAT?;:OUTP?;:TRAC:ACT? "{buffer}"', codec.look_state_late),
)
"""One look in two orders, taken in turn: a reply to the last look is then never one to this. Source: `MANUAL`.

The trigger model's state comes before the output in both: a segment that ends between the two never looks as if it had
ended with the output on.
"""

ROWS_QUERY = ':TRAC:DATA? {first},{last},"{buffer}",' + codec.ELEMENTS
"""Source: `MANUAL`; not destructive, possible while the trigger model runs."""

MAKERS = frozenset({"KEITHLEY INSTRUMENTS", "KEITHLEY INSTRUMENTS INC."})
"""The longer one is of old firmware. Source: 2450-901-01 Rev B."""

ROWS_PER_QUESTION = 1000
UNDEFINED_HEADER = -113
_MOST_ERRORS = 1000
_REPLY_DIGITS = 1e-5
_FIRST_ELAPSED_SECOND = 1e-3


class KeithleySMU:
    """One 2450, 2460 or 2461 at an address.

    A link that fell out of step stays closed: every verb but `connect` and `make_safe` then raises `LinkLostError`.
    """

    def __init__(
        self,
        name: str,
        limits: PotentiostatLimits,
        session: Session,
        *,
        now: Callable[[], float],
        serial_number: str | None = None,
        terminals: str = "REAR",
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            limits: of the model that must answer.
            session: the way to it.
            now: the clock's second, for the moment a segment is started.
            serial_number: the only one that may answer, or None for any.
            terminals: "FRON" or "REAR", where the cell is connected.
        """
        self.name = name
        self.limits = limits
        self._session = session
        self._now = now
        self._serial_number = serial_number
        self._terminals = terminals
        self._turn = asyncio.Lock()
        self._buffers: dict[str, str] = {}
        self._last_read: dict[str, tuple[int, float]] = {}
        self._started_second: dict[str, float] = {}
        self._power_was_cycled = False
        self._looks = 0
        self._measure_word = "MEAS"

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Raises `WrongInstrumentError`, also for another command language."""
        async with self._turn:
            return await self._connect()

    async def inspect(self) -> tuple[Observation, ...]:
        """Terminals, output, off-states and interlock as they are; changes nothing."""
        async with self._turn:
            return await inspecting.inspect(self._session, self._terminals)

    async def start_segment(self, token: str, program: SegmentProgram, *, again: bool = False) -> float:
        """Program, verify and start; the second at which it was started, NaN when another connection started it.

        Raises `OutOfRangeError` before anything is sent, `RefusedError` with the output off and an empty token deleted;
        also when power was cycled after the start. `again` as in the role.
        """
        programs.check_token(token)
        try:
            programs.check_program(program, self.limits)
        except programs.ProgramError as error:
            raise OutOfRangeError(self.name, error.quantity, error.value, error.low, error.high) from error
        async with self._turn:
            look = await self._look(token)
            if look.row_count or (look.is_running and look.row_count is not None):
                return self._started_second.get(token, math.nan)
            if look.is_running:
                raise RefusedError(self.name, token, 0, "a trigger model runs that is not this segment's")
            if look.row_count is None and (token in self._started_second or (again and self._power_was_cycled)):
                raise RefusedError(self.name, token, 0, "power was cycled after the start")
            self._power_was_cycled = False
            try:
                return await self._start(token, program, exists=look.row_count is not None)
            except RefusedError:
                await self._ensure_open_circuit()
                await self._delete_if_empty(token)
                raise

    async def look(self, token: str) -> SegmentLook:
        """What the instrument knows of the token now; a power cycle is told once."""
        programs.check_token(token)
        async with self._turn:
            look = await self._look(token)
            told, self._power_was_cycled = self._power_was_cycled, False
        if look.row_count is None:
            state = SegmentState.ABSENT
        elif look.is_running:
            state = SegmentState.RUNNING
        else:
            state = SegmentState.FINISHED if look.row_count else SegmentState.NOT_STARTED
        return SegmentLook(state, look.output_on, look.row_count or 0, told)

    async def read_rows(self, token: str, first_index: int, last_index: int) -> ReadingBlock:
        """Rows `first_index … last_index`, from 1, inclusive, in questions of at most `ROWS_PER_QUESTION` rows.

        Raises `RefusedError` when the token is gone.
        """
        programs.check_token(token)
        if not 1 <= first_index <= last_index:
            raise OutOfRangeError(self.name, "first_index", first_index, 1, last_index)
        async with self._turn:
            if token not in self._buffers and not await self._exists(token):
                raise RefusedError(self.name, token, 0, "its rows are gone: the power was cycled")
            blocks = [
                await self._read_rows(token, first, min(first + ROWS_PER_QUESTION - 1, last_index))
                for first in range(first_index, last_index + 1, ROWS_PER_QUESTION)
            ]
        return blocks[0] if len(blocks) == 1 else _joined(blocks)

    async def forget_segment(self, token: str) -> None:
        """Delete the token and its rows; an absent token is no error."""
        programs.check_token(token)
        async with self._turn:
            await self._delete(token)

    async def make_safe(self) -> None:
        """Open circuit with the relay open, read back; reconnects once if it must, and tries a second way."""
        async with self._turn:
            try:
                await self._ensure_open_circuit()
            except (LinkLostError, NoReplyError, BadReplyError):
                await self._connect()
                await self._ensure_open_circuit()

    async def close(self) -> None:
        """Close the link. The instrument goes on with what it does."""
        async with self._turn:
            await self._session.close()

    async def _connect(self) -> Identity:
        self._buffers.clear()
        await self._session.open()
        found = await self._session.ask(IDENTITY)
        if not self._is_expected(found):
            # One garbled reply must not look like another instrument.
            found = await self._session.ask(IDENTITY)
        if not self._is_expected(found):
            await self._session.close()
            raise WrongInstrumentError(
                self.name, self._expected(), f"{found.maker} {found.model} {found.serial_number}"
            )
        language = await self._session.ask(LANGUAGE)
        if language != "SCPI":
            await self._session.close()
            raise WrongInstrumentError(self.name, "command language SCPI", f"{language} (*LANG SCPI, then restart it)")
        # Read before a run begins, a power cycle of yesterday is never taken for one of today.
        self._power_was_cycled |= await self._session.ask(EVENT_STATUS)
        return found

    def _is_expected(self, found: Identity) -> bool:
        is_model = found.maker in MAKERS and found.model == self.limits.model
        return is_model and self._serial_number in {None, found.serial_number}

    def _expected(self) -> str:
        return f"KEITHLEY INSTRUMENTS {self.limits.model} {self._serial_number or '(any serial number)'}"

    async def _look(self, token: str) -> codec.Look:
        self._looks += 1
        text, read = LOOK_QUERIES[self._looks % 2]
        if token not in self._buffers and not await self._exists(token):
            text = text.partition(";:TRAC")[0]
        text = text.format(buffer=self._buffers.get(token))
        look = await self._session.ask(Query(text, read, source=MANUAL))
        self._power_was_cycled |= look.power_was_cycled
        if look.row_count is None and token in self._buffers:
            del self._buffers[token]
            await self._drain_errors()
        return look

    async def _exists(self, token: str) -> bool:
        for buffer in programs.buffer_names(token):
            if await self._buffer_exists(buffer):
                self._buffers[token] = buffer
                return True
        self._buffers.pop(token, None)
        return False

    async def _buffer_exists(self, buffer: str, *first: str) -> bool:
        # An unknown buffer has an error instead of a reply, so a second question follows whose reply looks different.
        text = "\n".join([*first, f':TRAC:ACT? "{buffer}"', NEXT_ERROR.text])
        answer = await self._session.ask(Query(text, codec.count_or_entry, source=MANUAL))
        if isinstance(answer, int):
            await self._session.next_answer(NEXT_ERROR)
            return True
        if answer.code == 0:
            await self._session.reject(text, answer.text, "neither a count nor an error")
        await self._drain_errors()
        return False

    async def _drain_errors(self) -> list[codec.EventEntry]:
        entries: list[codec.EventEntry] = []
        while len(entries) < _MOST_ERRORS:
            entry = await self._session.ask(NEXT_ERROR)
            if entry.code == 0:
                break
            entries.append(entry)
        return entries

    async def _start(self, token: str, program: SegmentProgram, *, exists: bool) -> float:
        await self._ensure_open_circuit()
        if exists and (await self._look(token)).row_count:
            return self._started_second.get(token, math.nan)
        if exists and self._buffers[token] != programs.buffer_name(token, program):
            await self._delete(token)
            exists = False
        for group in programs.segment_groups(
            token, program, self.limits, buffer_exists=exists, terminals=self._terminals
        ):
            await self._carry_out(group)
        await self._load_blocks(token, program)
        self._buffers[token] = programs.buffer_name(token, program)
        self._last_read.pop(token, None)
        self._started_second[token] = self._now()
        await self._carry_out(CommandGroup("start", (":INIT",)))
        return self._started_second[token]

    async def _load_blocks(self, token: str, program: SegmentProgram) -> None:
        try:
            await self._carry_out(blocks.block_group(token, program, measure_word=self._measure_word))
        except RefusedError as error:
            if error.code != UNDEFINED_HEADER or self._measure_word == "MDIG":
                raise
            self._measure_word = "MDIG"
            await self._carry_out(blocks.block_group(token, program, measure_word="MDIG"))

    async def _carry_out(self, group: CommandGroup) -> None:
        error_count, *values = await self._ask_checks(group, Check(":SYST:ERR:COUN?", 0))
        if error_count or len(values) < len(group.checks):
            entries = await self._drain_errors()
            if group.may_be_unknown and {entry.code for entry in entries} == {UNDEFINED_HEADER}:
                return
            if group.may_fail and entries:
                return
            if not entries:
                why = f"{error_count} errors of which none is queued, {len(values)} values of {len(group.checks)}"
                await self._session.reject(group.name, str(values), why)
            first = entries[0]
            raise RefusedError(self.name, f"{group.name}: {group.commands[-1]}", first.code, first.text)
        self._compare(group, values)

    async def _ask_checks(self, group: CommandGroup, *first: Check) -> list[float | str]:
        # A query the instrument refuses ends its message: the reply then has too few values, never too many.
        checks = (*first, *group.checks)
        text = "\n".join([*group.commands, ";".join(check.query for check in checks)])
        return await self._session.ask(Query(text, lambda reply: _values(reply, checks), source=MANUAL))

    def _compare(self, group: CommandGroup, values: list[float | str]) -> None:
        if len(values) != len(group.checks):
            raise RefusedError(self.name, group.name, 0, f"{len(values)} of {len(group.checks)} settings read back")
        for check, value in zip(group.checks, values, strict=True):
            if not _agrees(check.expected, value):
                why = f"{check.query} reads back {value}, not {check.expected}"
                raise RefusedError(self.name, group.name, 0, why)

    async def _ensure_open_circuit(self) -> None:
        group = programs.safe_group()
        try:
            self._compare(group, await self._ask_checks(group))
        except RefusedError:
            await self._starve()

    async def _starve(self) -> None:
        safe, starving = programs.safe_group(), programs.starving_group(self.limits)
        await self._session.tell("\n".join(starving.commands))
        values = await self._ask_checks(safe, *starving.checks)
        starved, opened = values[: len(starving.checks)], values[len(starving.checks) :]
        try:
            self._compare(safe, opened)
        except RefusedError as error:
            read = ", ".join(f"{check.query} {value}" for check, value in zip(starving.checks, starved, strict=False))
            why = f"the output does not open ({error.text}); its current was set as low as it goes: {read}"
            raise RefusedError(self.name, ":OUTP OFF", 0, why) from error

    async def _delete(self, token: str) -> None:
        known = self._buffers.pop(token, None)
        for buffer in (known,) if known else programs.buffer_names(token):
            if await self._buffer_exists(buffer, f':TRAC:DEL "{buffer}"'):
                raise RefusedError(self.name, f':TRAC:DEL "{buffer}"', 0, "the buffer is still there")
        self._last_read.pop(token, None)
        self._started_second.pop(token, None)

    async def _delete_if_empty(self, token: str) -> None:
        try:
            look = await self._look(token)
            if look.row_count == 0:
                await self._delete(token)
        except DriverError:
            return

    async def _read_rows(self, token: str, first: int, last: int) -> ReadingBlock:
        read = codec.row_block_reader(
            first_index=first,
            row_count=last - first + 1,
            voltage_volt=self.limits.voltage_volt * self.limits.range_overreach,
            current_ampere=self.limits.largest_current_ampere,
            measures_current=self._buffers[token].endswith(programs.CURRENT_MARK),
        )
        question = ROWS_QUERY.format(first=first, last=last, buffer=self._buffers[token])
        block = await self._session.ask(Query(question, read, source=MANUAL))
        elapsed = block.elapsed_second
        if first == 1 and elapsed[0] > _FIRST_ELAPSED_SECOND:
            await self._session.reject(question, f"{elapsed[0]}", "the first row's time is not 0")
        known_index, known_second = self._last_read.get(token, (0, -1.0))
        if first > known_index:
            if elapsed[0] <= known_second:
                await self._session.reject(question, f"{elapsed[0]}", f"row {known_index} was at {known_second} s")
            self._last_read[token] = (last, float(elapsed[-1]))
        return block


def _values(reply: str, checks: tuple[Check, ...]) -> list[float | str]:
    texts = reply.split(";")
    if len(texts) > len(checks):
        raise ValueError(f"{len(texts)} values where {len(checks)} were asked for")
    return [
        text if isinstance(check.expected, str) else codec.number(text)
        for check, text in zip(checks, texts, strict=False)
    ]


def _agrees(expected: float | str, value: float | str) -> bool:
    if isinstance(expected, str) or isinstance(value, str):
        return value == expected
    return abs(value - expected) <= _REPLY_DIGITS * abs(expected)


def _joined(blocks: list[ReadingBlock]) -> ReadingBlock:
    return ReadingBlock(
        blocks[0].first_index,
        np.concatenate([block.elapsed_second for block in blocks]),
        np.concatenate([block.voltage_volt for block in blocks]),
        np.concatenate([block.current_ampere for block in blocks]),
        np.concatenate([block.source_status for block in blocks]),
        np.concatenate([block.reading_status for block in blocks]),
    )

"""Instruments that fit their roles and do as they are told, and a clock that jumps from deadline to deadline."""

import asyncio
import math
from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError, RefusedError
from drivers.roles import (
    ChamberLook,
    CurrentRange,
    Floats,
    Identity,
    LoadBlock,
    PotentiostatLimits,
    ReadingBlock,
    SegmentLook,
    SegmentProgram,
    SegmentState,
)

Answer = TypeVar("Answer")

NAME = "smu"
LINK_LOST = LinkLostError(NAME, "a cable", "cut")
NO_REPLY = NoReplyError(NAME, "?", 2.0)
BAD_REPLY = BadReplyError(NAME, "?", "#1", "no number")
REFUSED = RefusedError(NAME, "this", -200, "not now")

VOLT_PER_COULOMB = 70.0
RESISTANCE_OHM = 50.0
BEGIN_VOLT = 2.5

Diary = list[tuple[str, ...]]
"""What was done to instruments and files, in order: the verb, then what it was done to."""


class JumpingClock:
    """Fits `daemon.clock.Clock`: once all participants wait, it is at once the time of the earliest deadline."""

    epoch = "scripted"
    stands_still = True
    utc_offset_second = 1_795_350_000.0
    aways: tuple[tuple[float, float], ...] = ()

    def __init__(self, now_second: float, ends_after_second: float = 200_000.0) -> None:
        self._now_second = now_second
        self._last_second = now_second + ends_after_second
        self._participants = 0
        self._waiters: list[tuple[float, asyncio.Future[None]]] = []
        self._acts: list[tuple[float, int, Callable[[], object]]] = []

    def at(self, second: float, act: Callable[[], object]) -> None:
        """Do this when it is that time."""
        insort(self._acts, (second, len(self._acts), act), key=lambda due: due[:2])

    def now_second(self) -> float:
        return self._now_second

    def utc_second(self) -> float:
        return self._now_second + self.utc_offset_second

    async def wait_until(self, second: float) -> float:
        if second > self._now_second:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((second, waiter))
            try:
                self._jump_if_all_wait()
                await waiter
            finally:
                self._waiters = [entry for entry in self._waiters if entry[1] is not waiter]
        return self._now_second

    def away_until_after(self, second: float) -> list[tuple[float, float]]:
        return [stretch for stretch in self.aways if stretch[1] > second]

    def nudge(self) -> None:
        self._wake(math.inf)

    def join(self) -> None:
        self._participants += 1

    def leave(self) -> None:
        self._participants -= 1
        self._jump_if_all_wait()

    async def close(self) -> None:
        """Nothing is open."""

    def _jump_if_all_wait(self) -> None:
        while self._waiters and len(self._waiters) >= self._participants:
            self._now_second = min([*(second for second, _ in self._waiters), *(due[0] for due in self._acts[:1])])
            assert self._now_second <= self._last_second, "the run never ends"
            while self._acts and self._acts[0][0] <= self._now_second:
                self._acts.pop(0)[2]()
            self._wake(self._now_second)

    def _wake(self, up_to_second: float) -> None:
        due = [entry for entry in self._waiters if entry[0] <= up_to_second]
        self._waiters = [entry for entry in self._waiters if entry[0] > up_to_second]
        for _, waiter in due:
            if not waiter.done():
                waiter.set_result(None)


@dataclass
class Execution:
    """One segment as the instrument executes it: a straight line of voltage over charge, and where it ends."""

    program: SegmentProgram
    started_second: float
    begin_volt: float
    lasts_second: float = field(init=False)
    added_volt: float = 0.0
    """What the cell moves by afterwards, at rest."""

    def __post_init__(self) -> None:
        wanted = self.program
        second = np.arange(0.0, wanted.duration_second + wanted.cutoff_second / 2, wanted.cutoff_second)
        volt = self.volt_at(second)
        over = (volt < wanted.lower_guard_volt) | (volt > wanted.upper_guard_volt)
        if wanted.until_voltage_volt is not None:
            over |= (volt - wanted.until_voltage_volt) * np.sign(wanted.current_ampere) >= 0
        self.lasts_second = float(second[np.argmax(over)]) if over.any() else wanted.duration_second

    def volt_at(self, second: Floats) -> Floats:
        coulomb = self.program.current_ampere * second
        drop_volt = RESISTANCE_OHM * self.program.current_ampere
        return np.round(self.begin_volt + VOLT_PER_COULOMB * coulomb + drop_volt, 5)

    @property
    def end_volt(self) -> float:
        """What the cell rests at when it is over."""
        passed_volt = VOLT_PER_COULOMB * self.program.current_ampere * self.lasts_second
        return float(self.begin_volt + passed_volt + self.added_volt)

    def is_running(self, now_second: float) -> bool:
        return now_second < self.started_second + self.lasts_second

    def elapsed_second(self, now_second: float) -> Floats:
        """The times of the rows that there are by now."""
        until = min(now_second - self.started_second, self.lasts_second)
        every = self.program.sampling_second
        second = np.arange(0.0, until + every * 1e-6, every)
        ended = until == self.lasts_second and second[-1] < until
        return np.append(second, until) if ended else second


@dataclass
class Fault:
    """What goes wrong at the n-th call of a verb, counted from 1; `carried_out` before or not at all."""

    verb: str
    calls: range
    error: DriverError
    carried_out: bool


@dataclass
class ScriptedDevice:
    """The instrument itself: what it holds outlives its drivers. `executed` keeps what it has forgotten, too."""

    held: dict[str, Execution] = field(default_factory=dict)
    executed: dict[str, Execution] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    late_second: float = 0.0
    """So long after they were measured rows can be read; a segment is said to run until its last can."""
    unread_rows: dict[int, range] = field(default_factory=dict)
    """By segment: rows, from 1, that are no reading."""
    output_on: bool = False
    output_stays_on: bool = False
    power_was_cycled: bool = False

    def fail(self, verb: str, error: DriverError, *, at: int = 1, times: int = 1, carried_out: bool = False) -> None:
        self.faults.append(Fault(verb, range(at, at + times), error, carried_out))

    def fault(self, verb: str) -> Fault | None:
        found = [fault for fault in self.faults if fault.verb == verb and self.calls[verb] in fault.calls]
        return found[0] if found else None

    def start(self, token: str, program: SegmentProgram, now_second: float) -> None:
        ended = list(self.executed.values())
        assert not any(execution.is_running(now_second) for execution in ended), "two segments at a time"
        assert token not in self.executed, "a segment is executed twice"
        begin_volt = ended[-1].end_volt if ended else BEGIN_VOLT
        self.held[token] = self.executed[token] = Execution(program, now_second, begin_volt)
        self.output_on = True

    def state(self, token: str, now_second: float) -> tuple[SegmentState, int]:
        self._switch_off_when_over(now_second)
        if token not in self.held:
            return SegmentState.ABSENT, 0
        by_second = now_second - self.late_second
        is_over = not self.held[token].is_running(by_second)
        return SegmentState.FINISHED if is_over else SegmentState.RUNNING, len(self.rows_of(token, by_second))

    def rows_of(self, token: str, by_second: float = math.inf) -> Floats:
        """Elapsed time, voltage and current of a segment's rows, shape (n, 3)."""
        execution, number = self.executed[token], int("".join(filter(str.isdigit, token))[-6:])
        second = execution.elapsed_second(by_second) if by_second >= execution.started_second else np.empty(0)
        volt = execution.volt_at(second)
        volt[[row in self.unread_rows.get(number, ()) for row in range(1, len(second) + 1)]] = np.nan
        return np.stack([second, volt, np.full(len(second), execution.program.current_ampere)], axis=1)

    def switch_off(self, now_second: float) -> None:
        for execution in self.held.values():
            if execution.is_running(now_second):
                execution.lasts_second = now_second - execution.started_second
        self.output_on = self.output_stays_on

    def power_cycle(self, now_second: float) -> None:
        self.switch_off(now_second)
        self.held.clear()
        self.output_on, self.power_was_cycled = False, True

    def _switch_off_when_over(self, now_second: float) -> None:
        if not any(execution.is_running(now_second) for execution in self.held.values()):
            self.output_on = self.output_stays_on


def is_out(outages: list[tuple[float, float]], second: float) -> bool:
    return any(begin <= second < end for begin, end in outages)


class ScriptedPotentiostat:
    """A driver of a scripted device: fits `drivers.roles.Potentiostat`. After any fault it must be connected anew."""

    name = NAME
    limits = PotentiostatLimits(
        model="scripted",
        current_ranges=(CurrentRange(1.0, 0.0, 0.0),),
        range_overreach=1.0,
        voltage_volt=20.0,
        shortest_cutoff_second=0.1,
        longest_timer_second=1e5,
        rows_per_segment=100_000,
        segment_runs_in="instrument",
    )
    identity = Identity("ours", "scripted", "7", "1")

    def __init__(self, device: ScriptedDevice, clock: JumpingClock, diary: Diary) -> None:
        self.device = device
        self._clock = clock
        self._diary = diary
        self._is_connected = True
        self._started_second: dict[str, float] = {}

    async def connect(self) -> Identity:
        self._is_connected = not is_out(self.device.outages, self._clock.now_second())
        self._called("connect", "")
        return self.identity

    async def start_segment(self, token: str, program: SegmentProgram, *, again: bool = False) -> float:
        self._called("start_segment", token)
        device, now_second = self.device, self._clock.now_second()
        if token in device.held:
            return self._answered("start_segment", self._started_second.get(token, math.nan))
        if token in self._started_second or (again and device.power_was_cycled):
            raise RefusedError(NAME, token, 0, "power was cycled after the start")
        device.start(token, program, now_second)
        self._started_second[token] = now_second
        return self._answered("start_segment", now_second)

    async def look(self, token: str) -> SegmentLook:
        self._called("look", token)
        state, rows = self.device.state(token, self._clock.now_second())
        look = SegmentLook(state, self.device.output_on, rows, self.device.power_was_cycled)
        self.device.power_was_cycled = False
        return self._answered("look", look)

    async def read_rows(self, token: str, first_index: int, last_index: int) -> ReadingBlock:
        self._called("read_rows", token)
        if token not in self.device.held:
            raise RefusedError(NAME, token, 0, "its rows are gone")
        _, there = self.device.state(token, self._clock.now_second())
        assert 1 <= first_index <= last_index <= there, "rows are asked for that are not there"
        second, volt, ampere = self.device.rows_of(token)[first_index - 1 : last_index].T
        status = np.arange(first_index, last_index + 1)
        return self._answered("read_rows", ReadingBlock(first_index, second, volt, ampere, status, status))

    async def forget_segment(self, token: str) -> None:
        self._called("forget_segment", token)
        self.device.held.pop(token, None)
        self._answered("forget_segment", None)

    async def make_safe(self) -> None:
        self._called("make_safe", "")
        self.device.switch_off(self._clock.now_second())
        if self.device.output_on:
            raise RefusedError(NAME, "output off", 0, "the output reads back on")
        self._answered("make_safe", None)

    async def close(self) -> None:
        """Nothing is open."""

    def _called(self, verb: str, token: str) -> None:
        self.device.calls[verb] += 1
        fault = self.device.fault(verb)
        if is_out(self.device.outages, self._clock.now_second()) or not self._is_connected:
            self._is_connected = False
            raise LINK_LOST
        if fault is not None and not fault.carried_out:
            self._fail(fault.error)
        self._diary.append((verb, token[-6:].lstrip("0")) if token else (verb,))

    def _answered(self, verb: str, answer: Answer) -> Answer:
        fault = self.device.fault(verb)
        if fault is not None:
            self._fail(fault.error)
        return answer

    def _fail(self, error: DriverError) -> None:
        self._is_connected = isinstance(error, RefusedError)
        raise error


class ScriptedLoadCell:
    """Sends a frame each second, 0.4 s after it: 100 kg and 0.01 kg more each time. What nobody hears is lost."""

    name = "load_cell"
    EVERY_SECOND, AFTER_SECOND = 1.0, 0.4

    def __init__(self, clock: JumpingClock, *outages: tuple[float, float]) -> None:
        self._clock = clock
        self._outages = list(outages)
        self._is_connected = True
        self._heard_up_to_second = clock.now_second()

    async def connect(self) -> Identity:
        self._must_be_there()
        self._is_connected = True
        self._heard_up_to_second = self._clock.now_second()
        return Identity("ours", "load cell", "8", "1")

    async def read(self) -> LoadBlock:
        self._must_be_there(self._is_connected)
        since, self._heard_up_to_second = self._heard_up_to_second, self._clock.now_second()
        number = np.arange(math.ceil(since - self.AFTER_SECOND), math.ceil(self._heard_up_to_second))
        second = number + self.AFTER_SECOND
        second = second[(second > since) & (second <= self._heard_up_to_second)]
        return LoadBlock(second, self.displayed_at(second), np.ones(len(second), np.int64), "kg")

    @staticmethod
    def displayed_at(second: Floats) -> Floats:
        return np.round(100 + 0.01 * np.floor(second - 1000), 2)

    async def close(self) -> None:
        """Nothing is open."""

    def _must_be_there(self, is_connected: bool = True) -> None:
        if is_out(self._outages, self._clock.now_second()) or not is_connected:
            self._is_connected = False
            raise LinkLostError(self.name, "a cable", "cut")


class ScriptedThermometer:
    """A jig and the air around it, 0.5 K warmer."""

    name = "thermometer"
    places = ("jig", "air")

    def __init__(
        self, clock: JumpingClock, jig_celsius: Callable[[float], float], *outages: tuple[float, float]
    ) -> None:
        """`jig_celsius` tells the temperature at a second of the clock."""
        self._clock = clock
        self._jig_celsius = jig_celsius
        self._outages = list(outages)
        self._is_connected = True

    async def connect(self) -> Identity:
        self._must_be_there()
        self._is_connected = True
        return Identity("ours", "thermometer", "9", "1")

    async def read_celsius(self) -> dict[str, float]:
        self._must_be_there(self._is_connected)
        jig = self._jig_celsius(self._clock.now_second())
        return {"jig": jig, "air": jig + 0.5}

    async def close(self) -> None:
        """Nothing is open."""

    def _must_be_there(self, is_connected: bool = True) -> None:
        if is_out(self._outages, self._clock.now_second()) or not is_connected:
            self._is_connected = False
            raise NoReplyError(self.name, "#01", 1.0)


class ScriptedChamber:
    """Takes a setpoint, when it can be reached."""

    name = "chamber"

    def __init__(self, clock: JumpingClock, *outages: tuple[float, float], refuses: bool = False) -> None:
        self._clock = clock
        self._outages = list(outages)
        self._refuses = refuses
        self.setpoint_celsius = 25.0

    async def connect(self) -> Identity:
        self._must_be_there()
        return Identity("ours", "chamber", "10", "1")

    async def set_celsius(self, setpoint_celsius: float) -> None:
        self._must_be_there()
        if self._refuses:
            raise RefusedError(self.name, "TEMP", 0, "door open")
        self.setpoint_celsius = setpoint_celsius

    async def look(self) -> ChamberLook:
        self._must_be_there()
        return ChamberLook(self.setpoint_celsius, self.setpoint_celsius, is_controlling=True, alarms=())

    async def close(self) -> None:
        """Nothing is open."""

    def _must_be_there(self) -> None:
        if is_out(self._outages, self._clock.now_second()):
            raise NoReplyError(self.name, "TEMP?", 1.0)

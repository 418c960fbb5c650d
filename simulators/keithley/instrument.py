"""The instrument behind the wire: settings, output, readings and time; knows no message."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.device import CellUnderTest
from simulators.keithley import bulk
from simulators.keithley.analog import Calibration, FrontEnd
from simulators.keithley.blocks import Measure
from simulators.keithley.buffers import DEFAULT_NAMES, BufferSet, Readings
from simulators.keithley.elements import readings_text
from simulators.keithley.events import (
    ILLEGAL_VALUE,
    NO_CONFIGURATION,
    OUT_OF_RANGE,
    SETTINGS_CONFLICT,
    CommandError,
    EventKind,
    EventLog,
    LogEntry,
    Status,
)
from simulators.keithley.models import OVERFLOW, Model
from simulators.keithley.settings import ConfigurationLists, Setting, Settings, Value, settings_of
from simulators.keithley.source import Drive, Regulator, demand_of
from simulators.keithley.timers import FAR_NS, EventBus, Timer
from simulators.keithley.tracing import Pass
from simulators.keithley.trigger_model import TriggerModel

POWER_ON = 128
OPERATION_COMPLETE = 1
_LIMIT_BITS = {1: (64, 128), 2: (16, 32)}
"""Of the reading's status, below and above each limit of `:CALC2`."""
_UNITS = {"VOLT": 0, "CURR": 1, "RES": 2}

Listener = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True)
class Setup:
    """What `*SAV` keeps."""

    settings: dict[str, Value]
    source_lists: ConfigurationLists
    sense_lists: ConfigurationLists


class Instrument:
    """One source-measure unit on one cell; time is the bench's, in nanoseconds.

    `listener` hears of `output`, `limit`, `trigger_model` and `power`, each with `time_ns` and what has changed; with
    `tells_readings` also of the `readings` in the buffers a model has measured into, when it ends.
    Below `horizon_ns` it looks how far it is sure to go on as it does, and has that in `sure_ns`.
    `relay_operations` counts openings and closings of the output relay. `ignore_output_off` is a fault: the output then
    stays on whatever is said.
    """

    def __init__(
        self,
        model: Model,
        cell: CellUnderTest,
        *,
        serial_number: str,
        firmware: str,
        seed: int,
        line_frequency_hertz: float,
        utc_start_second: int,
        power_on_off_state: str,
        listener: Listener | None,
    ) -> None:
        self.model = model
        self.firmware = firmware
        self.cell = cell
        self.message_waits = False
        self.line_frequency_hertz = line_frequency_hertz
        self.listener = listener
        self.relay_operations = 0
        self.ignore_output_off = False
        self.tells_readings = False
        self.horizon_ns = self.sure_ns = -1
        self.now_ns = cell.now_ns
        self._seed = seed
        self._utc_start_ns = utc_start_second * 1_000_000_000
        self.stored_language = "SCPI"
        self.setups: dict[int, Setup] = {}
        self._power_on_setup: int | None = None
        self._power_on_off_state = power_on_off_state
        self._power_on_count = 0
        self._relay_closed = False
        self.regulator = Regulator(cell)
        self._table = settings_of(model)
        self.set_serial_number(serial_number)
        self._power_on()

    def _power_on(self) -> None:
        self._power_on_count += 1
        self.language = self.stored_language
        self.settings = Settings(self._table)
        self.buffers = BufferSet()
        self.events_log = EventLog()
        self.status = Status(standard_event=POWER_ON)
        self.source_lists = ConfigurationLists("source", NO_CONFIGURATION)
        self.sense_lists = ConfigurationLists("sense", NO_CONFIGURATION)
        self.trigger_events = EventBus()
        self.trigger_model = TriggerModel(self, self.trigger_events)
        self.clock_offset_ns = self._utc_start_ns
        self.output_on = False
        self.completion_wanted = False
        self.limits_failed: dict[tuple[str, int], tuple[bool, bool]] = {}
        self._reading_count = 0
        self._starts_group = False
        self._recalled: dict[str, int] = {}
        self._front: tuple[int, FrontEnd] | None = None
        self._stop_ns = -1
        self._stop_for = ""
        self._unlike_ns = FAR_NS
        self._limited = False
        for function in ("CURR", "VOLT"):
            self.settings.put(f"OUTP:{function}:SMOD", self._power_on_off_state)
        if self._power_on_setup in self.setups:
            self._restore(self.setups[self._power_on_setup])
        self._drive_output()

    def power_cycle(self, now_ns: int) -> None:
        """Off and on again: settings, buffers and log are lost, the output is off in its default off-state."""
        self.now_ns = now_ns
        was_busy = self.trigger_model.running
        block = self.trigger_model.executed
        self._open_relay()
        if was_busy:
            self._tell_readings()
        self._power_on()
        if was_busy:
            self.tell("trigger_model", state="ended", reason="power lost", block=block)
        self.tell("power", relay_closed=self._relay_closed)

    def _open_relay(self) -> None:
        self.cell.set_current(0.0)
        self._count_relay(closed=False)

    def reset(self) -> None:
        """`*RST`: defaults, output off, no model, no user buffers, default buffers empty [user buffers unverified]."""
        self.trigger_model.abort(self.now_ns)
        self.output_on = self.output_on and self.ignore_output_off
        self.settings.reset()
        self.buffers.reset()
        self.source_lists.clear()
        self.sense_lists.clear()
        for timer in self.trigger_events.timers.values():
            timer.disable(self.now_ns)
        self.trigger_events.timers.update({name: Timer() for name in self.trigger_events.timers})
        self.trigger_model.load({}, self.now_ns)
        self.completion_wanted = False
        self._drive_output()

    def save(self, number: int) -> None:
        """`*SAV`: keep settings and configuration lists over power cycles; not the output's state."""
        lists = tuple(stored.copy() for stored in (self.source_lists, self.sense_lists))
        self.setups[number] = Setup(self.settings.all(), lists[0], lists[1])

    def recall_setup(self, number: int) -> None:
        """`*RCL`. Raises CommandError when nothing was saved there [code -224 unverified]; the output is off then."""
        if number not in self.setups:
            raise CommandError(*ILLEGAL_VALUE)
        self.set_output(on=False)
        self._restore(self.setups[number])
        self._drive_output()

    def start_with(self, number: int | None) -> None:
        """`:SYST:POS`: what is recalled when power comes on; None is the default settings."""
        self._power_on_setup = number

    def _restore(self, setup: "Setup") -> None:
        self.settings.restore(setup.settings)
        self.source_lists, self.sense_lists = setup.source_lists.copy(), setup.sense_lists.copy()

    def set_serial_number(self, serial_number: str) -> None:
        """Become another instrument of the same model, with other errors."""
        self.serial_number = serial_number
        self.calibration = Calibration(self.model, self._seed, serial_number)
        self._front = None

    def stamp_ns(self, at_ns: int) -> int:
        """A bench time on the instrument's clock, nanoseconds since 1970."""
        return at_ns + self.clock_offset_ns

    def tell(self, kind: str, **details: object) -> None:
        """Let the listener know of a change."""
        if self.listener:
            self.listener(kind, {"time_ns": self.now_ns, **details})

    def log(self, code: int, text: str, kind: EventKind) -> None:
        """Write into the event log."""
        self.events_log.post(LogEntry(code, text, kind, self.stamp_ns(self.now_ns)))
        self.status.operation.see(code)
        self.status.questionable.see(code)

    # --- settings -------------------------------------------------------------------------------------------------

    def require_idle(self) -> None:
        """Raises CommandError while a trigger model runs [code -221 unverified]."""
        if self.trigger_model.running:
            raise CommandError(SETTINGS_CONFLICT[0], f"{SETTINGS_CONFLICT[1]}; trigger model is running")

    def change(self, setting: Setting, value: Value) -> None:
        """Change a setting, and what follows from it. Raises CommandError while a model runs, but for free ones."""
        if setting.group != "free":
            self.require_idle()
        self.settings.put(setting.key, value)
        if setting.group in {"source", "output"}:
            self.settings_changed()

    def settings_changed(self) -> None:
        """Let the output follow the settings."""
        if demand_of(self.settings, self.calibration, output_on=self.output_on) != self.regulator.demand:
            self._drive_output()

    def rewired(self) -> None:
        """What hangs on the terminals has changed: meet the demand anew."""
        self._drive_output()

    def front_end(self) -> FrontEnd:
        """The analog side under today's settings."""
        if self._front is None or self._front[0] != self.settings.version:
            made = self.calibration.front_end(self.settings, self.line_frequency_hertz, self._power_on_count)
            self._front = (self.settings.version, made)
        return self._front[1]

    # --- output ---------------------------------------------------------------------------------------------------

    def set_output(self, *, on: bool) -> None:
        """Switch the output now."""
        if not on and self.ignore_output_off:
            return
        changed, self.output_on = on != self.output_on, on
        self._drive_output(told=changed)

    def _drive_output(self, *, told: bool = False) -> None:
        demand = demand_of(self.settings, self.calibration, output_on=self.output_on)
        self.regulator.regulate(demand, self.now_ns)
        if self._count_relay(closed=self.regulator.connected) or told:
            self._tell_output()
        self._note_limit()

    def _count_relay(self, *, closed: bool) -> bool:
        changed = closed != self._relay_closed
        self._relay_closed = closed
        self.relay_operations += changed
        return changed

    def _tell_output(self) -> None:
        function = self.settings.word("SOUR:FUNC")
        self.tell(
            "output",
            on=self.output_on,
            relay_closed=self._relay_closed,
            source=function,
            level=self.settings.number(f"SOUR:{function}:LEV"),
            current_ampere=self.cell.current_ampere,
            off_state=self.settings.word(f"OUTP:{function}:SMOD"),
            relay_operations=self.relay_operations,
        )

    @property
    def limited(self) -> bool:
        """Whether a limit keeps the source from its level."""
        return self.output_on and self.regulator.limited

    def _note_limit(self) -> None:
        if self.limited == self._limited:
            return
        self._limited = self.limited
        if self.limited:
            self.trigger_events.emit("SLIM", self.now_ns)
        self.tell("limit", limited=self.limited, current_ampere=self.cell.current_ampere)

    # --- readings -------------------------------------------------------------------------------------------------

    def take_readings(self, buffer: str, count: int) -> None:
        """Make readings outside a model, all at the present instant."""
        self._starts_group = True
        now_ns = np.array([self.now_ns], dtype=np.int64)
        self._store(buffer, self._readings(np.repeat(now_ns, count), np.repeat(self._volts(now_ns), count)))

    def measure_aside(self) -> float:
        """One reading, now, that is stored nowhere."""
        now_ns = np.array([self.now_ns], dtype=np.int64)
        reading = float(self._readings(now_ns, self._volts(now_ns)).reading[0])
        self._reading_count += 1
        return reading

    def take_reading(self, buffer: str) -> float:
        """Measure once, now, and store it; answer the reading."""
        now_ns = np.array([self.now_ns], dtype=np.int64)
        made = self._readings(now_ns, self._volts(now_ns))
        self._store(buffer, made)
        return float(made.reading[0])

    def _volts(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The true voltage at the terminals, which is none when nothing is connected to them."""
        if self.regulator.drive is Drive.OPEN:
            return np.zeros(len(times_ns))
        return self.cell.forecast(times_ns).voltage_volt

    def _readings(self, times_ns: NDArray[np.int64], volts: NDArray[np.float64]) -> Readings:
        front, count = self.front_end(), len(times_ns)
        reading, source = front.read(volts, self.cell.forecast_current(times_ns), self._reading_count)
        status = np.full(count, 8 * (self.settings.word("ROUT:TERM") == "FRON"), np.int16)
        if self._starts_group:
            status[0] |= 256
        overflows = np.abs(reading) >= OVERFLOW
        status[overflows] |= 1
        if self.settings.flag(f"SENS:{front.sense}:REL:STAT"):
            reading = np.where(overflows, reading, reading - self.settings.number(f"SENS:{front.sense}:REL"))
        self._test_limits(front.sense, reading, status)
        return Readings(
            times_ns + self.clock_offset_ns,
            reading,
            source,
            np.full(count, self._source_status(), np.int16),
            status,
            np.full(count, _UNITS[front.sense] | _UNITS[front.source] << 2, np.int8),
        )

    def _test_limits(self, sense: str, reading: NDArray[np.float64], status: NDArray[np.int16]) -> None:
        for limit, (low_bit, high_bit) in _LIMIT_BITS.items():
            key = f"CALC2:{sense}:LIM{limit}"
            if not self.settings.flag(f"{key}:STAT"):
                continue
            is_low = reading < self.settings.number(f"{key}:LOW")
            is_high = reading > self.settings.number(f"{key}:UPP")
            status[is_low] |= low_bit
            status[is_high] |= high_bit
            self.limits_failed[sense, limit] = (bool(is_low[-1]), bool(is_high[-1]))

    def _source_status(self) -> int:
        sense, source = self.settings.word("SENS:FUNC"), self.settings.word("SOUR:FUNC")
        return (
            4 * (self.regulator.protecting and self.output_on)
            | 8 * self.settings.flag(f"SOUR:{source}:READ:BACK")
            | 32 * self.limited
            | 64 * (self.settings.flag(f"SENS:{sense}:RSEN") and self.output_on)
            | 128 * self.output_on
        )

    def _store(self, buffer: str, made: Readings) -> None:
        self._reading_count += len(made)
        self._starts_group = False
        for code, text in self.buffers.get(buffer).store(made):
            self.log(code, text, EventKind.INFORMATION if code != 4915 else EventKind.WARNING)

    # --- what a trigger model asks for ------------------------------------------------------------------------------

    def reading_duration_ns(self) -> int:
        """How long one reading takes."""
        return self.front_end().reading_ns

    def clear_buffer(self, name: str) -> None:
        """Empty a reading buffer."""
        self.buffers.get(name).clear()

    def has_buffer(self, name: str) -> bool:
        """Whether there is such a reading buffer."""
        return name in self.buffers

    def user_delay_ns(self, name: str) -> int:
        """A user delay, such as SOUR1; those of the sense side are 0 here."""
        key = f"SOUR:{self.settings.word('SOUR:FUNC')}:DEL:USER{name[-1]}"
        return round(self.settings.number(key) * 1e9) if name.startswith("SOUR") else 0

    def dynamic_limits(self, limit: int) -> tuple[float, float]:
        """The limits of `:CALC2` for what is measured; NaN, which nothing meets, while they are off [unverified]."""
        key = f"CALC2:{self.settings.word('SENS:FUNC')}:LIM{limit}"
        if not self.settings.flag(f"{key}:STAT"):
            return math.nan, math.nan
        return self.settings.number(f"{key}:LOW"), self.settings.number(f"{key}:UPP")

    def recall(self, name: str, index: int | None, step: int) -> None:
        """Recall a point of a configuration list; without an index the next one after the last recalled."""
        lists = self.source_lists if name in self.source_lists.names() else self.sense_lists
        if index is None:
            size = max(len(lists.get(name)), 1)
            # Of a list from which nothing was recalled yet, the first is the next one, and the last the previous.
            last = self._recalled.get(name, 0 if step > 0 else size + 1)
            index = (last + step - 1) % size + 1
        try:
            values = lists.recall(name, index)
        except CommandError as error:
            self.log(error.code, error.text, EventKind.ERROR)
            return
        self._recalled[name] = index
        self.settings.restore(values)
        self.settings_changed()

    def forget_place(self, name: str) -> None:
        """A list of this name is new or gone: nothing was recalled from it."""
        self._recalled.pop(name, None)

    def model_changed(self, state: str, reason: str, block: int) -> None:
        """The model has started or ended."""
        if state == "started":
            self._starts_group = True
        self.tell("trigger_model", state=state, reason=reason, block=block)
        if state == "ended":
            self._tell_readings()

    def _tell_readings(self) -> None:
        if not self.tells_readings:
            return
        measured = {block.buffer for block in self.trigger_model.blocks.values() if isinstance(block, Measure)}
        for name in sorted(measured.difference(DEFAULT_NAMES)):
            if name in self.buffers:
                self.tell("readings", buffer=name, rows=readings_text(self.buffers.get(name)))

    def recall_now(self, lists: ConfigurationLists, name: str, index: int) -> None:
        """`:CONF:LIST:REC`: take over a stored point. Raises CommandError when there is none."""
        self.settings.restore(lists.recall(name, index))
        self.settings_changed()

    # --- time -------------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a model runs, or has ended so lately that `:TRIG:STAT?` doesn't show it yet."""
        return self.trigger_model.running or self.now_ns < self.trigger_model.idle_seen_ns

    def run_to(self, limit_ns: int) -> int:
        """Do all that happens before `limit_ns`; stop earlier to change the cell's current, or to stop being busy."""
        self.regulator.forget_looks()
        self._stop_ns, self._unlike_ns = -1, FAR_NS
        model = self.trigger_model
        while True:
            due_ns = model.next_ns()
            seen_ns = model.idle_seen_ns if not model.running and self.now_ns < model.idle_seen_ns else FAR_NS
            until_ns = min(due_ns, seen_ns, limit_ns)
            change_ns = self.regulator.next_change_ns(self.now_ns, until_ns, limit_ns)
            stop_ns = min(change_ns, until_ns)
            self.now_ns = stop_ns
            if stop_ns >= limit_ns:
                return limit_ns
            if stop_ns in {change_ns, seen_ns} or model.drives_next:
                self._stop_ns = stop_ns
                if change_ns == stop_ns:
                    self._stop_for = "regulator"
                else:
                    self._stop_for = "model" if stop_ns == due_ns else ""
                return stop_ns
            model.step(stop_ns)
            if model.jumped_from:
                self._leap(limit_ns)
                if self.horizon_ns > limit_ns and self.sure_ns <= self.now_ns:
                    self._foresee()

    def settle(self, now_ns: int) -> None:
        """Make the change that stopped `run_to`, if it is due now."""
        if now_ns != self._stop_ns:
            return
        self._stop_ns = -1
        if self._stop_for == "model":
            self.trigger_model.step(now_ns)
        elif self._stop_for == "regulator":
            self._drive_output()

    def _leap(self, limit_ns: int) -> None:
        model = self.trigger_model
        if self.now_ns > self._unlike_ns:
            self._unlike_ns = FAR_NS
        loop = model.known_loop()
        if loop is None or self._starts_group:
            return
        spare = bulk.passes_left_over(loop)
        count = bulk.passes_until(loop, self.now_ns, min(limit_ns, self._unlike_ns + 1))
        if count - spare < bulk.FEWEST_PASSES:
            return
        count = self._passes_allowed(loop, count, limit_ns)
        if count - spare >= bulk.FEWEST_PASSES:
            self._leap_over(loop, count, spare)

    def _foresee(self) -> None:
        """Find out for how many passes the loop that has just begun anew goes on, and change nothing."""
        loop = self.trigger_model.known_loop()
        if loop is None or self._starts_group:
            return
        count = bulk.passes_until(loop, self.now_ns, self.horizon_ns)
        count = self._passes_allowed(loop, count, self.horizon_ns)
        if count > 0:
            self.sure_ns = self.now_ns + self._passes(loop, count)[1] * loop.period_ns

    def _passes_allowed(self, loop: Pass, count: int, limit_ns: int) -> int:
        """How many of so many passes from now on are like the known one, as far as that doesn't lie in readings."""
        now = self.trigger_model.snapshot()
        if not loop.fits(now):
            return 0
        count = min(count, bulk.passes_allowed(loop, now, self.trigger_model, self.buffers))
        change_ns = self.regulator.next_change_ns(self.now_ns, self.now_ns + count * loop.period_ns, limit_ns)
        return min(count, bulk.passes_until(loop, self.now_ns, change_ns))

    def _passes(self, loop: Pass, count: int) -> tuple[Readings, int]:
        """The readings of so many passes from now on, and how many of these take every branch as the known one did."""
        starts_ns = self.now_ns + loop.period_ns * np.arange(count, dtype=np.int64)
        times_ns = (starts_ns[:, np.newaxis] + np.array(loop.offsets_ns, dtype=np.int64)).ravel()
        made = self._readings(times_ns, self._volts(times_ns))
        return made, bulk.like_passes(loop, made.reading.reshape(count, len(loop.offsets_ns)), self.trigger_model)

    def _leap_over(self, loop: Pass, count: int, spare: int) -> None:
        model, width = self.trigger_model, len(loop.offsets_ns)
        made, alike = self._passes(loop, count)
        if alike < count:
            self._unlike_ns = self.now_ns + alike * loop.period_ns
        done = alike - spare
        if done <= 0:
            return
        for name in sorted(set(loop.reading_buffers)):
            kept = np.flatnonzero(np.tile([name == buffer for buffer in loop.reading_buffers], done))
            self.buffers.get(name).store(made.taken(kept))
        self._reading_count += done * width
        bulk.remember_last(loop, made.reading[: done * width].reshape(done, width), model)
        model.skip(
            duration_ns=done * loop.period_ns,
            counted={number: step * done for number, step in loop.counts.items()},
            forgotten={key: step * done for key, step in loop.forgotten.items()},
        )
        model.tracer.interrupt()
        self.now_ns = model.now_ns

    # --- what the wire asks -----------------------------------------------------------------------------------------

    def check_level(self, function: str, level: float) -> None:
        """Raises CommandError -222 when a fixed source range doesn't hold a level."""
        largest = 1.05 * self.settings.number(f"SOUR:{function}:RANG")
        if not self.settings.flag(f"SOUR:{function}:RANG:AUTO") and abs(level) > largest * (1 + 1e-12):
            raise CommandError(*OUT_OF_RANGE)

    def status_byte(self, *, message_waits: bool) -> int:
        """The status byte now; `message_waits` says whether a reply has not been read."""
        self.complete_operations()
        return self.status.byte(error_waits=self.events_log.count(EventKind.ERROR) > 0, message_waits=message_waits)

    def complete_operations(self) -> None:
        """Set the operation-complete bit if it was asked for and nothing runs."""
        if self.completion_wanted and not self.trigger_model.running:
            self.completion_wanted = False
            self.status.standard_event |= OPERATION_COMPLETE

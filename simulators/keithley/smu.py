"""A Keithley source-measure unit on its cable: bytes in, bytes out."""

from collections import deque
from collections.abc import Callable

from simulators.device import CellUnderTest
from simulators.keithley import commands_buffers, commands_source, commands_sweep, commands_system, commands_trigger
from simulators.keithley.events import CommandError, EventKind
from simulators.keithley.instrument import Instrument, Listener
from simulators.keithley.leads import Leads
from simulators.keithley.models import MODELS
from simulators.keithley.scpi import Call, CommandTable, Message, Place, read_unit, split_outside_quotes

LONGEST_INPUT = 65_536
_BLOCKING = ("*WAI", "*OPC?")

TABLE: CommandTable[Instrument] = CommandTable()
for commands in (commands_system, commands_source, commands_sweep, commands_buffers, commands_trigger):
    commands.enter(TABLE)


class KeithleySMU:
    """One instrument of models 2450, 2460 or 2461; any link may talk to it. It fits `simulators.device.Device`.

    Commands take no time. `*WAI` and `*OPC?` hold back the rest of the input while a trigger model runs; what is
    answered later goes out through `emit`, or with the next answer when there is none.

    Source: potentiostat.md §1-3. Not there: TSP, `:TRAC:SAVE`, digital lines, TSP-Link, LAN and blender events,
    digitising, pulses. In another language than SCPI it only identifies itself.
    """

    def __init__(  # noqa: PLR0917
        self,
        name: str,
        model: str,
        serial_number: str,
        firmware: str,
        cell: CellUnderTest,
        seed: int,
        *,
        line_frequency_hertz: float = 50.0,
        utc_start_second: int = 1_767_225_600,
        power_on_off_state: str = "NORM",
        on_change: Listener | None = None,
        emit: Callable[[bytes], None] | None = None,
    ) -> None:
        """Switch one on, wired to a cell.

        Args:
            name: what the bench calls it.
            model: "2450", "2460" or "2461".
            serial_number: as `*IDN?` shows it; with the seed it decides the instrument's errors.
            firmware: as `*IDN?` shows it.
            cell: what its terminals are wired to.
            seed: of noise and errors.
            line_frequency_hertz: one power-line cycle is an integration of NPLC 1.
            utc_start_second: what its clock shows at bench time 0, seconds since 1970.
            power_on_off_state: NORM as delivered: 0 V, so it discharges the cell with up to 10 µA until told
                otherwise; HIMP for a laboratory that has stored that as its power-on set-up.
            on_change: hears of `output`, `limit`, `trigger_model` and `power`, with `time_ns` and details.
            emit: takes answers that are given later than asked.

        Raises:
            ValueError: there is no such model.
        """
        if model not in MODELS:
            raise ValueError(f"no model {model!r}; there are {', '.join(MODELS)}")
        self.name = name
        self.emit = emit
        self._leads = Leads(cell)
        self.instrument = Instrument(
            MODELS[model],
            self._leads,
            serial_number=serial_number,
            firmware=firmware,
            seed=seed,
            line_frequency_hertz=line_frequency_hertz,
            utc_start_second=utc_start_second,
            power_on_off_state=power_on_off_state,
            listener=on_change,
        )
        self._partial = b""
        self._waiting: deque[Message[Instrument]] = deque()
        self._late = b""

    @property
    def on_change(self) -> Listener | None:
        """Who hears of changes."""
        return self.instrument.listener

    @on_change.setter
    def on_change(self, listener: Listener | None) -> None:
        self.instrument.listener = listener

    @property
    def relay_operations(self) -> int:
        """How often the output relay has opened or closed, since it was made."""
        return self.instrument.relay_operations

    @property
    def ignore_output_off(self) -> bool:
        """The fault of an output that stays on whatever is said."""
        return self.instrument.ignore_output_off

    @ignore_output_off.setter
    def ignore_output_off(self, ignores: bool) -> None:
        self.instrument.ignore_output_off = ignores

    @property
    def reverse_current(self) -> bool:
        """The fault of current leads that are exchanged at the cell; the sense leads are right."""
        return self._leads.exchanged

    @reverse_current.setter
    def reverse_current(self, is_exchanged: bool) -> None:
        self._leads.exchanged = is_exchanged
        self.instrument.rewired()

    @property
    def reverse_leads(self) -> bool:
        """The fault of all four leads exchanged at the cell: it is connected the wrong way round."""
        return self._leads.exchanged and self._leads.sense_exchanged

    @reverse_leads.setter
    def reverse_leads(self, is_exchanged: bool) -> None:
        self._leads.exchanged = self._leads.sense_exchanged = is_exchanged
        self.instrument.rewired()

    @property
    def busy(self) -> bool:
        """Whether a trigger model runs, or `:TRIG:STAT?` still shows so."""
        return self.instrument.busy

    def swap_serial(self, serial_number: str) -> None:
        """The fault of another instrument of the same model in its place: it shows this serial number."""
        self.instrument.set_serial_number(serial_number)

    def power_cycle(self, now_ns: int) -> None:
        """Lose power and come back."""
        self._partial, self._late = b"", b""
        self._waiting.clear()
        self.instrument.power_cycle(now_ns)

    def run_to(self, limit_ns: int) -> int:
        """Do all that happens before `limit_ns`, up to the next change of the cell's current or the end of a model."""
        return self.instrument.run_to(limit_ns)

    def foresee(self, horizon_ns: int) -> None:
        """See `Foreseeing`."""
        self.instrument.horizon_ns, self.instrument.sure_ns = horizon_ns, -1

    @property
    def sure_ns(self) -> int:
        """See `Foreseeing`."""
        return self.instrument.sure_ns

    def settle(self, now_ns: int) -> None:
        """The cell is at `now_ns`: make the change that is due; after a model answer what was held back."""
        self.instrument.settle(now_ns)
        if self._waiting and not self.instrument.busy:
            self.instrument.now_ns = now_ns
            answer = self._carry_on()
            if self.emit:
                self.emit(answer)
            else:
                self._late += answer

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes off the cable and answer. Never raises for what they hold."""
        self.instrument.now_ns = now_ns
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LONGEST_INPUT:
            self._partial = b""
            self.instrument.log(-363, "Input buffer overrun", EventKind.ERROR)
        for line in lines:
            self._enqueue(line.decode("latin-1"))
        late, self._late = self._late, b""
        return late + self._carry_on()

    def trigger(self, now_ns: int) -> None:
        """A bus trigger, as `*TRG`."""
        self.instrument.now_ns = now_ns
        self.instrument.trigger_events.emit("COMM", now_ns)

    def clear(self, now_ns: int) -> None:
        """A device clear: messages and replies under way are lost; a running model goes on [unverified]."""
        self.instrument.now_ns = now_ns
        self._partial, self._late = b"", b""
        self._waiting.clear()

    def status_byte(self, now_ns: int, *, message_waits: bool) -> int:
        """What a serial poll reads."""
        self.instrument.now_ns = now_ns
        return self.instrument.status_byte(message_waits=message_waits)

    def _enqueue(self, line: str) -> None:
        try:
            units = [unit.strip() for unit in split_outside_quotes(line.strip(), ";")]
        except CommandError as error:
            self.instrument.log(error.code, error.text, EventKind.ERROR)
            return
        self._waiting.append(Message([unit for unit in units if unit], Place(TABLE.root)))

    def _carry_on(self) -> bytes:
        answers = b""
        while self._waiting and self._finish(self._waiting[0]):
            answers += _line(self._waiting.popleft().replies)
        return answers

    def _finish(self, message: Message[Instrument]) -> bool:
        """Carry out what is left of a message; False when it must wait for the end of a trigger model."""
        while message.units:
            if self._must_wait(message.units[0]):
                return False
            unit = message.units.pop(0)
            try:
                self._carry_out(unit, message)
            except CommandError as error:
                self.instrument.log(error.code, error.text, EventKind.ERROR)
                message.units.clear()
        return True

    def _must_wait(self, unit: str) -> bool:
        header = unit.split(None, 1)[0].upper().lstrip(":")
        return header in _BLOCKING and self.instrument.trigger_model.running

    def _carry_out(self, unit: str, message: Message[Instrument]) -> None:
        header, parameters = read_unit(unit)
        if self.instrument.language != "SCPI" and header.upper().rstrip("?") not in {"*IDN", "*LANG"}:
            raise CommandError(-285, "TSP Syntax error at line 1: unexpected symbol near `*'")
        handler, numbers, message.place = TABLE.find(header, message.place)
        self.instrument.message_waits = bool(message.replies)
        reply = handler(self.instrument, Call(parameters, numbers))
        if reply is not None:
            message.replies.append(reply)


def _line(replies: list[str | bytes]) -> bytes:
    if not replies:
        return b""
    return b";".join(reply.encode("latin-1") if isinstance(reply, str) else reply for reply in replies) + b"\n"

"""Reading buffers and readings taken at once: `:TRAC`, `:READ?`, `:MEAS?`, `:FETC?`."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulators.keithley.buffers import LARGEST_CAPACITY, SMALLEST_CAPACITY, ReadingBuffer
from simulators.keithley.elements import element_names, encode, number_format
from simulators.keithley.events import ILLEGAL_VALUE, INIT_IGNORED, SETTINGS_CONFLICT, STALE_DATA, CommandError
from simulators.keithley.instrument import Instrument
from simulators.keithley.scpi import Call, CommandTable
from simulators.keithley.settings import SENSE_FUNCTIONS

_DEFAULT = "defbuffer1"
_STYLES = ("COMPact", "STANdard", "FULL", "WRITable", "FULLWRITable")
_STATISTICS: dict[str, Callable[[NDArray[np.float64]], np.float64]] = {
    "AVERage": np.mean,
    "MINimum": np.min,
    "MAXimum": np.max,
    "PK2Pk": np.ptp,
    "STDDev": np.std,
}


def enter(table: CommandTable[Instrument]) -> None:
    """Enter the commands of this file into a table."""
    _enter_buffers(table)
    _enter_readings(table)


def _enter_buffers(table: CommandTable[Instrument]) -> None:
    table.add(":TRACe:MAKE", _make)
    table.add(":TRACe:DELete", _delete)
    table.add(":TRACe:CLEar", _clear)
    table.add(":TRACe:POINts", _resize)
    table.add(":TRACe:POINts?", lambda instrument, call: str(_buffer(instrument, call, 0).capacity))
    table.add(":TRACe:FILL:MODE", _set_mode)
    table.add(":TRACe:FILL:MODE?", lambda instrument, call: _buffer(instrument, call, 0).mode)
    table.add(":TRACe:LOG:STATe", _set_logs)
    table.add(":TRACe:LOG:STATe?", lambda instrument, call: str(int(_buffer(instrument, call, 0).logs)))
    table.add(":TRACe:ACTual?", lambda instrument, call: str(_buffer(instrument, call, 0).count))
    table.add(":TRACe:ACTual:STARt?", lambda instrument, call: str(_buffer(instrument, call, 0).first_position))
    table.add(":TRACe:ACTual:END?", lambda instrument, call: str(_buffer(instrument, call, 0).last_position))
    table.add(":TRACe:TRIGger", _trigger)
    table.add(":TRACe:DATA?", _data)
    for word in _STATISTICS:
        table.add(f":TRACe:STATistics:{word}?", partial(_statistic, word=word))


def _buffer(instrument: Instrument, call: Call, index: int) -> ReadingBuffer:
    return instrument.buffers.get(call.text(index) if call.has(index) else _DEFAULT)


def _unused(instrument: Instrument, buffer: ReadingBuffer) -> ReadingBuffer:
    """Raises CommandError when a running model uses a buffer [code -221 unverified]."""
    model = instrument.trigger_model
    if model.running and any(block.buffer_name() == buffer.name for block in model.blocks.values()):
        raise CommandError(SETTINGS_CONFLICT[0], f"{SETTINGS_CONFLICT[1]}; buffer is in use")
    return buffer


def _make(instrument: Instrument, call: Call) -> None:
    call.at_most(3)
    style = call.word(2, _STYLES) if call.has(2) else "STAN"
    if style not in LARGEST_CAPACITY:
        raise CommandError(*ILLEGAL_VALUE)
    name = call.text(0)
    instrument.buffers.make(name, call.integer(1, SMALLEST_CAPACITY, LARGEST_CAPACITY[style]), style)


def _delete(instrument: Instrument, call: Call) -> None:
    name = call.text(0)
    _unused(instrument, instrument.buffers.get(name))
    instrument.buffers.delete(name)


def _clear(instrument: Instrument, call: Call) -> None:
    _unused(instrument, _buffer(instrument, call, 0)).clear()


def _resize(instrument: Instrument, call: Call) -> None:
    buffer = _unused(instrument, _buffer(instrument, call, 1))
    instrument.buffers.resize(buffer.name, call.integer(0, SMALLEST_CAPACITY, LARGEST_CAPACITY[buffer.style]))


def _set_mode(instrument: Instrument, call: Call) -> None:
    mode = call.word(0, ("CONTinuous", "ONCE"))
    _unused(instrument, _buffer(instrument, call, 1)).set_mode(mode)


def _set_logs(instrument: Instrument, call: Call) -> None:
    _buffer(instrument, call, 1).logs = call.flag(0)


def _data(instrument: Instrument, call: Call) -> str | bytes:
    limits = call.integer(0, 1, 2**31), call.integer(1, 1, 2**31)
    buffer = _buffer(instrument, call, 2)
    names = _names(instrument, call, 3)
    return encode(buffer, buffer.rows(*limits), names, instrument.settings)


def _names(instrument: Instrument, call: Call, first_index: int) -> tuple[str, ...]:
    binary = instrument.settings.word("FORM:DATA") != "ASC"
    return element_names(call.parameters, first_index, binary=binary)


def _statistic(instrument: Instrument, call: Call, *, word: str) -> str:
    buffer = _buffer(instrument, call, 0)
    if not buffer.count:
        raise CommandError(*STALE_DATA)
    return number_format(0) % float(_STATISTICS[word](buffer.rows(1, buffer.count).reading))


def _enter_readings(table: CommandTable[Instrument]) -> None:
    table.add(":READ?", _read)
    table.add(":FETCh?", _fetch)
    table.add(":MEASure?", _read)
    for name, word in SENSE_FUNCTIONS.items():
        table.add(f":MEASure:{word}?", partial(_measure, name=name))


def _trigger(instrument: Instrument, call: Call) -> None:
    _take(instrument, _buffer(instrument, call, 0))


def _take(instrument: Instrument, buffer: ReadingBuffer) -> None:
    if instrument.trigger_model.running:
        raise CommandError(*INIT_IGNORED)
    instrument.take_readings(buffer.name, int(instrument.settings.number("SENS:COUN")))


def _read(instrument: Instrument, call: Call) -> str | bytes:
    buffer, names = _buffer(instrument, call, 0), _names(instrument, call, 1)
    _take(instrument, buffer)
    return _newest(instrument, buffer, names)


def _measure(instrument: Instrument, call: Call, *, name: str) -> str | bytes:
    instrument.change(instrument.settings.table["SENS:FUNC"], name)
    return _read(instrument, call)


def _fetch(instrument: Instrument, call: Call) -> str | bytes:
    return _newest(instrument, _buffer(instrument, call, 0), _names(instrument, call, 1))


def _newest(instrument: Instrument, buffer: ReadingBuffer, names: tuple[str, ...]) -> str | bytes:
    at = buffer.last_position
    if not at:
        raise CommandError(*STALE_DATA)
    return encode(buffer, buffer.rows(at, at), names, instrument.settings)

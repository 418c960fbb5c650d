"""Common commands, the event log, status, format and everything else about the instrument as a whole."""

import re
from datetime import UTC, datetime

from simulators.keithley.events import (
    ANY_KIND,
    ILLEGAL_VALUE,
    NO_ENTRY,
    CommandError,
    EventKind,
    StatusGroup,
)
from simulators.keithley.instrument import Instrument
from simulators.keithley.scpi import Call, CommandTable

_KINDS = {
    "ERR": EventKind.ERROR,
    "WARN": EventKind.WARNING,
    "INF": EventKind.INFORMATION,
    "ALL": ANY_KIND,
}
_KIND_NAMES = ("ERRor", "WARNing", "INFormation", "ALL")
_USER_EVENT = {EventKind.ERROR: 1001, EventKind.WARNING: 1002, EventKind.INFORMATION: 1003}
_SILENT = (
    ":SYSTem:BEEPer[:IMMediate]",
    ":SYSTem:COMMunication:LAN:CONFigure",
    ":DISPlay:SCReen",
    ":DISPlay:CLEar",
    ":DISPlay:LIGHt:STATe",
    ":DISPlay:USER<2>:TEXT[:DATA]",
    ":TRIGger:CONTinuous",
)
_WHITE = re.compile(r"[ -~]*")


def enter(table: CommandTable[Instrument]) -> None:
    """Enter the commands of this file into a table."""
    _enter_common(table)
    _enter_log(table)
    _enter_status(table)
    for header in _SILENT:
        table.add(header, lambda _instrument, _call: None)
    table.add(":SYSTem:POSetup", _set_power_on_setup)
    table.add(":SYSTem:POSetup?", lambda instrument, _call: instrument.settings.word("SYST:POS"))
    table.add(":SYSTem:TIME", _set_time)
    table.add(":SYSTem:TIME?", _time)
    table.add(":SYSTem:VERSion?", lambda _instrument, _call: "1996.0")
    table.add(":SYSTem:LFRequency?", lambda instrument, _call: f"{instrument.line_frequency_hertz:.0f}")


def _enter_common(table: CommandTable[Instrument]) -> None:
    table.add("*IDN?", _identity)
    table.add("*LANG", _set_language)
    table.add("*LANG?", lambda instrument, _call: instrument.stored_language)
    table.add("*SAV", lambda instrument, call: instrument.save(call.integer(0, 0, 4)))
    table.add("*RCL", _recall_setup)
    table.add("*RST", lambda instrument, _call: instrument.reset())
    table.add("*CLS", _clear_all)
    table.add("*ESR?", _standard_event)
    table.add("*ESE", _set_standard_enable)
    table.add("*ESE?", lambda instrument, _call: str(instrument.status.standard_enable))
    table.add("*STB?", _status_byte)
    table.add("*SRE", _set_request_enable)
    table.add("*SRE?", lambda instrument, _call: str(instrument.status.request_enable))
    table.add("*OPC", _want_completion)
    table.add("*OPC?", lambda _instrument, _call: "1")
    table.add("*WAI", lambda _instrument, _call: None)
    table.add("*TRG", lambda instrument, _call: instrument.trigger_events.emit("COMM", instrument.now_ns))
    table.add("*TST?", lambda _instrument, _call: "0")


def _set_language(instrument: Instrument, call: Call) -> None:
    """Stored over power cycles; it acts after the next one."""
    instrument.stored_language = call.word(0, ("SCPI", "TSP", "SCPI2400"))


def _recall_setup(instrument: Instrument, call: Call) -> None:
    instrument.require_idle()
    instrument.recall_setup(call.integer(0, 0, 4))


def _set_power_on_setup(instrument: Instrument, call: Call) -> None:
    name = call.word(0, ("RST", "SAV0", "SAV1", "SAV2", "SAV3", "SAV4"))
    instrument.settings.put("SYST:POS", name)
    instrument.start_with(None if name == "RST" else int(name[-1]))


def _identity(instrument: Instrument, _call: Call) -> str:
    """The maker has an INC. behind it with firmware 1.0 [manual 2450B]."""
    maker = "KEITHLEY INSTRUMENTS" + (" INC." if instrument.firmware.startswith("1.0.") else "")
    return f"{maker},MODEL {instrument.model.name},{instrument.serial_number},{instrument.firmware}"


def _clear_all(instrument: Instrument, _call: Call) -> None:
    instrument.status.clear()
    instrument.events_log.clear()


def _standard_event(instrument: Instrument, _call: Call) -> str:
    instrument.complete_operations()
    value, instrument.status.standard_event = instrument.status.standard_event, 0
    return str(value)


def _set_standard_enable(instrument: Instrument, call: Call) -> None:
    instrument.status.standard_enable = call.integer(0, 0, 255)


def _set_request_enable(instrument: Instrument, call: Call) -> None:
    instrument.status.request_enable = call.integer(0, 0, 255)


def _want_completion(instrument: Instrument, _call: Call) -> None:
    instrument.completion_wanted = True
    instrument.complete_operations()


def _status_byte(instrument: Instrument, _call: Call) -> str:
    return str(instrument.status_byte(message_waits=instrument.message_waits))


def _enter_log(table: CommandTable[Instrument]) -> None:
    table.add(":SYSTem:ERRor[:NEXT]?", lambda instrument, _call: _next(instrument, EventKind.ERROR))
    table.add(":SYSTem:ERRor:CODE[:NEXT]?", _next_code)
    table.add(":SYSTem:ERRor:COUNt?", lambda instrument, _call: str(instrument.events_log.count(EventKind.ERROR)))
    table.add(":SYSTem:EVENtlog:NEXT?", lambda instrument, call: _next(instrument, _kinds(call)))
    table.add(":SYSTem:EVENtlog:COUNt?", lambda instrument, call: str(instrument.events_log.count(_kinds(call))))
    table.add(":SYSTem:EVENtlog:POST", _post)
    table.add(":SYSTem:CLEar", lambda instrument, _call: instrument.events_log.clear())


def _kinds(call: Call) -> EventKind:
    return _KINDS[call.word(0, _KIND_NAMES)] if call.has(0) else ANY_KIND


def _next(instrument: Instrument, kinds: EventKind) -> str:
    entry = instrument.events_log.take(kinds)
    return entry.reply() if entry else NO_ENTRY


def _next_code(instrument: Instrument, _call: Call) -> str:
    entry = instrument.events_log.take(EventKind.ERROR)
    return str(entry.code if entry else 0)


def _post(instrument: Instrument, call: Call) -> None:
    message = call.text(0)
    kind = _kinds(Call(call.parameters[1:]))
    if kind not in _USER_EVENT or not _WHITE.fullmatch(message):
        raise CommandError(*ILLEGAL_VALUE)
    instrument.log(_USER_EVENT[kind], f"User: {message}", kind)


def _enter_status(table: CommandTable[Instrument]) -> None:
    table.add(":STATus:CLEar", lambda instrument, _call: instrument.status.clear())
    table.add(":STATus:PRESet", lambda instrument, _call: instrument.status.preset())
    for name, word in (("operation", "OPERation"), ("questionable", "QUEStionable")):
        _enter_group(table, name, f":STATus:{word}")


def _enter_group(table: CommandTable[Instrument], name: str, header: str) -> None:
    def group(instrument: Instrument) -> StatusGroup:
        return instrument.status.operation if name == "operation" else instrument.status.questionable

    def read_event(instrument: Instrument, _call: Call) -> str:
        value, group(instrument).event = group(instrument).event, 0
        return str(value)

    def set_enable(instrument: Instrument, call: Call) -> None:
        group(instrument).enable = call.integer(0, 0, 65535)

    def set_map(instrument: Instrument, call: Call) -> None:
        clears = call.integer(2, 0, 9999) if call.has(2) else 0
        group(instrument).mapping[call.integer(0, 0, 14)] = (call.integer(1, 0, 9999), clears)

    table.add(f"{header}[:EVENt]?", read_event)
    table.add(f"{header}:CONDition?", lambda instrument, _call: str(group(instrument).condition))
    table.add(f"{header}:ENABle", set_enable)
    table.add(f"{header}:ENABle?", lambda instrument, _call: str(group(instrument).enable))

    def read_map(instrument: Instrument, call: Call) -> str:
        pair = group(instrument).mapping.get(call.integer(0, 0, 14), (0, 0))
        return f"{pair[0]},{pair[1]}"

    table.add(f"{header}:MAP", set_map)
    table.add(f"{header}:MAP?", read_map)


def _set_time(instrument: Instrument, call: Call) -> None:
    year = call.integer(0, 1970, 2200)
    month, day, hour, minute, second = (call.integer(index, 0, 60) for index in range(1, 6))
    try:
        date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise CommandError(*ILLEGAL_VALUE) from error
    instrument.clock_offset_ns = int(date.timestamp()) * 1_000_000_000 - instrument.now_ns


def _time(instrument: Instrument, call: Call) -> str:
    stamp_second = instrument.stamp_ns(instrument.now_ns) // 1_000_000_000
    if call.has(0) and call.at(0) == "1":
        return f"{datetime.fromtimestamp(stamp_second, tz=UTC):%a %b %d %H:%M:%S %Y}"
    return str(stamp_second)

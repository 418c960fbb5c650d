"""The trigger model's blocks, timers and run control, as they are programmed and asked for."""

from collections.abc import Callable
from functools import partial

from simulators.keithley import blocks, templates
from simulators.keithley.blocks import INFINITE, Block
from simulators.keithley.elements import number_format
from simulators.keithley.events import ILLEGAL_VALUE, OUT_OF_RANGE, SETTINGS_CONFLICT, CommandError
from simulators.keithley.instrument import Instrument
from simulators.keithley.scpi import Call, CommandTable, match_word
from simulators.keithley.timers import EVENT_NAMES, Timer

MOST_BLOCKS = 255
LARGEST_COUNT = 268_435_455
_BIG = 9.9e37
_LIMIT_KINDS = ("ABOVe", "BELow", "INside", "OUTside")
_LOG_LEVELS = (
    *(f"INFO{n}" for n in range(1, 5)),
    *(f"WARNing{n}" for n in range(1, 5)),
    *(f"ERRor{n}" for n in range(1, 5)),
    "ABORt",
)
_USER_DELAYS = (*(f"SOURce{n}" for n in range(1, 6)), *(f"MEASure{n}" for n in range(1, 6)))
_DEFAULT = "defbuffer1"

Reader = Callable[[Instrument, Call], Block]


def enter(table: CommandTable[Instrument]) -> None:
    """Enter the commands of this file into a table."""
    for header, reader in _READERS.items():
        table.add(f":TRIGger:BLOCk:{header}", partial(_put, reader=reader))
    table.add(":TRIGger:BLOCk:BRANch:COUNter:COUNt?", _counted)
    table.add(":TRIGger:BLOCk:LIST?", _list)
    table.add(":TRIGger:LOAD", _load)
    table.add(":INITiate[:IMMediate]", lambda instrument, _call: instrument.trigger_model.start(instrument.now_ns))
    table.add(":ABORt", lambda instrument, _call: instrument.trigger_model.abort(instrument.now_ns))
    table.add(":TRIGger:PAUSe", lambda instrument, _call: instrument.trigger_model.pause(instrument.now_ns))
    table.add(":TRIGger:RESume", lambda instrument, _call: instrument.trigger_model.resume(instrument.now_ns))
    table.add(":TRIGger:STATe?", _state)
    _enter_timers(table)


def _put(instrument: Instrument, call: Call, *, reader: Reader) -> None:
    instrument.require_idle()
    number = call.integer(0, 1, MOST_BLOCKS)
    instrument.trigger_model.put(number, reader(instrument, call), instrument.now_ns)


def _target(call: Call, index: int) -> int:
    return call.integer(index, 0, MOST_BLOCKS)


def _measure_block(call: Call, index: int) -> int:
    return _target(call, index) if call.has(index) else 0


def _buffer_name(instrument: Instrument, call: Call, index: int) -> str:
    name = call.text(index) if call.has(index) else _DEFAULT
    return instrument.buffers.get(name).name


def _reading_count(call: Call, index: int) -> int:
    if not call.has(index):
        return 1
    if call.at(index).upper() in {"INF", "INFINITE", "AUTO"}:
        return INFINITE
    return call.integer(index, 0, LARGEST_COUNT, 1)


def _delay_ns(call: Call, index: int, low_second: float = 167e-9, high_second: float = 10_000.0) -> int:
    second = call.number(index, 0.0, high_second, 0.0)
    if 0.0 < second < low_second:
        raise CommandError(*OUT_OF_RANGE)
    return round(second * 1e9)


def _log_level(call: Call, index: int) -> str:
    return call.word(index, _LOG_LEVELS)


def _read_clear(instrument: Instrument, call: Call) -> Block:
    call.at_most(2)
    return blocks.BufferClear(_buffer_name(instrument, call, 1))


def _read_source(_instrument: Instrument, call: Call) -> Block:
    call.at_most(2)
    return blocks.SourceState(call.flag(1))


def _read_measure(instrument: Instrument, call: Call, *, name: str) -> Block:
    call.at_most(3)
    return blocks.Measure(_buffer_name(instrument, call, 1), _reading_count(call, 2), name)


def _read_delay(_instrument: Instrument, call: Call) -> Block:
    call.at_most(2)
    return blocks.Delay(_delay_ns(call, 1))


def _read_user_delay(_instrument: Instrument, call: Call) -> Block:
    return blocks.UserDelay(call.word(1, _USER_DELAYS))


def _read_wait(_instrument: Instrument, call: Call) -> Block:
    """`n,event[,ENT|NEV[,AND|OR,event[,event]]]`."""
    call.at_most(6)
    events = [call.word(1, EVENT_NAMES), *(call.word(index, EVENT_NAMES) for index in range(4, len(call)))]
    clears = call.word(2, ("NEVer", "ENTer")) == "ENT" if call.has(2) else False
    joins = call.word(3, ("OR", "AND")) == "AND" if call.has(3) else False
    return blocks.Wait(tuple(events), clears, joins)


def _read_limit(_instrument: Instrument, call: Call) -> Block:
    call.at_most(6)
    low, high = sorted((call.number(2, -_BIG, _BIG), call.number(3, -_BIG, _BIG)))
    return blocks.BranchLimit(_target(call, 4), _measure_block(call, 5), call.word(1, _LIMIT_KINDS), low, high)


def _read_dynamic_limit(_instrument: Instrument, call: Call) -> Block:
    call.at_most(5)
    kind, limit = call.word(1, _LIMIT_KINDS), call.integer(2, 1, 2)
    return blocks.BranchDynamicLimit(_target(call, 3), _measure_block(call, 4), kind, limit)


def _read_delta(_instrument: Instrument, call: Call) -> Block:
    call.at_most(4)
    return blocks.BranchDelta(_target(call, 2), _measure_block(call, 3), call.number(1, -_BIG, _BIG))


def _read_counter(_instrument: Instrument, call: Call) -> Block:
    call.at_most(3)
    return blocks.BranchCounter(call.integer(1, 1, LARGEST_COUNT), _target(call, 2))


def _read_reset(_instrument: Instrument, call: Call) -> Block:
    return blocks.ResetCounter(call.integer(1, 1, MOST_BLOCKS))


def _read_always(_instrument: Instrument, call: Call) -> Block:
    call.at_most(2)
    return blocks.BranchAlways(_target(call, 1))


def _read_event(_instrument: Instrument, call: Call) -> Block:
    call.at_most(3)
    return blocks.BranchEvent(call.word(1, EVENT_NAMES), _target(call, 2))


def _read_once(_instrument: Instrument, call: Call, *, excluded: bool) -> Block:
    return blocks.BranchOnce(_target(call, 1), excluded)


def _read_recall(instrument: Instrument, call: Call) -> Block:
    """`n,"list"[,i[,"list2"[,j]]]`; the lists must exist."""
    lists = [(call.text(1), call.integer(2, 1, 300_000) if call.has(2) else 1)]
    if call.has(3):
        lists.append((call.text(3), call.integer(4, 1, 300_000) if call.has(4) else 1))
    _must_exist(instrument, [name for name, _index in lists])
    return blocks.Recall(tuple(lists))


def _read_follow(instrument: Instrument, call: Call, *, step: int) -> Block:
    names = [call.text(index) for index in range(1, max(len(call), 2))]
    _must_exist(instrument, names)
    return blocks.Recall(tuple((name, None) for name in names), step)


def _must_exist(instrument: Instrument, names: list[str]) -> None:
    """Each a list there is; of two, one of the source and one of the sense side [manual 2461A]."""
    kinds = []
    for name in names:
        kinds.append(name in instrument.source_lists.names())
        if not kinds[-1]:
            instrument.sense_lists.get(name)
    if len(set(kinds)) < len(kinds):
        raise CommandError(*SETTINGS_CONFLICT)


def _read_log(_instrument: Instrument, call: Call) -> Block:
    message = call.text(2) if call.has(2) else ""
    if len(message) > 31:
        raise CommandError(*ILLEGAL_VALUE)
    return blocks.LogEvent(_log_level(call, 1), message)


def _read_lines(_instrument: Instrument, call: Call) -> Block:
    mask = call.integer(2, 0, 63) if call.has(2) else 63
    return blocks.DigitalLines(call.integer(1, 0, 63), mask)


_READERS: dict[str, Reader] = {
    "BUFFer:CLEar": _read_clear,
    "SOURce:STATe": _read_source,
    "MEASure": partial(_read_measure, name="MEASURE"),
    "MDIGitize": partial(_read_measure, name="MEASURE_DIGITIZE"),
    "DELay:CONStant": _read_delay,
    "DELay:DYNamic": _read_user_delay,
    "WAIT": _read_wait,
    "BRANch:LIMit:CONStant": _read_limit,
    "BRANch:LIMit:DYNamic": _read_dynamic_limit,
    "BRANch:DELTa": _read_delta,
    "BRANch:COUNter": _read_counter,
    "BRANch:COUNter:RESet": _read_reset,
    "BRANch:ALWays": _read_always,
    "BRANch:EVENt": _read_event,
    "BRANch:ONCE": partial(_read_once, excluded=False),
    "BRANch:ONCE:EXCLuded": partial(_read_once, excluded=True),
    "CONFig:RECall": _read_recall,
    "CONFig:NEXT": partial(_read_follow, step=1),
    "CONFig:PREVious": partial(_read_follow, step=-1),
    "NOTify": lambda _instrument, call: blocks.Notify(call.integer(1, 1, 8)),
    "LOG:EVENt": _read_log,
    "DIGital:IO": _read_lines,
    "NOP": lambda _instrument, _call: blocks.Nop(),
}


def _counted(instrument: Instrument, call: Call) -> str:
    number = call.integer(0, 1, MOST_BLOCKS)
    if not isinstance(instrument.trigger_model.blocks.get(number), blocks.BranchCounter):
        raise CommandError(*ILLEGAL_VALUE)
    return str(instrument.trigger_model.counters.get(number, 0))


def _list(instrument: Instrument, _call: Call) -> str:
    """One line a block; the line ends are those of a message [unverified over sockets]."""
    listed = sorted(instrument.trigger_model.blocks.items())
    return "\n".join(f"{number}) {block.text()}" for number, block in listed) or "Empty"


def _state(instrument: Instrument, _call: Call) -> str:
    state, block = instrument.trigger_model.watch.seen(instrument.now_ns)
    return f"{state};{state};{block}"


def _load(instrument: Instrument, call: Call) -> None:
    instrument.require_idle()
    made: dict[int, Block]
    match call.text(0).upper():
        case "EMPTY":
            made = {}
        case "SIMPLELOOP":
            buffer = _buffer_name(instrument, call, 3)
            delay_ns = _delay_ns(call, 2) if call.has(2) else 0
            made = templates.simple_loop(call.integer(1, 1, LARGEST_COUNT), delay_ns, buffer)
        case "DURATIONLOOP":
            buffer = _buffer_name(instrument, call, 3)
            delay_ns = _delay_ns(call, 2) if call.has(2) else 0
            _prepare_duration(instrument, call.number(1, 167e-9, 100e3))
            made = templates.duration_loop(delay_ns, buffer)
        case "LOOPUNTILEVENT":
            made = _loop_until_event(instrument, call)
        case "CONFIGLIST":
            made = _configuration_list(instrument, call)
        case _:
            raise CommandError(*ILLEGAL_VALUE)
    instrument.trigger_model.load(made, instrument.now_ns)


def _loop_until_event(instrument: Instrument, call: Call) -> dict[int, Block]:
    """`event,position[,clear][,delay[,"buffer"]]`; the position is in per cent of the buffer."""
    event, position = call.word(1, EVENT_NAMES), call.number(2, 0.0, 100.0)
    clears = call.has(3) and match_word(call.at(3), ("ENTer", "NEVer")) is not None
    following = 4 if clears else 3
    buffer = instrument.buffers.get(_buffer_name(instrument, call, following + 1))
    delay_ns = _delay_ns(call, following) if call.has(following) else 0
    after = round(buffer.capacity * (1 - position / 100))
    return templates.loop_until_event(event, delay_ns, buffer.name, after)


def _configuration_list(instrument: Instrument, call: Call) -> dict[int, Block]:
    """`"measureList"[,"sourceList"[,delay[,"buffer"]]]`."""
    measure_list, source_list = call.text(1), call.text(2) if call.has(2) else None
    points = len(instrument.sense_lists.get(measure_list))
    if source_list is not None:
        points = max(points, len(instrument.source_lists.get(source_list)))
    delay_ns = _delay_ns(call, 3) if call.has(3) else 0
    return templates.configuration_list(measure_list, source_list, points, delay_ns, _buffer_name(instrument, call, 4))


def _prepare_duration(instrument: Instrument, second: float) -> None:
    timer = Timer(delay_ns=max(round(second * 1e9), 1), stimulus=f"NOT{templates.DURATION_NOTIFIER}", enabled=True)
    instrument.trigger_events.timers[templates.DURATION_TIMER] = timer


def _enter_timers(table: CommandTable[Instrument]) -> None:
    header = ":TRIGger:TIMer<4>"
    table.add(f"{header}:DELay", _set_delay)
    table.add(f"{header}:DELay?", lambda instrument, call: number_format(0) % (_timer(instrument, call).delay_ns / 1e9))
    table.add(f"{header}:COUNt", _set_count)
    table.add(f"{header}:COUNt?", lambda instrument, call: str(_timer(instrument, call).count))
    table.add(f"{header}:STARt:STIMulus", _set_stimulus)
    table.add(f"{header}:STARt:STIMulus?", lambda instrument, call: _timer(instrument, call).stimulus)
    table.add(f"{header}:STARt:GENerate", _set_generate)
    table.add(f"{header}:STARt:GENerate?", lambda instrument, call: str(int(_timer(instrument, call).generate)))
    for word, name, largest in (
        ("SEConds", "start_second", 2_147_483_647.0),
        ("FRACtional", "start_fraction", 0.999_999),
    ):
        table.add(f"{header}:STARt:{word}", partial(_set_start, name=name, largest=largest))
        table.add(f"{header}:STARt:{word}?", partial(_ask_start, name=name))
    table.add(f"{header}:STARt:OVERrun?", lambda instrument, call: str(int(_timer(instrument, call).overrun)))
    table.add(f"{header}:STATe", _set_enabled)
    table.add(f"{header}:STATe?", lambda instrument, call: str(int(_timer(instrument, call).enabled)))
    table.add(f"{header}:CLEar", _clear_timer)


def _timer(instrument: Instrument, call: Call) -> Timer:
    return instrument.trigger_events.timers[f"TIM{call.numbers[-1]}"]


def _idle_timer(instrument: Instrument, call: Call) -> Timer:
    """Raises CommandError when the timer is enabled: it must be disabled before it is changed."""
    instrument.require_idle()
    timer = _timer(instrument, call)
    if timer.enabled:
        raise CommandError(SETTINGS_CONFLICT[0], f"{SETTINGS_CONFLICT[1]}; timer is enabled")
    return timer


def _set_delay(instrument: Instrument, call: Call) -> None:
    _idle_timer(instrument, call).delay_ns = round(call.number(0, 8e-6, 100e3, 10e-6) * 1e9)


def _set_count(instrument: Instrument, call: Call) -> None:
    _idle_timer(instrument, call).count = call.integer(0, 0, 1_048_575, 1)


def _set_stimulus(instrument: Instrument, call: Call) -> None:
    """Timers as stimulus of timers aren't there."""
    timer, event = _idle_timer(instrument, call), call.word(0, EVENT_NAMES)
    if event.startswith("TIM"):
        raise CommandError(*ILLEGAL_VALUE)
    timer.stimulus = event


def _set_generate(instrument: Instrument, call: Call) -> None:
    _idle_timer(instrument, call).generate = call.flag(0)


def _set_start(instrument: Instrument, call: Call, *, name: str, largest: float) -> None:
    setattr(_idle_timer(instrument, call), name, call.number(0, 0.0, largest, 0.0))


def _ask_start(instrument: Instrument, call: Call, *, name: str) -> str:
    return number_format(0) % float(getattr(_timer(instrument, call), name))


def _set_enabled(instrument: Instrument, call: Call) -> None:
    instrument.require_idle()
    timer, on = _timer(instrument, call), call.flag(0)
    if on:
        timer.enable(instrument.now_ns, instrument.clock_offset_ns)
    else:
        timer.disable(instrument.now_ns)


def _clear_timer(instrument: Instrument, call: Call) -> None:
    _timer(instrument, call).overrun = False

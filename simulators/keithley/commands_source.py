"""Settings of the source, the sense side and the output, and configuration lists."""

from collections.abc import Callable
from functools import partial

from simulators.keithley.analog import source_range
from simulators.keithley.elements import number_format
from simulators.keithley.events import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    SETTINGS_CONFLICT,
    CommandError,
    EventKind,
)
from simulators.keithley.instrument import Instrument
from simulators.keithley.models import MODELS, RANGE_OVERREACH, smallest_range
from simulators.keithley.scpi import LEVEL_NAMES, Call, CommandTable, Handler, match_word
from simulators.keithley.settings import (
    OFF_STATES,
    SENSE_FUNCTIONS,
    SOURCE_FUNCTIONS,
    ConfigurationLists,
    Flag,
    Number,
    Value,
    settings_of,
)

_NUMBER_FORMAT = number_format(0)
_SENSE_NAMES = {"VOLT": '"VOLT:DC"', "CURR": '"CURR:DC"', "RES": '"RES"'}
_SENSE_WORDS = {
    **dict.fromkeys(("VOLT", "VOLTAGE", "VOLT:DC", "VOLTAGE:DC"), "VOLT"),
    **dict.fromkeys(("CURR", "CURRENT", "CURR:DC", "CURRENT:DC"), "CURR"),
    **dict.fromkeys(("RES", "RESISTANCE"), "RES"),
}


def enter(table: CommandTable[Instrument]) -> None:
    """Enter the commands of this file into a table."""
    for setting in settings_of(MODELS["2450"]).values():
        if setting.header:
            _enter_setting(table, setting.header, setting.key)
    _enter_source(table)
    _enter_sense(table)
    _enter_output(table)
    _enter_lists(table, ":SOURce[1]", lambda instrument: instrument.source_lists)
    _enter_lists(table, ":SENSe[1]", lambda instrument: instrument.sense_lists)


def _enter_setting(
    table: CommandTable[Instrument], header: str, key: str, setter: Handler[Instrument] | None = None
) -> None:
    table.add(header, setter or partial(_set, key=key))
    table.add(f"{header}?", partial(_ask, key=key))


def _set(instrument: Instrument, call: Call, *, key: str) -> None:
    call.at_most(1)
    instrument.change(instrument.settings.table[key], _read_value(instrument, call, key))


def _read_value(instrument: Instrument, call: Call, key: str) -> Value:
    kind = instrument.settings.table[key].kind
    if isinstance(kind, Flag):
        return call.flag(0)
    if isinstance(kind, Number):
        read = call.integer(0, int(kind.low), int(kind.high), int(kind.default)) if kind.whole else None
        return call.number(0, kind.low, kind.high, kind.default) if read is None else read
    return call.word(0, kind.names)


def _ask(instrument: Instrument, call: Call, *, key: str) -> str:
    kind, value = instrument.settings.table[key].kind, instrument.settings.value(key)
    if isinstance(kind, Flag):
        return str(int(bool(value)))
    if isinstance(kind, Number):
        named = match_word(call.at(0), LEVEL_NAMES) if call.has(0) else ""
        if named is None:
            raise CommandError(*ILLEGAL_VALUE)
        number = {"MIN": kind.low, "MAX": kind.high, "DEF": kind.default}.get(named, float(value))
        return f"{int(number)}" if kind.whole else _NUMBER_FORMAT % number
    return str(value)


def _enter_source(table: CommandTable[Instrument]) -> None:
    table.add(":SOURce[1]:DELay", _set_delays)
    for name, word in SOURCE_FUNCTIONS.items():
        header, key = f":SOURce[1]:{word}", f"SOUR:{name}"
        limit = "VLIM" if name == "CURR" else "ILIM"
        level = f"{header}[:LEVel][:IMMediate][:AMPLitude]"
        _enter_setting(table, level, f"{key}:LEV", partial(_set_level, name=name))
        _enter_setting(table, f"{header}:DELay", f"{key}:DEL", partial(_set_delay, name=name))
        table.add(f"{header}:RANGe", partial(_set_source_range, name=name))
        table.add(f"{header}:RANGe?", partial(_ask_source_range, name=name))
        _enter_setting(table, f"{header}:RANGe:AUTO", f"{key}:RANG:AUTO", partial(_set_source_auto, name=name))
        _enter_setting(table, f"{header}:{limit}[:LEVel]", f"{key}:{limit}", partial(_set_limit, name=name))
        table.add(f"{header}:{limit}[:LEVel]:TRIPped?", partial(_ask_tripped, name=name))
        _enter_setting(table, f"{header}:PROTection[:LEVel]", "SOUR:PROT")
        table.add(f"{header}:PROTection[:LEVel]:TRIPped?", _ask_protecting)


def _set_delays(instrument: Instrument, call: Call) -> None:
    """A delay for both functions at once; it switches the automatic one off."""
    for name in SOURCE_FUNCTIONS:
        _set_delay(instrument, call, name=name)


def _set_delay(instrument: Instrument, call: Call, *, name: str) -> None:
    _set(instrument, call, key=f"SOUR:{name}:DEL")
    instrument.settings.put(f"SOUR:{name}:DEL:AUTO", value=False)


def _set_level(instrument: Instrument, call: Call, *, name: str) -> None:
    instrument.require_idle()
    call.at_most(1)
    level = _read_value(instrument, call, f"SOUR:{name}:LEV")
    instrument.check_level(name, float(level))
    instrument.change(instrument.settings.table[f"SOUR:{name}:LEV"], level)


def _ranges(instrument: Instrument, name: str) -> tuple[float, ...]:
    return instrument.model.current_ranges_ampere if name == "CURR" else instrument.model.voltage_ranges_volt


def _read_range(call: Call, ranges: tuple[float, ...]) -> float:
    call.at_most(1)
    largest = ranges[-1] * RANGE_OVERREACH
    wanted = call.number(0, -largest, largest, ranges[-1])
    if match_word(call.at(0), LEVEL_NAMES) == "MIN":
        wanted = ranges[0]
    return smallest_range(ranges, wanted, 1.0) or ranges[-1]


def _set_source_range(instrument: Instrument, call: Call, *, name: str) -> None:
    """Choose a fixed range; a level it doesn't hold becomes the largest it does, with a warning [unverified]."""
    instrument.require_idle()
    full_scale = _read_range(call, _ranges(instrument, name))
    level, largest = instrument.settings.number(f"SOUR:{name}:LEV"), full_scale * RANGE_OVERREACH
    if abs(level) > largest * (1 + 1e-12):
        instrument.settings.put(f"SOUR:{name}:LEV", largest if level > 0 else -largest)
        instrument.log(SETTINGS_CONFLICT[0], f"{SETTINGS_CONFLICT[1]}; source level coerced", EventKind.WARNING)
    instrument.settings.put(f"SOUR:{name}:RANG:AUTO", value=False)
    instrument.change(instrument.settings.table[f"SOUR:{name}:RANG"], full_scale)


def _ask_source_range(instrument: Instrument, call: Call, *, name: str) -> str:
    if call.has(0):
        return _ask(instrument, call, key=f"SOUR:{name}:RANG")
    return _NUMBER_FORMAT % source_range(instrument.settings, name, _ranges(instrument, name))


def _set_source_auto(instrument: Instrument, call: Call, *, name: str) -> None:
    instrument.require_idle()
    call.at_most(1)
    auto = call.flag(0)
    if not auto:
        present = source_range(instrument.settings, name, _ranges(instrument, name))
        instrument.settings.put(f"SOUR:{name}:RANG", present)
    instrument.change(instrument.settings.table[f"SOUR:{name}:RANG:AUTO"], auto)


def _set_limit(instrument: Instrument, call: Call, *, name: str) -> None:
    """Set VLIM or ILIM, a magnitude; it must be more than 0.1 % of a fixed measure range [code -221 unverified]."""
    instrument.require_idle()
    call.at_most(1)
    key, measured = ("SOUR:CURR:VLIM", "VOLT") if name == "CURR" else ("SOUR:VOLT:ILIM", "CURR")
    limit = float(_read_value(instrument, call, key))
    fixed = not instrument.settings.flag(f"SENS:{measured}:RANG:AUTO")
    if fixed and limit <= 1e-3 * instrument.settings.number(f"SENS:{measured}:RANG"):
        raise CommandError(*SETTINGS_CONFLICT)
    instrument.change(instrument.settings.table[key], limit)


def _ask_tripped(instrument: Instrument, _call: Call, *, name: str) -> str:
    trips = instrument.limited and not instrument.regulator.protecting
    return str(int(trips and instrument.settings.word("SOUR:FUNC") == name))


def _ask_protecting(instrument: Instrument, _call: Call) -> str:
    return str(int(instrument.output_on and instrument.regulator.protecting))


def _enter_sense(table: CommandTable[Instrument]) -> None:
    table.add(":SENSe[1]:FUNCtion[:ON]", _set_sense_function)
    table.add(":SENSe[1]:FUNCtion[:ON]?", lambda instrument, _call: _SENSE_NAMES[instrument.settings.word("SENS:FUNC")])
    table.add(":SENSe[1]:AZERo:ONCE", lambda instrument, _call: instrument.require_idle())
    for name, word in SENSE_FUNCTIONS.items():
        header = f":SENSe[1]:{word}"
        _enter_setting(table, f"{header}:RSENse", f"SENS:{name}:RSEN", partial(_set_remote_sense, name=name))
        table.add(f"{header}:RANGe[:UPPer]", partial(_set_sense_range, name=name))
        table.add(f"{header}:RANGe[:UPPer]?", partial(_ask, key=f"SENS:{name}:RANG"))
        table.add(f"{header}:RELative:ACQuire", partial(_acquire_relative, name=name))
        for limit in (1, 2):
            failed = f":CALCulate2:{word}:LIMit{limit}"
            table.add(f"{failed}:FAIL?", partial(_ask_failed, name=name, limit=limit))
            table.add(f"{failed}:CLEar[:IMMediate]", partial(_clear_failed, name=name, limit=limit))
        table.add(f"{header}:RANGe:AUTO:ULIMit?", partial(_ask, key=f"SENS:{name}:RANG"))


def _set_sense_function(instrument: Instrument, call: Call) -> None:
    call.at_most(1)
    name = _SENSE_WORDS.get(call.text(0).upper())
    if name is None:
        raise CommandError(*ILLEGAL_VALUE)
    instrument.change(instrument.settings.table["SENS:FUNC"], name)


def _set_remote_sense(instrument: Instrument, call: Call, *, name: str) -> None:
    """Choose 2- or 4-wire; a change with the output on switches it off first."""
    instrument.require_idle()
    call.at_most(1)
    remote = call.flag(0)
    if instrument.output_on and remote != instrument.settings.flag(f"SENS:{name}:RSEN"):
        instrument.set_output(on=False)
    instrument.change(instrument.settings.table[f"SENS:{name}:RSEN"], remote)


def _set_sense_range(instrument: Instrument, call: Call, *, name: str) -> None:
    instrument.require_idle()
    if name == "RES":
        full_scale = call.number(0, 0.0, 200e6, 200e6)
    else:
        full_scale = _read_range(call, _ranges(instrument, name))
    instrument.settings.put(f"SENS:{name}:RANG:AUTO", value=False)
    instrument.change(instrument.settings.table[f"SENS:{name}:RANG"], full_scale)


def _acquire_relative(instrument: Instrument, _call: Call, *, name: str) -> None:
    """Measure, and take the reading for the relative offset; of the function that is measured now."""
    instrument.require_idle()
    if instrument.settings.word("SENS:FUNC") != name:
        raise CommandError(*SETTINGS_CONFLICT)
    setting = instrument.settings.table[f"SENS:{name}:REL:STAT"]
    was_on = instrument.settings.flag(setting.key)
    instrument.change(setting, value=False)
    instrument.settings.put(f"SENS:{name}:REL", instrument.measure_aside())
    instrument.change(setting, was_on)


def _ask_failed(instrument: Instrument, _call: Call, *, name: str, limit: int) -> str:
    is_low, is_high = instrument.limits_failed.get((name, limit), (False, False))
    return {(False, False): "NONE", (True, False): "LOW", (False, True): "HIGH"}.get((is_low, is_high), "BOTH")


def _clear_failed(instrument: Instrument, _call: Call, *, name: str, limit: int) -> None:
    instrument.limits_failed.pop((name, limit), None)


def _enter_output(table: CommandTable[Instrument]) -> None:
    table.add(":OUTPut[1][:STATe]", _set_output)
    table.add(":OUTPut[1][:STATe]?", lambda instrument, _call: str(int(instrument.output_on)))
    table.add(":OUTPut[1]:SMODe", _set_off_states)
    table.add(":OUTPut[1]:INTerlock:TRIPped?", lambda _instrument, _call: "1")
    _enter_setting(table, ":ROUTe:TERMinals", "ROUT:TERM", _set_terminals)


def _set_output(instrument: Instrument, call: Call) -> None:
    call.at_most(1)
    on = call.flag(0)
    instrument.require_idle()
    instrument.set_output(on=on)


def _set_off_states(instrument: Instrument, call: Call) -> None:
    call.at_most(1)
    state = call.word(0, OFF_STATES)
    for name in SOURCE_FUNCTIONS:
        instrument.change(instrument.settings.table[f"OUTP:{name}:SMOD"], state)


def _set_terminals(instrument: Instrument, call: Call) -> None:
    """Choose front or rear, both of which are wired here; a change with the output on switches it off first."""
    instrument.require_idle()
    call.at_most(1)
    side = call.word(0, ("FRONt", "REAR"))
    if instrument.output_on and side != instrument.settings.word("ROUT:TERM"):
        instrument.set_output(on=False)
    instrument.change(instrument.settings.table["ROUT:TERM"], side)


def _enter_lists(
    table: CommandTable[Instrument], header: str, lists: Callable[[Instrument], ConfigurationLists]
) -> None:
    def create(instrument: Instrument, call: Call) -> None:
        lists(instrument).create(call.text(0))
        instrument.forget_place(call.text(0))

    def store(instrument: Instrument, call: Call) -> None:
        values = instrument.settings.group(lists(instrument).group)
        lists(instrument).store(call.text(0), _index(call), values)

    def recall(instrument: Instrument, call: Call) -> None:
        """With a list of the other kind at once, at the same index if none is said."""
        instrument.require_idle()
        call.at_most(4)
        index = _index(call) or 1
        instrument.recall_now(lists(instrument), call.text(0), index)
        if call.has(2):
            own = lists(instrument)
            other = instrument.sense_lists if own is instrument.source_lists else instrument.source_lists
            instrument.recall_now(other, call.text(2), call.integer(3, 1, 300_000) if call.has(3) else index)

    def delete(instrument: Instrument, call: Call) -> None:
        instrument.require_idle()
        lists(instrument).delete(call.text(0), _index(call))
        if _index(call) is None:
            instrument.forget_place(call.text(0))

    def query(instrument: Instrument, call: Call) -> str:
        values = lists(instrument).recall(call.text(0), _index(call) or 1)
        separator = {1: ",", 2: ";", 3: "\n"}[call.integer(2, 1, 3) if call.has(2) else 1]
        return separator.join(f"{key}={value}" for key, value in values.items())

    def catalog(instrument: Instrument, _call: Call) -> str:
        """One name each time, then an empty one; whether in quotes is [unverified]."""
        return lists(instrument).next_name()

    prefix = f"{header}:CONFiguration:LIST"
    table.add(f"{prefix}:CREate", create)
    table.add(f"{prefix}:STORe", store)
    table.add(f"{prefix}:RECall", recall)
    table.add(f"{prefix}:DELete", delete)
    table.add(f"{prefix}:SIZE?", lambda instrument, call: str(len(lists(instrument).get(call.text(0)))))
    table.add(f"{prefix}:QUERy?", query)
    table.add(f"{prefix}:CATalog?", catalog)


def _index(call: Call) -> int | None:
    if not call.has(1):
        return None
    index = call.integer(1, 0, 300_000)
    if index < 1:
        raise CommandError(*OUT_OF_RANGE)
    return index

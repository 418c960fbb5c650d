"""A segment as SCPI settings of a source-measure unit, with the read-backs that prove them. Pure.

Commands: 2461-901-01 Rev A, sections 5 and 6, cross-checked with 2450-901-01 Rev B. Their composition follows the
maker's open-circuit script for electrochemistry and, for a held voltage, the maker's battery script; neither has been
run on hardware yet [unverified]. The trigger model that runs the segment is in `blocks`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.keithley import ladder
from drivers.keithley.limits import LONGEST_TIMER_SECOND
from drivers.roles import LEAST_POWER_VOLT, PotentiostatLimits, SegmentMode, SegmentProgram

SCRATCH_BUFFER = "defbuffer2"
"""Where readings go that only test the limits."""

LEVEL_LIST = "presscell_levels"
"""The source configuration list that holds the levels of a scan."""

CURRENT_MARK = "_amp"
"""Ends the name of a buffer whose readings are currents; without it they are voltages."""

LIMIT_MARGIN_VOLT = 0.05
"""How far the hardware voltage limit lies outside the largest voltage of the segment."""

OVER_CURRENT = 1.1
"""A current this many times the limit ends a segment that holds a voltage."""

LEVELS_PER_MESSAGE = 20
RUNGS_PER_MESSAGE = 10

_LISTS_OF_A_POWER = (
    (":SOUR:CONF:LIST", f'"{ladder.CURRENT_LIST}"'),
    (":SENS:CONF:LIST", f'"{ladder.BAND_LIST}"'),
)
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,26}")
_SMALLEST_BUFFER = 10
_WHOLE = 1e-9
_SMALLEST_STEP_VOLT = 1e-6
_PROTECTION_VOLT = (2, 5, 10, 20, 40)
_NPLC_OF_A_POWER = 1.0
_NPLC_BY_CUTOFF = ((1.0, 5.0), (0.2, 1.0), (0.0, 0.1))


@dataclass(frozen=True)
class Check:
    """A query and what it must answer: a number (compared within the digits of a reply) or a text."""

    query: str
    expected: float | str


@dataclass(frozen=True)
class CommandGroup:
    """Commands that belong together, one a line, and the read-backs that prove them.

    `may_be_unknown`: a firmware that does not know the command has nothing that would have to be switched off.
    `may_fail`: it clears away what may not be there; that nothing is left of it is proved later.
    """

    name: str
    commands: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    may_be_unknown: bool = False
    may_fail: bool = False


class ProgramError(ValueError):
    """A segment that this model cannot run: which quantity, its value and the bounds of it."""

    def __init__(self, quantity: str, value: float, low: float, high: float) -> None:
        super().__init__(f"{quantity} {value:g} is outside {low:g} to {high:g}")
        self.quantity, self.value, self.low, self.high = quantity, value, low, high


def check_token(token: str) -> str:
    """The token, if it can name a reading buffer; else `ValueError`. The longest name allowed is [unverified]."""
    if _TOKEN.fullmatch(token) is None or token.endswith(CURRENT_MARK):
        raise ValueError(f"{token!r} cannot name a reading buffer")
    return token


def buffer_names(token: str) -> tuple[str, str]:
    """The two names a token's buffer may have: its readings are voltages under the first, currents under the second."""
    return token, token + CURRENT_MARK


def buffer_name(token: str, program: SegmentProgram) -> str:
    """The name of a segment's buffer."""
    return buffer_names(token)[holds_voltage(program)]


def holds_voltage(program: SegmentProgram) -> bool:
    """Whether a voltage is sourced and the current measured."""
    return program.mode not in {SegmentMode.CURRENT, SegmentMode.POWER}


def held_volt(program: SegmentProgram) -> float:
    """The voltage that is sourced first. Only of a program that holds one."""
    volt = program.until_voltage_volt if program.mode is SegmentMode.CLAMPED_CURRENT else program.voltage_volt
    return _given("voltage_volt", volt)


def limit_ampere(program: SegmentProgram) -> float:
    """The limit of the current in size. Only of a program that holds a voltage."""
    if program.mode is SegmentMode.CLAMPED_CURRENT:
        return abs(program.current_ampere)
    return _given("current_limit_ampere", program.current_limit_ampere)


def levels(program: SegmentProgram, limits: PotentiostatLimits) -> tuple[float, ...]:
    """The voltages of a scan, from its first row to its last, each to the step that the model can set."""
    start, end = held_volt(program), _given("end_voltage_volt", program.end_voltage_volt)
    rate = _given("scan_rate_volt_per_second", program.scan_rate_volt_per_second)
    step_volt = math.copysign(rate * program.sampling_second, end - start)
    smallest_volt = limits.voltage_step_volt or _SMALLEST_STEP_VOLT
    exact = (start, *(start + step_volt * number for number in range(1, program.scan_row_count - 1)), end)
    return tuple(round(round(volt / smallest_volt) * smallest_volt, 9) for volt in exact)


def check_program(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    """Raises `ProgramError` unless the model can run the segment as it is."""
    largest_volt = limits.voltage_volt
    lower, upper = program.lower_guard_volt, program.upper_guard_volt
    cutoff, sampling = program.cutoff_second, program.sampling_second
    if program.current_ampere or holds_voltage(program):
        full_scales = [known.full_scale_ampere for known in limits.current_ranges]
        if program.current_range_ampere not in full_scales:
            raise ProgramError("current_range_ampere", program.current_range_ampere, full_scales[0], full_scales[-1])
    _within("lower_guard_volt", lower, -largest_volt, upper)
    _within("upper_guard_volt", upper, lower, largest_volt - LIMIT_MARGIN_VOLT)
    if holds_voltage(program):
        _check_held(program, limits)
    else:
        _check_current(program, limits)
    _within("cutoff_second", cutoff, limits.shortest_cutoff_second, limits.longest_timer_second)
    _within("sampling_second", sampling, cutoff, limits.longest_timer_second)
    if abs(sampling / cutoff - round(sampling / cutoff)) > _WHOLE:
        raise ProgramError("sampling_second", sampling, cutoff, round(sampling / cutoff) * cutoff)
    _within("duration_second", program.duration_second, cutoff, limits.rows_per_segment * sampling)
    if program.mode is SegmentMode.SCAN:
        _check_scan(program, limits)
    _within("rows", buffer_rows(program), 1, limits.rows_per_segment)


def _check_current(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    most_ampere = range_ampere(program, limits) * limits.range_overreach
    _within("current_ampere", program.current_ampere, -most_ampere, most_ampere)
    if program.until_voltage_volt is not None:
        _within("until_voltage_volt", program.until_voltage_volt, program.lower_guard_volt, program.upper_guard_volt)
        _within("current_ampere of a segment until a voltage", abs(program.current_ampere), 1e-12, most_ampere)
    if program.mode is SegmentMode.POWER:
        _check_power(program, limits)


def _check_power(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    watt, volt = program.power_watt, program.lowest_volt
    _within("lowest voltage of a power", volt, LEAST_POWER_VOLT, program.highest_volt * (1 - _WHOLE))
    size, largest = math.nan if watt is None else abs(watt), abs(program.current_ampere)
    _within("power_watt at the lowest voltage", size / volt, largest * (1 - _WHOLE), largest * (1 + _WHOLE))
    _within("sign of power_watt", math.copysign(1.0, watt or 0.0) * program.current_ampere, 1e-12, math.inf)
    _within("steps of the current", ladder.rung_count(program), 1, limits.level_count)


def _check_held(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    is_clamped = program.mode is SegmentMode.CLAMPED_CURRENT
    held_name = "until_voltage_volt" if is_clamped else "voltage_volt"
    limit_name = "current_ampere" if is_clamped else "current_limit_ampere"
    lower, upper = program.lower_guard_volt, program.upper_guard_volt
    held = program.until_voltage_volt if is_clamped else program.voltage_volt
    _within(held_name, math.nan if held is None else held, lower, upper)
    full_scale = program.current_range_ampere
    least_ampere, most_ampere = full_scale * limits.least_limit_fraction, full_scale * limits.range_overreach
    limit = abs(program.current_ampere) if is_clamped else program.current_limit_ampere
    _within(limit_name, math.nan if limit is None else limit, least_ampere * (1 - _WHOLE), most_ampere)
    if program.until_current_ampere is not None:
        most_ampere = limit_ampere(program) if program.mode is SegmentMode.VOLTAGE else 0.0
        _within("until_current_ampere", program.until_current_ampere, 1e-12, most_ampere)
    if not is_clamped:
        _within("current_ampere of a segment that holds a voltage", program.current_ampere, 0.0, 0.0)
        if program.until_voltage_volt is not None:
            raise ProgramError("until_voltage_volt of a held voltage", program.until_voltage_volt, math.nan, math.nan)


def _check_scan(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    end, rate = program.end_voltage_volt, program.scan_rate_volt_per_second
    _within("end_voltage_volt", math.nan if end is None else end, program.lower_guard_volt, program.upper_guard_volt)
    step_volt = (math.nan if rate is None else rate) * program.sampling_second
    smallest_volt = limits.voltage_step_volt or _SMALLEST_STEP_VOLT
    _within("scan_rate_volt_per_second times sampling_second", step_volt, smallest_volt * (1 - _WHOLE), math.inf)
    _within("rows of the scan", program.scan_row_count, 2, limits.level_count)


def row_bound(program: SegmentProgram) -> int:
    """How many rows on the sampling grid a segment may have: its absolute bound, timer or not."""
    in_time = math.ceil(program.duration_second / program.sampling_second - _WHOLE) + 1
    return min(in_time, program.scan_row_count) if program.mode is SegmentMode.SCAN else in_time


def buffer_rows(program: SegmentProgram) -> int:
    """Size of the segment's buffer: it can never be full before the segment ends."""
    return max(_SMALLEST_BUFFER, row_bound(program) + 2)


def has_timer(program: SegmentProgram) -> bool:
    """Whether a timer bounds the segment, or only its count of rows."""
    return program.duration_second <= LONGEST_TIMER_SECOND


def ticks_per_row(program: SegmentProgram) -> int:
    """How many tests of the limits there are for each row."""
    return round(program.sampling_second / program.cutoff_second)


def uses_scratch(program: SegmentProgram) -> bool:
    """Whether there are readings beside the kept ones."""
    return ticks_per_row(program) > 1 or program.mode is SegmentMode.POWER


def range_ampere(program: SegmentProgram, limits: PotentiostatLimits) -> float:
    """The range of the current; 0 A is sourced on the smallest."""
    if program.current_ampere or holds_voltage(program):
        return program.current_range_ampere
    return limits.current_ranges[0].full_scale_ampere


def voltage_limit(program: SegmentProgram) -> float:
    """The hardware limit as a magnitude, for both polarities: outside all that the segment may reach."""
    charging_until = program.until_voltage_volt if program.current_ampere > 0 else None
    highest = program.upper_guard_volt if charging_until is None else charging_until
    return max(abs(highest), abs(program.lower_guard_volt)) + LIMIT_MARGIN_VOLT


def safe_group() -> CommandGroup:
    """Open circuit from any state: the off-state first, since the normal one is a 0 V source that discharges a cell."""
    return CommandGroup(
        "open circuit",
        (":ABOR", ":OUTP:CURR:SMOD HIMP", ":OUTP:VOLT:SMOD HIMP", ":OUTP OFF"),
        (Check(":OUTP:CURR:SMOD?", "HIMP"), Check(":OUTP:VOLT:SMOD?", "HIMP"), Check(":OUTP?", 0)),
    )


def starving_group(limits: PotentiostatLimits) -> CommandGroup:
    """As little current as there can be with an output that stays on, whichever of the two is sourced."""
    smallest_ampere = limits.current_ranges[0].full_scale_ampere
    return CommandGroup(
        "starving",
        (
            ":SOUR:CURR 0",
            f":SOUR:CURR:RANG {_text(smallest_ampere)}",
            f":SENS:CURR:RANG {_text(smallest_ampere)}",
            f":SOUR:VOLT:ILIM {_text(smallest_ampere)}",
        ),
        (Check(":SOUR:CURR?", 0.0), Check(":SOUR:VOLT:ILIM?", smallest_ampere)),
    )


def segment_groups(
    token: str, program: SegmentProgram, limits: PotentiostatLimits, *, buffer_exists: bool, terminals: str
) -> tuple[CommandGroup, ...]:
    """All settings of a segment, the output off, up to but without `:INIT`; the trigger model is `blocks.block_group`.

    `terminals` is "FRON" or "REAR". Nothing is reset: another segment's rows may still be in the instrument.
    """
    holds = holds_voltage(program)
    sensed = "CURR" if holds else "VOLT"
    return (
        _voltage_source_group(program, limits, terminals) if holds else _source_group(program, limits, terminals),
        _measure_group(program, limits),
        CommandGroup("relative offset", (f":SENS:{sensed}:REL:STAT OFF",), may_be_unknown=True),
        *(_level_groups(program, limits) if program.mode is SegmentMode.SCAN else ()),
        *(_rung_groups(program) if program.mode is SegmentMode.POWER else ()),
        _buffer_group(token, program, exists=buffer_exists),
        _timer_group(program),
    )


def _source_group(program: SegmentProgram, limits: PotentiostatLimits, terminals: str) -> CommandGroup:
    current_range, limit_volt = range_ampere(program, limits), voltage_limit(program)
    protection = _protection(limit_volt)
    return CommandGroup(
        "source",
        (
            "*CLS",
            ':TRIG:LOAD "Empty"',
            f":ROUT:TERM {terminals}",
            ":SOUR:FUNC CURR",
            ':SENS:FUNC "VOLT"',
            ":SENS:VOLT:RSEN ON",
            f":SOUR:VOLT:PROT {protection}",
            f":SOUR:CURR:RANG {_text(current_range)}",
            f":SOUR:CURR {_text(program.current_ampere)}",
            f":SOUR:CURR:VLIM {_text(limit_volt)}",
            ":SOUR:CURR:READ:BACK ON",
            ":SOUR:CURR:DEL:AUTO ON",
        ),
        (
            Check(":ROUT:TERM?", terminals),
            Check(":SOUR:FUNC?", "CURR"),
            Check(":SENS:FUNC?", '"VOLT:DC"'),
            Check(":SENS:VOLT:RSEN?", 1),
            Check(":SOUR:VOLT:PROT?", protection),
            Check(":SOUR:CURR:RANG?", current_range),
            Check(":SOUR:CURR?", program.current_ampere),
            Check(":SOUR:CURR:VLIM?", limit_volt),
            Check(":SOUR:CURR:READ:BACK?", 1),
        ),
    )


def _voltage_source_group(program: SegmentProgram, limits: PotentiostatLimits, terminals: str) -> CommandGroup:
    """The limit of the current stands before the voltage does: the first step on to the cell must not pass it."""
    current_range, limit, volt = range_ampere(program, limits), limit_ampere(program), held_volt(program)
    protection = _protection(max(abs(program.upper_guard_volt), abs(program.lower_guard_volt)) + LIMIT_MARGIN_VOLT)
    return CommandGroup(
        "source",
        (
            "*CLS",
            ':TRIG:LOAD "Empty"',
            f":ROUT:TERM {terminals}",
            ":SOUR:FUNC VOLT",
            ':SENS:FUNC "CURR"',
            ":SENS:CURR:RSEN ON",
            f":SENS:CURR:RANG {_text(current_range)}",
            f":SOUR:VOLT:PROT {protection}",
            f":SOUR:VOLT:RANG {_text(limits.voltage_volt)}",
            f":SOUR:VOLT:ILIM {_text(limit)}",
            f":SOUR:VOLT {_text(volt)}",
            ":SOUR:VOLT:READ:BACK ON",
            ":SOUR:VOLT:DEL:AUTO ON",
        ),
        (
            Check(":ROUT:TERM?", terminals),
            Check(":SOUR:FUNC?", "VOLT"),
            Check(":SENS:FUNC?", '"CURR:DC"'),
            Check(":SENS:CURR:RSEN?", 1),
            Check(":SENS:CURR:RANG?", current_range),
            Check(":SOUR:VOLT:PROT?", protection),
            Check(":SOUR:VOLT:RANG?", limits.voltage_volt),
            Check(":SOUR:VOLT:ILIM?", limit),
            Check(":SOUR:VOLT?", volt),
            Check(":SOUR:VOLT:READ:BACK?", 1),
        ),
    )


def _measure_group(program: SegmentProgram, limits: PotentiostatLimits) -> CommandGroup:
    line_cycles = next(nplc for cutoff, nplc in _NPLC_BY_CUTOFF if program.cutoff_second >= cutoff)
    if program.mode is SegmentMode.POWER:
        # At its start every rung may be measured on, one after the other.
        line_cycles = min(line_cycles, _NPLC_OF_A_POWER)
    holds = holds_voltage(program)
    sensed = "CURR" if holds else "VOLT"
    return CommandGroup(
        "measure",
        (
            *(() if holds else (f":SENS:VOLT:RANG {_text(limits.voltage_volt)}",)),
            f":SENS:{sensed}:NPLC {_text(line_cycles)}",
            f":SENS:{sensed}:AZER ON",
            f":SENS:{sensed}:AVER OFF",
            ":SENS:COUN 1",
            ":FORM:DATA ASC",
            ":FORM:ASC:PREC 10",
        ),
        (
            *(() if holds else (Check(":SENS:VOLT:RANG?", limits.voltage_volt),)),
            Check(f":SENS:{sensed}:NPLC?", line_cycles),
            Check(f":SENS:{sensed}:AVER?", 0),
        ),
    )


def _level_groups(program: SegmentProgram, limits: PotentiostatLimits) -> tuple[CommandGroup, ...]:
    """The scan's levels as a configuration list, one point a row, and each point recalled once to prove it.

    A point holds all settings of the source, its limits too; recalling one with the output off changes nothing else.
    """
    volts, limit = levels(program, limits), limit_ampere(program)
    name = f'"{LEVEL_LIST}"'
    store = f":SOUR:CONF:LIST:STOR {name}"
    groups = [
        CommandGroup("old levels", (f":SOUR:CONF:LIST:DEL {name}",), may_fail=True),
        CommandGroup("new levels", (f":SOUR:CONF:LIST:CRE {name}",)),
    ]
    for first in range(0, len(volts), LEVELS_PER_MESSAGE):
        part = volts[first : first + LEVELS_PER_MESSAGE]
        commands = tuple(command for volt in part for command in (f":SOUR:VOLT {_text(volt)}", store))
        stored = Check(f":SOUR:CONF:LIST:SIZE? {name}", first + len(part))
        groups.append(CommandGroup("levels", commands, (stored,)))
    for first in range(0, len(volts), LEVELS_PER_MESSAGE):
        checks: list[Check] = []
        for number, volt in enumerate(volts[first : first + LEVELS_PER_MESSAGE], first + 1):
            recall = f":SOUR:CONF:LIST:REC {name},{number};"
            checks += [Check(f"{recall}:SOUR:VOLT?", volt), Check(":SOUR:VOLT:ILIM?", limit)]
        groups.append(CommandGroup("levels as stored", (), tuple(checks)))
    first_level = Check(":SOUR:VOLT?", volts[0])
    groups.append(CommandGroup("first level", (f":SOUR:VOLT {_text(volts[0])}",), (first_level,)))
    return tuple(groups)


def _rung_groups(program: SegmentProgram) -> tuple[CommandGroup, ...]:
    """The ladder of a power as two configuration lists of the same length, and each rung recalled once to prove it.

    A point of a list holds all settings of its side. The upper limit of a band is sent first, so that no band is ever
    upside down.
    """
    steps, limit_volt = ladder.rungs(program), voltage_limit(program)
    (source, amperes), (sense, bands) = _LISTS_OF_A_POWER
    band = ":CALC2:VOLT:LIM1"
    groups = [
        CommandGroup("old currents", (f"{source}:DEL {amperes}",), may_fail=True),
        CommandGroup("old bands", (f"{sense}:DEL {bands}",), may_fail=True),
        CommandGroup(
            "new rungs",
            (f"{source}:CRE {amperes}", f"{sense}:CRE {bands}", f"{band}:STAT ON"),
            (Check(f"{band}:STAT?", 1),),
        ),
    ]
    for first in range(0, len(steps), RUNGS_PER_MESSAGE):
        part = steps[first : first + RUNGS_PER_MESSAGE]
        commands = tuple(
            command
            for rung in part
            for command in (
                f":SOUR:CURR {_text(rung.current_ampere)}",
                f"{source}:STOR {amperes}",
                f"{band}:UPP {_text(rung.upper_volt)}",
                f"{band}:LOW {_text(rung.lower_volt)}",
                f"{sense}:STOR {bands}",
            )
        )
        sizes = tuple(Check(f"{side}:SIZE? {name}", first + len(part)) for side, name in _LISTS_OF_A_POWER)
        groups.append(CommandGroup("rungs", commands, sizes))
    for first in range(0, len(steps), RUNGS_PER_MESSAGE):
        part = steps[first : first + RUNGS_PER_MESSAGE]
        checks = [check for at, rung in enumerate(part, first + 1) for check in _rung_checks(at, rung, limit_volt)]
        groups.append(CommandGroup("rungs as stored", (), tuple(checks)))
    return (*groups, CommandGroup("first rung", (), tuple(_rung_checks(1, steps[0], limit_volt))))


def _rung_checks(number: int, rung: ladder.Rung, limit_volt: float) -> Iterator[Check]:
    (source, amperes), (sense, bands) = _LISTS_OF_A_POWER
    yield Check(f"{source}:REC {amperes},{number};:SOUR:CURR?", rung.current_ampere)
    yield Check(":SOUR:CURR:VLIM?", limit_volt)
    yield Check(f"{sense}:REC {bands},{number};:CALC2:VOLT:LIM1:LOW?", rung.lower_volt)
    yield Check(":CALC2:VOLT:LIM1:UPP?", rung.upper_volt)


def _buffer_group(token: str, program: SegmentProgram, *, exists: bool) -> CommandGroup:
    rows, name = buffer_rows(program), buffer_name(token, program)
    create = f':TRAC:POIN {rows},"{name}"' if exists else f':TRAC:MAKE "{name}",{rows},STAN'
    scratch = (f':TRAC:CLE "{SCRATCH_BUFFER}"', f':TRAC:FILL:MODE CONT,"{SCRATCH_BUFFER}"')
    return CommandGroup(
        "buffer",
        (create, f':TRAC:FILL:MODE ONCE,"{name}"', *(scratch if uses_scratch(program) else ())),
        (Check(f':TRAC:POIN? "{name}"', rows), Check(f':TRAC:ACT? "{name}"', 0)),
    )


def _timer_group(program: SegmentProgram) -> CommandGroup:
    commands = [
        ":TRIG:TIM1:STAT OFF",
        ":TRIG:TIM2:STAT OFF",
        ":TRIG:TIM1:STAR:STIM NOT1",
        ":TRIG:TIM1:STAR:GEN ON",
        f":TRIG:TIM1:DEL {_text(program.cutoff_second)}",
        ":TRIG:TIM1:COUN 0",
        ":TRIG:TIM1:STAT ON",
    ]
    checks = [Check(":TRIG:TIM1:DEL?", program.cutoff_second), Check(":TRIG:TIM1:COUN?", 0)]
    if has_timer(program):
        commands += [
            ":TRIG:TIM2:STAR:STIM NOT1",
            ":TRIG:TIM2:STAR:GEN OFF",
            f":TRIG:TIM2:DEL {_text(program.duration_second)}",
            ":TRIG:TIM2:COUN 1",
            ":TRIG:TIM2:STAT ON",
        ]
        checks.append(Check(":TRIG:TIM2:DEL?", program.duration_second))
    return CommandGroup("timers", tuple(commands), tuple(checks))


def _protection(limit_volt: float) -> str:
    return f"PROT{next(volt for volt in _PROTECTION_VOLT if volt * 0.95 >= limit_volt)}"


def _given(quantity: str, value: float | None) -> float:
    if value is None:
        raise ProgramError(quantity, math.nan, -math.inf, math.inf)
    return value


def _within(quantity: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProgramError(quantity, value, low, high)


def _text(value: float) -> str:
    return f"{value:.10g}"

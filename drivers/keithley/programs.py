"""A segment as SCPI commands for the trigger model, which then runs it to its end with nobody connected. Pure.

Commands and blocks: 2461-901-01 Rev A, sections 5 and 6, cross-checked with 2450-901-01 Rev B. Their composition
follows the maker's open-circuit script for electrochemistry; it has not been run on hardware yet [unverified].
"""

import math
import re
from dataclasses import dataclass

from drivers.keithley.limits import LONGEST_TIMER_SECOND
from drivers.roles import PotentiostatLimits, SegmentProgram

SCRATCH_BUFFER = "defbuffer2"
"""Where readings go that only test the limits."""

LIMIT_MARGIN_VOLT = 0.05
"""How far the hardware voltage limit lies outside the largest voltage of the segment."""

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_SMALLEST_BUFFER = 10
_WHOLE = 1e-9
_OTHER_LIMIT_VOLT = 10.0
_PROTECTION_VOLT = (2, 5, 10, 20, 40)
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
    """

    name: str
    commands: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    may_be_unknown: bool = False


class ProgramError(ValueError):
    """A segment that this model cannot run: which quantity, its value and the bounds of it."""

    def __init__(self, quantity: str, value: float, low: float, high: float) -> None:
        super().__init__(f"{quantity} {value:g} is outside {low:g} to {high:g}")
        self.quantity, self.value, self.low, self.high = quantity, value, low, high


def check_token(token: str) -> str:
    """The token, if it can name a reading buffer; else `ValueError`. The longest name allowed is [unverified]."""
    if _TOKEN.fullmatch(token) is None:
        raise ValueError(f"{token!r} cannot name a reading buffer")
    return token


def check_program(program: SegmentProgram, limits: PotentiostatLimits) -> None:
    """Raises `ProgramError` unless the model can run the segment as it is."""
    largest_volt, most_ampere = limits.voltage_volt, _range(program, limits) * limits.range_overreach
    lower, upper, until = program.lower_guard_volt, program.upper_guard_volt, program.until_voltage_volt
    cutoff, sampling = program.cutoff_second, program.sampling_second
    full_scales = [known.full_scale_ampere for known in limits.current_ranges]
    if program.current_ampere and program.current_range_ampere not in full_scales:
        raise ProgramError("current_range_ampere", program.current_range_ampere, full_scales[0], full_scales[-1])
    _within("current_ampere", program.current_ampere, -most_ampere, most_ampere)
    _within("lower_guard_volt", lower, -largest_volt, upper)
    _within("upper_guard_volt", upper, lower, largest_volt - LIMIT_MARGIN_VOLT)
    if until is not None:
        _within("until_voltage_volt", until, lower, upper)
        _within("current_ampere of a segment until a voltage", abs(program.current_ampere), 1e-12, most_ampere)
    _within("cutoff_second", cutoff, limits.shortest_cutoff_second, limits.longest_timer_second)
    _within("sampling_second", sampling, cutoff, limits.longest_timer_second)
    if abs(sampling / cutoff - round(sampling / cutoff)) > _WHOLE:
        raise ProgramError("sampling_second", sampling, cutoff, round(sampling / cutoff) * cutoff)
    _within("duration_second", program.duration_second, cutoff, limits.rows_per_segment * sampling)
    _within("rows", buffer_rows(program), 1, limits.rows_per_segment)


def row_bound(program: SegmentProgram) -> int:
    """How many rows on the sampling grid a segment may have: its absolute bound, timer or not."""
    return math.ceil(program.duration_second / program.sampling_second - _WHOLE) + 1


def buffer_rows(program: SegmentProgram) -> int:
    """Size of the segment's buffer: it can never be full before the segment ends."""
    return max(_SMALLEST_BUFFER, row_bound(program) + 2)


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


def segment_groups(
    token: str, program: SegmentProgram, limits: PotentiostatLimits, *, buffer_exists: bool, terminals: str
) -> tuple[CommandGroup, ...]:
    """All settings of a segment, the output off, up to but without `:INIT`; the trigger model is `block_group`.

    `terminals` is "FRON" or "REAR". Nothing is reset: another segment's rows may still be in the instrument.
    """
    return (
        _source_group(program, limits, terminals),
        _measure_group(program, limits),
        CommandGroup("relative offset", (":SENS:VOLT:REL:STAT OFF",), may_be_unknown=True),
        _buffer_group(token, program, exists=buffer_exists),
        _timer_group(program),
    )


def _source_group(program: SegmentProgram, limits: PotentiostatLimits, terminals: str) -> CommandGroup:
    current_range, limit_volt = _range(program, limits), voltage_limit(program)
    protection = next(volt for volt in _PROTECTION_VOLT if volt * 0.95 >= limit_volt)
    return CommandGroup(
        "source",
        (
            "*CLS",
            ':TRIG:LOAD "Empty"',
            f":ROUT:TERM {terminals}",
            ":SOUR:FUNC CURR",
            ':SENS:FUNC "VOLT"',
            ":SENS:VOLT:RSEN ON",
            f":SOUR:VOLT:PROT PROT{protection}",
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
            Check(":SOUR:VOLT:PROT?", f"PROT{protection}"),
            Check(":SOUR:CURR:RANG?", current_range),
            Check(":SOUR:CURR?", program.current_ampere),
            Check(":SOUR:CURR:VLIM?", limit_volt),
            Check(":SOUR:CURR:READ:BACK?", 1),
        ),
    )


def _measure_group(program: SegmentProgram, limits: PotentiostatLimits) -> CommandGroup:
    line_cycles = next(nplc for cutoff, nplc in _NPLC_BY_CUTOFF if program.cutoff_second >= cutoff)
    return CommandGroup(
        "measure",
        (
            f":SENS:VOLT:RANG {_text(limits.voltage_volt)}",
            f":SENS:VOLT:NPLC {_text(line_cycles)}",
            ":SENS:VOLT:AZER ON",
            ":SENS:VOLT:AVER OFF",
            ":SENS:COUN 1",
            ":FORM:DATA ASC",
            ":FORM:ASC:PREC 10",
        ),
        (
            Check(":SENS:VOLT:RANG?", limits.voltage_volt),
            Check(":SENS:VOLT:NPLC?", line_cycles),
            Check(":SENS:VOLT:AVER?", 0),
        ),
    )


def _buffer_group(token: str, program: SegmentProgram, *, exists: bool) -> CommandGroup:
    rows = buffer_rows(program)
    create = f':TRAC:POIN {rows},"{token}"' if exists else f':TRAC:MAKE "{token}",{rows},STAN'
    scratch = (f':TRAC:CLE "{SCRATCH_BUFFER}"', f':TRAC:FILL:MODE CONT,"{SCRATCH_BUFFER}"')
    return CommandGroup(
        "buffer",
        (create, f':TRAC:FILL:MODE ONCE,"{token}"', *(scratch if _ticks_per_row(program) > 1 else ())),
        (Check(f':TRAC:POIN? "{token}"', rows), Check(f':TRAC:ACT? "{token}"', 0)),
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
    if _has_timer(program):
        commands += [
            ":TRIG:TIM2:STAR:STIM NOT1",
            ":TRIG:TIM2:STAR:GEN OFF",
            f":TRIG:TIM2:DEL {_text(program.duration_second)}",
            ":TRIG:TIM2:COUN 1",
            ":TRIG:TIM2:STAT ON",
        ]
        checks.append(Check(":TRIG:TIM2:DEL?", program.duration_second))
    return CommandGroup("timers", tuple(commands), tuple(checks))


def block_group(token: str, program: SegmentProgram, *, measure_word: str = "MEAS") -> CommandGroup:
    """The trigger model. A limit met by a kept row opens the circuit at once, by a scratch reading after one more row.

    There is one wait block only: whether two of them would share the memory of a timer's event is [unverified].
    `measure_word` is MEAS, or MDIG where a firmware no longer knows that.
    """
    ticks_per_row = _ticks_per_row(program)
    blocks = [("", "SOUR:STAT {n},ON"), ("", "NOT {n},1"), ("wait", "WAIT {n},TIM1")]
    if ticks_per_row > 1:
        blocks += [("", "BRAN:ONCE {n},{keep}"), ("", f"BRAN:COUN {{n}},{ticks_per_row},{{scratch}}")]
    blocks += [("keep", _measure(measure_word, token)), *_ends(program, "keep", "off")]
    blocks += [("", f"BRAN:COUN {{n}},{row_bound(program)},{{wait}}")]
    if ticks_per_row > 1:
        blocks += [("", "BRAN:ALW {n},{off}"), ("scratch", _measure(measure_word, SCRATCH_BUFFER))]
        blocks += [*_ends(program, "scratch", "last"), ("", "BRAN:ALW {n},{wait}")]
        blocks += [("last", _measure(measure_word, token))]
    blocks += [("off", "SOUR:STAT {n},OFF")]
    numbers = {label: number for number, (label, _) in enumerate(blocks, 1) if label}
    commands = (f":TRIG:BLOC:{text.format(n=number, **numbers)}" for number, (_, text) in enumerate(blocks, 1))
    return CommandGroup("trigger model", (':TRIG:LOAD "Empty"', *commands))


def _measure(measure_word: str, buffer: str) -> str:
    return f'{measure_word} {{n}},"{buffer}"' + (",1" if measure_word == "MDIG" else "")


def _ends(program: SegmentProgram, measured: str, target: str) -> list[tuple[str, str]]:
    until, lower, upper = program.until_voltage_volt, program.lower_guard_volt, program.upper_guard_volt
    if until is not None and program.current_ampere > 0:
        upper = until
    elif until is not None:
        lower = until
    where = f"{{{target}}},{{{measured}}}"
    # The model swaps limits that fall, which could turn the test round: the untested one must lie on the proper side.
    below_upper = 0.0 if upper > 0 else upper - _OTHER_LIMIT_VOLT
    above_lower = max(_OTHER_LIMIT_VOLT, lower + _OTHER_LIMIT_VOLT)
    ends = [
        ("", f"BRAN:LIM:CONS {{n}},ABOV,{_text(below_upper)},{_text(upper)},{where}"),
        ("", f"BRAN:LIM:CONS {{n}},BEL,{_text(lower)},{_text(above_lower)},{where}"),
    ]
    if _has_timer(program):
        ends.append(("", f"BRAN:EVEN {{n}},TIM2,{{{target}}}"))
    return ends


def _ticks_per_row(program: SegmentProgram) -> int:
    return round(program.sampling_second / program.cutoff_second)


def _has_timer(program: SegmentProgram) -> bool:
    return program.duration_second <= LONGEST_TIMER_SECOND


def _range(program: SegmentProgram, limits: PotentiostatLimits) -> float:
    return program.current_range_ampere if program.current_ampere else limits.current_ranges[0].full_scale_ampere


def _within(quantity: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProgramError(quantity, value, low, high)


def _text(value: float) -> str:
    return f"{value:.10g}"

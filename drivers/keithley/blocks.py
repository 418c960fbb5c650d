"""The trigger model that runs a segment to its end with nobody connected. Pure.

Blocks: 2461-901-01 Rev A, section 6, cross-checked with 2450-901-01 Rev B; their composition has not been run on
hardware yet [unverified].
"""

from drivers.keithley.ladder import BAND_LIST, CURRENT_LIST
from drivers.keithley.programs import (
    LEVEL_LIST,
    OVER_CURRENT,
    SCRATCH_BUFFER,
    CommandGroup,
    buffer_name,
    has_timer,
    holds_voltage,
    limit_ampere,
    row_bound,
    ticks_per_row,
    uses_scratch,
)
from drivers.roles import CLAMPED_FRACTION, SegmentMode, SegmentProgram

_OTHER_LIMIT_VOLT = 10.0

_LISTS = {SegmentMode.SCAN: (LEVEL_LIST,), SegmentMode.POWER: (CURRENT_LIST, BAND_LIST)}
"""The configuration lists of which the first point is recalled before the output is on."""
_AFTER_ROW = {SegmentMode.SCAN: "step", SegmentMode.POWER: "fit"}
"""Where the model goes after a row that ends nothing, if not to the next wait."""

Block = tuple[str, str]
"""A label, empty for none, and the command with `{n}` for its number and `{label}` for that of another."""


def block_group(token: str, program: SegmentProgram, *, measure_word: str = "MEAS") -> CommandGroup:
    """The trigger model. A limit met by a kept row opens the circuit at once, by a scratch reading after one more row.

    There is one wait block only: whether two of them would share the memory of a timer's event is [unverified].
    `measure_word` is MEAS, or MDIG where a firmware no longer knows that.
    """
    kept = buffer_name(token, program)
    ticks, after_row = ticks_per_row(program), _AFTER_ROW.get(program.mode, "wait")
    scratch = _measure(measure_word, SCRATCH_BUFFER)
    blocks: list[Block] = [("", f'CONF:REC {{n}},"{name}",1') for name in _LISTS.get(program.mode, ())]
    blocks += [("", "SOUR:STAT {n},ON"), ("", "NOT {n},1"), ("wait", "WAIT {n},TIM1")]
    if ticks > 1:
        blocks += [("", "BRAN:ONCE {n},{keep}"), ("", f"BRAN:COUN {{n}},{ticks},{{scratch}}")]
    blocks += [("keep", _measure(measure_word, kept)), *_ends(program, "keep", "off")]
    blocks += [("", f"BRAN:COUN {{n}},{row_bound(program)},{{{after_row}}}")]
    if uses_scratch(program) or after_row != "wait":
        blocks += [("", "BRAN:ALW {n},{off}")]
    if program.mode is SegmentMode.SCAN:
        blocks += [("step", f'CONF:NEXT {{n}},"{LEVEL_LIST}"'), ("", "BRAN:ALW {n},{wait}")]
    if program.mode is SegmentMode.POWER:
        blocks += [*_fits("keep", "fit"), ("", "BRAN:ALW {n},{wait}")]
    if ticks > 1:
        fits = _fits("scratch") if program.mode is SegmentMode.POWER else ()
        blocks += [("scratch", scratch), *_ends(program, "scratch", "last"), *fits, ("", "BRAN:ALW {n},{wait}")]
    if program.mode is SegmentMode.POWER:
        blocks += [*_climb(program, scratch, "down", "NEXT", "BEL"), *_climb(program, scratch, "up", "PREV", "ABOV")]
    if uses_scratch(program):
        blocks += [("last", _measure(measure_word, kept))]
    blocks += [("off", "SOUR:STAT {n},OFF")]
    numbers = {label: number for number, (label, _) in enumerate(blocks, 1) if label}
    commands = (f":TRIG:BLOC:{text.format(n=number, **numbers)}" for number, (_, text) in enumerate(blocks, 1))
    return CommandGroup("trigger model", (':TRIG:LOAD "Empty"', *commands))


def _fits(measured: str, label: str = "") -> list[Block]:
    """Whether a power's voltage has left the band of its current, by a reading."""
    return [
        (label, f"BRAN:LIM:DYN {{n}},BEL,1,{{down}},{{{measured}}}"),
        ("", f"BRAN:LIM:DYN {{n}},ABOV,1,{{up}},{{{measured}}}"),
    ]


def _climb(program: SegmentProgram, measure: str, label: str, which: str, beyond: str) -> list[Block]:
    """Rung by rung in one direction until the voltage is in the band; a row may be due meanwhile, and is late then.

    It can't go round in circles: beyond the last rung either way lie the segment's own ends, which are tested at each.
    One list a block: of old firmware these blocks take no second one.
    """
    measured = f"{label}_reads"
    return [
        (label, f'CONF:{which} {{n}},"{CURRENT_LIST}"'),
        ("", f'CONF:{which} {{n}},"{BAND_LIST}"'),
        (measured, measure),
        *_ends(program, measured, "last"),
        ("", f"BRAN:LIM:DYN {{n}},{beyond},1,{{{label}}},{{{measured}}}"),
        ("", "BRAN:ALW {n},{wait}"),
    ]


def _measure(measure_word: str, buffer: str) -> str:
    return f'{measure_word} {{n}},"{buffer}"' + (",1" if measure_word == "MDIG" else "")


def _ends(program: SegmentProgram, measured: str, target: str) -> list[Block]:
    where = f"{{{target}}},{{{measured}}}"
    ends = _current_ends(program, where) if holds_voltage(program) else _voltage_ends(program, where)
    fallen = _fallen(program, where)
    if fallen and measured == "keep":
        # The first reading may still be of the current's rise.
        ends += [("", "BRAN:ONCE {n},{risen}"), ("", fallen), ("risen", "NOP {n}")]
    elif fallen:
        ends.append(("", fallen))
    if has_timer(program):
        ends.append(("", f"BRAN:EVEN {{n}},TIM2,{{{target}}}"))
    return ends


def _voltage_ends(program: SegmentProgram, where: str) -> list[Block]:
    until, lower, upper = program.until_voltage_volt, program.lower_guard_volt, program.upper_guard_volt
    if until is not None and program.current_ampere > 0:
        upper = until
    elif until is not None:
        lower = until
    # The model swaps limits that fall, which could turn the test round: the untested one must lie on the proper side.
    below_upper = 0.0 if upper > 0 else upper - _OTHER_LIMIT_VOLT
    above_lower = max(_OTHER_LIMIT_VOLT, lower + _OTHER_LIMIT_VOLT)
    return [
        ("", f"BRAN:LIM:CONS {{n}},ABOV,{_text(below_upper)},{_text(upper)},{where}"),
        ("", f"BRAN:LIM:CONS {{n}},BEL,{_text(lower)},{_text(above_lower)},{where}"),
    ]


def _current_ends(program: SegmentProgram, where: str) -> list[Block]:
    most = _text(OVER_CURRENT * limit_ampere(program))
    return [
        ("", f"BRAN:LIM:CONS {{n}},ABOV,0,{most},{where}"),
        ("", f"BRAN:LIM:CONS {{n}},BEL,-{most},0,{where}"),
    ]


def _fallen(program: SegmentProgram, where: str) -> str:
    """The block that ends the segment when its current has fallen; empty when that does not end it."""
    if program.mode is SegmentMode.CLAMPED_CURRENT:
        least, most = _text(CLAMPED_FRACTION * limit_ampere(program)), _text(2 * limit_ampere(program))
        if program.current_ampere > 0:
            return f"BRAN:LIM:CONS {{n}},BEL,{least},{most},{where}"
        return f"BRAN:LIM:CONS {{n}},ABOV,-{most},-{least},{where}"
    if program.mode is SegmentMode.VOLTAGE and program.until_current_ampere is not None:
        until = _text(program.until_current_ampere)
        return f"BRAN:LIM:CONS {{n}},IN,-{until},{until},{where}"
    return ""


def _text(value: float) -> str:
    return f"{value:.10g}"

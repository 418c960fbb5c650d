"""Replies of a Keithley 24xx as values: strict, so that what cannot be a reply is a `ValueError`, never a number."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from drivers.roles import Floats, Identity, Integers, ReadingBlock

ELEMENTS = "REL,READ,SOUR,SOURSTAT,STAT"
"""What is read of each row: seconds since the buffer's first reading, what is measured, the source read back (one a
voltage, the other a current), two status words."""

OVERFLOW = 9.9e37
"""What stands for a reading that overflowed. Source: 2461-901-01 Rev A."""

POWER_ON_BIT = 128
"""Bit 7 of *ESR?: power was cycled since it was last read. Source: 2461-901-01 Rev A, appendix on status."""

QUESTIONABLE_BIT = 1
"""Bit 0 of STAT: the reading is questionable. Source: 2461-901-01 Rev A, TRAC:DATA?."""

RUNNING_STATES = frozenset({"RUNNING", "WAITING", "PAUSED", "BUILDING", "ABORTING"})
IDLE_STATES = frozenset({"IDLE", "EMPTY", "FAILED", "ABORTED"})

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_ERROR = re.compile(r'([+-]?[0-9]{1,5}),"([^;"]*)(;[^"]*)?"')
_FIELD = re.compile(r"[ -~]*[!-~][ -~]*")
_NUMBER_BYTES = b"0123456789+-.eE,"
_COLUMNS = ELEMENTS.count(",") + 1
_MOST_STATUS = 0xFFFF

_decode_numbers = msgspec.json.Decoder(list[float]).decode


@dataclass(frozen=True)
class Look:
    """One look at the instrument. `row_count` is None when the reply ended before it, as with an unknown buffer."""

    power_was_cycled: bool
    is_running: bool
    output_on: bool
    row_count: int | None


@dataclass(frozen=True)
class EventEntry:
    """One entry of the error queue; code 0 is an empty queue."""

    code: int
    text: str


def number(reply: str) -> float:
    """A finite number in NR1, NR2 or NR3 form, nothing before or after it."""
    if _NUMBER.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is not a number")
    value = float(reply)
    if not math.isfinite(value):
        raise ValueError(f"{reply[:40]!r} is not finite")
    return value


def count(reply: str) -> int:
    """A whole number, not negative; `1.2E+01` is one."""
    value = number(reply)
    if value < 0 or value != int(value):
        raise ValueError(f"{reply[:40]!r} is not a count")
    return int(value)


def flag(reply: str) -> bool:
    """`0` or `1`."""
    if reply not in {"0", "1"}:
        raise ValueError(f"{reply[:40]!r} is neither 0 nor 1")
    return reply == "1"


def identity(reply: str) -> Identity:
    """The reply to `*IDN?` of any maker."""
    parts = reply.split(",")
    if len(parts) != 4 or not all(_FIELD.fullmatch(part) for part in parts):
        raise ValueError("not maker, model, serial number, firmware")
    maker, model, serial_number, firmware = (part.strip() for part in parts)
    return Identity(maker, model.removeprefix("MODEL "), serial_number, firmware)


def language(reply: str) -> str:
    """The reply to `*LANG?`."""
    if reply not in {"SCPI", "TSP", "SCPI2400"}:
        raise ValueError(f"{reply[:40]!r} is no command language")
    return reply


def power_was_cycled(reply: str) -> bool:
    """The reply to `*ESR?`, which forgets it by answering."""
    return bool(count(reply) & POWER_ON_BIT)


def event_entry(reply: str) -> EventEntry:
    """The reply to `:SYST:ERR?`: `code,"text;type;time"`."""
    parts = _ERROR.fullmatch(reply)
    if parts is None:
        raise ValueError("not an entry of the error queue")
    return EventEntry(int(parts[1]), parts[2])


def count_or_entry(reply: str) -> int | EventEntry:
    """A count, or what the error queue holds instead of one."""
    return event_entry(reply) if '"' in reply else count(reply)


def is_running(state: str) -> bool:
    """Whether a trigger-model state (the first value of `:TRIG:STAT?`) is one in which blocks may still run."""
    if state in RUNNING_STATES:
        return True
    if state in IDLE_STATES:
        return False
    raise ValueError(f"{state[:40]!r} is no trigger-model state")


def look_state_first(reply: str) -> Look:
    """The reply to `:TRIG:STAT?;*ESR?;:OUTP?;:TRAC:ACT? …`, with or without its last value."""
    parts = reply.split(";")
    return _look(parts[:3], parts[3:4], parts[4:5], parts[5:])


def look_state_late(reply: str) -> Look:
    """The reply to `*ESR?;:TRIG:STAT?;:OUTP?;:TRAC:ACT? …`, with or without its last value."""
    parts = reply.split(";")
    return _look(parts[1:4], parts[:1], parts[4:5], parts[5:])


def _look(state: list[str], events: list[str], output: list[str], rows: list[str]) -> Look:
    if len(state) != 3 or not (events and output) or len(rows) > 1:
        raise ValueError("not the values of one look")
    if state[1] not in RUNNING_STATES | IDLE_STATES:
        raise ValueError(f"{state[1][:40]!r} is no trigger-model state")
    count(state[2])
    event_bits = count(events[0])
    if event_bits > 255:
        raise ValueError(f"{event_bits} is no event register of 8 bits")
    rows_text = rows[0] if rows else ""
    return Look(
        power_was_cycled=bool(event_bits & POWER_ON_BIT),
        is_running=is_running(state[0]),
        output_on=flag(output[0]),
        row_count=count(rows_text) if rows_text else None,
    )


def row_block_reader(
    *, first_index: int, row_count: int, voltage_volt: float, current_ampere: float, measures_current: bool = False
) -> Callable[[str], ReadingBlock]:
    """A reader of `row_count` rows of `ELEMENTS`, row-major.

    What was measured is the voltage and the source's value the current, or the other way round. A reading beyond
    `voltage_volt` or `current_ampere` in size, an overflow or a questionable one becomes NaN. The reader raises
    `ValueError` on a wrong number of values, anything that is no number, times that fall, or status words that are
    none.
    """

    def read(reply: str) -> ReadingBlock:
        columns = np.ascontiguousarray(_numbers(reply, row_count * _COLUMNS).reshape(row_count, _COLUMNS).T)
        elapsed, measured = columns[0], columns[1]
        voltage, current = (columns[2], measured) if measures_current else (measured, columns[2])
        if not (elapsed[0] >= 0 and np.isfinite(elapsed[-1]) and (np.diff(elapsed) >= 0).all()):
            raise ValueError("times that are negative or fall")
        source_status, reading_status = _status(columns[3]), _status(columns[4])
        voltage[~(np.abs(voltage) <= voltage_volt)] = np.nan
        current[~(np.abs(current) <= current_ampere)] = np.nan
        measured[reading_status & QUESTIONABLE_BIT != 0] = np.nan
        return ReadingBlock(first_index, elapsed, voltage, current, source_status, reading_status)

    return read


def _numbers(reply: str, expected: int) -> Floats:
    line = reply.encode("ascii")
    if line.translate(None, _NUMBER_BYTES):
        raise ValueError("characters that belong to no number")
    try:
        values = _decode_numbers(b"[%b]" % line)
    except msgspec.DecodeError:
        # JSON knows no leading plus or zero; a number may have them.
        values = [_one_number(part) for part in reply.split(",")]
    if len(values) != expected:
        raise ValueError(f"{len(values)} numbers where {expected} were asked for")
    return np.array(values)


def _one_number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    return float(text)


def _status(column: Floats) -> Integers:
    if not ((column >= 0) & (column <= _MOST_STATUS)).all():
        raise ValueError("a status word that is none")
    words = column.astype(np.int64)
    if (words != column).any():
        raise ValueError("a status word that is not whole")
    return words

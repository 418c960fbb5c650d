"""How readings are written on the wire: the elements of `:TRAC:DATA?`, in text and in binary."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.keithley.buffers import ReadingBuffer, Readings
from simulators.keithley.events import NO_SUCH_NAME, CommandError, moment
from simulators.keithley.scpi import match_word
from simulators.keithley.settings import Settings

SECOND_NS = 1_000_000_000
ELEMENTS = (
    "DATE",
    "FORMatted",
    "FRACtional",
    "READing",
    "RELative",
    "SECond",
    "SECONDS",
    "SOURce",
    "SOURFORMatted",
    "SOURSTATus",
    "SOURUNIT",
    "STATus",
    "TIME",
    "TSTamp",
    "UNIT",
)
MOST_ELEMENTS = 14
_NUMERIC = ("FRAC", "READ", "REL", "SOUR")
_WHOLE = ("SEC", "SOURSTAT", "STAT")
_IN_BINARY = ("READ", "REL", "SOUR")
_UNIT_NAMES = ("Volt DC", "Amp DC", "Ohm")
_UNIT_SYMBOLS = ("V", "A", "Ohm")


def element_names(parameters: Sequence[str], first_index: int, *, binary: bool) -> tuple[str, ...]:
    """The elements that parameters from `first_index` on ask for; READ when there are none. Raises CommandError."""
    names: list[str] = []
    for index, spelled in enumerate(parameters[first_index:], first_index + 1):
        name = match_word(spelled, ELEMENTS)
        name = "SEC" if name == "SECONDS" else name
        if name is None or (binary and name not in _IN_BINARY) or len(names) == MOST_ELEMENTS:
            raise CommandError(NO_SUCH_NAME[0], NO_SUCH_NAME[1].format(index))
        names.append(name)
    return tuple(names) or ("READ",)


def encode(buffer: ReadingBuffer, readings: Readings, names: tuple[str, ...], settings: Settings) -> str | bytes:
    """Readings as the instrument sends them, row by row, without the line end."""
    if settings.word("FORM:DATA") == "ASC":
        return _text(buffer, readings, names, int(settings.number("FORM:PREC")))
    order = "<" if settings.word("FORM:BORD") == "SWAP" else ">"
    size = "f8" if settings.word("FORM:DATA") == "REAL" else "f4"
    columns = [_numeric(buffer, readings, name) for name in names]
    return b"#0" + np.column_stack(columns).astype(order + size).tobytes()


def readings_text(buffer: ReadingBuffer) -> list[str]:
    """All readings of a buffer, as `REL,READ,SOUR` with 10 digits each."""
    held = buffer.rows(1, buffer.count) if buffer.count else None
    if held is None:
        return []
    columns = (buffer.relative_second(held).tolist(), held.reading.tolist(), held.source.tolist())
    return ["{:.9E},{:.9E},{:.9E}".format(*row) for row in zip(*columns, strict=True)]


def number_format(precision: int) -> str:
    """The printf format of a number; precision 0 is the automatic one, 7 significant digits."""
    return f"%.{(precision or 7) - 1}E"


def _text(buffer: ReadingBuffer, readings: Readings, names: tuple[str, ...], precision: int) -> str:
    formats = {**dict.fromkeys(_NUMERIC, number_format(precision)), **dict.fromkeys(_WHOLE, "%d")}
    row = ",".join(formats.get(name, "%s") for name in names)
    values: list[object] = [None] * (len(readings) * len(names))
    for offset, name in enumerate(names):
        values[offset :: len(names)] = _column(buffer, readings, name)
    return ",".join([row] * len(readings)) % tuple(values)


def _numeric(buffer: ReadingBuffer, readings: Readings, name: str) -> NDArray[np.float64]:
    match name:
        case "READ":
            return readings.reading
        case "SOUR":
            return readings.source
        case "REL":
            return buffer.relative_second(readings)
        case _:
            fraction: NDArray[np.float64] = (readings.stamp_ns % SECOND_NS) / 1e9
            return fraction


def _column(buffer: ReadingBuffer, readings: Readings, name: str) -> Sequence[object]:
    if name in _NUMERIC:
        numbers: list[object] = _numeric(buffer, readings, name).tolist()
        return numbers
    if name not in _WHOLE:
        return _words(readings, name)
    if name == "SEC":
        whole: list[object] = (readings.stamp_ns // SECOND_NS).tolist()
        return whole
    counts: list[object] = (readings.status if name == "STAT" else readings.source_status).tolist()
    return counts


def _words(readings: Readings, name: str) -> list[str]:
    reading_units = [int(units) & 3 for units in readings.units]
    source_units = [int(units) >> 2 for units in readings.units]
    if name == "UNIT":
        return [_UNIT_NAMES[unit] for unit in reading_units]
    if name == "SOURUNIT":
        return [_UNIT_NAMES[unit] for unit in source_units]
    if name == "FORM":
        return [_formatted(v, u) for v, u in zip(readings.reading.tolist(), reading_units, strict=True)]
    if name == "SOURFORM":
        return [_formatted(v, u) for v, u in zip(readings.source.tolist(), source_units, strict=True)]
    write: Callable[[int], str] = {"DATE": _date, "TIME": _time, "TST": _stamp}[name]
    return [write(stamp_ns) for stamp_ns in readings.stamp_ns.tolist()]


def _date(stamp_ns: int) -> str:
    return f"{moment(stamp_ns):%m/%d/%Y}"


def _time(stamp_ns: int) -> str:
    return f"{moment(stamp_ns):%H:%M:%S.%f}"


def _stamp(stamp_ns: int) -> str:
    return f"{moment(stamp_ns):%m/%d/%Y %H:%M:%S}.{stamp_ns % SECOND_NS:09d}"


def _formatted(value: float, unit: int) -> str:
    """Like `-00.0024 mV`: two places before the point, a prefix before the unit."""
    for scale, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if abs(value) >= scale or scale == 1e-9:
            return f"{value / scale:+08.4f} {prefix}{_UNIT_SYMBOLS[unit]}"
    raise AssertionError(value)

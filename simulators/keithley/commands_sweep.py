"""Sweeps: commands that make a source configuration list and the trigger model that steps through it."""

from functools import partial

import numpy as np

from simulators.keithley import templates
from simulators.keithley.events import ILLEGAL_VALUE, OUT_OF_RANGE, CommandError
from simulators.keithley.instrument import Instrument
from simulators.keithley.models import smallest_range
from simulators.keithley.scpi import Call, CommandTable
from simulators.keithley.settings import SOURCE_FUNCTIONS, Value

MOST_POINTS = 1_000_000
MOST_IN_A_LIST = 100
LARGEST_COUNT = 268_435_455
_NAMES = {"CURR": "Curr", "VOLT": "Volt"}
_DEFAULT = "defbuffer1"


def enter(table: CommandTable[Instrument]) -> None:
    """Enter the commands of this file into a table.

    Source: 2461-901-01 Rev A, 6-101 to 6-130. Names of the lists but CustomSweepList, and the order of the blocks, are
    [unverified]; there are no pulses.
    """
    for name, word in SOURCE_FUNCTIONS.items():
        sweep, values = f":SOURce[1]:SWEep:{word}", f":SOURce[1]:LIST:{word}"
        table.add(f"{sweep}:LINear", partial(_linear, name=name))
        table.add(f"{sweep}:LINear:STEP", partial(_stepped, name=name))
        table.add(f"{sweep}:LOG", partial(_logarithmic, name=name))
        table.add(f"{sweep}:LIST", partial(_listed, name=name))
        table.add(values, partial(_set_values, name=name, appends=False))
        table.add(f"{values}:APPend", partial(_set_values, name=name, appends=True))
        table.add(f"{values}?", partial(_ask_values, name=name))
        table.add(f"{values}:POINts?", partial(_count_values, name=name))


def _limits(instrument: Instrument, name: str) -> tuple[float, float]:
    largest = instrument.model.largest_ampere if name == "CURR" else instrument.model.largest_volt
    return -largest, largest


def _ends(instrument: Instrument, call: Call, name: str) -> tuple[float, float]:
    low, high = _limits(instrument, name)
    return call.number(0, low, high), call.number(1, low, high)


def _linear(instrument: Instrument, call: Call, *, name: str) -> None:
    """`start,stop,points[,delay,count,rangeType,failAbort,dual,"buffer"]`."""
    start, stop = _ends(instrument, call, name)
    levels = np.linspace(start, stop, call.integer(2, 2, MOST_POINTS)).tolist()
    _sweep(instrument, call, name, f"{_NAMES[name]}LinearSweep", levels)


def _stepped(instrument: Instrument, call: Call, *, name: str) -> None:
    """`start,stop,step[,…]`, the step a size."""
    start, stop = _ends(instrument, call, name)
    step = call.number(2, 1e-12, abs(stop - start) or 1e-12)
    count = int(abs(stop - start) / step + 1e-9) + 1
    if not 2 <= count <= MOST_POINTS:
        raise CommandError(*OUT_OF_RANGE)
    levels = (start + np.copysign(step, stop - start) * np.arange(count)).tolist()
    _sweep(instrument, call, name, f"{_NAMES[name]}LinearSweep", levels)


def _logarithmic(instrument: Instrument, call: Call, *, name: str) -> None:
    start, stop = _ends(instrument, call, name)
    if start <= 0 or stop <= 0:
        raise CommandError(*OUT_OF_RANGE)
    levels = np.geomspace(start, stop, call.integer(2, 2, MOST_POINTS)).tolist()
    _sweep(instrument, call, name, f"{_NAMES[name]}LogSweep", levels)


def _sweep(instrument: Instrument, call: Call, name: str, list_name: str, levels: list[float]) -> None:
    instrument.require_idle()
    call.at_most(9)
    ranges = call.word(5, ("AUTO", "BEST", "FIXed")) if call.has(5) else "BEST"
    if call.has(7) and call.flag(7):
        levels = [*levels, *reversed(levels)]
    _store(instrument, name, list_name, levels, ranges)
    buffer = call.text(8) if call.has(8) else _DEFAULT
    aborts = not call.has(6) or call.flag(6)
    _load(instrument, call, list_name, points=len(levels), start=1, buffer=buffer, first=3, aborts=aborts)


def _listed(instrument: Instrument, call: Call, *, name: str) -> None:
    """`startIndex[,delay,count,failAbort,"buffer","list"]`."""
    instrument.require_idle()
    call.at_most(6)
    list_name = call.text(5) if call.has(5) else f"{_NAMES[name]}CustomSweepList"
    size = len(instrument.source_lists.get(list_name))
    start = call.integer(0, 1, max(size, 1))
    buffer = call.text(4) if call.has(4) else _DEFAULT
    aborts = call.has(3) and call.flag(3)
    _load(instrument, call, list_name, points=size - start + 1, start=start, buffer=buffer, first=1, aborts=aborts)


def _load(
    instrument: Instrument,
    call: Call,
    list_name: str,
    *,
    points: int,
    start: int,
    buffer: str,
    first: int,
    aborts: bool,
) -> None:
    """Load the model; delay and count are the parameters from `first` on, a count of 0 is without end."""
    delay_second = call.number(first, -1.0, 10_000.0) if call.has(first) else -1.0
    if -1.0 < delay_second < 0 or 0 < delay_second < 50e-6:
        raise CommandError(*OUT_OF_RANGE)
    count = call.integer(first + 1, 0, LARGEST_COUNT) if call.has(first + 1) else 1
    model = templates.sweep(
        list_name,
        start,
        points,
        delay_ns=round(max(delay_second, 0.0) * 1e9),
        count=count,
        aborts=aborts,
        buffer=instrument.buffers.get(buffer).name,
    )
    instrument.trigger_model.load(model, instrument.now_ns)


def _store(instrument: Instrument, name: str, list_name: str, levels: list[float], ranges: str = "FIX") -> None:
    """A list of the present source settings with these levels."""
    lists, settings = instrument.source_lists, instrument.settings.group("source")
    lists.create(list_name)
    changes: dict[str, Value] = {"SOUR:FUNC": name}
    if ranges == "AUTO":
        changes[f"SOUR:{name}:RANG:AUTO"] = True
    elif ranges == "BEST":
        full_scales = instrument.model.current_ranges_ampere if name == "CURR" else instrument.model.voltage_ranges_volt
        largest = max(abs(level) for level in levels)
        changes[f"SOUR:{name}:RANG:AUTO"] = False
        changes[f"SOUR:{name}:RANG"] = smallest_range(full_scales, largest) or full_scales[-1]
    for level in levels:
        lists.store(list_name, None, {**settings, **changes, f"SOUR:{name}:LEV": level})


def _values(instrument: Instrument, name: str) -> list[float]:
    lists, list_name = instrument.source_lists, f"{_NAMES[name]}CustomSweepList"
    points = lists.get(list_name) if list_name in lists.names() else []
    return [float(point[f"SOUR:{name}:LEV"]) for point in points]


def _set_values(instrument: Instrument, call: Call, *, name: str, appends: bool) -> None:
    low, high = _limits(instrument, name)
    if not 1 <= len(call) <= MOST_IN_A_LIST:
        raise CommandError(*ILLEGAL_VALUE)
    levels = [call.number(index, low, high) for index in range(len(call))]
    known = _values(instrument, name) if appends else []
    _store(instrument, name, f"{_NAMES[name]}CustomSweepList", [*known, *levels])


def _ask_values(instrument: Instrument, _call: Call, *, name: str) -> str:
    return ",".join(f"{level:.6E}" for level in _values(instrument, name))


def _count_values(instrument: Instrument, _call: Call, *, name: str) -> str:
    return str(len(_values(instrument, name)))

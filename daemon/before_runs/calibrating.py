"""Feeling what a load cell shows under a known force, and whether a cell is in the jig that keeps it from being zeroed.

Nothing is sent to an indicator: it is never zeroed or tared by us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.clock import Clock, wait_out
from daemon.recover import rig_of, unfinished_runs
from daemon.rig import Rig
from daemon.store.errors import StoreError
from daemon.store.reading import read_header
from daemon.store.records import RUN_FILE_NAME, RunHeader
from drivers.roles import Floats, Integers, LoadStatus
from protocols.cell import read_cell
from protocols.errors import BadValueError

LOOK_SECOND = 0.5
FEWEST_READINGS = 8
GIVE_UP_SECOND = 300.0
SETTLED_DEVIATIONS = 3.0
"""Halves of a window whose means differ by more standard errors of that difference are of a value that moves."""
DRIFT_SECOND = 600.0
MOST_KELVIN = 0.5
"""How much the jig's temperature may move while a value is taken."""
MOST_ZERO_DRIFT_NEWTON = 1.0
"""How much a zero may still drift in `DRIFT_SECOND`."""
MOST_ZERO_MOVED = 0.1
"""How far a zero may be from the one before, as a part of the largest force calibrated: farther is a force."""


@dataclass(frozen=True, kw_only=True)
class Felt:
    """A steady value: mean, standard deviation and number of the readings of a window, and when it ended.

    `drift_per_second` is the slope of the window, in the indicator's unit; `temperature_celsius` the mean of the jig's,
    None without a thermometer.
    """

    shown: float
    deviation: float
    readings: int
    drift_per_second: float
    temperature_celsius: float | None
    utc_second: float


class NotSteadyError(Exception):
    """What is shown does not come to rest."""


@dataclass(frozen=True)
class LoadedCell:
    """The cell that is logged as loaded on a rig: of the last run there. `is_unfinished`: that run goes on."""

    name: str
    run_id: str
    is_unfinished: bool


def loaded_cell(data_directory: Path, rig_name: str) -> LoadedCell | None:
    """Which cell is logged as loaded on a rig: that of the last run on it, finished or not; None after no run.

    No run tells that its cell was taken out: only a person can.

    Raises:
        StoreError: a run's file can't be read, so that nobody knows.
    """
    here = []
    for path in sorted(data_directory.glob(f"*/{RUN_FILE_NAME}")):
        try:
            header = read_header(path)
        except StoreError:
            if rig_of(path.parent) in {rig_name, None}:
                raise
        else:
            here += [header] if header.rig == rig_name else []
    left = unfinished_runs(data_directory)
    unfinished = {directory.name for directory in (*left.left, *left.unreadable)}
    if not here:
        return None
    last = max(here, key=lambda header: (header.run_id in unfinished, header.started_utc_second))
    return LoadedCell(_cell_name(last), last.run_id, last.run_id in unfinished)


def why_not_empty(rig_name: str, loaded: LoadedCell | None, cell_out: str) -> str | None:
    """Why a rig's load cell may not be zeroed or calibrated; None when its jig is empty.

    `cell_out` is the cell that somebody says is out of the jig, empty when nobody does.
    """
    if loaded is None:
        return None
    if loaded.is_unfinished:
        return (
            f"{rig_name} has an unfinished run of {loaded.name}, {loaded.run_id}: with a cell in the jig the zero would"
            " be lost. End the run and take the cell out first"
        )
    if cell_out == loaded.name:
        return None
    return (
        f"{loaded.name} is logged as loaded on {rig_name}, since {loaded.run_id}: with a cell in the jig the zero would"
        f' be lost. If it is out of the jig, say so: --cell-out "{loaded.name}"'
    )


class Feeler:
    """What the load cell of a connected rig shows, and the jig's temperature beside it."""

    def __init__(self, rig: Rig, clock: Clock) -> None:
        """For a rig with a load cell."""
        if rig.load_cell is None:
            raise ValueError(f"{rig.name} has no load cell")
        self._load_cell, self._thermometer, self._clock = rig.load_cell, rig.thermometer, clock

    async def steady(
        self,
        window_second: float,
        give_up_second: float = GIVE_UP_SECOND,
        *,
        most_drift_per_second: float | None = None,
    ) -> Felt:
        """Wait until what is shown has been at rest for a window.

        At rest: the jig's temperature has moved by no more than `MOST_KELVIN`, every reading is one and is called
        stable by the indicator, and the second half is not another value than the first; or, where
        `most_drift_per_second` is given in the indicator's unit, the slope is not more.

        Raises:
            BadValueError: so many readings as are needed never come in a window, as often as it is shown.
            NotSteadyError: it was not within `give_up_second` after the first window.
            DriverError: an instrument does not answer.
        """
        await self._load_cell.read()
        began_second = self._clock.now_second()
        second, shown, status, celsius = [np.empty(0)], [np.empty(0)], [np.empty(0, dtype=np.int64)], list[float]()
        while True:
            await wait_out(self._clock, self._clock.now_second() + LOOK_SECOND)
            block = await self._load_cell.read()
            second.append(block.second)
            shown.append(block.displayed)
            status.append(block.status)
            celsius += await self._jig_celsius()
            now_second = self._clock.now_second()
            if now_second - began_second < window_second:
                continue
            times = np.concatenate(second)
            check_window(times, window_second)
            recent = times > now_second - window_second
            value, said = np.concatenate(shown)[recent], np.concatenate(status)[recent]
            why_not = _why_no_readings(value, said)
            if why_not is None:
                warm = celsius[-max(1, round(window_second / LOOK_SECOND)) :]
                felt = _felt(times[recent], value, warm, self._clock.utc_second())
                why_not = _why_not_warm(warm) or _why_not_at_rest(value, felt, most_drift_per_second)
                if why_not is None:
                    return felt
            if now_second - began_second > window_second + give_up_second:
                raise NotSteadyError(f"not steady within {give_up_second:g} s: {why_not}")

    async def reconnect(self) -> None:
        """Open the links again, after one was lost. Raises `DriverError`."""
        await self._load_cell.connect()
        if self._thermometer is not None:
            await self._thermometer.connect()

    async def _jig_celsius(self) -> list[float]:
        if self._thermometer is None:
            return []
        jig = (await self._thermometer.read_celsius()).get("jig", math.nan)
        if not math.isfinite(jig):
            raise NotSteadyError("the jig's temperature can't be read: its probe says nothing")
        return [jig]


def check_window(second: Floats, window_second: float) -> None:
    """Make sure that a window can hold as many readings as are needed.

    Args:
        second: when what is shown was shown so far, shape (n,), rising; fewer than three say nothing.
        window_second: how long a window is.

    Raises:
        BadValueError: it never can.
    """
    if len(second) < 3:
        return
    period_second = float(np.median(np.diff(second)))
    if FEWEST_READINGS * period_second > window_second:
        what = f"a reading comes every {period_second:.2g} s: {window_second:g} s hold fewer than {FEWEST_READINGS}"
        raise BadValueError(what, f"write --window-s {math.ceil((FEWEST_READINGS + 1) * period_second)}")


def _why_no_readings(value: Floats, status: Integers) -> str | None:
    if len(value) < FEWEST_READINGS:
        return f"only {len(value)} readings came"
    if np.isnan(value).any():
        worst = int(status[np.isnan(value)][0])
        words = ", ".join(str(flag.name).lower() for flag in LoadStatus if flag & worst) or "no number"
        return f"some readings are none: {words}"
    if not (status & int(LoadStatus.STABLE)).all():
        return f"the indicator does not call it stable, from {value.min():g} to {value.max():g}"
    return None


def _why_not_warm(celsius: list[float]) -> str | None:
    if celsius and max(celsius) - min(celsius) > MOST_KELVIN:
        return f"the jig goes from {celsius[0]:.2f} to {celsius[-1]:.2f} °C"
    return None


def _why_not_at_rest(value: Floats, felt: Felt, most_drift_per_second: float | None) -> str | None:
    if most_drift_per_second is not None:
        drift = felt.drift_per_second * DRIFT_SECOND
        return f"it drifts by {drift:g} in 10 min" if abs(felt.drift_per_second) > most_drift_per_second else None
    half = len(value) // 2
    first, last = value[:half], value[half:]
    error = math.sqrt(float(first.var() / len(first) + last.var() / len(last)))
    if abs(float(last.mean() - first.mean())) > SETTLED_DEVIATIONS * error + 1e-12:
        return f"it moves from {first.mean():g} to {last.mean():g}"
    return None


def _felt(second: Floats, value: Floats, celsius: list[float], utc_second: float) -> Felt:
    slope = float(np.polyfit(second - second[0], value, 1)[0]) if second[-1] > second[0] else 0.0
    return Felt(
        shown=float(value.mean()),
        deviation=float(value.std(ddof=1)),
        readings=len(value),
        drift_per_second=slope,
        temperature_celsius=sum(celsius) / len(celsius) if celsius else None,
        utc_second=utc_second,
    )


def _cell_name(header: RunHeader) -> str:
    cell = read_cell(header.cell_text, header.cell_name).cell
    return cell.cell.name if cell else header.cell_name

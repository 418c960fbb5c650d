"""A run under way that is told its rows in blocks cut anywhere, as a runner tells them; and what fired."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np

from daemon.compiling.bounds import bounds_for
from daemon.compiling.interlock_table import interlock_table
from daemon.deciding.run_state import Run
from daemon.deciding.verdicts import with_watch
from daemon.engine import advance
from daemon.events import BlockStored, Event, ReadingsStored, RunStarted, SegmentStarted
from daemon.interlocks import tripped
from daemon.plan import PRESSURE_STREAM, TEMPERATURE_STREAM, Interlock, PlanStep
from daemon.running.intake import cell_rows, logged_rows
from daemon.running.loggers import LoggedRows
from drivers.roles import ReadingBlock
from protocols.settings import Safety
from tests.support.plans import charge, plan

NAN = float("nan")
Values = Iterable[float]


def table(**safety: float) -> tuple[Interlock, ...]:
    """The interlocks of a plan whose largest current is 0.4 mA, with these keys of `safety`."""
    bounds = bounds_for(Safety(**safety), largest_ampere=0.0004, active_mass_gram=0.0075, slowest_sampling_second=1.0)
    return interlock_table(bounds)


@dataclass
class WatchedRun:
    """Measures its first step. `fired` holds, of each block in order, the names of the interlocks that fired in it."""

    run: Run
    fired: list[list[str]] = field(default_factory=list)

    @classmethod
    def of(cls, *steps: PlanStep, interlocks: tuple[Interlock, ...] = (), **watch: object) -> "WatchedRun":
        # It measures its first step at once: nobody is to look at the cell before.
        run = Run(plan=plan(*(steps or (charge(),)), interlocks=interlocks or table()), has_driven=True)
        for event in (RunStarted(), SegmentStarted(segment=1, started_second=0.0)):
            run, _ = advance(run, event, 0.0)
        return cls(with_watch(run, **watch))

    @property
    def names(self) -> list[str]:
        """What fired, in the order in which it did first."""
        return list(dict.fromkeys(name for names in self.fired for name in names))

    def happen(self, event: Event, now_second: float = 0.0) -> None:
        self.run, _ = advance(self.run, event, now_second)

    def beside(self, stream: str, columns: Mapping[str, Values], cuts: Iterable[int] = ()) -> "WatchedRun":
        """Rows of another stream, `elapsed_second` among the columns; cut before the rows of these numbers, from 0."""
        arrays = {name: np.array(list(values), dtype=np.float64) for name, values in columns.items()}
        for rows in _cut(len(arrays["elapsed_second"]), cuts):
            part = {name: column[rows] for name, column in arrays.items()}
            self._tell(logged_rows(self.run, LoggedRows(stream, part))[0])
        return self

    def pressure(self, megapascal: Values, cuts: Iterable[int] = (), second: Values | None = None) -> "WatchedRun":
        """Stack pressure, a row a second if no times are given."""
        pascal = [1e6 * value for value in megapascal]
        times = range(1, len(pascal) + 1) if second is None else second
        return self.beside(PRESSURE_STREAM, {"elapsed_second": times, "surface_pressure_pa": pascal}, cuts)

    def temperature(self, celsius: Values, cuts: Iterable[int] = (), second: Values | None = None) -> "WatchedRun":
        """The jig's temperature, a row a second if no times are given."""
        values = list(celsius)
        times = range(1, len(values) + 1) if second is None else second
        return self.beside(TEMPERATURE_STREAM, {"elapsed_second": times, "jig_temperature_celsius": values}, cuts)

    def cell(self, volt: Values, ampere: float | Values = 0.0004, cuts: Iterable[int] = ()) -> "WatchedRun":
        """Rows of the cell, one a second from 0."""
        voltage = np.array(list(volt), dtype=np.float64)
        current = np.full(len(voltage), ampere) if isinstance(ampere, float) else np.array(list(ampere))
        second, status = np.arange(float(len(voltage))), np.zeros(len(voltage), np.int64)
        for rows in _cut(len(voltage), cuts):
            block = ReadingBlock(rows.start + 1, second[rows], voltage[rows], current[rows], status[rows], status[rows])
            self._tell(cell_rows(self.run, block)[0])
        return self

    def _tell(self, event: BlockStored | ReadingsStored) -> None:
        fired = tripped(self.run.plan.interlocks, event.summary.breaches)
        self.fired.append([interlock.name for interlock, _ in fired])
        self.happen(event)


def resting_before(run: WatchedRun, volt: float) -> WatchedRun:
    """The same, after a long rest that ended at this voltage."""
    watch = msgspec.structs.replace(run.run.watch, rested=(run.run.segment - 1, volt))
    run.run = msgspec.structs.replace(run.run, watch=watch)
    return run


def _cut(rows: int, cuts: Iterable[int]) -> list[slice]:
    edges = sorted({0, rows} | {cut for cut in cuts if cut < rows})
    return [slice(start, stop) for start, stop in pairwise(edges)]

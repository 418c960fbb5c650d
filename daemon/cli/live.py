"""A running simulation drawn on the terminal: cycle, step, voltage, current, speed and time left."""

from __future__ import annotations

import io
import select
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from daemon.cli.console import duration_text
from daemon.clock import real_second
from daemon.deciding.run_state import Run
from daemon.plans.walk import expected_second, steps_to_come
from daemon.running.progress import Progress

SPARKS = "▁▂▃▄▅▆▇█"
TRACE_WIDTH = 60
LINE_EVERY_REAL_SECOND = 2.0
REDRAW_EVERY_REAL_SECOND = 0.1


class LiveView:
    """Shows progress on stderr: drawn in place on a terminal, a line now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._began_second = real_second()
        self._shown_second = 0.0
        self._measured_second: dict[str, float] = {}
        self._halves = 0
        self._voltages: deque[float] = deque(maxlen=TRACE_WIDTH)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Take in what a run shows of itself; draw it if the last drawing is old enough."""
        if progress.ended is not None:
            record = progress.ended
            self._halves += record.half is not None
            self._measured_second[record.step_id] = record.end_run_time_second - record.start_run_time_second
        if progress.last is not None and progress.last.voltage_volt is not None:
            self._voltages.append(progress.last.voltage_volt)
        if not progress.run_time_second:
            return
        every_second = REDRAW_EVERY_REAL_SECOND if self._console.is_terminal else LINE_EVERY_REAL_SECOND
        if real_second() - self._shown_second < every_second or not self._takes_output():
            return
        self._shown_second = real_second()
        if self._console.is_terminal:
            self._live.update(self._panel(progress), refresh=True)
        else:
            self._console.print(self._line(progress), highlight=False, soft_wrap=True)

    def _takes_output(self) -> bool:
        """Whether a drawing can be written now: a terminal that was stopped with Ctrl-S must not stop the run, too."""
        try:
            return bool(select.select([], [self._console.file.fileno()], [], 0)[1])
        except io.UnsupportedOperation:
            return True

    def _left_second(self, run: Run) -> float:
        """Simulated seconds still to come, as far as earlier passes or theory tell."""
        coming = steps_to_come(run.plan, run.position, run.passes)
        return sum(expected_second(step, self._measured_second) for step in coming)

    def _facts(self, progress: Progress) -> dict[str, str]:
        elapsed_second = max(real_second() - self._began_second, 1e-3)
        speed = progress.run_time_second / elapsed_second
        left_second = self._left_second(progress.run)
        last = progress.last
        return {
            "cycle": str((self._halves // 2) + 1),
            "step": progress.run.plan.steps[progress.run.position].step_id,
            "V": "" if last is None or last.voltage_volt is None else f"{last.voltage_volt:.4f} V",
            "I": "" if last is None or last.current_ampere is None else f"{1000 * last.current_ampere:+.4f} mA",
            "P": _megapascal(progress.readings.get("surface_pressure_pa")),
            "T": _celsius(progress.readings.get("jig_temperature_celsius")),
            "run time": duration_text(progress.run_time_second),
            "rows": f"{progress.run.rows:,}",
            "speed": f"{speed:,.0f} simulated s per s",
            "left": f"about {duration_text(left_second / speed)}" if speed else "",
        }

    def _line(self, progress: Progress) -> str:
        facts = self._facts(progress)
        values = "  ".join(facts[name] for name in ("V", "I", "P", "T") if facts[name])
        return (
            f"cycle {facts['cycle']}  {facts['step']}  {values}  {facts['run time']} simulated"
            f"  {facts['speed']}  {facts['left']} left"
        )

    def _panel(self, progress: Progress) -> Panel:
        facts = self._facts(progress)
        grid = Table.grid(padding=(0, 3))
        for first, second in zip(list(facts)[::2], list(facts)[1::2], strict=True):
            grid.add_row(Text(first, "dim"), facts[first], Text(second, "dim"), facts[second])
        done = progress.run_time_second
        bar = ProgressBar(total=done + self._left_second(progress.run), completed=done, width=TRACE_WIDTH)
        return Panel(Group(grid, Text(self._trace(), "green"), bar), title=self._title, width=TRACE_WIDTH + 24)

    def _trace(self) -> str:
        if not self._voltages:
            return ""
        low, high = min(self._voltages), max(self._voltages)
        span = max(high - low, 1e-9)
        return "".join(SPARKS[int((volt - low) / span * (len(SPARKS) - 1))] for volt in self._voltages)


def _megapascal(pressure_pa: float | None) -> str:
    return "" if pressure_pa is None else f"{pressure_pa / 1e6:.3f} MPa"


def _celsius(temperature_celsius: float | None) -> str:
    return "" if temperature_celsius is None else f"{temperature_celsius:.2f} °C"

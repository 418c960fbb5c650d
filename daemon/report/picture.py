"""A run on one page: voltage, current, pressure and temperature over time, voltage over capacity, capacity by cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec
from matplotlib.ticker import MaxNLocator

from daemon.cycles.table import numbers_of
from daemon.events import SegmentRecord
from daemon.reader import RunData, executed_segments
from daemon.report.decimation import drawn_line
from daemon.results.calibration_facts import has_expired
from daemon.rows.cell_rows import Floats

WIDTH_INCH, HEIGHT_INCH, DPI = 12.0, 7.2, 200
PIXELS_PER_PANEL = 1500
LEFT, BOTTOM, TOP = 0.065, 0.085, 0.885
LINE_WIDTH = 0.8
BLUE, ORANGE, GREEN, SKY, INK, FAINT, RED = "#0b559f", "#c2571a", "#1b7f5c", "#6aaed6", "#222222", "#8a8a8a", "#b3202c"
GRID_COLOUR = "#e6e6e6"
SIMULATED = "SIMULATED"
ENDINGS = (".png", ".svg", ".pdf")
TIME_UNITS = (("s", 1.0, 300.0), ("min", 60.0, 3 * 3600.0), ("h", 3600.0, 4 * 86400.0), ("d", 86400.0, np.inf))
GAP_SECOND = 10.0
INTERVALS_MISSED = 5.0


@dataclass(frozen=True)
class _Line:
    """One line over time: run time in seconds, values in the unit of its panel."""

    second: Floats
    value: Floats
    label: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class _Panel:
    """Lines over one axis, which spans `least_span` at least: noise is not drawn as if it were a signal."""

    label: str
    lines: tuple[_Line, ...]
    zero_line: bool = False
    least_span: float = 0.0


def draw_run(run: RunData, path: Path) -> None:
    """Save a picture of a run as it stands; what was not measured is left out. A simulated run is stamped SIMULATED.

    Args:
        run: what to draw.
        path: where to; `.png`, `.svg` or `.pdf`. Its folder must exist. A file of that name is replaced.

    Raises:
        ValueError: another ending, or a run in which nothing was measured.
        OSError: the file can't be written.
    """
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path.name} does not end in {', '.join(ENDINGS)}")
    panels = _panels(run)
    if not panels:
        raise ValueError(f"nothing was measured in {run.run_id} yet")
    figure = Figure(figsize=(WIDTH_INCH, HEIGHT_INCH), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    curves = _curves(run)
    right = bool(curves)
    grid = GridSpec(
        1,
        2 if right else 1,
        figure,
        left=LEFT,
        right=0.945 if right else 0.975,
        bottom=BOTTOM,
        top=TOP,
        wspace=0.22,
        width_ratios=(1.35, 1) if right else None,
    )
    _draw_panels(figure, GridSpecFromSubplotSpec(len(panels), 1, grid[0], hspace=0.1), panels)
    if right:
        has_capacities = len(run.cycles) > 1
        beside = GridSpecFromSubplotSpec(2, 1, grid[1], height_ratios=(1.75, 1), hspace=0.3) if has_capacities else None
        _draw_curves(figure.add_subplot(beside[0] if beside else grid[1]), run, curves)
        if beside:
            _draw_capacities(figure.add_subplot(beside[1]), run)
    _title(figure, run)
    unfinished = path.with_name(path.name + ".part")
    try:
        figure.savefig(unfinished, dpi=DPI, format=path.suffix[1:])
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _panels(run: RunData) -> list[_Panel]:
    rows = run.rows
    panels = []
    if len(rows):
        second = rows["test_time_second"].to_numpy()
        volt, milliampere = rows["voltage_volt"].to_numpy(), 1000 * rows["current_ampere"].to_numpy()
        against = run.result.plan.cell.reference_electrode
        panels.append(_Panel(f"Voltage vs {against} / V", (_Line(second, volt, "", BLUE),)))
        panels.append(_Panel("Current / mA", (_Line(second, milliampere, "", INK),), zero_line=True))
    if run.pressure is not None:
        line = _stream_line(run.pressure, "surface_pressure_pa", "", ORANGE, 1e-6)
        panels += [_Panel("Pressure / MPa", (line,), least_span=0.1)] if line else []
    if run.temperature is not None:
        lines = (
            _stream_line(run.temperature, "ambient_temperature_celsius", "air", SKY, 1.0),
            _stream_line(run.temperature, "jig_temperature_celsius", "jig", GREEN, 1.0),
            _stream_line(run.temperature, "setpoint_temperature_celsius", "setpoint", INK, 1.0, dashed=True),
        )
        present = tuple(line for line in lines if line is not None)
        panels += [_Panel("Temperature / °C", present, least_span=2.0)] if present else []
    return panels


def _stream_line(
    stream: pd.DataFrame, column: str, label: str, colour: str, factor: float, *, dashed: bool = False
) -> _Line | None:
    value = stream[column].to_numpy() * factor
    if not np.isfinite(value).any():
        return None
    return _Line(stream["test_time_second"].to_numpy(), value, label, colour, dashed)


def _draw_panels(figure: Figure, grid: GridSpecFromSubplotSpec, panels: list[_Panel]) -> None:
    end_second = max(line.second[-1] for panel in panels for line in panel.lines)
    unit, size_second = next((name, size) for name, size, up_to in TIME_UNITS if end_second <= up_to)
    first: Axes | None = None
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(grid[index], sharex=first)
        first = first or axes
        _plain(axes)
        if panel.zero_line:
            axes.axhline(0.0, color=FAINT, linewidth=0.5)
        for line in panel.lines:
            _draw_line(axes, line, size_second)
        axes.set_ylabel(panel.label)
        _span(axes, panel.least_span)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], prune="both" if len(panels) > 2 else None))
        if len(panel.lines) > 1:
            _legend(axes, loc="lower right", ncols=len(panel.lines))
        if index < len(panels) - 1:
            axes.tick_params(labelbottom=False)
    if first is not None:
        first.set_xlim(0.0, end_second / size_second or 1.0)
        axes.set_xlabel(f"Time / {unit}")
    figure.align_ylabels()


def _span(axes: Axes, least: float) -> None:
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)


def _draw_line(axes: Axes, line: _Line, size_second: float) -> None:
    usual_second = float(np.median(np.diff(line.second))) if len(line.second) > 1 else 0.0
    second, value = drawn_line(
        line.second,
        line.value,
        pixels=PIXELS_PER_PANEL,
        longest_interval=max(GAP_SECOND, INTERVALS_MISSED * usual_second),
    )
    axes.plot(
        second / size_second,
        value,
        color=line.colour,
        linewidth=LINE_WIDTH,
        linestyle="--" if line.dashed else "-",
        label=line.label,
        solid_joinstyle="round",
    )


@dataclass(frozen=True)
class _Curve:
    """Charge and discharge of one cycle: capacity in mAh per gram, voltage, each a half."""

    label: str
    halves: tuple[tuple[str, Floats, Floats], ...]


def _curves(run: RunData) -> list[_Curve]:
    """Of each rate, the last whole cycle, or the last when none is whole; a current without a rate counts as one."""
    segments = executed_segments(run.result)
    counts = numbers_of(segments, run.result.plan.cycle_starts_with)
    by_cycle: dict[int, list[SegmentRecord]] = {}
    for count, segment in zip(counts, segments, strict=True):
        if segment.half is not None and segment.rows > 1:
            by_cycle.setdefault(count, []).append(segment)
    spoilt = {"unfinished", "interrupted"}
    whole = {cycle.cycle_count for cycle in run.result.cycles if not spoilt & set(cycle.flags)}
    chosen: dict[float | None, int] = {}
    for count, halves in by_cycle.items():
        rate_C = halves[0].rate_C
        if count in whole or chosen.get(rate_C) not in whole:
            chosen[rate_C] = count
    return [
        _Curve(
            f"cycle {count}" if rate_C is None else f"{rate_C:g} C", tuple(_half(run, half) for half in by_cycle[count])
        )
        for rate_C, count in sorted(chosen.items(), key=lambda item: (item[0] is None, item[0] or 0.0))
    ]


def _half(run: RunData, half: SegmentRecord) -> tuple[str, Floats, Floats]:
    step_count = run.rows["step_count"].to_numpy()
    first, after = (int(np.searchsorted(step_count, half.segment, side=side)) for side in ("left", "right"))
    rows = run.rows.iloc[first:after]
    way = "charging" if half.half == "charge" else "discharging"
    capacity_mAh_g = 1000 * rows[f"step_{way}_capacity_ah"].to_numpy() / run.result.plan.cell.active_mass_gram
    return str(half.half), capacity_mAh_g, rows["voltage_volt"].to_numpy()


def _draw_curves(axes: Axes, run: RunData, curves: list[_Curve]) -> None:
    _plain(axes)
    for curve, colour in zip(curves, _colours(len(curves)), strict=True):
        for half, capacity_mAh_g, volt in curve.halves:
            x, y = drawn_line(capacity_mAh_g, volt, pixels=PIXELS_PER_PANEL)
            label = curve.label if half == curve.halves[-1][0] else ""
            axes.plot(x, y, color=colour, linewidth=1.3, alpha=1.0 if half == "discharge" else 0.6, label=label)
    cell = run.result.plan.cell
    axes.set_xlim(left=0.0)
    axes.set_xlabel("Capacity / mAh g⁻¹")
    axes.set_ylabel(f"Voltage vs {cell.reference_electrode} / V")
    _legend(
        axes, loc="lower left", title="last cycle of each rate" if len(curves) > 1 else "last cycle", at=(0.05, 0.02)
    )
    other = run.metadata["reference_electrode"]["of"]
    if other and cell.reference_offset_volt:
        offset = cell.reference_offset_volt
        right = axes.secondary_yaxis("right", functions=(_shifted(offset), _shifted(-offset)))
        right.set_ylabel(f"vs {other} / V (+{offset:g} V)", fontsize=8.5, color=FAINT)
        right.tick_params(labelsize=8, colors=FAINT, length=3, width=0.6)
        right.spines["right"].set_visible(False)


def _draw_capacities(axes: Axes, run: RunData) -> None:
    _plain(axes)
    cycles = run.cycles
    for name, label, colour, filled in (
        ("charge_capacity_mAh_g", "charge", SKY, False),
        ("discharge_capacity_mAh_g", "discharge", BLUE, True),
    ):
        axes.plot(
            cycles["cycle_count"],
            cycles[name],
            linestyle="none",
            marker="o",
            markersize=4.0 if len(cycles) <= 200 else 2.0,
            markerfacecolor=colour if filled else "white",
            markeredgecolor=colour,
            markeredgewidth=0.9,
            label=label,
        )
    highest = cycles[["charge_capacity_mAh_g", "discharge_capacity_mAh_g"]].max().max()
    axes.set_ylim(0.0, 1.12 * highest if highest > 0 else 1.0)
    axes.set_xlim(1 - 0.02 * len(cycles) - 0.3, 1.02 * len(cycles) + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Cycle")
    axes.set_ylabel("Capacity / mAh g⁻¹")
    _legend(axes, loc="lower left", ncols=2, at=(0.02, 0.02))


def _shifted(offset: float) -> Callable[[Any], Any]:
    return lambda volt: np.asarray(volt) + offset


def _colours(count: int) -> list[tuple[float, float, float, float]]:
    found: list[tuple[float, float, float, float]] = [
        colormaps["viridis"](share) for share in np.linspace(0.05, 0.85, max(count, 2))[:count]
    ]
    return found


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.8)
        axes.spines[side].set_color(INK)
    axes.tick_params(labelsize=8.5, length=3, width=0.8, color=INK, labelcolor=INK)
    axes.xaxis.label.set_fontsize(9.5)
    axes.yaxis.label.set_fontsize(9.5)
    axes.grid(visible=True, color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def _legend(
    axes: Axes,
    *,
    loc: Literal["lower left", "lower right"],
    ncols: int = 1,
    title: str = "",
    at: tuple[float, float] | None = None,
) -> None:
    drawn = axes.legend(
        loc=loc,
        bbox_to_anchor=at,
        ncols=ncols,
        fontsize=8,
        title=title or None,
        title_fontsize=8,
        alignment="left",
        handlelength=1.6,
        labelspacing=0.3,
        borderpad=0.4,
        borderaxespad=0.3,
        columnspacing=1.2,
    )
    drawn.get_frame().set(linewidth=0.0, facecolor="white", alpha=0.85)


def _closed_with(run: RunData) -> list[str]:
    """What is said of how the jig was closed, each as it was said; and that the calibration had ended."""
    fixture = run.metadata["fixture"]
    newton_metre, newton, pascal = (
        fixture.get(key) for key in ("torque_newton_metre", "applied_force_newton", "applied_pressure_pa")
    )
    said = [
        "" if newton_metre is None else f"torque {newton_metre:g} N·m",
        "" if newton is None else f"force stated {newton:g} N",
        "" if pascal is None else f"pressure stated {pascal / 1e6:g} MPa",
    ]
    if has_expired(run.result.header):
        said.append(f"calibration ended {run.result.header.pressure_calibration['valid_until']}")
    return said


def _title(figure: Figure, run: RunData) -> None:
    header, result = run.result.header, run.result
    protocol = PurePath(header.protocol_name).stem
    figure.text(LEFT, 0.955, result.plan.cell.name, fontsize=15, fontweight="bold", color=INK, va="center")
    described = run.metadata["sample"]["description"] or ""
    facts = [described, protocol, run.metadata["run"]["started_utc"][:16].replace("T", " ") + " UTC", run.run_id]
    if result.outcome != "completed":
        facts.append(result.outcome)
    if header.without_acceptance:
        facts.append(f"without acceptance: {header.without_acceptance}")
    facts += _closed_with(run)
    figure.text(LEFT, 0.921, "   ·   ".join(fact for fact in facts if fact), fontsize=8.5, color=FAINT, va="center")
    if run.is_simulated:
        figure.text(
            0.5,
            0.46,
            SIMULATED,
            fontsize=100,
            fontweight="bold",
            color=RED,
            alpha=0.05,
            rotation=27,
            ha="center",
            va="center",
        )
        stamp = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": RED, "linewidth": 1.6}
        figure.text(
            0.945, 0.945, SIMULATED, fontsize=13, fontweight="bold", color=RED, ha="right", va="center", bbox=stamp
        )

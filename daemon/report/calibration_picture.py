"""A calibration on one page: known force over what was shown, the line through it, how far each point is off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols.calibration import CalibrationFile
from protocols.calibration_fit import CalibrationFit

WIDTH_INCH, HEIGHT_INCH, DPI = 8.0, 7.0, 150
BLUE, ORANGE, INK, FAINT, RED = "#0b559f", "#c2571a", "#222222", "#8a8a8a", "#b3202c"
GRID_COLOUR = "#e6e6e6"
MARKERS = {"up": ("^", BLUE, "force rising"), "down": ("v", ORANGE, "force falling")}


def draw_calibration(calibration: CalibrationFile, fit: CalibrationFit, path: Path) -> None:
    """Save a picture of a calibration as PNG; one made on a simulated laboratory is stamped SIMULATED.

    Args:
        calibration: what was measured, and with what.
        fit: what follows from its points.
        path: where to; there must be no such file.

    Raises:
        FileExistsError: there is one.
        OSError: it can't be written.
    """
    figure = Figure(figsize=(WIDTH_INCH, HEIGHT_INCH), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    figure.subplots_adjust(left=0.11, right=0.96, top=0.86, bottom=0.2, hspace=0.1)
    _draw_line(upper, calibration, fit)
    _draw_residuals(lower, calibration, fit)
    lower.set_xlabel(f"Shown / {calibration.instrument.unit}")
    _title(figure, calibration)
    figure.text(0.11, 0.025, figures_text(fit), fontsize=8.5, color=INK, va="bottom", linespacing=1.5)
    with path.open("xb") as file:
        figure.savefig(file, dpi=DPI, format="png")


def figures_text(fit: CalibrationFit) -> str:
    """What people want to know of a fit, some lines; what the points can't tell is a dash."""
    force = (
        f"zero {fit.zero:.6g}   ·   {fit.newton_per_unit:.7g} N per unit   ·   up to {fit.largest_force_newton:.6g} N"
        f"   ·   at {fit.reference_celsius:g} °C"
    )
    drift = "no temperature terms"
    if fit.method == "over_temperature":
        drift = f"zero drift {fit.zero_drift_newton_per_kelvin:.4g} N/K"
        drift += f"   ·   gain drift {fit.gain_drift_per_kelvin:.4g} 1/K"
    uncertainty = "-" if fit.standard_uncertainty_newton is None else f"{fit.standard_uncertainty_newton:.3g} N"
    parts = {
        "linearity": fit.linearity_percent,
        "hysteresis": fit.hysteresis_percent,
        "repeatability": fit.repeatability_percent,
    }
    named = [f"{name} {'-' if value is None else f'{value:.2g} %'}" for name, value in parts.items()]
    return "\n".join([force, drift, "   ·   ".join([f"standard uncertainty of a reading {uncertainty}", *named])])


def _draw_line(axes: Axes, calibration: CalibrationFile, fit: CalibrationFit) -> None:
    shown = np.array([point.shown for point in calibration.points])
    span = np.array([shown.min(), shown.max()])
    for celsius in _temperatures(calibration):
        force = [fit.force_newton(value, celsius) for value in span]
        axes.plot(span, force, color=FAINT, linewidth=0.9, zorder=1)
    for direction, (marker, colour, label) in MARKERS.items():
        chosen = [point for point in calibration.points if point.direction == direction]
        if chosen:
            axes.plot(
                [point.shown for point in chosen],
                [point.force_N for point in chosen],
                linestyle="none",
                marker=marker,
                markersize=6,
                markerfacecolor="none",
                markeredgecolor=colour,
                label=label,
            )
    axes.set_ylabel("Known force / N")
    axes.legend(loc="lower right", fontsize=8.5, frameon=False)
    _plain(axes)


def _draw_residuals(axes: Axes, calibration: CalibrationFile, fit: CalibrationFit) -> None:
    axes.axhline(0.0, color=FAINT, linewidth=0.9)
    if fit.standard_uncertainty_newton is not None:
        band = fit.standard_uncertainty_newton
        axes.axhspan(-band, band, color=GRID_COLOUR, zorder=0)
    for point, residual in zip(calibration.points, fit.residuals_newton, strict=True):
        marker, colour, _ = MARKERS[point.direction]
        axes.plot(point.shown, residual, marker=marker, markersize=6, markerfacecolor="none", markeredgecolor=colour)
    axes.set_ylabel("Line less known / N")
    _plain(axes)


def _temperatures(calibration: CalibrationFile) -> list[float | None]:
    known = [point.temperature_C for point in calibration.points if point.temperature_C is not None]
    return [*sorted({round(celsius) for celsius in known})] or [None]


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8.5, color=INK, labelcolor=INK)
    axes.grid(visible=True, color=GRID_COLOUR, linewidth=0.6)
    axes.set_axisbelow(True)


def _title(figure: Figure, calibration: CalibrationFile) -> None:
    figure.text(0.11, 0.945, calibration.certificate, fontsize=15, fontweight="bold", color=INK, va="center")
    instrument, reference = calibration.instrument, calibration.reference
    facts = [
        " ".join(part for part in (instrument.model, instrument.serial_number) if part),
        f"{calibration.calibrated_on} to {calibration.valid_until}",
        f"reference {reference.certificate}",
        f"by {calibration.by}" if calibration.by else "",
    ]
    figure.text(0.11, 0.9, "   ·   ".join(fact for fact in facts if fact), fontsize=8.5, color=FAINT, va="center")
    if calibration.simulated:
        stamp = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": RED, "linewidth": 1.6}
        figure.text(
            0.96, 0.945, "SIMULATED", fontsize=13, fontweight="bold", color=RED, ha="right", va="center", bbox=stamp
        )

"""From known forces, and what an indicator showed under them, to the line between the two. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.errors import BadValueError

Floats = NDArray[np.float64]
Direction = Literal["up", "down"]
Method = Literal["two_point", "multi_point", "over_temperature"]

SAME_FORCE = 0.005
"""Forces that differ by less, as a part of the largest, are one level."""
SAME_TEMPERATURE_KELVIN = 2.0
"""Points nearer to each other are of one temperature."""
LEAST_TEMPERATURE_SPAN_KELVIN = 10.0
"""Over less, a drift is not told from the noise of a display."""
NEAR_ZERO = 0.1
"""The lowest force may be this part of the largest; else the zero would be guessed."""
WORST_RESIDUAL = 0.01
"""A point farther from the line, as a part of the largest force, is no calibration."""
DEFAULT_REFERENCE_CELSIUS = 25.0


@dataclass(frozen=True, kw_only=True)
class CalibrationPoint:
    """What was shown under a known force. `direction` is how the force was reached; an unknown temperature is None."""

    force_newton: float
    shown: float
    temperature_celsius: float | None = None
    direction: Direction = "up"


@dataclass(frozen=True, kw_only=True)
class CalibrationFit:
    """The chain force = (shown - zero) · newton_per_unit · (1 - gain drift · ΔT) - zero drift · ΔT, and how good it is.

    `residuals_newton` are the chain's force less the known one, in the order of the points. `residual_newton` is their
    standard deviation, with a degree of freedom less for each number of the chain; None where the points leave none.
    `standard_uncertainty_newton` is that of one reading, at the worst of the points: residual, uncertainty of the
    chain's numbers, and that of the reference; None without the first. Percentages are of the largest force; None where
    the points can't tell. Linearity is the largest distance of a level's mean on the way up; hysteresis the largest
    between up and down at a level; repeatability the largest spread within a level and direction.
    """

    method: Method
    zero: float
    newton_per_unit: float
    reference_celsius: float
    zero_drift_newton_per_kelvin: float
    gain_drift_per_kelvin: float
    largest_force_newton: float
    residuals_newton: tuple[float, ...]
    residual_newton: float | None
    standard_uncertainty_newton: float | None
    linearity_percent: float | None
    hysteresis_percent: float | None
    repeatability_percent: float | None

    def force_newton(self, shown: float, temperature_celsius: float | None = None) -> float:
        """The force that a shown value means; without a temperature no temperature term is applied."""
        warmer = 0.0 if temperature_celsius is None else temperature_celsius - self.reference_celsius
        force = (shown - self.zero) * self.newton_per_unit * (1 - self.gain_drift_per_kelvin * warmer)
        return force - self.zero_drift_newton_per_kelvin * warmer

    def zero_at_reference(self, shown: float, temperature_celsius: float | None) -> float:
        """The zero of the chain with which a value that is shown without force means 0 N."""
        warmer = 0.0 if temperature_celsius is None else temperature_celsius - self.reference_celsius
        gain = self.newton_per_unit * (1 - self.gain_drift_per_kelvin * warmer)
        return shown - self.zero_drift_newton_per_kelvin * warmer / gain


def fit_calibration(
    points: Sequence[CalibrationPoint],
    *,
    used_up_to_newton: float | None = None,
    reference_uncertainty_percent: float = 0.0,
) -> CalibrationFit:
    """The least-squares line through points, of force over what was shown; over temperature with both its drifts.

    Temperatures are of one level, or several: then the drifts count from the coldest. `reference_uncertainty_percent`
    is the standard uncertainty of the known forces, as a part of each.

    Raises:
        BadValueError: the points make no calibration; the text says why, and what to do.
    """
    _check_numbers(points)
    force = np.array([point.force_newton for point in points])
    shown = np.array([point.shown for point in points])
    kelvin, reference_celsius = _kelvin_above_coldest(points)
    levels = _clusters(force, SAME_FORCE * float(force.max()))
    temperatures = _clusters(kelvin, SAME_TEMPERATURE_KELVIN)
    _check_range(force, levels, used_up_to_newton)
    _check_monotonic(points, levels, temperatures)
    has_drift = _has_drift(kelvin, levels, temperatures)
    columns = [shown, np.ones(len(points)), *((shown * kelvin, kelvin) if has_drift else ())]
    design = np.column_stack(columns)
    found = np.linalg.lstsq(design, force, rcond=None)[0]
    gain, offset, gain_by_kelvin, offset_by_kelvin = (*found, 0.0, 0.0)[:4]
    residuals = design @ found - force
    _check_residuals(points, residuals, float(force.max()))
    spare = len(points) - design.shape[1]
    residual_newton = math.sqrt(float(residuals @ residuals) / spare) if spare else None
    return CalibrationFit(
        method="over_temperature" if has_drift else "two_point" if levels.max() == 1 else "multi_point",
        zero=float(-offset / gain),
        newton_per_unit=float(gain),
        reference_celsius=reference_celsius,
        zero_drift_newton_per_kelvin=float(offset * gain_by_kelvin / gain - offset_by_kelvin),
        gain_drift_per_kelvin=float(-gain_by_kelvin / gain),
        largest_force_newton=float(force.max()),
        residuals_newton=tuple(map(float, residuals)),
        residual_newton=residual_newton,
        standard_uncertainty_newton=_uncertainty(design, residual_newton, force, reference_uncertainty_percent),
        **_figures(points, residuals, levels, temperatures, float(force.max())),
    )


def _check_numbers(points: Sequence[CalibrationPoint]) -> None:
    if len(points) < 2:
        what = f"{len(points)} point{'s are' if len(points) != 1 else ' is'} no line"
        raise BadValueError(what, "take one without force, and one at the largest force")
    known = [point.temperature_celsius for point in points if point.temperature_celsius is not None]
    for number, point in enumerate(points, start=1):
        if not all(map(math.isfinite, (point.force_newton, point.shown))):
            raise BadValueError(f"point {number} is no number", "take it again")
        if point.force_newton < 0:
            raise BadValueError(f"point {number} is a force of {point.force_newton:g} N", "write what pushes above 0")
    if known and len(known) < len(points):
        raise BadValueError("some points have a temperature and some have none", "write it for all, or for none")
    if max(point.force_newton for point in points) <= 0:
        raise BadValueError("all points are without force", "take one at the largest force")


def _kelvin_above_coldest(points: Sequence[CalibrationPoint]) -> tuple[Floats, float]:
    """Each point's temperature over that of the coldest level; and that temperature, in degrees Celsius."""
    known = [point.temperature_celsius for point in points if point.temperature_celsius is not None]
    if not known:
        return np.zeros(len(points)), DEFAULT_REFERENCE_CELSIUS
    celsius = np.array(known)
    coldest = _clusters(celsius, SAME_TEMPERATURE_KELVIN) == 0
    reference_celsius = round(float(celsius[coldest].mean()), 1)
    return celsius - reference_celsius, reference_celsius


def _clusters(values: Floats, width: float) -> NDArray[np.int64]:
    """For each value the number of its cluster, from 0 at the smallest; a cluster is at most `width` wide."""
    numbers = np.zeros(len(values), dtype=np.int64)
    began, number = -math.inf, -1
    for index in np.argsort(values, kind="stable"):
        if values[index] - began > width:
            began, number = float(values[index]), number + 1
        numbers[index] = number
    return numbers


def _check_range(force: Floats, levels: NDArray[np.int64], used_up_to_newton: float | None) -> None:
    largest = float(force.max())
    if levels.max() == 0:
        raise BadValueError(f"all points are at {largest:g} N", "take one without force")
    if force.min() > NEAR_ZERO * largest:
        what = f"the lowest point is at {force.min():g} N, far above 0: the zero would be guessed"
        raise BadValueError(what, "take one without force")
    if used_up_to_newton is not None and used_up_to_newton > largest * (1 + SAME_FORCE):
        what = f"the points end at {largest:g} N, and {used_up_to_newton:g} N are to be measured"
        raise BadValueError(what, "take points up to there")


def _check_monotonic(
    points: Sequence[CalibrationPoint], levels: NDArray[np.int64], temperatures: NDArray[np.int64]
) -> None:
    """At one temperature and in one direction, more force shows more."""
    ways = {(int(temperature), point.direction) for temperature, point in zip(temperatures, points, strict=True)}
    for temperature, direction in sorted(ways):
        before: tuple[float, float] | None = None
        for level in range(int(levels.max()) + 1):
            chosen = [
                point
                for point, at, warmth in zip(points, levels, temperatures, strict=True)
                if at == level and warmth == temperature and point.direction == direction
            ]
            if not chosen:
                continue
            here = (chosen[0].force_newton, sum(point.shown for point in chosen) / len(chosen))
            if before is not None and here[1] <= before[1]:
                what = f"{here[0]:g} N show {here[1]:g}, which is not more than the {before[1]:g} at {before[0]:g} N"
                raise BadValueError(what, "look for a slip in these two points")
            before = here


def _has_drift(kelvin: Floats, levels: NDArray[np.int64], temperatures: NDArray[np.int64]) -> bool:
    """Whether drifts are to be fitted. Raises `BadValueError` where temperatures differ, and drifts can't be."""
    if temperatures.max() == 0:
        return False
    span = float(kelvin.max() - kelvin.min())
    if span < LEAST_TEMPERATURE_SPAN_KELVIN:
        what = f"temperatures differ by {span:.1f} K: too much for one line, too little for a drift"
        hint = f"keep within {SAME_TEMPERATURE_KELVIN:g} K, or take points {LEAST_TEMPERATURE_SPAN_KELVIN:g} K apart"
        raise BadValueError(what, hint)
    for temperature in range(int(temperatures.max()) + 1):
        forces = set(levels[temperatures == temperature])
        if not {0, int(levels.max())} <= forces:
            warmer = float(kelvin[temperatures == temperature].mean())
            what = f"at the temperature {warmer:.0f} K over the coldest the lowest or the largest force is missing"
            raise BadValueError(what, "take both at each temperature")
    return True


def _check_residuals(points: Sequence[CalibrationPoint], residuals: Floats, largest: float) -> None:
    worst = int(np.argmax(np.abs(residuals)))
    share = abs(float(residuals[worst])) / largest
    if share > WORST_RESIDUAL:
        where = f"point {worst + 1}, at {points[worst].force_newton:g} N,"
        what = f"{where} is {100 * share:.2f} % of the largest force off the line"
        raise BadValueError(what, f"take it again; more than {100 * WORST_RESIDUAL:g} % is no line")


def _uncertainty(
    design: Floats, residual_newton: float | None, force: Floats, reference_percent: float
) -> float | None:
    if residual_newton is None:
        return None
    unitary = np.linalg.qr(design)[0]
    leverage = float((unitary**2).sum(axis=1).max())
    reference_newton = reference_percent / 100 * float(force.max())
    return math.hypot(residual_newton * math.sqrt(1 + leverage), reference_newton)


def _figures(
    points: Sequence[CalibrationPoint],
    residuals: Floats,
    levels: NDArray[np.int64],
    temperatures: NDArray[np.int64],
    largest: float,
) -> dict[str, float | None]:
    """Linearity, hysteresis and repeatability in percent of the largest force."""
    groups: dict[tuple[int, int], dict[str, list[float]]] = {}
    for point, residual, level, temperature in zip(points, residuals, levels, temperatures, strict=True):
        groups.setdefault((int(level), int(temperature)), {}).setdefault(point.direction, []).append(float(residual))

    def worst(found: Iterator[float]) -> float | None:
        biggest = max(found, default=None)
        return None if biggest is None else 100 * biggest / largest

    ups = [ways["up"] for ways in groups.values() if "up" in ways]
    loops = [(ways["up"], ways["down"]) for ways in groups.values() if len(ways) == 2]
    repeated = [found for ways in groups.values() for found in ways.values() if len(found) > 1]
    return {
        "linearity_percent": worst(abs(_mean(up)) for up in ups) if levels.max() > 1 else None,
        "hysteresis_percent": worst(abs(_mean(down) - _mean(up)) for up, down in loops),
        "repeatability_percent": worst(max(found) - min(found) for found in repeated),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""The calibration file of a load cell: known forces, what was shown under them, and the numbers that follow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field

from protocols.calibration_fit import CalibrationFit, CalibrationPoint, Direction, Method, fit_calibration
from protocols.errors import BadValueError, Problem, ProblemsFound, errors_in
from protocols.fields import (
    Celsius,
    Date,
    NotNegative,
    Number,
    Positive,
    Strict,
    Text,
    by_default,
    needed,
    optional,
    read_model,
)
from protocols.source import Findings, Source, plain_scalar, quoted, read_source

SCHEMA: Final = "presscell-calibration/1"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./+-]*")
AGREES = 1e-6
"""How far a written number may be from the one that follows, as a part of it: more than writing it cost."""


class CalibratedInstrument(Strict):
    """The load cell with its indicator: they are calibrated together."""

    model: Text | None = optional("the indicator")
    serial_number: Text | None = optional("of the indicator or the sensor")
    unit: Text = needed("what is shown is in this unit")
    nominal_newton: Positive | None = optional("nominal force of the sensor, N")


class ReferenceStandard(Strict):
    """What the known forces are known from."""

    certificate: Text = needed("of the reference load cell, or of the weights")
    description: Text | None = optional("what it is")
    valid_until: Date | None = optional("last day of its certificate")
    standard_uncertainty_percent: NotNegative | None = optional("standard uncertainty (k = 1), as a part of each force")


class WrittenPoint(Strict):
    """One known force."""

    force_N: NotNegative = needed("the force")
    shown: Number = needed("what was shown, in the instrument's unit; a mean, if `readings` are more than one")
    temperature_C: Celsius | None = optional("of the sensor: of all points or of none")
    direction: Direction = by_default("up", "`up` when the force was reached from below, else `down`")
    at: Text | None = optional("UTC")
    deviation: NotNegative | None = optional("standard deviation of the readings, in the instrument's unit")
    readings: Positive | None = optional("how many are in the mean")


class WrittenFit(Strict):
    """The numbers that follow from the points; on reading they must follow again."""

    method: Method = needed("`two_point`, `multi_point` or `over_temperature`")
    zero: Number = needed("shown without force at the reference temperature")
    newton_per_unit: Positive = needed("newtons for one unit shown")
    reference_temperature_C: Number = needed("where both drifts are nothing")
    zero_drift_newton_per_K: Number = needed("drift of the zero")
    gain_drift_per_K: Number = needed("drift of the gain, as a part of the reading")
    largest_force_N: Positive = needed("largest force of the points")
    residual_N: NotNegative | None = optional("standard deviation of the residuals")
    standard_uncertainty_N: NotNegative | None = optional("of one reading (k = 1), the reference's included")
    linearity_percent: NotNegative | None = optional("of the largest force")
    hysteresis_percent: NotNegative | None = optional("of the largest force")
    repeatability_percent: NotNegative | None = optional("of the largest force")


class Zeroing(Strict):
    """A zero taken later, on the empty jig: it takes the place of the points' own."""

    shown: Number = needed("what was shown without force")
    temperature_C: Celsius | None = optional("of the sensor then")
    at: Text = needed("UTC")
    drift_newton_per_10_min: Number | None = optional("how much it still moved")
    readings: Positive | None = optional("how many are in the mean")


class CellOut(Strict):
    """Which cell was logged as loaded, and is said to be out of the jig."""

    cell: Text = needed("its name")
    run_id: Text = needed("the last run of it on this rig")


class CalibrationFile(Strict):
    """The top of the file."""

    schema_name: Literal["presscell-calibration/1"] = Field(alias="schema", description="`presscell-calibration/1`")
    simulated: bool = by_default(default=False, description="made on a simulated laboratory, and good only there")
    certificate: Text = needed("what this calibration is called, in every run that uses it")
    calibrated_on: Date = needed("the day")
    valid_until: Date = needed("the last day on which a run may begin with it")
    by: Text | None = optional("who calibrated")
    instrument: CalibratedInstrument = needed("what was calibrated")
    reference: ReferenceStandard = needed("with what")
    used_up_to_N: Positive | None = optional("the largest force that is to be measured; the points must reach it")
    points: list[WrittenPoint] = needed("the known forces, in the order they were put on")
    fit: WrittenFit = needed("the numbers")
    zeroing: Zeroing | None = optional("a later zero")
    cell_out: CellOut | None = optional("which cell was said to be out")
    notes: Any = Field(default=None, description="for people")


@dataclass(frozen=True)
class CalibrationRead:
    """A calibration file as far as it could be read; `calibration` and `fit` are None when something in it is wrong."""

    source: Source
    text: str
    calibration: CalibrationFile | None
    fit: CalibrationFit | None
    problems: tuple[Problem, ...]

    @property
    def zero(self) -> float:
        """The zero in use, at the reference temperature: of a later zeroing, else of the points."""
        if self.calibration is None or self.fit is None:
            raise TypeError("there is no zero in a calibration file with errors")
        zeroing = self.calibration.zeroing
        return self.fit.zero if zeroing is None else self.fit.zero_at_reference(zeroing.shown, zeroing.temperature_C)


def read_calibration(text: str, file: str) -> CalibrationRead:
    """Read a calibration file, and compute anew what follows from its points. Raises nothing.

    What is wrong is in `problems`, all at once: also each number of `fit` that does not follow.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return CalibrationRead(Source(file), text, None, None, found.problems)
    calibration, wrong = read_model(CalibrationFile, source, (), source.value)
    findings = Findings(source)
    fit = None
    if calibration is not None and not wrong:
        _check_days(findings, calibration)
        fit = _refitted(findings, calibration)
        _check_zeroing(findings, calibration)
    problems = (*source.problems, *wrong, *findings.problems)
    if errors_in(problems):
        return CalibrationRead(source, text, None, None, problems)
    return CalibrationRead(source, text, calibration, fit, problems)


def points_of(written: list[WrittenPoint]) -> list[CalibrationPoint]:
    """Points as they are fitted."""
    return [
        CalibrationPoint(
            force_newton=point.force_N,
            shown=point.shown,
            temperature_celsius=point.temperature_C,
            direction=point.direction,
        )
        for point in written
    ]


def fit_of(points: list[WrittenPoint], reference: ReferenceStandard, used_up_to_newton: float | None) -> CalibrationFit:
    """The numbers of points as they are written. Raises `BadValueError` as `fit_calibration`."""
    uncertainty_percent = reference.standard_uncertainty_percent or 0.0
    return fit_calibration(
        points_of(points), used_up_to_newton=used_up_to_newton, reference_uncertainty_percent=uncertainty_percent
    )


def as_written(fit: CalibrationFit) -> WrittenFit:
    """The numbers as they stand in a file: with nine digits, and what is nothing beside the largest force as 0."""
    numbers = {
        "zero": fit.zero,
        "newton_per_unit": fit.newton_per_unit,
        "zero_drift_newton_per_K": fit.zero_drift_newton_per_kelvin,
        "gain_drift_per_K": fit.gain_drift_per_kelvin,
        "residual_N": fit.residual_newton,
        "standard_uncertainty_N": fit.standard_uncertainty_newton,
        "linearity_percent": fit.linearity_percent,
        "hysteresis_percent": fit.hysteresis_percent,
        "repeatability_percent": fit.repeatability_percent,
    }
    return WrittenFit(
        method=fit.method,
        reference_temperature_C=fit.reference_celsius,
        largest_force_N=fit.largest_force_newton,
        **{key: _nine(value, _smallest(key, fit)) for key, value in numbers.items() if value is not None},
    )


def calibration_text(calibration: CalibrationFile) -> str:
    """The file's text; reading it gives the same calibration."""
    said = calibration.model_dump(mode="json", by_alias=True, exclude_none=True)
    return "".join(_lines(said))


def _lines(said: Mapping[str, Any]) -> Iterator[str]:
    for key, value in said.items():
        match value:
            case list():
                yield f"{key}:\n"
                for item in value:
                    yield f"  - {_flow(item)}\n"
            case dict():
                yield f"{key}:\n"
                for name, inner in value.items():
                    yield f"  {name}: {_flow(inner)}\n"
            case _:
                yield f"{key}: {_flow(value)}\n"


def _flow(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case str():
            return value if _PLAIN.fullmatch(value) and plain_scalar(value) == value else quoted(value)
        case bool():
            return str(value).lower()
        case float():
            return repr(value).removesuffix(".0")
        case _:
            return str(value)


def _nine(value: float, smallest: float) -> float:
    return float(f"{value:.9g}") if abs(value) >= smallest else 0.0


def _check_days(findings: Findings, calibration: CalibrationFile) -> None:
    day, reference = calibration.calibrated_on, calibration.reference
    if calibration.valid_until < day:
        what = f"{calibration.valid_until} is before the day of the calibration, {day}"
        findings.error(("valid_until",), what, "exchange the two, or correct one")
    if reference.valid_until is not None and reference.valid_until < day:
        what = f"the reference's certificate had ended on {reference.valid_until}"
        findings.error(("reference", "valid_until"), what, "calibrate with one that is valid")


def _check_zeroing(findings: Findings, calibration: CalibrationFile) -> None:
    zeroing, fit = calibration.zeroing, calibration.fit
    drifts = fit.zero_drift_newton_per_K or fit.gain_drift_per_K
    if zeroing is not None and zeroing.temperature_C is None and drifts:
        what = "this zero has no temperature, and the zero drifts with it"
        findings.error(("zeroing",), what, "write temperature_C, of the sensor when it was taken", at_key=True)


def _refitted(findings: Findings, calibration: CalibrationFile) -> CalibrationFit | None:
    """What follows from the points; what of `fit` does not is noted."""
    try:
        fit = fit_of(calibration.points, calibration.reference, calibration.used_up_to_N)
    except BadValueError as error:
        findings.error(("points",), error.what, error.what_to_write, at_key=True)
        return None
    written, follows = calibration.fit, as_written(fit)
    for key in WrittenFit.model_fields:
        said, found = getattr(written, key), getattr(follows, key)
        if not _agree(said, found, _smallest(key, fit)):
            shown = "nothing" if said is None else f"{said:.12g}" if isinstance(said, float) else f"{said}"
            what = f"{shown} does not follow from the points"
            follows_text = f"{found:.9g}" if isinstance(found, float) else f"{found}"
            hint = (
                "remove it: the points can't tell" if found is None else f"write {follows_text}, or correct the points"
            )
            findings.error(("fit", key), what, hint)
    return fit


def _smallest(key: str, fit: CalibrationFit) -> float:
    """What is nothing beside the largest force: numbers that should be 0 are never quite."""
    newton = 1e-9 * fit.largest_force_newton
    others = {"zero": newton / fit.newton_per_unit, "newton_per_unit": 0.0, "gain_drift_per_K": 1e-12}
    return others.get(key, newton)


def _agree(said: object, found: object, smallest: float) -> bool:
    if isinstance(said, int | float) and isinstance(found, int | float):
        return abs(said - found) <= AGREES * abs(found) + smallest
    return said == found

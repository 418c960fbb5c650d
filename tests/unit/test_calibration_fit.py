"""A line that is known is found again, noise becomes the uncertainty it is, and nonsense makes no calibration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.calibration_fit import CalibrationFit, CalibrationPoint, fit_calibration
from protocols.errors import BadValueError

FORCES = (0.0, 400.0, 800.0, 1200.0, 1600.0)


def point(force: float, shown: float, celsius: float | None = None, direction: str = "up") -> CalibrationPoint:
    return CalibrationPoint(force_newton=force, shown=shown, temperature_celsius=celsius, direction=direction)  # type: ignore[arg-type]


def shown_under(
    force: float,
    celsius: float,
    *,
    zero: float,
    gain: float,
    zero_drift: float = 0.0,
    gain_drift: float = 0.0,
    at: float = 25.0,
) -> float:
    """The chain of stack-pressure, turned round."""
    warmer = celsius - at
    return zero + (force + zero_drift * warmer) / (gain * (1 - gain_drift * warmer))


@given(
    zero=st.floats(-50, 50),
    gain=st.floats(0.01, 2000),
    largest=st.floats(10, 50_000),
    levels=st.integers(2, 8),
)
def test_a_known_line_is_recovered(zero: float, gain: float, largest: float, levels: int) -> None:
    forces = np.linspace(0, largest, levels)
    fit = fit_calibration([point(float(force), zero + float(force) / gain) for force in forces])
    assert fit.newton_per_unit == pytest.approx(gain, rel=1e-6)
    assert (fit.zero - zero) * gain == pytest.approx(0, abs=1e-6 * largest + 1e-9 * abs(zero) * gain)
    assert fit.method == ("two_point" if levels == 2 else "multi_point")
    assert max(map(abs, fit.residuals_newton)) < 1e-6 * largest


@given(
    gain_drift=st.floats(-5e-4, 5e-4),
    zero_drift=st.floats(-2, 2),
    zero=st.floats(-5, 5),
    temperatures=st.lists(st.sampled_from([40.0, 55.0, 60.0]), min_size=1, unique=True),
)
def test_known_drifts_are_recovered(
    gain_drift: float, zero_drift: float, zero: float, temperatures: list[float]
) -> None:
    said = {"zero": zero, "gain": 9.8, "zero_drift": zero_drift, "gain_drift": gain_drift}
    points = [
        point(force, shown_under(force, celsius, **said), celsius)
        for celsius in (25.0, *temperatures)
        for force in FORCES
    ]
    fit = fit_calibration(points)
    assert (fit.method, fit.reference_celsius) == ("over_temperature", 25.0)
    assert fit.zero == pytest.approx(zero, abs=1e-6)
    assert fit.newton_per_unit == pytest.approx(9.8, rel=1e-7)
    assert fit.zero_drift_newton_per_kelvin == pytest.approx(zero_drift, abs=1e-6)
    assert fit.gain_drift_per_kelvin == pytest.approx(gain_drift, abs=1e-9)


@given(celsius=st.floats(0, 100), zero_drift=st.floats(-2, 2))
def test_a_later_zero_shows_no_force(celsius: float, zero_drift: float) -> None:
    fit = CalibrationFit(
        method="over_temperature",
        zero=0.2,
        newton_per_unit=9.8,
        reference_celsius=25.0,
        zero_drift_newton_per_kelvin=zero_drift,
        gain_drift_per_kelvin=2e-5,
        largest_force_newton=1600.0,
        residuals_newton=(),
        residual_newton=None,
        standard_uncertainty_newton=None,
        linearity_percent=None,
        hysteresis_percent=None,
        repeatability_percent=None,
    )
    zero = fit.zero_at_reference(1.5, celsius)
    warmer = celsius - 25.0
    force = (1.5 - zero) * 9.8 * (1 - 2e-5 * warmer) - zero_drift * warmer
    assert force == pytest.approx(0, abs=1e-9)


@pytest.fixture(scope="module")
def noisy_fits() -> list[tuple[CalibrationFit, float]]:
    """Fits of points with a noise of 0.5 N; with each, how far the force of a new reading at 1600 N is off."""
    made, noise_newton = np.random.default_rng(11), 0.5
    fits = []
    for _ in range(600):
        forces = (*FORCES, *FORCES[::-1])
        fit = fit_calibration([point(force, (force + made.normal(0, noise_newton)) / 9.8) for force in forces])
        read = fit.force_newton((1600.0 + made.normal(0, noise_newton)) / 9.8)
        fits.append((fit, read - 1600.0))
    return fits


def test_noise_becomes_the_residual_that_it_is(noisy_fits: list[tuple[CalibrationFit, float]]) -> None:
    variances = [fit.residual_newton**2 for fit, _ in noisy_fits if fit.residual_newton is not None]
    assert math.sqrt(np.mean(variances)) == pytest.approx(0.5, rel=0.03)


def test_the_uncertainty_is_that_of_a_reading(noisy_fits: list[tuple[CalibrationFit, float]]) -> None:
    scores = [error / fit.standard_uncertainty_newton for fit, error in noisy_fits if fit.standard_uncertainty_newton]
    assert len(scores) == 600
    # Student's t of 8 degrees of freedom has a variance of 8 / 6.
    assert np.var(scores) == pytest.approx(8 / 6, rel=0.15)


def test_the_reference_is_in_the_uncertainty() -> None:
    points = [point(force, (force + off) / 9.8) for force, off in zip(FORCES, (0.1, -0.1, 0.1, -0.1, 0.1), strict=True)]
    alone = fit_calibration(points).standard_uncertainty_newton
    both = fit_calibration(points, reference_uncertainty_percent=0.1).standard_uncertainty_newton
    assert alone is not None
    assert both == pytest.approx(math.hypot(alone, 1.6))


def test_two_points_tell_nothing_of_how_good_they_are() -> None:
    fit = fit_calibration([point(0, 0.2), point(1000, 102.2)])
    assert fit.method == "two_point"
    assert (fit.residual_newton, fit.standard_uncertainty_newton) == (None, None)
    assert (fit.linearity_percent, fit.hysteresis_percent, fit.repeatability_percent) == (None, None, None)


def test_hysteresis_and_repeatability_are_told_apart() -> None:
    up = [point(force, force / 10) for force in FORCES]
    down = [point(800.0, 80.4, direction="down"), point(0.0, 0.0, direction="down")]
    fit = fit_calibration([*up, *down, point(1600.0, 160.1)])
    assert fit.hysteresis_percent == pytest.approx(100 * 4 / 1600, rel=0.01)
    assert fit.repeatability_percent == pytest.approx(100 * 1 / 1600, rel=0.01)


def test_a_curve_is_not_linear() -> None:
    fit = fit_calibration([point(force, force / 10 * (1 + 2e-6 * force)) for force in FORCES])
    assert fit.linearity_percent == pytest.approx(0.04, rel=0.3)
    assert fit.linearity_percent == pytest.approx(100 * max(map(abs, fit.residuals_newton)) / 1600)


LINE = [point(force, force / 10) for force in FORCES]


@pytest.mark.parametrize(
    ("points", "what"),
    [
        ([], "0 points are no line"),
        ([point(0, 0)], "1 point is no line"),
        ([point(0, 0), point(0, 0.1)], "without force"),
        ([point(1000, 100), point(1001, 100.1)], "all points are at"),
        ([point(500, 50), point(1000, 100)], "the zero would be guessed"),
        ([point(-1, 0), point(1000, 100)], "a force of -1 N"),
        ([point(0, math.nan), point(1000, 100)], "is no number"),
        ([*LINE, point(2000, 150)], "2000 N show 150, which is not more than the 160 at 1600 N"),
        ([point(0, 160), point(1600, 0)], "which is not more"),
        ([*LINE, point(1400, 142.5)], "point 6, at 1400 N, is"),
        ([point(0, 0, 25), point(1600, 160)], "some points have a temperature"),
        ([point(0, 0, 25), point(1600, 160, 31)], "temperatures differ by 6.0 K"),
        ([point(0, 0, 25), point(1600, 160, 25), point(0, 0.5, 55)], "the lowest or the largest force is missing"),
    ],
)
def test_nonsense_is_refused(points: list[CalibrationPoint], what: str) -> None:
    with pytest.raises(BadValueError, match=what.replace("(", r"\(")):
        fit_calibration(points)


@pytest.mark.parametrize(("used", "is_covered"), [(1500.0, True), (1600.0, True), (1700.0, False)])
def test_the_range_must_be_covered(used: float, is_covered: bool) -> None:
    if is_covered:
        assert fit_calibration(LINE, used_up_to_newton=used).largest_force_newton == 1600
    else:
        with pytest.raises(BadValueError, match="1700 N are to be measured"):
            fit_calibration(LINE, used_up_to_newton=used)

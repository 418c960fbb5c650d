"""From what a load cell's indicator shows to stack pressure. Pure.

F = (displayed - zero) · gain, then the sensor's own temperature terms, then P = F / area; the chain and its terms are
those of the sensor's certificate. Nothing is subtracted for the jig: that takes a blank run of its own.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.roles import Floats, Integers, LoadStatus

STANDARD_GRAVITY = 9.80665
"""Newton per kilogram-force."""


class PressureCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How displayed values become pressure; frozen in the run's header.

    `zero_displayed` is shown with nothing on the sensor. `gain_drift_per_kelvin` is relative to the reading,
    `zero_drift_newton_per_kelvin` absolute; both count from `reference_celsius`. `area_square_metre` is the cell's.
    `nominal_newton` is what the sensor is made for, None when that is not known.

    From `unit` on the fields are words about these numbers, and change no pressure: days as in 2026-03-31; standard
    uncertainty of one force, and the largest force of the calibration, where they are known, beyond which rows are
    flagged; path and text of the calibration file, if there is one.
    """

    newton_per_unit: float
    area_square_metre: float
    zero_displayed: float = 0.0
    zero_drift_newton_per_kelvin: float = 0.0
    gain_drift_per_kelvin: float = 0.0
    reference_celsius: float = 25.0
    certificate: str = ""
    nominal_newton: float | None = None
    unit: str | None = None
    calibrated_on: str | None = None
    valid_until: str | None = None
    standard_uncertainty_newton: float | None = None
    calibrated_up_to_newton: float | None = None
    file: str | None = None
    file_text: str = ""


DECIDES_PRESSURE = (
    *("newton_per_unit", "area_square_metre", "zero_displayed", "zero_drift_newton_per_kelvin"),
    *("gain_drift_per_kelvin", "reference_celsius", "certificate", "nominal_newton"),
)
"""The fields in which two calibrations may not differ within a run."""


def area_of_die(diameter_metre: float) -> float:
    """The area of a round cell, in square metres."""
    return math.pi * diameter_metre**2 / 4


def surface_pressure_pa(displayed: Floats, sensor_celsius: Floats, calibration: PressureCalibration) -> Floats:
    """Pressure in whole pascals, shape (n,).

    Args:
        displayed: shape (n,), in the indicator's unit; NaN is no reading and stays NaN.
        sensor_celsius: shape (n,), the sensor's temperature at each; NaN applies no temperature term.
        calibration: the constants.
    """
    newton = (displayed - calibration.zero_displayed) * calibration.newton_per_unit
    warmer = np.where(np.isnan(sensor_celsius), 0.0, sensor_celsius - calibration.reference_celsius)
    newton = newton * (1 - calibration.gain_drift_per_kelvin * warmer)
    newton = newton - calibration.zero_drift_newton_per_kelvin * warmer
    return np.round(newton / calibration.area_square_metre)


def is_beyond_calibration(pascal: Floats, calibration: PressureCalibration) -> NDArray[np.bool_]:
    """Where a pressure, shape (n,), is of a larger force, either way, than any of the calibration.

    Never where nothing was read, or where nobody says how far the calibration goes.
    """
    most_newton = calibration.calibrated_up_to_newton
    if most_newton is None:
        return np.zeros(len(pascal), dtype=np.bool_)
    # A pressure is stored in whole pascals: its own rounding takes nothing out of the calibration.
    is_beyond: NDArray[np.bool_] = np.abs(pascal) > round(most_newton / calibration.area_square_metre)
    return is_beyond


def with_calibration(
    status: Integers, pascal: Floats, sensor_celsius: Floats, calibration: PressureCalibration
) -> Integers:
    """What the indicator said, `drivers.roles.LoadStatus`, and what the calibration has to say of each pressure.

    `sensor_celsius` as in `surface_pressure_pa`.
    """
    has_terms = calibration.gain_drift_per_kelvin != 0 or calibration.zero_drift_newton_per_kelvin != 0
    lacks_terms = np.isnan(sensor_celsius) & ~np.isnan(pascal) & has_terms
    beyond = np.where(is_beyond_calibration(pascal, calibration), int(LoadStatus.BEYOND_CALIBRATION), 0)
    return status | beyond | np.where(lacks_terms, int(LoadStatus.UNCOMPENSATED), 0)

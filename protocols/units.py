"""The one place where units are converted: what people write (mA, mAh, mg, "C/10", "10 h") to SI, and back."""

from __future__ import annotations

import math
import re

from protocols.errors import BadValueError
from protocols.guesses import did_you_mean

SECOND_PER_HOUR = 3600.0
SECOND_PER_UNIT = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), SECOND_PER_HOUR),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}

STANDARD_GRAVITY = 9.80665
NEWTON_PER_UNIT = {
    "n": 1.0,
    "kn": 1000.0,
    "g": STANDARD_GRAVITY / 1000,
    "kg": STANDARD_GRAVITY,
    "kgf": STANDARD_GRAVITY,
    "t": STANDARD_GRAVITY * 1000,
    "lb": 0.45359237 * STANDARD_GRAVITY,
    "lbf": 0.45359237 * STANDARD_GRAVITY,
}
"""The force that a unit on an indicator stands for, by its name in lower case."""

SMALLEST, LARGEST = 1e-9, 1e9
"""No quantity in a file is nearer to zero, or farther, in the unit people write it in."""

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_DECIMAL_COMMA = re.compile(r"([-+]?[0-9]+),([0-9]+)(.*)", re.DOTALL)
_NUMBER_AND_REST = re.compile(rf"\s*([-+]?{_NUMBER})\s*(.*?)\s*", re.DOTALL)
_RATE_FRACTION = re.compile(rf"([-+]?)\s*({_NUMBER})?\s*([CcDd]?)\s*/\s*({_NUMBER})")
_RATE_MULTIPLE = re.compile(rf"([-+]?{_NUMBER})\s*([CcDd])")
_DURATION_PART = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]+)")
_ISO_DURATION = re.compile(
    rf"P(?:({_NUMBER})D)?(?:T(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?",
)


def ampere(current_mA: float) -> float:
    """Milliampere to ampere."""
    return current_mA / 1000


def milliampere(current_ampere: float) -> float:
    """Ampere to milliampere."""
    return current_ampere * 1000


def ampere_hour(capacity_mAh: float) -> float:
    """Milliampere-hour to ampere-hour."""
    return capacity_mAh / 1000


def milliampere_hour(capacity_ampere_hour: float) -> float:
    """Ampere-hour to milliampere-hour."""
    return capacity_ampere_hour * 1000


def watt(power_mW: float) -> float:
    """Milliwatt to watt."""
    return power_mW / 1000


def milliwatt(power_watt: float) -> float:
    """Watt to milliwatt."""
    return power_watt * 1000


def watt_hour(energy_mWh: float) -> float:
    """Milliwatt-hour to watt-hour."""
    return energy_mWh / 1000


def volt(voltage_mV: float) -> float:
    """Millivolt to volt."""
    return voltage_mV / 1000


def volt_per_second(slope_mV_h: float) -> float:
    """Millivolt per hour to volt per second."""
    return slope_mV_h / 1000 / SECOND_PER_HOUR


def pascal_per_second(slope_MPa_h: float) -> float:
    """Megapascal per hour to pascal per second."""
    return pascal(slope_MPa_h) / SECOND_PER_HOUR


def gram(mass_mg: float) -> float:
    """Milligram to gram."""
    return mass_mg / 1000


def metre(length_mm: float) -> float:
    """Millimetre to metre."""
    return length_mm / 1000


def pascal(pressure_MPa: float) -> float:
    """Megapascal to pascal."""
    return _tidy(pressure_MPa * 1e6)


def megapascal(pressure_pascal: float) -> float:
    """Pascal to megapascal."""
    return pressure_pascal / 1e6


def capacity_by_mass(specific_capacity_mAh_g: float, mass_gram: float) -> float:
    """Ampere-hour that a mass holds."""
    return _tidy(ampere_hour(specific_capacity_mAh_g * mass_gram))


def capacity_by_area(areal_capacity_mAh_cm2: float, diameter_mm: float) -> float:
    """Ampere-hour that a disc of a diameter holds."""
    area_cm2 = math.pi * (diameter_mm / 20) ** 2
    return ampere_hour(areal_capacity_mAh_cm2 * area_cm2)


def current_by_area(current_density_mA_cm2: float, diameter_mm: float) -> float:
    """Ampere through a disc of a diameter, sign kept."""
    area_cm2 = math.pi * (diameter_mm / 20) ** 2
    return ampere(current_density_mA_cm2 * area_cm2)


def specific_capacity(charge_ampere_hour: float, mass_gram: float) -> float:
    """Milliampere-hour per gram."""
    return charge_ampere_hour * 1000 / mass_gram


def current_of_rate(rate_C: float, one_C_ampere: float) -> float:
    """Ampere of a C-rate, sign kept."""
    return _tidy(rate_C * one_C_ampere)


def hour_in_seconds(time_hour: float) -> float:
    """Hours to seconds."""
    return time_hour * SECOND_PER_HOUR


def current_text(current_ampere: float) -> str:
    """A current as people write it: `1.5 mA`, `0.25 µA`, `2 A`."""
    for scale, unit in ((1.0, "A"), (1e3, "mA")):
        if abs(current_ampere) * scale >= 1:
            return f"{current_ampere * scale:.6g} {unit}"
    small = abs(current_ampere) < 1e-6
    return f"{current_ampere * (1e6 if small else 1e3):.6g} {'µA' if small else 'mA'}"


def time_text(time_second: float) -> str:
    """A time as people write it: `10 h`, `90 s`."""
    if time_second >= SECOND_PER_HOUR:
        return f"{time_second / SECOND_PER_HOUR:.4g} h"
    if time_second >= 120 and time_second % 60 == 0:
        return f"{time_second / 60:.4g} min"
    return f"{time_second:.6g} s"


def number(value: object) -> float:
    """A finite number as it was written in a file. Raises `BadValueError`, which says what was probably meant."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadValueError(f"{_shown(value)} is not a number", "write a number")
    if isinstance(value, str):
        raise _not_a_number(value)
    try:
        finite = float(value)
    except OverflowError:
        finite = math.inf
    if not abs(finite) <= LARGEST:
        raise BadValueError(f"{_shown(value)} is no quantity of a cell", f"write at most {LARGEST:g}")
    return finite


def rate(value: object) -> float:
    """A C-rate, discharge negative: `0.1`, `C/10`, `1/3`, `2C`, `D/2` (which is -0.5). Raises `BadValueError`."""
    if not isinstance(value, str):
        return number(value)
    text = value.strip()
    fraction = _RATE_FRACTION.fullmatch(text)
    if fraction and (fraction[2] or fraction[3]):
        sign, dividend, letter, divisor = fraction.groups()
        magnitude = number(_quotient(text, float(dividend or 1), float(divisor)))
        return -magnitude if (sign == "-") != (letter in tuple("Dd")) else magnitude
    if multiple := _RATE_MULTIPLE.fullmatch(text):
        signed = number(float(multiple[1]))
        return -signed if multiple[2] in "Dd" else signed
    _refuse_decimal_comma(text)
    raise BadValueError(f"{_shown(value)} is not a C-rate", "write 0.1, C/10, 0.1C, or for a discharge -0.1 or D/10")


def duration(value: object) -> float:
    """Seconds of a time with its unit: `10 h`, `90 s`, `1 h 30 min`, ISO `PT10H`. Raises `BadValueError`."""
    if not isinstance(value, str):
        seconds = number(value)
        raise BadValueError(f"{seconds:g} has no unit", f"write {seconds:g} s, or use the key that ends in _s")
    text = value.strip()
    _refuse_decimal_comma(text)
    iso = _ISO_DURATION.fullmatch(text)
    if iso and any(iso.groups()):
        day, hour, minute, second = (float(part or 0) for part in iso.groups())
        return number(day * 86400 + hour * SECOND_PER_HOUR + minute * 60 + second)
    return number(_sum_of_parts(text))


def _tidy(value: float) -> float:
    """The nearest number of 12 digits, so that 0.1 C of 1.5 mA is 0.15 mA and not one part in 10^16 beside it."""
    return float(f"{value:.12g}")


def _sum_of_parts(text: str) -> float:
    total, at = 0.0, 0
    while at < len(text) or not text:
        part = _DURATION_PART.match(text, at)
        if part is None:
            raise BadValueError(f"{_shown(text)} is not a time", "write 10 h, 90 s, 30 min, 1 h 30 min or PT10H")
        if part[2] not in SECOND_PER_UNIT:
            close = did_you_mean(part[2], SECOND_PER_UNIT)
            hint = f"did you mean {close}?" if close else "write s, min, h or d"
            raise BadValueError(f"{_shown(part[2])} is not a unit of time here", hint)
        total += float(part[1]) * SECOND_PER_UNIT[part[2]]
        at = part.end()
    return total


def _quotient(text: str, dividend: float, divisor: float) -> float:
    if not 1 / LARGEST <= divisor <= LARGEST:
        raise BadValueError(f"{_shown(text)} divides by what is no number here", "write C/10 for a tenth of 1 C")
    return dividend / divisor


def _refuse_decimal_comma(text: str) -> None:
    comma = _DECIMAL_COMMA.fullmatch(text)
    if comma is None:
        return
    whole, decimals, rest = comma.groups()
    thousands = f" (or {whole}{decimals}{rest})" if len(decimals) == 3 else ""
    raise BadValueError(f"decimal comma in {_shown(text)}", f"write {whole}.{decimals}{rest}{thousands}")


def _not_a_number(text: str) -> BadValueError:
    try:
        _refuse_decimal_comma(text.strip())
    except BadValueError as comma:
        return comma
    ungrouped = re.sub(r"[_' \t]", "", text)
    if re.fullmatch(rf"[-+]?{_NUMBER}", ungrouped):
        return BadValueError(f"{_shown(text)} is text, not a number", f"write {ungrouped}")
    parts = _NUMBER_AND_REST.fullmatch(text)
    if parts is None:
        return BadValueError(f"{_shown(text)} is not a number", "write a number")
    return BadValueError(
        f"{_shown(text)} is not a number", f"write {parts[1]} alone; the unit is the last word of the key"
    )


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

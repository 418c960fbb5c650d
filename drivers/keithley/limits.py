"""What the models 2450, 2460 and 2461 can do, as `plan` and `check` need it before anything is connected."""

from drivers.roles import CurrentRange, PotentiostatLimits, SegmentMode

LONGEST_TIMER_SECOND = 100_000.0
"""One trigger timer covers no more; a longer segment is bounded by its count. Source: 2461-901-01 Rev A."""

_RANGE_OVERREACH = 1.05
_ROWS_PER_SEGMENT = 6_600_000
_SHORTEST_CUTOFF_SECOND = 0.05
_LEAST_LIMIT_FRACTION = 0.1
_LEVEL_COUNT = 2000
_VOLTAGE_STEP_VOLT = 0.5e-3
_VOLTAGE_GAIN_ERROR = 0.000_15
_VOLTAGE_OFFSET_VOLT = 2.4e-3

_RANGES_2450 = (
    CurrentRange(1e-6, 0.000_25, 400e-12),
    CurrentRange(10e-6, 0.000_25, 1.5e-9),
    CurrentRange(100e-6, 0.000_2, 15e-9),
    CurrentRange(1e-3, 0.000_2, 150e-9),
    CurrentRange(10e-3, 0.000_2, 1.5e-6),
    CurrentRange(100e-3, 0.000_25, 15e-6),
    CurrentRange(1.0, 0.000_67, 900e-6),
)

_RANGES_2460 = (
    CurrentRange(1e-6, 0.000_25, 700e-12),
    CurrentRange(10e-6, 0.000_25, 2e-9),
    CurrentRange(100e-6, 0.000_2, 15e-9),
    CurrentRange(1e-3, 0.000_2, 200e-9),
    CurrentRange(10e-3, 0.000_2, 1.5e-6),
    CurrentRange(100e-3, 0.000_25, 15e-6),
    CurrentRange(1.0, 0.000_67, 900e-6),
    CurrentRange(4.0, 0.001, 4e-3),
    CurrentRange(5.0, 0.001, 5e-3),
    CurrentRange(7.0, 0.0015, 7e-3),
)


def _limits(model: str, current_ranges: tuple[CurrentRange, ...], voltage_volt: float) -> PotentiostatLimits:
    return PotentiostatLimits(
        model=model,
        current_ranges=current_ranges,
        range_overreach=_RANGE_OVERREACH,
        voltage_volt=voltage_volt,
        shortest_cutoff_second=_SHORTEST_CUTOFF_SECOND,
        longest_timer_second=LONGEST_TIMER_SECOND,
        rows_per_segment=_ROWS_PER_SEGMENT,
        segment_runs_in="instrument",
        modes=frozenset(SegmentMode),
        least_limit_fraction=_LEAST_LIMIT_FRACTION,
        level_count=_LEVEL_COUNT,
        voltage_step_volt=_VOLTAGE_STEP_VOLT,
        voltage_gain_error=_VOLTAGE_GAIN_ERROR,
        voltage_offset_volt=_VOLTAGE_OFFSET_VOLT,
    )


LIMITS_2450 = _limits("2450", _RANGES_2450, 20.0)
"""Accuracy of the 1 mA and 10 mA ranges, of the voltage, its step on the 20 V range and the smallest limit are the
maker's (SPEC-2450 Rev A), and the buffer's size (2461-901-01 Rev A, 6,875,000 readings shared by all buffers); accuracy
of the other ranges is [unverified]. The 10 nA and 100 nA ranges settle too slowly to be of use here. `voltage_volt` is
the fixed range of the voltage. A configuration list holds up to 300,000 levels; we load no more than 2000, one by one.
"""

LIMITS_2460 = _limits("2460", _RANGES_2460, 7.0)
"""Every accuracy here, and the step of the voltage, is [unverified]. `voltage_volt` is its fixed range."""

LIMITS_2461 = _limits("2461", _RANGES_2460, 7.0)
"""As the 2460; its 10 A range is left out. Every accuracy here is [unverified]."""

LIMITS_BY_MODEL = {limits.model: limits for limits in (LIMITS_2450, LIMITS_2460, LIMITS_2461)}

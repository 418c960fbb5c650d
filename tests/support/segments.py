"""Records of executed segments."""

from typing import Any

from daemon.events import SegmentRecord

HALF_SECOND = 1000.0


def half(number: int, kind: str | None, **changed: Any) -> SegmentRecord:
    """The number-th half-cycle, or rest (None), of 1000 s, from 1; they follow each other without a pause."""
    fields: dict[str, Any] = {
        "segment": number,
        "step_id": kind or "rest",
        "step_type": "constant_current",
        "block": "life",
        "half": kind,
        "rate_C": 1.0,
        "ended_by": "voltage",
        "abnormal": False,
        "start_run_time_second": (number - 1) * HALF_SECOND,
        "end_run_time_second": number * HALF_SECOND,
        "rows": 1001,
        "charge_ampere_hour": 1e-3,
        "energy_watt_hour": 0.0,
        "first_voltage_volt": 3.0,
        "last_voltage_volt": 3.7,
        "overshoot_volt": 0.0,
    }
    return SegmentRecord(**fields | changed)

"""UTC as people write it: days and moments."""

from datetime import UTC, datetime

from daemon.clock import real_utc_second


def utc_day(utc_second: float) -> str:
    """The day of a moment, as in 2026-03-31."""
    return datetime.fromtimestamp(utc_second, UTC).date().isoformat()


def utc_moment(utc_second: float) -> str:
    """A moment to the second, as in 2026-03-31T08:00:00Z."""
    return datetime.fromtimestamp(utc_second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> str:
    """The day it is."""
    return utc_day(real_utc_second())

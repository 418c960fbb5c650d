"""Notices when the host stood still, its UTC was moved or its disk fills: put on record, it decides nothing."""

from __future__ import annotations

from daemon.clock import Clock
from daemon.events import Noticed

UTC_MOVED_SECOND = 2.0
"""A clock that is set by less between two looks is being kept right, not moved."""


class HostWatch:
    """What the host's clocks say of the host, from look to look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second, self._utc_second = clock.now_second(), clock.utc_second()
        self._noted: list[Noticed] = []

    def note(self, noticed: Noticed) -> None:
        """Somebody else has noticed this."""
        self._noted = [other for other in self._noted if other.what != noticed.what] + [noticed]

    def look(self) -> list[Noticed]:
        """What has happened since the look before."""
        before_second, before_utc_second = self._second, self._utc_second
        self._second, self._utc_second = self._clock.now_second(), self._clock.utc_second()
        noticed, self._noted = self._noted, []
        noticed += [
            Noticed(what="away", text=f"the daemon did not run for {ended - began:.0f} s")
            for began, ended in self._clock.away_until_after(before_second)
        ]
        moved_second = self._utc_second - before_utc_second - (self._second - before_second)
        if abs(moved_second) > UTC_MOVED_SECOND:
            text = f"UTC was moved by {moved_second:+.0f} s; the times of rows are not"
            noticed.append(Noticed(what="utc_moved", text=text))
        return noticed

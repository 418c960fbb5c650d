"""What a run shows of itself while it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon.deciding.run_state import Run
from daemon.events import Row, SegmentRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a run shows of itself after each event: run time, where it is, its last values, what just ended.

    `readings` holds the last stored value of every other stream's quantities by name, without those of a sensor that
    has fallen silent.
    """

    run_time_second: float
    run: Run
    last: Row | None
    readings: Mapping[str, float]
    ended: SegmentRecord | None


class Teller:
    """Shows a run's progress until that fails: a closed terminal is no reason to leave a cell."""

    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self._tell: Callable[[Progress], None] | None = tell

    def __call__(self, progress: Progress) -> None:
        """Show it. Never raises."""
        if self._tell is None:
            return
        try:
            self._tell(progress)
        except (Exception, SystemExit):
            log.exception("nothing is shown any more")
            self._tell = None

"""What is to happen at a bench time of its own, whoever moves time there and in whatever portions."""

import heapq
import itertools
from collections.abc import Callable

NEVER_NS = 1 << 62


class Appointments:
    """Deeds with their bench times. Those of one time are done in the order in which they were made."""

    def __init__(self) -> None:
        self._deeds: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def make(self, at_ns: int, deed: Callable[[], None]) -> None:
        """Let something be done at a time; one that has passed is now, when time is next moved."""
        heapq.heappush(self._deeds, (at_ns, next(self._numbers), deed))

    @property
    def next_ns(self) -> int:
        """The time of the first that is left; `NEVER_NS` when there is none."""
        return self._deeds[0][0] if self._deeds else NEVER_NS

    def keep(self, now_ns: int) -> bool:
        """Do what is due; whether anything was."""
        due = self.next_ns <= now_ns
        while self.next_ns <= now_ns:
            heapq.heappop(self._deeds)[2]()
        return due

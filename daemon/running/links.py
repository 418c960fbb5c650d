"""The ways to the instruments of a rig that a run works with, and what is to be told of them."""

from __future__ import annotations

from daemon.clock import Clock
from daemon.events import LinkChanged
from daemon.plan import LinkLoss
from daemon.rig import Rig
from daemon.running.link import Link
from daemon.running.link_states import LinkState, LinkWatch
from protocols.units import time_text


class Links:
    """One `Link` for each role that is asked by the run itself."""

    def __init__(self, rig: Rig, clock: Clock, times: LinkLoss) -> None:
        self._clock = clock
        self.driving_role = "potentiostat" if rig.mill is None else "mill_drive"
        self.driving = Link(rig.potentiostat, clock, times)
        """The way to what runs the segments."""
        self.by_role = {self.driving_role: self.driving}
        if rig.chamber is not None:
            self.by_role["chamber"] = Link(rig.chamber, clock, times)
        if rig.cooling is not None:
            self.by_role["chiller"] = Link(rig.cooling, clock, times)
        self._told = dict.fromkeys(self.by_role, LinkWatch())

    def changes(self, times: LinkLoss, zero_second: float) -> list[LinkChanged]:
        """Which instrument has by now not answered for long, or answers again, and was not told of so yet.

        `times` hold from now on; `zero_second` is the clock's second at which run time is 0.
        """
        changes = []
        for role, link in self.by_role.items():
            link.times = times
            watch, told = link.watch(), self._told[role]
            if watch == told or not (watch.is_told or told.is_told):
                continue
            self._told[role] = watch
            since_second = (watch if watch.is_told else told).since_second
            silent = time_text(round(self._clock.now_second() - since_second))
            text = f"{role} answers again after {silent}"
            if watch.is_told:
                text = f"no answer for {silent}: {link.last_error}"
            if watch.state is LinkState.FAILED:
                text += "; its segment ends by itself. Mend the way to it, it is tried again and again"
            since_run_time_second = since_second - zero_second
            changes.append(LinkChanged(role=role, state=watch.state, since_second=since_run_time_second, text=text))
        return changes

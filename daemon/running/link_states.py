"""How long an instrument has not answered, and what that means. Time is an argument. Pure.

| state | it answers | it does not | time passes |
|---|---|---|---|
| connected | | masked, since now | |
| masked | connected | | lost, `mask_second` after it began |
| lost | connected | | failed, `fail_second` after it began |
| failed | connected | | |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from daemon.plan import LinkLoss


class LinkState(StrEnum):
    """The way to one instrument."""

    CONNECTED = "connected"
    MASKED = "masked"
    """It does not answer, and nobody is told yet."""
    LOST = "lost"
    """People are told; its segment goes on by itself."""
    FAILED = "failed"
    """Its run is held."""


@dataclass(frozen=True)
class LinkWatch:
    """The state, and since when the instrument has not answered."""

    state: LinkState = LinkState.CONNECTED
    since_second: float = 0.0

    @property
    def is_told(self) -> bool:
        """Whether people know that it does not answer."""
        return self.state in (LinkState.LOST, LinkState.FAILED)


def after_silence(watch: LinkWatch, now_second: float, times: LinkLoss) -> LinkWatch:
    """The watch after a question that was not answered."""
    if watch.state is LinkState.CONNECTED:
        watch = LinkWatch(LinkState.MASKED, now_second)
    return after_time(watch, now_second, times)


def after_time(watch: LinkWatch, now_second: float, times: LinkLoss) -> LinkWatch:
    """The watch when nobody has asked since. An answer leads back to `LinkWatch()` from anywhere."""
    if watch.state in (LinkState.CONNECTED, LinkState.FAILED):
        return watch
    silent_second = now_second - watch.since_second
    if silent_second >= times.fail_second:
        return LinkWatch(LinkState.FAILED, watch.since_second)
    is_lost = watch.state is LinkState.LOST or silent_second >= times.mask_second
    return LinkWatch(LinkState.LOST if is_lost else LinkState.MASKED, watch.since_second)

"""How long a blade has turned at speed: counted from what its drive says, never less than it was. Pure.

| stage | becomes | when |
|---|---|---|
| turning | slowing | it was told to stop, or does not turn any more |
| slowing | ended | the drive says that it stands |
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from drivers.roles import MillLook

SILENCES = 2
"""A daemon that died may have spoken to the drive twice after what is known of it, the last time within one such time
unless a commit took long (ADR 0015); after that word the drive stops by itself after another."""


EARLY_SECOND, EARLY_SHARE = 0.25, 0.005
"""So much before its time a blade is stopped, and at most so much of its time: what a recipe of many runs saves is more
than the one end that nobody can see may add, when a daemon dies in the last seconds of the last run."""


class Stage(StrEnum):
    """What the blade does."""

    TURNING = "turning"
    """Up to speed, or at it."""
    SLOWING = "slowing"
    ENDED = "ended"
    """It stands."""


class Broken(StrEnum):
    """Why the blade stopped before its time."""

    NOT = ""
    SILENCE = "interruption"
    """Nobody spoke to the drive for so long that it stopped by itself, or may have."""
    STOPPED = "stopped"
    """The drive stopped and was spoken to: a fault, or somebody at its keypad. A person must look."""


@dataclass(frozen=True, kw_only=True)
class Milling:
    """One pass of the blade.

    `loss_stop_second` is after how much silence the drive stops by itself. `counted_second` is the longest it can have
    turned at speed, up to `seen_second`, at which the drive last said what it does; `was_at_speed` is what it said.
    `is_unseen`: what is known is from a daemon that died. `ended_second` is when it was seen standing. `word_second` is
    when the drive may last have heard a word without our seeing it, which keeps it from stopping by itself.
    """

    until_second: float
    loss_stop_second: float
    seen_second: float
    stage: Stage = Stage.TURNING
    counted_second: float = 0.0
    was_at_speed: bool = False
    is_unseen: bool = False
    broken: Broken = Broken.NOT
    ended_second: float | None = None
    word_second: float = -math.inf

    @property
    def alone_second(self) -> float:
        """How long it can have turned on at most since it was last seen, with nobody to tell."""
        silences_second = (SILENCES if self.is_unseen else 1) * self.loss_stop_second
        return max(silences_second, self.word_second - self.seen_second + self.loss_stop_second)

    @property
    def is_due(self) -> bool:
        """Whether it is to be stopped: its time is over, or nobody watched it."""
        return self.stage is Stage.TURNING and (self.broken is not Broken.NOT or self.left_second <= 1e-6)

    @property
    def left_second(self) -> float:
        """What is left of its time; 0 when it is over."""
        early_second = min(EARLY_SECOND, EARLY_SHARE * self.until_second)
        return max(0.0, self.until_second - early_second - self.counted_second)


def begun(until_second: float, loss_stop_second: float, now_second: float) -> Milling:
    """A pass whose blade was told to turn just now."""
    return Milling(until_second=until_second, loss_stop_second=loss_stop_second, seen_second=now_second)


def taken_up(until_second: float, loss_stop_second: float, known_second: float, counted_second: float) -> Milling:
    """A pass that a daemon left which died: so much was counted when anything was last known of it."""
    return Milling(
        until_second=until_second,
        loss_stop_second=loss_stop_second,
        seen_second=known_second,
        counted_second=counted_second,
        was_at_speed=True,
        is_unseen=True,
    )


def spoken_to(milling: Milling, now_second: float) -> Milling:
    """The pass after a word that the drive may have heard and that had no answer: a blade that turned turns on."""
    if now_second - milling.seen_second >= milling.alone_second:
        return milling
    return replace(milling, word_second=now_second)


def after_look(milling: Milling, look: MillLook, now_second: float) -> Milling:
    """The pass after the drive has said what it does."""
    if milling.stage is Stage.ENDED:
        return milling
    counted_second = milling.counted_second + _added_second(milling, look, now_second)
    seen = replace(
        milling, counted_second=counted_second, seen_second=now_second, was_at_speed=look.is_at_speed, is_unseen=False
    )
    if milling.stage is Stage.TURNING:
        seen = replace(seen, broken=_broken(milling, look, now_second))
        if not look.is_running:
            seen = replace(seen, stage=Stage.SLOWING)
    if seen.stage is Stage.SLOWING and look.is_standing:
        return replace(seen, stage=Stage.ENDED, ended_second=now_second)
    return seen


def stopped(milling: Milling, now_second: float) -> Milling:
    """The pass once the drive was told to stop, and seen to."""
    if milling.stage is not Stage.TURNING:
        return milling
    added_second = min(now_second - milling.seen_second, milling.alone_second) if milling.was_at_speed else 0.0
    return replace(
        milling,
        stage=Stage.SLOWING,
        counted_second=milling.counted_second + added_second,
        seen_second=now_second,
        was_at_speed=False,
    )


def standing(milling: Milling, now_second: float) -> Milling:
    """The pass once the blade was brought to standstill by whatever way."""
    if milling.stage is Stage.ENDED:
        return milling
    return replace(stopped(milling, now_second), stage=Stage.ENDED, ended_second=now_second)


def _added_second(milling: Milling, look: MillLook, now_second: float) -> float:
    """The longest it can have been at speed since the drive was last seen."""
    gap_second = now_second - milling.seen_second
    if look.is_at_speed:
        return gap_second
    if milling.stage is not Stage.TURNING:
        return 0.0
    was_silent = milling.is_unseen or milling.word_second > milling.seen_second
    if was_silent or milling.was_at_speed or not look.is_running:
        return min(gap_second, milling.alone_second)
    return 0.0


def _broken(milling: Milling, look: MillLook, now_second: float) -> Broken:
    if look.fault_code:
        return Broken.STOPPED
    if milling.is_unseen:
        return Broken.SILENCE
    if look.is_at_speed or milling.left_second <= 0:
        return milling.broken
    if now_second - milling.seen_second >= milling.loss_stop_second:
        return Broken.SILENCE
    return milling.broken if look.is_running else Broken.STOPPED

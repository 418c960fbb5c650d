"""A mill where a rig has no potentiostat: turns the blade for a segment, and times the rests between."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from daemon.host_timer import HostTimer
from daemon.mill.milling import Milling, Stage, after_look, begun, spoken_to, standing, stopped, taken_up
from drivers.errors import BadReplyError, DriverError, LinkLostError, NoReplyError, RefusedError
from drivers.roles import Identity, MillDrive, MillLook, SegmentLook, SegmentProgram, SegmentState

log = logging.getLogger(__name__)

RAMP_EVERY_SECOND = 0.2
"""How often the drive is looked at while the blade changes its speed: so late is it seen to have reached it."""
QUIET_BEYOND_SECOND = 0.4
"""A drive that does not answer is left in silence for so much longer than it takes to stop by itself."""
LOOKS_A_LOSS = 3
"""How often a drive is spoken to in the time after which it would stop by itself."""
NO_ANSWER = (LinkLostError, NoReplyError, BadReplyError)
"""What was asked may have been heard."""


@dataclass(frozen=True, kw_only=True)
class MillProgram(SegmentProgram):
    """A segment of the mill; `duration_second` counts at speed. The rest is what a potentiostat would need."""

    speed_rpm: float


class MillBay(HostTimer):
    """A `HostTimer` that also knows segments in which a blade turns.

    The blade turns only for as long as this is asked: nothing here runs by itself, and a drive that nobody speaks to
    stops. Beside a segment nothing turns.
    """

    def __init__(self, drive: MillDrive, now: Callable[[], float], loss_stop_second: float) -> None:
        super().__init__(now)
        self.name = drive.name
        self.latest: MillLook | None = None
        """What the drive said when it was last looked at; None when it did not answer."""
        self._drive = drive
        self._loss_stop_second = loss_stop_second
        self._milling: Milling | None = None
        self._looked_second = -1.0
        self._quiet_until_second = -math.inf
        self._is_down = False
        self._found_second = -math.inf
        """When a blade was found at speed that turned for no segment of ours."""

    @property
    def milling(self) -> Milling | None:
        """The pass of the blade that is going on, or was last; None in a rest."""
        return self._milling

    @property
    def is_turning(self) -> bool:
        """Whether the blade may turn for a segment."""
        return self._milling is not None and self._milling.stage is not Stage.ENDED

    @property
    def elapsed_second(self) -> float:
        """How long the present rest has lasted, or did; of a blade: how long it has turned at speed."""
        return super().elapsed_second if self._milling is None else self._milling.counted_second

    @property
    def next_look_second(self) -> float:
        """When the segment must be looked at next, at the latest."""
        milling, now_second = self._milling, self._now()
        if milling is None:
            return self.ends_at_second
        if milling.stage is Stage.ENDED:
            return now_second
        if milling.stage is Stage.TURNING and milling.was_at_speed:
            return now_second + min(max(milling.left_second, 0.01), self._loss_stop_second / LOOKS_A_LOSS)
        return now_second + RAMP_EVERY_SECOND

    def take_up_milling(
        self, token: str, program: MillProgram, started_second: float, known_second: float, counted_second: float
    ) -> None:
        """Go on with a segment of a daemon that died, of which so much was known at a second of the same clock."""
        self._token, self._started_second = token, started_second
        found_second = max(self._found_second, known_second)
        counted_second += found_second - known_second
        self._milling = taken_up(program.duration_second, self._loss_stop_second, found_second, counted_second)

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. A blade that turns for no segment of ours is told to stop.

        Each word keeps a drive from stopping by itself: daemons that die one after the other would let it turn on, and
        so would questions on a line that spoils the answers. So once this has failed, nothing is said until the drive
        has stopped: until then this raises `LinkLostError`.
        """
        self._check_quiet()
        try:
            identity = await self._drive.connect()
            if not self.is_turning:
                await self._stop_unwatched(await self._drive.look())
        except NO_ANSWER:
            self._fall_silent()
            raise
        self._note_word()
        self._is_down = False
        return identity

    async def start_segment(self, token: str, program: SegmentProgram, *, again: bool = False) -> float:
        """Let the blade turn, or begin to time a rest. A token that is known is left alone."""
        if token == self._token and self._milling is not None:
            return self._started_second
        self._milling = None
        if not isinstance(program, MillProgram):
            return await super().start_segment(token, program, again=again)
        await self._drive.arm_loss_stop(self._loss_stop_second)
        await self._drive.set_rpm(program.speed_rpm)
        self._token, self._started_second = token, self._now()
        self._milling = begun(program.duration_second, self._loss_stop_second, self._started_second)
        await self._drive.start()
        return self._started_second

    async def glance(self) -> MillLook:
        """What the drive says now; a blade that turns for no segment is told to stop. Raises what the drive raises."""
        self.latest = None
        try:
            look = await self._drive.look()
        except NO_ANSWER:
            if not self._is_down:
                self._note_word()
            self._is_down = True
            raise
        if not self.is_turning:
            await self._stop_unwatched(look)
        self.latest, self._looked_second = look, self._now()
        if self._milling is not None:
            self._milling = after_look(self._milling, look, self._looked_second)
        return look

    async def look(self, token: str) -> SegmentLook:
        """Whether the segment still lasts; stops a blade whose time is over."""
        if self._milling is None or token != self._token:
            return await super().look(token)
        if self.is_turning and (self.latest is None or self._looked_second < self._now()):
            await self.glance()
        if self._milling.is_due:
            await self._stop()
        state = SegmentState.RUNNING if self.is_turning else SegmentState.FINISHED
        return SegmentLook(state, output_on=False, row_count=0, power_was_cycled=False)

    async def forget_segment(self, token: str) -> None:
        """Nothing is kept."""
        if self._milling is None:
            await super().forget_segment(token)

    async def make_safe(self) -> None:
        """Standstill, verified; a rest that is going on ends."""
        await super().make_safe()
        self._check_quiet()
        try:
            if self.is_turning:
                # What it has turned until now, before the ramp down begins to count.
                with contextlib.suppress(DriverError):
                    await self._stop()
            await self._drive.make_safe()
        except NO_ANSWER:
            self._fall_silent()
            raise
        self._is_down = False
        if self._milling is not None:
            self._milling = standing(self._milling, self._now())

    async def close(self) -> None:
        """Let a blade that turns stop, and close the link."""
        if self.is_turning:
            with contextlib.suppress(DriverError):
                await self._stop()
        await self._drive.close()

    async def _stop_unwatched(self, look: MillLook) -> None:
        if not look.is_running:
            return
        log.warning("%s: the blade turns and nobody asked for it; it is told to stop", self.name)
        if look.is_at_speed:
            self._found_second = self._now()
        with contextlib.suppress(RefusedError):
            await self._drive.stop()

    def _check_quiet(self) -> None:
        if self._now() < self._quiet_until_second:
            raise LinkLostError(self.name, "its line", "left in silence until the blade has stopped by itself")

    def _fall_silent(self) -> None:
        self._note_word()
        self._is_down = True
        self._quiet_until_second = self._now() + self._loss_stop_second + QUIET_BEYOND_SECOND

    def _note_word(self) -> None:
        if self._milling is not None:
            self._milling = spoken_to(self._milling, self._now())

    async def _stop(self) -> None:
        await self._drive.stop()
        if self._milling is not None:
            self._milling = stopped(self._milling, self._now())

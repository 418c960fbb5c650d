"""The chiller of a rig: set, started, watched, and told what to do when nobody speaks to it any more."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from drivers.errors import DriverError, RefusedError
from drivers.roles import Chiller, ChillerLook, HostLossWatchdog, Identity

log = logging.getLogger(__name__)


class Cooling:
    """A chiller with the station's word of what it is to do without us.

    `is_wanted`: the run has told it to cool. `latest` is what it said at `heard_second`, None while it does not answer.
    """

    def __init__(self, chiller: Chiller, now: Callable[[], float], host_loss: HostLossWatchdog | None) -> None:
        self.chiller = chiller
        self.name = chiller.name
        self.is_wanted = False
        self.latest: ChillerLook | None = None
        self.heard_second = now()
        self._now = now
        self._host_loss = host_loss
        self._is_armed = False
        """Or may be: of one that a daemon before us armed only `is_wanted` tells."""
        self._is_arming_due = True
        self.is_lost = False

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing."""
        self._is_arming_due = True
        return await self.chiller.connect()

    async def cool_to(self, celsius: float) -> None:
        """Let it cool to a temperature, with its watchdog armed; all of it read back, and it may be repeated.

        Raises what a chiller raises, and `RefusedError` where its watchdog would stop the cooling.
        """
        await self.chiller.set_celsius(celsius)
        await self.chiller.start()
        await self._arm()
        self.is_wanted = True
        await self._look()

    async def keep_up(self) -> None:
        """Look at it, which also keeps its watchdog waiting; mend the way to it, and arm it anew, where that is due.

        Raises nothing for an instrument.
        """
        try:
            if self.is_lost:
                await self.connect()
            await self._look()
            await self._arm_anew()
        except DriverError as error:
            self._note_loss(error)

    async def disarm(self) -> None:
        """Let it cool on alone: a watchdog would take the end of a run for a death."""
        if not (self._is_armed or (self.is_wanted and self._host_loss is not None)):
            return
        self._is_armed = False
        try:
            await self.chiller.disarm_watchdog()
        except DriverError:
            # Who looked at it may have been stopped in mid-question.
            with contextlib.suppress(DriverError):
                await self.chiller.connect()
                await self.chiller.disarm_watchdog()

    async def close(self) -> None:
        """Close the link. The chiller cools on."""
        await self.chiller.close()

    async def _look(self) -> None:
        self.latest = await self.chiller.look()
        self.heard_second, self.is_lost = self._now(), False

    async def _arm_anew(self) -> None:
        """Arm it where a daemon before us, or a link that was lost, makes that uncertain; once."""
        if not (self.is_wanted and self._is_arming_due):
            return
        try:
            await self._arm()
        except RefusedError as error:
            log.warning("%s; it cools, and what it does when the host dies is not known", error)
            self._is_arming_due = False

    async def _arm(self) -> None:
        """Arm its watchdog, if the station says how; one that is set so already is left alone."""
        wanted = self._host_loss
        if wanted is None:
            self._is_arming_due = False
            return
        if not wanted.keeps_cooling:
            what = "without Safe Mode, activated at the unit, it would stop cooling when the host dies"
            raise RefusedError(self.name, "arm the watchdog", 0, what)
        # From here on it may be armed, whatever comes between.
        self._is_armed = True
        if await self.chiller.read_watchdog() != wanted:
            armed = await self.chiller.arm_watchdog(wanted.timeout_second, wanted.safe_celsius)
            if not armed.keeps_cooling:
                raise RefusedError(self.name, "arm the watchdog", 0, "it would stop cooling when the host dies")
        self._is_arming_due = False

    def _note_loss(self, error: DriverError) -> None:
        if not self.is_lost:
            log.warning("%s; nobody knows whether it cools until it answers again", error)
        self.is_lost, self.latest = True, None

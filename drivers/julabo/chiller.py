"""JULABO circulators and recirculating coolers, which acknowledge nothing: every command is read back."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.errors import OutOfRangeError, RefusedError, WrongInstrumentError
from drivers.julabo import codec
from drivers.roles import ChillerLimits, ChillerLook, ChillerTrouble, HostLossWatchdog, Identity
from drivers.session import Answer, Query, Session

MAKER = "JULABO"

VERSION = Query("version", codec.version, source=codec.MANUAL)
STATUS = Query("status", codec.status, source=codec.MANUAL)
BATH = Query("in_pv_00", codec.probe, source=codec.MANUAL)
SETPOINT = Query("in_sp_00", codec.temperature, source=codec.MANUAL)
RUNNING = Query("in_mode_05", codec.switch, source=codec.MANUAL)

SET_SETPOINT = "out_sp_00 {:.2f}"
SET_RUNNING = "out_mode_05 {:d}"
"""Never answered; obeyed in remote control only. Source: `codec.MANUAL`."""

PAUSE_AFTER_WRITE_SECOND = 0.25
PAUSE_AFTER_READ_SECOND = 0.01
"""Before the next command, after an `out` and after the reply to an `in`. Source: FL601 page 39 [manual]."""


@dataclass(frozen=True)
class Family:
    """What a line of units can be asked beyond what all know: asked anything else, a unit says nothing."""

    external: str | None
    high_limit: str | None
    low_limit: str | None
    source: str


FAMILIES = {
    "basic": Family(None, None, None, source="FL601, FLW1703, FLW4006, CORIO CD [manual]"),
    "circulator": Family("in_pv_02", "in_sp_03", "in_sp_04", source="LC6, Magnum, CORIO CP, MA, ME, Presto [manual]"),
    "fp50": Family("in_pv_01", "in_sp_01", "in_sp_02", source="FC, FL, old FP50: ISIS lewis emulator v1 [code]"),
}
"""By the name a station writes. `basic` is understood by every unit. CORIO CP has no external probe [code]."""


class JulaboChiller:
    """One unit, in remote control. It runs on when nobody speaks; a watchdog is in the menu of MAGIO and DYNEO alone.

    Whatever is sent is followed by a pause, in which others wait too. The serial number can't be asked for.
    """

    limits = ChillerLimits(setpoint_step_kelvin=codec.SETPOINT_STEP_KELVIN, longest_watchdog_second=None)

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        wait: Callable[[float], Awaitable[None]],
        model: str | None = None,
        family: str = "basic",
        has_external_probe: bool = False,
        bus_address: int | None = None,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it; replies end with LF.
            wait: lets a number of the clock's seconds pass.
            model: the only one that may answer to `version`, such as "CF41", or None for any.
            family: one of `FAMILIES`.
            has_external_probe: whether the external temperature is asked for.
            bus_address: on RS-485, 0 to 127; None on RS-232.

        Raises:
            ValueError: for a family or an address that does not exist, or a probe where the family can't have one.
        """
        if family not in FAMILIES:
            raise ValueError(f"family {family!r} is none of {', '.join(FAMILIES)}")
        if has_external_probe and FAMILIES[family].external is None:
            raise ValueError(f"units of the family {family} can't be asked for an external temperature")
        if bus_address is not None and bus_address not in codec.ADDRESSES:
            raise ValueError(f"bus address {bus_address} is not 0 to {codec.ADDRESSES[-1]}")
        self.name = name
        self._session = session
        self._wait = wait
        self._model = model
        self._family = FAMILIES[family]
        self._has_external_probe = has_external_probe
        self._prefix = "" if bus_address is None else f"A{bus_address:03d}_"
        self._pauses = 0
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        async with self._turn:
            await self._session.open()
        found = await self._ask(VERSION)
        if self._model not in {None, found.model}:
            await self.close()
            raise WrongInstrumentError(self.name, f"{MAKER} {self._model}", found.model or found.firmware)
        return Identity(MAKER, found.model, "", found.firmware)

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint, read back; when it reads otherwise, what the unit says of it is in the `RefusedError`.

        Raises `OutOfRangeError` outside the warning limits set at the unit, where it can be asked for them.
        """
        low_celsius, high_celsius = await self._range()
        if not low_celsius <= setpoint_celsius <= high_celsius:
            raise OutOfRangeError(self.name, "setpoint_celsius", setpoint_celsius, low_celsius, high_celsius)
        # The sum turns a negative zero into zero.
        sent_celsius = round(setpoint_celsius, 2) + 0.0

        def is_as_sent(found_celsius: float) -> bool:
            return abs(found_celsius - sent_celsius) <= codec.SETPOINT_STEP_KELVIN / 2

        await self._set(SET_SETPOINT.format(sent_celsius), SETPOINT, is_as_sent)

    async def start(self) -> None:
        """Circulate and control to the setpoint, read back."""
        await self._set(SET_RUNNING.format(1), RUNNING, lambda is_running: is_running)

    async def stop(self) -> None:
        """Let pump and cooling stand, read back."""
        await self._set(SET_RUNNING.format(0), RUNNING, lambda is_running: not is_running)

    async def look(self) -> ChillerLook:
        """What it measures and does now; what was wrong with the last command is told once, as a trouble."""
        bath_celsius = await self._ask(BATH)
        external_celsius = math.nan
        if self._has_external_probe and self._family.external:
            external_celsius = await self._ask(Query(self._family.external, codec.probe, source=self._family.source))
        setpoint_celsius = await self._ask(SETPOINT)
        is_running = await self._ask(RUNNING)
        status = await self._ask(STATUS)
        troubles: tuple[ChillerTrouble, ...] = ()
        if not status.is_state:
            is_warning = status.code in codec.WARNING_CODES | codec.COMMAND_ERRORS
            troubles = (ChillerTrouble(status.code, status.text, is_warning=is_warning),)
        return ChillerLook(bath_celsius, external_celsius, setpoint_celsius, is_running, troubles)

    async def arm_watchdog(self, timeout_second: float, safe_celsius: float) -> HostLossWatchdog:
        """Raises `RefusedError`: it has none that can be set from here."""
        what = f"host-loss watchdog, {timeout_second:g} s, {safe_celsius:g} °C"
        raise RefusedError(self.name, what, 0, "it is set in the unit's menu, where it has one")

    async def disarm_watchdog(self) -> None:
        """There is none that could be."""

    async def read_watchdog(self) -> HostLossWatchdog | None:
        """None: it can't be asked."""
        return None

    async def make_safe(self) -> None:
        """See that it answers: it goes on alone as it is. Reconnects if it must."""
        if not self._session.is_open:
            await self.connect()
        await self._ask(RUNNING)

    async def close(self) -> None:
        """Close the link. The unit goes on."""
        async with self._turn:
            await self._session.close()

    async def _range(self) -> tuple[float, float]:
        if self._family.low_limit is None or self._family.high_limit is None:
            return codec.LOWEST_CELSIUS, codec.HIGHEST_CELSIUS
        source = self._family.source
        low_celsius = await self._ask(Query(self._family.low_limit, codec.temperature, source=source))
        return low_celsius, await self._ask(Query(self._family.high_limit, codec.temperature, source=source))

    async def _set(self, command: str, read_back: Query[Answer], is_as_sent: Callable[[Answer], bool]) -> None:
        """Tell, and read back. An error of an earlier command is read away first: the unit keeps the last one."""
        before = await self._ask(STATUS)
        if before.is_state and not before.is_remote:
            raise RefusedError(
                self.name, command, before.code, f"{before.text}: not in remote control; nothing was sent"
            )
        await self._tell(command)
        found = await self._ask(read_back)
        if is_as_sent(found):
            return
        why = await self._ask(STATUS)
        raise RefusedError(self.name, command, why.code, f"it reads back {found} and says {why.text}")

    async def _tell(self, command: str) -> None:
        await self._speak(lambda: self._session.tell_alone(self._prefix + command), PAUSE_AFTER_WRITE_SECOND)

    async def _ask(self, query: Query[Answer]) -> Answer:
        def read(reply: str) -> Answer:
            return query.read(codec.unprefixed(reply, self._prefix))

        question = Query(self._prefix + query.text, read, source=query.source)
        return await self._speak(lambda: self._session.ask(question), PAUSE_AFTER_READ_SECOND)

    async def _speak(self, say: Callable[[], Awaitable[Answer]], pause_second: float) -> Answer:
        """Say something when no pause is on, and let its own pass.

        A simulated clock moves, and ends the pause, only while nobody waits for a turn: who comes in a pause waits by
        the clock too.
        """
        while True:
            async with self._turn:
                if not self._pauses:
                    answer = await say()
                    self._pauses += 1
                    break
            await self._wait(PAUSE_AFTER_READ_SECOND)
        try:
            await self._wait(pause_second)
        finally:
            self._pauses -= 1
        return answer

"""LAUDA thermostats and chillers, over RS-232, RS-485 or their network port, with their own host-loss watchdog."""

import asyncio
import math
from typing import Any

from drivers.errors import OutOfRangeError, RefusedError, WrongInstrumentError
from drivers.lauda import codec
from drivers.roles import ChillerLimits, ChillerLook, ChillerTrouble, HostLossWatchdog, Identity
from drivers.session import Answer, Query, Session

MAKER = "LAUDA"

TYPE = Query("TYPE", codec.text, source=codec.MANUAL)
VERSION_R = Query("VERSION_R", codec.text, source=codec.MANUAL)
VERSION = Query("VERSION", codec.text, source="MC 250 [manual]")
BATH = Query("IN_PV_00", codec.temperature, source=codec.MANUAL)
EXTERNAL = Query("IN_PV_03", codec.temperature, source=codec.MANUAL)
SETPOINT = Query("IN_SP_00", codec.temperature, source=codec.MANUAL)
HIGH_LIMIT = Query("IN_SP_04", codec.limit, source=codec.MANUAL)
LOW_LIMIT = Query("IN_SP_05", codec.limit, source=codec.MANUAL)
SAFE_SETPOINT = Query("IN_SP_07", codec.temperature, source=codec.MANUAL)
TIMEOUT = Query("IN_SP_08", codec.whole, source="PRO V04 section 4.5.2 [manual]; the form of the reply [unverified]")
STANDBY = Query("IN_MODE_02", codec.switch, source=codec.MANUAL)
IN_SAFE_MODE = Query("IN_MODE_06", codec.switch, source=codec.CODE)
STATUS = Query("STATUS", codec.status, source=codec.MANUAL)
DIAGNOSIS = Query("STAT", codec.flags, source=codec.MANUAL)

SET_SETPOINT = "OUT_SP_00_{:.2f}"
SET_SAFE_SETPOINT = "OUT_SP_07_{:.2f}"
SET_TIMEOUT = "OUT_SP_08_{:d}"
ENTER_SAFE_MODE = "OUT_MODE_06_1"
START, STOP = "START", "STOP"
"""Each is answered OK. Source: `codec.MANUAL`, but `OUT_SP_08` and `OUT_MODE_06`: `codec.CODE`."""

LONGEST_TIMEOUT_SECOND = 99
"""[unverified]"""

SAFE_MODE_WARNING = 503
"""The number of the warning at the unit. Source: LRZ 926 [manual]."""


class LaudaChiller:
    """One unit.

    Its Safe Mode is activated at its menu alone, and whether it is can't be asked; without, an expired watchdog stops
    the unit (alarm 22) [manual: LRZ 926]. Once Safe Mode runs, a person must end it at the unit [manual: Integral IN].
    The serial number can't be asked for: the identity has none.
    """

    limits = ChillerLimits(
        setpoint_step_kelvin=codec.SETPOINT_STEP_KELVIN, longest_watchdog_second=float(LONGEST_TIMEOUT_SECOND)
    )

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        model: str | None = None,
        bus_address: int | None = None,
        safe_mode_is_activated: bool = False,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            session: the way to it; replies end with CR LF.
            model: the only one that may answer to `TYPE`, such as "ECO", or None for any.
            bus_address: on RS-485, 0 to 127; None on RS-232 and over the network.
            safe_mode_is_activated: the station's word that Safe Mode was activated at the unit's menu.

        Raises:
            ValueError: for an address that does not exist.
        """
        if bus_address is not None and bus_address not in codec.ADDRESSES:
            raise ValueError(f"bus address {bus_address} is not 0 to {codec.ADDRESSES[-1]}")
        self.name = name
        self._session = session
        self._model = model
        self._prefix = "" if bus_address is None else f"A{bus_address:03d}_"
        self._safe_mode_is_activated = safe_mode_is_activated
        self._turn = asyncio.Lock()

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        async with self._turn:
            await self._session.open()
        model = await self._ask(TYPE)
        if self._model not in {None, model}:
            await self.close()
            raise WrongInstrumentError(self.name, f"{MAKER} {self._model}", model)
        firmware = await self._ask_if_known(VERSION_R)
        if firmware is None:
            firmware = await self._ask_if_known(VERSION)
        return Identity(MAKER, model, "", firmware or "")

    async def set_celsius(self, setpoint_celsius: float) -> None:
        """Take a setpoint, read back. Raises `OutOfRangeError` outside the limits set at the unit (TiL, TiH)."""
        await self._check_range("setpoint_celsius", setpoint_celsius)
        await self._set_number(SET_SETPOINT, setpoint_celsius, SETPOINT)

    async def start(self) -> None:
        """Leave standby, read back."""
        await self._switch(START, standby=False)

    async def stop(self) -> None:
        """Enter standby, read back."""
        await self._switch(STOP, standby=True)

    async def look(self) -> ChillerLook:
        """What it measures and does now."""
        bath_celsius = await self._ask(BATH)
        external = await self._ask_or_refusal(EXTERNAL)
        if isinstance(external, codec.Refusal) and external.code not in codec.NO_PROBE:
            raise self._refused(EXTERNAL.text, external)
        return ChillerLook(
            bath_celsius=bath_celsius,
            external_celsius=math.nan if isinstance(external, codec.Refusal) else external,
            setpoint_celsius=await self._ask(SETPOINT),
            is_running=not await self._ask(STANDBY),
            troubles=await self._troubles(),
        )

    async def arm_watchdog(self, timeout_second: float, safe_celsius: float) -> HostLossWatchdog:
        """Set setpoint and timeout of the watchdog, each read back; whole seconds, 1 to 99 [unverified].

        Whether it then keeps cooling is the station's word. Raises `OutOfRangeError`, and `RefusedError` for a unit
        without a watchdog.
        """
        if not 1 <= timeout_second <= LONGEST_TIMEOUT_SECOND:
            raise OutOfRangeError(self.name, "timeout_second", timeout_second, 1, LONGEST_TIMEOUT_SECOND)
        await self._check_range("safe_celsius", safe_celsius)
        await self._set_number(SET_SAFE_SETPOINT, safe_celsius, SAFE_SETPOINT)
        await self._set_timeout(math.floor(timeout_second))
        return HostLossWatchdog(
            float(math.floor(timeout_second)), round(safe_celsius, 2), keeps_cooling=self._safe_mode_is_activated
        )

    async def disarm_watchdog(self) -> None:
        """Switch it off, read back; a unit without one is left alone."""
        if await self._ask_if_known(TIMEOUT):
            await self._set_timeout(0)

    async def read_watchdog(self) -> HostLossWatchdog | None:
        """The watchdog as it is set now; None when it is off or the unit has none."""
        timeout_second = await self._ask_if_known(TIMEOUT)
        if not timeout_second:
            return None
        safe_celsius = await self._ask(SAFE_SETPOINT)
        return HostLossWatchdog(float(timeout_second), safe_celsius, keeps_cooling=self._safe_mode_is_activated)

    async def enter_safe_mode(self) -> None:
        """Enter Safe Mode now, read back: proves, once, that it was activated at the unit. A person must end it there.

        Raises `RefusedError`, code 35, when it was not.
        """
        await self._set(ENTER_SAFE_MODE)
        if not await self._ask(IN_SAFE_MODE):
            raise RefusedError(self.name, ENTER_SAFE_MODE, 0, "it reads back that Safe Mode does not run")

    async def make_safe(self) -> None:
        """Let it go on alone; a watchdog that would stop it is switched off. Reconnects if it must."""
        if not self._session.is_open:
            await self.connect()
        watchdog = await self.read_watchdog()
        if watchdog is not None and not watchdog.keeps_cooling:
            await self._set_timeout(0)

    async def close(self) -> None:
        """Close the link. The unit goes on, or does what its watchdog says."""
        async with self._turn:
            await self._session.close()

    async def _troubles(self) -> tuple[ChillerTrouble, ...]:
        has_fault = await self._ask(STATUS)
        flags = await self._ask(DIAGNOSIS)
        raised = [place for place, is_set in enumerate(flags) if is_set]
        found = [
            ChillerTrouble(place + 1, codec.FLAG_NAMES[place], is_warning=place in codec.WARNING_FLAGS)
            for place in raised
        ]
        if has_fault and codec.WARNING_FLAGS.issuperset(raised):
            found.append(ChillerTrouble(-1, "a fault that its diagnosis does not name", is_warning=False))
        if await self._ask_if_known(IN_SAFE_MODE):
            found.append(
                ChillerTrouble(SAFE_MODE_WARNING, "in Safe Mode, until it is ended at the unit", is_warning=True)
            )
        return tuple(found)

    async def _check_range(self, quantity: str, celsius: float) -> None:
        high_celsius = await self._ask_if_known(HIGH_LIMIT)
        low_celsius = await self._ask_if_known(LOW_LIMIT)
        low_celsius = codec.LOWEST_CELSIUS if low_celsius is None else low_celsius
        high_celsius = codec.HIGHEST_CELSIUS if high_celsius is None else high_celsius
        if not low_celsius <= celsius <= high_celsius:
            raise OutOfRangeError(self.name, quantity, celsius, low_celsius, high_celsius)

    async def _set_number(self, command: str, celsius: float, read_back: Query[float]) -> None:
        # The sum turns a negative zero into zero.
        sent_celsius = round(celsius, 2) + 0.0
        await self._set(command.format(sent_celsius))
        found_celsius = await self._ask(read_back)
        if abs(found_celsius - sent_celsius) > codec.SETPOINT_STEP_KELVIN / 2:
            raise RefusedError(self.name, command.format(sent_celsius), 0, f"it reads back {found_celsius:g} °C")

    async def _set_timeout(self, second: int) -> None:
        command = SET_TIMEOUT.format(second)
        await self._set(command)
        found_second = await self._ask(TIMEOUT)
        if found_second != second:
            raise RefusedError(self.name, command, 0, f"it reads back {found_second} s")

    async def _switch(self, command: str, *, standby: bool) -> None:
        await self._set(command)
        if await self._ask(STANDBY) != standby:
            raise RefusedError(self.name, command, 0, f"it reads back that it {'runs' if standby else 'stands by'}")

    async def _set(self, command: str) -> None:
        await self._ask(Query(command, codec.acknowledged, source=codec.MANUAL))

    async def _ask(self, query: Query[Answer]) -> Answer:
        answer = await self._ask_or_refusal(query)
        if isinstance(answer, codec.Refusal):
            raise self._refused(query.text, answer)
        return answer

    async def _ask_if_known(self, query: Query[Answer]) -> Answer | None:
        """The answer, or None from a unit that has no such value."""
        answer = await self._ask_or_refusal(query)
        if not isinstance(answer, codec.Refusal):
            return answer
        if answer.code in codec.NOT_KNOWN:
            return None
        raise self._refused(query.text, answer)

    async def _ask_or_refusal(self, query: Query[Answer]) -> Answer | codec.Refusal:
        read: Any = codec.or_refusal(query.read, self._prefix)
        async with self._turn:
            answer: Answer | codec.Refusal = await self._session.ask(
                Query(self._prefix + query.text, read, source=query.source)
            )
        return answer

    def _refused(self, command: str, refusal: codec.Refusal) -> RefusedError:
        return RefusedError(self.name, command, refusal.code, refusal.text)

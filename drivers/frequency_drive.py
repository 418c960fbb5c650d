"""A variable-frequency drive on Modbus RTU as the drive of a mill: what all makes have in common."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from drivers.drive_state import DriveState
from drivers.errors import BadReplyError, LinkLostError, NoReplyError, OutOfRangeError, RefusedError
from drivers.modbus_link import ModbusLink
from drivers.roles import Identity, MillLook

Answer = TypeVar("Answer")

LOOK_EVERY_SECOND = 0.2
REACTS_WITHIN_SECOND = 2.0
"""So long a drive may take to begin what it was told [unverified]."""

HERTZ_STEP = 0.01
SHORTEST_LOSS_SECOND, LONGEST_LOSS_SECOND = 0.1, 120.0
"""What both makes can be set to. Source: Delta VFD-E 09.03 [manual]; LS I63, PRT-13 [unverified]."""


class Dialect(Protocol):
    """How one family of drives is spoken to. Exchanges raise what `ModbusLink` raises, and nothing is asked twice.

    The reply to the first question of `open` has a length that no other has: see `ModbusLink`.
    """

    async def open(self, link: ModbusLink) -> Identity:
        """Open the link and see who it is; raises `WrongInstrumentError`."""
        ...

    async def look(self, link: ModbusLink) -> DriveState:
        """What it does."""
        ...

    async def read_loss_stop(self, link: ModbusLink) -> float | None:
        """After how many seconds of silence it ramps down; None when it does something else, or nothing."""
        ...

    async def write_loss_stop(self, link: ModbusLink, within_second: float) -> None:
        """Let it ramp down after so much silence, a whole number of tenths of a second."""
        ...

    async def write_hertz(self, link: ModbusLink, hertz: float) -> None:
        """Set the frequency it goes to."""
        ...

    async def run(self, link: ModbusLink) -> None:
        """Let it turn forward."""
        ...

    async def stop(self, link: ModbusLink) -> None:
        """Let it ramp down."""
        ...

    async def cut_output(self, link: ModbusLink) -> None:
        """Take the voltage off the motor at once."""
        ...

    async def reset(self, link: ModbusLink) -> None:
        """Take back a fault."""
        ...


class FrequencyDrive:
    """One drive. The blade's speed is its output frequency times a constant of motor and gear.

    Each exchange has its turn, not each verb: a simulated clock moves only while nobody waits for one. A start that a
    stop overtakes sends nothing.
    """

    def __init__(
        self,
        name: str,
        link: ModbusLink,
        dialect: Dialect,
        *,
        wait: Callable[[float], Awaitable[None]],
        highest_rpm: float,
        rpm_per_hertz: float = 60.0,
        stands_within_second: float = 30.0,
    ) -> None:
        """Connects nothing yet.

        Args:
            name: what the station calls it; stands in every error.
            link: the way to it.
            dialect: of its family.
            wait: lets a number of the clock's seconds pass.
            highest_rpm: what motor and blade are rated for.
            rpm_per_hertz: speed of the blade over output frequency: 60 for two poles and no slip.
            stands_within_second: the longest time from any speed to standstill.
        """
        self.name = name
        self.highest_rpm = highest_rpm
        self._link = link
        self._dialect = dialect
        self._wait = wait
        self._rpm_per_hertz = rpm_per_hertz
        self._stands_within_second = stands_within_second
        self._turn = asyncio.Lock()
        self._loss_second: float | None = None
        self._hertz: float | None = None
        self._stops = 0

    async def connect(self) -> Identity:
        """Open (or reopen) the link and identify. Changes nothing. Raises `WrongInstrumentError`."""
        async with self._turn:
            self._loss_second = self._hertz = None
            try:
                return await self._dialect.open(self._link)
            except BaseException:
                await self._link.close()
                raise

    async def arm_loss_stop(self, within_second: float) -> None:
        """Let the drive ramp down by itself when nobody has spoken to it for so long; read back.

        A drive that is set so already is not written to, which one that runs would refuse.
        """
        if not SHORTEST_LOSS_SECOND <= within_second <= LONGEST_LOSS_SECOND:
            raise OutOfRangeError(self.name, "within_second", within_second, SHORTEST_LOSS_SECOND, LONGEST_LOSS_SECOND)
        wanted_second = math.floor(within_second * 10 + 1e-9) / 10
        if await self._take_turn(self._dialect.read_loss_stop) != wanted_second:
            await self._take_turn(lambda link: self._dialect.write_loss_stop(link, wanted_second))
            await self._check_loss_stop(wanted_second)
        self._loss_second = wanted_second

    async def set_rpm(self, rpm: float) -> None:
        """Set the speed of the next start, or of a blade that turns; read back."""
        if not 0 < rpm <= self.highest_rpm:
            raise OutOfRangeError(self.name, "rpm", rpm, 0, self.highest_rpm)
        hertz = round(rpm / self._rpm_per_hertz / HERTZ_STEP) * HERTZ_STEP
        await self._take_turn(lambda link: self._dialect.write_hertz(link, hertz))
        await self._check_hertz(hertz)
        self._hertz = hertz

    async def start(self) -> None:
        """Let the blade turn, and see that it begins to. See `MillDrive`.

        The stop on loss and the speed are read back once more: a drive that lost its power has forgotten them.
        """
        stops = self._stops
        if self._loss_second is None or self._hertz is None:
            raise self._refused("start", "arm the stop on loss and set a speed first, after every connection")
        await self._check_loss_stop(self._loss_second)
        state = await self._check_hertz(self._hertz)
        if state.fault_code:
            raise self._refused("start", f"the drive has a fault: {state.fault}", state.fault_code)
        async with self._turn:
            if self._stops != stops:
                raise self._refused("start", "a stop came first")
            await self._dialect.run(self._link)
        state = await self._look_until(lambda now: now.is_running or bool(now.fault_code), REACTS_WITHIN_SECOND)
        if self._stops != stops:
            raise self._refused("start", "a stop came after it")
        if state.fault_code:
            raise self._refused("start", f"the drive has a fault: {state.fault}", state.fault_code)
        if not state.is_running:
            raise self._refused("start", "it does not turn; see that it takes commands from the line, and the lid")

    async def stop(self) -> None:
        """Ramp down, and see that it begins to."""
        state = await self._stop()
        if state.is_running and not state.is_slowing:
            raise self._refused("stop", "it runs on")

    async def look(self) -> MillLook:
        """What the drive does now."""
        state = await self._take_turn(self._dialect.look)
        return MillLook(
            is_running=state.is_running,
            is_at_speed=state.is_at_speed and not state.is_slowing and state.output_hertz > 0,
            is_standing=state.is_standing,
            rpm=state.output_hertz * self._rpm_per_hertz,
            setpoint_rpm=state.setpoint_hertz * self._rpm_per_hertz,
            fault_code=state.fault_code,
            fault=state.fault,
        )

    async def reset_fault(self) -> None:
        """Take back a fault whose cause is gone, without starting: the drive is told to stop first."""
        self._stops += 1
        await self._take_turn(self._dialect.stop)
        await self._take_turn(self._dialect.reset)
        state = await self._look_until(lambda now: not now.fault_code, REACTS_WITHIN_SECOND)
        if state.fault_code:
            raise self._refused("reset", f"the fault stays: {state.fault}", state.fault_code)

    async def make_safe(self) -> None:
        """Standstill, seen. It reconnects once if it must, and takes the voltage off if the ramp does not end.

        A drive that answers and heeds no stop is left in silence until it stops by itself, where that is armed.
        """
        try:
            await self._bring_to_standstill()
        except (LinkLostError, NoReplyError, BadReplyError):
            await self.connect()
            await self._bring_to_standstill()

    async def close(self) -> None:
        """Close the link. The drive stops by itself if that was armed, and else goes on."""
        async with self._turn:
            await self._link.close()

    async def _take_turn(self, exchange: Callable[[ModbusLink], Awaitable[Answer]]) -> Answer:
        async with self._turn:
            return await exchange(self._link)

    async def _check_loss_stop(self, wanted_second: float) -> None:
        found_second = await self._take_turn(self._dialect.read_loss_stop)
        if found_second != wanted_second:
            found = "none" if found_second is None else f"one after {found_second:g} s"
            raise self._refused(f"stop after {wanted_second:g} s of silence", f"it reads back {found}")

    async def _check_hertz(self, wanted_hertz: float) -> DriveState:
        state = await self._take_turn(self._dialect.look)
        if abs(state.setpoint_hertz - wanted_hertz) > HERTZ_STEP / 2:
            raise self._refused(f"{wanted_hertz:.2f} Hz", f"the frequency reads back {state.setpoint_hertz:.2f} Hz")
        return state

    async def _look_until(self, is_there: Callable[[DriveState], bool], within_second: float) -> DriveState:
        """The first state that is there, or the last one in time."""
        state = await self._take_turn(self._dialect.look)
        for _ in range(math.ceil(within_second / LOOK_EVERY_SECOND)):
            if is_there(state):
                break
            await self._wait(LOOK_EVERY_SECOND)
            state = await self._take_turn(self._dialect.look)
        return state

    async def _stop(self) -> DriveState:
        self._stops += 1
        await self._take_turn(self._dialect.stop)
        return await self._look_until(lambda now: now.is_slowing or not now.is_running, REACTS_WITHIN_SECOND)

    async def _bring_to_standstill(self) -> None:
        try:
            await self._tell_to_stand()
        except RefusedError:
            loss_second = await self._take_turn(self._dialect.read_loss_stop)
            if loss_second is None:
                raise
            # Each question, also about the way it goes, would keep it turning.
            async with self._turn:
                await self._wait(loss_second + REACTS_WITHIN_SECOND)
            state = await self._look_until(lambda now: now.is_standing, self._stands_within_second)
            if not state.is_standing:
                raise

    async def _tell_to_stand(self) -> None:
        state = await self._stop()
        if state.is_slowing:
            state = await self._look_until(lambda now: now.is_standing, self._stands_within_second)
        if state.is_standing:
            return
        await self._take_turn(self._dialect.cut_output)
        state = await self._look_until(lambda now: now.is_standing, REACTS_WITHIN_SECOND)
        if not state.is_standing:
            raise self._refused("stop", f"{state.output_hertz * self._rpm_per_hertz:.0f} rpm after every way to stop")

    def _refused(self, command: str, why: str, code: int = 0) -> RefusedError:
        return RefusedError(self.name, command, code, why)

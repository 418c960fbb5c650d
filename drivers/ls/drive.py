"""LS iG5A and S100 drives, over their common area."""

from drivers.drive_state import DriveState
from drivers.errors import BadReplyError, RefusedError, WrongInstrumentError
from drivers.ls import codec
from drivers.modbus_link import ModbusLink
from drivers.roles import Identity

MAKER = "LS"
LOCKED = 0x14
"""The exception of a drive that is locked, or of a register not to be changed while it runs. Source: iG5A 11-3."""


class LsDialect:
    """The common area of one family. Writing to it is unlocked when the drive says that it is locked.

    Replies of 4 registers identify, 11 are the state, 2 are the stop on loss.
    """

    def __init__(self, family: codec.Family, model_code: int | None = None) -> None:
        """`model_code` is what must stand in register 0000h, where it is not what the family has."""
        self._family = family
        self._model_code = family.model_code if model_code is None else model_code

    async def open(self, link: ModbusLink) -> Identity:
        """See `Dialect`. There is no serial number to ask for."""
        model, capacity, volts, version = await link.open_with(codec.MODEL, codec.MODEL_COUNT)
        if model != self._model_code:
            raise WrongInstrumentError(link.instrument, f"model code {self._model_code:04X}h", f"{model:04X}h")
        kilowatt = codec.CAPACITIES_KILOWATT.get(capacity)
        parts = [self._family.name, f"{kilowatt:g} kW" if kilowatt else "", {0: "220 V", 1: "440 V"}.get(volts, "")]
        return Identity(MAKER, " ".join(part for part in parts if part), "", codec.version(version))

    async def look(self, link: ModbusLink) -> DriveState:
        """See `Dialect`."""
        words = await link.read(codec.STATE, codec.STATE_COUNT)
        try:
            return codec.state(words, names_trips=self._family.has_lock)
        except ValueError as error:
            why = str(error)
        raise BadReplyError(link.instrument, "state", " ".join(f"{word:04X}" for word in words), why)

    async def read_loss_stop(self, link: ModbusLink) -> float | None:
        """See `Dialect`."""
        loss = self._family.loss
        action, tenths = await link.read(loss.action, 2)
        return tenths / 10 if action == loss.ramp else None

    async def write_loss_stop(self, link: ModbusLink, within_second: float) -> None:
        """See `Dialect`. The time first: with the action alone it would be the drive's own."""
        loss = self._family.loss
        await self._write(link, loss.time, round(within_second / codec.SECOND_PER_COUNT))
        await self._write(link, loss.action, loss.ramp)

    async def write_hertz(self, link: ModbusLink, hertz: float) -> None:
        """See `Dialect`."""
        await self._write(link, codec.FREQUENCY, round(hertz / codec.HERTZ_PER_COUNT))

    async def run(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await self._write(link, codec.COMMAND, codec.FORWARD)

    async def stop(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await self._write(link, codec.COMMAND, codec.STOP)

    async def cut_output(self, link: ModbusLink) -> None:
        """See `Dialect`. That the emergency stop takes the voltage off is [unverified]."""
        await self._write(link, codec.COMMAND, codec.EMERGENCY_STOP)

    async def reset(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await self._write(link, codec.COMMAND, codec.RESET)

    async def _write(self, link: ModbusLink, register: int, value: int) -> None:
        try:
            await link.write(register, value)
        except RefusedError as error:
            if error.code != LOCKED or not self._family.has_lock:
                raise
            # A refusal did nothing, so the same may be asked again.
            await link.write(codec.LOCK, codec.UNLOCKED)
            await link.write(register, value)

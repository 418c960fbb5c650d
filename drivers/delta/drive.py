"""Delta VFD-E, VFD-EL, MS300 and the like."""

from drivers.delta import codec
from drivers.drive_state import DriveState
from drivers.errors import BadReplyError, WrongInstrumentError
from drivers.modbus_link import ModbusLink
from drivers.roles import Identity

MAKER = "Delta"


class DeltaDialect:
    """The communication addresses all series have.

    Replies of 7 registers identify, 5 are the state, 2 are the stop on loss.
    """

    def __init__(self, model_code: int | None = None) -> None:
        """`model_code` is the identity code (parameter 00-00) that must answer, or None for any."""
        self._model_code = model_code

    async def open(self, link: ModbusLink) -> Identity:
        """See `Dialect`. There is no serial number to ask for."""
        words = await link.open_with(codec.IDENTITY_CODE, codec.IDENTITY_COUNT)
        if self._model_code not in {None, words[0]}:
            raise WrongInstrumentError(link.instrument, f"identity code {self._model_code}", str(words[0]))
        return Identity(MAKER, f"VFD, identity code {words[0]}", "", codec.version(words[6]))

    async def look(self, link: ModbusLink) -> DriveState:
        """See `Dialect`."""
        words = await link.read(codec.STATE, codec.STATE_COUNT)
        try:
            return codec.state(words)
        except ValueError as error:
            why = str(error)
        raise BadReplyError(link.instrument, "state", " ".join(f"{word:04X}" for word in words), why)

    async def read_loss_stop(self, link: ModbusLink) -> float | None:
        """See `Dialect`."""
        action, tenths = await link.read(codec.LOSS_ACTION, 2)
        return tenths / 10 if action == codec.LOSS_RAMP and tenths else None

    async def write_loss_stop(self, link: ModbusLink, within_second: float) -> None:
        """See `Dialect`. The action first: the time switches it on."""
        await link.write(codec.LOSS_ACTION, codec.LOSS_RAMP)
        await link.write(codec.LOSS_TIME, round(within_second / codec.SECOND_PER_COUNT))

    async def write_hertz(self, link: ModbusLink, hertz: float) -> None:
        """See `Dialect`."""
        await link.write(codec.FREQUENCY, round(hertz / codec.HERTZ_PER_COUNT))

    async def run(self, link: ModbusLink) -> None:
        """See `Dialect`. A base block is taken back first."""
        await link.write(codec.CONTROL, 0)
        await link.write(codec.COMMAND, codec.RUN_FORWARD)

    async def stop(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await link.write(codec.COMMAND, codec.STOP)

    async def cut_output(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await link.write(codec.CONTROL, codec.BASE_BLOCK)

    async def reset(self, link: ModbusLink) -> None:
        """See `Dialect`."""
        await link.write(codec.CONTROL, codec.RESET)

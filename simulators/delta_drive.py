"""Delta VFD drives on Modbus RTU."""

from collections.abc import Callable

from simulators.drive_device import DriveDevice
from simulators.inverter import EXTERNAL, Inverter, LossAction
from simulators.modbus_rtu import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    LOOP_BACK,
    READ_HOLDING,
    WRITE_MANY,
    WRITE_ONE,
    ModbusError,
    ModbusUnit,
)

_STOP, _RUN, _JOG = 1, 2, 3
_FORWARD, _REVERSE, _TURN_ROUND = 1, 2, 3
_FAULTS = {"overcurrent": 1, "overvoltage": 2, "overheat": 3, "overload": 5, EXTERNAL: 8, "ground": 12}
_LOSS_WARNING = 10
_LOSS_ACTIONS = {0: LossAction.NOTHING, 1: LossAction.RAMP, 2: LossAction.COAST, 3: LossAction.NOTHING}
_MOST_TENTHS_OF_LOSS = 1200


class DeltaDrive(DriveDevice):
    """A VFD set to take frequency and command from the line.

    A jog turns it as a run does. Source: mill-drive.md §3.2; VFD-E 4-113 [manual]: parameters 09.02 and 09.03. What is
    not there [unverified]: the numbers of faults and of the warning for a lost line, which stays until it is spoken to;
    that a base block lets the blade coast and takes the run command back; that a read-only register is an illegal
    address to write to; standby where it runs at 0 Hz.
    """

    def __init__(
        self, name: str, inverter: Inverter, *, unit: int = 1, baud: int = 9600, identity_code: int = 5
    ) -> None:
        super().__init__(name, inverter)
        self._identity_code = identity_code
        self._direction = 1
        self._loss_word = 3
        self._loss_tenths = 0
        self._is_blocked = False
        functions = (READ_HOLDING, WRITE_ONE, LOOP_BACK, WRITE_MANY)
        self.unit = ModbusUnit(unit, self, functions=functions, baud=baud, most_read=20)
        self._set_loss()

    def forget(self) -> None:
        """Lose what is lost with the power."""
        self._direction = 1
        self._is_blocked = False

    def read(self, register: int, now_ns: int) -> int:
        """See `Registers`."""
        inverter, settings = self.inverter, self.inverter.settings
        output = round(inverter.output_hertz_at(now_ns) * 100)
        words: dict[int, Callable[[], int]] = {
            0x0000: lambda: self._identity_code,
            **dict.fromkeys(range(0x0001, 0x0006), lambda: 0),
            0x0001: lambda: 25,
            0x0006: lambda: 116,
            0x0100: lambda: round(settings.highest_hertz * 100),
            0x0109: lambda: round(settings.accel_second * 10),
            0x010A: lambda: round(settings.decel_second * 10),
            0x0902: lambda: self._loss_word,
            0x0903: lambda: self._loss_tenths,
            0x2000: lambda: 0,
            0x2001: lambda: round(inverter.reference_hertz * 100),
            0x2002: lambda: 4 if self._is_blocked else 0,
            0x2100: lambda: _FAULTS.get(inverter.trip or "", 0) | (_LOSS_WARNING << 8 if inverter.was_lost else 0),
            0x2101: lambda: self._status(now_ns),
            0x2102: lambda: round(inverter.reference_hertz * 100),
            0x2103: lambda: output,
            0x2104: lambda: output * 25 // 6000,
            0x2105: lambda: 3100,
            0x2106: lambda: min(2200, output * 2200 // 6000),
            0x210C: lambda: round(inverter.output_hertz_at(now_ns) * inverter.mill.build.rpm_per_hertz),
        }
        if register not in words:
            raise ModbusError(ILLEGAL_ADDRESS)
        return words[register]() & 0xFFFF

    def write(self, register: int, value: int, now_ns: int) -> None:
        """See `Registers`."""
        match register:
            case 0x2000:
                self._obey(value, now_ns)
            case 0x2001:
                if value / 100 > self.inverter.settings.highest_hertz:
                    raise ModbusError(ILLEGAL_VALUE)
                self.inverter.set_reference(value / 100, now_ns)
            case 0x2002:
                self._control(value, now_ns)
            case 0x0109:
                self.inverter.settings.accel_second = value / 10
            case 0x010A:
                self.inverter.settings.decel_second = value / 10
            case 0x0902 if value in _LOSS_ACTIONS:
                self._loss_word = value
                self._set_loss()
            case 0x0903 if value <= _MOST_TENTHS_OF_LOSS:
                self._loss_tenths = value
                self._set_loss()
            case 0x0902 | 0x0903:
                raise ModbusError(ILLEGAL_VALUE)
            case _:
                raise ModbusError(ILLEGAL_ADDRESS)

    def _status(self, now_ns: int) -> int:
        phase = 0
        if self.inverter.is_output_on_at(now_ns):
            way = self.inverter.way_at(now_ns)
            stands = self.inverter.goal_hertz == 0 and self.inverter.output_hertz_at(now_ns) == 0
            phase = 1 if way == "down" and not self.inverter.direction else 2 if stands else 3
        direction = 0 if self._direction > 0 else 0b11
        return phase | direction << 3 | 1 << 8 | 1 << 10

    def _obey(self, value: int, now_ns: int) -> None:
        command, direction = value & 0x3, value >> 4 & 0x3
        if direction:
            self._direction = {_FORWARD: 1, _REVERSE: -1, _TURN_ROUND: -self._direction}[direction]
        if command == _STOP:
            self.inverter.stop(now_ns)
        elif command in {_RUN, _JOG} and not self._is_blocked:
            self.inverter.run(self._direction, now_ns)

    def _control(self, value: int, now_ns: int) -> None:
        if value & 0x1:
            self.inverter.trip_with(EXTERNAL, now_ns)
        if value & 0x2:
            self.inverter.reset()
        self._is_blocked = bool(value & 0x4)
        if self._is_blocked:
            self.inverter.cut(now_ns)

    def _set_loss(self) -> None:
        action = _LOSS_ACTIONS[self._loss_word] if self._loss_tenths else LossAction.NOTHING
        self.inverter.settings.loss_action = action
        self.inverter.settings.loss_second = self._loss_tenths / 10

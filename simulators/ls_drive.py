"""LS iG5A and S100 drives on Modbus RTU."""

from collections.abc import Callable
from dataclasses import dataclass

from simulators.drive_device import DriveDevice
from simulators.inverter import EXTERNAL, Inverter, LossAction
from simulators.modbus_rtu import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusError, ModbusUnit

REFUSED = 0x14
"""Locked, read only, or not to be changed while running [manual]."""

LONGEST_TENTHS = 6000
_STOP, _FORWARD, _REVERSE, _RESET, _EMERGENCY = 0x01, 0x02, 0x04, 0x08, 0x10
_DIRECTIONS = {_FORWARD: 1, _REVERSE: -1}

_TRIP_BITS = {
    name: 1 << bit
    for bit, name in enumerate(
        ("overcurrent", "overvoltage", EXTERNAL, "emergency", "COL", "ground", "overheat", "motor overheat")
    )
}
"""In the order of the iG5A [unverified]."""


@dataclass(frozen=True)
class LsModel:
    """What one series tells, and where it keeps its parameters.

    The lock and the addresses of its frequency, rpm and command are those of the common area; `second_area` are the
    S100's own for the same.
    """

    code: int
    version: int
    capacity: int
    has_lock: bool
    loss_action: int
    loss_time: int
    second_area: bool


MODELS = {
    "ls_ig5a": LsModel(0x000A, 0x0022, 2, has_lock=True, loss_action=0xA43E, loss_time=0xA43F, second_area=False),
    "ls_s100": LsModel(0x0006, 0x0100, 2, has_lock=False, loss_action=0x1B0C, loss_time=0x1B0D, second_area=True),
}
"""Code and version of the iG5A [manual]; code of the S100, that it has no lock, and all addresses of parameters
[unverified]."""


class LsDrive(DriveDevice):
    """A drive set to take its commands from the line. Writing is locked after power on, on an iG5A.

    Source: mill-drive.md §3.1 [manual]. Of the status it sets bits 0 to 6, which are those read on a page. What is not
    there [unverified]: that the command reads back as written, that the emergency stop lets the blade coast without a
    trip, that a frequency above the highest is an illegal value, that parameters can't be written while it runs.
    """

    def __init__(
        self, name: str, inverter: Inverter, *, model: str = "ls_ig5a", unit: int = 1, baud: int = 9600
    ) -> None:
        """`model` is `ls_ig5a` or `ls_s100`."""
        super().__init__(name, inverter)
        self._model = MODELS[model]
        self._unlocked = not self._model.has_lock
        self._command = _STOP
        self.unit = ModbusUnit(unit, self, baud=baud)
        self._readers = self._all_readers()
        self._writers = self._all_writers()

    def forget(self) -> None:
        """Lose what is lost with the power."""
        self._unlocked = not self._model.has_lock
        self._command = _STOP

    def read(self, register: int, now_ns: int) -> int:
        """See `Registers`."""
        reader = self._readers.get(register)
        if reader is None:
            raise ModbusError(ILLEGAL_ADDRESS)
        return reader(now_ns) & 0xFFFF

    def write(self, register: int, value: int, now_ns: int) -> None:
        """See `Registers`."""
        if register not in self._readers:
            raise ModbusError(ILLEGAL_ADDRESS)
        writer = self._writers.get(register)
        if writer is None or not (self._unlocked or register == 0x0004):
            raise ModbusError(REFUSED)
        writer(value, now_ns)

    def _all_readers(self) -> dict[int, Callable[[int], int]]:
        model, settings = self._model, self.inverter.settings
        readers: dict[int, Callable[[int], int]] = {
            0x0000: lambda _: model.code,
            0x0001: lambda _: model.capacity,
            0x0002: lambda _: 0,
            0x0003: lambda _: model.version,
            0x0004: lambda _: int(self._unlocked),
            0x0005: lambda _: round(self.inverter.reference_hertz * 100),
            0x0006: lambda _: self._command,
            0x0007: lambda _: round(settings.accel_second * 10),
            0x0008: lambda _: round(settings.decel_second * 10),
            0x0009: self._current,
            0x000A: lambda now_ns: round(self.inverter.output_hertz_at(now_ns) * 100),
            0x000B: lambda now_ns: round(min(2200.0, self.inverter.output_hertz_at(now_ns) * 2200 / 60)),
            0x000C: lambda _: 3100,
            0x000D: self._power,
            0x000E: self._status,
            0x000F: lambda _: _TRIP_BITS.get(self.inverter.trip or "", 0),
            0x0010: lambda _: int(self.inverter.lid_is_open),
            **dict.fromkeys(range(0x0011, 0x0015), lambda _: 0),
            0x0015: self._rpm,
            model.loss_action: lambda _: list(LossAction).index(settings.loss_action),
            model.loss_time: lambda _: round(settings.loss_second * 10),
        }
        if model.second_area:
            readers |= {0x0380: readers[0x0005], 0x0381: self._reference_rpm, 0x0382: self._command_word}
        return readers

    def _all_writers(self) -> dict[int, Callable[[int, int], None]]:
        model = self._model
        writers: dict[int, Callable[[int, int], None]] = {
            0x0005: self._set_reference,
            0x0006: self._obey,
            0x0007: lambda value, _: setattr(self.inverter.settings, "accel_second", _tenths(value)),
            0x0008: lambda value, _: setattr(self.inverter.settings, "decel_second", _tenths(value)),
            model.loss_action: self._set_loss_action,
            model.loss_time: self._set_loss_time,
        }
        if model.has_lock:
            writers[0x0004] = self._set_lock
        if model.second_area:
            writers |= {0x0380: self._set_reference, 0x0381: self._set_reference_rpm, 0x0382: self._obey_word}
        return writers

    def _status(self, now_ns: int) -> int:
        inverter = self.inverter
        trip = 0x08 if inverter.trip is not None else 0
        if not inverter.is_output_on_at(now_ns):
            return 0x01 | trip
        way = {"up": 0x10, "down": 0x20, "there": 0x40}[inverter.way_at(now_ns)]
        return (0x04 if self._command == _REVERSE else 0x02) | way | trip

    def _current(self, now_ns: int) -> int:
        return round(25 * self.inverter.output_hertz_at(now_ns) / 60)

    def _power(self, now_ns: int) -> int:
        return round(5 * (self.inverter.output_hertz_at(now_ns) / 60) ** 3)

    def _rpm(self, now_ns: int) -> int:
        return round(self.inverter.output_hertz_at(now_ns) * self.inverter.mill.build.rpm_per_hertz)

    def _reference_rpm(self, now_ns: int) -> int:  # noqa: ARG002
        return round(self.inverter.reference_hertz * self.inverter.mill.build.rpm_per_hertz)

    def _command_word(self, now_ns: int) -> int:  # noqa: ARG002
        return {_FORWARD: 3, _REVERSE: 1}.get(self._command, 0)

    def _set_lock(self, value: int, now_ns: int) -> None:  # noqa: ARG002
        if value not in {0, 1}:
            raise ModbusError(ILLEGAL_VALUE)
        self._unlocked = bool(value)

    def _set_reference(self, value: int, now_ns: int) -> None:
        hertz = value / 100
        if hertz > self.inverter.settings.highest_hertz:
            raise ModbusError(ILLEGAL_VALUE)
        self.inverter.set_reference(hertz, now_ns)

    def _set_reference_rpm(self, value: int, now_ns: int) -> None:
        self._set_reference(round(value * 100 / self.inverter.mill.build.rpm_per_hertz), now_ns)

    def _obey(self, value: int, now_ns: int) -> None:
        bits = value & 0x1F
        if bits & _EMERGENCY:
            self._command = _STOP
            self.inverter.cut(now_ns)
        elif bits & _RESET:
            self.inverter.reset()
        elif bits & _STOP:
            self._command = _STOP
            self.inverter.stop(now_ns)
        elif bits in _DIRECTIONS:
            self._command = bits
            self.inverter.run(_DIRECTIONS[bits], now_ns)
        else:
            raise ModbusError(ILLEGAL_VALUE)

    def _obey_word(self, value: int, now_ns: int) -> None:
        """The S100's own command: bit 0 runs, bit 1 forward, bit 2 resets, bit 3 coasts [unverified]."""
        if value & 0x8:
            self._obey(_EMERGENCY, now_ns)
        elif value & 0x4:
            self._obey(_RESET, now_ns)
        elif value & 0x1:
            self._obey(_FORWARD if value & 0x2 else _REVERSE, now_ns)
        else:
            self._obey(_STOP, now_ns)

    def _set_loss_action(self, value: int, now_ns: int) -> None:
        self._must_stand(now_ns)
        actions = list(LossAction)
        if value >= len(actions):
            raise ModbusError(ILLEGAL_VALUE)
        self.inverter.settings.loss_action = actions[value]

    def _set_loss_time(self, value: int, now_ns: int) -> None:
        self._must_stand(now_ns)
        if not 1 <= value <= 1200:
            raise ModbusError(ILLEGAL_VALUE)
        self.inverter.settings.loss_second = value / 10

    def _must_stand(self, now_ns: int) -> None:
        if self.inverter.is_output_on_at(now_ns):
            raise ModbusError(REFUSED)


def _tenths(value: int) -> float:
    if value > LONGEST_TENTHS:
        raise ModbusError(ILLEGAL_VALUE)
    return value / 10

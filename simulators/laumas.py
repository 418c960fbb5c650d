"""A Laumas weight transmitter on Modbus RTU, with the force sensor below the press cell."""

from collections.abc import Callable

from simulators.device import CellUnderTest
from simulators.force_display import OVER_RANGE_DIVISIONS, Displays, ForceDisplay, ForceSensor, IndicatorSetup, Upset
from simulators.modbus_rtu import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusError, ModbusUnit

MOST_REGISTERS = 32
"""In one question [manual: TLU p34]."""

LONGEST = 999_999
_DIVISIONS = {(100, 0): 0, (50, 0): 1, (20, 0): 2, (10, 0): 3, (5, 0): 4, (2, 0): 5, (1, 0): 6}
_FRACTIONS = {(5, 0): 7, (2, 0): 8, (1, 0): 9}
UNITS = {"kg": 0, "g": 1, "t": 2, "lb": 3, "N": 4}
"""Codes of the unit [unverified]; kilonewton is not among them."""


class LaumasTransmitter:
    """A TLB or TLU: a `Device` that only answers. A held display is a converter that stands still: it can't be told.

    Source: load-cell.md §1.6 [manual]. Code 40014, and what its commands 7, 8 and 9 do, [unverified]. Calibration is
    not there: commands 100 and 101 are refused as values.
    """

    def __init__(
        self,
        name: str,
        cell: CellUnderTest,
        *,
        sensor: ForceSensor | None = None,
        setup: IndicatorSetup | None = None,
        serial_number: int = 12345,
        seed: int = 1,
    ) -> None:
        """Build one; `bus_address` of the set-up is its unit, 1 without.

        Raises:
            ValueError: a unit it doesn't have.
        """
        self.name = name
        self.setup = setup or IndicatorSetup()
        if self.setup.unit not in UNITS:
            raise ValueError(f"unit {self.setup.unit!r} is not one of {', '.join(UNITS)}")
        self.force = ForceDisplay(name, cell, sensor or ForceSensor(), self.setup, seed)
        self._serial_number = serial_number
        self._command = 0
        self.unit = ModbusUnit(
            self.setup.bus_address or 1, self, functions=(3, 6, 16), baud=self.setup.baud, most_read=MOST_REGISTERS
        )

    @property
    def busy(self) -> bool:
        """Never: it only answers."""
        return False

    @property
    def upset(self) -> Upset:
        """What is wrong with it."""
        return self.force.upset

    @upset.setter
    def upset(self, upset: Upset) -> None:
        self.force.upset = upset

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. It is silent until its first display."""
        return b"" if self.upset.silent or self.force.latest is None else self.unit.receive(data, now_ns)

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing in the cell, so it always gets to the limit."""
        self.force.advance(limit_ns)
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`."""
        self.unit.clear()
        self.force.lose_power(now_ns)

    def read(self, register: int, now_ns: int) -> int:  # noqa: ARG002
        """See `Registers`."""
        display = self.force.latest
        assert display is not None  # noqa: S101  (it is silent until then)
        readers: dict[int, Callable[[], int]] = {
            0: lambda: 104,
            1: lambda: 5,
            2: lambda: 2024,
            3: lambda: self._serial_number,
            4: lambda: 1,
            5: lambda: self._command,
            6: lambda: self._status(display),
            7: lambda: self._magnitude(self._gross(display)) >> 16,
            8: lambda: self._magnitude(self._gross(display)) & 0xFFFF,
            9: lambda: self._magnitude(self._net(display)) >> 16,
            10: lambda: self._magnitude(self._net(display)) & 0xFFFF,
            11: lambda: 0,
            12: lambda: 0,
            13: self._division_and_unit,
            36: lambda: 0,
            37: lambda: 0,
        }
        if register not in readers:
            raise ModbusError(ILLEGAL_ADDRESS)
        return readers[register]()

    def write(self, register: int, value: int, now_ns: int) -> None:  # noqa: ARG002
        """See `Registers`."""
        if register != 5:
            raise ModbusError(ILLEGAL_ADDRESS)
        display = self.force.latest
        assert display is not None  # noqa: S101  (it is silent until then)
        match value:
            case 7:
                self.force.tare(display)
            case 8:
                self.force.zero(display)
            case 9:
                self.force.clear_tare()
            case 0 | 99:
                pass  # nothing to do, and to save to its EEPROM
            case _:
                raise ModbusError(ILLEGAL_VALUE)
        self._command = value

    def _gross(self, display: Displays) -> int:
        return int(self.force.gross(display)[0]) * self.setup.division

    def _net(self, display: Displays) -> int:
        return self._gross(display) - self.force.scale.tare * self.setup.division

    def _magnitude(self, digits: int) -> int:
        return min(abs(digits), LONGEST)

    def _status(self, display: Displays) -> int:
        gross, net = self._gross(display), self._net(display)
        capacity = self.setup.capacity_divisions
        divisions = int(self.force.gross(display)[0])
        bits = {
            2: divisions > capacity + OVER_RANGE_DIVISIONS,
            3: divisions > 1.1 * capacity,
            4: abs(gross) > LONGEST,
            5: abs(net) > LONGEST,
            7: gross < 0,
            8: net < 0,
            10: self.force.scale.net,
            11: not bool(display.unstable[0]),
            12: divisions == 0,
        }
        return sum(1 << bit for bit, is_set in bits.items() if is_set)

    def _division_and_unit(self) -> int:
        unit = self.upset.unit or self.setup.unit
        step, decimals = self.setup.division, self.setup.decimals
        code = _DIVISIONS.get((step, 0), 6) if decimals == 0 else _FRACTIONS.get((step, 0), 9) + 3 * (decimals - 1)
        return UNITS.get(unit, 11) << 8 | code

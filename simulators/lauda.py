"""A LAUDA thermostat, spoken to in lines of ASCII on RS-232, RS-485 or its network port."""

import re
from collections.abc import Callable

from simulators.circulator import Circulator
from simulators.device import SECOND_NS
from simulators.lines import CommandLines

LONGEST_COMMAND = 64
"""Characters; a longer one overflows its buffer [unverified]."""

LONGEST_TIMEOUT_SECOND = 99
"""[unverified]"""

LOST_CONTACT_ALARM, SAFE_MODE_WARNING = 22, 503
"""What an expired watchdog raises without and with Safe Mode [manual: LRZ 926]."""

FACTORY_SAFE_CELSIUS = 20.0
PUMP_STEPS = 6
PROBE_CONTROL = 1
PARAMETERS = {"00": 2.0, "01": 50.0, "02": 40.0, "03": 40.0, "04": 1.0, "05": 100.0, "06": 50.0, "07": 25.0}
"""Of the control, read and written, and without effect here. What they are from the factory is [unverified]."""

_VALUE = re.compile(r"-?(?=[0-9.])([0-9]{0,4})(\.[0-9]{0,2})?", re.ASCII)
_WRITE = re.compile(r"(OUT_(?:SP|PV|MODE|PAR)_[0-9]{2})_(.*)", re.ASCII)


class LaudaChiller:
    """A `Device` that speaks when it is spoken to; every command has one reply, ended by CR LF.

    Its host-loss watchdog: when no command has come for the timeout, it stops with alarm 22; with Safe Mode activated,
    it enters it instead, takes the safe setpoint once, and goes on. It then watches no more until the timeout has been
    set to 0. Safe Mode ends at the panel alone, and its setpoint can't be changed meanwhile [manual: LRZ 926,
    Integral IN].

    Not there, each answered ERR_8: programmer, analog values, pressure and flow control, and external control values
    that come over the interface. It always controls the bath; with the probe chosen, `IN_PV_01` shows the probe.

    [unverified]: what it answers without a probe (ERR_33), whether whole numbers have decimals (none), to a start while
    an alarm stands (OK, and it stays in standby), and that power lost leaves it in standby, its timeout 0.

    Source: the shared notes on LAUDA's interface; see docs/reference/chiller.md.
    """

    def __init__(
        self,
        name: str,
        circulator: Circulator,
        *,
        model: str = "ECO",
        firmware: str = "1.36",
        bus_address: int | None = None,
        safe_mode_is_activated: bool = False,
        low_limit_celsius: float = -30.0,
        high_limit_celsius: float = 100.0,
    ) -> None:
        """Build a unit.

        Args:
            bus_address: on RS-485, 0 to 127: it then answers to this address alone.
            safe_mode_is_activated: at its menu.
        """
        self.name = name
        self.circulator = circulator
        self.safe_mode_is_activated = safe_mode_is_activated
        self.is_in_safe_mode = False
        self._model, self._firmware = model, firmware
        self._prefix = "" if bus_address is None else f"A{bus_address:03d}_"
        self._low_celsius, self._high_celsius = low_limit_celsius, high_limit_celsius
        self._safe_celsius = FACTORY_SAFE_CELSIUS
        self._timeout_second = 0
        self._watch_from_ns: int | None = None
        self._pump_step, self._cooling, self._control = 3, 2, 0
        self._key_locks = {"00": 0, "03": 0}
        self._parameters = dict(PARAMETERS)
        self._commands = CommandLines(b"\r")
        self._now_ns = 0

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands end with CR, CR LF or LF CR."""
        self._now_ns = now_ns
        commands = self._commands.feed(data)
        if self.circulator.silent:
            return b""
        replies = [self._take(command.decode("latin-1").strip("\n")) for command in commands]
        return "".join(f"{reply}\r\n" for reply in replies if reply).encode("latin-1")

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing about the cell."""
        expiry_ns = self._expiry_ns
        if expiry_ns is not None and expiry_ns <= limit_ns:
            self.circulator.run_to(expiry_ns)
            self._lose_contact()
        self.circulator.run_to(limit_ns)
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def power_cycle(self, now_ns: int) -> None:  # noqa: ARG002
        """See `Device`. In standby, with its setpoints [unverified]; alarms are gone unless their cause is there."""
        self.circulator.is_on = False
        self.is_in_safe_mode = False
        self._timeout_second, self._watch_from_ns = 0, None
        self.acknowledge()
        self._commands.clear()

    def acknowledge(self) -> None:
        """Somebody takes back the alarm of lost contact at the panel."""
        codes = self.circulator.alarm_codes
        self.circulator.alarm_codes = tuple(code for code in codes if code != LOST_CONTACT_ALARM)

    def end_safe_mode(self) -> None:
        """Somebody ends Safe Mode at the panel."""
        self.is_in_safe_mode = False

    @property
    def _expiry_ns(self) -> int | None:
        if not self._timeout_second or self._watch_from_ns is None:
            return None
        return self._watch_from_ns + self._timeout_second * SECOND_NS

    def _lose_contact(self) -> None:
        self._watch_from_ns = None
        if self.safe_mode_is_activated:
            self._enter_safe_mode()
        else:
            self.circulator.is_on = False
            self.circulator.alarm_codes = (*self.circulator.alarm_codes, LOST_CONTACT_ALARM)

    def _enter_safe_mode(self) -> None:
        self.is_in_safe_mode = True
        self.circulator.setpoint_celsius = self._safe_celsius

    def _take(self, line: str) -> str:
        if self._watch_from_ns is not None:
            self._watch_from_ns = self._now_ns
        command = line.replace(" ", "_").upper()
        if not command.startswith(self._prefix):
            return ""
        command = command.removeprefix(self._prefix)
        if len(line) > LONGEST_COMMAND:
            return f"{self._prefix}ERR_2"
        return self._prefix + self._answer(command)

    def _answer(self, command: str) -> str:
        if command in {"START", "STOP"}:
            self.circulator.is_on = command == "START" and not self.circulator.has_fault
            return "OK"
        if command.startswith(("RMP_", "LOG_")):
            return "ERR_8"
        write = _WRITE.fullmatch(command)
        if write is not None:
            return self._write(write[1], write[2])
        reader = self._readers().get(command)
        return "ERR_3" if reader is None else reader()

    def _readers(self) -> dict[str, Callable[[], str]]:
        unit = self.circulator
        numbers = {
            "IN_PV_00": unit.bath.bath_celsius,
            "IN_PV_02": 0.35 if unit.runs else 0.0,
            "IN_SP_00": unit.setpoint_celsius,
            "IN_SP_03": self._high_celsius + 10,
            "IN_SP_04": self._high_celsius,
            "IN_SP_05": self._low_celsius,
            "IN_SP_07": self._safe_celsius,
            **{f"IN_PAR_{number}": value for number, value in self._parameters.items()},
        }
        words = {
            "IN_PV_05": "0" if unit.low_level else "5",
            "IN_SP_01": str(self._pump_step),
            "IN_SP_02": str(self._cooling),
            "IN_SP_08": str(self._timeout_second),
            "IN_MODE_01": str(self._control),
            "IN_MODE_02": "0" if unit.runs else "1",
            "IN_MODE_04": "0",
            "IN_MODE_06": str(int(self.is_in_safe_mode)),
            "TYPE": self._model,
            "STATUS": "-1" if unit.has_fault else "0",
            "STAT": self._diagnosis,
            **{f"IN_MODE_{number}": str(lock) for number, lock in self._key_locks.items()},
            **dict.fromkeys(("VERSION_R", "VERSION_S", "VERSION_V"), self._firmware),
            **dict.fromkeys(("IN_PV_04", "IN_SP_06", "IN_SP_09", "VERSION_A", "VERSION_D", "VERSION_E"), "ERR_8"),
        }
        probed = {
            "IN_PV_01": lambda: self._probe(2) if self._control == PROBE_CONTROL else _fixed(unit.bath.bath_celsius),
            "IN_PV_03": lambda: self._probe(2),
            "IN_PV_10": lambda: _fixed(unit.bath.bath_celsius, 3),
            "IN_PV_13": lambda: self._probe(3),
        }
        return (
            {name: lambda value=value: _fixed(value) for name, value in numbers.items()}
            | {name: lambda word=word: word for name, word in words.items()}
            | probed
        )

    @property
    def _diagnosis(self) -> str:
        """Error, alarm, warning, overtemperature, low level, high level, external value missing."""
        unit = self.circulator
        flags = (False, unit.has_fault, self.is_in_safe_mode, False, unit.low_level, False, False)
        return "".join(str(int(flag)) for flag in flags)

    def _probe(self, decimals: int) -> str:
        celsius = self.circulator.external_celsius(self._now_ns)
        return "ERR_33" if celsius is None else _fixed(celsius, decimals)

    def _write(self, name: str, text: str) -> str:
        if _VALUE.fullmatch(text) is None or not any(character.isdigit() for character in text):
            return "ERR_5"
        value = float(text)
        setters: dict[str, Callable[[float], str]] = {
            "OUT_SP_00": self._set_setpoint,
            "OUT_SP_01": self._set_pump_step,
            "OUT_SP_02": self._set_cooling,
            "OUT_SP_04": lambda high: self._set_limits(self._low_celsius, high),
            "OUT_SP_05": lambda low: self._set_limits(low, self._high_celsius),
            "OUT_SP_07": self._set_safe_setpoint,
            "OUT_SP_08": self._set_timeout,
            "OUT_MODE_00": lambda lock: self._lock_keys("00", lock),
            "OUT_MODE_01": self._set_control,
            "OUT_MODE_03": lambda lock: self._lock_keys("03", lock),
            "OUT_MODE_06": self._start_safe_mode,
        }
        if name in {"OUT_SP_06", "OUT_SP_09", "OUT_PV_05", "OUT_MODE_04"}:
            return "ERR_8"
        number = name.removeprefix("OUT_PAR_")
        if number in self._parameters:
            self._parameters[number] = value
            return "OK"
        return setters[name](value) if name in setters else "ERR_3"

    def _set_setpoint(self, celsius: float) -> str:
        if self.is_in_safe_mode:
            return "ERR_38"
        if not self._low_celsius <= celsius <= self._high_celsius:
            return "ERR_6"
        self.circulator.setpoint_celsius = celsius
        return "OK"

    def _set_safe_setpoint(self, celsius: float) -> str:
        if not self._low_celsius <= celsius <= self._high_celsius:
            return "ERR_6"
        self._safe_celsius = celsius
        return "OK"

    def _set_limits(self, low_celsius: float, high_celsius: float) -> str:
        if high_celsius <= low_celsius:
            return "ERR_32"
        self._low_celsius, self._high_celsius = low_celsius, high_celsius
        return "OK"

    def _set_timeout(self, second: float) -> str:
        if not second.is_integer() or not 0 <= second <= LONGEST_TIMEOUT_SECOND:
            return "ERR_6"
        if not second:
            self._watch_from_ns = None
        elif self._watch_from_ns is not None or not self._timeout_second:
            self._watch_from_ns = self._now_ns
        self._timeout_second = int(second)
        return "OK"

    def _start_safe_mode(self, value: float) -> str:
        if value != 1:
            return "ERR_6"
        if not self.safe_mode_is_activated:
            return "ERR_35"
        self._enter_safe_mode()
        return "OK"

    def _set_pump_step(self, step: float) -> str:
        if step not in range(1, PUMP_STEPS + 1):
            return "ERR_6"
        self._pump_step = int(step)
        return "OK"

    def _set_cooling(self, mode: float) -> str:
        if mode not in {0, 1, 2}:
            return "ERR_6"
        self._cooling = int(mode)
        return "OK"

    def _set_control(self, variable: float) -> str:
        if variable == PROBE_CONTROL and self.circulator.external_celsius(self._now_ns) is None:
            return "ERR_33"
        if variable not in {0, PROBE_CONTROL}:
            return "ERR_8" if variable in range(2, 8) else "ERR_6"
        self._control = int(variable)
        return "OK"

    def _lock_keys(self, number: str, lock: float) -> str:
        if lock not in {0, 1}:
            return "ERR_6"
        self._key_locks[number] = int(lock)
        return "OK"


def _fixed(value: float, decimals: int = 2) -> str:
    """Fixed point: three digits, the decimals, a sign only below zero."""
    # The sum turns a negative zero into zero.
    rounded = round(value, decimals) + 0.0
    return f"{rounded:0{4 + decimals + (rounded < 0)}.{decimals}f}"

"""An ESPEC temperature chamber with an SCP-220 or P-300 controller, spoken to in lines of ASCII."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from simulators.chamber_air import ChamberAir, ChamberBuild
from simulators.chamber_device import ChamberDevice
from simulators.device import CellSurroundings
from simulators.lines import CommandLines

HIGHEST_CELSIUS = 160.0
LOWEST_CELSIUS = -75.0
"""What its limits can be set to; `TYPE?` names the highest."""

_FIRST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
_NO_HUMIDITY = "NA:CONT NOT READY-1"
_TEMPERATURE_PART = re.compile(r"([SHL])(-?\d{1,3}(?:\.\d+)?)", re.ASCII)
_BUS_ADDRESS = re.compile(r"\d{1,2},", re.ASCII)


class EspecChamber(ChamberDevice):
    """A chamber without humidity: a `Device` that changes the cell's surroundings, and so must be asked first.

    `run_to` only names the time of the next step of the air; the step is made in `settle`. A setpoint is taken in every
    mode and acts in CONSTANT. It has no watchdog: what it was told last holds, through a loss of power too
    [unverified]. `POWER,ON` leads to STANDBY; at least one driver takes it to start CONSTANT [unverified].

    Source: chamber.md §4.1 [code]; what a query without data of ours answers (`ROM?`, `REF?`, `%?`) [unverified].
    """

    def __init__(
        self,
        name: str,
        surroundings: CellSurroundings,
        *,
        air_celsius: float = 55.0,
        setpoint_celsius: float = 55.0,
        high_limit_celsius: float = 140.0,
        low_limit_celsius: float = -50.0,
        mode: str = "CONSTANT",
        build: ChamberBuild | None = None,
        utc_start: datetime = _FIRST_CLOCK,
        seed: int = 1,
    ) -> None:
        """Build a chamber around the cell; the air has its temperature from now on.

        Args:
            mode: `OFF`, `STANDBY` or `CONSTANT`.
            utc_start: what its clock says at bench time 0.
        """
        air = ChamberAir(surroundings, build or ChamberBuild(), air_celsius, seed)
        super().__init__(name, CommandLines(b"\n"), air, setpoint_celsius)
        self.mode = mode
        self.data_protected = False
        self._high_celsius = high_limit_celsius
        self._low_celsius = low_limit_celsius
        self._key_protect = False
        self._refrigeration = "REF9"
        self._utc_start = utc_start
        self._aim(0)

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands and replies end with CR LF; each command has one reply."""
        lines = [line.removesuffix(b"\r").decode("latin-1") for line in self._commands.feed(data)]
        return "".join(f"{self._answer(line, now_ns)}\r\n" for line in lines).encode("latin-1")

    def _answer(self, line: str, now_ns: int) -> str:
        if _BUS_ADDRESS.match(line):
            return "NA:ADDR ERR"
        if "?" in line:
            return self._asked(line.strip().upper(), now_ns)
        name, _, rest = line.partition(",")
        setters: dict[str, Callable[[str], str | None]] = {
            "TEMP": self._set_temperature,
            "MODE": self._set_mode,
            "POWER": self._set_power,
            "KEYPROTECT": self._set_key_protect,
            "SET": self._set_refrigeration,
            "HUMI": lambda _: _NO_HUMIDITY,
        }
        setter = setters.get(name.strip().upper())
        if setter is None:
            return "NA:CMD ERR"
        if self.data_protected:
            return "NA:PROTECT ON"
        refused = setter(rest.strip().upper())
        self._aim(now_ns)
        return refused or f"OK:{line}"

    def _asked(self, query: str, now_ns: int) -> str:
        air = f"{self.air_celsius_at(now_ns):.1f}"
        setpoint = f"{self._setpoint_celsius:.1f}"
        clock = self._utc_start + timedelta(microseconds=now_ns // 1000)
        replies = {
            "TEMP": f"{air},{setpoint},{self._high_celsius:.1f},{self._low_celsius:.1f}",
            "MON": f"{air},,{self.mode},{len(self.alarms)}",
            "MODE": self.mode,
            "ALARM": ",".join(map(str, (len(self.alarms), *self.alarms))),
            "TYPE": f"T,S2,{HIGHEST_CELSIUS:.1f}",
            "SET": self._refrigeration,
            "KEYPROTECT": "ON" if self._key_protect else "OFF",
            "SRQ": f"0{int(bool(self.alarms))}000000",
            "%": f"1,{100 * self._air.heating_fraction:.1f}",
            "REF": "1,ON1" if self.mode == "CONSTANT" else "1,OFF1",
            "ROM": "P3SS 1.00",
            "DATE": f"{clock:%y.%m/%d}",
            "TIME": f"{clock:%H:%M:%S}",
            "HUMI": _NO_HUMIDITY,
        }
        detailed = {f"{name}?,DETAIL": replies[name] for name in ("MON", "MODE")}
        constant = {"CONSTANT SET?,TEMP": f"{setpoint},ON", "CONSTANT SET?,HUMI": _NO_HUMIDITY}
        return ({f"{name}?": reply for name, reply in replies.items()} | detailed | constant).get(query, "NA:CMD ERR")

    def _set_temperature(self, text: str) -> str | None:
        parts = [_TEMPERATURE_PART.fullmatch(part) for part in text.split()]
        values = {part[1]: round(float(part[2]), 1) for part in parts if part}
        if not values or len(values) != len(parts):
            return "NA:PARA ERR"
        setpoint_celsius = values.get("S", self._setpoint_celsius)
        high_celsius = values.get("H", self._high_celsius)
        low_celsius = values.get("L", self._low_celsius)
        if not LOWEST_CELSIUS <= low_celsius <= setpoint_celsius <= high_celsius <= HIGHEST_CELSIUS:
            return "NA:DATA OUT OF RANGE"
        self._setpoint_celsius, self._high_celsius, self._low_celsius = setpoint_celsius, high_celsius, low_celsius
        return None

    def _set_mode(self, text: str) -> str | None:
        if re.fullmatch(r"RUN\d{1,2}", text, re.ASCII):
            return "NA:DATA NOT READY"
        if text not in {"OFF", "STANDBY", "CONSTANT"}:
            return "NA:PARA ERR"
        self.mode = text
        return None

    def _set_power(self, text: str) -> str | None:
        if text not in {"ON", "OFF"}:
            return "NA:PARA ERR"
        if text == "OFF" or self.mode == "OFF":
            self.mode = "STANDBY" if text == "ON" else "OFF"
        return None

    def _set_key_protect(self, text: str) -> str | None:
        if text not in {"ON", "OFF"}:
            return "NA:PARA ERR"
        if text == "ON" and self.mode == "OFF":
            return "NA:CONT NOT READY-4"
        self._key_protect = text == "ON"
        return None

    def _set_refrigeration(self, text: str) -> str | None:
        if text not in {"REF0", "REF1", "REF3", "REF6", "REF9"}:
            return "NA:PARA ERR"
        self._refrigeration = text
        return None

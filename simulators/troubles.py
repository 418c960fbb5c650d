"""What can be wrong with an instrument itself: switches on the control port, and what each does to it."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simulators.adam_4015 import Adam4015, Probe
from simulators.and_indicator import AndIndicator, Upset
from simulators.device import Device
from simulators.espec import EspecChamber
from simulators.faults import FaultError

UNIT_CHARACTERS = 2
TROUBLES = (
    *("ignore_output_off", "swap_serial"),
    *("silent", "stuck", "held", "step", "wrong_unit"),
    "break_wire",
    *("alarm", "off"),
)


@dataclass(frozen=True, kw_only=True)
class Details:
    """What a trouble needs to be told: each needs one of these at most."""

    serial_number: str | None = None
    newton: float | None = None
    unit: str | None = None
    channel: int | None = None
    codes: tuple[int, ...] | None = None


@runtime_checkable
class MayIgnoreOutputOff(Protocol):
    """An instrument whose output can refuse to switch off."""

    ignore_output_off: bool


@runtime_checkable
class MaySwapSerial(Protocol):
    """An instrument in whose place another of the same model can be put."""

    def swap_serial(self, serial_number: str) -> None:
        """Be another one from now on."""
        ...


class Troubles:
    """Makes instruments do wrong, and puts them right again. Troubles of one instrument add up."""

    def __init__(self) -> None:
        self._probes: dict[str, dict[int, Probe]] = {}
        self._modes: dict[str, str] = {}

    def make(self, device: Device, kind: str, details: Details, now_ns: int) -> None:
        """Let something be wrong from now on.

        Raises:
            FaultError: this instrument has no such trouble, or what it needs is missing or makes no sense.
        """
        if isinstance(device, AndIndicator):
            device.upset = _upset(device.upset, kind, details)
        elif isinstance(device, Adam4015) and kind == "break_wire":
            self._break_wire(device, details.channel)
        elif isinstance(device, EspecChamber) and kind == "alarm":
            device.set_alarms(_codes(details.codes), now_ns)
        elif isinstance(device, EspecChamber) and kind == "off":
            self._modes.setdefault(device.name, device.mode)
            device.mode = "OFF"
            device.set_alarms(device.alarms, now_ns)
        elif isinstance(device, MayIgnoreOutputOff) and kind == "ignore_output_off":
            device.ignore_output_off = True
        elif isinstance(device, MaySwapSerial) and kind == "swap_serial":
            if not details.serial_number:
                raise FaultError("swap_serial needs serial_number, a text")
            device.swap_serial(details.serial_number)
        else:
            raise FaultError(f"{device.name} has no fault {kind}")

    def heal(self, device: Device, now_ns: int) -> None:
        """Put right what `make` did, except that a swapped instrument stays."""
        if isinstance(device, AndIndicator):
            device.upset = Upset()
        elif isinstance(device, Adam4015):
            device.probes.update(self._probes.pop(device.name, {}))
        elif isinstance(device, EspecChamber):
            device.mode = self._modes.pop(device.name, device.mode)
            device.set_alarms((), now_ns)
        elif isinstance(device, MayIgnoreOutputOff):
            device.ignore_output_off = False

    def _break_wire(self, device: Adam4015, channel: int | None) -> None:
        probe = None if channel is None else device.probes.pop(channel, None)
        if channel is None or probe is None:
            wired = ", ".join(map(str, sorted(device.probes)))
            raise FaultError(f"break_wire needs channel, one of those that have a sensor: {wired}")
        self._probes.setdefault(device.name, {})[channel] = probe


def _upset(upset: Upset, kind: str, details: Details) -> Upset:
    match kind:
        case "silent":
            return dataclasses.replace(upset, silent=True)
        case "stuck":
            return dataclasses.replace(upset, stuck=True)
        case "held":
            return dataclasses.replace(upset, held=True)
        case "step":
            if details.newton is None:
                raise FaultError("step needs newton, a number")
            return dataclasses.replace(upset, added_newton=upset.added_newton + details.newton)
        case "wrong_unit":
            unit = details.unit or ""
            if not (unit.isascii() and unit.isprintable() and 0 < len(unit) <= UNIT_CHARACTERS):
                raise FaultError(f"wrong_unit needs unit, 1 to {UNIT_CHARACTERS} characters of ASCII")
            return dataclasses.replace(upset, unit=unit)
    raise FaultError(f"a load cell has no fault {kind}")


def _codes(codes: tuple[int, ...] | None) -> tuple[int, ...]:
    if not codes or not all(0 <= code <= 99 for code in codes):
        raise FaultError("alarm needs codes, a list of numbers from 0 to 99")
    return codes

"""What can be wrong with an instrument itself: switches on the control port, and what each does to it."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simulators.adam_4015 import Adam4015, Probe
from simulators.circulator import Circulator
from simulators.device import Device
from simulators.drive_device import DriveDevice
from simulators.espec import EspecChamber
from simulators.faults import FaultError
from simulators.force_display import Upset
from simulators.lakeshore import LakeShore218
from simulators.votsch import VotschChamber

UNIT_CHARACTERS = 2
TROUBLES = (
    *("ignore_output_off", "swap_serial"),
    *("reverse_current", "reverse_leads"),
    *("silent", "stuck", "held", "step", "drift", "wrong_unit"),
    "break_wire",
    *("alarm", "off", "low_level"),
    *("lid", "trip"),
)


@dataclass(frozen=True, kw_only=True)
class Details:
    """What a trouble needs to be told: each needs one of these at most."""

    serial_number: str | None = None
    newton: float | None = None
    newton_per_second: float | None = None
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


@runtime_checkable
class MayReverseCurrent(Protocol):
    """An instrument whose leads can be exchanged at the cell: the two that carry current, or all four."""

    reverse_current: bool
    reverse_leads: bool


@runtime_checkable
class MayBeUpset(Protocol):
    """A load cell's indicator, of any make."""

    upset: Upset


@runtime_checkable
class HasCirculator(Protocol):
    """A chiller, of any make."""

    @property
    def circulator(self) -> Circulator:
        """What it is behind its dialect."""
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
        if isinstance(device, MayBeUpset):
            device.upset = _upset(device.upset, kind, details, now_ns)
        elif isinstance(device, Adam4015 | LakeShore218) and kind == "break_wire":
            self._break_wire(device, details.channel)
        elif isinstance(device, EspecChamber | VotschChamber) and kind == "alarm":
            device.set_alarms(_codes(details.codes), now_ns)
        elif isinstance(device, EspecChamber | VotschChamber) and kind == "off":
            self._modes.setdefault(device.name, device.mode)
            device.mode = "OFF"
            device.set_alarms(device.alarms, now_ns)
        elif isinstance(device, HasCirculator):
            _upset_circulator(device.circulator, kind, details)
        elif isinstance(device, DriveDevice):
            _upset_drive(device, kind, now_ns)
        elif isinstance(device, MayIgnoreOutputOff) and kind == "ignore_output_off":
            device.ignore_output_off = True
        elif isinstance(device, MayReverseCurrent) and kind == "reverse_current":
            device.reverse_current = True
        elif isinstance(device, MayReverseCurrent) and kind == "reverse_leads":
            device.reverse_leads = True
        elif isinstance(device, MaySwapSerial) and kind == "swap_serial":
            if not details.serial_number:
                raise FaultError("swap_serial needs serial_number, a text")
            device.swap_serial(details.serial_number)
        else:
            raise FaultError(f"{device.name} has no fault {kind}")

    def heal(self, device: Device, now_ns: int) -> None:
        """Put right what `make` did, except that a swapped instrument stays."""
        if isinstance(device, MayBeUpset):
            device.upset = Upset()
        elif isinstance(device, Adam4015 | LakeShore218):
            device.probes.update(self._probes.pop(device.name, {}))
        elif isinstance(device, EspecChamber | VotschChamber):
            device.mode = self._modes.pop(device.name, device.mode)
            device.set_alarms((), now_ns)
        elif isinstance(device, HasCirculator):
            device.circulator.heal()
        elif isinstance(device, DriveDevice):
            device.inverter.set_lid(is_open=False, now_ns=now_ns)
        elif isinstance(device, MayIgnoreOutputOff):
            device.ignore_output_off = False
            if isinstance(device, MayReverseCurrent):
                device.reverse_leads = False

    def _break_wire(self, device: Adam4015 | LakeShore218, channel: int | None) -> None:
        probe = None if channel is None else device.probes.pop(channel, None)
        if channel is None or probe is None:
            wired = ", ".join(map(str, sorted(device.probes)))
            raise FaultError(f"break_wire needs channel, one of those that have a sensor: {wired}")
        self._probes.setdefault(device.name, {})[channel] = probe


def _upset(upset: Upset, kind: str, details: Details, now_ns: int) -> Upset:
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
        case "drift":
            if details.newton_per_second is None:
                raise FaultError("drift needs newton_per_second, a number")
            return dataclasses.replace(upset, drift_newton_per_second=details.newton_per_second, drift_from_ns=now_ns)
        case "wrong_unit":
            unit = details.unit or ""
            if not (unit.isascii() and unit.isprintable() and 0 < len(unit) <= UNIT_CHARACTERS):
                raise FaultError(f"wrong_unit needs unit, 1 to {UNIT_CHARACTERS} characters of ASCII")
            return dataclasses.replace(upset, unit=unit)
    raise FaultError(f"a load cell has no fault {kind}")


def _upset_drive(drive: DriveDevice, kind: str, now_ns: int) -> None:
    match kind:
        case "lid":
            drive.inverter.set_lid(is_open=True, now_ns=now_ns)
        case "trip":
            drive.inverter.trip_with("overcurrent", now_ns)
        case _:
            raise FaultError(f"a mill's drive has no fault {kind}")


def _upset_circulator(circulator: Circulator, kind: str, details: Details) -> None:
    match kind:
        case "silent":
            circulator.silent = True
        case "low_level":
            circulator.low_level = True
        case "off":
            circulator.switch_off()
        case "alarm":
            circulator.alarm_codes = _codes(details.codes, most=9999)
        case "break_wire" if circulator.external_celsius_at is not None:
            circulator.probe_is_broken = True
        case _:
            raise FaultError(f"this chiller has no fault {kind}")


def _codes(codes: tuple[int, ...] | None, most: int = 99) -> tuple[int, ...]:
    if not codes or not all(0 <= code <= most for code in codes):
        raise FaultError(f"alarm needs codes, a list of numbers from 0 to {most}")
    return codes

"""From what a bench file says of a mill to its simulated drive."""

from collections.abc import Iterable

from simulators.delta_drive import DeltaDrive
from simulators.device import Device
from simulators.drive_device import DriveDevice
from simulators.instrument_sections import MillDriveSection
from simulators.inverter import Inverter
from simulators.ls_drive import LsDrive
from simulators.mill import Mill
from simulators.troubles import HasCirculator


def make_mill_drive(section: MillDriveSection, others: Iterable[Device]) -> DriveDevice:
    """The drive, with its mill; a chiller among the other instruments cools the vessel, and its probe is in there."""
    circulator = next((device.circulator for device in others if isinstance(device, HasCirculator)), None)
    mill = Mill(section.build.make(), bath=circulator.bath if circulator else None)
    if circulator is not None and circulator.external_celsius_at is not None:
        circulator.external_celsius_at = lambda _: mill.vessel_celsius
    inverter = Inverter(mill, section.make())
    if section.model == "delta_vfd":
        return DeltaDrive(section.name, inverter, unit=section.bus_address, baud=section.baud)
    return LsDrive(section.name, inverter, model=section.model, unit=section.bus_address, baud=section.baud)

"""A station file's words as a rig's wiring, each setting tried on its driver before anything is connected."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from daemon.mill.wiring import ChillerWiring, MillDriveWiring
from daemon.plan import LinkLoss
from daemon.rows.pressure import PressureCalibration, area_of_die
from daemon.station.calibration_expiry import expiry_warnings
from daemon.station.calibration_files import with_calibration_files
from daemon.station.file import StationFile, read_station
from daemon.station.instrument_settings import (
    ChamberSettings,
    ChillerSettings,
    Instrument,
    LoadCellSettings,
    MillDriveSettings,
    PotentiostatSettings,
    ThermometerSettings,
)
from daemon.station.settings import RigSettings, SharedSettings
from daemon.station.wiring import ChamberWiring, LoadCellWiring, PotentiostatWiring, RigWiring, ThermometerWiring
from drivers.and_weighing.codec import AndFormat
from drivers.registry import (
    CHAMBERS,
    CHILLERS,
    FOUND,
    LOAD_CELLS,
    MILL_DRIVES,
    POTENTIOSTATS,
    THERMOMETERS,
    ChamberConnection,
    ChillerConnection,
    Connection,
    LoadCellConnection,
    MillDriveConnection,
    ThermometerConnection,
)
from drivers.roles import Chamber, Chiller, HostLossWatchdog, LoadCell, MillDrive, Potentiostat, Thermometer
from protocols import units
from protocols.errors import Path, in_reading_order
from protocols.source import Findings

DRIVERS_BY_ROLE = {
    "potentiostat": tuple(POTENTIOSTATS),
    "load_cell": tuple(LOAD_CELLS),
    "thermometer": tuple(THERMOMETERS),
    "chamber": tuple(CHAMBERS),
    "mill_drive": tuple(MILL_DRIVES),
    "chiller": tuple(CHILLERS),
}
MadeDriver = Potentiostat | LoadCell | Thermometer | Chamber | Chiller | MillDrive
SENDS_ADDRESS = frozenset({"and.indicator", "and.indicator_asked"})
TERMINALS = {"front": "FRON", "rear": "REAR"}
LINE_ENDS = {"CR LF": b"\r\n", "CR": b"\r"}


def load_station(text: str, file: str, *, today: str | None = None) -> StationFile:
    """Read a station file and its calibration files, and try every setting on its driver.

    Connects nothing and raises nothing. `today`, as in 2026-03-31, is the day for which calibrations are warned of.
    """
    read = with_calibration_files(read_station(text, file, DRIVERS_BY_ROLE))
    findings = Findings(read.source)
    places = {("rigs", name): rig.instruments for name, rig in read.rigs.items()}
    places |= {("shared", name): {"chamber": said.chamber} for name, said in read.shared.items()}
    for place, instruments in places.items():
        for role, instrument in instruments.items():
            if instrument.driver not in DRIVERS_BY_ROLE[role]:
                _say_why_not(findings, (*place, role, "driver"), instrument.driver)
                continue
            try:
                make_driver(f"{place[1]}.{role}", instrument, _no_time, _no_wait)
            except ValueError as error:
                findings.error((*place, role), str(error), "correct it", at_key=True)
    expiring = expiry_warnings(read.source, read.rigs, today) if today else []
    problems = in_reading_order([*read.problems, *findings.problems, *expiring])
    return dataclasses.replace(read, problems=tuple(problems))


def rig_wiring(
    name: str,
    said: RigSettings,
    cell_diameter_mm: float | None,
    shared: Mapping[str, SharedSettings] = MappingProxyType({}),
) -> RigWiring:
    """A rig as it is to be connected.

    Args:
        name: the rig's.
        said: of a station file without errors.
        cell_diameter_mm: of the cell file's fixture, which wins over the station's; None when it says nothing.
        shared: the station's shared instruments.

    Raises:
        ValueError: pressure needs an area, and neither file gives a diameter.
    """
    potentiostat, load_cell, thermometer = said.potentiostat, said.load_cell, said.thermometer
    return RigWiring(
        name=name,
        potentiostat=None
        if potentiostat is None
        else PotentiostatWiring(
            driver=potentiostat.driver, connection=_potentiostat(f"{name}.potentiostat", potentiostat)
        ),
        load_cell=None
        if load_cell is None
        else LoadCellWiring(
            driver=load_cell.driver,
            connection=_load_cell(f"{name}.load_cell", load_cell),
            calibration=pressure_calibration(load_cell, _diameter_mm(name, said, cell_diameter_mm)),
        ),
        thermometer=None
        if thermometer is None
        else ThermometerWiring(
            driver=thermometer.driver,
            connection=_thermometer(f"{name}.thermometer", thermometer),
            every_second=thermometer.every_s,
        ),
        chamber=_chamber_wiring(name, said, shared),
        mill_drive=None if said.mill_drive is None else _mill_drive_wiring(name, said.mill_drive),
        chiller=None if said.chiller is None else _chiller_wiring(name, said.chiller),
        link=LinkLoss() if said.link is None else LinkLoss(mask_second=said.link.mask_s, fail_second=said.link.fail_s),
    )


def _chamber_wiring(rig_name: str, said: RigSettings, shared: Mapping[str, SharedSettings]) -> ChamberWiring | None:
    chamber = said.chamber
    if chamber is None:
        return None
    if isinstance(chamber, ChamberSettings):
        return ChamberWiring(driver=chamber.driver, connection=_chamber(f"{rig_name}.chamber", chamber))
    own = shared[chamber.shared].chamber
    return ChamberWiring(driver=own.driver, connection=_chamber(chamber.shared, own), shared=chamber.shared)


def _mill_drive_wiring(rig_name: str, said: MillDriveSettings) -> MillDriveWiring:
    return MillDriveWiring(
        driver=said.driver,
        connection=mill_drive_connection(f"{rig_name}.mill_drive", said),
        loss_stop_second=said.loss_stop_s,
    )


def _chiller_wiring(rig_name: str, said: ChillerSettings) -> ChillerWiring:
    known = said.host_loss
    host_loss = None
    if known is not None:
        host_loss = HostLossWatchdog(
            timeout_second=known.timeout_s, safe_celsius=known.safe_temperature_C, keeps_cooling=known.safe_mode
        )
    connection = chiller_connection(f"{rig_name}.chiller", said)
    return ChillerWiring(driver=said.driver, connection=connection, host_loss=host_loss)


def sensing_wiring(name: str, said: RigSettings) -> RigWiring:
    """What of a rig feels force and temperature, as it is to be connected to be calibrated. Nothing of it is driven."""
    load_cell, thermometer = said.load_cell, said.thermometer
    return RigWiring(
        name=name,
        load_cell=None
        if load_cell is None
        else LoadCellWiring(
            driver=load_cell.driver, connection=_load_cell(f"{name}.load_cell", load_cell), calibration=None
        ),
        thermometer=None
        if thermometer is None
        else ThermometerWiring(
            driver=thermometer.driver,
            connection=_thermometer(f"{name}.thermometer", thermometer),
            every_second=thermometer.every_s,
        ),
    )


def pressure_calibration(said: LoadCellSettings, diameter_mm: float) -> PressureCalibration:
    """How displayed values become pressure on a cell of a diameter. Raises `ValueError` when the gain is not said."""
    newton_per_unit = said.newton_per_unit
    if newton_per_unit is None:
        raise ValueError(f"how many newtons 1 {said.unit} is, is not known")
    return PressureCalibration(
        newton_per_unit=newton_per_unit,
        area_square_metre=area_of_die(units.metre(diameter_mm)),
        zero_displayed=said.calibration.zero,
        zero_drift_newton_per_kelvin=said.calibration.zero_drift_newton_per_K,
        gain_drift_per_kelvin=said.calibration.gain_drift_per_K,
        reference_celsius=said.calibration.reference_temperature_C,
        certificate=said.calibration.certificate or "",
        nominal_newton=said.nominal_newton,
        unit=said.unit,
        calibrated_on=said.calibration.calibrated_on,
        valid_until=said.calibration.valid_until,
        standard_uncertainty_newton=said.calibration.standard_uncertainty_newton,
        calibrated_up_to_newton=said.calibration.calibrated_up_to_newton,
        file=said.calibration.file,
        file_text=said.calibration.file_text,
    )


def _diameter_mm(name: str, said: RigSettings, cell_diameter_mm: float | None) -> float:
    diameter_mm = cell_diameter_mm or (said.fixture.diameter_mm if said.fixture else None)
    if diameter_mm is None:
        hint = "write fixture: {diameter_mm: 10} into the cell file or the station file"
        raise ValueError(f"{name}: pressure needs an area; {hint}")
    return diameter_mm


def _potentiostat(name: str, said: PotentiostatSettings) -> Connection:
    return Connection(
        name=name,
        address=said.address,
        serial_number=said.serial_number,
        terminals=TERMINALS[said.terminals],
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def _load_cell(name: str, said: LoadCellSettings) -> LoadCellConnection:
    """Raises `ValueError` for a frame that no indicator sends.

    Only A&D frames begin with an address: what a CAS sends in its 18-byte frame does not.
    """
    return LoadCellConnection(
        name=name,
        address=said.address,
        frame_format=AndFormat(
            unit=said.unit,
            weight=said.weight,
            decimal_mark=said.decimal_mark,
            line_end=LINE_ENDS[said.line_end],
            address=said.bus_address if said.driver in SENDS_ADDRESS else None,
            is_wide=said.wide,
        ),
        baud=said.baud,
        character=said.character,
        model=said.model or "",
        serial_number=said.serial_number or "",
        bus_address=said.bus_address,
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def _thermometer(name: str, said: ThermometerSettings) -> ThermometerConnection:
    channels = said.channels
    return ThermometerConnection(
        name=name,
        address=said.address,
        channel_by_place={"jig": channels.jig} | ({} if channels.air is None else {"air": channels.air}),
        bus_address=said.bus_address,
        baud=said.baud,
        has_checksum=said.checksum,
        range_code=said.range_code,
        character=said.character,
        serial_number=said.serial_number,
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def _chamber(name: str, said: ChamberSettings) -> ChamberConnection:
    return ChamberConnection(
        name=name,
        address=said.address,
        controller=said.controller,
        bus_address=said.bus_address,
        lowest_celsius=said.lowest_temperature_C,
        highest_celsius=said.highest_temperature_C,
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def chiller_connection(name: str, said: ChillerSettings) -> ChillerConnection:
    """A chiller as its driver is to be made."""
    return ChillerConnection(
        name=name,
        address=said.address,
        model=said.model,
        bus_address=said.bus_address,
        baud=said.baud,
        character=said.character,
        family=said.family,
        external_probe=said.external_probe,
        safe_mode=said.host_loss is not None and said.host_loss.safe_mode,
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def _check_host_loss(said: ChillerSettings, made: Chiller) -> None:
    longest_second = made.limits.longest_watchdog_second
    if said.host_loss is None:
        return
    if longest_second is None:
        raise ValueError("host_loss can't be set here: this make has no watchdog, or has it in its own menu alone")
    if said.host_loss.timeout_s > longest_second:
        raise ValueError(f"host_loss.timeout_s is {longest_second:g} at most")


def mill_drive_connection(name: str, said: MillDriveSettings) -> MillDriveConnection:
    """What a station says of a mill's drive, as the registry takes it."""
    return MillDriveConnection(
        name=name,
        address=said.address,
        highest_rpm=said.highest_rpm,
        rpm_per_hertz=said.rpm_per_Hz,
        stands_within_second=said.stands_within_s,
        bus_address=said.bus_address,
        baud=said.baud,
        character=said.character,
        model_code=said.model_code,
        timeout_second=said.timeout_s,
        settings=said.settings or {},
    )


def _say_why_not(findings: Findings, path: Path, driver: str) -> None:
    """Say what is wrong with the package that a driver without a name here should come from."""
    for broken in FOUND.broken:
        if driver.startswith(f"{broken.prefix}."):
            findings.error(path, str(broken), "mend the package, or remove it")


def make_driver(
    name: str, said: Instrument, now: Callable[[], float], wait: Callable[[float], Awaitable[None]]
) -> MadeDriver:
    """A driver as a station says it, not connected yet. Raises `ValueError` for a setting that the driver refuses."""
    if said.settings and said.driver not in FOUND.package_by_driver:
        raise ValueError(f"settings are for drivers of other packages; {said.driver} has none of its own")
    match said:
        case PotentiostatSettings():
            return POTENTIOSTATS[said.driver].make(_potentiostat(name, said), now, None)
        case LoadCellSettings():
            return LOAD_CELLS[said.driver](_load_cell(name, said), now).load_cell
        case ThermometerSettings():
            return THERMOMETERS[said.driver](_thermometer(name, said), None)
        case ChamberSettings():
            return CHAMBERS[said.driver](_chamber(name, said), wait, None)
        case MillDriveSettings():
            return MILL_DRIVES[said.driver](mill_drive_connection(name, said), wait, None)
        case ChillerSettings():
            chiller = CHILLERS[said.driver](chiller_connection(name, said), wait, None)
            _check_host_loss(said, chiller)
            return chiller


def _no_time() -> float:
    return 0.0


async def _no_wait(second: float) -> None:
    """Nothing that is made here is ever asked to wait."""

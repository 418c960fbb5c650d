"""The rig that a bench offers: its cables by name, and what is known of its simulated instruments."""

from __future__ import annotations

from daemon.bench_process import BenchProcess
from daemon.mill.wiring import ChillerWiring, MillDriveWiring
from daemon.rows.pressure import STANDARD_GRAVITY, PressureCalibration, area_of_die
from daemon.station.wiring import (
    ChamberWiring,
    LoadCellWiring,
    MissingRoleError,
    PotentiostatWiring,
    RigWiring,
    ThermometerWiring,
)
from drivers.and_weighing.codec import AndFormat
from drivers.registry import (
    ChamberConnection,
    ChillerConnection,
    Connection,
    LoadCellConnection,
    MillDriveConnection,
    ThermometerConnection,
)
from drivers.roles import HostLossWatchdog

ANSWER_WITHIN_REAL_SECOND = 5.0
TEMPERATURE_EVERY_SECOND = 180.0
"""The jig follows the chamber with 25 minutes: a reading every three misses nothing, and simulated weeks stay short."""

DIE_DIAMETER_METRE = 0.010
HIGHEST_RPM = 4200.0
LOSS_STOP_SECOND = 3.0
HOST_LOSS = HostLossWatchdog(timeout_second=30.0, safe_celsius=15.0, keeps_cooling=True)
"""Of the simulated mill and its chiller, whose Safe Mode is activated at its menu."""

SENSOR_CERTIFICATE = PressureCalibration(
    newton_per_unit=STANDARD_GRAVITY,
    area_square_metre=area_of_die(DIE_DIAMETER_METRE),
    zero_drift_newton_per_kelvin=0.25,
    gain_drift_per_kelvin=5e-5,
    reference_celsius=25.0,
    certificate="simulated sensor",
    nominal_newton=5000.0,
)
"""The simulated force sensor by its maker's word: of 5 kN nominal, and drifting 0.05 %/10 K in zero and in span."""


def wiring_of(bench: BenchProcess, potentiostat_driver: str) -> RigWiring:
    """A rig of all instruments the bench has. They carry the names of their roles there.

    Raises:
        MissingRoleError: the bench has `cells`, each of which is a rig of its own.
    """
    cells = sorted({str(cable["cell"]) for cable in bench.cables.values() if "cell" in cable})
    if cells:
        named = ", ".join(cells)
        raise MissingRoleError(f"the bench has `cells`, {named}; a simulation runs on a bench of one `cell`")
    address = {role: str(cable["address"]) for role, cable in bench.cables.items()}
    return RigWiring(
        name="rig1",
        potentiostat=_potentiostat(address["potentiostat"], potentiostat_driver) if "potentiostat" in address else None,
        load_cell=_load_cell(address["load_cell"]) if "load_cell" in address else None,
        thermometer=_thermometer(address["thermometer"]) if "thermometer" in address else None,
        chamber=_chamber(address["chamber"]) if "chamber" in address else None,
        mill_drive=_mill_drive(address["mill_drive"]) if "mill_drive" in address else None,
        chiller=_chiller(address["chiller"]) if "chiller" in address else None,
    )


def _potentiostat(address: str, driver: str) -> PotentiostatWiring:
    connection = Connection(name="potentiostat", address=address, timeout_second=ANSWER_WITHIN_REAL_SECOND)
    return PotentiostatWiring(driver=driver, connection=connection)


def _load_cell(address: str) -> LoadCellWiring:
    connection = LoadCellConnection(name="load_cell", address=address, frame_format=AndFormat(unit="kg"), baud=9600)
    return LoadCellWiring(driver="and.indicator", connection=connection, calibration=SENSOR_CERTIFICATE)


def _thermometer(address: str) -> ThermometerWiring:
    connection = ThermometerConnection(
        name="thermometer",
        address=address,
        channel_by_place={"jig": 0, "air": 1},
        timeout_second=ANSWER_WITHIN_REAL_SECOND,
    )
    return ThermometerWiring(driver="advantech.adam_4015", connection=connection, every_second=TEMPERATURE_EVERY_SECOND)


def _chamber(address: str) -> ChamberWiring:
    connection = ChamberConnection(name="chamber", address=address, timeout_second=ANSWER_WITHIN_REAL_SECOND)
    return ChamberWiring(driver="espec.chamber", connection=connection)


def _mill_drive(address: str) -> MillDriveWiring:
    connection = MillDriveConnection(
        name="mill_drive", address=address, highest_rpm=HIGHEST_RPM, timeout_second=ANSWER_WITHIN_REAL_SECOND
    )
    return MillDriveWiring(driver="ls.ig5a", connection=connection, loss_stop_second=LOSS_STOP_SECOND)


def _chiller(address: str) -> ChillerWiring:
    connection = ChillerConnection(
        name="chiller", address=address, safe_mode=True, timeout_second=ANSWER_WITHIN_REAL_SECOND
    )
    return ChillerWiring(driver="lauda.chiller", connection=connection, host_loss=HOST_LOSS)

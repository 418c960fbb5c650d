"""The rig that a bench offers: its cables by name, and what is known of its simulated instruments."""

from __future__ import annotations

from daemon.bench_process import BenchProcess
from daemon.pressure import STANDARD_GRAVITY, PressureCalibration, area_of_die
from daemon.wiring import ChamberWiring, LoadCellWiring, PotentiostatWiring, RigWiring, ThermometerWiring
from drivers.and_weighing.codec import AndFormat
from drivers.registry import ChamberConnection, Connection, LoadCellConnection, ThermometerConnection

ANSWER_WITHIN_REAL_SECOND = 5.0
TEMPERATURE_EVERY_SECOND = 180.0
"""The jig follows the chamber with 25 minutes: a reading every three misses nothing, and simulated weeks stay short."""

DIE_DIAMETER_METRE = 0.010
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
    """A rig of all instruments the bench has. They carry the names of their roles there."""
    cables = bench.cables

    def address(role: str) -> str:
        return str(cables[role]["address"])

    return RigWiring(
        name="rig1",
        potentiostat=PotentiostatWiring(
            driver=potentiostat_driver,
            connection=Connection(
                name="potentiostat", address=address("potentiostat"), timeout_second=ANSWER_WITHIN_REAL_SECOND
            ),
        )
        if "potentiostat" in cables
        else None,
        load_cell=LoadCellWiring(
            driver="and.indicator",
            connection=LoadCellConnection(
                name="load_cell", address=address("load_cell"), frame_format=AndFormat(unit="kg"), baud=9600
            ),
            calibration=SENSOR_CERTIFICATE,
        )
        if "load_cell" in cables
        else None,
        thermometer=ThermometerWiring(
            driver="advantech.adam_4015",
            connection=ThermometerConnection(
                name="thermometer",
                address=address("thermometer"),
                channel_by_place={"jig": 0, "air": 1},
                timeout_second=ANSWER_WITHIN_REAL_SECOND,
            ),
            every_second=TEMPERATURE_EVERY_SECOND,
        )
        if "thermometer" in cables
        else None,
        chamber=ChamberWiring(
            driver="espec.chamber",
            connection=ChamberConnection(
                name="chamber", address=address("chamber"), timeout_second=ANSWER_WITHIN_REAL_SECOND
            ),
        )
        if "chamber" in cables
        else None,
    )

"""From what a station, or a bench, says of a rig's instruments to the connected rig."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from daemon.clock import BenchClock, Clock
from daemon.compiling.interlock_table import limited_by_sensor, on_rig
from daemon.compiling.resume_policy import tighter
from daemon.host_timer import HostTimer
from daemon.mill.wiring import ChillerWiring, MillDriveWiring, cooling_of, mill_bay_of, waiting
from daemon.plan import Interlock, LinkLoss, MeasuredStep, Plan
from daemon.rig import Rig
from daemon.rows.pressure import PressureCalibration
from daemon.running.shared_chamber import SharedChambers
from drivers.registry import (
    CHAMBERS,
    LOAD_CELLS,
    THERMOMETERS,
    ChamberConnection,
    Connection,
    LoadCellConnection,
    ThermometerConnection,
    potentiostat,
)
from drivers.roles import Chamber, Identity, LoadCell, Potentiostat, Thermometer
from drivers.session import SentTotal


@dataclass(frozen=True, kw_only=True)
class PotentiostatWiring:
    """Which driver, and where."""

    driver: str
    connection: Connection


@dataclass(frozen=True, kw_only=True)
class LoadCellWiring:
    """Which driver, where, and how what it shows becomes pressure; without a calibration it does not."""

    driver: str
    connection: LoadCellConnection
    calibration: PressureCalibration | None


@dataclass(frozen=True, kw_only=True)
class ThermometerWiring:
    """Which driver, where, and how often it is asked."""

    driver: str
    connection: ThermometerConnection
    every_second: float


@dataclass(frozen=True, kw_only=True)
class ChamberWiring:
    """Which driver, and where. `shared` is what the station calls it when other rigs have it too, else empty."""

    driver: str
    connection: ChamberConnection
    shared: str = ""


@dataclass(frozen=True, kw_only=True)
class RigWiring:
    """A rig's instruments by role, each with its driver; None is a role the rig does not have."""

    name: str
    potentiostat: PotentiostatWiring | None = None
    load_cell: LoadCellWiring | None = None
    thermometer: ThermometerWiring | None = None
    chamber: ChamberWiring | None = None
    mill_drive: MillDriveWiring | None = None
    chiller: ChillerWiring | None = None
    link: LinkLoss = LinkLoss()  # noqa: RUF009  (frozen)

    @property
    def roles(self) -> frozenset[str]:
        """The roles this rig has."""
        named = ("potentiostat", "load_cell", "thermometer", "chamber", "mill_drive", "chiller")
        return frozenset(role for role in named if getattr(self, role) is not None)


class MissingRoleError(Exception):
    """A protocol needs an instrument that the rig does not have."""


def check_needs(plan: Plan, wiring: RigWiring) -> None:
    """Raise `MissingRoleError` unless the rig has every role the plan needs."""
    if "mill_drive" in plan.needs and wiring.potentiostat is not None:
        raise MissingRoleError(f"{wiring.name} has a potentiostat: {plan.protocol_name} mills, on a rig of its own")
    missing = [role for role in plan.needs if role not in wiring.roles]
    if missing:
        raise MissingRoleError(f"{wiring.name} has no {' and no '.join(missing)}, which {plan.protocol_name} needs")


def plan_on_rig(plan: Plan, wiring: RigWiring) -> Plan:
    """The plan as this rig may carry it out.

    Nothing is bound that it does not measure; pressure is bound to what its load cell bears, where that is known; and a
    thermometer that is asked rarely may be silent for longer. Of the times of station and protocol after which a silent
    instrument means something the shorter hold.
    """
    every_second = wiring.thermometer.every_second if wiring.thermometer else 1.0
    calibration = wiring.load_cell.calibration if wiring.load_cell else None

    def here(table: tuple[Interlock, ...]) -> tuple[Interlock, ...]:
        table = on_rig(table, roles=wiring.roles, temperature_every_second=every_second)
        if calibration is None or calibration.nominal_newton is None:
            return table
        return limited_by_sensor(table, calibration.nominal_newton, calibration.area_square_metre)

    steps = tuple(
        msgspec.structs.replace(
            step,
            interlocks=here(step.interlocks),
            link=None if step.link is None else tighter(step.link, wiring.link),
        )
        if isinstance(step, MeasuredStep)
        else step
        for step in plan.steps
    )
    link = tighter(plan.link, wiring.link)
    return msgspec.structs.replace(plan, steps=steps, interlocks=here(plan.interlocks), link=link)


async def connect_rig(wiring: RigWiring, clock: Clock, chambers: SharedChambers | None = None) -> Rig:
    """Connect and identify every instrument of a rig. Nothing is switched, set or started.

    Args:
        wiring: of the rig.
        clock: of the station.
        chambers: those that several rigs have; None where only one rig is ever connected.

    Raises:
        DriverError: the first instrument that does not answer, or is another one; what was open is closed again.
        UnknownDriverError: a driver's name that is none.
    """
    rig = Rig(
        name=wiring.name,
        potentiostat=_potentiostat(wiring, clock),
        identities={},
        load_cell=_load_cell(wiring, clock),
        pressure_calibration=wiring.load_cell.calibration if wiring.load_cell else None,
        thermometer=_thermometer(wiring, clock),
        temperature_every_second=wiring.thermometer.every_second if wiring.thermometer else 1.0,
        chamber=_chamber(wiring, clock, chambers),
        cooling=cooling_of(wiring.chiller, clock) if wiring.chiller else None,
    )
    try:
        rig.identities.update({role: await connect() for role, connect in _connecting(rig)})
        if isinstance(clock, BenchClock):
            await clock.count_from_now()
    except BaseException:
        await rig.close()
        raise
    return rig


def _connecting(rig: Rig) -> list[tuple[str, Callable[[], Awaitable[Identity]]]]:
    instruments = {
        "mill_drive" if rig.mill is not None else "potentiostat": rig.potentiostat,
        "load_cell": rig.load_cell,
        "thermometer": rig.thermometer,
        "chamber": rig.chamber,
        "chiller": rig.cooling,
    }
    return [(role, instrument.connect) for role, instrument in instruments.items() if instrument is not None]


def _potentiostat(wiring: RigWiring, clock: Clock) -> Potentiostat:
    if wiring.potentiostat is None and wiring.mill_drive is not None:
        return mill_bay_of(wiring.mill_drive, clock)
    if wiring.potentiostat is None:
        return HostTimer(clock.now_second)
    said = wiring.potentiostat
    return potentiostat(said.driver).make(
        said.connection, clock.now_second, _sent_total(clock, said.connection.address)
    )


def _load_cell(wiring: RigWiring, clock: Clock) -> LoadCell | None:
    if wiring.load_cell is None:
        return None
    address = wiring.load_cell.connection.address
    make = LOAD_CELLS[wiring.load_cell.driver]
    made = make(wiring.load_cell.connection, clock.now_second, _sent_total(clock, address))
    if isinstance(clock, BenchClock) and made.stream is not None:
        clock.watch(clock.cable_at(address), made.stream)
    return made.load_cell


def _thermometer(wiring: RigWiring, clock: Clock) -> Thermometer | None:
    if wiring.thermometer is None:
        return None
    connection = wiring.thermometer.connection
    return THERMOMETERS[wiring.thermometer.driver](connection, _sent_total(clock, connection.address))


async def bring_to_open_circuit(wiring: RigWiring, clock: Clock) -> None:
    """Connect a rig's potentiostat alone, open its output, verified, and let go of it; likewise a mill's blade.

    Without either there is nothing to do.

    Raises:
        DriverError: it does not answer, is another one, or its output stays on.
    """
    if wiring.potentiostat is None and wiring.mill_drive is None:
        return
    instrument = _potentiostat(wiring, clock)
    try:
        await instrument.connect()
        await instrument.make_safe()
    finally:
        await instrument.close()


def _chamber(wiring: RigWiring, clock: Clock, chambers: SharedChambers | None) -> Chamber | None:
    said = wiring.chamber
    if said is None:
        return None
    if said.shared and chambers is not None:
        return chambers.of(wiring.name, said.shared, lambda: chamber_of(said, clock))
    return chamber_of(said, clock)


def chamber_of(said: ChamberWiring, clock: Clock) -> Chamber:
    """The driver of a chamber, not connected."""
    connection = said.connection
    return CHAMBERS[said.driver](connection, waiting(clock), _sent_total(clock, connection.address))


def _sent_total(clock: Clock, address: str) -> SentTotal | None:
    """What knows whether a reply is on its way: a bench does, a real instrument's cable does not."""
    return partial(clock.sent_total, address) if isinstance(clock, BenchClock) else None

"""A run as it would be carried out on a rig: files compiled, fitted and checked, before anything is connected."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from daemon.clock import Clock
from daemon.compile import compile_protocol
from daemon.plan import Plan
from daemon.plans.walk import expected_run_second
from daemon.service.sources import Sources
from daemon.sharing import Lease, Waiting, Wish, wish_of
from daemon.station.acceptance import why_not_unattended
from daemon.station.file import safety_of
from daemon.station.instruments import rig_wiring
from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from daemon.station.wiring import RigWiring, check_needs, plan_on_rig
from daemon.store.records import RunHeader
from drivers.registry import potentiostat
from protocols.cell import CellFile, read_cell
from protocols.protocol import read_protocol

log = logging.getLogger(__name__)


class RefusedRequestError(Exception):
    """What was asked cannot be done now; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run for a rig, and what it wants of an instrument that other rigs have too.

    `without_acceptance` is why somebody lets it run on a potentiostat that was not accepted, empty where none is asked.
    """

    rig_name: str
    plan: Plan
    wiring: RigWiring
    sources: Sources
    without_acceptance: str
    wish: Wish | None


def prepare(
    rig_name: str,
    said: RigSettings,
    sources: Sources,
    *,
    station: StationSettings,
    shared: Mapping[str, SharedSettings],
    without_acceptance: str,
) -> PreparedRun:
    """Compile a run for a rig of a station.

    Raises:
        RefusedRequestError: the potentiostat was not accepted, and there is no reason.
        MissingRoleError: the rig has not what the protocol needs.
        ProblemsFound: something is wrong with a file.
        ValueError: pressure needs an area, and no file gives a diameter.
    """
    cell = read_cell(sources.cell_text, sources.cell_name)
    limits = potentiostat(said.potentiostat.driver).limits if said.potentiostat else None
    protocol = read_protocol(sources.protocol_text, sources.protocol_name)
    plan, odd = compile_protocol(protocol, cell, limits, station_safety=safety_of(station, said))
    for problem in odd:
        log.warning("%s", problem)
    wiring = rig_wiring(rig_name, said, diameter_mm(cell), shared)
    check_needs(plan, wiring)
    plan = plan_on_rig(plan, wiring)
    not_accepted = why_not_unattended(plan, said.potentiostat) if station.bench is None else None
    if not_accepted and not without_acceptance.strip():
        raise RefusedRequestError(not_accepted)
    return PreparedRun(
        rig_name=rig_name,
        plan=plan,
        wiring=wiring,
        sources=sources,
        without_acceptance=without_acceptance.strip() if not_accepted else "",
        wish=wish_of(plan, said.shared.get("chamber")),
    )


def lease_of(run_id: str, rig_name: str, plan: Plan, wish: Wish, utc_second: float) -> Lease:
    """The lease of a run that begins now."""
    until_second = utc_second + expected_run_second(plan)
    return Lease(run_id=run_id, rig=rig_name, wish=wish, expected_until_utc_second=until_second)


def waiting_of(run_id: str, prepared: PreparedRun, clock: Clock, longest_second: float, by: str) -> Waiting:
    """A run that waits from now on. Raises `ValueError` for one that wants nothing shared."""
    sources, wish = prepared.sources, prepared.wish
    if wish is None:
        raise ValueError(f"{run_id} gives a shared instrument no setpoint and has nothing to wait for")
    return Waiting(
        run_id=run_id,
        rig=prepared.rig_name,
        wish=wish,
        protocol_name=sources.protocol_name,
        protocol_text=sources.protocol_text,
        cell_name=sources.cell_name,
        cell_text=sources.cell_text,
        without_acceptance=prepared.without_acceptance,
        by=by,
        clock_epoch=clock.epoch,
        since_second=clock.now_second(),
        since_utc_second=clock.utc_second(),
        longest_wait_second=longest_second,
    )


def sources_of(one: Waiting) -> Sources:
    """The files a run that waits is to be made from."""
    return Sources(
        protocol_name=one.protocol_name,
        protocol_text=one.protocol_text,
        cell_name=one.cell_name,
        cell_text=one.cell_text,
    )


def sources_for(header: RunHeader, protocol_name: str, protocol_text: str) -> Sources:
    """Another protocol for the cell of a run."""
    return Sources(
        protocol_name=protocol_name,
        protocol_text=protocol_text,
        cell_name=header.cell_name,
        cell_text=header.cell_text,
    )


def diameter_mm(cell: CellFile) -> float | None:
    """What a cell file says of the cell's diameter."""
    fixture = cell.cell.fixture if cell.cell else None
    return fixture.diameter_mm if fixture else None

"""Carries out the check on a resistor: segment by segment on a real potentiostat, open circuit before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from daemon.before_runs.dummy_check import (
    FAIL,
    OK,
    Dummy,
    DummyCheckError,
    Finding,
    Measured,
    Part,
    dummy_of,
    judge,
    judge_open_circuit,
    measured,
    parts_of,
)
from daemon.clock import Clock
from daemon.service.placing import make_directory
from daemon.station.instruments import rig_wiring
from daemon.station.settings import RigSettings, StationSettings
from daemon.station.wiring import connect_rig
from daemon.store.errors import StoreError
from drivers.errors import DriverError
from drivers.registry import potentiostat as potentiostat_driver
from drivers.roles import Identity, Potentiostat, SegmentState

FOLDER = "preflight"
"""In the data directory: one file a check."""
SCHEMA = "presscell-preflight/1"
LOOK_EVERY_SECOND = 0.5
LATE_SECOND = 10.0
"""A segment may end so much later than it should, by the host's clock."""
NOTHING = np.zeros(0)


class InUseError(Exception):
    """Something runs on the potentiostat; nothing was touched."""


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has found; the record that is kept of it."""

    schema: str = SCHEMA
    station: str
    rig: str
    utc: str
    simulated: bool
    driver: str
    instrument: dict[str, str]
    resistance_ohm: float
    tolerance: float
    current_ampere: float
    passed: bool
    findings: tuple[Finding, ...]
    parts: tuple[Measured, ...]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for; `current_ampere` None for the usual."""

    resistance_ohm: float
    tolerance: float
    current_ampere: float | None = None


async def check_rig(
    station: StationSettings, rig_name: str, said: RigSettings, wanted: Wanted, clock: Clock
) -> tuple[CheckReport, Path]:
    """Connect a rig's potentiostat, check it on a resistor, and keep the report; answers it and where it is.

    Raises:
        DummyCheckError: the rig has no potentiostat, or it cannot do that.
        DriverError: it does not answer, or another one does; nothing was driven.
        InUseError: something else runs on it.
        StoreError: the report cannot be kept.
    """
    if said.potentiostat is None:
        raise DummyCheckError(f"{rig_name} has no potentiostat")
    dummy = dummy_of(
        wanted.resistance_ohm,
        wanted.tolerance,
        wanted.current_ampere,
        potentiostat_driver(said.potentiostat.driver).limits,
    )
    alone = said.model_copy(update=dict.fromkeys(("load_cell", "thermometer", "chamber")))
    rig = await connect_rig(rig_wiring(rig_name, alone, None), clock)
    try:
        findings, parts = await check_dummy(rig.potentiostat, dummy, clock)
    finally:
        await rig.close()
    report = CheckReport(
        station=station.station,
        rig=rig_name,
        utc=datetime.fromtimestamp(clock.utc_second(), UTC).isoformat(timespec="seconds"),
        simulated=station.bench is not None,
        driver=said.potentiostat.driver,
        instrument=_identity(rig.identities["potentiostat"]),
        resistance_ohm=dummy.resistance_ohm,
        tolerance=dummy.tolerance,
        current_ampere=dummy.current_ampere,
        passed=all(finding.state == OK for finding in findings),
        findings=tuple(findings),
        parts=tuple(parts),
    )
    return report, _keep(report, Path(station.data))


def _identity(found: Identity) -> dict[str, str]:
    return {
        "maker": found.maker,
        "model": found.model,
        "serial_number": found.serial_number,
        "firmware": found.firmware,
    }


def _keep(report: CheckReport, data_directory: Path) -> Path:
    folder = data_directory / FOLDER
    make_directory(folder)
    stamp = datetime.fromisoformat(report.utc).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{report.rig}-{stamp}.json"
    unfinished = path.with_suffix(".part")
    try:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        unfinished.rename(path)
    except OSError as error:
        raise StoreError(path, f"the report can't be kept: {error.strerror}", "make room, and check again") from error
    return path


async def check_dummy(potentiostat: Potentiostat, dummy: Dummy, clock: Clock) -> tuple[list[Finding], list[Measured]]:
    """Run all parts and judge them; the cell side is at open circuit afterwards, read back, whatever came.

    Nothing is driven where the leads are not free of a cell.

    Args:
        potentiostat: connected; no run uses it.
        dummy: the resistor.
        clock: whose seconds the segments take.

    Raises:
        InUseError: its output is on: something else runs there.
    """
    opened, *driven = parts_of(dummy, potentiostat.limits)
    found: dict[str, Measured] = {}
    findings: list[Finding] = []
    clock.join()
    try:
        await _check_unused(potentiostat)
        await potentiostat.make_safe()
        found[opened.name] = await _run(potentiostat, opened, _name(1), clock)
        if judge_open_circuit(dummy, potentiostat.limits, found[opened.name]).state == OK:
            for number, part in enumerate(driven, 2):
                found[part.name] = await _run(potentiostat, part, _name(number), clock)
        findings += judge(dummy, potentiostat.limits, found)
    except DriverError as error:
        findings.append(
            Finding(name="conversation", state=FAIL, text=str(error), fix="see to cable, address and panel")
        )
    except InUseError:
        raise
    except BaseException:
        await _made_safe(potentiostat)
        raise
    finally:
        clock.leave()
    return [*findings, await _made_safe(potentiostat)], list(found.values())


async def _check_unused(potentiostat: Potentiostat) -> None:
    look = await potentiostat.look(_name(1))
    if look.output_on:
        raise InUseError(f"the output of {potentiostat.name} is on: something runs there; nothing was touched")


def _name(number: int) -> str:
    return f"dummy_{number:02d}"


async def _run(potentiostat: Potentiostat, part: Part, token: str, clock: Clock) -> Measured:
    await potentiostat.forget_segment(token)
    await potentiostat.start_segment(token, part.program)
    due_second = clock.now_second() + part.program.duration_second
    while True:
        await clock.wait_until(clock.now_second() + LOOK_EVERY_SECOND)
        look = await potentiostat.look(token)
        if look.state is not SegmentState.RUNNING:
            break
        if clock.now_second() > due_second + LATE_SECOND:
            await potentiostat.make_safe()
            break
    rows = await potentiostat.read_rows(token, 1, look.row_count) if look.row_count else None
    await potentiostat.forget_segment(token)
    return measured(part, rows.voltage_volt, rows.current_ampere) if rows else measured(part, NOTHING, NOTHING)


async def _made_safe(potentiostat: Potentiostat) -> Finding:
    name, fix = "open_circuit_after", "switch the output off at its panel, and look before a cell is connected"
    try:
        await potentiostat.make_safe()
        look = await potentiostat.look(_name(1))
    except DriverError as error:
        return Finding(name=name, state=FAIL, text=f"NOT verified safe: {error}", fix=fix)
    if look.output_on:
        return Finding(name=name, state=FAIL, text="its output reads back on", fix=fix)
    return Finding(name=name, state=OK, text="output off with its relay open, read back")

"""Who answers at an instrument's address, and how it is. Nothing is set, switched or started."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable

from daemon.clock import Clock
from daemon.doctor.finding import Finding, fail, ok, warn
from daemon.station.instrument_settings import Instrument
from daemon.station.instruments import MadeDriver, make_driver
from drivers.errors import (
    BadReplyError,
    DriverError,
    LinkLostError,
    NoReplyError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.observation import Inspectable
from drivers.registry import ABOUT
from drivers.roles import (
    Chamber,
    Chiller,
    Identity,
    LoadCell,
    LoadStatus,
    MillDrive,
    Thermometer,
)

LISTEN_SECOND = 3.0
LISTEN_EVERY_SECOND = 0.1
QUESTIONS = 12
"""So many replies, each as late as it may be, are waited for in all."""

FIXES: dict[type[DriverError], str] = {
    LinkLostError: "switch it on, look at cable and address, and see that nobody else is connected",
    NoReplyError: "compare baud, character, bus address and line end with what is set at the instrument",
    BadReplyError: "compare baud, character and driver with the instrument; then look for noise on the cable",
    RefusedError: "look at its display; clear what it shows there",
    WrongInstrumentError: "connect the one that the station names, or correct the station",
}


async def look_at_instrument(subject: str, role: str, said: Instrument, clock: Clock) -> list[Finding]:
    """What is found at one address, within a deadline. Raises nothing that an instrument can cause."""
    findings: list[Finding] = []
    deadline_second = QUESTIONS * said.timeout_s + LISTEN_SECOND

    async def wait(second: float) -> None:
        await asyncio.sleep(second)

    driver = make_driver(subject, said, clock.now_second, wait)
    try:
        async with asyncio.timeout(deadline_second):
            findings.append(_identity(subject, said, await driver.connect()))
            findings.extend([finding async for finding in _readings(subject, role, driver)])
            findings.extend(await _observations(subject, driver))
    except DriverError as error:
        fix = next((fix for kind, fix in FIXES.items() if isinstance(error, kind)), "look at it")
        text = str(error).removeprefix(f"{subject}: ")
        findings.append(fail(subject, "readings" if findings else "identity", text, fix))
    except TimeoutError:
        text = f"not done within {deadline_second:g} s"
        findings.append(fail(subject, "deadline", text, FIXES[NoReplyError]))
    finally:
        await _close(driver.close)
    return findings


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout(LISTEN_SECOND):
            await close()
    except (TimeoutError, DriverError):
        return


def _identity(subject: str, said: Instrument, found: Identity) -> Finding:
    text = " ".join(part for part in (found.maker, found.model, found.serial_number, found.firmware) if part)
    wanted = getattr(said, "serial_number", None)
    if wanted and ABOUT[said.driver].has_serial_number:
        return ok(subject, "identity", f"{text}: the serial number is the station's")
    if wanted:
        return ok(subject, "identity", f"{text}, as the station says: it can't be asked who it is")
    return ok(subject, "identity", text or "answers; it can't be asked who it is")


async def _readings(subject: str, role: str, driver: MadeDriver) -> AsyncIterator[Finding]:
    """What it measures now, by role; of a potentiostat nothing: its rows are a run's."""
    match role:
        case "load_cell":
            yield await _load(subject, driver)  # type: ignore[arg-type]
        case "thermometer":
            async for finding in _temperatures(subject, driver):  # type: ignore[arg-type]
                yield finding
        case "chamber":
            yield await _chamber(subject, driver)  # type: ignore[arg-type]
        case "chiller":
            async for finding in _chiller(subject, driver):  # type: ignore[arg-type]
                yield finding
        case "mill_drive":
            yield await _mill(subject, driver)  # type: ignore[arg-type]


async def _load(subject: str, load_cell: LoadCell) -> Finding:
    """The first frame with a number; what was wrong with the last one when none comes."""
    status = LoadStatus(0)
    for _ in range(round(LISTEN_SECOND / LISTEN_EVERY_SECOND)):
        block = await load_cell.read()
        for displayed, said in zip(block.displayed, block.status, strict=True):
            status = LoadStatus(int(said))
            if not math.isnan(displayed):
                return ok(subject, "readings", f"shows {displayed:g} {block.unit}")
        await asyncio.sleep(LISTEN_EVERY_SECOND)
    if status & LoadStatus.UNREADABLE:
        fix = "compare unit, weight, line_end, baud and character with what is set at the indicator"
        return fail(subject, "readings", "what comes is no frame of the kind the station says", fix)
    if status & (LoadStatus.OVERLOAD | LoadStatus.HELD):
        return warn(subject, "readings", f"shows no number: {status!s}", "look at its display")
    text = f"nothing came in {LISTEN_SECOND:g} s"
    return fail(subject, "readings", text, "set the indicator to send continuously, and look at its cable")


async def _temperatures(subject: str, thermometer: Thermometer) -> AsyncIterator[Finding]:
    for place, celsius in (await thermometer.read_celsius()).items():
        if math.isnan(celsius):
            yield fail(subject, place, "no sensor, or its wire is broken", "look at its plug, and at channels")
        else:
            yield ok(subject, place, f"{celsius:.2f} °C")


async def _chamber(subject: str, chamber: Chamber) -> Finding:
    look = await chamber.look()
    text = f"air {look.air_celsius:.1f} °C, setpoint {look.setpoint_celsius:.1f} °C"
    if look.alarms:
        return warn(subject, "readings", f"{text}, alarms {', '.join(map(str, look.alarms))}", "see to it at its panel")
    return ok(subject, "readings", text + ("" if look.is_controlling else ", not controlling"))


async def _chiller(subject: str, chiller: Chiller) -> AsyncIterator[Finding]:
    look = await chiller.look()
    text = f"bath {look.bath_celsius:.2f} °C, setpoint {look.setpoint_celsius:.2f} °C, "
    text += "running" if look.is_running else "standing"
    troubles = "; ".join(f"{trouble.code} {trouble.text}" for trouble in look.troubles)
    if look.has_fault:
        yield fail(subject, "readings", f"{text}, {troubles}", "see to it at the unit")
    elif troubles:
        yield warn(subject, "readings", f"{text}, {troubles}", "see to it at the unit")
    else:
        yield ok(subject, "readings", text)
    watchdog = await chiller.read_watchdog()
    if watchdog is None:
        yield ok(subject, "host loss", "no watchdog is armed")
        return
    then = f"goes on at {watchdog.safe_celsius:g} °C" if watchdog.keeps_cooling else "stops"
    yield ok(subject, "host loss", f"{then} after {watchdog.timeout_second:g} s of silence")


async def _mill(subject: str, mill: MillDrive) -> Finding:
    look = await mill.look()
    if look.fault_code:
        return fail(
            subject, "readings", f"fault {look.fault_code}: {look.fault}", "find its cause, then reset it there"
        )
    if not look.is_standing:
        return warn(subject, "readings", f"turns, {look.rpm:.0f} rpm", "see who started it; stop it there")
    return ok(subject, "readings", "stands, without a fault")


async def _observations(subject: str, driver: MadeDriver) -> list[Finding]:
    if not isinstance(driver, Inspectable):
        return []
    return [
        warn(subject, seen.what, seen.text, seen.fix) if seen.fix else ok(subject, seen.what, seen.text)
        for seen in await driver.inspect()
    ]

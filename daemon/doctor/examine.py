"""A station from end to end: its file, disk, clocks, broker, calibrations, ports, and every instrument at once."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.clock import Clock
from daemon.doctor.clocks import kernel_believes_its_time, look_at_clocks
from daemon.doctor.disk import look_at_disk, month_bytes
from daemon.doctor.finding import Finding, any_failed, fail, ok, warn
from daemon.doctor.instruments import look_at_instrument
from daemon.doctor.ports import look_at_port
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.outlet import OutletLostError
from daemon.publish.payloads import Message
from daemon.service.asking import SOCKET_NAME, NotReachableError, RefusedByDaemonError, ask_daemon
from daemon.service.daemon import LOCK_NAME
from daemon.service.places import Place, places_of, waiting_runs
from daemon.station.file import StationFile
from daemon.station.instruments import DRIVERS_BY_ROLE
from daemon.station.settings import BrokerSettings, RigSettings, StationSettings
from daemon.store.errors import StoreError
from daemon.store.lock import OwnerLock
from protocols.errors import Severity

EXPIRES_SOON_DAY = 30
BROKER_WITHIN_SECOND = 6.0
Told = Callable[[Finding], None]


async def examine(file: StationFile, clock: Clock, tell: Told) -> None:
    """Tell what is found of a station, each thing as soon as it is known.

    Instruments of a station whose daemon runs are left to it, and those of a rig with an unfinished run to the next
    daemon: identifying them would make them forget what that daemon must ask them.
    """
    _look_at_file(file, tell)
    if file.station is None:
        return
    station, before = file.station, (clock.now_second(), clock.utc_second())
    for finding in _around_the_instruments(file, station, clock):
        tell(finding)
    if station.mqtt is not None:
        for finding in await _broker(station.mqtt, station):
            tell(finding)
    await _instruments(Path(station.data), list(_within_reach(file, tell)), clock, tell)
    if station.bench is None:
        after = (clock.now_second(), clock.utc_second())
        for finding in look_at_clocks(before, after, is_synchronized=kernel_believes_its_time()):
            tell(finding)


def _around_the_instruments(file: StationFile, station: StationSettings, clock: Clock) -> Iterator[Finding]:
    need_bytes = month_bytes(file.rigs.values())
    yield from look_at_disk(Path(station.data), need_bytes, clock.now_second, station.supervise_every_s)
    yield from _calibrations(file.rigs, clock.utc_second())


def _within_reach(file: StationFile, tell: Told) -> Iterator[Place]:
    """The instruments that have a driver and, where they are on a serial port, a port that can be opened."""
    for place in places_of(file):
        if place.said.driver not in DRIVERS_BY_ROLE[place.role]:
            continue
        findings = list(look_at_port(place.subject, place.said.address)) if place.said.address.startswith("/") else []
        for finding in findings:
            tell(finding)
        if not any_failed(findings):
            yield place


async def _instruments(data: Path, places: list[Place], clock: Clock, tell: Told) -> None:
    """Ask the daemon that owns them; else own the data directory meanwhile, so that none starts, and look at them."""
    try:
        status = await ask_daemon(data / SOCKET_NAME, "status")
    except (NotReachableError, RefusedByDaemonError) as error:
        with _owned(data, str(error), tell) as is_free:
            if is_free:
                await _all_instruments(_free(data, places, tell), clock, tell)
        return
    tell(ok("daemon", "running", "a daemon runs here and owns the instruments: they are not touched, it is asked"))
    for finding in _as_the_daemon_says(status):
        tell(finding)


def _look_at_file(file: StationFile, tell: Told) -> None:
    for problem in file.problems:
        text = f"line {problem.line}, {problem.path}: {problem.what}"
        grade = fail if problem.severity is Severity.ERROR else warn
        tell(grade("station file", "words", text, problem.what_to_write or "correct it"))
    if not file.problems:
        tell(ok("station file", "words", "in order"))


@contextmanager
def _owned(data: Path, not_reachable: str, tell: Told) -> Iterator[bool]:
    """Whether the instruments are nobody's; while this lasts no daemon can start where one was before."""
    if not data.exists():
        tell(ok("daemon", "running", "none, and none was here before"))
        yield True
        return
    try:
        lock = OwnerLock(data / LOCK_NAME)
    except StoreError as error:
        fix = f"see what it does, end it, then presscell serve again ({not_reachable})"
        tell(fail("daemon", "running", f"{error.what}, and no daemon answers: no instrument is touched", fix))
        yield False
        return
    try:
        tell(ok("daemon", "running", "none"))
        yield True
    finally:
        lock.release()


def _free(data: Path, places: Sequence[Place], tell: Told) -> list[Place]:
    """The instruments that no unfinished run needs as they are."""
    waiting = waiting_runs(data)
    for directory, rig_name in waiting.items():
        text = f"{directory.name} is unfinished: the instruments of {rig_name or 'every rig'} are not touched"
        tell(warn("daemon", "unfinished run", text, "presscell serve takes it up"))
    if None in waiting.values():
        return []
    return [place for place in places if not place.rigs & set(waiting.values())]


async def _all_instruments(places: Iterable[Place], clock: Clock, tell: Told) -> None:
    async def look(place: Place) -> None:
        for finding in await look_at_instrument(place.subject, place.role, place.said, clock):
            tell(finding)

    async with asyncio.TaskGroup() as group:
        for place in places:
            group.create_task(look(place))


def _as_the_daemon_says(status: list[dict[str, Any]]) -> Iterator[Finding]:
    for rig in status:
        links = "; ".join(str(link) for link in rig.get("links", []))
        if links:
            yield fail(rig["rig"], "links", links, "look at the instrument and its cable")
        elif rig["state"] in {"held", "holding"}:
            fix = f"presscell events, then presscell resume {rig['rig']}"
            yield warn(rig["rig"], "state", f"{rig['state']}: {rig.get('reason', '')}", fix)
        else:
            yield ok(rig["rig"], "state", rig["state"])


def _calibrations(rigs: Mapping[str, RigSettings], utc_second: float) -> Iterator[Finding]:
    today = datetime.datetime.fromtimestamp(utc_second, datetime.UTC).date()
    for name, rig in rigs.items():
        if rig.load_cell is None:
            continue
        subject, until = f"{name}.load_cell", rig.load_cell.calibration.valid_until
        if until is None:
            yield warn(subject, "calibration", "does not say how long it is valid", "write valid_until")
            continue
        left_day = (datetime.date.fromisoformat(until) - today).days
        text = f"valid until {until}, " + (f"{left_day} days" if left_day >= 0 else f"{-left_day} days ago")
        if left_day < 0:
            yield fail(subject, "calibration", text, f"presscell calibrate STATION.yaml --rig {name}")
        elif left_day < EXPIRES_SOON_DAY:
            yield warn(subject, "calibration", text, "have it calibrated again in time")
        else:
            yield ok(subject, "calibration", text)


async def _broker(said: BrokerSettings, station: StationSettings) -> list[Finding]:
    findings, password = _password(said)
    if any_failed(findings):
        return findings
    address = dataclasses.replace(BrokerAddress.parse(said.broker), username=said.username, password=password)
    topic = f"presscell/v1/{station.site}/{station.station}/doctor"
    nothing = Message(topic=topic, payload=b"", qos=0, retain=False)
    try:
        async with asyncio.timeout(BROKER_WITHIN_SECOND), MqttOutlet(address).connect(nothing):
            return [*findings, ok("broker", "reachable", str(address))]
    except (OutletLostError, TimeoutError, OSError) as error:
        text = str(error) or f"{address} does not answer"
        return [*findings, fail("broker", "reachable", text, "start it, or correct broker, username and password_file")]


def _password(said: BrokerSettings) -> tuple[list[Finding], str | None]:
    if said.password_file is None:
        return [], None
    path = Path(said.password_file)
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0]
        is_open = stat.S_IMODE(path.stat().st_mode) & 0o077
    except (OSError, UnicodeDecodeError) as error:
        fix = f"let the daemon's account read {path}"
        return [fail("broker", "password", f"{path} can't be read: {error}", fix)], None
    return [warn("broker", "password", f"others may read {path}", f"chmod 600 {path}")] if is_open else [], password

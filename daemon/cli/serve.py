"""`presscell serve`: the daemon of a station."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import click

from daemon.cli.files import read_text, refuse, show_problems, shown_name
from daemon.clock import BenchGoneError, Clock
from daemon.days import today
from daemon.publish.client import BrokerAddress, MqttOutlet
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from daemon.service.asking import SOCKET_NAME
from daemon.service.daemon import Daemon, checked, clock_of, owned
from daemon.service.preparing import RefusedRequestError
from daemon.service.socket_api import serving
from daemon.station.instruments import load_station
from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from daemon.store.errors import StoreError
from protocols.errors import errors_in

PUBLISH_REST_WITHIN_REAL_SECOND = 5.0


@click.command()
@click.argument("station", type=click.Path(path_type=Path))
@click.option("--until-idle", is_flag=True, help="End when no run is going on any more.")
def serve(station: Path, until_idle: bool) -> None:
    """Be the daemon of STATION: take up runs that were left, and carry out what `presscell run` asks for.

    SIGTERM, SIGHUP and Ctrl-C end the daemon, not its runs: their segments go on in the instruments, inside the cell's
    limits, and the next daemon takes them up. `presscell stop` ends a run.
    """
    logging.getLogger().setLevel(logging.INFO)
    text = read_text(station)
    file = load_station(text, shown_name(station), today=today())
    show_problems(file.problems)
    if errors_in(file.problems):
        refuse("The daemon was not started.")
    try:
        settings, rigs = checked(file)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        with owned(Path(settings.data)):
            asyncio.run(_serve(settings, rigs, file.shared, sha256, until_idle=until_idle))
    except (StoreError, BenchGoneError, RefusedRequestError, OSError) as error:
        refuse(f"The daemon cannot run: {error}")


@contextlib.asynccontextmanager
async def _publishing(station: StationSettings, clock: Clock) -> AsyncIterator[Publisher | None]:
    """Publish to the station's broker, what an earlier daemon could not bring there first; None when it names none."""
    if station.mqtt is None:
        yield None
        return
    said, address = station.mqtt, BrokerAddress.parse(station.mqtt.broker)
    password = None
    if said.password_file is not None:
        password = read_text(Path(said.password_file)).partition("\n")[0]
    outlet = MqttOutlet(dataclasses.replace(address, username=said.username, password=password))
    topics = StationTopics(station.site, station.station)
    async with Publisher(outlet, topics, Path(station.data), clock) as publisher:
        await publisher.resume()
        yield publisher
        if not await publisher.drained(PUBLISH_REST_WITHIN_REAL_SECOND):
            click.echo("Not all rows are published; the next daemon goes on with that.", err=True)


async def _serve(
    station: StationSettings,
    rigs: Mapping[str, RigSettings],
    shared: Mapping[str, SharedSettings],
    sha256: str,
    *,
    until_idle: bool,
) -> None:
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_end.set)
    clock = await clock_of(station)
    try:
        socket_path = Path(station.data) / SOCKET_NAME
        async with (
            _publishing(station, clock) as publisher,
            Daemon(station, rigs, clock, publisher, station_sha256=sha256, shared=shared) as daemon,
            serving(daemon, socket_path),
        ):
            click.echo(f"{station.station} serves {', '.join(rigs)}; talk to it at {socket_path}", err=True)
            ends: list[asyncio.Task[object]] = [asyncio.create_task(asked_to_end.wait())]
            if until_idle:
                ends.append(asyncio.create_task(daemon.idle()))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
    finally:
        await clock.close()

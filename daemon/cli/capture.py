"""`presscell capture`: what goes over the cable of an instrument, recorded so that it can be played again."""

from __future__ import annotations

import asyncio
import platform
import signal
import sys
from pathlib import Path

import click

from daemon.capture.record import captured, overheard
from daemon.capture.relay import NoTapError
from daemon.capture.transcript import Transcript
from daemon.cli.files import FOUND_A_PROBLEM, REFUSED, read_text, refuse, show_problems, shown_name
from daemon.clock import MonotonicClock
from daemon.service.places import Place, TakenError, alone_with, places_of
from daemon.station.instruments import load_station
from protocols.errors import errors_in


@click.command()
@click.argument("station", type=click.Path(path_type=Path))
@click.argument("instrument")
@click.option("--out", type=click.Path(path_type=Path), help="Write it there; else to stdout.")
@click.option("--reads", type=click.IntRange(0, 10_000), default=3, show_default=True, help="How many readings.")
@click.option(
    "--every", "every_second", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds apart."
)
@click.option("--relay", is_flag=True, help="Say nothing: tell an address, and record what others say there.")
def capture(station: Path, instrument: str, out: Path | None, reads: int, every_second: float, relay: bool) -> None:
    """Record the wire of INSTRUMENT of STATION, such as rig1.chamber: identify it, and take a few readings.

    Nothing is changed at it. Serial numbers, MACs, host names and network addresses are replaced, the same by the same;
    read the file before you hand it on. With --relay another program talks to the instrument, and it is recorded until
    Ctrl-C. Exit code 1 when the instrument did not answer as it should, 4 when a daemon owns it.
    """
    place, data = _found(station, instrument)
    try:
        transcript, went_well = asyncio.run(_recorded(place, data, reads, every_second, relay=relay))
    except TakenError as error:
        refuse(str(error), REFUSED)
    except (NoTapError, OSError) as error:
        refuse(f"{instrument}: {error}")
    if out is None:
        click.echo(transcript.as_text(), nl=False)
    else:
        out.write_text(transcript.as_text(), encoding="utf-8")
    taken_out = ", ".join(f"{count} {kind}" for kind, count in transcript.redacted.items()) or "nothing"
    click.echo(f"{len(transcript.entries)} entries; replaced: {taken_out}.", err=True)
    if not went_well:
        click.echo(f"It did not end well: {transcript.entries[-1]}", err=True)
        sys.exit(FOUND_A_PROBLEM)


def _found(station: Path, instrument: str) -> tuple[Place, Path]:
    file = load_station(read_text(station), shown_name(station))
    show_problems(file.problems)
    if errors_in(file.problems) or file.station is None:
        refuse("Nothing was captured.")
    places = {place.subject: place for place in places_of(file)}
    if instrument not in places:
        refuse(f"there is no {instrument}; there are {', '.join(places)}", code=2)
    return places[instrument], Path(file.station.data)


async def _recorded(
    place: Place, data: Path, reads: int, every_second: float, *, relay: bool
) -> tuple[Transcript, bool]:
    clock, host = MonotonicClock(), platform.node()
    async with alone_with(place, data):
        if relay:
            return await overheard(place, clock, until=_interrupted, host=host)
        return await captured(place, clock, reads=reads, every_second=every_second, host=host)


async def _interrupted(address: str) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    click.echo(f"talk to it at {address}; Ctrl-C ends the capture", err=True)
    await asked_to_end.wait()

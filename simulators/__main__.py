"""The simulated laboratory as a process of its own: `presscell-bench BENCH.yaml`."""

import asyncio
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from simulators.assemble import assemble
from simulators.bench_file import BenchFileError, LoadedBenchFile, load_bench_file
from simulators.control import ControlPort
from simulators.device import SECOND_NS
from simulators.log import BenchLog
from simulators.owner import Ownership
from simulators.pace import Timekeeper
from simulators.serve import Listener
from simulators.station_file import NotOursError, must_be_ours, write_station

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.argument("bench_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Write what the cell saw to this file.")
@click.option("--seed", type=click.IntRange(min=0), help="Use this seed instead of the file's.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    help="Simulated seconds per real second while nobody owns the time; 0 lets it stand.",
)
@click.option(
    "--station",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a station file of these instruments, for `presscell serve`.",
)
@click.option("--end-when-owner-lost", is_flag=True, help="End 10 s after the owner of the time has vanished.")
@click.option("--check", is_flag=True, help="Only tell what is wrong with the file.")
def main(
    *,
    bench_file: Path,
    log: Path | None,
    seed: int | None,
    speed: float | None,
    station: Path | None,
    end_when_owner_lost: bool,
    check: bool,
) -> None:
    """Serve the simulated laboratory that BENCH_FILE describes, on loopback ports.

    One JSON line on stdout says where: {"control": "host:port", "cables": {...}}. Ends on `end` at the control port
    and on SIGTERM; Ctrl-C is ignored, since it is meant for whoever uses the instruments. With --station it ends on
    Ctrl-C too, and `--speed` is also the pace of the daemon that takes its time over.
    """
    try:
        loaded = load_bench_file(bench_file)
    except BenchFileError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if check:
        return
    if station is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    changes = {"seed": seed, "speed": speed}
    content = loaded.content.model_copy(update={key: value for key, value in changes.items() if value is not None})
    loaded = LoadedBenchFile(content, loaded.sha256)
    try:
        if station is not None:
            must_be_ours(station)
        bench_log = BenchLog.at(log)
        sys.exit(asyncio.run(serve(loaded, bench_log, end_when_lost=end_when_owner_lost, station=station)))
    except OSError as error:
        click.echo(f"{bench_file}: {error}", err=True)
        sys.exit(1)
    except NotOursError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


async def serve(loaded: LoadedBenchFile, log: BenchLog, *, end_when_lost: bool, station: Path | None = None) -> int:
    """Serve a bench until it is told to end. Answers the exit code: 1 when the bench itself broke.

    Raises:
        OSError: a port of the file is taken, or the station file can't be written.
    """
    loop = asyncio.get_running_loop()
    reason: asyncio.Future[str] = loop.create_future()

    def stop(why: str) -> None:
        if not reason.done():
            reason.set_result(why)

    def broke(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        stop("broke")

    loop.set_exception_handler(broke)
    for ending in ENDING_SIGNALS if station is None else (*ENDING_SIGNALS, signal.SIGINT):
        loop.add_signal_handler(ending, stop, ending.name.lower())
    assembly = assemble(loaded, log, time.time_ns() / SECOND_NS)
    laboratory = assembly.laboratory
    keeper = Timekeeper(assembly.bench, loop, laboratory.deliver, laboratory.reach_ns)
    speed = loaded.content.speed
    ownership = Ownership(assembly.bench, keeper, speed=speed, end_when_lost=end_when_lost, stop=stop)
    control = Listener(0, ControlPort(laboratory, keeper, ownership, stop).connect)
    assembly.open()
    control.accept()
    hello = laboratory.hello()
    cables = hello["cables"]
    if station is not None:
        addresses = {name: str(cable["address"]) for name, cable in cables.items()}
        day = datetime.fromtimestamp(hello["utc_second"], UTC).date().isoformat()
        write_station(station, loaded.content, control.address, addresses, day)
        click.echo(f"{loaded.content.name} is there until Ctrl-C. Next: presscell serve {station}", err=True)
    sys.stdout.write(json.dumps({"control": control.address, "cables": cables}) + "\n")
    sys.stdout.flush()
    why = await reason
    ownership.close()
    keeper.stand()
    control.close()
    assembly.close()
    assembly.bench.end(why)
    log.close()
    return 1 if why == "broke" else 0


if __name__ == "__main__":
    main()

"""What the verbs share that talk to a running daemon: where it is, and what to say when it does not answer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from daemon.cli.files import REFUSED, refuse
from daemon.service.asking import SOCKET_NAME, NotReachableError, RefusedByDaemonError, ask_daemon

NOT_REACHABLE = 3
Command = TypeVar("Command", bound=Callable[..., Any])


def with_data_directory(command: Command) -> Command:
    """Give a verb `--data`, the data directory of the station it talks to."""
    option = click.option(
        "--data",
        "data_directory",
        type=click.Path(path_type=Path),
        default=Path("data"),
        show_default=True,
        envvar="PRESSCELL_DATA",
        help="The station's data directory, also by PRESSCELL_DATA.",
    )
    return option(command)


def with_rig(command: Command) -> Command:
    """Give a verb the rig it is about, as its argument or as `--rig`."""

    @functools.wraps(command)
    def verb(rig: str | None, rig_option: str | None, **rest: object) -> object:
        if (rig is None) == (rig_option is None):
            raise click.UsageError("name one rig, by its name in the station file")
        return command(rig=rig or rig_option, **rest)

    option = click.option("--rig", "rig_option", help="The same as RIG.")
    return cast(Command, click.argument("rig", required=False)(option(verb)))


def run_told(answer: str | dict[str, Any]) -> tuple[str, bool]:
    """Of what was answered to a wish: the run's id, and whether just this had been asked for before."""
    return (answer, False) if isinstance(answer, str) else (answer["run_id"], bool(answer["was_asked"]))


def ask(data_directory: Path, verb: str, **arguments: object) -> Any:  # noqa: ANN401  (JSON)
    """Ask the daemon of a data directory; ends the command when it is not there or says no."""
    try:
        return asyncio.run(ask_daemon(data_directory / SOCKET_NAME, verb, **arguments))
    except NotReachableError as error:
        refuse(f"{error}. Start it: presscell serve STATION.yaml", NOT_REACHABLE)
    except RefusedByDaemonError as error:
        refuse(str(error), REFUSED)

"""What the verbs share that talk to a running daemon: where it is, and what to say when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon.cli.files import REFUSED, refuse
from daemon.socket_api import SOCKET_NAME, NotReachableError, RefusedByDaemonError, ask_daemon

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


def ask(data_directory: Path, verb: str, **arguments: object) -> Any:  # noqa: ANN401  (JSON)
    """Ask the daemon of a data directory; ends the command when it is not there or says no."""
    try:
        return asyncio.run(ask_daemon(data_directory / SOCKET_NAME, verb, **arguments))
    except NotReachableError as error:
        refuse(f"{error}. Start it: presscell serve STATION.yaml", NOT_REACHABLE)
    except RefusedByDaemonError as error:
        refuse(str(error), REFUSED)

"""`presscell watch`: what stations publish, live on the terminal or as JSON lines."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import aiomqtt
import click
from rich.console import Console
from rich.live import Live

from daemon.cli.board import Board
from daemon.cli.broker import Broker
from daemon.cli.files import refuse
from daemon.clock import real_second
from daemon.publish.client import BrokerAddress, subscribed
from daemon.publish.outlet import OutletLostError
from daemon.publish.topics import PREFIX, matches

NO_BROKER = 3
REDRAW_EVERY_REAL_SECOND = 0.25
SHOWN = ("live", "run", "state", "cycle", "event", "alarm/+")
"""What is drawn; rows are not."""
AT_MOST_QUEUED = 10_000


@click.command()
@click.option("--broker", type=Broker(), default="127.0.0.1:1883", show_default=True, help="Where to listen.")
@click.option("--station", default="+", help="Only this station.")
@click.option("--json", "as_json", is_flag=True, help="Every message, rows too, as one JSON line: topic and payload.")
def watch(broker: BrokerAddress, station: str, as_json: bool) -> None:
    """Show voltage, current, pressure, temperature, step, cycle and alarms of all rigs as they are published.

    Ends with Ctrl-C. Exit code 3: no broker answers there, or it went away.
    """
    root = f"{PREFIX}/+/{station}"
    filters = (f"{root}/#",) if as_json else (f"{root}/availability", *(f"{root}/+/{leaf}" for leaf in SHOWN))
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_print(broker, filters) if as_json else _draw(broker, filters))
        except OutletLostError as error:
            hint = "name one by --broker HOST:PORT: it is under `mqtt` in the station file, and `simulate` says its own"
            refuse(f"No broker at {error}; {hint}", NO_BROKER)
        except aiomqtt.MqttError:
            refuse(f"The broker at {broker} went away.", NO_BROKER)


async def _print(broker: BrokerAddress, filters: tuple[str, ...]) -> None:
    async with subscribed(broker, *filters) as client:
        async for message in client.messages:
            if _is_asked_for(message.topic.value, filters):
                payload = bytes(message.payload).decode()
                line = {"topic": message.topic.value, "payload": _read(payload)}
                click.echo(json.dumps(line))


async def _draw(broker: BrokerAddress, filters: tuple[str, ...]) -> None:
    console, board, drawn_second = Console(), Board(), float("-inf")
    async with subscribed(broker, *filters, at_most_queued=AT_MOST_QUEUED) as client:
        click.echo(f"listening at {broker}; Ctrl-C ends this", err=True)
        with Live(console=console, auto_refresh=False, screen=False) as live:
            async for message in client.messages:
                if not _is_asked_for(message.topic.value, filters):
                    continue
                line = board.take(message.topic.value, _read(bytes(message.payload).decode()))
                if not console.is_terminal:
                    console.print(line, soft_wrap=True) if line else None
                elif real_second() - drawn_second >= REDRAW_EVERY_REAL_SECOND or len(client.messages) == 0:
                    drawn_second = real_second()
                    live.update(board.drawn(), refresh=True)


def _is_asked_for(topic: str, filters: tuple[str, ...]) -> bool:
    """Some brokers send more than was subscribed to."""
    return any(matches(topic, topic_filter) for topic_filter in filters)


def _read(payload: str) -> object:
    """JSON read; other text as it is; None for nothing."""
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return payload

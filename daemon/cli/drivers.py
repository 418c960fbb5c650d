"""`presscell drivers`: every driver a station may name, what it speaks to, and what it was tried against."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from daemon.cli.console import stdout_console
from daemon.cli.files import FOUND_A_PROBLEM
from drivers.entries import ROLE_PROTOCOLS
from drivers.listing import as_object
from drivers.registry import DRIVERS, FOUND

OURS = "presscell"
TRIED = {"simulator": "its simulator", "client": "another program, on the simulator", "hardware": "hardware"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, with limits and what is unverified.")
def drivers(as_json: bool) -> None:
    """List every driver by role, those of other packages too: what a station file may name.

    A package whose drivers can't be used is named with what is wrong with it; the others are listed, and the exit code
    is 1.
    """
    known = [as_object(driver, FOUND.package_by_driver.get(driver.about.name, OURS)) for driver in DRIVERS]
    if as_json:
        broken = [{"package": one.package, "prefix": one.prefix, "why": one.why} for one in FOUND.broken]
        click.echo(json.dumps({"drivers": known, "broken": broken}, ensure_ascii=False, indent=1))
    else:
        for role in ROLE_PROTOCOLS:
            stdout_console().print(_table(role, [driver for driver in known if driver["role"] == role]))
    for one in FOUND.broken:
        click.echo(f"can't be used: {one}", err=True)
    if FOUND.broken:
        sys.exit(FOUND_A_PROBLEM)


def _table(role: str, known: list[dict[str, Any]]) -> Table:
    table = Table(box=None, show_header=False, title=f"{role} ({len(known)})", title_justify="left", pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for driver in known:
        for heading, text in _lines(driver):
            table.add_row(heading, text)
        table.add_section()
    return table


def _lines(driver: dict[str, Any]) -> Iterator[tuple[str, str]]:
    package = "" if driver["package"] == OURS else f" (from {driver['package']})"
    tried = [f"{trial['what']} ({TRIED[trial['kind']]})" for trial in driver["tried_against"]]
    yield escape(driver["driver"]), escape(driver["instruments"] + package)
    yield "  cables", escape(", ".join(driver["transports"]))
    yield "  limits", escape("; ".join(driver["limits"]))
    yield "  host dies", escape(driver["host_loss"])
    yield "  tried against", escape("; ".join(tried) or "nothing")
    if driver["unverified"]:
        yield "  unverified", escape("; ".join(driver["unverified"]))

"""`presscell doctor`: everything of a station that would keep a run from going well, each with the one thing to do."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

import click

from daemon.cli.files import FOUND_A_PROBLEM, read_text, shown_name
from daemon.clock import MonotonicClock
from daemon.doctor.examine import examine
from daemon.doctor.finding import Finding, Grade, any_failed
from daemon.station.instruments import load_station

COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


@click.command()
@click.argument("station", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(station: Path, as_json: bool) -> None:
    """Look at all instruments of STATION, its disk, clock, broker, ports, calibrations: ok, warn or fail, and a fix.

    Instruments are identified and read; nothing is set, switched or started. Those of a running daemon are left to it,
    and it is asked. Exit code 1 when anything fails.
    """
    file = load_station(read_text(station), shown_name(station))
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            _show(finding)

    asyncio.run(examine(file, MonotonicClock(), tell))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], ensure_ascii=False, indent=1))
    if any_failed(found):
        sys.exit(FOUND_A_PROBLEM)


def _show(finding: Finding) -> None:
    grade = click.style(f"{finding.grade:4}", fg=COLOURS[finding.grade])
    fix = f"\n      → {finding.fix}" if finding.fix else ""
    click.echo(f"{grade}  {finding.subject}, {finding.check}: {finding.text}{fix}")

"""The points of a calibration: from a table, or one by one from a live load cell with a person at the keyboard."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from daemon.before_runs.calibrating import Feeler, Felt, NotSteadyError
from daemon.days import utc_moment
from drivers.errors import DriverError
from protocols import units
from protocols.calibration import WrittenPoint
from protocols.calibration_fit import Direction
from protocols.errors import BadValueError

COLUMNS = ("force_N", "shown", "temperature_C", "direction")
NEEDED = ("force_N", "shown")
ODD_ZERO = 0.1
"""More of a sensor's nominal force than this is no zero of an empty one."""
_FORCE = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z]*)\s*")


class NoMoreAnswersError(Exception):
    """The keyboard is gone."""


class Answers:
    """What a person types, line by line, while instruments go on being listened to."""

    def __init__(self) -> None:
        """Reads standard input."""
        self._descriptor = sys.stdin.fileno()
        self._pending = b""

    async def line(self, question: str) -> str:
        """One line, without its end. Raises `NoMoreAnswersError`."""
        click.echo(question, nl=False, err=True)
        while b"\n" not in self._pending:
            chunk = await self._chunk()
            if not chunk:
                raise NoMoreAnswersError
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace").strip()

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        there_is = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, there_is.set)
        except PermissionError:
            # A plain file can't be waited for, and need not be.
            return os.read(self._descriptor, 4096)
        try:
            await there_is.wait()
        finally:
            loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, 4096)


def points_in_table(text: str, file: str) -> list[WrittenPoint]:
    """The points of a CSV table, whose header names its columns: force_N, shown, temperature_C, direction.

    The first two are needed; a force that is below the one before is reached from above where no direction is said.

    Raises:
        BadValueError: it is no such table; the text says where.
    """
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    header = [*(rows[0] if rows else ())]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise BadValueError(f"{file}: no column {' and none '.join(missing)}", f"begin it with {','.join(COLUMNS)}")
    return list(_points(rows, file))


def _points(rows: list[dict[str, str]], file: str) -> Iterator[WrittenPoint]:
    before: WrittenPoint | None = None
    for line, row in enumerate(rows, start=2):
        said = {name: (row.get(name) or "").strip() for name in COLUMNS}
        try:
            force, shown = (units.number(float(said[name])) for name in NEEDED)
            celsius = units.number(float(said["temperature_C"])) if said["temperature_C"] else None
        except ValueError as error:
            raise BadValueError(f"{file}:{line}: {error}", "write numbers, with a decimal point") from error
        if said["direction"] not in {"", "up", "down"}:
            raise BadValueError(f"{file}:{line}: {said['direction']!r} is no direction", "write up or down")
        if force < 0:
            raise BadValueError(f"{file}:{line}: {force:g} N is below 0", "write what pushes as a number above 0")
        direction: Direction = "down" if said["direction"] == "down" else "up"
        if not said["direction"]:
            direction = _direction(before, force)
        before = WrittenPoint(force_N=force, shown=shown, temperature_C=celsius, direction=direction)
        yield before


def _direction(before: WrittenPoint | None, force_newton: float) -> Direction:
    """How a force is reached after another; one that stays is reached as it was."""
    if before is None or force_newton > before.force_N:
        return "up"
    return before.direction if force_newton == before.force_N else "down"


def force_in(text: str) -> float:
    """A force as a person types it, in newtons where no unit is said. Raises `BadValueError`."""
    parts = _FORCE.fullmatch(text)
    if parts is None:
        raise BadValueError(f"{text!r} is no force", "write it as in 980.7, or 100 kgf")
    unit = parts[2] or "N"
    if unit.casefold() not in units.NEWTON_PER_UNIT:
        raise BadValueError(f"{unit} is no unit of force known here", f"write {', '.join(units.NEWTON_PER_UNIT)}")
    return float(parts[1]) * units.NEWTON_PER_UNIT[unit.casefold()]


def why_odd_zero(shown: float, unit: str, nominal_newton: float) -> str:
    """What speaks against nothing being on a sensor that shows this; empty when nothing does, or it can't be told."""
    newton = abs(shown) * units.NEWTON_PER_UNIT.get(unit.casefold(), 0.0)
    if newton <= ODD_ZERO * nominal_newton:
        return ""
    share = newton / nominal_newton
    return f"that is {share:.0%} of the sensor's {nominal_newton:g} N: is the jig still on it? drop forgets the point"


async def guided_points(
    feeler: Feeler,
    unit: str,
    nominal_newton: float,
    window_second: float,
    answers: Answers,
    check: Callable[[list[WrittenPoint]], object],
) -> list[WrittenPoint]:
    """Points one by one, until a person says that they are all and `check` lets them pass.

    `check` raises `BadValueError` for points that make no calibration; then more may be taken.

    An instrument that does not answer costs no point that was taken.

    Raises:
        BadValueError: a window can't hold the readings that a first point needs.
        NoMoreAnswersError: the keyboard is gone.
    """
    points: list[WrittenPoint] = []
    while True:
        number = len(points) + 1
        what = "nothing on it, for the zero" if not points else "the next known force on"
        word = await answers.line(f"Point {number}: {what}, then Enter  [end: compute, drop: forget the last] ")
        match word:
            case "end":
                try:
                    check(points)
                except BadValueError as error:
                    click.echo(f"{error}.", err=True)
                else:
                    return points
            case "drop":
                if points:
                    click.echo(f"Point {len(points)} is forgotten.", err=True)
                    points.pop()
            case "":
                if (point := await _measured(feeler, unit, window_second, answers, points)) is not None:
                    points.append(point)
                    if point.force_N == 0 and (odd := why_odd_zero(point.shown, unit, nominal_newton)):
                        click.echo(f"  {odd}", err=True)
            case _:
                click.echo(f"{word!r} is nothing here: Enter, end or drop.", err=True)


async def _measured(
    feeler: Feeler, unit: str, window_second: float, answers: Answers, points: list[WrittenPoint]
) -> WrittenPoint | None:
    try:
        felt = await feeler.steady(window_second)
    except NotSteadyError as error:
        click.echo(f"It is {error}.", err=True)
        return None
    except BadValueError as error:
        if not points:
            raise
        click.echo(f"{error}. The points so far are kept.", err=True)
        return None
    except DriverError as error:
        click.echo(f"{error}. The points so far are kept; mend it, and take this one again.", err=True)
        await _reconnected(feeler)
        return None
    click.echo(f"  shown {felt_text(felt, unit)}", err=True)
    while True:
        text = await answers.line("  known force in N, or with its unit  [again: leave this one out] ")
        if text == "again":
            return None
        try:
            force_newton = force_in(text)
        except BadValueError as error:
            click.echo(f"  {error}", err=True)
        else:
            return point_of(felt, force_newton, _direction(points[-1] if points else None, force_newton))


async def _reconnected(feeler: Feeler) -> None:
    try:
        await feeler.reconnect()
    except DriverError as error:
        click.echo(f"{error}.", err=True)


def felt_text(felt: Felt, unit: str) -> str:
    """What was felt, for people."""
    at = "" if felt.temperature_celsius is None else f" at {felt.temperature_celsius:.2f} °C"
    return f"{felt.shown:.6g} {unit}, deviation {felt.deviation:.2g}, {felt.readings} readings{at}"


def point_of(felt: Felt, force_newton: float, direction: Direction) -> WrittenPoint:
    """What was felt under a known force, as it stands in a file."""
    celsius = felt.temperature_celsius
    return WrittenPoint(
        force_N=float(f"{force_newton:.9g}"),
        shown=float(f"{felt.shown:.9g}"),
        temperature_C=None if celsius is None else round(celsius, 3),
        direction=direction,
        at=utc_moment(felt.utc_second),
        deviation=float(f"{felt.deviation:.4g}"),
        readings=float(felt.readings),
    )


def read_table(path: Path) -> list[WrittenPoint]:
    """The points of a file. Raises `BadValueError`."""
    try:
        return points_in_table(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise BadValueError(f"{path}: can't be read: {error}", "name a CSV table") from error

"""`presscell calibrate`: known forces, what a load cell shows under them, and the calibration file that follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from daemon.before_runs.calibrating import (
    DRIFT_SECOND,
    MOST_ZERO_DRIFT_NEWTON,
    MOST_ZERO_MOVED,
    Feeler,
    NotSteadyError,
    loaded_cell,
    why_not_empty,
)
from daemon.cli.calibration_points import Answers, NoMoreAnswersError, felt_text, guided_points, read_table
from daemon.cli.files import REFUSED, read_text, refuse, show_problems, show_sentence, shown_name
from daemon.clock import BenchGoneError
from daemon.days import today, utc_moment
from daemon.rig import Rig
from daemon.rows.pressure import area_of_die
from daemon.service.daemon import clock_of, owned
from daemon.station.instrument_settings import LoadCellSettings
from daemon.station.instruments import load_station, sensing_wiring
from daemon.station.settings import RigSettings, StationSettings
from daemon.station.wiring import connect_rig
from daemon.store.errors import StoreError
from drivers.errors import DriverError
from drivers.roles import Identity
from protocols import units
from protocols.calibration import (
    SCHEMA,
    CalibratedInstrument,
    CalibrationFile,
    CellOut,
    ReferenceStandard,
    WrittenPoint,
    Zeroing,
    as_written,
    calibration_text,
    fit_of,
    read_calibration,
)
from protocols.calibration_fit import CalibrationFit
from protocols.errors import BadValueError, errors_in, path_text
from protocols.fields import Date

_DAY: TypeAdapter[str] = TypeAdapter(Date)
NO_ANSWER = (DriverError, StoreError, BenchGoneError, OSError)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of `calibrate`: a rig's load cell in its station, and where the file goes."""

    station: StationSettings
    rig_name: str
    rig: RigSettings
    load_cell: LoadCellSettings
    to: Path
    window_second: float
    cell_out: str


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a person says of a calibration."""

    certificate: str
    reference: ReferenceStandard
    valid_until: str
    by: str | None
    used_up_to_newton: float | None


@click.command()
@click.argument("station", type=click.Path(path_type=Path))
@click.option("--rig", "rig_name", required=True, help="The rig, by its name in the station file.")
@click.option("--to", type=click.Path(path_type=Path), help="The new file; else the one the station file names.")
@click.option(
    "--points", type=click.Path(path_type=Path), help="A CSV table of points, in place of the live load cell."
)
@click.option("--more", "more_of", type=click.Path(path_type=Path), help="Add to the points of this calibration.")
@click.option("--zero", "zero_of", type=click.Path(path_type=Path), help="Only take a new zero for this calibration.")
@click.option("--certificate", help="What this calibration is called.  [default: rig and day]")
@click.option("--reference-certificate", help="Certificate of the reference load cell or the weights.")
@click.option("--reference-uncertainty-percent", type=float, help="Its standard uncertainty (k = 1) of each force.")
@click.option("--reference-valid-until", metavar="DAY", help="The last day of that certificate.")
@click.option("--valid-until", metavar="DAY", help="The last day of this calibration.  [default: a year]")
@click.option("--by", help="Who calibrates.")
@click.option("--pressure-MPa", "pressure_MPa", type=float, help="The largest pressure that is to be measured.")
@click.option(
    "--window-s",
    type=click.FloatRange(2.0),
    help="How long it must rest: 8 readings or more.  [default: 10; --zero: 600]",
)
@click.option("--cell-out", metavar="CELL", default="", help="Say that the cell that was last in the jig is out of it.")
def calibrate(
    station: Path,
    rig_name: str,
    to: Path | None,
    points: Path | None,
    more_of: Path | None,
    zero_of: Path | None,
    window_s: float | None,
    cell_out: str,
    **said: str | float | None,
) -> None:
    """Calibrate the load cell of a rig of STATION, point by point, and write its file and a picture of the fit.

    Nothing is overwritten, and nothing is sent to the indicator. Refused while a cell is logged as loaded on the rig.
    """
    settings, rig, load_cell = _load_cell_of(station, rig_name)
    window_second = window_s or (DRIFT_SECOND if zero_of else 10.0)
    target = to or (Path(load_cell.calibration.file) if load_cell.calibration.file else None)
    if zero_of is not None and (points is not None or more_of is not None):
        raise click.UsageError("--zero takes a zero alone: no points")
    if target is None:
        raise click.UsageError("write --to and the new file")
    for path in (target, target.with_suffix(".png")):
        if path.exists():
            refuse(f"{path}: is there already; name another with --to. Nothing is overwritten.", REFUSED)
    asked = Asked(
        station=settings,
        rig_name=rig_name,
        rig=rig,
        load_cell=load_cell,
        to=target,
        window_second=window_second,
        cell_out=cell_out,
    )
    try:
        made = _zeroed(asked, zero_of) if zero_of else _calibrated(asked, points, more_of, _words(asked, said))
    except NoMoreAnswersError:
        refuse("Nobody answers any more. Nothing was written.", REFUSED)
    except (BadValueError, NotSteadyError) as error:
        refuse(f"{error}. Nothing was written.")
    except ValidationError as wrong:
        words = [str(one.get("ctx", {}).get("error", one["msg"])) for one in wrong.errors(include_url=False)]
        refuse(f"{'; '.join(words)}. Nothing was written.")
    except NO_ANSWER as error:
        refuse(f"Nothing was written: {error}")
    _write(made, target)


def _load_cell_of(path: Path, rig_name: str) -> tuple[StationSettings, RigSettings, LoadCellSettings]:
    """The load cell of a rig; what is wrong with the calibration that it has is no hindrance to making one."""
    file = load_station(read_text(path), shown_name(path))
    here = path_text(("rigs", rig_name, "load_cell", "calibration"))
    own_file = None
    if rig_name in file.rigs and (load_cell := file.rigs[rig_name].load_cell) is not None:
        own_file = load_cell.calibration.file
    errors = [one for one in errors_in(file.problems) if not one.path.startswith(here) and one.file != own_file]
    if errors or file.station is None:
        show_problems(errors)
        refuse("Nothing was connected.")
    if rig_name not in file.rigs:
        refuse(f"{shown_name(path)} has the rigs {', '.join(file.rigs)}: write --rig and one of them.")
    rig = file.rigs[rig_name]
    if rig.load_cell is None:
        refuse(f"{rig_name} has no load cell.")
    return file.station, rig, rig.load_cell


def _words(asked: Asked, said: dict[str, str | float | None]) -> Words:
    def text(key: str) -> str | None:
        value = said.get(key)
        return None if value is None else str(value)

    if (certificate := text("reference_certificate")) is None:
        raise click.UsageError("write --reference-certificate: of what the known forces are known from")
    percent, pressure_MPa = said.get("reference_uncertainty_percent"), said.get("pressure_MPa")
    fixture = asked.rig.fixture
    if pressure_MPa is not None and fixture is None:
        raise click.UsageError("a pressure is a force only on an area: write fixture: {diameter_mm: 10} of the rig")
    used = None
    if pressure_MPa is not None and fixture is not None:
        used = units.pascal(float(pressure_MPa)) * area_of_die(units.metre(fixture.diameter_mm))
    reference = ReferenceStandard(
        certificate=certificate,
        valid_until=text("reference_valid_until"),
        standard_uncertainty_percent=None if percent is None else float(percent),
    )
    return Words(
        certificate=text("certificate") or f"{asked.rig_name}-{today()}",
        reference=reference,
        valid_until=_DAY.validate_python(text("valid_until") or _a_year_later(today())),
        by=text("by"),
        used_up_to_newton=used,
    )


def _a_year_later(day: str) -> str:
    year, month, of_month = day.split("-")
    return f"{int(year) + 1}-{month}-{'28' if (month, of_month) == ('02', '29') else of_month}"


def _calibrated(asked: Asked, table: Path | None, more_of: Path | None, words: Words) -> CalibrationFile:
    """A calibration of points from a table or from the live load cell. Raises what `calibrate` refuses."""
    identity, out = None, None
    points = _calibration_in(asked, more_of)[0].points if more_of else []
    if table is not None:
        points = points + read_table(table)
    else:
        with owned(Path(asked.station.data)):
            out = _empty(asked)
            points, identity = asyncio.run(_guided(asked, words, points))
    fit = fit_of(points, words.reference, words.used_up_to_newton)
    load_cell = asked.load_cell
    return CalibrationFile(
        schema=SCHEMA,
        simulated=asked.station.bench is not None,
        certificate=words.certificate,
        calibrated_on=today(),
        valid_until=words.valid_until,
        by=words.by,
        instrument=CalibratedInstrument(
            model=load_cell.model or (identity.model if identity else "") or None,
            serial_number=load_cell.serial_number or (identity.serial_number if identity else "") or None,
            unit=load_cell.unit,
            nominal_newton=load_cell.nominal_newton,
        ),
        reference=words.reference,
        used_up_to_N=None if words.used_up_to_newton is None else float(f"{words.used_up_to_newton:.9g}"),
        points=points,
        fit=as_written(fit),
        cell_out=out,
    )


def _empty(asked: Asked) -> CellOut | None:
    """Make sure that the jig is empty; which cell is said to be out of it, None when none was ever in."""
    loaded = loaded_cell(Path(asked.station.data), asked.rig_name)
    if why_not := why_not_empty(asked.rig_name, loaded, asked.cell_out):
        refuse(why_not, REFUSED)
    return CellOut(cell=loaded.name, run_id=loaded.run_id) if loaded else None


@contextlib.asynccontextmanager
async def _connected(asked: Asked) -> AsyncIterator[tuple[Rig, Feeler]]:
    clock = await clock_of(asked.station)
    try:
        rig = await connect_rig(sensing_wiring(asked.rig_name, asked.rig), clock)
        try:
            yield rig, Feeler(rig, clock)
        finally:
            await rig.close()
    finally:
        await clock.close()


async def _guided(asked: Asked, words: Words, before: list[WrittenPoint]) -> tuple[list[WrittenPoint], Identity | None]:
    async with _connected(asked) as (rig, feeler):
        click.echo(f"{asked.rig_name}.load_cell answers. Ctrl-C ends without writing anything.", err=True)
        points = await guided_points(
            feeler,
            asked.load_cell.unit,
            asked.load_cell.nominal_newton,
            asked.window_second,
            Answers(),
            lambda points: fit_of(before + points, words.reference, words.used_up_to_newton),
        )
        return before + points, rig.identities.get("load_cell")


def _zeroed(asked: Asked, before: Path) -> CalibrationFile:
    """A calibration with a new zero, taken now on the empty jig. Raises what `calibrate` refuses."""
    calibration, fit, zero = _calibration_in(asked, before)
    if fit.method == "over_temperature" and asked.rig.thermometer is None:
        what = "this calibration's zero drifts with the temperature, and the rig has no thermometer"
        raise BadValueError(what, "write thermometer in the station file")
    with owned(Path(asked.station.data)):
        out = _empty(asked)
        zeroing = asyncio.run(_zero(asked, fit, zero))
    return calibration.model_copy(update={"zeroing": zeroing, "cell_out": out})


def _calibration_in(asked: Asked, path: Path) -> tuple[CalibrationFile, CalibrationFit, float]:
    """What a calibration file of this load cell says, what follows from it, and the zero in use; else the end."""
    read = read_calibration(read_text(path), shown_name(path))
    if read.calibration is None or read.fit is None:
        show_problems(read.problems)
        refuse("Nothing was connected.")
    unit = read.calibration.instrument.unit
    if unit.casefold() != asked.load_cell.unit.casefold():
        refuse(f"{shown_name(path)} is in {unit}, and {asked.rig_name} shows {asked.load_cell.unit}.")
    calibrated, here = read.calibration.instrument.serial_number, asked.load_cell.serial_number
    if calibrated is not None and here is not None and calibrated != here:
        refuse(f"{shown_name(path)} is of {calibrated}, and {asked.rig_name} has {here}.")
    if read.calibration.simulated != (asked.station.bench is not None):
        refuse(f"{shown_name(path)}: simulated and real readings can't be mixed.")
    return read.calibration, read.fit, read.zero


async def _zero(asked: Asked, fit: CalibrationFit, zero_before: float) -> Zeroing:
    gain = fit.newton_per_unit
    async with _connected(asked) as (_, feeler):
        click.echo(f"The jig must be empty and warm; it is watched for {asked.window_second:g} s.", err=True)
        felt = await feeler.steady(
            asked.window_second, most_drift_per_second=MOST_ZERO_DRIFT_NEWTON / DRIFT_SECOND / gain
        )
    unit = asked.load_cell.unit
    drift_newton = felt.drift_per_second * DRIFT_SECOND * gain
    click.echo(f"zero {felt_text(felt, unit)}; it drifts by {drift_newton:.2g} N in 10 min", err=True)
    shown, celsius = float(f"{felt.shown:.9g}"), felt.temperature_celsius
    moved_newton = (fit.zero_at_reference(shown, celsius) - zero_before) * gain
    click.echo(f"The zero moved by {moved_newton:.3g} N.", err=True)
    if abs(moved_newton) > MOST_ZERO_MOVED * fit.largest_force_newton:
        what = f"that is more than {MOST_ZERO_MOVED:.0%} of the largest force, {fit.largest_force_newton:g} N"
        raise BadValueError(what, "take off what is on the sensor; if nothing is, calibrate it anew")
    return Zeroing(
        shown=shown,
        temperature_C=None if celsius is None else round(celsius, 3),
        at=utc_moment(felt.utc_second),
        drift_newton_per_10_min=float(f"{drift_newton:.4g}"),
        readings=float(felt.readings),
    )


def _write(made: CalibrationFile, target: Path) -> None:
    """Write the file and its picture; what was written is read again first, as every user of it will."""
    # Matplotlib is slow to import, and nothing is drawn of what is refused.
    from daemon.report.calibration_picture import draw_calibration, figures_text  # noqa: PLC0415

    text = calibration_text(made)
    read = read_calibration(text, target.name)
    if read.calibration is None or read.fit is None:
        show_problems(read.problems)
        refuse("Nothing was written.")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
        draw_calibration(read.calibration, read.fit, target.with_suffix(".png"))
    except OSError as error:
        refuse(f"{target} can't be written: {error}")
    click.echo(figures_text(read.fit), err=True)
    if read.fit.standard_uncertainty_newton is None:
        show_sentence("So few points tell nothing of their uncertainty: take more than the line needs.")
    click.echo(
        f"valid until {made.valid_until}; in the station file: calibration: {{file: {target.resolve()}}}", err=True
    )
    click.echo(str(target))

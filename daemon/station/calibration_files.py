"""The calibration files that a station file names, read and held against the load cells they are named for."""

from __future__ import annotations

import dataclasses
from pathlib import Path as FilePath

from daemon.station.file import StationFile
from daemon.station.instrument_settings import LoadCellSettings
from daemon.station.settings import RigSettings
from protocols.calibration import CalibrationRead, read_calibration
from protocols.errors import Path, in_reading_order
from protocols.source import Findings


def with_calibration_files(read: StationFile) -> StationFile:
    """The station with the numbers of its calibration files in their places; what is wrong with one is a problem."""
    findings = Findings(read.source)
    rigs = {name: _with_file(findings, read, name, rig) for name, rig in read.rigs.items()}
    if rigs == read.rigs and not findings.problems:
        return read
    problems = in_reading_order([*read.problems, *findings.problems])
    return dataclasses.replace(read, rigs=rigs, problems=tuple(problems))


def _with_file(findings: Findings, station: StationFile, name: str, rig: RigSettings) -> RigSettings:
    load_cell = rig.load_cell
    if load_cell is None or load_cell.calibration.file is None:
        return rig
    path: Path = ("rigs", name, "load_cell", "calibration", "file")
    try:
        text = FilePath(load_cell.calibration.file).read_text(encoding="utf-8")
    except FileNotFoundError:
        findings.error(path, "there is no such file", f"make it: presscell calibrate STATION.yaml --rig {name}")
        return rig
    except (OSError, UnicodeDecodeError) as error:
        findings.error(path, f"can't be read: {error}", "mend it, or name another")
        return rig
    read = read_calibration(text, load_cell.calibration.file)
    findings.problems.extend(read.problems)
    if read.calibration is None:
        return rig
    is_simulated = station.station is not None and station.station.bench is not None
    _check_it_is_its_own(findings, path, read, load_cell, is_simulated=is_simulated)
    taken = load_cell.calibration.taken_from(read)
    if (taken.zero_drift_newton_per_K or taken.gain_drift_per_K) and rig.thermometer is None:
        what = "its temperature terms can't be applied: this rig has no thermometer"
        findings.warning(path[:-1], what, "write thermometer")
    return rig.model_copy(update={"load_cell": load_cell.model_copy(update={"calibration": taken})})


def _check_it_is_its_own(
    findings: Findings, path: Path, read: CalibrationRead, load_cell: LoadCellSettings, *, is_simulated: bool
) -> None:
    if read.calibration is None:
        return
    instrument = read.calibration.instrument
    if read.calibration.simulated and not is_simulated:
        what = "was made on a simulated laboratory: it says nothing of a real load cell"
        findings.error(path, what, "calibrate the real one")
    if instrument.unit.casefold() != load_cell.unit.casefold():
        what = f"was made in {instrument.unit}, and this load cell shows {load_cell.unit}"
        findings.error(path, what, "name the file of this load cell, as it is set now")
    for key in ("model", "serial_number"):
        calibrated, here = getattr(instrument, key), getattr(load_cell, key)
        if calibrated is not None and here is not None and calibrated != here:
            what = f"is of the {key.replace('_', ' ')} {calibrated}, and this one is {here}"
            findings.error(path, what, "name the file of this load cell")

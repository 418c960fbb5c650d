"""The calibration file: written and read again; what does not follow from its points is refused on its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.station.file import StationFile
from daemon.station.instruments import load_station, rig_wiring
from protocols.calibration import (
    SCHEMA,
    CalibratedInstrument,
    CalibrationFile,
    ReferenceStandard,
    WrittenPoint,
    Zeroing,
    as_written,
    calibration_text,
    fit_of,
    read_calibration,
)
from tests.support.malformed import compare

EXAMPLE = Path(__file__).parents[2] / "config" / "calibrations" / "example.yaml"
MALFORMED = Path(__file__).parent / "malformed" / "calibration"
REFERENCE = ReferenceStandard(certificate="KTL: 2026 #1")
STATION = """\
site: seoul
station: press-1
data: /var/lib/presscell
{top}rigs:
  rig1:
    load_cell:
      driver: and.indicator
      address: {address}
      unit: {unit}
      nominal_newton: 5000
      serial_number: "{serial}"
      calibration: {{file: {file}{more}}}
    {thermometer}
"""
THERMOMETER = "thermometer: {driver: advantech.adam_4015, address: /dev/ttyUSB1, channels: {jig: 0}}"
BENCH = 'bench: {control: "127.0.0.1:4000"}\nsupervise_every_s: 600\n'


def station(file: Path, **said: str) -> StationFile:
    words = {"top": "", "address": "/dev/ttyUSB0", "unit": "kg", "serial": "Q1234567", "more": ""} | said
    return load_station(STATION.format(**{"thermometer": THERMOMETER, **words}, file=file), "station.yaml")


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The example as if it had been made on a real load cell."""
    path = tmp_path / "lc.yaml"
    path.write_text(EXAMPLE.read_text().replace("simulated: true", "simulated: false"))
    return path


def made(points: list[WrittenPoint], **said: object) -> CalibrationFile:
    return CalibrationFile(
        schema=SCHEMA,
        certificate="rig1-2026-11-22",
        calibrated_on="2026-11-22",
        valid_until="2027-11-22",
        instrument=CalibratedInstrument(unit="kg", serial_number="007", model="AD 4402"),
        reference=REFERENCE,
        points=points,
        fit=as_written(fit_of(points, REFERENCE, None)),
        **said,  # type: ignore[arg-type]
    )


def test_what_is_shipped_is_in_order() -> None:
    read = read_calibration(EXAMPLE.read_text(), EXAMPLE.name)
    assert read.problems == ()
    assert read.fit is not None
    assert read.fit.method == "over_temperature"


@given(
    gain=st.floats(1e-3, 1e3),
    zero=st.floats(-5, 5),
    offs=st.lists(st.floats(-1, 1), min_size=3, max_size=9),
    word=st.text(min_size=1).filter(str.strip),
)
def test_what_is_written_is_read_again(gain: float, zero: float, offs: list[float], word: str) -> None:
    points = [
        WrittenPoint(force_N=1000.0 * number, shown=zero + (1000.0 * number + off) / gain)
        for number, off in enumerate(offs)
    ]
    calibration = made(points, by="a b", zeroing=Zeroing(shown=zero, at="2026-11-22T20:00:00Z"), notes=word)
    read = read_calibration(calibration_text(calibration), "c.yaml")
    assert read.problems == ()
    assert read.calibration == calibration
    assert read.zero == zero


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_file_is_refused_where_it_is_wrong(path: Path) -> None:
    read = read_calibration(path.read_text(), path.name)
    compare(path, read.problems)
    assert read.calibration is None
    assert read.fit is None


@pytest.mark.parametrize("key", ["zero", "newton_per_unit", "gain_drift_per_K", "standard_uncertainty_N"])
def test_no_number_can_be_edited_by_hand(key: str) -> None:
    text = EXAMPLE.read_text()
    (line,) = [line for line in text.splitlines() if line.strip().startswith(f"{key}:")]
    name, _, value = line.partition(":")
    changed = text.replace(line, f"{name}: {float(value) * (1 + 1e-5)!r}")
    [problem] = read_calibration(changed, "c.yaml").problems
    assert problem.path == f"fit.{key}"
    assert "does not follow from the points" in problem.what
    assert problem.line == text.splitlines().index(line) + 1


def test_no_point_can_be_edited_by_hand() -> None:
    problems = read_calibration(EXAMPLE.read_text().replace("shown: 122.912", "shown: 122.902"), "c.yaml").problems
    assert {problem.path for problem in problems} >= {"fit.zero", "fit.newton_per_unit"}


def test_a_zero_of_a_sensor_that_drifts_has_a_temperature() -> None:
    """Without it a zero of 55 °C would be taken for one of the reference temperature, and its drift counted twice."""
    text = EXAMPLE.read_text().partition("zeroing:")[0] + "zeroing:\n  shown: 1.9\n  at: 2026-11-22T20:00:00Z\n"
    [problem] = read_calibration(text, "c.yaml").problems
    assert (problem.path, problem.line) == ("zeroing", text.splitlines().index("zeroing:") + 1)
    assert read_calibration(text + "  temperature_C: 55\n", "c.yaml").problems == ()


def test_a_station_takes_the_numbers_from_the_file(real: Path) -> None:
    file = station(real)
    assert file.problems == ()
    read = read_calibration(real.read_text(), real.name)
    assert read.fit is not None
    load_cell = rig_wiring("rig1", file.rigs["rig1"], 10.0).load_cell
    assert load_cell is not None
    calibration = load_cell.calibration
    assert calibration is not None
    assert (calibration.zero_displayed, calibration.newton_per_unit) == (read.fit.zero, read.fit.newton_per_unit)
    assert calibration.zero_drift_newton_per_kelvin == read.fit.zero_drift_newton_per_kelvin
    assert calibration.standard_uncertainty_newton == read.fit.standard_uncertainty_newton
    assert (calibration.certificate, calibration.valid_until) == ("rig1-2026-03-02", "2027-03-01")
    assert calibration.file_text == real.read_text()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"unit": "N"}, "was made in kg, and this load cell shows N"),
        ({"serial": "Q7654321"}, "is of the serial number Q1234567, and this one is Q7654321"),
        ({"more": ", gain: 1"}, "gain is said beside the calibration file"),
        ({"thermometer": ""}, "warning: its temperature terms can't be applied"),
    ],
)
def test_a_file_of_another_load_cell_is_refused(real: Path, said: dict[str, str], words: str) -> None:
    [problem] = station(real, **said).problems
    assert words in str(problem)
    assert problem.path.startswith("rigs.rig1.load_cell.calibration")


def test_a_simulated_calibration_is_refused_on_a_real_station_alone(real: Path) -> None:
    [problem] = station(EXAMPLE).problems
    assert "simulated laboratory" in problem.what
    address = '"127.0.0.1:4001"'
    thermometer = THERMOMETER.replace("/dev/ttyUSB1", '"127.0.0.1:4002"')
    assert station(EXAMPLE, top=BENCH, address=address, thermometer=thermometer).problems == ()
    assert station(real, top=BENCH, address=address, thermometer=thermometer).problems == ()


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    [problem] = station(tmp_path / "no.yaml").problems
    assert problem.what == "there is no such file"
    assert "presscell calibrate" in problem.what_to_write


def test_what_is_wrong_in_the_file_is_told_with_its_line(real: Path) -> None:
    real.write_text(real.read_text().replace("newton_per_unit: 9.84564438", "newton_per_unit: 9.9"))
    [problem] = station(real).problems
    assert (problem.file, problem.path) == (str(real), "fit.newton_per_unit")


@pytest.mark.parametrize(
    ("today", "words"),
    [
        ("2027-01-29", None),
        ("2027-01-30", "ends on 2027-03-01, in 30 days"),
        ("2027-03-01", "in 0 days"),
        ("2027-03-02", "ended on 2027-03-01: runs that begin are marked"),
    ],
)
def test_an_expiry_is_told_before_it_comes(real: Path, today: str, words: str | None) -> None:
    text = STATION.format(
        top="", address="/dev/ttyUSB0", unit="kg", serial="Q1234567", more="", thermometer=THERMOMETER, file=real
    )
    problems = load_station(text, "station.yaml", today=today).problems
    assert [words in str(problem) and "warning" in str(problem) for problem in problems if words] == (
        [True] if words else []
    )
    assert len(problems) == (words is not None)

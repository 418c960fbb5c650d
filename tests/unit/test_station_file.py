"""Station files: what is shipped is in order, what is wrong is told where it is, and what is right becomes wiring."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.rows.pressure import PressureCalibration
from daemon.station.fields import is_on_this_machine
from daemon.station.file import StationFile
from daemon.station.instruments import load_station, mill_drive_connection, rig_wiring
from drivers.and_weighing.codec import AndFormat
from drivers.registry import Connection, LoadCellConnection, MillDriveConnection, ThermometerConnection
from protocols.errors import errors_in
from tests.support.malformed import compare

CONFIG = Path(__file__).parents[2] / "config"
MALFORMED = Path(__file__).parent / "malformed" / "station"
CALIBRATED = "unit: N, calibration: {gain: 1, certificate: C, calibrated_on: 2026-03-02}"
BENCH = 'bench: {control: "127.0.0.1:4000"}\nsupervise_every_s: 600\n'
DIE_AREA_SQUARE_METRE = 7.853_981_633_974_483e-5


def read(path: Path) -> StationFile:
    return load_station(path.read_text(), path.name)


def station_of(load_cell: str, top: str = "", address: str = "/dev/ttyUSB0") -> StationFile:
    text = "site: s\nstation: t\ndata: /d\n" + top + "rigs:\n  rig1:\n    load_cell:\n"
    text += f"      {{driver: and.indicator, address: {address}, nominal_newton: 5000, {load_cell}}}\n"
    return load_station(text, "station.yaml")


@pytest.mark.parametrize("path", sorted(CONFIG.glob("station*.yaml")), ids=lambda path: path.stem)
def test_what_is_shipped_is_in_order(path: Path) -> None:
    assert read(path).problems == ()


@pytest.mark.parametrize("path", sorted(MALFORMED.glob("*.yaml")), ids=lambda path: path.stem)
def test_station_is_refused_where_it_is_wrong(path: Path) -> None:
    compare(path, read(path).problems)


def test_the_example_becomes_wiring() -> None:
    file = read(CONFIG / "station.example.yaml")
    assert file.station is not None
    assert (file.station.site, file.station.station, file.station.supervise_every_s) == ("seoul", "press-lab-1", 1)
    assert file.station.mqtt is not None
    assert file.station.mqtt.broker == "127.0.0.1:1883"
    wiring = rig_wiring("rig1", file.rigs["rig1"], None)
    assert wiring.roles == {"potentiostat", "load_cell", "thermometer", "chamber"}
    assert wiring.potentiostat is not None
    assert wiring.potentiostat.driver == "keithley.2450"
    assert wiring.potentiostat.connection == Connection(
        name="rig1.potentiostat", address="192.168.1.20:5025", serial_number="04451117", terminals="REAR"
    )
    assert wiring.load_cell is not None
    address = "/dev/serial/by-id/usb-FTDI_USB-RS232_Cable_FT4XYZ12-if00-port0"
    assert wiring.load_cell.connection == LoadCellConnection(
        name="rig1.load_cell",
        address=address,
        frame_format=AndFormat(unit="kg"),
        baud=9600,
        character="7E1",
        model="AD-4402",
        serial_number="Q1234567",
    )
    assert wiring.thermometer is not None
    assert wiring.thermometer.every_second == 1
    connection = wiring.thermometer.connection
    assert isinstance(connection, ThermometerConnection)
    assert (dict(connection.channel_by_place), connection.range_code) == ({"jig": 0, "air": 1}, "20")
    assert wiring.chamber is not None
    assert wiring.chamber.connection.controller == "S2"


def test_the_example_calibrates_in_newtons_and_square_metres() -> None:
    load_cell = rig_wiring("rig1", read(CONFIG / "station.example.yaml").rigs["rig1"], None).load_cell
    assert load_cell is not None
    assert load_cell.calibration == PressureCalibration(
        newton_per_unit=pytest.approx(1.004 * 9.80665),
        area_square_metre=pytest.approx(DIE_AREA_SQUARE_METRE),
        zero_displayed=0.2,
        zero_drift_newton_per_kelvin=0.25,
        gain_drift_per_kelvin=0.00002,
        reference_celsius=25,
        certificate="KOLAS-2026-0815",
        nominal_newton=5000,
        unit="kg",
        calibrated_on="2026-03-02",
        valid_until="2027-03-01",
    )


def test_a_log_only_rig_has_no_potentiostat_and_no_chamber() -> None:
    file = read(CONFIG / "station.log-only.yaml")
    wiring = rig_wiring("beside-cycler-3", file.rigs["beside-cycler-3"], None)
    assert wiring.roles == {"load_cell", "thermometer"}
    assert file.station is not None
    assert (file.station.mqtt, file.station.bench) == (None, None)


def test_the_cell_files_diameter_wins_and_one_is_needed() -> None:
    said = read(CONFIG / "station.log-only.yaml").rigs["beside-cycler-3"]
    load_cell = rig_wiring("rig1", said, 20.0).load_cell
    assert load_cell is not None
    assert load_cell.calibration.area_square_metre == pytest.approx(4 * DIE_AREA_SQUARE_METRE)
    without = station_of(CALIBRATED).rigs["rig1"]
    with pytest.raises(ValueError, match="rig1: pressure needs an area"):
        rig_wiring("rig1", without, None)


@pytest.mark.parametrize(
    ("unit", "said", "newton_per_unit"),
    [
        ("N", "gain: 1.01", 1.01),
        ("kN", "gain: 1", 1000.0),
        ("g", "gain: 1", 0.009_806_65),
        ("kg", "newton_per_unit: 9.81", 9.81),
        ("lb", "gain: 1", 4.448_221_615),
        ("xx", "newton_per_unit: 3", 3.0),
    ],
)
def test_units_of_an_indicator(unit: str, said: str, newton_per_unit: float) -> None:
    file = station_of(f"unit: {unit}, calibration: {{{said}, certificate: C, calibrated_on: 2026-03-02}}")
    assert file.problems == ()
    load_cell = file.rigs["rig1"].load_cell
    assert load_cell is not None
    assert load_cell.newton_per_unit == pytest.approx(newton_per_unit)


def test_a_bench_owns_time_when_everything_is_on_this_machine() -> None:
    file = station_of(CALIBRATED, top=BENCH, address="/dev/pts/4")
    assert file.problems == ()
    assert file.station is not None
    assert file.station.bench is not None
    assert file.station.bench.control == "127.0.0.1:4000"
    (real,) = station_of(CALIBRATED, top=BENCH).problems
    assert real.path == "rigs.rig1.load_cell.address"


def test_a_wrong_instrument_leaves_the_others() -> None:
    rig = read(MALFORMED / "addresses.yaml").rigs["rig1"]
    assert set(rig.instruments) == {"thermometer"}


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1:5025", True),
        ("127.8.0.1:5025", True),
        ("localhost:5025", True),
        ("socket://localhost:4001", True),
        ("/dev/pts/12", True),
        ("TCPIP0::127.0.0.1::5025::SOCKET", True),
        ("192.168.1.20:5025", False),
        ("pstat.lab:5025", False),
        ("/dev/ttyUSB0", False),
        ("/dev/serial/by-id/usb-x", False),
        ("TCPIP0::10.0.0.2::5025::SOCKET", False),
        ("USB0::0x05E6::0x2450::04451117::INSTR", False),
    ],
)
def test_where_a_simulated_instrument_can_be(address: str, *, here: bool) -> None:
    assert is_on_this_machine(address) is here


@settings(max_examples=100)
@given(st.data())
def test_the_example_with_characters_changed(data: st.DataObject) -> None:
    changed = list((CONFIG / "station.example.yaml").read_text())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.sampled_from(["", *"{}[],:?-&*!|>'\"%@`# \n\t~<=019abxE+/_.\x00é"]))
    file = load_station("".join(changed), "station.yaml")
    assert all(problem.line >= 1 and problem.column >= 1 and problem.what for problem in file.problems)
    if not errors_in(file.problems):
        assert file.station is not None
        assert [rig_wiring(name, rig, 10.0).name for name, rig in file.rigs.items()] == list(file.rigs)


@given(st.text())
def test_any_text_is_no_station(text: str) -> None:
    assert errors_in(load_station(text, "station.yaml").problems)


def test_a_mill_is_a_rig_of_its_own() -> None:
    text = "site: s\nstation: t\ndata: /d\nrigs:\n  mill:\n    mill_drive:\n"
    text += '      {driver: delta.vfd, address: "10.0.0.9:4001", highest_rpm: 4200, character: "8N2", bus_address: 3}\n'
    file = load_station(text, "station.yaml")
    assert file.problems == ()
    said = file.rigs["mill"].mill_drive
    assert said is not None
    assert said.loss_stop_s == 3
    assert mill_drive_connection("mill.mill_drive", said) == MillDriveConnection(
        name="mill.mill_drive", address="10.0.0.9:4001", highest_rpm=4200, character="8N2", bus_address=3
    )


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("bus_address: 248", "1 to 247"),
        ('character: "7E1"', "write"),
        ("highest_rpm: 0", "0"),
        ("driver: ls.ig5", "ls.ig5a"),
    ],
)
def test_a_mill_drive_is_refused_where_it_is_wrong(setting: str, word: str) -> None:
    fields = {"driver": "ls.ig5a", "address": "/dev/ttyUSB0", "highest_rpm": "4000"}
    key, _, value = setting.partition(": ")
    fields[key] = value
    text = "site: s\nstation: t\ndata: /d\nrigs:\n  mill:\n    mill_drive:\n"
    text += "".join(f"      {name}: {value}\n" for name, value in fields.items())
    [problem] = load_station(text, "station.yaml").problems
    assert word in str(problem)

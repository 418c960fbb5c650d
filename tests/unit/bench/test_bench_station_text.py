"""The station file that a bench writes of itself: every simulated instrument with the driver that speaks to it."""

from pathlib import Path
from typing import Any

import pytest

from daemon.station.instruments import load_station, rig_wiring
from protocols.source import read_source
from simulators.bench_file import load_bench_file, read_bench
from simulators.instrument_sections import SECTIONS_BY_TAG
from simulators.station_file import MARK, NotOursError, must_be_ours, station_text, write_station

BENCHES = sorted((Path(__file__).parents[3] / "config" / "bench").glob("*.yaml"))
HEAD = "name: my_bench\nspeed: 100\ncell: {sample: BM-05}\ninstruments:\n"
TCP = "transport: {kind: tcp, port: 0}"
CONTROL = "127.0.0.1:4000"
INSTRUMENTS = [
    ('model: "2450", role: potentiostat, serial_number: "04451117", firmware: 1.7.12b', "keithley.2450"),
    ('model: "2460", role: potentiostat, serial_number: "4", firmware: 1.7.12b', "keithley.2460"),
    ('model: "2461", role: potentiostat, serial_number: "007", firmware: 1.7.12b', "keithley.2461"),
    ("model: and_indicator, role: load_cell", "and.indicator"),
    ("model: and_indicator, role: load_cell, setup: {streaming: false, bus_address: 5}", "and.indicator_asked"),
    ("model: and_indicator, role: load_cell, setup: {form: cas}", "cas.indicator"),
    ("model: and_indicator, role: load_cell, setup: {form: cas_and}", "cas.indicator_asked"),
    ("model: mettler_sics, role: load_cell, setup: {unit: N, capacity: 5000}", "mettler.sics"),
    ("model: laumas, role: load_cell, setup: {unit: kg}", "laumas.transmitter"),
    ("model: adam_4015, role: thermometer", "advantech.adam_4015"),
    ("model: lakeshore_218, role: thermometer, probes: [{channel: 3, place: jig}]", "lakeshore.218"),
    ("model: espec, role: chamber", "espec.chamber"),
    ("model: votsch, role: chamber, bus_address: 4", "votsch.chamber"),
    ("model: lauda, role: chiller, safe_mode: true", "lauda.chiller"),
    ("model: julabo, role: chiller, bus_address: 7", "julabo.chiller"),
    ("model: huber, role: chiller", "huber.chiller"),
    ("model: ls_ig5a, role: mill_drive", "ls.ig5a"),
    ("model: ls_s100, role: mill_drive", "ls.s100"),
    ("model: delta_vfd, role: mill_drive, bus_address: 3", "delta.vfd"),
]


def text_of(content: Any) -> str:
    """With addresses of this machine, one each."""
    names = [section.name for section in content.all_instruments]
    addresses = {name: f"127.0.0.1:{5000 + number}" for number, name in enumerate(names)}
    return station_text(content, CONTROL, addresses, data=Path("/tmp/a b/data"), day="2026-03-31")


@pytest.mark.parametrize(("said", "driver"), INSTRUMENTS, ids=[driver for _, driver in INSTRUMENTS])
def test_an_instrument_is_given_its_driver(said: str, driver: str) -> None:
    beside = "" if "potentiostat" in said or "mill" in said else f"  - {{name: smu, {INSTRUMENTS[0][0]}, {TCP}}}\n"
    content = read_bench(f"{HEAD}  - {{name: one, {said}, {TCP}}}\n{beside}".encode(), "bench.yaml")
    text = text_of(content)
    station = load_station(text, "s.yaml", today="2026-03-31")
    assert station.problems == ()
    (instrument,) = (one for one in station.rigs["rig1"].instruments.values() if one.driver == driver)
    assert instrument.address == "127.0.0.1:5000"
    assert rig_wiring("rig1", station.rigs["rig1"], 10.0, station.shared).name == "rig1"


@pytest.mark.parametrize("name", ["my_bench", "bench-", "a_-"])
def test_any_name_of_a_bench_makes_a_station_in_order(name: str) -> None:
    text = f"{HEAD.replace('my_bench', name)}  - {{name: smu, {INSTRUMENTS[0][0]}, {TCP}}}\n"
    assert load_station(text_of(read_bench(text.encode(), "bench.yaml")), "s.yaml").problems == ()


def test_every_model_has_a_driver() -> None:
    said = " ".join(words for words, _ in INSTRUMENTS)
    assert [tag for tag in SECTIONS_BY_TAG if tag not in ("tcp", "pty") and tag not in said] == []


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_the_benches_that_come_with_it_make_stations_in_order(path: Path) -> None:
    content = load_bench_file(path).content
    station = load_station(text_of(content), "s.yaml", today="2026-03-31")
    assert station.problems == ()
    assert len(station.rigs) == len(content.jigs)
    assert station.station is not None
    assert station.station.bench is not None
    assert station.station.bench.control == CONTROL


@pytest.mark.parametrize(
    ("speed", "pace", "every_s", "said"),
    [
        ("1", 1.0, 1.0, INSTRUMENTS[0][0]),
        ("60", 60.0, 6.0, INSTRUMENTS[0][0]),
        ("5000", 5000.0, 10.0, INSTRUMENTS[0][0]),
        ("0", None, 10.0, INSTRUMENTS[0][0]),
        ("5000", 5000.0, 1.0, INSTRUMENTS[16][0]),
    ],
    ids=["real time", "faster", "fast", "as fast as it goes", "a blade whose drive wants to be spoken to"],
)
def test_looks_are_as_seldom_as_the_pace_needs(speed: str, pace: float | None, every_s: float, said: str) -> None:
    text = f"{HEAD.replace('speed: 100', f'speed: {speed}')}  - {{name: one, {said}, {TCP}}}\n"
    station = load_station(text_of(read_bench(text.encode(), "bench.yaml")), "s.yaml").station
    assert station is not None
    assert station.bench is not None
    assert (station.bench.pace, station.supervise_every_s) == (pace, every_s)


def test_the_line_for_a_broker_is_in_order_without_its_first_character() -> None:
    text = text_of(load_bench_file(BENCHES[0]).content)
    with_broker = text.replace("# mqtt:", "mqtt:")
    assert with_broker != text
    station = load_station(with_broker, "s.yaml").station
    assert station is not None
    assert station.mqtt is not None
    assert station.mqtt.broker == "127.0.0.1:1883"


def test_a_file_of_somebody_s_own_is_never_written_over(tmp_path: Path) -> None:
    content, path = load_bench_file(BENCHES[0]).content, tmp_path / "station.yaml"
    addresses = {section.name: "127.0.0.1:1" for section in content.all_instruments}
    must_be_ours(path)
    write_station(path, content, CONTROL, addresses, "2026-03-31")
    assert path.read_text().startswith(MARK)
    source = read_source(path.read_text(), "station.yaml").value
    assert isinstance(source, dict)
    assert source["data"] == str(tmp_path / "data")
    must_be_ours(path)
    path.write_text("site: mine\n")
    with pytest.raises(NotOursError, match="no bench has written it"):
        must_be_ours(path)

"""Bench files: what is right is read, what is wrong is told by place."""

import dataclasses
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.assemble import assemble, make_cell
from simulators.bench_file import BenchFileError, LoadedBenchFile, load_bench_file, read_bench
from simulators.cell import BARE, BM_05, vary
from simulators.device import SECOND_NS
from simulators.force_display import ForceSensor, IndicatorSetup
from simulators.log import BenchLog

SHIPPED = sorted((Path(__file__).parents[3] / "config" / "bench").glob("*.yaml"))
SINGLE = next(path for path in SHIPPED if path.stem == "single")
TEXT = """\
# A bench
# with all there can be.
name: single
seed: 1
speed: 1

cell:
  sample: BM-05
  chamber_temperature_C: 55
  torque_Nm: 5

window: {lower_voltage_V: 1.95, upper_voltage_V: 3.75}

instruments:
  - name: potentiostat
    model: "2450"
    role: potentiostat
    serial_number: "04451117"
    firmware: 1.7.12b
    transport: {kind: tcp, port: 0}
  - name: load_cell
    model: and_indicator
    role: load_cell
    sensor: {nominal_N: 2000, zero_N: 40, reference_temperature_C: 30, noise_kPa: 3}
    setup: {unit: N, decimals: 1, division: 1, capacity: 1500, display_Hz: 2}
    transport: {kind: pty}
  - name: thermometer
    model: adam_4015
    role: thermometer
    probes: [{channel: 4, place: air}, {channel: 5, place: jig, offset_K: 0.5}]
    transport: {kind: tcp}
  - name: chamber
    model: espec
    role: chamber
    setpoint_temperature_C: 60
    build: {heating_K_per_min: 2}
    transport: {kind: tcp}
"""
FIRST_INSTRUMENT = TEXT[TEXT.index("  - name: potentiostat") : TEXT.index("  - name: load_cell")]


def problems_of(text):
    with pytest.raises(BenchFileError) as caught:
        read_bench(text.encode(), "b.yaml")
    return [str(problem) for problem in caught.value.problems]


BESIDE_THE_CELL = {"load_cell", "thermometer", "chamber"}
ROLES = {
    "log_only": BESIDE_THE_CELL,
    "potentiostat_only": {"potentiostat"},
    "mill": {"mill_drive", "chiller"},
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shipped_is_right_and_named_by_role(path):
    content = load_bench_file(path).content
    for jig in content.jigs:
        instruments = (*jig.instruments, *content.shared)
        assert [one.name.removeprefix(f"{jig.name}.") for one in instruments] == [one.role for one in instruments]
        roles = {instrument.role for instrument in instruments}
        assert roles == ROLES.get(path.stem, {"potentiostat", *BESIDE_THE_CELL})


def test_a_cell_is_made_as_the_file_says():
    text = TEXT.replace("torque_Nm: 5", "torque_Nm: 4\n  start_temperature_C: 25\n  parameters: {slow_weight: 0.3}")
    section = read_bench(text.encode(), "b.yaml").cell
    cell = make_cell(section)
    assert cell.parameters == dataclasses.replace(BM_05, slow_weight=0.3)
    assert (cell.chamber_celsius, cell.torque_newton_metre, cell.state.celsius) == (55, 4, 25)


def test_another_pellet_of_the_other_sample():
    text = TEXT.replace("sample: BM-05", "sample: bare\n  spread_seed: 3")
    assert make_cell(read_bench(text.encode(), "b.yaml").cell).parameters == vary(BARE, 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T09:00:00+09:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01 00:00:00.5", datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=0.5)),
    ],
)
def test_the_start_may_be_a_date(value, expected):
    assert read_bench(f"{TEXT}utc_start: {value}\n".encode(), "b.yaml").utc_start == expected


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "sample: BM-05",
            "sampel: BM-05",
            ["7:1  cell.sample  is missing", "8:3  cell.sampel  unknown field  did you"],
        ),
        ("speed: 1", "speed: -1", ["5:8  speed  input should be greater than or equal to 0, found -1"]),
        ("speed: 1", "speed: fast", ["5:8  speed  expected a number, found 'fast'"]),
        ("speed: 1", "speed: true", ["5:8  speed  expected a number, found True"]),
        ("speed: 1", "speed: .inf", ["5:8  speed  input should be a finite number, found inf"]),
        ("torque_Nm: 5", "torque_Nm: 5,5", ["10:14  cell.torque_Nm  expected a number, found '5,5'  write 5.5"]),
        ("lower_voltage_V: 1.95", "lower_voltage_V: 4", ["12:1  window  the window is empty  lower_voltage_V must"]),
        ("BM-05", "BM-07", ["8:11  cell.sample  input should be 'BM-05' or 'bare', found 'BM-07'"]),
        ('"2450"', "2450", ["16:12  instruments[1].model  "]),
        (
            '"04451117"',
            "04451117",
            ["18:20  instruments[1].serial_number  expected text, found 4451117  write it in q"],
        ),
        ("port: 0", "port: 70000", ["20:34  instruments[1].transport.port  input should be less than or equal"]),
        ("kind: tcp", "kind: gpib", ["20:23  instruments[1].transport.kind  input should be 'tcp', found 'gpib'"]),
        ('"2450"', '"2460a"', ["16:12  instruments[1].model  nothing here is called '2460a'  did you mean 2460?"]),
        ("    model: and_indicator\n", "", ["21:5  instruments[2].model  is missing"]),
        ("role: chamber", "role: oven", ["34:11  instruments[4].role  input should be 'chamber', found 'oven'"]),
        ("nominal_N", "nominl_N", ["24:14  instruments[2].sensor.nominl_N  unknown field  did you mean nominal_N?"]),
        ("unit: N", "unit: stone", ["25:5  instruments[2].setup  unit 'st"]),
        ("capacity: 1500", "capacity: 1e9", ["25:5  instruments[2].setup  a capacity of 1000000000.0 N has more"]),
        ("{kind: pty}", "{kind: pty, port: 0}", ["26:28  instruments[2].transport.port  unknown field  write one of"]),
        (
            "{kind: pty}",
            "{kind: usb}",
            ["26:23  instruments[2].transport.kind  nothing here is called 'usb'  write one"],
        ),
        ("channel: 4", "channel: 5", ["27:5  instruments[3]  channel 5 has two probes  give each a channel of"]),
        ("channel: 4", "channel: 6", ["27:5  instruments[3]  the channels of this model are 0 to 5"]),
        ("place: jig", "place: oven", ["30:60  instruments[3].probes[2].place  input should be 'jig' or 'air', fo"]),
        ("temperature_C: 60", "temperature_C: 150", ["32:5  instruments[4]  the setpoint is not between low_limit_t"]),
        (
            "heating_K_per_min: 2",
            "heating_K: 2",
            ["36:13  instruments[4].build.heating_K  unknown field  did you mean"],
        ),
        ("torque_Nm: 5", "parameters: {slow_wieght: 1}", ["10:16  cell.parameters.slow_wieght  unknown field  did y"]),
        ("seed: 1", "seed: 1\nseed: 2", ['5:1  found duplicate key "seed" with value "2" (original value: "1")']),
        ("seed: 1", "seed: [1", ["5:6  expected ',' or ']', but got ':'"]),
        ("seed: 1", "seed: 1\n2: 3", ["5:4  2  2 is no name of a field  a number has a point, not a comma"]),
    ],
)
def test_what_is_wrong_is_told_by_place(old, new, told):
    assert old in TEXT
    found = problems_of(TEXT.replace(old, new, 1))
    assert len(found) == len(told)
    for problem, beginning in zip(found, told, strict=True):
        assert problem.startswith(f"b.yaml:{beginning}")


@pytest.mark.parametrize("text", ["", "- 1", "5", "name: [", "\x00", "a: 1\n---\nb: 2\n"])
def test_what_is_no_bench_file_at_all_is_told(text):
    assert problems_of(text)


def test_bytes_that_are_no_text_are_told():
    with pytest.raises(BenchFileError, match="UTF-8"):
        read_bench(b"name: \xff\n", "b.yaml")


@given(text=st.text(alphabet=st.sampled_from("abcn:-{}[]\"',. \n\t#&*!1"), max_size=60))
def test_no_text_breaks_it(text):
    with pytest.raises(BenchFileError):
        read_bench(text.encode(), "b.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT + FIRST_INSTRUMENT, "two instruments are called potentiostat"),
        (TEXT + FIRST_INSTRUMENT.replace("name: potentiostat", "name: other"), "two instruments are the potentiostat"),
    ],
)
def test_wiring_that_cannot_be_is_refused(text, words):
    (problem,) = problems_of(text)
    assert words in problem


async def test_the_log_starts_with_what_the_bench_is():
    text = io.StringIO()
    assembly = assemble(load_bench_file(SINGLE), BenchLog(text), 1_700_000_000.9)
    assembly.close()
    start, output = [json.loads(line) for line in text.getvalue().splitlines()]
    assert (start["event"], start["seed"], start["utc_start"]) == ("start", 1, "2023-11-14T22:13:20+00:00")
    assert start["instruments"][0]["serial_number"] == "04451117"
    assert assembly.laboratory.hello()["utc_second"] == 1_700_000_000
    assert (output["instrument"], output["output"], output["relay"]) == ("potentiostat", "off", "closed")


def test_a_log_goes_on_where_it_ended(tmp_path):
    for text in ("one", "two"):
        log = BenchLog.at(tmp_path / "log.jsonl")
        log.write(1_500_000_000, "note", text=text)
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [{"bench_second": 1.5, "event": "note", "text": text} for text in ("one", "two")]


@pytest.fixture
def assembled():
    """Makes the bench of a file's text; its instruments by name."""
    made = []

    def make(text):
        loaded = LoadedBenchFile(read_bench(text.encode(), "b.yaml"), "")
        made.append(assemble(loaded, BenchLog(None), 0.0))
        return made[-1].bench.devices

    yield make
    for assembly in made:
        assembly.close()


async def test_instruments_are_made_as_the_file_says(assembled):
    devices = assembled(TEXT)
    sensor, setup = devices["load_cell"].sensor, devices["load_cell"].setup
    assert sensor == ForceSensor(nominal_newton=2000, zero_newton=40, reference_celsius=30, noise_kilopascal=3)
    assert setup == IndicatorSetup(unit="N", decimals=1, division=1, capacity=1500, display_hertz=2)
    assert sorted(devices["thermometer"].probes) == [4, 5]
    chamber, thermometer = devices["chamber"], devices["thermometer"]
    assert chamber.receive(b"TEMP?\r\n", 0).endswith(b",60.0,140.0,-50.0\r\n")
    assert chamber.run_to(60 * SECOND_NS) == 10 * SECOND_NS
    celsius = [float(thermometer.receive(b"#01%d\r" % channel, 0)[1:]) for channel in (4, 5)]
    assert celsius == pytest.approx([55.0, 55.5], abs=0.2)


async def test_noise_may_be_off(assembled):
    devices = assembled(TEXT + "noise: false\n")
    assert devices["load_cell"].sensor.noise_kilopascal == 0
    values = {devices["thermometer"].receive(b"#015\r", second * SECOND_NS) for second in range(20)}
    assert values == {b">+055.50\r"}


async def test_without_a_chamber_the_air_is_as_the_file_says(assembled):
    devices = assembled(TEXT[: TEXT.index("  - name: chamber")] + "noise: false\n")
    assert devices["thermometer"].receive(b"#014\r", 0) == b">+055.00\r"


def test_a_terminal_may_have_a_path_of_its_own(assembled, tmp_path):
    link = tmp_path / "load_cell"
    assembled(TEXT.replace("{kind: pty}", f"{{kind: pty, link: {link}}}"))
    assert link.resolve().is_char_device()

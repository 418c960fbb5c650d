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
from simulators.bench_file import BenchFileError, load_bench_file, read_bench
from simulators.cell import BARE, BM_05, vary
from simulators.log import BenchLog

SHIPPED = sorted((Path(__file__).parents[3] / "config" / "bench").glob("*.yaml"))
SINGLE = next(path for path in SHIPPED if path.stem == "single")
TEXT = SINGLE.read_text(encoding="utf-8")


def problems_of(text):
    with pytest.raises(BenchFileError) as caught:
        read_bench(text.encode(), "b.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_shipped_is_right(path):
    content = load_bench_file(path).content
    assert [instrument.role for instrument in content.instruments].count("potentiostat") == 1


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
        (TEXT + TEXT[TEXT.index("  - name") :], "two instruments are called potentiostat"),
        (TEXT + TEXT[TEXT.index("  - name") :].replace("- name: potentiostat", "- name: other"), "two potentiostats"),
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

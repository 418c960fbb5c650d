"""`presscell doctor` over a simulated laboratory: what is well, what is not, and what it leaves alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.store.lock import OwnerLock
from tests.support.command_line import CommandLine
from tests.support.station import Station, first_line

BENCH_FILE = Path(__file__).parents[2] / "config" / "bench" / "single.yaml"
STATION = """\
site: lab
station: pc
data: {data}
bench: {{control: "{control}"}}
rigs:
  rig1:
    potentiostat: {{driver: keithley.2450, address: "{potentiostat}", serial_number: "04451117"}}
    load_cell:
      driver: and.indicator
      address: {load_cell}
      unit: kg
      nominal_newton: 5000
      serial_number: Q1
      calibration: {{gain: 1.0, certificate: C-1, calibrated_on: 2026-03-02, valid_until: 2099-03-01}}
    thermometer: {{driver: advantech.adam_4015, address: "{thermometer}", channels: {{jig: 0, air: 1}}}}
    chamber: {{driver: espec.chamber, address: "{chamber}"}}
    fixture: {{diameter_mm: 10}}
"""
REST = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
REST += "  - {step: open_circuit_voltage, id: rest, until_time: 100 h}\n"


class Laboratory:
    """A bench at its own pace, a station file for it, and the doctor."""

    def __init__(self, folder: Path) -> None:
        self.command_line = CommandLine(folder)
        self.path = folder / "station.yaml"
        self.bench = subprocess.Popen(
            [sys.executable, "-m", "simulators", str(BENCH_FILE), "--log", str(folder / "bench.jsonl")],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.hello = json.loads(first_line(self.bench))
        addresses = {name: cable["address"] for name, cable in self.hello["cables"].items()}
        text = STATION.format(data=folder / "data", control=self.hello["control"], **addresses)
        self.path.write_text(text, encoding="utf-8")

    def replace(self, old: str, new: str) -> None:
        text = self.path.read_text(encoding="utf-8")
        assert old in text
        self.path.write_text(text.replace(old, new), encoding="utf-8")

    def examined(self) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
        return examined(self.command_line)

    def close(self) -> None:
        self.bench.terminate()
        self.bench.wait()
        self.bench.stdout.close()


def examined(command_line: CommandLine) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
    """Exit code, and the findings by subject and check."""
    done = command_line.run("doctor", "station.yaml", "--json")
    assert done.stdout, done.stderr
    return done.returncode, {(found["subject"], found["check"]): found for found in json.loads(done.stdout)}


def failures(found: dict[tuple[str, str], dict[str, str]]) -> list[tuple[str, str]]:
    return [where for where, finding in found.items() if finding["grade"] == "fail"]


def heard_by_instruments(station: Station) -> dict[str, int]:
    """How many bytes have come to each instrument of a station's bench."""
    control = re.search(r'control: "(.*?):(.*?)"', (station.folder / "station.yaml").read_text())
    with socket.create_connection((control[1], int(control[2]))) as connection, connection.makefile("rw") as lines:
        lines.write('{"id": 1, "do": "hello"}\n')
        lines.flush()
        cables = json.loads(lines.readline())["cables"]
    assert all(cable["received_total"] for cable in cables.values())
    return {name: cable["received_total"] for name, cable in cables.items()}


@pytest.fixture
def laboratory(tmp_path):
    made = Laboratory(tmp_path)
    yield made
    made.close()


@pytest.fixture
def station(tmp_path):
    made = Station(tmp_path)
    made.start_bench()
    yield made
    made.close()


def test_all_instruments_are_identified_and_read(laboratory):
    code, found = laboratory.examined()
    assert (code, failures(found)) == (0, [])
    assert "04451117 1.7.12b: the serial number is the station's" in found["rig1.potentiostat", "identity"]["text"]
    assert found["rig1.potentiostat", "terminals"]["text"].endswith("a run selects the station's")
    assert found["rig1.potentiostat", "output"]["text"] == "off"
    assert found["rig1.potentiostat", "off-state"]["grade"] == "warn"
    assert found["rig1.load_cell", "identity"]["text"] == "A&D Q1, as the station says: it can't be asked who it is"
    assert found["rig1.load_cell", "readings"]["text"].endswith(" kg")
    assert float(found["rig1.thermometer", "jig"]["text"].removesuffix(" °C")) == pytest.approx(25, abs=0.5)
    assert found["rig1.chamber", "readings"]["text"].startswith("air 2")
    assert all(finding["fix"] for finding in found.values() if finding["grade"] != "ok")
    assert not any(finding["fix"] for finding in found.values() if finding["grade"] == "ok")
    log = [json.loads(line) for line in (laboratory.command_line.folder / "bench.jsonl").read_text().splitlines()]
    assert [line for line in log if line["bench_second"] > 0] == []
    assert not (laboratory.command_line.folder / "data").exists()


def test_one_line_a_finding_with_its_fix(laboratory):
    laboratory.replace("jig: 0, air: 1", "jig: 0, air: 5")
    done = laboratory.command_line.run("doctor", "station.yaml")
    assert done.returncode == 1
    assert "fail  rig1.thermometer, air: no sensor, or its wire is broken\n      → look at its plug" in done.stdout
    assert "ok    rig1.chamber, identity: " in done.stdout


def test_what_is_wrong_with_one_instrument_harms_no_other(laboratory):
    with socket.socket() as mute, socket.socket() as closed:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        closed.bind(("127.0.0.1", 0))
        laboratory.replace("04451117", "04451118")
        cables = laboratory.hello["cables"]
        laboratory.replace(cables["thermometer"]["address"], f"127.0.0.1:{mute.getsockname()[1]}")
        laboratory.replace("channels: {jig: 0, air: 1}", "channels: {jig: 0, air: 1}, timeout_s: 0.2")
        laboratory.replace(cables["chamber"]["address"], f"127.0.0.1:{closed.getsockname()[1]}")
        laboratory.replace("unit: kg", "unit: N")
        laboratory.replace("2099-03-01", "2026-03-03")
        code, found = laboratory.examined()
    assert code == 1
    assert set(failures(found)) == {
        ("rig1.load_cell", "calibration"),
        ("rig1.load_cell", "readings"),
        ("rig1.potentiostat", "identity"),
        ("rig1.thermometer", "identity"),
        ("rig1.chamber", "identity"),
    }
    assert "04451118" in found["rig1.potentiostat", "identity"]["text"]
    assert "no reply" in found["rig1.thermometer", "identity"]["text"]
    assert "no connection" in found["rig1.chamber", "identity"]["text"]
    assert "no frame of the kind" in found["rig1.load_cell", "readings"]["text"]


def test_a_port_that_is_not_there_is_not_opened(laboratory):
    laboratory.replace(laboratory.hello["cables"]["load_cell"]["address"], "/dev/pts/nothing")
    code, found = laboratory.examined()
    assert code == 1
    assert "is not there" in found["rig1.load_cell", "port"]["text"]
    assert ("rig1.load_cell", "identity") not in found


def test_a_broker_that_is_not_there(laboratory):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        laboratory.replace("rigs:\n", f"mqtt: {{broker: 127.0.0.1:{closed.getsockname()[1]}}}\nrigs:\n")
        code, found = laboratory.examined()
    assert code == 1
    assert failures(found) == [("broker", "reachable")]


def test_a_file_that_is_wrong_is_told_and_the_rest_is_looked_at(laboratory):
    laboratory.replace("driver: espec.chamber", "driver: espec.chambre")
    code, found = laboratory.examined()
    assert code == 1
    assert failures(found) == [("station file", "words")]
    assert ("rig1.thermometer", "jig") in found


def test_the_instruments_of_a_running_daemon_are_left_to_it(station):
    station.serve()
    code, found = examined(station.command_line)
    assert (code, failures(found)) == (0, [])
    assert "owns the instruments" in found["daemon", "running"]["text"]
    assert found["rig1", "state"]["text"] == "free"
    assert not any(subject == "rig1.potentiostat" for subject, _ in found)


def test_the_instruments_of_an_unfinished_run_are_not_touched(station):
    daemon = station.serve()
    run_id = station.run(REST)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    before = heard_by_instruments(station)
    code, found = examined(station.command_line)
    assert code == 0
    assert run_id in found["daemon", "unfinished run"]["text"]
    assert not any(subject == "rig1.potentiostat" for subject, _ in found)
    assert heard_by_instruments(station) == before


def test_a_lock_without_a_daemon_that_answers(laboratory):
    data = laboratory.command_line.folder / "data"
    data.mkdir()
    lock = OwnerLock(data / "station")
    try:
        code, found = laboratory.examined()
    finally:
        lock.release()
    assert code == 1
    assert failures(found) == [("daemon", "running")]
    assert str(os.getpid()) in found["daemon", "running"]["text"]
    assert ("rig1.chamber", "identity") not in found


def test_no_daemon_can_start_meanwhile_and_the_directory_is_free_after(laboratory):
    data = laboratory.command_line.folder / "data"
    data.mkdir()
    code, _ = laboratory.examined()
    assert code == 0
    OwnerLock(data / "station").release()
    assert [path.name for path in data.iterdir()] == ["station.lock"]

"""`presscell calibrate` on a simulated load cell that is known to be wrong: known forces go on by the control port."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protocols.calibration import CalibrationRead, read_calibration
from tests.support.command_line import CommandLine
from tests.support.station import CELL, first_line

GAIN_ERROR, ZERO_NEWTON, NEWTON_PER_KG = 0.02, 12.0, 9.80665
ZERO_DRIFT_NEWTON_PER_K, SPAN_DRIFT_PER_K = 5000 * 1e-4, 2e-4
BENCH = f"""\
name: calibration
seed: 3
speed: 0
cell: {{sample: BM-05, chamber_temperature_C: 25, torque_Nm: 0}}
instruments:
  - name: load_cell
    model: and_indicator
    role: load_cell
    sensor:
      {{zero_N: {ZERO_NEWTON}, gain_error: {GAIN_ERROR}, zero_drift_per_K: 1e-4, span_drift_per_K: {SPAN_DRIFT_PER_K}}}
    setup: {{unit: kg, capacity: 500, decimals: 2, division: 2, display_Hz: 10}}
    transport: {{kind: tcp, port: 0}}
  - name: thermometer
    model: adam_4015
    role: thermometer
    transport: {{kind: tcp, port: 0}}
  - name: chamber
    model: espec
    role: chamber
    transport: {{kind: tcp, port: 0}}
"""
LOG_ONLY = "method:\n  - {step: open_circuit_voltage, until_time: 60 s, unbounded: true}\n"
REFERENCE = ("--reference-certificate", "KTL 2026-0311", "--reference-uncertainty-percent", "0.02")


@dataclass
class Bench:
    """A simulated load cell with a thermometer and a chamber, and the station that has them."""

    folder: Path
    process: subprocess.Popen[str]
    hello: dict[str, Any]
    force_newton: float = 0.0
    daemons: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def command_line(self) -> CommandLine:
        return CommandLine(self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "lc1.yaml"

    def write_station(self, calibration: str, pace: str = "") -> None:
        address = {name: cable["address"] for name, cable in self.hello["cables"].items()}
        (self.folder / "station.yaml").write_text(
            f"site: lab\nstation: tested\ndata: {self.command_line.data}\nsupervise_every_s: 10\n"
            f'bench: {{control: "{self.hello["control"]}", on_owner_lost: freeze{pace}}}\n'
            "rigs:\n  rig1:\n"
            f'    load_cell: {{driver: and.indicator, address: "{address["load_cell"]}", unit: kg, '
            f"nominal_newton: 5000, calibration: {{{calibration}}}}}\n"
            f'    thermometer: {{driver: advantech.adam_4015, address: "{address["thermometer"]}", '
            "channels: {jig: 0}}\n"
            "    fixture: {diameter_mm: 10}\n"
        )

    def ask(self, verb: str, **said: object) -> dict[str, Any]:
        host, _, port = self.hello["control"].rpartition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rw") as lines:
            lines.write(json.dumps({"id": 1, "do": verb, **said}) + "\n")
            lines.flush()
            answer = json.loads(lines.readline())
        assert answer["ok"], answer
        return answer

    def put_on(self, newton: float) -> None:
        self.ask("fault", cable="load_cell", kind="step", newton=newton - self.force_newton)
        self.force_newton = newton

    def warm(self, celsius: float) -> None:
        """The chamber's own panel."""
        host, _, port = self.hello["cables"]["chamber"]["address"].rpartition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rwb") as lines:
            lines.write(f"TEMP, S{celsius:.1f}\r\n".encode())
            lines.flush()
            assert lines.readline().startswith(b"OK")

    def let_pass(self, second: float) -> None:
        """Time that nobody owns."""
        host, _, port = self.hello["control"].rpartition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rw") as lines:
            now = self.ask("hello")["now_second"]
            for number, (verb, said) in enumerate(
                (("own", {"speed": "max", "on_owner_lost": "freeze"}), ("advance", {"to_second": now + second}))
            ):
                lines.write(json.dumps({"id": number, "do": verb, **said}) + "\n")
                lines.flush()
                assert json.loads(lines.readline())["ok"]

    def serve(self, *words: str) -> subprocess.Popen[str]:
        """A daemon that is ready to be asked; its words go nowhere."""
        arguments = self.command_line.arguments("serve", "station.yaml", *words)
        daemon = subprocess.Popen(arguments, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.daemons.append(daemon)
        assert " serves " in first_line(daemon, "stderr")
        return daemon

    def begin_run(self) -> str:
        protocol = self.command_line.write("protocol.yaml", LOG_ONLY)
        data = ("--data", str(self.command_line.data))
        begun = self.command_line.run("run", str(protocol), "--rig", "rig1", "--cell", str(CELL), *data)
        assert begun.returncode == 0, begun.stderr
        return begun.stdout.strip()

    def calibrate(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.command_line.run("calibrate", "station.yaml", "--rig", "rig1", *words)

    def guided(self, forces: list[Callable[[], float]], *words: str) -> tuple[int, str, str]:
        """The verb with a person at the keyboard, who puts a known force on for each point and types what it is."""
        arguments = self.command_line.arguments("calibrate", "station.yaml", "--rig", "rig1", *words)
        pipe = subprocess.PIPE
        with subprocess.Popen(arguments, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as person:
            assert person.stdin is not None
            assert person.stderr is not None
            assert person.stdout is not None
            for put_on in forces:
                self.until(person, "forget the last]")
                newton = put_on()
                _type(person, "")
                self.until(person, "leave this one out]")
                _type(person, f"{newton / NEWTON_PER_KG:.6f} kgf")
            self.until(person, "forget the last]")
            _type(person, "end")
            person.stdin.close()
            return person.wait(60), person.stdout.read(), person.stderr.read()

    def until(self, person: subprocess.Popen[str], *words: str) -> str:
        """Read what is said until it ends with one of these; fails when the process ends before."""
        assert person.stderr is not None
        heard = ""
        while not heard.endswith(words):
            character = person.stderr.read(1)
            assert character, heard
            heard += character
            assert not heard.endswith("It is not steady"), heard
        return heard

    def read(self, path: Path | None = None) -> CalibrationRead:
        path = path or self.file
        read = read_calibration(path.read_text(), path.name)
        assert read.problems == ()
        return read


def _type(person: subprocess.Popen[str], line: str) -> None:
    assert person.stdin is not None
    person.stdin.write(line + "\n")
    person.stdin.flush()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "bench.yaml").write_text(BENCH)
    command = [sys.executable, "-m", "simulators", "bench.yaml", "--log", "bench.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        made = Bench(tmp_path, process, json.loads(first_line(process)))
        made.write_station(f"file: {made.file}")
        yield made
        for daemon in made.daemons:
            daemon.kill()
            daemon.communicate()
        process.kill()


def test_a_load_cell_that_is_wrong_is_put_right(bench: Bench) -> None:
    forces = [lambda newton=newton: (bench.put_on(newton), newton)[1] for newton in (0, 400, 800, 1600, 800, 400, 0)]
    code, out, words = bench.guided(forces, *REFERENCE, "--pressure-MPa", "20", "--by", "the laboratory")
    assert code == 0, words
    assert out.strip() == str(bench.file)
    read = bench.read()
    assert read.calibration is not None
    assert read.fit is not None
    assert read.calibration.simulated
    assert [point.direction for point in read.calibration.points] == ["up"] * 4 + ["down"] * 3
    assert read.fit.newton_per_unit == pytest.approx(NEWTON_PER_KG / (1 + GAIN_ERROR), rel=1e-4)
    assert read.fit.zero == pytest.approx(ZERO_NEWTON / NEWTON_PER_KG, abs=0.02)
    assert read.fit.residual_newton is not None
    assert read.fit.residual_newton < 0.2
    assert bench.file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    checked = bench.command_line.run("check", bench.file.name, "station.yaml")
    assert checked.returncode == 0, checked.stderr
    again = bench.calibrate(*REFERENCE)
    assert again.returncode == 4
    assert "Nothing is overwritten" in again.stderr


def test_who_ends_it_half_way_leaves_nothing(bench: Bench) -> None:
    pipe = subprocess.PIPE
    arguments = bench.command_line.arguments("calibrate", "station.yaml", "--rig", "rig1", *REFERENCE)
    with subprocess.Popen(arguments, cwd=bench.folder, stdin=pipe, stderr=pipe, text=True) as person:
        bench.until(person, "forget the last]")
        _type(person, "")
        bench.until(person, "leave this one out]")
        person.send_signal(signal.SIGINT)
        assert person.wait(30) == 1
    gone = bench.command_line.run("calibrate", "station.yaml", "--rig", "rig1", *REFERENCE)
    assert (gone.returncode, "Nobody answers" in gone.stderr) == (4, True), gone.stderr
    assert sorted(path.name for path in bench.folder.glob("lc1*")) == []


def test_a_lost_link_costs_no_point(bench: Bench) -> None:
    pipe = subprocess.PIPE
    arguments = bench.command_line.arguments("calibrate", "station.yaml", "--rig", "rig1", *REFERENCE)
    with subprocess.Popen(arguments, cwd=bench.folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as person:
        for newton in (0.0, 1500.0):
            bench.until(person, "forget the last]")
            bench.put_on(newton)
            _type(person, "")
            bench.until(person, "leave this one out]")
            _type(person, str(newton))
        bench.ask("fault", cable="thermometer", kind="cut")
        bench.until(person, "forget the last]")
        _type(person, "")
        lost = bench.until(person, "forget the last]")
        assert "The points so far are kept" in lost
        bench.ask("fault", cable="thermometer", kind="heal")
        bench.put_on(800.0)
        heard = lost
        while not heard.endswith("leave this one out]"):
            _type(person, "")
            heard = bench.until(person, "leave this one out]", "forget the last]")
        _type(person, "800")
        bench.until(person, "forget the last]")
        _type(person, "end")
        assert person.wait(60) == 0
    read = bench.read()
    assert read.calibration is not None
    assert [point.force_N for point in read.calibration.points] == [0, 1500, 800]


def test_over_temperature_both_drifts_are_found(bench: Bench) -> None:
    forces = [lambda newton=newton: (bench.put_on(newton), newton)[1] for newton in (0, 1000, 2000)]
    cold = bench.folder / "cold.yaml"
    assert bench.guided(forces, *REFERENCE, "--to", str(cold))[0] == 0
    bench.warm(55.0)
    bench.let_pass(4 * 3600.0)
    code, _, words = bench.guided(forces, *REFERENCE, "--more", str(cold))
    assert code == 0, words
    fit = bench.read().fit
    assert fit is not None
    assert fit.method == "over_temperature"
    assert fit.reference_celsius == pytest.approx(25.0, abs=0.5)
    gain = 1 + GAIN_ERROR
    assert fit.gain_drift_per_kelvin == pytest.approx(SPAN_DRIFT_PER_K, rel=0.05)
    assert fit.zero_drift_newton_per_kelvin == pytest.approx(ZERO_DRIFT_NEWTON_PER_K / gain, rel=0.05)


def test_a_cell_that_is_logged_as_loaded_is_not_calibrated_under(bench: Bench) -> None:
    inline = "gain: 1, certificate: C-1, calibrated_on: 2026-03-02"
    bench.write_station(inline, pace=", pace: 1")
    words = ("--to", str(bench.file), *REFERENCE)
    daemon = bench.serve()
    refused = bench.calibrate(*words)
    assert refused.returncode == 1
    assert "stop that daemon first" in refused.stderr
    run_id = bench.begin_run()
    daemon.kill()
    daemon.wait(10)
    unfinished = bench.calibrate(*words, "--cell-out", "BM-05")
    assert unfinished.returncode == 4
    assert f"has an unfinished run of BM-05, {run_id}" in unfinished.stderr
    bench.write_station(inline)
    assert bench.serve("--until-idle").wait(60) == 0
    loaded = bench.calibrate(*words)
    assert loaded.returncode == 4
    assert '--cell-out "BM-05"' in loaded.stderr
    assert not bench.file.exists()
    forces = [lambda newton=newton: (bench.put_on(newton), newton)[1] for newton in (0, 800, 1600)]
    code, _, said = bench.guided(forces, *words, "--cell-out", "BM-05")
    assert code == 0, said
    out = bench.read().calibration
    assert out is not None
    assert out.cell_out is not None
    assert (out.cell_out.cell, out.cell_out.run_id) == ("BM-05", run_id)


def test_a_zero_is_taken_alone_when_it_rests(bench: Bench) -> None:
    table = bench.command_line.write("points.csv", "force_N,shown\n0,1.2\n800,84.4\n1600,167.6\n")
    made = bench.calibrate("--points", str(table), *REFERENCE)
    assert made.returncode == 0, made.stderr
    zeroed = bench.folder / "zeroed.yaml"
    bench.ask("fault", cable="load_cell", kind="drift", newton_per_second=0.01)
    moving = bench.calibrate("--zero", str(bench.file), "--to", str(zeroed), "--window-s", "60")
    assert moving.returncode == 1
    assert "drifts by" in moving.stderr
    bench.ask("fault", cable="load_cell", kind="heal")
    bench.ask("fault", cable="load_cell", kind="held")
    held = bench.calibrate("--zero", str(bench.file), "--to", str(zeroed), "--window-s", "5")
    assert held.returncode == 1
    assert "some readings are none: held" in held.stderr
    assert not zeroed.exists()
    bench.ask("fault", cable="load_cell", kind="heal")
    bench.put_on(300.0)
    loaded = bench.calibrate("--zero", str(bench.file), "--to", str(zeroed), "--window-s", "60")
    assert loaded.returncode == 1
    assert "take off what is on the sensor" in loaded.stderr
    assert not zeroed.exists()
    bench.put_on(0.0)
    done = bench.calibrate("--zero", str(bench.file), "--to", str(zeroed))
    assert done.returncode == 0, done.stderr
    read = bench.read(zeroed)
    assert read.calibration is not None
    assert read.calibration.zeroing is not None
    assert read.zero == pytest.approx(ZERO_NEWTON / NEWTON_PER_KG, abs=0.02)
    assert read.calibration.points == bench.read().calibration.points
    bench.write_station(f"file: {zeroed}")
    checked = bench.command_line.run("check", "station.yaml")
    assert checked.returncode == 0, checked.stderr
    other, named = bench.folder / "other.yaml", bench.folder / "station.yaml"
    other.write_text(zeroed.read_text().replace("unit: kg", "unit: kg\n  serial_number: A-1", 1))
    named.write_text(named.read_text().replace("unit: kg", 'unit: kg, serial_number: "B-2"'))
    refused = bench.calibrate("--zero", str(other), "--to", str(bench.folder / "third.yaml"))
    assert refused.returncode == 1
    assert "is of A-1, and rig1 has B-2" in refused.stderr


def test_the_run_of_a_calibrated_station_carries_the_whole_calibration(bench: Bench) -> None:
    table = bench.command_line.write("points.csv", "force_N,shown\n0,1.25\n800,84.4\n1600,167.7\n1600,167.66\n")
    assert bench.calibrate("--points", str(table), *REFERENCE).returncode == 0
    bench.put_on(997.0)
    bench.write_station(f"file: {bench.file}", pace=", pace: 1")
    daemon = bench.serve()
    run_id = bench.begin_run()
    daemon.terminate()
    daemon.wait(30)
    bench.write_station(f"file: {bench.file}")
    assert bench.serve("--until-idle").wait(60) == 0
    exported = bench.command_line.run(
        "export", run_id, "--to", "out", "--format", "csv", "--data", str(bench.command_line.data)
    )
    assert exported.returncode == 0, exported.stderr
    (sidecar,) = (bench.folder / "out").glob("*.metadata.json")
    facts = json.loads(sidecar.read_text())["extras"]["presscell"]["pressure_calibration"]
    read = bench.read()
    assert read.fit is not None
    assert facts["newton_per_unit"] == read.fit.newton_per_unit
    assert facts["zero_displayed"] == read.zero
    assert facts["file"]["text"] == bench.file.read_text()
    assert facts["standard_uncertainty_pa"] == pytest.approx(read.fit.standard_uncertainty_newton / 7.853981634e-5)
    (table,) = (bench.folder / "out").glob("*.pressure.csv")
    header, *rows = (line.split(",") for line in table.read_text().splitlines())
    row = dict(zip(header, rows[5], strict=True))
    newton = (float(row["displayed_load"]) - facts["zero_displayed"]) * facts["newton_per_unit"]
    assert float(row["surface_pressure_pa"]) == round(newton / facts["area_square_metre"])

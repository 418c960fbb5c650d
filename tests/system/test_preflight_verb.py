"""`presscell preflight` as people use it: a simulated potentiostat with a resistor on its leads, right and wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import Host
from tests.support.station import REPOSITORY

BENCH = (REPOSITORY / "config" / "bench" / "potentiostat_only.yaml").read_text()
REST = "method:\n  - {step: open_circuit_voltage, until_time: 10 h}\n"
PROTOCOL = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n" + REST
ORDER = ["open_circuit", "current", "sense", "sign", "resistance", "open_circuit_after"]


@pytest.fixture
def host_with(tmp_path: Path) -> Iterator[Callable[[float | None], Host]]:
    """A station whose potentiostat has a resistor on its leads; None: the cell."""
    hosts = []

    def make(ohm: float | None) -> Host:
        bench_file = tmp_path / "bench.yaml"
        said = "" if ohm is None else f"    dummy_ohm: {ohm:g}\n"
        bench_file.write_text(BENCH.replace("    transport:", said + "    transport:"))
        host = Host(tmp_path, bench_file=str(bench_file))
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()


def checked(host: Host, *words: str) -> tuple[int, Any, str]:
    """Exit code, the report and the words of a check on 1 kΩ."""
    station = str(host.folder / "station.yaml")
    done = host.command_line.run("preflight", station, "--rig", "rig1", "--resistor", "1000", "--json", *words)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_right_resistor_passes_and_the_report_is_kept(host_with: Callable[[float | None], Host]) -> None:
    host = host_with(1000.0)
    code, report, words = checked(host)
    assert code == 0, words
    assert [(finding["name"], finding["state"]) for finding in report["findings"]] == [(name, "ok") for name in ORDER]
    assert [round(part["asked_ampere"], 6) for part in report["parts"]] == [0.0, 0.00015, -0.00015, 0.003, -0.003]
    assert report["instrument"]["serial_number"] == "04451117"
    assert (report["passed"], report["simulated"], report["schema"]) == (True, True, "presscell-preflight/1")
    (kept,) = (host.data / "preflight").iterdir()
    assert json.loads(kept.read_text()) == report
    assert host.bench_log("output")[-1]["relay"] == "open"
    # The cell beside it has seen nothing of all this.
    assert {(line["charge_in_coulomb"], line["charge_out_coulomb"]) for line in host.bench_log("output")} == {(0, 0)}


@pytest.mark.parametrize(
    ("ohm", "fault", "name"),
    [
        (680.0, None, "resistance"),
        (1e9, None, "current"),
        (1000.0, "reverse_current", "sign"),
        (None, None, "open_circuit"),
    ],
)
def test_what_is_wrong_is_found_and_left_at_open_circuit(
    host_with: Callable[[float | None], Host], ohm: float | None, fault: str | None, name: str
) -> None:
    host = host_with(ohm)
    if fault is not None:
        host.ask_bench("fault", cable="potentiostat", kind=fault)
    code, report, _ = checked(host)
    assert code == 1
    failed = [finding["name"] for finding in report["findings"] if finding["state"] == "fail"]
    assert failed == [name]
    assert not report["passed"]
    assert host.bench_log("output")[-1]["relay"] == "open"


def test_an_instrument_that_is_in_use_is_left_alone(host_with: Callable[[float | None], Host]) -> None:
    host = host_with(None)
    daemon = host.serve()
    run_id = host.run(PROTOCOL)
    code, report, words = checked(host)
    assert (code, report) == (4, None)
    assert "stop that daemon first" in words
    daemon.kill()
    daemon.wait()
    code, report, words = checked(host)
    assert (code, report) == (4, None)
    assert run_id in words
    # Without its run's file nobody knows of it but the instrument.
    (host.data / run_id).rename(host.folder / run_id)
    code, report, words = checked(host)
    assert (code, report) == (4, None)
    assert "is on: something runs there" in words
    assert host.bench_log("output")[-1]["output"] == "on"

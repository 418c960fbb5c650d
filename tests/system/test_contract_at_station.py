"""`pytest tests/contract --station STATION.yaml`: the contract suite on a bench of simulators, as on a real one."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.host import Host
from tests.support.station import REPOSITORY

ALL = ("potentiostat", "load_cell", "thermometer", "chamber")
BODIES = 3
"""What is asked of every instrument."""


@pytest.fixture
def host_with(tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """A station of all instruments, faster than life, whose bench file has this for its potentiostat."""
    hosts = []

    def make(said: str) -> Host:
        bench_file = tmp_path / "bench.yaml"
        text = (REPOSITORY / "config" / "bench" / "single.yaml").read_text()
        bench_file.write_text(text.replace("    firmware: 1.7.12b\n", f"    firmware: 1.7.12b\n{said}"))
        host = Host(tmp_path, bench_file=str(bench_file), rigs={"rig1": ALL}, own_clock=True, speed=20.0)
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()


def suite(host: Host, *words: str) -> tuple[int, str, dict[str, int]]:
    """Exit code, what it said, and its counts."""
    station = str(host.folder / "station.yaml")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/contract", "--station", station, *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=110, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    return (
        done.returncode,
        done.stdout + done.stderr,
        {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", last)},
    )


def test_it_asks_every_instrument_and_drives_nothing(host_with: Callable[[str], Host]) -> None:
    host = host_with("")
    code, said, counts = suite(host)
    assert code == 0, said
    assert counts["passed"] == BODIES * len(ALL)
    assert counts["deselected"] > 500
    assert "skipped" not in counts
    assert "is deselected" in said
    assert not [line for line in host.bench_log("output") if line["output"] == "on"]


def test_with_a_resistor_it_drives_a_current(host_with: Callable[[str], Host]) -> None:
    host = host_with("    dummy_ohm: 470\n")
    code, said, counts = suite(host, "--with-dummy", "470", "-k", "potentiostat")
    assert code == 0, said
    assert counts["passed"] == BODIES + 1
    assert [line for line in host.bench_log("output") if line["output"] == "on"]
    assert host.bench_log("output")[-1]["relay"] == "open"


def test_what_is_wrong_fails_by_its_name(host_with: Callable[[str], Host]) -> None:
    host = host_with("    dummy_ohm: 470\n")
    host.ask_bench("fault", cable="thermometer", kind="mute")
    code, said, counts = suite(host, "-k", "thermometer or resistor", "--with-dummy", "1000")
    assert code == 1
    assert counts["failed"] == BODIES + 1
    assert "rig1.thermometer" in said
    assert "--resistor 470" in said


def test_a_station_that_is_served_is_left_alone(host_with: Callable[[str], Host]) -> None:
    host = host_with("")
    host.serve()
    code, said, _ = suite(host)
    assert code == 4
    assert "stop that daemon first" in said

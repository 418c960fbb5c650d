"""Ctrl-C, SIGTERM and kill -9 at any moment: the cell ends at open circuit, inside its window, and no row is lost."""

import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.deciding.run_state import Phase
from daemon.results.result import read_result
from daemon.store.rows import read_rows
from tests.support.command_line import CommandLine, children_of

CYCLING = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 20}
"""
BENCH = Path(__file__).parents[2] / "config" / "bench" / "potentiostat_only.yaml"
BENCH_ENDS_WITHIN_SECOND = 60.0
LOOK_EVERY_SECOND, LOOKS = 0.02, 2000
DRIVEN_AMPERE = 1e-3


def kill_at(process: subprocess.Popen[str], moment_second: float, number: signal.Signals) -> None:
    """Let it run for a while of real time, then send a signal: the moment is the test's input."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment_second)
    process.send_signal(number)


def run_directory(command_line: CommandLine) -> Path:
    (directory,) = (path for path in command_line.data.iterdir() if path.is_dir())
    return directory


def assert_the_cell_was_spared(directory: Path, bench_log) -> None:
    outputs = bench_log(directory, "output")
    assert not outputs or outputs[-1]["relay"] == "open"
    assert bench_log(directory, "excursion_begin") == []
    assert bench_log(directory, "end"), "the bench did not end by itself"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seed", [1])
def test_asked_to_stop(command_line, bench_log, number, seed):
    process = command_line.start(CYCLING, "--speed", "400")
    kill_at(process, random.Random(seed).uniform(2.5, 5.0), number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1, errors
    assert "stopped" in errors
    assert "Traceback" not in errors
    directory = run_directory(command_line)
    assert_the_cell_was_spared(directory, bench_log)
    rows = read_rows(directory / "run.sqlite", "cell")
    assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
    last_open = bench_log(directory, "output")[-1]
    last = rows.iloc[-1]
    assert last["test_time_second"] == pytest.approx(last_open["bench_second"], abs=1.0)


def start_cycling(command_line: CommandLine) -> subprocess.Popen[str]:
    """A simulation on a cell that is warm and takes 20 minutes for a charge, in 3 s; its run's file is there."""
    process = command_line.start(CYCLING, "--speed", "400", "--bench", str(BENCH))
    wait_until(process, lambda: list(command_line.data.glob("*/run.sqlite")))
    return process


def wait_until(process: subprocess.Popen[str], seen: Callable[[], object]) -> None:
    """Let it run until something is seen."""
    for _ in range(LOOKS):
        if seen():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(LOOK_EVERY_SECOND)
    pytest.fail("what is waited for does not come")


@pytest.fixture
def kill(watched) -> Callable[[subprocess.Popen[str], float], None]:
    """kill -9 after a while; then the bench is awaited, which runs on until no instrument is busy."""

    def at(process: subprocess.Popen[str], moment_second: float) -> None:
        bench_has_ended = [watched(pid) for pid in children_of(process.pid)]
        assert bench_has_ended
        kill_at(process, moment_second, signal.SIGKILL)
        process.communicate()
        assert all(wait_for_end(BENCH_ENDS_WITHIN_SECOND) for wait_for_end in bench_has_ended)

    return at


def assert_what_was_stored_can_be_read(directory: Path) -> None:
    result = read_result(directory)
    assert result.run.phase is not Phase.FINISHED
    rows = read_rows(directory / "run.sqlite", "cell")
    assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
    assert len(rows) == result.run.rows


def last_driven(outputs: list[dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    """What flowed last, when a current did, and how it ended: the line before the last tells, the last has none."""
    began, ended = outputs[-2:]
    assert (began["relay"], ended["relay"]) == ("closed", "open")
    if abs(began["current_ampere"]) < DRIVEN_AMPERE:
        return None
    return "charge" if began["current_ampere"] > 0 else "discharge", ended


def assert_it_ended_at_its_limit(half: str, ended: dict[str, Any]) -> None:
    reached, limit = {"charge": ("max_voltage_volt", 3.7), "discharge": ("min_voltage_volt", 2.0)}[half]
    assert ended[reached] == pytest.approx(limit, abs=0.006)


@pytest.mark.parametrize(("half", "seed"), [("discharge", 11)])
def test_segment_ends_at_its_own_limit_when_the_daemon_is_killed_under_way(command_line, bench_log, kill, half, seed):
    process = start_cycling(command_line)
    (directory,) = command_line.data.iterdir()
    sign = {"charge": 1, "discharge": -1}[half]

    def flows() -> bool:
        return any(line["current_ampere"] * sign > DRIVEN_AMPERE for line in bench_log(directory, "output")[-1:])

    wait_until(process, flows)
    kill(process, random.Random(seed).uniform(0.0, 1.0))
    assert_the_cell_was_spared(directory, bench_log)
    assert_what_was_stored_can_be_read(directory)
    found, ended = last_driven(bench_log(directory, "output"))
    assert found == half
    assert_it_ended_at_its_limit(half, ended)
    (lost,) = bench_log(directory, "owner_lost")
    assert lost["busy"]
    assert ended["bench_second"] > lost["bench_second"]

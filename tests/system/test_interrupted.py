"""Ctrl-C, SIGTERM and kill -9 at any moment: the cell ends at open circuit, inside its window, and no row is lost."""

import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from daemon.store.reading import read_rows
from tests.support.command_line import CommandLine, children_of

CYCLING = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 20}
"""
BENCH_ENDS_WITHIN_SECOND = 60.0


def kill_at(process: subprocess.Popen[str], moment_second: float, number: signal.Signals) -> None:
    """Let it run for a while of real time, then send a signal: the moment is the test's input."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment_second)
    process.send_signal(number)


def run_directory(command_line: CommandLine) -> Path:
    (directory,) = command_line.data.iterdir()
    return directory


def assert_the_cell_was_spared(directory: Path, bench_log) -> None:
    outputs = bench_log(directory, "output")
    assert not outputs or outputs[-1]["relay"] == "open"
    assert bench_log(directory, "excursion_begin") == []
    assert bench_log(directory, "end"), "the bench did not end by itself"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seed", [1, 2])
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


@pytest.mark.parametrize("seed", range(4))
def test_killed(command_line, bench_log, watched, seed):
    process = command_line.start(CYCLING, "--speed", "400")
    moment_second = random.Random(seed).uniform(1.5, 6.0)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment_second)
    bench_has_ended = [watched(pid) for pid in children_of(process.pid)]
    process.kill()
    process.communicate()
    assert all(wait_for_end(BENCH_ENDS_WITHIN_SECOND) for wait_for_end in bench_has_ended)
    directory = run_directory(command_line)
    assert_the_cell_was_spared(directory, bench_log)
    outputs = bench_log(directory, "output")
    if outputs and outputs[-1]["current_ampere"]:
        reached = {True: "max_voltage_volt", False: "min_voltage_volt"}[outputs[-1]["current_ampere"] > 0]
        limit = {"max_voltage_volt": 3.7, "min_voltage_volt": 2.0}[reached]
        assert outputs[-1][reached] == pytest.approx(limit, abs=0.006)
    rows = read_rows(directory / "run.sqlite", "cell")
    assert (np.diff(rows["seq"]) == 1).all()

"""Bad files are refused before anything is switched on: no bench is started, no run directory made, no traceback."""

import os
import re
import signal
from pathlib import Path

import pytest

from daemon.recover import unfinished_runs
from daemon.store.rows import read_rows
from tests.support.command_line import children_of
from tests.support.host import wait_until

GOOD_CELL = """\
cell: {name: test cell}
composite: {mass_mg: 10.0, active_fraction_percent: 75, cam_basis: bare_nmc}
c_rate: {mode: mass, specific_capacity_mAh_g: 200}
reference: {name: Li-In, offset_V: 0.62}
"""
REST = "method:\n  - {step: open_circuit_voltage, until_time: 60 s}\n"
HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"

BAD = {
    "unknown field": ("  - {step: constant_current, rate_C: 1, until_voltag_V: 3.7}\n", 3, "until_voltage_V"),
    "no stop condition": ("  - {step: constant_current, rate_C: 1}\n", 3, "until"),
    "charge that must end below its start": (
        "  - {step: constant_current, rate_C: 1, until_voltage_V: 3.6}\n"
        "  - {step: constant_current, rate_C: 0.5, until_voltage_V: 2.5}\n",
        4,
        "charge",
    ),
    "current outside the range": ("  - {step: constant_current, current_mA: 2000, until_voltage_V: 3.7}\n", 3, "2450"),
    "decimal comma": ("  - step: constant_current\n    rate_C: 1\n    until_voltage_V: 3,7\n", 5, "3.7"),
    "decimal comma in braces": ("  - {step: constant_current, rate_C: 1, until_voltage_V: 3,7}\n", 3, "3.7"),
    "duplicate key": (
        "  - step: constant_current\n    rate_C: 1\n    until_voltage_V: 3.7\n    rate_C: 2\n",
        6,
        "rate_C",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_protocol_is_refused_at_its_line(command_line, case):
    steps, line, word = BAD[case]
    protocol = command_line.write("bad.yaml", HEAD + steps)
    cell = command_line.write("cell.yaml", GOOD_CELL)
    done = command_line.run("simulate", str(protocol), "--cell", str(cell), "--data", str(command_line.data))
    assert done.returncode == 1
    where = re.search(rf"bad\.yaml:{line}:(\d+)  .*", done.stderr)
    assert where, done.stderr
    assert word in where.group(0)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not command_line.data.exists()


def test_a_missing_mass_is_refused_in_the_cell_file(command_line):
    cell = command_line.write("cell.yaml", GOOD_CELL.replace("mass_mg: 10.0, ", ""))
    done = command_line.run("simulate", "rate_capability", "--cell", str(cell), "--data", str(command_line.data))
    assert done.returncode == 1
    assert re.search(r"cell\.yaml:2:\d+  .*mass", done.stderr), done.stderr
    assert not command_line.data.exists()


def test_all_problems_are_told_at_once(command_line):
    steps = "".join(BAD[case][0] for case in ("unknown field", "no stop condition", "current outside the range"))
    done = command_line.run("check", str(command_line.write("bad.yaml", HEAD + steps)))
    assert done.returncode == 1
    assert {3, 4, 5} <= {int(line) for line in re.findall(r"bad\.yaml:(\d+):", done.stderr)}


def test_good_files_are_in_order(command_line):
    cell = command_line.write("cell.yaml", GOOD_CELL)
    done = command_line.run("check", "rate_capability", "formation", str(cell))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("arguments", [("simulate",), ("simulate", "formation", "--speed", "fast"), ("nonsense",)])
def test_usage_errors_have_their_own_exit_code(command_line, arguments):
    assert command_line.run(*arguments).returncode == 2


def test_a_bad_station_is_refused_at_its_line(command_line):
    station = "site: s\nstation: t\ndata: /d\nrigs:\n  rig1:\n    chamber: {driver: oven, address: COM3}\n"
    done = command_line.run("check", str(command_line.write("station.yaml", station)))
    assert done.returncode == 1
    assert [int(line) for line in re.findall(r"station\.yaml:(\d+):", done.stderr)] == [5, 6]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("data", "why"), [("protocol.yaml", "Not a directory"), ("/proc/none", "No such file")])
def test_a_data_directory_that_cannot_be_is_said_in_a_sentence(command_line, data, why):
    command_line.write("protocol.yaml", HEAD + "  - {step: open_circuit_voltage, until_time: 60 s}\n")
    done = command_line.run("simulate", "protocol.yaml", "--data", data)
    assert done.returncode == 1
    assert f"this folder can't be made: {why}" in done.stderr
    assert "name a data directory that may be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Rows stored" not in done.stderr


def is_caught(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    (mask,) = re.findall(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_who_interrupts_a_run_that_has_ended_is_told_where_it_is(command_line):
    """Its rows wait for a broker that is not there; nobody says that nothing was switched on."""
    process = command_line.start(REST, "--broker", "127.0.0.1:9")

    def waits_for_the_broker() -> bool:
        """The run is over, and does not hear any more that it is to be stopped."""
        begun = list(command_line.data.glob("*/run.sqlite"))
        over = begun and not unfinished_runs(command_line.data).left
        return bool(over) and not is_caught(process.pid, signal.SIGTERM)

    wait_until(process, waits_for_the_broker, lambda: "")
    (bench,) = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    os.kill(bench, signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1, errors
    (directory,) = (path for path in command_line.data.iterdir() if path.is_dir())
    assert f"Interrupted. Rows stored until then are in {directory}." in errors
    assert len(read_rows(directory / "run.sqlite", "cell")) == 61
    assert "Traceback" not in errors
